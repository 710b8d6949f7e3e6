"""How a page changes the book: as a command does, with the book's lock, in one transaction.

While a run holds the lock nothing can be changed; `Locked` says since when and by whom, and the
gate shows it. What an account of the staff does is recorded under its name beside the server's own.
"""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeVar, cast

from commission_engine.book.audit import Origin
from commission_engine.book.connect import Connection, connect
from commission_engine.book.lock import Worker, again, working
from commission_engine.identity import account, signed_in
from commission_engine.imports import Circumstances
from commission_engine.portal.access import Asked

T = TypeVar("T")


def changed(asked: Asked, how: Callable[[Connection, Circumstances], T], *, keep: bool = True) -> T:
    """What `how` does to the book, kept or, without `keep`, done for show and undone; it is called
    once more where what stopped it passes."""
    given = circumstances(asked, dry_run=not keep)

    def unit(worker: Worker) -> T:
        with worker.writing(keep=keep) as connection:
            return how(connection, given)

    with at_work(asked) as worker:
        return again(lambda: unit(worker))


class _Otherwise(Exception):
    """It comes to something else than what was shown; so nothing of it is kept."""

    def __init__(self, done: object) -> None:
        super().__init__()
        self.done = done


def kept_as_shown(
    asked: Asked,
    how: Callable[[Connection, Circumstances], T],
    content: Callable[[T], str],
    shown: str,
) -> tuple[T, bool]:
    """What `how` comes to, and whether it was kept: only where that has the `content` that was
    `shown` ("": nothing was shown yet)."""

    def as_shown(connection: Connection, given: Circumstances) -> T:
        done = how(connection, given)
        if shown and content(done) != shown:
            raise _Otherwise(done)
        return done

    try:
        return changed(asked, as_shown, keep=bool(shown)), bool(shown)
    except _Otherwise as why:
        return cast(T, why.done), False


def at_work(asked: Asked) -> AbstractContextManager[Worker]:
    """The book's lock, for what takes a worker of its own."""
    engine = connect(asked.portal.settings.database.value)
    given = circumstances(asked)
    return working(engine, f"{given.who} (portal, {asked.page.path})", given.now)


def circumstances(asked: Asked, *, dry_run: bool = False) -> Circumstances:
    """Who changes something, when, and from which page."""
    at = datetime.fromtimestamp(asked.portal.clock(), UTC)
    now = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    origin = Origin(socket.gethostname(), os.getpid(), f"portal POST {asked.page.path}")
    who = signed_in(asked.visitor.who.id, account())
    return Circumstances(who, now, dry_run=dry_run, origin=origin)
