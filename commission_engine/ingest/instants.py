"""ISO 8601 text -> microseconds since 1970 in UTC, in whole numbers from beginning to end.

Accepted is the extended calendar form: `YYYY-MM-DD`, or `YYYY-MM-DDTHH:MM[:SS[.f{1,6}]]` with an
optional `Z`, `+HH:MM`, `+HHMM` or `+HH` (or minus). Without an offset it is UTC.
"""

import re
from calendar import monthrange

import polars as pl

from commission_engine.calendar import DAY_US

_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = r"(?:[01][0-9]|2[0-3])", r"[0-5][0-9]"
_TIME = rf"{_HOUR}:{_SIXTY}(?::{_SIXTY}(?:\.[0-9]{{1,6}})?)?"
_OFFSET = rf"(?:Z|[+-]{_HOUR}(?::?{_SIXTY})?)?"
_FORM = rf"{_DATE}(?:T{_TIME}{_OFFSET})?"
_PYTHON_FORM = re.compile(_FORM, re.ASCII)

_TEXT = pl.col("t")

_FIRST_US = -719_162 * DAY_US
_END_US = 2_932_897 * DAY_US
"""0001-01-01 and 10000-01-01, the latter not included."""

_MINUTE_US, _SECOND_US = 60_000_000, 1_000_000


def parse_instants(text: pl.Series) -> pl.Series:
    """Microseconds (Int64) per text; null for what is not a time of the years 0001..9999 in UTC."""
    frame = text.rename("t").to_frame()
    formed = frame.select(pl.when(_TEXT.str.contains(rf"\A{_FORM}\z")).then(_TEXT))
    # Most files have neither fractions nor offsets, and looking for them costs as much as the rest.
    has_fraction, has_offset = formed.select(
        a=_TEXT.str.contains(".", literal=True).any(),
        b=_TEXT.str.contains(r"T.*[+-]").any(),
    ).row(0)
    parts = formed.select(
        year=_number(0, 4),
        month=_number(5, 2),
        day=_number(8, 2),
        hour=_number(11, 2).fill_null(0),
        minute=_number(14, 2).fill_null(0),
        second=_seconds(has_offset),
        micros=_micros() if has_fraction else pl.lit(0, pl.Int64),
        offset=_offset_minutes() if has_offset else pl.lit(0, pl.Int64),
    )
    year, month, day = pl.col("year"), pl.col("month"), pl.col("day")
    clock = (pl.col("hour") * 60 + pl.col("minute") - pl.col("offset")) * _MINUTE_US
    instant = _days(year, month, day) * DAY_US + clock + pl.col("second") * _SECOND_US
    instant = instant + pl.col("micros")
    sound = (day <= _days_in_month(year, month)) & instant.is_between(
        _FIRST_US, _END_US, closed="left"
    )
    return parts.select(pl.when(sound).then(instant)).to_series()


def instant_fault(text: str) -> str:
    """The sentence on a text that `parse_instants` refused."""
    if not _PYTHON_FORM.fullmatch(text):
        return "is not a time; write ISO 8601, such as 2026-01-31 or 2026-01-31T09:30:00+01:00"
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if year and day > monthrange(year, month)[1]:
        return "is not a day of the calendar; write one that exists"
    return "is outside the years 0001 to 9999 in UTC; write a time inside them"


def _number(start: int, length: int) -> pl.Expr:
    return _TEXT.str.slice(start, length).cast(pl.Int64, strict=False)


def _seconds(has_offset: bool) -> pl.Expr:
    """Zero where there are none; an offset may stand in their place."""
    seconds = _number(17, 2).fill_null(0)
    if not has_offset:
        return seconds
    return pl.when(_TEXT.str.slice(16, 1) == ":").then(seconds).otherwise(0)


def _micros() -> pl.Expr:
    fraction = _TEXT.str.extract(r"\.([0-9]+)")
    return fraction.str.pad_end(6, "0").cast(pl.Int64).fill_null(0)


def _offset_minutes() -> pl.Expr:
    """Minutes east of UTC."""
    offset = _TEXT.str.extract(r"T.*([+-].*)\z")
    hours = offset.str.slice(1, 2).cast(pl.Int64)
    minutes = offset.str.slice(3).str.strip_prefix(":").cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    return ((hours * 60 + minutes) * sign).fill_null(0)


def _days(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Days since 1970-01-01, in a year that begins in March so that 29 February is its last day."""
    year = year - (month <= 2).cast(pl.Int64)
    leap_days = year // 4 - year // 100 + year // 400
    return year * 365 + leap_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469


def _days_in_month(year: pl.Expr, month: pl.Expr) -> pl.Expr:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    february = pl.when(leap).then(29).otherwise(28)
    return pl.when(month == 2).then(february).otherwise(30 + (month + month // 8) % 2)
