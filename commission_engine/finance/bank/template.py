"""Formats of one's own: any table, described by a TOML file."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from commission_engine.calendar import Day, date_of
from commission_engine.debtor import Debtor
from commission_engine.finance.bank import latin
from commission_engine.finance.bank.days import is_any_day
from commission_engine.finance.bank.form import File, Limits, Payment
from commission_engine.finance.bank.providers import cell_fault, csv_of
from commission_engine.finance.payees.details import METHODS, Details
from commission_engine.finance.references import long_reference, short_reference
from commission_engine.problems import UsageError

ENDING = ".toml"
REFERENCES = ("payout.reference", "payout.short_reference")
"""One of them has to be in the table: what comes back from the bank is told by it."""
PAYOUT = (
    *REFERENCES, "payout.amount", "payout.amount_minor", "payout.currency", "payout.created_on",
    "payout.execution_day", "payout.affiliate_id",
)  # fmt: skip
DEBTOR = ("name", "iban", "bic", "street_name", "building_number", "postcode", "town", "country")
_KEYS = {"method": str, "currencies": list, "header": bool, "separator": str, "decimal_point": str,
         "date": str, "ending": str, "rows": int, "one_currency": bool, "latin": bool,
         "column": list}  # fmt: skip
_COLUMN = {"name": str, "value": str, "constant": str, "required": bool, "most": int}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_PLACE = re.compile(r"[A-Z][A-Z_]+", re.ASCII)
_HOW = "docs/bank.md explains every key. Nothing was changed."


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the value that it has (or the same `constant` in every row), and at most how many
    characters."""

    name: str
    value: str = ""
    constant: str = ""
    required: bool = False
    most: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """A table of payments, as a file describes it."""

    name: str
    columns: Sequence[Column]
    method: str = "other"
    currencies: Sequence[str] | None = None
    header: bool = True
    separator: str = ","
    decimal_point: str = "."
    date: str = "%Y-%m-%d"
    ending: str = "csv"
    limits: Limits = field(default_factory=lambda: Limits(100_000))
    latin: bool = False
    is_open: Callable[[Day], bool] | None = is_any_day

    def check_debtor(self, debtor: Debtor) -> None:
        for column in self.columns:
            kind, _, name = column.value.partition(".")
            if kind == "debtor" and not getattr(debtor, name):
                raise UsageError(
                    f"bank.{name} is not set", f"The format {self.name} names who pays."
                )

    def fault(self, payment: Payment) -> str:
        nowhere = File((payment,), "", "", Debtor(), 0, 0, 0)
        for column in self.columns:
            if not column.value.startswith("payee."):
                continue
            text = self._cell(column, payment, nowhere)
            shown = column.value.removeprefix("payee.")
            if column.required and not text:
                return f"{shown}: it is empty, and {self.name} needs it"
            if column.most and len(text) > column.most:
                return f"{shown}: it has {len(text)} letters where {self.name} takes {column.most}"
            if wrong := cell_fault(shown, text):
                return wrong
        return ""

    def reference(self, payout_id: str) -> str:
        long = any(column.value == REFERENCES[0] for column in self.columns)
        return long_reference(payout_id) if long else short_reference(payout_id)

    def bytes_of(self, file: File) -> bytes:
        rows = [[self._cell(each, payment, file) for each in self.columns]
                for payment in file.payments]  # fmt: skip
        head = [[column.name for column in self.columns]] if self.header else []
        return csv_of([*head, *rows], self.separator)

    def _cell(self, column: Column, payment: Payment, file: File) -> str:
        kind, _, name = column.value.partition(".")
        if not kind:
            return column.constant
        if kind == "payee":
            text = str(getattr(payment.payee, name, payment.payee.extra.get(name, "")))
        elif kind == "debtor":
            text = str(getattr(file.debtor, name))
        elif column.value == "file.reference":
            return file.reference
        else:
            return self._of_payout(name, payment, file)
        return latin.ascii_of(text) if self.latin else text

    def _of_payout(self, name: str, payment: Payment, file: File) -> str:
        values = {
            "reference": lambda: long_reference(payment.payout_id),
            "short_reference": lambda: short_reference(payment.payout_id),
            "amount": lambda: payment.amount.replace(".", self.decimal_point),
            "amount_minor": lambda: str(payment.amount_minor),
            "currency": lambda: payment.currency,
            "created_on": lambda: date_of(payment.created_day).strftime(self.date),
            "execution_day": lambda: date_of(file.execution_day).strftime(self.date),
            "affiliate_id": lambda: payment.affiliate_id,
        }
        return values[name]()


