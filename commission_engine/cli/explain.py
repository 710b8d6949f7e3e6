"""`commission explain`: why an amount is what it is, or is not there."""

from typing import Annotated

import typer
from rich.markup import escape

from commission_engine.book.lines import where_kept
from commission_engine.cli.common import (
    AsJson,
    Database,
    Limit,
    LinesStore,
    looking,
    out,
    print_json,
    settings_of,
)
from commission_engine.explain.find import Thing
from commission_engine.explain.find import explain as explained
from commission_engine.explain.history import Book
from commission_engine.explain.said import Explanation, said
from commission_engine.explain.words import words
from commission_engine.problems import OutOfBalance
from commission_engine.tree.show import visible


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="LINE|EVENT|STATEMENT|PAYOUT",
            help="An id: of a line as in lines.csv (EVENT.LEVEL), of an event, a statement or a"
            " payout.",
        ),
    ],
    only: Annotated[
        Thing | None, typer.Option("--as", help="What the id is of, if it could be several.")
    ] = None,
    database: Database = None,
    lines_store: LinesStore = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Explain a line, an event, a statement or a payout: why this amount, why none, why not paid.

    Worked out once more from the facts; if the book has it differently, the exit code is 5.
    """
    settings = settings_of(database=database, lines_store=lines_store)
    with looking(database) as connection:
        book = Book.at(connection, where_kept(connection, settings.lines_store.value))
        found = explained(book, what, only)
    if as_json:
        print_json(said(found))
    else:
        show(found, limit)
    if found.disagreements:
        raise OutOfBalance(
            f"{found.kind} {found.id}: the book and the calculation do not agree:\n  "
            + "\n  ".join(found.disagreements),
            "Run nothing more. Look at `commission verify`, and compare with the last backup.",
        )


def show(explanation: Explanation, limit: int) -> None:
    """Print sentences; on a terminal with headings that stand out."""
    for line in words(explanation, limit):
        text = escape(visible(line))
        heading = out.is_terminal and line and not line.startswith(" ")
        out.print(f"[bold]{text}[/]" if heading else text, soft_wrap=True)
