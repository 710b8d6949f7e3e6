"""The past as it is known now: the runs so far once more, as true-ups have them, and what differs.

A run that a true-up covers is decided with the tree of that true-up and under its plan; who was
closed stays as it was known then. Caps are carried from run to run as ever. So the corrected past
is what would have been written had all of it been known in time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commission_engine.book import corrections, facts, runs
from commission_engine.book.caps import WINDOWS
from commission_engine.book.connect import Connection
from commission_engine.book.corrections import SHIFTS, TrueUp, holding
from commission_engine.calendar import Day, Zone
from commission_engine.decide.kernel import decide
from commission_engine.decide.used import UsedInMemory
from commission_engine.plan.terms import Plan

LINE = ("event", "level", "beneficiary")
DIFFERENCES: Mapping[str, Any] = dict.fromkeys(
    (
        "run_day", "event", "level", "beneficiary", "earner", "currency", "before_minor",
        "after_minor", "available_day",
    ),
    pl.Int64,
)  # fmt: skip
"""Lines whose commission differs, in the book's numbers; 0 where there is no such line."""


@dataclass(frozen=True, slots=True)
class Past:
    """How the runs up to now are to be decided: under these true-ups (None: each as it was written,
    with those that it knew), and of the plans that the book does not have, `plans` by version."""

    ups: Sequence[TrueUp] | None
    plans: Mapping[int, Plan]

    def plan(self, connection: Connection, run: runs.Run) -> Plan:
        up = holding(self.ups, run.day) if self.ups else None
        version = up.plan_version if up else run.plan_version
        return self.plans.get(version) or facts.plan_of(connection, version)


WRITTEN = Past(None, {})


@dataclass(frozen=True, slots=True)
class Differences:
    """From what the book has to a corrected past: lines (DIFFERENCES, by run and event; `before` is
    with what was posted to correct them), and how far caps' totals are to move (SHIFTS)."""

    lines: pl.DataFrame
    moves: pl.DataFrame

    def __bool__(self) -> bool:
        return bool(self.lines.height or self.moves.height)


def differences(connection: Connection, past: Past) -> Differences:
    """What lies between the book, with all corrections so far, and this past."""
    completed = runs.completed(connection)
    covered = [holding(past.ups or (), run.day) is not None for run in completed]
    first = covered.index(True) if True in covered else len(completed)
    written = UsedInMemory()
    for _ in _lines(connection, WRITTEN, completed, range(first), written):
        pass
    used = written.copy()
    rest = range(first, len(completed))
    posted = corrections.corrected_so_far(connection)
    parts = [
        _unlike(events, one, other, posted, run.day)
        for run, (events, one), (_, other) in zip(
            completed[first:],
            _lines(connection, WRITTEN, completed, rest, written),
            _lines(connection, past, completed, rest, used),
            strict=True,
        )
    ]
    last = completed[-1].intake if completed else 0
    pending = corrections.shifts(connection, last, runs.last_intake(connection))
    written.advance(corrections.moved(written, pending))
    lines = pl.concat(
        [pl.DataFrame(schema=DIFFERENCES), *(p.select(list(DIFFERENCES)) for p in parts)]
    )
    return Differences(lines.sort("run_day", *LINE), _moves(_totals(written), _totals(used)))


def _lines(
    connection: Connection,
    past: Past,
    completed: Sequence[runs.Run],
    places: range,
    used: UsedInMemory,
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Per run at these places its events (event, earner, currency) and its lines (LINE,
    commission_minor, available_day), adjustments left out; `used` goes along."""
    codes = facts.currency_codes(connection)
    forest, standing = runs.forest(connection), runs.standing(connection)
    for place in places:
        run, before = completed[place], completed[:place]
        plan = past.plan(connection, run)
        if past.ups is None:
            shifts = corrections.shifts(connection, before[-1].intake if before else 0, run.intake)
            used.advance(corrections.moved(used, shifts))
        due = runs.due(
            connection, before, run.day, run.intake, run.event, Zone(plan.timezone), past.ups
        )
        events = due.events.take(np.delete(np.arange(len(due.events)), due.adjusted.row))
        decision = decide(events, plan, codes, forest, standing, used)
        used.advance(decision.advances)
        lines = decision.lines
        yield (
            pl.DataFrame(
                {"event": events.event, "earner": events.earner, "currency": events.currency}
            ).cast(pl.Int64),
            pl.DataFrame(
                {
                    "event": events.event[lines.row],
                    "level": lines.level,
                    "beneficiary": lines.beneficiary,
                    "commission_minor": lines.commission,
                    "available_day": lines.available_day,
                }
            ).cast(pl.Int64),
        )


def _unlike(
    events: pl.DataFrame,
    written: pl.DataFrame,
    now: pl.DataFrame,
    posted: pl.DataFrame,
    day: Day,
) -> pl.DataFrame:
    """The lines of the run of `day` that come to something else `now` than is `written` and
    `posted`, shaped DIFFERENCES."""
    own = posted.join(events, on="event", how="semi").select(*LINE, "difference_minor")
    amounts = ("commission_minor", "difference_minor", "commission_minor_now")
    return (
        written.join(own, on=LINE, how="full", coalesce=True)
        .join(now, on=LINE, how="full", suffix="_now", coalesce=True)
        .with_columns(pl.col(amounts).fill_null(0))
        .with_columns(
            before_minor=pl.col("commission_minor") + pl.col("difference_minor"),
            after_minor=pl.col("commission_minor_now"),
            available_day=pl.coalesce("available_day_now", "available_day", 0),
        )
        .filter(pl.col("before_minor") != pl.col("after_minor"))
        .join(events, on="event")
        .select(pl.lit(day, pl.Int64).alias("run_day"), *list(DIFFERENCES)[1:])
    )


def _totals(used: UsedInMemory) -> pl.DataFrame:
    names = [*list(SHIFTS)[:-1], "total_minor"]
    return pl.DataFrame(used.rows(WINDOWS), schema=dict.fromkeys(names, pl.Int64), orient="row")


def _moves(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    key = list(SHIFTS)[:-1]
    joined = before.join(after, on=key, how="full", suffix="_now", coalesce=True)
    moved = pl.col("total_minor_now").fill_null(0) - pl.col("total_minor").fill_null(0)
    return (
        joined.with_columns(moved_minor=moved)
        .filter(pl.col("moved_minor") != 0)
        .select(list(SHIFTS))
        .sort(key)
    )


def faults(connection: Connection) -> Iterator[str]:
    """Where what true-ups have posted is not what brings the written past to the corrected one."""
    ups = corrections.true_ups(connection, runs.last_intake(connection))
    if not ups:
        return
    found = differences(connection, Past(ups, {}))
    for row in found.lines.head(3).iter_rows(named=True):
        yield f"true-up: the corrected past has another commission than what is posted: {row}"
    for row in found.moves.head(3).iter_rows(named=True):
        yield f"true-up: a cap's total was not moved as the corrected past says: {row}"
