"""Statements of one settlement as files: in several processes, in the order of affiliates' ids."""

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from threading import Thread

import polars as pl

from commission_engine.book.connect import connect, reading
from commission_engine.book.lines import where_kept
from commission_engine.calendar import Day
from commission_engine.problems import CommissionError
from commission_engine.publish.folder import Made
from commission_engine.statements.content import StatementContent, contents
from commission_engine.statements.gather import Settlement
from commission_engine.statements.html import html_of
from commission_engine.statements.look import Look
from commission_engine.statements.page import Page, page_of
from commission_engine.statements.pdf import pdf_of
from commission_engine.statements.privacy import Privacy

FORMATS = ("html", "pdf")

_WRITE: dict[str, Callable[[Page, Look], bytes]] = {
    "html": lambda page, look: html_of(page, look).encode(),
    "pdf": pdf_of,
}

AT_ONCE = {"html": 1_500, "pdf": 160}
"""Statements that a process is given at a time at most; of several formats the fewest."""

TURNS = 4
"""How often each process is given some, at least."""

ALONE = {"html": 6_000, "pdf": 100}
"""Up to so many are made in this process: to start others takes seconds of computing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which settlement of which book, and how its statements look. `kept_in` is where the book's
    lines are, as settings say."""

    url: str
    day: Day
    kept_in: str
    formats: tuple[str, ...]
    look: Look
    privacy: Privacy


def rendered(wanted: Wanted, readers: Sequence[str], workers: int | None = None) -> Iterator[Made]:
    """The files of these affiliates' statements, named by statement's id and format.

    `workers` is how many processes make them, by default as many as there are cores. The bytes are
    the same for any number.
    """
    if workers is None:
        few = min(ALONE[each] for each in wanted.formats)
        workers = 1 if len(readers) <= few else os.cpu_count() or 1
    turns = -(-len(readers) // (workers * TURNS))  # so that all have done at the same time
    size = max(1, min(turns, *(AT_ONCE[each] for each in wanted.formats)))
    parts = [readers[start : start + size] for start in range(0, len(readers), size)]
    made = _here(wanted, parts) if workers == 1 else _in_processes(wanted, parts, workers)
    for files in made:
        for name, content in files:
            yield Made(name, [content])


Files = list[tuple[str, bytes]]


def _here(wanted: Wanted, parts: Sequence[Sequence[str]]) -> Iterator[Files]:
    for part in parts:
        yield files_of(wanted, part)


def _in_processes(wanted: Wanted, parts: Sequence[Sequence[str]], workers: int) -> Iterator[Files]:
    """Part after part; no more are under way than are worth waiting for."""
    others = set(active_children())
    with workers_of(min(workers, len(parts))) as pool:
        waiting: deque[Future[Files]] = deque()
        rest = iter(parts)
        try:
            for part in rest:
                waiting.append(pool.submit(files_of, wanted, part))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as why:
            raise CommissionError(
                "a process that made statements was ended from outside",
                "Nothing that is not whole was left behind. Run the command again, with --workers 1"
                " if the machine has little memory.",
            ) from why
        except BaseException:
            # Whoever waits for the end of this is not to wait for what nobody wants any more.
            for each in set(active_children()) - others:
                each.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def workers_of(number: int) -> ProcessPoolExecutor:
    """So many processes, which end when this one does, however it ends."""
    # Not forked: threads of the libraries that are loaded here do not survive that.
    return ProcessPoolExecutor(number, get_context("spawn"), _begin)


def _begin() -> None:
    """In a new process: signals are for the one that has started it, whose end is ours."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # The typesetter's own threads would only wait for each other beside other processes.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
    os._exit(1)


def files_of(wanted: Wanted, readers: Sequence[str]) -> Files:
    """The files of these affiliates' statements, in this process."""
    with _collecting_later(), reading(connect(wanted.url)) as connection:
        store = where_kept(connection, wanted.kept_in)
        settlement = Settlement.of(connection, wanted.day, store)
        asked = pl.Series(readers, dtype=pl.String)
        return [
            file
            for content in contents(settlement, asked, wanted.privacy)
            for file in _files(wanted, content)
        ]


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Garbage is looked for at the end: on the way a third of the time went into finding none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
        gc.collect()


def _files(wanted: Wanted, content: StatementContent) -> Iterator[tuple[str, bytes]]:
    page = page_of(content, wanted.look)
    for each in wanted.formats:
        yield f"{content.statement_id}.{each}", _WRITE[each](page, wanted.look)
