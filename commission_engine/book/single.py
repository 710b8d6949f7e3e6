"""What the book knows of one order, one affiliate: facts with the moment they were learned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import (
    affiliate,
    audit,
    currency,
    event,
    intake,
    profile,
    referral,
    refusal,
)
from commission_engine.book.schema_people import adjustment, cap_shift
from commission_engine.calendar import Day

EVENTS = (
    "event", "order", "event_id", "order_id", "earner", "earner_id", "occurred_us", "root_us",
    "amount_minor", "currency", "code", "decimals", "intake", "learned_at",
)  # fmt: skip
"""What is known of an event; `event`, `order`, `earner` and `currency` are the book's numbers."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Who referred an affiliate from an instant on (None: nobody), and how that was learned."""

    since_us: int
    referrer: int | None
    referrer_id: str | None
    intake: int
    learned_at: str
    kind: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """A status that an affiliate was given, and when that was learned."""

    intake: int
    learned_at: str
    status: str


def order_of_event(connection: sa.Connection, event_id: str) -> int | None:
    """The number of the root of this event's order; None where there is no such event."""
    query = sa.select(event.c.root).where(event.c.event_id == event_id)
    found: int | None = connection.execute(query).scalar_one_or_none()
    return found


def event_id_of(connection: sa.Connection, number: int) -> str:
    """The id of the event of this number; the number where there is none."""
    query = sa.select(event.c.event_id).where(event.c.id == number)
    return str(connection.execute(query).scalar_one_or_none() or f"number {number}")


def account_of(connection: sa.Connection, whose: int, code: int) -> tuple[str, str, int]:
    """An affiliate's id, and a currency's code and decimals; numbers where there are none."""
    known = sa.select(affiliate.c.affiliate_id).where(affiliate.c.id == whose)
    affiliate_id = connection.execute(known).scalar_one_or_none()
    query = sa.select(currency.c.code, currency.c.decimals).where(currency.c.id == code)
    found = connection.execute(query).one_or_none()
    name, decimals = (found.code, found.decimals) if found else (f"number {code}", 0)
    return str(affiliate_id or f"number {whose}"), name, decimals


def currency_of_event(connection: sa.Connection, number: int) -> int:
    """The number of an event's currency; 0, which no currency has, where there is no event."""
    query = sa.select(event.c.currency).where(event.c.id == number)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def orders_of(connection: sa.Connection, events: pl.Series) -> dict[int, int]:
    """By event the order that it is in, all by number."""
    with bulk.listed(connection, events) as asked:
        query = sa.select(event.c.id, event.c.root).join_from(
            asked, event, event.c.id == asked.c.value
        )
        return {row.id: row.root for row in connection.execute(query)}


_ROOT, _EARNER, _REFERRER = event.alias("root"), affiliate.alias("earner"), affiliate.alias("above")
_OF_EVENTS = (
    sa.select(
        event.c.id, event.c.root, event.c.event_id, _ROOT.c.event_id, event.c.affiliate,
        _EARNER.c.affiliate_id, event.c.occurred_us, _ROOT.c.occurred_us, event.c.amount_minor,
        event.c.currency, currency.c.code, currency.c.decimals, event.c.intake,
        intake.c.learned_at,
    )
    .join(_ROOT, _ROOT.c.id == event.c.root)
    .join(_EARNER, _EARNER.c.id == event.c.affiliate)
    .join(currency, currency.c.id == event.c.currency)
    .join(intake, intake.c.id == event.c.intake)
)  # fmt: skip
_OF_EDGES = (
    sa.select(
        referral.c.since_us, referral.c.referrer, _REFERRER.c.affiliate_id, referral.c.intake,
        intake.c.learned_at, intake.c.kind, referral.c.reason,
    )
    .join(intake, intake.c.id == referral.c.intake)
    .outerjoin(_REFERRER, _REFERRER.c.id == referral.c.referrer)
    .where(referral.c.affiliate == sa.bindparam("whose"))
    .order_by(referral.c.since_us)
)  # fmt: skip
_OF_STATUSES = (
    sa.select(profile.c.intake, intake.c.learned_at, profile.c.status)
    .join(intake, intake.c.id == profile.c.intake)
    .where(profile.c.affiliate == sa.bindparam("whose"))
    .order_by(profile.c.intake)
)


def events_of_orders(connection: sa.Connection, roots: pl.Series) -> list[dict[str, Any]]:
    """All events of the orders with these roots (numbers), each with EVENTS, in no order."""
    query = _OF_EVENTS
    with bulk.listed(connection, roots) as asked:
        orders = sa.select(asked.c.value)  # a join would make SQLite go through all events
        found = sa.union_all(
            query.where(event.c.id.in_(orders)),
            # Said again, as it says it, for the index over reversals.
            query.where(event.c.root.in_(orders), event.c.root != event.c.id),
        )
        return [dict(zip(EVENTS, row, strict=True)) for row in connection.execute(found)]


def referrers_of(connection: sa.Connection, number: int) -> list[Edge]:
    """Every edge of this affiliate to a referrer, by the instant from which it holds."""
    rows = connection.execute(_OF_EDGES, {"whose": number})
    return [Edge(*row) for row in rows]


