"""`commission db`: the tables brought up to date, the database looked at, a book as one file."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from old_books import carried_over, old_book, revision_of
from once import once
from program import HEADER, Program, shop

from commission_engine import dump as dumps
from commission_engine.book import revisions, tables
from commission_engine.book.connect import connect, migrate, reading, writing
from commission_engine.book.lock import working
from commission_engine.book.schema import affiliate, intake
from commission_engine.dump import dump, restore
from commission_engine.problems import CommissionError, Locked, UsageError

ODD = (
    "event_id,affiliate_id,occurred_at,amount,currency,note\n"
    '"e,""9""",bob,2026-01-05,1.00,USD,"a\nb"\n'
)

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What does not depend on the database is tried on one."""


@pytest.fixture
def settled(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """Two nights, with texts that are hard to write down: quotes, ends of lines, nothing."""

    def make() -> None:
        commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
        odd, bad = tmp_path / "odd.csv", tmp_path / "bad.csv"
        odd.write_text(ODD, "utf-8")
        bad.write_bytes(HEADER.encode() + b'x\xff,bob,2026-01-05,"1,0",USD,\n\ty\\N,,,,,\n')
        commission("import", "earnings", odd)
        commission("import", "earnings", bad)
        assert commission("run", "--date", "2026-03-01").code == 0

    once("db", database_url, tmp_path, make)
    return commission


@pytest.fixture
def other(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """An empty database of the other kind."""
    if database_url.startswith("postgresql"):
        return f"sqlite:///{tmp_path / 'other.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


# -- a dump and back


def test_a_book_goes_from_one_kind_of_database_to_the_other(
    settled: Program, database_url: str, other: str, tmp_path: Path
) -> None:
    done = settled("db", "dump", "a.dump")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("dumped: ")
    back = settled("db", "restore", "a.dump", "--database", other)
    assert (back.code, back.err.splitlines()) == (
        0, ["verifying", "2 runs, 5 events and 6 lines looked at: all agree"],
    )  # fmt: skip
    for name, url in (("b.dump", other), ("c.dump", database_url)):
        dump(connect(url), tmp_path / name)
    assert (tmp_path / "a.dump").read_bytes() == (tmp_path / "b.dump").read_bytes()
    assert (tmp_path / "a.dump").read_bytes() == (tmp_path / "c.dump").read_bytes()
    assert settled("audit", "--check", "--database", other).code == 0
    assert settled("run", "--date", "2026-03-02", "--database", other).code == 0


@ON_SQLITE
def test_a_dump_says_what_is_in_it(settled: Program, tmp_path: Path) -> None:
    told = json.loads(settled("db", "dump", "a.dump", "--json").out)
    assert told["revision"] == revisions.newest()
    assert {name: told["tables"][name] for name in ("run", "event", "line", "refusal")} == {
        "run": 2, "event": 5, "line": 6, "refusal": 2,
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "a.dump") as archive:
        names = archive.namelist()
        events = archive.read("tables/event.csv").decode()
    assert names[-1] == "manifest.json"
    assert "tables/lease.csv" not in names
    assert events.splitlines()[0] == (
        '"id","event_id","affiliate","occurred_us","amount_minor","currency","root","intake","extra"'
    )
    assert '"e,""9"""' in events
    assert settled("db", "restore", "a.dump", "--dry-run").out.startswith("whole: ")


@ON_SQLITE
def test_a_dump_is_never_written_over(settled: Program, tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(b"mine")
    done = settled("db", "dump", "a.dump")
    assert (done.code, done.err) == (
        2, "error: a.dump: is there already\nName a file that is not there yet.\n",
    )  # fmt: skip
    assert (tmp_path / "a.dump").read_bytes() == b"mine"
    assert settled("db", "dump", "nowhere/a.dump").code == 1
    assert [path.name for path in tmp_path.glob("*dump*")] == ["a.dump"]


def altered_table(path: Path) -> None:
    """A table with one digit changed, and what ZIP itself says of it set right."""
    rewritten(
        path, lambda name, text: text.replace(b"30000", b"30001") if "event" in name else text
    )


def altered_manifest(path: Path) -> None:
    rewritten(path, lambda name, text: text.replace(b'"rows": 5', b'"rows": 6'))


def a_table_less(path: Path) -> None:
    rewritten(path, lambda name, text: None if name == "tables/payout.csv" else text)


def other_trail(path: Path) -> None:
    def change(name: str, text: bytes) -> bytes:
        if name != "manifest.json":
            return text
        said = json.loads(text)
        said["trail"][1] = "0" * 64
        return json.dumps(said).encode()

    rewritten(path, change)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda each: each.compress_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2] ^= 255
    path.write_bytes(content)


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    path.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            changed = change(name, text)
            if changed is not None:
                archive.writestr(name, changed)


