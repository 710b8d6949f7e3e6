"""Millions of rows in and out, each database in the way that suits it.

Rows come and go as columns: NumPy arrays or Polars series, all of one length. PostgreSQL gives and
takes them by COPY inside the same transaction, so that what it gives includes rows just added and
temporary tables. Errors of a driver come out as SQLAlchemy's, as of any other statement.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.calendar import Ints

ROWS_AT_ONCE = 50_000
_FETCHED = 5_000  # rows as Python objects: few enough to stay in the processor's cache
_BLOCK = 8 << 20  # bytes of a COPY that are taken apart at once

Columns: TypeAlias = Mapping[str, Ints | pl.Series]


# -- in


def insert(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Add rows to a table; `columns` names each column of it that is not left NULL.

    A number that its column cannot hold is an error, and then no row is added.
    """
    columns = {name: column for name, column in columns.items() if not _all_null(column)}
    if not columns or not _height(columns):
        return
    with _as_of_sqlalchemy(connection):
        if connection.dialect.name == "postgresql":
            _copy(connection, table, table.name, columns)
        else:
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 (names are ours)
            _each(connection, statement, columns)


def update(connection: sa.Connection, table: sa.Table, columns: Columns, changed: str) -> None:
    """Give rows that are there, found by the table's key, the new value of the column `changed`."""
    if not _height(columns):
        return
    keys = [column.name for column in table.primary_key]
    with _as_of_sqlalchemy(connection):
        if connection.dialect.name == "postgresql":
            names = ", ".join(columns)
            same = " AND ".join(f"t.{key} = s.{key}" for key in keys)
            cursor = _driver(connection).cursor()
            cursor.execute(
                f"CREATE TEMPORARY TABLE staged ON COMMIT DROP AS"  # noqa: S608 (names are ours)
                f" SELECT {names} FROM {table.name} LIMIT 0"
            )
            _copy(connection, table, "staged", columns)
            cursor.execute("ANALYZE staged")
            cursor.execute(
                f"UPDATE {table.name} t SET {changed} = s.{changed} FROM staged s WHERE {same}"  # noqa: S608
            )
            cursor.execute("DROP TABLE staged")
        else:
            same = " AND ".join(f"{key} = ?" for key in keys)
            statement = f"UPDATE {table.name} SET {changed} = ? WHERE {same}"  # noqa: S608
            _each(connection, statement, {name: columns[name] for name in (changed, *keys)})


def _each(connection: sa.Connection, statement: str, columns: Columns) -> None:
    driver = _driver(connection)
    for part in _parts(columns):
        driver.executemany(statement, part.iter_rows())


def _copy(connection: sa.Connection, shape: sa.Table, into: str, columns: Columns) -> None:
    """COPY into the table named `into`, whose columns are as those of `shape`.

    Numbers alone go in the binary format, for which there is nothing to write down or to read.
    """
    numbers = all(_is_numbers(column) for column in columns.values())
    names = ", ".join(columns)
    how = "FORMAT binary" if numbers else "ENCODING 'UTF8'"
    statement = f"COPY {into} ({names}) FROM STDIN (" + how + ")"
    with _driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for block in _binary(shape, columns) if numbers else map(_text, _parts(columns)):
            copy.write(block)


_BINARY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_END = b"\xff\xff"


def _binary(shape: sa.Table, columns: Columns) -> Iterator[bytes]:
    """Rows of PostgreSQL's binary COPY: how many fields, then each field's length and value."""
    bytes_of = {name: _bytes_of(shape.c[name].type) for name in columns}
    fields = [
        part
        for name, size in bytes_of.items()
        for part in ((f"{name} bytes", ">i4"), (name, f">i{size}"))
    ]
    rows = np.zeros(ROWS_AT_ONCE, np.dtype([("fields", ">i2"), *fields]))
    rows["fields"] = len(columns)
    for name, size in bytes_of.items():
        rows[f"{name} bytes"] = size
    height = _height(columns)
    yield _BINARY_HEAD
    for start in range(0, height, ROWS_AT_ONCE):
        part = rows[: min(ROWS_AT_ONCE, height - start)]
        for name, column in columns.items():
            values = np.asarray(column[start : start + len(part)])
            limits = np.iinfo(f"i{bytes_of[name]}")
            if values.min() < limits.min or values.max() > limits.max:
                raise OverflowError(f"{shape.name}.{name} holds numbers of {bytes_of[name]} bytes")
            part[name] = values
        yield part.tobytes()
    yield _BINARY_END


def _bytes_of(kind: sa.types.TypeEngine[Any]) -> int:
    if isinstance(kind, sa.SmallInteger):
        return 2
    return 8 if isinstance(kind, sa.BigInteger) else 4


