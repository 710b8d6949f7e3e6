"""One affiliate's own view of a book: few rows, found by their keys, never by going through all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from commission_engine.book.schema import (
    affiliate,
    currency,
    entry,
    payout,
    profile,
    referral,
    run,
    statement,
)
from commission_engine.book.schema_exchange import conversion
from commission_engine.book.schema_people import payout_step
from commission_engine.calendar import Day
from commission_engine.ledger.accounts import Account, Kind
from commission_engine.ledger.life import State

MANY = 5
"""Of one address so many affiliates are sent links."""


@dataclass(frozen=True, slots=True)
class Person:
    """An affiliate as the book knows him now; `name` and `email` are "" where it has none."""

    number: int
    affiliate_id: str
    name: str
    email: str
    status: str


def person(connection: sa.Connection, number: int) -> Person | None:
    """The affiliate of this number."""
    return _person(connection, _NUMBERED, number)


def person_of(connection: sa.Connection, affiliate_id: str) -> Person | None:
    """The affiliate of this id."""
    return _person(connection, _NAMED, affiliate_id)


# Every request asks this, so the questions are made once.
_PEOPLE = (
    sa.select(
        affiliate.c.id, affiliate.c.affiliate_id, profile.c.name, profile.c.email,
        profile.c.status,
    )
    .outerjoin(profile, profile.c.affiliate == affiliate.c.id)
    .order_by(profile.c.intake)
)  # fmt: skip
_NUMBERED = _PEOPLE.where(affiliate.c.id == sa.bindparam("which"))
_NAMED = _PEOPLE.where(affiliate.c.affiliate_id == sa.bindparam("which"))


def _person(connection: sa.Connection, query: sa.Select[Any], which: int | str) -> Person | None:
    said: dict[str, Any] = {}
    for row in connection.execute(query, {"which": which}).mappings():
        said |= {name: value for name, value in row.items() if value is not None}
    return _told(said) if said else None


def _told(said: Mapping[str, Any]) -> Person:
    return Person(
        said["id"], said["affiliate_id"], said.get("name", ""), said.get("email", ""),
        said.get("status", "active"),
    )  # fmt: skip


def people_with(connection: sa.Connection, email: str) -> Sequence[Person]:
    """The first few affiliates whose address is this one now; capitals do not count. This goes
    through all profiles."""
    query = (
        sa.select(profile.c.affiliate)
        .where(sa.func.lower(profile.c.email) == email.lower())
        .distinct()
        .order_by(profile.c.affiliate)
        .limit(MANY)
    )
    found = [person(connection, number) for number in connection.execute(query).scalars()]
    return [each for each in found if each and each.email.lower() == email.lower()]


# -- what an affiliate has


@dataclass(frozen=True, slots=True)
class Balance:
    """What an affiliate is owed in a currency after the last run, in minor units; negative where
    more was taken back than there was."""

    currency: str
    decimals: int
    held_minor: int
    available_minor: int


@dataclass(frozen=True, slots=True)
class Booked:
    """What runs have booked to an account since a day, by kind of entry; signed, minor units."""

    currency: str
    decimals: int
    kind: Kind
    amount_minor: int


def last_run(connection: sa.Connection) -> Day | None:
    """The date of the last run; None before the first."""
    found: Day | None = connection.execute(sa.select(sa.func.max(run.c.day))).scalar()
    return found


def last_settlement(connection: sa.Connection) -> Day | None:
    """The date of the last run that settled."""
    query = sa.select(sa.func.max(run.c.day)).where(run.c.settles == 1)
    found: Day | None = connection.execute(query).scalar()
    return found


def balances(connection: sa.Connection, number: int) -> Sequence[Balance]:
    """What the affiliate has after the last run, by currency; all zero ones are left out."""
    day = last_run(connection)
    held = sa.case((entry.c.available_day > (day or 0), _signed()), else_=0)
    total = sa.cast(sa.func.sum(_signed()), sa.BigInteger)
    query = (
        sa.select(
            currency.c.code, currency.c.decimals, sa.cast(sa.func.sum(held), sa.BigInteger), total
        )
        .select_from(entry)
        .join(currency, currency.c.id == entry.c.currency)
        .where(*_of(entry, number))
        .group_by(currency.c.code, currency.c.decimals)
        .order_by(currency.c.code)
    )
    rows = connection.execute(query)
    return [Balance(code, places, part, all_ - part) for code, places, part, all_ in rows
            if part or all_]  # fmt: skip


def booked_since(connection: sa.Connection, number: int, day: Day | None) -> Sequence[Booked]:
    """What the runs after `day` (None: all) have booked to the affiliate, by currency and kind."""
    after = [] if day is None else [run.c.day > day]
    query = (
        sa.select(
            currency.c.code, currency.c.decimals, entry.c.kind,
            sa.cast(sa.func.sum(_signed()), sa.BigInteger),
        )
        .select_from(entry)
        .join(currency, currency.c.id == entry.c.currency)
        .where(*_of(entry, number, *after))
        .group_by(currency.c.code, currency.c.decimals, entry.c.kind)
        .order_by(currency.c.code, entry.c.kind)
    )  # fmt: skip
    rows = connection.execute(query)
    return [Booked(code, places, Kind(kind), minor) for code, places, kind, minor in rows]


def _signed() -> sa.ColumnElement[int]:
    """An entry's amount as it changes what the affiliate is owed."""
    raises = entry.c.credit_account == int(Account.AFFILIATE_PAYABLE)
    return sa.case((raises, entry.c.amount_minor), else_=-entry.c.amount_minor)


