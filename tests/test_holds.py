"""Holds as tables: what is beyond a bound, down to the smallest unit, and in which words."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from commission_engine.bounds import Bounds
from commission_engine.ledger.holds import (
    HOLDS,
    HoldKind,
    in_order,
    large_payouts,
    large_run,
    many_lines,
    said,
    withhold,
)
from commission_engine.ledger.post import ACTIVITY
from commission_engine.ledger.settle import STATEMENTS
from commission_engine.money import Rate

ANN, BOB, CAT = 1, 2, 3
USD, JPY = 1, 2
EVERYBODY = -1
"""As books hold it, in the place of an affiliate or a currency."""


def table(rows: Sequence[tuple[int, ...]], *names: str) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row")


def test_a_run_is_held_above_the_multiple_of_its_currency() -> None:
    """The median is 20 in dollars, so up to 30 pass; yen have no run yet to be judged by."""
    bounds = Bounds(Rate.parse("1.5"), median_of=3, median_after=2)
    earlier = [{USD: 20}, {USD: 10}, {USD: 30, JPY: 5}]
    why = '{"runs": 3, "times": "1.5", "twice_median": 40}'
    assert large_run(bounds, {USD: 30, JPY: 10**9}, earlier).equals(HOLDS.to_frame())
    held = large_run(bounds, {JPY: 10**9, USD: 31}, earlier)
    assert held.schema == HOLDS
    assert held.rows() == [("run", EVERYBODY, USD, 31, 30, why)]
    assert large_run(Bounds(), {USD: 31}, earlier).height == 0


def test_lines_are_counted_over_all_runs_and_currencies() -> None:
    active = pl.DataFrame(
        [(ANN, USD, 2, 9), (ANN, JPY, 1, 9), (BOB, USD, 2, 9)], schema=ACTIVITY, orient="row"
    )
    held = many_lines(Bounds(lines_per_beneficiary=2), active)
    assert held.rows() == [("lines", ANN, EVERYBODY, 3, 2, "{}")]
    assert many_lines(Bounds(lines_per_beneficiary=3), active).height == 0
    assert many_lines(Bounds(), active).equals(HOLDS.to_frame())


@pytest.mark.parametrize(
    ("amount", "bound", "released", "held"),
    [
        (10, 10, None, False),
        (11, 10, None, True),
        (1, 0, None, True),
        (11, 10, 11, False),
        (12, 10, 11, True),
        (10, 10, 5, False),
        (1, 0, 0, True),
    ],
)
def test_a_payout_waits_beyond_its_bound_and_what_was_released(
    amount: int, bound: int, released: int | None, held: bool
) -> None:
    found = large_payouts(
        table([(ANN, USD, amount), (ANN, JPY, 10**9)], "affiliate", "currency", "amount_minor"),
        {USD: bound},
        table(
            [(BOB, USD, 10**9)] + ([] if released is None else [(ANN, USD, released)]),
            "affiliate", "currency", "up_to",
        ),
        HOLDS.to_frame(),
    )  # fmt: skip
    why = "{}" if released is None else f'{{"released": {released}}}'
    assert found.rows() == [("payout", ANN, USD, amount, bound, why)] * held
    assert in_order(found).schema == HOLDS


def test_a_payout_that_waits_already_is_not_held_once_more() -> None:
    payouts = table(
        [(ANN, USD, 9), (BOB, USD, 8), (CAT, USD, 7)], "affiliate", "currency", "amount_minor"
    )
    nothing = table([], "affiliate", "currency", "up_to")
    open_holds = pl.DataFrame(
        [("payout", ANN, USD, 9, 1, "{}"), ("lines", BOB, EVERYBODY, 9, 1, "{}")],
        schema=HOLDS, orient="row",
    )  # fmt: skip
    found = large_payouts(payouts, {USD: 1}, nothing, open_holds)
    assert sorted(found["affiliate"]) == [BOB, CAT]
    assert in_order(found, open_holds)["affiliate"].to_list() == [BOB, ANN, BOB, CAT]


@pytest.mark.parametrize(
    ("kind", "figure", "why", "words"),
    [
        (HoldKind.LINES, 1234, {}, "ann: 1,234 lines in one run are more than 1,000"),
        (
            HoldKind.RUN, 1234, {"runs": 1, "times": "5"},
            "every payout: the run's commission of $12.34 is more than $10.00, 5 times the median"
            " of 1 run",
        ),
        (
            HoldKind.RUN, 1234, {"runs": 2, "times": "2.5"},
            "every payout: the run's commission of $12.34 is more than $10.00, 2.5 times the"
            " median of 2 runs",
        ),
        (HoldKind.PAYOUT, 1234, {}, "ann: a payout of $12.34 is more than $10.00"),
        (
            HoldKind.PAYOUT, 1234, {"released": 1100},
            "ann: a payout of $12.34 is more than $10.00, and $11.00 that was released",
        ),
    ],
)  # fmt: skip
def test_a_hold_is_said_in_one_sentence(
    kind: HoldKind, figure: int, why: dict[str, Any], words: str
) -> None:
    assert said(kind.value, "ann", "USD", 2, figure, 1000, json.dumps(why)) == words


def test_withholding_moves_a_payout_back_into_what_is_available() -> None:
    columns = STATEMENTS.names()
    rows = [
        dict(zip(columns, (who, code, 9, 0, 50, 0, 0, 40, 10, 10, 0), strict=True))
        for who in (1, 2)
        for code in (1, 2)
    ]
    statements = pl.DataFrame(rows, schema=STATEMENTS)

    def paid(*held: tuple[str, int, int]) -> list[int]:
        frame = pl.DataFrame([(*each, 5, 4, "{}") for each in held], schema=HOLDS, orient="row")
        kept = withhold(statements, in_order(frame))
        assert (kept["closing_minor"] == kept["held_minor"] + kept["available_minor"]).all()
        assert (kept["paid_minor"] + kept["closing_minor"] == 50).all()
        assert kept.schema == STATEMENTS
        return kept["paid_minor"].to_list()

    assert paid() == [40, 40, 40, 40]
    assert paid(("payout", 1, 2)) == [40, 0, 40, 40]
    assert paid(("payout", 1, 2), ("payout", 2, 1)) == [40, 0, 0, 40]
    assert paid(("lines", 2, -1)) == [40, 40, 0, 0]
    assert paid(("run", -1, 1)) == [0, 0, 0, 0]
