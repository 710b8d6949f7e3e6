"""A whole night beside the program people write first, on the same files in the same run.

    python benchmarks/night.py [AFFILIATES EVENTS] [--repeat N]

Prints, as a table for docs/benchmarks.md, the median seconds and the peak memory of whole
processes, and their ratio; the two take turns, because machines are noisy. The lines of both are
compared first: a fast wrong answer is no result.
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
from pathlib import Path

import polars as pl
from generate import generate

HERE = Path(__file__).parent
DATE = "2026-12-31"
SEED = 7
PEER = "row by row (networkx, Decimal), lines only"
PLAIN = "the night on SQLite, no documents"
PAID = "the night on SQLite, a document for everybody paid"


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak memory (MB) of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def engine(folder: Path, work: Path, documents: str) -> list[str]:
    """`commission run` into a fresh SQLite book."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    program = str(Path(sys.executable).with_name("commission"))
    os.environ["COMMISSION_DOCUMENTS"] = documents
    book = f"sqlite:///{work / 'book.db'}"
    return [program, "run", str(folder), "--date", DATE, "--out", str(work), "--database", book]


def same_lines(ours: Path, theirs: Path) -> int:
    """How many lines both have; the benchmark ends where they differ."""
    key = ["event_id", "level", "beneficiary_id", "commission"]
    mine = pl.read_csv(ours, infer_schema=False).select(key)
    other = pl.read_csv(theirs, infer_schema=False, has_header=False, new_columns=key)
    if not mine.equals(other):
        sys.exit("the two programs do not write the same lines")
    return mine.height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("affiliates", type=int, nargs="?", default=100_000)
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        generate(given.affiliates, given.events, SEED, work / "in", parquet=False)
        peer = [
            sys.executable,
            str(HERE / "row_by_row.py"),
            str(work / "in"),
            str(work / "peer.csv"),
        ]
        rows: dict[str, list[tuple[float, float]]] = {PEER: [], PLAIN: [], PAID: []}
        for _ in range(given.repeat):
            rows[PEER].append(measured(peer))
            rows[PLAIN].append(measured(engine(work / "in", work / "plain", "none")))
            rows[PAID].append(measured(engine(work / "in", work / "paid", "paid")))
        lines = same_lines(work / "plain" / DATE / "lines.csv", work / "peer.csv")
    slowest = statistics.median(seconds for seconds, _ in rows[PEER])
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    size = f"{given.affiliates:,} affiliates, {given.events:,} events, {lines:,} lines"
    print(f"{size}; {machine}")
    print("\n| what | seconds (median) | of the peer | peak MB |\n| --- | ---: | ---: | ---: |")
    for label, runs in rows.items():
        seconds = statistics.median(each for each, _ in runs)
        memory = max(each for _, each in runs)
        print(f"| {label} | {seconds:.1f} | {seconds / slowest:.2f} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
