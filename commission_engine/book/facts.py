"""What was imported: affiliates, referrals, events, plans, refusals. Facts are only ever added.

Text ids become the book's numbers here (and nowhere else), given in the order of the ids or of
the events' time, never in the order in which rows arrived.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.order import processing_order, roots_of
from commission_engine.book.schema import (
    PEOPLE_SAID,
    affiliate,
    currency,
    event,
    intake,
    plan_version,
    profile,
    referral,
)
from commission_engine.book.schema_people import adjustment
from commission_engine.plan.record import from_json, plan_hash, to_json
from commission_engine.plan.terms import Plan
from commission_engine.tree.forest import NOBODY

PROFILE = ("name", "email", "country", "locale", "status", "extra")
MANY = 100_000
"""Rows that are worth a table's keys being built anew."""

EVENTS = {
    "id": pl.Int64,
    "event_id": pl.String,
    "affiliate_id": pl.String,
    "occurred_us": pl.Int64,
    "amount_minor": pl.Int64,
    "currency": pl.String,
    "root": pl.Int64,
    "root_id": pl.String,
}


@dataclass(frozen=True, slots=True)
class Intake:
    """One moment of learning: an import, a plan, a move, a release."""

    kind: str
    learned_at: str
    who: str
    files: Sequence[Mapping[str, Any]] = ()


def open_intake(
    connection: sa.Connection, what: Intake, accepted: int, duplicate: int, rejected: int
) -> int:
    """Write the intake's row and give its number: what is learned with it is known from there."""
    number = bulk.next_number(connection, intake.c.id)
    connection.execute(
        sa.insert(intake).values(
            id=number,
            kind=what.kind,
            learned_at=what.learned_at,
            who=what.who,
            files=json.dumps(what.files, sort_keys=True),
            accepted=accepted,
            duplicate=duplicate,
            rejected=rejected,
        )
    )
    return number


# -- what the judges ask


