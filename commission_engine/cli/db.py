"""`commission db`: care for the database. Upgrade, check, dump to one file, restore from it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commission_engine.book import revisions
from commission_engine.book.connect import connect, migrate, reading
from commission_engine.book.health import health
from commission_engine.cli.common import (
    AsJson,
    Database,
    LinesStore,
    counted,
    existing,
    out,
    print_json,
    say,
    settings_of,
    stage,
)
from commission_engine.dump import Contents, look
from commission_engine.dump import dump as dumped
from commission_engine.dump import restore as restored
from commission_engine.problems import Exit, UsageError
from commission_engine.verify import verify

app = typer.Typer(help="Care for the database of a book.", no_args_is_help=True)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, say what would be done.")]


@app.command("upgrade")
def upgrade(dry_run: DryRun = False, database: Database = None, as_json: AsJson = False) -> None:
    """Bring the tables up to this program. Every other command does so too, as it begins."""
    engine = connect(settings_of(database=database).database.value)
    _refuse_no_file(engine.url.database, engine.dialect.name)
    with reading(engine) as connection:
        before = revisions.current(connection)
    if not dry_run:
        migrate(engine)
    after = revisions.newest()
    if as_json:
        print_json({"from": before, "to": after, "dry_run": dry_run})
    elif before == after:
        say(f"the tables have revision {after} already; nothing was changed")
    else:
        says = "dry run: would go" if dry_run else "went"
        say(f"{says} from {'no tables' if before is None else f'revision {before}'} to {after}")
        if not dry_run:
            say("prove the book now: commission verify")


@app.command("check")
def check(database: Database = None, as_json: AsJson = False) -> None:
    """Look at the database itself: file or server, tables, and what keeps rows from changing.

    Whether the book is right is for `commission verify` to say.
    """
    found = health(connect(settings_of(database=database).database.value))
    if as_json:
        print_json(
            {
                "kind": found.kind,
                "revision": found.revision,
                "newest": found.newest,
                "bytes": found.bytes,
                "free": found.free,
                "tables": found.tables,
                "notes": found.notes,
                "faults": found.faults,
            }
        )
    else:
        for note in found.notes:
            say(f"[yellow]note:[/] {escape(note)}")
        for fault in found.faults:
            say(f"[red]fault:[/] {escape(fault)}")
        says = counted(len(found.faults), "fault") if found.faults else "in order"
        out.print(
            f"{found.kind}, revision {found.revision or 'none'},"
            f" {counted(found.tables, 'table')}, {counted(found.bytes, 'byte')}: {says}"
        )
    if found.revision is not None and found.revision != found.newest:
        say("bring it up to date: commission db upgrade")
    if found.faults:
        raise typer.Exit(Exit.FAILED)


@app.command("dump")
def dump(
    file: Annotated[Path, typer.Argument(help="A new file, such as book.dump.")],
    without_segments: Annotated[
        bool,
        typer.Option("--without-segments", help="Leave out lines that are kept in segments."),
    ] = False,
    database: Database = None,
    lines_store: LinesStore = None,
    as_json: AsJson = False,
) -> None:
    """Write the whole book into one file, from which either kind of database can be filled.

    Runs may go on meanwhile: the file has the book as it is when the command begins.
    """
    settings = settings_of(database=database, lines_store=lines_store)
    engine = connect(settings.database.value)
    _refuse_no_file(engine.url.database, engine.dialect.name)
    contents = dumped(
        engine,
        file,
        stage,
        settings.lines_store.value,
        with_segments=not without_segments,
    )
    _tell(contents, "dumped", file, as_json)


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="What `commission db dump` has written.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Prove the file only; no book is looked at.")
    ] = False,
    database: Database = None,
    lines_store: LinesStore = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty book of either kind from a dump, all of it or nothing, and verify it."""
    settings = settings_of(database=database, lines_store=lines_store)
    existing(file)
    if dry_run:
        _tell(look(file, stage), "whole", file, as_json)
        return
    engine = connect(settings.database.value)
    kept_in = settings.lines_store.value
    contents = restored(engine, file, stage, kept_in)
    _tell(contents, "restored", file, as_json)
    say("verifying")
    proof = verify(engine, None, stage, kept_in)
    for difference in proof.differences:
        say(f"[red]differs:[/] {escape(difference)}")
    if proof.differences:
        say("the book is restored as the dump has it; it does not prove itself")
        raise typer.Exit(Exit.OUT_OF_BALANCE)
    looked_at = (counted(proof.runs, "run"), counted(proof.events, "event"))
    say(f"{', '.join(looked_at)} and {counted(proof.lines, 'line')} looked at: all agree")


def _tell(contents: Contents, done: str, file: Path, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(file),
                "revision": contents.revision,
                "engine_version": contents.engine_version,
                "trail": {"rows": contents.trail[0], "head": contents.trail[1]},
                "tables": {each.name: each.rows for each in contents.tables},
                "segments": len(contents.segments),
            }
        )
        return
    segments = counted(len(contents.segments), "segment")
    out.print(
        f"{done}: {counted(len(contents.tables), 'table')}, {counted(contents.rows, 'row')} and"
        f" {segments} of revision {contents.revision}: {escape(str(file))}"
    )


def _refuse_no_file(name: str | None, kind: str) -> None:
    """SQLite would make a database of that name."""
    if kind == "sqlite" and not Path(name or "").is_file():
        raise UsageError(f"{name}: there is no such book", "Look at: commission config show")
