"""Facts as frames and as Parquet: what they may look like, and what is refused, in which words."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_kernel import beyond_64_bits
from worlds import WORLDS, World, worlds

from commission_engine import decide
from commission_engine.decide import facts, parts, reference
from commission_engine.decide.buckets import spread_over
from commission_engine.decide.columns import is_in_order
from commission_engine.decide.facts import Facts
from commission_engine.decide.reference import Night
from commission_engine.plan.read import parse_plan
from commission_engine.problems import CommissionError, FactsRefused, FileRefused

PLAN = parse_plan(
    """\
name = "acme"
[units]
POINTS = 0
[[terms]]
from = 2026-01-01
hold_days = 2
[[terms.level]]
level = 1
rate = "10%"
[[terms.level.cap]]
window = "month"
amount = { USD = "0.15" }
[[terms.level]]
level = 2
rate = "5%"
""",
    "plan.toml",
).plan
START = datetime(2026, 1, 5, tzinfo=UTC)
Told: TypeAlias = list[tuple[Any, ...]]
Change: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]


def earned(*rows: Sequence[Any]) -> pl.DataFrame:
    """Rows of event, affiliate, second, amount and, for a reversal, its order."""
    return pl.DataFrame(
        [
            (event, who, START + timedelta(seconds=at), amount, "USD", of[0] if of else None)
            for event, who, at, amount, *of in rows
        ],
        schema=["event_id", "affiliate_id", "occurred_at", "amount_minor", "currency", "reverses"],
        orient="row",
    )


def referred(*pairs: Sequence[Any]) -> pl.DataFrame:
    """Rows of affiliate, referrer and, perhaps, the second since when."""
    rows = [(a, b, START + timedelta(seconds=at[0]) if at else None) for a, b, *at in pairs]
    columns = ["affiliate_id", "referrer_id", "since"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def told(lines: pl.DataFrame) -> Told:
    return lines.select(
        "event_id", "level", "beneficiary_id", "gross_minor", "commission_minor", "reason"
    ).rows()


TREE = referred((3, 2), (2, 1))
EARNINGS = earned((10, 3, 0, 100), (11, 2, 1, 80), (12, 3, 2, 90), (13, 3, 3, -60, 10))
LINES: Told = [
    (10, 2, 1, 5, 5, ""),
    (11, 1, 1, 8, 8, ""),
    (12, 2, 1, 4, 4, ""),  # a half goes to the even neighbour
    (13, 2, 1, -3, -3, ""),
    (10, 1, 2, 10, 10, ""),
    (12, 1, 2, 9, 5, "month"),
    (13, 1, 2, -6, -2, "month"),
]


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Ids as texts of one length, so that they are sorted as the numbers are."""
    ids = ("event_id", "reverses", "affiliate_id", "referrer_id")
    return frame.with_columns(pl.col(name).cast(pl.String) for name in ids if name in frame.columns)


TEXT_LINES: Told = [(str(event), level, str(who), *more) for event, level, who, *more in LINES]


def test_lines_have_the_types_that_are_documented() -> None:
    lines = decide(EARNINGS, TREE, PLAN)
    assert lines.schema == dict(parts.LINES)
    assert told(lines) == LINES
    assert lines["terms_from"].unique().to_list() == [datetime(2026, 1, 1).date()]  # noqa: DTZ001
    assert lines["available_on"].unique().to_list() == [datetime(2026, 1, 7).date()]  # noqa: DTZ001


# -- tables of others


def of_duckdb(frame: pl.DataFrame) -> Any:
    connection = duckdb.connect()
    connection.register("rows", frame.to_arrow())
    return connection.sql("select * from rows")


def of_pandas(frame: pl.DataFrame) -> Any:
    return frame.to_pandas(use_pyarrow_extension_array=True)


TABLES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "polars, lazy": pl.DataFrame.lazy,
    "pyarrow": pl.DataFrame.to_arrow,
    "pyarrow, in batches": lambda frame: pa.RecordBatchReader.from_batches(
        frame.to_arrow().schema, frame.to_arrow().to_batches(max_chunksize=1)
    ),
    "pandas": of_pandas,
    "duckdb": of_duckdb,
}


