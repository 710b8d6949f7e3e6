"""Payouts in another currency: what they come to in it, and the entries between the two.

A payout is taken from the balance in the currency that it was earned in, and stays one. What a
conversion adds are entries in both currencies, so that each of them sums to zero by itself:

    earned in   payout_clearing  -> fx_clearing      the payout
    paid in     fx_clearing      -> payout_clearing  what it comes to, rounded

Rates are of the euro: how much of a currency is one euro, as central banks say them.
"""

from fractions import Fraction

import polars as pl

from commission_engine.ledger.accounts import SIDES, Kind
from commission_engine.money import Minor, Rounding, quotient

EURO = "EUR"
ONE = "1"
"""The rate of the euro itself."""

CONVERTED = pl.Schema(
    {
        "run_day": pl.Int64,
        "affiliate_id": pl.String,
        "currency": pl.String,
        "decimals": pl.Int64,
        "amount_minor": pl.Int64,
        "to_code": pl.String,
        "to_decimals": pl.Int64,
        "to_minor": pl.Int64,
        "rate": pl.String,
        "to_rate": pl.String,
    }
)
"""A payout and what it came to: `rate` of its own currency, `to_rate` of the other. `run_day` is
that of the run that books it."""

LEGS = pl.Schema(
    {
        "run_day": pl.Int64,
        "affiliate_id": pl.String,
        "currency": pl.String,
        "decimals": pl.Int64,
        "kind": pl.Int64,
        "available_day": pl.Int64,
        "debit_account": pl.Int64,
        "credit_account": pl.Int64,
        "amount_minor": pl.Int64,
    }
)
"""Entries as `book.views.ENTRIES`; those of a rounding are nobody's (affiliate_id is "")."""


def converted(minor: Minor, decimals: int, rate: str, to_decimals: int, to_rate: str) -> Minor:
    """An amount in another currency: exact, then rounded half up, once.

    >>> converted(2500, 2, "1.0876", 2, "1")  # 25.00 USD in EUR
    2299
    >>> converted(2500, 2, "1.0876", 0, "163.45")  # in JPY
    3757
    """
    own, other = Fraction(rate), Fraction(to_rate)
    return quotient(
        minor * other.numerator * own.denominator * 10**to_decimals,
        other.denominator * own.numerator * 10**decimals,
        Rounding.HALF_UP,
    )


def legs(made: pl.DataFrame, back: pl.DataFrame) -> pl.DataFrame:
    """The entries of conversions, shaped LEGS: of those that were `made` and those whose payouts
    came `back` (both CONVERTED), and of what the rounding of each has come to.

    What came back goes at the rate at which it left: the balance has again what it had.
    """
    sides = [
        _one_side(made, Kind.CONVERTED_FROM, Kind.CONVERTED_TO),
        _one_side(back, Kind.REVERTED_FROM, Kind.REVERTED_TO),
        _rounding(made),
    ]
    return pl.concat(sides).sort("run_day", "affiliate_id", "currency", "kind")


def _one_side(frame: pl.DataFrame, own: Kind, other: Kind) -> pl.DataFrame:
    whose = ("run_day", "affiliate_id")
    left = frame.select(*whose, "currency", "decimals", "amount_minor", kind=pl.lit(int(own)))
    right = frame.select(
        *whose,
        pl.col("to_code").alias("currency"),
        pl.col("to_decimals").alias("decimals"),
        pl.col("to_minor").alias("amount_minor"),
        kind=pl.lit(int(other)),
    )
    return _entries(pl.concat([left, right]))


def _rounding(made: pl.DataFrame) -> pl.DataFrame:
    """By run and pair of currencies: the payouts' sum in the other currency beside the sum of what
    each came to there."""
    pair = ("run_day", "currency", "decimals", "rate", "to_code", "to_decimals", "to_rate")
    sums = made.group_by(pair, maintain_order=True).agg(pl.col("amount_minor", "to_minor").sum())
    rows = []
    for day, _, decimals, rate, code, to_decimals, to_rate, minor, given in sums.iter_rows():
        gap = given - converted(minor, decimals, rate, to_decimals, to_rate)
        if gap:
            kind = Kind.ROUNDED_UP if gap > 0 else Kind.ROUNDED_DOWN
            rows.append((day, "", code, to_decimals, abs(gap), int(kind)))
    names = ("run_day", "affiliate_id", "currency", "decimals", "amount_minor", "kind")
    schema = pl.Schema([(name, LEGS[name]) for name in names])
    return _entries(pl.DataFrame(rows, schema=schema, orient="row"))


def _entries(frame: pl.DataFrame) -> pl.DataFrame:
    debit, credit = ({int(kind): int(both[side]) for kind, both in SIDES.items()}
                     for side in (0, 1))  # fmt: skip
    return (
        frame.with_columns(
            available_day="run_day",
            debit_account=pl.col("kind").replace_strict(debit, return_dtype=pl.Int64),
            credit_account=pl.col("kind").replace_strict(credit, return_dtype=pl.Int64),
        )
        .select(LEGS.names())
        .cast(LEGS)
    )
