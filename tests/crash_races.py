"""Several processes at once on one book; one that sleeps past its lock.

python tests/crash_races.py --trials 100 --seed 1 [--server postgresql://...]
"""

import argparse
import sys
from dataclasses import replace
from random import Random

import psycopg
from crash import Bench, Failed
from crash_world import DONE, Around, workplace
from failpoints import Fault

LOCKED = 4
TRY_AGAIN = 75
IMPATIENT = Around(constants={"book.connect.BUSY_SECONDS": 1})
"""One second for a lock of the database in place of thirty."""


class Races(Bench):
    """Trials in which a step is done by more than one process."""

    def trial(self, kind: str, number: int) -> None:
        if kind == "start":
            self.start_together(number)
        else:
            self.sleep_past_the_lock(number)

    def start_together(self, number: int) -> None:
        """Two to eight do the same at once: one of them has done it, none has done it twice."""
        chance = Random(f"race {self.seed} {number}")
        step = self.steps[number % len(self.steps)]
        self.books.restore(step.before)
        racing = [self.begin(step) for _ in range(chance.randint(2, 8))]
        codes = [child.wait() for child in racing]
        self.counts["processes"] += len(racing)
        self.counts["told that another works"] += codes.count(LOCKED)
        if not {*codes} <= {*DONE, LOCKED} or not {*codes} & {*DONE}:
            raise Failed(f"exits {codes}\n" + "\n".join(child.words for child in racing))
        self._same(step)
        self.finish(step)

    def sleep_past_the_lock(self, number: int) -> None:
        """One stops; on PostgreSQL the server ends the session with its lock. Another does the
        same. The first wakes up."""
        step, at = self.place("pause", number)
        self.books.restore(step.before)
        first = self.begin(step, Fault("pause", at))
        if not first.stopped():
            raise Failed(f"it did not stop at {at}: {first.words}")
        free = self._free_lock()
        other = self.begin(step)
        if other.wait() not in (*DONE, LOCKED, TRY_AGAIN):
            raise Failed(f"the other: exit {other.wait()}\n{other.words}")
        if other.wait() in DONE:
            self._same(step, drafts=True)
        first.goes_on()
        code = first.wait()
        self.counts["slept"] += 1
        self.counts["locks lost"] += free
        self.counts["done by the other meanwhile"] += other.wait() in DONE
        self.counts["refused on waking"] += "has taken over this book" in first.words
        # 1: the files it was writing are there already, or were swept away.
        if code not in (*DONE, LOCKED, TRY_AGAIN, 1) or "Traceback" in first.words:
            raise Failed(f"the one that slept: exit {code}\n{first.words}")
        if other.wait() in DONE:
            self._same(step, drafts=True)
        self.finish(step, drafts=True)

    def _free_lock(self) -> bool:
        """Take the lock from whoever holds it; not possible in SQLite, where it is the process's
        own."""
        if not self.books.url.startswith("postgresql"):
            return False
        with psycopg.connect(self.books.url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks JOIN pg_database d"
                " ON d.oid = database WHERE locktype = 'advisory' AND objid = 1919250543"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        return bool(ended and ended[0])


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("start", "sleep"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this trial alone")
    parser.add_argument("--server", help="the URL of a PostgreSQL server; else SQLite")
    given = parser.parse_args(words)
    # Eight that make and migrate one book take longer than a second.
    around = Around() if given.kind == "start" else replace(IMPATIENT)
    races = Races(workplace(), given.seed, given.server, around)
    return races.all(given.kind, given, "tests/crash_races.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
