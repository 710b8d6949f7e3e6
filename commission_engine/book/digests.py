"""Digests of rows: SHA-256 over columns in one canonical form, a few nanoseconds a value.

The form depends on the values and their order alone, not on the database that kept them or on how
they were read: rows are taken 65,536 at a time, and of each part every column in turn. Whole
numbers are written as their least one (8 bytes), the bytes that the distance to the largest needs
(0, 1, 2, 4 or 8) and each one's distance from the least in so many; texts as the numbers of their
bytes (-1: none at all), and then the bytes of all of them. Numbers are little-endian.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.calendar import Ints

ROWS = 65_536
_FEW = 200
_WIDTHS = ((0, 0), (1, 2**8), (2, 2**16), (4, 2**32), (8, 2**64))


def canonical(value: Any) -> bytes:
    """JSON in one form: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def hashed(value: Any) -> str:
    return sha256(canonical(value)).hexdigest()


class Digest:
    """A digest of rows that come part by part, in columns of whole numbers and texts."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.rows = 0
        self._columns = tuple(columns)
        self._hash = sha256(canonical(self._columns))
        self._rest: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows; of the frame's columns those that were named count."""
        frame = frame.select(self._columns)
        self.rows += frame.height
        if self._rest is not None:
            frame = pl.concat([self._rest, frame])
        whole = frame.height - frame.height % ROWS
        for start in range(0, whole, ROWS):
            self._part(frame[start : start + ROWS])
        self._rest = frame[whole:] if whole < frame.height else None

    def sha256(self) -> str:
        """Of all rows; none can be added after it."""
        if self._rest is not None:
            self._part(self._rest)
            self._rest = None
        return self._hash.hexdigest()

    def _part(self, part: pl.DataFrame) -> None:
        self._hash.update(part.height.to_bytes(8, "little"))
        for column in part:
            for piece in _texts(column) if column.dtype == pl.String else _ints(column.to_numpy()):
                self._hash.update(piece)


def _ints(values: Ints) -> Iterator[bytes]:
    values = np.ascontiguousarray(values, np.int64)
    low = int(values.min())
    spread = int(values.max()) - low
    width = next(width for width, beyond in _WIDTHS if spread <= max(beyond - 1, 0))
    yield low.to_bytes(8, "little", signed=True) + bytes([width])
    if width:
        # Distances in 64 bits without a sign: what the subtraction loses it gains again.
        distance = values.view(np.uint64) - np.uint64(low % 2**64)
        yield distance.astype(f"<u{width}").tobytes()


def _texts(column: pl.Series) -> Iterator[bytes]:
    nulls = column.null_count()
    if nulls == len(column):
        yield from _ints(np.full(nulls, -1))
    elif len(column) <= _FEW:  # the same, without Polars' preparations
        texts = [None if text is None else text.encode("utf-8") for text in column.to_list()]
        yield from _ints(np.array([-1 if text is None else len(text) for text in texts]))
        yield b"".join(text for text in texts if text)
    else:
        lengths = column.str.len_bytes().cast(pl.Int64)
        yield from _ints((lengths.fill_null(-1) if nulls else lengths).to_numpy())
        yield column.str.join("").item().encode("utf-8")


def digest_of(frame: pl.DataFrame) -> dict[str, Any]:
    """The rows of a frame as a digest for people and JSON: rows, sha256."""
    digest = Digest(frame.columns)
    digest.add(frame)
    return {"rows": frame.height, "sha256": digest.sha256()}


class Span(NamedTuple):
    """Rows of a table whose key lies between two numbers, both included."""

    first: int
    last: int
    rows: int
    sha256: str


Spans: TypeAlias = dict[str, Span]
"""By table the rows that were added, for the audit trail."""

