"""CSV of payment providers, by a mapping that says what each column means.

PayPal's and Wise's reports have their mappings here; those of others are TOML files
(`mapping.py`). Columns are found by name, whatever their capitals, spaces and underscores.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from commission_engine.calendar import Day, day_of
from commission_engine.finance.reconcile.entry import BankFile, Entry, Said, Source

PENDING = "pending"
FIELDS = (
    "reference", "amount", "date", "currency", "status", "payee", "payee_account", "account",
    "bank_reference", "reason_code", "reason",
)  # fmt: skip
"""What a mapping can name columns for."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are. Each field has the names of columns, of which the first
    that is there counts; of `reference` all of them.

    `status` gives for each word of the status column what it says, `PENDING` for what is not final;
    without it the sign of the amount says it: what was `sent` is negative or positive. Rows that do
    not have the values of `only` are left out.
    """

    form: str
    columns: Mapping[str, Sequence[str]]
    status: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    currency: str = ""
    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    date: str = "YYYY-MM-DD"
    encoding: str = "utf-8"
    sent_is_negative: bool = True

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a table with these columns is one of this form."""
        there = {plain_name(name) for name in header}
        needed = ("reference", "amount", "status", "bank_reference")
        return all(any(plain_name(n) in there for n in self.columns.get(key, ())) for key in needed)


PAYPAL = Columns(
    "paypal",
    {
        "reference": ("Customer ID", "Sender item ID", "Unique ID"),
        "amount": ("Amount", "Amount value", "Gross amount"),
        "currency": ("Currency", "Amount currency", "Currency code"),
        "status": ("Transaction status", "Status"),
        "date": ("Time processed", "Date", "Date processed"),
        "bank_reference": ("Transaction ID", "Payout item ID"),
        "payee": ("Recipient", "Receiver"),
        "reason_code": ("Error name", "Error code"),
        "reason": ("Error message", "Reason"),
    },
    {
        **dict.fromkeys(("success", "completed", "claimed"), "paid"),
        **dict.fromkeys(("failed", "denied", "blocked"), "failed"),
        **dict.fromkeys(("returned", "refunded", "reversed", "canceled", "cancelled"), "returned"),
        **dict.fromkeys(("pending", "unclaimed", "onhold", "processing", "new"), PENDING),
    },
    account="paypal",
)
WISE = Columns(
    "wise",
    {
        "reference": ("Reference", "Payment reference"),
        "amount": ("Target amount (after fees)",),
        "currency": ("Target currency",),
        "status": ("Status",),
        "date": ("Finished on", "Created on"),
        "bank_reference": ("ID",),
        "payee": ("Target name",),
        "reason": ("Note",),
    },
    {
        "completed": "paid",
        **dict.fromkeys(("cancelled", "canceled", "failed"), "failed"),
        **dict.fromkeys(("refunded", "chargedback", "bouncedback"), "returned"),
        **dict.fromkeys(("pending", "processing", "incomingpaymentwaiting", "funded"), PENDING),
    },
    only={"Direction": "OUT"},
    account="wise",
)
PROVIDERS = {each.form: each for each in (PAYPAL, WISE)}


def header_of(text: str) -> list[str]:
    """The first row of a table with commas; none where it is not one."""
    try:
        return next(csv.reader(io.StringIO(text[:65_536])), [])
    except csv.Error:
        return []


def read(source: Source, text: str, mapping: Columns) -> BankFile:
    """The entries of a table; FileRefused where a row is not what the mapping says."""
    table = _Table(source, mapping)
    entries = tuple(table.entries(text))
    accounts = tuple(dict.fromkeys(each.account for each in entries)) or (mapping.account,)
    return BankFile(mapping.form, accounts, (), entries, table.pending)


