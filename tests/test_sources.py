"""Files dropped into a folder: imported once, moved with a report, never lost or half taken."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from program import EARNINGS, HEADER, PLAN, REFERRALS, Program, shop, tree

from commission_engine.book.connect import connect, reading
from commission_engine.book.schema import event, intake
from commission_engine.book.schema_people import source_fetch, source_file
from commission_engine.book.sources import Known
from commission_engine.problems import CommissionError
from commission_engine.sources import folder as folder_source
from commission_engine.sources.folder import DropFolder
from commission_engine.sources.put_away import put_away
from commission_engine.sources.shape import Fetched, FileFate

DROP = '[[source]]\nname = "drop"\nkind = "folder"\npath = "inbox"\n'
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what does not depend on where the book is."""

BAD = HEADER + "e8,bob,2026-02-01,1.00,USD,\ne9,bob,2026-02-01,=1+2,USD,\n"


def configure(text: str = DROP) -> None:
    Path("config").mkdir(exist_ok=True)
    Path("config/sources.toml").write_text(text, "utf-8")


@pytest.fixture
def inbox(commission: Program) -> Path:
    """An inbox with a plan, referrals and earnings, in the current folder."""
    configure()
    return shop(Path("inbox"))


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def events(url: str) -> list[str]:
    with reading(connect(url)) as connection:
        query = sa.select(event.c.event_id).order_by(event.c.event_id)
        return list(connection.execute(query).scalars())


def test_a_run_fetches_what_was_dropped_and_a_second_one_finds_nothing(
    commission: Program, inbox: Path, database_url: str
) -> None:
    done = commission("run", "--date", "2026-02-28", "--json")
    assert done.code == 0
    said = json.loads(done.out)
    counts = {"read": 4, "accepted": 4, "duplicate": 0, "rejected": 0}
    (fetched,) = said["fetched"]
    assert said["imported"][1] == {"kind": "earnings", **counts} == fetched["imported"][1]
    assert (fetched["source"], fetched["plan_changed"]) == ("drop", True)
    assert names(inbox) == [
        "done/000001-earnings.csv", "done/000001-plan.toml", "done/000001-referrals.csv",
    ]  # fmt: skip
    assert (inbox / "done/000001-earnings.csv").read_text("utf-8") == EARNINGS
    again = commission("run", "--date", "2026-03-01")
    assert (again.code, "source drop (folder): nothing new" in again.err) == (0, True)
    assert len(events(database_url)) == 4
    assert commission("verify").code == 0


@on_sqlite
def test_a_date_that_is_complete_fetches_nothing(commission: Program, inbox: Path) -> None:
    assert commission("run", "--date", "2026-02-28").code == 0
    (inbox / "earnings.csv").write_text(HEADER, "utf-8")
    assert commission("run", "--date", "2026-02-28").code == 0
    assert commission("run", "--date", "2026-03-01", "--no-fetch").code == 0
    assert (inbox / "earnings.csv").exists()


def test_refused_rows_and_files_have_a_report_beside_them(
    commission: Program, inbox: Path, database_url: str
) -> None:
    (inbox / "earnings-2.csv").write_text(BAD, "utf-8")
    (inbox / "earnings_3.csv").write_text("event_id,amount\n", "utf-8")
    (inbox / "earnings-4.parquet").write_bytes(b"PAR1 and no more")
    done = commission("fetch", "--json")
    assert done.code == 3
    assert names(inbox / "refused") == [
        "000001-earnings-2.csv",
        "000001-earnings-2.csv.report.csv",
        "000001-earnings-4.parquet",
        "000001-earnings-4.parquet.report.txt",
        "000001-earnings_3.csv",
        "000001-earnings_3.csv.report.txt",
    ]
    assert (inbox / "refused/000001-earnings-2.csv.report.csv").read_text("utf-8") == (
        "line,code,column,text,message,row\n"
        "3,bad_amount,amount,'=1+2,\"''=1+2' is not an amount; write digits with a point, such as"
        ' 12.50","e9,bob,2026-02-01,=1+2,USD,"\n'
    )
    report = (inbox / "refused/000001-earnings_3.csv.report.txt").read_text("utf-8")
    assert report.splitlines()[0] == (
        "earnings_3.csv: line 1 has no columns 'affiliate_id', 'occurred_at', 'currency';"
        " it has 'event_id', 'amount'"
    )
    assert events(database_url) == ["e1", "e2", "e3", "e8", "r1"]
    (fetched,) = json.loads(done.out)["fetched"]
    told = {each["name"]: (each["rejected"], each["refused"] is None) for each in fetched["files"]}
    assert told == {
        "plan.toml": (0, True), "referrals.csv": (0, True), "earnings.csv": (0, True),
        "earnings-2.csv": (1, True), "earnings-4.parquet": (0, False),
        "earnings_3.csv": (0, False),
    }  # fmt: skip
    with reading(connect(database_url)) as connection:
        kept = connection.execute(
            sa.select(source_file.c.name, source_file.c.bytes, source_file.c.refused != "")
        ).all()
    assert ("earnings-2.csv", len(BAD), False) in [tuple(row) for row in kept]
    assert sum(row[2] for row in kept) == 2
    assert commission("rejects", "--mend", "mended.csv").code == 0
    assert commission("verify").code == 0


