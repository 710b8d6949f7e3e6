"""Payouts in another currency: rates, what they come to, and every currency sums to zero."""

import csv
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_world import world_at
from program import HEADER, Program, shop
from test_verify import change

from commission_engine.ledger.accounts import Account
from commission_engine.ledger.convert import CONVERTED, converted, legs
from commission_engine.money import MAX_MINOR, plain

PLAN = """\
name = "acme"
[payout]
minimum = { USD = "1.00" }
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "100%"
"""
PEOPLE = "affiliate_id,referrer_id\nbob,ann\ncat,bob\ndan,cat\neve,dan\n"
RATES = """\
Date,USD,JPY,GBP,HRK,
2026-01-02,1.1721,183.90,0.8701,7.5345,
2026-01-05,1.1700,N/A,0.8660,N/A,
"""
LATER = "date,currency,per_euro\n2026-01-06,USD,1.5\n2026-01-06,USD,1.50\n"


def night(commission: Program, folder: Path, date: str, *earned: tuple[str, str, str]) -> str:
    rows = "".join(f"{date}-{who}-{code},{who},{date},{amount},{code},\n"
                   for who, amount, code in earned)  # fmt: skip
    (folder / "earnings.csv").write_text(HEADER + rows)
    done = commission("run", folder, "--date", date)
    assert done.code == 0, done.err
    return done.err


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def sums(rows: Iterable[dict[str, str]]) -> dict[tuple[str, str], Decimal]:
    """Account and currency -> debits less credits."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row["account"], row["currency"]] += Decimal(row["debit"]) - Decimal(row["credit"])
    return {key: value for key, value in found.items() if value}


@pytest.fixture
def paid(commission: Program, tmp_path: Path) -> Path:
    """A night whose payouts are paid in euros, but those of one who is paid in yen."""
    folder = shop(tmp_path / "in", HEADER, PLAN)
    (folder / "referrals.csv").write_text(PEOPLE)
    (tmp_path / "rates.csv").write_text(RATES)
    assert commission("import", "referrals", folder / "referrals.csv").code == 0
    assert commission("plan", "apply", folder / "plan.toml").code == 0
    assert commission("rates", "import", "rates.csv").err == "rates: 5 read = 5 accepted + 0" \
        " duplicate\n"  # fmt: skip
    assert commission("rates", "import", "rates.csv").err == "rates: 5 read = 0 accepted + 5" \
        " duplicate\n"  # fmt: skip
    pay = ("rates", "pay-in")
    assert commission(*pay, "EUR", "ann", "bob", "cat", "--reason", "asked").err == (
        "the next settlement pays 3 affiliates in EUR\n"
    )
    assert commission(*pay, "EUR", "ann", "--reason", "asked").err == (
        "they are paid so already; nothing was changed\n"
    )
    assert commission(*pay, "JPY", "dan", "--reason", "moved").code == 0
    night(commission, folder, "2026-01-05", ("bob", "10.01", "USD"), ("cat", "10.01", "USD"),
          ("dan", "10.01", "USD"), ("eve", "7.77", "GBP"))  # fmt: skip
    return folder


def test_a_settlement_pays_in_the_currency_of_each(
    commission: Program, paid: Path, tmp_path: Path, database_url: str
) -> None:
    out = tmp_path / "out" / "2026-01-05"
    rows = table(out / "conversions.csv")
    assert [(r["affiliate_id"], r["currency"], r["amount"], r["paid_currency"], r["paid_amount"],
             r["per_euro"], r["paid_per_euro"], r["rate_on"], r["source"]) for r in rows] == [
        ("ann", "USD", "10.01", "EUR", "8.56", "1.17", "1", "2026-01-05", "ECB"),
        ("bob", "USD", "10.01", "EUR", "8.56", "1.17", "1", "2026-01-05", "ECB"),
        ("cat", "USD", "10.01", "EUR", "8.56", "1.17", "1", "2026-01-05", "ECB"),
        # The last day that has a rate of both.
        ("dan", "GBP", "7.77", "JPY", "1642", "0.8701", "183.9", "2026-01-02", "ECB"),
    ]  # fmt: skip
    # 30.03 / 1.17 is 25.67: one cent more is paid.
    assert sums(table(out / "journal.csv")) == {
        ("commission_expense", "USD"): Decimal("30.03"), ("fx_clearing", "USD"): Decimal("-30.03"),
        ("commission_expense", "GBP"): Decimal("7.77"), ("fx_clearing", "GBP"): Decimal("-7.77"),
        ("fx_clearing", "EUR"): Decimal("25.67"), ("fx_rounding", "EUR"): Decimal("0.01"),
        ("payout_clearing", "EUR"): Decimal("-25.68"), ("fx_clearing", "JPY"): Decimal(1642),
        ("payout_clearing", "JPY"): Decimal(-1642),
    }  # fmt: skip
    (mine,) = (each for each in (out / "statements").iterdir() if ",dan," not in each.read_text()
               and "7.77" in each.read_text())  # fmt: skip
    assert ('"paid as JPY 1642, at 1 EUR = 0.8701 GBP, 1 EUR = 183.9 JPY (ECB, 2026-01-02)"'
            in mine.read_text())  # fmt: skip
    listed = json.loads(commission("payouts", "--json").out)
    assert [(row["amount"], row["paid_as"]) for row in listed] == [("10.01", "EUR 8.56")] * 3 + [
        ("7.77", "JPY 1642")
    ]
    told = commission("explain", listed[0]["payout_id"])
    assert "  It is paid as EUR 8.56, at 1 EUR = 1.17 USD (ECB, 2026-01-05).\n" in told.out
    render = ("statements", "render", "--affiliate", "dan", "--format", "html", "--out", "pages")
    assert commission(*render).code == 0
    (page,) = (tmp_path / "pages").rglob("*.html")
    assert "Paid as ¥1,642 at the rate 1 EUR = 0.8701 GBP, 1 EUR = 183.9 JPY (ECB, " in (
        page.read_text("utf-8")
    )
    _reads_it_in_the_portal(database_url, tmp_path)
    assert commission("verify").code == commission("replay", "--all").code == 0
    # What somebody changed behind the program's back is found.
    change(database_url, "UPDATE conversion SET to_minor = to_minor + 1")
    said = commission("verify")
    assert said.code == 5
    assert "table conversion has" in said.err
    assert commission("replay", "--all").code == 5
    assert (
        "it is paid as EUR 8.57, by its rates that is 8.56"
        in commission("explain", listed[0]["payout_id"]).out
    )


def _reads_it_in_the_portal(database_url: str, folder: Path) -> None:
    world = world_at(database_url, folder)
    path = re.findall(r'href="(/statements/st-\w+-\w+)"', world.of("dan").get("/statements").text)[
        0
    ]
    page = world.of("dan").get(path).text
    assert (
        "Paid as ¥1,642 at the rate 1 EUR = 0.8701 GBP, 1 EUR = 183.9 JPY (ECB, 2026-01-02)."
        in (page)
    )
    paid = {"paid_currency": "JPY", "paid_amount": "1642", "per_euro": "0.8701",
            "paid_per_euro": "183.9", "rate_on": "2026-01-02", "source": "ECB"}  # fmt: skip
    answers = [
        *world.program_of("dan").get(f"/api/v1{path}").json()["statements"],
        *world.program_of("dan").get("/api/v1/payouts").json()["payouts"],
        *world.program_of("eve").get("/api/v1/statements").json()["statements"],
    ]
    told = [{name: each[name] for name in paid} for each in answers]
    assert told == [paid, paid, *[dict.fromkeys(paid)] * (len(answers) - 2)]
    with zipfile.ZipFile(io.BytesIO(world.of("dan").get("/data.zip").content)) as archive:
        table = archive.read("payouts.csv").decode()
    assert table.endswith(",GBP,7.77,pending,JPY,1642,0.8701,183.9,2026-01-02,ECB\n")
    world.close()


def test_what_is_paid_in_another_currency_goes_to_the_bank_in_it(
    commission: Program, paid: Path, tmp_path: Path
) -> None:
    shown = commission("payouts", "approve", "--dry-run")
    assert "EUR 8.56" in shown.out
    assert "USD: 3 payouts, 30.03" in shown.err
    assert commission("payouts", "approve").code == 0
    done = json.loads(commission("payouts", "export", "--json").out)
    assert done["files"][0]["totals"] == {"EUR": "25.68", "JPY": "1642"}
    rows = table(Path(done["files"][0]["file"]))
    assert [(row["affiliate_id"], row["currency"], row["amount"]) for row in rows] == [
        ("ann", "EUR", "8.56"), ("bob", "EUR", "8.56"), ("cat", "EUR", "8.56"),
        ("dan", "JPY", "1642"),
    ]  # fmt: skip
    ids = {row["affiliate_id"]: row["payout_id"] for row in rows}
    # The bank speaks of euros; it does not know bob's account.
    (tmp_path / "bank.csv").write_text(
        "id,date,amount,currency,reference,state\n"
        f"b1,2026-01-07,8.56,EUR,{ids['ann']},paid\nb2,2026-01-07,8.56,EUR,{ids['bob']},failed\n"
        f"b3,2026-01-07,10.01,USD,{ids['cat']},paid\nb4,2026-01-07,1642,JPY,{ids['dan']},paid\n"
    )
    (tmp_path / "map.toml").write_text(
        'account = "OUR-1"\ndate = "YYYY-MM-DD"\n[columns]\nbank_reference = "id"\ndate = "date"\n'
        'amount = "amount"\ncurrency = "currency"\nreference = ["reference"]\nstatus = "state"\n'
        '[status]\npaid = "paid"\nfailed = "failed"\n'
    )
    read = commission("reconcile", "bank.csv", "--map", "map.toml", "--json")
    assert read.code == 0, read.err
    assert {row["payout_id"]: row["status"] for row in
            json.loads(commission("payouts", "--json").out)} == {
        ids["ann"]: "paid", ids["bob"]: "failed", ids["cat"]: "exported", ids["dan"]: "paid",
    }  # fmt: skip
    night(commission, paid, "2026-01-06")
    # His money is in his balance as it was, and is converted anew, at the rate of then.
    again = table(tmp_path / "out" / "2026-01-06" / "conversions.csv")
    assert [(row["affiliate_id"], row["paid_amount"]) for row in again] == [("bob", "8.56")]
    both = [row for day in ("2026-01-05", "2026-01-06")
            for row in table(tmp_path / "out" / day / "journal.csv")]  # fmt: skip
    by_account = sums(both)
    assert by_account["payout_clearing", "EUR"] == Decimal("-25.68")
    assert by_account["fx_clearing", "USD"] == Decimal("-30.03")
    for code in ("USD", "GBP", "EUR", "JPY"):
        assert sum(value for (_, each), value in by_account.items() if each == code) == 0
    back = [row for row in both if "reverted" in row["entry_id"]]
    assert [(row["account"], row["debit"], row["currency"], row["source"]) for row in back] == [
        ("payout_clearing", "8.56", "EUR", "conversions:2026-01-06"),
        ("fx_clearing", "0.00", "EUR", "conversions:2026-01-06"),
        ("fx_clearing", "10.01", "USD", "conversions:2026-01-06"),
        ("payout_clearing", "0.00", "USD", "conversions:2026-01-06"),
    ]
    assert commission("verify").code == 0
    # Exports and journals for other ledgers say the same.
    for words in (("journal",), ("payouts",), ("journal", "--format", "parquet")):
        assert commission("export", *words, "--out", f"exports/{'-'.join(words)}").code == 0
    (journal,) = (tmp_path / "exports" / "journal").rglob("journal*.csv")
    assert sums(table(journal)) == by_account
    (payouts,) = (tmp_path / "exports" / "payouts").rglob("payouts*.csv")
    assert [(row["paid_currency"], row["paid_amount"], row["converted"][:12])
            for row in table(payouts)][:2] == [("EUR", "8.56", "paid as EUR ")] * 2  # fmt: skip


def test_without_a_rate_nothing_is_paid_and_it_is_said(
    commission: Program, tmp_path: Path, paid: Path
) -> None:
    said = night(commission, paid, "2026-01-13", ("bob", "5.00", "USD"), ("eve", "0.01", "GBP"))
    why = "no rate of USD in EUR of 2026-01-06 to 2026-01-13 was known"
    assert f"not paid: ann, USD 5.00, is paid in EUR, and {why}\n" in said
    assert "next: commission rates import FILE; the settlement after it pays them" in said
    assert not (tmp_path / "out" / "2026-01-13" / "conversions.csv").exists()
    assert (
        f"Not paid: ann is paid in EUR, and {why}."
        in commission("explain", "2026-01-13-bob-USD.1").out
    )
    render = ("statements", "render", "--affiliate", "ann", "--format", "html", "--out", "pages")
    assert commission(*render).code == 0
    (page,) = (tmp_path / "pages").rglob("*.html")
    assert "$5.00 is available. It is paid as soon as there is an exchange rate for it." in (
        page.read_text("utf-8")
    )
    older = commission("balances", "--older-than", "0d", "--as-of", "2026-01-13", "--json")
    assert [row["why"] for row in json.loads(older.out)] == [] or why in older.out
    # A rate of a later day is never taken, one of a day before is.
    (tmp_path / "later.csv").write_text("date,currency,per_euro,source\n2026-01-15,USD,2,bank\n")
    assert commission("rates", "import", "later.csv").code == 0
    assert why[:10] in night(commission, paid, "2026-01-14")
    night(commission, paid, "2026-01-16")
    rows = table(tmp_path / "out" / "2026-01-16" / "conversions.csv")
    assert [(row["amount"], row["paid_amount"], row["rate_on"], row["source"]) for row in rows] == [
        ("5.00", "2.50", "2026-01-15", "bank")
    ]
    # What is less than the least amount there stays in the balance, and whoever wants it as it is
    # earned has it so.
    assert commission("rates", "pay-in", "earned", "dan", "--reason", "moved back").code == 0
    listed = json.loads(commission("rates", "currencies", "--json").out)
    assert [row["paid_in"] for row in listed] == ["EUR", "EUR", "EUR", "earned"]
    night(commission, paid, "2026-01-17")
    assert (
        json.loads(commission("payouts", "--date", "2026-01-17", "--json").out)[0]["amount"]
        == "0.01"
    )
    assert commission("verify").code == commission("replay", "--all").code == 0


REFUSED = [
    ("a,b\n1,2\n", "rates.csv:1: this is no table of rates"),
    ("", "rates.csv:1: this is no table of rates"),
    ("Date,USD\n2026-13-05,1.1\n", "rates.csv:2, column Date: '2026-13-05' is no date"),
    ("Date,USD\n2026-01-05,1.1,7\n", "rates.csv:2: has 3 fields, the header has 2"),
    ("Date,USD\n2026-01-05,0.00\n", "rates.csv:2, column USD: '0.00' is no rate"),
    ("Date,USD\n\n2026-01-05,1e5\n", "rates.csv:3, column USD: '1e5' is no rate"),
    ("Date,USD\n2026-01-05,-1\n", "rates.csv:2, column USD: '-1' is no rate"),
    ("Date,USD\n2026-01-05,1\n5 January 2026,2\n",
     "rates.csv:3: USD is 2, and 1 in line 2, of the same day"),
    ('Date,USD\n2026-01-05,"1\n', "rates.csv:2: this is not CSV: unexpected end of data"),
    ("date,currency,per_euro\n2026-01-05,XXQ,1\n",
     "rates.csv:2: 'XXQ' is no currency that the plan knows"),
    ("date,currency,per_euro\n2026-01-05,EUR,1\n", "rates.csv:2: the euro has no rate of itself"),
    ("date,currency,per_euro\n2026-01-05,USD,1\n", "rates.csv:2: nobody says whose rate this is"),
    ("TIME_PERIOD,CURRENCY,CURRENCY_DENOM,OBS_VALUE\n2026-01-05,USD,GBP,1\n",
     "rates.csv:2, column CURRENCY_DENOM: 'GBP' is not EUR"),
    ("Date,USD\n2026-01-05,1.18\n",
     "rates.csv:2: USD of 2026-01-05 is 1.18 here and 1.17 in the book"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), REFUSED, ids=range(len(REFUSED)))
def test_a_table_that_is_wrong_is_refused_whole(
    commission: Program, paid: Path, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "rates.csv").write_text(content)
    before = commission("rates", "show", "--csv").out
    done = commission("rates", "import", "rates.csv")
    assert (done.code, done.err.splitlines()[0]) == (1, f"error: {said}")
    assert "Nothing was imported." in done.err
    assert commission("rates", "show", "--csv").out == before


def test_the_forms_of_the_central_bank(commission: Program, paid: Path, tmp_path: Path) -> None:
    (tmp_path / "later.csv").write_text(LATER)
    assert commission("rates", "import", "later.csv", "--source", "us").err == (
        "rates: 1 read = 1 accepted + 0 duplicate\n"
    )
    (tmp_path / "series.csv").write_text(
        "KEY,FREQ,CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\n"
        "EXR.D.CHF,D,CHF,EUR,2026-01-07,0.9301\nEXR.D.CHF,D,CHF,EUR,2026-01-08,\n"
    )
    daily = "Date, USD, CHF, \n07 January 2026, 1.1600, 0.9301, \n"
    with zipfile.ZipFile(tmp_path / "eurofxref.zip", "w") as packed:
        packed.writestr("eurofxref.csv", daily)
    done = commission("rates", "import", "series.csv", "eurofxref.zip", "--dry-run")
    assert done.err == "dry run: rates: 2 read = 2 accepted + 0 duplicate\n"
    assert commission("rates", "import", "series.csv", "eurofxref.zip").code == 0
    shown = json.loads(commission("rates", "show", "--from", "2026-01-06", "--json").out)
    assert [(row["date"], row["currency"], row["per_euro"], row["source"]) for row in shown] == [
        ("2026-01-07", "CHF", "0.9301", "ECB"),
        ("2026-01-07", "USD", "1.16", "ECB"),
        ("2026-01-06", "USD", "1.5", "us"),
    ]


def test_the_history_of_a_package(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", HEADER, PLAN)
    assert commission("plan", "apply", folder / "plan.toml").code == 0
    assert commission("rates", "import", "--from-package").code == 0
    days = ("--from", "2010-12-30", "--to", "2010-12-31")
    shown = json.loads(commission("rates", "show", "--currency", "USD", *days, "--json").out)
    # The ECB's euro foreign exchange reference rates of these days.
    assert [(row["date"], row["per_euro"]) for row in shown] == [
        ("2010-12-31", "1.3362"), ("2010-12-30", "1.328"),
    ]  # fmt: skip
    assert not commission("rates", "show", "--currency", "BEF", "--json").out.strip("[]\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import",), "rates from where?"),
        (("import", "nothing.csv"), "nothing.csv: there is no such file or folder"),
        (("pay-in", "EUR"), "which affiliates?"),
        (("pay-in", "EUR", "zoe", "--reason", "x"), "there is no affiliate 'zoe'"),
        (("pay-in", "eur", "ann", "--reason", "x"),
         "ann: 'eur' is no currency that the plan knows"),
        (("pay-in", "GBP", "ann"), "--reason is empty"),
        (("pay-in", "GBP", "--file", "rates.csv"), "rates.csv:1: has no column affiliate_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    commission: Program, paid: Path, words: tuple[str, ...], said: str
) -> None:
    done = commission("rates", *words)
    assert done.code in (1, 2)
    assert done.err.splitlines()[0] == f"error: {said}"


def test_affiliates_of_a_file(commission: Program, paid: Path, tmp_path: Path) -> None:
    (tmp_path / "who.csv").write_text("name,affiliate_id\nA,ann\nB,eve\n")
    words = ("rates", "pay-in", "GBP", "--file", "who.csv", "--reason", "x", "--json")
    assert json.loads(commission(*words).out) == {
        "currency": "GBP", "affiliates": 2, "new": 2, "dry_run": False,
    }  # fmt: skip


# -- the arithmetic

RATE = st.integers(1, 10**9).map(lambda parts: Decimal(parts).scaleb(-4))


@given(st.integers(1, MAX_MINOR), st.integers(0, 3), RATE, st.integers(0, 3), RATE)
def test_an_amount_is_converted_once_and_rounded_half_up(
    minor: int, decimals: int, rate: Decimal, to_decimals: int, to_rate: Decimal
) -> None:
    found = converted(minor, decimals, str(rate), to_decimals, str(to_rate))
    numerator = minor * int(to_rate * 10**4) * 10**to_decimals
    denominator = int(rate * 10**4) * 10**decimals
    assert (2 * found - 1) * denominator <= 2 * numerator < (2 * found + 1) * denominator
    if decimals == to_decimals and rate == to_rate:
        assert found == minor


def test_a_half_is_rounded_up() -> None:
    assert converted(1, 2, "2", 2, "1") == 1
    assert Decimal("0.5").quantize(Decimal(1), ROUND_HALF_UP) == 1


PAYOUTS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from([("USD", 2, "1.17"), ("JPY", 0, "183.9")]),
        st.integers(1, 10**6), st.sampled_from([("EUR", 2, "1"), ("KWD", 3, "0.35")]),
    ),
    max_size=12,
)  # fmt: skip


@given(PAYOUTS, PAYOUTS)
def test_every_currency_sums_to_zero(
    made: list[tuple[str, tuple[str, int, str], int, tuple[str, int, str]]],
    back: list[tuple[str, tuple[str, int, str], int, tuple[str, int, str]]],
) -> None:
    frames = [
        pl.DataFrame(
            [(7, who, code, decimals, minor, to, to_decimals,
              converted(minor, decimals, rate, to_decimals, to_rate), rate, to_rate)
             for who, (code, decimals, rate), minor, (to, to_decimals, to_rate) in rows],
            schema=CONVERTED, orient="row",
        )
        for rows in (made, back)
    ]  # fmt: skip
    found = legs(*frames)
    held: dict[tuple[int, str], int] = defaultdict(int)
    for row in found.iter_rows(named=True):
        assert row["amount_minor"] >= 0
        held[row["debit_account"], row["currency"]] += row["amount_minor"]
        held[row["credit_account"], row["currency"]] -= row["amount_minor"]
    for to, to_decimals, to_rate in (("EUR", 2, "1"), ("KWD", 3, "0.35")):
        # What the sums come to is what was changed; the rest is on the account for roundings.
        exact = 0
        for code, decimals, rate in (("USD", 2, "1.17"), ("JPY", 0, "183.9")):
            part = frames[0].filter(pl.col("currency") == code, pl.col("to_code") == to)
            minor = int(part["amount_minor"].sum())
            exact += converted(minor, decimals, rate, to_decimals, to_rate)
        given_ = int(frames[0].filter(pl.col("to_code") == to)["to_minor"].sum())
        returned = int(frames[1].filter(pl.col("to_code") == to)["to_minor"].sum())
        assert held[Account.FX_CLEARING, to] == exact - returned, plain(exact, to_decimals)
        assert held[Account.FX_ROUNDING, to] == given_ - exact
        assert held[Account.PAYOUT_CLEARING, to] == returned - given_
