"""config/accounts.toml: which account of another ledger stands for each of ours."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from itertools import permutations
from pathlib import Path
from typing import Any

from commission_engine.ledger.accounts import Account
from commission_engine.plan.read import Place, lines_of_keys
from commission_engine.problems import UsageError
from commission_engine.resources import folder

FILE = Path("config/accounts.toml")
_HINT = "Mend the file; nothing was exported. docs/journals.md explains every key."


class Ledger(StrEnum):
    """Another ledger that takes our journal."""

    BEANCOUNT = "beancount"
    HLEDGER = "hledger"
    XERO = "xero"
    QUICKBOOKS = "quickbooks"


@dataclass(frozen=True, slots=True)
class Chart:
    """The accounts of one ledger. `per_affiliate`: each affiliate has one of his own below that
    which is owed to all; `tax_rate` is what Xero wants with every line."""

    ledger: Ledger
    accounts: Mapping[Account, str]
    per_affiliate: bool = False
    tax_rate: str = ""


_ROLES = {account.name.lower(): account for account in Account}
_PER_AFFILIATE, _TAX_RATE = "per_affiliate", "tax_rate"
KEYS: Mapping[Ledger, tuple[str, ...]] = {
    Ledger.BEANCOUNT: (*_ROLES, _PER_AFFILIATE),
    Ledger.HLEDGER: (*_ROLES, _PER_AFFILIATE),
    Ledger.XERO: (*_ROLES, _TAX_RATE),
    Ledger.QUICKBOOKS: tuple(_ROLES),
}
"""The keys of each table."""

_PLAIN = "1 to 100 printable characters that begin with a letter or a digit"
_FORMS: Mapping[Ledger, tuple[str, str]] = {
    Ledger.BEANCOUNT: (
        r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+",
        "an account of Beancount, such as Liabilities:Affiliates, in ASCII",
    ),
    Ledger.HLEDGER: (
        r"[A-Za-z0-9]+([ _-][A-Za-z0-9]+)*(:[A-Za-z0-9]+([ _-][A-Za-z0-9]+)*)*",
        "an account of hledger, such as liabilities:affiliates, in ASCII",
    ),
    Ledger.XERO: (r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", "an account code of 1 to 10 characters"),
    Ledger.QUICKBOOKS: (r"\w[^\n]{0,99}", _PLAIN),
}


def read_chart(ledger: Ledger, named: Path | None) -> Chart:
    """The chart of a ledger: the file that is named, or FILE where it is there, before the
    defaults. UsageError names every fault of the file with its line."""
    path = named or (FILE if FILE.is_file() else None)
    own, faults = _read(path) if path else ({}, [])
    if faults:
        raise UsageError("\n".join(faults), _HINT)
    defaults, _ = _read(folder("config") / FILE.name)
    found = {**defaults[ledger], **own.get(ledger, {})}
    accounts = {account: found[name] for name, account in _ROLES.items()}
    for one, other in permutations(accounts.values(), 2):
        if one == other or other.startswith(f"{one}:"):
            how = "is there twice" if one == other else f"is below {one}"
            raise UsageError(
                f"{path}: [{ledger}]: {other} {how}",
                f"Name accounts of which none is part of another. {_HINT}",
            )
    per_affiliate, tax_rate = found.get(_PER_AFFILIATE, False), found.get(_TAX_RATE, "")
    return Chart(ledger, accounts, per_affiliate, tax_rate)


def _read(path: Path) -> tuple[dict[Ledger, dict[str, Any]], list[str]]:
    """The tables of a file, and its faults in the order of its lines."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = tomllib.loads(text)
    except OSError as why:
        raise UsageError(
            f"{path}: cannot be read: {why.strerror}", "Name a file of accounts (TOML)."
        ) from why
    except (ValueError, RecursionError) as why:  # also not UTF-8, numbers too long
        raise UsageError(f"{path}: this is not TOML: {why}", "Mend the file.") from why
    lines = lines_of_keys(text)
    faults: list[tuple[int, str]] = []

    def say(place: Place, sentence: str) -> None:
        line = lines.get(place, 1)
        faults.append((line, f"{path}:{line}: {'.'.join(map(str, place))}: {sentence}"))

    tables: dict[Ledger, dict[str, Any]] = {}
    for name, table in data.items():
        if name not in list(Ledger) or not isinstance(table, dict):
            known = ", ".join(f"[{each}]" for each in Ledger)
            say((name,), f"is no table of this file; write one of {known}")
            continue
        ledger = Ledger(name)
        tables[ledger] = table
        for key, value in table.items():
            if fault := _fault(ledger, key, value):
                say((name, key), fault)
    return tables, [said for _, said in sorted(faults)]


def _fault(ledger: Ledger, key: str, value: Any) -> str:
    """What is wrong with a key and its value; "" nothing."""
    if key not in KEYS[ledger]:
        close = get_close_matches(key, KEYS[ledger], 1)
        near = f"; did you mean {close[0]}?" if close else ""
        return f"is no key of [{ledger}]{near}"
    if key == _PER_AFFILIATE:
        return "" if isinstance(value, bool) else f"{value!r} is neither true nor false"
    form, told = (_FORMS[Ledger.QUICKBOOKS][0], _PLAIN) if key == _TAX_RATE else _FORMS[ledger]
    good = isinstance(value, str) and re.fullmatch(form, value) and value.isprintable()
    return "" if good else f"{value!r} is not {told}"
