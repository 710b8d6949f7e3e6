"""What a run decided, in the words of its files: its lines in processing order, with text ids.

The book's numbers become text by their place in columns that are read once, because joining
every line with four tables takes longer than deciding it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk, views
from commission_engine.book.lines import LineStore, where_kept
from commission_engine.book.schema import affiliate, currency, event, run
from commission_engine.book.views import LINES
from commission_engine.calendar import Day, Ints
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.decide.kernel import REASONS, Events, Lines
from commission_engine.problems import CommissionError

LINES_AT_ONCE = 500_000
"""Lines that are there as text at a time."""

PERIOD: dict[Any, Any] = {
    name: kind for name, kind in LINES.items() if name not in ("order_id", "order_us")
}
"""What documents say of lines; of a run's own lines only adjustments have their event_id."""


class Numbers:
    """The places of numbers among those that are known."""

    def __init__(self, known: Ints) -> None:
        known = known.astype(np.int64, copy=False)
        self._order = None if (known[1:] > known[:-1]).all() else np.argsort(known)
        self.known = known if self._order is None else known[self._order]
        low, high = (int(known[0]), int(known[-1])) if len(known) else (0, -1)
        self._first = low if self._order is None and high - low + 1 == len(known) else None

    def find(self, numbers: Ints) -> Ints:
        """The place of each, -1 where it is not known; shaped like `numbers`."""
        numbers = numbers.astype(np.int64, copy=False)
        if self._first is not None:  # without a gap, as a book's numbers are
            place = numbers - self._first
            return np.where((place >= 0) & (place < len(self.known)), place, -1)
        if not len(self.known):
            return np.full(len(numbers), -1, np.int64)
        place = np.minimum(np.searchsorted(self.known, numbers), len(self.known) - 1)
        found = self.known[place] == numbers
        return np.where(found, place if self._order is None else self._order[place], -1)


@dataclass(frozen=True, slots=True)
class Names:
    """The text ids of affiliates by their places; the codes and decimals of currencies by number
    (none has 0)."""

    affiliate: Numbers
    affiliate_id: pl.Series
    currencies: pl.DataFrame

    def numbers(self, ids: pl.Series) -> Ints:
        """The numbers of these affiliates, in no order."""
        known = pl.DataFrame({"id": self.affiliate_id, "number": self.affiliate.known})
        return known.join(pl.DataFrame({"id": ids}), on="id", how="semi")["number"].to_numpy()

    def told(self, frame: pl.DataFrame, day: Day) -> pl.DataFrame:
        """Rows of one run (affiliate, currency, ...) with run_day, affiliate_id, currency and
        decimals in place of the numbers; sorted by affiliate and currency, else as they were."""
        place = self.affiliate.find(frame["affiliate"].to_numpy())
        code = self.currencies[frame["currency"].to_numpy()]
        said = frame.drop("affiliate", "currency").with_columns(
            run_day=pl.lit(day, pl.Int64),
            affiliate_id=self.affiliate_id.gather(place),
            currency=code["code"],
            decimals=code["decimals"],
        )
        return said.sort("affiliate_id", "currency", maintain_order=True)


def names(connection: sa.Connection) -> Names:
    """Of everybody who was ever named."""
    people = bulk.frame(
        connection,
        sa.select(affiliate.c.id, affiliate.c.affiliate_id).order_by(affiliate.c.id),
        {"id": pl.Int64, "affiliate_id": pl.String},
    )
    codes = sa.select(currency.c.code, currency.c.decimals).order_by(currency.c.id)
    none = pl.DataFrame({"code": [""], "decimals": [0]})
    known = bulk.frame(connection, codes, {"code": pl.String, "decimals": pl.Int64})
    return Names(Numbers(people["id"].to_numpy()), people["affiliate_id"], pl.concat([none, known]))


