"""Every start of a run leaves a row, also one that failed or was killed, and how long its stages
took."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk, schema
from commission_engine.book.connect import writing
from commission_engine.calendar import Day

NOT_COUNTED = -1


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run, how long it took, and how many rows it had to do with."""

    name: str
    milliseconds: int
    rows: int = NOT_COUNTED


Stages = Callable[[], Sequence[Stage]]


@contextmanager
def attempt(
    engine: sa.Engine, day: Day, who: str, clock: Callable[[], str], stages: Stages = tuple
) -> Iterator[int]:
    """Note that a run for `day` starts, and how it ends; gives the attempt's number.

    `stages` says at the end which there were so far.
    """
    with writing(engine) as connection:
        number = bulk.next_number(connection, schema.attempt.c.id)
        row = {"id": number, "day": day, "started_at": clock(), "who": who}
        connection.execute(sa.insert(schema.attempt).values(row))
    try:
        yield number
    except BaseException as why:
        _end(engine, number, clock(), "failed", str(why) or type(why).__name__, stages())
        raise
    _end(engine, number, clock(), "completed", "", stages())


def _end(
    engine: sa.Engine, number: int, at: str, outcome: str, message: str, stages: Sequence[Stage]
) -> None:
    with writing(engine) as connection:
        row = {"attempt": number, "ended_at": at, "outcome": outcome, "message": message}
        connection.execute(sa.insert(schema.attempt_end).values(row))
        _add(connection, number, 0, stages)


def add_stages(engine: sa.Engine, number: int, after: int, stages: Sequence[Stage]) -> None:
    """Stages of an attempt that has ended, such as writing its files; `after` so many others."""
    with writing(engine) as connection:
        _add(connection, number, after, stages)


def _add(connection: sa.Connection, number: int, after: int, stages: Sequence[Stage]) -> None:
    rows = [
        {
            "attempt": number,
            "number": after + place,
            "name": stage.name,
            "milliseconds": stage.milliseconds,
            "rows": stage.rows,
        }
        for place, stage in enumerate(stages, 1)
    ]
    if rows:
        connection.execute(sa.insert(schema.stage), rows)


def stages_of(connection: sa.Connection, attempt: int) -> list[Stage]:
    """The stages of an attempt, in their order."""
    query = (
        sa.select(schema.stage.c.name, schema.stage.c.milliseconds, schema.stage.c.rows)
        .where(schema.stage.c.attempt == attempt)
        .order_by(schema.stage.c.number)
    )
    return [Stage(*row) for row in connection.execute(query)]


ATTEMPTS = {
    "id": pl.Int64, "day": pl.Int64, "started_at": pl.String, "who": pl.String,
    "ended_at": pl.String, "outcome": pl.String, "message": pl.String,
}  # fmt: skip


def attempts_at(connection: sa.Connection, day: Day) -> pl.DataFrame:
    """Every start of the run of `day`, shaped ATTEMPTS; `outcome` is null while it goes on or was
    killed."""
    return _attempts(connection, schema.attempt.c.day == day)


def attempts_after(connection: sa.Connection, number: int) -> pl.DataFrame:
    """The attempts with later numbers, shaped ATTEMPTS."""
    return _attempts(connection, schema.attempt.c.id > number)


def _attempts(connection: sa.Connection, where: sa.ColumnElement[bool]) -> pl.DataFrame:
    end = schema.attempt_end
    query = (
        sa.select(*schema.attempt.c, end.c.ended_at, end.c.outcome, end.c.message)
        .outerjoin(end)
        .where(where)
    )
    return bulk.frame(connection, query, ATTEMPTS).sort("id")


def last_completed(connection: sa.Connection) -> int:
    """The number of the last attempt that completed its run; 0 where none did."""
    end = schema.attempt_end
    query = sa.select(sa.func.max(end.c.attempt)).where(end.c.outcome == "completed")
    return connection.execute(query).scalar_one() or 0
