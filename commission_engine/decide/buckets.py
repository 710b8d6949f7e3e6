"""The calculation for more lines than memory holds: first by order, then by beneficiary.

Rounding and the order's cap look at one order, the caps of windows at one beneficiary. So events
are taken in parts, in processing order; what they pay is spread over buckets, each with all lines
of some beneficiaries; and each bucket is capped by itself. Neither the size of a part, nor of a
bucket, nor the number of workers changes a line, and a bucket's lines are the same bytes whoever
makes them: `spark.py` spreads over a cluster what `decided` does here on threads.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from commission_engine.calendar import Ints, Window
from commission_engine.decide.groups import stable_order
from commission_engine.decide.kernel import (
    ROWS_AT_ONCE,
    Advance,
    Events,
    Lines,
    Used,
    cap,
    earn,
)
from commission_engine.decide.used import UsedOnTop
from commission_engine.plan.terms import Plan
from commission_engine.tree.forest import NOBODY, Forest, Standing

LINES_A_BUCKET = 400_000
"""Aimed at: their columns are together in a processor's cache, and still few files."""

MOST_BUCKETS = 256

Shares: TypeAlias = Mapping[str, Ints]
"""Lines before the caps of their windows: SHARES and, where the plan needs it, `order`; integer
arrays of one length."""

SHARES = (
    "event", "level", "beneficiary", "currency", "root_day", "gross", "commission", "reason",
)  # fmt: skip

LINES_AT_ONCE = 2_000_000
"""Of one bucket: more are worked on, and written, in pieces."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Programme:
    """What every worker knows."""

    plan: Plan
    currencies: Sequence[str]
    forest: Forest
    standing: Standing

    def shares(self, events: Events, before: Ints) -> Shares:
        """What a part of the events pays, in processing order; `before` is x_(i-1) of each."""
        lines = earn(events, before, self.plan, self.currencies, self.forest, self.standing)
        shares = {
            "event": events.event[lines.row],
            "level": lines.level,
            "beneficiary": lines.beneficiary,
            "currency": events.currency[lines.row],
            "root_day": events.root_day[lines.row],
            "gross": lines.gross,
            "commission": lines.commission,
            "reason": lines.reason,
        }
        if self.needs_order:
            shares["order"] = events.order[lines.row]
        return shares

    @property
    def needs_order(self) -> bool:
        """Whether a cap over all levels is counted by order: its key is not in the day."""
        return any(each.window is Window.ORDER for terms in self.plan.terms for each in terms.caps)

    def bucket(self, shares: Shares, used: Used) -> "Bucket":
        """The lines of some beneficiaries, from all their shares in processing order."""
        if not len(shares["event"]):
            shares = {name: np.zeros(0, np.int64) for name in (*SHARES, "order")}
        who = shares["beneficiary"]
        low, high = (int(who.min()), int(who.max())) if len(who) else (0, 0)
        order = stable_order(who - low, high - low + 1)
        root_day = shares["root_day"][order].astype(np.int64)
        starts, holds = (
            np.array([getattr(terms, name) for terms in self.plan.terms], np.int64)
            for name in ("starts", "hold_days")
        )
        terms = np.zeros(1, np.int64)  # of all lines, where there is one
        if len(starts) > 1:
            terms = np.searchsorted(starts, root_day, side="right") - 1
        lines = Lines(
            row=np.arange(len(order)),
            level=shares["level"][order],
            beneficiary=who[order],
            gross=shares["gross"][order].astype(np.int64),
            commission=shares["commission"][order].astype(np.int64),
            reason=shares["reason"][order],
            terms_day=np.broadcast_to(starts[terms], len(order)),
            available_day=root_day + holds[terms],
        )
        key = _Orders(
            shares["order"][order] if "order" in shares else root_day,
            shares["currency"][order],
            root_day,
        )
        advances = cap(lines, key, self.plan, self.currencies, used)
        return Bucket(lines, shares["event"][order], key.currency, advances)

    def pieces(self, shares: Shares, used: Used) -> Iterator["Bucket"]:
        """`bucket` in pieces of LINES_AT_ONCE lines: of one beneficiary's lines, however many,
        no more than a piece is worked on at a time."""
        who, size = shares["beneficiary"], len(shares["event"])
        if size <= LINES_AT_ONCE or who.min() != who.max():
            yield from self.bucket(shares, used).cut()
            return
        counted = UsedOnTop(used)
        for begin in range(0, size, LINES_AT_ONCE):
            part = slice(begin, begin + LINES_AT_ONCE)
            piece = self.bucket({name: each[part] for name, each in shares.items()}, counted)
            counted.advance(piece.advances)
            yield piece


@dataclass(frozen=True, slots=True)
class _Orders:
    order: Ints
    currency: Ints
    root_day: Ints


@dataclass(frozen=True, slots=True)
class Bucket:
    """All lines of some beneficiaries, by beneficiary, then in processing order, then by level.

    `event` and `currency` are those of each line; `lines.row` is only its place.
    """

    lines: Lines
    event: Ints
    currency: Ints
    advances: tuple[Advance, ...]

    def cut(self) -> Iterator["Bucket"]:
        """The same in pieces of LINES_AT_ONCE lines."""
        if len(self.event) <= LINES_AT_ONCE:
            yield self
            return
        for begin in range(0, len(self.event), LINES_AT_ONCE):
            part = np.arange(begin, min(begin + LINES_AT_ONCE, len(self.event)))
            advances = () if begin else self.advances
            yield Bucket(self.lines.take(part), self.event[part], self.currency[part], advances)


class Spill(Protocol):
    """Where shares wait for their bucket."""

    def add(self, bucket: int, shares: Shares) -> None:
        """Keep these behind those that the bucket has."""

    def taken(self, bucket: int) -> Shares:
        """All that the bucket has, once."""


class SpillInMemory:
    """Shares as narrow as their values."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Shares]] = {}

    def add(self, bucket: int, shares: Shares) -> None:
        self._parts.setdefault(bucket, []).append(shares)

    def taken(self, bucket: int) -> Shares:
        parts = self._parts.pop(bucket, [])
        names = parts[0] if parts else SHARES
        return {
            name: np.concatenate([part[name] for part in parts] or [np.zeros(0, np.int64)])
            for name in names
        }