def _text(part: pl.DataFrame) -> bytes:
    r"""Rows of PostgreSQL's text COPY: NULL is \N; backslashes, tabs and line ends are escaped."""
    texts = [column for column in part if column.dtype == pl.String]
    escaped = part.with_columns(
        _escaped(column.name) for column in texts if column.str.contains(r"[\\\t\n\r]").any()
    )
    out = BytesIO()
    escaped.write_csv(
        out, include_header=False, separator="\t", quote_style="never", null_value="\\N"
    )
    return out.getvalue()


def _escaped(column: str) -> pl.Expr:
    text = pl.col(column)
    for plain, code in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.str.replace_all(plain, code, literal=True)
    return text


def _parts(columns: Columns) -> Iterator[pl.DataFrame]:
    """The rows, some at a time: a frame of all would be a second copy of them."""
    for start in range(0, _height(columns), ROWS_AT_ONCE):
        stop = start + ROWS_AT_ONCE
        yield pl.DataFrame({name: column[start:stop] for name, column in columns.items()})


def _height(columns: Columns) -> int:
    (height,) = {len(column) for column in columns.values()}
    return height


def _is_numbers(column: Ints | pl.Series) -> bool:
    if isinstance(column, pl.Series):
        return column.dtype.is_integer() and not column.null_count()
    return column.dtype.kind in "iu"


def _all_null(column: Ints | pl.Series) -> bool:
    return isinstance(column, pl.Series) and len(column) > 0 and column.null_count() == len(column)


@contextmanager
def uniqueness_last(connection: sa.Connection, table: sa.Table) -> Iterator[None]:
    """Fill an empty table in this block: its unique columns are proved at the end, all at once.

    PostgreSQL sorts millions of texts much faster than it finds the place of each. Nobody can read
    the table until the transaction's end. Where the program's role does not own the table, and in
    SQLite, every row is looked at as it comes.
    """
    rules = []
    if connection.dialect.name == "postgresql":
        query = sa.text(
            "SELECT c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c"
            " JOIN pg_class t ON t.oid = c.conrelid WHERE t.oid = to_regclass(:name)"
            " AND c.contype = 'u' AND pg_has_role(t.relowner, 'USAGE')"
        )
        rules = [tuple(row) for row in connection.execute(query, {"name": table.name})]
    for name, _ in rules:
        connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP CONSTRAINT {name}")
    yield
    for name, rule in rules:
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} {rule}")


# -- out


def frame(
    connection: sa.Connection, query: sa.Executable, schema: Mapping[str, Any]
) -> pl.DataFrame:
    """The rows of a query as columns; `schema` gives names and types in the query's order.

    Types are String, any whole numbers (an error where a value does not fit), or Boolean for a
    query that gives 0 and 1. Rows are taken in parts, because as Python objects they are many
    times larger than as columns.
    """
    written = {name: pl.Int64 if kind == pl.Boolean else kind for name, kind in schema.items()}
    parts = list(frames(connection, query, written)) or [pl.DataFrame(schema=written)]
    rows = parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)
    return rows.cast(pl.Schema(schema)) if pl.Boolean in schema.values() else rows


def frames(
    connection: sa.Connection, query: sa.Executable, schema: Mapping[str, Any]
) -> Iterator[pl.DataFrame]:
    """The rows of a query part by part, whole numbers and texts; as long as there are more, nothing
    else can be asked on the connection."""
    # A row of one empty text would be an empty line, which a reader of CSV passes over.
    lone_text = tuple(schema.values()) == (pl.String,)
    read = _copied if connection.dialect.name == "postgresql" and not lone_text else _fetched
    yield from read(connection, query, dict(schema))


def _fetched(
    connection: sa.Connection, query: sa.Executable, schema: dict[str, Any]
) -> Iterator[pl.DataFrame]:
    cursor = connection.execute(query).cursor
    with _as_of_sqlalchemy(connection):
        while rows := cursor.fetchmany(_FETCHED):
            yield pl.DataFrame(list(zip(*rows, strict=True)), schema=schema, orient="col")


