"""The vectorised calculation, judged by the plain reference, and its arithmetic at the edges."""

import inspect
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import floor

import numpy as np
import pytest
import test_reference
from engines import ints, kernel_nights
from hypothesis import assume, example, given, reject, seed, settings
from hypothesis import strategies as st
from test_reference import BOB_OF_ANN, bob, day, flat, level, night, one_night, plan, said
from worlds import REQUIRED, WORLDS, World, cap_steps, marks, table, window_name, worlds

from commission_engine.calendar import Window
from commission_engine.decide import kernel, reference
from commission_engine.decide.adjusted import NO_TERMS, Adjusted, with_adjustments
from commission_engine.decide.groups import grouped, packed, stable_order
from commission_engine.decide.kernel import (
    LARGEST_TOTAL,
    SPANNING,
    Advance,
    Decision,
    Events,
    Keys,
    Lines,
    Scope,
    check_total,
    exact_sum,
    shares,
)
from commission_engine.decide.reference import Line, Night, decide
from commission_engine.decide.used import UsedInMemory
from commission_engine.money import Rate, Rounding, share
from commission_engine.plan.terms import Cap, Plan, Terms
from commission_engine.problems import CommissionError
from commission_engine.tree.forest import NOBODY, Forest, Standing

SEEDS = st.integers(0, 2**16)


def test_the_kernel_says_what_the_reference_says_in_every_interesting_state() -> None:
    """
    In many more worlds, by hand (it prints how often each state was reached):
    COMMISSION_WORLDS=50000 COMMISSION_WORLDS_RANDOM=1 python -m pytest tests/test_kernel.py
        -k every_interesting_state -s --timeout 0
    """
    counts: Counter[str] = Counter()

    @settings(WORLDS, max_examples=max(WORLDS.max_examples, 2000))
    @given(worlds())
    def compare(world: World) -> None:
        expected = decide(world.plan, world.nights)
        if beyond_64_bits(world, expected):
            with pytest.raises(CommissionError, match="more than the book can hold"):
                kernel_nights(world, seed=counts["worlds"])
        else:
            assert kernel_nights(world, seed=counts["worlds"]) == expected
        counts.update(["worlds", *marks(world, expected).elements()])

    # The same worlds whatever is edited here: some states are reached a few times in 2000.
    (seed(0)(compare) if WORLDS.derandomize else compare)()
    print(f"{counts['worlds']:>8}  worlds\n{table(counts)}")
    assert set(counts) == {"worlds", *REQUIRED}


def beyond_64_bits(world: World, lines: Sequence[Sequence[Line]]) -> bool:
    """Whether one night asks one cap to count so much, signs aside, that it has to refuse."""
    night_of = {id(line): n for n, decided in enumerate(lines) for line in decided}
    sums: Counter[object] = Counter()
    seen: set[object] = set()
    for step in cap_steps(world.plan, flat(lines)):
        line = step.line
        cap = (night_of[id(line)], line.terms_day, step.whose, step.window)
        hold = next(t.hold_days for t in world.plan.terms if t.starts == line.terms_day)
        window = window_name(step.window, line.available_day - hold, line.order_id)
        key = (*cap, line.beneficiary_id, line.currency, window)
        sums[cap] += abs(step.after - step.before) + abs(step.before) * (key not in seen)
        seen.add(key)
    return any(total >= LARGEST_TOTAL for total in sums.values())


@WORLDS
@given(worlds(), SEEDS, SEEDS)
def test_neither_the_books_numbers_nor_the_order_of_rows_matter(
    world: World, one: int, other: int
) -> None:
    assume(not beyond_64_bits(world, decide(world.plan, world.nights)))
    assert kernel_nights(world, one) == kernel_nights(world, other)


SAID_OF_THE_REFERENCE = {
    name: test
    for name, test in vars(test_reference).items()
    if name.startswith("test_") and not inspect.signature(test).parameters
}
"""The five laws and the situations by hand."""


def in_columns(terms: Plan, nights: Sequence[Night]) -> list[list[Line]]:
    return kernel_nights(World(terms, tuple(nights)), seed=1)


def in_columns_if_it_fits(terms: Plan, nights: Sequence[Night]) -> list[list[Line]]:
    try:
        return in_columns(terms, nights)
    except CommissionError:  # one world of many thousands, see the first test
        reject()


