"""The calculation of a run, in columns: events in, lines out. No database, no clock, no text.

It reads like the contract: rounding and caps are applied to running totals, and a line is the
difference between two of them. `reference.py` says the same for one row at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from commission_engine.calendar import Day, Ints, Window, window_starts
from commission_engine.decide.groups import grouped, running_in_groups
from commission_engine.money import Rate, Rounding
from commission_engine.plan.terms import Cap, Level, Plan, Terms
from commission_engine.problems import CommissionError, Reason
from commission_engine.tree.forest import NOBODY, Forest, Standing

SPANNING = -1
"""In the place of a level: a cap over all levels."""

REASONS = tuple(Reason)
"""A line's reason is its place here."""

ROWS_AT_ONCE = 1 << 17
"""Events that are worked on at a time: their columns fit into a processor's cache."""

Told = Callable[[int, int], None]
"""Told how many of how many events are worked out, for people who wait."""

LARGEST_TOTAL = 2**62
"""What a running total may reach, in minor units: half of what 64 bits hold."""


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a run in processing order; every array of integers, shaped (events,).

    `event`, `order`, `earner` and `currency` are the book's numbers, `order` that of the root.
    `before` is the sum of the order's amounts that earlier runs processed. `root_at`, `root_day`
    and `root_known` are the root's instant, its local day, and the last import known to the run
    that processed it. `tree_known` is the import up to which the tree holds for the order: the
    same, or that of a later true-up.
    """

    event: Ints
    order: Ints
    earner: Ints
    currency: Ints
    amount: Ints
    before: Ints
    root_at: Ints
    root_day: Ints
    root_known: Ints
    tree_known: Ints

    def take(self, rows: Ints | slice) -> "Events":
        return Events(*(getattr(self, name)[rows] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.event)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a run in processing order; every array of integers, shaped (lines,).

    `row` is the event's place in `Events`, `reason` a place in REASONS. `gross` and `commission`
    are int64, the others as narrow as their values: widen them before a product or a sum.
    """

    row: Ints
    level: Ints
    beneficiary: Ints
    gross: Ints
    commission: Ints
    reason: Ints
    terms_day: Ints
    available_day: Ints

    def take(self, rows: Ints) -> "Lines":
        return Lines(*(getattr(self, name)[rows] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.row)


class Orders(Protocol):
    """What the windows of caps are told by, per row that lines name; `Events` is one."""

    @property
    def order(self) -> Ints: ...
    @property
    def currency(self) -> Ints: ...
    @property
    def root_day(self) -> Ints: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cap: of these terms, of this level (or SPANNING), over this window."""

    terms_day: Day
    level: int
    window: Window


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that one cap counts by; every array int64, shaped (keys,), no key twice."""

    beneficiary: Ints
    currency: Ints
    start: Ints


class Used(Protocol):
    """What earlier runs have counted towards caps."""

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        """Per key the running total before the cap; 0 for a key never seen."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a run has taken one cap's running totals; `total` shaped like the keys."""

    scope: Scope
    keys: Keys
    total: Ints


@dataclass(frozen=True, slots=True)
class Decision:
    """A run's lines and the new running totals of its caps."""

    lines: Lines
    advances: tuple[Advance, ...]


def decide(
    events: Events,
    plan: Plan,
    currencies: Sequence[str],
    forest: Forest,
    standing: Standing,
    used: Used,
    told: Told = lambda done, of: None,
) -> Decision:
    """What every event pays at every level. `currencies[n]` is the code of currency number n."""
    lines = earn(events, running_before(events), plan, currencies, forest, standing, told)
    return Decision(lines, cap(lines, events, plan, currencies, used))


def running_before(events: Events) -> Ints:
    """Per event x_(i-1): its order's running total of base amounts up to and without it."""
    reversals = events.order[events.order != events.event]
    if not len(reversals):
        return events.before
    # Most orders have one event and nothing before it; the running totals are for the others.
    rows = np.flatnonzero(np.isin(events.order, reversals))
    order, first, group = grouped(events.order[rows])
    rows = rows[order]
    amount = events.amount[rows]
    before = events.before.copy()
    nothing = np.zeros(len(first), np.int64)
    before[rows] += running_in_groups(amount, first, group, nothing) - amount
    return before


def earn(
    events: Events,
    before: Ints,
    plan: Plan,
    currencies: Sequence[str],
    forest: Forest,
    standing: Standing,
    told: Told = lambda done, of: None,
) -> Lines:
    """All lines as they are before the caps of their windows; `before` is x_(i-1) of each event.

    Each stands for itself: events may be given in parts of any size.
    """
    starts = np.array([terms.starts for terms in plan.terms], np.int64)
    blocks: list[Lines] = []
    for begin in range(0, len(events), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        which: Ints = np.searchsorted(starts, events.root_day[part], side="right") - 1
        same = len(which) and (which == which[0]).all()
        blocks_of_part = []
        for index in which[:1] if same else np.unique(which):
            if index >= 0 and plan.terms[index].levels:
                rows: Ints | slice = part if same else begin + np.flatnonzero(which == index)
                earned = _Earned(events.take(rows), before[rows], plan.terms[index])
                lines = earned.lines(plan.rounding, currencies, forest, standing)
                lines.row[:] = lines.row + begin if same else np.asarray(rows)[lines.row]
                blocks_of_part.append(lines)
        block = _joined(blocks_of_part)
        if len(blocks_of_part) > 1:
            block = block.take(np.argsort(block.row, kind="stable"))
        blocks.append(block)
        told(min(begin + ROWS_AT_ONCE, len(events)), len(events))
    return _joined(blocks)


@dataclass(frozen=True, slots=True)
class _Earned:
    """Events under one and the same terms; `before` is x_(i-1) of each."""

    events: Events
    before: Ints
    terms: Terms

    def lines(
        self, rounding: Rounding, currencies: Sequence[str], forest: Forest, standing: Standing
    ) -> Lines:
        """One line per event and existing ancestor, levels side by side as columns of a grid."""
        events, levels = self.events, self.terms.levels
        ancestors = forest.ancestors(
            events.earner, events.root_at, events.tree_known, max(each.level for each in levels)
        )
        shape = (len(events), len(levels))
        beneficiary = np.empty(shape, np.result_type(*ancestors))
        gross, commission = np.empty(shape, np.int64), np.empty(shape, np.int64)
        for place, level in enumerate(levels):
            beneficiary[:, place] = ancestors[level.level]
            gross[:, place], commission[:, place] = self._amounts(level, rounding, currencies)
        there = np.flatnonzero(beneficiary != NOBODY)
        row = there // len(levels)
        beneficiary, gross, commission = (
            grid.reshape(-1)[there] for grid in (beneficiary, gross, commission)
        )
        reason = np.where(commission != gross, np.int8(REASONS.index(Reason.ORDER)), np.int8(0))
        if len(standing.affiliate):
            closed = standing.closed_at(beneficiary, events.root_known[row])
            reason[closed] = REASONS.index(Reason.CLOSED)
            gross[closed] = commission[closed] = 0
        available = events.root_day.astype(np.int32) + np.int32(self.terms.hold_days)
        numbers: Ints = np.array([each.level for each in levels], np.int16)
        return Lines(
            row=row,
            level=np.tile(numbers, len(events))[there],
            beneficiary=beneficiary,
            gross=gross,
            commission=commission,
            reason=reason,
            terms_day=np.full(len(row), self.terms.starts, np.int32),
            available_day=available[row],
        )

    def _amounts(
        self, level: Level, rounding: Rounding, currencies: Sequence[str]
    ) -> tuple[Ints, Ints]:
        """rounded_i - rounded_(i-1) and capped_i - capped_(i-1) of each event."""
        repeated = np.flatnonzero(self.before)  # elsewhere x_(i-1) is zero, and so is all of it
        rounded = shares(self.before + self.events.amount, level.rate, rounding)
        rounded_before = shares(self.before[repeated], level.rate, rounding)
        gross = rounded.copy()
        gross[repeated] -= rounded_before
        for each in level.caps:
            if each.window is Window.ORDER:
                limit = _limits(each, currencies, LARGEST_TOTAL)[self.events.currency]
                capped = np.clip(rounded, -limit, limit)
                limit = limit[repeated]
                capped[repeated] -= np.clip(rounded_before, -limit, limit)
                return gross, capped
        return gross, gross


def cap(
    lines: Lines, orders: Orders, plan: Plan, currencies: Sequence[str], used: Used
) -> tuple[Advance, ...]:
    """Apply the caps of windows to the commissions and reasons of `lines`, in place.

    `lines.row` names rows of `orders`. A beneficiary's lines stand for themselves: lines may be
    given in parts, each with all lines of some beneficiaries.
    """
    advances = [
        _window(lines, orders, Scope(terms.starts, level, each.window), each, currencies, used,
                len(plan.terms) > 1)
        for terms in plan.terms
        for level, caps in [*((each.level, each.caps) for each in terms.levels),
                            (SPANNING, terms.caps)]
        for each in caps
        if level == SPANNING or each.window is not Window.ORDER
    ]  # fmt: skip
    return tuple(each for each in advances if each is not None)


def _window(
    lines: Lines,
    orders: Orders,
    scope: Scope,
    limited: Cap,
    currencies: Sequence[str],
    used: Used,
    several_terms: bool,
) -> Advance | None:
    """One window cap over all lines with the same key: min(t_i, cap) - min(t_(i-1), cap)."""
    limits = _limits(limited, currencies, -1)
    counted = (
        np.flatnonzero(lines.level == scope.level)
        if scope.level != SPANNING
        else (np.arange(len(lines)))
    )
    if several_terms:
        counted = counted[lines.terms_day[counted] == scope.terms_day]
    counts = lines.reason[counted] != REASONS.index(Reason.CLOSED)
    if (limits < 0).any():
        counts &= (limits >= 0)[orders.currency[lines.row[counted]]]
    if not counts.all():
        counted = counted[counts]
    if not len(counted):
        return None
    row = lines.row[counted]
    beneficiary, currency = lines.beneficiary[counted], orders.currency[row]
    root_order = orders.order[row] if scope.window is Window.ORDER else row
    start = window_starts(scope.window, orders.root_day[row], root_order)
    order, first, group = grouped(beneficiary, currency, start)
    picked = counted[order]
    keys = Keys(*(each[order[first]] for each in (beneficiary, currency, start)))
    value = lines.commission[picked]
    carried = used.totals(scope, keys)
    check_total(value, carried)
    total = running_in_groups(value, first, group, carried)
    limit = limits[keys.currency][group]
    paid = np.minimum(total, limit) - np.minimum(total - value, limit)
    cut = picked[paid != value]
    cut = cut[lines.reason[cut] == 0]
    lines.commission[picked] = paid
    lines.reason[cut] = REASONS.index(Reason(scope.window))
    last = np.append(first[1:], len(total)) - 1
    return Advance(scope, keys, total[last])


def _limits(each: Cap, currencies: Sequence[str], unnamed: int) -> Ints:
    """Per currency number the cap's limit, `unnamed` where the cap does not name it."""
    return np.array([each.limit.get(code, unnamed) for code in currencies], np.int64)


def shares(base: Ints, rate: Rate, rounding: Rounding) -> Ints:
    """`rate` of every `base`, each rounded once to a whole minor unit; shaped like `base`.

    The product can pass 64 bits; then it is computed in Python's own integers.
    """
    magnitude: npt.NDArray[Any] = np.abs(base)
    largest = int(magnitude.max(initial=0))
    if max(largest, 1) * rate.parts >= 2**62 or rate.scale >= 2**62:
        magnitude = magnitude.astype(object)
    product = magnitude * rate.parts
    result = product // rate.scale
    if rounding is not Rounding.DOWN:
        twice = 2 * (product - result * rate.scale)
        if rounding is Rounding.HALF_EVEN:
            twice = twice + (result & 1)  # an exact half goes to the even neighbour
            result = result + (twice > rate.scale)
        else:
            result = result + (twice >= rate.scale)
    if len(result) and int(result.max()) >= LARGEST_TOTAL:
        raise _too_large(int(result.max()))
    signed: Ints = np.where(base < 0, -result, result).astype(np.int64)
    return signed


def check_total(*values: Ints) -> None:
    """Refuse values whose sum, whatever the signs, could pass 64 bits."""
    bounds = [len(each) * _largest(each) for each in values]
    if sum(bounds) >= LARGEST_TOTAL:
        total = sum(exact_sum(np.abs(each)) for each in values)
        if total >= LARGEST_TOTAL:
            raise _too_large(total)


def _largest(values: Ints) -> int:
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


def exact_sum(values: Ints) -> int:
    """The sum as a Python integer, whatever its size."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _too_large(total: int) -> CommissionError:
    return CommissionError(
        f"a total of {total} minor units is more than the book can hold ({LARGEST_TOTAL})",
        "Look for an absurd amount: `commission lines`, or take units with fewer decimals.",
    )


def _joined(blocks: Sequence[Lines]) -> Lines:
    if len(blocks) == 1:
        return blocks[0]
    if not blocks:
        return Lines(*(np.zeros(0, np.int64) for _ in Lines.__slots__))
    return Lines(
        *(np.concatenate([getattr(each, name) for each in blocks]) for name in Lines.__slots__)
    )
