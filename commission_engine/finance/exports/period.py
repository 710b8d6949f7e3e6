"""Which runs an export is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from commission_engine.book import runs
from commission_engine.book.connect import Connection
from commission_engine.book.runs import Run
from commission_engine.calendar import Day, date_of
from commission_engine.problems import UsageError

_LISTED = "`commission runs` lists all."


@dataclass(frozen=True, slots=True)
class Asked:
    """The runs of a period, of one date, or those that a settlement settles; None: not said."""

    first: Day | None = None
    last: Day | None = None
    run: Day | None = None
    settlement: Day | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Runs in turn, at least one, and all completed ones. Since a run never changes and none comes
    between two others, what is said of a period stays true."""

    runs: Sequence[Run]
    completed: Sequence[Run]

    @property
    def first(self) -> Day:
        return self.runs[0].day

    @property
    def last(self) -> Day:
        return self.runs[-1].day

    @property
    def from_the_beginning(self) -> bool:
        return self.runs[0] == self.completed[0]

    def named(self, what: str, form: str, *, only_last: bool = False) -> str:
        """The name of a folder for what is said of it; the same for the same content."""
        days = dict.fromkeys([self.last] if only_last else [self.first, self.last])
        return "-".join([what, *(f"{date_of(day):%Y%m%d}" for day in days), form])

    def before(self, run: Run) -> list[Run]:
        """The runs before one."""
        return [each for each in self.completed if each.day < run.day]


def period_of(connection: Connection, asked: Asked, *, whole: bool) -> Period:
    """The period that is asked for; all runs where nothing is said. `whole`: of a settlement the
    runs since the one before, else its own alone. UsageError where there is no such run."""
    completed = runs.completed(connection)
    given = [asked.first is not None or asked.last is not None]
    given += [asked.run is not None, asked.settlement is not None]
    if sum(given) > 1:
        raise UsageError("--from or --to, --run and --settlement at once", "Take one of them.")
    if not completed:
        raise UsageError("the book has no completed run yet", "Run a date: commission run")
    if asked.run is not None:
        return Period([_run(completed, asked.run, "completed run")], completed)
    if asked.settlement is not None:
        settled = [each for each in completed if each.settles]
        mine = _run(settled, asked.settlement, "settlement")
        since = max((each.day for each in settled if each.day < mine.day), default=None)
        found = [each for each in completed if _within(each.day, since, mine.day)]
        return Period(found if whole else [mine], completed)
    low = None if asked.first is None else asked.first - 1
    found = [each for each in completed if _within(each.day, low, asked.last)]
    if not found:
        raise UsageError("no run was completed in that period", _LISTED)
    return Period(found, completed)


def _within(day: Day, after: Day | None, last: Day | None) -> bool:
    return (after is None or day > after) and (last is None or day <= last)


def _run(among: Sequence[Run], day: Day, what: str) -> Run:
    for each in among:
        if each.day == day:
            return each
    raise UsageError(f"there is no {what} on {date_of(day)}", _LISTED)