@pytest.mark.parametrize("name", SAID_OF_THE_REFERENCE)
def test_what_holds_for_the_reference_holds_for_the_kernel(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_reference, "decide", in_columns_if_it_fits)
    SAID_OF_THE_REFERENCE[name]()
    assert vars(test_reference)["decide"] is not reference.decide


def test_the_laws_are_among_them() -> None:
    laws = {name.split("_")[2] for name in SAID_OF_THE_REFERENCE if name.startswith("test_law_")}
    assert laws == {"1", "2", "3", "4", "5"}


# --- rounding at the edges of 64 bits ------------------------------------------------------------

MOST = 10**18 - 1
AMOUNTS = st.one_of(
    st.integers(-MOST, MOST),
    st.integers(-60, 60),
    st.sampled_from([MOST, -MOST, 2**53 + 1, -(2**53) - 1, 5 * 10**17, 0, 1, -1]),
)
RATES = st.one_of(
    st.sampled_from(["0", "1", "0.5", "0.25", "0.125", "0.05", "20%", "7.5%", "100%", "0.1"]),
    st.integers(0, 10**16).map(lambda parts: f"{parts // 10**16}.{parts % 10**16:016}"),
    st.integers(0, 10**4).map(lambda parts: f"0.{parts:016}"),
    st.integers(0, 10**16 - 1).map(lambda parts: f"0.{parts:016}%"),
).map(Rate.parse)


def rounded(value: Fraction, rounding: Rounding) -> int:
    size = abs(value)
    whole = {
        Rounding.HALF_EVEN: round(size),
        Rounding.HALF_UP: floor(size + Fraction(1, 2)),
        Rounding.DOWN: floor(size),
    }[rounding]
    return whole if value > 0 else -whole


