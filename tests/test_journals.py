"""The journal in other ledgers: their own programs accept it and come to our balances."""

import csv
import io
import json
import os
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core.data import Balance, Open, Transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from program import Program, shop
from test_exports import built, made

from commission_engine.finance.journals.accounts import KEYS, Ledger, read_chart
from commission_engine.finance.journals.entries import Entry
from commission_engine.finance.journals.names import account_of, beancount_commodity, string, tag
from commission_engine.finance.journals.sheets import Summary, files
from commission_engine.ledger.accounts import Account
from commission_engine.problems import UsageError

PLAN = """\
name = 'the "best" \\ ; | * programme'
[units]
BTC = 8
MB_2 = 0
TRUE = 2
P = 0
A_ = 1
LONGEST_UNIT_OF1 = 0
LONGEST_UNIT_OF2 = 0
[payout]
every = "month"
[[terms]]
from = 2026-01-01
hold_days = 3
level = [{ level = 0, rate = "50%" }, { level = 1, rate = "12.5%" }]
"""
CODES = ("USD", "JPY", "KWD", "BTC", "MB_2", "TRUE", "P", "A_", "LONGEST_UNIT_OF1",
         "LONGEST_UNIT_OF2")  # fmt: skip
HOSTILE = (
    "ann", "Ann", "007", 'quote " mark', "back\\slash", "\\", 'end"', "two  spaces", " before",
    "after ", "; comment", "a;b", "a, date:2020-01-01", "[2020-01-01]", "(code)", "*", "!", "= 1",
    "{{1}}", "@@ 5 USD", "a:b:c", "#tag ^link", "é€漢字", "\u202eright to left", "\u2028line",
    "Assets:Cash", "2026-01-05 open", "include x", 'include "/etc/passwd"', "<a&b>", "%20",
    "A-ann", "-", "'=1+1", "\ufffe", "x" * 64, "€" * 64,
)  # fmt: skip


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated book, in SQLite where a test does not ask for more."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def world(commission: Program, tmp_path: Path, database_url: str) -> None:
    """Hostile names in all currencies: earnings, refunds, adjustments, payouts, one returned."""
    built("hostile", database_url, lambda: _hostile(commission, tmp_path))


def _hostile(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", "", PLAN)

    def write(name: str, *rows: tuple[str, ...]) -> None:
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    pairs = list(zip(HOSTILE[1:], HOSTILE, strict=False))
    write("referrals.csv", ("affiliate_id", "referrer_id"), *pairs)
    header = ("event_id", "affiliate_id", "occurred_at", "amount", "currency", "reverses")
    earned = [
        (f"e {n};,{code}", who, "2026-01-05", str(n + 3), code, "")
        for n, who in enumerate(HOSTILE)
        for code in (CODES if n % 7 == 0 else CODES[n % len(CODES) :][:1])
    ]
    back = [(f"r{row[0]}", row[1], "2026-02-03", "-1", row[4], row[0]) for row in earned[::3]]
    less = [("less", HOSTILE[3], "2026-02-04", "-100", "KWD", "")]
    write("earnings.csv", header, *earned, *back, *less)
    assert commission("run", folder, "--date", "2026-01-31").code == 0
    (first, *_) = json.loads(commission("payouts", "--json").out)
    rejected = commission("payouts", "reject", first["payout_id"], "--reason", "by mistake")
    assert rejected.code == 0
    adjusted = commission("adjust", "--currency", "USD", "--reason", "late", HOSTILE[5], "1.00")
    assert adjusted.code == 0
    assert commission("run", "--date", "2026-02-28").code == 0


def balances(commission: Program) -> dict[tuple[str, str], Decimal]:
    rows = json.loads(commission("balances", "--json").out)
    return {(row["affiliate_id"], row["currency"]): Decimal(row["balance"]) for row in rows}


def loaded(path: Path) -> tuple[list[Any], dict[tuple[str, str], Decimal]]:
    """What Beancount reads, without a fault, and its balances of accounts and commodities."""
    entries, errors, _ = loader.load_file(str(path))
    assert [str(each) for each in errors] == []
    found: dict[tuple[str, str], Decimal] = {}
    for entry in entries:
        for posting in entry.postings if isinstance(entry, Transaction) else ():
            units = posting.units
            assert units is not None
            assert units.number is not None
            key = posting.account, units.currency
            found[key] = found.get(key, Decimal(0)) + units.number
    return entries, found


@BOTH
def test_beancount_accepts_it_and_has_our_balances(commission: Program, world: None) -> None:
    owed = balances(commission)
    assert len({code for _, code in owed}) == len(CODES)
    folder, manifest = made(commission, "journal", "--format", "beancount")
    entries, found = loaded(folder / "main.beancount")
    opened = {each.account: each.meta.get("affiliate_id") for each in entries if type(each) is Open}
    codes = {beancount_commodity(code): code for code in CODES}
    theirs = {
        (opened[account], codes[unit]): -amount
        for (account, unit), amount in found.items()
        if account.startswith("Liabilities:") and amount
    }
    assert theirs == owed
    booked = [each for each in entries if type(each) is Transaction]
    ours, _ = made(commission, "journal", "--format", "jsonl")
    rows = [json.loads(line) for line in (ours / "journal.jsonl").read_bytes().splitlines()]
    ids = ("entry_id", "affiliate_id", "source")
    said = {tuple(each.meta[name] for name in ids) for each in booked}
    assert said == {tuple(row[name] for name in ids) for row in rows}
    assert len(booked) == manifest["entries"] == len(rows) // 2
    assert {row["entry_id"].split(":")[2] for row in rows} == {
        "earned", "reversed", "adjusted", "paid", "returned", "credited",
    }  # fmt: skip
    assert sum(type(each) is Balance for each in entries) == len(found)
    assert {account for account, _ in found} == set(opened)


def test_beancount_notices_an_amount_that_is_not_ours(commission: Program, world: None) -> None:
    folder, _ = made(commission, "journal", "--format", "beancount")
    path = folder / "journal.beancount"
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"( -?)(\d)(\d*) JPY\n", r"\g<1>9\2\3 JPY\n", text, count=2), "utf-8")
    _, errors, _ = loader.load_file(str(folder / "main.beancount"))
    assert {each.message.split(" for ")[0] for each in errors} == {"Balance failed"}


