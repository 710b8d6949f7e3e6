"""Refused rows in the book: each whole, with why."""

from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.schema import refusal, run
from commission_engine.problems import Refusal


def add_refusals(
    connection: sa.Connection, kind: str, refused: Sequence[Refusal], number: int
) -> Spans:
    """Keep refused rows whole."""
    added = Added(connection)
    first = bulk.next_number(connection, refusal.c.id)
    rows = [
        (each.file, each.line, str(each.code), each.column, each.text, each.message, each.raw)
        for each in refused
    ]
    names = ("file", "line", "code", "column_name", "text", "message", "raw")
    schema = {name: pl.Int64 if name == "line" else pl.String for name in names}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        id=pl.int_range(first, first + pl.len(), dtype=pl.Int64),
        intake=pl.lit(number),
        kind=pl.lit(kind),
    )
    added.rows(refusal, frame.to_dict())
    return added.spans


def not_yet_refused(
    connection: sa.Connection, kind: str, refused: Sequence[Refusal]
) -> list[Refusal]:
    """Those of `refused` that were not refused since the last run in just the same way."""
    since = sa.select(sa.func.coalesce(sa.func.max(run.c.intake), 0)).scalar_subquery()
    query = sa.select(
        refusal.c.file, refusal.c.line, refusal.c.code, refusal.c.column_name, refusal.c.raw
    ).where(refusal.c.kind == kind, refusal.c.intake > since)
    seen = {tuple(row) for row in connection.execute(query)}
    return [
        each
        for each in refused
        if (each.file, each.line, str(each.code), each.column, each.raw) not in seen
    ]
