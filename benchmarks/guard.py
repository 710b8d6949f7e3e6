"""Whether the kernel or the importer needs more instructions than it did: `make bench-guard`.

    python benchmarks/guard.py                      # compare with guard.json; 1 if one needs more
    python benchmarks/guard.py --store "the reason" # these are the figures from now on

Seconds depend on the machine and on who else uses it. Instructions do not: callgrind (valgrind)
counts them on a processor that it simulates, so that the same program gives the same count, on an
idle machine or a busy one, to a few in a thousand. Counted is the work alone, after it ran
once: the program under valgrind starts and stops the count around it. Everything that would make
two runs differ is fixed: the input, the working folder, the environment, the hash seed, one thread
in every library, no garbage collector, and of two counts the smaller.

A count holds for one build of Python and one version of each library. The stored figures name
those they were measured with. Where the installed ones are the same, counts are compared. Where
they are others a count says nothing, and passing would be silent; so every piece of work has a
yardstick, a fixed little program that uses the same libraries in the same way and is never
changed. It is counted in the same run, and the *ratio* of work to yardstick is compared instead,
with the same limit. That is coarser: new libraries can move the ratio a little for reasons that
are not ours. The guard says when it does so, and storing anew ends it.
"""

import argparse
import ctypes
import gc
import importlib.metadata
import json
import mmap
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from commission_engine.book.connect import connect, migrate
from commission_engine.book.lock import working
from commission_engine.calendar import Ints, Zone, iso_instant
from commission_engine.decide.kernel import Events, Keys, Scope, decide
from commission_engine.imports import Circumstances, import_rows
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.plan.read import parse_plan
from commission_engine.tree.forest import NOBODY, Forest, Standing

STORED = Path(__file__).with_name("guard.json")
LIMIT = 0.10
COUNTS = 2
"""How often each piece of work is counted; the least counts."""

AFFILIATES = 1_000
EVENTS = 6_000
EMPTY_BOOK = "empty.db"
NOW = "2026-12-01T00:00:00Z"

Work: TypeAlias = Callable[[], object]

# --- what is compared ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """Instructions of a piece of work and of its yardstick."""

    work: int
    yardstick: int

    @property
    def ratio(self) -> float:
        return self.work / self.yardstick


@dataclass(frozen=True)
class Measured:
    """Figures by name, what they were measured with, and why they were stored."""

    reason: str
    versions: Mapping[str, str]
    figures: Mapping[str, Figure]

    @classmethod
    def read(cls, path: Path) -> "Measured":
        stored = json.loads(path.read_text("utf-8"))
        figures = {name: Figure(**figure) for name, figure in stored["figures"].items()}
        return cls(stored["reason"], stored["versions"], figures)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")


def versions() -> dict[str, str]:
    """Everything that a count depends on besides this project."""
    libraries = ("numpy", "polars", "sqlalchemy")
    return {
        "python": sys.version,
        **{name: importlib.metadata.version(name) for name in libraries},
        "sqlite": sqlite3.sqlite_version,
        "libc": " ".join(platform.libc_ver()),
        "valgrind": _valgrind_version(),
    }


def compare(stored: Measured, now: Measured) -> tuple[list[str], list[str]]:
    """What there is to tell, and what of it is a failure."""
    others = [
        f"{name} {stored.versions.get(name, 'none')} -> {version}"
        for name, version in now.versions.items()
        if stored.versions.get(name) != version
    ]
    told, failures = [], []
    if others:
        told.append(OTHER_VERSIONS.format("; ".join(others)))
    for name in sorted(stored.figures.keys() | now.figures.keys()):
        before, after = stored.figures.get(name), now.figures.get(name)
        if before is None or after is None:
            failures.append(f"{name} is {'counted' if after else 'stored'} only. {STORE}")
            continue
        if others:
            grown = after.ratio / before.ratio
            figures = f"{after.ratio:.3f} times its yardstick, stored {before.ratio:.3f}"
        else:
            grown = after.work / before.work
            figures = f"{after.work:,} instructions, stored {before.work:,}"
        sentence = f"{name}: {figures} ({grown - 1:+.1%})"
        told.append(sentence)
        if grown >= 1 + LIMIT:
            failures.append(f"{sentence}; the limit is {LIMIT:+.0%}. {FIND_OUT} {STORE}")
        elif grown <= 1 - LIMIT:
            told.append(f"{name} needs less than it did: store that, so that it stays.")
    return told, failures


