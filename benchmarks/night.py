"""A whole night, beside its bare parts and beside set-based SQL that posts the same.

    python benchmarks/night.py [AFFILIATES EVENTS] [--on postgresql|sqlite] [--repeat N]
        [--lines database segments] [--without-sql] [--durable] [--json FILE]

A book is filled once by `commission plan apply` and `commission import`: all events, the late ones
too. Every turn begins with a fresh copy of it and runs one date after all events:

- the night: `commission run`, the whole process, no documents; with `--lines segments` also with
  its lines in a folder of Parquet segments,
- the bare parts of it (bare_parts.py), each alone: what nobody can do without,
- in PostgreSQL the same night as SQL (peers/postgresql_night.py).

They take turns, because machines are noisy: only ratios inside one run say much. The night's files
must be the same every time, and SQL's lines.csv and the sums of everything that it posts the same
as the night's, or the benchmark ends. PostgreSQL is one server for all, with the settings that
suit the SQL best (peers/postgresql.py); it does not wait for the disk unless told by --durable.
Prints Markdown for docs/benchmarks.md: medians, the seconds of processor that the process and the
server used together, and the most memory of the process and of all of the server's processes
(pages that they share counted once).
"""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from filecmp import cmp
from functools import partial
from importlib.metadata import version
from math import nan
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import sqlalchemy as sa
from bare_parts import COLUMNS
from bare_parts import TABLES as FILES
from compare import machine

from commission_engine.book.connect import connect, migrate, reading

sys.path.append(str(Path(__file__).parent / "peers"))
from postgresql import Connection, Watch, server

HERE = Path(__file__).parent
DATE = "2025-12-31"
SEED = 7
PROGRAM = str(Path(sys.executable).with_name("commission"))
PARTS = {
    "reading": "reading the facts",
    "kernel": "the kernel",
    "lines": "the lines into their table",
    "files": "writing the files' bytes",
}
NAMES = {
    "bare": "the bare parts together",
    "database": "the night",
    "segments": "the night, lines in segments",
    "sql": "the same night as SQL",
}
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
SUMS = {
    "line": "sum(commission_minor * (event % 1009 + 1) + beneficiary % 997 * level),"
    " sum(gross_minor), sum(reason * (event % 13 + 1)), sum(terms_day), sum(available_day)",
    "cap_total": "sum(total_minor * (beneficiary % 101 + 1) + window_start * level + currency)",
    "entry": "sum(amount_minor * (affiliate % 101 + kind)), sum(available_day * currency),"
    " sum(debit_account), sum(credit_account * (affiliate % 7 + 1))",
    "activity": "sum(lines * (affiliate % 101 + currency)), sum(earliest_day)",
    "statement": "sum(earned_minor * (affiliate % 101 + currency)), sum(reversed_minor),"
    " sum(adjusted_minor), sum(paid_minor * (affiliate % 7)), sum(closing_minor),"
    " sum(held_minor), sum(available_minor), sum(period_from)",
    "payout": "sum(amount_minor * (affiliate % 101 + currency))",
}
"""What two books have to agree on, besides the number of rows."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a process took: wall seconds, processor's seconds together with the server's, the most
    memory of both in MB, and the wall seconds of its parts."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    server_mb: float
    parts: dict[str, float] = field(default_factory=dict)


class Books(Protocol):
    """Copies of the book in which nothing has run."""

    def fresh(self, like: str = "book") -> str:
        """The URL of a new copy; the one before is gone."""

    def watched(self) -> Any:
        """A context whose value has the server's `peak`."""


class InSqlite:
    def __init__(self, work: Path) -> None:
        self._file, self._book = work / "book.db", work / "turn.db"
        self.version = f"SQLite {sqlite3.sqlite_version}"
        self.url = f"sqlite:///{self._file}"

    def fresh(self, like: str = "book") -> str:
        for old in self._book.parent.glob("turn.db*"):
            old.unlink()
        shutil.copyfile(self._file, self._book)
        os.sync()
        return f"sqlite:///{self._book}"

    def settle(self) -> None:
        """Nothing is left to do after the facts are in."""

    @contextmanager
    def watched(self) -> Iterator[Any]:
        yield None


