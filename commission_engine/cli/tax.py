"""`commission tax`: what was paid in a year, documents, invoices."""

from typing import Annotated

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import tax as book
from commission_engine.book.connect import Connection
from commission_engine.book.lock import Worker, again
from commission_engine.cli.common import (
    As,
    AsCsv,
    AsJson,
    Database,
    Form,
    Limit,
    at_work,
    counted,
    day_option,
    form,
    listing,
    looking,
    open_book,
    print_json,
    say,
    settings_of,
    today,
)
from commission_engine.cli.payouts_shared import DryRun, Why, circumstances
from commission_engine.finance.tax.documents import give
from commission_engine.finance.tax.invoices import issue, table
from commission_engine.finance.tax.rules import Rules, read_rules
from commission_engine.finance.tax.totals import totals
from commission_engine.payouts.choose import plan_of_book
from commission_engine.problems import UsageError
from commission_engine.publish import text

ISSUER = ("name", "address", "vat_id", "prefix")

app = typer.Typer(help="Tax facts: totals, documents, invoices.", no_args_is_help=True)


def _rules(connection: Connection) -> Rules:
    return read_rules(plan_of_book(connection).decimals)


@app.command("totals")
def totals_(
    year: Annotated[int, typer.Option("--year", min=1970, max=9998, help="Paid in this year.")],
    country: Annotated[str, typer.Option("--country", help="To payees of it, such as US.")] = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List what was paid to whom in a year, and who is above the threshold of his country."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = totals(connection, _rules(connection), year, country)
    listing(found, how, limit, "payments")


@app.command("document")
def document(
    affiliate: Annotated[str, typer.Argument(help="Who gave it.")],
    kind: Annotated[str, typer.Argument(help="w9, w8, or none where there is none any more.")],
    reason: Why = "",
    signed: Annotated[str, typer.Option("--date", help="Signed on; else today.")] = "",
    expires: Annotated[str, typer.Option("--expires", help="The last day it is good.")] = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Record that an affiliate has given a W-9 or W-8, or has none any more."""
    if kind not in book.KINDS:
        raise UsageError(f"{kind!r} is no document", f"Write one of {', '.join(book.KINDS)}.")
    days = (
        day_option(signed) if signed else today(),
        day_option(expires, "--expires") if expires else book.NEVER,
    )
    given = circumstances(as_name, dry_run=dry_run)

    def unit(worker: Worker) -> bool:
        with worker.writing(keep=not dry_run) as connection:
            return give(connection, affiliate, kind, days, reason, given)

    with at_work(open_book(settings_of(database=database)), "tax document") as worker:
        news = again(lambda: unit(worker))
    if as_json:
        print_json({"affiliate_id": affiliate, "kind": kind, "new": news, "dry_run": dry_run})
    else:
        done = "" if news else " already; nothing was changed"
        dry = "dry run: " if dry_run and news else ""
        say(f"{dry}{escape(affiliate)} has {kind}{done}")


@app.command("documents")
def documents(
    database: Database = None, limit: Limit = 50, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List the documents that hold."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = book.documents(connection)
    never = pl.col("expires_day") == book.NEVER
    shown = found.select(
        "affiliate_id",
        "kind",
        text.day("signed_day").alias("signed_on"),
        pl.when(never).then(pl.lit("")).otherwise(text.day("expires_day")).alias("expires_on"),
        "reason",
        "who",
        pl.col("learned_at").alias("at"),
    )
    listing(shown, how, limit, "documents")


@app.command("issue")
def issue_(
    up_to: Annotated[str, typer.Option("--up-to", help="Paid up to this day; else all.")] = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Give a number to every payment that has none. Safe to repeat."""
    how = form(as_json, as_csv)
    settings = settings_of(database=database)
    issuer = {name: str(settings[f"entity.{name}"].value) for name in ISSUER}
    last = day_option(up_to, "--up-to") if up_to else book.NEVER
    given = circumstances(as_name, dry_run=dry_run)

    def unit(worker: Worker) -> pl.DataFrame:
        with worker.writing(keep=not dry_run) as connection:
            return table(connection, issue(connection, _rules(connection), issuer, last, given))

    with at_work(open_book(settings), "tax issue") as worker:
        issued = again(lambda: unit(worker))
    listing(_few(issued, how), how, limit, "invoices to issue")
    if how is Form.TABLE and issued.height:
        numbers = counted(issued.height, "invoice")
        say(f"{numbers} would be issued (dry run: nothing was changed)" if dry_run else
            f"{numbers} issued; commission tax invoices --csv has them all")  # fmt: skip


@app.command("invoices")
def invoices(
    database: Database = None, limit: Limit = 50, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List the invoices that have a number."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = table(connection, book.invoices(connection))
    listing(_few(found, how), how, limit, "invoices")


def _few(found: pl.DataFrame, how: Form) -> pl.DataFrame:
    """As a table without what is the same everywhere."""
    return found.select(found.columns[:12]) if how is Form.TABLE else found
