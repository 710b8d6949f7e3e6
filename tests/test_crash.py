"""Killed, stopped, refused the disk, cut off, raced: the command again, and no byte differs.

Each test runs one of the programs beside this file, as people do with more trials and other seeds;
a failure prints the command that does its trial again. See docs/reliability.md.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KILLS = 250
"""In each of the tests with a number; together 1,500."""


def trials(program: str, *words: object, server: str = "") -> dict[str, int]:
    """Run trials; what was counted. They fail together, each with the command to do it again."""
    given = [*map(str, words), *(["--server", server] if server else [])]
    done = subprocess.run(
        [sys.executable, f"tests/{program}.py", *given],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    counted = re.findall(r"(\d[\d,]*) (\w[^,;:]*)", last)
    return {what: int(number.replace(",", "")) for number, what in counted}


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_killed_anywhere_and_in_recovery(seed: int) -> None:
    found = trials("crash", "kill", "--seed", seed, "--trials", 100)
    assert found["kill"] + found["kill in recovery"] >= KILLS


def test_killed_with_lines_in_segments() -> None:
    assert trials("crash", "kill", "--seed", 7, "--trials", 16, "--lines", "lines")["kill"] == 16


def test_the_power_fails_and_what_was_not_synced_is_lost() -> None:
    assert trials("crash", "power", "--seed", 8, "--trials", 20)["power"] == 20


def test_stopped_by_a_signal_anywhere() -> None:
    assert trials("crash", "term", "--seed", 9, "--trials", 30)["term"] >= 30


def test_the_disk_is_full_or_broken_once_or_for_good() -> None:
    found = trials("crash", "full", "--seed", 10, "--trials", 32)
    assert [found[how] for how in ("EIO", "EIO+", "ENOSPC", "ENOSPC+")] == [8] * 4


@pytest.mark.needs("strace")
def test_a_system_call_fails_or_is_the_last() -> None:
    found = trials("crash", "calls", "--seed", 11, "--trials", 30)
    ways = ("signal=KILL", "error=EIO", "error=EIO+", "error=ENOSPC", "error=ENOSPC+")
    assert sum(found[way] for way in ways) == 30
    assert min(found[way] for way in ways) > 0


def test_killed_on_postgresql(postgresql_server: str) -> None:
    found = trials("crash", "kill", "--seed", 12, "--trials", 20, server=postgresql_server)
    assert found["kill"] == 20


def test_connections_are_cut_at_any_statement_and_at_commit(postgresql_server: str) -> None:
    found = trials("crash", "cut", "--seed", 13, "--trials", 16, server=postgresql_server)
    assert (found["cut"], found["cut all"], found["lost"]) == (4, 4, 8)


def test_transactions_collide(postgresql_server: str) -> None:
    found = trials("crash", "collide", "--seed", 14, "--trials", 8, server=postgresql_server)
    assert [found[how] for how in ("40001", "40001+", "40P01", "40P01+")] == [2] * 4


def test_the_server_is_killed_and_comes_back() -> None:
    found = trials("crash", "crash", "--seed", 15, "--trials", 8, server="own")
    assert found["server crashes"] == 8


def test_two_to_eight_processes_do_the_same(sqlite_or_postgresql: str) -> None:
    found = trials("crash_races", "start", "--trials", 28, server=sqlite_or_postgresql)
    assert found["told that another works"] > 0


def test_one_sleeps_past_its_lock(sqlite_or_postgresql: str) -> None:
    found = trials("crash_races", "sleep", "--trials", 22, server=sqlite_or_postgresql)
    assert found["slept"] == 22
    if sqlite_or_postgresql:
        assert found["refused on waking"] > 3


@pytest.fixture(params=["sqlite", "postgresql"])
def sqlite_or_postgresql(request: pytest.FixtureRequest) -> str:
    """A server's URL; empty for SQLite."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgresql_server")
    return url


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_outside_differs_and_the_bytes_do_not(seed: int, postgresql_server: str) -> None:
    found = trials("crash_outside", "--seed", seed, "--trials", 40, server=postgresql_server)
    assert found["comparisons of all files"] == 40
    assert found["of the whole book"] == 20