@pytest.mark.parametrize(
    "damage", [altered_table, altered_manifest, a_table_less, other_trail, cut, flipped]
)
def test_a_damaged_dump_leaves_nothing(
    sqlite_book_dump: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(sqlite_book_dump)
    target = connect(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(CommissionError) as refused:
        restore(target, sqlite_book_dump)
    assert str(sqlite_book_dump) in refused.value.message
    assert "Nothing was restored" in refused.value.hint
    assert {path.name for path in tmp_path.glob("new.db*")} <= {"new.db.lock"}


@pytest.fixture(scope="module")
def made_dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of a book of an earlier program, brought up to date."""
    folder = tmp_path_factory.mktemp("dumped")
    engine = connect(old_book("0006", folder / "old.db"))
    migrate(engine)
    dump(engine, folder / "book.dump")
    return folder / "book.dump"


@pytest.fixture
def sqlite_book_dump(made_dump: Path, tmp_path: Path) -> Path:
    """The dump, to be spoiled."""
    return Path(shutil.copy(made_dump, tmp_path))


def test_a_restore_that_fails_leaves_an_empty_server_as_it_was(
    sqlite_book_dump: Path, empty_url: str
) -> None:
    other_trail(sqlite_book_dump)
    with pytest.raises(CommissionError, match="audit trail"):
        restore(connect(empty_url), sqlite_book_dump)
    if empty_url.startswith("postgresql"):
        assert revision_of(connect(empty_url)) is None


def test_only_an_empty_book_is_filled(sqlite_book_dump: Path, database_url: str) -> None:
    engine = connect(database_url)
    with working(engine, "somebody", "today"), pytest.raises(Locked, match="somebody"):
        restore(engine, sqlite_book_dump)
    restore(engine, sqlite_book_dump)
    with pytest.raises(UsageError, match=r"the book is not empty: its table \w+ has rows"):
        restore(engine, sqlite_book_dump)


def test_a_database_of_somebody_elses_is_left_alone(sqlite_book_dump: Path, empty_url: str) -> None:
    engine = connect(empty_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE cats (name TEXT)")
    with pytest.raises(UsageError, match="the database is not empty: it has a table cats"):
        restore(engine, sqlite_book_dump)


@pytest.mark.parametrize("revision", ["0001"])
def test_a_dump_of_an_older_book_is_brought_up_to_date(
    revision: str, database_url: str, tmp_path: Path
) -> None:
    """The empty book that it goes into has this program's tables already."""
    old = connect(old_book(revision, tmp_path / "old.db"))
    said = dump(old, tmp_path / "old.dump")
    assert (said.revision, revision_of(old)) == (revision, revision)
    engine = connect(database_url)
    restore(engine, tmp_path / "old.dump")
    assert revision_of(engine) == revisions.newest()
    with reading(engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(affiliate)).scalar() == 9


def test_a_dump_of_a_newer_program_is_refused(sqlite_book_dump: Path, tmp_path: Path) -> None:
    rewritten(
        sqlite_book_dump,
        lambda name, text: text.replace(f'"{revisions.newest()}"'.encode(), b'"0099"'),
    )
    with pytest.raises(CommissionError) as refused:
        restore(connect(f"sqlite:///{tmp_path / 'new.db'}"), sqlite_book_dump)
    assert "the dump's schema is 0099, newer than this program knows" in refused.value.message
    rewritten(sqlite_book_dump, lambda _, text: text.replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(CommissionError, match="a dump of form 2, this program reads 1"):
        dumps.look(sqlite_book_dump)


def test_rows_are_read_back_in_pieces(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a piece of a file ends: in a row, in a text, between two quotes."""
    engine = connect(sqlite_url)
    texts = ['a"b', "line\nend\r\n", "", ",", '"', "\ufeff", "'", "長", "\\N"]
    with writing(engine) as connection:
        columns = {
            "id": pl.Series(range(1, 10)),
            "affiliate_id": pl.Series(texts),
            "intake": pl.Series([1] * 9),
        }
        tables.add(connection, affiliate, pl.DataFrame(columns))
    dump(engine, tmp_path / "a.dump")
    for size in (1, 7):
        monkeypatch.setattr(dumps, "BLOCK", size)
        target = connect(f"sqlite:///{tmp_path / f'{size}.db'}")
        restore(target, tmp_path / "a.dump")
        with reading(target) as connection:
            query = sa.select(affiliate.c.affiliate_id).order_by(affiliate.c.id)
            assert connection.execute(query).scalars().all() == texts


@ON_SQLITE
def test_a_book_that_does_not_prove_itself_is_restored_and_said(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    with writing(connect(database_url)) as connection:
        connection.exec_driver_sql("UPDATE cap_total SET total_minor = total_minor + 1")
    commission("db", "dump", "a.dump")
    target = f"sqlite:///{tmp_path / 'new.db'}"
    done = commission("db", "restore", "a.dump", "--database", target)
    assert done.code == 5
    assert "differs: cap totals: " in done.err
    assert done.err.endswith("the book is restored as the dump has it; it does not prove itself\n")


@ON_SQLITE
def test_lines_in_segments_come_along(
    commission: Program, tmp_path: Path, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_LINES_STORE", "kept")
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    told = json.loads(commission("db", "dump", "a.dump", "--json").out)
    assert told["segments"] == 1
    assert (
        json.loads(commission("db", "dump", "bare.dump", "--without-segments", "--json").out)[
            "segments"
        ]
        == 0
    )
    (tmp_path / "kept").rename(tmp_path / "gone")
    done = commission("db", "restore", "a.dump", "--database", other, "--lines-store", "new")
    assert (done.code, done.err.splitlines()[-1]) == (
        0, "1 run, 4 events and 5 lines looked at: all agree",
    )  # fmt: skip
    (kept,) = (tmp_path / "new").glob("*.parquet")
    assert (tmp_path / "gone" / kept.name).read_bytes() == kept.read_bytes()


@ON_SQLITE
def test_segments_of_a_restore_that_fails_are_taken_back(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_LINES_STORE", "kept")
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    commission("db", "dump", "a.dump")

    def change(name: str, text: bytes) -> bytes:
        return text[:-1] + b"x" if name.startswith("segments/") else text

    rewritten(tmp_path / "a.dump", change)
    assert commission("db", "restore", "a.dump", "--dry-run").code == 1
    target = f"sqlite:///{tmp_path / 'new.db'}"
    done = commission("db", "restore", "a.dump", "--database", target, "--lines-store", "new")
    assert (done.code, "is not what was written" in done.err) == (1, True)
    assert not [*(tmp_path / "new").glob("*")]
    assert not (tmp_path / "new.db").exists()


# -- upgrade


@ON_SQLITE
def test_upgrade_says_from_where_to_where(commission: Program, tmp_path: Path) -> None:
    newest = revisions.newest()
    url = old_book("0003", tmp_path / "old.db")
    asked = ("db", "upgrade", "--database", url)
    assert (
        commission(*asked, "--dry-run").err == f"dry run: would go from revision 0003 to {newest}\n"
    )
    assert revision_of(connect(url)) == "0003"
    assert json.loads(commission(*asked, "--json").out) == {
        "from": "0003", "to": newest, "dry_run": False,
    }  # fmt: skip
    assert commission(*asked).err == (
        f"the tables have revision {newest} already; nothing was changed\n"
    )


@ON_SQLITE
def test_no_command_of_care_makes_a_book(commission: Program, tmp_path: Path) -> None:
    for words in (("upgrade",), ("dump", "x.dump")):
        done = commission("db", *words, "--database", "sqlite:///none.db")
        assert (done.code, done.err.splitlines()[0]) == (2, "error: none.db: there is no such book")
    assert commission("db", "check", "--database", "sqlite:///none.db").code == 1
    assert not (tmp_path / "none.db").exists()


# -- check


def test_a_database_in_order(commission: Program, database_url: str) -> None:
    done = commission("db", "check")
    kind = database_url.partition(":")[0]
    assert done.code == 0
    assert done.out.startswith(f"{kind}, revision {revisions.newest()}, ")
    assert done.out.endswith(": in order\n")
    told = json.loads(commission("db", "check", "--json").out)
    assert (told["faults"], told["revision"]) == ([], told["newest"])


SPOILED = {
    "no trigger": (
        {"sqlite": "DROP TRIGGER line_refuses_delete",
         "postgresql": "ALTER TABLE line DISABLE TRIGGER line_refuses_change"},
        {"sqlite": "table line: nothing refuses delete",
         "postgresql": "table line: nothing refuses update, delete and truncate"},
    ),
    "no index": (
        dict.fromkeys(("sqlite", "postgresql"), "DROP INDEX ix_statement_affiliate"),
        dict.fromkeys(
            ("sqlite", "postgresql"),
            "not as this program needs it: add_index ix_statement_affiliate",
        ),
    ),
    "an older revision": (
        dict.fromkeys(("sqlite", "postgresql"), "UPDATE alembic_version SET version_num = '0006'"),
        dict.fromkeys(
            ("sqlite", "postgresql"),
            f"its tables have revision 0006, this program works with {revisions.newest()}",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_with_a_database_is_named(
    commission: Program, database_url: str, what: str
) -> None:
    statement, said = SPOILED[what]
    kind = database_url.partition(":")[0]
    with writing(connect(database_url)) as connection:
        connection.exec_driver_sql(statement[kind])
    done = commission("db", "check")
    assert done.code == 1
    assert f"fault: {said[kind]}\n" in done.err


@ON_SQLITE
def test_a_server_that_spoils_rules_is_named(commission: Program, postgresql_url: str) -> None:
    with writing(connect(postgresql_url)) as connection:
        connection.exec_driver_sql("ALTER TABLE payout DROP CONSTRAINT ck_payout_positive")
        connection.exec_driver_sql(
            "ALTER TABLE payout ADD CONSTRAINT ck_payout_positive"
            " CHECK (amount_minor > 0) NOT VALID"
        )
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN NULL; END $$"
        )
    done = commission("db", "check", "--database", postgresql_url)
    assert done.code == 1
    assert "fault: table payout: its rule ck_payout_positive was never proved\n" in done.err
    assert "fault: table run: nothing refuses update, delete and truncate\n" in done.err


@ON_SQLITE
def test_a_sqlite_file_that_is_damaged_is_named(
    commission: Program, sqlite_url: str, tmp_path: Path
) -> None:
    with writing(connect(sqlite_url)) as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(
            sa.insert(intake),
            [{"id": n, "kind": "plan", "learned_at": "now", "who": "x" * 500, "files": "[]",
              "accepted": 0, "duplicate": 0, "rejected": 0} for n in range(1, 200)],
        )  # fmt: skip
    path = Path(str(connect(sqlite_url).url.database))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"x" * 400)
    content[place - 600 : place] = bytes(600)
    path.write_bytes(content)
    done = commission("db", "check", "--database", sqlite_url)
    assert done.code == 1
    assert "fault: " in done.err


def test_a_file_without_rights_is_named(sqlite_url: str, tmp_path: Path) -> None:
    """Whoever may do everything is not stopped by rights: then there is nothing to see."""
    path = Path(str(connect(sqlite_url).url.database))
    path.chmod(0o400)
    from commission_engine.book.health import health

    found = health(connect(sqlite_url)).faults
    path.chmod(0o644)
    named = [each for each in found if "may not be read and written" in each]
    assert len(named) == (0 if os.geteuid() == 0 else 1)


def test_a_database_without_a_book_is_named(commission: Program, empty_url: str) -> None:
    with writing(connect(empty_url)) as connection:
        connection.exec_driver_sql("CREATE TABLE cats (name TEXT)")
    done = commission("db", "check", "--database", empty_url)
    assert (done.code, "fault: there is no book in this database\n" in done.err) == (1, True)


def test_carried_over_is_the_same_as_dumped_and_restored(
    sqlite_url: str, postgresql_url: str, tmp_path: Path
) -> None:
    """The tests' own way of filling a server."""
    source = old_book("0006", tmp_path / "old.db")
    migrate(connect(source))
    carried_over(source, postgresql_url)
    dump(connect(source), tmp_path / "a")
    dump(connect(postgresql_url), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
