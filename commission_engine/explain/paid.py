"""At which level events pay an affiliate: as the book's lines have it, or as a true-up has it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import polars as pl

from commission_engine.book import single
from commission_engine.calendar import Instant
from commission_engine.explain.history import Row
from commission_engine.explain.past import Past


class Levels:
    """The levels at which the events of several orders pay one affiliate.

    In an order there is one as long as one tree holds for it, for trees have no loops: what the
    book has for one of its events holds for the others too.
    """

    def __init__(
        self, past: Past, stored: Sequence[Row], events: Sequence[Row], below: "Below | None"
    ) -> None:
        """`stored` are the affiliate's lines (event, order, level), `events` those of their orders;
        `below` is needed where a true-up computes them anew."""
        self._past, self._below = past, below
        place = {row["event"]: row["place"] for row in events}
        self.places: Mapping[int, int] = {
            row["order"]: row["place"] for row in events if not row["back"]
        }
        self._found = {
            (row["order"], self._tree(row["order"], place[row["event"]])): int(row["level"])
            for row in stored
            if row["event"] in place
        }

    def of(self, row: Mapping[str, Any]) -> int | None:
        """Of an event of `Book.events`; None: it pays the affiliate nothing."""
        known = self._tree(row["order"], row["place"])
        if self._below and self._past.true_up(self.places[row["order"]], row["place"]):
            return self._below.level(row["earner"], row["root_us"], known)
        return self._found.get((row["order"], known))

    def is_of(self, row: Mapping[str, Any], level: int) -> None:
        """The tree has this event's order, as it is decided with it, at this level."""
        self._found[row["order"], self._tree(row["order"], row["place"])] = level

    def _tree(self, order: int, place: int) -> int:
        return self._past.tree_known(self.places[order], place)


class Below:
    """Everybody who was ever below an affiliate, up to level `deepest`."""

    def __init__(self, past: Past, affiliate: int, deepest: int) -> None:
        self._past, self._affiliate, self._deepest = past, affiliate, deepest

    @cached_property
    def _edges(self) -> dict[int, list[tuple[Instant, int, int]]]:
        """By affiliate the instants, referrers and intakes of the edges upwards."""
        connection = self._past.book.connection
        found: dict[int, list[tuple[Instant, int, int]]] = defaultdict(list)
        rows = single.edges_below(connection, self._affiliate, self._deepest)
        for whose, since, referrer, intake in rows.iter_rows():
            found[whose].append((since, referrer, intake))
        return found

    def orders(self, place: int) -> pl.Series:
        """Their orders that the runs up to the one at a place had, from the first that a true-up
        computes anew."""
        book = self._past.book
        anew = [each for each in range(place + 1) if self._past.true_up(each, each)]
        last = book.run_of(place)
        if not anew or last is None:
            return pl.Series([], dtype=pl.Int64)
        first = 1
        if anew[0]:
            before = book.completed[anew[0] - 1]
            first = before.waiting_from if before.waiting_from >= 0 else before.event + 1
        people = pl.Series(sorted({self._affiliate, *self._edges}), dtype=pl.Int64)
        return single.orders_by(book.connection, people, first, last.event)

    def level(self, earner: int, instant: Instant, known: int) -> int | None:
        """How far above an earner the affiliate stood at an instant, as intake `known` knew."""
        at = earner
        for level in range(self._deepest + 1):
            if at == self._affiliate:
                return level
            begun = [
                (since, referrer)
                for since, referrer, intake in self._edges.get(at, ())
                if since <= instant and intake <= known
            ]
            if not begun:
                return None
            at = max(begun)[1]
        return None