class InPostgresql:
    def __init__(self, url: str, pid: int, *, durable: bool) -> None:
        self._pid = pid
        self._own = Connection.connect(url, autocommit=True)
        self._any = sa.make_url(url)
        for setting in DURABLE if durable else ():
            self._own.execute(f"ALTER SYSTEM SET {setting} = on")
        self._own.execute("SELECT pg_reload_conf()")
        (number,) = self._own.execute("SHOW server_version").fetchone() or ("?",)
        self.version = f"PostgreSQL {number}"
        self.url = self.new("book")

    def new(self, name: str, like: str = "template1") -> str:
        self._own.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._own.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY file_copy")
        return self._any.set(database=name).render_as_string(hide_password=False)

    def fresh(self, like: str = "book") -> str:
        url = self.new("turn", like)
        self._own.execute("CHECKPOINT")
        return url

    def settle(self) -> None:
        """As the server does by itself in quiet hours."""
        with Connection.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def watched(self) -> Watch:
        return Watch(self._pid)


def measured(command: list[str], books: Books) -> tuple[Turn, Any]:
    """What a process took, and the JSON that it printed."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        with books.watched() as watch:
            started = time.perf_counter()
            process = subprocess.Popen(command, stdout=said, stderr=complained)
            before = watch.cpu() if watch else 0.0
            _, status, usage = os.wait4(process.pid, 0)
            taken = time.perf_counter() - started
            cpu = usage.ru_utime + usage.ru_stime + (watch.cpu() - before if watch else 0.0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complained.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{complained.read().decode()}")
        said.seek(0)
        report = json.loads(said.read() or b"{}")
    return Turn(taken, cpu, usage.ru_maxrss / 1024, watch.peak if watch else nan), report


class Nights:
    """The turns that are compared, all about the same book and the same files."""

    def __init__(self, books: Books, work: Path) -> None:
        self._books, self._work = books, work
        self._kept, self._copied = work / "kept", work / "lines.pgcopy"
        self._sums: dict[str, list[int]] = {}

    def first(self) -> int:
        """A night that is not measured, for the others to agree with; how many lines it has."""
        url = self._books.fresh()
        measured(self._night(url, "database"), self._books)
        (self._work / "out" / DATE).rename(self._kept)
        self._sums = sums_of(url)
        if url.startswith("postgresql"):
            copy_out(url, self._copied)
        return self._sums["line"][0]

    def night(self, home: str) -> Turn:
        """`home`: database or segments."""
        url = self._books.fresh()
        turn, _ = measured(self._night(url, home), self._books)
        tables = [table for table in SUMS if home == "database" or table != "line"]
        self._same(url, self._work / "out" / DATE, tables)
        return turn

    def _night(self, url: str, home: str) -> list[str]:
        for name in ("out", "segments"):
            shutil.rmtree(self._work / name, ignore_errors=True)
        place = home if home == "database" else str(self._work / "segments")
        return [PROGRAM, "run", "--date", DATE, "--out", str(self._work / "out"),
                "--database", url, "--lines-store", place, "--json"]  # fmt: skip

    def bare(self) -> Turn:
        url, out = self._books.fresh(), self._empty()
        command = [sys.executable, str(HERE / "bare_parts.py"), url, DATE, str(self._kept),
                   "--out", str(out), "--copied", str(self._copied)]  # fmt: skip
        turn, report = measured(command, self._books)
        self._same(url, out, tables=("line",))
        parts = report["seconds"]
        whole = sum(parts[name] for name in PARTS)
        return Turn(whole, nan, report["peak_mb"], turn.server_mb, parts)

    def sql(self) -> Turn:
        url, out = self._books.fresh("peer"), self._empty()
        turn, report = measured([*sql_night(url, self._work), "--out", str(out)], self._books)
        self._same(url, out, names=("lines.csv",))
        return replace(turn, seconds=report["seconds"], parts=report["steps"])

    def _empty(self) -> Path:
        """A folder that the server of PostgreSQL may write to, whoever runs it."""
        out = self._work / "other"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        out.chmod(0o777)
        return out

    def _same(
        self, url: str, out: Path, tables: Iterable[str] = SUMS, names: Iterable[str] = FILES
    ) -> None:
        """These tables and files are as the first night's, or the benchmark ends."""
        sums = sums_of(url)
        differ = [each for each in tables if sums[each] != self._sums[each]]
        differ += [each for each in names if not cmp(out / each, self._kept / each, shallow=False)]
        for each in differ:
            print(each, sums.get(each), self._sums.get(each), file=sys.stderr)
        if differ:
            sys.exit(f"not the same night: {', '.join(differ)}")


