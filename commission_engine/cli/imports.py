"""`commission import`: files become facts."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commission_engine.book.lock import again
from commission_engine.cli.common import (
    AsJson,
    Database,
    at_work,
    existing,
    now,
    open_book,
    origin,
    print_json,
    say,
    settings_of,
    who,
)
from commission_engine.imports import Circumstances, Imported, import_files, spoken
from commission_engine.ingest.rows import Kind
from commission_engine.plan.read import ReadPlan
from commission_engine.problems import Exit, UsageError

SHOWN = 5


def import_(
    kind: Annotated[Kind, typer.Argument(help="What the rows are.")],
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files; one set of rows.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="A refused row refuses everything.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge every row, keep nothing.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Import files of one kind. The same rows again change nothing."""
    if kind is Kind.PAYEES:
        raise UsageError(
            "payees have a command of their own", "Write: commission payees import FILE"
        )
    for file in files:
        existing(file)
    engine = open_book(settings_of(database=database))
    given = Circumstances(who(), now(), strict=strict, dry_run=dry_run, origin=origin())
    with at_work(engine, f"import {kind}") as worker:
        imported = again(lambda: import_files(worker, kind, files, given))
    if as_json:
        print_json(told(imported, dry_run=dry_run))
    else:
        report(imported, kept=not dry_run)
        if dry_run:
            say("dry run: nothing was kept")
    if imported.rejected:
        raise typer.Exit(Exit.ROWS_REJECTED)


def told(imported: Imported, *, dry_run: bool) -> dict[str, Any]:
    """What came of an import, for JSON."""
    return {
        "kind": str(imported.kind),
        "read": imported.read,
        "accepted": imported.accepted,
        "duplicate": imported.duplicate,
        "rejected": imported.rejected,
        "dry_run": dry_run,
        "refused": [
            {
                "file": each.file,
                "line": each.line,
                "column": each.column,
                "code": str(each.code),
                "text": each.text,
                "message": each.message,
            }
            for each in imported.refused
        ],
    }


def report(what: Imported | ReadPlan, *, kept: bool = True) -> None:
    """Say what came of an import, the first refusals with their places."""
    if isinstance(what, ReadPlan):
        for warning in what.warnings:
            say(f"[yellow]warning:[/] {escape(warning)}")
        return
    say(
        f"{what.kind}: {what.read:,} read = {what.accepted:,} accepted + {what.duplicate:,}"
        f" duplicate + {what.rejected:,} rejected"
    )
    for refusal in what.refused[:SHOWN]:
        say(f"  [red]{escape(spoken(refusal))}[/]")
    if what.rejected > SHOWN:
        say(f"  ... and {what.rejected - SHOWN:,} more")
    if what.rejected and kept:
        say("mend them: commission rejects --mend FILE writes the rows, import that file again")
