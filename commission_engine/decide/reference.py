"""The calculation and the settlement in plain Python, as docs/calculation.md says them.

Slow, and made to be read. It judges the vectorised kernel in tests, and so shares no arithmetic
with the rest of the engine: rounding is by fractions, local days by zoneinfo, windows by dates.
`commission explain` shows the `Working` of its lines to people.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
class Share:
    """Who an order pays at one level."""

    level: Level
    beneficiary_id: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Order:
    """What is decided once, when the root is processed; reversals follow it."""

    order_id: str
    currency: str
    day: int
    terms: Terms
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What the cap of a window leaves of a line: min(t_i, limit) - min(t_(i-1), limit).

    `key` is whose total it is, `before` is t_(i-1), `value` what the line adds to it.
    """

    key: tuple[object, ...]
    cap: Cap
    limit: int
    before: int
    value: int

    @property
    def after(self) -> int:
        return min(self.before + self.value, self.limit) - min(self.before, self.limit)


@dataclass(frozen=True, slots=True)
class Working:
    """How an amount came about. Pairs are running totals of the order before and with the event:
    of base amounts, and of what the level pays, rounded and within its order cap."""

    x: tuple[int, int]
    exact: tuple[Fraction, Fraction]
    rounded: tuple[int, int]
    order_limit: int | None
    capped: tuple[int, int]
    steps: tuple[Step, ...]

    @property
    def gross(self) -> int:
        return self.rounded[1] - self.rounded[0]

    @property
    def commission(self) -> int:
        return self.steps[-1].after if self.steps else self.capped[1] - self.capped[0]

    @property
    def reason(self) -> Reason:
        """The first thing that cut it."""
        if self.capped[1] - self.capped[0] != self.gross:
            return Reason.ORDER
        cut = (step.cap.window for step in self.steps if step.after != step.value)
        return Reason(next(cut, Reason.PAID_IN_FULL))


class Totals(defaultdict[tuple[object, ...], int]):
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
    orders: dict[str, Order] = {}
    totals = Totals(int)
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
            if event.reverses is None and (order := order_of(plan, event, edges, statuses)):
                orders[event.event_id] = order
            if root := orders.get(event.reverses or event.event_id):
                lines += (line_of(plan, event, root, share, totals)[0] for share in root.shares)
        decided.append(lines)
    return decided


def settle(
    plan: Plan,
    nights: Sequence[Night],
    lines: Sequence[Sequence[Line]],
    withheld: Callable[[int, tuple[str, str], int], bool] = lambda day, account, amount: False,
) -> list[list[Statement]]:
    """Per night its statements, by affiliate and currency; none where nothing is settled.

    Of each payout `withheld` is asked whether it has to wait: the day, whose, how much.
    """
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
                statement = _statement(plan, account, period, active, known, fresh, past, withheld)
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
    withheld: Callable[[int, tuple[str, str], int], bool],
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
    due = enough and active and not withheld(period[1], account, available)
    paid = available if due else 0
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


def order_of(
    plan: Plan, root: Event, edges: Sequence[Edge], statuses: Mapping[str, str]
) -> Order | None:
    """What the root decides, with what is known tonight; None before the first terms."""
    day = local_day(plan.timezone, root.occurred_us)
    begun = [terms for terms in plan.terms if terms.starts <= day]
    if not begun:
        return None
    terms = max(begun, key=lambda t: t.starts)
    above = list(ancestry(root.affiliate_id, root.occurred_us, edges))
    shares = tuple(
        Share(level, above[level.level], statuses.get(above[level.level]) == "closed")
        for level in sorted(terms.levels, key=lambda level: level.level)
        if level.level < len(above)
    )
    return Order(root.event_id, root.currency, day, terms, shares)


def ancestry(affiliate_id: str, instant: int, edges: Sequence[Edge]) -> Iterator[str]:
    """The earner, his referrer at that instant, the referrer's referrer, ..."""
    at: str | None = affiliate_id
    while at is not None:
        yield at
        holds = edge_at(at, instant, edges)
        at = holds.referrer_id if holds else None


def edge_at(affiliate_id: str, instant: int, edges: Sequence[Edge]) -> Edge | None:
    """Of the affiliate's edges the one that holds at an instant; None before the first."""
    begun = [e for e in edges if e.affiliate_id == affiliate_id and e.since_us <= instant]
    return max(begun, key=lambda e: e.since_us) if begun else None


def line_of(
    plan: Plan, event: Event, order: Order, share: Share, totals: Totals
) -> tuple[Line, Working | None]:
    """One event at one level of its order, and how it came about; None for a closed account."""
    earning = "adjusted" if event.amount < 0 else "earned"
    working = None if share.closed else _work(plan, event.amount, order, share, totals)
    line = Line(
        event_id=event.event_id,
        order_id=order.order_id,
        level=share.level.level,
        beneficiary_id=share.beneficiary_id,
        currency=order.currency,
        gross=working.gross if working else 0,
        commission=working.commission if working else 0,
        reason=(working.reason if working else Reason.CLOSED).value,
        available_day=order.day + order.terms.hold_days,
        terms_day=order.terms.starts,
        kind=earning if event.reverses is None else "reversed",
    )
    return line, working


def _work(plan: Plan, amount: int, order: Order, share: Share, totals: Totals) -> Working:
    """Gross and commission: all differences of running totals."""
    level = share.level
    rate = Fraction(level.rate.parts, level.rate.scale)
    x = totals.advance((order.order_id, level.level), amount)
    exact = (rate * x[0], rate * x[1])
    before, rounded = (_round(each, plan.rounding.value) for each in exact)
    order_cap = [_limit(c, order.currency) for c in level.caps if c.window is Window.ORDER]
    capped = (_clamp(before, *order_cap), _clamp(rounded, *order_cap))
    value = capped[1] - capped[0]

    key = (order.terms.starts, share.beneficiary_id, order.currency)
    windows = chain(
        ((cap, (*key, level.level)) for cap in level.caps if cap.window is not Window.ORDER),
        ((cap, (*key, "all levels")) for cap in order.terms.caps),
    )
    steps: list[Step] = []
    for cap, whose in windows:
        limit = _limit(cap, order.currency)
        if limit is None:
            continue
        counted = (*whose, cap.window, _window_start(cap.window, order))
        step = Step(counted, cap, limit, totals.advance(counted, value)[0], value)
        value = step.after
        steps.append(step)
    return Working(x, exact, (before, rounded), next(iter(order_cap), None), capped, tuple(steps))


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


def _window_start(window: Window, order: Order) -> date | str:
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