def sql_night(url: str, work: Path) -> list[str]:
    program = str(HERE / "peers" / "postgresql_night.py")
    return [sys.executable, program, url, str(work / "in"), DATE]


def sums_of(url: str) -> dict[str, list[int]]:
    """What the book at `url` says to SUMS."""

    def asked(connection: sa.Connection, table: str) -> list[int]:
        query = f"SELECT count(*), {SUMS[table]} FROM {table}"
        return [int(value or 0) for value in connection.execute(sa.text(query)).one()]

    with reading(connect(url)) as connection:
        return {table: asked(connection, table) for table in SUMS}


def copy_out(url: str, file: Path) -> None:
    """The lines of a book's one run as the bytes of a binary COPY, in the order of their key."""
    lines = f"SELECT {COLUMNS} FROM line ORDER BY beneficiary, event, level"
    query: Any = f"COPY ({lines}) TO STDOUT (FORMAT binary)"
    with (
        Connection.connect(url) as connection,
        file.open("wb") as out,
        connection.cursor().copy(query) as copy,
    ):
        for block in copy:
            out.write(block)


@contextmanager
def filled_books(given: argparse.Namespace) -> Iterator[tuple[InSqlite | InPostgresql, Path]]:
    """Books with the plan and all facts, and the folder with everything.

    `given` has affiliates, events, on and durable.
    """
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="night-")))
        work.chmod(0o711)
        # In a process of its own: a process begins with the peak memory of the one it came from.
        size = [str(given.affiliates), str(given.events), str(SEED)]
        generate = [sys.executable, str(HERE / "generate.py"), *size, "--parquet"]
        subprocess.run([*generate, "--out", str(work / "in")], check=True)
        books: InSqlite | InPostgresql = InSqlite(work)
        if given.on == "postgresql":
            books = InPostgresql(*stack.enter_context(server()), durable=given.durable)
        migrate(connect(books.url))
        for command in imports(work / "in"):
            measured([PROGRAM, *command, "--database", books.url, "--json"], books)
        books.settle()
        yield books, work


def imports(folder: Path) -> list[list[str]]:
    """The commands that put the plan and all facts into an empty book."""
    late = str(folder / "late" / "earnings.parquet")
    return [
        ["plan", "apply", str(folder / "plan.toml")],
        ["import", "referrals", str(folder / "referrals.parquet")],
        ["import", "earnings", str(folder / "earnings.parquet"), late],
    ]


