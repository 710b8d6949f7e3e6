"""Lines become entries: one per beneficiary, currency, kind and day of availability."""

import numpy as np
import polars as pl

from commission_engine.decide.kernel import Events, Lines, check_total
from commission_engine.ledger.accounts import RAISES_PAYABLE, SIDES, Kind
from commission_engine.problems import OutOfBalance

ENTRIES = pl.Schema(
    {
        "affiliate": pl.Int64,
        "currency": pl.Int64,
        "kind": pl.Int64,
        "available_day": pl.Int64,
        "debit_account": pl.Int64,
        "credit_account": pl.Int64,
        "amount_minor": pl.Int64,
    }
)
"""`amount_minor` is above zero; it goes from the credit account to the debit account."""

ACTIVITY = pl.Schema(
    {"affiliate": pl.Int64, "currency": pl.Int64, "lines": pl.Int64, "earliest_day": pl.Int64}
)
"""Who had lines in a run, zero ones included, and the first local day of their orders."""


def kinds(events: Events, lines: Lines) -> pl.Series:
    """The kind of each line: that of its event."""
    event = events.event != events.order
    kind = np.where(event, Kind.REVERSED, np.where(events.amount < 0, Kind.ADJUSTED, Kind.EARNED))
    return pl.Series("kind", kind[lines.row], dtype=pl.Int64)


def post(events: Events, lines: Lines) -> pl.DataFrame:
    """The entries of a run's lines, shaped ENTRIES and sorted by it; none for a zero."""
    check_total(lines.commission)
    frame = pl.DataFrame(
        {
            "affiliate": lines.beneficiary,
            "currency": events.currency[lines.row],
            "kind": kinds(events, lines),
            "available_day": lines.available_day,
            "amount": lines.commission,
        }
    )
    summed = (
        frame.group_by("affiliate", "currency", "kind", "available_day")
        .agg(pl.col("amount").sum())
        .filter(pl.col("amount") != 0)
    )
    return entries(summed)


def entries(signed: pl.DataFrame) -> pl.DataFrame:
    """Entries from `amount`s as the affiliate's balance sees them (a payout is below zero)."""
    raises = signed["kind"].replace_strict(RAISES_PAYABLE, return_dtype=pl.Boolean)
    wrong = signed.filter((pl.col("amount") > 0) != raises)
    if wrong.height:
        raise OutOfBalance(f"an entry of the wrong sign: {wrong.row(0, named=True)}")
    debit = {kind: int(sides[0]) for kind, sides in SIDES.items()}
    credit = {kind: int(sides[1]) for kind, sides in SIDES.items()}
    return (
        signed.with_columns(
            debit_account=pl.col("kind").replace_strict(debit, return_dtype=pl.Int64),
            credit_account=pl.col("kind").replace_strict(credit, return_dtype=pl.Int64),
            amount_minor=pl.col("amount").abs(),
        )
        .select(ENTRIES.names())
        .sort(ENTRIES.names())
    )


def signed() -> pl.Expr:
    """An entry's amount as the affiliate's balance sees it."""
    raises = pl.col("kind").replace_strict(RAISES_PAYABLE, return_dtype=pl.Boolean)
    return pl.when(raises).then(pl.col("amount_minor")).otherwise(-pl.col("amount_minor"))


def activity(events: Events, lines: Lines) -> pl.DataFrame:
    """Who had lines, shaped ACTIVITY and sorted by affiliate and currency."""
    return (
        pl.DataFrame(
            {
                "affiliate": lines.beneficiary,
                "currency": events.currency[lines.row],
                "day": events.root_day[lines.row],
            }
        )
        .group_by("affiliate", "currency")
        .agg(lines=pl.len().cast(pl.Int64), earliest_day=pl.col("day").min())
        .sort("affiliate", "currency")
    )
