"""The journal for Beancount and hledger: what both have in common, and what each says.

Four files: the accounts of the whole book so far, the entries of the period, what every account
then holds as assertions that the other program checks, and one that includes them.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from commission_engine.calendar import Day, date_of
from commission_engine.finance.journals.accounts import Chart, Ledger
from commission_engine.finance.journals.entries import WORDS, Entry, Standing
from commission_engine.finance.journals.names import (
    account_of,
    beancount_commodity,
    hledger_commodity,
    string,
    tag,
)
from commission_engine.finance.journals.proof import Proof
from commission_engine.ledger.accounts import Account
from commission_engine.money import plain
from commission_engine.publish.folder import Made

ENTRIES_AT_ONCE = 10_000


class Syntax(Protocol):
    """How a plain-text ledger says things. Each text is whole lines."""

    def head(self) -> str:
        """The beginning of a file of entries or accounts."""

    def main(self, files: Sequence[str]) -> str:
        """The file that includes the others."""

    def commodity(self, code: str, decimals: int, day: Day) -> str:
        """A currency, used from a day on."""

    def opening(self, account: str, affiliate_id: str, day: Day) -> str:
        """An account, used from a day on; `affiliate_id` "": of nobody alone."""

    def entry(self, entry: Entry, debit: str, credit: str) -> str:
        """An entry between two accounts."""

    def assertion(self, account: str, standing: Standing, day: Day) -> str:
        """What an account holds at the end of a day."""

    def unit(self, code: str) -> str:
        """A currency beside an amount."""


class Beancount:
    """https://beancount.github.io/docs/beancount_language_syntax.html"""

    def __init__(self, programme: str) -> None:
        self._programme = programme

    def head(self) -> str:
        return ""

    def main(self, files: Sequence[str]) -> str:
        includes = "".join(f'include "{each}"\n' for each in files)
        return f'option "title" {string(self._programme)}\n\n{includes}'

    def commodity(self, code: str, decimals: int, day: Day) -> str:
        return f"{date_of(day)} commodity {self.unit(code)}\n  code: {string(code)}\n"

    def opening(self, account: str, affiliate_id: str, day: Day) -> str:
        whose = f"  affiliate_id: {string(affiliate_id)}\n" if affiliate_id else ""
        return f"{date_of(day)} open {account}\n{whose}"

    def entry(self, entry: Entry, debit: str, credit: str) -> str:
        amount, unit = plain(entry.amount, entry.decimals), self.unit(entry.currency)
        return (
            f'{date_of(entry.day)} * "{WORDS[entry.kind]}"\n'
            f"  entry_id: {string(entry.entry_id)}\n"
            f"  affiliate_id: {string(entry.affiliate_id)}\n"
            f"  source: {string(entry.source)}\n"
            f"  {debit}  {amount} {unit}\n"
            f"  {credit}  -{amount} {unit}\n\n"
        )

    def assertion(self, account: str, standing: Standing, day: Day) -> str:
        # It holds at a day's beginning, and exactly: by default Beancount looks away from half a
        # smallest unit.
        held = plain(standing.balance, standing.decimals)
        return f"{date_of(day + 1)} balance {account}  {held} ~ 0 {self.unit(standing.currency)}\n"

    def unit(self, code: str) -> str:
        return beancount_commodity(code)


class Hledger:
    """https://hledger.org/hledger.html#journal; in ASCII, whatever the locale of its reader."""

    def __init__(self, programme: str) -> None:
        self._programme = programme

    def head(self) -> str:
        return "decimal-mark .\n\n"

    def main(self, files: Sequence[str]) -> str:
        includes = "".join(f"include {each}\n" for each in files)
        return f"; programme:{tag(self._programme)}\n\n{includes}"

    def commodity(self, code: str, decimals: int, day: Day) -> str:
        return f"commodity 1000.{'0' * decimals} {self.unit(code)}\n"

    def opening(self, account: str, affiliate_id: str, day: Day) -> str:
        whose = f"  ; affiliate_id:{tag(affiliate_id)}" if affiliate_id else ""
        return f"account {account}{whose}\n"

    def entry(self, entry: Entry, debit: str, credit: str) -> str:
        amount, unit = plain(entry.amount, entry.decimals), self.unit(entry.currency)
        return (
            f"{date_of(entry.day)} * {WORDS[entry.kind]}\n"
            f"    ; entry_id:{tag(entry.entry_id)}\n"
            f"    ; affiliate_id:{tag(entry.affiliate_id)}\n"
            f"    ; source:{tag(entry.source)}\n"
            f"    {debit}  {amount} {unit}\n"
            f"    {credit}  -{amount} {unit}\n\n"
        )

    def assertion(self, account: str, standing: Standing, day: Day) -> str:
        unit = self.unit(standing.currency)
        nothing, held = (plain(each, standing.decimals) for each in (0, standing.balance))
        return f"{date_of(day)} * balance\n    {account}  {nothing} {unit} = {held} {unit}\n\n"

    def unit(self, code: str) -> str:
        return hledger_commodity(code)