@settings(WORLDS, max_examples=max(WORLDS.max_examples, 500))
@given(st.lists(AMOUNTS, max_size=6), RATES, st.sampled_from(Rounding))
@example([MOST, -MOST], Rate(10**16 - 1, 10**16), Rounding.HALF_EVEN)
@example([MOST, 1, 0], Rate(1, 10**18), Rounding.HALF_UP)
@example([5, 15, 25, -5, -15, -25], Rate(1, 10), Rounding.HALF_EVEN)
@example([5, 15, 25, -5, -15, -25], Rate(1, 10), Rounding.HALF_UP)
def test_shares_are_exact(amounts: list[int], rate: Rate, rounding: Rounding) -> None:
    exact = [rounded(Fraction(each * rate.parts, rate.scale), rounding) for each in amounts]
    assert shares(ints(amounts), rate, rounding).tolist() == exact
    assert [share(each, rate, rounding) for each in amounts] == exact


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("parts", [2**k + d for k in (3, 31, 32, 53) for d in (-1, 0, 1)])
@pytest.mark.parametrize("scale", [1, 10, 10**8, 10**16, 10**18])
def test_shares_around_the_size_at_which_64_bits_end(
    parts: int, scale: int, rounding: Rounding
) -> None:
    """Either side of where the product of the parts or of the scale passes 63 bits."""
    edges = {scale, 2**63 // parts, (2**63 // parts) * scale, LARGEST_TOTAL * scale // (parts + 1)}
    near = (edge + d for edge in edges for d in (-1, 0, 1))
    amounts = [each for each in near if 0 <= each <= MOST]
    amounts = [each for each in amounts if each * parts // scale < LARGEST_TOTAL - 1]
    amounts += [-each for each in amounts]
    exact = [rounded(Fraction(each * parts, scale), rounding) for each in amounts]
    assert shares(ints(amounts), Rate(parts, scale), rounding).tolist() == exact


@pytest.mark.parametrize("rounding", Rounding)
def test_nothing_at_the_largest_rate_is_nothing(rounding: Rounding) -> None:
    assert (
        shares(ints([0, 0]), Rate.parse("999999.999999999999999999"), rounding).tolist() == [0] * 2
    )


def test_a_share_of_nothing_is_empty() -> None:
    assert shares(ints([]), Rate(1, 10), Rounding.DOWN).tolist() == []


def test_refunds_in_parts_never_come_to_more_than_their_order() -> None:
    """
    10% half up of 15 is 2; of the 10, the 5 and the 0 that are left it is 1, 1 and 0.
    """
    parts = [bob(f"r{n}", f"2026-01-0{n}", -5, "e") for n in (2, 3, 4)]
    terms = plan(level(1, "10%"), rounding=Rounding.HALF_UP)
    lines = in_columns(terms, one_night(bob("e", "2026-01-01", 15), *parts))
    assert [line.commission for line in lines[0]] == [2, -1, 0, -1]


# --- totals that are too large -------------------------------------------------------------------

TOO_LARGE = (
    "a total of 4611686018427387904 minor units is more than the book can hold"
    " (4611686018427387904)"
)
HINT = "Look for an absurd amount: `commission lines`, or take units with fewer decimals."


def test_a_total_may_reach_62_bits_and_no_more() -> None:
    check_total(ints([LARGEST_TOTAL - 1]))
    check_total(ints([LARGEST_TOTAL // 2]), ints([1 - LARGEST_TOTAL // 2]))
    with pytest.raises(CommissionError) as refused:
        check_total(ints([LARGEST_TOTAL // 2]), ints([-LARGEST_TOTAL // 2]))
    assert (refused.value.message, refused.value.hint) == (TOO_LARGE, HINT)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("rounding", Rounding)
def test_a_share_may_reach_62_bits_and_no_more(sign: int, rounding: Rounding) -> None:
    base, rate = sign * 2**40, Rate(2**22, 1)
    with pytest.raises(CommissionError) as refused:
        shares(ints([1, base]), rate, rounding)
    assert (refused.value.message, refused.value.hint) == (TOO_LARGE, HINT)
    below = Rate(2**22 - 1, 1)
    assert shares(ints([base]), below, rounding).tolist() == [sign * 2**40 * (2**22 - 1)]


def test_a_run_refuses_cap_totals_that_64_bits_might_not_hold() -> None:
    """
    level 1 100%, a month's cap: 5 orders of 999999999999999999 are more than 2**62.
    """
    orders = [bob(f"e{n}", "2026-01-01", MOST) for n in range(5)]
    capped = plan(level(1, "100%", month=7))
    lines = in_columns(capped, one_night(*orders[:4]))
    assert [line.commission for line in lines[0]] == [7, 0, 0, 0]
    with pytest.raises(CommissionError) as refused:
        in_columns(capped, one_night(*orders))
    assert refused.value.message == (
        "a total of 4999999999999999995 minor units is more than the book can hold"
        " (4611686018427387904)"
    )


def test_what_earlier_runs_counted_is_part_of_the_total() -> None:
    capped = plan(level(1, "100%", lifetime=7))
    nights = [
        night(f"2026-01-0{n}", bob(f"e{n}", f"2026-01-0{n}", MOST), edges=BOB_OF_ANN * (n == 1))
        for n in range(1, 6)
    ]
    assert said(in_columns(capped, nights[:4]))[-1] == f"e4 1 ann {MOST} 0 lifetime"
    with pytest.raises(CommissionError, match="a total of 4999999999999999995 minor units"):
        in_columns(capped, nights)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
@example([2**63 - 1] * 5)
@example([-(2**63)] * 5)
def test_a_sum_is_exact_whatever_its_size(values: list[int]) -> None:
    assert exact_sum(ints(values)) == sum(values)


# --- in blocks, under several terms --------------------------------------------------------------


def test_events_are_worked_on_in_blocks_and_how_many_are_done_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    20% until the 3rd, 10% of at most 3 from then on; blocks of two events, of one and of two terms
    """
    monkeypatch.setattr(kernel, "ROWS_AT_ONCE", 2)
    days = ("2026-01-01", "2026-01-02", "2026-01-02", "2026-01-03", "2026-01-04")
    later = Terms(day("2026-01-03"), 5, (level(1, "10%", order=3),))
    terms = plan(hold=1, terms=(later,))
    nights = one_night(*(bob(f"e{n}", when, 40 + n) for n, when in enumerate(days)))
    done: list[tuple[int, int]] = []
    engine = partial(kernel.decide, told=lambda *each: done.append(each))
    lines = kernel_nights(World(terms, tuple(nights)), 1, engine)
    assert lines == decide(terms, nights)
    assert [line.commission for line in lines[0]] == [8, 8, 8, 3, 3]
    assert done == [(2, 5), (4, 5), (5, 5)]


def test_a_cap_of_nothing_pays_nothing_beside_a_currency_without_a_cap() -> None:
    own = replace(level(1, "100%"), caps=(Cap(Window.MONTH, {"USD": 0}),))
    euros = replace(bob("e2", "2026-01-02", 70), currency="EUR")
    lines = in_columns(plan(own), one_night(bob("e1", "2026-01-01", 50), euros))
    assert said(lines) == ["e1 1 ann 50 0 month", "e2 1 ann 70 70"]


def test_adjustments_are_lines_of_their_own_in_processing_order() -> None:
    """Of four events the second and the last are adjustments; the others pay one line, and two."""
    numbers = ints([1, 2, 3, 4])
    zeros = ints([0] * 4)
    events = Events(numbers, numbers, zeros, zeros, numbers * 10, *(zeros,) * 5)
    adjusted = Adjusted(ints([1, 3]), ints([8, 9]), ints([0, 2]), ints([50, 60]))

    def decided(rest: Events) -> Decision:
        assert rest.event.tolist() == [1, 3]
        return Decision(Lines(ints([0, 1, 1]), *(ints([5, 6, 7]),) * 7), ())

    lines = with_adjustments(events, adjusted, decided).lines
    assert [*zip(*(getattr(lines, name).tolist() for name in Lines.__slots__), strict=True)] == [
        (0, 5, 5, 5, 5, 5, 5, 5),
        (1, 0, 8, 20, 20, 0, NO_TERMS, 50),
        (2, 6, 6, 6, 6, 6, 6, 6),
        (2, 7, 7, 7, 7, 7, 7, 7),
        (3, 2, 9, 40, 40, 0, NO_TERMS, 60),
    ]
    assert NO_TERMS == -1_000_000, "books hold it"
    none = Adjusted(*(ints([]),) * 4)
    decision = Decision(lines, ())
    assert with_adjustments(events, none, lambda all_of_them: decision) is decision


# --- keys and groups -----------------------------------------------------------------------------

KEYS = st.sampled_from([0, 1, -1, 2**31, 2**62, -(2**62), 2**63 - 1, -(2**63)])


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, KEYS, KEYS)))
@example([(2**63 - 1, 0, 1), (-(2**63), 0, 1), (2**63 - 1, 0, 1), (2**63 - 1, 1, 0)])
def test_packed_keys_are_equal_where_all_of_them_are(rows: list[tuple[int, int, int]]) -> None:
    keys, _ = packed([ints(column) for column in columns(rows, 3)])
    assert same_places(keys.tolist()) == same_places(rows)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 300), KEYS)))
def test_packed_keys_lie_between_zero_and_what_is_said(rows: list[tuple[int, int, int]]) -> None:
    keys, size = packed([ints(column) for column in columns(rows, 3)])
    assert all(0 <= key < size for key in keys.tolist())


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.integers(0, 2))))
def test_groups_keep_the_order_of_their_rows(rows: list[tuple[int, int]]) -> None:
    order, first, group = grouped(*(ints(column) for column in columns(rows, 2)))
    expected = sorted(same_places(rows))
    assert sorted(part.tolist() for part in np.split(order, first[1:]) if len(part)) == expected
    assert [order[start] for start in first] == [order[group == n][0] for n in range(len(first))]


@pytest.mark.parametrize("far", [1, 2**8, 2**16, 2**31, 2**32, 2**48])
def test_sorting_goes_by_the_whole_number_and_keeps_equal_ones_as_they_were(far: int) -> None:
    """Numbers that are alike in their lowest, or in their highest bits."""
    values = [far, 0, far + 1, far, 2 * far, 1, 0, 3 * far - 1, far, far - 1]
    expected = sorted(range(len(values)), key=values.__getitem__)
    assert stable_order(ints(values), max(values) + 1).tolist() == expected


@pytest.mark.parametrize("size", [d + n for d in (2**8, 2**16, 2**32) for n in (-1, 0, 1, 2)])
def test_sorting_goes_by_every_bit_of_the_largest_number(size: int) -> None:
    values = [size - 1, 0, size - 2, size - 1, 1]
    assert stable_order(ints(values), size).tolist() == [1, 4, 2, 0, 3]


@pytest.mark.parametrize("first", [1, 2, 3, 5, 7])
def test_keys_are_packed_up_to_the_last_bit_and_not_beyond(first: int) -> None:
    """Two keys of which the second has as many values as make 63 bits just enough, or not."""
    for span in (2**63 // first, -(-(2**63) // first), 2**63 // first + 1):
        if span < 2**63:
            one, other = ints([0, first - 1, first - 1]), ints([0, 0, span - 1])
            keys, size = packed([one, other])
            assert all(0 <= key < size for key in keys.tolist())
            assert len(set(keys.tolist())) == len({*zip(one.tolist(), other.tolist(), strict=True)})


def columns(rows: Sequence[tuple[int, ...]], width: int) -> list[list[int]]:
    return [[row[n] for row in rows] for n in range(width)]


def same_places(rows: Iterable[object]) -> list[list[int]]:
    """Where each different row stands."""
    places: dict[object, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row].append(place)
    return list(places.values())


# --- what is kept between runs, and who is above whom --------------------------------------------


def keys(*rows: tuple[int, int, int]) -> Keys:
    return Keys(*(ints(column) for column in columns(rows, 3)))


def test_totals_of_caps_continue_per_scope_and_key() -> None:
    used = UsedInMemory()
    month, week = Scope(5, 1, Window.MONTH), Scope(5, SPANNING, Window.WEEK)
    used.advance([Advance(month, keys((7, 1, 31), (8, 1, 31)), ints([100, -3]))])
    used.advance([Advance(month, keys((7, 1, 31)), ints([150]))])
    used.advance([Advance(week, keys((7, 1, 28)), ints([9]))])
    asked = keys((8, 1, 31), (7, 1, 31), (7, 2, 31), (7, 1, 28))
    assert used.totals(month, asked).tolist() == [-3, 150, 0, 0]
    assert used.totals(week, asked).tolist() == [0, 0, 0, 9]
    assert sorted(used.rows(tuple(Window))) == [
        # terms, level, window's place, window start, beneficiary, currency, total
        (5, -1, 2, 28, 7, 1, 9),  # over all levels: so it stands in books
        (5, 1, 3, 31, 7, 1, 150),
        (5, 1, 3, 31, 8, 1, -3),
    ]


def test_what_a_copy_counts_stays_apart() -> None:
    used, month = UsedInMemory(), Scope(5, 1, Window.MONTH)
    both = keys((7, 1, 31), (8, 1, 31))
    used.advance([Advance(month, both, ints([100, 3]))])
    copied = used.copy()
    copied.advance([Advance(month, keys((7, 1, 31)), ints([150]))])
    assert used.totals(month, both).tolist() == [100, 3]
    assert copied.totals(month, both).tolist() == [150, 3]


def forest(*edges: tuple[int, int, int, int]) -> Forest:
    return Forest.of(*(ints(column) for column in columns(edges, 4)))


def above(tree: Forest, affiliate: int, at: int, known: int) -> int:
    return int(tree.referrers(ints([affiliate]), ints([at]), ints([known]))[0])


def test_an_edge_holds_from_its_since_until_the_next_that_was_known() -> None:
    """
    1 <- 2 since 0 (learned 1), 3 <- 2 since 10 (learned 5), nobody since 20 (learned 3)
    """
    tree = forest((2, NOBODY, 20, 3), (2, 3, 10, 5), (2, 1, 0, 1))
    found = {
        (at, known): above(tree, 2, at, known)
        for at in (-1, 0, 9, 10, 19, 20)
        for known in (0, 1, 3, 5)
    }
    assert [found[at, 5] for at in (-1, 0, 9, 10, 19, 20)] == [NOBODY, 1, 1, 3, 3, NOBODY]
    assert [found[20, known] for known in (0, 1, 3, 5)] == [NOBODY, 1, NOBODY, NOBODY]
    assert [found[10, known] for known in (0, 1, 3, 5)] == [NOBODY, 1, 1, 3]


def test_an_empty_forest_and_unknown_affiliates_have_nobody_above() -> None:
    assert above(forest(), 7, 0, 0) == NOBODY
    assert above(forest((2, 1, 0, 0)), 9, 0, 0) == NOBODY
    assert above(forest((2, 1, 0, 0)), NOBODY, 0, 0) == NOBODY
    levels = forest((3, 2, 0, 0), (2, 1, 0, 0)).ancestors(ints([3]), ints([0]), ints([0]), 4)
    assert [int(each[0]) for each in levels] == [3, 2, 1, NOBODY, NOBODY]


def test_a_status_holds_from_when_it_was_learned() -> None:
    standing = Standing.of(ints([5, 5, 4]), ints([8, 3, 1]), np.array([False, True, False]))

    def closed(affiliate: int, known: int) -> bool:
        return bool(standing.closed_at(ints([affiliate]), ints([known]))[0])

    assert [closed(5, known) for known in (2, 3, 7, 8)] == [False, True, True, False]
    assert [closed(affiliate, 9) for affiliate in (4, 6)] == [False, False]
    nobody = Standing.of(ints([]), ints([]), np.zeros(0, np.bool_))
    assert nobody.closed_at(ints([5]), ints([1])).tolist() == [False]
