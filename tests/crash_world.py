"""A small programme whose commands can be run many times a second, each in a fresh process.

Everything is imported once; each command is then a fork of this process, which itself never
touches Polars, so that no thread is lost in a fork. Also here: the book as plain rows, to compare
with another, and every file that a command leaves.
"""

import contextlib
import gc
import importlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from random import Random
from typing import Any, Self

import psycopg
import sqlalchemy as sa
from failpoints import Counter, Fault, watch

import commission_engine.__main__
import commission_engine.cli
import commission_engine.cli.common as common
from commission_engine import money

DONE = (0, 3)  # 3: done, but rows were rejected
PATIENCE = 60.0
"""Seconds after which a command that has not ended is a failure."""

# -- the programme


def _plan(chance: Random) -> str:
    return f"""\
name = "small"
timezone = "{chance.choice(("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"))}"
rounding = "{chance.choice(("half_even", "half_up", "down"))}"

[payout]
every = "day"
minimum = {{ USD = "{chance.choice(("0.01", "5.00", "12.34"))}" }}

[[terms]]
from = 2026-01-01
hold_days = {chance.choice((0, 2, 9))}

[[terms.level]]
level = 1
rate = "{chance.choice(("20%", "7.5%", "12.345%"))}"
[[terms.level.cap]]
window = "order"
amount = {{ USD = "50.00", EUR = "45.00" }}
[[terms.level.cap]]
window = "month"
amount = {{ USD = "{chance.choice(("60.00", "100.00"))}" }}

[[terms.level]]
level = 2
rate = "{chance.choice(("10%", "3%"))}"

[[terms.cap]]
window = "year"
amount = {{ USD = "300.00", JPY = "5000" }}
"""


AMOUNTS = {"USD": ("300.00", "19.99", "0.05", "125.10"), "EUR": ("80.00", "9.95"), "JPY": ("1999",)}
HEADER = "event_id,affiliate_id,occurred_at,amount,currency,reverses"


@dataclass(frozen=True)
class Rows:
    """What a programme's files say, row by row, so that they can be cut and mixed."""

    plan: str
    people: list[str]
    tree: list[str]
    january: list[str]
    february: list[str]
    bad: list[str]


def rows_of(seed: int) -> Rows:
    chance = Random(f"rows {seed}")
    names = [f"a{n:02}" for n in range(chance.randint(6, 10))]
    people = [f"{name},{name.upper()} Über,{chance.choice(('', 'active'))}" for name in names]
    tree = [f"{name},{chance.choice(names[:n])}" for n, name in enumerate(names) if n]
    january, orders = [], []
    for n in range(chance.randint(8, 14)):
        currency = chance.choice(("USD", "USD", "EUR", "JPY"))
        amount, who = chance.choice(AMOUNTS[currency]), chance.choice(names)
        at = f"2026-01-{chance.randint(1, 31):02}T{chance.randint(0, 23):02}:30:00Z"
        january.append(f"e{n},{who},{at},{amount},{currency},")
        orders.append((f"e{n}", who, amount, currency))
    february = [
        f"r{n},{who},2026-02-{n + 1:02}T08:00:00Z,-{amount},{currency},{order}"
        for n, (order, who, amount, currency) in enumerate(chance.sample(orders, 3))
    ]
    february += [f"f{n},{chance.choice(names)},2026-02-1{n},50.00,USD," for n in range(3)]
    bad = ["x1,a00,2026-01-05,12.345,USD,", "x2,a01,yesterday,1.00,USD,"]
    return Rows(_plan(chance), people, tree, january, february, bad)


def written(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((header, *rows)) + "\n", "utf-8")
    return path