def _of(
    table: sa.Table, number: int, *runs: sa.ColumnElement[bool]
) -> tuple[sa.ColumnElement[bool], ...]:
    """Rows of an affiliate, looked up in each run: a table lies by run and affiliate."""
    return table.c.run_day.in_(sa.select(run.c.day).where(*runs)), table.c.affiliate == number


# -- statements and payouts


@dataclass(frozen=True, slots=True)
class Statement:
    """What a settlement said of an account in one currency, in minor units."""

    run_day: Day
    currency: str
    decimals: int
    period_from: Day
    opening_minor: int
    earned_minor: int
    reversed_minor: int
    adjusted_minor: int
    paid_minor: int
    closing_minor: int
    held_minor: int
    available_minor: int


@dataclass(frozen=True, slots=True)
class Payout:
    """What a settlement decided to pay, and what has become of it."""

    run_day: Day
    currency: str
    decimals: int
    amount_minor: int
    state: State


@dataclass(frozen=True, slots=True)
class PaidAs:
    """What a payout has come to in another currency, in its minor units, by which rates of a day;
    each rate is how much of a currency was one euro."""

    run_day: Day
    of: str
    currency: str
    decimals: int
    amount_minor: int
    rate: str
    to_rate: str
    rate_day: Day
    source: str


def paid_as(
    connection: sa.Connection, number: int, first: Day, last: Day
) -> Mapping[tuple[Day, str], PaidAs]:
    """The affiliate's payouts of the runs from `first` to `last` that were paid in another
    currency, by run and the currency that was earned."""
    names = ("to_code", "to_decimals", "to_minor", "rate", "to_rate", "rate_day", "source")
    query = (
        sa.select(conversion.c.run_day, currency.c.code, *(conversion.c[name] for name in names))
        .join(currency, currency.c.id == conversion.c.currency)
        .where(*_of(conversion, number, run.c.day.between(first, last)))
    )
    found = [PaidAs(*row) for row in connection.execute(query)]
    return {(each.run_day, each.of): each for each in found}


def statements(
    connection: sa.Connection, number: int, *, before: Day | None = None, limit: int = 0
) -> Sequence[Statement]:
    """The affiliate's statements of settlements before a day, the newest first, those of a
    settlement by currency; of about `limit` of them whole settlements (0: all)."""
    query = (
        sa.select(*_said(statement, Statement))
        .join(currency, currency.c.id == statement.c.currency)
        .where(statement.c.affiliate == number)
        .order_by(statement.c.run_day.desc(), currency.c.code)
    )
    if before is not None:
        query = query.where(statement.c.run_day < before)
    found = [Statement(*row) for row in connection.execute(query.limit(limit or None))]
    if limit and len(found) == limit:
        # What is left of the last settlement comes with the next ones.
        whole = [each for each in found if each.run_day > found[-1].run_day]
        return whole or list(statements_of(connection, number, found[-1].run_day))
    return found


