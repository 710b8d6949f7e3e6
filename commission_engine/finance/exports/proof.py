"""What is on the disk, read back: the figures of a manifest come from the bytes, never from memory.

Each format is read by another way than it was written where there is one, and every amount has to
be the digits that its minor units give.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

import polars as pl

from commission_engine.dump import end_of_rows
from commission_engine.finance.exports import workbook
from commission_engine.finance.exports.formats import AMOUNT, Format
from commission_engine.finance.exports.shape import Figures, Table
from commission_engine.money import MAX_UNIT_DECIMALS
from commission_engine.problems import OutOfBalance
from commission_engine.publish import text

ROWS_AT_ONCE = 100_000
BLOCK = 4 << 20


def bytes_of(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file as it lies on the disk."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}


def figures_of(
    table: Table, how: Format, paths: list[Path], decimals: Mapping[str, int]
) -> Figures:
    """What the rows in these files come to; OutOfBalance where an amount is not of the form of its
    currency."""
    found = Figures(table)
    known = pl.col("currency").replace_strict(dict(decimals), default=None, return_dtype=pl.Int64)
    for path in paths:
        for frame in _READERS[how](table, path):
            placed = frame.with_columns(decimals=known)
            minor = placed.with_columns(
                _MINOR[how](placed.select(pl.col(name).alias("said"), "decimals")).alias(name)
                for name in table.summed
            )
            if any(minor[name].null_count() for name in ("decimals", *table.summed)):
                raise OutOfBalance(
                    f"{path.name}: a row on the disk has an amount that is none of its currency",
                    "Nothing was exported. Look at the disk, then run the same command again.",
                )
            found.add(minor)
    return found


# -- amounts in minor units, from columns `said` and `decimals`; null where one is none


def _from_plain(amounts: pl.DataFrame) -> pl.Series:
    """Of plain decimals: each has to be the one that its minor units give."""
    minor = pl.col("said").str.replace(".", "", literal=True).cast(pl.Int64, strict=False)
    read = amounts.with_columns(minor=minor)
    same = pl.col("said") == text.amount("minor")
    return read.select(pl.when(same).then("minor")).to_series()


def _from_scaled(amounts: pl.DataFrame) -> pl.Series:
    """Of decimals that all have the most places that there are: the rest has to be nothing."""
    unscaled = pl.col("said").str.replace(".", "", literal=True).cast(pl.Int128)
    more = pl.lit(10, pl.Int128).pow((MAX_UNIT_DECIMALS - pl.col("decimals")).cast(pl.UInt32))
    minor = pl.when(unscaled % more == 0).then((unscaled // more).cast(pl.Int64))
    return amounts.select(minor).to_series()


def _from_numbers(amounts: pl.DataFrame) -> pl.Series:
    """Of a spreadsheet's numbers."""
    minor = []
    for said, decimals in amounts.iter_rows():
        exact = None if decimals is None else Decimal(said).scaleb(decimals)
        minor.append(int(exact) if exact is not None and exact == int(exact) else None)
    return pl.Series(minor, dtype=pl.Int64)


_MINOR: Mapping[Format, Callable[[pl.DataFrame], pl.Series]] = {
    Format.CSV: _from_plain,
    Format.JSONL: _from_plain,
    Format.PARQUET: _from_scaled,
    Format.XLSX: _from_numbers,
}


# -- the columns that are needed, as texts


def _wanted(table: Table) -> list[str]:
    return [table.payee, "currency", *table.summed]


def _from_csv(table: Table, path: Path) -> Iterator[pl.DataFrame]:
    wanted = _wanted(table)
    with path.open("rb") as file:
        header = file.readline()
        for block in _whole_rows(file, end_of_rows):
            read = pl.read_csv(header + block, infer_schema=False, empty_string_is_null=False)
            yield read.select(wanted).with_columns(text.original(table.payee))


def _from_jsonl(table: Table, path: Path) -> Iterator[pl.DataFrame]:
    schema = dict.fromkeys(_wanted(table), pl.String)
    with path.open("rb") as file:
        for block in _whole_rows(file, lambda held: held.rfind(b"\n") + 1):
            yield pl.read_ndjson(io.BytesIO(block), schema=schema)


def _whole_rows(file: IO[bytes], end: Callable[[bytes], int]) -> Iterator[bytes]:
    """The rest of a file, whole rows at a time; `end` says where the last whole row ends. A file
    that is mapped into memory would be there as a whole before long."""
    held = b""
    while block := file.read(BLOCK):
        held += block
        if cut := end(held):
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def _from_parquet(table: Table, path: Path) -> Iterator[pl.DataFrame]:
    amounts = [pl.col(name).cast(AMOUNT).cast(pl.String) for name in table.summed]
    scanned = pl.scan_parquet(path).select(_wanted(table)).with_columns(amounts)
    return iter(scanned.collect_batches(chunk_size=ROWS_AT_ONCE))


def _from_workbook(table: Table, path: Path) -> Iterator[pl.DataFrame]:
    for frame in workbook.read_back(path, _wanted(table), ROWS_AT_ONCE):
        yield frame.with_columns(text.original(table.payee))


_READERS: Mapping[Format, Callable[[Table, Path], Iterator[pl.DataFrame]]] = {
    Format.CSV: _from_csv,
    Format.JSONL: _from_jsonl,
    Format.PARQUET: _from_parquet,
    Format.XLSX: _from_workbook,
}
