"""What was fetched from each source: its looks, the files it gave, and its watermark.

A fetch is recorded in the transaction of the rows that it brought, so that a watermark never goes
further than what is in the book.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa

from commission_engine.book import audit, bulk
from commission_engine.book.digests import Span, span_of
from commission_engine.book.runs import last_intake
from commission_engine.book.schema_people import source_fetch, source_file

COUNTS = ("read", "accepted", "duplicate", "rejected")


class Mark(NamedTuple):
    """How far a source was read: the largest value of a column, as text, with its type."""

    column: str
    type: str
    text: str


@dataclass(frozen=True, slots=True)
class TakenFile:
    """A file that a fetch took; `refused` says why it is none, "" that its rows were judged."""

    name: str
    version: str
    bytes: int
    sha256: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One look at a source that was reached, and what the book made of what it gave."""

    source: str
    kind: str
    read: int
    accepted: int
    duplicate: int
    rejected: int
    mark: Mark | None
    files: Sequence[TakenFile]


class Known(NamedTuple):
    """What the book knows of a source: when it was read last, how far, and files by version."""

    fetches: int
    fetched_at: str
    mark: Mark | None
    files: frozenset[tuple[str, str]]
    refused: int
    """How many of its files were refused as a whole."""


def known(connection: sa.Connection, source: str) -> Known:
    """Everything that earlier fetches left of a source."""
    own = source_fetch.c.source == source
    last = connection.execute(
        sa.select(source_fetch).where(own).order_by(source_fetch.c.id.desc()).limit(1)
    ).one_or_none()
    if last is None:
        return Known(0, "", None, frozenset(), 0)
    mark = Mark(last.mark_column, last.mark_type, last.mark) if last.mark_column else None
    count = connection.execute(sa.select(sa.func.count()).select_from(source_fetch).where(own))
    named = sa.select(source_file.c.name, source_file.c.version, source_file.c.refused)
    files = connection.execute(
        named.join(source_fetch, source_fetch.c.id == source_file.c.fetch_id).where(own)
    ).all()
    versions = frozenset((row.name, row.version) for row in files)
    refused = sum(bool(row.refused) for row in files)
    return Known(int(count.scalar_one()), str(last.fetched_at), mark, versions, refused)


def next_fetch(connection: sa.Connection) -> int:
    """The number that the next fetch gets."""
    return bulk.next_number(connection, source_fetch.c.id)


def add_fetch(connection: sa.Connection, fetch: Fetch, signed: audit.Signed) -> int:
    """Add a fetch with its files and its row of the audit trail; its number."""
    number = next_fetch(connection)
    mark = fetch.mark or Mark("", "", "")
    counts = {name: getattr(fetch, name) for name in COUNTS}
    row: dict[str, Any] = {
        "id": number,
        "source": fetch.source,
        "kind": fetch.kind,
        "fetched_at": signed.at,
        "intake": last_intake(connection),
        **counts,
        "mark_column": mark.column,
        "mark_type": mark.type,
        "mark": mark.text,
    }
    files = pl.DataFrame(
        {
            "fetch_id": [number] * len(fetch.files),
            "number": range(1, len(fetch.files) + 1),
            "name": [each.name for each in fetch.files],
            "version": [each.version for each in fetch.files],
            "bytes": [each.bytes for each in fetch.files],
            "sha256": [each.sha256 for each in fetch.files],
            "refused": [each.refused for each in fetch.files],
        }
    )
    parts = (
        (source_fetch, pl.DataFrame({name: [value] for name, value in row.items()})),
        (source_file, files),
    )
    spans: dict[str, Span] = {
        table.name: span
        for table, frame in parts
        if frame.height and (span := span_of(table, frame.to_dict()))
    }
    details = {"source": fetch.source, **counts, "files": len(fetch.files)}
    if fetch.mark:
        details["watermark"] = fetch.mark.text
    # Recorded first: a book from before the trail binds now what was there before this.
    audit.record(connection, signed, "fetch", str(number), details, spans)
    for table, frame in parts:
        if frame.height:
            bulk.insert(connection, table, frame.to_dict())
    return number
