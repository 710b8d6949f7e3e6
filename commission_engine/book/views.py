"""What the book says, in the words of its users: text ids, one frame a question, sorted."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import (
    activity,
    affiliate,
    attempt,
    attempt_end,
    cap_total,
    currency,
    entry,
    event,
    intake,
    line,
    payout,
    profile,
    refusal,
    run,
    statement,
)
from commission_engine.calendar import Day
from commission_engine.decide.kernel import REASONS
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.post import signed

LINES: dict[str, Any] = {
    "run_day": pl.Int64,
    "event_id": pl.String,
    "order_id": pl.String,
    "occurred_us": pl.Int64,
    "earner_id": pl.String,
    "level": pl.Int64,
    "beneficiary_id": pl.String,
    "currency": pl.String,
    "decimals": pl.Int64,
    "base_minor": pl.Int64,
    "gross_minor": pl.Int64,
    "commission_minor": pl.Int64,
    "reason": pl.String,
    "available_day": pl.Int64,
    "terms_day": pl.Int64,
    "is_reversal": pl.Boolean,
    "order_us": pl.Int64,
}
STATEMENTS: dict[str, Any] = {
    "run_day": pl.Int64,
    "affiliate_id": pl.String,
    "currency": pl.String,
    "decimals": pl.Int64,
    **dict.fromkeys(
        (
            "period_from", "opening_minor", "earned_minor", "reversed_minor", "adjusted_minor",
            "paid_minor", "closing_minor", "held_minor", "available_minor",
        ),
        pl.Int64,
    ),
}  # fmt: skip
ENTRIES: dict[str, Any] = {
    "run_day": pl.Int64,
    "affiliate_id": pl.String,
    "currency": pl.String,
    "decimals": pl.Int64,
    "kind": pl.Int64,
    "available_day": pl.Int64,
    "debit_account": pl.Int64,
    "credit_account": pl.Int64,
    "amount_minor": pl.Int64,
}
REFUSALS: dict[str, Any] = {
    "intake": pl.Int64,
    "kind": pl.String,
    "file": pl.String,
    "line": pl.Int64,
    "code": pl.String,
    "column": pl.String,
    "text": pl.String,
    "message": pl.String,
    "raw": pl.String,
}


Condition: TypeAlias = sa.ColumnElement[bool]
Table: TypeAlias = sa.Table

LINE, STATEMENT, PAYOUT, ENTRY = line, statement, payout, entry
"""The tables that conditions are asked of."""


def lines(
    connection: sa.Connection,
    *where: sa.ColumnElement[bool],
) -> pl.DataFrame:
    """Lines in processing order, shaped LINES; conditions may name `line` and the aliases below."""
    root, earner, beneficiary = _root, _earner, _beneficiary
    query = (
        sa.select(
            line.c.run_day,
            event.c.event_id,
            root.c.event_id,
            event.c.occurred_us,
            earner.c.affiliate_id,
            line.c.level,
            beneficiary.c.affiliate_id,
            currency.c.code,
            currency.c.decimals,
            event.c.amount_minor,
            line.c.gross_minor,
            line.c.commission_minor,
            line.c.reason,
            line.c.available_day,
            line.c.terms_day,
            sa.case((event.c.id != event.c.root, 1), else_=0),
            root.c.occurred_us,
        )
        .join_from(line, event, event.c.id == line.c.event)
        .join(root, root.c.id == event.c.root)
        .join(earner, earner.c.id == event.c.affiliate)
        .join(beneficiary, beneficiary.c.id == line.c.beneficiary)
        .join(currency, currency.c.id == event.c.currency)
        .where(*where)
    )
    raw = LINES | {"reason": pl.Int64, "is_reversal": pl.Int64}
    names = {place: str(reason) for place, reason in enumerate(REASONS)}
    return (
        bulk.frame(connection, query, raw)
        .with_columns(
            pl.col("reason").replace_strict(names, return_dtype=pl.String),
            pl.col("is_reversal").cast(pl.Boolean),
        )
        .sort("run_day", "occurred_us", "is_reversal", "event_id", "level")
    )


_root = event.alias("root")
_earner = affiliate.alias("earner")
_beneficiary = affiliate.alias("beneficiary")


def of_run(connection: sa.Connection, day: Day) -> sa.ColumnElement[bool]:
    """The condition for the lines of one run: its events are a range of numbers."""
    known = connection.execute(sa.select(run.c.event).where(run.c.day == day)).scalar_one()
    before = connection.execute(
        sa.select(run.c.event, run.c.waiting_from)
        .where(run.c.day < day).order_by(run.c.day.desc()).limit(1)
    ).one_or_none()  # fmt: skip
    first = 1
    if before:
        first = before.waiting_from if before.waiting_from >= 0 else before.event + 1
    return sa.and_(line.c.run_day == day, line.c.event >= first, line.c.event <= known)


def to_beneficiary(affiliate_id: str) -> sa.ColumnElement[bool]:
    return line.c.beneficiary == _number_of(affiliate_id)


def of_earner(affiliate_id: str) -> sa.ColumnElement[bool]:
    return event.c.affiliate == _number_of(affiliate_id)


def of_event(event_id: str) -> sa.ColumnElement[bool]:
    return event.c.event_id == event_id


def of_order(event_id: str) -> sa.ColumnElement[bool]:
    return (
        event.c.root
        == sa.select(event.c.root).where(event.c.event_id == event_id).scalar_subquery()
    )


def with_reason(reason: str) -> sa.ColumnElement[bool]:
    return line.c.reason == [str(each) for each in REASONS].index(reason)


def at_level(level: int) -> sa.ColumnElement[bool]:
    return line.c.level == level


def between(
    table: sa.Table, first: Day | None = None, last: Day | None = None
) -> list[sa.ColumnElement[bool]]:
    """Conditions for rows of the runs from `first` to `last`, both included, None: no bound."""
    low = [table.c.run_day >= first] if first is not None else []
    return [*low, *([table.c.run_day <= last] if last is not None else [])]


def _number_of(affiliate_id: str) -> sa.ScalarSelect[Any]:
    return (
        sa.select(affiliate.c.id).where(affiliate.c.affiliate_id == affiliate_id).scalar_subquery()
    )


def statements(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Statements shaped STATEMENTS, by settlement, affiliate and currency."""
    columns = [statement.c[name] for name in STATEMENTS if name in statement.c][2:]
    return _by_affiliate(connection, statement, columns, STATEMENTS, where)