def known_events(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Every event whose id is an `event_id` or a `reverses` of `rows`; columns EVENTS. `root_id` of
    an adjustment is empty: it is no order."""
    if _empty(connection, event):
        return pl.DataFrame(schema=EVENTS)
    root = event.alias("root")
    with bulk.listed(connection, pl.concat([rows["event_id"], rows["reverses"]])) as asked:
        query = (
            sa.select(
                event.c.id,
                event.c.event_id,
                affiliate.c.affiliate_id,
                event.c.occurred_us,
                event.c.amount_minor,
                currency.c.code,
                event.c.root,
                sa.case((adjustment.c.event.is_not(None), ""), else_=root.c.event_id),
            )
            .join_from(asked, event, event.c.event_id == asked.c.value)
            .join(affiliate, affiliate.c.id == event.c.affiliate)
            .join(currency, currency.c.id == event.c.currency)
            .join(root, root.c.id == event.c.root)
            .outerjoin(adjustment, adjustment.c.event == event.c.id)
        )
        return bulk.frame(connection, query, EVENTS)


def reversed_so_far(connection: sa.Connection, known: pl.DataFrame) -> pl.DataFrame:
    """Per order among `known` that has reversals in the book: root_id, reversed_minor (<= 0)."""
    schema = {"root_id": pl.String, "reversed_minor": pl.Int64}
    if known.height == 0:
        return pl.DataFrame(schema=schema)
    root = event.alias("root")
    with bulk.listed(connection, known["root"]) as asked:
        query = (
            sa.select(root.c.event_id, sa.cast(sa.func.sum(event.c.amount_minor), sa.BigInteger))
            .join_from(asked, event, event.c.root == asked.c.value)
            .join(root, root.c.id == event.c.root)
            .where(event.c.id != event.c.root)
            .group_by(root.c.event_id)
        )
        return bulk.frame(connection, query, schema)


def known_profiles(connection: sa.Connection, ids: pl.Series) -> pl.DataFrame:
    """The latest that is known of those affiliates among `ids` that exist."""
    schema = dict.fromkeys(("affiliate_id", *PROFILE), pl.String)
    latest = _latest_profile()
    with bulk.listed(connection, ids) as asked:
        query = (
            sa.select(
                affiliate.c.affiliate_id,
                *(profile.c[name] for name in PROFILE if name != "status"),
                sa.func.coalesce(profile.c.status, "active"),
            )
            .join_from(asked, affiliate, affiliate.c.affiliate_id == asked.c.value)
            .outerjoin(latest, latest.c.affiliate == affiliate.c.id)
            .outerjoin(
                profile,
                (profile.c.affiliate == affiliate.c.id) & (profile.c.intake == latest.c.intake),
            )
        )
        names = ("affiliate_id", "name", "email", "country", "locale", "extra", "status")
        return bulk.frame(connection, query, dict.fromkeys(names, pl.String)).select(*schema)


def _latest_profile(known: int | None = None) -> sa.Subquery:
    """Per affiliate with a profile the last intake that said something of it (up to `known`)."""
    query = sa.select(profile.c.affiliate, sa.func.max(profile.c.intake).label("intake"))
    if known is not None:
        query = query.where(profile.c.intake <= known)
    return query.group_by(profile.c.affiliate).subquery()


def edges(connection: sa.Connection) -> pl.DataFrame:
    """Every referral edge in the affiliates' own ids: affiliate_id, referrer_id (null: nobody
    from then on), since_us; sorted."""
    referrer = affiliate.alias("referrer")
    query = (
        sa.select(affiliate.c.affiliate_id, referrer.c.affiliate_id, referral.c.since_us)
        .join_from(referral, affiliate, affiliate.c.id == referral.c.affiliate)
        .outerjoin(referrer, referrer.c.id == referral.c.referrer)
    )
    schema = {"affiliate_id": pl.String, "referrer_id": pl.String, "since_us": pl.Int64}
    return bulk.frame(connection, query, schema).sort("affiliate_id", "since_us")


def exists(connection: sa.Connection, affiliate_id: str) -> bool:
    query = sa.select(affiliate.c.id).where(affiliate.c.affiliate_id == affiliate_id)
    return connection.execute(query).first() is not None


def affiliate_ids(connection: sa.Connection) -> pl.Series:
    """The ids of everybody, sorted."""
    query = sa.select(affiliate.c.affiliate_id)
    return bulk.frame(connection, query, {"affiliate_id": pl.String})["affiliate_id"].sort()


def standings(connection: sa.Connection, known: int) -> pl.DataFrame:
    """Who is not active as known at intake `known`: affiliate (number), status."""
    latest = _latest_profile(known)
    query = sa.select(profile.c.affiliate, profile.c.status).join(
        latest,
        (latest.c.affiliate == profile.c.affiliate) & (latest.c.intake == profile.c.intake),
    ).where(profile.c.status != "active")  # fmt: skip
    return bulk.frame(connection, query, {"affiliate": pl.Int64, "status": pl.String})


def miscounted(connection: sa.Connection) -> pl.DataFrame:
    """Intakes that do not hold as many facts as they accepted: id, kind, accepted, held."""
    held = sa.union_all(
        *(
            sa.select(table.c.intake.label("id"), sa.func.count().label("held")).group_by(
                table.c.intake
            )
            for table in (profile, referral, event, plan_version, *PEOPLE_SAID)
        )
    ).subquery()
    schema = {"id": pl.Int64, "kind": pl.String, "accepted": pl.Int64, "held": pl.Int64}
    query = (
        sa.select(
            intake.c.id,
            intake.c.kind,
            intake.c.accepted,
            sa.cast(sa.func.coalesce(sa.func.sum(held.c.held), 0), sa.BigInteger),
        )
        .outerjoin(held, held.c.id == intake.c.id)
        .group_by(intake.c.id, intake.c.kind, intake.c.accepted)
    )
    counted = bulk.frame(connection, query, schema)
    return counted.filter(pl.col("accepted") != pl.col("held")).sort("id")


def misfits(connection: sa.Connection) -> pl.DataFrame:
    """Events that contradict their order: event_id, fault. An import lets none in."""
    root = event.alias("root")
    reversal = sa.select(event.c.event_id, root.c.event_id.label("order_id")).join(
        root, root.c.id == event.c.root
    ).where(event.c.id != event.c.root)  # fmt: skip
    faults = {
        "reverses something that is no order": root.c.root != root.c.id,
        "is another affiliate's or in another currency than its order": sa.or_(
            root.c.affiliate != event.c.affiliate, root.c.currency != event.c.currency
        ),
        "is earlier than its order": event.c.occurred_us < root.c.occurred_us,
    }
    found = [
        (row.event_id, fault)
        for fault, condition in faults.items()
        for row in connection.execute(reversal.where(condition).limit(3))
    ]
    beyond = (
        sa.select(root.c.event_id)
        .join_from(event, root, root.c.id == event.c.root)
        .where(event.c.id != event.c.root)
        .group_by(root.c.event_id, root.c.amount_minor)
        .having(sa.func.sum(event.c.amount_minor) + root.c.amount_minor < 0)
        .limit(3)
    )
    found += [
        (row.event_id, "is reversed by more than it is") for row in connection.execute(beyond)
    ]
    return pl.DataFrame(found, schema={"event_id": pl.String, "fault": pl.String}, orient="row")


# -- what is added


def number_affiliates(added: Added, ids: pl.Series, number: int) -> pl.DataFrame:
    """affiliate_id -> id for all of `ids`, and perhaps of others; unknown ones become affiliates
    of intake `number`."""
    connection = added.connection
    schema = {"affiliate_id": pl.String, "id": pl.Int64}
    ids = ids.unique().drop_nulls()
    first = bulk.next_number(connection, affiliate.c.id)
    everybody = sa.select(affiliate.c.affiliate_id, affiliate.c.id)
    if len(ids) * _MOST_OF >= first:
        known = bulk.frame(connection, everybody, schema)
    else:
        with bulk.listed(connection, ids) as asked:
            query = everybody.join(asked, affiliate.c.affiliate_id == asked.c.value)
            known = bulk.frame(connection, query, schema)
    new = ids.filter(~ids.is_in(known["affiliate_id"].implode())).sort()
    fresh = pl.DataFrame({"affiliate_id": new}).with_columns(
        id=pl.int_range(first, first + pl.len(), dtype=pl.Int64)
    )
    added.rows(affiliate, fresh.with_columns(intake=pl.lit(number)).to_dict())
    return pl.concat([known, fresh])


_MOST_OF = 4  # reading a table whole is faster than asking it for more than one in so many


def add_affiliates(connection: sa.Connection, accepted: pl.DataFrame, number: int) -> Spans:
    """Profiles as of intake `number`; columns affiliate_id and PROFILE."""
    added = Added(connection)
    known = number_affiliates(added, accepted["affiliate_id"], number)
    rows = accepted.join(known, on="affiliate_id")
    added.rows(
        profile,
        {"affiliate": rows["id"], "intake": _constant(number, rows)}
        | {name: rows[name] for name in PROFILE},
    )
    return added.spans


def add_referrals(
    connection: sa.Connection, accepted: pl.DataFrame, number: int, reason: str | None = None
) -> Spans:
    """Edges as of intake `number`: affiliate_id, referrer_id (null: nobody), since_us, extra."""
    added = Added(connection)
    known = number_affiliates(
        added, pl.concat([accepted["affiliate_id"], accepted["referrer_id"]]), number
    )
    rows = accepted.join(known, on="affiliate_id").join(
        known.rename({"id": "referrer"}), left_on="referrer_id", right_on="affiliate_id", how="left"
    )
    columns: dict[str, Any] = {
        "affiliate": rows["id"],
        "since_us": rows["since_us"],
        "referrer": rows["referrer"].fill_null(NOBODY),
        "intake": _constant(number, rows),
        "extra": rows["extra"],
    }
    if reason is not None:
        columns["reason"] = pl.Series([reason] * rows.height, dtype=pl.String)
    added.rows(referral, columns)
    return added.spans


def add_events(
    connection: sa.Connection,
    accepted: pl.DataFrame,
    known: pl.DataFrame,
    decimals: Mapping[str, int],
    number: int,
) -> Spans:
    """Events as of intake `number`, numbered in processing order; `known` has their old orders."""
    added = Added(connection)
    people = number_affiliates(added, accepted["affiliate_id"], number)
    codes = number_currencies(added, accepted["currency"], decimals)
    first = bulk.next_number(connection, event.c.id)
    rows = accepted.select(
        "event_id", "affiliate_id", "occurred_us", "amount_minor", "currency", "reverses", "extra"
    )
    reversal = rows["reverses"].is_not_null().to_numpy()
    place = processing_order(rows["occurred_us"].to_numpy(), reversal, rows["event_id"])
    if place is not None:
        rows = rows[place]
    numbers = pl.int_range(first, first + rows.height, dtype=pl.Int64, eager=True)
    people_of = rows.select("affiliate_id").join(
        people, on="affiliate_id", how="left", maintain_order="left"
    )
    columns: bulk.Columns = {
        "id": numbers,
        "event_id": rows["event_id"],
        "affiliate": people_of["id"],
        "occurred_us": rows["occurred_us"],
        "amount_minor": rows["amount_minor"],
        "currency": rows["currency"].replace_strict(codes, return_dtype=pl.Int16),
        "root": roots_of(rows, numbers, known),
        "intake": np.broadcast_to(np.int64(number), rows.height),
        "extra": rows["extra"],
    }
    many_into_none = first == 1 and rows.height >= MANY
    with bulk.uniqueness_last(connection, event) if many_into_none else nullcontext():
        added.rows(event, columns)
    return added.spans


def number_currencies(
    added: Added, codes: pl.Series, decimals: Mapping[str, int]
) -> dict[str, int]:
    """Code -> the book's number, for every currency of the book and those of `codes`."""
    known = {row.code: row.id for row in added.connection.execute(sa.select(currency))}
    fresh = sorted(set(codes.unique()) - known.keys())
    first = max(known.values(), default=0) + 1
    numbers = range(first, first + len(fresh))
    columns = {"id": numbers, "code": fresh, "decimals": [decimals[code] for code in fresh]}
    if fresh:
        added.rows(currency, pl.DataFrame(columns).to_dict())
    return known | dict(zip(fresh, numbers, strict=True))


