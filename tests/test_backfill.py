"""`commission backfill`: the dates that were missed, in order, one run each."""

import json
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from once import once
from program import HEADER, Program, shop

from commission_engine.cli import common

EARNINGS = HEADER + "".join(
    f"e{day},bob,2026-01-{day:02}T10:00:00Z,10.00,USD,\n" for day in (5, 6, 8, 9)
)

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What does not depend on the database is tried on one."""


def dates(commission: Program) -> list[str]:
    return [each["run_date"] for each in json.loads(commission("runs", "--json").out)]


@pytest.fixture
def started(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """A book with the night of 5 January."""
    words = ("run", tmp_path / "in", "--date", "2026-01-05")
    shop(tmp_path / "in", EARNINGS)
    once("backfill", database_url, tmp_path, lambda: commission(*words))
    return commission


def test_every_missing_date_is_run_in_order(started: Program, tmp_path: Path) -> None:
    started("run", "--date", "2026-01-06")
    done = started("backfill", "--from", "2026-01-05", "--to", "2026-01-09")
    assert done.code == 0
    assert [line for line in done.out.splitlines() if line.startswith("acme")] == [
        "acme, 2026-01-07: 0 events, 0 lines, 1 statement",
        "acme, 2026-01-08: 1 event, 1 line, 1 statement",
        "acme, 2026-01-09: 1 event, 1 line, 1 statement",
    ]
    assert done.err.splitlines()[-1] == "backfill: 3 dates done"
    assert sorted(dates(started)) == [f"2026-01-0{day}" for day in range(5, 10)]
    assert started("verify").code == 0
    again = started("backfill", "--from", "2026-01-05", "--to", "2026-01-09")
    assert (again.code, again.err.splitlines()) == (
        0, ["every date is complete; there is nothing to run", "backfill: 0 dates done"],
    )  # fmt: skip


@ON_SQLITE
def test_it_is_the_same_as_a_run_each(started: Program, tmp_path: Path) -> None:
    """With a folder, whose facts come with the first date."""
    folder = shop(tmp_path / "in", EARNINGS + "late,bob,2026-01-02,10.00,USD,\n")
    done = started("backfill", folder, "--from", "2026-01-06", "--to", "2026-01-09", "--json")
    told = json.loads(done.out)
    assert (done.code, told["dates"], told["passed_over"], told["dry_run"]) == (
        0, [f"2026-01-0{day}" for day in range(6, 10)], [], False,
    )  # fmt: skip
    assert [each["exit_code"] for each in told["runs"]] == [0] * 4
    assert [each["counts"]["events"] for each in told["runs"]] == [2, 0, 1, 1]
    assert [len(each["imported"]) for each in told["runs"]] == [2, 0, 0, 0]


@ON_SQLITE
def test_dates_before_the_last_one_are_passed_over(started: Program) -> None:
    started("run", "--date", "2026-01-08")
    done = started("backfill", "--from", "2026-01-06", "--to", "2026-01-09")
    assert done.code == 0
    assert done.err.startswith(
        "passed over: 2026-01-06 to 2026-01-07 (2 dates): before the last completed business date"
        " 2026-01-08, cannot run any more\n"
    )
    assert "commission true-up" in done.err
    assert sorted(dates(started)) == ["2026-01-05", "2026-01-08", "2026-01-09"]
    alone = started("backfill", "--from", "2026-01-06", "--to", "2026-01-07")
    assert (alone.code, "commission true-up" in alone.err) == (2, True)


@ON_SQLITE
def test_it_stops_at_the_first_failure_and_goes_on_from_there(
    started: Program, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "out" / "2026-01-07"
    in_the_way.write_text("a file of that name")
    done = started("backfill", "--from", "2026-01-06", "--to", "2026-01-09", "--json")
    assert done.code == 1
    assert "stopped at 2026-01-07: 1 date done, 3 dates left\n" in done.err
    told = json.loads(done.out)["runs"]
    assert [(each["run_date"], each["exit_code"]) for each in told] == [
        ("2026-01-06", 0), ("2026-01-07", 1),
    ]  # fmt: skip
    assert "2026-01-09" not in dates(started)
    in_the_way.unlink()
    folder = shop(tmp_path / "in", EARNINGS + "late,bob,2026-01-02,10.00,USD,\n")
    again = started("backfill", folder, "--from", "2026-01-06", "--to", "2026-01-09", "--json")
    told = json.loads(again.out)["runs"]
    assert (again.code, [each["counts"]["events"] for each in told]) == (0, [0, 2, 1])
    for day in (7, 8, 9):
        assert (tmp_path / "out" / f"2026-01-0{day}" / "manifest.json").is_file()
    assert started("verify").code == 0


@ON_SQLITE
def test_refused_rows_do_not_stop_it(started: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", EARNINGS + "bad,bob,yesterday,10.00,USD,\n")
    done = started("backfill", folder, "--from", "2026-01-06", "--to", "2026-01-07")
    assert done.code == 3
    assert sorted(dates(started)) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    strict = started("backfill", folder, "--from", "2026-01-08", "--to", "2026-01-09", "--strict")
    assert (strict.code, "stopped at 2026-01-08: 0 dates done, 2 dates left" in strict.err) == (
        3, True,
    )  # fmt: skip


@ON_SQLITE
def test_a_dry_run_lists_the_dates_and_tries_the_first(started: Program) -> None:
    done = started("backfill", "--from", "2026-01-06", "--to", "2026-01-09", "--dry-run")
    assert done.code == 0
    assert done.err.splitlines()[0] == (
        "would run 4 dates: 2026-01-06, 2026-01-07, 2026-01-08, 2026-01-09"
    )
    assert done.out.startswith("dry run of acme, 2026-01-06: 1 event, 1 line, ")
    assert dates(started) == ["2026-01-05"]
    long = started("backfill", "--from", "2026-01-06", "--to", "2026-02-09", "--dry-run", "--json")
    told = json.loads(long.out)
    assert (len(told["dates"]), [each["run_date"] for each in told["runs"]]) == (35, ["2026-01-06"])


class Clock(datetime):
    """The clock of the command line: noon on 8 January."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Clock":
        return cls(2026, 1, 8, 12, tzinfo=UTC)


