"""Columns as the text of a file: amounts, days, instants, safe texts, and CSV itself."""

import io
from typing import Literal

import numpy as np
import polars as pl

from commission_engine.calendar import Ints
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.ledger.convert import EURO

NUMBERS = frozenset(
    ["base_amount", "rate", "gross", "commission", "amount", "balance", "debit", "credit"]
    + ["opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available"]
    + ["cut", "owing", "net", "vat", "paid_amount", "per_euro", "paid_per_euro"]
)
"""The columns that hold numbers; every other column of text is somebody's text."""

_FORMULA = r"^'*[=+\-@\t\r\n\x00＝＋－＠]"
"""What a spreadsheet could read as a formula; with quotes before it, so that two texts never
become one."""

_MADE_SAFE = f"^'{_FORMULA.removeprefix('^')}"
"""What begins so has one quote more than its original."""

_QUOTED = r'[",\r\n]'
"""What RFC 4180 wants a cell in quotes for."""

SMALL = 1 << 17
"""Amounts below it, in minor units, are so many that their texts are kept."""

_DAY = 86_400


def amount(minor: str, decimals: str = "decimals") -> pl.Expr:
    """A plain decimal with exactly the currency's decimals (18 at most), from two columns."""
    value, places = pl.col(minor).cast(pl.Int64), pl.col(decimals)
    size = value.abs()
    unit = pl.lit(10, pl.Int64).pow(places.cast(pl.UInt32))
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    # The digits after the point with a 1 before them keep their leading zeros.
    fraction = (size % unit + unit).cast(pl.String).str.slice(1)
    point = pl.when(places > 0).then(pl.lit(".")).otherwise(pl.lit(""))
    return pl.concat_str(sign, (size // unit).cast(pl.String), point, fraction).alias(
        minor.removesuffix("_minor")
    )


def day(column: str) -> pl.Expr:
    """ISO 8601, from days since 1970-01-01."""
    return pl.col(column).cast(pl.Int32).cast(pl.Date).dt.strftime("%Y-%m-%d")


def terms_day(column: str = "terms_day") -> pl.Expr:
    """The day on which terms begin; empty for a line that no terms decided."""
    none = pl.col(column) == NO_TERMS
    return pl.when(none).then(pl.lit("")).otherwise(day(column)).alias(column)


def instant(column: str) -> pl.Expr:
    """ISO 8601 in UTC with a fraction only where there is one, from microseconds."""
    whole = pl.from_epoch(column, time_unit="us").dt.strftime("%Y-%m-%dT%H:%M:%S")
    micros = pl.col(column) % 1_000_000
    fraction = pl.lit(".") + micros.cast(pl.String).str.zfill(6)
    return whole + pl.when(micros == 0).then(pl.lit("")).otherwise(fraction) + pl.lit("Z")


def safe(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its texts such that no spreadsheet reads one as a formula."""
    return frame.with_columns(
        _safe(frame[name])
        for name, kind in frame.schema.items()
        if kind == pl.String and name not in NUMBERS
    )


def _safe(texts: pl.Series) -> pl.Series:
    """Most texts are harmless, and then nothing is copied."""
    formulas = texts.str.contains(_FORMULA)
    if not formulas.any():
        return texts
    return texts.zip_with(~formulas.fill_null(value=False), "'" + texts)


def original(column: str) -> pl.Expr:
    """A text as it was before it was made safe."""
    text = pl.col(column)
    return pl.when(text.str.contains(_MADE_SAFE)).then(text.str.slice(1)).otherwise(text)


def cells(texts: pl.Series) -> pl.Series:
    """Texts as `csv` writes them: made safe, and in quotes where they need them."""
    texts = _safe(texts)
    quoted = texts.str.contains(_QUOTED)
    if not quoted.any():
        return texts
    return texts.zip_with(~quoted, '"' + texts.str.replace_all('"', '""', literal=True) + '"')


def csv(frame: pl.DataFrame, *, header: bool = True, line_end: str = "\n") -> bytes:
    """RFC 4180, by default with LF, texts made safe; an empty text is an empty field."""
    empty = pl.col(pl.String).replace("", None)
    made = safe(frame).with_columns(empty)
    return _written(made, header=header, quote_style="necessary", line_end=line_end)


def csv_of_cells(frame: pl.DataFrame) -> bytes:
    """Rows from columns of `cells`, numbers, and several of either with commas between them."""
    return _written(frame, header=False, quote_style="never")


def _written(
    frame: pl.DataFrame,
    *,
    header: bool,
    quote_style: Literal["never", "necessary"],
    line_end: str = "\n",
) -> bytes:
    written = io.BytesIO()
    frame.write_csv(
        written,
        include_header=header,
        null_value="",
        quote_style=quote_style,
        line_terminator=line_end,
    )
    return written.getvalue()


class Amounts:
    """`amount` for many millions: the texts of small amounts are made once and then picked."""

    def __init__(self, decimals: Ints, rows: int) -> None:
        """`decimals` by a currency's place; `rows`: how many texts will be asked for."""
        self._decimals = decimals
        self._limit = max(1, min(SMALL, rows))
        minor = np.tile(np.arange(-self._limit, self._limit), len(decimals))
        places = np.repeat(decimals, 2 * self._limit)
        self._small = _amounts(minor, places)

    def texts(self, minor: Ints, currency: Ints) -> pl.Series:
        """Of each amount in minor units of the currency at that place; both shaped alike."""
        small = (minor >= -self._limit) & (minor < self._limit)
        if small.all():
            return self._small.gather(self._place(minor, currency))
        large = np.flatnonzero(~small)
        made = _amounts(minor[large], self._decimals[currency[large]])
        place = self._place(np.where(small, minor, 0), currency)
        place[large] = np.arange(len(self._small), len(self._small) + len(large))
        return pl.concat([self._small, made]).gather(place)

    def _place(self, minor: Ints, currency: Ints) -> Ints:
        place: Ints = minor + (currency.astype(np.int64) * (2 * self._limit) + self._limit)
        return place


def _amounts(minor: Ints, decimals: Ints) -> pl.Series:
    frame = pl.DataFrame({"minor": minor, "decimals": decimals})
    return frame.select(amount("minor", "decimals")).to_series()


def days(numbers: Ints) -> pl.Series:
    """`day` for many rows that share few days."""
    first = int(numbers.min()) if len(numbers) else 0
    span = int(numbers.max()) - first + 1 if len(numbers) else 1
    if span > len(numbers):
        return pl.DataFrame({"day": numbers}).select(day("day")).to_series()
    every = pl.DataFrame({"day": np.arange(first, first + span)}).select(day("day")).to_series()
    return every.gather(numbers.astype(np.int64) - first)


def instants(us: Ints) -> pl.Series:
    """`instant` for many rows that share few days, and whole seconds mostly."""
    if len(us) < _DAY or (us % 1_000_000).any():
        return pl.DataFrame({"us": us}).select(instant("us")).to_series()
    dates, seconds = np.divmod(us // 1_000_000, _DAY)
    times = pl.DataFrame({"us": np.arange(_DAY) * 1_000_000}).select(
        pl.from_epoch("us", time_unit="us").dt.strftime("T%H:%M:%SZ")
    )
    return days(dates) + times.to_series().gather(seconds)


def paid_as() -> pl.Expr:
    """What a payout has come to in another currency, of record.CONVERSIONS: paid as EUR 22.99, at
    1 EUR = 1.0876 USD (ECB, 2026-11-27)."""
    paid = amount("to_minor", "to_decimals")
    return pl.format(
        "paid as {} {}, at {} ({}, {})", "to_code", paid, rates_said(), "source", day("rate_day")
    )


def rates_said() -> pl.Expr:
    """The rates of a conversion: 1 EUR = 0.8701 GBP, 1 EUR = 183.9 JPY."""
    euro = [
        pl.when(pl.col(code) != EURO).then(pl.format("1 {} = {} {}", pl.lit(EURO), rate, code))
        for code, rate in (("currency", "rate"), ("to_code", "to_rate"))
    ]
    return pl.concat_str(euro, separator=", ", ignore_nulls=True)
