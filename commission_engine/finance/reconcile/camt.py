"""camt.053 (statements) and camt.054 (notifications) of ISO 20022, of any version from .02 on.

A statement has to foot: opening + booked entries = closing. Where the file says how many entries
there are and what they come to, that has to agree, and so do the parts of an entry with the entry.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from commission_engine.calendar import Day, day_of
from commission_engine.finance.reconcile.entry import BankFile, Entry, Said, Source
from commission_engine.finance.reconcile.xml import Element, parse
from commission_engine.money import Minor, plain

_SPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.(05[34])\.001\.(\d\d)", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T+Z-].*)?", re.ASCII)
_HAVE = {"053": ("BkToCstmrStmt", "Stmt"), "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}
NO_REFERENCE = ("", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "NOTAVAILABLE", "NONE")
"""What stands where a reference has to stand and there is none."""
OPENING, CLOSING, BETWEEN = ("OPBD", "PRCD"), ("CLBD",), "ITBD"
FEW = 12


def read(source: Source) -> BankFile:
    """The entries of a camt file that are booked; FileRefused where it is none or does not foot."""
    root = parse(source)
    found = _SPACE.fullmatch(root.space)
    if root.name != "Document" or not found:
        raise source.refuse(
            root.line, root.name, f"{root.space or 'no namespace'!r} is not camt.053 or camt.054",
            "Ask the bank for a statement (camt.053) or a notification (camt.054).",
        )  # fmt: skip
    message, each = _HAVE[found[1]]
    parts = list(root.all(f"{message}/{each}"))
    if not parts:
        raise source.refuse(root.line, "Document", f"there is no {message}/{each} in it")
    read_parts = [_Part(source, part, has_balances=found[1] == "053") for part in parts]
    entries = [entry for part in read_parts for entry in part.entries()]
    return BankFile(
        f"camt.{found[1]}",
        tuple(dict.fromkeys(part.account for part in read_parts)),
        tuple(part.node.said("Id") for part in read_parts),
        tuple(entries),
        sum(part.pending for part in read_parts),
    )


@dataclass(slots=True)
class _Part:
    """One statement or notification."""

    source: Source
    node: Element
    has_balances: bool
    account: str = ""
    pending: int = 0

    def __post_init__(self) -> None:
        self.account = self.node.said("Acct/Id/IBAN", "Acct/Id/Othr/Id")
        if not self.account:
            raise self.source.refuse(self.node.line, "Acct/Id", "the account is missing")

    def entries(self) -> Iterator[Entry]:
        booked = [each for each in self.node.all("Ntry") if self._is_booked(each)]
        amounts = [self._signed(each) for each in booked]
        if self.has_balances:
            self._foot(sum(minor for minor, _ in amounts))
        self._agree_with_the_summary()
        for node, (minor, _) in zip(booked, amounts, strict=True):
            yield from _Booking(self, node, minor).entries()

    def _is_booked(self, node: Element) -> bool:
        status = node.said("Sts/Cd", "Sts")
        if status == "BOOK":
            return True
        if status not in ("PDNG", "INFO", "FUTR"):
            raise self.source.refuse(node.line, "Sts", f"{status!r} is no status of an entry")
        self.pending += 1
        return False

    def money(self, node: Element | None, line: int, where: str) -> tuple[Minor, int, str]:
        """An amount, its decimals and its currency."""
        code = node.attributes.get("Ccy", "") if node else ""
        if node is None or not code:
            raise self.source.refuse(line, where, "the amount or its currency is missing")
        return *self.source.amount(node.line, where, node.text, code), code

    def _signed(self, node: Element) -> tuple[Minor, int]:
        minor, decimals, _ = self.money(node.one("Amt"), node.line, "Amt")
        return (minor if self.is_credit(node) else -minor), decimals

    def is_credit(self, node: Element) -> bool:
        side = node.said("CdtDbtInd")
        if side not in ("CRDT", "DBIT"):
            raise self.source.refuse(node.line, "CdtDbtInd", f"{side!r} is neither CRDT nor DBIT")
        return side == "CRDT"

    def _foot(self, booked: Minor) -> None:
        opening, first = self._balance(OPENING, last=False)
        closing, node = self._balance(CLOSING, last=True)
        codes = {each.attributes.get("Ccy") for each in self._all_amounts()}
        if len(codes) != 1:
            raise self.source.refuse(
                self.node.line, "Stmt", "has amounts of several currencies, so it cannot foot"
            )
        _, decimals, _ = self.money(first.one("Amt"), first.line, "Bal/Amt")
        if opening + booked != closing:
            says, comes = plain(closing, decimals), plain(opening + booked, decimals)
            raise self.source.unlike(
                node.line, "Bal", says, comes, "but opening and booked entries come to"
            )

    def _all_amounts(self) -> Iterator[Element]:
        yield from self.node.all("Bal/Amt")
        yield from self.node.all("Ntry/Amt")

    def _balance(self, kinds: tuple[str, ...], *, last: bool) -> tuple[Minor, Element]:
        by_kind: dict[str, list[Element]] = {}
        for each in self.node.all("Bal"):
            by_kind.setdefault(each.said("Tp/CdOrPrtry/Cd"), []).append(each)
        for kind in (*kinds, BETWEEN):
            if kind in by_kind:
                node = by_kind[kind][-1 if last else 0]
                return self._signed(node)[0], node
        raise self.source.refuse(
            self.node.line,
            "Bal",
            f"the balance {kinds[0]} is missing, so nothing proves the entries",
            "Ask the bank for whole statements.",
        )

    def _agree_with_the_summary(self) -> None:
        """What TxsSummry says of all entries, of credits and of debits."""
        summary = self.node.one("TxsSummry")
        if summary is None:
            return
        every = list(self.node.all("Ntry"))
        sides = {
            "TtlNtries": every,
            "TtlCdtNtries": [each for each in every if self.is_credit(each)],
            "TtlDbtNtries": [each for each in every if not self.is_credit(each)],
        }
        for name, mine in sides.items():
            node = summary.one(name)
            if node is None:
                continue
            number, said = node.said("NbOfNtries"), node.said("Sum")
            if number and number.lstrip("0") != str(len(mine) or ""):
                raise self.source.unlike(node.line, f"{name}/NbOfNtries", number, len(mine),
                                         "but the entries are")  # fmt: skip
            codes = {each.attributes.get("Ccy", "") for n in mine for each in n.all("Amt")}
            if said and len(codes) == 1:
                (code,) = codes
                total, decimals = self.source.amount(node.line, f"{name}/Sum", said, code)
                comes = sum(abs(self._signed(each)[0]) for each in mine)
                if total != comes:
                    raise self.source.unlike(node.line, f"{name}/Sum", said, plain(comes, decimals),
                                             "but the entries come to")  # fmt: skip


@dataclass(slots=True)
class _Booking:
    """One Ntry, with the payments that it may consist of."""

    part: _Part
    node: Element
    signed: Minor

    def entries(self) -> Iterator[Entry]:
        details = list(self.node.all("NtryDtls/TxDtls"))
        if not details:
            yield self._entry(self.node, self.node, None, "")
            return
        if len(details) > 1:
            if not all(self._own(each) for each in details):
                # Payments without amounts of their own: only their sum can be told.
                yield self._entry(self.node, self.node, details, "")
                return
            self._add_up(details)
        for number, each in enumerate(details, 1):
            alone = len(details) == 1
            yield self._entry(each, self.node, [each], "" if alone else f"/{number}")

    def _own(self, details: Element) -> Element | None:
        """The amount of one payment in the currency of the account."""
        mine = self.node.one("Amt")
        for each in (details.one("Amt"), details.one("AmtDtls/TxAmt/Amt"),
                     details.one("AmtDtls/InstdAmt/Amt")):  # fmt: skip
            if each and mine and each.attributes.get("Ccy") == mine.attributes.get("Ccy"):
                return each
        return None

    def _add_up(self, details: list[Element]) -> None:
        if self.node.one("Chrgs") or any(each.one("Chrgs") for each in details):
            return  # the bank has kept something
        total, decimals = 0, 0
        for each in details:
            minor, decimals, _ = self.part.money(self._own(each), each.line, "TxDtls/Amt")
            credit = self.part.is_credit(each if each.one("CdtDbtInd") else self.node)
            total += minor if credit else -minor
        if total != self.signed:
            raise self.part.source.unlike(
                self.node.line, "Ntry/Amt", plain(abs(self.signed), decimals),
                plain(abs(total), decimals), "but its payments come to",
            )  # fmt: skip

    def _entry(
        self, one: Element, whole: Element, details: list[Element] | None, ending: str
    ) -> Entry:
        """An entry of `one` payment of a `whole` booking; `details` are those it speaks of."""
        tells = details or []
        back = any(each.one("RtrInf") for each in tells)
        credit = self.part.is_credit(one if one.one("CdtDbtInd") else whole)
        reversed_ = whole.said("RvslInd") in ("true", "1")
        if credit:
            said = Said.RETURNED if back or reversed_ else Said.OTHER
        else:
            said = Said.OTHER if back or reversed_ else Said.PAID
        amount = self._amount(one, whole, said)
        minor, decimals, code = self.part.money(amount, one.line, "Amt")
        return Entry(
            line=one.line,
            said=said,
            account=self.part.account,
            booked_day=self._day(),
            code=code,
            decimals=decimals,
            amount_minor=minor,
            bank_reference=self._bank_reference(one, ending),
            references=tuple(_references(tells, whole)),
            payee=_of(tells, "RltdPties/Cdtr/Pty/Nm", "RltdPties/Cdtr/Nm"),
            payee_account=_of(tells, "RltdPties/CdtrAcct/Id/IBAN", "RltdPties/CdtrAcct/Id/Othr/Id"),
            reason_code=_of(tells, "RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
            reason=_of(tells, "RtrInf/AddtlInf", "AddtlTxInf") or whole.said("AddtlNtryInf"),
        )

    def _amount(self, one: Element, whole: Element, said: Said) -> Element | None:
        """What was paid: as it was instructed where that is in another currency, or where the bank
        has added its charges; of what came back as much as did."""
        if one is whole:
            return whole.one("Amt")
        own, asked = self._own(one), one.one("AmtDtls/InstdAmt/Amt")
        mine = whole.one("Amt")
        foreign = asked and mine and asked.attributes.get("Ccy") != mine.attributes.get("Ccy")
        if asked and (foreign or said is Said.PAID):
            return asked
        return own or mine

    def _bank_reference(self, one: Element, ending: str) -> str:
        for node, last in (
            (one.one("Refs/AcctSvcrRef"), ""),
            (self.node.one("AcctSvcrRef"), ending),
        ):
            if node and node.text.upper() not in NO_REFERENCE:
                return node.text + last
        return ""

    def _day(self) -> Day:
        said = self.node.said("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")
        found = _DATE.fullmatch(said)
        try:
            return day_of(date.fromisoformat(found[1] if found else ""))
        except ValueError:
            raise self.part.source.refuse(
                self.node.line, "BookgDt", f"{said!r} is not a date", "It is such as 2026-11-20."
            ) from None


def _of(details: list[Element], *paths: str) -> str:
    """The text at the first path; "" where several payments would have several."""
    return details[0].said(*paths) if len(details) == 1 else ""


def _references(details: list[Element], whole: Element) -> Iterator[str]:
    for node in details:
        for name in ("EndToEndId", "InstrId", "TxId", "PmtInfId", "MsgId"):
            text = node.said(f"Refs/{name}")
            if text.upper() not in NO_REFERENCE:
                yield text
        yield from (each.text for each in list(node.all("RmtInf/Ustrd"))[:FEW])
        yield node.said("RmtInf/Strd/CdtrRefInf/Ref")
        yield node.said("AddtlTxInf")
    yield whole.said("AddtlNtryInf")