@dataclass(slots=True)
class _Table:
    source: Source
    mapping: Columns
    header: list[str] = field(default_factory=list)
    places: dict[str, list[int]] = field(default_factory=dict)
    only: list[tuple[int, str]] = field(default_factory=list)
    pending: int = 0
    line: int = 1

    def entries(self, text: str) -> Iterator[Entry]:
        rows = csv.reader(
            io.StringIO(text, newline=""), delimiter=self.mapping.delimiter, strict=True
        )
        try:
            for self.header in rows:
                break
            self._find_columns()
            ended = rows.line_num
            for row in rows:
                self.line, ended = ended + 1, rows.line_num
                if not any(row):
                    continue
                if len(row) != len(self.header):
                    raise self._refuse("", f"has {len(row)} fields, the header {len(self.header)}")
                entry = self._entry(row)
                if entry is not None:
                    yield entry
        except csv.Error as why:
            raise self._refuse("", f"is not CSV: {why}") from why

    def _find_columns(self) -> None:
        plain = [plain_name(name) for name in self.header]
        for key, names in self.mapping.columns.items():
            there = [plain_name(name) for name in names if plain_name(name) in plain]
            there = there if key == "reference" else there[:1]
            if twice := next((name for name in there if plain.count(name) > 1), ""):
                name = self.header[plain.index(twice)]
                raise self._refuse("", f"the column {name!r} is there twice")
            self.places[key] = [plain.index(name) for name in there]
        for name, value in self.mapping.only.items():
            if plain_name(name) not in plain:
                raise self._no_column((name,))
            self.only.append((plain.index(plain_name(name)), value))
        for key in ("reference", "amount", "date"):
            if not self.places.get(key):
                raise self._no_column(self.mapping.columns.get(key, (key,)))
        if self.mapping.status and not self.places.get("status"):
            raise self._no_column(self.mapping.columns.get("status", ("status",)))
        if not self.mapping.currency and not self.places.get("currency"):
            raise self._no_column(self.mapping.columns.get("currency", ("currency",)))

    def _no_column(self, names: Sequence[str]) -> Exception:
        return self._refuse(
            "", f"there is no column {' or '.join(repr(name) for name in names)}",
            f"The header has {', '.join(self.header)}.",
        )  # fmt: skip

    def _refuse(self, where: str, what: str, hint: str = "") -> Exception:
        return self.source.refuse(self.line, where, what, hint)

    def _entry(self, row: list[str]) -> Entry | None:
        if any(row[place].strip() != value for place, value in self.only):
            return None
        said, sign = self._said(row)
        if said is None:
            self.pending += 1
            return None
        code = self._text(row, "currency") or self.mapping.currency
        text = self._text(row, "amount")
        where = self.header[self.places["amount"][0]]
        minor, decimals = self.source.amount(self.line, f"column {where}", self._number(text), code)
        if not sign:
            sent = text.lstrip().startswith("-") is self.mapping.sent_is_negative
            said = Said.PAID if sent else Said.OTHER
        return Entry(
            line=self.line,
            said=said,
            account=self._text(row, "account") or self.mapping.account,
            booked_day=self._day(row),
            code=code,
            decimals=decimals,
            amount_minor=minor,
            bank_reference=self._text(row, "bank_reference"),
            references=tuple(row[place].strip() for place in self.places["reference"]),
            payee=self._text(row, "payee"),
            payee_account=self._text(row, "payee_account"),
            reason_code=self._text(row, "reason_code"),
            reason=self._text(row, "reason") if said is not Said.PAID else "",
        )

    def _said(self, row: list[str]) -> tuple[Said | None, bool]:
        """What the status says, None for nothing final; and whether there is a status at all."""
        if not self.mapping.status:
            return Said.OTHER, False
        word = self._text(row, "status")
        said = self.mapping.status.get(plain_name(word))
        if said is None:
            where = f"column {self.header[self.places['status'][0]]}"
            raise self._refuse(where, f"{word!r} is a status that is not known",
                               "Say with --map what it means; docs/reconcile.md.")  # fmt: skip
        return (None if said == PENDING else Said(said)), True

    def _text(self, row: list[str], key: str) -> str:
        return next((row[place].strip() for place in self.places.get(key, ())), "")

    def _number(self, text: str) -> str:
        number = text[1:].lstrip() if text[:1] in ("-", "+") else text
        if self.mapping.thousands:
            number = number.replace(self.mapping.thousands, "")
        if self.mapping.decimal != ".":
            number = number.replace(".", "?").replace(self.mapping.decimal, ".")
        return number

    def _day(self, row: list[str]) -> Day:
        text = self._text(row, "date")
        found = _pattern(self.mapping.date).match(text)
        try:
            if found is None:
                raise ValueError
            return day_of(date(*(int(found[part]) for part in ("YYYY", "MM", "DD"))))
        except ValueError:
            where = f"column {self.header[self.places['date'][0]]}"
            raise self._refuse(where, f"{text!r} is not a date {self.mapping.date}") from None


def _pattern(form: str) -> re.Pattern[str]:
    """The pattern of dates such as DD.MM.YYYY; a time may follow."""
    text = re.escape(form)
    for part, digits in (("YYYY", 4), ("MM", 2), ("DD", 2)):
        text = text.replace(part, rf"(?P<{part}>\d{{{digits}}})")
    return re.compile(text + r"(?!\d)", re.ASCII)


def plain_name(name: str) -> str:
    """A name without capitals, spaces, underscores and signs."""
    return re.sub(r"[\W_]", "", name.casefold())
