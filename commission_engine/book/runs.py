"""What runs derive from the facts: which events are due, and the rows that a run adds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.corrections import TrueUp, adjusted, holding, true_ups
from commission_engine.book.digests import Spans, span_of
from commission_engine.book.order import processing_order
from commission_engine.book.schema import (
    activity,
    affiliate,
    entry,
    event,
    intake,
    payout,
    profile,
    published,
    referral,
    run,
    statement,
)
from commission_engine.book.schema_exchange import conversion
from commission_engine.calendar import Day, Ints, Zone
from commission_engine.decide.adjusted import Adjusted
from commission_engine.decide.kernel import Events
from commission_engine.problems import CommissionError
from commission_engine.tree.forest import Forest, Standing

FIRST = -1_000_000
"""In the place of the run before, where there is none: earlier than every date."""


@dataclass(frozen=True, slots=True)
class Run:
    """A completed run: its date, that of the run before (FIRST: none), and how much it knew.

    `intake` and `event` are the last ones known; `waiting_from` is the first event that was known
    but dated later than `day` (-1: none). `bounds` are those that judged it, as their record.
    """

    day: Day
    follows: Day
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
    bounds: str = "{}"


def completed(connection: sa.Connection) -> list[Run]:
    """Every completed run, by date."""
    return _runs(connection, sa.select(run).order_by(run.c.day))


def last_completed(connection: sa.Connection) -> tuple[int, str]:
    """How many runs are complete, and when the last was: another one where there is one more."""
    query = sa.select(sa.func.count(), sa.func.max(run.c.completed_at)).select_from(run)
    count, at = connection.execute(query).one()
    return int(count), str(at)


def completed_at(connection: sa.Connection, day: Day) -> Run | None:
    """The completed run of a date."""
    found = _runs(connection, sa.select(run).where(run.c.day == day))
    return found[0] if found else None


def completed_before(
    connection: sa.Connection, day: Day | None, limit: int, *, settled: bool = False
) -> list[Run]:
    """The last runs before a day (None: of all), the newest first; with `settled` only those that
    settled."""
    query = sa.select(run).order_by(run.c.day.desc()).limit(limit)
    if day is not None:
        query = query.where(run.c.day < day)
    return _runs(connection, query.where(run.c.settles == 1) if settled else query)


def _runs(connection: sa.Connection, query: sa.Select[Any]) -> list[Run]:
    return [
        Run(
            **{
                **row,
                "settles": bool(row["settles"]),
                "outputs": json.loads(row["outputs"]),
                "figures": json.loads(row["figures"]),
            }
        )
        for row in connection.execute(query).mappings()
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """The events of a run in processing order, and the first that waits for a later date (-1).

    `texts` has, in the same order, what files say of them: event and occurred_us (Int64),
    event_id (String). `adjusted` says which of them are adjustments.
    """

    events: Events
    waiting_from: int
    texts: pl.DataFrame
    adjusted: Adjusted


def last_event(connection: sa.Connection) -> int:
    return bulk.next_number(connection, event.c.id) - 1


def due(
    connection: sa.Connection,
    runs: Sequence[Run],
    day: Day,
    known: int,
    last: int,
    zone: Zone,
    ups: Sequence[TrueUp] | None = None,
) -> Due:
    """What a run for `day` has to process that knows intakes up to `known`, events up to `last`.

    An event belongs to the first run that knew it and whose date is not before its local day.
    `runs` are the completed runs before it. `ups` are the true-ups that hold; None: those that the
    run knew.
    """
    ups = true_ups(connection, known) if ups is None else ups
    previous = runs[-1] if runs else None
    first = 1
    if previous:
        first = previous.waiting_from if previous.waiting_from >= 0 else previous.event + 1
    rows = _events(connection, first, last)
    root_at, root_day, due_day = _days(connection, rows, zone)
    number = rows["event"].to_numpy()
    waits = due_day > day
    waiting_from = int(number[waits.argmax()]) if waits.any() else -1
    wanted = ~waits
    if previous:
        wanted &= (number > previous.event) | (due_day > previous.day)
    rows = rows.with_columns(root_at=root_at, root_day=root_day)
    if not wanted.all():
        rows = rows.filter(pl.Series(wanted))
    reversal = (rows["event"] != rows["order"]).to_numpy()
    place = processing_order(rows["occurred_us"].to_numpy(), reversal, rows["event_id"])
    if place is not None:
        rows = rows[place]
    number, order = rows["event"].to_numpy(), rows["order"].to_numpy()
    root_day = rows["root_day"].to_numpy()
    decided_in = _run_of_root(runs, number, order, root_day)
    intakes = [*(each.intake for each in runs), known]
    days = [*(each.day for each in runs), day]
    known_then = _of_runs(intakes, decided_in, len(number))
    events = Events(
        event=number,
        order=order,
        earner=rows["earner"].to_numpy(),
        currency=rows["currency"].to_numpy(),
        amount=rows["amount"].to_numpy(),
        before=_before(connection, runs, number, order, zone),
        root_at=rows["root_at"].to_numpy(),
        root_day=root_day,
        root_known=known_then,
        tree_known=(
            _of_runs(
                [
                    max(each, up.intake if (up := holding(ups, on)) else each)
                    for each, on in zip(intakes, days, strict=True)
                ],
                decided_in,
                len(number),
            )
            if ups
            else known_then
        ),
    )
    texts = rows.select(pl.col("event").cast(pl.Int64), "event_id", "occurred_us")
    return Due(events, waiting_from, texts, adjusted(connection, number))


def _events(connection: sa.Connection, first: int, last: int) -> pl.DataFrame:
    """The events of these numbers, by number, in columns as narrow as their values."""
    people = bulk.next_number(connection, affiliate.c.id)
    schema = {
        "event": _holding(last),
        "order": _holding(last),
        "earner": _holding(people),
        "currency": pl.Int16,
        "amount": pl.Int64,
        "occurred_us": pl.Int64,
        "event_id": pl.String,
    }
    query = sa.select(
        event.c.id,
        event.c.root,
        event.c.affiliate,
        event.c.currency,
        event.c.amount_minor,
        event.c.occurred_us,
        event.c.event_id,
    ).where(event.c.id >= first, event.c.id <= last)
    rows = bulk.frame(connection, query, schema)
    # As they lie in the table; a database may begin in its middle.
    return rows if rows["event"].is_sorted() else rows.sort("event")


def _holding(largest: int) -> type[pl.Int32 | pl.Int64]:
    return pl.Int32 if largest < 2**31 else pl.Int64


def _narrow(days: Ints) -> Ints:
    """Days in half the bytes; those of every year that has four digits fit."""
    narrow: Any = days.astype(np.int32)
    return narrow  # type: ignore[no-any-return]


def _days(connection: sa.Connection, rows: pl.DataFrame, zone: Zone) -> tuple[Ints, Ints, Ints]:
    """Per event its root's instant, its root's local day, and the day from which it is due.

    That is its own local day, and never before its root's: where clocks are set back over
    midnight, a refund can be dated the day before its order.
    """
    number, order = rows["event"].to_numpy(), rows["order"].to_numpy()
    occurred = rows["occurred_us"].to_numpy()
    own = _narrow(zone.local_days(occurred))
    reversals = np.flatnonzero(order != number)
    if not len(reversals):
        return occurred, own, own
    root_at, root_day, local = occurred.copy(), own.copy(), own.copy()
    root_at[reversals] = _instants(connection, number, occurred, order[reversals])
    root_day[reversals] = zone.local_days(root_at[reversals])
    local[reversals] = np.maximum(own[reversals], root_day[reversals])
    return root_at, root_day, local


def _instants(connection: sa.Connection, number: Ints, occurred: Ints, asked: Ints) -> Ints:
    """When the events `asked` occurred; of most it stands in `number` (ascending), `occurred`."""
    place = np.minimum(np.searchsorted(number, asked), len(number) - 1)
    instants: Ints = occurred[place].copy()
    older = number[place] != asked
    if older.any():
        schema = {"event": pl.Int64, "occurred_us": pl.Int64}
        with bulk.listed(connection, pl.Series(asked[older], dtype=pl.Int64)) as numbers:
            query = sa.select(event.c.id, event.c.occurred_us).join_from(
                numbers, event, event.c.id == numbers.c.value
            )
            found = bulk.frame(connection, query, schema).sort("event")
        if found.height != len(np.unique(asked[older])):
            raise CommissionError(
                "an event names an order that is not in the book", "Look at `commission verify`."
            )
        rows = np.searchsorted(found["event"].to_numpy(), asked[older])
        instants[older] = found["occurred_us"].to_numpy()[rows]
    return instants


def decided_by(runs: Sequence[Run], event_number: Ints, local_day: Ints) -> Ints:
    """The place in `runs` of the run that processed each event; len(runs) where none did."""
    by_number = np.searchsorted([each.event for each in runs], event_number, side="left")
    by_day = np.searchsorted([each.day for each in runs], local_day, side="left")
    return np.maximum(by_number, by_day)


def _run_of_root(runs: Sequence[Run], number: Ints, order: Ints, root_day: Ints) -> Ints | None:
    """Per event the place in `runs` of the run that processed its root, len(runs) for this run;
    None where that is this run for all."""
    reversals = np.flatnonzero(order != number) if runs else np.empty(0, np.int64)
    if not len(reversals):
        return None
    places = np.full(len(number), len(runs), np.int64)
    places[reversals] = decided_by(runs, order[reversals], root_day[reversals])
    return places


def _of_runs(intakes: Sequence[int], decided_in: Ints | None, size: int) -> Ints:
    """The intake of each of `size` events' runs, from those of all runs with this one last."""
    if decided_in is None:
        return np.broadcast_to(np.int64(intakes[-1]), size)
    known: Ints = np.array(intakes, np.int64)[decided_in]
    return known