def statuses_of(connection: sa.Connection, number: int) -> list[Status]:
    """Every status this affiliate was ever given, by intake."""
    rows = connection.execute(_OF_STATUSES, {"whose": number})
    return [Status(*row) for row in rows]


def refused_naming(connection: sa.Connection, text: str) -> list[str]:
    """The first few refused rows that have this text in them, as "FILE:LINE: why"."""
    query = (
        sa.select(refusal.c.file, refusal.c.line, refusal.c.message)
        .where(refusal.c.raw.contains(text, autoescape=True))
        .order_by(refusal.c.id)
        .limit(3)
    )
    return [f"{row.file}:{row.line}: {row.message}" for row in connection.execute(query)]


# -- corrections


def adjustment_of(connection: sa.Connection, number: int) -> dict[str, Any] | None:
    """The row of the adjustment that this event is; None: the event is none."""
    query = sa.select(adjustment).where(adjustment.c.event == number)
    found = connection.execute(query).mappings().one_or_none()
    return dict(found) if found else None


def corrections_of(connection: sa.Connection, number: int) -> pl.DataFrame:
    """The adjustments that correct lines of this event: event, intake, beneficiary, level,
    amount_minor; in the order in which they were made."""
    shape = dict.fromkeys(("event", "intake", "beneficiary", "level", "amount_minor"), pl.Int64)
    own = (adjustment.c[name] for name in list(shape)[:-1])
    query = (
        sa.select(*own, event.c.amount_minor)
        .join(event, event.c.id == adjustment.c.event)
        .where(adjustment.c.corrects == number)
        .order_by(adjustment.c.event)
    )
    return bulk.frame(connection, query, shape)


def true_up_of(connection: sa.Connection, number: int) -> dict[str, str]:
    """Of the true-up that was intake `number`: who, learned_at, reason."""
    query = sa.select(intake.c.who, intake.c.learned_at).where(intake.c.id == number)
    found = connection.execute(query).one()
    said = audited(connection, "true-up", number).get("reason", "")
    return {"who": found.who, "learned_at": found.learned_at, "reason": str(said)}


def audited(connection: sa.Connection, kind: str, number: int) -> dict[str, Any]:
    """What the audit trail says of intake `number` of this kind; nothing where it has no row."""
    query = sa.select(audit.c.details).where(audit.c.what == kind, audit.c.subject == str(number))
    found = connection.execute(query.limit(1)).scalar_one_or_none()
    said: Any = json.loads(found) if found else {}
    return said if isinstance(said, dict) else {}


def shifts_of(
    connection: sa.Connection, whose: int, code: int, terms_day: Day
) -> list[tuple[int, int, int, int, int]]:
    """How far true-ups moved what an affiliate's lines had counted in a currency under the terms
    from a day: intake, level, cap_window, window_start, moved_minor; by intake."""
    names = ("intake", "level", "cap_window", "window_start", "moved_minor")
    query = sa.select(*(cap_shift.c[name] for name in names)).where(
        cap_shift.c.beneficiary == whose,
        cap_shift.c.currency == code,
        cap_shift.c.terms_day == terms_day,
    )
    ordered = query.order_by(*(cap_shift.c[name] for name in names))
    return [tuple(row) for row in connection.execute(ordered)]


def edges_below(connection: sa.Connection, number: int, deepest: int) -> pl.DataFrame:
    """Every edge of all who were ever below an affiliate, up to so many levels: affiliate,
    since_us, referrer, intake."""
    names = ("affiliate", "since_us", "referrer", "intake")
    shape = dict.fromkeys(names, pl.Int64)
    query = sa.select(*(referral.c[name] for name in names))
    people, fresh = pl.Series([], dtype=pl.Int64), pl.Series([number], dtype=pl.Int64)
    for _ in range(deepest):
        with bulk.listed(connection, fresh) as asked:
            below = bulk.frame(
                connection, query.join(asked, referral.c.referrer == asked.c.value), shape
            )
        found = below["affiliate"].unique()
        fresh = found.filter(~found.is_in(people.implode()))
        if not len(fresh):
            break
        people = pl.concat([people, fresh])
    with bulk.listed(connection, people) as asked:
        of_people = query.join(asked, referral.c.affiliate == asked.c.value)
        return bulk.frame(connection, of_people, shape)


def orders_by(connection: sa.Connection, people: pl.Series, first: int, last: int) -> pl.Series:
    """The orders among the events from number `first` to `last` that these affiliates earned."""
    with bulk.listed(connection, people) as asked:
        query = (
            sa.select(event.c.id)
            .join(asked, event.c.affiliate == asked.c.value)
            .outerjoin(adjustment, adjustment.c.event == event.c.id)
            .where(event.c.id.between(first, last), event.c.root == event.c.id)
            .where(adjustment.c.event.is_(None))
        )
        return bulk.frame(connection, query, {"id": pl.Int64})["id"]


def reasons(connection: sa.Connection, event_ids: pl.Series) -> Mapping[str, str]:
    """Why these adjustments were made; events that are none are left out."""
    with bulk.listed(connection, event_ids) as asked:
        query = (
            sa.select(event.c.event_id, adjustment.c.reason)
            .join_from(asked, event, event.c.event_id == asked.c.value)
            .join(adjustment, adjustment.c.event == event.c.id)
        )
        found = bulk.frame(connection, query, {"event_id": pl.String, "reason": pl.String})
    return dict(found.iter_rows())
