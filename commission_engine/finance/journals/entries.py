"""The journal's entries as other ledgers book them: whole, not as two rows."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl

from commission_engine.book import runs, views
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day
from commission_engine.finance.exports.period import Period
from commission_engine.finance.exports.rows import ROWS_AT_ONCE, journal_rows
from commission_engine.further import exchanged
from commission_engine.ledger.accounts import SIDES, Account, Kind
from commission_engine.money import Minor

ENTRIES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "entry_id": pl.String,
    "day": pl.Int64,
    "kind": pl.String,
    "affiliate_id": pl.String,
    "currency": pl.String,
    "decimals": pl.Int64,
    "debit_account": pl.Int64,
    "credit_account": pl.Int64,
    "amount": pl.Int64,
    "source": pl.String,
}
"""An entry: `amount`, in minor units and above zero, from the credit to the debit account."""

SAID = {
    Kind.EARNED: "commissions earned",
    Kind.REVERSED: "commissions taken back by refunds",
    Kind.ADJUSTED: "adjustments against the affiliate",
    Kind.PAID: "paid out",
    Kind.RETURNED: "payouts that came back",
    Kind.CREDITED: "adjustments for the affiliate",
    Kind.CONVERTED_FROM: "payouts converted into another currency",
    Kind.CONVERTED_TO: "payouts converted from another currency",
    Kind.REVERTED_FROM: "converted payouts that came back, as earned",
    Kind.REVERTED_TO: "converted payouts that came back, as paid",
    Kind.ROUNDED_UP: "rounding of converted payouts, lost",
    Kind.ROUNDED_DOWN: "rounding of converted payouts, won",
}
WORDS = {kind.name.lower(): said for kind, said in SAID.items()}
"""What each kind of entry is, for people."""

_NUMBERS = {account.name.lower(): int(account) for account in Account}


def entries(connection: Connection, period: Period) -> Iterator[pl.DataFrame]:
    """The entries of a period's runs in the order of journal.csv, shaped ENTRIES; some at a time,
    no frame empty."""
    for rows in journal_rows(connection, period):
        number = pl.col("account").replace_strict(_NUMBERS, return_dtype=pl.Int64)
        debits = rows.with_columns(number).gather_every(2)
        credits_ = rows.with_columns(number).gather_every(2, offset=1)
        whole = debits.select(
            "entry_id",
            pl.col("booked_on").alias("day"),
            "kind",
            "affiliate_id",
            "currency",
            "decimals",
            pl.col("account").alias("debit_account"),
            pl.lit(credits_["account"]).alias("credit_account"),
            pl.col("debit").alias("amount"),
            "source",
        )
        yield from whole.cast(dict(ENTRIES)).iter_slices(ROWS_AT_ONCE)  # type: ignore[arg-type]


def accounts_of_book(connection: Connection, day: Day) -> pl.DataFrame:
    """Every account that runs up to `day` have posted to: account (its number), affiliate_id (of
    what is owed, else ""), currency, decimals, first_day, and balance, debits less credits."""
    legs = exchanged(connection, runs.completed(connection), None, day)
    booked = views.sums_of_entries(connection, day)
    between = legs.select(*booked.columns[:4], pl.col("run_day").alias("first_day"), "amount_minor")
    sums = pl.concat([booked, between])
    nobody = pl.lit("")
    parts = []
    for kind, sides in SIDES.items():
        for account, sign in zip(sides, (1, -1), strict=True):
            owed = account is Account.AFFILIATE_PAYABLE
            parts.append(
                sums.filter(pl.col("kind") == int(kind)).select(
                    pl.lit(int(account), pl.Int64).alias("account"),
                    pl.col("affiliate_id") if owed else nobody.alias("affiliate_id"),
                    "currency",
                    "decimals",
                    "first_day",
                    balance=pl.col("amount_minor").cast(pl.Int128) * sign,
                )
            )
    return (
        pl.concat(parts)
        .group_by("account", "affiliate_id", "currency", "decimals")
        .agg(pl.col("first_day").min(), pl.col("balance").sum())
        .sort("account", "affiliate_id", "currency")
    )


class Entry(NamedTuple):
    """A row of ENTRIES."""

    entry_id: str
    day: Day
    kind: str
    affiliate_id: str
    currency: str
    decimals: int
    debit_account: int
    credit_account: int
    amount: Minor
    source: str


class Standing(NamedTuple):
    """A row of `accounts_of_book`."""

    account: int
    affiliate_id: str
    currency: str
    decimals: int
    first_day: Day
    balance: Minor
