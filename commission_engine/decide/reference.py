"""The calculation and the settlement in plain Python, as docs/calculation.md says them.

Slow, and made to be read. It judges the vectorised kernel in tests, and so shares no arithmetic
with the rest of the engine: rounding is by fractions, local days by zoneinfo, windows by dates.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from importlib import resources
from itertools import chain
from math import floor
from zoneinfo import ZoneInfo

from commission_engine.calendar import Window
from commission_engine.plan.terms import Cap, Level, Plan, Terms
from commission_engine.problems import Reason

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Event:
    """An earning, or a reversal of the earning `reverses`. Microseconds UTC, minor units."""

    event_id: str
    affiliate_id: str
    occurred_us: int
    amount: int
    currency: str
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """From `since_us` until the affiliate's next edge this is his referrer; None: he has none."""

    affiliate_id: str
    referrer_id: str | None
    since_us: int


@dataclass(frozen=True, slots=True)
class Night:
    """A run: its business date, and what was learned since the run before it.

    `statuses` are pairs of affiliate and active, suspended or closed; of several the last holds.
    """

    business_day: int
    events: tuple[Event, ...] = ()
    edges: tuple[Edge, ...] = ()
    statuses: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One decision: one event at one level for one beneficiary. Minor units, days since 1970.

    `kind` is "earned", "reversed" (of a reversal) or "adjusted" (of a root below zero).
    """

    event_id: str
    order_id: str
    level: int
    beneficiary_id: str
    currency: str
    gross: int
    commission: int
    reason: str
    available_day: int
    terms_day: int
    kind: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What one settlement says to one affiliate in one currency. Minor units, days since 1970."""

    affiliate_id: str
    currency: str
    period_from: int
    period_to: int
    opening: int
    earned: int
    reversed: int
    adjusted: int
    paid: int
    closing: int
    held: int
    available: int


@dataclass(frozen=True, slots=True)
class _Share:
    """Who an order pays at one level."""

    level: Level
    beneficiary_id: str
    closed: bool


@dataclass(frozen=True, slots=True)
class _Order:
    """What is decided once, when the root is processed; reversals follow it."""

    order_id: str
    currency: str
    day: int
    terms: Terms
    shares: tuple[_Share, ...]


class _Totals(defaultdict[tuple[object, ...], int]):
    """Running totals by key; they continue from one night to the next."""

    def advance(self, key: tuple[object, ...], amount: int) -> tuple[int, int]:
        """Add `amount`; the total before and after it."""
        before = self[key]
        self[key] = before + amount
        return before, before + amount


def decide(plan: Plan, nights: Sequence[Night]) -> list[list[Line]]:
    """Per night its lines, in processing order. Business days ascend strictly."""
    edges: list[Edge] = []
    statuses: dict[str, str] = {}
    waiting: list[Event] = []
    roots: dict[str, Event] = {}
    orders: dict[str, _Order] = {}
    totals = _Totals(int)
    decided = []
    for night in nights:
        edges += night.edges
        statuses.update(night.statuses)
        waiting += night.events
        roots.update((e.event_id, e) for e in night.events if e.reverses is None)
        due = [e for e in waiting if _due_day(plan, e, roots) <= night.business_day]
        waiting = [e for e in waiting if _due_day(plan, e, roots) > night.business_day]
        lines: list[Line] = []
        for event in sorted(due, key=_processing_order):
            if event.reverses is None and (order := _order(plan, event, edges, statuses)):
                orders[event.event_id] = order
            if root := orders.get(event.reverses or event.event_id):
                lines += (_line(plan, event, root, share, totals) for share in root.shares)
        decided.append(lines)
    return decided


