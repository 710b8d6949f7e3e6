"""`commission export`: what the book holds, as files for finance and for other ledgers."""

from collections.abc import Callable
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
from commission_engine.settings import Settings

RunOf = Annotated[str, typer.Option("--run", metavar="DATE", help="Of the run of this date.")]
SettlementOf = Annotated[
    str,
    typer.Option("--settlement", metavar="DATE", help="Of this settlement and its period."),
]
As = Annotated[Format, typer.Option("--format", help="What to write.")]
Excel = Annotated[bool, typer.Option("--excel", help="CSV with byte order mark and CRLF.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="The folder to write; it appears whole, once.")
]

app = typer.Typer(
    help="Files for finance and for other ledgers; made once, they never change.",
    no_args_is_help=True,
)


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
    sums = ", ".join(
        f"{code} {name} {amount}"
        for code, amounts in placed.manifest["totals"].items()
        for name, amount in amounts.items()
    )
    rows = counted(placed.manifest["rows"], "row")
    say(f"{escape(str(placed.folder))}: {placed.came}; {rows}{'; ' if sums else ''}{sums}")


def _command(table: Table, help_text: str) -> Callable[..., None]:
    def command(
        first: From = "",
        last: To = "",
        run: RunOf = "",
        settlement: SettlementOf = "",
        how: As = Format.CSV,
        excel: Excel = False,
        out_folder: Out = None,
        database: Database = None,
        lines_store: LinesStore = None,
        as_json: AsJson = False,
    ) -> None:
        wanted = Wanted(table, _asked(first, last, run, settlement), how, excel)

        def made(connection: Connection, settings: Settings) -> Placed:
            store = where_kept(connection, settings.lines_store.value)
            return export(connection, wanted, store, Path(settings.out.value), out_folder)

        _made(database, lines_store, made, as_json)

    command.__doc__ = help_text
    return command


app.command("lines")(_command(LINES, "Every decision: who was paid what for which event."))
app.command("statements")(_command(STATEMENTS, "Accounts from opening to closing."))
app.command("payouts")(_command(PAYOUTS, "What was to be paid, and what became of it."))
app.command("balances")(_command(BALANCES, "What is owed to whom after a run."))
app.command("journal")(_command(JOURNAL, "The double-entry journal."))
