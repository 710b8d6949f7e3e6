"""What a bank's format is: whom it pays, what it refuses, and the bytes that it makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from commission_engine.calendar import Day
from commission_engine.debtor import Debtor
from commission_engine.finance.payees.details import Details
from commission_engine.money import plain

Minor = int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payout on its way to an account."""

    payout_id: str
    affiliate_id: str
    currency: str
    amount_minor: Minor
    decimals: int
    created_day: Day
    payee: Details

    @property
    def amount(self) -> str:
        return plain(self.amount_minor, self.decimals)


@dataclass(frozen=True, slots=True)
class File:
    """What a file says: its payments, its reference (at most 35 characters, of no other file), who
    pays, the business date that it is of, when the bank is asked to pay, and which one of that
    format and date it is, from 0 on."""

    payments: Sequence[Payment]
    reference: str
    programme: str
    debtor: Debtor
    created_day: Day
    execution_day: Day
    place: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may hold: so many rows, a sum in minor units (None: any), one currency or
    several."""

    rows: int
    total: Minor | None = None
    one_currency: bool = True


class BankFormat(Protocol):
    """A format. `method` is that of the payees whom it pays, `currencies` what it pays in (None:
    any), `is_open` on which days it can be asked to pay (None: there is no day in it)."""

    @property
    def name(self) -> str: ...

    @property
    def ending(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def currencies(self) -> Sequence[str] | None: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def is_open(self) -> Callable[[Day], bool] | None: ...

    def check_debtor(self, debtor: Debtor) -> None:
        """UsageError where the settings do not say what it needs of who pays."""
        ...

    def fault(self, payment: Payment) -> str:
        """Why a payment may not be in it, as the rest of a sentence after "ann: "; "": it may."""
        ...

    def reference(self, payout_id: str) -> str:
        """What it calls a payout."""
        ...

    def bytes_of(self, file: File) -> bytes: ...


def too_much(payment: Payment, most: Minor, name: str) -> str:
    """The fault of a payment that is larger than a format can say."""
    if payment.amount_minor <= most:
        return ""
    limit = plain(most, payment.decimals)
    return f"{payment.amount} is more than {name} takes in one payment, {limit}"


def unwritten(name: str) -> str:
    """The fault of a name that is nothing in the letters of a format."""
    return f"payee_name: nothing of it can be written in the letters that {name} takes"
