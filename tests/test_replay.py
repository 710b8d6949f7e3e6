"""`commission replay` computes past runs again, and names the first thing that is not the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from once import once
from program import Program, shop, tree
from test_verify import TAMPERS, change

from commission_engine import __version__

NOT_OF_A_RUN = {
    "a cap's total", "a cap's total gone",  # sums beside the runs; replay counts anew
    "a payout of a day without a run", "an event that no import brought",
}  # fmt: skip
"""What only `verify` sees: rows that no run has written so, or that no run asks for."""

WHAT = {
    "a line's commission": "line", "a line's reason": "line", "a line gone": "line",
    "a line more": "line", "an earning's amount": "line", "a referral": "line",
    "a reversal beyond its order": "line", "an entry": "entry", "an entry's account": "entry",
    "an entry gone": "entry", "a statement": "statement", "a payout": "payout",
    "a payout gone": "payout", "who had lines": "activity", "figures that are none": "",
    "a run's figures": "figures", "a plan": "plan's SHA-256", "an earning's time": "line",
}  # fmt: skip
"""What is named first of each change; "" where it is seen in several ways."""


@pytest.fixture
def settled(commission: Program, tmp_path: Path, database_url: str) -> Program:
    def make() -> None:
        commission("run", shop(tmp_path / "in"), "--date", "2026-01-31")
        commission("run", "--date", "2026-02-28")
        commission("run", "--date", "2026-03-01")

    once("replay", database_url, tmp_path, make)
    return commission


def replayed(commission: Program, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = commission("replay", *words, "--json")
    return done.code, json.loads(done.out)["runs"]


def test_good_runs_are_identical(settled: Program, tmp_path: Path) -> None:
    before = tree(tmp_path / "out")
    done = settled("replay", "--all")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "2026-01-31: identical; 3 events, 4 lines, 8 files",
        "2026-02-28: identical; 1 event, 1 line, 6 files",
        "2026-03-01: identical; 0 events, 0 lines, 6 files",
    ]
    one = settled("replay", "2026-02-28")
    assert one.out == "2026-02-28: identical; 1 event, 1 line, 6 files\n"
    assert tree(tmp_path / "out") == before


def test_a_run_is_named_with_what_it_knew(settled: Program) -> None:
    code, (run,) = replayed(settled, "2026-02-28")
    assert (code, run["identical"], run["engine_version"]) == (0, True, __version__)
    listed = {row["run_date"]: row for row in json.loads(settled("runs", "--json").out)}
    for name in ("engine_version", "plan_sha256", "last_intake", "last_event"):
        assert run[name] == listed["2026-02-28"][name]
    assert len(run["plan_sha256"]) == 64
    assert run["last_event"] == 4


@pytest.mark.parametrize("what", sorted(TAMPERS.keys() - NOT_OF_A_RUN))
def test_a_changed_book_is_not_identical(settled: Program, database_url: str, what: str) -> None:
    change(database_url, TAMPERS[what][0])
    done = settled("replay", "--all")
    assert done.code == 5
    assert "error: " in done.err
    if what == "figures that are none":  # no run can be read at all
        return
    code, runs = replayed(settled, "--all")
    differing = [run for run in runs if not run["identical"]]
    assert (code, bool(differing)) == (5, True)
    difference = differing[0]["difference"]
    assert WHAT[what] in ("", difference["what"])
    assert difference["stored"] != difference["recomputed"]


def test_a_line_is_shown_from_both_sides(settled: Program, database_url: str) -> None:
    change(database_url, "UPDATE line SET commission_minor = 4100 WHERE commission_minor = 4000")
    done = settled("replay", "2026-01-31")
    assert done.code == 5
    assert done.out.splitlines()[:4] == [
        "2026-01-31: differs",
        "  The first difference is line e2.1",
        "  written: commission 41.00",
        "  computed again: commission 40.00",
    ]
    assert "  The order comes to 200.00; 20% of it is 40.00.\n" in done.out
    assert "line e2.1: the book says commission 41.00, the calculation 40.00\n" in done.out
    assert done.err.startswith("error: 1 run of 1 not identical: 2026-01-31\n")


def test_a_run_counts_what_came_before_it(commission: Program, tmp_path: Path) -> None:
    """The refund of February takes nothing back, as January was over its cap: one run alone."""
    worked = Path(__file__).parent.parent / "examples" / "worked" / "refunds-and-caps"
    commission("run", worked, "--date", "2026-01-31")
    commission("run", "--date", "2026-02-28")
    assert commission("lines", "--event", "r1", "--json").out.count('"commission": "0.00"') == 1
    assert commission("replay", "2026-02-28").code == 0


def test_another_run_is_left_alone(settled: Program, database_url: str) -> None:
    change(database_url, "UPDATE line SET commission_minor = 4100 WHERE commission_minor = 4000")
    assert settled("replay", "2026-02-28").code == 0
    code, runs = replayed(settled, "--all")
    assert (code, [run["identical"] for run in runs]) == (5, [False, True, True])


def test_files_are_compared_as_well(settled: Program, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "2026-02-28"
    (folder / "lines.csv").write_bytes((folder / "lines.csv").read_bytes() + b" ")
    done = settled("replay", "2026-02-28")
    assert done.code == 5
    assert "  The first difference is file out/2026-02-28/lines.csv\n" in done.out
    assert settled("replay", "2026-02-28", "--no-files").code == 0
    (folder / "lines.csv").unlink()
    assert "  written: nothing\n" in settled("replay", "2026-02-28").out
    (tmp_path / "out").rename(tmp_path / "archive")
    moved = settled("replay", "2026-01-31")
    assert (moved.code, moved.out) == (0, "2026-01-31: identical; 3 events, 4 lines, 0 files\n")
    assert "note: out/2026-01-31: not there" in moved.err
    assert settled("replay", "2026-01-31", "--out", "archive").out.endswith("8 files\n")


def test_lines_in_segments(commission: Program, tmp_path: Path) -> None:
    store = ("--lines-store", str(tmp_path / "lines"))
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28", *store)
    assert commission("replay", "--all").out == (
        "2026-02-28: identical; 4 events, 5 lines, 8 files\n"
    )
    for segment in (tmp_path / "lines").rglob("*.parquet"):
        segment.unlink()
    assert commission("replay", "--all").code == 5


def test_what_cannot_be_replayed(settled: Program) -> None:
    unknown = settled("replay", "2026-02-01")
    assert unknown.code == 2
    assert unknown.err == (
        "error: there is no completed run for 2026-02-01\n`commission runs` lists all.\n"
    )
    assert settled("replay").code == 2
    assert settled("replay", "2026-02-28", "--all").code == 2
    assert settled("replay", "yesterday").code == 2
