"""How a line came about: the plain reference works it out, with all that its caps had counted.

What a cap has counted is nowhere stored line by line, so it is worked out again, from the events
of those lines of the same beneficiary that came before. Which lines those are the book says.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from commission_engine.book import single
from commission_engine.book.caps import WINDOWS
from commission_engine.book.corrections import TrueUp
from commission_engine.book.lines import Question
from commission_engine.calendar import Day, Window, date_of, day_of, window_starts
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.decide.kernel import REASONS, SPANNING
from commission_engine.decide.reference import (
    Event,
    Line,
    Order,
    Share,
    Totals,
    Working,
    line_of,
)
from commission_engine.explain.history import Book, OrderFacts, Row, processed
from commission_engine.explain.paid import Below, Levels
from commission_engine.explain.past import Past
from commission_engine.money import plain
from commission_engine.plan.terms import Cap, Level, Terms

NAMED = 3
"""So many of the lines that used a cap are named."""

Span = tuple[Day | None, Day | None]
"""Local days of orders, both included; None: without a bound."""


@dataclass(slots=True)
class Counted:
    """What came before a line under one key: how many lines, and the last few with what they
    brought, in minor units; and by how much true-ups moved it."""

    lines: int = 0
    last: list[tuple[str, int]] = field(default_factory=list)
    moved: list[tuple[TrueUp, int]] = field(default_factory=list)

    def add(self, line_id: str, amount: int) -> None:
        self.lines += 1
        self.last = [*self.last[1 - NAMED :], (line_id, amount)]


@dataclass(frozen=True, slots=True)
class Worked:
    """A line as the reference has it. `working` is None for a closed account; `counted` has, step
    by step, what came before. `doubts` are earlier lines that the book has differently."""

    line: Line
    working: Working | None
    counted: tuple[Counted, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which line is worked out: an event of `Book.events`, and what decided it."""

    past: Past
    terms: Terms
    level: Level
    event: Mapping[str, Any]
    order: OrderFacts
    beneficiary: int
    beneficiary_id: str

    @property
    def book(self) -> Book:
        return self.past.book

    def closed(self, place: int) -> bool:
        """Whether the beneficiary's account was closed for orders of the run at this place."""
        known, closed = self.book.known_to(place), False
        for each in self.book.standings_of(self.beneficiary):
            closed = each.status == "closed" if each.intake <= known else closed
        return closed

    @property
    def decimals(self) -> int:
        return int(self.event["decimals"])

    @property
    def root_place(self) -> int:
        return self.order.root_place


def work_out(asked: Asked) -> Worked:
    """The line of the event at the level, and what its caps had counted before it."""
    # A closed account's lines are counted by no cap.
    span = None if asked.closed(asked.root_place) else _span(asked)
    stored = _stored(asked, span) if span else []
    below = None
    if asked.past.anew and span:
        versions = asked.past.terms_from(asked.terms.starts, int(asked.event["place"]))
        deepest = max(level.level for each in versions for level in each.levels)
        below = Below(asked.past, asked.beneficiary, deepest)
    return _History(asked, span, stored, _events(asked, stored, span, below), below).worked()


class _History:
    """The lines of one beneficiary, one after the other, up to the one that is asked for."""

    def __init__(
        self,
        asked: Asked,
        span: Span | None,
        stored: Sequence[Row],
        events: Sequence[Row],
        below: Below | None,
    ) -> None:
        self._asked, self._span = asked, span
        self._stored = {(row["event"], row["level"]): row for row in stored}
        self._events = _up_to(asked, events)
        self._levels = Levels(asked.past, stored, events, below)
        self._levels.is_of(asked.event, asked.level.level)
        places = self._levels.places
        self._closed = {place: asked.closed(place) for place in set(places.values())}
        self._totals = Totals(int)
        self._counted: dict[tuple[object, ...], Counted] = defaultdict(Counted)
        self._shifts = _shifts(asked, span)
        self._base: dict[int, int] = defaultdict(int)
        self._doubts: list[str] = []

    def worked(self) -> Worked:
        for row in self._events:
            done = self._next(row)
            if row["event"] == self._asked.event["event"] and done:
                line, working = done
                steps = working.steps if working else ()
                counted = tuple(self._counted[step.key] for step in steps)
                return Worked(line, working, counted, tuple(self._doubts))
            if done:
                self._count(row, *done)
        raise LookupError(f"event {self._asked.event['event_id']} is not among those of its order")

    def _next(self, row: Mapping[str, Any]) -> tuple[Line, Working | None] | None:
        """The line of the next event; None where it does not pay the beneficiary."""
        asked, number = self._asked, row["order"]
        self._shift(asked.book.known_to(row["place"]))
        before = self._base[number]
        self._base[number] += row["amount_minor"]
        terms = asked.past.terms(row["place"], row["root_day"])
        wanted = self._levels.of(row)
        paying = [each for each in terms.levels if each.level == wanted] if terms else []
        if terms is None or not paying:
            return None
        (level,) = paying
        # Who was paid for the order's earlier events can be somebody else; its total goes on.
        self._totals[row["order_id"], level.level] = before
        share = Share(level, asked.beneficiary_id, self._closed[self._levels.places[number]])
        order = Order(row["order_id"], row["code"], row["root_day"], terms, (share,))
        plan = asked.past.plan(row["place"])
        return line_of(plan, _event(row), order, share, self._totals)

    def _count(self, row: Mapping[str, Any], line: Line, working: Working | None) -> None:
        for step in working.steps if working else ():
            self._counted[step.key].add(f"{line.event_id}.{line.level}", step.value)
        terms = self._asked.past.terms(row["place"], row["root_day"])
        if self._asked.past.anew or terms is None:
            return  # what the book has is not yet what a true-up makes of it
        (level,) = (each for each in terms.levels if each.level == line.level)
        if _whole(terms, level, row, self._span):
            stored = self._stored.get((row["event"], line.level))
            self._doubts += _doubt(self._asked, line, stored)

    def _shift(self, known: int) -> None:
        """Move the totals by all that true-ups up to intake `known` have moved."""
        while self._shifts and self._shifts[0][0].intake <= known:
            up, key, minor = self._shifts.pop(0)
            self._totals[key] += minor
            self._counted[key].moved.append((up, minor))