def lines_of(earned: Ints, forest: Forest, plan: Plan) -> Ints:
    """About how many lines each affiliate will have, in the tree as it is now; `earned` says how
    many events each has. By number, shaped like the longer of `earned` and the tree."""
    earned = np.append(earned, np.zeros(max(len(forest.last) - len(earned), 0), np.int64))
    levels = {level.level for terms in plan.terms for level in terms.levels}
    always = np.full(len(earned), 2**62)
    above = forest.ancestors(np.arange(len(earned)), always, always, max(levels, default=0))
    lines = np.zeros(len(earned), np.int64)
    for level in levels:
        there = above[level] != NOBODY
        np.add.at(lines, above[level][there], earned[there])
    return lines


def spread_over(lines_of: Ints, a_bucket: int = LINES_A_BUCKET, most: int = MOST_BUCKETS) -> Ints:
    """By affiliate the number of his bucket, without gaps from 0, rising with the affiliate.

    `lines_of` is how many lines each will have, about. A beneficiary with more than a bucket
    should have has one for himself, so no bucket is much larger than it must be.
    """
    aimed = max(a_bucket, int(lines_of.sum()) // most)
    alone = lines_of >= aimed
    light = np.cumsum(np.where(alone, 0, lines_of)) // aimed
    begins = alone.copy()
    begins[1:] |= alone[:-1] | (light[1:] != light[:-1])
    begins[:1] = False
    return narrow(np.cumsum(begins))


def split(shares: Shares, bucket_of: Ints) -> Iterator[tuple[int, Shares]]:
    """The shares of each bucket, in their order, as narrow as their values."""
    bucket = bucket_of[np.minimum(shares["beneficiary"], len(bucket_of) - 1)]
    sizes = np.bincount(bucket)
    order = stable_order(bucket, len(sizes))
    bounds = np.append(0, np.cumsum(sizes))
    columns = {name: narrow(values)[order] for name, values in shares.items()}
    for number in np.flatnonzero(sizes).tolist():
        part = slice(bounds[number], bounds[number + 1])
        yield number, {name: values[part].copy() for name, values in columns.items()}


def narrow(values: Ints) -> Ints:
    """The same numbers in the fewest bytes that hold them all."""
    if values.dtype == np.int8:
        return values
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind, copy=False)
    return values


def decided(
    programme: Programme,
    parts: Iterable[Callable[[], tuple[Events, Ints]]],
    bucket_of: Ints,
    used: Used,
    spill: Spill,
    keep: Callable[[int, Iterator[Bucket]], R],
    workers: int,
) -> Iterator[R]:
    """What `keep` makes of each bucket, its number and its pieces, in turn. `parts` read events and
    their x_(i-1), in processing order."""

    def earned(read: Callable[[], tuple[Events, Ints]]) -> list[tuple[int, Shares]]:
        events, before = read()
        pieces: list[tuple[int, Shares]] = []
        for begin in range(0, len(events), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            shares = programme.shares(events.take(rows), before[rows])
            pieces += split(shares, bucket_of)
        return pieces

    for pieces in in_turn(earned, parts, workers):
        for number, piece in pieces:
            spill.add(number, piece)

    def capped(number: int) -> R:
        return keep(number, programme.pieces(spill.taken(number), used))

    yield from in_turn(capped, range(int(bucket_of.max(initial=0)) + 1), workers)


def in_turn(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """`work` of each item, in the order of the items, on threads; few results wait at a time."""
    if workers < 2:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
