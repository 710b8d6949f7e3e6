"""Paydays, statements and payouts, entries and the sums that must agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from engines import add_facts, book_nights, ints
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reference import BOB_OF_ANN, at, bob, day, level, night, plan, said
from worlds import World

from commission_engine import night as nightly
from commission_engine.book import facts
from commission_engine.book.connect import connect, reading
from commission_engine.decide import reference
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.decide.kernel import LARGEST_TOTAL, Events, Lines
from commission_engine.decide.reference import Edge
from commission_engine.ledger.accounts import RAISES_PAYABLE, SIDES, Account, Kind
from commission_engine.ledger.available import as_booked_now
from commission_engine.ledger.post import ACTIVITY, ENTRIES, activity, entries, kinds, post
from commission_engine.ledger.settle import KEY, STATEMENTS, settle, settles
from commission_engine.ledger.totals import control_totals
from commission_engine.plan.terms import Every
from commission_engine.problems import CommissionError, Exit, OutOfBalance

# --- paydays -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "previous", "run", "settled"),
    [
        # the first run: only when the period ends with it
        ("day", None, "2026-01-01", True),
        ("week", None, "2026-01-03", False),
        ("week", None, "2026-01-04", True),  # a Sunday
        ("week", None, "2026-01-05", False),
        ("month", None, "2026-01-30", False),
        ("month", None, "2026-01-31", True),
        ("month", None, "2026-02-01", False),
        # night after night
        ("day", "2026-01-01", "2026-01-02", True),
        ("week", "2026-01-02", "2026-01-03", False),
        ("week", "2026-01-03", "2026-01-04", True),
        ("week", "2026-01-04", "2026-01-05", False),
        ("month", "2026-02-27", "2026-02-28", True),
        ("month", "2028-02-27", "2028-02-28", False),
        ("month", "2028-02-28", "2028-02-29", True),
        ("month", "2026-02-28", "2026-03-01", False),
        # a payday that fell into a gap is kept by the next run
        ("day", "2026-01-01", "2026-01-09", True),
        ("week", "2026-01-03", "2026-01-05", True),
        ("week", "2026-01-03", "2026-01-20", True),
        ("week", "2026-01-05", "2026-01-10", False),
        ("month", "2026-01-30", "2026-02-01", True),
        ("month", "2026-01-31", "2026-02-27", False),
        ("month", "2025-12-30", "2026-04-15", True),
        # before 1970
        ("week", "1969-12-27", "1969-12-28", True),
        ("month", "1969-12-30", "1969-12-31", True),
    ],
)
def test_paydays(every: str, previous: str | None, run: str, settled: bool) -> None:
    assert settles(Every(every), day(run), day(previous) if previous else None) is settled


@settings(deadline=None)
@given(st.integers(-700_000, 2_900_000), st.integers(1, 70), st.sampled_from(Every))
def test_a_run_settles_when_a_payday_lies_after_the_run_before_it(
    previous: int, gap: int, every: Every
) -> None:
    days = [date.fromordinal(each + 719_163) for each in range(previous + 1, previous + gap + 1)]
    paydays = {
        Every.DAY: days,
        Every.WEEK: [each for each in days if each.isoweekday() == 7],
        Every.MONTH: [each for each in days if date.fromordinal(each.toordinal() + 1).day == 1],
    }
    assert settles(every, previous + gap, previous) is bool(paydays[every])


# --- settlement by hand: affiliates and currencies are numbers, day 100 --------------------------

ANN, BOB = 1, 2
USD, JPY = 1, 2


def booked(*rows: tuple[int, int, Kind, int, int]) -> pl.DataFrame:
    """affiliate, currency, kind, available day, amount as the affiliate's balance sees it."""
    schema = dict.fromkeys(("affiliate", "currency", "kind", "available_day", "amount"), pl.Int64)
    return entries(pl.DataFrame(rows, schema=schema, orient="row"))


