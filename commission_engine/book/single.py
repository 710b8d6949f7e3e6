"""What the book knows of one order, one affiliate: facts with the moment they were learned."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import (
    affiliate,
    currency,
    event,
    intake,
    profile,
    referral,
    refusal,
)

EVENTS: dict[str, Any] = {
    "event": pl.Int64,
    "order": pl.Int64,
    "event_id": pl.String,
    "order_id": pl.String,
    "earner": pl.Int64,
    "earner_id": pl.String,
    "occurred_us": pl.Int64,
    "root_us": pl.Int64,
    "amount_minor": pl.Int64,
    "currency": pl.Int64,
    "code": pl.String,
    "decimals": pl.Int64,
    "intake": pl.Int64,
    "learned_at": pl.String,
}
EDGES: dict[str, Any] = {
    "since_us": pl.Int64,
    "referrer": pl.Int64,
    "referrer_id": pl.String,
    "intake": pl.Int64,
    "learned_at": pl.String,
    "kind": pl.String,
    "reason": pl.String,
}
STATUSES: dict[str, Any] = {"intake": pl.Int64, "learned_at": pl.String, "status": pl.String}


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


def orders_of(connection: sa.Connection, events: pl.Series) -> pl.DataFrame:
    """The orders that events are in, all by number: event, order."""
    with bulk.listed(connection, events) as asked:
        query = sa.select(event.c.id, event.c.root).join_from(
            asked, event, event.c.id == asked.c.value
        )
        return bulk.frame(connection, query, {"event": pl.Int64, "order": pl.Int64})


def events_of_orders(connection: sa.Connection, roots: pl.Series) -> pl.DataFrame:
    """All events of the orders with these roots (numbers), shaped EVENTS, by number."""
    root, earner = event.alias("root"), affiliate.alias("earner")
    query = (
        sa.select(
            event.c.id, event.c.root, event.c.event_id, root.c.event_id, event.c.affiliate,
            earner.c.affiliate_id, event.c.occurred_us, root.c.occurred_us, event.c.amount_minor,
            event.c.currency, currency.c.code, currency.c.decimals, event.c.intake,
            intake.c.learned_at,
        )
        .join(root, root.c.id == event.c.root)
        .join(earner, earner.c.id == event.c.affiliate)
        .join(currency, currency.c.id == event.c.currency)
        .join(intake, intake.c.id == event.c.intake)
    )  # fmt: skip
    with bulk.listed(connection, roots) as asked:
        found = sa.union_all(
            query.join(asked, event.c.id == asked.c.value),
            # Said again for the index over reversals.
            query.join(asked, event.c.root == asked.c.value).where(event.c.id != event.c.root),
        )
        return bulk.frame(connection, found, EVENTS).sort("event")


def referrers_of(connection: sa.Connection, number: int) -> pl.DataFrame:
    """Every edge of this affiliate to a referrer (null: nobody from then on), shaped EDGES, by
    the instant from which it holds."""
    referrer = affiliate.alias("referrer")
    query = (
        sa.select(
            referral.c.since_us, referral.c.referrer, referrer.c.affiliate_id, referral.c.intake,
            intake.c.learned_at, intake.c.kind, referral.c.reason,
        )
        .join(intake, intake.c.id == referral.c.intake)
        .outerjoin(referrer, referrer.c.id == referral.c.referrer)
        .where(referral.c.affiliate == number)
    )  # fmt: skip
    return bulk.frame(connection, query, EDGES).sort("since_us")


def statuses_of(connection: sa.Connection, number: int) -> pl.DataFrame:
    """Every status this affiliate was ever given, shaped STATUSES, by intake."""
    query = (
        sa.select(profile.c.intake, intake.c.learned_at, profile.c.status)
        .join(intake, intake.c.id == profile.c.intake)
        .where(profile.c.affiliate == number)
    )
    return bulk.frame(connection, query, STATUSES).sort("intake")


def refused_naming(connection: sa.Connection, text: str) -> list[str]:
    """The first few refused rows that have this text in them, as "FILE:LINE: why"."""
    query = (
        sa.select(refusal.c.file, refusal.c.line, refusal.c.message)
        .where(refusal.c.raw.contains(text, autoescape=True))
        .order_by(refusal.c.id)
        .limit(3)
    )
    return [f"{row.file}:{row.line}: {row.message}" for row in connection.execute(query)]