def programme(folder: Path, seed: int) -> list[tuple[str, ...]]:
    """Write the files of a programme; the commands of its first two nights."""
    rows = rows_of(seed)
    second = folder / "second"
    people = written(folder / "people.csv", "affiliate_id,name,status", rows.people)
    tree = written(folder / "tree.csv", "affiliate_id,referrer_id", rows.tree)
    first = written(folder / "january-1.csv", HEADER, rows.january[::2] + rows.bad)
    other = written(folder / "january-2.csv", HEADER, rows.january[1::2])
    written(second / "earnings.csv", HEADER, rows.february + rows.bad[:1])
    for plan in (folder / "plan.toml", second / "plan.toml"):
        plan.write_text(rows.plan, "utf-8")
    mover = rows.people[-1].split(",")[0]
    return [
        ("import", "affiliates", str(people)),
        ("import", "referrals", str(tree)),
        ("import", "earnings", str(first), str(other)),
        ("plan", "apply", str(folder / "plan.toml")),
        ("tree", "move", mover, "--to-root", "--since", "2026-02-10", "--reason", "left"),
        ("run", "--date", "2026-01-31"),
        ("payouts", "approve"),
        ("payouts", "export"),
        ("run", str(second), "--date", "2026-02-28"),
    ]


# -- a command in a process of its own


class _Clock(datetime):
    """The time is the same for all, so that two books can be compared to the last column."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 6, 1, 3, 0, 0, tzinfo=tz)


class _Process:
    """`os` for the book's records: every process has one number, for the same reason."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def getpid(self) -> int:
        return 4711


@dataclass
class Child:
    """A command under way. `hits` counts its failpoints, also when it was killed."""

    pid: int
    said: Path
    counter: Counter
    status: int | None = None

    def wait(self, most: float = PATIENCE) -> int:
        """Its exit code; minus the signal that killed it."""
        until = time.monotonic() + most
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.status = -1000
            else:
                time.sleep(0.001)
        return self.status

    def stopped(self, most: float = PATIENCE) -> bool:
        """Wait until it has stopped itself; False when it ended instead."""
        until = time.monotonic() + most
        while self.status is None and time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return True
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        return False

    def goes_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def words(self) -> str:
        return self.said.read_text("utf-8", "replace")


@dataclass(frozen=True)
class Around:
    """What is outside of the program: environment, folder, mask of rights, sizes of blocks."""

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    mask: int = 0o022
    constants: Mapping[str, int] = field(default_factory=dict)
    stopped_first: bool = False
    """Whether it stops itself before it begins, for somebody to attach to it."""


def start(
    words: Sequence[str],
    folder: Path,
    url: str,
    fault: Fault | None = None,
    around: Around | None = None,
) -> Child:
    """Begin a command with `folder` as the current one and `url` as its book."""
    around = around or Around()
    counter = Counter()
    said = folder.parent / f"said-{time.monotonic_ns()}"
    said.touch()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = _run(words, folder, url, fault, counter, said, around)
        finally:
            os._exit(code)
    return Child(pid, said, counter)


def _run(
    words: Sequence[str],
    folder: Path,
    url: str,
    fault: Fault | None,
    counter: Counter,
    said: Path,
    around: Around,
) -> int:
    code = 99
    try:
        _become(words, folder, url, said, around)
        if not around.stopped_first:
            watch(counter, fault)
        commission_engine.__main__.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        code = 1  # as Python itself ends a program
        with contextlib.suppress(OSError):
            traceback.print_exc()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def _become(words: Sequence[str], folder: Path, url: str, said: Path, around: Around) -> None:
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.chdir(around.folder or folder)
    os.umask(around.mask)
    os.environ.update({"COMMISSION_DATABASE": url, "COMMISSION_DOCUMENTS": "all"})
    os.environ["COMMISSION_OUT"] = str(folder / "out")
    os.environ.update(around.environment)
    time.tzset()
    for name, value in around.constants.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(f"commission_engine.{module}"), constant, value)
    common.datetime = _Clock  # type: ignore[attr-defined]
    vars(common)["os"] = _Process()
    sys.argv = ["commission", *words]
    if around.stopped_first:
        os.kill(os.getpid(), signal.SIGSTOP)


