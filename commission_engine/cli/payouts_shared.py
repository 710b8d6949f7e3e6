"""What the commands over payouts share: options, one transaction, how payouts are shown."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import polars as pl
import typer

from commission_engine.book.connect import Connection
from commission_engine.book.lock import Worker, again
from commission_engine.cli.common import (
    at_work,
    counted,
    day_option,
    named,
    now,
    open_book,
    origin,
    out,
    say,
    settings_of,
    table_of,
)
from commission_engine.imports import Circumstances
from commission_engine.payouts.approve import Changed
from commission_engine.payouts.choose import converted, totals
from commission_engine.payouts.choose import counted as sums_of
from commission_engine.publish import text

Ids = Annotated[list[str] | None, typer.Argument(metavar="[PAYOUT_ID]...", help="These payouts.")]
UpTo = Annotated[
    str, typer.Option("--up-to", metavar="AMOUNT", help="Of this amount or less; with --currency.")
]
Batch = Annotated[str, typer.Option("--batch", metavar="HASH", help="Of this batch.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept, and explained.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say only what would be done.")]


def circumstances(as_name: str, *, dry_run: bool) -> Circumstances:
    return Circumstances(named(as_name), now(), dry_run=dry_run, origin=origin())


def day_of_option(date: str) -> int | None:
    return day_option(date) if date else None


def stepped(
    database: str | None,
    doing: str,
    given: Circumstances,
    how: Callable[[Connection, Circumstances], Changed],
) -> Changed:
    """Do it in one transaction, kept unless it is a dry run."""
    engine = open_book(settings_of(database=database))

    def unit(worker: Worker) -> Changed:
        with worker.writing(keep=not given.dry_run) as connection:
            return how(connection, given)

    with at_work(engine, doing) as worker:
        return again(lambda: unit(worker))


def nothing(changed: Changed, done: str, otherwise: str) -> None:
    if changed.already:
        say(f"{counted(changed.already, 'payout')} {done} already; nothing was changed")
    else:
        say(f"{otherwise}; nothing was changed")


def show(found: pl.DataFrame, limit: int) -> None:
    """Payouts as people look at them before they answer for them."""
    table = found.select(
        "payout_id",
        "affiliate_id",
        "name",
        pl.col("code").alias("currency"),
        text.amount("amount_minor"),
        *paid_as(found),
        text.day("run_day").alias("created_on"),
        pl.col("standing").alias("affiliate"),
    )
    shown = table.head(limit) if limit else table
    out.print(table_of(shown))
    if shown.height < table.height:
        say(f"{shown.height} of {table.height:,} payouts; --limit 0 shows all")
    for code, count, amount in sums_of(found):
        say(f"{code}: {counted(count, 'payout')}, {amount}")


def said(changed: Changed) -> dict[str, Any]:
    return {
        "payouts": rows(changed.payouts),
        "totals": totals(changed.payouts),
        "already": changed.already,
    }


def rows(found: pl.DataFrame) -> Sequence[dict[str, Any]]:
    return found.select(
        "payout_id",
        "affiliate_id",
        "name",
        pl.col("code").alias("currency"),
        text.amount("amount_minor"),
        *paid_as(found),
        text.day("run_day").alias("created_on"),
        pl.col("standing").alias("affiliate_status"),
    ).to_dicts()


def paid_as(found: pl.DataFrame) -> list[pl.Expr]:
    """What payouts are paid as, such as "EUR 22.99", where one of them was converted."""
    if not found.filter(converted()).height:
        return []
    amount = text.amount("paid_minor", "paid_decimals")
    return [pl.concat_str("paid_code", pl.lit(" "), amount).alias("paid_as")]
