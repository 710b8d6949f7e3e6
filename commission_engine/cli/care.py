"""`commission verify` and `commission config`: is the book right, and what holds."""

import os
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book.connect import reading, without_password
from commission_engine.cli.common import (
    AsJson,
    Database,
    counted,
    open_book,
    out,
    print_json,
    say,
    settings_of,
    stage,
    table_of,
)
from commission_engine.debtor import KEY
from commission_engine.finance.bank.export import faults as bank_faults
from commission_engine.finance.payees.seal import Keys
from commission_engine.problems import Exit, UsageError
from commission_engine.settings import NAMES
from commission_engine.verify import verify as prove

config = typer.Typer(help="Settings: which value holds, and why.", no_args_is_help=True)


def verify(
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Where the files of the runs are.")
    ] = None,
    no_files: Annotated[bool, typer.Option("--no-files", help="Look at the book only.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Prove the book from its stored rows, and the files from the book. Repairs nothing."""
    settings = settings_of(database=database, out=str(out_folder) if out_folder else None)
    engine = open_book(settings)
    files = None if no_files else Path(settings.out.value)
    proof = prove(engine, files, stage, settings.lines_store.value)
    if os.environ.get(KEY):  # without it what is sealed is proved by the audit trail alone
        with reading(engine) as connection:
            proof.differences += bank_faults(connection, Keys.of(os.environ))
    if as_json:
        print_json(
            {
                "runs": proof.runs,
                "events": proof.events,
                "lines": proof.lines,
                "files": proof.files,
                "notes": proof.notes,
                "differences": proof.differences,
            }
        )
    else:
        for note in proof.notes:
            say(f"[yellow]note:[/] {escape(note)}")
        for difference in proof.differences:
            say(f"[red]differs:[/] {escape(difference)}")
        differences = counted(len(proof.differences), "difference")
        out.print(
            f"{counted(proof.runs, 'run')}, {counted(proof.events, 'event')},"
            f" {counted(proof.lines, 'line')} and {counted(proof.files, 'file')} looked at:"
            f" {differences if proof.differences else 'all agree'}"
        )
    if proof.differences:
        raise typer.Exit(Exit.OUT_OF_BALANCE)


@config.command("show")
def config_show(database: Database = None, as_json: AsJson = False) -> None:
    """Show every setting with its value and where that came from."""
    settings = settings_of(database=database)
    rows = {name: settings[name] for name in NAMES}
    if as_json:
        print_json({name: {"value": _shown(s.value), "from": s.origin} for name, s in rows.items()})
        return
    shown = [(name, str(_shown(s.value)), s.origin) for name, s in rows.items()]
    columns = dict.fromkeys(("setting", "value", "from"), pl.String)
    out.print(table_of(pl.DataFrame(shown, schema=columns, orient="row")))


@config.command("check")
def config_check(database: Database = None, as_json: AsJson = False) -> None:
    """Check the settings; unknown names, in the file or the environment, are faults."""
    faults = settings_of(database=database).faults
    if as_json:
        print_json({"faults": faults})
    if faults:
        raise UsageError(f"not known: {counted(len(faults), 'setting')}", "Correct or remove them.")
    if not as_json:
        say("all settings are known and possible")


def _shown(value: Any) -> Any:
    """A setting for people's eyes: a database URL without its password."""
    return without_password(value) if isinstance(value, str) else value
