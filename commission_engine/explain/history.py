"""The facts of one order: its events as runs processed them, and who stood above its earner."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from commission_engine.book import facts, runs, single
from commission_engine.book.connect import Connection
from commission_engine.book.lines import LineStore
from commission_engine.calendar import BEGINNING, Day, Instant, Zone, date_of, iso_instant
from commission_engine.decide import reference
from commission_engine.explain.said import Missing, Referrer
from commission_engine.plan.terms import Plan, Terms
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
        """The last intake that counts for tree and standings: that of the root's run."""
        return self.book.known_to(self.root_place)

    def event(self, event_id: str) -> dict[str, Any]:
        return self.events.row(by_predicate=pl.col("event_id") == event_id, named=True)

    def plan(self, place: int) -> Plan:
        """The plan of the run at a place; for what no run has processed the latest."""
        done = self.book.run_of(place)
        return facts.plan_of(self.book.connection, done.plan_version) if done else self.book.plan

    def terms(self, place: int) -> Terms | None:
        return self.plan(place).terms_on(self.day)

    def ancestry(self, deepest: int) -> "Ancestry":
        """The earner and those above him, up to level `deepest`."""
        return _ancestry(self, deepest)

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


@dataclass(frozen=True, slots=True)
class Ancestry:
    """`numbers` and `ids` by level, the earner first; `top` says why there is nobody above."""

    numbers: tuple[int, ...]
    ids: tuple[str, ...]
    referrers: tuple[Referrer, ...]
    top: Missing | None


def _ancestry(order: OrderFacts, deepest: int) -> Ancestry:
    first = order.events.row(0, named=True)
    numbers, ids = [int(first["earner"])], [str(first["earner_id"])]
    referrers: list[Referrer] = []
    while len(ids) <= deepest:
        edges = single.referrers_of(order.book.connection, numbers[-1])
        holds = _holding(ids[-1], edges, order.instant, order.known)
        if holds is None or holds["referrer_id"] is None:
            top = _nobody(order, ids[-1], len(ids) - 1, edges)
            return Ancestry(tuple(numbers), tuple(ids), tuple(referrers), top)
        referrers.append(_referrer(order, ids[-1], len(ids), edges, holds))
        numbers.append(int(holds["referrer"]))
        ids.append(str(holds["referrer_id"]))
    return Ancestry(tuple(numbers), tuple(ids), tuple(referrers), None)


def _holding(
    whose: str, edges: pl.DataFrame, instant: Instant, known: int
) -> dict[str, Any] | None:
    """The edge that holds at an instant, as the plain reference finds it; None: none does."""
    knew = edges.filter(pl.col("intake") <= known)
    told = [
        reference.Edge(whose, row["referrer_id"], row["since_us"])
        for row in knew.iter_rows(named=True)
    ]
    begun = reference.edge_at(whose, instant, told)
    if begun is None:
        return None
    return knew.row(by_predicate=pl.col("since_us") == begun.since_us, named=True)


def _referrer(
    order: OrderFacts, whose: str, level: int, edges: pl.DataFrame, holds: dict[str, Any]
) -> Referrer:
    now = _holding(whose, edges, order.instant, ALL)
    later = ""
    if now is not None and now["since_us"] != holds["since_us"]:
        then = f"{now['referrer_id']} referred {whose}" if now["referrer_id"] else (
            f"nobody referred {whose}"
        )  # fmt: skip
        later = (
            f"learned on {now['learned_at']}, after this order was decided: {then}"
            f"{_since(now['since_us'])}"
        )
    return Referrer(
        level=level,
        affiliate_id=whose,
        referrer_id=str(holds["referrer_id"]),
        since=iso_instant(int(holds["since_us"])),
        known_since=str(holds["learned_at"]),
        learned_by=str(holds["kind"]),
        reason=str(holds["reason"] or ""),
        later=later,
    )


def _nobody(order: OrderFacts, whose: str, level: int, edges: pl.DataFrame) -> Missing:
    """Why nobody stood above `whose`, who is at `level`, as far as was known."""
    at = iso_instant(order.instant)
    nobody = f"nobody had referred {whose} (level {level}) at {at}"
    late = _holding(whose, edges, order.instant, ALL)
    if late is not None and int(late["intake"]) > order.known and late["referrer_id"]:
        done = order.book.run_of(order.root_place)
        run = f"the run of {date_of(done.day)}" if done else "the last run"
        return Missing(
            "known_too_late",
            f"{nobody} as far as {run} knew, which decided the order: that {late['referrer_id']}"
            f" referred {whose}{_since(late['since_us'])} was learned only on {late['learned_at']}",
        )
    known = edges.filter(pl.col("intake") <= order.known)
    ended = _holding(whose, edges, order.instant, order.known)
    if ended is not None:
        why = f' ("{ended["reason"]}")' if ended["reason"] else ""
        return Missing(
            "no_referrer_any_more",
            f"{nobody}: the referral had ended{_since(ended['since_us'])}{why},"
            f" known since {ended['learned_at']}",
        )
    for row in known.iter_rows(named=True):
        if row["referrer_id"] is not None:
            return Missing(
                "referred_later",
                f"{nobody}: {row['referrer_id']} refers {whose} only"
                f"{_since(row['since_us'])}, which is later",
            )
    return Missing("no_referrer", f"{nobody}, and the book names no referrer of {whose}")


def _since(instant: Instant) -> str:
    return "" if instant == BEGINNING else f" since {iso_instant(instant)}"