def settled(
    *new: tuple[int, int, Kind, int, int],
    opening: Sequence[tuple[int, int, int, int]] = (),
    matured: Sequence[tuple[int, int, Kind, int, int]] = (),
    seen: Sequence[tuple[int, int, int, int]] = (),
    least: Mapping[int, int] | None = None,
    inactive: Sequence[int] = (),
    waived: Sequence[tuple[int, int]] = (),
    period_from: int | None = 91,
) -> list[str]:
    """affiliate currency: opening+earned+reversed+adjusted-paid=closing=held+available (from)."""
    balances = ("affiliate", "currency", "closing_minor", "available_minor")
    lines = [*seen, *((who, code, 1, 99) for who, code, *_ in new)]
    statements = settle(
        day=100,
        period_from=period_from,
        opening=pl.DataFrame(opening, schema=dict.fromkeys(balances, pl.Int64), orient="row"),
        entries=booked(*new),
        matured=booked(*matured),
        activity=pl.DataFrame(lines, schema=ACTIVITY, orient="row"),
        minimum=pl.DataFrame(
            list((least or {}).items()),
            schema={"currency": pl.Int64, "least": pl.Int64},
            orient="row",
        ),
        inactive=pl.Series(inactive, dtype=pl.Int64),
        waived=pl.DataFrame(waived, schema=dict.fromkeys(KEY, pl.Int64), orient="row"),
    )
    assert statements.schema == STATEMENTS
    return [told(row) for row in statements.iter_rows(named=True)]


def told(row: Mapping[str, Any]) -> str:
    s = {name.removesuffix("_minor"): value for name, value in row.items()}
    return (
        f"{s['affiliate']} {s['currency']}: {s['opening']}{s['earned']:+}{s['reversed']:+}"
        f"{s['adjusted']:+}-{s['paid']}={s['closing']}={s['held']}{s['available']:+}"
        f" ({s['period_from']})"
    )


EARNED, REVERSED, ADJUSTED = Kind.EARNED, Kind.REVERSED, Kind.ADJUSTED


@pytest.mark.parametrize(
    ("earned", "statement"),
    [
        (24, "1 1: 0+24+0+0-0=24=0+24 (91)"),
        (25, "1 1: 0+25+0+0-25=0=0+0 (91)"),
        (26, "1 1: 0+26+0+0-26=0=0+0 (91)"),
    ],
)
def test_a_balance_is_paid_from_the_minimum_on(earned: int, statement: str) -> None:
    assert settled((ANN, USD, EARNED, 100, earned), least={USD: 25}) == [statement]


def test_a_minimum_holds_for_its_own_currency() -> None:
    new = [(ANN, USD, EARNED, 100, 24), (ANN, JPY, EARNED, 100, 24), (BOB, JPY, EARNED, 100, 1)]
    assert settled(*new, least={USD: 25}) == [
        "1 1: 0+24+0+0-0=24=0+24 (91)",
        "1 2: 0+24+0+0-24=0=0+0 (91)",
        "2 2: 0+1+0+0-1=0=0+0 (91)",
    ]


def test_where_the_minimum_is_waived_any_amount_is_paid_but_none_that_is_not_due() -> None:
    one = [(who, code, EARNED, 100, 1) for who in (ANN, BOB) for code in (USD, JPY)]
    least = {USD: 25, JPY: 25}
    assert settled(*one, least=least, waived=[(ANN, JPY), (BOB, USD)], inactive=[BOB]) == [
        "1 1: 0+1+0+0-0=1=0+1 (91)",
        "1 2: 0+1+0+0-1=0=0+0 (91)",
        "2 1: 0+1+0+0-0=1=0+1 (91)",
        "2 2: 0+1+0+0-0=1=0+1 (91)",
    ]
    below = [(ANN, USD, REVERSED, 100, -1)]
    assert settled(*below, waived=[(ANN, USD)]) == ["1 1: 0+0-1+0-0=-1=0-1 (91)"]


