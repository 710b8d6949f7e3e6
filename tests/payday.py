"""A payday to try bank files with: who is paid what, and where to."""

import base64
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from program import HEADER, Program

KEY, NEXT_KEY = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
PLAN = """\
name = "acme"
[payout]
minimum = { EUR = "1.00", USD = "1.00" }
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "100%"
"""
DEBTOR: dict[str, Any] = {
    "NAME": "Acme GmbH", "IBAN": "DE75512108001245126199", "TOWN": "Berlin", "COUNTRY": "DE",
    "ACH_ROUTING": "021000021", "ACH_BANK": "A Bank", "ACH_ORIGIN": "1234567890",
    "ACH_COMPANY_ID": "1987654321",
}  # fmt: skip
ANN = "DE89370400440532013000"
BOB = "FR1420041010050500013M02606"
COLUMNS = (
    "affiliate_id,payee_name,method,iban,bic,routing_number,account_number,account_type,email,"
    "street_name,building_number,postcode,town,country,currency,branch"
)
PAYEES = {
    "ann": f"Ann Archér,sepa,{ANN[:4]} {ANN[4:]},COBADEFFXXX,,,,,Hauptstraße,5,10115,Berlin,DE,"
    "EUR,",
    "bob": f"Łukasz & Söhne,sepa,{BOB},,,,,,,,,,,,",
    "cat": "Cat Cook,ach,,,021000021,314159265,savings,,,,,,,,",
    "dan": "Dan,paypal,,,,,,dan@example.com,,,,,,,",
    "eve": "Eve Ek,wise,,,,,,eve@example.com,,,,,,,",
    "fay": "Fay Fox,other,,,20-00-00,55779911,,,,,,,,,Main",
}
EARNED = (
    ("ann", "25.00", "EUR"), ("bob", "12.50", "EUR"), ("cat", "4.00", "USD"),
    ("dan", "8.00", "EUR"), ("dan", "9.99", "USD"), ("eve", "7.10", "EUR"),
    ("fay", "1234.50", "USD"),
)  # fmt: skip


def payee_file(path: Path, rows: dict[str, str], header: str = COLUMNS) -> Path:
    path.write_text(f"{header}\n" + "".join(f"{who},{row}\n" for who, row in rows.items()), "utf-8")
    return path


def set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys and the settings of who pays."""
    monkeypatch.setenv("COMMISSION_BANK_KEY", KEY)
    for name, value in DEBTOR.items():
        monkeypatch.setenv(f"COMMISSION_BANK_{name}", value)


def payday(
    commission: Program, folder: Path, earned: tuple[tuple[str, str, str], ...] = EARNED,
    date: str = "2026-01-05", approve: bool = True,
) -> None:  # fmt: skip
    """The night of a date, in which each has earned so much by a referral, approved."""
    given = folder / f"in-{date}"
    given.mkdir()
    (given / "plan.toml").write_text(PLAN, "utf-8")
    who = sorted({each for each, _, _ in earned})
    rows = "".join(f"ref-{each},{each}\n" for each in who)
    (given / "referrals.csv").write_text(f"affiliate_id,referrer_id\n{rows}", "utf-8")
    rows = "".join(f"{date}-{n},ref-{each},{date},{amount},{code},\n"
                   for n, (each, amount, code) in enumerate(earned))  # fmt: skip
    (given / "earnings.csv").write_text(HEADER + rows, "utf-8")
    done = commission("run", given, "--date", date)
    assert done.code == 0, done.err
    if approve:
        assert commission("payouts", "approve").code == 0


_KEPT: dict[bool, bytes] = {}


def prepared(
    commission: Program, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """A payday of EARNED; with `known` the accounts of PAYEES are in the book. In SQLite it is
    made once and then copied."""
    set_up(monkeypatch)
    book = Path(url.removeprefix("sqlite:///"))
    if book.is_file() and known in _KEPT:
        book.write_bytes(_KEPT[known])
        return
    payday(commission, folder)
    if known:
        assert commission("payees", "import", payee_file(folder / "p.csv", PAYEES)).code == 0
    if book.is_file():
        with sqlite3.connect(book) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        _KEPT[known] = book.read_bytes()


def night(commission: Program, date: str) -> None:
    assert commission("run", "--date", date).code == 0