OTHER_VERSIONS = (
    "The stored figures were measured with other versions ({}), so what is compared is the ratio"
    " to a yardstick of this same run. Store new figures when these versions are to stay."
)
FIND_OUT = "Find out why: measure the commits before, undo one half of the change at a time."
STORE = 'If it is meant, store it with the reason: python benchmarks/guard.py --store "REASON".'

# --- the work ------------------------------------------------------------------------------------

PLAN = """\
name = "guard"
timezone = "Europe/Berlin"

[[terms]]
from = 2026-01-01
hold_days = 14
[[terms.cap]]
window = "year"
amount = { EUR = "9000.00", USD = "9000.00", JPY = "900000" }
""" + "".join(
    f"""
[[terms.level]]
level = {level}
rate = "{rate}%"
[[terms.level.cap]]
window = "order"
amount = {{ EUR = "{order}.00", USD = "{order}.00", JPY = "{order}00" }}
[[terms.level.cap]]
window = "month"
amount = {{ EUR = "{month}.00", USD = "{month}.00", JPY = "{month}00" }}
"""
    for level, rate, order, month in ((1, 20, 100, 400), (2, 15, 75, 300), (3, 10, 50, 200))
)
CURRENCIES = ("EUR", "USD", "JPY")
FIRST_US = 1_785_542_400_000_000  # 2026-08-01T00:00:00Z
SPREAD_SECONDS = 90 * 86_400


def scattered(count: int, below: int, salt: int) -> Ints:
    """`count` numbers from 0 to `below` - 1 in no order, the same ones for ever."""
    mixed = (np.arange(count, dtype=np.uint64) + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(33)) % np.uint64(below)).astype(np.int64)


