"""Books that older programs have left, for tests; see books/README.md."""

import json
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from commission_engine.book import revisions, tables
from commission_engine.book.connect import connect, reading, writing

BOOKS = Path(__file__).parent / "books"
REVISIONS = tuple(sorted(path.stem for path in BOOKS.glob("*.sql")))


def old_book(revision: str, file: Path) -> str:
    """The URL of the SQLite book of this revision, in `file`."""
    with sqlite3.connect(file) as connection:
        connection.executescript((BOOKS / f"{revision}.sql").read_text("utf-8"))
    connection.close()
    return f"sqlite:///{file}"


def published(revision: str) -> dict[str, str]:
    """The SHA-256 of every file that was published from it, by its name."""
    found: dict[str, str] = json.loads((BOOKS / f"{revision}.json").read_text("utf-8"))
    return found


def carried_over(source: str, target: str) -> None:
    """All rows of a book, at its revision, into an empty database of the other kind."""
    with reading(connect(source)) as old, writing(connect(target)) as new:
        revisions.move(new, str(revisions.current(old)))
        into = tables.tables(new)
        for name, table in tables.tables(old).items():
            for part in tables.rows(old, table):
                tables.add(new, into[name], part)


def revision_of(engine: sa.Engine) -> str | None:
    with reading(engine) as connection:
        return revisions.current(connection)
