"""What runs derive from the facts: which events are due, and the rows that a run adds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import (
    activity,
    cap_total,
    entry,
    event,
    intake,
    line,
    payout,
    profile,
    referral,
    run,
    statement,
)
from commission_engine.calendar import DAY_US, Day, Ints, Window, Zone
from commission_engine.decide.kernel import Advance, Events, Keys, Lines, Scope
from commission_engine.tree.forest import Forest, Standing

WINDOWS = tuple(Window)
"""A window is kept as its place here."""

_MARGIN_US = 2 * DAY_US  # no zone is further from UTC; the exact day is decided in columns


@dataclass(frozen=True, slots=True)
class Run:
    """A completed run: its date, and how much it knew.

    `intake` and `event` are the last ones known; `waiting_from` is the first event that was known
    but dated later than `day` (-1: none).
    """

    day: Day
    intake: int
    event: int
    waiting_from: int
    plan_version: int
    plan_hash: str
    engine_version: str
    settles: bool
    outputs: Mapping[str, Any]
    figures: Mapping[str, Any]
    started_at: str
    completed_at: str


def completed(connection: sa.Connection) -> list[Run]:
    """Every completed run, by date."""
    rows = connection.execute(sa.select(run).order_by(run.c.day)).mappings()
    return [
        Run(
            **{
                **row,
                "settles": bool(row["settles"]),
                "outputs": json.loads(row["outputs"]),
                "figures": json.loads(row["figures"]),
            }
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """The events of a run in processing order, and the first that waits for a later date (-1)."""

    events: Events
    waiting_from: int


_DUE = {
    "event": pl.Int64,
    "order": pl.Int64,
    "earner": pl.Int64,
    "currency": pl.Int64,
    "amount": pl.Int64,
    "occurred_us": pl.Int64,
    "root_at": pl.Int64,
    "event_id": pl.String,
}


def last_event(connection: sa.Connection) -> int:
    return bulk.next_number(connection, event.c.id) - 1


def due(
    connection: sa.Connection, runs: Sequence[Run], day: Day, known: int, last: int, zone: Zone
) -> Due:
    """What a run for `day` has to process that knows intakes up to `known`, events up to `last`.

    An event belongs to the first run that knew it and whose date is not before its local day.
    `runs` are the completed runs before it.
    """
    previous = runs[-1] if runs else None
    first = 1
    if previous:
        first = previous.waiting_from if previous.waiting_from >= 0 else previous.event + 1
    root = event.alias("root")
    query = (
        sa.select(
            event.c.id,
            event.c.root,
            event.c.affiliate,
            event.c.currency,
            event.c.amount_minor,
            event.c.occurred_us,
            root.c.occurred_us,
            event.c.event_id,
        )
        .join(root, root.c.id == event.c.root)
        .where(event.c.id >= first, event.c.id <= last)
    )
    rows = bulk.frame(connection, query, _DUE)
    local = _due_days(rows, zone)
    number = rows["event"].to_numpy()
    waits = local > day
    done = np.zeros(len(rows), np.bool_)
    if previous:
        done = (number <= previous.event) & (local <= previous.day)
    rows = rows.filter(pl.Series(~waits & ~done)).sort(
        "occurred_us", pl.col("event") != pl.col("order"), "event_id"
    )
    root_day = zone.local_days(rows["root_at"].to_numpy())
    order, event_number = bulk.ints(rows, "order", "event")
    events = Events(
        event=event_number,
        order=order,
        earner=rows["earner"].to_numpy(),
        currency=rows["currency"].to_numpy(),
        amount=rows["amount"].to_numpy(),
        before=_before(connection, runs, rows, zone),
        root_at=rows["root_at"].to_numpy(),
        root_day=root_day,
        root_known=known_when_decided(runs, order, root_day, known),
    )
    waiting = number[waits]
    return Due(events, int(waiting.min()) if len(waiting) else -1)


def _due_days(rows: pl.DataFrame, zone: Zone) -> Ints:
    """The day from which each event may be processed: its local day, and never before its root's.

    Where clocks are set back over midnight, a refund can be dated the day before its order.
    """
    own = zone.local_days(rows["occurred_us"].to_numpy())
    return np.maximum(own, zone.local_days(rows["root_at"].to_numpy()))


def decided_by(runs: Sequence[Run], event_number: Ints, local_day: Ints) -> Ints:
    """The place in `runs` of the run that processed each event; len(runs) where none did."""
    by_number = np.searchsorted([each.event for each in runs], event_number, side="left")
    by_day = np.searchsorted([each.day for each in runs], local_day, side="left")
    return np.maximum(by_number, by_day)


def known_when_decided(runs: Sequence[Run], root: Ints, root_day: Ints, known: int) -> Ints:
    """Per order the last intake known to the run that processed its root; `known` for this run."""
    intakes = np.array([*(each.intake for each in runs), known], np.int64)
    known_then: Ints = intakes[decided_by(runs, root, root_day)]
    return known_then


def _before(connection: sa.Connection, runs: Sequence[Run], rows: pl.DataFrame, zone: Zone) -> Ints:
    """Per row the sum of its order's amounts that earlier runs processed."""
    old = rows.filter(
        (pl.col("event") != pl.col("order")) & ~pl.col("order").is_in(rows["event"].implode())
    )["order"].unique()
    if not runs or not len(old):
        return np.zeros(len(rows), np.int64)
    schema = dict.fromkeys(("order", "event", "amount", "occurred_us", "root_at"), pl.Int64)
    root = event.alias("root")
    query = sa.select(
        event.c.root, event.c.id, event.c.amount_minor, event.c.occurred_us, root.c.occurred_us
    ).join(root, root.c.id == event.c.root)
    with bulk.listed(connection, old) as asked:
        roots = query.join(asked, event.c.id == asked.c.value)
        reversals = query.join(asked, event.c.root == asked.c.value).where(
            event.c.id != event.c.root
        )
        history = bulk.frame(connection, sa.union_all(roots, reversals), schema)
    decided = decided_by(runs, history["event"].to_numpy(), _due_days(history, zone))
    processed = decided < len(runs)
    sums = history.filter(pl.Series(processed)).group_by("order").agg(before=pl.col("amount").sum())
    joined = rows.select("order").join(sums, on="order", how="left", maintain_order="left")
    return joined["before"].fill_null(0).to_numpy()


