"""Watermarks: values that only grow, compared, kept as text, and stepped back by an overlap."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = int | Decimal | str | datetime | date
Overlap: TypeAlias = int | timedelta

_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class MarkType(StrEnum):
    """What a watermark can be, as people read it."""

    NUMBER = "number"
    TEXT = "text"
    TIMESTAMP = "timestamp with an offset"
    LOCAL = "timestamp without an offset"
    DAY = "date"


def type_of(value: object) -> MarkType | None:
    """None for what cannot be one: a binary fraction, a truth value, nothing at all."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite()):
        return MarkType.NUMBER
    if isinstance(value, str):
        return MarkType.TEXT
    if isinstance(value, datetime):
        return MarkType.TIMESTAMP if value.tzinfo else MarkType.LOCAL
    return MarkType.DAY if isinstance(value, date) else None


def as_text(value: Value) -> str:
    """The value, exactly: `value_of` gives it back."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def value_of(kind: MarkType, text: str) -> Value:
    """The value that `as_text` has written."""
    match kind:
        case MarkType.NUMBER:
            return Decimal(text) if "." in text else int(text)
        case MarkType.TEXT:
            return text
        case MarkType.DAY:
            return date.fromisoformat(text)
        case _:
            return datetime.fromisoformat(text)


def overlap_of(value: object) -> Overlap | None:
    """A number, or a span such as "90s", "15m", "2h", "1d"; None for what is neither."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := _SPAN.fullmatch(value)):
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    return None


def fits(kind: MarkType, overlap: Overlap) -> bool:
    """Whether a watermark of this type can be stepped back by `overlap`."""
    if isinstance(overlap, int):
        return kind is MarkType.NUMBER or overlap == 0
    whole_days = overlap % timedelta(days=1) == timedelta(0)
    return kind in (MarkType.TIMESTAMP, MarkType.LOCAL) or (kind is MarkType.DAY and whole_days)


def before(value: Value, overlap: Overlap) -> Value:
    """The value stepped back; the first of all times where there is none before it."""
    if isinstance(value, str) or not overlap:
        return value
    try:
        stepped: Value = value - overlap  # type: ignore[operator]
    except OverflowError:
        return value
    return stepped
