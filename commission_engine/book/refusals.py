"""Refused rows in the book: each whole, with why."""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.schema import (
    affiliate,
    event,
    intake,
    profile,
    referral,
    refusal,
    run,
)
from commission_engine.problems import Refusal

JUDGED: Mapping[str, Any] = {
    "id": pl.Int64,
    "intake": pl.Int64,
    "kind": pl.String,
    "file": pl.String,
    "line": pl.Int64,
    "code": pl.String,
    "message": pl.String,
    "waits": pl.Boolean,
}
"""A refused row, and whether it waits: none with its id has been accepted since."""


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


# -- which of them were mended


def judged(
    connection: sa.Connection, where: sa.ColumnElement[bool], known: int | None = None
) -> pl.DataFrame:
    """The refused rows that meet a condition, shaped JUDGED and by number; mended are those of
    which an intake up to `known` (None: any) has brought a good one."""
    names = [name for name in JUDGED if name != "waits"]
    query = sa.select(*(refusal.c[name] for name in names), refusal.c.raw).where(where)
    found = connection.execute(query.order_by(refusal.c.id)).all()
    headers = _headers(connection, {row.intake for row in found})
    named = [(row, _id_of(row, headers)) for row in found]
    came = {
        kind: _came(
            connection, kind, {name for row, name in named if row.kind == kind and name}, known
        )
        for kind in {row.kind for row in found}
    }
    rows = [(*row[:-1], came[row.kind].get(name, 0) < row.intake) for row, name in named]
    return pl.DataFrame(rows, schema=dict(JUDGED), orient="row")


def _headers(connection: sa.Connection, intakes: set[int]) -> dict[tuple[int, str], str | None]:
    query = sa.select(intake.c.id, intake.c.files).where(intake.c.id.in_(intakes))
    return {
        (number, file["name"]): file["header"]
        for number, files in connection.execute(query)
        for file in json.loads(files)
    }


def _id_of(row: Any, headers: Mapping[tuple[int, str], str | None]) -> str:
    """The id that a refused row names, "" where it cannot be told."""
    column = "event_id" if row.kind == "earnings" else "affiliate_id"
    header = headers.get((row.intake, row.file))
    try:
        if header is None:  # of Parquet
            said = json.loads(row.raw).get(column)
            return str(said) if said is not None else ""
        names, fields = (next(csv.reader([text]), []) for text in (header, row.raw))
        return fields[names.index(column)]
    except (ValueError, IndexError, AttributeError, csv.Error):
        return ""


def _came(
    connection: sa.Connection, kind: str, names: set[str], known: int | None
) -> dict[str, int]:
    """By id the last intake up to `known` that learned a fact of this kind about it."""
    asked = pl.Series(sorted(names), dtype=pl.String)
    with bulk.listed(connection, asked) as wanted:
        if kind == "earnings":
            query = sa.select(event.c.event_id, event.c.intake).join_from(
                wanted, event, event.c.event_id == wanted.c.value
            )
            learned = event.c.intake
        else:
            of = referral if kind == "referrals" else profile
            query = (
                sa.select(affiliate.c.affiliate_id, sa.func.max(of.c.intake))
                .join_from(wanted, affiliate, affiliate.c.affiliate_id == wanted.c.value)
                .join(of, of.c.affiliate == affiliate.c.id)
                .group_by(affiliate.c.affiliate_id)
            )
            learned = of.c.intake
        if known is not None:
            query = query.where(learned <= known)
        return dict(bulk.frame(connection, query, {"id": pl.String, "n": pl.Int64}).iter_rows())
