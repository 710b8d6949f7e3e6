"""The plain reference: the worked example, small situations by hand, and the five laws."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from worlds import (
    WORLDS,
    World,
    ancestry,
    cap_steps,
    is_nested,
    window_name,
    worlds,
)

from commission_engine.calendar import BEGINNING, Window
from commission_engine.decide import reference
from commission_engine.decide.reference import (
    Edge,
    Event,
    Line,
    Night,
    Order,
    Statement,
    decide,
    local_day,
    settle,
)
from commission_engine.money import Rate, Rounding, share
from commission_engine.plan.terms import Cap, Every, Level, Payout, Plan, Terms

# --- situations by hand: amounts in cents, one level of 20%, bob is ann's referral ---------------

BOB_OF_ANN = (Edge("bob", "ann", BEGINNING),)
TWENTY = Level(1, Rate.parse("20%"))


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def at(text: str) -> int:
    """The instant of an ISO 8601 text; UTC where it has no offset."""
    when = datetime.fromisoformat(text)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def plan(
    *levels: Level,
    caps: tuple[Cap, ...] = (),
    hold: int = 0,
    zone: str = "UTC",
    rounding: Rounding = Rounding.HALF_EVEN,
    every: Every = Every.DAY,
    minimum: Mapping[str, int] | None = None,
    terms: tuple[Terms, ...] = (),
) -> Plan:
    first = Terms(day("2000-01-01"), hold, levels or (TWENTY,), caps)
    return Plan(
        name="acme",
        timezone=zone,
        rounding=rounding,
        rate_bounds=(Rate.parse("0"), Rate.parse("1")),
        units={},
        payout=Payout(every, minimum or {}),
        terms=(first, *terms),
    )


def level(number: int, rate: str, **caps: int) -> Level:
    return Level(number, Rate.parse(rate), cap(**caps))


def cap(**limits: int) -> tuple[Cap, ...]:
    return tuple(Cap(Window(window), {"USD": limit}) for window, limit in limits.items())


def bob(event_id: str, when: str, amount: int, reverses: str | None = None) -> Event:
    return Event(event_id, "bob", at(when), amount, "USD", reverses)


def night(when: str, *events: Event, edges: tuple[Edge, ...] = (), **status: str) -> Night:
    return Night(day(when), events, edges, tuple(status.items()))


def one_night(*events: Event, edges: tuple[Edge, ...] = BOB_OF_ANN, **status: str) -> list[Night]:
    return [night("2026-12-31", *events, edges=edges, **status)]


def flat(lines: Sequence[Sequence[Line]]) -> list[Line]:
    return [line for decided in lines for line in decided]


def said(lines: Sequence[Sequence[Line]]) -> list[str]:
    """event, level, beneficiary, gross, commission, reason; "--" between two nights."""
    texts = [
        [
            f"{ln.event_id} {ln.level} {ln.beneficiary_id} {ln.gross} {ln.commission} {ln.reason}"
            for ln in decided
        ]
        for decided in lines
    ]
    return [text.strip() for n, part in enumerate(texts) for text in (["--"] * (n > 0) + part)]


def test_the_worked_example_of_the_specification() -> None:
    terms = plan(level(1, "20%", order=50_00, month=100_00))
    lines = decide(
        terms,
        [
            night("2026-01-05", bob("e1", "2026-01-05", 300_00), edges=BOB_OF_ANN),
            night("2026-01-10", bob("e2", "2026-01-10", 200_00)),
            night("2026-01-20", bob("e3", "2026-01-20", 100_00)),
            night("2026-02-02", bob("r1", "2026-02-02", -100_00, "e1")),
            night("2026-02-03", bob("r2", "2026-02-03", -200_00, "e1")),
        ],
    )
    steps = {(s.line.event_id, s.window.value): s for s in cap_steps(terms, flat(lines))}
    shown = [
        (
            ln.event_id,
            ln.gross,
            steps[ln.event_id, "order"].after,
            steps[ln.event_id, "month"].after,
            ln.commission,
            ln.reason,
        )
        for ln in flat(lines)
    ]
    assert shown == [
        # event, gross, rounded, month total before the cap, ann's line, reason
        ("e1", 60_00, 60_00, 50_00, 50_00, "order"),
        ("e2", 40_00, 40_00, 90_00, 40_00, ""),
        ("e3", 20_00, 20_00, 110_00, 10_00, "month"),
        ("r1", -20_00, 40_00, 100_00, 0, "order"),
        ("r2", -40_00, 0, 60_00, -40_00, ""),
    ]


def test_weeks_start_on_monday_in_the_zone_of_the_plan() -> None:
    """
    2026-01-04 is a Sunday. 22:59 UTC is 23:59 in Berlin, 23:00 UTC already Monday.
    """
    terms = plan(level(1, "20%", week=10), zone="Europe/Berlin")
    lines = decide(
        terms,
        one_night(
            bob("mon", "2025-12-29T00:00+01:00", 40),
            bob("sun", "2026-01-04T22:59:59", 40),
            bob("next", "2026-01-04T23:00", 40),
        ),
    )
    assert said(lines) == ["mon 1 ann 8 8", "sun 1 ann 8 2 week", "next 1 ann 8 8"]


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ("day", "2026-01-01T23:59:59.999999", "2026-01-02"),
        ("month", "2026-01-31T23:59:59", "2026-02-01"),
        ("quarter", "2026-03-31T23:59:59", "2026-04-01"),
        ("year", "2026-12-31T23:59:59", "2025-12-31T23:59:59"),
    ],
)
def test_a_window_is_a_calendar_window(window: str, inside: str, outside: str) -> None:
    terms = plan(level(1, "20%", **{window: 10}))
    lines = decide(
        terms,
        one_night(bob("a", "2026-01-01", 40), bob("b", inside, 40), bob("c", outside, 40)),
    )
    cut = {ln.event_id: ln.reason for ln in lines[0]}
    assert cut == {"a": "", "b": window, "c": ""}


def test_windows_of_a_lifetime_end_with_the_terms() -> None:
    second = Terms(day("2026-02-01"), 0, (level(1, "20%", lifetime=10),))
    lines = decide(
        plan(level(1, "20%", lifetime=10), terms=(second,)),
        one_night(
            bob("a", "2026-01-01", 40), bob("b", "2026-01-31", 40), bob("c", "2026-02-01", 40)
        ),
    )
    assert said(lines) == ["a 1 ann 8 8", "b 1 ann 8 2 lifetime", "c 1 ann 8 8"]


def test_an_order_cap_holds_below_zero_too_and_a_window_cap_does_not() -> None:
    terms = plan(level(1, "20%", order=50_00, month=20_00))
    lines = decide(
        terms, one_night(bob("a", "2026-01-01", -300_00), bob("b", "2026-01-02", 300_00))
    )
    assert said(lines) == ["a 1 ann -6000 -5000 order", "b 1 ann 6000 5000 order"]
    assert [ln.kind for ln in lines[0]] == ["adjusted", "earned"]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        (Rounding.HALF_EVEN, [0, 2, 2, 0, -2, -2, 1]),
        (Rounding.HALF_UP, [1, 2, 3, -1, -2, -3, 1]),
        (Rounding.DOWN, [0, 1, 2, 0, -1, -2, 0]),
    ],
)
def test_roundings_are_symmetric_about_zero(rounding: Rounding, expected: list[int]) -> None:
    amounts = [5, 15, 25, -5, -15, -25, 9]
    events = [bob(f"e{n}", "2026-01-01", amount) for n, amount in enumerate(amounts)]
    lines = decide(plan(level(1, "10%"), rounding=rounding), one_night(*events))
    assert [ln.commission for ln in lines[0]] == expected


def test_partial_refunds_come_to_the_same_cent() -> None:
    terms = plan(level(1, "10%"), rounding=Rounding.HALF_UP)
    lines = decide(
        terms,
        one_night(
            bob("e", "2026-01-01", 25),
            bob("r1", "2026-01-02", -10, "e"),
            bob("r2", "2026-01-03", -10, "e"),
            bob("r3", "2026-01-04", -5, "e"),
        ),
    )
    assert [ln.commission for ln in lines[0]] == [3, -1, -1, -1]


def test_a_cap_over_all_levels_counts_them_together() -> None:
    """
    ann <- bob <- cat
    """
    terms = plan(level(1, "20%"), level(2, "10%"), caps=cap(month=10))
    tree = (*BOB_OF_ANN, Edge("cat", "bob", BEGINNING))
    cat = Event("c", "cat", at("2026-01-02"), 40, "USD")
    lines = decide(terms, one_night(cat, bob("b", "2026-01-01", 40), edges=tree))
    assert said(lines) == ["b 1 ann 8 8", "c 1 bob 8 8", "c 2 ann 4 2 month"]


def test_levels_may_start_with_the_earner_and_leave_gaps() -> None:
    terms = plan(level(0, "10%"), level(2, "20%"))
    tree = (*BOB_OF_ANN, Edge("cat", "bob", BEGINNING))
    cat = Event("c", "cat", at("2026-01-02"), 40, "USD")
    lines = decide(terms, one_night(cat, bob("b", "2026-01-01", 40), edges=tree))
    assert said(lines) == ["b 0 bob 4 4", "c 0 cat 4 4", "c 2 ann 8 8"]


def test_before_the_first_terms_there_are_no_lines_not_even_of_later_refunds() -> None:
    lines = decide(plan(), one_night(bob("e", "1999-12-31", 40), bob("r", "2026-01-01", -40, "e")))
    assert lines == [[]]


def test_a_refund_follows_its_order_to_the_old_referrer_terms_and_date() -> None:
    moved = Edge("bob", "eve", at("2026-01-10"))
    second = Terms(day("2026-01-10"), 0, (level(1, "50%"),))
    lines = decide(
        plan(hold=14, terms=(second,)),
        [
            night("2026-01-01", bob("e", "2026-01-01", 40), edges=BOB_OF_ANN),
            night("2026-01-10", bob("r", "2026-01-10", -40, "e"), edges=(moved,)),
            night("2026-01-11", bob("f", "2026-01-10", 40)),
        ],
    )
    assert said(lines) == ["e 1 ann 8 8", "--", "r 1 ann -8 -8", "--", "f 1 eve 20 20"]
    assert [ln.available_day for ln in flat(lines)] == [
        day("2026-01-15"),
        day("2026-01-15"),
        day("2026-01-10"),
    ]


def test_an_edge_learned_late_does_not_change_an_order_already_decided() -> None:
    lines = decide(
        plan(),
        [
            night("2026-01-01", bob("e", "2026-01-01", 40)),
            night("2026-01-02", bob("f", "2026-01-01", 40), edges=BOB_OF_ANN),
            night("2026-01-03", bob("r", "2026-01-03", -40, "e")),
        ],
    )
    assert said(lines) == ["--", "f 1 ann 8 8", "--"]


def test_whether_a_beneficiary_is_closed_is_decided_with_the_order() -> None:
    lines = decide(
        plan(),
        [
            night("2026-01-01", bob("e", "2026-01-01", 40), edges=BOB_OF_ANN),
            night("2026-01-02", bob("f", "2026-01-02", 40), ann="closed"),
            night("2026-01-03", bob("r", "2026-01-03", -10, "e"), bob("g", "2026-01-03", 5)),
            night("2026-01-04", bob("s", "2026-01-04", -10, "f"), ann="active"),
        ],
    )
    assert said(lines) == [
        "e 1 ann 8 8", "--", "f 1 ann 0 0 closed", "--", "g 1 ann 0 0 closed", "r 1 ann -2 -2",
        "--", "s 1 ann 0 0 closed",
    ]  # fmt: skip


def test_ids_are_ordered_by_their_bytes_and_earnings_come_before_refunds() -> None:
    when = "2026-01-01"
    ids = ["\U00010000", "\uffff", "b", "a", "B"]
    refund = bob("A", when, -1, "a")
    lines = decide(plan(), one_night(refund, *(bob(i, when, 40) for i in ids)))
    assert [ln.event_id for ln in lines[0]] == ["B", "a", "b", "\uffff", "\U00010000", "A"]


def test_a_day_that_a_zone_left_out_is_nobodys() -> None:
    """
    Samoa went from 29 to 31 December 2011 at its midnight, 10:00 UTC.
    """
    assert local_day("Pacific/Apia", at("2011-12-30T09:59:59.999999")) == day("2011-12-29")
    assert local_day("Pacific/Apia", at("2011-12-30T10:00")) == day("2011-12-31")


def test_a_refund_waits_for_its_order_where_clocks_go_back_over_midnight() -> None:
    """
    In St John's, 2010-11-07 00:01 was followed by 2010-11-06 23:01.
    """
    order = bob("e", "2010-11-07T00:00:30-02:30", 40)
    refund = bob("r", "2010-11-06T23:01:30-03:30", -40, "e")
    assert refund.occurred_us - order.occurred_us == 60_000_000
    lines = decide(
        plan(zone="America/St_Johns"),
        [
            night("2010-11-06", order, refund, edges=BOB_OF_ANN),
            night("2010-11-07"),
        ],
    )
    assert said(lines) == ["--", "e 1 ann 8 8", "r 1 ann -8 -8"]


@pytest.mark.parametrize(
    ("window", "starts"),
    [
        (Window.ORDER, ["e"] * 6),
        (Window.DAY, ["2026-01-01", "2026-03-31", "2026-04-01", "2026-05-31", "2026-08-30",
                      "2026-12-31"]),
        (Window.WEEK, ["2025-12-29", "2026-03-30", "2026-03-30", "2026-05-25", "2026-08-24",
                       "2026-12-28"]),
        (Window.MONTH, ["2026-01-01", "2026-03-01", "2026-04-01", "2026-05-01", "2026-08-01",
                        "2026-12-01"]),
        (Window.QUARTER, ["2026-01-01", "2026-01-01", "2026-04-01", "2026-04-01", "2026-07-01",
                          "2026-10-01"]),
        (Window.YEAR, ["2026-01-01"] * 6),
        (Window.LIFETIME, ["0001-01-01"] * 6),
    ],
)  # fmt: skip
def test_a_window_is_told_by_the_day_on_which_it_starts(window: Window, starts: list[str]) -> None:
    days = ("2026-01-01", "2026-03-31", "2026-04-01", "2026-05-31", "2026-08-30", "2026-12-31")
    terms = plan().terms[0]
    orders = [Order("e", "USD", day(each), terms, ()) for each in days]
    assert [str(reference._window_start(window, each)) for each in orders] == starts


def test_a_root_is_an_adjustment_from_the_smallest_amount_below_zero_on() -> None:
    roots = [bob(f"e{amount + 1}", "2026-01-01", amount) for amount in (-1, 0, 1)]
    (lines,) = decide(plan(), one_night(*roots))
    assert [line.kind for line in lines] == ["adjusted", "earned", "earned"]


# --- settlement by hand -------------------------------------------------------------------------


def settled(terms: Plan, nights: Sequence[Night]) -> list[list[Statement]]:
    return settle(terms, nights, decide(terms, nights))


def told(statements: Sequence[Sequence[Statement]]) -> list[str]:
    """affiliate, opening, earned, reversed, adjusted, paid, closing = held + available."""
    texts = [
        [
            f"{s.affiliate_id} {s.opening}{s.earned:+}{s.reversed:+}{s.adjusted:+}-{s.paid}"
            f"={s.closing}={s.held}{s.available:+}"
            for s in written
        ]
        for written in statements
    ]
    return [text for n, part in enumerate(texts) for text in (["--"] * (n > 0) + part)]


def test_a_refund_inside_the_hold_nets_and_the_minimum_is_met_exactly() -> None:
    statements = settled(
        plan(hold=14, minimum={"USD": 6}),
        [
            night("2026-01-01", bob("e", "2026-01-01", 40), edges=BOB_OF_ANN),
            night("2026-01-05", bob("r", "2026-01-05", -10, "e")),
            night("2026-01-14"),
            night("2026-01-15"),
            night("2026-01-16"),
        ],
    )
    assert told(statements) == [
        "ann 0+8+0+0-0=8=8+0", "--", "ann 8+0-2+0-0=6=6+0", "--", "ann 6+0+0+0-0=6=6+0", "--",
        "ann 6+0+0+0-6=0=0+0", "--",
    ]  # fmt: skip


def test_below_the_minimum_carries_over_and_so_does_a_negative_balance() -> None:
    statements = settled(
        plan(minimum={"USD": 9}),
        [
            night("2026-01-01", bob("e", "2026-01-01", 40), edges=BOB_OF_ANN),
            night("2026-01-02", bob("f", "2026-01-02", 5)),
            night("2026-01-03", bob("r", "2026-01-03", -40, "e")),
            night("2026-01-04", bob("a", "2026-01-04", -5)),
            night("2026-01-05", bob("g", "2026-01-05", 100)),
        ],
    )
    assert told(statements) == [
        "ann 0+8+0+0-0=8=0+8", "--", "ann 8+1+0+0-9=0=0+0", "--", "ann 0+0-8+0-0=-8=0-8", "--",
        "ann -8+0+0-1-0=-9=0-9", "--", "ann -9+20+0+0-11=0=0+0",
    ]  # fmt: skip


def test_a_suspended_affiliate_accrues_and_is_paid_when_active_again() -> None:
    statements = settled(
        plan(),
        [
            night("2026-01-01", bob("e", "2026-01-01", 40), edges=BOB_OF_ANN, ann="suspended"),
            night("2026-01-02"),
            night("2026-01-03", ann="active"),
        ],
    )
    assert [s.paid for written in statements for s in written] == [0, 0, 8]


@pytest.mark.parametrize(
    ("every", "nights", "settlements"),
    [
        (Every.DAY, ["2026-01-01", "2026-01-02"], [True, True]),
        (Every.WEEK, ["2026-01-04", "2026-01-05", "2026-01-11"], [True, False, True]),
        (Every.WEEK, ["2026-01-05", "2026-01-10", "2026-01-12"], [False, False, True]),
        (Every.MONTH, ["2026-01-31", "2026-02-01", "2026-02-28"], [True, False, True]),
        (Every.MONTH, ["2026-01-30", "2026-02-01", "2026-04-15"], [False, True, True]),
    ],
)
def test_a_settlement_that_fell_between_two_runs_is_made_by_the_second(
    every: Every, nights: list[str], settlements: list[bool]
) -> None:
    known = (bob("e", "2026-01-01", 5), bob("f", "2025-12-31", 5))
    first, *later = nights
    statements = settled(
        plan(every=every, minimum={"USD": 99}),
        [night(first, *known, edges=BOB_OF_ANN), *(night(when) for when in later)],
    )
    assert [bool(written) for written in statements] == settlements


def test_a_statement_starts_after_the_last_settlement_or_with_its_earliest_order() -> None:
    terms = plan(level(0, "10%"), level(1, "20%"), every=Every.WEEK)
    statements = settled(
        terms,
        [
            night("2026-01-03", bob("e", "2025-12-29", 40), edges=BOB_OF_ANN),
            night("2026-01-06", bob("f", "2025-12-20", 40)),
            night("2026-01-12", Event("g", "ann", at("2025-11-01"), 40, "EUR")),
        ],
    )
    periods = [
        (s.affiliate_id, s.currency, s.period_from, s.period_to) for w in statements for s in w
    ]
    assert periods == [
        ("ann", "USD", day("2025-12-20"), day("2026-01-06")),
        ("bob", "USD", day("2025-12-20"), day("2026-01-06")),
        ("ann", "EUR", day("2026-01-07"), day("2026-01-12")),
    ]


def test_statements_are_by_affiliate_and_then_by_currency() -> None:
    codes = ("USD", "EUR", "JPY", "CHF", "SEK", "DKK", "NOK")
    sold = [replace(bob(code, "2026-01-01", 50), currency=code) for code in codes]
    terms = plan(level(0, "10%"), level(1, "10%"))
    (statements,) = settled(terms, one_night(*sold))
    found = [(each.affiliate_id, each.currency) for each in statements]
    assert found == [(who, code) for who in ("ann", "bob") for code in sorted(codes)]


def test_a_payout_may_have_to_wait_and_is_asked_about_on_its_day() -> None:
    """Down to the smallest amount: of 1, then of 1 more."""
    terms = plan(level(1, "100%"), every=Every.WEEK)
    nights = [
        night("2026-01-04", bob("e", "2026-01-02", 1), edges=BOB_OF_ANN),
        night("2026-01-11", bob("f", "2026-01-07", 1)),
        night("2026-01-18"),
    ]
    asked: list[tuple[int, tuple[str, str], int]] = []

    def waits(*payout: Any) -> bool:
        asked.append(payout)
        return len(asked) == 1

    statements = settle(terms, nights, decide(terms, nights), waits)
    assert [(s.paid, s.closing) for written in statements for s in written] == [(0, 1), (2, 0)]
    ann = ("ann", "USD")
    assert asked == [(day("2026-01-04"), ann, 1), (day("2026-01-11"), ann, 2)]
    paid = settle(terms, nights, decide(terms, nights))
    assert [(s.paid, s.closing) for written in paid for s in written] == [(1, 0), (1, 0)]


# --- laws ---------------------------------------------------------------------------------------


def run(world: World) -> list[list[Line]]:
    return decide(world.plan, world.nights)


def totals(lines: Sequence[Sequence[Line]]) -> dict[tuple[str, str], int]:
    """Per beneficiary and currency; without those that come to nothing."""
    sums: Counter[tuple[str, str]] = Counter()
    for line in flat(lines):
        sums[line.beneficiary_id, line.currency] += line.commission
    return {account: total for account, total in sums.items() if total}


def knowing_all(world: World) -> World:
    """The world, with every edge and status known from the first night."""
    first, *rest = (replace(n, edges=(), statuses=()) for n in world.nights)
    edges = tuple(edge for n in world.nights for edge in n.edges)
    statuses = tuple(status for n in world.nights for status in n.statuses)
    return World(world.plan, (replace(first, edges=edges, statuses=statuses), *rest))


def with_events(world: World, learned: Sequence[Sequence[Event]]) -> World:
    pairs = zip(world.nights, learned, strict=True)
    return World(world.plan, tuple(replace(n, events=tuple(events)) for n, events in pairs))


@WORLDS
@given(worlds(nested=True), st.data())
def test_law_1_order_of_arrival_does_not_matter(world: World, data: st.DataObject) -> None:
    world = knowing_all(world)
    last = len(world.nights) - 1
    learned: list[list[Event]] = [[] for _ in world.nights]
    arrived: dict[str, int] = {}
    events = [event for n in world.nights for event in n.events]
    for event in sorted(events, key=lambda e: e.reverses is not None):
        earliest = arrived[event.reverses] if event.reverses is not None else 0
        arrived[event.event_id] = data.draw(st.integers(earliest, last), label=event.event_id)
        learned[arrived[event.event_id]].append(event)
    assert totals(run(with_events(world, learned))) == totals(run(world))


@WORLDS
@given(worlds(), st.randoms(use_true_random=False))
def test_law_1_order_of_rows_does_not_matter_whatever_the_caps(
    world: World, random: Random
) -> None:
    shuffled = [random.sample(n.events, len(n.events)) for n in world.nights]
    assert run(with_events(world, shuffled)) == run(world)


@WORLDS
@given(worlds(nested=True), st.data())
def test_law_2_a_refund_erases(world: World, data: st.DataObject) -> None:
    """In parts or whole, in any night. Caps that are not nested remember (see the next test)."""
    zone, last = world.plan.timezone, world.nights[-1].business_day
    events = [event for n in world.nights for event in n.events]
    roots = [event for event in events if event.amount > 0]
    assume(roots)
    root = data.draw(st.sampled_from(roots))
    of_order = [event for event in events if root.event_id in (event.event_id, event.reverses)]
    never = [event for event in of_order if local_day(zone, event.occurred_us) > last]
    rest = sum(event.amount for event in of_order if event not in never)
    refund = replace(root, event_id="the rest", amount=-rest, reverses=root.event_id)
    refunded = [[event for event in n.events if event not in never] for n in world.nights]
    if root not in never and rest:
        refunded[-1].append(refund)
    without = [[event for event in n.events if event not in of_order] for n in world.nights]
    assert totals(run(with_events(world, refunded))) == totals(run(with_events(world, without)))


def test_caps_that_are_not_nested_remember_a_refunded_order() -> None:
    """
    Why law 2 asks for nested caps: 2026-01-31 and 2026-02-01 are of one week and of two months.
    What r gives back is January's, what f was cut by e is February's.
    """
    terms = plan(level(1, "20%", week=10, month=6))
    e, r = bob("e", "2026-01-31", 50), bob("r", "2026-02-02", -50, "e")
    f, g = bob("f", "2026-02-01", 50), bob("g", "2026-01-30", 20)
    erased = decide(terms, one_night(f, g))
    assert said(erased) == ["g 1 ann 4 4", "f 1 ann 10 6 week"]
    refunded = decide(terms, one_night(e, r, f, g))
    assert said(refunded) == [
        "g 1 ann 4 4", "e 1 ann 10 2 week", "f 1 ann 10 0 week", "r 1 ann -10 0 week",
    ]  # fmt: skip


@WORLDS
@given(worlds(), st.data())
def test_law_2_a_refund_before_anything_else_leaves_no_trace_whatever_the_caps(
    world: World, data: st.DataObject
) -> None:
    """Nothing is decided between this order and its refund, and so no other line can move."""
    events = [event for n in world.nights for event in n.events]
    model = data.draw(st.sampled_from(events))
    amount = data.draw(st.integers(1, 100))
    order = replace(
        model,
        event_id="order",
        occurred_us=model.occurred_us + 7,
        amount=amount,
        reverses=None,
    )
    assume(order.occurred_us not in {event.occurred_us for event in events})
    refund = replace(order, event_id="refund", amount=-amount, reverses="order")
    arrives = data.draw(st.integers(0, len(world.nights) - 1))
    learned = [[*n.events, *([refund, order] * (k == arrives))] for k, n in enumerate(world.nights)]
    traced = run(with_events(world, learned))
    others = [[ln for ln in decided if ln.order_id != "order"] for decided in traced]
    assert others == run(world)


@WORLDS
@given(worlds(nested=True))
def test_law_3_a_cap_is_tight(world: World) -> None:
    assert is_nested(world.plan)
    lines = flat(run(world))
    paid: Counter[tuple[int, str, str]] = Counter()
    for line in lines:
        paid[line.terms_day, line.beneficiary_id, line.currency] += line.commission
    assert paid == paid_at_once(world.plan, lines)


def paid_at_once(plan: Plan, lines: Sequence[Line]) -> "Counter[tuple[int, str, str]]":
    """Per terms, beneficiary and currency what all orders together give: totals, no sequence."""
    paid: Counter[tuple[int, str, str]] = Counter()
    for terms in plan.terms:
        of_terms = [ln for ln in lines if ln.terms_day == terms.starts]
        for beneficiary, code in {(ln.beneficiary_id, ln.currency) for ln in of_terms}:
            whole: list[tuple[int, Line]] = []  # an amount, and a line of its window
            for own in terms.levels:
                gross: Counter[str] = Counter()
                sample: dict[str, Line] = {}
                for ln in of_terms:
                    if (ln.beneficiary_id, ln.currency, ln.level) == (beneficiary, code, own.level):
                        gross[ln.order_id] += ln.gross
                        sample[ln.order_id] = ln
                parts = [(gross[order_id], ln) for order_id, ln in sample.items()]
                for order_cap in (c for c in own.caps if c.window is Window.ORDER):
                    limit = order_cap.limit.get(code, 2**64)
                    parts = [(max(-limit, min(limit, total)), ln) for total, ln in parts]
                later = [c for c in own.caps if c.window is not Window.ORDER]
                whole += _through(terms, later, code, parts)
            whole = _through(terms, terms.caps, code, whole)
            paid[terms.starts, beneficiary, code] = sum(total for total, _ in whole)
    return paid


def _through(
    terms: Terms, caps: Sequence[Cap], code: str, parts: list[tuple[int, Line]]
) -> list[tuple[int, Line]]:
    """Each window's total, cut once."""
    for one in (c for c in caps if code in c.limit):
        sums: Counter[str] = Counter()
        sample: dict[str, Line] = {}
        for total, line in parts:
            root_day = line.available_day - terms.hold_days
            name = window_name(one.window, root_day, line.order_id)
            sums[name] += total
            sample[name] = line
        parts = [(min(sums[name], one.limit[code]), line) for name, line in sample.items()]
    return parts