KEYS = {
    "intake": "id",
    "plan_version": "intake",
    "currency": "id",
    "affiliate": "id",
    "profile": "intake",
    "referral": "intake",
    "event": "id",
    "refusal": "id",
    "run": "day",
    "entry": "run_day",
    "activity": "run_day",
    "statement": "run_day",
    "payout": "run_day",
    "line_home": "id",
    "segment": "run_day",
    "hold": "run_day",
    "release": "intake",
    "published": "run_day",
    "payout_step": "intake",
    "payment_file": "intake",
    "payment_file_written": "file",
    "minimum_override": "intake",
    "source_fetch": "id",
    "source_file": "fetch_id",
    "adjustment": "intake",
    "staff": "intake",
    "true_up": "intake",
    "cap_shift": "intake",
    "proposal": "intake",
    "proposal_end": "intake",
    "bank_file": "intake",
    "bank_entry": "intake",
    "bank_decision": "intake",
    "archived": "intake",
    "archive_home": "intake",
    "payee": "intake",
    "payment_format": "file",
    "file_content": "intake",
    "closing": "intake",
    "refusal_waiver": "intake",
    "reopen_request": "intake",
    "reopening": "intake",
    "tax_document": "intake",
    "invoice": "intake",
    "exchange_rate": "intake",
    "payout_currency": "intake",
    "conversion": "run_day",
}
"""The tables whose rows the audit trail binds, and the column that says which row binds them."""


def order_of(table: sa.Table) -> list[str]:
    """The columns by which rows are sorted for their digest: the key, then the table's own."""
    key = KEYS[table.name]
    return [key, *(each.name for each in table.primary_key if each.name != key)]


def span_of(table: sa.Table, columns: bulk.Columns) -> Span | None:
    """The span of rows that are about to be added; columns that are missing are NULL. None for no
    row. They need not be sorted."""
    order, names = order_of(table), [column.name for column in table.c]
    keys = pl.Series(columns[order[0]])
    if not len(keys):
        return None
    digest = Digest(names)
    if len(order) == 1 and keys.is_sorted():  # part by part: never all of them twice in memory
        for start in range(0, len(keys), ROWS):
            stop = start + ROWS
            digest.add(_filled({name: each[start:stop] for name, each in columns.items()}, names))
    else:
        digest.add(_filled(columns, names).sort(order))
    return Span(int(keys.min()), int(keys.max()), len(keys), digest.sha256())  # type: ignore[arg-type]


def _filled(columns: bulk.Columns, names: Sequence[str]) -> pl.DataFrame:
    missing = [pl.lit(None, pl.String).alias(name) for name in names if name not in columns]
    return pl.DataFrame(dict(columns)).with_columns(missing)


@dataclass(slots=True)
class Added:
    """Rows on their way into bound tables: added, and remembered by their spans."""

    connection: sa.Connection
    spans: Spans = field(default_factory=dict)

    def rows(self, table: sa.Table, columns: bulk.Columns) -> None:
        """Add rows to a table, once a table; `columns` as `bulk.insert` takes them."""
        bulk.insert(self.connection, table, columns)
        if span := span_of(table, columns):
            self.spans[table.name] = span


def schema_of(table: sa.Table) -> Mapping[str, Any]:
    return {
        column.name: pl.String if isinstance(column.type, sa.Text) else pl.Int64
        for column in table.c
    }


def stored_rows(
    connection: sa.Connection,
    table: sa.Table,
    first: int | None,
    last: int | None,
    limit: int | None = None,
) -> pl.DataFrame:
    """The rows of a bound table whose key is in a range (None: no end), sorted for their digest;
    with `limit` only the first so many of them."""
    key = table.c[KEYS[table.name]]
    query = sa.select(table)
    if first is not None:
        query = query.where(key >= first)
    if last is not None:
        query = query.where(key <= last)
    if limit is not None:
        query = query.order_by(key).limit(limit)
    rows = bulk.frame(connection, query, schema_of(table))
    order = order_of(table)
    return rows if len(order) == 1 and rows[order[0]].is_sorted() else rows.sort(order)


def stored_span(connection: sa.Connection, table: sa.Table, first: int, last: int) -> Span | None:
    """The span of rows as the table has them; None for no row."""
    return span_of(table, stored_rows(connection, table, first, last).to_dict())
