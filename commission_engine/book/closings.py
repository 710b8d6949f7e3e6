"""Closed periods, as the book keeps them: closings, what was waived for them, and reopenings.

All are only ever added, each with the intake that learned it. A closing holds until a reopening
of it; the database refuses every run in or before a period that is closed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.lines import LineStore
from commission_engine.book.schema import currency, event, intake, payout, refusal, run
from commission_engine.book.schema_close import (
    closing,
    refusal_waiver,
    reopen_request,
    reopening,
)
from commission_engine.calendar import Day, date_of
from commission_engine.decide.kernel import REASONS

CLOSE, WAIVE, ASK, REOPEN = "close", "waive refused rows", "ask to reopen", "reopen"
"""The kinds of intake."""


@dataclass(frozen=True, slots=True)
class Closing:
    """A period that was closed. `reopened_at` is empty as long as it holds.

    `name` is that of its folder, `last_run` the last date that was run in or before it, `head` and
    `head_hash` the last row of the audit trail before it, `content` the SHA-256 of what its pack
    says, `files` those of its files, `made_with` what has made them.
    """

    intake: int
    name: str
    first_day: Day
    last_day: Day
    last_run: Day
    head: int
    head_hash: str
    content: str
    files: Mapping[str, str]
    made_with: Mapping[str, str]
    closed_at: str = ""
    closed_by: str = ""
    reopened_at: str = ""
    reopened_by: str = ""

    @property
    def month(self) -> str:
        return date_of(self.first_day).isoformat()[:7]

    @property
    def holds(self) -> bool:
        return not self.reopened_at


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody's wish to open a closing again. `intake` is that of the wish, `reopened` that of the
    word of the second person, 0 as long as there is none."""

    intake: int
    closing: int
    reason: str
    asked_at: str
    asked_by: str
    reopened: int
    confirmed_at: str
    confirmed_by: str


# -- what holds


def closings(connection: sa.Connection) -> list[Closing]:
    """Every closing, the latest last."""
    began, ended = intake.alias("began"), intake.alias("ended")
    query = (
        sa.select(
            *closing.c, began.c.learned_at, began.c.who,
            *(sa.func.coalesce(each, "") for each in (ended.c.learned_at, ended.c.who)),
        )
        .join_from(closing, began, began.c.id == closing.c.intake)
        .outerjoin(reopening, reopening.c.closing == closing.c.intake)
        .outerjoin(ended, ended.c.id == reopening.c.intake)
        .order_by(closing.c.intake)
    )  # fmt: skip
    return [
        Closing(*row[:8], json.loads(row[8]), json.loads(row[9]), *row[10:])
        for row in connection.execute(query)
    ]


def closed_until(connection: sa.Connection) -> Day | None:
    """The last day of what is closed: no date up to it runs any more. None: nothing is."""
    again = sa.exists().where(reopening.c.closing == closing.c.intake)
    query = sa.select(sa.func.max(closing.c.last_day)).where(~again)
    found: Day | None = connection.execute(query).scalar_one()
    return found


def refusal_to_run(connection: sa.Connection, day: Day) -> tuple[str, str] | None:
    """Why a date cannot run, and what to do, where it is in or before a closed period."""
    return refusal_of(closed_until(connection), day)


def refusal_of(last: Day | None, day: Day) -> tuple[str, str] | None:
    """The same, where everything up to `last` is closed (None: nothing is)."""
    if last is None or day > last:
        return None
    month = date_of(last).isoformat()[:7]
    return (
        f"{date_of(day)} cannot run: everything up to {date_of(last)} is closed",
        f"What arrived late is paid with the first open date: commission run --date"
        f" {date_of(last + 1)}, or a later one. An amount of the past is put right with commission"
        f" adjust or true-up. To open {month} again, which takes two people: commission reopen"
        f" {month} --reason TEXT",
    )


def requests(connection: sa.Connection) -> list[Request]:
    """Every wish to open a closing again, the latest last."""
    asked, said = intake.alias("asked"), intake.alias("said")
    query = (
        sa.select(
            *reopen_request.c, asked.c.learned_at, asked.c.who,
            sa.func.coalesce(reopening.c.intake, 0),
            *(sa.func.coalesce(each, "") for each in (said.c.learned_at, said.c.who)),
        )
        .join_from(reopen_request, asked, asked.c.id == reopen_request.c.intake)
        .outerjoin(reopening, reopening.c.request == reopen_request.c.intake)
        .outerjoin(said, said.c.id == reopening.c.intake)
        .order_by(reopen_request.c.intake)
    )  # fmt: skip
    return [Request(*row[:8]) for row in connection.execute(query)]


def waivers(connection: sa.Connection, known: int) -> pl.DataFrame:
    """The refused rows that were waived up to intake `known`: id, reason; by number."""
    query = sa.select(refusal_waiver.c.refusal, refusal_waiver.c.reason).where(
        refusal_waiver.c.intake <= known
    )
    return bulk.frame(connection, query, {"id": pl.Int64, "reason": pl.String}).sort("id")


# -- what a pack asks


