"""Values of a database as the texts that a CSV file would have, exactly or not at all."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from commission_engine.ingest.columns import COLUMNS, Kind

IDS = ("event_id", "affiliate_id", "referrer_id", "reverses")
TIMES = ("occurred_at", "since")


class NoText(ValueError):
    """A value without an exact text; the message says what it is and what would be right."""


def field(text: str) -> str:
    """A text as a field of a CSV file; an empty one in quotes, so that no line is empty."""
    if not text or any(sign in text for sign in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def text_of(kind: Kind, column: str, value: Any) -> str:
    """The text of a value of a column; NoText for a known column that cannot hold it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        moment = _moment(value)
        return (
            moment if column in TIMES or column not in COLUMNS[kind].known else _no(column, value)
        )
    if column not in COLUMNS[kind].known:
        return _plain(value)
    if isinstance(value, date) and column in TIMES:
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and column in (*IDS, "amount"):
        return str(value)
    if isinstance(value, Decimal):
        return _decimal(column, value)
    return _no(column, value)


def _decimal(column: str, value: Decimal) -> str:
    """The scale is the column's and not the amount's: 500.00 JPY is written 500."""
    text = format(value, "f")
    shorter = text.rstrip("0").rstrip(".") if "." in text else text
    if column == "amount":
        return shorter
    # Oracle and others have no whole numbers but decimals without a scale.
    return text if column in IDS and "." not in text else _no(column, value)


def _moment(value: datetime) -> str:
    """ISO 8601 in UTC; a time without an offset is one of UTC."""
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _plain(value: Any) -> str:
    """A value of a column that is only kept with its row."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _no(column: str, value: Any) -> str:
    what = type(value).__name__
    if isinstance(value, float):
        raise NoText(
            f"{value!r} is a binary fraction, which is not an exact text; cast it in the query,"
            f" such as CAST({column} AS NUMERIC(18, 2)), or on SQLite printf('%.2f', {column})"
        )
    right = "a timestamp or a text" if column in TIMES else "a text"
    if column == "amount":
        right = "NUMERIC, a whole number or a text"
    raise NoText(f"{value!r} is of type {what}, which has no exact text here; cast it to {right}")
