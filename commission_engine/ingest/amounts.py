"""Amounts as text -> whole minor units, exactly, for all rows at once."""

from collections.abc import Mapping

import polars as pl

from commission_engine.ingest.checks import Check, shown
from commission_engine.money import AMOUNT, MAX_MINOR, MAX_WHOLE_DIGITS
from commission_engine.problems import Code

_WHOLE, _FRACTION = pl.col("_whole"), pl.col("_fraction")
_DIGITS, _PLACES = pl.col("_digits"), pl.col("_places")
_DECIMALS, _SCALE = pl.col("_decimals"), pl.col("_scale")


def with_amount_parts(part: pl.DataFrame, decimals: Mapping[str, int]) -> pl.DataFrame:
    """Add to a frame with amount and currency (String) what the checks and AMOUNT_MINOR need.

    Of "-12.5" USD: _whole 12, _digits 2, _fraction 5, _places 1; _decimals 2 and _scale 100 (null
    for an unknown currency). All Int64; of no meaning where the text is not an amount.
    """
    currencies = pl.DataFrame(
        [(code, places, 10**places) for code, places in decimals.items()],
        schema={"currency": pl.String, "_decimals": pl.Int64, "_scale": pl.Int64},
        orient="row",
    )
    halves = pl.col("amount").str.strip_prefix("-").str.splitn(".", 2)
    whole, fraction = pl.col("_halves").struct[0], pl.col("_halves").struct[1]
    return (
        part.join(currencies, on="currency", how="left", maintain_order="left")
        .with_columns(_halves=halves)
        .with_columns(
            _whole=whole.cast(pl.Int64, strict=False),
            _digits=whole.str.len_bytes().cast(pl.Int64),
            _fraction=fraction.cast(pl.Int64, strict=False).fill_null(0),
            _places=fraction.str.len_bytes().cast(pl.Int64).fill_null(0),
        )
    )


AMOUNT_MINOR = (_WHOLE * _SCALE + _FRACTION * pl.lit(10, pl.Int64).pow(_DECIMALS - _PLACES)) * (
    pl.when(pl.col("amount").str.starts_with("-")).then(-1).otherwise(1)
)
"""The amount in minor units, of rows that pass every check: nothing can overflow there."""


def form_check() -> Check:
    return Check(
        Code.BAD_AMOUNT,
        "amount",
        ~pl.col("amount").str.contains(AMOUNT),
        lambda text, _: (
            f"{shown(text)} is not an amount; write digits with a point, such as 12.50"
            if text
            else "the amount is empty; write digits with a point, such as 12.50"
        ),
    )


def money_checks(decimals: Mapping[str, int]) -> tuple[Check, ...]:
    """What can be wrong with an amount that is one, in the order of rank."""
    return (
        Check(Code.UNKNOWN_CURRENCY, "currency", _DECIMALS.is_null(), lambda t, _: _say_unknown(t)),
        Check(
            Code.AMOUNT_OUT_OF_RANGE,
            "amount",
            # A product with the scale could overflow; the bound divided by it is exact.
            (_DIGITS > MAX_WHOLE_DIGITS) | (_WHOLE >= MAX_MINOR // _SCALE),
            lambda text, currency: _say_range(text, currency, decimals),
        ),
        Check(
            Code.TOO_MANY_DECIMALS,
            "amount",
            _PLACES > _DECIMALS,
            lambda text, currency: (
                f"{shown(text)} has {_counted(len(text.partition('.')[2]), 'decimal')} "
                f"where {currency} has {decimals[currency]}"
            ),
        ),
    )


def _say_unknown(text: str) -> str:
    right = "write its ISO 4217 code, such as USD, or declare it in the plan's [units]"
    return (
        f"{shown(text)} is not a currency; {right}" if text else f"the currency is empty; {right}"
    )


def _say_range(text: str, currency: str, decimals: Mapping[str, int]) -> str:
    digits = len(text.lstrip("-").partition(".")[0])
    if digits > MAX_WHOLE_DIGITS:
        return (
            f"{shown(text)} has {digits} digits before the point; {MAX_WHOLE_DIGITS} are the most"
        )
    most = MAX_MINOR // 10 ** decimals[currency]
    return f"{shown(text)} is too large; an amount in {currency} is less than {most}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