def refused_in(after: int, upto: int) -> sa.ColumnElement[bool]:
    """The condition for rows that intakes beyond `after`, up to `upto`, refused."""
    return sa.and_(refusal.c.intake > after, refusal.c.intake <= upto)


def of_days(first: Day, last: Day) -> sa.ColumnElement[bool]:
    """The condition for payouts of runs from `first` to `last`."""
    return payout.c.run_day.between(first, last)


LINE_SUMS: Mapping[str, Any] = {
    "terms_day": pl.Int64,
    "level": pl.Int64,
    "reason": pl.String,
    "currency": pl.String,
    "decimals": pl.Int64,
    "lines": pl.Int64,
    "gross_minor": pl.Int64,
    "commission_minor": pl.Int64,
}


def line_sums(connection: sa.Connection, store: LineStore, days: list[Day]) -> pl.DataFrame:
    """The lines of the runs of these days added up, shaped LINE_SUMS and sorted by it; a few
    million of them in memory at a time."""
    key = ["terms_day", "level", "reason", "currency"]
    added = [
        pl.len().cast(pl.Int64).alias("lines"), pl.col("gross_minor", "commission_minor").sum(),
    ]  # fmt: skip
    schema = dict.fromkeys((*key, "lines", "gross_minor", "commission_minor"), pl.Int64)
    sums = pl.DataFrame(schema=schema)
    for day in days:
        for part in store.of_run(connection, day):
            with bulk.listed(connection, part["event"]) as asked:
                query = sa.select(event.c.id, event.c.currency).join_from(
                    asked, event, event.c.id == asked.c.value
                )
                money = bulk.frame(connection, query, {"event": pl.Int64, "currency": pl.Int64})
            found = part.join(money, on="event").group_by(key).agg(added)
            both = pl.concat([sums, found.select(sums.columns).cast(sums.schema)])
            sums = both.group_by(key).agg(pl.col("lines", "gross_minor", "commission_minor").sum())
    query = sa.select(currency.c.id, currency.c.code, currency.c.decimals)
    names = bulk.frame(
        connection, query, {"currency": pl.Int64, "code": pl.String, "decimals": pl.Int64}
    )
    reasons = {place: str(reason) for place, reason in enumerate(REASONS)}
    return (
        sums.join(names, on="currency")
        .with_columns(
            pl.col("reason").replace_strict(reasons, return_dtype=pl.String), currency="code"
        )
        .select(list(LINE_SUMS))
        .sort(list(LINE_SUMS))
    )


# -- what people add


def add_closing(connection: sa.Connection, done: Closing) -> Spans:
    names = ("intake", "name", "first_day", "last_day", "last_run", "head", "head_hash", "content")
    row: dict[str, Any] = {name: [getattr(done, name)] for name in names}
    for name in ("files", "made_with"):
        said = json.dumps(dict(getattr(done, name)), sort_keys=True, separators=(",", ":"))
        row[name] = [said]
    return _added(connection, closing, row)


def add_waivers(connection: sa.Connection, number: int, rows: pl.Series, reason: str) -> Spans:
    """Waive the refused rows of these numbers, as of intake `number`."""
    frame = pl.DataFrame({"refusal": rows}).with_columns(
        intake=pl.lit(number, pl.Int64), reason=pl.lit(reason)
    )
    added = Added(connection)
    added.rows(refusal_waiver, frame.to_dict())
    return added.spans


def add_request(connection: sa.Connection, number: int, which: int, reason: str) -> Spans:
    row = {"intake": [number], "closing": [which], "reason": [reason]}
    return _added(connection, reopen_request, row)


def add_reopening(connection: sa.Connection, number: int, request: Request) -> Spans:
    row = {"intake": [number], "request": [request.intake], "closing": [request.closing]}
    return _added(connection, reopening, row)


def _added(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> Spans:
    added = Added(connection)
    added.rows(table, pl.DataFrame(row).to_dict())
    return added.spans


# -- proof


def misfits(connection: sa.Connection) -> list[str]:
    """Closings, waivers and reopenings that no command can have made."""
    kinds = (
        (closing, closing.c.intake, CLOSE),
        (refusal_waiver, refusal_waiver.c.intake, WAIVE),
        (reopen_request, reopen_request.c.intake, ASK),
        (reopening, reopening.c.intake, REOPEN),
    )
    found = []
    for table, column, kind in kinds:
        query = sa.select(column).outerjoin(intake, intake.c.id == column)
        wrong = sa.or_(intake.c.kind.is_(None), intake.c.kind != kind)
        numbers = connection.execute(query.where(wrong).distinct().order_by(column)).scalars()
        found += [f"table {table.name}: a row was not learned by intake {each}" for each in numbers]
    query = sa.select(run.c.day, run.c.intake, closing.c.intake, closing.c.name).where(
        run.c.intake >= closing.c.intake, run.c.day <= closing.c.last_day,
        ~sa.exists().where(
            reopening.c.closing == closing.c.intake, reopening.c.intake <= run.c.intake
        ),
    )  # fmt: skip
    return found + [
        f"closing {row.name}: the date {date_of(row.day)} was run into it"
        for row in connection.execute(query.order_by(run.c.day))
    ]