# -- the tree and the standings in columns


def forest(connection: sa.Connection) -> Forest:
    schema = dict.fromkeys(("affiliate", "referrer", "since", "known"), pl.Int64)
    query = sa.select(
        referral.c.affiliate, referral.c.referrer, referral.c.since_us, referral.c.intake
    )
    return Forest.of(*bulk.ints(bulk.frame(connection, query, schema), *schema))


def standing(connection: sa.Connection) -> Standing:
    """All statuses of those affiliates that were ever closed."""
    schema = {"affiliate": pl.Int64, "known": pl.Int64, "closed": pl.Int64}
    ever = sa.select(profile.c.affiliate).where(profile.c.status == "closed")
    closed = sa.case((profile.c.status == "closed", 1), else_=0)
    query = sa.select(profile.c.affiliate, profile.c.intake, closed).where(
        profile.c.affiliate.in_(ever)
    )
    affiliates, known, flags = bulk.ints(bulk.frame(connection, query, schema), *schema)
    return Standing.of(affiliates, known, flags.astype(np.bool_))


def last_intake(connection: sa.Connection) -> int:
    return bulk.next_number(connection, intake.c.id) - 1


# -- cap totals


@dataclass(frozen=True, slots=True)
class UsedInBook:
    """The running totals of caps as the book keeps them."""

    connection: sa.Connection

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        schema = dict.fromkeys(("beneficiary", "currency", "start", "total"), pl.Int64)
        columns = cap_total.c
        with bulk.listed(self.connection, pl.Series(keys.start)) as asked:
            query = (
                sa.select(
                    columns.beneficiary, columns.currency, columns.window_start, columns.total_minor
                )
                .join_from(asked, cap_total, columns.window_start == asked.c.value)
                .where(
                    columns.terms_day == scope.terms_day,
                    columns.level == scope.level,
                    columns.cap_window == WINDOWS.index(scope.window),
                )
            )
            known = bulk.frame(self.connection, query, schema)
        asked_for = pl.DataFrame(
            {"beneficiary": keys.beneficiary, "currency": keys.currency, "start": keys.start}
        )
        joined = asked_for.join(
            known, on=["beneficiary", "currency", "start"], how="left", maintain_order="left"
        )
        return joined["total"].fill_null(0).to_numpy()


def advance_caps(connection: sa.Connection, advances: Sequence[Advance]) -> None:
    for each in advances:
        bulk.upsert(connection, cap_total, cap_rows(each), "total_minor")


def cap_rows(each: Advance) -> dict[str, Ints]:
    """The rows of `cap_total` that an advance says."""
    size = len(each.total)
    return {
        "terms_day": np.full(size, each.scope.terms_day, np.int64),
        "level": np.full(size, each.scope.level, np.int64),
        "cap_window": np.full(size, WINDOWS.index(each.scope.window), np.int64),
        "window_start": each.keys.start,
        "beneficiary": each.keys.beneficiary,
        "currency": each.keys.currency,
        "total_minor": each.total,
    }


# -- what a run adds


def add_run(connection: sa.Connection, done: Run) -> None:
    connection.execute(
        sa.insert(run).values(
            day=done.day,
            intake=done.intake,
            event=done.event,
            waiting_from=done.waiting_from,
            plan_version=done.plan_version,
            plan_hash=done.plan_hash,
            engine_version=done.engine_version,
            settles=int(done.settles),
            outputs=json.dumps(done.outputs, sort_keys=True),
            figures=json.dumps(done.figures, sort_keys=True),
            started_at=done.started_at,
            completed_at=done.completed_at,
        )
    )


def add_lines(connection: sa.Connection, day: Day, events: Events, lines: Lines) -> None:
    run_day = np.full(len(lines), day, np.int64)
    bulk.insert(connection, line, {"run_day": run_day, **line_rows(events, lines)})


def line_rows(events: Events, lines: Lines) -> dict[str, Ints]:
    """The rows of `line` that a decision says, without their run_day."""
    return {
        "event": events.event[lines.row],
        "level": lines.level,
        "beneficiary": lines.beneficiary,
        "gross_minor": lines.gross,
        "commission_minor": lines.commission,
        "reason": lines.reason,
        "terms_day": lines.terms_day,
        "available_day": lines.available_day,
    }


def add_rows(connection: sa.Connection, table: str, day: Day, frame: pl.DataFrame) -> None:
    """Add a run's rows to "entry", "activity", "statement" or "payout"."""
    target = {each.name: each for each in (entry, activity, statement, payout)}[table]
    run_day = pl.Series("run_day", [day], dtype=pl.Int64).new_from_index(0, frame.height)
    bulk.insert(connection, target, {"run_day": run_day, **frame.to_dict()})
