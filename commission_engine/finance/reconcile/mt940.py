"""MT940: statements of SWIFT, with the fields inside :86: as banks write them.

Opening balance (:60F:, :60M:) + entries (:61:) = closing balance (:62F:, :62M:), or the file is
refused. References are looked for in the subfields ?20 to ?29 and ?60 to ?63, in /EREF/ and alike,
and in the whole text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from commission_engine.calendar import Day, day_of
from commission_engine.finance.reconcile.camt import NO_REFERENCE
from commission_engine.finance.reconcile.entry import BankFile, Entry, Said, Source
from commission_engine.finance.reconcile.reasons import WORDS
from commission_engine.money import Minor, plain

_TAG = re.compile(r":(\d\d[A-Z]?|NS):(.*)", re.ASCII | re.DOTALL)
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d{1,15},\d{0,17})", re.ASCII)
_ENTRY = re.compile(
    r"(?P<value>\d{6})(?P<booked>\d{4})?(?P<side>RC|RD|C|D)[A-Z]?(?P<amount>\d{1,12},\d{0,12})"
    r"(?P<kind>[A-Z][A-Z0-9]{3})(?P<own>[^\n]*?)(?://(?P<bank>[^\n]*))?(?:\n(?P<more>.*))?",
    re.ASCII | re.DOTALL,
)
_SUBFIELD = re.compile(r"\?(\d\d)")
_LABEL = re.compile(r"/(EREF|RTRN|NAME|IBAN|REMI|CNTP|BENM)/")
_SEPA = re.compile(r"(EREF|KREF|MREF|SVWZ|IBAN|BIC|ABWA|ABWE|RTRN)\+")
_CODE = re.compile(r"\b([A-Z]{2}\d{2}|[A-Z]{4})\b", re.ASCII)
RETURN_OF_A_TRANSFER = "159"
"""The German code of business (first digits of :86:) for a transfer that came back."""


def read(source: Source, text: str) -> BankFile:
    """The entries of an MT940 file; FileRefused where it is none or does not foot."""
    statements: list[_Statement] = []
    for line, tag, value in _fields(source, text):
        if tag == "20":
            statements.append(_Statement(source, line, value))
        elif not statements:
            raise source.refuse(line, f":{tag}:", "comes before :20:, where a statement begins")
        else:
            statements[-1].take(line, tag, value)
    if not statements:
        raise source.refuse(1, "", "there is no statement in it (:20:)")
    entries = tuple(entry for each in statements for entry in each.entries())
    accounts = tuple(dict.fromkeys(each.account for each in statements))
    return BankFile("mt940", accounts, tuple(each.name for each in statements), entries)


def _fields(source: Source, text: str) -> Iterator[tuple[int, str, str]]:
    """Line, tag and value of every field; the lines of a value are kept apart by LF."""
    line, tag, value = 0, "", ""
    for number, row in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        row = row.rpartition("{4:")[2] if row.startswith("{1:") else row
        if (row.startswith("-") and row.strip("-} ") == "") or not row.strip():
            continue
        found = _TAG.fullmatch(row)
        if found:
            if tag:
                yield line, tag, value
            line, tag, value = number, found[1], found[2]
        elif tag:
            value += "\n" + row
        else:
            raise source.refuse(number, "", f"{row[:40]!r} is not a field such as :20:")
    if tag:
        yield line, tag, value


@dataclass(slots=True)
class _Booking:
    line: int
    value: str
    told: str = ""


@dataclass(slots=True)
class _Statement:
    source: Source
    line: int
    name: str
    account: str = ""
    opening: tuple[Minor, str, int] | None = None
    closing: tuple[Minor, str, int] | None = None
    closing_line: int = 0
    bookings: list[_Booking] = field(default_factory=list)
    _of_entry: bool = False

    def take(self, line: int, tag: str, value: str) -> None:
        if tag == "25":
            self.account = value.strip()
        elif tag in ("60F", "60M"):
            self.opening = self._balance(line, tag, value)
        elif tag in ("62F", "62M"):
            self.closing, self.closing_line = self._balance(line, tag, value), line
        elif tag == "61":
            self.bookings.append(_Booking(line, value))
        elif tag == "86" and self._of_entry:
            self.bookings[-1].told = value
        self._of_entry = tag == "61"

    def _balance(self, line: int, tag: str, value: str) -> tuple[Minor, str, int]:
        found = _BALANCE.fullmatch(value.strip())
        if not found:
            raise self.source.refuse(line, f":{tag}:", f"{value!r} is not a balance",
                                     "It is such as C260105EUR100,00.")  # fmt: skip
        minor, decimals = self._amount(line, tag, found[4], found[3])
        return (minor if found[1] == "C" else -minor), found[3], decimals

    def _amount(self, line: int, tag: str, text: str, code: str) -> tuple[Minor, int]:
        return self.source.amount(line, f":{tag}:", text.replace(",", "."), code)

    def entries(self) -> list[Entry]:
        for name, missing in (("25", not self.account), ("60F", self.opening is None),
                              ("62F", self.closing is None)):  # fmt: skip
            if missing:
                raise self.source.refuse(self.line, f":{name}:", "is missing in this statement",
                                         "Get the whole file from the bank.")  # fmt: skip
        assert self.opening
        assert self.closing
        found = [self._entry(each, self.opening[1]) for each in self.bookings]
        total = self.opening[0] + sum(signed for signed, _ in found)
        decimals = self.opening[2]
        if (total, self.opening[1]) != self.closing[:2]:
            raise self.source.unlike(
                self.closing_line, ":62F:", f"{self.closing[1]} {plain(self.closing[0], decimals)}",
                f"{self.opening[1]} {plain(total, decimals)}", "but :60F: and the entries come to",
            )  # fmt: skip
        return [entry for _, entry in found]

    def _entry(self, booking: _Booking, code: str) -> tuple[Minor, Entry]:
        """The entry, and what it does to the balance."""
        found = _ENTRY.fullmatch(booking.value)
        if not found:
            raise self.source.refuse(
                booking.line, ":61:", f"{booking.value[:60]!r} is not an entry",
                "It is such as 2601060106D25,00NTRFNONREF//4711.",
            )  # fmt: skip
        minor, decimals = self._amount(booking.line, "61", found["amount"], code)
        told = _Told.of(booking.told)
        side, back = found["side"], told.is_return or found["kind"][1:] == "RTI"
        if side in ("C", "RD"):
            said = Said.RETURNED if back or side == "RD" else Said.OTHER
        else:
            said = Said.OTHER if back or side == "RC" else Said.PAID
        own, bank = (found["own"] or "").strip(), (found["bank"] or "").strip()
        entry = Entry(
            line=booking.line,
            said=said,
            account=self.account,
            booked_day=self._day(booking.line, found["value"], found["booked"]),
            code=code,
            decimals=decimals,
            amount_minor=minor,
            bank_reference="" if bank.upper() in NO_REFERENCE else bank,
            references=(
                *told.references,
                *([] if own.upper() in NO_REFERENCE else [own]),
                told.text,
            ),
            payee=told.payee,
            payee_account=told.account,
            reason_code=told.code if said is Said.RETURNED else "",
            reason=told.purpose if said is Said.RETURNED else "",
        )
        return (minor if side in ("C", "RD") else -minor), entry

    def _day(self, line: int, value: str, booked: str | None) -> Day:
        """The booking date, whose year is that by which it is nearest to the value date."""
        try:
            valued = date(2000 + int(value[:2]), int(value[2:4]), int(value[4:]))
            if not booked:
                return day_of(valued)
            month, day = int(booked[:2]), int(booked[2:])
            near = [
                day_of(date(year, month, day))
                for year in (valued.year - 1, valued.year, valued.year + 1)
                if (month, day) != (2, 29) or year % 4 == 0
            ]
            return min(near, key=lambda each: abs(each - day_of(valued)))
        except ValueError:
            what = f"{value + (booked or '')!r} does not begin with dates (YYMMDD, MMDD)"
            raise self.source.refuse(line, ":61:", what) from None


@dataclass(frozen=True, slots=True)
class _Told:
    """What :86: says: as subfields (?20...), with labels (/EREF/...), or as a text."""

    text: str
    references: tuple[str, ...] = ()
    payee: str = ""
    account: str = ""
    code: str = ""
    purpose: str = ""
    is_return: bool = False

    @classmethod
    def of(cls, told: str) -> "_Told":
        joined = told.replace("\n", "")
        if _SUBFIELD.search(joined):
            return cls._of_subfields(joined)
        if _LABEL.search(joined):
            return cls._of_labels(joined)
        return cls(joined, (joined, told.replace("\n", " ")), purpose=told.replace("\n", " "))

    @classmethod
    def _of_subfields(cls, joined: str) -> "_Told":
        parts = _SUBFIELD.split(joined)
        by_number: dict[int, str] = {}
        for number, value in zip(parts[1::2], parts[2::2], strict=True):
            by_number[int(number)] = by_number.get(int(number), "") + value
        purpose = "".join(by_number.get(number, "") for number in (*range(20, 30), *range(60, 64)))
        pieces = _SEPA.split(purpose)
        named = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        text = named.get("SVWZ", "") if named else purpose
        return cls(
            purpose,
            (named.get("EREF", "").strip(), purpose),
            by_number.get(32, "") + by_number.get(33, ""),
            by_number.get(31, "").strip() or named.get("IBAN", "").strip(),
            named.get("RTRN", "").strip() or _code_in(text),
            text,
            parts[0][:3] == RETURN_OF_A_TRANSFER or "RTRN" in named,
        )

    @classmethod
    def _of_labels(cls, joined: str) -> "_Told":
        pieces = _LABEL.split(joined)
        named = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        counterparty = named.get("CNTP", "").split("/")
        return cls(
            joined,
            (named.get("EREF", "").strip("/ "), joined),
            named.get("NAME", "").strip("/ ") or "".join(counterparty[2:3]),
            named.get("IBAN", "").strip("/ ") or counterparty[0],
            named.get("RTRN", "").strip("/ ")[:4],
            named.get("REMI", "").strip("/ "),
            "RTRN" in named,
        )


def _code_in(text: str) -> str:
    """The first code of a reason in a text; "" for none."""
    return next((each for each in _CODE.findall(text) if each in WORDS), "")