@pytest.fixture
def on_the_eighth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "datetime", Clock)


@ON_SQLITE
@pytest.mark.usefixtures("on_the_eighth")
def test_without_dates_it_catches_up_with_yesterday(started: Program) -> None:
    assert started("backfill").code == 0
    assert sorted(dates(started)) == ["2026-01-05", "2026-01-06", "2026-01-07"]
    again = started("backfill")
    assert (again.code, again.err.splitlines()[0]) == (
        0, "every date is complete; there is nothing to run",
    )  # fmt: skip


@ON_SQLITE
@pytest.mark.usefixtures("on_the_eighth")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "2026-01-09"), "2026-01-09 is in the future: it is 2026-01-08 in Europe/Berlin"),
        (("--from", "2026-01-07", "--to", "2026-01-06"), "--from 2026-01-07 is after --to"),
        (("--from", "soon"), "--from: 'soon' is not a day"),
        (("nowhere",), "nowhere: there is no such file or folder"),
    ],
)
def test_what_cannot_be(started: Program, words: tuple[str, ...], said: str) -> None:
    done = started("backfill", *words)
    assert (done.code, done.err.startswith(f"error: {said}")) == (2, True)
    assert dates(started) == ["2026-01-05"]


@ON_SQLITE
def test_an_empty_book_needs_a_plan_and_a_first_date(commission: Program, tmp_path: Path) -> None:
    assert commission("backfill", "--from", "2026-01-05").err.startswith(
        "error: the book has no plan yet\n"
    )
    commission("plan", "apply", shop(tmp_path / "in", EARNINGS) / "plan.toml")
    assert commission("backfill").err.startswith(
        "error: --from is missing, and no date is complete\n"
    )
