"""What a night does, and which nights are due: all of it follows from the book and the clock.

Nothing is remembered between two looks but what saves work or words, so a scheduler may die at any
moment, and any number of them may look at one book.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from shlex import join
from typing import Protocol

from commission_engine.calendar import Day, Zone, date_of
from commission_engine.problems import CommissionError, Exit, UsageError
from commission_engine.timetable import PLAN, Timetable
from jobs.trigger import Nights

MOST_LOOKS = 60
"""A command that failed is given again at the latest after so many looks."""

GOOD = (Exit.DONE, Exit.ROWS_REJECTED)


@dataclass(frozen=True, slots=True)
class Known:
    """What the book says: the programme's zone, the first day of its terms, the last completed
    business date (None: there is none), and whether that run's files have been written."""

    zone: str
    begins: Day
    last: Day | None = None
    written: bool = True


class Book(Protocol):
    """The book as the nights see it."""

    def known(self) -> Known:
        """CommissionError where it cannot be read, UsageError where it has no plan."""

    def free(self) -> None:
        """Locked, saying who, when somebody works on it."""

    def tidy(self) -> None:
        """Remove what commands that were killed have left aside."""


@dataclass(slots=True)
class Nightly:
    """Runs the nights of one book, one business date after the other.

    `command` carries out `commission` with some words and gives its exit code. `owes`: the book is
    to be proved even if nothing is due, as after a restart.
    """

    timetable: Timetable
    book: Book
    clock: Callable[[], datetime]
    command: Callable[[Sequence[str]], int]
    say: Callable[[str], None]
    out: str
    owes: bool = False
    proved: Day | None = field(default=None, init=False)
    """The last completed date when this process last proved the book."""
    _failures: int = field(default=0, init=False)
    _pauses: int = field(default=0, init=False)
    _told: str = field(default="", init=False)

    def look(self) -> Exit:
        """Do what is due; what came of it. OUT_OF_BALANCE: do not look again without a person."""
        if self._pauses:
            self._pauses -= 1
            return Exit.DONE
        try:
            code = self._work()
        except CommissionError as why:
            self._tell(f"{why.message}\n{why.hint}" if why.hint else why.message)
            return why.exit_code
        self._failures = 0 if code in (*GOOD, Exit.LOCKED) else self._failures + 1
        self._pauses = min(2**self._failures // 2, MOST_LOOKS) - 1 if self._failures else 0
        return code

    def nights(self, known: Known) -> Nights:
        zone = known.zone if self.timetable.zone == PLAN else self.timetable.zone
        return Nights(self.timetable.at, Zone(zone))

    def due(self, known: Known) -> Sequence[Day]:
        """The business dates to run now, in order; with the last one once more, if its files are
        not there. UsageError for more than a person would expect."""
        last = self.nights(known).due(self.clock(), Zone(known.zone))
        first = self._first(known, last)
        if last - first >= self.timetable.most_days:
            dates = f"{date_of(first)} to {date_of(last)}"
            raise UsageError(
                f"{last - first + 1} business dates are due, {dates}: more than"
                f" schedule.most_days, {self.timetable.most_days}",
                f"Is the clock right ({self.clock():%Y-%m-%d %H:%M} UTC)? Then a person runs them:"
                f" commission backfill --from {date_of(first)} --to {date_of(last)}",
            )
        unwritten = [] if known.last is None or known.written else [known.last]
        return unwritten + [*range(first, last + 1)]

    def _first(self, known: Known, due: Day) -> Day:
        """The first business date that is not completed."""
        if known.last is not None:
            return known.last + 1
        if self.timetable.first is not None:
            return self.timetable.first
        return max(due, known.begins)

    def words(self, day: Day) -> list[str]:
        """The command of a business date, as a person would give it."""
        given = [self.timetable.input] if self.timetable.input else []
        return ["run", *given, "--date", date_of(day).isoformat(), "--out", self.out]

    def outlook(self, known: Known) -> str:
        """When the next night begins, for people."""
        nights = self.nights(known)
        begin = nights.after(self.clock())
        due = nights.due(begin, Zone(known.zone))
        first = self._first(known, due)
        if first > due:  # the clock was set back, or a person was here
            return f"the next business date is {date_of(first)}; nothing to do before it is over"
        there = begin.astimezone(nights.zone.rules)
        return f"the next night begins at {there:%Y-%m-%d %H:%M} ({nights.zone.name})"

    def _work(self) -> Exit:
        known = self.book.known()
        days = self.due(known)
        unproved = self.timetable.verify and known.last not in (None, self.proved)
        if not days and not (self.owes and unproved):
            self._tell(self.outlook(known))
            return Exit.DONE
        self.book.free()
        if unproved:
            if code := self._prove(known.last):
                return code
            self.owes = False
        worst = Exit.DONE
        for day in days:
            code = self._carry_out(self.words(day))
            if code not in GOOD:
                return code
            worst, self.owes = max(worst, code), self.timetable.verify
        if self.owes and days:
            if code := self._prove(days[-1]):
                return code
            self.owes = False
        self.book.tidy()
        self._tell(self.outlook(self.book.known()))
        return worst

    def _prove(self, last: Day | None) -> Exit:
        code = self._carry_out(["verify", "--out", self.out])
        if not code:
            self.proved = last
        return code

    def _carry_out(self, words: Sequence[str]) -> Exit:
        """Give a command; what it came to is said where something follows from it."""
        line = join(["commission", *words])
        self._tell(line)
        number = self.command(words)
        code = Exit(number) if number in [*Exit] else Exit.FAILED
        if number < 0:
            self._tell(f"{line}: ended by signal {-number}; it is given again")
        elif code is Exit.LOCKED:
            self._tell("another process works on the book; standing by")
        elif code is Exit.OUT_OF_BALANCE:
            self._tell(
                f"{line}: the books do not balance; nothing more runs before a person has looked"
            )
        elif code not in GOOD:
            self._tell(f"{line}: exit code {number}; it is given again")
        return code

    def _tell(self, message: str) -> None:
        """Say something unless it was the last thing said."""
        if message != self._told:
            self.say(message)
        self._told = message
