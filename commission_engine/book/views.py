"""What the book says, in the words of its users: text ids, one frame a question, sorted."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.lines import LineStore, Question, where_kept
from commission_engine.book.schema import (
    activity,
    affiliate,
    attempt,
    attempt_end,
    cap_total,
    currency,
    entry,
    event,
    hold,
    intake,
    line,
    payout,
    profile,
    refusal,
    run,
    statement,
)
from commission_engine.book.schema_exchange import conversion
from commission_engine.calendar import Day
from commission_engine.decide.kernel import REASONS
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

STATEMENT, PAYOUT, ENTRY = statement, payout, entry
"""The tables that conditions are asked of."""


def lines(connection: sa.Connection, store: LineStore, question: Question) -> pl.DataFrame:
    """The lines that meet a question, in processing order, shaped LINES."""
    return described(connection, store.of(connection, question))


def lines_of_run(
    connection: sa.Connection, day: Day, store: LineStore | None = None
) -> pl.DataFrame:
    """The lines of a run, in processing order, shaped LINES."""
    store = store or where_kept(connection)
    parts = [described(connection, part) for part in store.of_run(connection, day)]
    return _in_order(pl.concat([pl.DataFrame(schema=LINES), *parts]))


def lines_of(
    connection: sa.Connection,
    ids: pl.Series,
    first: Day | None,
    last: Day,
    store: LineStore | None = None,
) -> pl.DataFrame:
    """The lines of these beneficiaries from the runs of `first` to `last`, shaped LINES."""
    question = Question(beneficiaries=numbers_of(connection, ids), first_day=first, last_day=last)
    return lines(connection, store or where_kept(connection), question)


def described(connection: sa.Connection, narrow: pl.DataFrame) -> pl.DataFrame:
    """Lines in the book's numbers (lines.NARROW) said in words: shaped LINES, in processing order.

    What the event says is joined by the event's number, each event once.
    """
    root, earner = event.alias("root"), affiliate.alias("earner")
    says = {
        "event": pl.Int64, "event_id": pl.String, "order_id": pl.String, "occurred_us": pl.Int64,
        "earner_id": pl.String, "currency": pl.String, "decimals": pl.Int64,
        "base_minor": pl.Int64, "is_reversal": pl.Int64, "order_us": pl.Int64,
    }  # fmt: skip
    with bulk.listed(connection, narrow["event"]) as asked:
        query = (
            sa.select(
                event.c.id,
                event.c.event_id,
                root.c.event_id,
                event.c.occurred_us,
                earner.c.affiliate_id,
                currency.c.code,
                currency.c.decimals,
                event.c.amount_minor,
                sa.case((event.c.id != event.c.root, 1), else_=0),
                root.c.occurred_us,
            )
            .join_from(asked, event, event.c.id == asked.c.value)
            .join(root, root.c.id == event.c.root)
            .join(earner, earner.c.id == event.c.affiliate)
            .join(currency, currency.c.id == event.c.currency)
        )
        events = bulk.frame(connection, query, says)
    with bulk.listed(connection, narrow["beneficiary"]) as asked:
        query = sa.select(affiliate.c.id, affiliate.c.affiliate_id).join_from(
            asked, affiliate, affiliate.c.id == asked.c.value
        )
        people = bulk.frame(
            connection, query, {"beneficiary": pl.Int64, "beneficiary_id": pl.String}
        )
    names = {place: str(reason) for place, reason in enumerate(REASONS)}
    said = narrow.join(events, on="event").join(people, on="beneficiary")
    return _in_order(
        said.with_columns(
            pl.col("reason").replace_strict(names, return_dtype=pl.String),
            pl.col("is_reversal").cast(pl.Boolean),
        ).select(list(LINES))
    )


def _in_order(said: pl.DataFrame) -> pl.DataFrame:
    return said.sort("run_day", "occurred_us", "is_reversal", "event_id", "level")


def number_of(connection: sa.Connection, affiliate_id: str) -> pl.Series:
    """The book's number of an affiliate, for a question; none where there is no such affiliate."""
    query = sa.select(affiliate.c.id).where(affiliate.c.affiliate_id == affiliate_id)
    return bulk.frame(connection, query, {"id": pl.Int64})["id"]


def numbers_of(connection: sa.Connection, ids: pl.Series) -> pl.Series:
    """The book's numbers of those of these affiliates that there are."""
    with bulk.listed(connection, ids) as asked:
        query = sa.select(affiliate.c.id).join(asked, affiliate.c.affiliate_id == asked.c.value)
        return bulk.frame(connection, query, {"id": pl.Int64})["id"]


def events_of(
    connection: sa.Connection, *, earner: str = "", event_id: str = "", order: str = ""
) -> pl.Series:
    """The numbers of the events for a question: earned by this affiliate, of this id, and of the
    order in which this event is; what is empty asks for no limit."""
    query = sa.select(event.c.id)
    if earner:
        query = query.where(event.c.affiliate == _number_of(earner))
    if event_id:
        query = query.where(event.c.event_id == event_id)
    if order:
        root = sa.select(event.c.root).where(event.c.event_id == order).scalar_subquery()
        query = query.where(event.c.root == root)
    return bulk.frame(connection, query, {"id": pl.Int64})["id"]


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
    found = bulk.frame(connection, query, schema)
    return found.sort("run_day", "affiliate_id", "currency") if found.height > 1 else found


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


