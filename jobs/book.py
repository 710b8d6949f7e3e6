"""The book of the nights: what it knows, whether it is free, and what lies beside it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from shutil import rmtree

from commission_engine.book import facts, runs
from commission_engine.book.connect import Engine, reading
from commission_engine.cli.common import at_work, open_book
from commission_engine.folder_import import PLAN
from commission_engine.plan.read import read_plan
from commission_engine.plan.terms import Plan
from commission_engine.problems import Locked, UsageError
from commission_engine.publish.folder import sweep
from commission_engine.settings import Settings
from jobs.nightly import Known

SCRATCH = "commission-night-"
"""How the temporary folders of scheduled commands begin, in the system's folder for such."""


class OpenBook:
    """The book that the settings name, opened at the first look; `input_folder` is what each night
    is given ("": nothing)."""

    def __init__(self, settings: Settings, input_folder: str) -> None:
        self._settings = settings
        self._input = input_folder
        self._out = Path(settings.out.value)
        self._opened: Engine | None = None

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            self._opened = open_book(self._settings)
        return self._opened

    def known(self) -> Known:
        with reading(self._engine) as connection:
            plan = facts.current_plan(connection) or self._coming_plan()
            last = max((each.day for each in runs.completed(connection)), default=None)
            written = last is None or runs.hashes(connection, last) is not None
        begins = min((terms.starts for terms in plan.terms), default=0)
        return Known(plan.timezone, begins, last, written)

    def _coming_plan(self) -> Plan:
        """The one that the first night will apply."""
        if self._input and (Path(self._input) / PLAN).is_file():
            return read_plan(Path(self._input) / PLAN).plan
        raise UsageError(
            "the book has no plan yet, so there is no zone to say which day is over",
            "Apply one: commission plan apply plan.toml",
        )

    def free(self) -> None:
        with at_work(self._engine, "schedule"):
            pass

    def tidy(self) -> None:
        """Drafts of folders below `out`, if nobody works on the book, and temporary folders."""
        with suppress(Locked), at_work(self._engine, "tidying up"):
            for draft in self._out.glob(".????-??-??.draft-*"):
                sweep(self._out / draft.name.split(".")[1])
        for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
            _remove_if_left(folder)


@contextmanager
def scratch() -> Iterator[tuple[Path, int]]:
    """A temporary folder for one command, and the descriptor that keeps it: as long as a process
    has that open, `tidy` leaves the folder alone."""
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH))
    keeper = os.open(_mark(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        flock(keeper, LOCK_EX)
        yield folder, keeper
    finally:
        os.close(keeper)
        rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    try:
        keeper = os.open(_mark(folder), os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # somebody else's, or gone, or about to be used
        return
    try:
        flock(keeper, LOCK_EX | LOCK_NB)
        rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(keeper)


def _mark(folder: Path) -> Path:
    return folder / ".kept"
