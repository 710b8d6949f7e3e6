"""A run's lines in words and in processing order, however many they are: some at a time."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk, views
from commission_engine.book.lines import LineStore
from commission_engine.book.order import processing_order
from commission_engine.book.runs import Run
from commission_engine.book.schema import event
from commission_engine.calendar import Ints
from commission_engine.segments.order import in_order

IN_MEMORY = 250_000
"""Lines of which several copies are in memory while they are sorted."""

_EVENTS = {
    "event": pl.Int64, "occurred_us": pl.Int64, "reversal": pl.Boolean, "event_id": pl.String,
}  # fmt: skip


def lines_in_turn(
    connection: sa.Connection, store: LineStore, run: Run, before: Sequence[Run], at_once: int
) -> Iterator[pl.DataFrame]:
    """The lines of a completed run, `before` being the runs before it: frames shaped views.LINES
    of `at_once` rows at most, in processing order.

    A store gives lines by the number of their event. Mostly events are numbered in that order; if
    not, the place of each is looked up and the lines are sorted once more.
    """
    frames = store.of_run(connection, run.day, IN_MEMORY)
    asked = _asked(run, before)
    if not _numbered_in_turn(connection, asked):
        numbers, place = _places(connection, asked)
        placed = (
            frame.with_columns(place=place[np.searchsorted(numbers, frame["event"].to_numpy())])
            for frame in frames
        )
        frames = in_order(placed, ("place", "level"), IN_MEMORY, IN_MEMORY)
    for frame in frames:
        for part in frame.iter_slices(at_once):
            yield views.described(connection, part.select(pl.exclude("place")))


def _asked(run: Run, before: Sequence[Run]) -> sa.Select[tuple[int, int, int, str]]:
    """The events that the run can have processed, by number."""
    first = 1
    if before:
        waiting = before[-1].waiting_from
        first = waiting if waiting >= 0 else before[-1].event + 1
    reversal = sa.case((event.c.root != event.c.id, 1), else_=0)
    return (
        sa.select(event.c.id, event.c.occurred_us, reversal, event.c.event_id)
        .where(event.c.id.between(first, run.event))
        .order_by(event.c.id)
    )


def _numbered_in_turn(
    connection: sa.Connection, asked: sa.Select[tuple[int, int, int, str]]
) -> bool:
    """Whether these events are numbered in processing order; only few are in memory at a time."""
    written = {name: pl.Int64 if kind == pl.Boolean else kind for name, kind in _EVENTS.items()}
    last = pl.DataFrame(schema=written)
    in_turn = True
    for part in bulk.frames(connection, asked, written):  # to the end, as the connection wants it
        in_turn = in_turn and _order(pl.concat([last, part])) is None
        last = part.tail(1)
    return in_turn


def _places(
    connection: sa.Connection, asked: sa.Select[tuple[int, int, int, str]]
) -> tuple[Ints, Ints]:
    """The numbers of these events, ascending, and the place of each in processing order."""
    events = bulk.frame(connection, asked, _EVENTS)
    order = _order(events)
    place = np.arange(events.height)
    if order is not None:
        place[order] = np.arange(events.height)
    return events["event"].to_numpy(), place


def _order(events: pl.DataFrame) -> Ints | None:
    occurred, reversal = events["occurred_us"].to_numpy(), events["reversal"].cast(pl.Boolean)
    return processing_order(occurred, reversal.to_numpy(), events["event_id"])
