"""What all pages share: the book to read, the store of sessions, the settings, the clock."""

import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from commission_engine import logs
from commission_engine.book import facts, runs
from commission_engine.book.connect import Connection, Engine
from commission_engine.book.doors import NOBODY, Doors, Who
from commission_engine.book.lines import LineStore, where_kept
from commission_engine.doorway import Doorway
from commission_engine.explain.history import Book, completed_of
from commission_engine.plan.terms import Plan
from commission_engine.portal.access import Page
from commission_engine.portal.limits import Limiter
from commission_engine.portal.uploads import Uploads
from commission_engine.settings import Settings
from commission_engine.statements.privacy import Privacy

SIGN_IN_BYTES = 32
"""Of chance in every cookie, link and token: 256 bits."""
MOST_REMEMBERED = 1_000
T = TypeVar("T")


def seconds() -> int:
    return int(time.time())


def new_secret() -> str:
    return secrets.token_urlsafe(SIGN_IN_BYTES)


@dataclass
class Portal:
    """A server's state. `url` is where people reach it, without a slash at its end; `environment`
    has the secrets; `tell` is how an alarm leaves the machine (see `alarm`)."""

    engine: Engine
    doors: Doors
    settings: Settings
    url: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    clock: Callable[[], int] = seconds
    tell: Callable[[Mapping[str, str]], None] = lambda payload: None
    pages: Sequence[Page] = ()
    at_work: set[str] = field(default_factory=set)
    """What this server has started and waits for, by name (see `started`)."""
    _plans: dict[int, Plan] = field(default_factory=dict)
    _remembered: dict[str, tuple[int, Any]] = field(default_factory=dict)
    _runs: tuple[tuple[int, str], Sequence[runs.Run]] = ((0, ""), ())
    _views: WeakKeyDictionary[Connection, dict[str, Any]] = field(default_factory=WeakKeyDictionary)

    @cached_property
    def doorway(self) -> Doorway:
        return self.settings.doorway

    @cached_property
    def limiter(self) -> Limiter:
        return Limiter(self.clock)

    @cached_property
    def uploads(self) -> Uploads:
        return Uploads(self.clock)

    @property
    def pseudonym_key(self) -> bytes:
        """That of statements (COMMISSION_STATEMENTS_KEY); b"" where there is none."""
        return Privacy.of("", self.environment).key

    @property
    def out(self) -> Path:
        return Path(self.settings.out.value)

    @property
    def secure(self) -> bool:
        """Whether browsers reach it over TLS."""
        return self.url.startswith("https://")

    @property
    def cookie(self) -> str:
        return "__Host-commission" if self.secure else "commission"

    def plan(self, connection: Connection) -> Plan | None:
        """The plan that was applied last, read once; None before the first."""
        version = self.once(connection, "plan", lambda: facts.latest_plan_version(connection))
        if version is None:
            return None
        if version not in self._plans:
            self._plans[version] = facts.plan_of(connection, version)
        return self._plans[version]

    def lines(self, connection: Connection) -> LineStore:
        """Where the book keeps its lines."""
        wanted = self.settings.lines_store.value
        return self.once(connection, "lines", lambda: where_kept(connection, wanted))

    def history(self, connection: Connection) -> Book:
        """The book as explanations look at it; the rows of its runs are read once more only where
        there is one more run."""
        plan = self.plan(connection)
        if plan is None:
            return Book.at(connection, self.lines(connection))
        known, done = runs.last_completed(connection), self._runs
        if done[0] != known:
            done = self._runs = known, completed_of(connection)
        return Book(connection, self.lines(connection), done[1], plan, self._plans)

    def once(self, connection: Connection, about: str, look: Callable[[], T]) -> T:
        """What `look` finds in one view of the book, looked for once."""
        found = self._views.setdefault(connection, {})
        if about not in found:
            found[about] = look()
        return cast(T, found[about])

    def remembered(self, connection: Connection, about: str, count: Callable[[], T]) -> T:
        """What `count` gives, which looks at many rows: done again only where the book has learned
        something since."""
        known = runs.last_intake(connection)
        before = self._remembered.get(about)
        if before is None or before[0] != known:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            before = self._remembered[about] = (known, count())
        return cast(T, before[1])

    def note(self, who: Who, what: str, about: str = "") -> None:
        """Keep what happened at the door, and log it."""
        self.doors.note(self.clock(), who, what, about)
        logs.record(f"portal {what}", kind=who.kind or None, about=about or None)

    def alarm(self, what: str, about: str, who: Who = NOBODY) -> None:
        """Something that must not be: kept, logged as an error, and told to the hook `failed`."""
        self.doors.note(self.clock(), who, what, about)
        logs.record(f"portal {what}", logging.ERROR, about=about)
        self.tell({"event": "failed", "what": what, "about": about})


def form_token(secret: str) -> str:
    """What a form must bring back to prove that a page of ours showed it to this browser."""
    return hmac.new(secret.encode(), b"form", sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that says nothing of where they differ."""
    first, second = (text.encode("utf-8", "surrogatepass") for text in (one, other))
    return hmac.compare_digest(first, second)


def packed(data: Mapping[str, str]) -> str:
    return json.dumps(data, sort_keys=True)