def lines_of_run(connection: sa.Connection, store: LineStore, day: Day, events: Events) -> Lines:
    """The lines of a completed run as its decision had them; `events` are those of the run."""
    parts: dict[str, list[Ints]] = {name: [] for name in Lines.__slots__}
    place = Numbers(events.event)
    for frame in store.of_run(connection, day):
        narrow = frame.rename(_COLUMNS).cast(_NARROW)
        parts["row"].append(_known(place, frame["event"].to_numpy()).astype(np.int32))
        for name in Lines.__slots__[1:]:
            parts[name].append(narrow[name].to_numpy())
    if not parts["row"]:
        return Lines(*(np.zeros(0, np.int64) for _ in Lines.__slots__))
    joined = []
    for name in Lines.__slots__:
        joined.append(np.concatenate(parts[name]))
        parts[name].clear()
    lines = Lines(*joined)
    key = lines.row.astype(np.int64) * 256 + lines.level
    return lines if (key[1:] > key[:-1]).all() else lines.take(np.argsort(key))


_COLUMNS = {"gross_minor": "gross", "commission_minor": "commission"}
_NARROW: dict[Any, Any] = {
    "level": pl.Int8,
    "reason": pl.Int8,
    "terms_day": pl.Int32,
    "available_day": pl.Int32,
}


def _known(numbers: Numbers, asked: Ints) -> Ints:
    place = numbers.find(asked)
    if (place < 0).any():
        stray = int(asked[place < 0][0])
        raise CommissionError(
            f"number {stray} is named in the book, and is not there",
            "The book was changed from outside. Look at it with: commission verify",
        )
    return place


