"""Lines of old runs leave the database for segments; nothing else of the book changes.

A run's segments are durable and proved against the rows that they are made from before these rows
go, in the transaction that lists the segments. Until its commit the rows count, from then on the
segments do. What a command that died has left aside is removed by the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from commission_engine.book import audit, facts, runs
from commission_engine.book.digests import Digest, Spans, stored_span
from commission_engine.book.lines import (
    DATABASE,
    InDatabase,
    listed_segments,
    owner,
    prove_moved,
    where_lines_are,
)
from commission_engine.book.schema import archive_home, archived, line, segment
from commission_engine.book.two_homes import archive_place, archived_rows
from commission_engine.calendar import Day, date_of
from commission_engine.problems import CommissionError, OutOfBalance, UsageError
from commission_engine.segments import segment as segments
from commission_engine.segments.place import Place, place_of
from commission_engine.segments.segment import LINES, Segment

KIND = "archive"
"""Of the intake, and in the audit trail."""

LINES_AT_ONCE = 1_000_000
"""Runs are archived together, in one transaction, up to about so many lines."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs to be archived together, by date, and how many lines they have."""

    days: tuple[Day, ...]
    lines: int


def batches(connection: sa.Connection, before: Day) -> list[Batch]:
    """What is to be archived of the runs before a day, the oldest first."""
    if where_lines_are(connection) != DATABASE:
        return []
    gone, found = archived_rows(connection), list[Batch]()
    for each in runs.completed(connection):
        lines = int(each.figures["counts"]["lines"])
        if each.day >= before or each.day in gone or not lines:
            continue
        last = found[-1] if found else None
        if last and last.lines + lines <= LINES_AT_ONCE:
            found[-1] = Batch((*last.days, each.day), last.lines + lines)
        else:
            found.append(Batch((each.day,), lines))
    return found


def chosen(connection: sa.Connection, wanted: str | None) -> Place:
    """Where archived lines go: the place that the book has, or `wanted`, for the first time or
    where all of it has been moved to. UsageError where that cannot be."""
    kept = archive_place(connection)
    if wanted is None and kept is None:
        raise UsageError(
            "--to is missing: this book has no archive yet",
            "Name a folder, or such as s3://bucket/prefix; the book remembers it.",
        )
    if wanted == DATABASE:
        raise UsageError("--to database: that is where the lines are", "Name a folder.")
    place = place_of(wanted or str(kept))
    if kept is not None and str(place) != kept:
        prove_moved(place, kept, listed_segments(connection))
    return place


def archive(
    connection: sa.Connection, place: Place, batch: Batch, signed: audit.Signed
) -> list[Segment]:
    """Move the lines of these runs into segments of `place`, which is the archive's from now on.

    Without a run only the place is remembered. `connection` is that of the holder of the lock.
    """
    segments.sweep(place, owner(connection), {e.name for e in listed_segments(connection)})
    what = facts.Intake(KIND, signed.at, signed.who)
    number = facts.open_intake(connection, what, 0, 0, 0)
    spans: Spans = {}
    if archive_place(connection) != str(place):
        connection.execute(sa.insert(archive_home).values(intake=number, place=str(place)))
        spans |= _span(connection, archive_home, number, number)
    kept: list[Segment] = []
    noted: list[str] = []
    for day in batch.days:
        kept += _run(connection, place, day, number, noted)
    if batch.days:
        _take_out(connection, batch)
        spans |= _span(connection, archived, number, number)
        spans |= _span(connection, segment, batch.days[0], batch.days[-1])
    details = {
        "place": str(place),
        "runs": [date_of(day).isoformat() for day in batch.days],
        "lines": batch.lines,
    }
    audit.learned(connection, signed, number, details, spans)
    return kept


def _span(connection: sa.Connection, table: sa.Table, first: int, last: int) -> Spans:
    span = stored_span(connection, table, first, last)
    return {table.name: span} if span else {}


def _run(
    connection: sa.Connection, place: Place, day: Day, number: int, noted: list[str]
) -> list[Segment]:
    """Write a run's lines into segments, read them again, and list them."""
    inside, outside = Digest(list(LINES)), Digest(list(LINES))

    def rows() -> Iterator[pl.DataFrame]:
        for frame in InDatabase().by_beneficiary(connection, day):
            part = frame.select(list(LINES)).sort("beneficiary", "event", "level")
            inside.add(part)
            yield part

    kept = list(segments.keep(place, owner(connection), day, rows(), noted))
    for each in kept:
        outside.add(segments.whole(place, each))
    count, sha256 = inside.rows, inside.sha256()
    if (outside.rows, outside.sha256()) != (count, sha256):
        raise OutOfBalance(
            f"run {date_of(day)}: its segments in {place} are not its {count} lines",
            "Nothing was archived. Look at the place.",
        )
    connection.execute(sa.insert(segment), [asdict(each) for each in kept])
    row = {"run_day": day, "intake": number, "rows": count, "sha256": sha256}
    connection.execute(sa.insert(archived).values(row))
    return kept


def _take_out(connection: sa.Connection, batch: Batch) -> None:
    with _deletable(connection):
        gone = sa.delete(line).where(line.c.run_day.in_(batch.days))
        rows = connection.execute(gone).rowcount
    if rows != batch.lines:
        raise OutOfBalance(
            f"the runs {', '.join(str(date_of(day)) for day in batch.days)} have {batch.lines}"
            f" lines by their figures, the database has {rows}",
            "Nothing was archived. Look at it with: commission verify",
        )


@contextmanager
def _deletable(connection: sa.Connection) -> Iterator[None]:
    """The one place where lines may go; outside of this block, and of its transaction, the
    database refuses it as ever."""
    if connection.dialect.name == "sqlite":
        name = "line_refuses_delete"
        again = connection.execute(
            sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name"),
            {"name": name},
        ).scalar_one()
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield
        connection.exec_driver_sql(again)
        return
    try:
        connection.exec_driver_sql("ALTER TABLE line DISABLE TRIGGER line_refuses_change")
    except ProgrammingError as why:
        raise CommissionError(
            f"lines cannot be taken out of the database: {str(why.orig).splitlines()[0]}",
            "Archive as the database's owner of the table line. Nothing was archived.",
        ) from why
    yield
    connection.exec_driver_sql("ALTER TABLE line ENABLE TRIGGER line_refuses_change")