def _copied(
    connection: sa.Connection, query: sa.Executable, schema: dict[str, Any]
) -> Iterator[pl.DataFrame]:
    compiled = query.compile(  # type: ignore[attr-defined]
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    statement = f"COPY ({compiled}) TO STDOUT (ENCODING 'UTF8')"
    # Polars looks for a BOM and for compressed data at the beginning of what it reads. The first
    # row is ours, and dropped.
    guard = b"\t".join([b"0"] * len(schema)) + b"\n"
    with _as_of_sqlalchemy(connection), _driver(connection).cursor() as cursor:
        for block in _blocks(cursor, statement, compiled.params, guard):
            rows = pl.read_csv(
                block,
                has_header=False,
                separator="\t",
                quote_char=None,
                null_values="\\N",
                empty_string_is_null=False,
                schema=schema,
            ).slice(1)
            if block.count(b"\\") != block.count(b"\\N"):
                texts = [_unescaped(column) for column in rows if column.dtype == pl.String]
                rows = rows.with_columns(texts)
            yield rows


def _blocks(
    cursor: Any, statement: str, parameters: Mapping[str, Any], guard: bytes
) -> Iterator[bytes]:
    """What COPY gives in text format, whole rows at a time, each time after `guard`.

    The rows that have arrived are taken from the driver's own connection, one call a row;
    psycopg's `read` is for waiting, since a signal can interrupt it.
    """
    arrived = cursor.connection.pgconn.get_copy_data
    block = bytearray(guard)
    with cursor.copy(statement, parameters) as copy:
        while True:
            size, data = arrived(1)
            if size < 0:
                _finish(cursor.connection.pgconn)
                break
            data = data if size else copy.read()
            if not data:
                break
            block += data
            if len(block) >= _BLOCK:
                yield bytes(block)
                block = bytearray(guard)
    if len(block) > len(guard):
        yield bytes(block)


def _finish(connection: Any) -> None:
    """Take the result of a COPY whose last row was taken; raise what it failed by."""
    from psycopg import errors, pq

    failed = None
    while (result := connection.get_result()) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            failed = result
    if failed:
        state = failed.error_field(pq.DiagnosticField.SQLSTATE) or b"XX000"
        raise errors.lookup(state.decode())(failed.error_message.decode(errors="replace"))


_ESCAPE = re.compile(r"\\(.)")
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def _unescaped(column: pl.Series) -> pl.Series:
    """The texts that COPY has written with a backslash as they are; they are few."""
    rows = column.str.contains("\\", literal=True).arg_true()
    if not len(rows):
        return column
    plain = [_ESCAPE.sub(lambda found: _PLAIN[found[1]], text) for text in column[rows]]
    return column.scatter(rows, plain)


# -- questions about many values


FEW = 100
"""Up to so many numbers go with the question itself; a table is made for more."""


@contextmanager
def listed(connection: sa.Connection, values: pl.Series) -> Iterator[sa.FromClause]:
    """The values, each once, as a table with the one column `value`, for joins in this block."""
    text = values.dtype == pl.String
    if not text and len(values) <= FEW:
        yield _few(connection, sorted({each for each in values if each is not None}))
        return
    values = values.unique().drop_nulls()
    value = sa.Column("value", sa.Text() if text else sa.BigInteger())
    table = sa.Table("listed", sa.MetaData(), value)
    postgresql = connection.dialect.name == "postgresql"
    # PostgreSQL joins whole tables and needs no key for that. SQLite looks values up, and takes
    # them fastest in the key's order.
    key = "" if postgresql else " PRIMARY KEY"
    kind = "TEXT" if text else "BIGINT" if postgresql else "INTEGER"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE listed (value {kind}{key})")
    try:
        insert(connection, table, {"value": values if postgresql else values.sort()})
        if postgresql:
            connection.exec_driver_sql("ANALYZE listed")
        yield sa.table("listed", sa.column("value"))
    finally:
        if connection.in_transaction() and not connection.invalidated:
            _drop(connection)


def _few(connection: sa.Connection, numbers: list[int]) -> sa.FromClause:
    """Whole numbers that travel with the question, as one value of it."""
    if connection.dialect.name == "postgresql":
        array = sa.literal(numbers, sa.ARRAY(sa.BigInteger))
        return sa.func.unnest(array).table_valued("value", name="listed").render_derived()
    each = sa.func.json_each(json.dumps(numbers)).table_valued("value")
    # SQLite thinks that a list of JSON is long, and would rather go through all lines of a run for
    # it; what has a limit it makes first, and looks up.
    return sa.select(each.c.value).limit(-1).subquery("listed")


def _drop(connection: sa.Connection) -> None:
    """Drop the temporary table; a transaction that has failed drops it by itself."""
    if connection.dialect.name == "postgresql":
        from psycopg.pq import TransactionStatus

        if _driver(connection).info.transaction_status is not TransactionStatus.INTRANS:
            return
    connection.exec_driver_sql("DROP TABLE listed")


def next_number(connection: sa.Connection, column: sa.Column[int]) -> int:
    """The number after the largest there is."""
    return (
        int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(column), 0))).scalar_one())
        + 1
    )


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


@contextmanager
def _as_of_sqlalchemy(connection: sa.Connection) -> Iterator[None]:
    """Raise a driver's error as the one that SQLAlchemy makes of it for its own statements."""
    driver: Any = connection.dialect.dbapi
    try:
        yield
    except driver.Error as why:
        instance: Callable[..., BaseException] = sa.exc.DBAPIError.instance
        raise instance(None, None, why, driver.Error, dialect=connection.dialect) from why


def ints(frame: pl.DataFrame, *names: str) -> Iterable[Ints]:
    """Columns of a frame as int64 arrays."""
    return (frame[name].cast(pl.Int64).to_numpy() for name in names)