def read_template(wanted: str, folder: Path) -> Template:
    """The template of this name in `folder`, or in the file of this path. UsageError where there
    is none, or with all that is wrong with it."""
    path = Path(wanted) if wanted.endswith(ENDING) else folder / f"{wanted}{ENDING}"
    name = path.stem
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a format", "Write small letters, digits, - and _, 32 at most."
        )
    if not path.is_file():
        there = sorted(each.stem for each in folder.glob(f"*{ENDING}"))
        raise UsageError(
            f"there is no format {wanted!r}: {path} is not there",
            "Take csv, sepa, nacha, paypal, wise"
            + (f", or {', '.join(there)}." if there else f", or describe one in {folder}."),
        )
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except OSError as why:
        raise UsageError(f"{path}: cannot be read: {why.strerror}", "Check its rights.") from why
    except ValueError as why:
        raise UsageError(f"{path}: this is not TOML: {why}", "Mend the file.") from why
    faults = list(_faults(read))
    if faults:
        raise UsageError("\n".join(f"{path}: {fault}" for fault in faults), _HOW)
    plain = {key: read[key] for key in read.keys() - {"column", "rows", "one_currency"}}
    limits = Limits(read.get("rows", 100_000), None, read.get("one_currency", True))
    columns = tuple(Column(**each) for each in read["column"])
    dated = any(column.value == "payout.execution_day" for column in columns)
    return Template(name, columns, limits=limits, is_open=is_any_day if dated else None, **plain)


def _faults(read: Mapping[str, Any]) -> list[str]:
    faults = _wrong_keys(read, _KEYS, "")
    if faults:
        return faults
    if read.get("method", "other") not in METHODS:
        faults.append(f"method: {read['method']!r} is none of {', '.join(METHODS)}")
    if len(read.get("separator", ",")) != 1:
        faults.append(f"separator: {read['separator']!r} is not one character")
    if read.get("decimal_point", ".") not in (".", ","):
        faults.append(f"decimal_point: {read['decimal_point']!r} is neither '.' nor ','")
    if not re.fullmatch(r"[a-z0-9]{1,8}", read.get("ending", "csv")):
        faults.append(f'ending: {read["ending"]!r} is not such as "csv"')
    if not 1 <= read.get("rows", 1) <= 1_000_000:
        faults.append(f"rows: {read['rows']!r} is not a whole number from 1 to 1000000")
    if wrong := [each for each in read.get("currencies", []) if not _is_code(each)]:
        faults.append(f'currencies: {wrong[0]!r} is no currency; write such as "GBP"')
    faults += _wrong_date(read.get("date", "%Y"))
    columns = read.get("column", [])
    if not columns or not all(isinstance(each, dict) for each in columns):
        return [*faults, 'column: there is none; write [[column]], and below name = "..." and'
                ' value = "payout.reference"']  # fmt: skip
    for place, column in enumerate(columns, 1):
        faults += _column_faults(column, f"column {place}")
    if not faults and not any(each.get("value") in REFERENCES for each in columns):
        faults.append(f"column: none has the value {' or '.join(REFERENCES)}, by which what comes"
                      " back is told")  # fmt: skip
    return faults


def _column_faults(column: Mapping[str, Any], place: str) -> list[str]:
    if wrong := _wrong_keys(column, _COLUMN, f"{place}, "):
        return wrong
    if "name" not in column:
        return [f"{place}: it has no name"]
    if ("value" in column) == ("constant" in column):
        return [f"{place}, {column['name']!r}: write either value or constant"]
    value = column.get("value")
    if value is None or value in (*PAYOUT, "file.reference"):
        return []
    kind, _, name = value.partition(".")
    if kind == "payee" and name:  # whichever column of the imported file
        known = {each.name for each in fields(Details)}
        return (
            []
            if name in known - {"extra"} or name not in dir(Details)
            else [f"{place}: {value!r} is no value"]
        )
    if kind == "debtor" and name in DEBTOR:
        return []
    return [f"{place}, {column['name']!r}: {value!r} is no value; write one of {', '.join(PAYOUT)},"
            " file.reference, payee.COLUMN, debtor.SETTING"]  # fmt: skip


def _wrong_keys(read: Mapping[str, Any], known: Mapping[str, type], where: str) -> list[str]:
    faults = [f"{where}{key}: there is no such key" for key in sorted(read.keys() - known.keys())]
    faults += [
        f"{where}{key}: {read[key]!r} is not a {kind.__name__}"
        for key, kind in known.items()
        if key in read and type(read[key]) is not kind
    ]
    return faults


def _wrong_date(form: str) -> list[str]:
    parts = re.findall(r"%(.)", form)
    if not parts or not set(parts) <= set("Ymdy"):
        return [f'date: {form!r} is not such as "%d.%m.%Y", of %d, %m, %y and %Y']
    return [] if date(2026, 1, 2).strftime(form) else [f"date: {form!r} says nothing"]


def _is_code(code: Any) -> bool:
    return isinstance(code, str) and re.fullmatch(r"[A-Z0-9_]{2,12}", code) is not None
