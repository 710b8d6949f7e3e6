"""`commission status`: is all well, and if not, what needs a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from commission_engine.book.connect import reading
from commission_engine.book.lock import Holder, holder
from commission_engine.book.state import Attempt, State, state
from commission_engine.calendar import Day, Zone, date_of
from commission_engine.cli.common import (
    AsJson,
    Database,
    counted,
    open_book,
    out,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.due import due_at, last_due
from commission_engine.money import plain, spoken
from commission_engine.problems import Exit
from commission_engine.timetable import Timetable

WarnAfter = Annotated[
    int, typer.Option("--warn-after", min=0, help="Business dates late, from which on it is said.")
]
LateAfter = Annotated[
    int, typer.Option("--late-after", min=0, help="Business dates late that need no person yet.")
]
HoldsAfter = Annotated[
    int, typer.Option("--holds-after", min=0, help="Days that a hold may wait for a person.")
]


_FRONT = {
    Exit.FAILED: "[red]needs a person:[/]",
    Exit.ROWS_REJECTED: "[yellow]rows wait:[/]",
    Exit.DONE: "[yellow]note:[/]",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `code`: what it makes the command end with."""

    name: str
    code: Exit
    says: str


@dataclass(frozen=True, slots=True)
class Due:
    """The next business date, when its night begins, and how many dates are late by now."""

    day: Day
    at: datetime
    lag: int


