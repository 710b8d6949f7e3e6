"""One entry of a bank's file, as every format gives it, and how it is known again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from commission_engine.calendar import Day
from commission_engine.finance.references import SHORT
from commission_engine.money import MAX_MINOR, BadAmount, Minor, parse_amount
from commission_engine.problems import FileRefused

NOTHING = "Nothing of the file was kept."
TAIL = 4
"""How much of a payee's account is kept: enough for a person to tell accounts apart."""
MOST_TEXT = 500


class Said(StrEnum):
    """What an entry says happened to a payment."""

    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"
    NOTICE = "notice"
    OTHER = "other"


BACK = (Said.FAILED, Said.RETURNED)
"""The money is ours again: it never left, or it came back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One payment in a bank's file. `amount_minor` is never negative; `said` has the direction.

    `line` is where it begins. `bank_reference` is the bank's own, "" for none; `references` are the
    texts in which one of ours may stand, the likeliest first. `reason_code` is one of ISO 20022
    or NACHA, "" for none; `reason` what else the bank says.
    """

    line: int
    said: Said
    account: str
    booked_day: Day
    code: str
    decimals: int
    amount_minor: Minor
    bank_reference: str = ""
    references: tuple[str, ...] = ()
    payee: str = ""
    payee_account: str = ""
    reason_code: str = ""
    reason: str = ""

    @property
    def tail(self) -> str:
        """The end of the payee's account; "" where it is too short to be one."""
        plain = re.sub(r"\s", "", self.payee_account)
        return plain[-TAIL:] if len(plain) > TAIL else ""

    @property
    def reference(self) -> str:
        """What is kept of the references: those in them that may be ours, else the first."""
        ours = dict.fromkeys(mine for each in self.references for mine in ours_in(each))
        return " ".join(ours) or next((clipped(each) for each in self.references if each), "")

    @property
    def content(self) -> tuple[str | int, ...]:
        """What the same entry has in every file that tells of it."""
        where = (self.account, str(self.said), self.booked_day, self.code, self.amount_minor)
        if self.bank_reference:
            return (*where, self.bank_reference)
        return (*where, "", self.reference, clipped(self.payee), self.tail, self.reason_code,
                clipped(self.reason))  # fmt: skip


@dataclass(frozen=True, slots=True)
class BankFile:
    """A file that is whole: its form, the accounts and statements that it speaks of, its entries,
    and how many more it has that are not final yet."""

    form: str
    accounts: tuple[str, ...]
    statements: tuple[str, ...]
    entries: tuple[Entry, ...]
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a file, its name for people, and the decimals of every known currency."""

    name: str
    data: bytes
    decimals: Mapping[str, int] = field(repr=False)

    def refuse(self, line: int, where: str, what: str, hint: str = "") -> FileRefused:
        """The error for a place in the file; `where` is an element, a field or a column."""
        place = f"{self.name}:{line}" + (f", {where}" if where else "")
        return FileRefused(f"{place}: {what}", f"{hint} {NOTHING}".strip())

    def amount(self, line: int, where: str, text: str, code: str) -> tuple[Minor, int]:
        """An amount with a point, without a sign, in minor units; and the currency's decimals.

        Of a currency that nobody knows it has those that are written.
        """
        if not _AMOUNT.fullmatch(text):
            raise self.refuse(line, where, f"{text!r} is not an amount",
                              "It is digits and a point, such as 12.50.")  # fmt: skip
        whole, _, fraction = text.partition(".")
        decimals = self.decimals.get(code, min(len(fraction), MOST_DECIMALS))
        # Some banks write more digits than the currency has; zeros say nothing.
        fraction = fraction[:decimals] + fraction[decimals:].rstrip("0")
        try:
            return parse_amount(f"{whole}.{fraction}" if fraction else whole, decimals), decimals
        except BadAmount as why:
            raise self.refuse(line, where, f"{why} of {code}", "Ask the bank for the file again.",
                              ) from why  # fmt: skip

    def unlike(self, line: int, where: str, said: object, found: object, what: str) -> FileRefused:
        """The error for two figures that have to agree."""
        return self.refuse(
            line,
            where,
            f"says {said}, {what} {found}",
            "The file is damaged or not whole: get it from the bank again.",
        )


_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,17})?", re.ASCII)
MOST_DECIMALS = 6


def in_range(total: Minor) -> bool:
    """Whether a sum can be kept."""
    return abs(total) < MAX_MINOR


_LONG = re.compile(r"(?i:po)-?(\d{8})-?([0-9A-Va-v]{16})", re.ASCII)
_SHORT = re.compile(rf"(?<![0-9A-Za-z])[0-9A-V]{{{SHORT}}}(?![0-9A-Za-z])", re.ASCII)
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b|\b\d{9,}\b", re.ASCII)


def ours_in(text: str) -> list[str]:
    """What in a text has the form of a payout's reference, long or short; banks may have written
    it in capitals and without hyphens.

    >>> ours_in("EREF+PO202601052CQL5UQ54NS6TSDKSVWZ+x"), ours_in("CQL5UQ54NS6TSDK 5 words")
    (['po-20260105-2cql5uq54ns6tsdk'], ['CQL5UQ54NS6TSDK'])
    """
    long = [f"po-{day}-{rest.lower()}" for day, rest in _LONG.findall(text)]
    short = [each for each in _SHORT.findall(text) if not each.isdigit() and not each.isalpha()]
    return [*long, *short]


def clipped(text: str) -> str:
    """A text of a bank as it is kept: without line ends and signs that cannot be written, not
    longer than MOST_TEXT, and of what can be an account number the end.

    >>> clipped("to DE02 1203 0000 0000 2020 51,\\n thanks")
    'to …2051, thanks'
    """
    plain = "".join(char if char.isprintable() else " " for char in text)
    masked = _ACCOUNT.sub(
        lambda found: f"…{found[0].replace(' ', '')[-TAIL:]}", " ".join(plain.split())
    )
    return masked[:MOST_TEXT]


def positions(entries: Sequence[Entry]) -> list[int]:
    """Of each entry its place among those of the file with the same content, from 0."""
    seen: dict[tuple[str | int, ...], int] = {}
    found = []
    for each in entries:
        place = seen.get(each.content, 0)
        seen[each.content] = place + 1
        found.append(place)
    return found
