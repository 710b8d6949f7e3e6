"""`commission status`: how the programme stands, and the exit code that monitoring goes by."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from program import EARNINGS, HEADER, PLAN, Program, program_in, shop

from commission_engine.book import schema, views
from commission_engine.book.attempts import Stage
from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.lock import Holder, holder, working
from commission_engine.book.runs import Run
from commission_engine.book.state import Attempt, Refused, State, state
from commission_engine.calendar import Day, Zone, date_of, day_of
from commission_engine.cli.due import due_at, last_due
from commission_engine.cli.status import Due, due_of, judged
from commission_engine.timetable import Timetable

AT = Timetable(time(2, 30))
BERLIN = Zone("Europe/Berlin")


def day(text: str) -> Day:
    return day_of(date.fromisoformat(text))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def status(commission: Program, *words: str) -> tuple[int, dict[str, Any]]:
    done = commission("status", "--json", *words)
    return done.code, json.loads(done.out)


# -- which date is due


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-06-10T00:29:59", "2026-06-08"),  # 02:29:59 in Berlin
        ("2026-06-10T00:30:00", "2026-06-09"),
        ("2026-06-10T22:30:00", "2026-06-09"),  # the 11th there, but its night has not begun
        ("2026-03-29T00:59:59", "2026-03-27"),  # clocks go forward over 02:30
        ("2026-03-29T01:30:00", "2026-03-28"),
        ("2026-10-25T00:30:00", "2026-10-24"),  # the first of two 02:30
        ("2026-10-25T01:30:00", "2026-10-24"),
    ],
)
def test_a_date_is_due_when_its_night_has_begun(now: str, due: str) -> None:
    assert str(date_of(last_due(AT, BERLIN, moment(now)))) == due


def test_the_night_may_begin_in_another_zone_than_the_programmes() -> None:
    there = replace(AT, zone="Pacific/Auckland")  # 02:30 there is 14:30 the day before in UTC
    utc = Zone("UTC")
    assert str(date_of(last_due(there, utc, moment("2026-06-10T14:29:00")))) == "2026-06-08"
    assert str(date_of(last_due(there, utc, moment("2026-06-10T14:30:00")))) == "2026-06-09"
    begin = due_at(there, utc, day("2026-06-09"))
    assert begin.isoformat() == "2026-06-11T02:30:00+12:00"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC"])
def test_at_the_time_that_is_said_the_date_is_due(zone: str) -> None:
    programme = Zone(zone)
    for number in range(day("2026-01-01"), day("2027-01-01"), 3):
        begin = due_at(AT, programme, number)
        assert last_due(AT, programme, begin) == number


# -- what is not as it should be

RUN = Run(
    day("2026-06-09"), -1, 1, 1, -1, 1, "", "", True, {}, {"counts": {}, "totals": {}}, "", ""
)
FINE = State(
    programme="acme", zone="UTC", runs=[RUN],
    attempt=Attempt(3, RUN.day, "", "", "completed"), stages=[Stage("deciding", 1)], failures=0,
    holds=[], refused=[], refused_ever=0, owed=[], payouts={}, new_events=0, later_events=0,
)  # fmt: skip
NEXT = RUN.day + 1
ME = Holder("me", "2026-06-11T02:30:00Z")


def found(
    now: State, lag: int = 0, works: Holder | None = None, options: Sequence[int] = ()
) -> list[tuple[str, int]]:
    due = Due(NEXT, moment("2026-06-11T02:30:00"), lag)
    return [(each.name, each.code) for each in judged(now, due, works, *options)]


@pytest.mark.parametrize(
    ("lag", "options", "expected"),
    [
        (0, (), []),
        (1, (), [("late", 0)]),  # said, as while the night is running
        (2, (), [("late", 1)]),
        (2, (2,), []),
        (2, (0, 2), [("late", 0)]),
        (1, (0, 0), [("late", 1)]),
    ],
)
def test_how_late_is_too_late(
    lag: int, options: tuple[int, ...], expected: list[tuple[str, int]]
) -> None:
    assert found(FINE, lag, options=options) == expected


def test_a_start_that_failed_or_was_killed_needs_a_person() -> None:
    failed = replace(FINE, attempt=Attempt(4, NEXT, "", "later", "failed"))
    going_on = replace(FINE, attempt=Attempt(4, NEXT, "", "", ""))
    assert found(failed) == [("failed", 1)]
    assert found(failed, works=ME) == [("failed", 1)]
    assert found(going_on, works=ME) == []
    assert found(going_on) == [("failed", 1)]  # nobody works on it: it was killed
    # Killed after its commit: the date is complete all the same.
    assert found(replace(FINE, attempt=Attempt(3, RUN.day, "", "", ""))) == []


def test_holds_may_wait_some_days() -> None:
    """Counted to the last date that was due."""
    held = replace(FINE, holds=[("payout", RUN.day - 3)])
    assert found(held) == [("holds", 0)]
    assert found(held, options=(0, 1, 2)) == [("holds", 1)]
    assert found(held, lag=1) == [("late", 0), ("holds", 1)]


def test_refused_rows_wait_until_they_come_again() -> None:
    refused = replace(FINE, refused=[Refused("earnings", "bad_amount", 3, 1)])
    assert found(refused) == [("refused", 3)]
    assert found(replace(FINE, refused=[Refused("earnings", "bad_amount", 3, 0)])) == []


def test_a_book_at_its_beginning() -> None:
    empty = replace(FINE, runs=[], attempt=None)
    assert found(empty) == [("no run", 1)]
    assert due_of(replace(empty, zone=""), AT, moment("2026-06-10T12:00:00")) is None
    assert [each.name for each in judged(replace(empty, zone=""), None, None)] == ["no plan"]
    due = due_of(empty, replace(AT, first=day("2026-06-01")), moment("2026-06-10T12:00:00"))
    assert due
    assert (due.day, due.lag) == (day("2026-06-01"), 9)


def test_the_clock_far_back_makes_nothing_late() -> None:
    due = due_of(FINE, AT, moment("2020-01-01T00:00:00"))
    assert due
    assert (due.day, due.lag) == (NEXT, 0)


# -- the command


def test_all_is_well_after_last_night(commission: Program, tmp_path: Path) -> None:
    assert commission("run", shop(tmp_path / "in")).code == 0
    code, said = status(commission)
    assert (code, said["findings"], said["lag_days"]) == (0, [], 0)
    assert said["programme"] == "acme"
    assert said["last_run"]["counts"]["lines"] == 5
    assert said["last_attempt"]["outcome"] == "completed"
    assert said["at_work"] is None
    assert said["owed"] == {"USD": {"held": "0.00", "available": "0.00", "balance": "0.00"}}
    assert said["payouts"] == {"pending": 2, "approved": 0, "exported": 0}
    done = commission("status")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "programme  acme"


def test_an_empty_book_needs_a_plan(commission: Program) -> None:
    code, said = status(commission)
    assert (code, [each["finding"] for each in said["findings"]]) == (1, ["no plan"])
    done = commission("status")
    assert done.code == 1
    assert done.err == (
        "needs a person: the book has no plan yet: commission plan apply plan.toml\n"
    )


def test_a_run_that_failed_is_seen_until_one_completes(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", EARNINGS + "x1,bob,2026-02-01,1.005,USD,\n")
    assert commission("run", folder, "--strict").code == 3
    assert commission("run", folder, "--strict").code == 3
    code, said = status(commission)
    assert (code, said["failed_attempts"], said["last_attempt"]["outcome"]) == (1, 2, "failed")
    assert commission("run", folder).code == 3
    code, said = status(commission)
    assert (code, said["failed_attempts"]) == (3, 0)
    assert said["refused"] == [
        {"kind": "earnings", "code": "too_many_decimals", "rows": 1, "waiting": 1}
    ]
    assert commission("status").err == ("rows wait: 1 refused row not mended: commission rejects\n")


def test_a_start_that_was_killed_is_told_from_one_that_goes_on(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    shop(tmp_path / "in")
    commission("plan", "apply", tmp_path / "in" / "plan.toml")
    engine = connect(database_url)
    row = {"id": 1, "day": day("2026-02-28"), "started_at": "2026-03-01T02:30:00Z", "who": "me"}
    with writing(engine) as connection:
        connection.execute(sa.insert(schema.attempt).values(row))
    assert "was killed" in commission("status").err
    with working(engine, "me (process 7, run)", "2026-03-01T02:30:00Z"):
        code, said = status(commission)
        assert said["at_work"] == {
            "who": "me (process 7, run)", "since": "2026-03-01T02:30:00Z",
        }  # fmt: skip
        assert [each["finding"] for each in said["findings"]] == ["no run"]
        assert code == 1
    assert holder(engine) is None


def test_to_ask_who_works_keeps_nobody_from_working(database_url: str) -> None:
    engine = connect(database_url)
    for _ in range(3):
        assert holder(engine) is None
        with working(engine, "me", "now"):
            assert holder(engine) == Holder("me", "now")


def test_open_holds_are_seen(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=50.00")
    assert commission("run", shop(tmp_path / "in")).code == 0
    code, said = status(commission)
    assert (code, [each["kind"] for each in said["holds"]]) == (0, ["payout"])
    assert [each["finding"] for each in said["findings"]] == ["holds"]
    assert commission("release", "--all", "--reason", "looked at").code == 0
    assert status(commission)[1]["holds"] == []


# -- refused rows: mended or not

FILES = {
    "earnings": (
        HEADER,
        "m1,bob,2026-01-05,1.005,USD,\n" + 'm2,"b""ob",2026-01-05,x,USD,\n' + 'm3,"bob\n',
        "m1,bob,2026-01-05,1.00,USD,\n",
    ),
    "referrals": ("affiliate_id,referrer_id\n", "dan,dan\neve,\x01\n", "dan,ann\n"),
    "affiliates": ("affiliate_id,status\n", "fay,active!\n", "fay,active\n"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_row_that_came_in_a_better_form_waits_no_more(
    commission: Program, tmp_path: Path, kind: str
) -> None:
    header, bad, good = FILES[kind]
    commission("plan", "apply", shop(tmp_path / "in") / "plan.toml")
    file = tmp_path / "more.csv"
    file.write_text(header + bad, "utf-8")
    rows = bad.count("\n")
    assert commission("import", kind, file).code == 3
    _, said = status(commission)
    assert sum(each["waiting"] for each in said["refused"]) == rows
    file.write_text(header + good, "utf-8")
    assert commission("import", kind, file).code == 0
    _, said = status(commission)
    assert sum(each["rows"] for each in said["refused"]) == rows
    assert sum(each["waiting"] for each in said["refused"]) == rows - 1


def test_a_row_that_contradicts_what_is_known_waits(commission: Program, tmp_path: Path) -> None:
    """That its id is known is no news."""
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    file = tmp_path / "more.csv"
    file.write_text(HEADER + "e1,bob,2026-01-05T10:00:00Z,301.00,USD,\n", "utf-8")
    assert commission("import", "earnings", file).code == 3
    _, said = status(commission)
    assert [(each["code"], each["waiting"]) for each in said["refused"]] == [("conflict", 1)]


# -- what is owed, without adding up the ledger


def test_what_is_owed_is_the_sum_of_all_balances(
    commission: Program, tmp_path: Path, database_url: str
) -> None:
    """Before, on and after a settlement, with holds that end between settlements."""
    plan = PLAN.replace('every = "day"', 'every = "month"')
    plan = plan.replace("hold_days = 2", "hold_days = 9")
    more = "y1,cat,2026-01-30T10:00:00Z,5000,JPY,\ny2,cat,2026-02-20T10:00:00Z,80.00,USD,\n"
    folder = shop(tmp_path / "in", EARNINGS + more, plan)
    engine = connect(database_url)
    seen = []
    for night in ("2026-01-16", "2026-01-31", "2026-02-03", "2026-02-12"):
        assert commission("run", folder, "--date", night).code == 0
        with reading(engine) as connection:
            balances = views.balances(connection, day(night))
            owed = state(connection).owed
        for each in owed:
            of = balances.filter(balances["currency"] == each.currency)
            assert (each.held, each.available) == (
                of["held_minor"].sum(),
                of["available_minor"].sum(),
            )
        seen += [(each.held, each.available) for each in owed]
    assert any(held and available for held, available in seen)


def test_no_question_goes_over_the_facts_or_the_ledger(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every query finds its rows by a key: with millions of lines it takes no longer."""
    commission = program_in(tmp_path, sqlite_url, monkeypatch, capsys)
    plan = PLAN.replace('every = "day"', 'every = "month"')
    folder = shop(tmp_path / "in", EARNINGS + "f1,bob,2030-01-01,1.00,USD,\n", plan)
    for night in ("2026-01-31", "2026-02-03"):
        assert commission("run", folder, "--date", night).code == 0
    engine = connect(sqlite_url)
    asked: list[tuple[str, Any]] = []
    sa.event.listen(
        engine,
        "before_cursor_execute",
        lambda _1, _2, statement, given, *_3: asked.append((statement, given)),
    )
    with reading(engine) as connection:
        state(connection)
    scans = set()
    with reading(connect(sqlite_url)) as connection:
        for statement, given in asked:
            if statement.startswith("SELECT"):
                plans = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                scans |= {row[3] for row in plans if row[3].startswith("SCAN")}
    large = ("line", "entry", "event", "affiliate", "profile", "referral", "activity",
             "statement", "payout", "cap_total", "segment")  # fmt: skip
    assert len(asked) > 10
    assert [scan for scan in scans if scan.split()[1] in large] == []
