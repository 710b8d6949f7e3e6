"""A TOML file says what the columns of a CSV file are; it is refused whole with every fault."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from commission_engine.finance.reconcile.entry import Said
from commission_engine.finance.reconcile.table import FIELDS, PENDING, Columns, plain_name
from commission_engine.problems import UsageError

TEXTS: Mapping[str, tuple[str, ...]] = {
    "account": (),
    "currency": (),
    "delimiter": (",", ";", "\t", "|"),
    "decimal": (".", ","),
    "thousands": ("", ".", ",", " ", "'"),
    "date": ("YYYY-MM-DD", "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "YYYYMMDD", "DD-MM-YYYY"),
    "encoding": ("utf-8", "cp1252"),
    "sent": ("negative", "positive"),
}
"""The keys that are texts, with what they may be; () for anything."""
TABLES = ("columns", "status", "only")
SAYS = (str(Said.PAID), str(Said.FAILED), str(Said.RETURNED), str(Said.OTHER), PENDING)
NEEDED = ("reference", "amount", "date")


def read_mapping(path: Path) -> Columns:
    """The mapping of a file; UsageError names every fault."""
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as why:
        raise UsageError(f"{path}: cannot be read: {why.strerror}", "Check the name.") from why
    except (ValueError, RecursionError) as why:  # also not UTF-8, numbers too long
        raise UsageError(f"{path}: this is not TOML: {why}", "Mend the file.") from why
    faults = [f"{path}: {said}" for said in _faults(data)]
    if faults:
        raise UsageError(
            "\n".join(faults), "Mend the file; docs/reconcile.md explains it. Nothing was read."
        )
    texts = {key: data[key] for key in TEXTS if key in data and key != "sent"}
    columns = {
        key: (names,) if isinstance(names, str) else tuple(names)
        for key, names in data["columns"].items()
    }
    status = {plain_name(word): said for word, said in data.get("status", {}).items()}
    sent = data.get("sent", "negative") == "negative"
    return Columns("csv", columns, status, data.get("only", {}), sent_is_negative=sent, **texts)


def _faults(data: Mapping[str, Any]) -> list[str]:
    found = [
        f"{key}: is not known{_near(key, (*TEXTS, *TABLES))}"
        for key in data
        if key not in TEXTS and key not in TABLES
    ]
    for key, may_be in TEXTS.items():
        value = data.get(key, may_be[0] if may_be else "")
        if not isinstance(value, str):
            found.append(f"{key}: {value!r} is not a text")
        elif may_be and value not in may_be:
            found.append(f"{key}: {value!r} is none of {', '.join(map(repr, may_be))}")
    found += [
        f"{table}: write [{table}] on a line of its own, and its keys below"
        for table in TABLES
        if not isinstance(data.get(table, {}), dict)
    ]
    return found or [*_faults_of_columns(data), *_faults_of_words(data)]


def _faults_of_columns(data: Mapping[str, Any]) -> list[str]:
    columns = data.get("columns", {})
    found = [
        f"columns.{key}: is not known{_near(key, FIELDS)}" for key in columns if key not in FIELDS
    ]
    for key, names in columns.items():
        listed = [names] if isinstance(names, str) else names
        if not isinstance(listed, list) or not listed or not all(
            isinstance(each, str) and each.strip() for each in listed
        ):  # fmt: skip
            found.append(f"columns.{key}: {names!r} is not the name of a column, or a list of them")
    needed = [*NEEDED, *(["status"] if "status" in data else [])]
    if "currency" not in data:
        needed.append("currency")
    found += [f"columns.{key}: is missing" for key in needed if key not in columns]
    if "account" not in data and "account" not in columns:
        found.append('account: is missing; write such as account = "DE02..."')
    if "status" in columns and "status" not in data:
        found.append("status: is missing; write [status], and below what each word means")
    return found


def _faults_of_words(data: Mapping[str, Any]) -> list[str]:
    found = [
        f"status.{word}: {said!r} is none of {', '.join(SAYS)}"
        for word, said in data.get("status", {}).items()
        if said not in SAYS
    ]
    found += [
        f"only.{name}: {value!r} is not a text"
        for name, value in data.get("only", {}).items()
        if not isinstance(value, str)
    ]
    return found


def _near(key: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(key, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
