"""A SQLite book that many tests begin with, made once and then copied."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from program import tree

from commission_engine.book.connect import connect

_MADE: dict[str, tuple[bytes, dict[str, bytes]]] = {}


def once(key: str, url: str, folder: Path, make: Callable[[], object]) -> None:
    """What `make` does to the book at `url`, and to the files in `folder` but for the book.

    It does so itself the first time, and always on a server.
    """
    book = Path(str(connect(url).url.database))
    if not url.startswith("sqlite"):
        make()
    elif key in _MADE:
        content, files = _MADE[key]
        book.write_bytes(content)
        for name, each in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(each)
    else:
        make()
        with sqlite3.connect(book) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        _MADE[key] = (book.read_bytes(), tree(folder))
