"""A Parquet file -> the same frame of text as a CSV file gives."""

from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path

import polars as pl

from commission_engine.ingest.columns import COLUMNS, Kind, check_names
from commission_engine.ingest.text import known_and_extra
from commission_engine.problems import FileRefused

_IDS = ("event_id", "affiliate_id", "referrer_id", "reverses")
_TIMES = ("occurred_at", "since")
ROWS_AT_ONCE = 1 << 18
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_MAGIC = b"PAR1"

_DAYS = 90_000_000
"""A date of more days before or after 1970 is none that Polars can write as text."""

_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000}
"""In the units of a timestamp; of nanoseconds 64 bits do not hold as many."""


def check_parquet(path: Path, kind: Kind) -> None:
    """Raises FileRefused for what is not a Parquet file or has a type without an exact text form;
    OSError where it cannot be read.
    """
    schema = _schema(path)
    check_names(path, kind, schema.names(), "the schema")
    for name, dtype in schema.items():
        _as_text(path, kind, name, dtype)


def read_parquet(path: Path, kind: Kind) -> Iterator[pl.DataFrame]:
    """Known columns as text, `extra`, and line, start, stop: the row's number from 1.

    Some rows at a time. Raises as `check_parquet`, and FileRefused for a file that is cut short.
    """
    check_parquet(path, kind)
    schema = _schema(path)
    text = [_as_text(path, kind, name, schema[name]).alias(name) for name in schema.names()]
    columns = [(name, name) for name in schema.names()]
    rows = pl.scan_parquet(path, glob=False)
    first, height = 0, 1
    while first < height:
        try:
            height = rows.select(pl.len()).collect().item()
            number = pl.int_range(first + 1, first + 1 + pl.len(), dtype=pl.Int64)
            table = (
                rows.slice(first, ROWS_AT_ONCE)
                .collect()
                .with_columns(text)
                .select(*known_and_extra(kind, columns), line=number, start=number, stop=number + 1)
            )
        except _UNREADABLE as fault:
            raise _refused(path, fault) from None
        yield table
        first += ROWS_AT_ONCE


def rows_as_json(path: Path, numbers: pl.Series) -> dict[int, str]:
    """The rows of these numbers (from 1) as JSON objects, by number."""
    schema = _schema(path)
    number = "number"
    while number in schema:
        number += " of the row"
    as_json = pl.struct(_plain(path, name, dtype) for name, dtype in schema.items())
    rows = (
        pl.scan_parquet(path, glob=False)
        .with_row_index(number, 1)
        .filter(pl.col(number).is_in(numbers.unique().implode()))
        .select(pl.col(number), as_json.struct.json_encode().alias(f"{number} and it"))
        .collect()
    )
    return dict(rows.iter_rows())


def _schema(path: Path) -> pl.Schema:
    try:
        with path.open("rb") as file:
            return pl.Schema(pl.read_parquet_schema(file))
    except _UNREADABLE as fault:
        raise _refused(path, fault) from None


def _refused(path: Path, fault: BaseException) -> FileRefused:
    if isinstance(fault, PermissionError):
        raise fault
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC)) == _MAGIC
        file.seek(-min(len(_MAGIC), path.stat().st_size), SEEK_END)
        is_whole = begins and file.read() == _MAGIC
    if is_whole and isinstance(fault, pl.exceptions.DuplicateError):
        return FileRefused(
            f"{path}: the schema names a column more than once",
            "Every column has its own name; remove or rename the doubled one.",
        )
    if is_whole:
        said = "" if isinstance(fault, pl.exceptions.PanicException) else str(fault).strip()
        why = said.splitlines()[0][:200] if said else "it has a type or a value without text form"
        return FileRefused(
            f"{path}: this Parquet file cannot be read: {why}",
            "Write it again with plain types: text, whole numbers, decimals, dates, timestamps.",
        )
    return FileRefused(
        f"{path}: this is not a whole Parquet file",
        "It may be cut short; write it again. The name of a CSV file does not end in .parquet.",
    )


def _plain(path: Path, name: str, dtype: pl.DataType) -> pl.Expr:
    """A column that can be written as JSON: bytes as hexadecimal digits."""
    if isinstance(dtype, pl.Date):
        return _dated(name, dtype, "%Y-%m-%d")
    if isinstance(dtype, pl.Datetime):
        zone = "T%H:%M:%S%.f%:z" if dtype.time_zone else " %H:%M:%S%.f"
        return _dated(name, dtype, f"%Y-%m-%d{zone}")
    if isinstance(dtype, pl.Binary):
        return pl.col(name).bin.encode("hex")
    if dtype.is_nested() and "Binary" in str(dtype):
        raise FileRefused(
            f"{path}: the column {name!r} is of type {dtype}, which cannot be kept with a row",
            "Leave the column out.",
        )
    return pl.col(name)


def _as_text(path: Path, kind: Kind, name: str, dtype: pl.DataType) -> pl.Expr:
    """The exact text of a known column, where a null is an empty field; others as they are."""
    column = pl.col(name)
    if name not in COLUMNS[kind].known:
        return _plain(path, name, dtype)
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String).fill_null("")
    if name in (*_IDS, "amount") and dtype.is_integer():
        return column.cast(pl.String).fill_null("")
    if name == "amount" and isinstance(dtype, pl.Decimal):
        # The scale is the column's and not the amount's: 500.00 JPY is written 500.
        exact = column.cast(pl.String)
        shorter = exact.str.strip_chars_end("0").str.strip_chars_end(".")
        has_point = exact.str.contains(".", literal=True)
        return pl.when(has_point).then(shorter).otherwise(exact).fill_null("")
    if name in _TIMES and isinstance(dtype, pl.Date):
        return _dated(name, dtype, "%Y-%m-%d").fill_null("")
    if name in _TIMES and isinstance(dtype, pl.Datetime):
        return _dated(name, dtype, "%Y-%m-%dT%H:%M:%S%.fZ", in_utc=True).fill_null("")
    raise FileRefused(
        f"{path}: the column {name!r} is of type {dtype}, which is not exact text here",
        f"Write it as {_right_type(name)}.",
    )


def _dated(name: str, dtype: pl.Date | pl.Datetime, form: str, *, in_utc: bool = False) -> pl.Expr:
    """Dates or timestamps as text; one that no calendar has as its number."""
    column, number = pl.col(name), pl.col(name).to_physical()
    if isinstance(dtype, pl.Datetime) and dtype.time_zone and in_utc:
        column = column.dt.convert_time_zone("UTC")
    if isinstance(dtype, pl.Datetime) and dtype.time_unit not in _A_DAY:
        return column.dt.to_string(form)
    most = _DAYS * (_A_DAY[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1)
    written = pl.when(number.is_between(-most, most)).then(column).dt.to_string(form)
    return pl.coalesce(written, number.cast(pl.String))


def _right_type(name: str) -> str:
    if name == "amount":
        return "text, decimals or whole numbers; a binary fraction is not an exact amount"
    if name in _TIMES:
        return "text, dates or timestamps"
    return "text or whole numbers" if name in _IDS else "text"