@WORLDS
@given(worlds())
def test_law_3_every_step_of_every_line_whatever_the_caps(world: World) -> None:
    """Grosses are the exact shares rounded; cut cap by cap they give commission and reason."""
    lines = flat(run(world))
    events = {event.event_id: event for n in world.nights for event in n.events}
    rates = {(t.starts, own.level): own.rate for t in world.plan.terms for own in t.levels}
    base: Counter[tuple[str, int]] = Counter()
    rounded: Counter[tuple[str, int]] = Counter()
    cuts: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for step in cap_steps(world.plan, lines):
        if step.cut:
            cuts[id(step.line)].append((step.window.value, step.cut))
    for line in lines:
        if line.reason == "closed":
            assert (line.gross, line.commission) == (0, 0)
        else:
            of_order = (line.order_id, line.level)
            base[of_order] += events[line.event_id].amount
            rounded[of_order] += line.gross
            rate = rates[line.terms_day, line.level]
            assert rounded[of_order] == share(base[of_order], rate, world.plan.rounding)
            assert line.commission == line.gross - sum(cut for _, cut in cuts[id(line)])
            assert line.reason == next((window for window, _ in cuts[id(line)]), "")


@WORLDS
@given(worlds())
def test_law_4_nothing_from_nothing(world: World) -> None:
    zone = world.plan.timezone
    expected: list[list[tuple[str, int, str]]] = [[] for _ in world.nights]
    events = {event.event_id: event for n in world.nights for event in n.events}
    learned = {event.event_id: k for k, n in enumerate(world.nights) for event in n.events}
    processed: dict[str, int] = {}
    for event in sorted(events.values(), key=lambda e: e.reverses is not None):
        root = events[event.reverses or event.event_id]
        local = local_day(zone, event.occurred_us)
        earliest = learned[event.event_id] if event is root else processed.get(root.event_id, 99)
        for k in range(max(earliest, learned[event.event_id]), len(world.nights)):
            if world.nights[k].business_day >= local:
                processed[event.event_id] = k
                break
        terms = world.plan.terms_on(local_day(zone, root.occurred_us))
        if event.event_id in processed and terms:
            known = [e for n in world.nights[: processed[root.event_id] + 1] for e in n.edges]
            path = list(ancestry(known, root.affiliate_id, root.occurred_us))
            expected[processed[event.event_id]] += [
                (event.event_id, one.level, path[one.level])
                for one in terms.levels
                if one.level < len(path)
            ]
    found = [
        [(ln.event_id, ln.level, ln.beneficiary_id) for ln in decided] for decided in run(world)
    ]
    assert [sorted(keys) for keys in found] == [sorted(keys) for keys in expected]


