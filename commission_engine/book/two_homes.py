"""The lines of a book some of whose runs are archived: those in segments, the others inside."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from commission_engine.book.schema import archive_home, archived, line, run, segment
from commission_engine.calendar import Day, date_of

if TYPE_CHECKING:
    from commission_engine.book.lines import LineStore, Question


@dataclass(frozen=True, slots=True)
class TwoHomes:
    """A `LineStore` of two; `archived` has the dates of the archived runs with the number of their
    lines. What is added belongs to the runs that are not archived."""

    archive: "LineStore"
    inside: "LineStore"
    archived: Mapping[Day, int]

    def add(
        self, connection: sa.Connection, day: Day, lines: pl.DataFrame | Iterable[pl.DataFrame]
    ) -> None:
        self.inside.add(connection, day, lines)

    def of_run(
        self, connection: sa.Connection, day: Day, in_memory: int | None = None
    ) -> Iterator[pl.DataFrame]:
        home = self.archive if day in self.archived else self.inside
        return home.of_run(connection, day, in_memory)

    def of(self, connection: sa.Connection, question: "Question") -> pl.DataFrame:
        found = [self.inside.of(connection, question)]
        if any(_asked_for(day, question) for day in self.archived):
            found.append(self.archive.of(connection, question))
        return pl.concat(found).sort("event", "level")

    def faults(self, connection: sa.Connection) -> list[str]:
        """Lines in both homes, or in none that counts. That no line of a run is missing or another
        one is proved with the run."""
        sums = sa.select(segment.c.run_day, sa.func.sum(segment.c.rows).label("rows"))
        listed = {
            each.run_day: int(each.rows)
            for each in connection.execute(sums.group_by(segment.c.run_day))
        }
        done = set(connection.execute(sa.select(run.c.day)).scalars())
        inside = connection.execute(
            sa.select(line.c.run_day).where(line.c.run_day.in_(self.archived)).distinct()
        ).scalars()
        return [
            *(f"archived run {date_of(day)}: has lines in the database too" for day in inside),
            *(
                f"archived run {date_of(day)}: there is no such run"
                for day in sorted(self.archived.keys() - done)
            ),
            *(
                f"archived run {date_of(day)}: had {rows} lines, its segments list"
                f" {listed.get(day, 0)}"
                for day, rows in sorted(self.archived.items())
                if rows != listed.get(day, 0)
            ),
            *(
                f"table segment: rows of {date_of(day)}, which is not archived"
                for day in sorted(listed.keys() - self.archived.keys())
            ),
        ]

    def strays(self, connection: sa.Connection) -> list[str]:
        return self.archive.strays(connection)


def archive_place(connection: sa.Connection) -> str | None:
    """Where the segments of archived runs are; None where none ever was archived."""
    latest = sa.select(archive_home.c.place).order_by(archive_home.c.intake.desc()).limit(1)
    place: str | None = connection.execute(latest).scalar_one_or_none()
    return place


def archived_rows(connection: sa.Connection) -> dict[Day, int]:
    """The dates of the archived runs, with the number of their lines."""
    query = sa.select(archived.c.run_day, archived.c.rows)
    return {row.run_day: row.rows for row in connection.execute(query)}


def _asked_for(day: Day, question: "Question") -> bool:
    low, high = question.first_day, question.last_day
    return (low is None or day >= low) and (high is None or day <= high)