def settle(
    plan: Plan, nights: Sequence[Night], lines: Sequence[Sequence[Line]]
) -> list[list[Statement]]:
    """Per night its statements, by affiliate and currency; none where nothing is settled."""
    days = {e.event_id: local_day(plan.timezone, e.occurred_us) for n in nights for e in n.events}
    statuses: dict[str, str] = {}
    known: list[Line] = []
    settled: int | None = None
    fresh_from = 0
    statements: list[list[Statement]] = []
    for night, before, decided in zip(nights, (None, *nights), lines, strict=False):
        statuses.update(night.statuses)
        known += decided
        since = before.business_day + 1 if before else night.business_day
        due = range(since, night.business_day + 1)
        written: list[Statement] = []
        if any(_ends(plan.payout.every.value, day) for day in due):
            fresh = known[fresh_from:]
            past = [statement for earlier in statements for statement in earlier]
            for account in sorted({_account(line) for line in known}, key=_account_order):
                first_day = (
                    settled + 1
                    if settled is not None
                    else min(days[ln.order_id] for ln in fresh if ln.beneficiary_id == account[0])
                )
                period = (first_day, night.business_day)
                active = statuses.get(account[0], "active") == "active"
                statement = _statement(plan, account, period, active, known, fresh, past)
                if (
                    statement.opening
                    or statement.closing
                    or statement.available
                    or account in map(_account, fresh)
                ):
                    written.append(statement)
            settled, fresh_from = night.business_day, len(known)
        statements.append(written)
    return statements


def _statement(
    plan: Plan,
    account: tuple[str, str],
    period: tuple[int, int],
    active: bool,
    known: Sequence[Line],
    fresh: Sequence[Line],
    past: Sequence[Statement],
) -> Statement:
    """One account at a settlement; what is paid out is the whole available balance or nothing."""
    known = [line for line in known if _account(line) == account]
    fresh = [line for line in fresh if _account(line) == account]
    past = [statement for statement in past if _account(statement) == account]
    earned, taken_back, adjusted = (
        sum(line.commission for line in fresh if line.kind == kind)
        for kind in ("earned", "reversed", "adjusted")
    )
    ripe = sum(line.commission for line in known if line.available_day <= period[1])
    available = ripe - sum(statement.paid for statement in past)
    enough = available > 0 and available >= plan.payout.minimum.get(account[1], 0)
    paid = available if enough and active else 0
    opening = past[-1].closing if past else 0
    closing = opening + earned + taken_back + adjusted - paid
    left = available - paid
    moved = (opening, earned, taken_back, adjusted, paid, closing)
    return Statement(*account, *period, *moved, held=closing - left, available=left)


def local_day(timezone: str, occurred_us: int) -> int:
    """The day on which an instant falls in a zone."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=occurred_us)
    return (at.astimezone(zone_rules(timezone)).date() - EPOCH).days


@cache
def zone_rules(name: str) -> ZoneInfo:
    """The zone as the tzdata package has it, whatever the machine's own files say."""
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _due_day(plan: Plan, event: Event, roots: Mapping[str, Event]) -> int:
    """The first business date that may process the event: its local day.

    A reversal waits for its order: where clocks go back over midnight (St John's until 2011), a
    later instant can have the earlier local day.
    """
    root = roots[event.reverses or event.event_id]
    return max(local_day(plan.timezone, e.occurred_us) for e in (event, root))


def _processing_order(event: Event) -> tuple[int, bool, bytes]:
    """Within a run: instant, earnings before reversals, id in byte order (then the level)."""
    return event.occurred_us, event.reverses is not None, event.event_id.encode()


def _order(
    plan: Plan, root: Event, edges: Sequence[Edge], statuses: Mapping[str, str]
) -> _Order | None:
    """What the root decides, with what is known tonight; None before the first terms."""
    day = local_day(plan.timezone, root.occurred_us)
    begun = [terms for terms in plan.terms if terms.starts <= day]
    if not begun:
        return None
    terms = max(begun, key=lambda t: t.starts)
    ancestry = list(_ancestry(root.affiliate_id, root.occurred_us, edges))
    shares = tuple(
        _Share(level, ancestry[level.level], statuses.get(ancestry[level.level]) == "closed")
        for level in sorted(terms.levels, key=lambda level: level.level)
        if level.level < len(ancestry)
    )
    return _Order(root.event_id, root.currency, day, terms, shares)


