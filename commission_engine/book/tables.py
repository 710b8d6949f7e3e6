"""All rows of a book as they are stored, table by table, whatever its revision."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.revisions import OURS
from commission_engine.book.schema import metadata


def tables(connection: sa.Connection) -> dict[str, sa.Table]:
    """The tables of the book by name, as the database has them; a table comes after those that it
    refers to."""
    found = sa.MetaData()
    ours = metadata.tables.keys() - set(OURS)
    found.reflect(connection, only=lambda name, _: name in ours)
    return {each.name: each for each in found.sorted_tables}


def columns(table: sa.Table) -> Mapping[str, Any]:
    return {
        each.name: pl.String if isinstance(each.type, sa.Text) else pl.Int64 for each in table.c
    }


def rows(connection: sa.Connection, table: sa.Table) -> Iterator[pl.DataFrame]:
    """The rows of a table in parts, sorted by its key: the same on every database."""
    key = [
        sa.collate(each, "C")
        if isinstance(each.type, sa.Text) and connection.dialect.name == "postgresql"
        else each
        for each in table.primary_key
    ]
    query = sa.select(table).order_by(*key)
    yield from bulk.frames(connection, query, columns(table))


def add(connection: sa.Connection, table: sa.Table, part: pl.DataFrame) -> None:
    """Rows into a table; the columns are those of `rows`."""
    bulk.insert(connection, table, part.to_dict())


def filled(connection: sa.Connection) -> list[str]:
    """The tables of the book that have rows."""
    return [
        name
        for name, table in tables(connection).items()
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
    ]


def strangers(connection: sa.Connection) -> list[str]:
    """The tables of a database in which no book was ever made."""
    return sorted(sa.inspect(connection).get_table_names())


def analyse(connection: sa.Connection) -> None:
    """Let the server know what is in the tables, after much has been added."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE")
