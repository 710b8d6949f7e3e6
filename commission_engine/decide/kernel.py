"""The calculation of a run, in columns: events in, lines out. No database, no clock, no text.

It reads like the contract: rounding and caps are applied to running totals, and a line is the
difference between two of them. `reference.py` says the same for one row at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from commission_engine.calendar import Day, Ints, Window, window_starts
from commission_engine.money import Rate, Rounding
from commission_engine.plan.terms import Cap, Level, Plan, Terms
from commission_engine.problems import CommissionError, Reason
from commission_engine.tree.forest import NOBODY, Forest, Standing

SPANNING = -1
"""In the place of a level: a cap over all levels."""

REASONS = tuple(Reason)
"""A line's reason is its place here."""

LARGEST_TOTAL = 2**62
"""What a running total may reach, in minor units: half of what 64 bits hold."""


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a run in processing order; every array int64, shaped (events,).

    `event`, `order`, `earner` and `currency` are the book's numbers, `order` that of the root.
    `before` is the sum of the order's amounts that earlier runs processed. `root_at`, `root_day`
    and `root_known` are the root's instant, its local day, and the last import known to the run
    that processed it.
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

    def take(self, rows: Ints) -> "Events":
        return Events(*(getattr(self, name)[rows] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.event)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a run in processing order; every array shaped (lines,).

    `row` is the event's place in `Events`, `reason` a place in REASONS.
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
) -> Decision:
    """What every event pays at every level. `currencies[n]` is the code of currency number n."""
    after = _running(events)
    starts = np.array([terms.starts for terms in plan.terms], np.int64)
    which = np.searchsorted(starts, events.root_day, side="right") - 1
    advances: list[Advance] = []
    blocks: list[Lines] = []
    for index, terms in enumerate(plan.terms):
        rows = np.flatnonzero(which == index)
        if len(rows) and terms.levels:
            part = _Part(events.take(rows), after[rows], terms, plan.rounding, currencies, used)
            block, moved = part.decide(forest, standing)
            advances += moved
            block_rows = rows[block.row]
            blocks.append(
                Lines(block_rows, *(getattr(block, name) for name in Lines.__slots__[1:]))
            )
    lines = _joined(blocks)
    return Decision(lines.take(np.lexsort((lines.level, lines.row))), tuple(advances))


