"""ACH credits to consumers (PPD), in a file as NACHA's rules have it: 94 columns, blocks of ten."""

import re

from commission_engine.calendar import Day, date_of
from commission_engine.debtor import Debtor
from commission_engine.finance.bank import accounts, latin
from commission_engine.finance.bank.days import is_fed_day
from commission_engine.finance.bank.form import File, Limits, Payment, too_much, unwritten
from commission_engine.finance.references import short_reference
from commission_engine.problems import UsageError

COLUMNS = 94
BLOCK = 10
MOST_MINOR = 9_999_999_999
MOST_IN_FILE = 999_999_999_999
NAME = 22
MODIFIERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
"""What tells files of one day apart."""

_CREDITS = "220"
_CODES = {"checking": "22", "savings": "32", "": "22"}
_ORIGIN = re.compile(r"[A-Za-z0-9 ]{1,10}", re.ASCII)


class Nacha:
    """One batch of credits. Names are cut to what an entry takes: nobody is looked up by them."""

    name = "nacha"
    ending = "ach"
    method = "ach"
    currencies = ("USD",)
    limits = Limits(rows=100_000, total=MOST_IN_FILE)
    is_open = staticmethod(is_fed_day)

    def check_debtor(self, debtor: Debtor) -> None:
        wrong = accounts.routing_fault(debtor.ach_routing) if debtor.ach_routing else "is not set"
        faults = {"name": "" if latin.says_something(latin.ach_of(debtor.name)) else "is not set",
                  "ach_routing": wrong}  # fmt: skip
        for setting in ("ach_origin", "ach_company_id", "ach_description"):
            if not _ORIGIN.fullmatch(getattr(debtor, setting)):
                faults[setting] = "is not 1 to 10 letters and digits, as the bank gives them"
        for setting, fault in faults.items():
            if fault:
                raise UsageError(
                    f"bank.{setting} {fault}", "An ACH file names who pays; see docs/bank.md."
                )

    def fault(self, payment: Payment) -> str:
        if not latin.says_something(latin.ach_of(payment.payee.payee_name)):
            return unwritten(self.name)
        return too_much(payment, MOST_MINOR, self.name)

    def reference(self, payout_id: str) -> str:
        return short_reference(payout_id)

    def bytes_of(self, file: File) -> bytes:
        """UsageError for more files of one day than can be told apart."""
        if file.place >= len(MODIFIERS):
            raise UsageError(
                f"{len(MODIFIERS)} ACH files are of {date_of(file.created_day)} already",
                "No more of one date can be told apart. Export again after the next run.",
            )
        debtor = file.debtor
        routing, company = debtor.ach_routing, _text(debtor.ach_company_id, 10)
        created, name = _yymmdd(file.created_day), latin.ach_of(debtor.name)
        counted, total = len(file.payments), sum(each.amount_minor for each in file.payments)
        # The tens digits and up are cut off, as everybody who adds them does.
        hashed = sum(int(each.payee.routing_number[:8]) for each in file.payments) % 10**10
        sums = f"{hashed:010d}{0:012d}{total:012d}"
        records = [
            f"101 {routing}{debtor.ach_origin.upper():>10}{created}0000{MODIFIERS[file.place]}"
            f"094101{_text(latin.ach_of(debtor.ach_bank), 23)}{_text(name, 23)}{'':8}",
            f"5{_CREDITS}{_text(name, 16)}{'':20}{company}PPD{_text(debtor.ach_description, 10)}"
            f"{created}{_yymmdd(file.execution_day)}{'':3}1{routing[:8]}0000001",
            *(_entry(each, routing, place) for place, each in enumerate(file.payments, 1)),
            f"8{_CREDITS}{counted:06d}{sums}{company}{'':25}{routing[:8]}0000001",
        ]
        blocks = -(-(len(records) + 1) // BLOCK)
        records.append(f"9000001{blocks:06d}{counted:08d}{sums}{'':39}")
        records += ["9" * COLUMNS] * (blocks * BLOCK - len(records))
        return "".join(f"{record}\n" for record in records).encode("ascii")


def _entry(payment: Payment, routing: str, place: int) -> str:
    payee = payment.payee
    return (
        f"6{_CODES[payee.account_type]}{payee.routing_number}{_text(payee.account_number, 17)}"
        f"{payment.amount_minor:010d}{_text(short_reference(payment.payout_id), 15)}"
        f"{_text(latin.ach_of(payee.payee_name), NAME)}{'':2}0{routing[:8]}{place:07d}"
    )


def _text(text: str, width: int) -> str:
    return f"{text[:width].upper():{width}}"


def _yymmdd(day: Day) -> str:
    on = date_of(day)
    return f"{on.year % 100:02d}{on.month:02d}{on.day:02d}"
