"""`commission archive`: lines of old runs leave the database, and everything is as it was."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from once import once
from program import Program, shop, tree
from sqlalchemy.exc import DBAPIError

from commission_engine.book import archive as book_archive
from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.lines import for_run, where_kept
from commission_engine.book.schema import archived, line, segment
from commission_engine.problems import CommissionError
from commission_engine.segments import segment as segments

NIGHTS = ("2026-01-08", "2026-01-31", "2026-02-28")
LISTINGS = (
    ("lines", "--json"),
    ("lines", "--json", "--affiliate", "ann"),
    ("lines", "--json", "--from", "2026-01-09", "--to", "2026-01-31"),
    ("lines", "--json", "--order", "e1"),
    ("lines", "--json", "--event", "e3", "--level", "2"),
    ("statements", "--json"),
    ("balances", "--json"),
    ("explain", "r1.1"),
    ("explain", "e3", "--json"),
)

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What does not depend on the database is tried on one."""


@pytest.fixture
def settled(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """Three nights: one line, three lines, and the refund of the first night's order."""

    def make() -> None:
        folder = shop(tmp_path / "in")
        for night in NIGHTS:
            assert commission("run", folder, "--date", night).code == 0

    once("archive", database_url, tmp_path, make)
    return commission


def listings(commission: Program) -> list[str]:
    return [commission(*words).out for words in LISTINGS]


def rows(url: str, table: sa.Table) -> int:
    with reading(connect(url)) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_all_is_as_it_was(settled: Program, database_url: str, tmp_path: Path) -> None:
    told, files = listings(settled), tree(tmp_path / "out")
    done = settled("archive", "--before", "2026-02-01", "--to", "old")
    assert done.code == 0
    assert done.out.startswith(
        f"archived 4 lines of 2 runs, 2026-01-08 to 2026-01-31, in {tmp_path / 'old'}: 2 segments, "
    )
    assert (rows(database_url, line), rows(database_url, segment)) == (1, 2)
    assert listings(settled) == told
    proof = settled("verify")
    assert (proof.code, proof.err) == (0, "")
    assert proof.out.startswith("3 runs, 4 events, 5 lines and ")
    assert settled("replay", "--all", "--no-files").code == 0
    for night in NIGHTS:
        (tmp_path / "out" / night / "lines.csv").unlink()
        assert settled("run", "--date", night).code == 0
    assert tree(tmp_path / "out") == files


@ON_SQLITE
def test_the_next_nights_go_on_and_the_archive_with_them(
    settled: Program, database_url: str, tmp_path: Path
) -> None:
    """The second archive knows its place; a refund of an archived order finds it."""
    settled("archive", "--before", "2026-02-01", "--to", "old")
    late = tmp_path / "late.csv"
    late.write_text(
        "event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
        "r2,bob,2026-03-01,-200.00,USD,e1\n",
        "utf-8",
    )
    settled("import", "earnings", late)
    assert settled("run", "--date", "2026-03-02").code == 0
    done = settled("archive", "--before", "2027-01-01", "--json")
    told = json.loads(done.out)
    assert told["runs"] == ["2026-02-28", "2026-03-02"]
    assert (told["lines"], told["place"]) == (2, str(tmp_path / "old"))
    assert rows(database_url, line) == 0
    assert settled("verify").code == 0
    again = settled("archive", "--before", "2027-01-01")
    assert (again.code, again.err) == (
        0, "nothing to archive: no run before 2027-01-01 has lines in the database\n",
    )  # fmt: skip


@ON_SQLITE
def test_it_stands_in_the_audit_trail(settled: Program, database_url: str) -> None:
    settled("archive", "--before", "2026-02-01", "--to", "old")
    found = json.loads(settled("audit", "--json").out)
    last = (found["rows"] if isinstance(found, dict) else found)[-1]
    assert last["what"] == "archive"
    assert settled("audit", "--check").code == 0
    with writing(connect(database_url)) as connection:
        off(connection, "archived")
        connection.execute(sa.update(archived).values(rows=archived.c.rows + 1))
    done = settled("verify", "--no-files")
    assert done.code == 5
    assert "audit: table archived has other rows than row" in done.err
    assert "archived run 2026-01-08: had 2 lines, its segments list 1" in done.err


def off(connection: sa.Connection, table: str) -> None:
    """As somebody who may do everything, to spoil a table."""
    for verb in ("update", "delete"):
        connection.exec_driver_sql(f"DROP TRIGGER {table}_refuses_{verb}")


@ON_SQLITE
def test_a_dry_run_changes_nothing(settled: Program, database_url: str, tmp_path: Path) -> None:
    done = settled("archive", "--before", "2026-02-01", "--to", "old", "--dry-run")
    assert done.out == (
        f"would archive 4 lines of 2 runs, 2026-01-08 to 2026-01-31, in {tmp_path / 'old'}\n"
    )
    assert rows(database_url, line) == 5
    assert not (tmp_path / "old").exists()


def test_lines_are_refused_to_go_before_and_after(settled: Program, database_url: str) -> None:
    settled("archive", "--before", "2026-02-01", "--to", "old")
    refused = pytest.raises(DBAPIError, match="line is only ever added to: delete refused")
    with refused, writing(connect(database_url)) as connection:
        connection.execute(sa.delete(line))
    assert settled("db", "check").code == 0


class Killed(Exception):
    """In the middle of the work."""


@pytest.mark.parametrize("committed", [0, 1])
def test_what_was_stopped_in_the_middle_is_done_by_the_next_one(
    settled: Program,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    committed: int,
) -> None:
    """With the segments on the disk and nothing committed, and with one run of two committed."""
    monkeypatch.setattr(book_archive, "LINES_AT_ONCE", 1)
    told, work = settled("lines", "--json").out, book_archive._take_out
    calls = 0

    def killed(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls > committed:
            raise Killed
        work(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(book_archive, "_take_out", killed)
    assert settled("archive", "--before", "2026-02-01", "--to", "old").code == 1
    assert rows(database_url, archived) == committed
    assert len([*(tmp_path / "old").glob("*.parquet")]) == committed + 1
    assert settled("lines", "--json").out == told
    monkeypatch.setattr(book_archive, "_take_out", work)
    assert settled("archive", "--before", "2026-02-01", "--to", "old").code == 0
    assert rows(database_url, archived) == 2
    assert len([*(tmp_path / "old").glob("*.parquet")]) == 2
    assert settled("lines", "--json").out == told
    done = settled("verify", "--no-files")
    assert (done.code, done.err) == (0, "")


@ON_SQLITE
def test_segments_that_say_something_else_stop_it(
    settled: Program, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = segments.whole

    def lying(*given: object) -> object:
        return whole(*given).with_columns(reason=9)  # type: ignore[arg-type]

    monkeypatch.setattr(segments, "whole", lying)
    done = settled("archive", "--before", "2026-02-01", "--to", "old")
    assert (done.code, "its segments in" in done.err) == (5, True)
    assert (rows(database_url, line), rows(database_url, segment)) == (5, 0)


@ON_SQLITE
def test_lines_that_are_not_as_many_as_the_run_says_stop_it(
    settled: Program, database_url: str
) -> None:
    with writing(connect(database_url)) as connection:
        off(connection, "line")
        connection.execute(sa.delete(line).where(line.c.level == 2))
        on(connection)
    done = settled("archive", "--before", "2026-02-01", "--to", "old")
    assert done.code == 5
    assert "have 4 lines by their figures, the database has 3" in done.err
    assert rows(database_url, archived) == 0


def on(connection: sa.Connection) -> None:
    for verb in ("update", "delete"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER line_refuses_{verb} BEFORE {verb} ON line BEGIN"
            f" SELECT RAISE(ABORT, 'line is only ever added to: {verb} refused'); END"
        )


@pytest.fixture
def archived_lines(settled: Program) -> Program:
    assert settled("archive", "--before", "2026-02-01", "--to", "old").code == 0
    return settled


@ON_SQLITE
def test_a_lost_segment_is_named(archived_lines: Program, tmp_path: Path) -> None:
    path = sorted((tmp_path / "old").glob("*.parquet"))[0]
    path.unlink()
    done = archived_lines("verify", "--no-files")
    assert done.code == 5
    assert f"{path}: this segment of the book's lines is not there" in done.err


@ON_SQLITE
def test_lines_in_both_homes_are_named(archived_lines: Program, database_url: str) -> None:
    with writing(connect(database_url)) as connection:
        (one,) = where_kept(connection).of_run(connection, 20461)
        for_run(connection, "database").add(connection, 20461, one)
    done = archived_lines("verify", "--no-files")
    assert done.code == 5
    assert "differs: archived run 2026-01-08: has lines in the database too\n" in done.err


@ON_SQLITE
def test_an_archive_that_was_moved(archived_lines: Program, tmp_path: Path) -> None:
    told = archived_lines("lines", "--json").out
    (tmp_path / "old").rename(tmp_path / "moved")
    assert archived_lines("lines").code == 1
    elsewhere = archived_lines("archive", "--to", "nowhere")
    assert elsewhere.code == 2
    assert "is not the same" in elsewhere.err
    done = archived_lines("archive", "--to", "moved")
    assert (done.code, done.err) == (0, f"the archive is in {tmp_path / 'moved'} now\n")
    assert archived_lines("lines", "--json").out == told
    assert archived_lines("verify", "--no-files").code == 0


@ON_SQLITE
def test_a_dump_has_the_archive_too(
    archived_lines: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = archived_lines("lines", "--json").out
    assert json.loads(archived_lines("db", "dump", "a.dump", "--json").out)["segments"] == 2
    (tmp_path / "old").rename(tmp_path / "gone")
    target = f"sqlite:///{tmp_path / 'new.db'}"
    done = archived_lines("db", "restore", "a.dump", "--database", target)
    assert done.code == 0
    monkeypatch.setenv("COMMISSION_DATABASE", target)
    assert archived_lines("lines", "--json").out == told


@ON_SQLITE
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "error: --before is missing\n"),
        (("--to", "old"), "error: this book has no archive yet, so none was moved\n"),
        (("--before", "2026-02-01"), "error: --to is missing: this book has no archive yet\n"),
        (("--before", "2026-02-01", "--to", "database"), "error: --to database: that is where"),
        (("--before", "soon", "--to", "old"), "error: --before: 'soon' is not a day\n"),
    ],
)
def test_what_is_not_said_or_not_possible(
    settled: Program, words: tuple[str, ...], said: str
) -> None:
    done = settled("archive", *words)
    assert (done.code, done.err.startswith(said)) == (2, True)


@ON_SQLITE
def test_lines_that_are_outside_already(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_LINES_STORE", "kept")
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    done = commission("archive", "--before", "2027-01-01", "--to", "old")
    assert (done.code, done.err) == (
        0, "nothing to archive: the lines of this book are outside the database already\n",
    )  # fmt: skip


def test_a_role_that_does_not_own_the_table(postgresql_url: str) -> None:
    """Whoever may only add cannot archive; nothing is changed."""
    with writing(connect(postgresql_url)) as connection:
        role = f"adder_{connection.engine.url.database}"
        connection.exec_driver_sql(f"CREATE ROLE {role}")
    engine = connect(postgresql_url)
    try:
        with writing(engine) as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            refused = pytest.raises(CommissionError, match="lines cannot be taken out")
            with refused, book_archive._deletable(connection):
                pass
            connection.rollback()
    finally:
        with writing(engine) as connection:
            connection.exec_driver_sql(f"DROP ROLE {role}")
