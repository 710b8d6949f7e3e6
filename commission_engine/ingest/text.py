"""A CSV file -> a frame of text and its malformed rows, in stretches of bounded size."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import polars as pl

from commission_engine.ingest.columns import COLUMNS, Kind, check_names
from commission_engine.ingest.one_row import MAX_ROW, Malformed, fields_of
from commission_engine.ingest.scan import Scanned, scan
from commission_engine.problems import CommissionError, FileRefused

BLOCK = 4 << 20
"""Bytes read at a time, a few times MAX_ROW. Of lines that hold nothing but a quote, taking them
apart needs some 70 times as much memory."""

_BOM = b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"(?:\r?\n)*+")
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
BROKEN = pl.Schema([*PLACES.items(), ("message", pl.String)])


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a file: its names, its first line, and the offset and line after it."""

    names: tuple[str, ...]
    begins: int
    offset: int
    line: int


def check_text(path: Path, kind: Kind) -> None:
    """Raises FileRefused for a file whose rows cannot be told, OSError where it cannot be read."""
    with path.open("rb") as file:
        _checked_head(path, file, kind)


def read_text(path: Path, kind: Kind) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """The rows of a file (known columns, `extra`, PLACES) and its malformed ones (BROKEN), a
    stretch of the file at a time. Raises as `check_text`.
    """
    with path.open("rb") as file:
        head = _checked_head(path, file, kind)
        file.seek(head.offset)
        for found in _stretches(file, head):
            broken = [(line, start, stop, message) for start, stop, line, message in found.broken]
            faults = pl.DataFrame(broken, schema=BROKEN, orient="row")
            yield _table(kind, head.names, found), faults


def _checked_head(path: Path, file: BufferedReader, kind: Kind) -> Head:
    head = _head(path, file)
    check_names(path, kind, head.names, f"line {head.begins}")
    return head


def _head(path: Path, file: BufferedReader) -> Head:
    data = file.read(2 * MAX_ROW)
    for mark, what in _NOT_TEXT:
        if data.startswith(mark):
            raise FileRefused(f"{path}: this is {what}", "Save it as CSV in UTF-8.")
    begin = len(_BOM) if data.startswith(_BOM) else 0
    blank = _BLANK_LINES.match(data, begin)
    start = blank.end() if blank else begin
    line = 1 + data.count(b"\n", begin, start)
    if not data[start:].rstrip(b"\r\n"):
        if len(data) == 2 * MAX_ROW:
            blank_bytes = f"{path}: the file begins with {len(data)} blank bytes"
            raise FileRefused(blank_bytes, _HEADER_FIRST)
        raise FileRefused(f"{path}: the file is empty", f"{_HEADER_FIRST} Is the file complete?")
    end = _record_end(data, start)
    if end - start > MAX_ROW:
        raise FileRefused(
            f"{path}: line {line}, the header, has more than {MAX_ROW} bytes",
            f"{_HEADER_FIRST} Is there a quote that is not closed?",
        )
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
    after = line + 1 + header.count(b"\n")
    return Head(tuple(names), line, min(end + 1, len(data)), after)


def _record_end(data: bytes, start: int) -> int:
    """The end of the line at which no quoted field is open."""
    is_open = False
    while (end := data.find(b"\n", start)) >= 0:
        is_open ^= data.count(b'"', start, end) % 2 == 1
        if not is_open:
            return end
        start = end + 1
    return len(data)


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
            found, last = _skipped(file, len(data), data[-1:])
        data = data[found.taken :]
        taken, passed = found.taken, found.passed
        found.shift(offset, line)
        yield found
        offset, line = offset + taken, line + passed


def _skipped(file: BufferedReader, size: int, before: bytes) -> tuple[Scanned, bool]:
    """Pass over a line that is longer than a row may be; `size` bytes are read, up to `before`.

    Leaves the file after it; answers whether the file ended.
    """
    stop, ended = size, False
    while not ended:
        block = file.readline(BLOCK)
        ended = not block
        if block.endswith(b"\n"):
            line_end = len(b"\r\n") if (before + block).endswith(b"\r\n") else 1
            stop += len(block)
            return Scanned.only_broken(stop, stop - line_end), False
        stop, before = stop + len(block), block[-1:] or before
    return Scanned.only_broken(stop, stop - (before == b"\r")), True


def _table(kind: Kind, names: Sequence[str], found: Scanned) -> pl.DataFrame:
    """The sound rows of a stretch, in the order of the file."""
    numbered = [str(number) for number in range(len(names))]
    bulk = _parsed(found, numbered).with_columns(
        line=pl.lit(pl.Series(found.lines, dtype=pl.Int64)),
        start=pl.lit(pl.Series(found.starts, dtype=pl.Int64)),
        stop=pl.lit(pl.Series(found.stops, dtype=pl.Int64)),
    )
    if found.careful:
        slow = pl.DataFrame(
            [(*fields, line, start, stop) for start, stop, line, fields in found.careful],
            schema={**dict.fromkeys(numbered, pl.String), **PLACES},
            orient="row",
        )
        bulk = pl.concat([bulk, slow]).sort("start")
    return bulk.select(
        *known_and_extra(kind, list(zip(names, numbered, strict=True))), *PLACES.names()
    )


def _parsed(found: Scanned, numbered: Sequence[str]) -> pl.DataFrame:
    """Let Polars take the bulk apart; every row has as many fields as `numbered`."""
    schema = dict.fromkeys(numbered, pl.String)
    if not found.bulk:
        return pl.DataFrame(schema=schema)
    # The first row is ours and is dropped: at the beginning of its input Polars looks for a BOM
    # and for compressed data, and what begins a stretch is an id.
    guard = b",".join([b"x"] * len(numbered)) + b"\n"
    table = pl.read_csv(
        BytesIO(guard + found.bulk),
        has_header=False,
        schema=schema,
        quote_char='"' if b'"' in found.bulk else None,
    ).slice(1)
    if table.height != len(found.lines):
        raise CommissionError(
            f"{len(found.lines)} rows were found and {table.height} read",
            "This is a fault of the program; nothing was imported.",
        )
    return table.with_columns(pl.all().fill_null(""))


def known_and_extra(kind: Kind, columns: Sequence[tuple[str, str]]) -> list[pl.Expr]:
    """The kind's known columns and `extra` out of a table; `columns`: a name, and where it is.

    A missing optional column is null; `extra` is null where there are no unknown columns. An
    unknown column that is there more than once has its values as a list, in their order.
    """
    places: dict[str, list[str]] = {}
    for name, place in columns:
        places.setdefault(name, []).append(place)
    known = COLUMNS[kind].known
    unknown = sorted(places.keys() - set(known))
    extra = (
        pl.struct(_values(places[name]).alias(name) for name in unknown).struct.json_encode()
        if unknown
        else pl.lit(None, pl.String)
    )
    return [
        *(
            (pl.col(places[name]) if name in places else pl.lit(None, pl.String)).alias(name)
            for name in known
        ),
        extra.alias("extra"),
    ]


def _values(places: Sequence[str]) -> pl.Expr:
    return pl.col(places[0]) if len(places) == 1 else pl.concat_list(places)
