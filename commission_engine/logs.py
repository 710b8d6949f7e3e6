"""Logs of runs: one line an event, as JSON or as words, and never anything about a person.

A line has names, numbers and codes that the program itself chooses. Sentences may quote a row of a
file, so they are not logged; `harmless` says which ones cannot.
"""

import json
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any

from commission_engine.problems import (
    CommissionError,
    Locked,
    OutOfBalance,
    TryAgain,
    UsageError,
)

FORMATS = ("text", "json")
NAME = "commission"
_FIELDS = "fields"


class AsJson(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_told(record), ensure_ascii=False)


class AsWords(logging.Formatter):
    """The same as `name=value`, for people."""

    def format(self, record: logging.LogRecord) -> str:
        told = _told(record)
        front = [told.pop(name) for name in ("time", "level", "event")]
        rest = (f"{name}={_plain(value)}" for name, value in told.items())
        return " ".join((*front, *rest))


def _told(record: logging.LogRecord) -> dict[str, Any]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    front = {
        "time": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
    }
    return front | dict(getattr(record, _FIELDS, {}))


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    simple = text and not any(mark.isspace() or mark in '"=' for mark in text)
    return text if simple else json.dumps(text, ensure_ascii=False)


@contextmanager
def logging_to(form: str, file: str) -> Iterator[logging.Logger]:
    """The log of one command: to a file, else to stderr where it is JSON, else nowhere (there the
    program talks to people). OSError where the file cannot be written."""
    logger = logging.getLogger(NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler: logging.Handler = logging.NullHandler()
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        # Opens it anew after it was rotated.
        handler = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
    elif form == "json":
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson() if form == "json" else AsWords())
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()


def record(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event; a field that is None is left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    logging.getLogger(NAME).log(level, event, extra={_FIELDS: known})


def harmless(why: BaseException) -> str:
    """The sentence of an error if it is one that cannot quote what is in a file, else "".

    Of those that stop a run: who holds the lock, that a database is away, sums that do not agree,
    a date or a setting that cannot be.
    """
    told = (Locked, OutOfBalance, TryAgain, UsageError)
    return why.message if isinstance(why, told) and isinstance(why, CommissionError) else ""


def places(why: BaseException) -> list[str]:
    """Where an error of the program came from: the last calls, without values."""
    frames = extract_tb(why.__traceback__)[-5:]
    return [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames]