def _ancestry(affiliate_id: str, instant: int, edges: Sequence[Edge]) -> Iterator[str]:
    """The earner, his referrer at that instant, the referrer's referrer, ..."""
    at: str | None = affiliate_id
    while at is not None:
        yield at
        begun = [e for e in edges if e.affiliate_id == at and e.since_us <= instant]
        at = max(begun, key=lambda e: e.since_us).referrer_id if begun else None


def _line(plan: Plan, event: Event, order: _Order, share: _Share, totals: _Totals) -> Line:
    """One event at one level of its order."""
    earning = "adjusted" if event.amount < 0 else "earned"
    gross, commission, reason = 0, 0, Reason.CLOSED
    if not share.closed:
        gross, commission, reason = _amounts(plan, event.amount, order, share, totals)
    return Line(
        event_id=event.event_id,
        order_id=order.order_id,
        level=share.level.level,
        beneficiary_id=share.beneficiary_id,
        currency=order.currency,
        gross=gross,
        commission=commission,
        reason=reason.value,
        available_day=order.day + order.terms.hold_days,
        terms_day=order.terms.starts,
        kind=earning if event.reverses is None else "reversed",
    )


def _amounts(
    plan: Plan, amount: int, order: _Order, share: _Share, totals: _Totals
) -> tuple[int, int, Reason]:
    """Gross, commission, and the first thing that cut it: all differences of running totals."""
    level = share.level
    rate = Fraction(level.rate.parts, level.rate.scale)
    x = totals.advance((order.order_id, level.level), amount)
    rounded = [_round(rate * total, plan.rounding.value) for total in x]
    order_cap = [_limit(c, order.currency) for c in level.caps if c.window is Window.ORDER]
    capped = [_clamp(total, *order_cap) for total in rounded]
    gross, value = rounded[1] - rounded[0], capped[1] - capped[0]
    reason = Reason.PAID_IN_FULL if value == gross else Reason.ORDER

    key = (order.terms.starts, share.beneficiary_id, order.currency)
    windows = chain(
        ((cap, (*key, level.level)) for cap in level.caps if cap.window is not Window.ORDER),
        ((cap, (*key, "all levels")) for cap in order.terms.caps),
    )
    for cap, whose in windows:
        limit = _limit(cap, order.currency)
        if limit is None:
            continue
        t = totals.advance((*whose, cap.window, _window_start(cap.window, order)), value)
        after = min(t[1], limit) - min(t[0], limit)
        if after != value and reason is Reason.PAID_IN_FULL:
            reason = Reason(cap.window.value)
        value = after
    return gross, value, reason


def _limit(cap: Cap, currency: str) -> int | None:
    return cap.limit.get(currency)


def _clamp(total: int, limit: int | None = None) -> int:
    return total if limit is None else max(-limit, min(total, limit))


def _round(value: Fraction, rounding: str) -> int:
    """To a whole number, symmetric about zero."""
    size = abs(value)
    whole = {
        "half_even": round(size),
        "half_up": floor(size + Fraction(1, 2)),
        "down": floor(size),
    }[rounding]
    return whole if value >= 0 else -whole


def _window_start(window: Window, order: _Order) -> date | str:
    """What tells an order's window from the others of its kind."""
    day = EPOCH + timedelta(days=order.day)
    match window:
        case Window.ORDER:
            return order.order_id
        case Window.DAY:
            return day
        case Window.WEEK:
            return day - timedelta(days=day.weekday())
        case Window.MONTH:
            return day.replace(day=1)
        case Window.QUARTER:
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case Window.YEAR:
            return day.replace(month=1, day=1)
    return date.min  # a lifetime: one window


def _ends(every: str, day: int) -> bool:
    """Whether a settlement is due after this day: any day, a Sunday, a month's last."""
    at = EPOCH + timedelta(days=day)
    return {
        "day": True,
        "week": at.weekday() == 6,
        "month": (at + timedelta(days=1)).day == 1,
    }[every]


def _account(row: Line | Statement) -> tuple[str, str]:
    owner = row.beneficiary_id if isinstance(row, Line) else row.affiliate_id
    return owner, row.currency


def _account_order(account: tuple[str, str]) -> tuple[bytes, str]:
    return account[0].encode(), account[1]
