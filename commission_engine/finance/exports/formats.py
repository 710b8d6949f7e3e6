"""How each format says the rows of an export: CSV, JSON lines and Parquet. XLSX: see workbook.py.

CSV and XLSX are opened by spreadsheets, so their texts are made safe (`publish.text`); in the
others texts are as the book has them. Amounts are exact everywhere.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

import polars as pl

from commission_engine.finance.exports.shape import Kind, Table
from commission_engine.money import MAX_UNIT_DECIMALS
from commission_engine.publish import text
from commission_engine.publish.folder import Made

ROWS_IN_A_FILE = 250_000
"""Of Parquet, whose files are made in memory; then a further file begins."""

AMOUNT = pl.Decimal(38, MAX_UNIT_DECIMALS)
FRACTION = pl.Decimal(38, 18)
BOM = b"\xef\xbb\xbf"


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    JSONL = "jsonl"


STORED: Mapping[Format, Mapping[Kind, str]] = {
    Format.CSV: dict.fromkeys(Kind, "text"),
    Format.JSONL: {**dict.fromkeys(Kind, "string"), Kind.WHOLE: "number"},
    Format.PARQUET: {
        Kind.TEXT: "STRING",
        Kind.WHOLE: "INT64",
        Kind.AMOUNT: f"DECIMAL(38, {MAX_UNIT_DECIMALS})",
        Kind.FRACTION: "DECIMAL(38, 18)",
        Kind.DAY: "DATE",
        Kind.INSTANT: "TIMESTAMP(MICROS, UTC)",
    },
    Format.XLSX: {
        Kind.TEXT: "text",
        Kind.WHOLE: "number",
        Kind.AMOUNT: "number; of more than 15 digits, which a spreadsheet would round, text",
        Kind.FRACTION: "number; of more than 15 digits text",
        Kind.DAY: "date; before March 1900 text",
        Kind.INSTANT: "text",
    },
}
"""The type of a column in a file, by what it holds."""


def plain_texts(table: Table) -> list[pl.Expr]:
    """Every column as the text of a file, but whole numbers as they are."""
    said: dict[Kind, Callable[[str], pl.Expr]] = {
        Kind.AMOUNT: text.amount,
        Kind.DAY: text.day,
        Kind.INSTANT: text.instant,
    }
    return [
        said[kind](name).alias(name) if kind in said else pl.col(name)
        for name, kind, *_ in table.columns
    ]


def csv(table: Table, frames: Iterable[pl.DataFrame], *, excel: bool) -> Iterator[Made]:
    """One file, RFC 4180 in UTF-8 with LF; for Excel with a byte order mark and CRLF."""
    end = "\r\n" if excel else "\n"

    def parts() -> Iterator[bytes]:
        head = pl.DataFrame(schema=table.shape).select(plain_texts(table))
        yield (BOM if excel else b"") + text.csv(head, line_end=end)
        for frame in frames:
            yield text.csv(frame.select(plain_texts(table)), header=False, line_end=end)

    yield Made(f"{table.name}.csv", parts())


def jsonl(table: Table, frames: Iterable[pl.DataFrame]) -> Iterator[Made]:
    """One file, a JSON object a line; amounts are strings, since JSON's numbers are floats to most
    readers."""

    def parts() -> Iterator[bytes]:
        for frame in frames:
            out = io.BytesIO()
            frame.select(plain_texts(table)).write_ndjson(out)
            yield out.getvalue()

    yield Made(f"{table.name}.jsonl", parts())


def parquet(table: Table, frames: Iterable[pl.DataFrame]) -> Iterator[Made]:
    """Files of ROWS_IN_A_FILE rows, at least one: lines.parquet, lines-2.parquet, ..."""
    for number, frame in enumerate(_gathered(table, frames), 1):
        out = io.BytesIO()
        frame.write_parquet(out, compression="zstd")
        yield Made(f"{numbered(table.name, number)}.parquet", [out.getvalue()])


def numbered(name: str, number: int) -> str:
    """The name of the first, second, ... file of several."""
    return name if number == 1 else f"{name}-{number}"


def _gathered(table: Table, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    typed = _typed(table)
    none = pl.DataFrame(schema=table.shape).select(typed)
    held, files = none, 0
    for frame in frames:
        held = pl.concat([held, frame.select(typed)], rechunk=False)
        if held.height >= ROWS_IN_A_FILE:
            yield held[:ROWS_IN_A_FILE]
            held, files = held[ROWS_IN_A_FILE:], files + 1
    if held.height or not files:
        yield held


def _typed(table: Table) -> list[pl.Expr]:
    exact: dict[Kind, Callable[[str], pl.Expr]] = {
        Kind.AMOUNT: lambda name: text.amount(name).cast(AMOUNT),
        Kind.FRACTION: lambda name: pl.col(name).cast(FRACTION),
        Kind.DAY: lambda name: pl.col(name).cast(pl.Int32).cast(pl.Date),
        Kind.INSTANT: lambda name: pl.from_epoch(name, time_unit="us").dt.replace_time_zone("UTC"),
    }
    return [
        exact[kind](name).alias(name) if kind in exact else pl.col(name)
        for name, kind, *_ in table.columns
    ]
