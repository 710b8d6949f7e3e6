"""What is still open before a month can be closed, each with the command that helps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from commission_engine.book import closings, corrections, holds, refusals, runs
from commission_engine.book import payouts as book
from commission_engine.book import reconcile as bank
from commission_engine.book.connect import Connection
from commission_engine.calendar import date_of
from commission_engine.finance.close.figures import refused_before
from commission_engine.finance.close.period import Period
from commission_engine.finance.reconcile.decide import waiting
from commission_engine.finance.reconcile.match import Found
from commission_engine.ledger.life import State
from commission_engine.payouts.choose import SHORT

SHOWN = 3
"""Of many alike so many are named."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that is open: of which sort, what, how many, and the command that helps."""

    sort: str
    says: str
    count: int
    command: str


def obstacles(
    connection: Connection, period: Period, differences: Sequence[str], *, accept_refused: bool
) -> list[Obstacle]:
    """Everything that is open for a period; `differences` are those that `verify` has found, and
    with `accept_refused` no refused row counts."""
    found = [
        *_dates(connection, period),
        *([] if accept_refused else _refused(connection, period)),
        *_exported(connection, period),
        *_said_by_banks(connection, period),
        *_held(connection, period),
        *_proposed(connection),
    ]
    if differences:
        count = len(differences)
        says = f"the book has {_counted(count, 'difference')}, the first: {differences[0]}"
        found.append(Obstacle("verify", says, count, "commission verify"))
    return found


def _dates(connection: Connection, period: Period) -> Iterator[Obstacle]:
    """Those that can still run; a date before the last completed one can run no more."""
    completed = runs.completed(connection)
    last = completed[-1].day if completed else period.first - 1
    first = max(last + 1, period.first)
    missing = [date_of(day).isoformat() for day in range(first, period.last + 1)]
    if missing:
        yield Obstacle(
            "dates",
            f"{_counted(len(missing), 'date')} without a run: {_from_to(missing)}",
            len(missing),
            f"commission backfill --to {date_of(period.last)}",
        )


def _from_to(dates: Sequence[str]) -> str:
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def waiting_rows(connection: Connection, period: Period) -> pl.DataFrame:
    """The refused rows that the runs of a period have published, or an earlier period left, and
    that are neither mended nor waived: refusals.JUDGED."""
    completed = [run for run in runs.completed(connection) if run.day <= period.last]
    known = runs.last_intake(connection)
    upto = completed[-1].intake if completed else 0
    after = refused_before(connection, known)
    judged = refusals.judged(connection, closings.refused_in(after, upto))
    return judged.filter("waits").join(closings.waivers(connection, known), on="id", how="anti")


def _refused(connection: Connection, period: Period) -> Iterator[Obstacle]:
    rows = waiting_rows(connection, period)
    if rows.height:
        named = [f"{file}:{line} {code}" for file, line, code in rows.select(
            "file", "line", "code").head(SHOWN + 1).iter_rows()]  # fmt: skip
        yield Obstacle(
            "refused rows",
            f"{_counted(rows.height, 'refused row')} neither mended nor waived:"
            f" {_some(named, ', ', rows.height)}",
            rows.height,
            f"commission rejects --mend FILE, or commission close {period.name} --accept-refused"
            " --reason TEXT",
        )


def _exported(connection: Connection, period: Period) -> Iterator[Obstacle]:
    """By batch: what the bank did with a payout has to be known before its month is closed."""
    until = closings.of_days(runs.FIRST, period.last)
    out = book.payouts(connection, book.in_state(State.EXPORTED), until)
    for (batch,), part in out.group_by("batch", maintain_order=True):
        yield Obstacle(
            "payouts",
            f"{_counted(part.height, 'payout')} of batch {str(batch)[:SHORT]} exported and neither"
            " paid nor failed",
            part.height,
            "commission reconcile FILE, or commission payouts mark paid --batch"
            f" {str(batch)[:SHORT]}",
        )


def _said_by_banks(connection: Connection, period: Period) -> Iterator[Obstacle]:
    """Entries that wait for a person, booked in the period or before, or about a payout of such a
    date. A notice is about a payee's data, and no money depends on it."""
    booked = pl.col("booked_day") <= period.last
    ours = (pl.col("run_day") != bank.NOBODY) & (pl.col("run_day") <= period.last)
    found = waiting(connection).filter(booked | ours, pl.col("found") != str(Found.NOTICE))
    if found.height:
        named = [f"{number} {what}" for number, what in found.select(
            "id", "found").head(SHOWN + 1).iter_rows()]  # fmt: skip
        yield Obstacle(
            "bank entries",
            f"{_counted(found.height, 'bank entry', 'bank entries')} not decided:"
            f" {_some(named, ', ', found.height)}",
            found.height,
            "commission reconcile open",
        )


def _held(connection: Connection, period: Period) -> Iterator[Obstacle]:
    found = holds.listed(connection).filter(
        pl.col("intake").is_null(), pl.col("run_day") <= period.last
    )
    if found.height:
        numbers = [str(each) for each in found["id"]]
        yield Obstacle(
            "holds",
            f"{_counted(found.height, 'hold')} not released: {_some(numbers, ', ')}",
            found.height,
            f"commission release {numbers[0]} --reason TEXT (commission holds lists all)",
        )


def _proposed(connection: Connection) -> Iterator[Obstacle]:
    waiting = [each for each in corrections.proposals(connection) if not each.outcome]
    if waiting:
        numbers = [str(each.id) for each in waiting]
        yield Obstacle(
            "proposals",
            f"{_counted(len(waiting), 'proposal')} waiting for a second person:"
            f" {_some(numbers, ', ')}",
            len(waiting),
            f"commission corrections approve {numbers[0]}, or reject",
        )


def _counted(number: int, noun: str, nouns: str = "") -> str:
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def _some(texts: Sequence[str], between: str, count: int | None = None) -> str:
    more = (len(texts) if count is None else count) - SHOWN
    return between.join(texts[:SHOWN]) + (f"{between}and {more} more" if more > 0 else "")