def _shifts(asked: Asked, span: Span | None) -> list[tuple[TrueUp, tuple[object, ...], int]]:
    """What true-ups have moved of the beneficiary's totals, in order, with the reference's keys."""
    if span is None or asked.past.anew:
        return []
    book = asked.book
    found: list[tuple[TrueUp, tuple[object, ...], int]] = []
    ups = {each.intake: each for each in book.true_ups}
    rows = single.shifts_of(
        book.connection, asked.beneficiary, int(asked.event["currency"]), asked.terms.starts
    )
    for intake, level, window, start, minor in rows:
        begins: date | str = date.min
        if WINDOWS[window] is Window.ORDER:
            begins = single.event_id_of(book.connection, start)
        elif WINDOWS[window] is not Window.LIFETIME:
            begins = date_of(start)
        over = "all levels" if level == SPANNING else level
        whose = (asked.terms.starts, asked.beneficiary_id, asked.event["code"])
        found.append((ups[intake], (*whose, over, WINDOWS[window], begins), minor))
    return found


# -- which lines came before


def _caps(level: Level, code: str) -> list[Cap]:
    """The window caps of a level that name a currency."""
    return [cap for cap in level.caps if cap.window is not Window.ORDER and code in cap.limit]


def _span(asked: Asked) -> Span | None:
    """The days of the orders whose lines count for this one; None where no window counts.

    What goes into a cap is what those before it left, so the windows of an earlier cap have to be
    whole for every line in the windows of a later one. Where a corrected plan has other caps, all
    lines count.
    """
    code = asked.event["code"]
    over_all = [cap for cap in asked.terms.caps if code in cap.limit]
    levels = asked.terms.levels if over_all else (asked.level,)
    chains = [_caps(level, code) for level in levels]
    if not over_all and not chains[0]:
        return None
    if len(asked.past.terms_from(asked.terms.starts, int(asked.event["place"]))) > 1:
        return (None, None)
    day = int(asked.event["root_day"])
    middle: Span = (day, day)
    for cap in reversed(over_all):
        middle = _widened(cap.window, middle)
    spans = [middle]
    for chain in chains:
        span = middle
        for cap in reversed(chain):
            span = _widened(cap.window, span)
        spans.append(span)
    firsts, lasts = [span[0] for span in spans], [span[1] for span in spans]
    return (
        None if None in firsts else min(day for day in firsts if day is not None),
        None if None in lasts else max(day for day in lasts if day is not None),
    )


def _widened(window: Window, span: Span) -> Span:
    """The span and all of the windows that its first and last day lie in."""
    if window is Window.LIFETIME:
        return (None, None)
    first, last = span
    return (
        None if first is None else _bounds(window, first)[0],
        None if last is None else _bounds(window, last)[1],
    )


