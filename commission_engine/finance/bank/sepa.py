"""SEPA credit transfers: pain.001.001.09, one payment information, booked as one batch."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from commission_engine.calendar import date_of
from commission_engine.debtor import Debtor
from commission_engine.finance.bank import accounts, latin
from commission_engine.finance.bank.days import is_target_day
from commission_engine.finance.bank.form import File, Limits, Payment, too_much, unwritten
from commission_engine.finance.references import long_reference
from commission_engine.money import plain
from commission_engine.problems import UsageError

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
MOST_MINOR = 99_999_999_999
NAME = 70
ADDRESS = {
    "street_name": ("StrtNm", 70), "building_number": ("BldgNb", 16), "postcode": ("PstCd", 16),
    "town": ("TwnNm", 35), "country": ("Ctry", 2),
}  # fmt: skip
"""The parts of an address in their order, each with its element and the letters that it takes."""
REMITTANCE = 140
EURO = 2


class Sepa:
    """What every bank in the SEPA area takes, since unstructured addresses are refused."""

    name = "sepa"
    ending = "xml"
    method = "sepa"
    currencies = ("EUR",)
    limits = Limits(rows=50_000)
    is_open = staticmethod(is_target_day)

    def check_debtor(self, debtor: Debtor) -> None:
        faults = {
            "name": "" if latin.says_something(latin.sepa_of(debtor.name)) else "is not set",
            "iban": accounts.iban_fault(accounts.plain_iban(debtor.iban)) if debtor.iban
            else "is not set",
            "bic": accounts.bic_fault(debtor.bic) if debtor.bic else "",
            "country": accounts.country_fault(debtor.country) if debtor.country else "",
        }  # fmt: skip
        if bool(debtor.town) != bool(debtor.country):
            faults["town"] = "and bank.country are set both, or none of them"
        for setting, wrong in faults.items():
            if wrong:
                raise UsageError(
                    f"bank.{setting} {wrong}", "A SEPA file names who pays; see docs/bank.md."
                )

    def fault(self, payment: Payment) -> str:
        payee = payment.payee
        if not accounts.in_sepa(payee.iban):
            return "iban: SEPA does not reach its country"
        if not payee.bic and payee.iban[:2] not in accounts.EEA:
            return "bic: it is empty, and needed for an account outside of the EEA"
        name = latin.sepa_of(payee.payee_name)
        if not latin.says_something(name):
            return unwritten(self.name)
        if len(name) > NAME:
            return f"payee_name: it has {len(name)} letters where sepa takes {NAME}"
        for part, (_, most) in ADDRESS.items():
            size = len(latin.sepa_of(getattr(payee, part)))
            if size > most:
                return f"{part}: it has {size} letters where sepa takes {most}"
        if payee.town and not latin.sepa_of(payee.town):
            return "town: nothing of it can be written in the letters that sepa takes"
        return too_much(payment, MOST_MINOR, self.name)

    def reference(self, payout_id: str) -> str:
        return long_reference(payout_id)

    def bytes_of(self, file: File) -> bytes:
        return "".join(_document(file)).encode("utf-8")


def _document(file: File) -> Iterator[str]:
    count = str(len(file.payments))
    total = plain(sum(each.amount_minor for each in file.payments), EURO)
    debtor, name = file.debtor, latin.sepa_of(file.debtor.name)[:NAME]
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}">\n'
    yield "<CstmrCdtTrfInitn>\n"
    created = f"{date_of(file.created_day)}T00:00:00"
    sums = _tag("NbOfTxs", count) + _tag("CtrlSum", total)
    yield _in("GrpHdr", _tag("MsgId", file.reference), _tag("CreDtTm", created), sums,
              _in("InitgPty", _tag("Nm", name))) + "\n"  # fmt: skip
    yield "<PmtInf>\n"
    yield _tag("PmtInfId", file.reference) + _tag("PmtMtd", "TRF") + _tag("BtchBookg", "true")
    yield sums + _in("PmtTpInf", _in("SvcLvl", _tag("Cd", "SEPA")))
    yield _in("ReqdExctnDt", _tag("Dt", str(date_of(file.execution_day)))) + "\n"
    yield _in("Dbtr", _tag("Nm", name), _address(debtor)) + "\n"
    yield _in("DbtrAcct", _in("Id", _tag("IBAN", accounts.plain_iban(debtor.iban))))
    known = _tag("BICFI", debtor.bic) if debtor.bic else _in("Othr", _tag("Id", "NOTPROVIDED"))
    yield _in("DbtrAgt", _in("FinInstnId", known)) + _tag("ChrgBr", "SLEV") + "\n"
    for payment in file.payments:
        yield _transfer(payment, file.programme) + "\n"
    yield "</PmtInf>\n</CstmrCdtTrfInitn>\n</Document>\n"


def _transfer(payment: Payment, programme: str) -> str:
    payee, reference = payment.payee, long_reference(payment.payout_id)
    agent = _in("CdtrAgt", _in("FinInstnId", _tag("BICFI", payee.bic))) if payee.bic else ""
    says = f"{latin.sepa_of(programme)[: REMITTANCE - len(reference) - 1]} {reference}".strip()
    return _in(
        "CdtTrfTxInf",
        _in("PmtId", _tag("EndToEndId", reference)),
        _in("Amt", f'<InstdAmt Ccy="EUR">{payment.amount}</InstdAmt>'),
        agent,
        _in("Cdtr", _tag("Nm", latin.sepa_of(payee.payee_name)), _address(payee)),
        _in("CdtrAcct", _in("Id", _tag("IBAN", payee.iban))),
        _in("RmtInf", _tag("Ustrd", says)),
    )


def _address(party: object) -> str:
    """The address of a payee or of who pays, in its parts; nothing where there is none."""
    parts = "".join(
        _tag(element, text)
        for part, (element, _) in ADDRESS.items()
        if (text := latin.sepa_of(getattr(party, part)))
    )
    return _in("PstlAdr", parts) if parts else ""


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _in(name: str, *parts: str) -> str:
    return f"<{name}>{''.join(parts)}</{name}>"