class Orders:
    """EVENTS events as columns, by instant; of the last twentieth each reverses an earlier one."""

    def __init__(self) -> None:
        self.order = np.arange(EVENTS)
        self.back = np.arange(EVENTS - EVENTS // 20, EVENTS)
        self.order[self.back] = np.arange(len(self.back)) * 7
        self.earner = scattered(EVENTS, AFFILIATES, 1)[self.order]
        self.currency = (scattered(EVENTS, 10, 2) // 4)[self.order]
        self.amount = np.exp2(scattered(EVENTS, 60, 3) / 6 + 7).astype(np.int64)[self.order]
        self.amount[self.back] //= -1 - self.back % 2
        self.at = FIRST_US + np.sort(scattered(EVENTS, SPREAD_SECONDS, 4)) * 1_000_000


class Unused:
    """`Used` of a first run; no Python loop of its own."""

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        return np.zeros(len(keys.start), np.int64)


def kernel() -> Work:
    """`decide` on the events of one night."""
    plan, orders = parse_plan(PLAN, "guard").plan, Orders()
    root_at = orders.at[orders.order]
    events = Events(
        event=np.arange(EVENTS),
        order=orders.order,
        earner=orders.earner,
        currency=orders.currency,
        amount=orders.amount,
        before=np.zeros(EVENTS, np.int64),
        root_at=root_at,
        root_day=Zone(plan.timezone).local_days(root_at),
        root_known=np.ones(EVENTS, np.int64),
        tree_known=np.ones(EVENTS, np.int64),
    )
    affiliates = np.arange(AFFILIATES)
    above = scattered(AFFILIATES, 1 << 30, 5) % np.maximum(affiliates, 1)
    forest = Forest.of(
        affiliate=affiliates,
        referrer=np.where(affiliates % 50 == 0, NOBODY, above),
        since=np.zeros(AFFILIATES, np.int64),
        known=np.ones(AFFILIATES, np.int64),
    )
    some = affiliates[::40]
    standing = Standing.of(some, np.ones(len(some), np.int64), some % 80 == 0)

    def work() -> None:
        lines = decide(events, plan, CURRENCIES, forest, standing, Unused()).lines
        assert len(lines) > EVENTS

    return work


def importer(folder: Path, stack: ExitStack) -> Work:
    """One CSV file read, judged and written into an empty SQLite book, and taken back."""
    file = folder / "earnings.csv"
    file.write_text(_csv(Orders()), "utf-8")
    worker = stack.enter_context(working(connect(f"sqlite:///{folder / EMPTY_BOOK}"), "guard", NOW))

    def work() -> None:
        with worker.writing(keep=False) as connection:
            rows = read_rows(Kind.EARNINGS, [file])
            imported = import_rows(connection, rows, Circumstances("guard", NOW))
        assert imported.accepted == EVENTS, imported.refused[:1]

    return work


def _csv(orders: Orders) -> str:
    """earnings.csv, its rows in no order."""
    columns = (orders.order, orders.earner, orders.currency, orders.amount, orders.at)
    lines = []
    for n, (order, earner, code, minor, at) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        sign, size = "-" * (minor < 0), abs(minor)
        amount = f"{sign}{size}" if code == 2 else f"{sign}{size // 100}.{size % 100:02}"
        reverses = f"order-{order:06}" if order != n else ""
        start = f"order-{n:06},affiliate-{earner:04},{iso_instant(at)}"
        lines.append(f"{start},{amount},{CURRENCIES[code]},{reverses}\n")
    shuffled = np.argsort(scattered(EVENTS, 1 << 30, 6), kind="stable").tolist()
    header = "event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
    return header + "".join(lines[n] for n in shuffled)


# --- the yardsticks: never changed, or stored ratios mean nothing --------------------------------


def arrays() -> Work:
    """What a kernel of arrays does: sort, gather, divide, clip, sum up in groups."""
    key, value = scattered(EVENTS, 700, 11), scattered(EVENTS, 90_000, 12)

    def work() -> None:
        for level in (1, 2, 3):
            order = np.lexsort((value, key))
            sorted_ = key[order]
            first = np.flatnonzero(np.diff(sorted_, prepend=-1))
            group = np.cumsum(np.diff(sorted_, prepend=-1) != 0) - 1
            share = value[order] * (level * 5) // 100
            total = np.cumsum(share)
            total -= (total[first] - share[first])[group]
            capped = np.minimum(total, 40_000) - np.minimum(total - share, 40_000)
            back = np.empty(EVENTS, np.int64)
            back[order] = np.where(share > 200, capped, 0)
            found = np.searchsorted(sorted_[first], key)
            assert int(back[found].sum()) >= 0

    return work


def rows(folder: Path) -> Work:
    """What an importer does: bytes to columns, text to numbers, joins, rows into a table."""
    text = folder / "yardstick.csv"
    number = scattered(EVENTS, EVENTS, 13).tolist()
    text.write_text(
        "a,b,c\n" + "".join(f"name-{n:05},{n % 977}.{n % 90 + 10},2026-08-01\n" for n in number)
    )

    def work() -> None:
        data = np.frombuffer(text.read_bytes(), np.uint8)
        assert len(np.flatnonzero(data == 10)) == EVENTS + 1
        frame = pl.read_csv(text, infer_schema=False).with_row_index("row")
        frame = frame.with_columns(
            number=pl.col("b").str.replace(".", "", literal=True).cast(pl.Int64),
            day=pl.col("c").str.to_date("%Y-%m-%d").cast(pl.Int64),
            sound=pl.col("a").str.contains(r"^[a-z]+-\d+$") & (pl.col("b").str.len_chars() < 16),
        ).filter("sound")
        names = frame.select(pl.col("a").unique().sort()).with_row_index("place")
        joined = frame.join(names, on="a", how="left").sort("number", "a", "row")
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE t (row INTEGER PRIMARY KEY, p INTEGER, n INTEGER, a TEXT)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)",
            joined.select("row", "place", "number", "a").iter_rows(),
        )
        kept = pl.DataFrame(connection.execute("SELECT * FROM t").fetchall(), orient="row")
        connection.close()
        assert kept.height == EVENTS

    return work


# --- counting ------------------------------------------------------------------------------------


