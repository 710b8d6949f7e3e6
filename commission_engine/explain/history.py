"""The facts of one order: its events as runs processed them, and who was ever above its earner."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from commission_engine.book import facts, runs, single
from commission_engine.book.connect import Connection
from commission_engine.book.corrections import TrueUp, true_ups
from commission_engine.book.lines import LineStore
from commission_engine.book.single import Edge, Status
from commission_engine.calendar import Day, Instant, Zone
from commission_engine.plan.terms import Plan
from commission_engine.problems import OutOfBalance, UsageError

ALL = 2**62
"""An intake after every other: everything is known."""

Row: TypeAlias = dict[str, Any]
"""What is known of an event, by name."""


@dataclass(frozen=True)
class Book:
    """One view of a book, and what every explanation needs of it."""

    connection: Connection
    store: LineStore
    completed: Sequence[runs.Run]
    plan: Plan
    """The plan that was applied last."""
    plans: dict[int, Plan] = field(default_factory=dict)
    """Those that were read already, by version."""

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

    def plan_of(self, version: int) -> Plan:
        if version not in self.plans:
            self.plans[version] = facts.plan_of(self.connection, version)
        return self.plans[version]

    @property
    def last_day(self) -> Day | None:
        return self.completed[-1].day if self.completed else None

    @cached_property
    def _edges(self) -> dict[int, Sequence[Edge]]:
        return {}

    def edges_of(self, whose: int) -> Sequence[Edge]:
        """As `single.referrers_of`, asked once."""
        if whose not in self._edges:
            self._edges[whose] = single.referrers_of(self.connection, whose)
        return self._edges[whose]

    @cached_property
    def _standings(self) -> dict[int, Sequence[Status]]:
        return {}

    def standings_of(self, whose: int) -> Sequence[Status]:
        """As `single.statuses_of`, asked once."""
        if whose not in self._standings:
            self._standings[whose] = single.statuses_of(self.connection, whose)
        return self._standings[whose]

    def run_of(self, place: int) -> runs.Run | None:
        return self.completed[place] if place < len(self.completed) else None

    def events(self, roots: Iterable[int]) -> list[Row]:
        """All events of these orders, in processing order, those that wait last.

        Each as `single.EVENTS` has it, with root_day, due_day, `back` (it is not the order's
        first), and `place`: that of the run that processed the event in `completed`,
        `len(completed)` where none did.
        """
        found = single.events_of_orders(self.connection, pl.Series(roots, dtype=pl.Int64))
        own, root = (
            self.zone.local_days(np.array([row[name] for row in found], np.int64))
            for name in ("occurred_us", "root_us")
        )
        due = np.maximum(own, root)
        numbers = np.array([row["event"] for row in found], np.int64)
        places = runs.decided_by(self.completed, numbers, due)
        days = zip(root.tolist(), due.tolist(), places.tolist(), strict=True)
        for row, (root_day, due_day, place) in zip(found, days, strict=True):
            back = row["event"] != row["order"]
            row.update(root_day=root_day, due_day=due_day, back=back, place=place)
        return sorted(found, key=processed)

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


def processed(row: Row) -> tuple[int, int, bool, str]:
    """By what the events of `Book.events` stand in processing order."""
    return row["place"], row["occurred_us"], row["back"], row["event_id"]


@dataclass(frozen=True)
class OrderFacts:
    """An order. `events` as `Book.events` gives them."""

    book: Book
    events: Sequence[Row]

    @classmethod
    def of(cls, book: Book, root: int) -> "OrderFacts":
        return cls(book, book.events([root]))

    @cached_property
    def root_place(self) -> int:
        return next(int(row["place"]) for row in self.events if not row["back"])

    @property
    def day(self) -> Day:
        return int(self.events[0]["root_day"])

    @property
    def instant(self) -> Instant:
        return int(self.events[0]["root_us"])

    @property
    def known(self) -> int:
        """The last intake that counts for standings: that of the root's run."""
        return self.book.known_to(self.root_place)

    def event(self, event_id: str) -> dict[str, Any]:
        return next(row for row in self.events if row["event_id"] == event_id)

    def ever_above(self, deepest: int) -> dict[int, str]:
        """The earner and everybody who was ever so near above him, by number: whom lines can
        name, also where the tree was changed behind the program's back."""
        first = self.events[0]
        found = {int(first["earner"]): str(first["earner_id"])}
        fresh = list(found)
        for _ in range(deepest):
            named = {
                each.referrer: each.referrer_id
                for number in fresh
                for each in self.book.edges_of(number)
                if each.referrer is not None
                and each.referrer_id is not None
                and each.referrer not in found
            }
            found |= named
            fresh = list(named)
        return found
