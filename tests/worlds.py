"""Small random programmes in which everything collides: the worlds that laws are tried in.

`worlds()` draws one, `marks` names the interesting states it reached, `REQUIRED` is all of them.
Ids, instants, amounts and limits come from small stocks, so ties and exact hits are common.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import groupby, islice, pairwise
from typing import TypeAlias

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from commission_engine.calendar import BEGINNING, Window, nests
from commission_engine.decide.reference import (
    Edge,
    Event,
    Line,
    Night,
    local_day,
    settle,
    zone_rules,
)
from commission_engine.money import Rate, Rounding
from commission_engine.plan.terms import Cap, Every, Level, Payout, Plan, Terms

WORLDS = settings(
    max_examples=int(os.environ.get("COMMISSION_WORLDS", "200")),
    derandomize="COMMISSION_WORLDS_RANDOM" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""How many worlds each law is tried in: COMMISSION_WORLDS; always the same ones unless
COMMISSION_WORLDS_RANDOM is set."""

Draw: TypeAlias = Callable[[st.SearchStrategy[int]], int]

EPOCH = date(1970, 1, 1)
DAY_US = 86_400_000_000
MOST = 2**62
"""What the amounts of one world, signs aside, stay below, so that every total fits 64 bits."""


@dataclass(frozen=True)
class World:
    """A plan, and what each of a few nights learned."""

    plan: Plan
    nights: tuple[Night, ...]


# --- stocks ------------------------------------------------------------------------------------

# UTF-8 and UTF-16 disagree about the order of U+FFFF and what lies beyond it.
NAMES = ("\uffff", "\U00010000", "e1", "e10", "e2", "E1", "é", "e\u0301", "007", "7", "=1", "e1 ")
EVENT_IDS = NAMES + tuple(f"{name}-{n}" for name in ("\U0001f600", "\ue000", "x") for n in range(9))
AFFILIATE_IDS = ("ann", "bob", "\uffff", "\U00010000", "Ann", "007", "é", "z")

PLACES = tuple(
    (zone, date.fromisoformat(day))
    for zone, days in {
        "UTC": ("2026-01-31", "2024-02-29", "1969-12-31"),
        "Europe/Berlin": ("2026-03-29", "2026-10-25", "2025-12-31"),
        # Until 2011 the clocks of St John's changed at one minute past midnight.
        "America/St_Johns": ("2026-03-08", "2010-11-07", "2010-11-06", *["2010-11-07"] * 3),
        # Samoa had no 30 December 2011.
        "Pacific/Apia": ("2011-12-29", "2021-04-03", "2026-06-30"),
        # Nepal moved its clocks by fifteen minutes at the start of 1986.
        "Asia/Kathmandu": ("1985-12-31", "2026-02-28"),
    }.items()
    for day in days
)
TIMES = (
    time(0, 0), time(0, 0, 0, 1), time(0, 0, 30), time(2, 30), time(12),
    time(23, 30), time(23, 59, 59, 999_999),
)  # fmt: skip
ST_JOHNS_TIMES = (time(0, 0, 30), time(0), time(23, 30), time(2, 30), time(0, 0, 30))
NIGHTS = (1, 2, 3, 4, 4, 5, 5)
PEOPLE = (1, 2, 4, 5, 6, 7, 8, 8)
NIGHT_GAPS = (1, 1, 2, 7, 31, 100)
DAY_OFFSETS = (0, 0, 0, 1, -1, -7, -31)
REFUND_DELAYS = (0, 1, 60_000_000, 1_800_000_000, DAY_US, 40 * DAY_US)
HOLDS = (0, 0, 1, 7, 14, 40)

