"""What a run was decided from, as one hash that any machine comes to from the same facts.

It depends on what was known and on nothing else: not on book numbers, files, imports, row order,
persons or clocks. So it can stand in the manifest of the run. It takes in the anchor of the run
before, so that the last manifest vouches for the whole history.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk, corrections
from commission_engine.book.decided import Numbers
from commission_engine.book.digests import ROWS, Digest, digest_of, hashed
from commission_engine.book.runs import Due
from commission_engine.book.schema import affiliate, currency, event, profile, referral
from commission_engine.calendar import Ints

BEFORE_ALL = "0" * 64
_EVENTS = ("event_id", "order_id", "affiliate_id", "occurred_us", "amount_minor", "currency")
_PROFILE = ("name", "email", "country", "locale", "status", "extra")


def anchor_of(previous: Mapping[str, Any] | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """The anchor after `previous` (None: the first): number, previous, sha256."""
    before = {
        "number": previous["number"] + 1 if previous else 1,
        "previous": previous["sha256"] if previous else BEFORE_ALL,
    }
    return {**before, "sha256": hashed({**before, **said})}


def facts_of_run(connection: sa.Connection, due: Due, after: int, known: int) -> dict[str, Any]:
    """Digests of what a run processed, and learned of people: in intakes beyond `after`, up to
    `known`."""
    corrected = _corrections(connection, due, after, known)
    return {"events": _events(connection, due), **_people(connection, after, known), **corrected}


def facts_of_the_past(connection: sa.Connection, known: int) -> dict[str, Any]:
    """The same of everything up to intake `known`, whether a run has processed it or not; events
    by their ids."""
    root = event.alias("root")
    query = (
        sa.select(
            event.c.event_id,
            sa.case((event.c.id != event.c.root, root.c.event_id)),
            affiliate.c.affiliate_id,
            event.c.occurred_us,
            event.c.amount_minor,
            currency.c.code,
        )
        .join_from(event, affiliate, affiliate.c.id == event.c.affiliate)
        .join(currency, currency.c.id == event.c.currency)
        .join(root, root.c.id == event.c.root)
        .where(event.c.intake <= known)
    )
    numbers = ("occurred_us", "amount_minor")
    schema = {name: pl.Int64 if name in numbers else pl.String for name in _EVENTS}
    events = bulk.frame(connection, query, schema).sort("event_id")
    return {"events": digest_of(events), **_people(connection, 0, known)}


def _events(connection: sa.Connection, due: Due) -> dict[str, Any]:
    """The events of a run in processing order. Of an order that is no reversal's the id is null."""
    events, texts = due.events, due.texts
    codes = _Texts.of(bulk.frame(connection, sa.select(currency.c.id, currency.c.code), _NAMED))
    reversal = events.event != events.order
    orders = _texts(connection, event.c.id, event.c.event_id, events.order[reversal])
    earners = _texts(connection, affiliate.c.id, affiliate.c.affiliate_id, events.earner)
    digest = Digest(_EVENTS)
    for start in range(0, len(events), ROWS):
        part = slice(start, start + ROWS)
        order = np.where(reversal[part], events.order[part], -1)
        digest.add(
            pl.DataFrame(
                {
                    "event_id": texts["event_id"][part],
                    "order_id": orders.named(order),
                    "affiliate_id": earners.named(events.earner[part]),
                    "occurred_us": texts["occurred_us"][part],
                    "amount_minor": events.amount[part],
                    "currency": codes.named(events.currency[part]),
                }
            )
        )
    return {"rows": digest.rows, "sha256": digest.sha256()}


def _corrections(connection: sa.Connection, due: Due, after: int, known: int) -> dict[str, Any]:
    """What a run books of corrections; nothing where there are none."""
    said = {}
    if len(due.adjusted):
        which = pl.Series(due.events.event[due.adjusted.row])
        told = corrections.told(connection, which).select(_ADJUSTED).sort("event_id")
        said["adjustments"] = digest_of(told)
    ups = [each for each in corrections.true_ups(connection, known) if each.intake > after]
    if ups:
        days = {"first": [each.first for each in ups], "last": [each.last for each in ups]}
        said["true_ups"] = digest_of(pl.DataFrame(days))
    return said


_ADJUSTED = ("event_id", "affiliate_id", "level", "available_day", "corrects", "reason")

_NAMED = {"number": pl.Int64, "text": pl.String}


class _Texts(NamedTuple):
    """The texts of some numbers."""

    numbers: Numbers
    text: pl.Series

    @classmethod
    def of(cls, found: pl.DataFrame) -> "_Texts":
        found = found.sort("number")
        return cls(Numbers(found["number"].to_numpy()), found["text"])

    def named(self, numbers: Ints) -> pl.Series:
        """The texts of numbers; null for one that has none."""
        return self.text.gather(pl.Series(self.numbers.find(numbers)).replace(-1, None))


def _texts(connection: sa.Connection, key: Any, text: Any, numbers: Ints) -> _Texts:
    """The texts of these numbers, as a table has them."""
    with bulk.listed(connection, pl.Series(numbers, dtype=pl.Int64)) as asked:
        query = sa.select(key, text).join_from(asked, key.table, key == asked.c.value)
        return _Texts.of(bulk.frame(connection, query, _NAMED))


def _people(connection: sa.Connection, after: int, known: int) -> dict[str, Any]:
    referrer = affiliate.alias("referrer")
    query = (
        sa.select(
            affiliate.c.affiliate_id,
            referrer.c.affiliate_id,
            referral.c.since_us,
            referral.c.reason,
        )
        .join_from(referral, affiliate, affiliate.c.id == referral.c.affiliate)
        .outerjoin(referrer, referrer.c.id == referral.c.referrer)
        .where(referral.c.intake > after, referral.c.intake <= known)
    )
    schema = {
        "affiliate_id": pl.String, "referrer_id": pl.String, "since_us": pl.Int64,
        "reason": pl.String,
    }  # fmt: skip
    referrals = bulk.frame(connection, query, schema).sort("affiliate_id", "since_us")
    query = (
        sa.select(affiliate.c.affiliate_id, profile.c.intake, *(profile.c[n] for n in _PROFILE))
        .join_from(profile, affiliate, affiliate.c.id == profile.c.affiliate)
        .where(profile.c.intake > after, profile.c.intake <= known)
    )
    schema = {"affiliate_id": pl.String, "intake": pl.Int64, **dict.fromkeys(_PROFILE, pl.String)}
    profiles = (
        bulk.frame(connection, query, schema)
        .sort("affiliate_id", "intake")
        .unique("affiliate_id", keep="last", maintain_order=True)
        .drop("intake")
    )
    return {"referrals": digest_of(referrals), "profiles": digest_of(profiles)}