def status(
    warn_after: WarnAfter = 0,
    late_after: LateAfter = 1,
    holds_after: HoldsAfter = 3,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Say how the programme stands. Ends with 0 when all is well, 1 when it needs a person, 3 when
    refused rows wait: for monitoring."""
    settings = settings_of(database=database)
    engine = open_book(settings)
    with reading(engine) as connection:
        found = state(connection)
    works = holder(engine)
    due = due_of(found, settings.timetable, datetime.now(UTC))
    findings = list(judged(found, due, works, warn_after, late_after, holds_after))
    codes = {each.code for each in findings}
    # What needs a person goes before rows that wait, and these before what is only said.
    code = next((each for each in (Exit.FAILED, Exit.ROWS_REJECTED) if each in codes), Exit.DONE)
    if as_json:
        print_json(_described(found, due, works, findings, code))
    else:
        rows = [row for row in _rows(found, due, works) if row[1]]
        width = max(len(name) for name, _ in rows)
        for name, said in rows:
            out.print(f"{name:<{width}}  {escape(said)}", soft_wrap=True)
        for each in findings:
            say(f"{_FRONT[each.code]} {escape(each.says)}")
    if code:
        raise typer.Exit(code)


def due_of(found: State, timetable: Timetable, moment: datetime) -> Due | None:
    """None where the book has no plan, so that no zone says which day is over."""
    if not found.zone:
        return None
    zone = Zone(found.zone)
    over = last_due(timetable, zone, moment)
    first = over if timetable.first is None else timetable.first
    day = found.last.day + 1 if found.last else first
    return Due(day, due_at(timetable, zone, day), max(0, over - day + 1))


def judged(
    found: State,
    due: Due | None,
    works: Holder | None,
    warn_after: int = 0,
    late_after: int = 1,
    holds_after: int = 3,
) -> Iterator[Finding]:
    """What is not as it should be."""
    if due is None:
        hint = "commission plan apply plan.toml"
        yield Finding("no plan", Exit.FAILED, f"the book has no plan yet: {hint}")
        return
    if not found.last:
        yield Finding("no run", Exit.FAILED, "no run is complete yet: commission run")
    elif due.lag > warn_after:
        late = due.lag > late_after
        said = f"{counted(due.lag, 'business date')} late, the next one is {date_of(due.day)}"
        hint = ": commission run" if due.lag == 1 else ": commission backfill"
        yield Finding("late", Exit.FAILED if late else Exit.DONE, said + hint)
    if found.attempt and (failed := _failed(found, found.attempt, works)):
        yield Finding("failed", Exit.FAILED, failed)
    over = due.day + due.lag - 1
    old = [day for _, day in found.holds if over - day > holds_after]
    if found.holds:
        said = f"{counted(len(found.holds), 'hold')} open"
        if old:
            said += f", the oldest of {date_of(min(old))}"
        yield Finding("holds", Exit.FAILED if old else Exit.DONE, f"{said}: commission holds")
    if found.refused_waiting:
        said = f"{counted(found.refused_waiting, 'refused row')} not mended: commission rejects"
        yield Finding("refused", Exit.ROWS_REJECTED, said)


def _failed(found: State, attempt: Attempt, works: Holder | None) -> str:
    """What became of the last start, if its date is not complete and nobody works on it."""
    if found.last and attempt.day <= found.last.day:
        return ""
    hint = "commission runs --attempts says why"
    if attempt.outcome == "failed":
        return f"the last start, of {date_of(attempt.day)}, failed: {hint}"
    if not attempt.outcome and works is None:
        return f"the last start, of {date_of(attempt.day)}, was killed: commission run"
    return ""


# -- for people


def _rows(found: State, due: Due | None, works: Holder | None) -> Iterator[tuple[str, str]]:
    yield "programme", found.programme
    yield "last run", _last(found)
    yield "next run", _next(due) if due else ""
    yield "at work", f"{works.who} since {works.since}" if works else "nobody"
    yield "failed starts since", f"{found.failures:,}" if found.failures else ""
    for each in found.owed:
        total, available = (
            spoken(minor, each.currency, each.decimals)
            for minor in (each.held + each.available, each.available)
        )
        yield f"owed, {each.currency}", f"{total}, of which {available} available"
    payouts = [f"{count:,} {name}" for name, count in found.payouts.items() if count]
    yield "payouts", ", ".join(payouts)
    waiting = [(found.new_events, "new"), (found.later_events, "dated later")]
    yield "events waiting", ", ".join(f"{count:,} {name}" for count, name in waiting if count)
    yield "open holds", f"{len(found.holds):,}" if found.holds else ""
    refused = [(f"{each.waiting:,} of {each.rows:,}", each) for each in found.refused]
    yield (
        "refused rows waiting",
        ", ".join(f"{said} {each.kind} ({each.code})" for said, each in refused if each.waiting),
    )


def _last(found: State) -> str:
    if not found.last:
        return "none yet"
    took = sum(stage.milliseconds for stage in found.stages)
    return f"{date_of(found.last.day)}, completed {found.last.completed_at}" + (
        f", took {plain(took, 3)} s" if took else ""
    )


def _next(due: Due) -> str:
    at = due.at.isoformat(timespec="minutes")
    late = f", {counted(due.lag, 'business date')} late" if due.lag else ""
    return f"{date_of(due.day)}, due {'since' if due.lag else 'at'} {at}{late}"


# -- for programs


def _described(
    found: State, due: Due | None, works: Holder | None, findings: list[Finding], code: Exit
) -> dict[str, Any]:
    return {
        "exit_code": int(code),
        "findings": [
            {"finding": each.name, "exit_code": int(each.code), "says": each.says}
            for each in findings
        ],
        "programme": found.programme,
        "last_run": {
            "run_date": date_of(found.last.day).isoformat(),
            "completed_at": found.last.completed_at,
            "milliseconds": sum(stage.milliseconds for stage in found.stages),
            "counts": found.last.figures["counts"],
        }
        if found.last
        else None,
        "next_run": {"run_date": date_of(due.day).isoformat(), "due_at": due.at.isoformat()}
        if due
        else None,
        "lag_days": due.lag if due else None,
        "last_attempt": {
            "number": found.attempt.number,
            "run_date": date_of(found.attempt.day).isoformat(),
            "started_at": found.attempt.started_at,
            "ended_at": found.attempt.ended_at or None,
            "outcome": found.attempt.outcome or None,
        }
        if found.attempt
        else None,
        "failed_attempts": found.failures,
        "at_work": {"who": works.who, "since": works.since} if works else None,
        "holds": [
            {"kind": kind, "run_date": date_of(day).isoformat()} for kind, day in found.holds
        ],
        "refused": [
            {"kind": each.kind, "code": each.code, "rows": each.rows, "waiting": each.waiting}
            for each in found.refused
        ],
        "owed": {
            each.currency: {
                "held": plain(each.held, each.decimals),
                "available": plain(each.available, each.decimals),
                "balance": plain(each.held + each.available, each.decimals),
            }
            for each in found.owed
        },
        "payouts": dict(found.payouts),
        "events": {"new": found.new_events, "later": found.later_events},
    }
