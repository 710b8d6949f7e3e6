"""`commission schedule` as a process: killed, stopped, two of them; and how it minds its clock."""

import json
import os
import signal
import subprocess
import sys
import threading
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from program import Program, program_in, shop

import commission_engine.__main__ as entry
from commission_engine import cli
from commission_engine.calendar import date_of
from commission_engine.problems import Exit, TryAgain
from commission_engine.timetable import Timetable
from jobs.nightly import Known, Nightly
from jobs.processes import Commands
from jobs.schedule import LOOK, NIGHT, Scheduler

PATIENCE = 120.0
"""Seconds after which what should come to be has not; on a machine that others use, too."""


def soon(what: str, question: Callable[[], Any]) -> None:
    """Wait until the question is answered by something."""
    until = clock.monotonic() + PATIENCE
    while not question():
        assert clock.monotonic() < until, f"it did not come to be that {what}"
        clock.sleep(0.05)


def berlin_today() -> date:
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


@dataclass
class Started:
    """A scheduler in a process group of its own, as on a machine of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self, words: str) -> None:
        soon(f"the scheduler says {words!r}", lambda: words in self.log.read_text("utf-8"))

    def signalled(self, number: int) -> int:
        os.killpg(self.process.pid, number)
        return self.process.wait(PATIENCE)


@dataclass
class Machines:
    """Machines around one book on a server."""

    commission: Program
    folder: Path
    url: str
    started: list[Started] = field(default_factory=list)

    def start(self, *words: str) -> Started:
        log = self.folder / f"log-{len(self.started)}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "commission_engine", "schedule", *words],
                stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self.started.append(Started(process, log))
        return self.started[-1]

    def end(self) -> None:
        for each in self.started:
            if each.process.poll() is None:
                each.signalled(signal.SIGKILL)

    @contextmanager
    def run_held_up(self) -> Iterator[Callable[[], None]]:
        """No run can be completed inside; what is yielded waits until one has got that far."""
        with psycopg.connect(self.url) as connection, psycopg.connect(self.url) as other:
            connection.execute("LOCK TABLE run IN SHARE ROW EXCLUSIVE MODE")
            other.autocommit = True
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'run'::regclass"
            yield lambda: soon("a run waits", lambda: other.execute(waiting).fetchall())

    def runs(self) -> list[str]:
        return [each["run_date"] for each in json.loads(self.commission("runs", "--json").out)]

    def attempts(self) -> list[str]:
        listed = json.loads(self.commission("runs", "--attempts", "--json").out)
        return [each["outcome"] for each in listed]


@pytest.fixture
def machines(
    tmp_path: Path,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Machines]:
    shop(tmp_path / "in")
    for name, value in {
        "INPUT": "in", "AT": "00:00", "LOOK_SECONDS": "1", "VERIFY": "false",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"COMMISSION_SCHEDULE_{name}", value)
    machines = Machines(
        program_in(tmp_path, postgresql_url, monkeypatch, capsys), tmp_path, postgresql_url
    )
    yield machines
    machines.end()


def test_when_a_scheduler_is_killed_in_a_night_another_takes_over(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed = [str(berlin_today() - timedelta(days)) for days in (2, 1)]
    monkeypatch.setenv("COMMISSION_SCHEDULE_FIRST", missed[0])
    with machines.run_held_up() as waits:
        one = machines.start()
        waits()
        other = machines.start()
        other.says("the book is in use: ")
        one.signalled(signal.SIGKILL)
    other.says("the next night begins at ")
    assert machines.runs()[:2] == missed
    assert machines.attempts()[:3].count("completed") == 2
    assert other.signalled(signal.SIGTERM) == Exit.DONE
    other.says("stopped by a signal")


@pytest.mark.parametrize(("words", "code"), [((), Exit.DONE), (("--once",), Exit.TRY_AGAIN)])
def test_sigterm_in_a_night_ends_the_night_and_the_scheduler(
    machines: Machines, words: tuple[str, ...], code: Exit
) -> None:
    """The signal goes to the scheduler alone: it ends its command itself."""
    with machines.run_held_up() as waits:
        one = machines.start(*words)
        waits()
        one.process.terminate()
        assert one.process.wait(PATIENCE) == code
    assert (machines.runs(), machines.attempts()) == ([], ["failed"])
    done = machines.commission("schedule", "--once")
    assert (done.code, machines.attempts()) == (0, ["failed", "completed"])
    assert machines.runs()[-1] == str(berlin_today() - timedelta(days=1))


@pytest.fixture
def commission(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    shop(tmp_path / "in")
    monkeypatch.setenv("COMMISSION_SCHEDULE_INPUT", "in")
    monkeypatch.setenv("COMMISSION_SCHEDULE_AT", "00:00")
    return program_in(tmp_path, sqlite_url, monkeypatch, capsys)


def test_what_a_night_would_do_is_said_without_doing_it(
    commission: Program, tmp_path: Path
) -> None:
    yesterday = str(berlin_today() - timedelta(days=1))
    tried = commission("schedule", "--dry-run", "--out", "here")
    assert tried.out == f"commission run in --date {yesterday} --out here\n"
    assert tried.err.startswith("1 business date due; the next night begins at ")
    assert (tried.code, (tmp_path / "here").exists()) == (0, False)
    assert json.loads(commission("runs", "--json").out) == []


def test_once_runs_what_is_due_and_ends_with_what_came_of_it(
    commission: Program, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is named on the command line is that of the night's commands too."""
    given = ("schedule", "--once", "--database", sqlite_url, "--out", "here")
    monkeypatch.setenv("COMMISSION_DATABASE", "sqlite:///wrong.db")
    assert commission(*given).code == 0
    assert (tmp_path / "here" / str(berlin_today() - timedelta(days=1))).is_dir()
    assert not (tmp_path / "wrong.db").exists()
    done = commission(*given)
    assert (done.code, "the next night begins at " in done.err) == (0, True)


