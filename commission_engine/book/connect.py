"""Open a book: connect, create and migrate the database, refuse what this program cannot read."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from commission_engine.book import revisions
from commission_engine.problems import CommissionError, Passing, TryAgain, UsageError

Connection: TypeAlias = sa.Connection
Engine: TypeAlias = sa.Engine
"""What the rest of the program calls a connection and a database, without knowing the library."""

BUSY_SECONDS = 30
READERS = 8
"""How many connections a server that only reads has open at most."""
_SUPPORTED = ("sqlite", "postgresql")

_PASSING = ("40001", "40P01", "57P01", "57P02", "57P03")
"""PostgreSQL's states of what may be gone at once: transactions that collided, a server that
stops or starts. A lost connection has a state of class 08, or none."""


class OutcomeUnknown(TryAgain):
    """The connection was lost while the transaction was committed: it happened, or it did not."""


def connect(url: str | sa.URL, *, pooled: int = 0) -> sa.Engine:
    """An engine for a SQLite or PostgreSQL URL; nothing is opened yet. Up to `pooled` connections
    stay open for the next one who asks."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError as why:
        raise UsageError(
            f"{str(url)!r} is not a database URL",
            "Write such as sqlite:///commission.db or postgresql://user@host/name.",
        ) from why
    if parsed.get_backend_name() not in _SUPPORTED:
        raise UsageError(
            f"{parsed.get_backend_name()} is not a database that a book can be kept in",
            "Use sqlite:///FILE or postgresql://user@host/name.",
        )
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    elif parsed.database in (None, "", ":memory:"):
        raise UsageError(
            "a book in memory would be gone with this command",
            "Use such as sqlite:///commission.db.",
        )
    # Of a connection that could not be rolled back it would print a trace; what came before that
    # is what we say.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    try:
        engine = _engine(parsed, pooled)
    except (NoSuchModuleError, ModuleNotFoundError) as why:
        raise UsageError(
            "the PostgreSQL driver is not installed",
            "Install the extra: pip install 'commission-engine[postgres]'.",
        ) from why
    if parsed.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_immediate)
        sa.event.listen(engine, "invalidate", _undo)
    return engine


def for_readers(url: str | sa.URL) -> sa.Engine:
    """As `connect`, for a server that many ask at once for little: connections stay open, and none
    of them keeps much in memory."""
    engine = connect(url, pooled=READERS)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _small)
    return engine


def _engine(url: sa.URL, pooled: int) -> sa.Engine:
    if not pooled:
        return sa.create_engine(url, poolclass=sa.NullPool)
    return sa.create_engine(
        url, poolclass=sa.QueuePool, pool_size=pooled, max_overflow=0, pool_pre_ping=True
    )


def _small(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA cache_size=-8000")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_immediate
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",  # REPLACE deletes rows; its deletes have to meet the triggers too
        "temp_store=MEMORY",
        "cache_size=-200000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    if not connection.get_execution_options().get("reads_only"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")


def _undo(connection: Any, _record: Any, _why: BaseException | None) -> None:
    """Before a connection is closed in the middle of a query, as by a signal: SQLite keeps what
    was begun, with its lock, as long as somebody has a cursor of it."""
    with suppress(sqlite3.Error):
        connection.rollback()


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent view of the book that writes nothing and keeps nobody from writing."""
    options: dict[str, Any] = {"reads_only": True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ"}
    with translated(engine), engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: all of it becomes true at its end, or nothing does.

    OutcomeUnknown when nobody can say which of the two, because the server did not answer.
    """
    with translated(engine), engine.connect() as connection, connection.begin() as transaction:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        yield connection
        if transaction.is_active:  # else it was undone on purpose
            _commit(engine, transaction)


def _commit(engine: sa.Engine, transaction: sa.RootTransaction) -> None:
    try:
        transaction.commit()
    except DatabaseError as why:
        if not _is_lost(engine, why):
            raise
        with translated(engine, OutcomeUnknown):
            raise


@contextmanager
def translated(engine: sa.Engine, lost: type[TryAgain] = Passing) -> Iterator[None]:
    """Say in our words that the database could not be reached or was busy; `lost` when the same
    may be possible at once."""
    try:
        yield
    except DatabaseError as why:
        if not isinstance(why, OperationalError) and type(why) is not DatabaseError:
            raise  # a constraint or a fault of ours, not the state of the database
        where = engine.url.render_as_string(hide_password=True)
        said = str(why.orig).strip().splitlines()[0] if why.orig else str(why)
        passing = engine.dialect.name == "postgresql" or "locked" in said
        kind: type[CommissionError] = TryAgain if passing else CommissionError
        if _is_passing(engine, why):
            kind = lost
        hint = "Nothing was changed. Look at the database, then run the same command again."
        if kind is OutcomeUnknown:
            hint = "Whether it was kept is not known. Run the same command again: it looks first."
        raise kind(f"{where}: {said}", hint) from why


def _is_passing(engine: sa.Engine, why: DatabaseError) -> bool:
    """Whether the same may be possible at once: a collision, or a connection that was lost."""
    return _state(why) in _PASSING[:2] or _is_lost(engine, why)


def _is_lost(engine: sa.Engine, why: DatabaseError) -> bool:
    if engine.dialect.name != "postgresql":
        return False
    state = _state(why)
    return state in _PASSING[2:] or state[:2] in ("", "08")


def _state(why: DatabaseError) -> str:
    """PostgreSQL's five letters for what went wrong; empty where the server said nothing."""
    return getattr(why.orig, "sqlstate", None) or ""


def url_of(connection: sa.Connection) -> str:
    """What `connect` takes to reach the same database, with its password."""
    return connection.engine.url.render_as_string(hide_password=False)


def without_password(url: str) -> str:
    """The URL for people's eyes; a text that is no URL as it is."""
    try:
        parsed = sa.make_url(url)
        if "password" in parsed.query:
            parsed = parsed.update_query_dict({"password": "***"})
        return parsed.render_as_string(hide_password=True)
    except ArgumentError:
        return url


def migrate(engine: sa.Engine) -> None:
    """Create the database's tables or bring them up to this program; does nothing when they are.

    A database that a newer program has written is refused.
    """
    with reading(engine) as connection:
        current = revisions.current(connection)
    if current == revisions.newest():
        return
    revisions.refuse_unknown(
        current,
        "the book's",
        "Nothing was changed. Install the version of commission-engine that wrote it.",
    )
    with writing(engine) as connection:
        revisions.move(connection, revisions.newest())
