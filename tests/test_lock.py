"""One process at a time works on a book, and a dead one never stands in the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from commission_engine.book import lock
from commission_engine.book.connect import connect, reading
from commission_engine.book.lock import Worker, working
from commission_engine.book.schema import currency, lease
from commission_engine.problems import Locked

CHECKOUT = Path(__file__).parents[1]
AT_ONCE = 5.0
"""Seconds: far below the 30 for which a connection waits when the database itself is busy."""

IN_USE = "the book is in use: nightly on host-1 (process 42) works on it since 2026-11-21T02:00:00Z"
WAIT = "Wait until it is done, then run the same command again."

HOLDER = """
import sys
import sqlalchemy as sa
from commission_engine.book.connect import connect
from commission_engine.book.lock import working
from commission_engine.book.schema import currency

url, writes = sys.argv[1:]
with working(connect(url), "nightly on host-1 (process 42)", "2026-11-21T02:00:00Z") as worker:
    if writes == "writing":
        with worker.writing() as connection:
            connection.execute(sa.insert(currency).values(id=1, code="USD", decimals=2))
            print("holding", flush=True)
            sys.stdin.readline()
    else:
        print("holding", flush=True)
        sys.stdin.readline()
"""


@contextmanager
def another_process(url: str, writes: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the book's lock until it is told to end, or killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url, writes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def holders(engine: sa.Engine) -> list[tuple[str, str, int]]:
    with reading(engine) as connection:
        found = connection.execute(sa.select(lease.c.holder, lease.c.since, lease.c.token))
        return [(row.holder, row.since, row.token) for row in found]


def currencies(engine: sa.Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(sa.select(currency.c.code)).scalars())


def add_currency(worker: Worker, code: str) -> None:
    with worker.writing() as connection:
        connection.execute(sa.insert(currency).values(id=9, code=code, decimals=2))


@pytest.mark.parametrize("writes", ["waiting", "writing"])
def test_a_second_process_is_told_at_once_who_holds_the_book(
    database_url: str, writes: str
) -> None:
    engine = connect(database_url)
    with another_process(database_url, writes) as holder:
        asked = time.monotonic()
        with pytest.raises(Locked) as refused, working(engine, "me", "now"):
            pass
        assert time.monotonic() - asked < AT_ONCE
        assert (refused.value.message, refused.value.hint) == (IN_USE, WAIT)
        assert int(refused.value.exit_code) == 4
        holder.communicate("done\n")
    assert holder.returncode == 0
    with working(engine, "me", "2026-11-21T03:00:00Z"):
        token = 3 if writes == "writing" else 2  # each holder and each transaction has its own
        assert holders(engine) == [("me", "2026-11-21T03:00:00Z", token)]


@pytest.mark.parametrize("writes", ["waiting", "writing"])
def test_a_killed_process_leaves_the_book_free_and_nothing_half_written(
    database_url: str, writes: str
) -> None:
    engine = connect(database_url)
    with another_process(database_url, writes) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        killed = time.monotonic()
        worker = taken(engine, until=killed + AT_ONCE)
    assert worker.token == 2
    assert currencies(engine) == []


def taken(engine: sa.Engine, until: float) -> Worker:
    """The lock, as soon as it is free: a server needs a moment to see that a client has gone."""
    while True:
        try:
            with working(engine, "me", "now") as worker:
                return worker
        except Locked:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def test_the_same_process_cannot_hold_it_twice_either(database_url: str) -> None:
    engine = connect(database_url)
    with working(engine, "I", "2026-11-21T02:00:00Z") as worker:
        with pytest.raises(Locked) as refused, working(engine, "me", "now"):
            pass
        assert refused.value.message == (
            "the book is in use: I works on it since 2026-11-21T02:00:00Z"
        )
        add_currency(worker, "USD")
    assert currencies(engine) == ["USD"]
    assert holders(engine) == [("I", "2026-11-21T02:00:00Z", 2)]


def test_where_nobody_ever_worked_the_holder_has_no_name_yet(database_url: str) -> None:
    """The moment between taking the lock and writing one's name beside it."""
    engine = connect(database_url)
    with lock._held(engine):
        with pytest.raises(Locked) as refused, working(engine, "me", "now"):
            pass
        assert refused.value.message == "the book is in use: another process works on it"


def test_the_lock_is_free_again_when_the_work_fails(database_url: str) -> None:
    engine = connect(database_url)
    with pytest.raises(ZeroDivisionError), working(engine, "I", "now"):
        raise ZeroDivisionError
    with working(engine, "me", "later") as worker:
        assert worker.token == 2


def test_a_holder_whose_book_was_taken_over_writes_nothing_more(database_url: str) -> None:
    engine = connect(database_url)
    with working(engine, "I", "now") as first:
        lose_the_lock(engine)
        with working(engine, "me", "later") as second:
            with pytest.raises(Locked) as refused:
                add_currency(first, "USD")
            assert (refused.value.message, refused.value.hint) == (
                "another process has taken over this book since; this one wrote nothing more",
                "Look at `commission runs`, then run the command again.",
            )
            add_currency(second, "EUR")
    assert currencies(engine) == ["EUR"]


@pytest.mark.parametrize("met", [KeyError("what it looked for"), FileNotFoundError("its file")])
def test_what_a_holder_meets_of_the_one_who_took_over_is_not_called_a_fault(
    postgresql_url: str, met: Exception
) -> None:
    """It had begun when it lost the book; what it read next was the other's doing."""
    engine = connect(postgresql_url)

    def overtaken(first: Worker) -> None:
        with first.writing():
            lose_the_lock(engine)
            with working(engine, "me", "later") as second:
                add_currency(second, "EUR")
            raise met

    with working(engine, "I", "now") as first, pytest.raises(Locked):
        overtaken(first)
    assert currencies(engine) == ["EUR"]
    with working(engine, "I", "now") as alone, pytest.raises(type(met)), alone.writing():
        raise met


def lose_the_lock(engine: sa.Engine) -> None:
    """Somebody removes the lock's file, or the server ends the session that holds it."""
    if engine.dialect.name == "sqlite":
        Path(f"{engine.url.database}.lock").unlink()
        return
    end = (
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks JOIN pg_database d"
        " ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with reading(engine) as connection:
        assert connection.exec_driver_sql(end).scalar_one() == 1
