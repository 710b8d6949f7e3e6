"""A month as people name it, and its days."""

import re
from dataclasses import dataclass
from datetime import timedelta

from commission_engine.calendar import Day, date_of, day_of
from commission_engine.problems import UsageError

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month: `first` and `last` are its days, both included."""

    name: str
    first: Day
    last: Day

    @classmethod
    def of(cls, text: str) -> "Period":
        """From such as 2026-10; UsageError for anything else."""
        if not _MONTH.fullmatch(text) or text < "0001-01":
            raise UsageError(f"{text!r} is not a month", "Write such as 2026-10.")
        return cls.around(day_of(date_of(0).fromisoformat(f"{text}-01")))

    @classmethod
    def around(cls, day: Day) -> "Period":
        """The month of a day."""
        first = date_of(day).replace(day=1)
        if (first.year, first.month) == (9999, 12):
            raise UsageError("9999-12 has no month after it", "Write such as 2026-10.")
        later = first + timedelta(days=31)
        return cls(first.isoformat()[:7], day_of(first), day_of(later.replace(day=1)) - 1)

    @property
    def next(self) -> "Period":
        return Period.around(self.last + 1)