def about(given: argparse.Namespace, lines: int, books: InSqlite | InPostgresql) -> str:
    """What was measured on what."""
    durable = ", waiting for the disk" if given.durable else ""
    return (
        f"{given.affiliates:,} affiliates, {given.events:,} events, {lines:,} lines, seed {SEED};"
        f" median of {given.repeat}, taking turns; {machine()}; Python {platform.python_version()},"
        f" numpy {version('numpy')}, polars {version('polars')}, {books.version}{durable}"
    )


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Those that every measurement of a night has."""
    words = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    words.add_argument("affiliates", type=int, nargs="?", default=100_000)
    words.add_argument("events", type=int, nargs="?", default=1_000_000)
    words.add_argument("--on", choices=("postgresql", "sqlite"), default="postgresql")
    words.add_argument("--repeat", type=int, default=3)
    words.add_argument("--durable", action="store_true", help="PostgreSQL waits for the disk")
    return words


def rows_of(turns: dict[str, list[Turn]]) -> Iterator[tuple[str, str, Turn]]:
    """What, its ratio to something, and the medians (of memory the most)."""
    parts = {name: median(each.parts[name] for each in turns["bare"]) for name in (*PARTS, "text")}
    seconds = {name: median(each.seconds for each in of) for name, of in turns.items()}
    for name, said in PARTS.items():
        yield f"bare: {said}", "", Turn(parts[name], nan, nan, nan)
    ratios = {
        "bare": "",
        "database": f"{seconds.get('database', 0) / seconds['bare']:.2f} of the bare parts",
        "segments": f"{seconds.get('segments', 0) / parts['kernel']:.2f} of the kernel",
        "sql": f"{seconds.get('sql', 0) / seconds.get('database', nan):.2f} of the night",
    }
    for name, of in turns.items():
        cpu = median(each.cpu_seconds for each in of)
        peak, server_peak = max(each.peak_mb for each in of), max(each.server_mb for each in of)
        yield NAMES[name], ratios[name], Turn(seconds[name], cpu, peak, server_peak)
    yield "(lines.csv by Polars from ready text)", "", Turn(parts["text"], nan, nan, nan)


def report(turns: dict[str, list[Turn]]) -> None:
    print("| what | seconds | ratio | CPU seconds | peak MB | server, peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for what, ratio, turn in rows_of(turns):
        figures = (f"{turn.cpu_seconds:.2f}", f"{turn.peak_mb:,.0f}", f"{turn.server_mb:,.0f}")
        cells = " | ".join("" if each == "nan" else each for each in figures)
        print(f"| {what} | {turn.seconds:.2f} | {ratio} | {cells} |")
    if "sql" in turns:
        print("\n| step of the SQL | seconds |\n| --- | ---: |")
        for step in turns["sql"][0].parts:
            print(f"| {step} | {median(each.parts[step] for each in turns['sql']):.2f} |")


def known(turn: Turn) -> dict[str, Any]:
    """A turn for JSON, which has no NaN."""
    return {name: value for name, value in asdict(turn).items() if value == value}


def main() -> None:
    words = arguments(__doc__)
    words.add_argument("--lines", nargs="+", choices=("database", "segments"), default=["database"])
    words.add_argument("--without-sql", action="store_true")
    words.add_argument("--json", type=Path, metavar="FILE", help="every turn, as JSON")
    given = words.parse_args()
    os.environ["COMMISSION_DOCUMENTS"] = "none"
    with filled_books(given) as (books, work):
        nights = Nights(books, work)
        ways: dict[str, Callable[[], Turn]] = {"bare": nights.bare}
        for home in given.lines:
            ways[home] = partial(nights.night, home)
        if isinstance(books, InPostgresql) and not given.without_sql:
            command = sql_night(books.new("peer", "book"), work)
            subprocess.run([*command, "--prepare"], check=True)
            ways["sql"] = nights.sql
        lines = nights.first()
        turns: dict[str, list[Turn]] = {name: [] for name in ways}
        for number in range(given.repeat):
            order = list(ways.items())
            for name, way in order[number % len(order) :] + order[: number % len(order)]:
                turns[name].append(way())
                print(f"{name}: {turns[name][-1]}", file=sys.stderr, flush=True)
        head = about(given, lines, books)
    print(f"{head}\n")
    report(turns)
    if given.json:
        said = {name: [known(each) for each in of] for name, of in turns.items()}
        given.json.write_text(json.dumps({"about": head, "turns": said}, indent=2), "utf-8")


if __name__ == "__main__":
    main()
