"""Who is signed in to the portal: sessions, one-time links, tokens; what happened at the door.

They are beside the book and not in it: in a file of their own beside a SQLite book, in the schema
`portal` of a PostgreSQL one. SQLite has one writer at a time, and a night writes in one transaction
for minutes; signing in must not wait for it. Nothing here is a fact of the programme. If all of it
is lost, people sign in again and make new tokens.

Secrets are never kept, only their SHA-256. Instants are seconds since 1970.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from commission_engine.book.connect import connect, for_readers, translated
from commission_engine.problems import UsageError

SCHEMA = "portal"
VERSION = 2
BUSY_SECONDS = 5

_metadata = sa.MetaData()
_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, _metadata, *columns, sqlite_strict=True)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _instant(name: str) -> sa.Column[Any]:
    return sa.Column(name, _Big, nullable=False)


def _hash() -> sa.Column[Any]:
    return sa.Column("hash", sa.Text, primary_key=True)


_version = _table("portal_version", sa.Column("version", _Big, primary_key=True))

_session = _table(  # somebody's browser; `kind` and `who` are empty until somebody signs in with it
    "portal_session",
    _hash(),
    _text("kind"),  # affiliate, staff, ""
    _text("who"),  # an affiliate's id, or the name of an account
    _text("data"),  # what a sign-in that is under way must remember
    _instant("created"),
    _instant("seen"),
    _instant("ends"),
)
sa.Index("ix_portal_session_who", _session.c.kind, _session.c.who)
_OF_SECRET = sa.select(_session).where(_session.c.hash == sa.bindparam("hashed"))

_link = _table(  # signs in once
    "portal_link", _hash(), _text("kind"), _text("who"), _instant("ends")
)

_token = _table(  # reads the API as an affiliate, or with the role of an account
    "portal_token",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    _text("kind"),
    _text("who"),
    _text("label"),
    _instant("created"),
    _instant("ends"),
)
sa.Index("ix_portal_token_who", _token.c.kind, _token.c.who)

_happened = _table(  # what happened at the door: only ever added to
    "portal_happened",
    sa.Column("id", _Big, primary_key=True, autoincrement=True),
    _instant("at"),
    _text("kind"),
    _text("who"),
    _text("what"),
    _text("about"),
)


@dataclass(frozen=True, slots=True)
class Who:
    """Who somebody is: an affiliate by id, or an account of the staff by name."""

    kind: str
    id: str


NOBODY = Who("", "")
AFFILIATE, STAFF = "affiliate", "staff"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has a cookie; `who` is NOBODY as long as nobody has signed in with it."""

    who: Who
    data: str
    created: int
    seen: int
    ends: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the API; the secret itself is shown once, when it is made."""

    id: str
    who: Who
    label: str
    created: int
    ends: int


@dataclass(frozen=True, slots=True)
class Happened:
    """Something at the door: who, what, and about which thing."""

    at: int
    who: Who
    what: str
    about: str


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


class Doors:
    """The store of sessions, links and tokens; each call is one short transaction of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def beside(cls, database: str) -> "Doors":
        """That of the book at this URL, made where it is missing or of another version."""
        book = connect(database).url
        if book.get_backend_name() == "postgresql":
            made: sa.Engine = for_readers(database)
            doors = cls(made.execution_options(schema_translate_map={None: SCHEMA}))
        else:
            file = Path(str(book.database)).with_suffix(".portal.db")
            doors = cls(for_readers(book.set(database=str(file))))
        doors._make()
        return doors

    def close(self) -> None:
        self._engine.dispose()

    def _make(self) -> None:
        """The tables, emptied of what another version of them has left, but for what happened."""
        with self._change() as connection:
            postgresql = connection.dialect.name == "postgresql"
            if postgresql:
                _may_make_schema(connection)
            there = sa.inspect(connection).has_table(
                _version.name, schema=SCHEMA if postgresql else None
            )
            if there:
                found = connection.execute(sa.select(sa.func.max(_version.c.version))).scalar()
                if found == VERSION:
                    return
                passing = [each for each in _metadata.sorted_tables if each is not _happened]
                _metadata.drop_all(connection, passing)
            _metadata.create_all(connection)
            connection.execute(sa.insert(_version).values(version=VERSION))

    @contextmanager
    def _change(self) -> Iterator[sa.Connection]:
        with translated(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _look(self) -> Iterator[sa.Connection]:
        options = {"reads_only": True}
        with (
            translated(self._engine),
            self._engine.connect().execution_options(**options) as connection,
        ):
            yield connection

    # -- sessions

    def session(self, secret: str, now: int, idle: int) -> Session | None:
        """The session of a cookie; None where it has ended or was not used for `idle` seconds."""
        with self._look() as connection:
            row = (
                connection.execute(_OF_SECRET, {"hashed": hashed(secret)}).mappings().one_or_none()
            )
        if row is None or now >= row["ends"] or now - row["seen"] > idle:
            return None
        who = Who(row["kind"], row["who"])
        return Session(who, row["data"], row["created"], row["seen"], row["ends"])

    def begin(
        self, secret: str, who: Who, now: int, ends: int, *, data: str = "", instead: str = ""
    ) -> None:
        """A new session; the one of the cookie `instead` ends with it."""
        row = {
            "hash": hashed(secret), "kind": who.kind, "who": who.id, "data": data, "created": now,
            "seen": now, "ends": ends,
        }  # fmt: skip
        with self._change() as connection:
            connection.execute(sa.delete(_session).where(_session.c.hash == hashed(instead)))
            connection.execute(sa.insert(_session).values(row))

    def seen(self, secret: str, now: int) -> None:
        with self._change() as connection:
            mine = _session.c.hash == hashed(secret)
            connection.execute(sa.update(_session).where(mine).values(seen=now))

    def end(self, secret: str) -> None:
        with self._change() as connection:
            connection.execute(sa.delete(_session).where(_session.c.hash == hashed(secret)))

    def end_all(self, who: Who, *, tokens: bool = False) -> int:
        """End all sessions and links of somebody, with `tokens` his tokens too; how many they
        were."""
        with self._change() as connection:
            gone = [
                connection.execute(
                    sa.delete(table).where(table.c.kind == who.kind, table.c.who == who.id)
                ).rowcount
                for table in (_session, _link, *([_token] if tokens else []))
            ]
        return sum(gone)

    def sweep(self, now: int) -> None:
        """Remove what has ended."""
        with self._change() as connection:
            for table in (_session, _link, _token):
                connection.execute(sa.delete(table).where(table.c.ends <= now))

    # -- links

    def add_link(self, secret: str, who: Who, ends: int) -> None:
        row = {"hash": hashed(secret), "kind": who.kind, "who": who.id, "ends": ends}
        with self._change() as connection:
            connection.execute(sa.insert(_link).values(row))

    def use_link(self, secret: str, now: int) -> Who | None:
        """Whom a link signs in; it is gone with that. Of two uses at once one finds it."""
        with self._change() as connection:
            mine = _link.c.hash == hashed(secret)
            row = connection.execute(sa.select(_link).where(mine)).mappings().one_or_none()
            gone = connection.execute(sa.delete(_link).where(mine)).rowcount
        if row is None or gone != 1 or now >= row["ends"]:
            return None
        return Who(row["kind"], row["who"])

    # -- tokens

    def add_token(self, token: Token, secret: str) -> None:
        row = {
            "id": token.id, "hash": hashed(secret), "kind": token.who.kind, "who": token.who.id,
            "label": token.label, "created": token.created, "ends": token.ends,
        }  # fmt: skip
        with self._change() as connection:
            connection.execute(sa.insert(_token).values(row))

    def tokens(self, who: Who, now: int) -> Sequence[Token]:
        """Those of somebody that have not ended, the newest first."""
        query = (
            sa.select(_token)
            .where(_token.c.kind == who.kind, _token.c.who == who.id, _token.c.ends > now)
            .order_by(_token.c.created.desc(), _token.c.id)
        )
        with self._look() as connection:
            return [_read_token(row) for row in connection.execute(query).mappings()]

    def token(self, secret: str, now: int) -> Token | None:
        with self._look() as connection:
            query = sa.select(_token).where(_token.c.hash == hashed(secret), _token.c.ends > now)
            row = connection.execute(query).mappings().one_or_none()
        return _read_token(row) if row else None

    def remove_token(self, token_id: str, who: Who) -> bool:
        """Whether it was there, and his."""
        with self._change() as connection:
            mine = (_token.c.id == token_id, _token.c.kind == who.kind, _token.c.who == who.id)
            return connection.execute(sa.delete(_token).where(*mine)).rowcount == 1

    # -- what happened

    def note(self, at: int, who: Who, what: str, about: str = "") -> None:
        row = {"at": at, "kind": who.kind, "who": who.id, "what": what, "about": about}
        with self._change() as connection:
            connection.execute(sa.insert(_happened).values(row))

    def happened(self, limit: int) -> Sequence[Happened]:
        """The last things, the newest first; 0: all."""
        query = sa.select(_happened).order_by(_happened.c.id.desc()).limit(limit or None)
        with self._look() as connection:
            return [
                Happened(row["at"], Who(row["kind"], row["who"]), row["what"], row["about"])
                for row in connection.execute(query).mappings()
            ]


def _read_token(row: Any) -> Token:
    who = Who(row["kind"], row["who"])
    return Token(row["id"], who, row["label"], row["created"], row["ends"])


def _may_make_schema(connection: sa.Connection) -> None:
    if SCHEMA in sa.inspect(connection).get_schema_names():
        return
    try:
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    except IntegrityError:  # another server has made it meanwhile
        raise UsageError(
            f"the schema {SCHEMA} is being made by somebody else", "Run the command again."
        ) from None
    except sa.exc.ProgrammingError as why:
        raise UsageError(
            f"the role {connection.engine.url.username} may not make the schema {SCHEMA}",
            f"As the database's owner: CREATE SCHEMA {SCHEMA} AUTHORIZATION"
            f" {connection.engine.url.username}; then run this command again.",
        ) from why