@pytest.mark.parametrize("of", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("texts", [False, True])
def test_tables_with_the_arrow_interface_serve(of: Callable[..., Any], texts: bool) -> None:
    rows = [as_text(each) if texts else each for each in (EARNINGS, TREE)]
    assert told(decide(of(rows[0]), of(rows[1]), PLAN)) == (TEXT_LINES if texts else LINES)


def test_pandas_with_its_own_types_serves_for_texts() -> None:
    rows = [as_text(each).to_pandas() for each in (EARNINGS, TREE.drop("since"))]
    assert told(decide(rows[0], rows[1], PLAN)) == TEXT_LINES


# -- columns


def cast(**types: Any) -> Change:
    return lambda frame: frame.with_columns(
        pl.col(name).cast(dtype) for name, dtype in types.items()
    )


MICROSECONDS = pl.col("occurred_at")
SERVES: dict[str, Change] = {
    "smaller numbers": cast(event_id=pl.Int16, affiliate_id=pl.UInt8, amount_minor=pl.Int32),
    "larger numbers": cast(event_id=pl.UInt64, affiliate_id=pl.UInt64, amount_minor=pl.Int128),
    "currencies as categories": cast(currency=pl.Categorical),
    "currencies of a list": cast(currency=pl.Enum(["EUR", "USD"])),
    "milliseconds": cast(occurred_at=pl.Datetime("ms", "UTC")),
    "nanoseconds": cast(occurred_at=pl.Datetime("ns", "UTC")),
    "no zone": lambda rows: rows.with_columns(MICROSECONDS.dt.replace_time_zone(None)),
    "another zone": lambda rows: rows.with_columns(
        MICROSECONDS.dt.convert_time_zone("Asia/Kathmandu")
    ),
    "columns in another order": lambda rows: rows.select(reversed(rows.columns)),
    "another column": lambda rows: rows.with_columns(note=pl.lit("what for")),
    "rows in another order": lambda rows: rows.reverse(),
    "the first rows behind": lambda rows: pl.concat([rows.slice(2), rows.head(2)]),
}


@pytest.mark.parametrize("change", SERVES.values(), ids=SERVES)
def test_columns_may_come_so(change: Change) -> None:
    assert told(decide(change(EARNINGS), TREE, PLAN)) == LINES


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "UTC", None])
def test_the_instant_counts_whatever_zone_it_is_written_in(zone: str | None) -> None:
    """Without a zone it is UTC. The last instant of December and the first of January in UTC."""
    terms = parse_plan(MONTHLY, "plan.toml").plan
    new_year = -4 * 86_400
    rows = earned((1, 2, new_year - 1, 100), (2, 2, new_year, 100), (3, 2, 2, 100)).with_columns(
        pl.col("occurred_at").dt.convert_time_zone(zone)
        if zone
        else pl.col("occurred_at").dt.replace_time_zone(None)
    )
    lines = decide(rows, TREE, terms)
    assert lines["commission_minor"].to_list() == [10, 10, 5]
    assert lines["available_on"].cast(pl.String).to_list() == [
        "2025-12-31", "2026-01-01", "2026-01-05",
    ]  # fmt: skip


MONTHLY = """\
name = "acme"
[[terms]]
from = 2025-01-01
[[terms.level]]
level = 1
rate = "10%"
[[terms.level.cap]]
window = "month"
amount = { USD = "0.15" }
"""


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize(
    "rows",
    [
        # event, affiliate, second, amount: the last two, or three, are of one instant
        [(5, 2, 0, 1), (9, 2, 1, 1), (7, 2, 1, 1)],
        [(1, 2, 1, 1), (3, 2, 1, 1), (2, 2, 1, 1)],
        [(1, 2, 0, 1), (5, 2, 1, 1), (9, 2, 2, -1, 1), (7, 2, 2, 1)],
        [(9, 2, 2, 1), (7, 2, 1, 1), (8, 2, 1, 1)],
    ],
)
def test_rows_in_the_order_of_arrival_are_put_in_order(
    rows: list[tuple[int, ...]], texts: bool
) -> None:
    """Everybody is paid 100%, so that the lines are the events in processing order."""
    terms = parse_plan(MONTHLY.replace("10%", "100%"), "plan.toml").plan
    earnings, tree = (as_text(each) if texts else each for each in (earned(*rows), TREE))
    lines = decide(earnings, tree, terms)
    ordered = sorted(rows, key=lambda row: (row[2], len(row) > 4, row[0]))
    assert [int(event) for event in lines["event_id"]] == [row[0] for row in ordered]


