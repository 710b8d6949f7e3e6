"""The scheduler in the foreground: looks at the book when a night begins, and every minute.

The library's own schedules are in memory and may be forgotten at any time: which nights are due
follows from the book (jobs/nightly.py).
"""

import logging
import queue
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from commission_engine.problems import CommissionError, Exit
from jobs.nightly import Nightly
from jobs.trigger import Every, Nights

LOOK, NIGHT = "look", "night"


class Scheduler:
    """Looks, until a signal comes or the books do not balance."""

    def __init__(self, nightly: Nightly, stop: Callable[[], None]) -> None:
        """`stop` ends the command that the nights have under way."""
        self._nightly = nightly
        self._stop = stop
        self._every = nightly.timetable.look_seconds
        self._ends: queue.SimpleQueue[Exit] = queue.SimpleQueue()
        self._seen = nightly.clock()
        # It warns of each look that falls into a night, of which there are many.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._jobs = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        now = datetime.now(UTC)
        self._jobs.add_job(self._look, Every(self._every), id=LOOK, next_run_time=now)

    def serve(self) -> Exit:
        """Until it ends: DONE after a signal, else OUT_OF_BALANCE."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        self._jobs.start()
        try:
            while True:
                try:
                    return self._ends.get(timeout=self._every)
                except queue.Empty:
                    self.mind_the_clock()
        finally:
            self._stop()
            self._jobs.shutdown(wait=False)  # to wait here could be to wait for each other

    def mind_the_clock(self) -> None:
        """After a clock was set back the library would sleep until it is where it was."""
        now = self._nightly.clock()
        if now < self._seen:
            for job in self._jobs.get_jobs():
                job.reschedule(job.trigger)
        self._seen = now

    def next_looks(self) -> dict[str, datetime]:
        """When the library will look next, by the name of the job."""
        return {job.id: job.next_run_time for job in self._jobs.get_jobs()}

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        self._ends.put(Exit.DONE)

    def _look(self) -> None:
        code = self._nightly.look()
        if code is Exit.OUT_OF_BALANCE:
            self._ends.put(code)
        elif self._jobs.get_job(NIGHT) is None and (nights := self._nights()):
            self._jobs.add_job(self._look, nights, id=NIGHT)

    def _nights(self) -> Nights | None:
        """None as long as the book cannot be read, or has no plan whose zone is the one."""
        try:
            return self._nightly.nights(self._nightly.book.known())
        except CommissionError:
            return None