def test_a_minimum_of_nothing_does_not_pay_nothing() -> None:
    new = [(ANN, USD, EARNED, 100, 5), (ANN, USD, ADJUSTED, 100, -5)]
    assert settled(*new, least={USD: 0}) == ["1 1: 0+5+0-5-0=0=0+0 (91)"]


def test_what_was_carried_over_counts_towards_the_minimum() -> None:
    assert settled((ANN, USD, EARNED, 100, 10), opening=[(ANN, USD, 15, 15)], least={USD: 25}) == [
        "1 1: 15+10+0+0-25=0=0+0 (91)"
    ]


def test_what_is_held_is_not_paid_until_its_day_has_come() -> None:
    new = [(ANN, USD, EARNED, 100, 3), (ANN, USD, EARNED, 101, 4), (ANN, USD, REVERSED, 101, -1)]
    assert settled(*new) == ["1 1: 0+7-1+0-3=3=3+0 (91)"]
    assert settled(
        opening=[(ANN, USD, 3, 0)],
        matured=[(ANN, USD, EARNED, 100, 4), (ANN, USD, REVERSED, 100, -1)],
    ) == ["1 1: 3+0+0+0-3=0=0+0 (91)"]


def test_a_negative_balance_is_worked_off_first() -> None:
    below = [(ANN, USD, -30, -30)]
    assert settled((ANN, USD, EARNED, 100, 20), opening=below) == [
        "1 1: -30+20+0+0-0=-10=0-10 (91)"
    ]
    assert settled((ANN, USD, EARNED, 100, 31), opening=below) == ["1 1: -30+31+0+0-1=0=0+0 (91)"]


def test_a_negative_balance_is_not_paid_from_what_is_held() -> None:
    """Nothing is available: -30 of a refund, 50 that are held."""
    assert settled((ANN, USD, REVERSED, 100, -30), opening=[(ANN, USD, 50, 0)]) == [
        "1 1: 50+0-30+0-0=20=50-30 (91)"
    ]


def test_those_who_are_not_active_accrue_and_are_not_paid() -> None:
    new = [(ANN, USD, EARNED, 100, 20), (BOB, USD, EARNED, 100, 20)]
    assert settled(*new, inactive=[BOB, 77]) == [
        "1 1: 0+20+0+0-20=0=0+0 (91)",
        "2 1: 0+20+0+0-0=20=0+20 (91)",
    ]


def test_everybody_with_a_line_has_a_statement_even_where_all_came_to_nothing() -> None:
    assert settled(seen=[(ANN, USD, 3, 95)]) == ["1 1: 0+0+0+0-0=0=0+0 (91)"]


def test_everybody_with_a_balance_has_a_statement_without_any_movement() -> None:
    assert settled(opening=[(ANN, USD, 7, 7), (BOB, JPY, -7, -7)], least={USD: 25}) == [
        "1 1: 7+0+0+0-0=7=0+7 (91)",
        "2 2: -7+0+0+0-0=-7=0-7 (91)",
    ]


def test_what_is_available_is_carried_on_while_as_much_is_held() -> None:
    """A balance of 0: 5 that were paid too much, and 5 that are held; later the 5 are available."""
    before = [(ANN, USD, 0, -5)]
    assert settled(opening=before) == ["1 1: 0+0+0+0-0=0=5-5 (91)"]
    assert settled(opening=before, matured=[(ANN, USD, EARNED, 100, 5)]) == []


def test_the_first_statement_starts_with_the_earliest_order_in_any_currency() -> None:
    seen = [(ANN, USD, 1, 95), (ANN, USD, 1, 93), (ANN, JPY, 1, 97), (BOB, JPY, 1, 99)]
    assert settled(seen=seen, period_from=None) == [
        "1 1: 0+0+0+0-0=0=0+0 (93)",
        "1 2: 0+0+0+0-0=0=0+0 (93)",
        "2 2: 0+0+0+0-0=0=0+0 (99)",
    ]