@pytest.mark.parametrize("seconds", [(1, 4, 2, 5), (1, 2, 3, 4), (3, 3, 3, 2), (1, 4, 4, 4, 4, 2)])
@pytest.mark.parametrize("rows_at_once", [1, 2, 3])
def test_rows_read_in_parts_are_put_in_order(
    rows_at_once: int, seconds: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each part is in order, and only the next one begins too early."""
    monkeypatch.setattr(facts, "ROWS_AT_ONCE", rows_at_once)
    rows = [(n, 2, at, 1) for n, at in enumerate(seconds, 10)]
    lines = decide(earned(*rows), TREE, parse_plan(MONTHLY, "plan.toml").plan)
    assert lines["event_id"].to_list() == [n for at, n in sorted((at, n) for n, _, at, _ in rows)]


def test_the_first_and_the_last_instant_that_a_date_has_are_taken() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    rows = earned((1, 2, 0, 100), (2, 2, 1, 100)).with_columns(
        occurred_at=pl.Series([first, last], dtype=pl.Datetime("us", "UTC"))
    )
    assert told(decide(rows, TREE, PLAN)) == [(2, 1, 1, 10, 10, "")]


@pytest.mark.parametrize("beyond", [-62_135_596_800_000_001, 253_402_300_800_000_000])
def test_an_instant_before_the_first_or_after_the_last_is_refused(beyond: int) -> None:
    at = pl.Series([0, beyond]).cast(pl.Datetime("us", "UTC"))
    rows = earned((1, 2, 0, 100), (2, 2, 1, 100)).with_columns(occurred_at=at)
    with pytest.raises(FactsRefused) as refused:
        decide(rows, TREE, PLAN)
    assert refused.value.message == "earnings: an occurred_at is out of range"


@pytest.mark.parametrize(
    ("amounts", "fault"),
    [
        ((-100,), ""),
        ((-1, -99), ""),
        ((-101,), "12 reverses more than its order"),
        ((-1, -100), "13 reverses more than its order"),
        ((0,), "12 is a reversal, but its amount is not negative"),
    ],
)
def test_an_order_is_reversed_to_the_last_unit_and_no_further(
    amounts: tuple[int, ...], fault: str
) -> None:
    late = [(n, 3, n, amount, 10) for n, amount in enumerate(amounts, 12)]
    rows = earned((10, 3, 0, 100), *late)
    if fault:
        with pytest.raises(FactsRefused, match=fault):
            decide(rows, TREE, PLAN)
    else:
        assert decide(rows, TREE, PLAN).filter(level=2)["gross_minor"].sum() == 0


@pytest.mark.parametrize("amount", [10**18, -(10**18)])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_one_amount_out_of_range_is_enough(amount: int, place: int) -> None:
    amounts = EARNINGS["amount_minor"].to_list()
    amounts[place] = amount
    with pytest.raises(FactsRefused, match="an amount_minor is out of range"):
        decide(EARNINGS.with_columns(amount_minor=pl.Series(amounts)), TREE, PLAN)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum([str(n) for n in range(20, 0, -1)])])
def test_ids_may_be_categories_and_are_sorted_as_texts(dtype: Any) -> None:
    earnings = as_text(EARNINGS).with_columns(
        pl.col("event_id", "affiliate_id", "reverses").cast(dtype)
    )
    tree = as_text(TREE).with_columns(pl.col("affiliate_id", "referrer_id").cast(dtype))
    assert told(decide(earnings, tree, PLAN)) == TEXT_LINES


def test_without_reversals_and_moves_their_columns_need_not_be_there() -> None:
    orders = EARNINGS.filter(pl.col("reverses").is_null()).drop("reverses")
    expected = [line[:4] for line in LINES if line[0] != 13]
    for given_ in (orders, as_text(orders)):
        tree = TREE if given_ is orders else as_text(TREE)
        lines = told(decide(given_, tree.drop("since"), PLAN))
        assert [(int(e), n, int(who), gross) for e, n, who, gross, *_ in lines] == expected
        nulls = given_.with_columns(reverses=None)
        assert told(decide(nulls, tree.with_columns(since=None), PLAN)) == lines


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (
            lambda rows: rows.drop("amount_minor"),
            "earnings: there is no column 'amount_minor'; there are event_id, affiliate_id,"
            " occurred_at, currency, reverses",
            "Give earnings the columns event_id, affiliate_id, occurred_at, amount_minor, currency,"
            " reverses.",
        ),
        (
            cast(amount_minor=pl.Float64),
            "earnings: the column 'amount_minor' is of type Float64",
            "Give it as whole numbers.",
        ),
        (
            cast(amount_minor=pl.Decimal(10, 2)),
            "earnings: the column 'amount_minor' is of type Decimal(precision=10, scale=2)",
            "Give it as whole numbers.",
        ),
        (
            cast(occurred_at=pl.String),
            "earnings: the column 'occurred_at' is of type String",
            "Give it as timestamps.",
        ),
        (
            cast(currency=pl.Binary),
            "earnings: the column 'currency' is of type Binary",
            "Give it as text.",
        ),
        (
            cast(event_id=pl.Float32),
            "earnings: the column 'event_id' is of type Float32",
            "Give it as whole numbers or text.",
        ),
        (
            cast(reverses=pl.String),
            "earnings: the column 'reverses' holds text, but 'event_id' of earnings whole numbers",
            "Ids are whole numbers or text, the same everywhere.",
        ),
        (
            cast(affiliate_id=pl.String),
            "referrals: the column 'affiliate_id' holds whole numbers, but 'affiliate_id' of"
            " earnings text",
            "Ids are whole numbers or text, the same everywhere.",
        ),
        (
            lambda rows: rows.with_columns(
                amount_minor=pl.when(pl.col("event_id") > 11).then("amount_minor")
            ),
            "earnings: 2 values of 'amount_minor' are missing",
            "Only `reverses` may be null.",
        ),
        (
            lambda rows: rows.with_columns(currency=None),
            "earnings: 4 values of 'currency' are missing",
            "Only `reverses` may be null.",
        ),
        (
            lambda rows: rows.with_columns(amount_minor=pl.lit(10**18)),
            "earnings: an amount_minor is out of range",
            "Amounts are below 1000000000000000000 minor units.",
        ),
        (
            lambda rows: rows.with_columns(amount_minor=pl.lit(-(10**18))),
            "earnings: an amount_minor is out of range",
            "Amounts are below 1000000000000000000 minor units.",
        ),
        (
            lambda rows: rows.with_columns(
                occurred_at=pl.lit(-(2**61)).cast(pl.Datetime("us", "UTC"))
            ),
            "earnings: an occurred_at is out of range",
            "Years are 0001 to 9999, in UTC.",
        ),
        (
            lambda rows: rows.with_columns(
                occurred_at=pl.lit(2**61).cast(pl.Datetime("us", "UTC"))
            ),
            "earnings: an occurred_at is out of range",
            "Years are 0001 to 9999, in UTC.",
        ),
        (
            lambda rows: rows.with_columns(event_id=pl.lit(10)),
            "earnings: an event_id is there twice",
            "Each event has its own id.",
        ),
        (
            lambda rows: rows.with_columns(currency=pl.lit("usd")),
            "earnings: 'usd' is neither an ISO 4217 currency nor a unit of the plan",
            "Correct the code, or declare the unit in the plan.",
        ),
    ],
)
def test_earnings_that_cannot_be_are_refused(change: Change, message: str, hint: str) -> None:
    with pytest.raises(FactsRefused) as refused:
        decide(change(EARNINGS), TREE, PLAN)
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_numbers_beyond_64_bits_are_refused() -> None:
    wide = EARNINGS.with_columns(amount_minor=pl.lit(2**63, pl.UInt64))
    with pytest.raises(FactsRefused, match=r"^earnings cannot be read: .*9223372036854775808"):
        decide(wide, TREE, PLAN)


@pytest.mark.parametrize("texts", [False, True])
def test_ids_that_are_there_twice_are_refused_wherever_they_are(texts: bool) -> None:
    twice = pl.concat([EARNINGS.head(3), EARNINGS.head(1)])
    given_, tree = (as_text(twice), as_text(TREE)) if texts else (twice, TREE)
    with pytest.raises(FactsRefused, match=r"^earnings: an event_id is there twice$"):
        decide(given_, tree, PLAN)


# -- reversals

ORDERS = ((10, 3, 0, 100), (11, 2, 1, 80))


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize(
    ("reversals", "fault"),
    [
        ([(13, 3, 3, -60, 99)], "13 reverses an event that is not there (1 such rows)"),
        ([(13, 3, 3, -60, 13)], "13 reverses a reversal (1 such rows)"),
        ([(13, 3, 3, -60, 10), (14, 3, 4, -1, 13)], "14 reverses a reversal (1 such rows)"),
        (
            [(13, 3, 3, -60, 11), (14, 3, 3, -2, 11)],
            "13 is another affiliate's or in another currency than its order (2 such rows)",
        ),
        ([(13, 3, -1, -60, 10)], "13 is earlier than its order (1 such rows)"),
        ([(13, 3, 3, 60, 10)], "13 is a reversal, but its amount is not negative (1 such rows)"),
        ([(13, 3, 3, 0, 10)], "13 is a reversal, but its amount is not negative (1 such rows)"),
        ([(13, 3, 3, -101, 10)], "13 reverses more than its order (1 such rows)"),
        (
            [(13, 3, 3, -60, 10), (14, 3, 3, -40, 10), (15, 3, 4, -1, 10)],
            "15 reverses more than its order (1 such rows)",
        ),
    ],
)
def test_reversals_that_do_not_fit_are_refused(
    reversals: list[Any], fault: str, texts: bool
) -> None:
    given_, tree = earned(*ORDERS, *reversals), TREE
    if texts:
        given_, tree = as_text(given_), as_text(tree)
    with pytest.raises(FactsRefused) as refused:
        decide(given_, tree, PLAN)
    assert refused.value.message == f"earnings: {fault}"
    assert refused.value.hint == (
        "`commission import` would name and keep such rows; facts must have none."
    )


def test_a_reversal_in_another_currency_is_refused() -> None:
    euros = pl.when(pl.col("event_id") == 13).then(pl.lit("EUR")).otherwise("currency")
    with pytest.raises(FactsRefused, match="13 is another affiliate's or in another currency"):
        decide(EARNINGS.with_columns(currency=euros), TREE, PLAN)


def test_a_reversal_of_an_adjustment_is_more_than_it() -> None:
    with pytest.raises(FactsRefused, match="12 reverses more than its order"):
        decide(earned((10, 3, 0, -100), (12, 3, 2, -1, 10)), TREE, PLAN)


@pytest.mark.parametrize("highest", [2**63 - 1, 2**40])
def test_the_largest_numbers_serve_as_event_ids(highest: int) -> None:
    rows = earned((5, 2, 0, 100), (highest - 1, 2, 1, 90), (highest, 2, 2, -90, highest - 1))
    expected = [(5, 10), (highest - 1, 9), (highest, -9)]
    lines = decide(rows, TREE, PLAN)
    assert lines.select("event_id", "gross_minor").rows() == expected


def test_a_reversal_comes_after_the_earnings_of_its_instant() -> None:
    rows = earned((9, 2, 0, -100, 10), (10, 2, 0, 100), (11, 2, 0, 100))
    assert [line[0] for line in told(decide(rows, TREE, PLAN))] == [10, 11, 9]


# -- referrals and closed accounts


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (referred((2, 2)), "referrals: 2 -> 2: nobody can be above himself"),
        (referred((2, 1), (1, 2)), "referrals: 1 -> 2 -> 1: nobody can be above himself"),
        (
            referred((2, 1), (3, 2), (1, 3), (4, 3), (5, 4)),
            "referrals: 1 -> 3 -> 2 -> 1: nobody can be above himself",
        ),
        # Only until the move.
        (referred((2, 1), (1, 2, 5), (2, 3, 9)), "referrals: 1 -> 2 -> 1: nobody can be above"),
        (
            referred((2, 1), (2, 3)),
            "referrals: 2 has several referrers since the same instant",
        ),
        (
            referred((2, 1, 4), (2, 3, 4), (2, 1)),
            "referrals: 2 has several referrers since the same instant",
        ),
        (referred((None, 1), (2, 1)), "referrals: 1 values of 'affiliate_id' are missing"),
    ],
)
@pytest.mark.parametrize("texts", [False, True])
def test_trees_that_cannot_be_are_refused(tree: pl.DataFrame, message: str, texts: bool) -> None:
    rows = (as_text(EARNINGS), as_text(tree)) if texts else (EARNINGS, tree)
    with pytest.raises(FactsRefused) as refused:
        decide(*rows, PLAN)
    assert refused.value.message.startswith(message)


def test_a_line_of_ten_thousand_is_no_loop() -> None:
    chain = pl.DataFrame({"affiliate_id": range(1, 10_000), "referrer_id": range(9_999)})
    shuffled = chain.sample(fraction=1, shuffle=True, seed=1)
    lines = decide(earned((1, 9_999, 0, 100)), shuffled, PLAN)
    assert lines["beneficiary_id"].to_list() == [9_997, 9_998]
    with pytest.raises(FactsRefused, match=r"9999 -> 9998 -> .* \(10000 affiliates\): nobody can"):
        decide(
            earned((1, 9_999, 0, 100)),
            pl.concat([chain, pl.DataFrame({"affiliate_id": [0], "referrer_id": [9_999]})]),
            PLAN,
        )


def test_the_tree_at_the_orders_instant_counts() -> None:
    rows = earned((10, 3, 0, 100), (11, 3, 5, 100), (12, 3, 9, 100), (13, 3, 9, -100, 10))
    tree = referred((3, 1), (3, 1), (3, 2, 5), (3, None, 9))
    assert [line[:3] for line in told(decide(rows, tree, PLAN))] == [
        (10, 1, 1),
        (13, 1, 1),
        (11, 1, 2),
    ]


@pytest.mark.parametrize("texts", [False, True])
def test_who_is_closed_is_paid_nothing(texts: bool) -> None:
    closed = pl.DataFrame({"affiliate_id": [2, 7]})
    rows = [as_text(each) if texts else each for each in (EARNINGS, TREE, closed)]
    lines = told(decide(rows[0], rows[1], PLAN, closed=rows[2]))
    assert [line[3:] for line in lines if int(line[2]) == 2] == [(0, 0, "closed")] * 3
    assert [line for line in lines if int(line[2]) == 1] == (TEXT_LINES if texts else LINES)[:4]


def test_closed_accounts_have_an_id() -> None:
    for closed, message in (
        (pl.DataFrame({"affiliate_id": [2, None]}), "closed: 1 values of 'affiliate_id' are"),
        (pl.DataFrame({"id": [2]}), "closed: there is no column 'affiliate_id'; there are id"),
        (
            pl.DataFrame({"affiliate_id": ["2"]}),
            "closed: the column 'affiliate_id' holds text, but 'affiliate_id' of earnings whole",
        ),
    ):
        with pytest.raises(FactsRefused, match=message):
            decide(EARNINGS, TREE, PLAN, closed=closed)


# -- nothing, and little


@pytest.mark.parametrize("texts", [False, True])
def test_no_earnings_have_no_lines(texts: bool) -> None:
    rows = [as_text(each) if texts else each for each in (EARNINGS, TREE)]
    lines = decide(rows[0].clear(), rows[1], PLAN)
    ids = pl.String() if texts else pl.Int64()
    assert lines.schema == {**parts.LINES, "event_id": ids, "beneficiary_id": ids}
    assert lines.height == 0


def test_columns_of_nothing_are_of_any_type() -> None:
    nothing = pl.DataFrame({name: [] for name in EARNINGS.columns})
    lines = decide(nothing, pl.DataFrame({"affiliate_id": [], "referrer_id": []}), PLAN)
    assert (lines.height, lines.schema) == (0, dict(parts.LINES))
    nobody = pl.DataFrame({"affiliate_id": [], "referrer_id": []})
    assert decide(as_text(EARNINGS), nobody, PLAN).height == 0


def test_level_0_needs_no_referrals() -> None:
    terms = PLAN.terms[0]
    own = replace(PLAN, terms=(replace(terms, levels=(replace(terms.levels[1], level=0),)),))
    lines = told(decide(EARNINGS, TREE.clear(), own))
    assert lines[:2] == [(11, 0, 2, 4, 4, ""), (10, 0, 3, 5, 5, "")]
    assert len(lines) == 4


def test_terms_begin_on_their_day() -> None:
    early = EARNINGS.with_columns(MICROSECONDS - timedelta(days=4, seconds=1))
    assert [line[0] for line in told(decide(early, TREE, PLAN))] == [11, 12, 12]
    later = replace(PLAN, terms=(replace(PLAN.terms[0], starts=PLAN.terms[0].starts + 30),))
    assert decide(EARNINGS, TREE, later).height == 0


# -- ids


@pytest.mark.parametrize(
    ("ids", "dense"),
    [
        ((1, 2, 3), True),
        ((0, 9, 2**20 - 1), True),
        ((0, 9, 2**20), False),
        ((2**28 - 3, 2**28 - 2, 2**28 - 1), False),
        ((2**63 - 3, 2**63 - 2, 2**63 - 1), False),
        ((-(2**63), -1, 5), False),
        ((-1, 0, 1), False),
    ],
)
@pytest.mark.parametrize("earner", [1, 3])
def test_affiliates_of_any_numbers(ids: Sequence[int], dense: bool, earner: int) -> None:
    """Those with few numbers in between are taken as they are, and are no larger tables."""
    number = dict(zip((1, 2, 3), ids, strict=True))
    rows = EARNINGS.filter(pl.col("affiliate_id") >= earner).with_columns(
        pl.col("affiliate_id").replace_strict(number)
    )
    tree = TREE.with_columns(pl.col("affiliate_id", "referrer_id").replace_strict(number))
    found = Facts.of(rows, tree)
    assert (found.affiliates is None) == dense
    expected = [(*line[:2], number[line[2]], *line[3:]) for line in LINES]
    kept = [line for line in expected if line[0] in rows["event_id"]]
    whose = told(decide(rows, tree, PLAN))
    assert whose == (kept if earner == 1 else whose)
    assert [line[:4] for line in whose] == [line[:4] for line in kept]


@pytest.mark.parametrize(
    ("earner", "referrer", "dense"),
    [
        (0, None, True),
        (2**20 - 1, None, True),
        (2**20, None, False),
        (1, 0, True),
        (1, -1, False),
        (0, 2**20 - 1, True),
        (0, 2**20, False),
    ],
)
def test_numbers_serve_as_they_are_up_to_a_million(
    earner: int, referrer: int | None, dense: bool
) -> None:
    """Whoever has the largest: the earner, or somebody above him who earns nothing."""
    tree = TREE.clear() if referrer is None else referred((earner, referrer))
    found = Facts.of(earned((1, earner, 0, 100), (2, earner, 1, 100)), tree)
    assert (found.affiliates is None) == dense
    who = found.number(pl.Series([earner, referrer])).tolist()
    lines = found.lines_of(PLAN)
    assert sum(lines) == (0 if referrer is None else 2)
    assert referrer is None or lines[who[1]] == 2


def test_larger_numbers_serve_among_more_rows() -> None:
    below = {0: 2**20, 65_536: 2**20, 65_537: 2**20 + 16, 2**24: 2**28, 2**24 + 1: 2**28}
    assert {rows: facts._dense_below(rows) for rows in below} == below


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize(
    ("rows", "in_order"),
    [
        ([(1, 3, 0, 5), (2, 3, 0, 5), (1, 3, 1, -5, 1)], True),
        ([(2, 3, 0, 5), (1, 3, 0, 5)], False),
        ([(2, 3, 0, 5), (3, 3, 1, 5), (1, 3, 1, 5)], False),
        ([(1, 3, 1, 5), (2, 3, 0, 5)], False),
        ([(1, 3, 0, -5, 1), (2, 3, 0, 5)], False),
        ([], True),
    ],
)
def test_processing_order_is_recognised(
    rows: list[tuple[int, ...]], in_order: bool, texts: bool
) -> None:
    given_ = in_types(earned(*rows) if rows else EARNINGS.clear(), texts)
    assert is_in_order(given_) is in_order


def in_types(rows: pl.DataFrame, texts: bool) -> pl.DataFrame:
    return as_text(rows) if texts else rows.cast({"event_id": pl.Int64, "reverses": pl.Int64})


def test_texts_are_sorted_by_their_bytes() -> None:
    """UTF-16, as some databases sort, would have them the other way round."""
    at = [("\U00010000", "\uffff"), ("e10", "e2"), ("E", "e"), ("e\u0301", "é")]
    for ids in at:
        rows = as_text(earned((1, 3, 0, 100), (2, 3, 0, 100))).with_columns(event_id=pl.Series(ids))
        first = sorted(ids, key=lambda each: each.encode())
        lines = decide(rows, as_text(TREE), PLAN)
        mine = lines.filter(pl.col("beneficiary_id") == "2")
        assert mine.select("event_id", "commission_minor").rows() == [(first[0], 10), (first[1], 5)]


# -- worlds


@st.composite
def at_once(draw: Any) -> World:
    """A world of which everything is known on one night, after all of it."""
    world = draw(worlds())
    events, edges, statuses = (
        tuple(each for night in world.nights for each in getattr(night, name))
        for name in ("events", "edges", "statuses")
    )
    return World(world.plan, (Night(10**6, events, edges, statuses),))


def frames(world: World, event: Any, affiliate: Any) -> list[pl.DataFrame]:
    """Earnings, referrals, closed, with the ids that the functions give."""
    (night,) = world.nights
    closed = [who for who, status in dict(night.statuses).items() if status == "closed"]
    at = pl.Datetime("us", "UTC")
    of_event, of_affiliate = type(event("")), type(affiliate(""))
    return [
        pl.DataFrame(
            [
                (event(e.event_id), affiliate(e.affiliate_id), e.occurred_us, e.amount, e.currency,
                 None if e.reverses is None else event(e.reverses))
                for e in night.events
            ],
            schema={
                "event_id": of_event, "affiliate_id": of_affiliate, "occurred_at": at,
                "amount_minor": pl.Int64, "currency": pl.String, "reverses": of_event,
            },
            orient="row",
        ),
        pl.DataFrame(
            [
                (affiliate(e.affiliate_id), None if e.referrer_id is None
                 else affiliate(e.referrer_id), e.since_us)
                for e in night.edges
            ],
            schema={"affiliate_id": of_affiliate, "referrer_id": of_affiliate, "since": at},
            orient="row",
        ),
        pl.DataFrame(
            {"affiliate_id": [*map(affiliate, closed)]}, schema={"affiliate_id": of_affiliate}
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("ids", ["texts", "numbers", "numbers in processing order"])
def test_frames_say_what_the_reference_says(ids: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(parts, "spread_over", partial(spread_over, a_bucket=3))
    compared = 0

    @settings(WORLDS, max_examples=max(WORLDS.max_examples // 2, 100))
    @given(at_once(), st.randoms(use_true_random=False))
    def compare(world: World, random: Random) -> None:
        nonlocal compared
        (expected,) = reference.decide(world.plan, world.nights)
        assume(not beyond_64_bits(world, [expected]))
        compared += 1
        event, affiliate = numbering(world, ids, random)
        rows = frames(world, event, affiliate)
        if random.random() < 0.5:
            rows = [each.sample(fraction=1, shuffle=True, seed=compared) for each in rows]
        elif ids == "numbers in processing order":
            rows[0] = rows[0].sort("event_id")
            assert Facts.of(rows[0], rows[1]).survey.rising
        lines = decide(rows[0], rows[1], world.plan, rows[2], workers=random.choice((1, 2)))
        assert lines.with_columns(pl.col("terms_from", "available_on").cast(pl.Int32)).rows() == [
            (event(line.event_id), line.level, affiliate(line.beneficiary_id), line.gross,
             line.commission, line.reason, line.terms_day, line.available_day)
            for line in sorted(expected, key=lambda line: line.beneficiary_id.encode())
        ]  # fmt: skip

    compare()
    assert compared > 50


def numbering(world: World, ids: str, random: Random) -> tuple[Any, Any]:
    """What events and affiliates are called in the frames; their order stays."""
    if ids == "texts":
        return str, str
    (night,) = world.nights
    ordered = sorted(night.events, key=lambda e: e.event_id.encode())
    if ids != "numbers":
        ordered.sort(key=lambda e: (e.occurred_us, e.reverses is not None))
    people = {e.affiliate_id for e in night.events} | {who for who, _ in night.statuses}
    people |= {who for e in night.edges for who in (e.affiliate_id, e.referrer_id or "")}
    spread, first = random.choice(((1, 0), (7, -3), (2**55, -(2**62)), (10**6, 0)))
    event = {e.event_id: first + n * spread for n, e in enumerate(ordered)}
    spread, first = random.choice(((1, 0), (1, 1), (3, -4), (2**40, 0)))
    who = {each: first + n * spread for n, each in enumerate(sorted(people, key=str.encode))}
    return lambda each: event.get(each, 0), lambda each: who.get(each, 0)


# -- Parquet


def written(folder: Path, earnings: pl.DataFrame = EARNINGS) -> Path:
    folder.mkdir()
    earnings.write_parquet(folder / "earnings.parquet")
    TREE.write_parquet(folder / "referrals.parquet")
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    folder = written(tmp_path / "[facts]*")
    assert Facts.of_folder(folder).closed.height == 0
    pl.DataFrame({"affiliate_id": [2]}).write_parquet(folder / "closed.parquet")
    assert Facts.of_folder(folder).closed["affiliate_id"].to_list() == [2]


@pytest.mark.parametrize("name", ["earnings.parquet", "referrals.parquet", "closed.parquet"])
@pytest.mark.parametrize("left", [0, 3, 400, -1])
def test_a_file_cut_short_is_refused(name: str, left: int, tmp_path: Path) -> None:
    folder = written(tmp_path / "facts")
    TREE.select("affiliate_id").write_parquet(folder / "closed.parquet")
    path = folder / name
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(FileRefused) as refused:
        Facts.of_folder(folder)
    assert refused.value.message == f"{path}: this is not a whole Parquet file"
    assert refused.value.hint == "It may be cut short; write it again."


def test_a_file_that_is_damaged_inside_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "facts")
    path = folder / "earnings.parquet"
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    with pytest.raises(FactsRefused, match=r"^earnings cannot be read: ") as refused:
        Facts.of_folder(folder)
    assert refused.value.hint == "Look for damage to the file or for absurd values."


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("earnings.parquet", "referrals.parquet"):
        folder = written(tmp_path / name)
        (folder / name).unlink()
        with pytest.raises(FileRefused) as refused:
            Facts.of_folder(folder)
        assert refused.value.message == f"{folder / name}: there is no such file"
    folder = tmp_path / "folders"
    (folder / "earnings.parquet").mkdir(parents=True)
    with pytest.raises(FileRefused, match=r"earnings\.parquet: Is a directory$"):
        Facts.of_folder(folder)


def test_a_total_beyond_62_bits_is_refused() -> None:
    rows = earned(*((n, 3, n, 10**18 - 1) for n in range(50)))
    with pytest.raises(CommissionError, match="more than the book can hold"):
        decide(rows, TREE, PLAN)