@lru_cache(maxsize=1_000)  # asked for each of an affiliate's lines, which can be very many
def _bounds(window: Window, day: Day) -> tuple[Day, Day]:
    """The first and the last day of a day's window."""
    if window in (Window.ORDER, Window.DAY):
        return day, day
    start = int(window_starts(window, np.array([day]), np.array([0]))[0])
    if window is Window.WEEK:
        return start, start + 6
    length = {Window.MONTH: 1, Window.QUARTER: 3, Window.YEAR: 12}[window]
    first = date_of(start)
    months = first.year * 12 + first.month - 1 + length
    if months >= 12 * 10_000:  # beyond the last year that a date can have
        return start, start + 366
    ends = first.replace(year=months // 12, month=months % 12 + 1) - timedelta(days=1)
    return start, day_of(ends)


def _stored(asked: Asked, span: Span) -> list[Row]:
    """The beneficiary's lines that may count, each as lines.NARROW has it, with `order`."""
    past, event = asked.past, asked.event
    done = asked.book.run_of(int(event["place"]))
    versions = past.terms_from(asked.terms.starts, int(event["place"]))
    spanning = any(event["code"] in cap.limit for each in versions for cap in each.caps)
    narrow = asked.book.store.of(
        asked.book.connection,
        Question(
            beneficiaries=pl.Series([asked.beneficiary], dtype=pl.Int64),
            first_day=span[0],  # no run before an order's day can have decided it
            last_day=done.day if done else None,
            level=None if spanning or past.anew else asked.level.level,
        ),
    )
    orders = single.orders_of(asked.book.connection, narrow["event"])
    return [
        {**row, "order": orders[row["event"]]}
        for row in narrow.iter_rows(named=True)
        if (row["terms_day"] != NO_TERMS if past.anew else row["terms_day"] == asked.terms.starts)
        and row["event"] in orders
    ]


def _events(
    asked: Asked, stored: Sequence[Row], span: Span | None, below: Below | None
) -> Sequence[Row]:
    """The events of the orders of these lines and of the order itself, in processing order."""
    if span is None:
        return asked.order.events
    numbers = {row["order"] for row in stored}
    if below:
        numbers |= set(below.orders(int(asked.event["place"])))
    numbers.discard(asked.event["order"])
    if not numbers:
        return asked.order.events
    low, high = span
    found = [
        row
        for row in asked.book.events(sorted(numbers))
        if row["code"] == asked.event["code"]
        and (low is None or row["root_day"] >= low)
        and (high is None or row["root_day"] <= high)
    ]
    return sorted([*asked.order.events, *found], key=processed)


def _up_to(asked: Asked, events: Sequence[Row]) -> Sequence[Row]:
    """Those that were processed before the event, and the event."""
    found = [place for place, row in enumerate(events) if row["event"] == asked.event["event"]]
    return events[: found[0] + 1] if found else []


def _event(row: Mapping[str, Any]) -> Event:
    return Event(
        event_id=row["event_id"],
        affiliate_id=row["earner_id"],
        occurred_us=row["occurred_us"],
        amount=row["amount_minor"],
        currency=row["code"],
        reverses=row["order_id"] if row["back"] else None,
    )


# -- whether the book has them so


def _whole(terms: Terms, level: Level, row: Mapping[str, Any], span: Span | None) -> bool:
    """Whether all windows of an order's lines are known whole, so that they can be compared."""
    if span is None:
        return False
    day, code = int(row["root_day"]), row["code"]
    for cap in (*_caps(level, code), *terms.caps):
        if code not in cap.limit or cap.window is Window.ORDER:
            continue
        if cap.window is Window.LIFETIME:
            bounds: Span = (None, None)
        else:
            bounds = _bounds(cap.window, day)
        first, last = bounds
        if span[0] is not None and (first is None or first < span[0]):
            return False
        if span[1] is not None and (last is None or last > span[1]):
            return False
    return True


def _doubt(asked: Asked, line: Line, stored: Mapping[str, Any] | None) -> Iterator[str]:
    """What an earlier line of the same beneficiary has that the calculation has not."""
    name = f"line {line.event_id}.{line.level}, which came before"
    if stored is None:
        yield f"{name}: is not in the book, and should be"
        return
    yield from (f"{name}: {each}" for each in unlike(line, stored, asked.decimals))


def unlike(line: Line, stored: Mapping[str, Any], decimals: int) -> Sequence[str]:
    """In what the stored line (NARROW) differs from the one worked out, the beneficiary aside."""
    pairs = (
        ("gross", plain(stored["gross_minor"], decimals), plain(line.gross, decimals)),
        ("commission", plain(stored["commission_minor"], decimals),
         plain(line.commission, decimals)),
        ("reason", _reason(stored["reason"]), line.reason),
        ("terms from", _terms_from(stored["terms_day"]), str(date_of(line.terms_day))),
        ("available on", str(date_of(stored["available_day"])), str(date_of(line.available_day))),
    )  # fmt: skip
    return [
        f"the book says {name} {said or 'none'}, the calculation {worked or 'none'}"
        for name, said, worked in pairs
        if said != worked
    ]


def _terms_from(day: Day) -> str:
    return "" if day == NO_TERMS else str(date_of(day))


def _reason(place: int) -> str:
    return str(REASONS[place]) if 0 <= place < len(REASONS) else f"number {place}"