def load_what_commands_load(folder: Path) -> None:
    """Import what commands import while they run, so that a fork need not."""
    names = folder / "modules"
    pid = os.fork()
    if pid == 0:
        try:
            trial = folder / "loading"
            trial.mkdir()
            for words in programme(folder / "loading-given", 0):
                _become(words, trial, f"sqlite:///{trial}/book.db", folder / "said", Around())
                with contextlib.suppress(SystemExit):
                    commission_engine.__main__.main()
            names.write_text("\n".join(sys.modules), "utf-8")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    for name in names.read_text("utf-8").split("\n"):
        if not name.startswith(("__", "env_py")):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
    money.spoken(100, "USD", 2)
    commission_engine.__main__.program()  # put together here, and not by every fork
    for rest in (folder / "loading", folder / "loading-given"):
        shutil.rmtree(rest)
    gc.collect()
    gc.freeze()


# -- what there is afterwards

PASSING = frozenset(("attempt", "attempt_end", "lease", "stage"))
"""Tables about the work itself: who tried what when. They say nothing of money."""


def dump(url: str, without: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Every row of every table as a text, sorted."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        if not path.exists():
            return {}
        connection: Any = sqlite3.connect(path)
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    else:
        connection = psycopg.connect(url)
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    try:
        names = sorted({row[0] for row in connection.execute(query)} - PASSING - without)
        return {name: sorted(_told(connection, name)) for name in names}
    finally:
        connection.close()


def _told(connection: Any, table: str) -> Iterator[str]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        told = dict(zip(columns, row, strict=True))
        yield str(sorted((name, value) for name, value in told.items()))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the book's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("book.db")
    }


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The names whose content differs, each with a little of both."""
    said = []
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            one, other = wanted.get(name), found.get(name)
            if isinstance(one, list) and isinstance(other, list):
                one, other = sorted({*one} - {*other}), sorted({*other} - {*one})
            said.append(f"{name}: wanted {str(one)[:300]}, found {str(other)[:300]}")
    return said


# -- where books are kept


class Sqlite:
    """Books in files; a copy is a copy of the folder."""

    def __init__(self, folder: Path) -> None:
        self.trial = folder / "trial"
        self.url = f"sqlite:///{self.trial}/book.db"

    def empty(self) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        self.trial.mkdir()

    def keep(self, name: str) -> None:
        shutil.copytree(self.trial, self.trial.with_name(name))

    def restore(self, name: str) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        shutil.copytree(self.trial.with_name(name), self.trial)

    def close(self) -> None:
        pass


class Postgresql:
    """Books in databases of a server; a copy is made from a template."""

    def __init__(self, folder: Path, server: str) -> None:
        self.trial = folder / "trial"
        self.server = server
        self.prefix = f"crash_{os.getpid()}_{time.monotonic_ns() % 10**9}"
        named = sa.make_url(server).set(drivername="postgresql", database=self.prefix)
        self.url = named.render_as_string(hide_password=False)
        self.made: set[str] = set()

    def empty(self) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        self.trial.mkdir()
        self._create(self.prefix, "template0")

    def keep(self, name: str) -> None:
        shutil.copytree(self.trial, self.trial.with_name(name))
        self._create(f"{self.prefix}_{name}", self.prefix)

    def restore(self, name: str) -> None:
        shutil.rmtree(self.trial, ignore_errors=True)
        shutil.copytree(self.trial.with_name(name), self.trial)
        self._create(self.prefix, f"{self.prefix}_{name}")

    def close(self) -> None:
        for name in self.made:
            self.say(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _create(self, name: str, template: str) -> None:
        self.made.add(name)
        self.say(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.say(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE datname = '{template}' AND pid <> pg_backend_pid()"
        )
        self.say(f"CREATE DATABASE {name} TEMPLATE {template}")

    def say(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)


Books = Sqlite | Postgresql


def workplace() -> Path:
    """A folder in memory where that can be had: thousands of trials need no disk."""
    memory = Path("/dev/shm")
    return Path(
        tempfile.mkdtemp(prefix="crash", dir=memory if os.access(memory, os.W_OK) else None)
    )


def books(folder: Path, server: str | None) -> Books:
    return Postgresql(folder, server) if server else Sqlite(folder)
