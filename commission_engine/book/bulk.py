"""Millions of rows in and out, each database in the way that suits it.

Rows come and go as columns: NumPy arrays or Polars series, all of one length.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import polars as pl
import sqlalchemy as sa

from commission_engine.calendar import Ints

ROWS_AT_ONCE = 50_000

Columns: TypeAlias = Mapping[str, Ints | pl.Series]


def insert(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Add rows to a table; `columns` names each column of it that is not left NULL."""
    frame = pl.DataFrame(dict(columns))
    if frame.height == 0:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table.name, frame)
    else:
        names = ", ".join(frame.columns)
        marks = ", ".join("?" * frame.width)
        _driver(connection).executemany(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 (names are ours)
            frame.iter_rows(),
        )


def _copy(connection: sa.Connection, name: str, frame: pl.DataFrame) -> None:
    """COPY in text format; NULL is \\N, and text has its backslashes and line ends escaped."""
    texts = [column for column, kind in frame.schema.items() if kind == pl.String]
    escaped = frame.with_columns(_escaped(column) for column in texts)
    columns = ", ".join(frame.columns)
    with _driver(connection).cursor() as cursor:
        statement = f"COPY {name} ({columns}) FROM STDIN"
        with cursor.copy(statement) as copy:
            for part in escaped.iter_slices(ROWS_AT_ONCE):
                copy.write(
                    part.write_csv(
                        include_header=False, separator="\t", quote_style="never", null_value="\\N"
                    ).encode()
                )


def _escaped(column: str) -> pl.Expr:
    text = pl.col(column)
    for plain, code in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.str.replace_all(plain, code, literal=True)
    return text


def frame(
    connection: sa.Connection, query: sa.Executable, schema: Mapping[str, Any]
) -> pl.DataFrame:
    """The rows of a query as columns; `schema` gives names and types in the query's order.

    Rows are taken in parts, because as Python objects they are many times larger than as columns.
    """
    cursor = connection.execute(query).cursor
    parts = [pl.DataFrame(schema=dict(schema))]
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        parts.append(pl.DataFrame(rows, schema=dict(schema), orient="row"))
    return pl.concat(parts, rechunk=True)


@contextmanager
def listed(connection: sa.Connection, values: pl.Series) -> Iterator[sa.TableClause]:
    """A temporary table with the one column `value`, for joins; gone at the end of the block."""
    kind = "TEXT" if values.dtype == pl.String else "BIGINT"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE listed (value {kind} PRIMARY KEY)")
    table = sa.table("listed", sa.column("value"))
    try:
        values = values.unique().drop_nulls()
        insert(connection, sa.Table("listed", sa.MetaData()), {"value": values})
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE listed")
        yield table
    finally:
        if connection.in_transaction() and not connection.invalidated:
            _drop(connection)


def _drop(connection: sa.Connection) -> None:
    """Drop the temporary table; a transaction that has failed drops it by itself."""
    if connection.dialect.name == "postgresql":
        from psycopg.pq import TransactionStatus

        if _driver(connection).info.transaction_status is not TransactionStatus.INTRANS:
            return
    connection.exec_driver_sql("DROP TABLE listed")


def upsert(connection: sa.Connection, table: sa.Table, columns: Columns, changed: str) -> None:
    """Add rows, or give those whose key is there the new value of the column `changed`."""
    frame = pl.DataFrame(dict(columns))
    if frame.height == 0:
        return
    names = ", ".join(frame.columns)
    keys = ", ".join(column.name for column in table.primary_key)
    rule = f"ON CONFLICT ({keys}) DO UPDATE SET {changed} = excluded.{changed}"
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE staged (LIKE {table.name}) ON COMMIT DROP"
        )
        _copy(connection, "staged", frame)
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) SELECT {names} FROM staged {rule}"  # noqa: S608
        )
        connection.exec_driver_sql("DROP TABLE staged")
    else:
        marks = ", ".join("?" * frame.width)
        _driver(connection).executemany(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {rule}",  # noqa: S608
            frame.iter_rows(),
        )


def next_number(connection: sa.Connection, column: sa.Column[int]) -> int:
    """The number after the largest there is."""
    return (
        int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(column), 0))).scalar_one())
        + 1
    )


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def ints(frame: pl.DataFrame, *names: str) -> Iterable[Ints]:
    """Columns of a frame as int64 arrays."""
    return (frame[name].cast(pl.Int64).to_numpy() for name in names)