class Decided:
    """A run's lines with everything that its files say of them."""

    def __init__(
        self,
        connection: sa.Connection,
        day: Day,
        events: Events,
        texts: pl.DataFrame,
        lines: Lines,
        names: Names,
    ) -> None:
        """`texts` as `runs.Due` has them for `events`."""
        self.day = day
        self.names = names
        self._events = events
        self._lines = lines
        self._event_id = texts["event_id"]
        self._occurred_us = texts["occurred_us"]
        self._reversals = np.flatnonzero(events.event != events.order)
        self._orders = _orders(connection, events, self._event_id, self._reversals)

    def __iter__(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """All lines in processing order, in parts: the events of a part, and its lines, whose
        `row` is their event's place in it. Affiliates and currencies are their places in `names`.
        """
        rows = self._lines.row
        for start in range(0, len(rows), LINES_AT_ONCE):
            part = slice(start, min(start + LINES_AT_ONCE, len(rows)))
            first, last = int(rows[start]), int(rows[part.stop - 1])
            yield self._said_of_events(first, last + 1), self._said_of_lines(part, first)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def beneficiary(self) -> Ints:
        """The number of each line's beneficiary."""
        return self._lines.beneficiary

    def said(self, rows: Ints) -> pl.DataFrame:
        """The lines at these rows, shaped PERIOD."""
        lines = self._lines.take(rows)
        events = self._events.take(lines.row)
        people, currencies = self.names.affiliate_id, self.names.currencies[events.currency]
        return pl.DataFrame(
            {
                "run_day": np.full(len(rows), self.day, np.int64),
                "event_id": self._of_adjustments(lines),
                "occurred_us": self._occurred_us.gather(lines.row),
                "earner_id": people.gather(self._people(events.earner)),
                "level": lines.level,
                "beneficiary_id": people.gather(self._people(lines.beneficiary)),
                "currency": currencies["code"],
                "decimals": currencies["decimals"],
                "base_minor": events.amount,
                "gross_minor": lines.gross,
                "commission_minor": lines.commission,
                "reason": _REASONS.gather(lines.reason),
                "available_day": lines.available_day,
                "terms_day": lines.terms_day,
                "is_reversal": events.event != events.order,
            }
        ).cast(PERIOD)

    def _of_adjustments(self, lines: Lines) -> pl.Series:
        """The event_id of each of these lines that is an adjustment, else null."""
        ids = pl.Series([None], dtype=pl.String).new_from_index(0, len(lines))
        adjusted = np.flatnonzero(lines.terms_day == NO_TERMS)
        if not len(adjusted):
            return ids
        return ids.scatter(adjusted, self._event_id.gather(lines.row[adjusted]))

    def _said_of_events(self, first: int, end: int) -> pl.DataFrame:
        events = self._events
        event_id = self._event_id[first:end]
        low, high = np.searchsorted(self._reversals, [first, end])
        which = np.arange(end - first)
        which[self._reversals[low:high] - first] = np.arange(high - low) + (end - first)
        return pl.DataFrame(
            {
                "event_id": event_id,
                "order_id": pl.concat([event_id, self._orders[low:high]]).gather(which),
                "occurred_us": self._occurred_us[first:end],
                "earner": self._people(events.earner[first:end]),
                "currency": events.currency[first:end],
                "base_minor": events.amount[first:end],
            }
        )

    def _said_of_lines(self, part: slice, first: int) -> pl.DataFrame:
        lines = self._lines
        return pl.DataFrame(
            {
                "row": lines.row[part].astype(np.int64) - first,
                "level": lines.level[part],
                "beneficiary": self._people(lines.beneficiary[part]),
                "gross_minor": lines.gross[part],
                "commission_minor": lines.commission[part],
                "reason": lines.reason[part],
                "terms_day": lines.terms_day[part],
                "available_day": lines.available_day[part],
            }
        )

    def _people(self, numbers: Ints) -> Ints:
        return _known(self.names.affiliate, numbers)


class Period:
    """The lines that a statement is about, by whom they pay: of a run that settles, and of those
    since the settlement before it."""

    def __init__(
        self,
        connection: sa.Connection,
        decided: Decided,
        settled: Day | None,
        kept_in: str | None,
    ) -> None:
        """`settled` is the date of the settlement before, `kept_in` as for `where_kept`."""
        self._connection = connection
        self._decided = decided
        self._first = None if settled is None else settled + 1
        self._kept_in = kept_in

    def lines(self, ids: pl.Series) -> pl.DataFrame:
        """The lines of these beneficiaries, for each in processing order; shaped PERIOD."""
        own = self._decided.said(self._rows(self._decided.names.numbers(ids)))
        if not self._has_earlier_runs:
            return own
        last = self._decided.day - 1
        store = where_kept(self._connection, self._kept_in)
        earlier = views.lines_of(self._connection, ids, self._first, last, store)
        return pl.concat([earlier.select(list(PERIOD)), own])

    @cached_property
    def _has_earlier_runs(self) -> bool:
        query = sa.select(sa.func.count()).select_from(run).where(run.c.day < self._decided.day)
        if self._first is not None:
            query = query.where(run.c.day >= self._first)
        return bool(self._connection.execute(query).scalar_one())

    def _rows(self, numbers: Ints) -> Ints:
        firsts = np.searchsorted(self._beneficiary, numbers, side="left")
        counts = np.searchsorted(self._beneficiary, numbers, side="right") - firsts
        ends = np.cumsum(counts)
        within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
        rows: Ints = self._order[np.repeat(firsts, counts) + within]
        return rows

    @cached_property
    def _order(self) -> Ints:
        """The run's lines brought together by beneficiary."""
        return np.argsort(self._decided.beneficiary, kind="stable")

    @cached_property
    def _beneficiary(self) -> Ints:
        return self._decided.beneficiary[self._order]


_REASONS = pl.Series([str(reason) for reason in REASONS])


def _orders(
    connection: sa.Connection, events: Events, event_id: pl.Series, reversals: Ints
) -> pl.Series:
    """The ids of the orders that these events reverse, whether this run has them or not."""
    asked = events.order[reversals]
    place = Numbers(events.event).find(asked)
    here = place >= 0
    older = pl.DataFrame(schema={"id": pl.Int64, "event_id": pl.String})
    if not here.all():
        with bulk.listed(connection, pl.Series(asked[~here].astype(np.int64))) as numbers:
            query = sa.select(event.c.id, event.c.event_id).join_from(
                numbers, event, event.c.id == numbers.c.value
            )
            older = bulk.frame(connection, query, older.schema)
    among = _known(Numbers(older["id"].to_numpy()), asked[~here].astype(np.int64))
    place = place.copy()
    place[~here] = among + len(event_id)
    return pl.concat([event_id, older["event_id"]]).gather(place)
