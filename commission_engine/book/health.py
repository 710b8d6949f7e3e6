"""Is the database itself in order: its file or server, its tables, and what guards them.

Whether the book in it is right is for `verify` to say. Nothing is changed here, not even to bring
tables up to date.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from commission_engine.book import revisions
from commission_engine.book.connect import reading
from commission_engine.book.schema import APPEND_ONLY, metadata

FEW = 5
"""Rows of one fault that are named."""


@dataclass(slots=True)
class Health:
    """What was looked at, and what is wrong with it (nothing, in a database that is in order)."""

    kind: str
    revision: str | None
    newest: str
    bytes: int = 0
    free: int | None = None
    """Of the disk of a SQLite book, in bytes; None on a server."""
    tables: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def health(engine: sa.Engine) -> Health:
    """Look at a book's database; a book that is not there is a fault too."""
    found = Health(engine.dialect.name, None, revisions.newest())
    if engine.dialect.name == "sqlite":
        _file(Path(engine.url.database or ""), found)
        if found.faults:
            return found
    with reading(engine) as connection:
        found.revision = revisions.current(connection)
        if found.revision is None:
            found.faults.append("there is no book in this database")
            return found
        names = set(sa.inspect(connection).get_table_names()) & metadata.tables.keys()
        found.tables = len(names)
        if found.revision == found.newest:
            found.faults += (
                f"not as this program needs it: {e}" for e in revisions.unlike(connection)
            )
        else:
            found.faults.append(
                f"its tables have revision {found.revision}, this program works with {found.newest}"
            )
        protected = sorted(names & set(APPEND_ONLY))
        if engine.dialect.name == "sqlite":
            found.faults += _sqlite(connection, protected)
        else:
            found.faults += _postgresql(connection, protected, sorted(names))
            found.notes += _server(connection)
            found.bytes = _number(connection, "SELECT pg_database_size(current_database())")
    return found


def _file(path: Path, found: Health) -> None:
    """Whether a SQLite file can be read and written, and how much room there is."""
    if not path.is_file():
        found.faults.append(f"{path}: there is no such book")
        return
    folder = path.absolute().parent
    found.bytes, found.free = path.stat().st_size, shutil.disk_usage(folder).free
    if not os.access(path, os.R_OK | os.W_OK):
        found.faults.append(f"{path}: may not be read and written by this user")
    if not os.access(folder, os.W_OK | os.X_OK):
        found.faults.append(f"{folder}: no file may be made beside the book by this user")
    if found.free < found.bytes:
        found.notes.append(
            f"{folder}: has room for {found.free:,} bytes, less than the book's {found.bytes:,}"
        )


def _sqlite(connection: sa.Connection, protected: list[str]) -> Iterator[str]:
    said = connection.exec_driver_sql(f"PRAGMA integrity_check({FEW})").scalars().all()
    yield from (f"integrity_check: {each}" for each in said if each != "ok")
    strays = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(FEW)
    yield from (f"table {row[0]}: row {row[1]} names none of table {row[2]}" for row in strays)
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    rules = {row[0]: row[1] for row in connection.exec_driver_sql(query)}
    for table in protected:
        for verb in ("update", "delete"):
            rule = rules.get(f"{table}_refuses_{verb}", "")
            if f"BEFORE {verb} ON {table}" not in rule or "RAISE(ABORT" not in rule:
                yield f"table {table}: nothing refuses {verb}"


def _postgresql(connection: sa.Connection, protected: list[str], names: list[str]) -> Iterator[str]:
    for name, table in connection.exec_driver_sql(
        "SELECT conname, conrelid::regclass FROM pg_constraint"
        " WHERE NOT convalidated AND connamespace = current_schema()::regnamespace ORDER BY 1"
    ):
        yield f"table {table}: its rule {name} was never proved"
    for index in connection.exec_driver_sql(
        "SELECT indexrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        " WHERE NOT indisvalid AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"
    ).scalars():
        yield f"index {index}: is not complete"
    # 58: before (2) a statement's delete (8), update (16) and truncate (32).
    working = set(
        connection.exec_driver_sql(
            "SELECT tgrelid::regclass::text FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid"
            " WHERE tgname = tgrelid::regclass::text || '_refuses_change' AND tgtype = 58"
            " AND tgenabled IN ('O', 'A') AND prosrc LIKE '%%RAISE EXCEPTION%%'"
        ).scalars()
    )
    yield from (
        f"table {table}: nothing refuses update, delete and truncate"
        for table in protected
        if table not in working
    )
    for table in names:
        rights = ("SELECT", "INSERT") if table in protected else ("SELECT", "INSERT", "UPDATE")
        query = sa.select(*(sa.func.has_table_privilege(table, right) for right in rights))
        held = connection.execute(query).one()
        lacking = [right for right, has in zip(rights, held, strict=True) if not has]
        if lacking:
            yield f"table {table}: this role lacks {' and '.join(lacking)}"
    failures = _number(
        connection,
        "SELECT coalesce(max(checksum_failures), 0) FROM pg_stat_database"
        " WHERE datname = current_database()",
    )
    if failures:
        yield f"{failures} pages had another checksum than they were written with"


def _server(connection: sa.Connection) -> Iterator[str]:
    """Settings by which the server promises less than the program counts on."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if connection.exec_driver_sql(f"SHOW {name}").scalar_one() == "off":
            yield f"the server's setting {name} is off: a power cut can lose what was committed"


def _number(connection: sa.Connection, query: str) -> int:
    value: Any = connection.exec_driver_sql(query).scalar_one()
    return int(value)