def statements_of(connection: sa.Connection, number: int, day: Day) -> Sequence[Statement]:
    """What the settlement of a day said to the affiliate, by currency."""
    query = (
        sa.select(*_said(statement, Statement))
        .join(currency, currency.c.id == statement.c.currency)
        .where(statement.c.run_day == day, statement.c.affiliate == number)
        .order_by(currency.c.code)
    )
    return [Statement(*row) for row in connection.execute(query)]


def payouts(
    connection: sa.Connection, number: int, *, limit: int = 0, day: Day | None = None
) -> Sequence[Payout]:
    """The affiliate's payouts, the newest first; of the settlement of a day, if one is given."""
    last = (
        sa.select(payout_step.c.step)
        .where(
            payout_step.c.run_day == payout.c.run_day,
            payout_step.c.affiliate == payout.c.affiliate,
            payout_step.c.currency == payout.c.currency,
        )
        .order_by(payout_step.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (payout.c.run_day, currency.c.code, currency.c.decimals, payout.c.amount_minor)
    query = (
        sa.select(*columns, sa.func.coalesce(last, State.PENDING.value))
        .join(currency, currency.c.id == payout.c.currency)
        .where(payout.c.affiliate == number)
        .order_by(payout.c.run_day.desc(), currency.c.code)
    )
    if day is not None:
        query = query.where(payout.c.run_day == day)
    return [
        Payout(*row[:4], State(row[4])) for row in connection.execute(query.limit(limit or None))
    ]


def _said(table: sa.Table, shape: type[Any]) -> list[sa.ColumnElement[Any]]:
    """The columns of a row shaped so; its currency by code and decimals."""
    named = {"currency": currency.c.code, "decimals": currency.c.decimals}
    names = [each.name for each in fields(shape)]
    return [named[name] if name in named else table.c[name] for name in names]


# -- who was referred


@dataclass(frozen=True, slots=True)
class Referred:
    """Somebody whom an affiliate has referred, and how many he has referred in turn."""

    number: int
    affiliate_id: str
    name: str
    since_us: int
    referred: int


def referred(
    connection: sa.Connection, number: int, now_us: int, *, limit: int, after: int = 0
) -> Sequence[Referred]:
    """Whom the affiliate has referred, as it holds now, by the book's number; from the one after
    number `after` on."""
    person_ = affiliate.alias("referred")
    names = (
        sa.select(profile.c.name)
        .where(profile.c.affiliate == person_.c.id, profile.c.name.is_not(None))
        .order_by(profile.c.intake.desc())
        .limit(1)
        .scalar_subquery()
    )
    below = referral.alias("below")
    count = (
        sa.select(sa.func.count())
        .where(below.c.referrer == person_.c.id, _holds(below, now_us))
        .scalar_subquery()
    )
    query = (
        sa.select(person_.c.id, person_.c.affiliate_id, sa.func.coalesce(names, ""),
                  referral.c.since_us, count)
        .select_from(referral)
        .join(person_, person_.c.id == referral.c.affiliate)
        .where(referral.c.referrer == number, referral.c.affiliate > after)
        .where(_holds(referral, now_us))
        .order_by(referral.c.affiliate)
        .limit(limit)
    )  # fmt: skip
    return [Referred(*row) for row in connection.execute(query)]


def names_of(connection: sa.Connection, numbers: Collection[int]) -> Mapping[int, str]:
    """The names of affiliates that have one."""
    if not numbers:
        return {}
    query = (
        sa.select(profile.c.affiliate, profile.c.name)
        .where(profile.c.affiliate.in_(numbers), profile.c.name.is_not(None))
        .order_by(profile.c.intake)
    )
    return {row.affiliate: row.name for row in connection.execute(query)}


def _holds(edge: sa.FromClause, now_us: int) -> sa.ColumnElement[bool]:
    """Whether an edge holds at an instant: it has begun, and no later one has."""
    later = referral.alias()
    newer = sa.exists().where(
        later.c.affiliate == edge.c.affiliate,
        later.c.since_us > edge.c.since_us,
        later.c.since_us <= now_us,
    )
    return sa.and_(edge.c.since_us <= now_us, ~newer)
