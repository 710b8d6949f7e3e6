"""A query on the platform's own database: its rows become a file, as far as they are new.

The database is only read: in a transaction that is read only where the database knows such, and
that is undone in any case. Rows come some at a time and go to a file in the temporary folder, so
memory does not grow with them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from commission_engine.book.connect import without_password
from commission_engine.book.sources import Known, Mark
from commission_engine.ingest.columns import Kind, check_names
from commission_engine.problems import FileRefused, UsageError
from commission_engine.sources import watermark
from commission_engine.sources.shape import Catch, Fetched, Piece, Unreachable
from commission_engine.sources.values import NoText, text_of
from commission_engine.sources.values import field as as_field
from commission_engine.sources.watermark import MarkType, Overlap, Value

ROWS_AT_ONCE = 5_000
CONNECT_SECONDS = 10
ALIVE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""When PostgreSQL's client gives a server up that says nothing any more."""

_MEND = "Mend the query; nothing was imported from it."


@dataclass(frozen=True, slots=True)
class Growing:
    """A column whose largest value says how far the query was read, and where to begin."""

    column: str
    start: Value
    overlap: Overlap


@dataclass(frozen=True)
class Query:
    """A source of kind sql. `url` may hold a password; nothing that is shown or kept has it."""

    name: str
    url: str = field(repr=False)
    file: Kind
    query: str
    mark: Growing | None = None
    required: bool = True
    kind: str = "sql"

    @property
    def where(self) -> str:
        return without_password(self.url)

    @contextmanager
    def look(self, known: Known, *, anew: bool = False) -> Iterator[Catch]:
        with TemporaryDirectory(prefix="commission-source-") as folder:
            path = Path(folder) / f"{self.name}.csv"
            since, notes = self._since(known, anew)
            with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                top, rows = self._written(file, since)
            mark = known.mark
            if self.mark and top is not None:
                kept = self._kept(known)
                top = max(top, self.mark.start if kept is None else kept)
                mark = Mark(self.mark.column, str(watermark.type_of(top)), watermark.as_text(top))
            pieces = [Piece(self.file, path, path.name)] if rows else []
            yield Catch(pieces, None, mark, notes)

    def _kept(self, known: Known) -> Value | None:
        """The watermark of the last fetch; None where there is none that fits this query."""
        if not self.mark or not known.mark or known.mark.column != self.mark.column:
            return None
        if known.mark.type != watermark.type_of(self.mark.start):
            return None
        return watermark.value_of(MarkType(known.mark.type), known.mark.text)

    def _since(self, known: Known, anew: bool) -> tuple[Value | None, list[str]]:
        if not self.mark:
            return None, []
        kept = self._kept(known)
        if kept is not None and not anew:
            return watermark.before(kept, self.mark.overlap), []
        if known.mark is None or kept is not None:
            return self.mark.start, []
        start = watermark.as_text(self.mark.start)
        return self.mark.start, [
            f"source {self.name!r}: the watermark was another ({known.mark.column}:"
            f" {known.mark.text}), so all is read from {start}"
        ]

    def _written(self, file: Any, since: Value | None) -> tuple[Value | None, int]:
        """Write the rows as CSV; the largest watermark among them, and how many there are."""
        statement = sa.text(self.query.strip().rstrip(";"))
        values = {} if since is None else {"since": since}
        with self._told(), self._connected() as connection:
            result = connection.execute(statement, values)
            if not result.returns_rows:
                raise self._refused("the query returns no rows", "Write a SELECT.")
            names = list(result.keys())
            self._check(names)
            file.write(",".join(map(as_field, names)) + "\n")
            top, number = None, 0
            for number, row in enumerate(result.yield_per(ROWS_AT_ONCE), 1):
                file.write(",".join(self._fields(names, row, number)) + "\n")
                if self.mark:
                    top = self._larger(top, row[names.index(self.mark.column)], number)
            return top, number

    def _fields(self, names: Sequence[str], row: Sequence[Any], number: int) -> Iterator[str]:
        for name, value in zip(names, row, strict=True):
            try:
                yield as_field(text_of(self.file, name, value))
            except NoText as why:
                raise self._refused(f"row {number}, column {name}: {why}") from why

    def _larger(self, top: Value | None, value: Any, number: int) -> Value:
        assert self.mark
        found, right = watermark.type_of(value), watermark.type_of(self.mark.start)
        if found is not right:
            what = f"a {found}" if found else "NULL" if value is None else repr(value)
            raise self._refused(
                f"row {number}: the watermark {self.mark.column} is {what}, but start is a {right}",
                "Write a start of the column's own type, such as 0,"
                " 2026-01-01T00:00:00Z without quotes, or a text in quotes; leave NULL out.",
            )
        return value if top is None or value > top else top

    def _check(self, names: Sequence[str]) -> None:
        try:
            check_names(Path(self.name), self.file, names, "the query's result")
        except FileRefused as why:
            said = why.message.removeprefix(f"{self.name}: ")
            raise self._refused(said, f"{why.hint} Name columns with AS.") from why
        if self.mark and self.mark.column not in names:
            raise self._refused(
                f"the query's result has no column {self.mark.column!r}, the watermark",
                "Select it as well; what is no column of the file is kept with the row.",
            )

    def _refused(self, said: str, hint: str = _MEND) -> UsageError:
        return UsageError(f"source {self.name!r}: {said}", hint)

    # -- the database

    @cached_property
    def _engine(self) -> sa.Engine:
        url = sa.make_url(self.url)
        options: dict[str, Any] = {"poolclass": sa.NullPool}
        if url.get_backend_name() == "postgresql" and url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername == "postgresql+psycopg":
            options["connect_args"] = {k: v for k, v in ALIVE.items() if k not in url.query}
        if url.get_backend_name() == "sqlite" and not url.query:
            # Without mode=ro a file that is not there would be made.
            place = quote(os.path.abspath(url.database or ""))
            url = sa.make_url(f"sqlite:///file:{place}?mode=ro&uri=true")
        return sa.create_engine(url, **options)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """One consistent view, in which nothing can be written where the database knows that."""
        options: dict[str, Any] = {"stream_results": True}
        if self._engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        try:
            connection = self._engine.connect()
        except (OperationalError, InterfaceError) as why:
            raise self._unreachable(why) from why
        with connection:
            yield connection.execution_options(**options)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in our words what the database says: whether it is away, or the query is wrong."""
        try:
            yield
        except DBAPIError as why:
            if why.connection_invalidated or self._is_passing(why):
                raise self._unreachable(why) from why
            raise self._refused(f"the query is refused: {self._said(why)}") from why
        except SQLAlchemyError as why:
            raise self._refused(f"the query cannot be sent: {self._said(why)}") from why

    def _is_passing(self, why: DBAPIError) -> bool:
        if not isinstance(why, OperationalError | InterfaceError):
            return False
        said = str(why.orig)
        wrong = (
            "no such",
            "readonly",
            "syntax error",
            "unrecognized token",
            "incomplete input",
            "ambiguous",
        )
        return self._engine.dialect.name != "sqlite" or not any(each in said for each in wrong)

    def _unreachable(self, why: DBAPIError) -> Unreachable:
        return Unreachable(
            f"source {self.name!r}: {self.where} cannot be read: {self._said(why)}",
            "Nothing was imported from it. Look at the database, then run the command again.",
        )

    def _said(self, why: SQLAlchemyError) -> str:
        """The first line of what the driver says, without the password."""
        orig = getattr(why, "orig", None)
        text = str(orig if orig is not None else why).strip()
        line = text.splitlines()[0] if text else type(why).__name__
        password = sa.make_url(self.url).password
        return line.replace(str(password), "***") if password else line

    # -- what is not asked of a query

    def settle(self, fetched: Fetched) -> Fetched:
        return fetched

    def refuse_plan(self, why: str) -> None:
        """A query gives no plan."""

    def waiting(self, known: Known) -> None:
        """Only whether it can be reached; its rows are counted by a fetch."""
        with self._told(), self._connected() as connection:
            connection.exec_driver_sql("SELECT 1")


def fault_of(url: str) -> str:
    """What is wrong with a database URL, without the URL, which may hold a password; "" if nothing
    is."""
    try:
        parsed = sa.make_url(url)
        driver = parsed.drivername
        if driver == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect().import_dbapi()
    except ArgumentError:
        return "is not a database URL; write such as postgresql://user@host/name"
    except (NoSuchModuleError, ModuleNotFoundError, AttributeError):
        return f"needs a driver for {driver}, which is not installed; install it beside the program"
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        return "is a database in memory, which holds nothing; name a file: sqlite:///shop.db"
    return ""


def takes_timestamps(url: str) -> bool:
    """Whether `:since` can be a timestamp there; SQLite has only numbers and texts."""
    return sa.make_url(url).get_backend_name() != "sqlite"


NAMES: Mapping[str, str] = {"since": "the watermark of the last fetch, or start"}
"""What a query may ask for by a colon and a name."""


def asks_for(query: str) -> frozenset[str]:
    """The names behind single colons in a query."""
    return frozenset(sa.text(query).compile().params)