def payouts(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Payouts: run_day, affiliate_id, currency, decimals, amount_minor; sorted by these."""
    schema = {name: ENTRIES[name] for name in ("run_day", "affiliate_id", "currency", "decimals")}
    shape = schema | {"amount_minor": pl.Int64}
    return _by_affiliate(connection, payout, [payout.c.amount_minor], shape, where)


def entries(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Ledger entries shaped ENTRIES and sorted by it."""
    columns = [entry.c[name] for name in list(ENTRIES)[4:]]
    return _by_affiliate(connection, entry, columns, ENTRIES, where).sort(
        "run_day", "affiliate_id", "currency", "kind", "available_day"
    )


def _by_affiliate(
    connection: sa.Connection,
    table: sa.Table,
    columns: Iterable[sa.Column[Any]],
    schema: dict[str, Any],
    where: Iterable[sa.ColumnElement[bool]],
) -> pl.DataFrame:
    query = (
        sa.select(
            table.c.run_day,
            affiliate.c.affiliate_id,
            currency.c.code,
            currency.c.decimals,
            *columns,
        )
        .join(affiliate, affiliate.c.id == table.c.affiliate)
        .join(currency, currency.c.id == table.c.currency)
        .where(*where)
    )
    return bulk.frame(connection, query, schema).sort("run_day", "affiliate_id", "currency")


def balances(connection: sa.Connection, day: Day, *where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """What is owed after the run of `day`: affiliate_id, currency, decimals, held_minor,
    available_minor, closing_minor; those that are all zero are left out."""
    booked = entries(connection, entry.c.run_day <= day, *where).with_columns(amount=signed())
    return (
        booked.group_by("affiliate_id", "currency", "decimals")
        .agg(
            held_minor=pl.col("amount").filter(pl.col("available_day") > day).sum(),
            available_minor=pl.col("amount").filter(pl.col("available_day") <= day).sum(),
            closing_minor=pl.col("amount").sum(),
        )
        .filter((pl.col("held_minor") != 0) | (pl.col("available_minor") != 0))
        .sort("affiliate_id", "currency")
    )


def strays(connection: sa.Connection) -> list[tuple[str, Day]]:
    """Tables with rows of a day that no completed run has, and the day."""
    done = sa.select(run.c.day)
    return [
        (table.name, day)
        for table in (line, entry, activity, statement, payout)
        for day in connection.execute(
            sa.select(table.c.run_day).distinct().where(table.c.run_day.not_in(done))
        ).scalars()
    ]


def account_pairs(connection: sa.Connection) -> list[tuple[int, int, int]]:
    """Which kinds of entry there are between which accounts: kind, debit, credit."""
    query = sa.select(entry.c.kind, entry.c.debit_account, entry.c.credit_account).distinct()
    return sorted(tuple(row) for row in connection.execute(query))


def of_affiliate(table: sa.Table, affiliate_id: str) -> sa.ColumnElement[bool]:
    """For `statements`, `payouts` and `entries`."""
    condition: sa.ColumnElement[bool] = table.c.affiliate == _number_of(affiliate_id)
    return condition


def in_currency(code: str) -> sa.ColumnElement[bool]:
    return currency.c.code == code


def refusals(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Refused rows shaped REFUSALS, by kind, file and line."""
    columns = [refusal.c["column_name" if name == "column" else name] for name in REFUSALS]
    query = sa.select(*columns).where(*where)
    return bulk.frame(connection, query, REFUSALS).sort("kind", "file", "line", "code", "raw")


def refused_between(after: int, upto: int) -> sa.ColumnElement[bool]:
    """Refused by an intake after `after`, up to `upto`."""
    return sa.and_(refusal.c.intake > after, refusal.c.intake <= upto)


def attempts(connection: sa.Connection) -> pl.DataFrame:
    """Every start of a run and how it ended; `outcome` is null while it goes on or was killed."""
    schema = {
        "id": pl.Int64, "day": pl.Int64, "started_at": pl.String, "who": pl.String,
        "ended_at": pl.String, "outcome": pl.String, "message": pl.String,
    }  # fmt: skip
    query = sa.select(*attempt.c, attempt_end.c.ended_at, attempt_end.c.outcome,
                      attempt_end.c.message).outerjoin(attempt_end)  # fmt: skip
    return bulk.frame(connection, query, schema).sort("id")


def intakes(connection: sa.Connection) -> pl.DataFrame:
    """Every import, plan and move, in order."""
    schema = {
        "id": pl.Int64, "kind": pl.String, "learned_at": pl.String, "who": pl.String,
        "files": pl.String, "accepted": pl.Int64, "duplicate": pl.Int64, "rejected": pl.Int64,
    }  # fmt: skip
    return bulk.frame(connection, sa.select(intake), schema).sort("id")


def statements_of_run(connection: sa.Connection, day: Day) -> pl.DataFrame:
    return statements(connection, statement.c.run_day == day)


def payouts_of_run(connection: sa.Connection, day: Day) -> pl.DataFrame:
    return payouts(connection, payout.c.run_day == day)


def entries_of_run(connection: sa.Connection, day: Day) -> pl.DataFrame:
    return entries(connection, entry.c.run_day == day)


def lines_of_run(connection: sa.Connection, day: Day) -> pl.DataFrame:
    return lines(connection, of_run(connection, day))


def lines_of(
    connection: sa.Connection, ids: pl.Series, first: Day | None, last: Day
) -> pl.DataFrame:
    """The lines of these beneficiaries from the runs of `first` to `last`, shaped LINES."""
    with bulk.listed(connection, ids) as asked:
        numbers = sa.select(affiliate.c.id).join(asked, affiliate.c.affiliate_id == asked.c.value)
        return lines(connection, line.c.beneficiary.in_(numbers), *between(line, first, last))


def labels(connection: sa.Connection, ids: pl.Series, known: int) -> dict[str, str]:
    """affiliate_id -> the latest name known at intake `known`, of those that have one."""
    latest = (
        sa.select(profile.c.affiliate, sa.func.max(profile.c.intake).label("intake"))
        .where(profile.c.name.is_not(None), profile.c.intake <= known)
        .group_by(profile.c.affiliate)
        .subquery()
    )
    with bulk.listed(connection, ids) as asked:
        query = (
            sa.select(affiliate.c.affiliate_id, profile.c.name)
            .join_from(asked, affiliate, affiliate.c.affiliate_id == asked.c.value)
            .join(latest, latest.c.affiliate == affiliate.c.id)
            .join(
                profile,
                (profile.c.affiliate == latest.c.affiliate) & (profile.c.intake == latest.c.intake),
            )
        )
        found = bulk.frame(connection, query, {"id": pl.String, "name": pl.String})
    return dict(found.iter_rows())


def last_settlement(connection: sa.Connection, before: Day) -> Day | None:
    """The date of the last settlement before a day."""
    query = sa.select(sa.func.max(run.c.day)).where(run.c.settles == 1, run.c.day < before)
    return connection.execute(query).scalar_one_or_none()


def _after(day: Day | None) -> Day | None:
    return None if day is None else day + 1


def ledger_of_settlement(
    connection: sa.Connection, previous: Day | None, day: Day
) -> dict[str, pl.DataFrame]:
    """What `ledger.settle` needs from the book, in the book's numbers."""
    numbers = dict.fromkeys(
        ("affiliate", "currency", "kind", "available_day", "amount_minor"), pl.Int64
    )
    columns = [entry.c[name] for name in numbers]
    # Without the payouts of the settlement itself, so that it can be computed once more.
    not_its_own = sa.and_(
        entry.c.run_day <= day, sa.or_(entry.c.run_day < day, entry.c.kind != Kind.PAID)
    )
    since = sa.and_(entry.c.run_day > previous if previous is not None else sa.true(), not_its_own)
    matured = (
        sa.and_(
            entry.c.run_day <= previous,
            entry.c.available_day > previous,
            entry.c.available_day <= day,
        )
        if previous is not None
        else sa.false()
    )
    closing = sa.select(
        statement.c.affiliate, statement.c.currency, statement.c.closing_minor,
        statement.c.available_minor,
    ).where(
        statement.c.run_day == (previous if previous is not None else -(2**31)),
        sa.or_(statement.c.closing_minor != 0, statement.c.available_minor != 0),
    )  # fmt: skip
    active = sa.select(*activity.c).where(*between(activity, _after(previous), day))
    return {
        "opening": bulk.frame(
            connection,
            closing,
            dict.fromkeys(("affiliate", "currency", "closing_minor", "available_minor"), pl.Int64),
        ),
        "entries": bulk.frame(connection, sa.select(*columns).where(since), numbers),
        "matured": bulk.frame(connection, sa.select(*columns).where(matured), numbers),
        "activity": bulk.frame(
            connection,
            active,
            dict.fromkeys(("run_day", "affiliate", "currency", "lines", "earliest_day"), pl.Int64),
        ).drop("run_day"),
    }


def stored(connection: sa.Connection, table: str, day: Day) -> pl.DataFrame:
    """A run's rows of "line", "entry", "activity", "statement" or "payout", in the book's numbers,
    without run_day; sorted by all columns."""
    tables = (line, entry, activity, statement, payout)
    target = {each.name: each for each in tables}[table]
    columns = [column for column in target.c if column.name != "run_day"]
    where = of_run(connection, day) if target is line else target.c.run_day == day
    schema = dict.fromkeys([column.name for column in columns], pl.Int64)
    frame = bulk.frame(connection, sa.select(*columns).where(where), schema)
    return frame.sort(frame.columns)


def stored_caps(connection: sa.Connection) -> pl.DataFrame:
    """The running totals of all caps, in the book's numbers; sorted by all columns."""
    schema = dict.fromkeys([column.name for column in cap_total.c], pl.Int64)
    frame = bulk.frame(connection, sa.select(*cap_total.c), schema)
    return frame.sort(frame.columns)
