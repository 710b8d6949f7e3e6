"""Which thing a text means: an event, a line, a statement, a payout."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl

from commission_engine.book import single, views
from commission_engine.calendar import Day, day_of
from commission_engine.explain.adjustment import explain_adjustment
from commission_engine.explain.history import Book
from commission_engine.explain.line import explain_event
from commission_engine.explain.said import AdjustmentSaid, EventSaid, Explanation
from commission_engine.explain.settled import explain_payout, explain_statement
from commission_engine.problems import UsageError
from commission_engine.publish.ids import payout_ids
from commission_engine.statements.gather import Settlement
from commission_engine.statements.references import (
    day_of_statement,
    row_meant,
    statements_meant,
    the_one,
)

_SETTLED = re.compile(r"(st|po)-(\d{8})-[0-9a-v]{16}", re.ASCII)
_LINE = re.compile(r"(.+)\.(\d{1,4})", re.ASCII | re.DOTALL)


class Thing(StrEnum):
    """What can be explained, in the order in which a text is taken for one."""

    EVENT = "event"
    LINE = "line"
    STATEMENT = "statement"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class _Found:
    """A thing that a text means: an event (and level), or what a day settled for somebody."""

    thing: Thing
    event_id: str = ""
    level: int | None = None
    day: Day = 0
    affiliate_id: str = ""
    currency: str = ""


def explain(book: Book, text: str, only: Thing | None = None) -> Explanation:
    """The explanation of what `text` means; `only` says which kind of thing is meant.

    UsageError where nothing of that name is in the book.
    """
    found, notes = _found(book, text, only), []
    if not found and text.startswith("'"):
        # Files put a quote before what a spreadsheet would take for a formula.
        found = _found(book, text[1:], only)
        notes = [f"{text[1:]!r} is meant: the quote before it is put there by files only"]
    if not found:
        raise _unknown(book, text, only)
    others = [each.thing.value for each in found[1:]]
    if others:
        notes.append(
            f"{text!r} is also the id of a {' and a '.join(others)}; for that add --as {others[0]}"
        )
    return _explained(book, found[0], notes)


def _explained(book: Book, found: _Found, notes: Sequence[str]) -> Explanation:
    if found.thing in (Thing.EVENT, Thing.LINE):
        return explain_line(book, found.event_id, found.level, notes)
    if found.thing is Thing.STATEMENT:
        return explain_statement(book, found.day, found.affiliate_id, notes)
    return explain_payout(book, found.day, found.affiliate_id, found.currency, notes)


def explain_line(
    book: Book, event_id: str, level: int | None = None, notes: Sequence[str] = ()
) -> EventSaid | AdjustmentSaid:
    """An event, or its line of a level, be it a platform's or an adjustment."""
    number = single.order_of_event(book.connection, event_id)
    if number is None:
        raise LookupError(event_id)
    adjustment = single.adjustment_of(book.connection, number)
    if adjustment is None:
        return explain_event(book, event_id, level, notes, number)
    return explain_adjustment(book, adjustment, level, notes)


def _found(book: Book, text: str, only: Thing | None) -> list[_Found]:
    """All that the text can mean, the likeliest first."""
    found = []
    if single.order_of_event(book.connection, text) is not None:
        found.append(_Found(Thing.EVENT, text))
    parts = _LINE.fullmatch(text)
    if parts and single.order_of_event(book.connection, parts[1]) is not None:
        found.append(_Found(Thing.LINE, parts[1], int(parts[2])))
    settled, meant = _SETTLED.fullmatch(text), row_meant(text)
    if settled and settled[1] == "po":
        day = _day(settled[2])
        found += _payout(book, text, day) if day is not None else []
    # Shorter than an id, it is looked up only where nothing has it as its id.
    if meant and (settled or not found):
        found += _of_statement(book, text, *meant)
    return [each for each in found if only in (None, each.thing)]


def _day(digits: str) -> Day | None:
    try:
        return day_of(date.fromisoformat(digits))
    except ValueError:
        return None


def _of_statement(book: Book, text: str, beginning: str, number: int | None) -> list[_Found]:
    """A statement, by its id or the beginning of it, or what a row of it is about."""
    whose = statements_meant(book.connection, book.plan.name, beginning)
    affiliate_id = the_one(text, whose)
    if affiliate_id is None:
        return []
    day = day_of_statement(beginning)
    statement = _Found(Thing.STATEMENT, day=day, affiliate_id=affiliate_id)
    if number is None:
        return [statement]
    settlement = Settlement.of(book.connection, day, book.store)
    row = settlement.row(affiliate_id, number)
    if row is None:
        return []
    if row["row"] == "returned":
        return _payout(book, row["payout_id"], day_of_statement(row["payout_id"]))
    if row["row"] == "paid":
        return [_Found(Thing.PAYOUT, "", None, day, affiliate_id, row["currency"])]
    if row["event_id"] is None:  # the opening, the closing
        return [statement]
    return [_Found(Thing.LINE, row["event_id"], row["level"])]


def _payout(book: Book, text: str, day: Day) -> list[_Found]:
    rows = views.payouts(book.connection, *views.between(views.PAYOUT, day, day))
    columns = (rows[name] for name in ("run_day", "affiliate_id", "currency"))
    mine = rows.filter(payout_ids(book.plan.name, *columns) == text)
    pairs = mine.select(pl.col("affiliate_id"), pl.col("currency")).iter_rows()
    return [
        _Found(Thing.PAYOUT, day=day, affiliate_id=whose, currency=code) for whose, code in pairs
    ]


def _unknown(book: Book, text: str, only: Thing | None) -> UsageError:
    """What to look at next depends on what the text looks like."""
    said = f"there is no {only or 'event, line, statement or payout'} {text!r} in this book"
    if _SETTLED.fullmatch(text) or row_meant(text):
        return UsageError(said, "`commission statements` and `commission payouts` list their ids.")
    refused = single.refused_naming(book.connection, text) if text else []
    if refused:
        return UsageError(
            f"{said}, but refused rows have it in them:\n  " + "\n  ".join(refused),
            "`commission rejects` shows them; mend and import them again.",
        )
    return UsageError(
        said, "Ids are case-sensitive. `commission lines --affiliate ID` lists lines."
    )
