"""The engine, the limit and the peers on the same facts, in turns, their lines checked.

    python benchmarks/compare.py [AFFILIATES EVENTS] [--repeat N] [--only engine,limit,duckdb_sql]

Each is a process of its own, and they take turns, because machines are noisy: only ratios inside
one run say much. Before anything is printed the lines are compared by their checksums; a fast
wrong answer is no result. Prints a Markdown table for docs/benchmarks.md: the median seconds from
facts in each one's natural form to lines in it, the processor's seconds, ratios, and the most
memory.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from generate import generate

Report: TypeAlias = dict[str, float]

HERE = Path(__file__).parent
SEED = 7
PROGRAMS = {
    "engine": ("commission decide", "peers/engine.py"),
    "limit": ("the limit (numba, by hand)", "limit.py"),
    "polars_lazy": ("Polars, lazy and streamed", "peers/polars_lazy.py"),
    "duckdb_sql": ("DuckDB", "peers/duckdb_sql.py"),
    "pandas_frames": ("pandas", "peers/pandas_frames.py"),
    "sqlite_sql": ("SQLite", "peers/sqlite_sql.py"),
    "postgresql_sql": ("PostgreSQL, three self-joins", "peers/postgresql_sql.py"),
    "postgresql_cte": ("PostgreSQL, recursive CTE", "peers/postgresql_cte.py"),
    "row_by_row": ("row by row (networkx, Decimal)", "row_by_row.py"),
}
SUMS = ("lines", "gross", "commission", "order", "month", "weighted")
LIBRARIES = ("numpy", "polars", "pyarrow", "numba", "duckdb", "pandas", "networkx", "psycopg")


def measured(name: str, facts: Path) -> Report:
    """What one program says of its turn."""
    command = [sys.executable, str(HERE / PROGRAMS[name][1]), str(facts)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}")
    report: Report = json.loads(done.stdout.splitlines()[-1])
    return report


def differences(reports: dict[str, list[Report]]) -> list[str]:
    """In which figure whose lines differ from those of the first program."""
    first, *_ = reports
    expected = reports[first][0]
    return [
        f"{name}: {figure} is {report[figure]}, but {expected[figure]} in {first}"
        for name, turns in reports.items()
        for report in turns
        for figure in SUMS
        if report[figure] != expected[figure]
    ]


def table(reports: dict[str, list[Report]]) -> list[str]:
    def median(name: str, figure: str) -> float | None:
        return statistics.median(r[figure] for r in reports[name]) if name in reports else None

    def ratio(above: float | None, below: float | None) -> str:
        return f"{above / below:.2f}" if above and below else "-"

    rows = [
        "| what | seconds | CPU seconds | times the limit | times the engine | load | peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, turns in reports.items():
        seconds = median(name, "seconds")
        memory = max(each["peak_mb"] for each in turns)
        cells = (
            PROGRAMS[name][0],
            f"{seconds:.2f}",
            f"{median(name, 'cpu_seconds'):.2f}",
            ratio(seconds, median("limit", "seconds")),
            ratio(seconds, median("engine", "seconds")),
            f"{median(name, 'load_seconds'):.2f}",
            f"{memory:,.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def machine() -> str:
    with Path("/proc/meminfo").open() as file:
        memory = int(file.readline().split()[1]) / 1024**2
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[0]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("affiliates", type=int, nargs="?", default=100_000)
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default=",".join(PROGRAMS), help="names with commas between")
    given = parser.parse_args()
    names = given.only.split(",")
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        parser.error(f"no program {', '.join(unknown)}; there are {', '.join(PROGRAMS)}")
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder)
        generate(given.affiliates, given.events, SEED, facts, facts=True)
        reports: dict[str, list[Report]] = {name: [] for name in names}
        for _ in range(given.repeat):
            for name in names:
                reports[name].append(measured(name, facts))
    wrong = differences(reports)
    if wrong:
        sys.exit("the programs do not make the same lines:\n" + "\n".join(wrong))
    lines = reports[names[0]][0]["lines"]
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    print(
        f"{given.affiliates:,} affiliates, {given.events:,} events, {lines:,} lines, seed {SEED};"
    )
    print(f"median of {given.repeat}, taking turns; {machine()};")
    print(f"Python {platform.python_version()}, {libraries}\n")
    print("\n".join(table(reports)))


if __name__ == "__main__":
    main()
