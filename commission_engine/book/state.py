"""How a book stands, for those who watch over it: figures that are read in a moment.

Nothing here goes over all lines or entries: what runs have added up stands in their figures, and
only what came since the last settlement is added to it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import attempts, bulk, facts, refusals
from commission_engine.book.runs import FIRST, Run, completed
from commission_engine.book.schema import (
    attempt,
    attempt_end,
    currency,
    entry,
    event,
    hold,
    intake,
    refusal,
    release,
)
from commission_engine.book.schema_people import payout_step
from commission_engine.calendar import DAY_US, Day, Zone
from commission_engine.ledger.accounts import RAISES_PAYABLE
from commission_engine.ledger.life import State as Payout

REFUSED_DAYS = 7
"""For so many business dates a refused row is waited for."""

MOST_REFUSED = 100_000
"""Of more refused rows than this none is looked at: they wait all the same."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last start of a run. `outcome` is empty while it goes on, or where it was killed."""

    number: int
    day: Day
    started_at: str
    ended_at: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed to all affiliates together in a currency, in minor units, as of the last
    run."""

    currency: str
    decimals: int
    held: int
    available: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows that were refused in the last REFUSED_DAYS, of one kind and for one reason; `waiting`
    of them have not come in a better form since."""

    kind: str
    code: str
    rows: int
    waiting: int


@dataclass(frozen=True, slots=True)
class State:
    """A book as of now. `programme` and `zone` are empty where it has no plan.

    `stages` are those of the attempt that completed the last run; `failures` counts the starts
    since, for later dates, that have failed, without a last one that may go on. `new_events` came
    since the last run, `later_events` wait for their date. `holds` are the open ones: their kind
    and the date of their run; `payouts` how many are in which state, of those that are not done
    with. `owed` has every currency.
    """

    programme: str
    zone: str
    runs: Sequence[Run]
    attempt: Attempt | None
    stages: Sequence[attempts.Stage]
    failures: int
    holds: Sequence[tuple[str, Day]]
    refused: Sequence[Refused]
    refused_ever: int
    owed: Sequence[Owed]
    payouts: Mapping[str, int]
    new_events: int
    later_events: int

    @property
    def last(self) -> Run | None:
        return self.runs[-1] if self.runs else None

    @property
    def refused_waiting(self) -> int:
        return sum(each.waiting for each in self.refused)


def state(connection: sa.Connection) -> State:
    """How the book stands."""
    plan = facts.current_plan(connection)
    all_runs = completed(connection)
    last = all_runs[-1] if all_runs else None
    done = attempts.last_completed(connection)
    return State(
        programme=plan.name if plan else "",
        zone=plan.timezone if plan else "",
        runs=all_runs,
        attempt=_last_attempt(connection),
        stages=attempts.stages_of(connection, done),
        failures=_failures(connection, done, last),
        holds=_open_holds(connection),
        refused=_refused(connection, _before_refused(all_runs)),
        refused_ever=_whole(connection, sa.select(sa.func.sum(intake.c.rejected))),
        owed=_owed(connection, all_runs),
        payouts=_payouts(connection, all_runs),
        new_events=_new_events(connection, last),
        later_events=_later_events(connection, last, Zone(plan.timezone)) if plan and last else 0,
    )


def _whole(connection: sa.Connection, query: sa.Select[Any]) -> int:
    """A sum or count; 0 of nothing. PostgreSQL adds whole numbers up to a decimal."""
    return int(connection.execute(query).scalar_one() or 0)


def _last_attempt(connection: sa.Connection) -> Attempt | None:
    query = (
        sa.select(
            attempt.c.id, attempt.c.day, attempt.c.started_at, attempt_end.c.ended_at,
            attempt_end.c.outcome,
        )
        .outerjoin(attempt_end)
        .order_by(attempt.c.id.desc())
        .limit(1)
    )  # fmt: skip
    row = connection.execute(query).one_or_none()
    return Attempt(*row[:3], row[3] or "", row[4] or "") if row else None


def _failures(connection: sa.Connection, done: int, last: Run | None) -> int:
    later = attempts.attempts_after(connection, done)
    if last:
        later = later.filter(pl.col("day") > last.day)
    return later.filter(
        (pl.col("outcome") == "failed") | (pl.col("id") < pl.col("id").max())
    ).height


def _open_holds(connection: sa.Connection) -> list[tuple[str, Day]]:
    query = sa.select(hold.c.kind, hold.c.run_day).where(
        hold.c.id.not_in(sa.select(release.c.hold))
    )
    return sorted((kind, day) for kind, day in connection.execute(query))


