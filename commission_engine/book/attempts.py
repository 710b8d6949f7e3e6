"""Every start of a run leaves a row, also one that failed or was killed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from commission_engine.book import bulk, schema
from commission_engine.book.connect import writing
from commission_engine.calendar import Day


@contextmanager
def attempt(engine: sa.Engine, day: Day, who: str, clock: Callable[[], str]) -> Iterator[None]:
    """Note that a run for `day` starts, and how it ends."""
    with writing(engine) as connection:
        number = bulk.next_number(connection, schema.attempt.c.id)
        row = {"id": number, "day": day, "started_at": clock(), "who": who}
        connection.execute(sa.insert(schema.attempt).values(row))
    try:
        yield
    except BaseException as why:
        _end(engine, number, clock(), "failed", str(why) or type(why).__name__)
        raise
    _end(engine, number, clock(), "completed", "")


def _end(engine: sa.Engine, number: int, at: str, outcome: str, message: str) -> None:
    with writing(engine) as connection:
        row = {"attempt": number, "ended_at": at, "outcome": outcome, "message": message}
        connection.execute(sa.insert(schema.attempt_end).values(row))
