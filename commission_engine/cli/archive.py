"""`commission archive`: lines of old runs leave the database, for Parquet files."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape

from commission_engine.book import archive as book
from commission_engine.book.archive import Batch
from commission_engine.book.audit import Signed
from commission_engine.book.connect import Connection, reading
from commission_engine.book.lines import DATABASE, where_lines_are
from commission_engine.book.lock import Worker, again
from commission_engine.book.two_homes import archive_place
from commission_engine.calendar import Day, date_of
from commission_engine.cli.common import (
    As,
    AsJson,
    Database,
    at_work,
    counted,
    day_option,
    named,
    now,
    open_book,
    origin,
    out,
    print_json,
    say,
    settings_of,
    stage,
)
from commission_engine.problems import UsageError
from commission_engine.segments.place import Place
from commission_engine.segments.segment import Segment

NOTHING = Batch((), 0)


def archive(
    before: Annotated[
        str, typer.Option("--before", help="The lines of all runs before this date go.")
    ] = "",
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="PLACE", help="A folder or s3://...; the book remembers it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say only what would go.")] = False,
    as_name: As = "",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Move the lines of old runs out of the database. They are found and proved as before.

    Without --before, the place of the archive is changed: all of it has been moved to PLACE.
    """
    if not before and to is None:
        raise UsageError("--before is missing", "Write such as --before 2026-01-01.")
    day = day_option(before, "--before") if before else None
    engine = open_book(settings_of(database=database))
    kept: list[Segment] = []
    if dry_run:
        with reading(engine) as connection:
            plan = _planned(connection, day, to)
    else:
        with at_work(engine, "archive") as worker:
            with reading(engine) as connection:
                plan = _planned(connection, day, to)
            kept = _carried_out(worker, plan, named(as_name))
    _tell(plan, kept, before, dry_run, as_json)
    if engine.dialect.name == "sqlite" and plan.batches and not dry_run:
        file = escape(str(engine.url.database))
        say(f"the file keeps its size, for lines to come; smaller: sqlite3 {file} VACUUM")


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to archive, and where (None: the book's lines are all outside already)."""

    place: Place | None
    moved: bool
    """The place is another one than the book knows."""
    batches: list[Batch]

    @property
    def days(self) -> list[Day]:
        return [day for batch in self.batches for day in batch.days]

    @property
    def lines(self) -> int:
        return sum(batch.lines for batch in self.batches)


def _planned(connection: Connection, day: Day | None, to: str | None) -> Plan:
    if where_lines_are(connection) not in (None, DATABASE):
        return Plan(None, False, [])
    if day is None and archive_place(connection) is None:
        raise UsageError(
            "this book has no archive yet, so none was moved",
            "To make one, write such as --before 2026-01-01.",
        )
    place = book.chosen(connection, to)
    moved = archive_place(connection) not in (None, str(place))
    return Plan(place, moved, [] if day is None else book.batches(connection, day))


def _carried_out(worker: Worker, plan: Plan, whose: str) -> list[Segment]:
    kept: list[Segment] = []
    for batch in plan.batches or ([NOTHING] if plan.moved else []):
        if batch.days:
            stage(f"archiving {date_of(batch.days[0])} to {date_of(batch.days[-1])}")
        kept += again(partial(_archived, worker, plan.place, batch, whose))
    return kept


def _archived(worker: Worker, place: Place | None, batch: Batch, whose: str) -> list[Segment]:
    with worker.writing() as connection:
        to = place or book.chosen(connection, None)
        return book.archive(connection, to, batch, Signed(whose, now(), origin()))


def _tell(plan: Plan, kept: list[Segment], before: str, dry_run: bool, as_json: bool) -> None:
    days = [date_of(day).isoformat() for day in plan.days]
    size = sum(each.bytes for each in kept)
    if as_json:
        print_json(
            {
                "place": None if plan.place is None else str(plan.place),
                "moved": plan.moved,
                "runs": days,
                "lines": plan.lines,
                "segments": len(kept),
                "bytes": size,
                "dry_run": dry_run,
            }
        )
        return
    if plan.place is None:
        say("nothing to archive: the lines of this book are outside the database already")
        return
    if plan.moved or not before:
        say(f"the archive is in {escape(str(plan.place))} {'' if dry_run else 'now'}".rstrip())
    if days:
        says = (
            f"{counted(plan.lines, 'line')} of {counted(len(days), 'run')}, {days[0]} to {days[-1]}"
        )
        into = "" if dry_run else f": {counted(len(kept), 'segment')}, {counted(size, 'byte')}"
        done = "would archive" if dry_run else "archived"
        out.print(f"{done} {says}, in {plan.place}{into}", soft_wrap=True)  # a path may be long
    elif before:
        say(f"nothing to archive: no run before {before} has lines in the database")
    if dry_run:
        say("dry run: nothing was kept")
