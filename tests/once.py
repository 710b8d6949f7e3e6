"""A book that many tests begin with, made once and then copied: of either kind."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
from program import tree

from commission_engine.book.connect import connect

Files = dict[str, bytes]

_MADE: dict[str, tuple[bytes, Files]] = {}
_SERVERS: dict[tuple[str, str], tuple[str, Files]] = {}
"""By server and key the database that is copied, and the files beside it."""


def once(key: str, url: str, folder: Path, make: Callable[[], object]) -> None:
    """What `make` does to the book at `url`, and to the files in `folder` but for the book.

    It does so itself the first time of a process.
    """
    if url.startswith("sqlite"):
        _in_a_file(key, Path(str(connect(url).url.database)), folder, make)
    else:
        _on_a_server(key, url, folder, make)


def forget() -> None:
    """Remove the databases that are copied from the servers."""
    for (server, _), (name, _) in _SERVERS.items():
        _say(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _SERVERS.clear()


def _in_a_file(key: str, book: Path, folder: Path, make: Callable[[], object]) -> None:
    if key in _MADE:
        content, files = _MADE[key]
        book.write_bytes(content)
        _written(folder, files)
        return
    make()
    with sqlite3.connect(book) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    _MADE[key] = (book.read_bytes(), tree(folder))


def _on_a_server(key: str, url: str, folder: Path, make: Callable[[], object]) -> None:
    book = str(connect(url).url.database)
    named = connect(url).url.set(drivername="postgresql", database="postgres")
    server = named.render_as_string(hide_password=False)
    if (server, key) in _SERVERS:
        name, files = _SERVERS[server, key]
        _say(server, f"DROP DATABASE {book} WITH (FORCE)", _copied(name, book))
        _written(folder, files)
        return
    make()
    name = f"once_{len(_SERVERS)}_{book}"
    _say(
        server,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        f" WHERE datname = '{book}' AND pid <> pg_backend_pid()",
        _copied(book, name),
    )
    _SERVERS[server, key] = (name, tree(folder))


def _copied(template: str, name: str) -> str:
    return f"CREATE DATABASE {name} TEMPLATE {template}"


def _say(server: str, *statements: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _written(folder: Path, files: Files) -> None:
    for name in tree(folder).keys() - files.keys():
        (folder / name).unlink()
    for name, each in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(each)