# -- money


def _owed(connection: sa.Connection, runs: Sequence[Run]) -> list[Owed]:
    """From the last settlement's figures, and what was booked or became available since."""
    settled = next((run for run in reversed(runs) if run.settles), None)
    closing: Counter[str] = Counter()
    available: Counter[str] = Counter()
    if settled:
        for code, sums in settled.figures["totals"].items():
            closing[code], available[code] = sums["closing"], sums["available"]
    known = sa.select(currency.c.code, currency.c.decimals).order_by(currency.c.id)
    decimals = {row.code: row.decimals for row in connection.execute(known)}
    day = runs[-1].day if runs else 0
    if settled is None or settled.day < day:
        since = entry.c.run_day > (settled.day if settled else FIRST)
        free = entry.c.available_day <= day
        _add(connection, closing, since)
        _add(connection, available, since, free)
        if settled:
            matured = entry.c.available_day > settled.day
            _add(connection, available, entry.c.run_day <= settled.day, matured, free)
    return [
        Owed(code, decimals[code], closing[code] - available[code], available[code])
        for code in decimals
    ]


def _add(connection: sa.Connection, sums: Counter[str], *where: sa.ColumnElement[bool]) -> None:
    raising = [int(kind) for kind, raises in RAISES_PAYABLE.items() if raises]
    amount = sa.case((entry.c.kind.in_(raising), entry.c.amount_minor), else_=-entry.c.amount_minor)
    query = (
        sa.select(currency.c.code, sa.func.sum(amount))
        .join(currency, currency.c.id == entry.c.currency)
        .where(*where)
        .group_by(currency.c.code)
    )
    for code, minor in connection.execute(query):
        sums[code] += int(minor)


def _payouts(connection: sa.Connection, runs: Sequence[Run]) -> dict[str, int]:
    """How many payouts are pending, approved and exported: those that came into a state without
    those that left it."""
    found: Counter[str] = Counter()
    found[Payout.PENDING] = sum(run.figures["counts"]["payouts"] for run in runs)
    query = sa.select(payout_step.c.was, payout_step.c.step, sa.func.count()).group_by(
        payout_step.c.was, payout_step.c.step
    )
    for was, step, count in connection.execute(query):
        found[was] -= count
        found[step] += count
    waiting = (Payout.PENDING, Payout.APPROVED, Payout.EXPORTED)
    return {each.value: found[each] for each in waiting}


# -- events


def _new_events(connection: sa.Connection, last: Run | None) -> int:
    query = sa.select(sa.func.count()).select_from(event)
    return _whole(connection, query.where(event.c.id > (last.event if last else 0)))


def _later_events(connection: sa.Connection, last: Run, zone: Zone) -> int:
    """Known to the last run and dated later; by local day, and a refund not before its order."""
    if last.waiting_from < 0:
        return 0
    root = event.alias("root")
    query = (
        sa.select(event.c.occurred_us, root.c.occurred_us)
        .join(root, root.c.id == event.c.root)
        .where(
            event.c.id >= last.waiting_from,
            event.c.id <= last.event,
            event.c.occurred_us >= (last.day - 1) * DAY_US,  # local days begin at most so early
        )
    )
    names = ("own", "root")
    rows = bulk.frame(connection, query, dict.fromkeys(names, pl.Int64))
    own, of_root = (zone.local_days(rows[name].to_numpy()) for name in names)
    return int(((own > last.day) | (of_root > last.day)).sum())


# -- refused rows


def _before_refused(runs: Sequence[Run]) -> int:
    """The last intake whose refused rows are not waited for any more."""
    old = (run.intake for run in runs if run.day <= runs[-1].day - REFUSED_DAYS)
    return max(old, default=0)


def _refused(connection: sa.Connection, after: int) -> list[Refused]:
    where = refusal.c.intake > after
    count = sa.func.count()
    if _whole(connection, sa.select(count).where(where)) > MOST_REFUSED:
        by = sa.select(refusal.c.kind, refusal.c.code, count, count)
        groups = by.where(where).group_by(refusal.c.kind, refusal.c.code)
        return sorted(
            (Refused(*row) for row in connection.execute(groups)), key=lambda each: each.code
        )
    judged = refusals.judged(connection, where)
    counts = judged.group_by("kind", "code").agg(pl.len(), pl.col("waits").sum())
    return [Refused(*row) for row in counts.sort("kind", "code").iter_rows()]
