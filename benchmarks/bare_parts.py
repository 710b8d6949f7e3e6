"""The bare parts of a night, each alone, one after the other in one process.

    python benchmarks/bare_parts.py URL DATE FILES --out FOLDER [--copied LINES]

URL is a book with everything imported and no run, FILES the folder that its night has published,
LINES the night's lines as the bytes of PostgreSQL's binary COPY. In seconds of wall time:

- `reading`: the events of the run, the forest of referrals and the affiliates' ids, as columns in
  memory, by the queries and in the way of the night.
- `kernel`: the decision on these columns.
- `lines`: into the book's own empty table with its key, in the key's order, in one transaction
  with its commit. In PostgreSQL a binary COPY whose bytes are there already; in SQLite
  `executemany`, with the making of its rows out of columns, because that is the only way in.
- `files`: lines.csv, statements.csv, payouts.csv and journal.csv, whose bytes are there already:
  only their writing, SHA-256 and fsync. No text is made.
- `text`: what Polars takes to write lines.csv, as bytes in memory, from columns that are text
  already. No bare part: it says what part of the night's distance to `files` is the making of text.

Prints JSON: `seconds` by part, `bytes` of the files, `peak_mb` of the process.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine.book import decided, facts, runs
from commission_engine.book.connect import Connection, connect, reading, writing
from commission_engine.book.lines import narrow
from commission_engine.calendar import Zone, day_of
from commission_engine.decide.kernel import Events, Lines, decide
from commission_engine.decide.used import UsedInMemory

sys.path.append(str(Path(__file__).parent / "peers"))
from common import peak_mb

TABLES = ("lines.csv", "statements.csv", "payouts.csv", "journal.csv")
BLOCK = 1 << 20
ROWS_AT_ONCE = 50_000
COLUMNS = (
    "run_day, beneficiary, event, level, gross_minor, commission_minor, reason, terms_day,"
    " available_day"
)
"""Of the table of lines, in the order in which the bytes of a COPY have them."""


class Clock:
    """Seconds by name; a name's times add up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        took = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + took


def read_and_decide(connection: Connection, day: int, clock: Clock) -> tuple[Events, Lines]:
    plan = facts.current_plan(connection)
    assert plan is not None
    known, last = runs.last_intake(connection), runs.last_event(connection)
    with clock.on("reading"):
        rows = runs._events(connection, 1, last)
        forest = runs.forest(connection)
        names = decided.names(connection)
    del rows, names
    codes, standing = facts.currency_codes(connection), runs.standing(connection)
    events = runs.due(connection, [], day, known, last, Zone(plan.timezone)).events
    with clock.on("kernel"):
        lines = decide(events, plan, codes, forest, standing, UsedInMemory()).lines
    return events, lines


def copied(connection: Connection, file: Path) -> None:
    """The bytes of a file into PostgreSQL's table of lines."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY line ({COLUMNS}) FROM STDIN (FORMAT binary)"
    with file.open("rb") as source, driver.cursor() as cursor, cursor.copy(statement) as copy:
        while block := source.read(BLOCK):
            copy.write(block)


def inserted(connection: Connection, day: int, frames: list[pl.DataFrame]) -> None:
    """The lines as rows into SQLite's table of lines."""
    driver: Any = connection.connection.driver_connection
    names = [name.strip() for name in COLUMNS.split(",")]
    statement = f"INSERT INTO line ({COLUMNS}) VALUES ({', '.join('?' * len(names))})"
    for frame in frames:
        for part in frame.with_columns(run_day=day).select(names).iter_slices(ROWS_AT_ONCE):
            driver.executemany(statement, part.iter_rows())


def written(folder: Path, out: Path, clock: Clock) -> int:
    """The files' bytes again; how many they are. Reading them is not timed."""
    size = 0
    for name in TABLES:
        hashed = sha256()
        with (folder / name).open("rb") as source, (out / name).open("wb", buffering=0) as file:
            while block := source.read(BLOCK):
                with clock.on("files"):
                    hashed.update(block)
                    file.write(block)
                size += len(block)
            with clock.on("files"):
                os.fsync(file.fileno())
    return size


def as_text(file: Path, clock: Clock) -> None:
    """lines.csv from columns of its cells, part by part."""
    with file.open("rb") as source:
        header = source.readline()
        clock.seconds["text"] = 0.0
        while lines := source.readlines(64 * BLOCK):
            block = header + b"".join(lines)
            columns = pl.read_csv(block, infer_schema=False)
            target = io.BytesIO()
            with clock.on("text"):
                columns.write_csv(target, include_header=False, null_value="")


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    words.add_argument("url")
    words.add_argument("date", type=date.fromisoformat)
    words.add_argument("files", type=Path)
    words.add_argument("--out", type=Path, required=True, help="an empty folder to write to")
    words.add_argument("--copied", type=Path, help="needed for PostgreSQL")
    given = words.parse_args()
    clock, engine, day = Clock(), connect(given.url), day_of(given.date)
    with reading(engine) as connection:
        events, lines = read_and_decide(connection, day, clock)
    frames = [] if engine.dialect.name == "postgresql" else list(narrow(events, lines))
    del events, lines
    with clock.on("lines"), writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            copied(connection, given.copied)
        else:
            inserted(connection, day, frames)
    size = written(given.files, given.out, clock)
    peak = peak_mb()
    as_text(given.files / "lines.csv", clock)
    seconds = {name: round(took, 3) for name, took in clock.seconds.items()}
    print(json.dumps({"seconds": seconds, "bytes": size, "peak_mb": peak}))


if __name__ == "__main__":
    main()
