"""One process at a time works on a book, and a dead one never stands in the way.

The operating system (SQLite: a lock on a file beside the database) or the server (PostgreSQL: an
advisory lock) holds the lock, so it ends with the process, however that ends. Who holds it since
when stands in the table `lease`, for people, with a token. Each holder gets a new one, and each
transaction of a holder raises it: so a holder whose book was taken over cannot commit, and one
whose connection broke while it committed can see whether it did.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from commission_engine.book import connect
from commission_engine.book.schema import lease
from commission_engine.problems import Locked, Passing, TryAgain

_ADVISORY_KEY = 1_919_250_543
_ONLY = 1  # the one row of `lease`


TRIES = 5
_PAUSES = (0.1, 0.4, 1.6, 3.2)
"""Seconds before each further try: a server that was killed is back within them, as a rule."""

LOOKS = "Run the same command again: it looks first."

T = TypeVar("T")


def again(unit: Callable[[], T]) -> T:
    """Do a unit of work; up to `TRIES` times, each from its first read, while what stops it passes.

    `unit` has one transaction of a worker and keeps nothing outside of it.
    """
    for pause in _PAUSES:
        try:
            return unit()
        except Passing:
            time.sleep(pause)
    return unit()


@dataclass(slots=True)
class Worker:
    """The holder of the book's lock: the one that may write."""

    engine: sa.Engine
    token: int

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[sa.Connection]:
        """One transaction; Locked if another process has taken the book over meanwhile.

        Without `keep` everything is done, and undone at the end: a dry run. Passing when nothing
        was kept and the same may be done again at once.
        """
        try:
            with connect.writing(self.engine) as connection:
                if _token(connection) != self.token:
                    raise _taken_over()
                yield connection
                if keep:
                    self._raise_token(connection)
                else:
                    connection.rollback()
        except connect.OutcomeUnknown as why:
            if not self._has_happened():
                raise Passing(why.message, "Nothing was changed. Run the command again.") from why
        except (TryAgain, Locked):
            raise
        except Exception as why:
            # Whatever it is, it may come from what the one who took the book over has done
            # meanwhile: then nothing is where it was. SQLite's lock nobody can take: a token that
            # has moved there is this one's own, of a commit that was not synced.
            if self.engine.dialect.name == "postgresql":
                with connect.reading(self.engine) as connection:
                    if _token(connection) != self.token:
                        raise _taken_over() from why
            raise
        if keep:
            self.token += 1

    def _raise_token(self, connection: sa.Connection) -> None:
        """From here to the end of the transaction nobody can take the book over."""
        mine = sa.update(lease).where(lease.c.token == self.token).values(token=self.token + 1)
        if connection.execute(mine).rowcount != 1:
            raise _taken_over()

    def _has_happened(self) -> bool:
        """Whether the transaction that raised the token was committed, as the book has it now."""

        def look() -> int:
            with connect.reading(self.engine) as connection:
                # A server that has not yet seen the connection end may still be committing.
                return _token(connection, settled=True)

        try:
            found = again(look)
        except Passing as why:  # to do it again now could be to do it twice
            raise TryAgain(f"{why.message}; whether the work was kept is not known", LOOKS) from why
        if found > self.token + 1:
            raise _taken_over()
        return found == self.token + 1


@dataclass(slots=True)
class Rehearsal(Worker):
    """A worker whose transactions are all one, which is undone: a dry run of several steps, each
    of which sees what those before it did."""

    connection: sa.Connection

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[sa.Connection]:
        """The one transaction; `keep` asks for nothing here."""
        yield self.connection


@contextmanager
def rehearsing(worker: Worker) -> Iterator[Rehearsal]:
    """Whatever is done in this block with the worker that it gives is undone at its end."""
    with worker.writing(keep=False) as connection:
        yield Rehearsal(worker.engine, worker.token, connection)


def _token(connection: sa.Connection, *, settled: bool = False) -> int:
    """The newest token; `settled`: after whatever transaction is about to change it."""
    query = sa.select(lease.c.token)
    return int(connection.execute(query.with_for_update() if settled else query).scalar_one())


def _taken_over() -> Locked:
    return Locked(
        "another process has taken over this book since; this one wrote nothing more",
        "Look at `commission runs`, then run the command again.",
    )


@contextmanager
def working(engine: sa.Engine, holder: str, since: str) -> Iterator[Worker]:
    """Hold the book's lock; Locked at once, naming the holder, if somebody else does.

    `holder` and `since` are what others are told.
    """
    with _held(engine):
        with connect.writing(engine) as connection:
            # Locked, because one who was taken over may still be committing.
            token = connection.execute(
                sa.select(lease.c.token).with_for_update()
            ).scalar_one_or_none()
            row = {"id": _ONLY, "holder": holder, "since": since, "token": (token or 0) + 1}
            change = sa.insert(lease) if token is None else sa.update(lease)
            connection.execute(change.values(row))
        yield Worker(engine, row["token"])  # type: ignore[arg-type]


@contextmanager
def alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction while nobody works on the book, which need not have tables yet; Locked at
    once if somebody does."""
    if engine.dialect.name != "postgresql":
        with _held(engine), connect.writing(engine) as connection:
            yield connection
        return
    with connect.writing(engine) as connection:
        question = sa.select(sa.func.pg_try_advisory_xact_lock(_ADVISORY_KEY))
        if not connection.execute(question).scalar_one():
            raise _locked(engine)
        yield connection


@contextmanager
def _held(engine: sa.Engine) -> Iterator[None]:
    if engine.dialect.name == "postgresql":
        with connect.translated(engine):
            session = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            question = sa.select(sa.func.pg_try_advisory_lock(_ADVISORY_KEY))
            with connect.translated(engine):
                mine = session.execute(question).scalar_one()
            if not mine:
                raise _locked(engine)
            try:
                yield
            finally:
                # The server would see the session end a moment too late for the next command.
                with suppress(DBAPIError):
                    session.execute(sa.select(sa.func.pg_advisory_unlock(_ADVISORY_KEY)))
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
        there = sa.inspect(connection).has_table(lease.name)
        query = sa.select(lease.c.holder, lease.c.since)
        row = connection.execute(query).one_or_none() if there else None
    who = f"{row.holder} works on it since {row.since}" if row else "another process works on it"
    return Locked(
        f"the book is in use: {who}", "Wait until it is done, then run the same command again."
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a book, and since when."""

    who: str
    since: str


def holder(engine: sa.Engine) -> Holder | None:
    """Who works on the book at this moment; to ask never keeps anybody from beginning."""
    with connect.reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            held = connection.execute(_ADVISORY_LOCKS, {"key": _ADVISORY_KEY}).scalar_one() > 0
        else:
            held = _is_flocked(Path(f"{engine.url.database}.lock"))
        row = connection.execute(sa.select(lease.c.holder, lease.c.since)).one_or_none()
    return Holder(row.holder, row.since) if held and row else None


_ADVISORY_LOCKS = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0"
    " AND objid = :key AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def _is_flocked(path: Path) -> bool:
    """As the system lists it. To try to take the lock could meet a run that begins right then;
    only where there is no such list it is tried."""
    try:
        number = path.stat().st_ino
        locks = Path("/proc/locks").read_text("ascii").splitlines()
    except FileNotFoundError:
        return path.exists() and _is_refused(path)
    return any(" FLOCK " in each and f":{number} " in each for each in locks)


def _is_refused(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
