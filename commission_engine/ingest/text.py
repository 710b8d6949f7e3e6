"""A CSV file -> a frame of text and its malformed rows, in stretches of bounded size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from commission_engine.ingest.columns import COLUMNS, Kind, check_names
from commission_engine.ingest.lines import MAX_ROW, Malformed, Scanned, fields_of, scan, too_long
from commission_engine.problems import FileRefused

BLOCK = 16 << 20
"""Bytes read at a time; at least a few times MAX_ROW."""

_BOM = b"\xef\xbb\xbf"
_NOT_TEXT = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a workbook or a zip archive"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"PAR1", "a Parquet file (such a file's name ends in .parquet)"),
)

PLACES = pl.Schema({"line": pl.Int64, "start": pl.Int64, "stop": pl.Int64})
BROKEN = pl.Schema({**PLACES, "message": pl.String})


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a file, and the place after it."""

    names: tuple[str, ...]
    offset: int
    line: int


def read_text(path: Path, kind: Kind) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a file (known columns, `extra`, PLACES) and its malformed ones (BROKEN).

    Raises FileRefused for a file whose rows cannot be told, OSError where it cannot be read.
    """
    with path.open("rb") as file:
        head = _head(path, file)
        check_names(path, kind, head.names, f"line {head.line - 1}")
        tables, broken = [_table(kind, head.names, Scanned.nothing())], []
        file.seek(head.offset)
        for found in _stretches(file, head):
            tables.append(_table(kind, head.names, found))
            broken.extend(found.broken)
    faults = pl.DataFrame(
        [(line, start, stop, message) for start, stop, line, message in broken],
        schema=BROKEN,
        orient="row",
    )
    return pl.concat(tables), faults


def _head(path: Path, file: BufferedReader) -> Head:
    data = file.read(2 * MAX_ROW)
    for mark, what in _NOT_TEXT:
        if data.startswith(mark):
            raise FileRefused(f"{path}: this is {what}", "Save it as CSV in UTF-8.")
    start, line = (len(_BOM) if data.startswith(_BOM) else 0), 1
    while data[start : start + 2].lstrip(b"\r")[:1] == b"\n":
        start, line = data.index(b"\n", start) + 1, line + 1
    if not data[start:].rstrip(b"\r\n"):
        raise FileRefused(f"{path}: the file is empty", f"{_HEADER_FIRST} Is the file complete?")
    end = data.find(b"\n", start)
    while end >= 0 and data.count(b'"', start, end) % 2:
        end = data.find(b"\n", end + 1)
    end = len(data) if end < 0 else end
    header = data[start:end].removesuffix(b"\r")
    try:
        names = fields_of(header, None)
    except Malformed as fault:
        if b"\r" in header and b"\n" not in data:
            raise FileRefused(
                f"{path}: the lines end with a carriage return alone",
                "Save the file with LF or CRLF line ends.",
            ) from None
        raise FileRefused(f"{path}: line {line}, the header: {fault}", _HEADER_FIRST) from None
    return Head(tuple(names), min(end + 1, len(data)), line + 1 + header.count(b"\n"))


_HEADER_FIRST = "The first line names the columns, in UTF-8, separated by commas."


def _stretches(file: BufferedReader, head: Head) -> Iterator[Scanned]:
    """The rest of the file, its places counted from the beginning of the file."""
    width, offset, line = len(head.names), head.offset, head.line
    data, last = b"", False
    while not last:
        block = file.read(BLOCK)
        data, last = data + block, len(block) < BLOCK
        found = scan(data, width, last)
        if not found.taken and len(data) > MAX_ROW + 2 and not last:
            found, last = _skipped(file, len(data))
        data = data[found.taken :]
        taken, passed = found.taken, found.passed
        found.shift(offset, line)
        yield found
        offset, line = offset + taken, line + passed


def _skipped(file: BufferedReader, size: int) -> tuple[Scanned, bool]:
    """Pass over a line that is longer than a row may be, of which `size` bytes are read.

    Leaves the file after it; answers whether the file ended.
    """
    found, last = Scanned.nothing(), False
    stop = size
    while not last:
        block = file.read(BLOCK)
        last = len(block) < BLOCK
        end = block.find(b"\n")
        stop += len(block) if end < 0 else end
        if end >= 0:
            file.seek(end + 1 - len(block), 1)
            last = False
            break
    found.taken, found.passed = stop + 1, 1
    found.broken.append((0, stop, 0, too_long(stop)))
    return found, last
