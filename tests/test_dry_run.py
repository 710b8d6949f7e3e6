"""`run --dry-run` does everything but keep it; without --date, `run` takes yesterday."""

import json
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from once import once
from program import EARNINGS, HEADER, PLAN, Program, shop

from commission_engine.book.connect import connect
from commission_engine.book.lock import working
from commission_engine.cli import common
from commission_engine.dump import dump

MORE = EARNINGS + "e4,cat,2026-03-01T10:00:00Z,400.00,USD,\n"

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What does not depend on the database is tried on one."""


def book(url: str, file: Path) -> bytes:
    """Everything that a book holds."""
    file.unlink(missing_ok=True)
    dump(connect(url), file)
    return file.read_bytes()


@pytest.fixture
def settled(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """A book with the night of 28 February."""
    words = ("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    once("dry run", database_url, tmp_path, lambda: commission(*words))
    return commission


def test_a_dry_run_says_what_the_run_then_does(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    """The first night into an empty book, the second one beside it."""
    for date, earnings in (("2026-02-28", EARNINGS), ("2026-03-01", MORE)):
        folder = shop(tmp_path / "in", earnings)
        before = book(database_url, tmp_path / "before")
        tried = commission("run", folder, "--date", date, "--dry-run", "--json")
        assert book(database_url, tmp_path / "after") == before
        assert not (tmp_path / "out" / date).exists()
        done = commission("run", folder, "--date", date, "--json")
        assert (tried.code, done.code) == (0, 0)
        said, did = json.loads(tried.out), json.loads(done.out)
        for name in ("run_date", "settlement", "counts", "totals", "imported"):
            assert said[name] == did[name]
        paid = {code: sums["paid"] for code, sums in did["totals"].items()}
        assert {code: each["amount"] for code, each in said["would_pay"].items()} == paid
        payouts = json.loads(commission("payouts", "--date", date, "--json").out)
        assert sum(each["affiliates"] for each in said["would_pay"].values()) == len(payouts)


@ON_SQLITE
def test_it_says_what_differs_from_the_last_night(settled: Program, tmp_path: Path) -> None:
    done = settled("run", shop(tmp_path / "in", MORE), "--date", "2026-03-01", "--dry-run")
    assert (done.code, done.err.splitlines()[-1]) == (0, "dry run: nothing was kept")
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert lines[0].startswith("dry run of acme, 2026-03-01: 1 event, 2 lines, ")
    table = {tuple(line.split()[:1]): line.split()[1:] for line in lines[2:]}
    assert table[("events",)] == ["4", "1", "-3"]
    assert table[("commission",)] == ["USD", "110.00", "90.00", "-20.00"]
    assert lines[lines.index("largest changes of commission") + 2 :] == [
        "ann           USD            90.00       40.00  -50.00",
        "bob           USD            20.00       50.00   30.00",
    ]


@ON_SQLITE
def test_the_largest_changes_of_each_currency_are_named(
    commission: Program, tmp_path: Path
) -> None:
    plan = PLAN.replace("hold_days = 2\n", "").split("[[terms.level.cap]]")[0]
    people = "affiliate_id,referrer_id\n" + "".join(f"b{n},a{n:02}\n" for n in range(1, 13))
    folder = shop(tmp_path / "in", HEADER + "x,bob,2026-01-05,1.00,USD,\n", plan)
    (folder / "referrals.csv").write_text(people, "utf-8")
    commission("run", folder, "--date", "2026-01-05")
    (folder / "earnings.csv").write_text(
        HEADER
        + "".join(f"u{n},b{n},2026-01-06,{n}.00,USD,\n" for n in range(1, 13))
        + "".join(f"j{n},b{n},2026-01-06,{n * 100},JPY,\n" for n in (3, 9)),
        "utf-8",
    )
    done = commission("run", folder, "--date", "2026-01-06", "--dry-run", "--json")
    named = [
        (each["currency"], each["affiliate_id"], each["change"])
        for each in json.loads(done.out)["beside"]["affiliates"]
    ]
    assert named[:3] == [("JPY", "a09", "180"), ("JPY", "a03", "60"), ("USD", "a12", "2.40")]
    assert [each[1] for each in named[2:]] == [f"a{n:02}" for n in range(12, 2, -1)]


@ON_SQLITE
def test_it_says_what_would_wait_for_a_person(
    commission: Program, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=50.00")
    folder = shop(tmp_path / "in")
    done = commission("run", folder, "--date", "2026-02-28", "--dry-run")
    assert "would hold: ann: a payout of $90.00 is more than $50.00\n" in done.err
    told = json.loads(commission("run", folder, "--date", "2026-02-28", "--dry-run", "--json").out)
    assert [each["kind"] for each in told["would_hold"]] == ["payout"]
    assert told["held"] == []
    assert commission("holds", "--all", "--json").out == "[]\n"
    commission("run", folder, "--date", "2026-02-28")
    later = json.loads(commission("run", "--date", "2026-03-01", "--dry-run", "--json").out)
    assert (later["would_hold"], [each["hold"] for each in later["held"]]) == ([], [1])


@ON_SQLITE
def test_refused_rows_are_said_and_not_kept(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    folder = shop(tmp_path / "in", EARNINGS + "e9,bob,yesterday,1.00,USD,\n")
    before = book(database_url, tmp_path / "before")
    done = commission("run", folder, "--date", "2026-02-28", "--dry-run")
    assert (done.code, "bad_timestamp" in done.err) == (3, True)
    strict = commission("run", folder, "--date", "2026-02-28", "--dry-run", "--strict")
    assert (strict.code, "1 of 5 rows are refused" in strict.err) == (3, True)
    assert book(database_url, tmp_path / "after") == before
    assert commission("rejects", "--json").out == "[]\n"


@ON_SQLITE
def test_nothing_is_left_where_lines_are_kept(
    commission: Program, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_LINES_STORE", "kept")
    folder = shop(tmp_path / "in")
    assert commission("run", folder, "--date", "2026-02-28", "--dry-run").code == 0
    assert not (tmp_path / "kept").exists()
    commission("run", folder, "--date", "2026-02-28")
    kept = sorted((tmp_path / "kept").iterdir())
    before = book(database_url, tmp_path / "before")
    shop(tmp_path / "in", MORE)
    assert commission("run", folder, "--date", "2026-03-01", "--dry-run").code == 0
    assert sorted((tmp_path / "kept").iterdir()) == kept
    assert book(database_url, tmp_path / "after") == before
    wrong = commission("run", "--date", "2026-03-01", "--dry-run", "--lines-store", "database")
    assert (wrong.code, "this book keeps its lines in" in wrong.err) == (2, True)


@ON_SQLITE
def test_a_date_that_cannot_run_is_said(settled: Program, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (tmp_path / "out" / "2026-02-28" / "lines.csv").unlink()
    done = settled("run", folder, "--date", "2026-02-28", "--dry-run", "--json")
    assert (done.code, done.err) == (
        0, "2026-02-28 is complete already; a run would change nothing\n",
    )  # fmt: skip
    assert json.loads(done.out) == {"dry_run": True, "run_date": "2026-02-28", "complete": True}
    assert not (tmp_path / "out" / "2026-02-28" / "lines.csv").exists()
    past = settled("run", shop(tmp_path / "in", MORE), "--date", "2026-02-27", "--dry-run")
    assert (past.code, "is before the last completed business date" in past.err) == (2, True)


def test_a_dry_run_waits_for_nobody(commission: Program, database_url: str, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in")
    with working(connect(database_url), "the night", "today"):
        done = commission("run", folder, "--date", "2026-02-28", "--dry-run")
    assert (done.code, "the night works on it" in done.err) == (4, True)


# -- the date


class Clock(datetime):
    """The clock of the command line, at 22:30 on 1 March in UTC."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Clock":
        return cls(2026, 3, 1, 22, 30, tzinfo=UTC)