@pytest.mark.parametrize("carried", ["closing_minor", "available_minor", "matured", "entries"])
def test_a_settlement_of_more_than_the_book_can_hold_is_refused(carried: str) -> None:
    """Of several runs, each of which could still be added up."""
    half = LARGEST_TOTAL // 2
    mine, other = (ANN, USD, EARNED, 100, half), (BOB, USD, EARNED, 100, half)
    given: dict[str, Any] = {
        "closing_minor": {"opening": [(ANN, USD, -half, 0)]},
        "available_minor": {"opening": [(ANN, USD, 0, half)]},
        "matured": {"matured": [other]},
        "entries": {},
    }
    with pytest.raises(CommissionError) as refused:
        settled(mine, *[other] * (carried == "entries"), **given[carried])
    assert refused.value.message == (
        f"a total of {LARGEST_TOTAL} minor units is more than the book can hold ({LARGEST_TOTAL})"
    )


def test_where_nothing_happened_nothing_is_written() -> None:
    assert settled() == []


# --- entries -------------------------------------------------------------------------------------


def events(*rows: tuple[int, int, int, int]) -> Events:
    """event, order, currency, amount."""
    event, order, currency, amount = (ints(row[n] for row in rows) for n in range(4))
    zeros = ints(0 for _ in rows)
    days = ints(range(50, 50 + len(rows)))
    return Events(event, order, zeros, currency, amount, zeros, zeros, days, zeros, zeros)


def lines(*rows: tuple[int, int, int, int]) -> Lines:
    """event's place, beneficiary, commission, available day."""
    row, beneficiary, commission, available = (ints(each[n] for each in rows) for n in range(4))
    zeros = ints(0 for _ in rows)
    return Lines(row, zeros, beneficiary, commission, commission, zeros, zeros, available)


FOUR = events((1, 1, USD, 100), (2, 1, USD, -100), (3, 3, USD, -9), (4, 4, JPY, 0))


def test_the_kind_of_a_line_is_that_of_its_event() -> None:
    every = lines((0, ANN, 5, 1), (1, ANN, -5, 1), (2, ANN, -1, 1), (3, ANN, 0, 1))
    assert kinds(FOUR, every).to_list() == [EARNED, REVERSED, ADJUSTED, EARNED]
    assert (len(FOUR), len(every)) == (4, 4)


def test_adjustments_have_a_kind_for_each_direction() -> None:
    """Down to the smallest: roots of -1 and 0, and two adjustments that no terms decided."""
    of = events((1, 1, USD, -1), (2, 2, USD, 0), (3, 3, USD, 1), (4, 4, USD, -1))
    own = lines((2, ANN, 1, 60), (3, ANN, -1, 60))
    own.terms_day[:] = NO_TERMS
    assert kinds(of, lines(*((row, ANN, 0, 0) for row in range(4)))).to_list() == [
        ADJUSTED, EARNED, EARNED, ADJUSTED,
    ]  # fmt: skip
    assert kinds(of, own).to_list() == [Kind.CREDITED, ADJUSTED]
    assert post(of, own, 60)["kind"].to_list() == [ADJUSTED, Kind.CREDITED]


def test_kinds_and_accounts_have_the_numbers_that_books_hold() -> None:
    assert {each.name: each.value for each in Kind} == {
        "EARNED": 1, "REVERSED": 2, "ADJUSTED": 3, "PAID": 4, "RETURNED": 5, "CREDITED": 6,
        "CONVERTED_FROM": 7, "CONVERTED_TO": 8, "REVERTED_FROM": 9, "REVERTED_TO": 10,
        "ROUNDED_UP": 11, "ROUNDED_DOWN": 12,
    }  # fmt: skip
    assert {each.name: each.value for each in Account} == {
        "COMMISSION_EXPENSE": 1, "AFFILIATE_PAYABLE": 2, "PAYOUT_CLEARING": 3,
        "FX_CLEARING": 4, "FX_ROUNDING": 5,
    }  # fmt: skip