def sums_of_entries(connection: sa.Connection, day: Day) -> pl.DataFrame:
    """What the runs up to `day` have booked: affiliate_id, currency, decimals, kind, first_day,
    amount_minor; one row a kind of an account, in no order."""
    schema = {
        "affiliate_id": pl.String, "currency": pl.String, "decimals": pl.Int64, "kind": pl.Int64,
        "first_day": pl.Int64, "amount_minor": pl.Int64,
    }  # fmt: skip
    key = (affiliate.c.affiliate_id, currency.c.code, currency.c.decimals, entry.c.kind)
    total = sa.cast(sa.func.sum(entry.c.amount_minor), sa.BigInteger)
    query = (
        sa.select(*key, sa.func.min(entry.c.run_day), total)
        .select_from(entry)
        .join(affiliate, affiliate.c.id == entry.c.affiliate)
        .join(currency, currency.c.id == entry.c.currency)
        .where(entry.c.run_day <= day)
        .group_by(*key)
    )
    return bulk.frame(connection, query, schema)


def strays(connection: sa.Connection) -> list[tuple[str, Day]]:
    """Tables with rows of a day that no completed run has, and the day."""
    done = sa.select(run.c.day)
    return [
        (table.name, day)
        for table in (line, entry, activity, statement, payout, hold, conversion)
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


def one_of(affiliates: pl.Series) -> sa.ColumnElement[bool]:
    """For `entries` and `balances`: of these affiliates, by the book's numbers; a few."""
    return entry.c.affiliate.in_(affiliates.to_list())


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


def labels(connection: sa.Connection, ids: pl.Series, known: int) -> dict[str, str]:
    """affiliate_id -> the latest name known at intake `known`, of those that have one."""
    with bulk.listed(connection, ids) as asked:
        query = (
            sa.select(affiliate.c.affiliate_id, profile.c.name)
            .join_from(asked, affiliate, affiliate.c.affiliate_id == asked.c.value)
            .join(profile, profile.c.affiliate == affiliate.c.id)
            .where(profile.c.name.is_not(None), profile.c.intake <= known)
            .order_by(profile.c.intake)
        )
        found = bulk.frame(connection, query, {"id": pl.String, "name": pl.String})
    return dict(found.iter_rows())  # of several names the last stays


def last_settlement(connection: sa.Connection, before: Day) -> Day | None:
    """The date of the last settlement before a day."""
    query = sa.select(sa.func.max(run.c.day)).where(run.c.settles == 1, run.c.day < before)
    return connection.execute(query).scalar_one_or_none()


def _after(day: Day | None) -> Day | None:
    return None if day is None else day + 1


def ledger_before(
    connection: sa.Connection, previous: Day | None, day: Day
) -> dict[str, pl.DataFrame]:
    """What `ledger.settle` needs from the runs before that of `day`, in the book's numbers;
    `previous` is the date of the settlement before."""
    numbers = dict.fromkeys(
        ("affiliate", "currency", "kind", "available_day", "amount_minor"), pl.Int64
    )
    columns = [entry.c[name] for name in numbers]
    earlier = [entry.c.run_day < day]
    since = sa.and_(*earlier, entry.c.run_day > previous) if previous is not None else earlier[0]
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
    seen = [column for column in activity.c if column.name != "run_day"]
    active = sa.select(*seen).where(*between(activity, _after(previous), day - 1))
    return {
        "opening": bulk.frame(
            connection,
            closing,
            dict.fromkeys(("affiliate", "currency", "closing_minor", "available_minor"), pl.Int64),
        ),
        "entries": bulk.frame(connection, sa.select(*columns).where(since), numbers),
        "matured": bulk.frame(connection, sa.select(*columns).where(matured), numbers),
        "activity": bulk.frame(
            connection, active, dict.fromkeys([column.name for column in seen], pl.Int64)
        ),
    }


def stored(connection: sa.Connection, table: str, day: Day) -> pl.DataFrame:
    """A run's rows of "entry", "activity", "statement" or "payout", in the book's numbers,
    without run_day; sorted by all columns."""
    target = {each.name: each for each in (entry, activity, statement, payout)}[table]
    columns = [column for column in target.c if column.name != "run_day"]
    where = target.c.run_day == day
    schema = dict.fromkeys([column.name for column in columns], pl.Int64)
    frame = bulk.frame(connection, sa.select(*columns).where(where), schema)
    return frame.sort(frame.columns)


def stored_caps(connection: sa.Connection) -> pl.DataFrame:
    """The running totals of all caps, in the book's numbers; sorted by all columns."""
    schema = dict.fromkeys([column.name for column in cap_total.c], pl.Int64)
    frame = bulk.frame(connection, sa.select(*cap_total.c), schema)
    return frame.sort(frame.columns)