SYNTAX: dict[Ledger, type[Beancount | Hledger]] = {
    Ledger.BEANCOUNT: Beancount,
    Ledger.HLEDGER: Hledger,
}


def files(
    chart: Chart,
    programme: str,
    entries: Iterable[Entry],
    standings: Sequence[Standing],
    day: Day,
    *,
    whole: bool,
) -> Iterator[Made]:
    """The files of a period that ends with `day`; `standings` are those of the whole book then.
    `whole`: the period begins with the book, so that the assertions hold in it alone."""
    says: Syntax = SYNTAX[chart.ledger](programme)
    name = {each: f"{each}.{chart.ledger}" for each in ("main", "accounts", "journal", "balances")}
    included = [name["accounts"], name["journal"], *([name["balances"]] if whole else [])]

    def journal() -> Iterator[bytes]:
        yield says.head().encode()
        held: list[str] = []
        for entry in entries:
            debit, credit = (
                account_name(chart, account, entry.affiliate_id)
                for account in (entry.debit_account, entry.credit_account)
            )
            held.append(says.entry(entry, debit, credit))
            if len(held) == ENTRIES_AT_ONCE:
                yield "".join(held).encode()
                held.clear()
        yield "".join(held).encode()

    yield Made(name["main"], [says.main(included).encode()])
    yield Made(name["accounts"], [_accounts(says, chart, standings).encode()])
    yield Made(name["journal"], journal())
    asserted = (
        says.assertion(account_name(chart, each.account, each.affiliate_id), each, day)
        for each in _by_account(chart, standings)
    )
    yield Made(name["balances"], [(says.head() + "".join(asserted)).encode()])


def account_name(chart: Chart, account: int, affiliate_id: str) -> str:
    """The account that stands for one of ours; what is owed, to each affiliate by himself where
    the chart wants it so."""
    named = chart.accounts[Account(account)]
    alone = chart.per_affiliate and account == Account.AFFILIATE_PAYABLE
    return f"{named}:{account_of(affiliate_id)}" if alone else named


def _by_account(chart: Chart, standings: Sequence[Standing]) -> list[Standing]:
    """One row for each account of the chart and currency."""
    if chart.per_affiliate:
        return list(standings)
    found: dict[tuple[int, str], Standing] = {}
    for each in standings:
        before = found.get((each.account, each.currency))
        found[each.account, each.currency] = each._replace(
            affiliate_id="",
            first_day=min(each.first_day, before.first_day) if before else each.first_day,
            balance=each.balance + (before.balance if before else 0),
        )
    return [found[key] for key in sorted(found)]


def _accounts(says: Syntax, chart: Chart, standings: Sequence[Standing]) -> str:
    commodities: dict[str, tuple[int, Day]] = {}
    opened: dict[tuple[int, str], Day] = {}
    for each in _by_account(chart, standings):
        _, since = commodities.get(each.currency, (0, each.first_day))
        commodities[each.currency] = each.decimals, min(since, each.first_day)
        key = each.account, each.affiliate_id
        opened[key] = min(opened.get(key, each.first_day), each.first_day)
    told = [says.head()]
    told += [says.commodity(code, *each) for code, each in sorted(commodities.items())]
    told.append("\n")
    told += [
        says.opening(account_name(chart, account, whose), whose, day)
        for (account, whose), day in opened.items()
    ]
    return "".join(told)


def read_back(chart: Chart, path: Path, proof: Proof) -> None:
    """Add what the postings in a file of entries come to."""
    says: Syntax = SYNTAX[chart.ledger]("")
    units = {says.unit(code): code for code in proof.decimals}
    accounts = sorted(chart.accounts.items(), key=lambda each: -len(each[1]))
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line[:1].isdigit():
                proof.entries += 1
                continue
            named, _, amount = line.strip().rpartition("  ")
            for account, name in accounts:
                if named == name or named.startswith(f"{name}:"):
                    digits, _, unit = amount.partition(" ")
                    proof.add(account, units[unit], digits)
                    break
