"""One process at a time works on a book, and a dead one never stands in the way.

The operating system (SQLite: a lock on a file beside the database) or the server (PostgreSQL: an
advisory lock) holds the lock, so it ends with the process, however that ends. Who holds it since
when stands in the table `lease`, for people. Each holder gets a new token; every transaction of a
holder checks that its token is still the newest.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from commission_engine.book import connect
from commission_engine.book.schema import lease
from commission_engine.problems import Locked

_ADVISORY_KEY = 1_919_250_543
_ONLY = 1  # the one row of `lease`


@dataclass(frozen=True, slots=True)
class Worker:
    """The holder of the book's lock: the one that may write."""

    engine: sa.Engine
    token: int

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[sa.Connection]:
        """One transaction; Locked if another process has taken the book over meanwhile.

        Without `keep` everything is done, and undone at the end: a dry run.
        """
        with connect.writing(self.engine) as connection:
            newest = connection.execute(sa.select(lease.c.token)).scalar_one()
            if newest != self.token:
                raise Locked(
                    "another process has taken over this book since; this one wrote nothing more",
                    "Look at `commission runs`, then run the command again.",
                )
            yield connection
            if not keep:
                connection.rollback()


@contextmanager
def working(engine: sa.Engine, holder: str, since: str) -> Iterator[Worker]:
    """Hold the book's lock; Locked at once, naming the holder, if somebody else does.

    `holder` and `since` are what others are told.
    """
    with _held(engine):
        with connect.writing(engine) as connection:
            token = connection.execute(sa.select(lease.c.token)).scalar_one_or_none()
            row = {"id": _ONLY, "holder": holder, "since": since, "token": (token or 0) + 1}
            change = sa.insert(lease) if token is None else sa.update(lease)
            connection.execute(change.values(row))
        yield Worker(engine, row["token"])  # type: ignore[arg-type]


@contextmanager
def _held(engine: sa.Engine) -> Iterator[None]:
    if engine.dialect.name == "postgresql":
        with connect.translated(engine):
            session = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            question = sa.select(sa.func.pg_try_advisory_lock(_ADVISORY_KEY))
            if not session.execute(question).scalar_one():
                raise _locked(engine)
            yield
        finally:
            session.close()
    else:
        path = Path(f"{engine.url.database}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _locked(engine) from None
            yield
        finally:
            os.close(descriptor)


def _locked(engine: sa.Engine) -> Locked:
    with connect.reading(engine) as connection:
        row = connection.execute(sa.select(lease.c.holder, lease.c.since)).one_or_none()
    who = f"{row.holder} works on it since {row.since}" if row else "another process works on it"
    return Locked(
        f"the book is in use: {who}", "Wait until it is done, then run the same command again."
    )
