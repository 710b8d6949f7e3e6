"""The facts of one order: its events as runs processed them, and who was ever above its earner."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from commission_engine.book import facts, runs, single
from commission_engine.book.connect import Connection
from commission_engine.book.corrections import TrueUp, true_ups
from commission_engine.book.lines import LineStore
from commission_engine.calendar import Day, Instant, Zone
from commission_engine.plan.terms import Plan
from commission_engine.problems import OutOfBalance, UsageError

ALL = 2**62
"""An intake after every other: everything is known."""


@dataclass(frozen=True)
class Book:
    """One view of a book, and what every explanation needs of it."""

    connection: Connection
    store: LineStore
    completed: Sequence[runs.Run]
    plan: Plan
    """The plan that was applied last."""

    @classmethod
    def at(cls, connection: Connection, store: LineStore) -> "Book":
        """UsageError where there is no plan yet."""
        plan = facts.current_plan(connection)
        if plan is None:
            raise UsageError(
                "the book has no plan yet", "Apply one: commission plan apply plan.toml"
            )
        return cls(connection, store, completed_of(connection), plan)

    @cached_property
    def zone(self) -> Zone:
        return Zone(self.plan.timezone)

    @cached_property
    def true_ups(self) -> Sequence[TrueUp]:
        return true_ups(self.connection, ALL)

    @cached_property
    def _plans(self) -> dict[int, Plan]:
        return {}

    def plan_of(self, version: int) -> Plan:
        if version not in self._plans:
            self._plans[version] = facts.plan_of(self.connection, version)
        return self._plans[version]

    @property
    def last_day(self) -> Day | None:
        return self.completed[-1].day if self.completed else None

    def run_of(self, place: int) -> runs.Run | None:
        return self.completed[place] if place < len(self.completed) else None

    def events(self, roots: pl.Series) -> pl.DataFrame:
        """All events of these orders, in processing order, those that wait last.

        Shaped single.EVENTS with root_day, due_day, and `place`: that of the run that processed
        the event in `completed`, `len(completed)` where none did.
        """
        found = single.events_of_orders(self.connection, roots)
        own, root = (self.zone.local_days(found[n].to_numpy()) for n in ("occurred_us", "root_us"))
        placed = found.with_columns(
            root_day=pl.Series(root, dtype=pl.Int64),
            due_day=pl.max_horizontal(pl.Series(own), pl.Series(root)).cast(pl.Int64),
            back=pl.col("event") != pl.col("order"),
        )
        decided = runs.decided_by(
            self.completed, placed["event"].to_numpy(), placed["due_day"].to_numpy()
        )
        return placed.with_columns(place=pl.Series(decided, dtype=pl.Int64)).sort(
            "place", "occurred_us", "back", "event_id"
        )

    def known_to(self, place: int) -> int:
        """The last intake that the run at a place knew; ALL where there is no such run."""
        done = self.run_of(place)
        return done.intake if done else ALL


def completed_of(connection: Connection) -> Sequence[runs.Run]:
    """Every completed run, by date; OutOfBalance where their rows make no sense."""
    try:
        return runs.completed(connection)
    except (LookupError, TypeError, ValueError) as why:
        raise OutOfBalance(
            f"the book's rows of its runs make no sense: {why}",
            "Run nothing more. Look at `commission verify`, and compare with the last backup.",
        ) from why


@dataclass(frozen=True)
class OrderFacts:
    """An order. `events` as `Book.events` gives them."""

    book: Book
    events: pl.DataFrame

    @classmethod
    def of(cls, book: Book, root: int) -> "OrderFacts":
        return cls(book, book.events(pl.Series([root], dtype=pl.Int64)))

    @cached_property
    def root(self) -> dict[str, Any]:
        return self.events.row(by_predicate=pl.col("event") == pl.col("order"), named=True)

    @cached_property
    def root_place(self) -> int:
        return int(self.events.filter(pl.col("event") == pl.col("order"))["place"].item())

    @property
    def day(self) -> Day:
        return int(self.events["root_day"][0])

    @property
    def instant(self) -> Instant:
        return int(self.events["root_us"][0])

    @property
    def known(self) -> int:
        """The last intake that counts for standings: that of the root's run."""
        return self.book.known_to(self.root_place)

    def event(self, event_id: str) -> dict[str, Any]:
        return self.events.row(by_predicate=pl.col("event_id") == event_id, named=True)

    def ever_above(self, deepest: int) -> dict[int, str]:
        """The earner and everybody who was ever so near above him, by number: whom lines can
        name, also where the tree was changed behind the program's back."""
        first = self.events.row(0, named=True)
        found = {int(first["earner"]): str(first["earner_id"])}
        fresh = list(found)
        for _ in range(deepest):
            edges = [single.referrers_of(self.book.connection, number) for number in fresh]
            named = {
                number: name
                for each in edges
                for number, name in each.select("referrer", "referrer_id").iter_rows()
                if name is not None and number not in found
            }
            found |= named
            fresh = list(named)
        return found
