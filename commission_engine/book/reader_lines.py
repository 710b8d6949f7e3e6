"""One affiliate's lines, the newest first, some at a time: wherever the book keeps them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.lines import NARROW, InDatabase, LineStore, Question
from commission_engine.book.schema import activity, affiliate, currency, event, line, run
from commission_engine.calendar import Day
from commission_engine.decide.kernel import REASONS


@dataclass(frozen=True, slots=True)
class Line:
    """A line and what its event says; amounts in minor units."""

    run_day: Day
    event: int
    event_id: str
    earner: int
    earner_id: str
    occurred_us: int
    currency: str
    decimals: int
    level: int
    base_minor: int
    gross_minor: int
    commission_minor: int
    reason: str
    available_day: Day
    terms_day: Day
    is_reversal: bool

    @property
    def line_id(self) -> str:
        return f"{self.event_id}.{self.level}"


Kind: TypeAlias = tuple[int, str, int]
"""A currency: the book's number, code, decimals."""
Wanted: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]
"""Picks among lines in the book's numbers (lines.NARROW)."""


def lines(
    connection: sa.Connection,
    store: LineStore,
    question: Question,
    after: tuple[Day, int] | None,
    limit: int,
    wanted: Wanted = lambda found: found,
) -> tuple[Sequence[Line], tuple[Day, int] | None]:
    """Up to `limit` lines that meet a question, the newest run first; and where to go on, None at
    the end. `after` is that of the answer before: a run, and how many of its lines were given."""
    days = _run_days(connection, question, after)
    picked: list[pl.DataFrame] = []
    missing, skip = limit, after[1] if after else 0
    place, step = 0, 1
    goes_on = None
    while place < len(days) and missing > 0:
        part = days[place : place + step]
        asked = replace(question, first_day=part[-1], last_day=part[0])
        found = wanted(store.of(connection, asked)).sort(
            "run_day", "event", "level", descending=[True, False, False]
        )
        taken = found.slice(skip, missing)
        picked.append(taken)
        missing -= taken.height
        if missing == 0:
            goes_on = _goes_on(found, skip + taken.height)
            if goes_on is None and place + step < len(days):
                goes_on = (days[place + step], 0)
        place, step, skip = place + step, step * MORE, 0
    narrow = pl.concat(picked) if picked else pl.DataFrame(schema=NARROW)
    return told(connection, narrow), goes_on


MORE = 4
"""The lines of one run are looked for at first, then of so many times more each time: a run can
have a hundred thousand lines of one affiliate, and a year none."""


def _run_days(
    connection: sa.Connection, question: Question, after: tuple[Day, int] | None
) -> list[Day]:
    query = sa.select(run.c.day).order_by(run.c.day.desc())
    if question.first_day is not None:
        query = query.where(run.c.day >= question.first_day)
    if question.last_day is not None:
        query = query.where(run.c.day <= question.last_day)
    if after is not None:
        query = query.where(run.c.day <= after[0])
    return list(connection.execute(query).scalars())


def _goes_on(found: pl.DataFrame, given: int) -> tuple[Day, int] | None:
    """The run of the first line that was not given, and how many of its lines were."""
    if given >= found.height:
        return None
    day = found["run_day"][given]
    before = found["run_day"].head(given).eq(day).sum()
    return int(day), int(before)


def told(connection: sa.Connection, narrow: pl.DataFrame) -> Sequence[Line]:
    """Lines in the book's numbers in words, in the order given."""
    said: dict[int, sa.RowMapping] = {}
    numbers = sorted(set(narrow["event"]))
    for start in range(0, len(numbers), NUMBERS_AT_ONCE):
        query = (
            sa.select(
                event.c.id, event.c.event_id, event.c.affiliate.label("earner"),
                affiliate.c.affiliate_id.label("earner_id"), event.c.occurred_us, event.c.root,
                currency.c.code, currency.c.decimals, event.c.amount_minor,
            )
            .join(affiliate, affiliate.c.id == event.c.affiliate)
            .join(currency, currency.c.id == event.c.currency)
            .where(event.c.id.in_(numbers[start : start + NUMBERS_AT_ONCE]))
        )  # fmt: skip
        said |= {row["id"]: row for row in connection.execute(query).mappings()}
    return [_line(row, said[row["event"]]) for row in narrow.iter_rows(named=True)]