@WORLDS
@given(worlds())
def test_law_5_closed_stays_closed(world: World) -> None:
    lines = run(world)
    statements = settle(world.plan, world.nights, lines)
    for n in range(len(world.nights) + 1):
        past = world.nights[:n]
        known = [t for t in world.plan.terms if past and t.starts <= past[-1].business_day]
        plan_then = replace(world.plan, terms=tuple(known))
        assert decide(plan_then, past) == lines[:n]
        assert settle(plan_then, past, lines[:n]) == statements[:n]


@WORLDS
@given(worlds())
def test_statements_follow_one_another_and_hold_every_line(world: World) -> None:
    lines = run(world)
    statements = settle(world.plan, world.nights, lines)
    moved: Counter[tuple[str, str]] = Counter()
    closing: Counter[tuple[str, str]] = Counter()
    for n, written in enumerate(statements):
        for s in written:
            account = (s.affiliate_id, s.currency)
            assert s.opening == closing[account]
            assert s.closing == s.opening + s.earned + s.reversed + s.adjusted - s.paid
            assert s.closing == s.held + s.available
            assert s.reversed <= 0 <= s.paid
            assert s.period_from <= s.period_to == world.nights[n].business_day
            closing[account] = s.closing
            moved[account] += s.earned + s.reversed + s.adjusted
        if written:
            assert {k: v for k, v in moved.items() if v} == totals(lines[: n + 1])


@WORLDS
@given(worlds())
def test_lines_are_in_processing_order(world: World) -> None:
    events = {event.event_id: event for n in world.nights for event in n.events}
    for decided in run(world):
        ids = [event_id for event_id, _ in groupby(ln.event_id for ln in decided)]
        whole = [events[i] for i in ids]
        assert whole == sorted(
            whole, key=lambda e: (e.occurred_us, e.reverses is not None, e.event_id.encode())
        )
        assert len(set(ids)) == len(ids)