def test_what_raises_a_balance_is_credited_to_what_is_owed() -> None:
    credited = {
        kind: sides[1] is Account.AFFILIATE_PAYABLE
        for kind, sides in SIDES.items()
        if Account.AFFILIATE_PAYABLE in sides
    }
    assert dict(RAISES_PAYABLE) == credited


def test_entries_of_the_first_programs_become_those_of_today() -> None:
    """What was available on days before the run is one entry, available with it."""
    later = [(ANN, USD, EARNED, 59, 3), (ANN, USD, EARNED, 60, 4), (ANN, USD, EARNED, 61, 5)]
    some = booked((ANN, USD, EARNED, 58, 2), *later, (ANN, USD, REVERSED, 58, -1))
    of_today = booked((ANN, USD, EARNED, 60, 9), later[2], (ANN, USD, REVERSED, 60, -1))
    assert as_booked_now(some, 60).equals(of_today)
    assert as_booked_now(of_today, 60).equals(of_today)
    assert as_booked_now(some.clear(), 60).equals(some.clear())


def test_lines_become_one_entry_per_beneficiary_currency_kind_and_day() -> None:
    posted = post(
        FOUR,
        lines(
            (0, BOB, 5, 60), (0, ANN, 3, 60), (0, ANN, 4, 60), (0, ANN, 1, 61), (1, ANN, -2, 60),
            (1, ANN, -3, 60), (2, ANN, -9, 60), (3, ANN, 0, 60),
        ),
        day=0,
    )  # fmt: skip
    expense, payable = Account.COMMISSION_EXPENSE, Account.AFFILIATE_PAYABLE
    assert posted.schema == ENTRIES
    assert posted.rows() == [
        (ANN, USD, EARNED, 60, expense, payable, 7),
        (ANN, USD, EARNED, 61, expense, payable, 1),
        (ANN, USD, REVERSED, 60, payable, expense, 5),
        (ANN, USD, ADJUSTED, 60, payable, expense, 9),
        (BOB, USD, EARNED, 60, expense, payable, 5),
    ]


def test_what_was_available_before_the_run_is_available_with_it() -> None:
    some = lines((0, ANN, 3, 58), (0, ANN, 4, 59), (0, ANN, 5, 60), (0, ANN, 6, 61))
    posted = post(FOUR, some, day=60)
    assert posted.select("available_day", "amount_minor").rows() == [(60, 12), (61, 6)]


def in_plain_words(of: Events, each: Lines, day: int) -> tuple[Any, Any]:
    """Entries and activity as dictionaries would have them."""
    amounts: Counter[tuple[int, ...]] = Counter()
    seen: dict[tuple[int, int], list[int]] = {}
    kind = kinds(of, each).to_list()
    for n, row in enumerate(each.row.tolist()):
        who, code = int(each.beneficiary[n]), int(of.currency[row])
        freed = max(int(each.available_day[n]), day)
        amounts[who, code, kind[n], freed] += int(each.commission[n])
        seen.setdefault((who, code), []).append(int(of.root_day[row]))
    entries = [(*key, abs(amount)) for key, amount in sorted(amounts.items()) if amount]
    return entries, [(*key, len(days), min(days)) for key, days in sorted(seen.items())]