class Counter:
    """Speaks to the callgrind that this process runs under, with valgrind's client requests.

    A client request is a sequence of instructions that do nothing on a real processor; valgrind
    recognises it and looks at the words that RDI points to (see valgrind.h).
    """

    _CODE = bytes.fromhex(
        "4889f8"  # mov  rax, rdi: the words
        "31d2"  # xor  edx, edx: the answer when nobody listens
        "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol  rdi, 3, 13, 61, 51: as it was
        "4887db"  # xchg rbx, rbx: now
        "4889d0 c3"  # mov  rax, rdx; ret
    )
    _CALLGRIND = ord("C") << 24 | ord("T") << 16
    _DUMP_AS, _START, _STOP = _CALLGRIND + 3, _CALLGRIND + 4, _CALLGRIND + 5

    def __init__(self) -> None:
        protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=protection)
        self._page.write(self._CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)

    def _request(self, number: int, argument: int = 0) -> None:
        words = (ctypes.c_uint64 * 6)(number, argument)
        self._call(ctypes.addressof(words))

    def count(self, name: str, work: Work) -> None:
        """Run `work` and have callgrind write its instructions down under `name`."""
        label = ctypes.create_string_buffer(name.encode())
        self._request(self._START)
        work()
        self._request(self._STOP)
        self._request(self._DUMP_AS, ctypes.addressof(label))


def counted_here() -> None:
    """Under valgrind, in a folder with an empty book: every piece of work, warm, COUNTS times."""
    gc.disable()
    counter, folder = Counter(), Path()
    with ExitStack() as stack:
        works = {
            "kernel.work": kernel(),
            "kernel.yardstick": arrays(),
            "importer.work": importer(folder, stack),
            "importer.yardstick": rows(folder),
        }
        for name, work in works.items():
            work()
            for _ in range(COUNTS):
                counter.count(name, work)


_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Without it a long copy is one instruction per byte, and counts as much as real work.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM",
}
_DUMP = re.compile(r"^desc: Trigger: Client Request: (\S+)$.*^totals: (\d+)$", re.M | re.S)


def measure() -> Measured:
    """Count everything under callgrind in a process of its own, in an empty folder."""
    found = versions()
    with tempfile.TemporaryDirectory(prefix="guard-") as name:
        folder = Path(name)
        (folder / "work").mkdir()
        migrate(connect(f"sqlite:///{folder / 'work' / EMPTY_BOOK}"))
        command = [
            *("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"),
            f"--callgrind-out-file={folder / 'counts'}",
            *(sys.executable, str(Path(__file__).resolve()), "--here"),
        ]
        environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
        done = subprocess.run(
            command,
            cwd=folder / "work",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"the program under valgrind failed:\n{done.stderr[-4000:]}")
        least: dict[str, int] = {}
        for dump in folder.glob("counts*"):
            for label, total in _DUMP.findall(dump.read_text("utf-8", errors="replace")):
                least[label] = min(int(total), least.get(label, int(total)))
    names = sorted({label.partition(".")[0] for label in least})
    if not names:
        raise SystemExit(f"callgrind wrote no counts down:\n{done.stderr[-4000:]}")
    figures = {n: Figure(least[f"{n}.work"], least[f"{n}.yardstick"]) for n in names}
    return Measured("", found, figures)


def _valgrind_version() -> str:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise SystemExit("instructions can be counted on Linux on x86-64 only: run it there")
    if not shutil.which("valgrind"):
        raise SystemExit(
            "valgrind is missing, and without it no instructions can be counted:"
            " install it (Debian, Ubuntu: apt-get install valgrind)"
        )
    answer = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.strip().removeprefix("valgrind-")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--store", metavar="REASON", help="keep these figures, and why they changed"
    )
    parser.add_argument("--stored", type=Path, default=STORED, help="where figures are kept")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.here:
        counted_here()
        return 0
    now = measure()
    if given.store:
        Measured(given.store, now.versions, now.figures).write(given.stored)
        print(f"stored in {given.stored.name}: {given.store}")
        return 0
    said, failed = compare(Measured.read(given.stored), now)
    print("\n".join(said))
    for sentence in failed:
        print(f"bench-guard: {sentence}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