def test_a_setting_that_cannot_be_stops_the_start(
    commission: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_SCHEDULE_AT", "half past two")
    done = commission("schedule")
    assert done.code == 2
    assert done.err.startswith("error: COMMISSION_SCHEDULE_AT: schedule.at: 'half past two' is not")


def test_without_the_package_of_the_scheduler_all_else_works(
    commission: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another package of the name is installed."""
    entry.program()
    registered = cli.app.registered_commands
    others = [each for each in registered if each.name != "schedule"]
    registered[:] = others
    entry.program.cache_clear()
    monkeypatch.setitem(sys.modules, "jobs.command", SimpleNamespace())
    try:
        done = commission("schedule")
        assert done.code == 1
        assert done.err.startswith("error: `commission schedule` cannot be loaded: cannot import")
        assert commission("runs").code == 0
    finally:
        registered[:] = others
        entry.program.cache_clear()


# -- the loop, in this process


@dataclass
class OneBook:
    """A book that says what it is told to."""

    last: int = 20_454  # 2026-01-01
    fault: str = ""

    def known(self) -> Known:
        if self.fault:
            raise TryAgain(self.fault)
        return Known("Europe/Berlin", 0, self.last)

    def free(self) -> None:
        pass

    def tidy(self) -> None:
        pass


@dataclass
class Hand:
    """A clock that is set by hand."""

    now: datetime = datetime(2026, 1, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def scheduler(
    book: OneBook, hand: Hand, command: Callable[..., int] = lambda words: 0
) -> Scheduler:
    timetable = Timetable(time(2, 30), look_seconds=1)
    return Scheduler(
        Nightly(timetable, book, hand, command, lambda said: None, "out"), lambda: None
    )


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_books_that_do_not_balance_end_the_scheduler() -> None:
    given = []

    def command(words: list[str]) -> int:
        given.append(words[0])
        return Exit.OUT_OF_BALANCE

    hand = Hand(datetime(2026, 1, 4, 12, tzinfo=UTC))
    assert scheduler(OneBook(), hand, command).serve() is Exit.OUT_OF_BALANCE
    assert given == ["verify"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_scheduler_that_waits(number: signal.Signals) -> None:
    asked = threading.Timer(0.3, os.kill, (os.getpid(), number))
    asked.start()
    assert scheduler(OneBook(), Hand()).serve() is Exit.DONE
    asked.join()


def test_the_library_is_told_the_night_as_soon_as_its_zone_is_known() -> None:
    book = OneBook(fault="the database is away")
    one = scheduler(book, Hand())
    one._jobs.start(paused=True)
    one._look()
    assert [*one.next_looks()] == [LOOK]
    book.fault = ""
    one._look()
    night = one.next_looks()[NIGHT].astimezone(ZoneInfo("Europe/Berlin"))
    assert (night.hour, night.minute) == (2, 30)
    assert timedelta(0) < night - datetime.now(UTC) < timedelta(hours=26)
    one._look()
    assert len(one.next_looks()) == 2
    one._jobs.shutdown(wait=False)


def test_after_a_clock_was_set_back_the_library_does_not_sleep_until_it_is_where_it_was() -> None:
    hand = Hand()
    one = scheduler(OneBook(), hand)
    one._jobs.start(paused=True)
    one._look()
    far = datetime.now(UTC) + timedelta(days=40)
    for job in one._jobs.get_jobs():
        job.modify(next_run_time=far)
    one.mind_the_clock()
    assert set(one.next_looks().values()) == {far}  # it was not
    hand.now -= timedelta(days=40)
    one.mind_the_clock()
    assert all(each - datetime.now(UTC) < timedelta(hours=26) for each in one.next_looks().values())
    one._jobs.shutdown(wait=False)


def test_a_command_that_was_killed_gives_its_signal_and_after_the_stop_none_begins() -> None:
    commands = Commands({})
    asked: list[int] = []
    worker = threading.Thread(target=lambda: asked.append(commands(["verify", "--help"])))
    worker.start()
    soon("a command is under way", lambda: commands._child)
    commands.stop()
    worker.join()
    assert asked[0] in (-signal.SIGTERM, Exit.TRY_AGAIN, Exit.DONE)
    assert commands(["--version"]) == Exit.TRY_AGAIN


def test_what_the_book_of_the_loop_says_is_a_day() -> None:
    assert date_of(OneBook().last) == date(2026, 1, 1)
