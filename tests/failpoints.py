"""Places at which the real program is made to fail, put around what it calls.

`watch` wraps sqlite3, psycopg and the functions that make, write, name and sync files in this
process, before the program begins. Everything still happens for real; each call is a hit before
it and a hit after it (and one in the middle of a write), all counted, and at one of them a
`Fault` strikes.
"""

import builtins
import ctypes
import errno
import io
import mmap
import os
import signal
import sqlite3
import sqlite3.dbapi2
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg

FILES = frozenset(
    ("create", "write", "close", "fsync", "syncfs", "rename", "unlink", "mkdir", "rmdir")
)
STATEMENTS = frozenset(("statement", "bulk", "commit"))
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}
STATES = {"40001": "serialization", "40P01": "deadlock"}
SQLITE_SAYS = {errno.EIO: "disk I/O error", errno.ENOSPC: "database or disk is full"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What strikes at the hit number `at`.

    kill, power (kill, and what was not synced is lost), term (SIGTERM), pause (SIGSTOP); EIO and
    ENOSPC, with a + from then on; cut (the server ends this connection), cut all (every one of
    this book's), lost (the answer to COMMIT does not arrive); 40001 and 40P01, raised by the
    server, with a + from then on.
    """

    how: str
    at: int
    chance: int = 0


class Counter:
    """How many hits a child had; its parent can still read it after a SIGKILL."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 8)

    @property
    def hits(self) -> int:
        return int.from_bytes(self._shared[:8], "little")

    @hits.setter
    def hits(self, number: int) -> None:
        self._shared[:8] = number.to_bytes(8, "little")


class _Points:
    """The hits of this process so far, and the fault that waits among them."""

    def __init__(self, counter: Counter, fault: Fault | None) -> None:
        self.counter = counter
        self.how = fault.how.removesuffix("+") if fault else ""
        self.at = fault.at if fault else 0
        self.lasting = bool(fault and fault.how.endswith("+"))
        self.volatile = _Volatile(Random(fault.chance if fault else 0))

    def counts(self, what: str, phase: str) -> bool:
        """Whether a hit of this kind is one at which the fault can strike."""
        if self.how in ERRORS:
            return phase in ("before", "torn") and what != "rollback"
        if self.how in ("cut", "cut all"):
            return what in STATEMENTS or what == "block"
        if self.how == "lost":
            return what == "commit" and phase == "after"
        if self.how in STATES:
            return what in STATEMENTS and phase == "before"
        return True

    def hit(self, what: str, phase: str, connection: Any = None) -> None:
        if not self.counts(what, phase):
            return
        self.counter.hits += 1
        here = self.counter.hits
        if here == self.at or (self.lasting and here > self.at > 0):
            self.strike(what, connection)

    def strike(self, what: str, connection: Any) -> None:
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.how == "power":
            self.volatile.lose()
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.how == "term":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.how == "pause":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.how in ERRORS:
            _fail(ERRORS[self.how], what, connection)
        elif self.how in ("cut", "cut all"):
            _cut(connection, everybody=self.how == "cut all")
        elif self.how == "lost":
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        elif self.how in STATES:
            _RAW["execute"](
                _RAW["cursor"](connection),
                f"DO $$ BEGIN RAISE EXCEPTION 'provoked {STATES[self.how]} failure'"
                f" USING ERRCODE = '{self.how}'; END $$",
            )


_points: _Points
_RAW: dict[str, Any] = {
    "open": io.open,
    "connect": psycopg.connect,
    "cursor": psycopg.Connection.cursor,
    "execute": psycopg.Cursor.execute,
}


def watch(counter: Counter, fault: Fault | None) -> None:
    """Wrap what the program calls, in this process, for good."""
    global _points
    _points = _Points(counter, fault)
    builtins.open = io.open = _open
    for name in ("fsync", "rename", "unlink", "mkdir", "rmdir"):
        setattr(os, name, _around(name, getattr(os, name)))
    os.replace = os.rename
    ctypes.CDLL = _Library  # type: ignore[misc]
    sqlite3.dbapi2.connect = _sqlite  # type: ignore[assignment]
    _watch_psycopg()


def _fail(number: int, what: str, connection: Any) -> None:
    if what in FILES:
        raise OSError(number, os.strerror(number))
    if isinstance(connection, sqlite3.Connection):
        raise sqlite3.OperationalError(SQLITE_SAYS[number])
    raise psycopg.errors.DiskFull("could not extend file: No space left on device")


def _cut(connection: Any, *, everybody: bool) -> None:
    """The server ends the connection, or all of them to this database, and has seen them end."""
    other = "datname = current_database() AND pid <> pg_backend_pid()"
    own = f"{other} AND pid = {connection.info.backend_pid}"
    with _RAW["connect"](connection.info.dsn, autocommit=True) as second:
        _RAW["execute"](
            _RAW["cursor"](second),
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE {other if everybody else own}",
        )


# -- files


def _around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        _points.hit(name, "before")
        given = call(*args, **kwargs)
        _points.volatile.happened(name, args, kwargs)
        _points.hit(name, "after")
        return given

    return watched


def _open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    if isinstance(file, int) or not set(mode) & set("wax+"):
        return _RAW["open"](file, mode, *args, **kwargs)
    _points.hit("create", "before")
    raw = io.FileIO(file, mode.replace("b", "").replace("t", ""))
    written = _Written(raw, Path(os.path.abspath(file)))
    _points.hit("create", "after")
    if "b" in mode:
        return written
    return io.TextIOWrapper(written, kwargs.get("encoding"), newline=kwargs.get("newline"))


class _Written(io.BufferedWriter):
    """A file that the program makes: it can be found half written."""

    def __init__(self, raw: io.FileIO, path: Path) -> None:
        super().__init__(raw)
        _points.volatile.made(path)

    def write(self, data: Any, /) -> int:
        block = bytes(data)
        _points.hit("write", "before")
        middle = len(block) // 2
        super().write(block[:middle])
        super().flush()
        _points.hit("write", "torn")
        super().write(block[middle:])
        super().flush()
        _points.hit("write", "after")
        return len(block)

    def close(self) -> None:
        closed = self.closed
        super().close()
        if not closed:
            _points.hit("close", "after")


class _Library(ctypes.CDLL):
    """The C library, of which the program takes syncfs alone."""

    def syncfs(self, descriptor: int) -> int:
        try:
            _points.hit("syncfs", "before")
        except OSError as why:
            ctypes.set_errno(why.errno or errno.EIO)
            return -1
        failed: int = self["syncfs"](descriptor)
        _points.volatile.settle()
        _points.hit("syncfs", "after")
        return failed


class _Volatile:
    """What a power failure now may take away: bytes and names that were not synced."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.bytes: set[Path] = set()
        self.names: dict[Path, Path | None] = {}  # and where it was before, if it was

    def made(self, path: Path) -> None:
        self.bytes.add(path)
        self.names[path] = None

    def settle(self) -> None:
        self.bytes.clear()
        self.names.clear()

    def happened(self, what: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if what == "fsync":
            self._synced(Path(os.readlink(f"/proc/self/fd/{args[0]}")))
        elif what == "rename":
            old, new = (Path(os.path.abspath(each)) for each in args)
            self.bytes = {_moved(each, old, new) for each in self.bytes}
            self.names = {_moved(each, old, new): was for each, was in self.names.items()}
            self.names[new] = old
        elif what == "unlink" and "dir_fd" not in kwargs:
            path = Path(os.path.abspath(args[0]))
            self.bytes.discard(path)
            self.names.pop(path, None)

    def _synced(self, path: Path) -> None:
        self.bytes.discard(path)
        if path.is_dir():
            self.names = {each: was for each, was in self.names.items() if each.parent != path}

    def lose(self) -> None:
        """Every second of these, as chance has it."""
        for path in sorted(self.bytes):
            if path.exists() and self.chance.random() < 0.5:
                os.truncate(path, self.chance.choice((0, path.stat().st_size // 2)))
        for path, was in reversed(self.names.items()):
            if path.exists() and self.chance.random() < 0.5:
                if was is None:
                    os.remove(path)
                else:
                    os.system(f"mv '{path}' '{was}'")


def _moved(path: Path, old: Path, new: Path) -> Path:
    return new / path.relative_to(old) if path.is_relative_to(old) else path


# -- databases


def _kind(statement: Any) -> str:
    first = str(statement).lstrip()[:6].upper()
    return {"BEGIN": "begin", "BEGIN ": "begin", "PRAGMA": "pragma"}.get(first, "statement")


class _Cursor(sqlite3.Cursor):
    def execute(self, statement: str, *args: Any) -> "_Cursor":
        _points.hit(_kind(statement), "before", self.connection)
        super().execute(statement, *args)
        _points.hit(_kind(statement), "after", self.connection)
        return self

    def executemany(self, statement: str, rows: Any) -> "_Cursor":
        _points.hit("bulk", "before", self.connection)
        super().executemany(statement, rows)
        _points.hit("bulk", "after", self.connection)
        return self


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _Cursor)

    def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
        return self.cursor().execute(statement, *args)  # type: ignore[no-any-return]

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        return self.cursor().executemany(statement, rows)  # type: ignore[no-any-return]

    def commit(self) -> None:
        _points.hit("commit", "before", self)
        super().commit()
        _points.hit("commit", "after", self)

    def rollback(self) -> None:
        _points.hit("rollback", "before", self)
        super().rollback()
        _points.hit("rollback", "after", self)


_CONNECT = sqlite3.dbapi2.connect


def _sqlite(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    kwargs.setdefault("factory", _Connection)
    connection: sqlite3.Connection = _CONNECT(*args, **kwargs)
    return connection


def _watch_psycopg() -> None:
    def around(owner: Any, method: str, what: str, connection: Callable[[Any], Any]) -> None:
        call = getattr(owner, method)

        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            _points.hit(what, "before", connection(self))
            given = call(self, *args, **kwargs)
            _points.hit(what, "after", connection(self))
            return given

        setattr(owner, method, watched)

    for method in ("commit", "rollback"):
        around(psycopg.Connection, method, method, lambda self: self)
    around(psycopg.Cursor, "execute", "statement", lambda self: self.connection)
    around(psycopg.Cursor, "copy", "bulk", lambda self: self.connection)
    around(psycopg.Copy, "write", "block", lambda self: self.cursor.connection)