@dataclass(frozen=True, slots=True)
class _Part:
    """The events of a run that fall under one and the same terms."""

    events: Events
    after: Ints
    terms: Terms
    rounding: Rounding
    currencies: Sequence[str]
    used: Used

    def decide(self, forest: Forest, standing: Standing) -> tuple[Lines, list[Advance]]:
        events = self.events
        deepest = max(level.level for level in self.terms.levels)
        ancestors = forest.ancestors(events.earner, events.root_at, events.root_known, deepest)
        advances: list[Advance] = []
        blocks: list[Lines] = []
        for level in self.terms.levels:
            rows = np.flatnonzero(ancestors[level.level] != NOBODY)
            lines = self._level(level, rows, ancestors[level.level][rows], standing)
            for cap in level.caps:
                if cap.window is not Window.ORDER:
                    lines = self._window(lines, cap, level.level, advances)
            blocks.append(lines)
        lines = _joined(blocks)
        lines = lines.take(np.lexsort((lines.level, lines.row)))
        for cap in self.terms.caps:
            lines = self._window(lines, cap, SPANNING, advances)
        return lines, advances

    def _level(self, level: Level, rows: Ints, beneficiary: Ints, standing: Standing) -> Lines:
        """Rounding and the order's cap: differences of the order's own running totals."""
        now, events = self.after[rows], self.events
        rounded = shares(now, level.rate, self.rounding)
        rounded_before = shares(now - events.amount[rows], level.rate, self.rounding)
        gross = rounded - rounded_before
        capped = gross
        for cap in level.caps:
            if cap.window is Window.ORDER:
                limit = self._limits(cap)[events.currency[rows]]
                named = limit >= 0
                clamped = np.clip(rounded, -limit, limit) - np.clip(rounded_before, -limit, limit)
                capped = np.where(named, clamped, gross)
        closed = standing.closed_at(beneficiary, events.root_known[rows])
        reason = np.where(capped != gross, REASONS.index(Reason.ORDER), 0)
        return Lines(
            row=rows,
            level=np.full(len(rows), level.level, np.int64),
            beneficiary=beneficiary,
            gross=np.where(closed, 0, gross),
            commission=np.where(closed, 0, capped),
            reason=np.where(closed, REASONS.index(Reason.CLOSED), reason),
            terms_day=np.full(len(rows), self.terms.starts, np.int64),
            available_day=events.root_day[rows] + self.terms.hold_days,
        )

    def _window(self, lines: Lines, cap: Cap, level: int, advances: list[Advance]) -> Lines:
        """One window cap over all lines with the same key: min(t_i, cap) - min(t_(i-1), cap)."""
        events, limits = self.events, self._limits(cap)
        counted = np.flatnonzero(
            (limits[events.currency[lines.row]] >= 0)
            & (lines.reason != REASONS.index(Reason.CLOSED))
        )
        if not len(counted):
            return lines
        row = lines.row[counted]
        order, first, group = _grouped(
            lines.beneficiary[counted],
            events.currency[row],
            window_starts(cap.window, events.root_day[row], events.order[row]),
        )
        picked, row = counted[order], row[order]
        keys = Keys(
            lines.beneficiary[picked][first],
            events.currency[row][first],
            window_starts(cap.window, events.root_day[row][first], events.order[row][first]),
        )
        scope = Scope(self.terms.starts, level, cap.window)
        value = lines.commission[picked]
        carried = self.used.totals(scope, keys)
        check_total(value, carried)
        total = _running_in_groups(value, first, group) + carried[group]
        limit = limits[events.currency[row]]
        paid = np.minimum(total, limit) - np.minimum(total - value, limit)
        last = np.append(first[1:], len(total)) - 1
        advances.append(Advance(scope, keys, total[last]))
        commission, reason = lines.commission.copy(), lines.reason.copy()
        commission[picked] = paid
        cut = picked[(paid != value) & (reason[picked] == 0)]
        reason[cut] = REASONS.index(Reason(cap.window))
        return Lines(
            lines.row, lines.level, lines.beneficiary, lines.gross,
            commission, reason, lines.terms_day, lines.available_day,
        )  # fmt: skip

    def _limits(self, cap: Cap) -> Ints:
        """Per currency number the cap's limit, -1 where the cap does not name it."""
        return np.array([cap.limit.get(code, -1) for code in self.currencies], np.int64)