@on_sqlite
def test_files_of_one_drop_are_one_set_of_rows(commission: Program, inbox: Path) -> None:
    """The reversal is in the file whose name comes first."""
    (inbox / "earnings.csv").unlink()
    (inbox / "earnings-1.csv").write_text(HEADER + "r1,bob,2026-02-02,-9.00,USD,e1\n", "utf-8")
    (inbox / "earnings-2.csv").write_text(HEADER + "e1,bob,2026-02-01,9.00,USD,\n", "utf-8")
    assert commission("fetch").code == 0


@on_sqlite
def test_what_is_still_being_written_is_not_taken(commission: Program, inbox: Path) -> None:
    started = (".earnings-2.csv", "earnings-2.csv.part", "earnings-3.csv.tmp", "earnings-4.csv~")
    for name in started:
        (inbox / name).write_text(HEADER[:9], "utf-8")
    (inbox / "sales.csv").write_text(HEADER, "utf-8")
    done = commission("fetch")
    assert done.code == 0
    assert done.err.splitlines()[0] == "note: inbox: not looked at: sales.csv"
    assert {path.name for path in inbox.iterdir()} == {*started, "sales.csv", "done"}


@on_sqlite
def test_a_refused_plan_stays_and_stops_everything_until_it_is_mended(
    commission: Program, inbox: Path, database_url: str
) -> None:
    (inbox / "plan.toml").write_text(PLAN.replace('"20%"\n', '"30%"\n'), "utf-8")
    done = commission("run", "--date", "2026-02-28")
    assert done.code == 2
    fault = "plan.toml:15: terms[1].level[1].rate: 30% is outside rate_bounds 10% to 20%"
    assert done.err.splitlines()[0] == f"error: {fault}"
    assert (inbox / "plan.toml.report.txt").read_text("utf-8").splitlines()[0] == fault
    assert names(inbox) == ["earnings.csv", "plan.toml", "plan.toml.report.txt", "referrals.csv"]
    assert events(database_url) == []
    (inbox / "plan.toml").write_text(PLAN, "utf-8")
    assert commission("run", "--date", "2026-02-28").code == 0
    assert [name.split("/")[0] for name in names(inbox)] == ["done"] * 3


def test_a_dry_run_keeps_and_moves_nothing(
    commission: Program, inbox: Path, database_url: str
) -> None:
    (inbox / "earnings_3.csv").write_text("event_id\n", "utf-8")
    before = tree(inbox)
    done = commission("fetch", "--dry-run", "--json")
    (fetched,) = json.loads(done.out)["fetched"]
    assert (done.code, fetched["imported"][1]["accepted"]) == (3, 4)
    assert commission("run", "--date", "2026-02-28", "--dry-run").code == 0
    assert (tree(inbox), events(database_url)) == (before, [])
    with reading(connect(database_url)) as connection:
        for table in (intake, source_fetch):
            assert connection.execute(sa.select(table)).all() == []


@on_sqlite
def test_strict_keeps_nothing_of_a_source_with_a_refused_row_or_file(
    commission: Program, inbox: Path, database_url: str
) -> None:
    before = tree(inbox)
    (inbox / "earnings-2.csv").write_text(BAD, "utf-8")
    assert commission("fetch", "--strict").code == 3
    (inbox / "earnings-2.csv").write_text("event_id\n", "utf-8")
    done = commission("run", "--date", "2026-02-28", "--strict")
    assert done.code == 1
    assert done.err.startswith("error: earnings-2.csv: line 1 has no columns 'affiliate_id'")
    (inbox / "earnings-2.csv").unlink()
    assert (tree(inbox), events(database_url)) == (before, [])


