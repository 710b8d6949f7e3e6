"""`commission export`: what the book holds, as files for finance and for other ledgers."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commission_engine.book.connect import Connection, reading
from commission_engine.book.lines import where_kept
from commission_engine.cli.common import (
    AsJson,
    Database,
    LinesStore,
    counted,
    day_option,
    open_book,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.look import From, To
from commission_engine.finance.exports.export import Wanted, export
from commission_engine.finance.exports.formats import Format
from commission_engine.finance.exports.period import Asked
from commission_engine.finance.exports.place import Placed
from commission_engine.finance.exports.shape import Table
from commission_engine.finance.exports.tables import BALANCES, JOURNAL, LINES, PAYOUTS, STATEMENTS
from commission_engine.finance.journals.accounts import Ledger, read_chart
from commission_engine.finance.journals.export import export_journal
from commission_engine.problems import UsageError
from commission_engine.settings import Settings

RunOf = Annotated[str, typer.Option("--run", metavar="DATE", help="Of the run of this date.")]
SettlementOf = Annotated[
    str,
    typer.Option("--settlement", metavar="DATE", help="Of this settlement and its period."),
]
FormatOf = Annotated[Format, typer.Option("--format", help="What to write.")]
Excel = Annotated[bool, typer.Option("--excel", help="CSV with byte order mark and CRLF.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="The folder to write; it appears whole, once.")
]

_SEVERAL = {"row": "rows", "entry": "entries"}
_FOR_LEDGERS = "It is for beancount, hledger, xero and quickbooks."

app = typer.Typer(
    help="Files for finance and for other ledgers; made once, they never change.",
    no_args_is_help=True,
)


class JournalFormat(StrEnum):
    """What the journal is written as: a table, or for another ledger."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    JSONL = "jsonl"
    BEANCOUNT = "beancount"
    HLEDGER = "hledger"
    XERO = "xero"
    QUICKBOOKS = "quickbooks"


def _asked(first: str, last: str, run: str, settlement: str) -> Asked:
    return Asked(
        day_option(first, "--from") if first else None,
        day_option(last, "--to") if last else None,
        day_option(run, "--run") if run else None,
        day_option(settlement, "--settlement") if settlement else None,
    )


def _made(
    database: str | None,
    lines_store: str | None,
    how: Callable[[Connection, Settings], Placed],
    as_json: bool,
) -> None:
    settings = settings_of(database=database, lines_store=lines_store)
    with reading(open_book(settings)) as connection:
        placed = how(connection, settings)
    if as_json:
        told = {"folder": str(placed.folder), "came": placed.came.name.lower()}
        print_json({**told, "manifest": placed.manifest})
        return
    said = placed.manifest
    noun, count = ("entry", said["entries"]) if "entries" in said else ("row", said["rows"])
    rows = counted(count, noun) if count == 1 else f"{count:,} {_SEVERAL[noun]}"
    say(f"{escape(str(placed.folder))}: {placed.came}; {rows}")
    for code, amounts in said["totals"].items():
        say(f"  {code}: " + ", ".join(f"{name} {amount}" for name, amount in amounts.items()))


def _export(
    wanted: Wanted,
    out_folder: Path | None,
    database: str | None,
    lines_store: str | None,
    as_json: bool,
) -> None:
    def made(connection: Connection, settings: Settings) -> Placed:
        store = where_kept(connection, settings.lines_store.value)
        return export(connection, wanted, store, Path(settings.out.value), out_folder)

    _made(database, lines_store, made, as_json)


def _command(table: Table, help_text: str) -> Callable[..., None]:
    def command(
        first: From = "",
        last: To = "",
        run: RunOf = "",
        settlement: SettlementOf = "",
        how: FormatOf = Format.CSV,
        excel: Excel = False,
        out_folder: Out = None,
        database: Database = None,
        lines_store: LinesStore = None,
        as_json: AsJson = False,
    ) -> None:
        wanted = Wanted(table, _asked(first, last, run, settlement), how, excel)
        _export(wanted, out_folder, database, lines_store, as_json)

    command.__doc__ = help_text
    return command


app.command("lines")(_command(LINES, "Every decision: who was paid what for which event."))
app.command("statements")(_command(STATEMENTS, "Accounts from opening to closing."))
app.command("payouts")(_command(PAYOUTS, "What was to be paid, and what became of it."))
app.command("balances")(_command(BALANCES, "What is owed to whom after a run."))


@app.command("journal")
def journal(
    first: From = "",
    last: To = "",
    run: RunOf = "",
    settlement: SettlementOf = "",
    how: Annotated[
        JournalFormat, typer.Option("--format", help="What to write, or for which ledger.")
    ] = JournalFormat.CSV,
    excel: Excel = False,
    accounts: Annotated[
        Path | None,
        typer.Option("--accounts", metavar="FILE", help="For another ledger: its accounts (TOML)."),
    ] = None,
    out_folder: Out = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """The double-entry journal, as a table or for another ledger."""
    asked = _asked(first, last, run, settlement)
    if how.value not in [each.value for each in Ledger]:
        if accounts:
            raise UsageError(f"--accounts says nothing to --format {how}", _FOR_LEDGERS)
        _export(Wanted(JOURNAL, asked, Format(how), excel), out_folder, database, None, as_json)
        return
    if excel:
        raise UsageError("--excel is for CSV", "Take --format csv, or leave --excel out.")
    chart = read_chart(Ledger(how), accounts)

    def made(connection: Connection, settings: Settings) -> Placed:
        return export_journal(connection, chart, asked, out_folder, Path(settings.out.value))

    _made(database, None, made, as_json)