CURRENCIES = (("USD",), ("JPY",), ("KWD",), ("POINTS",), ("USD", "JPY"), ("KWD", "POINTS"))
UNITS = {"POINTS": 0}
AMOUNTS = (0, 1, 2, 3, 5, 6, 7, 10, 11, 14, 15, 20, 25, 30, 50, 100)
HUGE_AMOUNTS = (10**18 - 1, 10**18 - 2, 5 * 10**17 + 1, 2**53 + 1, 7, 10**17 + 5)
LIMITS = (30, 20, 15, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 15, 25, 0)
HUGE_LIMITS = (10**18 - 1, 5 * 10**17, 10**17 + 1, 2**53, 3)
RATES = tuple(
    map(Rate.parse, ("0.5", "25%", "5%", "0.125", "20%", "100%", "10%", "0%", "7.5%", "1%"))
)
FINE_RATES = RATES + tuple(
    map(Rate.parse, ("33.3333333333333333%", "0.9999999999999999", "0.0000000000000001"))
)
LEVELS = (
    (1,), (0, 1), (1, 2), (1, 2, 3), (0, 1, 2, 3), (0, 2, 3), (1, 3, 5), (0, 1, 2, 3, 4),
    (1, 2, 3, 4, 5), (0, 1, 2, 4), (1, 2, 3), (),
)  # fmt: skip
EVERY = (Every.DAY, Every.DAY, Every.WEEK, Every.MONTH)
MINIMA = (0, 1, 5, 10, 25)

CALENDAR = (
    Window.ORDER, Window.DAY, Window.MONTH, Window.QUARTER, Window.YEAR, Window.LIFETIME,
)  # fmt: skip
WEEKS = (Window.ORDER, Window.DAY, Window.WEEK, Window.LIFETIME)
WINDOWS = tuple(Window)


# --- the strategy ------------------------------------------------------------------------------


@cache
def upto(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most)


def index(stock: Sequence[object]) -> st.SearchStrategy[int]:
    return upto(len(stock) - 1)


