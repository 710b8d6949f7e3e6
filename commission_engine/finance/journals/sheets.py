"""The journal for Xero (manual journals) and QuickBooks Online (journal entries), as CSV.

One journal a run and currency, two lines a kind of entry: their imports take a few hundred lines,
and the detail of an affiliate is in our own journal and statements. Both know one currency a
journal, so each currency has files of its own.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import polars as pl

from commission_engine.calendar import Day, date_of
from commission_engine.finance.exports.formats import numbered
from commission_engine.finance.journals.accounts import Chart, Ledger
from commission_engine.finance.journals.entries import WORDS, Entry
from commission_engine.finance.journals.proof import Proof
from commission_engine.ledger.accounts import Account, Kind
from commission_engine.money import Minor, plain
from commission_engine.publish import text
from commission_engine.publish.folder import Made

LONGEST_CODE = 12
"""Of a currency in the number of a journal, which in QuickBooks has 21 characters."""


class Line(NamedTuple):
    """A line of a journal: what a kind of entry of a run books to an account, a credit below
    zero."""

    day: Day
    kind: str
    account: Account
    amount: Minor


class Summary:
    """The entries of a period added up, by currency."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._sums: dict[str, dict[tuple[Day, int, str, Account, Account], Minor]] = {}
        self.decimals: dict[str, int] = {}
        order = {kind.name.lower(): int(kind) for kind in Kind}
        for each in entries:
            sides = Account(each.debit_account), Account(each.credit_account)
            mine = self._sums.setdefault(each.currency, {})
            key = (each.day, order[each.kind], each.kind, *sides)
            mine[key] = mine.get(key, 0) + each.amount
            self.decimals[each.currency] = each.decimals

    def journals(self, code: str) -> Iterator[list[Line]]:
        """Run by run the lines of a currency's journal, the debit before the credit."""
        by_day: dict[Day, list[Line]] = {}
        for (day, _, kind, debit, credit), amount in sorted(self._sums[code].items()):
            lines = by_day.setdefault(day, [])
            lines += [Line(day, kind, debit, amount), Line(day, kind, credit, -amount)]
        yield from by_day.values()


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an import takes: its header, how its dates are written, the most lines of a file."""

    header: tuple[str, ...]
    date: str
    most: int


SHEETS: Mapping[Ledger, Sheet] = {
    Ledger.XERO: Sheet(
        ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount",
         "TrackingName1", "TrackingOption1", "TrackingName2", "TrackingOption2"),
        "%d/%m/%Y",
        300,
    ),
    Ledger.QUICKBOOKS: Sheet(
        ("*JournalNo", "*JournalDate", "*AccountName", "*Debits", "*Credits", "Description",
         "Name", "Currency", "Location", "Class"),
        "%m/%d/%Y",
        1_000,
    ),
}  # fmt: skip


def files(chart: Chart, programme: str, summary: Summary) -> Iterator[Made]:
    """journal-CODE.csv for each currency; further files where one would have too many lines."""
    sheet = SHEETS[chart.ledger]
    for code in sorted(summary.decimals):
        for number, journals in enumerate(_split(summary.journals(code), sheet.most), 1):
            rows = [
                _row(chart, programme, code, summary.decimals[code], line)
                for journal in journals
                for line in journal
            ]
            yield Made(f"{numbered(f'journal-{code}', number)}.csv", [_csv(sheet, rows)])


def _split(journals: Iterable[list[Line]], most: int) -> Iterator[list[list[Line]]]:
    """Journals in lots of at most so many lines; none is torn apart."""
    held: list[list[Line]] = []
    lines = 0
    for journal in journals:
        if held and lines + len(journal) > most:
            yield held
            held, lines = [], 0
        held.append(journal)
        lines += len(journal)
    if held:
        yield held


def _row(chart: Chart, programme: str, code: str, decimals: int, line: Line) -> dict[str, str]:
    """By column of the import; amounts in the columns "amount", "debit" and "credit"."""
    day = date_of(line.day)
    written = day.strftime(SHEETS[chart.ledger].date)
    said = f"{WORDS[line.kind]} (run:{day}:{line.kind})"
    account = chart.accounts[line.account]
    if chart.ledger is Ledger.XERO:
        return {
            "*Narration": f"{programme}: commissions of {day}, {code}",
            "*Date": written,
            "Description": said,
            "*AccountCode": account,
            "*TaxRate": chart.tax_rate,
            "amount": plain(line.amount, decimals),
        }
    return {
        "*JournalNo": f"{day:%Y%m%d}-{_short(code)}",
        "*JournalDate": written,
        "*AccountName": account,
        "debit": plain(line.amount, decimals) if line.amount > 0 else "",
        "credit": plain(-line.amount, decimals) if line.amount < 0 else "",
        "Description": f"{programme}: {said}",
        "Currency": code,
    }


def _short(code: str) -> str:
    """A currency in so many characters that it can be told from every other."""
    if len(code) <= LONGEST_CODE:
        return code
    return code[: LONGEST_CODE // 2] + sha256(code.encode()).hexdigest()[: LONGEST_CODE // 2]


_AMOUNTS = {"*Amount": "amount", "*Debits": "debit", "*Credits": "credit"}
"""Our names of amounts; only these columns are let alone when texts are made safe."""


def _csv(sheet: Sheet, rows: Sequence[Mapping[str, str]]) -> bytes:
    names = [_AMOUNTS.get(name, name) for name in sheet.header]
    columns = {name: [row.get(name, "") for row in rows] for name in names}
    body = text.csv(pl.DataFrame(columns, dict.fromkeys(names, pl.String)), header=False)
    return ",".join(sheet.header).encode() + b"\n" + body


def read_back(chart: Chart, path: Path, proof: Proof) -> None:
    """Add what the lines of a file come to."""
    accounts = {name: account for account, name in chart.accounts.items()}
    code = path.name.removeprefix("journal-").removesuffix(".csv").partition("-")[0]
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            named = row["*AccountCode" if chart.ledger is Ledger.XERO else "*AccountName"]
            credit = row.get("*Credits")
            amount = f"-{credit}" if credit else row.get("*Amount") or row["*Debits"]
            proof.add(accounts[named], code, amount)
            proof.entries += not amount.startswith("-")