def currency_codes(connection: sa.Connection) -> tuple[str, ...]:
    """The code of currency number n at place n; "" at place 0, which no currency has."""
    rows = connection.execute(sa.select(currency.c.code).order_by(currency.c.id)).scalars()
    return ("", *rows)


# -- plans


def current_plan(connection: sa.Connection) -> Plan | None:
    """The plan that was applied last; None before the first."""
    query = sa.select(plan_version.c.record).order_by(plan_version.c.intake.desc()).limit(1)
    record = connection.execute(query).scalar_one_or_none()
    return from_json(record) if record else None


def plan_of(connection: sa.Connection, version: int) -> Plan:
    """The plan of intake `version`."""
    query = sa.select(plan_version.c.record).where(plan_version.c.intake == version)
    return from_json(connection.execute(query).scalar_one())


def current_plan_version(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(plan_version.c.intake))).scalar_one())


def latest_plan_version(connection: sa.Connection) -> int | None:
    """The intake of the plan that was applied last; None before the first."""
    found: int | None = connection.execute(sa.select(sa.func.max(plan_version.c.intake))).scalar()
    return found


def highest_level(connection: sa.Connection) -> int:
    """Of all levels that were ever paid."""
    records = connection.execute(sa.select(plan_version.c.record)).scalars()
    plans = [from_json(record) for record in records]
    terms = [each for plan in plans for each in plan.terms]
    return max((level.level for each in terms for level in each.levels), default=0)


def add_plan(connection: sa.Connection, plan: Plan, number: int) -> None:
    connection.execute(
        sa.insert(plan_version).values(intake=number, hash=plan_hash(plan), record=to_json(plan))
    )


def _empty(connection: sa.Connection, table: sa.Table) -> bool:
    return connection.execute(sa.select(table.c.id).limit(1)).first() is None


def _constant(value: int, rows: pl.DataFrame) -> pl.Series:
    return pl.Series([value], dtype=pl.Int64).new_from_index(0, rows.height)
