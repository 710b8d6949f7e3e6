"""Rows of payees judged, one by one: accepted, known already, or refused with a reason.

What is refused is kept with its place and its reason, but never with what it held.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from commission_engine.finance.bank import accounts
from commission_engine.finance.payees.details import (
    ADDRESS,
    METHODS,
    SHOWN,
    Details,
    harmless,
    masked,
)
from commission_engine.ingest.checks import MAX_ID
from commission_engine.ingest.rows import COLUMNS, Kind, Rows
from commission_engine.problems import Code, Refusal

COLUMNS_OF_DETAILS = tuple(name for name in COLUMNS[Kind.PAYEES].known if name != "affiliate_id")
LONGEST = 140
"""Of a name or any other value."""

KEPT = "a row of payees is not kept: it may name an account"
"""What stands in the place of a refused row."""

_ID = rf"[^\x00-\x1f\x7f-\x9f]{{1,{MAX_ID}}}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EMAIL = re.compile(r"[A-Za-z0-9][^@\s,;:<>()\"']*@[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2,}")
_ACH_NUMBER = re.compile(r"[A-Za-z0-9 -]{1,17}", re.ASCII)
_NEEDED = {"sepa": ("iban",), "ach": ("routing_number", "account_number"), "paypal": ("email",)}
_TYPES = ("checking", "savings")


class Fault(NamedTuple):
    """What is wrong with a row: in which column, and a sentence that repeats no secret."""

    code: Code
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The payees that a file has news of, by affiliate's id; and the rows that are none."""

    accepted: Mapping[str, Details]
    duplicates: int
    refused: tuple[Refusal, ...]


def judge(
    rows: Rows,
    exists: Callable[[str], bool],
    known: Mapping[str, Details],
    decimals: Mapping[str, int],
) -> Judged:
    """`known` is what the book has, `decimals` the currencies that there are."""
    said: dict[str, set[bytes]] = {}
    sound: list[tuple[Mapping[str, Any], Details]] = []
    refused = [_refusal(rows, row, Fault(Code.MALFORMED_ROW, "", row["message"]))
               for row in rows.malformed.iter_rows(named=True)]  # fmt: skip
    for row in rows.frame.iter_rows(named=True):
        details = details_of(row)
        fault = next(_faults(row["affiliate_id"], details, exists, decimals), None)
        if fault:
            refused.append(_refusal(rows, row, fault))
            continue
        said.setdefault(row["affiliate_id"], set()).add(details.sealable)
        sound.append((row, details))
    accepted: dict[str, Details] = {}
    duplicates = 0
    for place_of, details in sound:
        whose = place_of["affiliate_id"]
        if len(said[whose]) > 1:
            another = "another row of this import says something else of the same affiliate"
            fault = Fault(Code.CONFLICT, "affiliate_id", f"{another}; leave one of them")
            refused.append(_refusal(rows, place_of, fault))
        elif whose in accepted or details == known.get(whose):
            duplicates += 1
        else:
            accepted[whose] = details
    place = {name: number for number, name in enumerate(rows.names)}
    refused.sort(key=lambda each: (place[each.file], each.line))
    return Judged(dict(sorted(accepted.items())), duplicates, tuple(refused))


def ids_of(rows: Rows) -> pl.Series:
    """The affiliates that the sound rows name, where they name one."""
    ids = rows.frame["affiliate_id"]
    return ids.filter(ids.str.contains(rf"\A{_ID}\z"))


def details_of(row: Mapping[str, Any]) -> Details:
    """A row of text (null: no such column) as details: spaces around values are none of them."""
    given = {name: (row[name] or "").strip() for name in COLUMNS_OF_DETAILS}
    given["iban"] = accounts.plain_iban(given["iban"])
    extra = json.loads(row["extra"]) if row["extra"] else {}
    # A column that is there more than once has all its values, as one text.
    further = {name: value if isinstance(value, str) else json.dumps(value)
               for name, value in extra.items() if value}  # fmt: skip
    return Details(**given, extra=further)