def shares(base: Ints, rate: Rate, rounding: Rounding) -> Ints:
    """`rate` of every `base`, each rounded once to a whole minor unit; shaped like `base`.

    The product can pass 64 bits, so `base` is split at the rate's scale first; a rate too fine
    even for that is computed in Python's own integers.
    """
    magnitude: npt.NDArray[Any] = np.abs(base)
    largest = int(magnitude.max(initial=0))
    if max(rate.scale, largest // rate.scale + 1) * max(rate.parts, 2) >= 2**63:
        magnitude = magnitude.astype(object)
    whole, rest = magnitude // rate.scale, magnitude % rate.scale * rate.parts
    result = whole * rate.parts + rest // rate.scale
    rest = rest % rate.scale
    if rounding is Rounding.HALF_EVEN:
        result = result + (
            (rest + rest > rate.scale) | ((rest + rest == rate.scale) & (result % 2 == 1))
        )
    elif rounding is Rounding.HALF_UP:
        result = result + (rest + rest >= rate.scale)
    if len(result) and int(result.max()) >= LARGEST_TOTAL:
        raise _too_large(int(result.max()))
    signed: Ints = np.where(base < 0, -result, result).astype(np.int64)
    return signed


def check_total(*values: Ints) -> None:
    """Refuse values whose sum, whatever the signs, could pass 64 bits."""
    total = sum(exact_sum(np.abs(each)) for each in values)
    if total >= LARGEST_TOTAL:
        raise _too_large(total)


def exact_sum(values: Ints) -> int:
    """The sum as a Python integer, whatever its size."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _too_large(total: int) -> CommissionError:
    return CommissionError(
        f"a total of {total} minor units is more than the book can hold ({LARGEST_TOTAL})",
        "Look for an absurd amount: `commission lines`, or take units with fewer decimals.",
    )


def _running(events: Events) -> Ints:
    """Per event x_i: its order's running total of base amounts up to and with it."""
    order, first, group = _grouped(events.order)
    total = np.empty(len(events), np.int64)
    amount, before = events.amount[order], events.before[order]
    total[order] = _running_in_groups(amount, first, group) + before[first][group]
    return total


def _grouped(*keys: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows brought together by key, in their old order inside one key.

    Returns the rows so ordered, where each group begins among them, and each one's group number.
    """
    packed = _packed(keys)
    order = np.argsort(packed, kind="stable")
    ordered = packed[order]
    begins = np.append(True, ordered[1:] != ordered[:-1]) if len(ordered) else np.zeros(0, bool)
    return order, np.flatnonzero(begins), np.cumsum(begins) - 1


def _packed(keys: Sequence[Ints]) -> Ints:
    """Several keys as one int64 that is equal where all of them are."""
    packed, size = np.zeros(len(keys[0]), np.int64), 1
    for key in keys:
        low, high = int(key.min(initial=0)), int(key.max(initial=0))
        if size * (high - low + 1) >= 2**63:
            packed, size = np.unique(packed, return_inverse=True)[1].astype(np.int64), len(packed)
            key, low = np.unique(key, return_inverse=True)[1].astype(np.int64), 0
            high = len(key)
        packed, size = packed * (high - low + 1) + (key - low), size * (high - low + 1)
    return packed


def _running_in_groups(values: Ints, first: Ints, group: Ints) -> Ints:
    """Running totals that begin anew with each group.

    The sum over all groups may wrap around 64 bits; the difference inside a group is exact all
    the same, because wrapping is arithmetic modulo 2**64 and a group's total was checked.
    """
    running = np.cumsum(values)
    offset = running[first] - values[first]
    return running - offset[group]


def _joined(blocks: Sequence[Lines]) -> Lines:
    if not blocks:
        return Lines(*(np.zeros(0, np.int64) for _ in Lines.__slots__))
    return Lines(
        *(np.concatenate([getattr(each, name) for each in blocks]) for name in Lines.__slots__)
    )


class UsedInMemory:
    """`Used` as a dictionary: for the embedded call, for tests and for replays."""

    def __init__(self) -> None:
        self._totals: dict[tuple[Scope, int, int, int], int] = {}

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        return np.array([self._totals.get((scope, *key), 0) for key in _rows(keys)], np.int64)

    def rows(self, windows: Sequence[Window]) -> list[tuple[int, ...]]:
        """Every total: terms, level, window's place, window start, beneficiary, currency, total."""
        return [
            (scope.terms_day, scope.level, windows.index(scope.window), start, who, code, total)
            for (scope, who, code, start), total in self._totals.items()
        ]

    def advance(self, advances: Sequence[Advance]) -> None:
        for each in advances:
            for key, total in zip(_rows(each.keys), each.total.tolist(), strict=True):
                self._totals[(each.scope, *key)] = total


def _rows(keys: Keys) -> Iterator[tuple[int, int, int]]:
    return zip(keys.beneficiary.tolist(), keys.currency.tolist(), keys.start.tolist(), strict=True)
