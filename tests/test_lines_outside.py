"""The whole program with its lines outside the database: the same files, listings and proofs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from objects import object_store
from program import Program, shop, tree
from test_verify import change

from commission_engine.book.connect import connect, reading
from commission_engine.book.schema import segment
from commission_engine.problems import CommissionError

FILTERS: tuple[tuple[str, ...], ...] = (
    (),
    ("--date", "2026-02-28"),
    ("--from", "2026-03-01"),
    ("--affiliate", "ann"),
    ("--affiliate", "bob", "--level", "1"),
    ("--earner", "bob"),
    ("--event", "e3"),
    ("--event", "never"),
    ("--order", "r1"),
    ("--level", "2"),
    ("--reason", "order"),
    ("--currency", "USD"),
    ("--currency", "EUR"),
    ("--affiliate", "ann", "--order", "e1", "--to", "2026-02-28"),
)


@pytest.fixture(params=["folder", "objects"])
def outside(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "kept")
    else:
        with object_store(monkeypatch) as url:
            yield url


def nights(commission: Program, folder: Path, out: Path, *options: str) -> None:
    for words in (("run", shop(folder), "--date", "2026-02-28"), ("run", "--date", "2026-03-01")):
        assert commission(*words, "--out", out, *options).code == 0


def listings(commission: Program) -> list[object]:
    return [json.loads(commission("lines", "--json", *words).out) for words in FILTERS]


def test_the_same_files_listings_and_proof(
    commission: Program,
    tmp_path: Path,
    database_url: str,
    outside: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMMISSION_DATABASE", f"sqlite:///{tmp_path / 'inside.db'}")
    nights(commission, tmp_path / "in", tmp_path / "inside")
    told = listings(commission)
    monkeypatch.setenv("COMMISSION_DATABASE", database_url)
    monkeypatch.setenv("COMMISSION_LINES_STORE", outside)
    nights(commission, tmp_path / "in", tmp_path / "outside")
    assert tree(tmp_path / "outside") == tree(tmp_path / "inside") != {}
    assert listings(commission) == told
    done = commission("verify", "--out", tmp_path / "outside")
    assert (done.code, done.out, done.err) == (
        0,
        "2 runs, 4 events, 5 lines and 14 files looked at: all agree\n",
        "",
    )
    (tmp_path / "outside" / "2026-02-28" / "lines.csv").unlink()
    assert commission("run", "--date", "2026-02-28", "--out", tmp_path / "outside").code == 0
    assert tree(tmp_path / "outside") == tree(tmp_path / "inside")


@pytest.fixture
def settled(commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Two runs whose lines are in the folder `kept`."""
    monkeypatch.setenv("COMMISSION_LINES_STORE", "kept")
    nights(commission, tmp_path / "in", tmp_path / "out")
    return commission


def segments_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "kept").glob("*.parquet"))


@pytest.mark.parametrize("what", ["missing", "cut short", "altered"])
def test_verify_names_a_damaged_segment(settled: Program, tmp_path: Path, what: str) -> None:
    (path,) = segments_of(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if what == "cut short" else content)
    said = {
        "missing": "this segment of the book's lines is not there",
        "cut short": f"has {len(content) - 9} bytes, the book says {len(content)}",
        "altered": "its hash is not its name",
    }
    done = settled("verify", "--no-files")
    assert done.code == 5
    assert done.err.splitlines()[0] == f"differs: run 2026-02-28: {path}: {said[what]}"


def test_verify_notes_what_the_book_does_not_list(settled: Program, tmp_path: Path) -> None:
    stray = tmp_path / "kept" / f"{'a' * 64}.parquet"
    stray.write_bytes(b"")
    done = settled("verify")
    assert done.code == 0
    assert done.err == f"note: {stray}: a segment that the book does not list\n"


LISTED = {
    "its rows": ("UPDATE segment SET rows = 6", "its rows is 5, the book says 6"),
    "its sums": (
        "UPDATE segment SET commission_minor = commission_minor + 1",
        "its commission_minor is",
    ),
    "gone": ("DELETE FROM segment", "table line lacks"),
    "of a day without a run": (
        "INSERT INTO segment SELECT 40000, number, name, rows, bytes, lowest_beneficiary,"
        " highest_beneficiary, lowest_event, highest_event, highest_level, gross_minor,"
        " commission_minor FROM segment",
        "table segment: rows of 2079-07-08, which no run has",
    ),
    "lines in the database too": (
        "INSERT INTO line VALUES (1, 1, 1, 1, 1, 1, 1, 1, 1)",
        "table line: has rows, but the lines are in ",
    ),
}


@pytest.mark.parametrize("what", LISTED)
def test_verify_finds_a_changed_listing(settled: Program, database_url: str, what: str) -> None:
    statement, found = LISTED[what]
    change(database_url, statement)
    done = settled("verify")
    assert done.code == 5
    assert found in done.err


def test_a_run_with_another_setting_is_refused(
    settled: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    monkeypatch.delenv("COMMISSION_LINES_STORE")
    done = settled("run", "--date", "2026-03-02", "--out", tmp_path / "out")
    assert done.code == 2
    assert done.err == (
        f"error: this book keeps its lines in {kept}, the settings say lines.store = 'database'\n"
        "A book has one home for its lines. Set lines.store to where they are.\n"
    )
    assert settled("lines").code == 0  # looking finds them
    kept.rename(tmp_path / "moved")
    words = ("run", "--date", "2026-03-02", "--out", tmp_path / "out", "--lines-store", "moved")
    assert settled(*words).code == 0
    assert settled("verify").code == 0


def test_a_run_that_fails_after_its_lines_leaves_none_that_count(
    settled: Program, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run finds its segments, and removes them if they are no longer wanted."""

    def broken(*_: object) -> None:
        raise CommissionError("the power is gone")

    before = segments_of(tmp_path)
    more = tmp_path / "more.csv"
    header = "event_id,affiliate_id,occurred_at,amount,currency\n"
    more.write_text(f"{header}e9,bob,2026-03-02,10.00,USD\n", "utf-8")
    settled("import", "earnings", more)
    run = ("run", "--date", "2026-03-02", "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("commission_engine.night.runs.add_run", broken)
        assert settled(*run).code == 1
    assert len(segments_of(tmp_path)) == len(before) + 1
    more.write_text(f"{header}e10,bob,2026-03-02,20.00,USD\n", "utf-8")
    settled("import", "earnings", more)
    assert settled(*run).code == 0
    assert len(segments_of(tmp_path)) == len(before) + 1
    with reading(connect(database_url)) as connection:
        names = connection.execute(segment.select().with_only_columns(segment.c.name)).scalars()
        assert sorted(f"{name}.parquet" for name in names) == [
            path.name for path in segments_of(tmp_path)
        ]
    assert settled("verify").code == 0
