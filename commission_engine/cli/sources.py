"""`commission fetch` and `commission sources`: input from where the configuration says."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book.connect import reading
from commission_engine.book.lock import Rehearsal, Worker
from commission_engine.book.sources import Known, known
from commission_engine.cli.common import (
    As,
    AsCsv,
    AsJson,
    Database,
    at_work,
    counted,
    form,
    listing,
    named,
    now,
    open_book,
    origin,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.imports import report
from commission_engine.imports import Circumstances, Imported
from commission_engine.problems import Exit, UsageError
from commission_engine.settings import Settings
from commission_engine.sources.fetch import fetch as fetch_from
from commission_engine.sources.read import read_sources
from commission_engine.sources.shape import Fetched, Source, Unreachable


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Only these sources.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="A refused row refuses all of its source.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Read from the start; what is known is duplicate.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge every row, keep and move nothing.")
    ] = False,
    database: Database = None,
    as_name: As = "",
    as_json: AsJson = False,
) -> None:
    """Import what the configured sources have. Safe to repeat."""
    settings = settings_of(database=database)
    sources = _chosen(configured(settings), names or [], str(settings.sources.value))
    given = Circumstances(named(as_name), now(), strict=strict, dry_run=dry_run, origin=origin())
    with at_work(open_book(settings), "fetch") as worker:
        fetched = tuple(told(fetch_from(worker, sources, given, anew=anew), dry_run=dry_run))
    if as_json:
        print_json({"fetched": [described(each) for each in fetched], "dry_run": dry_run})
    elif dry_run:
        say("dry run: nothing was kept, and no file was moved")
    if any(each.rejected for each in fetched):
        raise typer.Exit(Exit.ROWS_REJECTED)


def sources(
    check: Annotated[
        bool, typer.Option("--check", help="Speak to every source; 75 if one cannot be reached.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the configured sources: how far each was read, and what waits there."""
    settings = settings_of(database=database)
    found = configured(settings)
    how = form(as_json, as_csv)
    if not found:
        say(f"no source is configured in {escape(str(settings.sources.value))}")
    with reading(open_book(settings)) as connection:
        rows = [_state(each, known(connection, each.name), check) for each in found]
    listing(pl.DataFrame(rows, schema=_LISTED, orient="row"), how, 0, "sources")
    if check and any(row["state"] for row in rows):
        raise typer.Exit(Exit.TRY_AGAIN)


_LISTED = {
    "source": pl.String,
    "kind": pl.String,
    "place": pl.String,
    "required": pl.Boolean,
    "fetches": pl.Int64,
    "last_fetch": pl.String,
    "watermark": pl.String,
    "waiting": pl.Int64,
    "refused": pl.Int64,
    "state": pl.String,
}


def _state(source: Source, knew: Known, check: bool) -> dict[str, Any]:
    waiting, state = None, ""
    if check or source.kind == "folder":
        try:
            waiting = source.waiting(knew)
        except Unreachable as why:
            state = why.message
    return {
        "source": source.name,
        "kind": source.kind,
        "place": source.where,
        "required": source.required,
        "fetches": knew.fetches,
        "last_fetch": knew.fetched_at,
        "watermark": f"{knew.mark.column}: {knew.mark.text}" if knew.mark else "",
        "waiting": waiting,
        "refused": knew.refused,
        "state": state,
    }


USUAL = "config/sources.toml"
"""The file that need not be there."""


def configured(settings: Settings) -> tuple[Source, ...]:
    """The sources of the settings' file; none where the usual file is not there."""
    place = settings.sources
    usual = place.origin == "default" or place.value == USUAL
    return read_sources(Path(place.value), os.environ, expected=not usual)


def _chosen(found: Sequence[Source], names: Sequence[str], file: str) -> list[Source]:
    known_names = [each.name for each in found]
    if not found:
        raise UsageError(
            f"no source is configured in {file}", "Write [[source]] tables there; docs/sources.md."
        )
    for name in names:
        if name not in known_names:
            raise UsageError(f"{name!r} is no source", f"{file} has {', '.join(known_names)}.")
    return [each for each in found if not names or each.name in names]


@dataclass(frozen=True, slots=True)
class Input:
    """What a run has imported before it began: all of it, and by source what was fetched."""

    imported: tuple[Imported, ...] = ()
    fetched: tuple[Fetched, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether a row or a file was refused."""
        return any(each.rejected for each in self.imported) or any(
            each.rejected for each in self.fetched
        )


NOTHING = Input()


def brought(worker: Worker, sources: Sequence[Source], given: Circumstances) -> tuple[Fetched, ...]:
    """Fetch for a run, or for its rehearsal, and say what came of it."""
    dry_run = isinstance(worker, Rehearsal)
    given = replace(given, dry_run=dry_run)
    return tuple(told(fetch_from(worker, sources, given), dry_run=dry_run))


def told(fetched: Iterator[Fetched], *, dry_run: bool = False) -> Iterator[Fetched]:
    """Say what came of each source as soon as it is done."""
    for each in fetched:
        _tell(each, dry_run)
        yield each


def _tell(each: Fetched, dry_run: bool) -> None:
    for note in each.notes:
        say(f"[yellow]note:[/] {escape(note)}")
    if each.unreachable:
        say(f"[yellow]left out (required = false):[/] {escape(each.unreachable)}")
        return
    files = f", {counted(len(each.files), 'file')}" if each.files and each.kind != "sql" else ""
    nothing = "" if each.files else ": nothing new"
    say(f"source {escape(each.name)} ({each.kind}{files}){nothing}")
    if each.plan:
        report(each.plan)
        say("plan: applied" if each.plan_changed else "plan: as it was")
    for imported in each.imported:
        report(imported, kept=not dry_run)
    for file in each.files:
        if file.why:
            say(f"  [red]refused as a whole:[/] {escape(file.why.splitlines()[0])}")
        if file.moved_to and not file.sound:
            say(f"  moved to {escape(file.moved_to)}, with a report beside it")


def described(each: Fetched) -> dict[str, Any]:
    """What came of a source, as JSON."""
    return {
        "source": each.name,
        "kind": each.kind,
        "unreachable": each.unreachable or None,
        "plan_changed": each.plan_changed,
        "imported": [
            {
                "kind": str(imported.kind),
                "read": imported.read,
                "accepted": imported.accepted,
                "duplicate": imported.duplicate,
                "rejected": imported.rejected,
            }
            for imported in each.imported
        ],
        "files": [
            {
                "name": file.name,
                "rejected": len(file.refused),
                "refused": file.why or None,
                "moved_to": file.moved_to or None,
            }
            for file in each.files
        ],
        "watermark": {"column": each.mark.column, "value": each.mark.text} if each.mark else None,
        "notes": list(each.notes),
    }