def test_a_fetch_that_dies_before_it_has_moved_its_files_is_finished_by_the_next(
    commission: Program, inbox: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    (inbox / "earnings-2.csv").write_text(BAD, "utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(folder_source, "put_away", broken)
        done = commission("fetch")
    assert (done.code, "cannot be moved to inbox/done: Input/output error" in done.err) == (1, True)
    known = events(database_url)
    assert len(names(inbox)) == 4
    assert commission("fetch").code == 3
    assert events(database_url) == known
    assert names(inbox) == [
        "done/000002-earnings.csv", "done/000002-plan.toml", "done/000002-referrals.csv",
        "refused/000002-earnings-2.csv", "refused/000002-earnings-2.csv.report.csv",
    ]  # fmt: skip


@on_sqlite
def test_a_file_in_done_is_never_replaced(commission: Program, inbox: Path) -> None:
    (inbox / "done").mkdir()
    (inbox / "done/000001-earnings.csv").write_text("kept", "utf-8")
    assert commission("fetch").code == 0
    assert (inbox / "done/000001-earnings.csv").read_text("utf-8") == "kept"
    assert (inbox / "done/000001-earnings.2.csv").read_text("utf-8") == EARNINGS


def test_a_file_that_changed_meanwhile_stays(tmp_path: Path) -> None:
    inbox = shop(tmp_path / "inbox")
    source = DropFolder("drop", inbox, inbox / "done", inbox / "refused")
    nothing = Known(0, "", None, frozenset(), 0)
    with source.look(nothing) as catch:
        (inbox / "earnings.csv").write_text(EARNINGS + "e4,bob,2026-01-06,1.00,USD,\n", "utf-8")
        fates = tuple(FileFate(each.name) for each in catch.pieces)
        settled = source.settle(Fetched("drop", "folder", 7, files=fates))
    assert settled.notes == (f"{inbox / 'earnings.csv'}: has changed meanwhile, and stays",)
    assert names(inbox) == ["done/000007-referrals.csv", "earnings.csv", "plan.toml"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        assert os.stat(name).st_dev != tmp_path.stat().st_dev
        yield Path(name)


@on_sqlite
def test_files_move_to_another_file_system(
    commission: Program, inbox: Path, elsewhere: Path
) -> None:
    configure(f'{DROP}done = "{elsewhere}/done"\n')
    assert commission("fetch").code == 0
    assert names(inbox) == []
    assert tree(elsewhere / "done")["000001-referrals.csv"].decode() == REFERRALS
    assert len(names(elsewhere)) == 3


def test_a_report_that_cannot_be_written_leaves_the_file_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text("x", "utf-8")
    (tmp_path / "refused" / "earnings.csv.report.txt").mkdir(parents=True)
    with pytest.raises(CommissionError):
        put_away(file, tmp_path / "refused", file.name, (".report.txt", b"why"))
    assert names(tmp_path) == ["earnings.csv"]


@on_sqlite
def test_a_folder_that_is_not_there_stops_the_run_unless_it_may_be_missing(
    commission: Program, inbox: Path
) -> None:
    away = '[[source]]\nname = "away"\nkind = "folder"\npath = "gone"\n'
    configure(DROP + away)
    done = commission("run", "--date", "2026-02-28", "--out", "out")
    assert done.code == 75
    assert "error: source 'away': gone: there is no such folder" in done.err.splitlines()
    assert not Path("out").exists()
    assert json.loads(commission("runs", "--json").out) == []
    configure(DROP + away + "required = false\n")
    done = commission("run", "--date", "2026-02-28")
    assert done.code == 0
    left_out = "left out (required = false): source 'away': gone: there is no such folder"
    assert left_out in done.err.splitlines()


@on_sqlite
def test_nothing_is_imported_where_no_file_could_be_moved_to(
    commission: Program, inbox: Path, database_url: str
) -> None:
    configure(f'{DROP}done = "plain/done"\n')
    Path("plain").write_text("a file", "utf-8")
    done = commission("fetch")
    assert done.code == 1
    assert "plain: cannot be written to, so no file could be moved to plain/done" in done.err
    assert events(database_url) == []


@on_sqlite
def test_the_list_says_how_far_each_source_is(commission: Program, inbox: Path) -> None:
    configure(DROP + '[[source]]\nname = "away"\nkind = "folder"\npath = "gone"\n')
    drop, away = json.loads(commission("sources", "--json").out)
    expected = {"source": "drop", "kind": "folder", "place": "inbox", "required": True}
    state = {"fetches": 0, "last_fetch": "", "watermark": "", "waiting": 3, "refused": 0}
    assert drop == {**expected, **state, "state": ""}
    assert away["state"] == "source 'away': gone: there is no such folder"
    assert commission("sources", "--check").code == 75
    assert commission("fetch", "drop").code == 0
    drop, away = json.loads(commission("sources", "--json").out)
    assert (drop["fetches"], drop["waiting"], away["fetches"]) == (1, 0, 0)


@on_sqlite
def test_the_trail_names_the_source_and_what_changed_nothing_leaves_no_row(
    commission: Program, inbox: Path
) -> None:
    for _ in range(2):
        assert commission("fetch").code == 0
    rows = json.loads(commission("audit", "--json").out)
    assert [row["what"] for row in rows] == ["plan", "import referrals", "import earnings", "fetch"]
    assert [row["details"].get("source") for row in rows[1:]] == ["drop"] * 3
    bound = rows[-1]["details"]["rows"]
    assert (bound["source_fetch"]["rows"], bound["source_file"]["rows"]) == (1, 2)


@on_sqlite
def test_a_fetch_without_or_of_another_source_is_refused(commission: Program) -> None:
    done = commission("fetch")
    assert done.code == 2
    assert done.err.startswith("error: no source is configured in config/sources.toml\n")
    listed = commission("sources", "--json")
    assert (listed.code, listed.out) == (0, "[]\n")
    configure()
    done = commission("fetch", "dorp")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: 'dorp' is no source")
