"""A Parquet file -> the same frame of text as a CSV file gives."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from commission_engine.ingest.columns import COLUMNS, Kind, check_names
from commission_engine.ingest.text import known_and_extra
from commission_engine.problems import FileRefused

_IDS = ("event_id", "affiliate_id", "referrer_id", "reverses")
_TIMES = ("occurred_at", "since")
_NUMBER = "number of the row"
ROWS_AT_ONCE = 1 << 18
_UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


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
    columns = {name: name for name in schema.names()}
    rows = pl.scan_parquet(path, glob=False)
    first, height = 0, 1
    while first < height:
        try:
            height = rows.select(pl.len()).collect().item()
            table = rows.slice(first, ROWS_AT_ONCE).collect()
        except _UNREADABLE as fault:
            raise _refused(path, fault) from None
        number = pl.int_range(first + 1, first + 1 + pl.len(), dtype=pl.Int64)
        yield table.with_columns(text).select(
            *known_and_extra(kind, columns), line=number, start=number, stop=number + 1
        )
        first += ROWS_AT_ONCE


def rows_as_json(path: Path, numbers: pl.Series) -> dict[int, str]:
    """The rows of these numbers (from 1) as JSON objects, by number."""
    schema = _schema(path)
    rows = (
        pl.scan_parquet(path, glob=False)
        .with_row_index(_NUMBER, 1)
        .filter(pl.col(_NUMBER).is_in(numbers.unique().implode()))
        .collect()
    )
    as_json = pl.struct(_plain(path, name, dtype) for name, dtype in schema.items())
    texts = rows.select(as_json.struct.json_encode()).to_series()
    return dict(zip(rows[_NUMBER].to_list(), texts.to_list(), strict=True))


def _schema(path: Path) -> pl.Schema:
    try:
        with path.open("rb") as file:
            return pl.Schema(pl.read_parquet_schema(file))
    except _UNREADABLE as fault:
        raise _refused(path, fault) from None


def _refused(path: Path, fault: BaseException) -> FileRefused:
    if isinstance(fault, PermissionError):
        raise fault
    return FileRefused(
        f"{path}: this is not a whole Parquet file",
        "It may be cut short; write it again. The name of a CSV file does not end in .parquet.",
    )


def _plain(path: Path, name: str, dtype: pl.DataType) -> pl.Expr:
    """A column that can be written as JSON: bytes as hexadecimal digits."""
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
        return column.dt.to_string("%Y-%m-%d").fill_null("")
    if name in _TIMES and isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return utc.dt.to_string("%Y-%m-%dT%H:%M:%S%.fZ").fill_null("")
    raise FileRefused(
        f"{path}: the column {name!r} is of type {dtype}, which is not exact text here",
        f"Write it as {_right_type(name)}.",
    )


def _right_type(name: str) -> str:
    if name == "amount":
        return "text, decimals or whole numbers; a binary fraction is not an exact amount"
    if name in _TIMES:
        return "text, dates or timestamps"
    return "text or whole numbers" if name in _IDS else "text"
