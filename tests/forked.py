"""Tests of a copy of the program, each time in a fresh process that begins with a fork.

The libraries are imported once and the program never here: each fork takes it from the copy, as
it stands there by then. So a changed program is tried in half a second, and the working tree is
never touched.
"""

import builtins
import gc
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("commission_engine", "migrations", "config", "jobs", "tests")
LINKED = ("examples", "docs", "benchmarks", "pyproject.toml", "README.md")

# What the program and its tests import. None of them may start a thread by being imported: it
# would be missing in a fork.
LIBRARIES = (
    "alembic.command", "alembic.config", "alembic.script", "alembic.runtime.migration",
    "apscheduler.schedulers.blocking", "babel.numbers", "hypothesis.strategies", "iso4217",
    "moneyed", "networkx", "numpy", "polars", "psycopg", "pytest", "rich.console", "rich.table",
    "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "typer", "typer.testing",
    "unittest.mock", "xml.etree.ElementTree",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """How one test ended. `fault` is the type of what it raised, "" where it passed; `asserted`
    says that this was a failed assertion of the test itself, and not a crash on its way there."""

    node: str
    passed: bool
    fault: str
    asserted: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Given:
    """How tests are run.

    `without`: tests with one of these in their name are left out. `order`: by test what it is
    sorted by. `keep_bytecode` spares those after it some of their imports; only where nothing is
    changed. Limits of 0 are none; memory is in bytes.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    order: Mapping[str, float] = field(default_factory=dict)
    keep_bytecode: bool = False
    processor_seconds: int = 0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some tests; `status` is pytest's exit code, 98 when the program was not that of
    the copy, -9 when it took too long. `loaded` are the program's modules that they imported."""

    tests: tuple[Told, ...]
    status: int
    seconds: float
    loaded: frozenset[str]
    words: str

    @property
    def passed(self) -> bool:
        return self.status == 0 and bool(self.tests) and all(each.passed for each in self.tests)

    @property
    def asserted(self) -> bool:
        """Whether a test has failed, and did so by its assertion."""
        failed = [each for each in self.tests if not each.passed]
        return self.status == 1 and bool(failed) and all(each.asserted for each in failed)


class Bench:
    """A copy of the program and its tests, in memory where that can be had."""

    def __init__(self, libraries: Sequence[str] = ()) -> None:
        """`libraries` are imported beside those that every test needs."""
        memory = Path("/dev/shm")
        parent = memory if os.access(memory, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="forked", dir=parent))
        self.copy = self.folder / "copy"
        self.copy.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for name in COPIED:
            shutil.copytree(ROOT / name, self.copy / name, ignore=ignored)
        for name in LINKED:
            (self.copy / name).symlink_to(ROOT / name)
        self._serial = 0
        for name in (*LIBRARIES, *libraries):
            importlib.import_module(name)
        gc.collect()
        gc.freeze()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def changed(self, file: str, text: str) -> Iterator[None]:
        """The copy with another text of one file, until the end of the block."""
        path = self.copy / file
        before = path.read_bytes()
        _forget(path)
        path.write_text(text, "utf-8")
        try:
            yield
        finally:
            _forget(path)
            path.write_bytes(before)

    def run(self, nodes: Sequence[str], most: float, given: Given | None = None) -> Outcome:
        """Run tests, named as pytest names them, up to the first that fails, for `most` seconds."""
        self._serial += 1
        place = self.folder / f"run-{self._serial}"
        place.mkdir()
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                code = self._child(nodes, place, given or Given())
            except BaseException as why:
                with suppress(OSError):
                    (place / "fault").write_text(repr(why), "utf-8")
            finally:
                os._exit(code)
        status = _ended(pid, started + most)
        seconds = time.monotonic() - started
        told, loaded = _read(place / "told")
        words = "".join(
            path.read_text("utf-8", "replace")
            for path in (place / "said", place / "fault")
            if path.exists()
        )
        shutil.rmtree(place, ignore_errors=True)
        return Outcome(told, status, seconds, loaded, words)

    def _child(self, nodes: Sequence[str], place: Path, given: Given) -> int:
        os.setpgid(0, 0)  # with all that it starts it can be ended
        said = os.open(place / "said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(self.copy)
        _limit(given)
        sys.dont_write_bytecode = not given.keep_bytecode
        sys.path[:] = [str(self.copy), *(each for each in sys.path if not _is_of_root(each))]
        os.environ.update({**ALWAYS, **given.environment, "PYTHONPATH": str(self.copy)})
        if not given.keep_bytecode:
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        hypothesis.settings.register_profile(
            "forked",
            phases=(Phase.explicit, Phase.generate),  # nobody reads the smallest example
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        hypothesis.settings.load_profile("forked")
        recorder = _Recorder(given)
        words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-W", "ignore"]
        words += ["-c", "pyproject.toml", "--rootdir", ".", "--basetemp", str(place / "tmp")]
        status = int(pytest.main([*words, *nodes], plugins=[recorder]))
        loaded = {name: getattr(sys.modules[name], "__file__", None) for name in _ours()}
        strays = [str(file) for file in loaded.values() if not str(file).startswith(str(self.copy))]
        told = [asdict(each) for each in recorder.told.values()]
        (place / "told").write_text(json.dumps([told, sorted(loaded)]), "utf-8")
        if strays:
            builtins.print("not of the copy:", *strays)
            return 98
        return status


ALWAYS = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "POLARS_MAX_THREADS": "1",
    "COLUMNS": "120",
    "COMMISSION_BOTH": "1",
}


def _limit(given: Given) -> None:
    for what, most in (
        (resource.RLIMIT_CPU, given.processor_seconds),
        (resource.RLIMIT_AS, given.memory),
    ):
        if most:
            resource.setrlimit(what, (most, most))


class _Recorder:
    """Notes how each test ended, and by what; leaves tests out, and puts the others in order."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.told: dict[str, Told] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        left = [item for item in items if not any(w in item.nodeid for w in self.given.without)]
        items[:] = sorted(left, key=lambda item: self.given.order.get(item.nodeid, 0.0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        fault = call.excinfo.value if call.excinfo else None
        if report.when == "call" or fault is not None:
            asserted = report.when == "call" and fault is not None and _is_assertion(fault)
            name = type(fault).__name__ if fault is not None else ""
            self.told[item.nodeid] = Told(item.nodeid, report.passed, name, asserted, call.duration)
        return report


def _is_assertion(fault: BaseException) -> bool:
    """Of a test: an assert, or an exception that was expected and did not come."""
    if isinstance(fault, BaseExceptionGroup):
        return all(map(_is_assertion, fault.exceptions))
    return isinstance(fault, AssertionError | pytest.fail.Exception)


def _is_of_root(path: str) -> bool:
    """Whether the working tree's own program or tests would be imported from here."""
    place = Path(path or os.getcwd()).resolve()
    return place in (ROOT, ROOT / "tests")


def _ours() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "commission_engine"]


def _forget(path: Path) -> None:
    """Remove what Python has compiled of it: two texts can have one size and one second."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _read(path: Path) -> tuple[tuple[Told, ...], frozenset[str]]:
    if not path.exists():
        return (), frozenset()
    told, loaded = json.loads(path.read_text("utf-8"))
    return tuple(Told(**each) for each in told), frozenset(loaded)


def _ended(pid: int, until: float) -> int:
    """The exit code of a child; -9 for one that had to be ended."""
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what it has left behind
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