def _before(
    connection: sa.Connection, runs: Sequence[Run], number: Ints, order: Ints, zone: Zone
) -> Ints:
    """Per event the sum of its order's amounts that earlier runs processed."""
    reversals = np.flatnonzero(order != number) if runs else np.empty(0, np.int64)
    old = reversals[~np.isin(order[reversals], number)]
    if not len(old):
        return np.broadcast_to(np.int64(0), number.shape)
    asked_for = pl.Series("order", order[old], dtype=pl.Int64)
    schema = dict.fromkeys(("order", "event", "amount", "occurred_us", "root_at"), pl.Int64)
    root = event.alias("root")
    query = sa.select(
        event.c.root, event.c.id, event.c.amount_minor, event.c.occurred_us, root.c.occurred_us
    ).join(root, root.c.id == event.c.root)
    with bulk.listed(connection, asked_for) as asked:
        roots = query.join(asked, event.c.id == asked.c.value)
        others = query.join(asked, event.c.root == asked.c.value).where(event.c.id != event.c.root)
        history = bulk.frame(connection, sa.union_all(roots, others), schema)
    occurred, root_at = bulk.ints(history, "occurred_us", "root_at")
    due_day = np.maximum(zone.local_days(occurred), zone.local_days(root_at))
    processed = decided_by(runs, history["event"].to_numpy(), due_day) < len(runs)
    sums = history.filter(pl.Series(processed)).group_by("order").agg(before=pl.col("amount").sum())
    joined = asked_for.to_frame().join(sums, on="order", how="left", maintain_order="left")
    before = np.zeros(len(number), np.int64)
    before[old] = joined["before"].fill_null(0).to_numpy()
    return before


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