@pytest.mark.parametrize(
    "spread", [1, 10**6, 2**22, 2**45], ids=["dense", "sparse", "beyond 63 bits", "beyond 64 bits"]
)
@pytest.mark.parametrize("place", ["few places", "no room for places"])
def test_entries_and_activity_are_those_of_plain_dictionaries(
    spread: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commission_engine.ledger.post.ROWS_AT_ONCE", 64)
    if place != "few places":
        monkeypatch.setattr("commission_engine.ledger.post.MOST_PLACES", 0)
    random = Random(spread)
    some = events(*((n, n - n % 3 // 2, random.choice((1, 2)) * spread, 5 - n) for n in range(99)))
    rows = sorted(random.choices(range(99), k=500))
    sign = {EARNED: 1, REVERSED: -1, ADJUSTED: -1}
    kind = kinds(some, lines(*((row, 0, 0, 0) for row in range(99)))).to_list()
    every = lines(
        *(
            (row, random.randrange(7) * spread, sign[kind[row]] * random.randrange(3),
             random.randrange(55, 65) * (1 + spread // 1000))
            for row in rows
        )
    )  # fmt: skip
    posted, active = in_plain_words(some, every, 60)
    names = ("affiliate", "currency", "kind", "available_day", "amount_minor")
    assert post(some, every, 60).select(names).rows() == posted
    assert activity(some, every).rows() == active


def test_control_totals_are_exact_whatever_their_size() -> None:
    large = 10**18 - 1
    many = events(*((n, n, 1 + n % 2, large) for n in range(40)), (40, 0, 1, -large))
    every = lines(*((n, ANN, large, 0) for n in range(40)), (40, ANN, -large, 0))
    some, other = {"base": 19 * large}, {"base": 20 * large}
    some |= {"gross": 19 * large, "commission": 19 * large, "earned": 20 * large}
    other |= {"gross": 20 * large, "commission": 20 * large, "earned": 20 * large}
    none = {"reversed": 0, "adjusted": 0}
    assert control_totals(many, every, 4) == [
        {},
        some | none | {"reversed": -large},
        other | none,
        {},
    ]


def test_control_totals_count_what_was_credited_as_adjusted() -> None:
    of = events((1, 1, 0, 7), (2, 2, 0, 5), (3, 3, 1, -2), (4, 3, 1, 1))
    every = lines((0, ANN, 3, 0), (1, ANN, 5, 0), (2, ANN, -2, 0), (3, ANN, -1, 0))
    every.terms_day[1] = NO_TERMS
    assert control_totals(of, every, 2) == [
        {"base": 12, "gross": 8, "commission": 8, "earned": 3, "reversed": 0, "adjusted": 5},
        {"base": -1, "gross": -3, "commission": -3, "earned": 0, "reversed": -1, "adjusted": -2},
    ]


def test_a_payout_goes_from_what_is_owed_to_the_clearing_account() -> None:
    paid = nightly.payout_entries(
        pl.DataFrame({"affiliate": [ANN], "currency": [USD], "amount_minor": [7]}), 100
    )
    assert paid.rows() == [
        (ANN, USD, Kind.PAID, 100, Account.AFFILIATE_PAYABLE, Account.PAYOUT_CLEARING, 7)
    ]


@pytest.mark.parametrize(
    ("kind", "amount"),
    [(EARNED, -1), (EARNED, 0), (REVERSED, 1), (ADJUSTED, 1), (Kind.PAID, 1)],
)
def test_an_entry_of_the_wrong_sign_is_refused(kind: Kind, amount: int) -> None:
    with pytest.raises(OutOfBalance) as refused:
        booked((ANN, USD, EARNED, 60, 1), (BOB, USD, kind, 60, amount))
    assert refused.value.exit_code == Exit.OUT_OF_BALANCE
    assert refused.value.message == (
        "an entry of the wrong sign: {'affiliate': 2, 'currency': 1, 'kind': "
        f"{int(kind)}, 'available_day': 60, 'amount': {amount}}}"
    )


def test_commissions_beyond_what_64_bits_hold_are_refused() -> None:
    half = LARGEST_TOTAL // 2
    many = events((1, 1, USD, half), (2, 2, USD, half))
    assert post(many, lines((0, ANN, half, 60), (1, BOB, half - 1, 60)), 0).height == 2
    with pytest.raises(CommissionError, match=f"a total of {LARGEST_TOTAL} minor units is more"):
        post(many, lines((0, ANN, half, 60), (1, BOB, half, 60)), 0)


def test_activity_counts_lines_and_has_the_first_day_of_their_orders() -> None:
    counted = activity(FOUR, lines((1, BOB, 0, 0), (3, ANN, 0, 0), (0, BOB, 0, 0), (2, BOB, 1, 0)))
    assert counted.schema == ACTIVITY
    assert counted.rows() == [(ANN, JPY, 1, 53), (BOB, USD, 3, 50)]


# --- sums that must agree ------------------------------------------------------------------------

AGREEING = {"earned": 9, "reversed": -2, "adjusted": -1, "commission": 6, "booked": 6}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"booked": 7}, "lines sum to 6 minor units, by kind to 6, and the ledger has 7"),
        ({"commission": 5}, "lines sum to 5 minor units, by kind to 6, and the ledger has 6"),
        ({"adjusted": 0}, "lines sum to 6 minor units, by kind to 7, and the ledger has 6"),
    ],
)
def test_lines_kinds_and_ledger_must_agree(wrong: Mapping[str, int], said: str) -> None:
    nightly._agree({"totals": {"USD": AGREEING}})
    with pytest.raises(OutOfBalance) as refused:
        nightly._agree({"totals": {"JPY": AGREEING, "USD": {**AGREEING, **wrong}}})
    assert refused.value.message == f"USD: the {said}"


def test_a_book_decides_and_settles_in_the_days_of_its_zone(
    sqlite_url: str, tmp_path: Path
) -> None:
    """
    23:30 in Berlin on January's last day, and half past midnight, 22:30 and 23:30 UTC; a refund
    after bob was moved away from ann; statements every night, one of them after a gap
    """
    moved = Edge("bob", "eve", at("2026-02-01T12:00"))
    world = World(
        plan(level(1, "20%", month=70_00), hold=2, zone="Europe/Berlin", minimum={"USD": 10_00}),
        (
            night(
                "2026-01-31",
                bob("e", "2026-01-31T22:30", 300_00),
                bob("f", "2026-01-31T23:30", 400_00),
                edges=BOB_OF_ANN,
            ),
            night("2026-02-01", edges=(moved,)),
            night("2026-02-02", bob("r", "2026-02-02", -280_00, "e"), bob("g", "2026-02-02", 50)),
            night("2026-02-05"),
        ),
    )
    found = book_nights(world, sqlite_url, tmp_path, add_facts)
    assert said(found.lines) == [
        "e 1 ann 6000 6000", "--", "f 1 ann 8000 7000 month", "--", "g 1 eve 10 10",
        "r 1 ann -5600 -5600", "--",
    ]  # fmt: skip
    assert [
        (s.affiliate_id, s.period_from, s.period_to, s.earned, s.reversed, s.paid, s.closing)
        for written in found.statements
        for s in written
    ] == [
        ("ann", day("2026-01-31"), day("2026-01-31"), 60_00, 0, 0, 60_00),
        ("ann", day("2026-02-01"), day("2026-02-01"), 70_00, 0, 0, 130_00),
        ("ann", day("2026-02-02"), day("2026-02-02"), 0, -56_00, 0, 74_00),
        ("eve", day("2026-02-02"), day("2026-02-02"), 10, 0, 0, 10),
        ("ann", day("2026-02-03"), day("2026-02-05"), 0, 0, 74_00, 0),
        ("eve", day("2026-02-03"), day("2026-02-05"), 0, 0, 0, 10),
    ]
    assert found.statements == reference.settle(world.plan, world.nights, found.lines)
    assert found.differences == []


def test_statements_that_do_not_close_at_what_the_ledger_says_are_refused(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A settlement that loses a statement."""
    terms = plan(level(1, "20%"), hold=9)
    world = World(terms, (night("2026-01-01", bob("e", "2026-01-01", 40), edges=BOB_OF_ANN),))
    monkeypatch.setattr(nightly, "settle", lambda **needed: settle(**needed).clear())
    with pytest.raises(OutOfBalance) as refused:
        book_nights(world, sqlite_url, tmp_path, add_facts)
    assert refused.value.message == "the statements close at 0 minor units, the ledger says 8"
    with reading(connect(sqlite_url)) as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM line")).scalar_one() == 0
        assert facts.current_plan(connection) == terms
