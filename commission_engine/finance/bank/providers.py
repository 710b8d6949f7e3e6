"""Tables for payment providers: PayPal's file of payouts, Wise's file of a batch."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from commission_engine.calendar import date_of
from commission_engine.debtor import Debtor
from commission_engine.finance.bank.form import File, Limits, Payment
from commission_engine.finance.references import long_reference, short_reference
from commission_engine.money import iso_decimals

_FORMULA = re.compile(r"[=+\-@＝＋－＠]")
"""How no name begins: a spreadsheet would compute it."""

_WHOLE = ("HUF", "JPY", "TWD")
"""What PayPal pays without decimals."""


class PayPal:
    """No header; one currency a file."""

    name = "paypal"
    ending = "csv"
    method = "paypal"
    currencies = (
        *("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS"),
        *("JPY", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD"),
    )
    limits = Limits(rows=5_000)
    is_open = None

    def check_debtor(self, _debtor: Debtor) -> None:
        """A file of payouts says nothing of who pays: he is logged in."""

    def fault(self, payment: Payment) -> str:
        if payment.currency in _WHOLE and payment.amount_minor % 10**payment.decimals:
            return f"{payment.amount}: paypal pays {payment.currency} in whole amounts only"
        return ""

    def reference(self, payout_id: str) -> str:
        return long_reference(payout_id)

    def bytes_of(self, file: File) -> bytes:
        return csv_of(
            (
                each.payee.email,
                each.amount.partition(".")[0] if each.currency in _WHOLE else each.amount,
                each.currency,
                long_reference(each.payout_id),
                f"Payout of {' '.join(file.programme.split())}, {date_of(each.created_day)}",
                "PAYPAL",
            )
            for each in file.payments
        )


class Wise:
    """To the recipient's account where it is known, else to his e-mail address."""

    name = "wise"
    ending = "csv"
    method = "wise"
    currencies = tuple(sorted(iso_decimals()))
    limits = Limits(rows=1_000)
    is_open = None

    def check_debtor(self, _debtor: Debtor) -> None:
        """A batch says nothing of who pays: he is logged in."""

    def fault(self, payment: Payment) -> str:
        cells = ("payee_name", "account_number", "street_name", "town", "postcode")
        faults = (cell_fault(name, getattr(payment.payee, name)) for name in cells)
        return next((fault for fault in faults if fault), "")

    def reference(self, payout_id: str) -> str:
        return short_reference(payout_id)  # that of the long ones which most countries' banks take

    def bytes_of(self, file: File) -> bytes:
        return csv_of([_WISE, *map(_wise, file.payments)])


_WISE = (
    *("name", "recipientEmail", "paymentReference", "receiverType", "amount", "amountCurrency"),
    *("sourceCurrency", "targetCurrency", "type", "IBAN", "BIC", "abartn", "accountNumber"),
    *("accountType", "addressFirstLine", "addressCity", "addressPostCode", "addressCountryCode"),
)


def _wise(payment: Payment) -> Sequence[str]:
    payee = payment.payee
    kind = "iban" if payee.iban else "aba" if payee.account_number else "email"
    return (
        *(payee.payee_name, payee.email, short_reference(payment.payout_id)),
        *(payee.extra.get("receiver_type") or "PERSON", payment.amount, "target"),
        *(payment.currency, payment.currency, kind, payee.iban, payee.bic),
        *(payee.routing_number, payee.account_number, payee.account_type.upper()),
        f"{payee.street_name} {payee.building_number}".strip(),
        *(payee.town, payee.postcode, payee.country),
    )


def cell_fault(column: str, text: str) -> str:
    """Of a text that stands in a table as it is."""
    if _FORMULA.match(text):
        return f"{column}: it begins with {text[0]!r}, which a spreadsheet would compute"
    return ""


def csv_of(rows: Iterable[Sequence[str]], separator: str = ",") -> bytes:
    """RFC 4180 with LF. Texts stay as they are: whoever pays by them reads no spreadsheet."""
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n").writerows(rows)
    return written.getvalue().encode("utf-8")
