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
import series

ROOT = Path(__file__).parents[1]
KILLS = series.of(80, 250)
"""In each of the tests with a seed; in full together 1,500."""


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


@pytest.mark.parametrize("seed", series.of([1], [1, 2, 3, 4, 5, 6]))
def test_killed_anywhere_and_in_recovery(seed: int) -> None:
    found = trials("crash", "kill", "--seed", seed, "--trials", series.of(40, 115))
    assert found["kill"] + found["kill in recovery"] >= KILLS


@pytest.mark.series
def test_killed_with_lines_in_segments() -> None:
    many = 16
    found = trials("crash", "kill", "--seed", 7, "--trials", many, "--lines", "lines")
    assert found["kill"] == many


@pytest.mark.series
def test_the_power_fails_and_what_was_not_synced_is_lost() -> None:
    many = 20
    assert trials("crash", "power", "--seed", 8, "--trials", many)["power"] == many


def test_stopped_by_a_signal_anywhere() -> None:
    many = series.of(10, 30)
    assert trials("crash", "term", "--seed", 9, "--trials", many)["term"] >= many


@pytest.mark.series
def test_the_disk_is_full_or_broken_once_or_for_good() -> None:
    many = 8
    found = trials("crash", "full", "--seed", 10, "--trials", 4 * many)
    assert [found[how] for how in ("EIO", "EIO+", "ENOSPC", "ENOSPC+")] == [many] * 4


@pytest.mark.needs("strace")
def test_a_system_call_fails_or_is_the_last() -> None:
    many = series.of(10, 30)
    found = trials("crash", "calls", "--seed", 11, "--trials", many)
    ways = ("signal=KILL", "error=EIO", "error=EIO+", "error=ENOSPC", "error=ENOSPC+")
    assert sum(found.get(way, 0) for way in ways) == many
    assert sum(way in found for way in ways) >= series.of(3, 5)


@pytest.mark.series
def test_killed_on_postgresql(postgresql_server: str) -> None:
    found = trials("crash", "kill", "--seed", 12, "--trials", 20, server=postgresql_server)
    assert found["kill"] == 20


@pytest.mark.series
def test_connections_are_cut_at_any_statement_and_at_commit(postgresql_server: str) -> None:
    many = 4
    found = trials("crash", "cut", "--seed", 13, "--trials", 4 * many, server=postgresql_server)
    assert (found["cut"], found["cut all"], found["lost"]) == (many, many, 2 * many)


@pytest.mark.series
def test_transactions_collide(postgresql_server: str) -> None:
    found = trials("crash", "collide", "--seed", 14, "--trials", 8, server=postgresql_server)
    assert [found[how] for how in ("40001", "40001+", "40P01", "40P01+")] == [2] * 4


@pytest.mark.series
def test_the_server_is_killed_and_comes_back() -> None:
    many = 8
    found = trials("crash", "crash", "--seed", 15, "--trials", many, server="own")
    assert found["server crashes"] == many


def test_two_to_eight_processes_do_the_same(sqlite_or_postgresql: str) -> None:
    many = series.of(6, 28)
    found = trials("crash_races", "start", "--trials", many, server=sqlite_or_postgresql)
    assert found["told that another works"] > 0


def test_one_sleeps_past_its_lock(sqlite_or_postgresql: str) -> None:
    many = series.of(4, 22)
    found = trials("crash_races", "sleep", "--trials", many, server=sqlite_or_postgresql)
    assert found["slept"] == many
    if sqlite_or_postgresql:
        assert found["refused on waking"] > series.of(0, 3)


@pytest.fixture(params=["sqlite", "postgresql"])
def sqlite_or_postgresql(request: pytest.FixtureRequest) -> str:
    """A server's URL; empty for SQLite."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgresql_server")
    return url


@pytest.mark.parametrize("seed", series.of([1], [1, 2, 3, 4, 5]))
def test_the_outside_differs_and_the_bytes_do_not(seed: int, postgresql_server: str) -> None:
    many = series.of(20, 40)
    found = trials("crash_outside", "--seed", seed, "--trials", many, server=postgresql_server)
    assert found["comparisons of all files"] == many
    assert found["of the whole book"] == many // 2