def hledger(folder: Path, *words: str) -> str:
    """What hledger says of an export."""
    done = subprocess.run(
        ["hledger", "-f", folder / "main.hledger", *words],
        capture_output=True, check=False, timeout=60, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.needs("hledger")
def test_hledger_accepts_it_and_has_our_balances(commission: Program, world: None) -> None:
    """Also where no locale is set."""
    folder, _ = made(commission, "journal", "--format", "hledger")
    hledger(folder, "check", "--strict")
    listed = hledger(
        folder, "balance", "liabilities", "--flat", "--no-total", "--layout=bare", "-Ocsv"
    )
    names = {f"liabilities:affiliates:{account_of(each)}": each for each in HOSTILE}
    theirs = {
        (names[row["account"]], row["commodity"]): -Decimal(row["balance"])
        for row in csv.DictReader(io.StringIO(listed))
    }
    assert theirs == balances(commission)
    assert len(hledger(folder, "tags", "affiliate_id", "--values").splitlines()) == len(
        {tag(each) for each in HOSTILE}
    )


def test_periods_add_up(commission: Program, world: None, tmp_path: Path) -> None:
    """One month after the other, with the accounts and the balances of the last."""
    both = tmp_path / "both"
    both.mkdir()
    for date in ("2026-01-31", "2026-02-28"):
        folder, _ = made(commission, "journal", "--run", date, "--format", "beancount")
        (both / f"{date}.beancount").write_bytes((folder / "journal.beancount").read_bytes())
    for name in ("accounts", "balances"):
        (both / f"{name}.beancount").write_bytes((folder / f"{name}.beancount").read_bytes())
    assert 'include "balances.beancount"' not in (folder / "main.beancount").read_text("utf-8")
    (both / "main.beancount").write_text(
        "".join(f'include "{path.name}"\n' for path in sorted(both.iterdir()))
    )
    _, found = loaded(both / "main.beancount")
    whole, _ = made(commission, "journal", "--format", "beancount")
    assert found == loaded(whole / "main.beancount")[1]


def test_one_account_for_all_affiliates(commission: Program, world: None, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "accounts.toml").write_text(
        '[beancount]\naffiliate_payable = "Liabilities:Partners"\nper_affiliate = false\n'
    )
    folder, _ = made(commission, "journal", "--format", "beancount")
    _, found = loaded(folder / "main.beancount")
    assert {account for account, _ in found} == {
        "Expenses:Commissions", "Liabilities:Partners", "Assets:Payout-Clearing",
    }  # fmt: skip
    owed: dict[str, Decimal] = {}
    for (_, code), amount in balances(commission).items():
        owed[code] = owed.get(code, Decimal(0)) + amount
    for code, amount in owed.items():
        assert found["Liabilities:Partners", beancount_commodity(code)] == -amount


@pytest.mark.parametrize("ledger", ["xero", "quickbooks"])
def test_sheets_balance_journal_by_journal(commission: Program, world: None, ledger: str) -> None:
    folder, manifest = made(commission, "journal", "--format", ledger)
    _, of_beancount = made(commission, "journal", "--format", "beancount")
    assert manifest["totals"] == of_beancount["totals"]
    assert {path.name for path in folder.glob("*.csv")} == {f"journal-{code}.csv" for code in CODES}
    numbers: dict[str, str] = {}
    for path in folder.glob("*.csv"):
        sums: dict[tuple[str, str], Decimal] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if ledger == "xero":
                    key, amount = (row["*Narration"], row["*Date"]), Decimal(row["*Amount"])
                else:
                    key = row["*JournalNo"], row["*JournalDate"]
                    amount = Decimal(row["*Debits"] or 0) - Decimal(row["*Credits"] or 0)
                    assert len(row["*JournalNo"]) <= 21
                    assert numbers.setdefault(row["*JournalNo"], path.name) == path.name
                sums[key] = sums.get(key, Decimal(0)) + amount
        assert len(sums) >= 1
        assert set(sums.values()) == {Decimal(0)}


def test_a_sheet_has_no_more_lines_than_its_import_takes() -> None:
    booked = [
        Entry(f"run:{day}:earned:ann:USD", day, "earned", "ann", "USD", 2, 1, 2, 1 + day, "lines")
        for day in range(20_000, 20_400)
    ]
    chart = read_chart(Ledger.XERO, None)
    lines = {each.name: b"".join(each.parts).count(b"\n") - 1 for each in
             files(chart, "acme", Summary(booked))}  # fmt: skip
    assert lines == {"journal-USD.csv": 300, "journal-USD-2.csv": 300, "journal-USD-3.csv": 200}


# -- names


TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=64
)  # fmt: skip