def instant_at(zone: str, day: int, clock: time, fold: int = 0) -> int:
    """The instant of a local day and time."""
    local = datetime.combine(EPOCH + timedelta(days=day), clock, zone_rules(zone))
    return (local.replace(fold=fold) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


@dataclass(frozen=True)
class _Scene:
    """What a world's parts are drawn from; `chained`: caps are nested."""

    zone: str
    days: tuple[int, ...]
    moments: tuple[int, ...]
    people: tuple[str, ...]
    codes: tuple[str, ...]
    huge: bool
    chained: bool


@st.composite
def worlds(draw: Draw, nested: bool | None = None) -> World:
    """A world; `nested`: whether its caps must be nested, or may be anything (None: either)."""
    scene = _scene(draw, bool(draw(upto(2))) if nested is None else nested)
    plan = _plan(draw, scene)
    events, edges, statuses = _events(draw, scene), _edges(draw, scene), _statuses(draw, scene)
    learned = zip(scene.days, events, edges, statuses, strict=True)
    return World(plan, tuple(Night(d, tuple(e), tuple(g), tuple(s)) for d, e, g, s in learned))


def _scene(draw: Draw, chained: bool) -> _Scene:
    zone, anchor = PLACES[draw(index(PLACES))]
    gaps = [NIGHT_GAPS[draw(index(NIGHT_GAPS))] for _ in range(NIGHTS[draw(index(NIGHTS))] - 1)]
    first = (anchor - EPOCH).days + draw(upto(2)) - 1
    days = tuple(first + sum(gaps[:n]) for n in range(len(gaps) + 1))
    moments = tuple(_moment(draw, zone, days) for _ in range(2 + draw(upto(6))))
    people = AFFILIATE_IDS[: PEOPLE[draw(index(PEOPLE))]]
    codes = CURRENCIES[draw(index(CURRENCIES))]
    return _Scene(zone, days, moments, people, codes, draw(upto(9)) == 9, chained)


def _moment(draw: Draw, zone: str, days: Sequence[int]) -> int:
    day = days[draw(index(days))] + DAY_OFFSETS[draw(index(DAY_OFFSETS))]
    times = ST_JOHNS_TIMES if zone == "America/St_Johns" else TIMES
    return instant_at(zone, day, times[draw(index(times))], draw(upto(1)))


def _plan(draw: Draw, scene: _Scene) -> Plan:
    days = scene.days
    first = days[0] - (1000 if draw(upto(5)) else 0)
    later = {days[draw(index(days))] - draw(upto(2)) for _ in range(draw(upto(2)))}
    minimum = {code: MINIMA[draw(index(MINIMA))] for code in scene.codes if draw(upto(2))}
    return Plan(
        name="acme",
        timezone=scene.zone,
        rounding=tuple(Rounding)[draw(upto(2))],
        rate_bounds=(Rate.parse("0"), Rate.parse("1")),
        units=UNITS,
        payout=Payout(EVERY[draw(index(EVERY))], minimum),
        terms=tuple(_terms(draw, scene, starts) for starts in sorted({first} | later)),
    )


def _terms(draw: Draw, scene: _Scene, starts: int) -> Terms:
    """Nested caps: every level's windows lie inside a pivot, the spanning ones around it."""
    line = (CALENDAR, WEEKS)[draw(upto(1))] if scene.chained else WINDOWS
    pivot = draw(index(line))
    inner, outer = (line[: pivot + 1], line[pivot:]) if scene.chained else (line, line)
    rates = FINE_RATES if scene.huge else RATES
    levels = tuple(
        Level(number, rates[draw(index(rates))], _caps(draw, scene, inner))
        for number in LEVELS[draw(index(LEVELS))]
    )
    return Terms(starts, HOLDS[draw(index(HOLDS))], levels, _caps(draw, scene, outer))


def _caps(draw: Draw, scene: _Scene, windows: Sequence[Window]) -> tuple[Cap, ...]:
    """A quarter of the windows, say; listed from inner to outer where they are a chain."""
    chosen = draw(upto(2 ** len(windows) - 1)) & draw(upto(2 ** len(windows) - 1))
    listed = [window for n, window in enumerate(windows) if chosen >> n & 1]
    turn = draw(index(listed)) if listed and not scene.chained else 0
    stock = HUGE_LIMITS if scene.huge else LIMITS
    caps = []
    for window in listed[turn:] + listed[:turn]:
        limits = ((code, draw(upto(len(stock)))) for code in scene.codes)
        caps.append(Cap(window, {code: stock[n] for code, n in limits if n < len(stock)}))
    return tuple(caps)


def _events(draw: Draw, scene: _Scene) -> list[list[Event]]:
    """Per night the events it learns; a reversal fits its order and is not learned before it."""
    nights, moments = len(scene.days), scene.moments
    stock = HUGE_AMOUNTS if scene.huge else AMOUNTS
    ids = _fresh_ids(draw(index(EVENT_IDS)), draw(index(EVENT_IDS)))
    learned: list[list[Event]] = [[] for _ in range(nights)]
    left = MOST - 1
    for _ in range(1 + draw(upto(11))):
        night = draw(upto(nights - 1))
        amount = min(stock[draw(index(stock))], left // 2)
        left -= 2 * amount
        root = Event(
            event_id=next(ids),
            affiliate_id=scene.people[-1 - (draw(index(scene.people)) & draw(upto(7)))],
            occurred_us=moments[draw(index(moments))],
            amount=-amount if draw(upto(5)) == 5 else amount,
            currency=scene.codes[draw(index(scene.codes))],
        )
        learned[night].append(root)
        for back in _partial_refunds(draw, max(root.amount, 0)):
            moment = max(moments[draw(index(moments))], root.occurred_us)
            delay = draw(upto(2 * len(REFUND_DELAYS) - 1))
            if delay < len(REFUND_DELAYS):
                moment = root.occurred_us + REFUND_DELAYS[delay]
            refund = replace(
                root, event_id=next(ids), occurred_us=moment, amount=-back, reverses=root.event_id
            )
            learned[night + draw(upto(nights - 1 - night))].append(refund)
    return [events[::-1] for events in learned] if draw(upto(1)) else learned


def _partial_refunds(draw: Draw, rest: int) -> Iterator[int]:
    """Up to three parts of an order's amount: all that is left, half of it, or one unit."""
    for _ in range(draw(upto(3))):
        if rest:
            back = (rest, (rest + 1) // 2, 1)[draw(upto(2))]
            rest -= back
            yield back


def _fresh_ids(start: int, stride: int) -> Iterator[str]:
    """Every id of the stock once, in an order that `start` and `stride` choose."""
    stock = [*EVENT_IDS[start:], *EVENT_IDS[:start]]
    while stock:
        yield stock.pop(stride % len(stock))


def _edges(draw: Draw, scene: _Scene) -> list[list[Edge]]:
    """Per night the edges it learns: a deep tree, moves, late and back-dated ones; no cycle."""
    last, moments, people = len(scene.days) - 1, scene.moments, scene.people
    drawn: list[tuple[int, Edge]] = []
    for n, person in enumerate(people[1:], start=1):
        above = draw(upto(n + 4)) - 1
        since = moments[draw(index(moments))] if draw(upto(5)) == 5 else BEGINNING
        night = draw(upto(last)) if draw(upto(5)) == 5 else 0
        if above >= 0:
            drawn.append((night, Edge(person, people[min(above, n - 1)], since)))
    for _ in range(draw(upto(4))):
        person, above = people[draw(index(people))], draw(upto(len(people)))
        referrer = people[above] if above < len(people) else None
        since = moments[draw(index(moments))] - draw(upto(1))
        drawn.append((draw(upto(last)), Edge(person, referrer, since)))
    learned: list[list[Edge]] = [[] for _ in scene.days]
    known: list[Edge] = []
    for night, edge in sorted(drawn, key=lambda pair: pair[0]):
        dated = {(e.affiliate_id, e.since_us) for e in known}
        if (edge.affiliate_id, edge.since_us) not in dated and _acyclic([*known, edge]):
            known.append(edge)
            learned[night].append(edge)
    return learned


def _acyclic(edges: Sequence[Edge]) -> bool:
    """Whether at no instant somebody is his own ancestor."""
    return all(
        len(list(islice(ancestry(edges, person, instant), len(edges) + 2))) < len(edges) + 2
        for instant in {edge.since_us for edge in edges}
        for person in {edge.affiliate_id for edge in edges}
    )


def _statuses(draw: Draw, scene: _Scene) -> list[list[tuple[str, str]]]:
    learned: list[list[tuple[str, str]]] = [[] for _ in scene.days]
    for _ in range(draw(upto(6))):
        status = ("suspended", "active", "closed", "suspended", "active")[draw(upto(4))]
        whose = scene.people[draw(index(scene.people))]
        learned[draw(upto(len(learned) - 1))].append((whose, status))
        if status == "suspended" and draw(upto(1)):
            learned[-1].append((whose, "active"))
    return learned


# --- parts of the calculation said a second time, to know where a world got to --------------------


def ancestry(edges: Iterable[Edge], affiliate_id: str, instant: int) -> Iterator[str]:
    """The affiliate and his ancestors at an instant, without end where they form a cycle."""
    history: dict[str, list[Edge]] = defaultdict(list)
    for edge in sorted(edges, key=lambda e: e.since_us):
        history[edge.affiliate_id].append(edge)
    at: str | None = affiliate_id
    while at is not None:
        yield at
        begun = [e.referrer_id for e in history[at] if e.since_us <= instant]
        at = begun[-1] if begun else None


def window_name(window: Window, day: int, order_id: str) -> str:
    """The window of its kind that a root's local day lies in, in words."""
    at = EPOCH + timedelta(days=day)
    year, week, _ = at.isocalendar()
    return {
        Window.ORDER: order_id,
        Window.DAY: at.isoformat(),
        Window.WEEK: f"{year}-W{week:02}",
        Window.MONTH: f"{at:%Y-%m}",
        Window.QUARTER: f"{at.year}-Q{(at.month + 2) // 3}",
        Window.YEAR: f"{at.year}",
        Window.LIFETIME: "ever",
    }[window]


def is_nested(plan: Plan) -> bool:
    """Whether laws 1 to 3 bind the plan: along each level's caps windows only get wider.

    That is, listed from inner to outer, the level's before the terms', each window inside the
    next. The level's own order cap always comes first, so its place does not matter.
    """
    return all(
        nests(inner.window, outer.window)
        for terms in plan.terms
        for level in terms.levels
        for inner, outer in pairwise(
            [*(c for c in level.caps if c.window is not Window.ORDER), *terms.caps]
        )
    )


@dataclass(frozen=True)
class Step:
    """What one cap did to one line: the running total before and after it, and the cap.

    `whose`: a level's cap, by its number, or "all" for one over all levels.
    """

    line: Line
    window: Window
    whose: int | str
    before: int
    after: int
    limit: int

    @property
    def symmetric(self) -> bool:
        """A level's order cap, which holds below zero as well."""
        return self.window is Window.ORDER and not self.spanning

    @property
    def spanning(self) -> bool:
        return self.whose == "all"

    @property
    def cut(self) -> int:
        """How much of the line did not pass (below zero: of a refund or an adjustment)."""
        least = -self.limit if self.symmetric else min(self.before, self.after)
        kept = [max(least, min(self.limit, total)) for total in (self.before, self.after)]
        return self.after - self.before - (kept[1] - kept[0])


def cap_steps(plan: Plan, lines: Iterable[Line]) -> Iterator[Step]:
    """Every cap's effect on every line, from nothing but the grosses."""
    terms_from = {terms.starts: terms for terms in plan.terms}
    totals: dict[object, int] = defaultdict(int)
    for line in lines:
        if line.reason == "closed":
            continue
        terms = terms_from[line.terms_day]
        level = next(one for one in terms.levels if one.level == line.level)
        day = line.available_day - terms.hold_days
        value = line.gross
        caps: list[tuple[Cap, int | str]] = [
            *((c, line.level) for c in level.caps if c.window is Window.ORDER),
            *((c, line.level) for c in level.caps if c.window is not Window.ORDER),
            *((c, "all") for c in terms.caps),
        ]
        for cap, whose in caps:
            if line.currency in cap.limit:
                window = window_name(cap.window, day, line.order_id)
                key = (terms.starts, line.beneficiary_id, line.currency, whose, cap.window, window)
                before, after = totals[key], totals[key] + value
                totals[key] = after
                step = Step(line, cap.window, whose, before, after, cap.limit[line.currency])
                yield step
                value -= step.cut


# --- the interesting states ---------------------------------------------------------------------

REQUIRED: tuple[str, ...] = (
    # caps
    *(f"cut by {window.value}" for window in Window),
    "cap hit exactly", "cap crossed by one unit", "cap of nothing", "refund above the cap",
    "refund across the cap", "refund that takes nothing back", "cap total below zero",
    "adjustment at its order cap", "order cap over all levels", "spanning cap cuts alone",
    "two caps cut one line", "cap over several nights", "spanning cap over several levels",
    "currency the cap does not name", "nested caps", "caps not nested",
    # refunds
    "full refund", "partial refunds come to the order", "refund in a later night",
    "refund in a later month", "refund under later terms", "refund at its order's instant",
    "refunds out of order", "refund dated before its order's day",
    # time
    "late event", "future event", "event never due", "day of a clock change", "tied instants",
    "ids that UTF-16 would order otherwise", "several terms", "before the first terms",
    "terms without levels", "before 1970",
    # tree
    *(f"ancestry of {depth}" for depth in ("0", "1", "2", "3", "more")),
    "level 0", "level above 3", "a level left out", "missing ancestor",
    "move between order and refund", "move at the order's instant", "edge learned too late",
    # statuses
    "closed beneficiary", "refund of a closed beneficiary", "closed since the order",
    "suspended beneficiary", "suspended at settlement", "paid after suspension",
    # money
    "zero decimals", "two decimals", "three decimals", "plan unit", "two currencies",
    "zero amount", "adjustment", "beyond 2**53", "beyond 64 bits before the rate's scale",
    *(f"tie {rounding.value}" for rounding in Rounding), "tie below zero", "rate of many digits",
    # settlement
    *(f"settled every {every.value}" for every in Every), "night without settlement",
    "first settlement of an affiliate in a later one", "held", "paid", "paid while more is held",
    "minimum met exactly", "below the minimum", "negative balance carried",
    "negative balance worked off", "refund inside the hold", "paid and then refunded",
)  # fmt: skip


def marks(world: World, lines: Sequence[Sequence[Line]]) -> "Counter[str]":
    """How often the world reached each interesting state; `lines` as `decide` gives them."""
    found = (
        *_cap_marks(world, lines),
        *_refund_marks(world, lines),
        *_time_marks(world, lines),
        *_tree_marks(world, lines),
        *_money_marks(world, lines),
        *_settlement_marks(world, lines),
    )
    return Counter(found)


def _all(lines: Sequence[Sequence[Line]]) -> list[Line]:
    return [line for night in lines for line in night]


def _events_by_id(world: World) -> dict[str, Event]:
    return {event.event_id: event for night in world.nights for event in night.events}


def _cap_marks(world: World, lines: Sequence[Sequence[Line]]) -> Iterator[str]:
    plan = world.plan
    yield "nested caps" if is_nested(plan) else "caps not nested"
    night_of = {id(line): n for n, night in enumerate(lines) for line in night}
    nights: dict[object, set[int]] = defaultdict(set)
    levels: dict[object, set[int]] = defaultdict(set)
    for line in _all(lines):
        if line.reason not in ("", "closed"):
            yield f"cut by {line.reason}"
        if line.reason not in ("", "closed") and line.gross < 0 and line.commission == 0:
            yield "refund that takes nothing back"
        terms = next(t for t in plan.terms if t.starts == line.terms_day)
        own = next(one for one in terms.levels if one.level == line.level)
        if any(line.currency not in cap.limit for cap in own.caps + terms.caps):
            yield "currency the cap does not name"
    for _, group in groupby(cap_steps(plan, _all(lines)), key=lambda step: id(step.line)):
        steps = list(group)
        cutting = [step for step in steps if step.cut]
        if len(cutting) > 1:
            yield "two caps cut one line"
        if cutting and cutting[0].spanning:
            yield "spanning cap cuts alone"
        for step in steps:
            key = (step.window, step.spanning, step.line.beneficiary_id, step.line.terms_day)
            if step.cut:
                nights[key].add(night_of[id(step.line)])
            if step.cut and step.spanning:
                levels[key].add(step.line.level)
            if step.before < step.after == step.limit:
                yield "cap hit exactly"
            if step.before <= step.limit < step.after == step.limit + 1:
                yield "cap crossed by one unit"
            if step.limit == 0 and step.cut:
                yield "cap of nothing"
            if step.line.kind == "reversed" and step.before > step.after >= step.limit:
                yield "refund above the cap"
            if step.before > step.limit > step.after:
                yield "refund across the cap"
            if step.after < 0 and not step.symmetric:
                yield "cap total below zero"
            if step.line.kind == "adjusted" and step.window is Window.ORDER and step.cut:
                yield "adjustment at its order cap"
            if step.spanning and step.window is Window.ORDER and step.cut:
                yield "order cap over all levels"
    yield from ("cap over several nights" for seen in nights.values() if len(seen) > 1)
    yield from ("spanning cap over several levels" for seen in levels.values() if len(seen) > 1)


def _refund_marks(world: World, lines: Sequence[Sequence[Line]]) -> Iterator[str]:
    zone = world.plan.timezone
    events = _events_by_id(world)
    run = {line.event_id: n for n, night in enumerate(lines) for line in night}
    refunds: dict[str, list[Event]] = defaultdict(list)
    for night in world.nights:
        for event in night.events:
            if event.reverses is not None and event.event_id in run:
                refunds[event.reverses].append(event)
    for order_id, back in refunds.items():
        root = events[order_id]
        root_day = EPOCH + timedelta(days=local_day(zone, root.occurred_us))
        if -sum(event.amount for event in back) == root.amount:
            yield "full refund" if len(back) == 1 else "partial refunds come to the order"
        runs = [(run[event.event_id], event.occurred_us) for event in back]
        if any(a < b and s > t for a, s in runs for b, t in runs):
            yield "refunds out of order"
        for event in back:
            day = EPOCH + timedelta(days=local_day(zone, event.occurred_us))
            if run[event.event_id] > run[order_id]:
                yield "refund in a later night"
            if (day.year, day.month) > (root_day.year, root_day.month):
                yield "refund in a later month"
            if any(root_day < EPOCH + timedelta(days=t.starts) <= day for t in world.plan.terms):
                yield "refund under later terms"
            if event.occurred_us == root.occurred_us:
                yield "refund at its order's instant"
            if day < root_day:
                yield "refund dated before its order's day"


def _time_marks(world: World, lines: Sequence[Sequence[Line]]) -> Iterator[str]:
    plan, nights = world.plan, world.nights
    by_night = [{line.event_id for line in night} for night in lines]
    seen = set().union(*by_night)
    for n, night in enumerate(nights):
        for event in night.events:
            day = local_day(plan.timezone, event.occurred_us)
            if n and day <= nights[n - 1].business_day and event.event_id in by_night[n]:
                yield "late event"
            if day > night.business_day and event.event_id in seen:
                yield "future event"
            if day > nights[-1].business_day:
                yield "event never due"
            elif event.reverses is None and day < plan.terms[0].starts:
                yield "before the first terms"
            elif event.reverses is None:
                last = [terms for terms in plan.terms if terms.starts <= day][-1]
                if not last.levels:
                    yield "terms without levels"
            if event.occurred_us < 0:
                yield "before 1970"
            if event.event_id in seen:
                midnights = [instant_at(plan.timezone, d, time(), 0) for d in (day, day + 1)]
                if midnights[1] - midnights[0] != DAY_US:
                    yield "day of a clock change"
    if len({line.terms_day for line in _all(lines)}) > 1:
        yield "several terms"
    events = _events_by_id(world)
    for ids in by_night:
        for a, b in pairwise(sorted((events[i] for i in ids), key=lambda e: e.event_id)):
            if (a.occurred_us, a.reverses is None) == (b.occurred_us, b.reverses is None):
                yield "tied instants"
                if a.event_id.encode("utf-16-be") > b.event_id.encode("utf-16-be"):
                    yield "ids that UTF-16 would order otherwise"


def _tree_marks(world: World, lines: Sequence[Sequence[Line]]) -> Iterator[str]:
    events = _events_by_id(world)
    every_edge = [edge for night in world.nights for edge in night.edges]
    edges: list[Edge] = []
    statuses: dict[str, str] = {}
    for night, decided in zip(world.nights, lines, strict=True):
        edges += night.edges
        statuses.update(night.statuses)
        for event_id, group in groupby(decided, key=lambda line: line.event_id):
            own, event = list(group), events[event_id]
            root = events[event.reverses or event_id]
            path = list(ancestry(edges, root.affiliate_id, root.occurred_us))
            if event is root:
                depth = len(path) - 1
                yield f"ancestry of {depth if depth < 4 else 'more'}"
                levels = [line.level for line in own]
                yield from ("level 0" for level in levels if level == 0)
                yield from ("level above 3" for level in levels if level > 3)
                yield from ("a level left out" for a, b in pairwise(levels) if b > a + 1)
                terms = next(t for t in world.plan.terms if t.starts == own[0].terms_day)
                if len(terms.levels) > len(own):
                    yield "missing ancestor"
                if any(e.since_us == root.occurred_us and e.affiliate_id in path for e in edges):
                    yield "move at the order's instant"
                if path != list(ancestry(every_edge, root.affiliate_id, root.occurred_us)):
                    yield "edge learned too late"
            elif path != list(ancestry(edges, event.affiliate_id, event.occurred_us)):
                yield "move between order and refund"
            for line in own:
                status = statuses.get(line.beneficiary_id, "active")
                if line.reason == "closed":
                    yield ("" if event is root else "refund of a ") + "closed beneficiary"
                elif status == "closed" and event is not root:
                    yield "closed since the order"
                elif status == "suspended":
                    yield "suspended beneficiary"


def _money_marks(world: World, lines: Sequence[Sequence[Line]]) -> Iterator[str]:
    plan, events = world.plan, _events_by_id(world)
    rates = {(t.starts, one.level): one.rate for t in plan.terms for one in t.levels}
    running: dict[object, int] = defaultdict(int)
    for line in _all(lines):
        event, rate = events[line.event_id], rates[line.terms_day, line.level]
        yield f"{('zero', '', 'two', 'three')[plan.decimals[line.currency]]} decimals"
        if line.currency in plan.units:
            yield "plan unit"
        if event.amount == 0:
            yield "zero amount"
        if line.kind == "adjusted":
            yield "adjustment"
        if abs(event.amount) > 2**53:
            yield "beyond 2**53"
        if abs(event.amount) * rate.parts > 2**63:
            yield "beyond 64 bits before the rate's scale"
        if rate.scale > 10**6 and line.gross:
            yield "rate of many digits"
        running[line.order_id, line.level] += event.amount
        exact = Fraction(running[line.order_id, line.level] * rate.parts, rate.scale)
        if exact.denominator == 2:
            yield f"tie {plan.rounding.value}"
            if exact < 0:
                yield "tie below zero"
    if len({line.currency for line in _all(lines)}) > 1:
        yield "two currencies"


def _settlement_marks(world: World, lines: Sequence[Sequence[Line]]) -> Iterator[str]:
    plan, statuses, refused = world.plan, dict[str, str](), set[tuple[str, str]]()
    statements = settle(plan, world.nights, lines)
    known: set[str] = set()
    paid_before: set[tuple[str, str]] = set()
    settlements = 0
    for night, written, decided in zip(world.nights, statements, lines, strict=True):
        statuses.update(night.statuses)
        if not written:
            yield from ("night without settlement" for line in decided[:1])
            continue
        yield f"settled every {plan.payout.every.value}"
        settlements += 1
        for one in written:
            account = (one.affiliate_id, one.currency)
            minimum = plan.payout.minimum.get(one.currency, 0)
            suspended = statuses.get(one.affiliate_id) == "suspended"
            if one.affiliate_id not in known and settlements > 1:
                yield "first settlement of an affiliate in a later one"
            known.add(one.affiliate_id)
            if one.held:
                yield "held"
            if one.paid:
                yield "paid"
                yield from ("paid while more is held" for _ in [0] if one.held > 0)
                yield from ("minimum met exactly" for _ in [0] if one.paid == minimum)
                yield from ("paid after suspension" for _ in [0] if account in refused)
            if 0 < one.available < minimum:
                yield "below the minimum"
            if one.available > 0 and one.available >= minimum and suspended:
                refused.add(account)
                yield "suspended at settlement"
            if one.opening < 0:
                yield "negative balance carried"
                yield from ("negative balance worked off" for _ in [0] if one.closing >= 0)
            if one.reversed < 0 and account in paid_before:
                yield "paid and then refunded"
            if one.paid:
                paid_before.add(account)
    for night, decided in zip(world.nights, lines, strict=True):
        for line in decided:
            if line.kind == "reversed" and line.commission < 0:
                yield from (
                    "refund inside the hold" for _ in [0] if line.available_day > night.business_day
                )


def table(counts: "Counter[str]") -> str:
    """The counts as lines of text, in the order of REQUIRED."""
    return "\n".join(f"{counts[name]:>8}  {name}" for name in REQUIRED)