# -- what a run adds


def add_run(connection: sa.Connection, done: Run) -> None:
    connection.execute(
        sa.insert(run).values(
            day=done.day,
            follows=done.follows,
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
            bounds=done.bounds,
        )
    )


def hashes(connection: sa.Connection, day: Day) -> tuple[str, Mapping[str, str]] | None:
    """The SHA-256 of a run's manifest, and of the tables beside it by name; None where its files
    have not been written yet."""
    query = sa.select(published.c.manifest, published.c.files).where(published.c.run_day == day)
    found = connection.execute(query).one_or_none()
    return (found.manifest, json.loads(found.files)) if found else None


def add_hashes(
    connection: sa.Connection, day: Day, manifest: str, files: Mapping[str, str]
) -> None:
    told = json.dumps(dict(files), sort_keys=True, separators=(",", ":"))
    connection.execute(sa.insert(published).values(run_day=day, manifest=manifest, files=told))


def add_rows(connection: sa.Connection, table: str, day: Day, frame: pl.DataFrame) -> None:
    """Add a run's rows to "entry", "activity", "statement", "payout" or "conversion"."""
    bulk.insert(connection, _DERIVED[table], _of_day(frame, day))


def spans_of(frames: Mapping[str, pl.DataFrame], day: Day) -> Spans:
    """For the audit trail all rows that the run of `day` adds to these tables."""
    found = {name: span_of(_DERIVED[name], _of_day(frame, day)) for name, frame in frames.items()}
    return {name: span for name, span in found.items() if span}


_DERIVED = {each.name: each for each in (entry, activity, statement, payout, conversion)}


def _of_day(frame: pl.DataFrame, day: Day) -> bulk.Columns:
    run_day = pl.Series("run_day", [day], dtype=pl.Int64).new_from_index(0, frame.height)
    return {"run_day": run_day, **frame.to_dict()}