def _faults(
    whose: str, details: Details, exists: Callable[[str], bool], decimals: Mapping[str, int]
) -> Iterator[Fault]:
    if not re.fullmatch(_ID, whose):
        said = f"an id has 1 to {MAX_ID} characters, none of them a control character"
        yield Fault(Code.BAD_ID, "affiliate_id", said)
    elif not exists(whose):
        said = f"there is no affiliate {harmless(whose)!r}; ids are case-sensitive"
        yield Fault(Code.UNKNOWN_AFFILIATE, "affiliate_id", said)
    if details.currency and details.currency not in decimals:
        said = f"{harmless(details.currency)!r} is no currency; write such as EUR"
        yield Fault(Code.UNKNOWN_CURRENCY, "currency", said)
    for column, message in account_faults(details):
        yield Fault(Code.BAD_PAYEE, column, message)


def account_faults(details: Details) -> Iterator[tuple[str, str]]:
    """What is wrong with an account: the column, and a sentence without its value."""
    values = {name: getattr(details, name) for name in COLUMNS_OF_DETAILS}
    for column, value in (*values.items(), *details.extra.items()):
        if _CONTROL.search(value):
            yield column, "the value holds a control character; remove it"
        if len(value) > LONGEST:
            yield column, f"the value has {len(value)} characters where {LONGEST} are the most"
    if not details.payee_name:
        yield "payee_name", "the payee_name is empty; write the name that the account has"
    if details.method not in METHODS:
        found = repr(harmless(details.method)) if details.method else "the empty method"
        yield "method", f"{found} is no method; write one of {', '.join(METHODS)}"
    for column in _NEEDED.get(details.method, ()):
        if not values[column]:
            yield column, f"the {column} is empty; {details.method} needs it"
    if details.method == "wise" and not details.place:
        yield "email", "the email is empty; wise needs it, or an iban, or an account_number"
    yield from _wrong_numbers(details)
    if details.email and not _EMAIL.fullmatch(details.email):
        yield "email", f"{masked('email', details.email)} is no e-mail address"
    if details.account_type not in ("", *_TYPES):
        found = repr(harmless(details.account_type))
        yield "account_type", f"{found} is no account_type; write {' or '.join(_TYPES)}"
    if details.country and (wrong := accounts.country_fault(details.country)):
        yield "country", f"{harmless(details.country)!r} {wrong}"
    if any(values[name] for name in ADDRESS):
        for column in ("town", "country"):
            if not values[column]:
                yield column, f"the {column} is empty; an address has a town and a country"


def _wrong_numbers(details: Details) -> Iterator[tuple[str, str]]:
    if details.iban and (wrong := accounts.iban_fault(details.iban)):
        yield "iban", f"{masked('iban', details.iban)} {wrong}"
    if details.bic and (wrong := accounts.bic_fault(details.bic)):
        yield "bic", f"{harmless(details.bic)!r} {wrong}"
    if details.method == "ach":
        number = details.routing_number
        if number and (wrong := accounts.routing_fault(number)):
            yield "routing_number", f"{masked('routing_number', number)} {wrong}"
        if details.account_number and not _ACH_NUMBER.fullmatch(details.account_number):
            said = "is no account number of ACH: it has 1 to 17 letters, digits, spaces and hyphens"
            yield "account_number", f"{masked('account_number', details.account_number)} {said}"


def _refusal(rows: Rows, row: Mapping[str, Any], fault: Fault) -> Refusal:
    value = row.get(fault.column) or ""
    plain = fault.column in ("affiliate_id", *SHOWN)
    text = harmless(value) if plain else masked(fault.column, value) if value else ""
    return Refusal(
        code=fault.code,
        file=rows.names[row["file"]],
        line=row["line"],
        column=fault.column,
        text=_CONTROL.sub("�", text),
        message=fault.message,
        raw=KEPT,
    )
