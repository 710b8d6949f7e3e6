"""The example of a real shop's year: its files agree with each other, and its rules do as told."""

import csv
import doctest
import importlib.util
import json
import random
import re
import sys
import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "online_retail"
OUTPUTS = ["affiliates.csv", "referrals.csv", "earnings.csv", "counts.json"]

Row = dict[str, str]


def read(name: str) -> list[Row]:
    with (EXAMPLE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def affiliates() -> list[Row]:
    return read("affiliates.csv")


@pytest.fixture(scope="module")
def referrals() -> list[Row]:
    return read("referrals.csv")


@pytest.fixture(scope="module")
def earnings() -> list[Row]:
    return read("earnings.csv")


@pytest.fixture(scope="module")
def orders(earnings: list[Row]) -> dict[str, Row]:
    """Everything that can be reversed, by event id."""
    return {row["event_id"]: row for row in earnings if not row["reverses"]}


@pytest.fixture(scope="module")
def reversals(earnings: list[Row]) -> list[Row]:
    return [row for row in earnings if row["reverses"]]


@pytest.fixture(scope="module")
def counts() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXAMPLE / "counts.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """The script, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("online_retail_build", EXAMPLE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- the files --------------------------------------------------------------------------------


def tally(rows: list[Row]) -> dict[str, Any]:
    return {"events": len(rows), "amount": str(sum(Decimal(row["amount"]) for row in rows))}


def test_the_counts_are_those_of_the_earnings(
    earnings: list[Row], reversals: list[Row], counts: dict[str, Any]
) -> None:
    invoices = [row for row in earnings if not row["event_id"].startswith("C")]
    adjustments = [row for row in earnings if row["event_id"].endswith("-adj")]
    counted = counts["earnings"]
    assert counted["all"] == tally(earnings)
    assert counted["invoices"] == tally(invoices)
    assert counted["reversals"] == tally(reversals)
    assert counted["adjustments"] == tally(adjustments)
    assert counted["invoices_of_zero"] == sum(row["amount"] == "0.00" for row in invoices)
    assert counted["invoices_with_reversals"] == len({row["reverses"] for row in reversals})


def test_the_counts_are_those_of_the_people(
    affiliates: list[Row], referrals: list[Row], counts: dict[str, Any]
) -> None:
    counted = counts["people"]
    direct = Counter(row["referrer_id"] for row in referrals)
    assert counted["affiliates"] == len(affiliates)
    assert counted["affiliates_by_status"] == Counter(row["status"] for row in affiliates)
    assert counted["referrals"] == len(referrals)
    assert counted["most_direct_referrals"] == max(direct.values())
    assert counted["affiliates_by_direct_referrals"]["0"] == len(affiliates) - len(direct)


def test_no_penny_of_the_source_is_lost_but_by_rounding(
    earnings: list[Row], counts: dict[str, Any]
) -> None:
    source = Decimal(counts["source_rows"]["kept"]["amount"])
    written = sum(Decimal(row["amount"]) for row in earnings)
    assert source - written == Decimal(counts["earnings"]["lost_to_rounding"]) == Decimal("0.004")


def test_the_forest_has_no_cycle_and_at_least_six_levels(
    affiliates: list[Row], referrals: list[Row], counts: dict[str, Any]
) -> None:
    referrer = {row["affiliate_id"]: row["referrer_id"] for row in referrals}
    assert len(referrer) == len(referrals), "somebody has two referrers"

    generations: Counter[str] = Counter()
    for row in affiliates:
        chain = [row["affiliate_id"]]
        while chain[-1] in referrer:
            above = referrer[chain[-1]]
            assert above not in chain, f"a cycle above {chain[0]}"
            chain.append(above)
        generations[str(len(chain))] += 1

    assert generations == counts["people"]["generations"]
    assert len(generations) - 1 >= 6, "levels are counted above the earner"


def test_a_referrer_bought_first_and_is_there_from_the_first_order(
    earnings: list[Row], referrals: list[Row]
) -> None:
    first: dict[str, str] = {}
    for row in earnings:
        if not row["event_id"].startswith("C"):
            first.setdefault(row["affiliate_id"], row["occurred_at"])
    for row in referrals:
        assert row["since"] == first[row["affiliate_id"]]
        assert first[row["referrer_id"]] < row["since"]


def test_every_reversal_fits_its_order(orders: dict[str, Row], reversals: list[Row]) -> None:
    left = {event_id: Decimal(order["amount"]) for event_id, order in orders.items()}
    for reversal in reversals:
        order = orders[reversal["reverses"]]
        assert reversal["affiliate_id"] == order["affiliate_id"]
        assert reversal["currency"] == order["currency"]
        assert reversal["occurred_at"] >= order["occurred_at"]
        assert Decimal(reversal["amount"]) < 0
        left[order["event_id"]] += Decimal(reversal["amount"])
    assert min(left[reversal["reverses"]] for reversal in reversals) >= 0


def test_the_rows_are_well_formed_sorted_and_of_known_affiliates(
    affiliates: list[Row], referrals: list[Row], earnings: list[Row]
) -> None:
    known = {row["affiliate_id"] for row in affiliates}
    assert {row["affiliate_id"] for row in earnings} == known
    assert {row[key] for row in referrals for key in ("affiliate_id", "referrer_id")} <= known
    assert len({row["event_id"] for row in earnings}) == len(earnings)
    for row in earnings:
        assert re.fullmatch(r"C?\d{6}(-\d{6}|-adj)?", row["event_id"])
        assert re.fullmatch(r"-?\d+\.\d\d", row["amount"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["occurred_at"])
        assert row["currency"] == "GBP"
    assert earnings == sorted(earnings, key=lambda row: (row["occurred_at"], row["event_id"]))
    for people in (affiliates, referrals):
        assert people == sorted(people, key=lambda row: row["affiliate_id"])


def test_the_files_end_their_lines_with_a_line_feed() -> None:
    assert not [name for name in OUTPUTS if b"\r" in (EXAMPLE / name).read_bytes()]


def test_the_plan_is_the_one_the_readme_describes() -> None:
    (terms,) = tomllib.loads((EXAMPLE / "plan.toml").read_text(encoding="utf-8"))["terms"]
    assert [
        (level["rate"], *((cap["window"], cap["amount"]["GBP"]) for cap in level["cap"]))
        for level in terms["level"]
    ] == [
        ("20%", ("order", "400.00"), ("month", "5000.00")),
        ("15%", ("order", "300.00"), ("month", "4000.00")),
        ("10%", ("order", "200.00"), ("month", "3000.00")),
    ]
    assert terms["cap"] == [{"window": "year", "amount": {"GBP": "75000.00"}}]


def test_the_readme_quotes_the_counts(counts: dict[str, Any]) -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    people, cancelled = counts["people"], counts["cancellations"]
    quoted = [
        people["affiliates"],
        people["referrals"],
        *people["affiliates_by_direct_referrals"].values(),
        cancelled["documents"],
        cancelled["rows_matched"],
        cancelled["rows_without_a_match"],
        counts["source_rows"]["left_out_without_customer"]["all"]["rows"],
        counts["source_rows"]["kept_identical_to_another_row"],
        *(counts["earnings"][kind]["events"] for kind in ("all", "invoices", "reversals")),
    ]
    assert not [number for number in quoted if f"{number:,}" not in readme]
    for kind in ("all", "invoices", "reversals", "adjustments"):
        assert f"{Decimal(counts['earnings'][kind]['amount']):,}" in readme


# --- the matching rule ------------------------------------------------------------------------


def lines(build: ModuleType, text: str) -> list[Any]:
    """Lines such as "C9 day 4 ann -2 mugs at 2.50": a document, and what it moves."""
    form = r"(\S+) +day (\d) (\w+) +(-?\d+) (\w+) at (\d+\.\d+)"
    return [
        build.Line(
            document, customer, "United Kingdom", article, int(quantity),
            int(Decimal(price) * 1000), f"2011-01-0{day}T12:00:00Z",
        )
        for document, day, customer, quantity, article, price in re.findall(form, text)
    ]  # fmt: skip


@pytest.fixture
def takes(build: ModuleType, request: pytest.FixtureRequest) -> list[str]:
    """What each cancelled line of the test's own text takes back, and from where."""
    text = lines(build, request.function.__doc__)
    taken = build.match(
        [line for line in text if line.quantity > 0], [line for line in text if line.quantity < 0]
    )
    return [f"{t.line.document} {-t.line.quantity} {t.line.article} {t.order}" for t in taken]


def test_the_latest_earlier_invoice_is_the_one_cancelled(takes: list[str]) -> None:
    """
    1  day 1 ann  6 mugs at 2.50
    2  day 2 ann  6 mugs at 2.50
    C3 day 3 ann -2 mugs at 2.50
    4  day 4 ann  6 mugs at 2.50
    """
    assert takes == ["C3 2 mugs 2"]


def test_what_was_taken_back_is_not_there_a_second_time(takes: list[str]) -> None:
    """
    1  day 1 ann  6 mugs at 2.50
    2  day 2 ann  6 mugs at 2.50
    C3 day 3 ann -4 mugs at 2.50
    C4 day 4 ann -4 mugs at 2.50
    C5 day 5 ann -4 mugs at 2.50
    C6 day 6 ann -2 mugs at 2.50
    """
    assert takes == ["C3 4 mugs 2", "C4 4 mugs 1", "C5 4 mugs None", "C6 2 mugs 2"]


def test_an_article_twice_on_an_invoice_is_one_quantity(takes: list[str]) -> None:
    """
    1  day 1 ann  3 mugs at 2.50
    1  day 1 ann  3 mugs at 2.50
    C2 day 2 ann -6 mugs at 2.50
    """
    assert takes == ["C2 6 mugs 1"]


def test_one_cancellation_may_take_from_several_invoices(takes: list[str]) -> None:
    """
    1  day 1 ann  2 jugs at 9.95
    2  day 2 ann  6 mugs at 2.50
    C3 day 3 ann -6 mugs at 2.50
    C3 day 3 ann -1 jugs at 9.95
    """
    assert takes == ["C3 1 jugs 1", "C3 6 mugs 2"]


def test_another_customer_article_price_or_a_later_invoice_does_not_fit(takes: list[str]) -> None:
    """
    1  day 1 bob  6 mugs at 2.50
    2  day 1 ann  6 jugs at 2.50
    3  day 1 ann  6 mugs at 2.55
    C4 day 2 ann -1 mugs at 2.50
    5  day 3 ann  6 mugs at 2.50
    """
    assert takes == ["C4 1 mugs None"]


def test_the_same_minute_is_early_enough(takes: list[str]) -> None:
    """
    1  day 1 ann  1 mugs at 2.50
    C2 day 1 ann -1 mugs at 2.50
    """
    assert takes == ["C2 1 mugs 1"]


# --- from lines to events ---------------------------------------------------------------------


def test_a_cancellation_becomes_a_reversal_per_invoice_and_one_adjustment(
    build: ModuleType,
) -> None:
    cancelled = lines(
        build,
        """
        C3 day 3 ann -6 mugs at 2.50
        C3 day 3 ann -2 cups at 1.00
        C3 day 3 ann -1 jugs at 9.95
        C3 day 3 ann -1 pans at 7.00
        C3 day 3 ann -1 lids at 0.50
        """,
    )
    found = ["1", "1", "2", None, None]
    taken = [build.Taken(line, order) for line, order in zip(cancelled, found, strict=True)]
    events = [*build.reversal_events(taken), *build.adjustment_events(taken)]
    assert [(event.event_id, event.amount_pence, event.reverses) for event in events] == [
        ("C3-1", -17_00, "1"),
        ("C3-2", -9_95, "2"),
        ("C3-adj", -7_50, ""),
    ]


def test_rounded_parts_never_exceed_the_rounded_order(build: ModuleType) -> None:
    for order_mills in range(40):
        for part in range(order_mills + 1):
            parts = build.pence(-part) + build.pence(part - order_mills)
            assert build.pence(order_mills) + parts >= 0


def test_the_examples_in_the_docstrings_hold(build: ModuleType) -> None:
    assert doctest.testmod(build).failed == 0


# --- a small source, start to end -------------------------------------------------------------

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
SMALL_SHOP = [
    "500001,mug,A MUG,6,2011-04-15 09:27:00,2.5,17850.0,EIRE",
    'C500002,mug,"A MUG, BLUE",-2,2011-04-16 10:00:00,2.5,17850.0,EIRE',
    "500003,jug,,1,2011-12-01 08:26:00,10.001,13047,Unspecified",
    "500003,jug,,1,2011-12-01 08:25:00,10.001,13047,Unspecified",
    "500004,mug,A MUG,1,2011-12-01 08:27:00,2.55,,United Kingdom",
]


def source_of(folder: Path, rows: list[str]) -> Path:
    source = folder / "source.csv"
    source.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return source


def test_a_small_shop_becomes_earnings(build: ModuleType, tmp_path: Path) -> None:
    assert build.main([str(source_of(tmp_path, SMALL_SHOP)), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "earnings.csv").read_text(encoding="utf-8").splitlines() == [
        "event_id,affiliate_id,occurred_at,amount,currency,reverses",
        "500001,17850,2011-04-15T08:27:00Z,15.00,GBP,",
        "C500002-500001,17850,2011-04-16T09:00:00Z,-5.00,GBP,500001",
        "500003,13047,2011-12-01T08:25:00Z,20.00,GBP,",
    ]
    assert (tmp_path / "affiliates.csv").read_text(encoding="utf-8").splitlines() == [
        "affiliate_id,name,email,country,locale,status",
        "13047,Customer 13047,,,en-GB,active",
        "17850,Customer 17850,,IE,en-IE,active",
    ]


def test_the_order_of_the_rows_does_not_matter(build: ModuleType, tmp_path: Path) -> None:
    build.build(source_of(tmp_path, SMALL_SHOP), tmp_path / "sorted")
    shuffled = random.Random(7).sample(SMALL_SHOP, len(SMALL_SHOP))
    build.build(source_of(tmp_path, shuffled), tmp_path / "shuffled")
    for name in OUTPUTS:
        first, second = tmp_path / "sorted" / name, tmp_path / "shuffled" / name
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("500009,mug,,1,2011-12-01 08:26:00,2.5555,17850,EIRE", "1 rows cannot be read"),
        ("500009,mug,,one,2011-12-01 08:26:00,2.50,17850,EIRE", "1 rows cannot be read"),
        ("500009,mug,,1,12/1/2011 8:26,2.50,17850,EIRE", "1 rows cannot be read"),
        ("500009,mug,,-1,2011-12-01 08:26:00,2.50,17850,EIRE", "and only that, is negative"),
        ("C50009,mug,,1,2011-12-01 08:26:00,2.50,17850,EIRE", "and only that, is negative"),
        ("500009,mug,,1,2011-12-01 08:26:00,-2.50,17850,EIRE", "a price is negative"),
        ("500003,mug,,1,2011-12-01 08:26:00,2.50,17850,EIRE", "belongs to two customers"),
        ("500009,mug,,1,2011-12-01 08:26:00,2.50,17850,Atlantis", "a country without a code"),
    ],
)
def test_a_row_that_is_not_understood_stops_the_build(
    build: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    row: str,
    complaint: str,
) -> None:
    source = source_of(tmp_path, [*SMALL_SHOP, row])
    assert build.main([str(source), "--out", str(tmp_path)]) == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "earnings.csv").exists()
