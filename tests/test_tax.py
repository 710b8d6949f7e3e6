"""Tax facts: totals and thresholds, documents that let payouts go out, invoices without gaps."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from program import HEADER, Program, shop
from sqlalchemy.exc import DBAPIError
from test_verify import change

from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.schema_close import invoice
from commission_engine.calendar import day_of
from commission_engine.finance.tax.rules import ADDED, CONTAINED, Vat, read_rules
from commission_engine.money import Rate, Rounding, iso_decimals, share
from commission_engine.problems import UsageError

PLAN = """\
name = "acme"
timezone = "Europe/Berlin"
[[terms]]
from = 2025-01-01
[[terms.level]]
level = 1
rate = "100%"
"""
PEOPLE = "affiliate_id,name,country\nann,Ann,US\nbob,=Bob,DE\ncat,Cat,\n"
VAT = """\
[[threshold]]
country = "US"
form = "1099-NEC"
from = 2020-01-01
to = 2025-12-31
amount = "600.00"
currency = "USD"
source = "the law"
[[vat]]
country = "DE"
from = 2021-01-01
rate = "19%"
treatment = "contained"
"""


def night(commission: Program, folder: Path, date: str, *earned: tuple[str, str]) -> None:
    rows = "".join(f"{date}-{who},{who},{date},{amount},USD,\n" for who, amount in earned)
    (folder / "earnings.csv").write_text(HEADER + rows)
    done = commission("run", folder, "--date", date)
    assert done.code == 0, done.err


def listed(commission: Program, *words: str) -> list[list[str]]:
    done = commission("tax", *words, "--csv")
    assert done.code == 0, done.err
    return list(csv.reader(done.out.splitlines()))


def held(commission: Program) -> list[tuple[str, str]]:
    done = commission("payouts", "export", "--json")
    assert done.code == 0, done.err
    return [(each["affiliate_id"], each["why"]) for each in json.loads(done.out)["held"]]


def test_a_year_of_payments(
    commission: Program, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shop(tmp_path / "in", HEADER, PLAN)
    (folder / "affiliates.csv").write_text(PEOPLE)
    (folder / "referrals.csv").write_text("affiliate_id,referrer_id\nbob,ann\ncat,bob\ndan,cat\n")
    night(commission, folder, "2025-12-01", ("bob", "700.00"), ("cat", "119.00"), ("dan", "50.00"))
    night(commission, folder, "2025-12-02", ("bob", "1500.00"))
    commission("payouts", "approve")

    # A document is needed before anything goes out.
    monkeypatch.setenv("COMMISSION_TAX_REQUIRE_DOCUMENT", "US")
    assert held(commission) == [("ann", "ann is without a w9")] * 2
    give = ("tax", "document", "ann", "w9", "--reason", "seen")
    assert commission(*give, "--date", "2019-01-01", "--expires", "2020-01-01").code == 0
    assert {why for _, why in held(commission)} == {
        "ann is without a w9 that is good: it has expired"
    }
    assert commission(*give, "--date", "2025-01-31").err == "ann has w9\n"
    assert (
        commission(*give, "--date", "2025-01-31").err == "ann has w9 already; nothing was changed\n"
    )
    assert held(commission) == []
    assert [row[:5] for row in listed(commission, "documents")[1:]] == [
        ["ann", "w9", "2025-01-31", "", "seen"]
    ]

    # Paid: one of ann's in 2025 where the programme is, the others now; cat's came back.
    ids = {
        (row["affiliate_id"], row["created_on"]): row["payout_id"]
        for row in json.loads(commission("payouts", "--json").out)
    }
    old, *rest = (ids["ann", "2025-12-01"], ids["ann", "2025-12-02"], ids["bob", "2025-12-01"],
                  ids["cat", "2025-12-01"])  # fmt: skip
    assert commission("payouts", "mark", "paid", old).code == 0
    assert commission("payouts", "mark", "paid", *rest).code == 0
    back = ("payouts", "mark", "failed", rest[-1], "--returned", "--reason", "closed account")
    assert commission(*back).code == 0

    # Numbers without gaps.
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tax.toml").write_text(VAT)
    assert "entity.name is empty" in commission("tax", "issue").err
    monkeypatch.setenv("COMMISSION_ENTITY_NAME", "Acme, Inc.")
    assert len(listed(commission, "issue", "--dry-run")) == 4
    issued = listed(commission, "issue")
    assert [row[0] for row in issued[1:]] == ["SB-000001", "SB-000002", "SB-000003"]
    assert listed(commission, "issue") == issued[:1]
    assert listed(commission, "invoices") == issued
    bob = dict(zip(issued[0], issued[2 if issued[2][2] == "bob" else 1], strict=True))
    kept = ("affiliate_id", "country", "net", "rate", "vat", "gross", "treatment", "paid",
            "payout_id", "issuer_name")  # fmt: skip
    assert [bob[name] for name in kept] == [
        "bob", "DE", "100.00", "0.19", "19.00", "119.00", "contained", "119.00", rest[1],
        "Acme, Inc.",
    ]  # fmt: skip
    engine = connect(database_url)
    with reading(engine) as connection:
        row = dict(connection.execute(sa.select(invoice)).mappings().first() or {})
    other = {"run_day": 20424, "affiliate": row["affiliate"] + 9}
    for change_ in ({"number": 5, **other}, {"number": 4}):
        with pytest.raises(DBAPIError), writing(engine) as connection:
            connection.execute(sa.insert(invoice).values(row | change_))
    done = commission("verify")
    assert (done.code, done.err) == (0, "")

    change(
        database_url,
        "UPDATE intake SET learned_at = '2024-12-31T23:30:00Z'"
        " WHERE id = (SELECT min(id) FROM intake WHERE kind = 'mark payouts')",
    )
    year = str(datetime.now(UTC).year)
    assert [row[:11] for row in listed(commission, "totals", "--year", "2025")[1:]] == [
        ["2025", "US", "ann", "Ann", "USD", "1", "700.00", "1099-NEC", "600.00", "yes", "w9"]
    ]
    assert [row[:11] for row in listed(commission, "totals", "--year", year)[1:]] == [
        [year, "DE", "bob", "'=Bob", "USD", "1", "119.00", "", "", "", "none"],
        [year, "US", "ann", "Ann", "USD", "1", "1500.00", "", "", "", "w9"],
    ]
    (tmp_path / "config" / "tax.toml").unlink()
    rows = listed(commission, "totals", "--year", year, "--country", "US")[1:]
    assert [row[7:10] for row in rows] == [["1099-NEC", "2000.00", "no"]]


def test_the_thresholds_that_come_with_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rules = read_rules(iso_decimals())
    found = {}
    for year in (2019, 2025, 2026, 2031):
        rule = rules.threshold("US", day_of(datetime(year, 12, 31, tzinfo=UTC).date()))
        found[year] = rule.minor if rule else None
    assert found == {2019: None, 2025: 60_000, 2026: 200_000, 2031: 200_000}
    assert all(each.source for each in rules.thresholds)
    assert rules.threshold("DE", 20_700) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"19%"', "19", "vat 1, rate: 19 is not a text"),
        ('"19%"', '"x"', "vat 1, rate: 'x' is not a rate; write such as 19%"),
        ('"contained"', '"none"', "vat 1, treatment: 'none' is neither added nor contained"),
        ('"DE"', '"Germany"', "vat 1, country: 'Germany' is not two capitals, such as US"),
        ('"600.00"', '"600.001"', "threshold 1, amount: '600.001' has more than 2 decimals;"
         " write such as 600.00"),
        ("2025-12-31", "2019-12-31", "threshold 1, to: is before `from`"),
        ("2021-01-01", '"2021"', "vat 1, from: '2021' is not a day; write such as 2026-01-01"),
        ('source = "the law"', "", "threshold 1, source: is missing"),
        ("[[vat]]", "[[tax]]", "tax: is no table of this file; write [[threshold]] or [[vat]]"),
        ("[[vat]]", "[[vat]]\ncolour = 1", "vat 1, colour: is no key; write country, from, to,"
         " rate, treatment"),
        ("[[vat]]", '[[vat]]\ncountry = "DE"\nfrom = 2020-01-01\nrate = "16%"\n'
         'treatment = "added"\n[[vat]]', "vat 2: overlaps another one of its country"),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tax.toml").write_text(VAT.replace(old, new))
    with pytest.raises(UsageError) as refused:
        read_rules(iso_decimals())
    assert refused.value.message == f"config/tax.toml: {said}"


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10**17), st.integers(0, 1000))
def test_vat_is_exact_and_rounds_half_up(minor: int, permille: int) -> None:
    rate = Rate.of(permille, 1000)
    contained, added = Vat("DE", 0, 1, rate, CONTAINED), Vat("DE", 0, 1, rate, ADDED)
    vat = contained.of(minor)
    net = minor - vat
    assert abs(share(net, rate, Rounding.HALF_UP) - vat) <= 1
    doubled = 2 * minor * permille
    assert vat == (doubled + 1000 + permille) // (2 * (1000 + permille))
    assert added.of(minor) == (doubled + 1000) // 2000