NUMBERS_AT_ONCE = 5_000


def _line(row: Mapping[str, Any], of: sa.RowMapping) -> Line:
    return Line(
        run_day=row["run_day"],
        event=row["event"],
        event_id=of["event_id"],
        earner=of["earner"],
        earner_id=of["earner_id"],
        occurred_us=of["occurred_us"],
        currency=of["code"],
        decimals=of["decimals"],
        level=row["level"],
        base_minor=of["amount_minor"],
        gross_minor=row["gross_minor"],
        commission_minor=row["commission_minor"],
        reason=str(REASONS[row["reason"]]),
        available_day=row["available_day"],
        terms_day=row["terms_day"],
        is_reversal=of["id"] != of["root"],
    )


def totals(
    connection: sa.Connection, store: LineStore, number: int, first: Day, last: Day
) -> pl.DataFrame:
    """What the runs from `first` to `last` paid an affiliate: currency, decimals, month (2026-01),
    level, minor; sorted by these."""
    kinds = _currencies_of(connection, number)
    sums = _summed(connection, number, first, last, kinds) if isinstance(store, InDatabase) else (
        _added(connection, store, Question(pl.Series([number]), None, first, last), kinds)
    )  # fmt: skip
    month = pl.col("run_day").cast(pl.Int32).cast(pl.Date).dt.strftime("%Y-%m").alias("month")
    named = pl.DataFrame(kinds, {"currency": pl.Int64, "code": pl.String, "decimals": pl.Int64},
                         orient="row")  # fmt: skip
    return (
        sums.join(named, on="currency")
        .group_by("code", "decimals", month, "level")
        .agg(pl.col("commission_minor").sum())
        .sort("code", "month", "level")
    )


_SUMS = dict.fromkeys(("run_day", "level", "currency", "commission_minor"), pl.Int64)


def _summed(
    connection: sa.Connection, number: int, first: Day, last: Day, kinds: Sequence[Kind]
) -> pl.DataFrame:
    """An affiliate's sums by run, level and currency, added up by the database: he can have
    hundreds of thousands of lines. Where all are in one currency no event is looked at."""
    days = sa.select(run.c.day).where(run.c.day.between(first, last))
    minor = sa.cast(sa.func.sum(line.c.commission_minor), sa.BigInteger)
    code = sa.literal(kinds[0][0], sa.BigInteger) if len(kinds) == 1 else event.c.currency
    query = sa.select(line.c.run_day, line.c.level, code, minor).where(
        line.c.run_day.in_(days), line.c.beneficiary == number
    )
    by = [line.c.run_day, line.c.level]
    if len(kinds) != 1:
        query = query.join_from(line, event, event.c.id == line.c.event)
        by.append(event.c.currency)
    return bulk.frame(connection, query.group_by(*by), _SUMS)


def _added(
    connection: sa.Connection, store: LineStore, question: Question, kinds: Sequence[Kind]
) -> pl.DataFrame:
    """As `_summed`, of lines that are elsewhere."""
    narrow = store.of(connection, question)
    if len(kinds) == 1:
        placed = narrow.with_columns(currency=pl.lit(kinds[0][0], pl.Int64))
    else:
        with bulk.listed(connection, narrow["event"]) as asked:
            query = sa.select(event.c.id, event.c.currency).join_from(
                asked, event, event.c.id == asked.c.value
            )
            codes = bulk.frame(connection, query, {"event": pl.Int64, "currency": pl.Int64})
        placed = narrow.join(codes, on="event")
    return placed.select(list(_SUMS))


def _currencies_of(connection: sa.Connection, number: int) -> list[Kind]:
    """In which currencies an affiliate ever had lines: number, code, decimals."""
    query = (
        sa.select(currency.c.id, currency.c.code, currency.c.decimals)
        .join(activity, activity.c.currency == currency.c.id)
        .where(activity.c.run_day.in_(sa.select(run.c.day)), activity.c.affiliate == number)
        .distinct()
    )
    return [(row.id, row.code, row.decimals) for row in connection.execute(query)]