@pytest.fixture
def at_half_past_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "datetime", Clock)


@ON_SQLITE
@pytest.mark.usefixtures("at_half_past_ten")
@pytest.mark.parametrize(
    ("zone", "date"),
    [
        ("Europe/Berlin", "2026-02-28"),
        ("Pacific/Kiritimati", "2026-03-01"),
        ("Asia/Kolkata", "2026-03-01"),
        ("America/Los_Angeles", "2026-02-28"),
    ],
)
def test_without_a_date_it_is_yesterday_in_the_plans_zone(
    commission: Program, tmp_path: Path, zone: str, date: str
) -> None:
    folder = shop(tmp_path / "in", plan=PLAN.replace("Europe/Berlin", zone))
    done = commission("run", folder, "--dry-run", "--json")
    assert done.err.splitlines()[0] == f"business date {date}, yesterday in {zone}"
    assert json.loads(done.out)["run_date"] == date


@ON_SQLITE
@pytest.mark.usefixtures("at_half_past_ten")
def test_without_a_date_the_books_plan_says_the_zone(commission: Program, tmp_path: Path) -> None:
    nothing = commission("run")
    assert (nothing.code, nothing.err.splitlines()[0]) == (
        2,
        "error: --date is missing, and there is no plan whose time zone says which day is over",
    )
    commission("plan", "apply", shop(tmp_path / "in") / "plan.toml")
    assert commission("run", tmp_path / "in").code == 0
    again = commission("run")
    assert (again.code, again.err.splitlines()[:2]) == (
        0,
        [
            "business date 2026-02-28, yesterday in Europe/Berlin",
            "2026-02-28 is complete already; nothing was changed",
        ],
    )