@settings(deadline=None, derandomize=True, database=None, max_examples=100)
@given(st.lists(TEXTS, min_size=2, max_size=6, unique=True))
def test_no_name_breaks_a_syntax_or_becomes_another(texts: list[str]) -> None:
    accounts = [account_of(each) for each in texts]
    assert len(set(accounts)) == len(set(map(tag, texts))) == len(texts)
    for each in accounts:
        assert re.fullmatch(r"A-[A-Za-z0-9-]*", each)
    for each in map(tag, texts):
        assert re.fullmatch(r"[A-Za-z0-9%:/@+._~-]+", each)
    said = "".join(f"  key{n}: {string(each)}\n" for n, each in enumerate(texts))
    entries, errors, _ = loader.load_string(f"2026-01-01 open Assets:A\n{said}")
    assert errors == []
    assert [entries[0].meta[f"key{n}"] for n in range(len(texts))] == texts


# -- accounts.toml


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[beancount]\ncommission_expence = "Expenses:A"\n',
         "chart.toml:2: beancount.commission_expence: is no key of [beancount]; did you mean"
         " commission_expense?"),
        ("[sage]\n",
         "chart.toml:1: sage: is no table of this file; write one of [beancount], [hledger],"
         " [xero], [quickbooks]"),
        ('[beancount]\naffiliate_payable = "liabilities"\n',
         "chart.toml:2: beancount.affiliate_payable: 'liabilities' is not an account of Beancount,"
         " such as Liabilities:Affiliates, in ASCII"),
        ('[hledger]\naffiliate_payable = "a  b"\n',
         "chart.toml:2: hledger.affiliate_payable: 'a  b' is not an account of hledger, such as"
         " liabilities:affiliates, in ASCII"),
        ('[xero]\naffiliate_payable = "=1"\n',
         "chart.toml:2: xero.affiliate_payable: '=1' is not an account code of 1 to 10 characters"),
        ("[beancount]\nper_affiliate = 1\n",
         "chart.toml:2: beancount.per_affiliate: 1 is neither true nor false"),
        ('[beancount]\ncommission_expense = "Liabilities:Affiliates:Cost"\n',
         "chart.toml: [beancount]: Liabilities:Affiliates:Cost is below Liabilities:Affiliates"),
        ('[beancount]\ncommission_expense = "Liabilities:Affiliates"\n',
         "chart.toml: [beancount]: Liabilities:Affiliates is there twice"),
        ("[beancount\n", "chart.toml: this is not TOML: Expected ']' at the end of a table"
         " declaration (at line 1, column 11)"),
    ],
)  # fmt: skip
def test_a_chart_with_a_fault_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chart.toml").write_text(text)
    with pytest.raises(UsageError) as why:
        read_chart(Ledger.BEANCOUNT, Path("chart.toml"))
    assert why.value.message == says


def test_the_defaults_name_every_key() -> None:
    for ledger in Ledger:
        chart = read_chart(ledger, None)
        assert set(chart.accounts) == set(Account)
        assert chart.per_affiliate == ("per_affiliate" in KEYS[ledger])
        assert bool(chart.tax_rate) == ("tax_rate" in KEYS[ledger])
