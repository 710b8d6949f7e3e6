"""What an affiliate may know of himself as plain values: the same for the API and for his data.

Amounts are plain decimals with the currency's decimals, days ISO 8601, people and lines called as
`callings` has it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from commission_engine.book import readers
from commission_engine.book.reader_lines import Line
from commission_engine.calendar import Day, Zone, iso_instant
from commission_engine.explain.account import settlement_from
from commission_engine.money import plain
from commission_engine.plan.terms import Plan
from commission_engine.portal.access import Asked
from commission_engine.portal.amounts import iso
from commission_engine.portal.callings import Callings
from commission_engine.portal.lines import plan_of, rate, what
from commission_engine.portal.statements import AMOUNTS, ids_of
from commission_engine.publish.ids import payout_id

MOST_REFERRED = 1_000
"""So many direct referrals are told of at once."""


def account(asked: Asked) -> dict[str, Any]:
    plan, last = plan_of(asked), readers.last_run(asked.book)
    every = plan.payout.every
    return {
        "affiliate_id": asked.of.affiliate_id,
        "programme": plan.name,
        "as_of": None if last is None else iso(last),
        "next_settlement": None if last is None else iso(settlement_from(every, last + 1)),
        "balances": [
            {
                "currency": each.currency,
                "available": plain(each.available_minor, each.decimals),
                "held": plain(each.held_minor, each.decimals),
                "balance": plain(each.held_minor + each.available_minor, each.decimals),
            }
            for each in readers.balances(asked.book, asked.of.number)
        ],
    }


def statements(asked: Asked, found: Sequence[readers.Statement]) -> list[dict[str, Any]]:
    ids = ids_of(plan_of(asked).name, asked.of.affiliate_id, found)
    paid = _paid_as(asked, [each.run_day for each in found])
    return [
        {
            "statement_id": id_,
            "period_from": iso(each.period_from),
            "period_to": iso(each.run_day),
            "currency": each.currency,
            **{a: plain(getattr(each, f"{a}_minor"), each.decimals) for a in AMOUNTS},
            **paid[each.run_day, each.currency],
        }
        for id_, each in zip(ids, found, strict=True)
    ]


def payouts(asked: Asked) -> list[dict[str, Any]]:
    name, whose = plan_of(asked).name, asked.of.affiliate_id
    found = readers.payouts(asked.book, asked.of.number)
    paid = _paid_as(asked, [each.run_day for each in found])
    return [
        {
            "payout_id": payout_id(name, each.run_day, whose, each.currency),
            "created_on": iso(each.run_day),
            "currency": each.currency,
            "amount": plain(each.amount_minor, each.decimals),
            "status": str(each.state),
            **paid[each.run_day, each.currency],
        }
        for each in found
    ]


def _paid_as(
    asked: Asked, days: Sequence[Day]
) -> defaultdict[tuple[Day, str], dict[str, str | None]]:
    """What payouts of these days have come to in another currency, as conversions.csv names it; of
    the others nothing."""
    names = ("paid_currency", "paid_amount", "per_euro", "paid_per_euro", "rate_on", "source")
    none: dict[str, str | None] = dict.fromkeys(names)
    found: defaultdict[tuple[Day, str], dict[str, str | None]] = defaultdict(lambda: none)
    if days:
        converted = readers.paid_as(asked.book, asked.of.number, min(days), max(days))
        for key, each in converted.items():
            amount = plain(each.amount_minor, each.decimals)
            values = (each.currency, amount, each.rate, each.to_rate, iso(each.rate_day))
            found[key] = dict(zip(names, (*values, each.source), strict=True))
    return found


def line(plan: Plan, callings: Callings, each: Line) -> dict[str, Any]:
    day = Zone(plan.timezone).local_day(each.occurred_us)
    return {
        "reference": callings.reference(each.line_id),
        "run_date": iso(each.run_day),
        "occurred_on": iso(day),
        "from": callings.of(each.earner, each.earner_id, each.level),
        "level": each.level,
        "what": what(each),
        "currency": each.currency,
        "base_amount": plain(each.base_minor, each.decimals),
        "rate": rate(plan, each),
        "gross": plain(each.gross_minor, each.decimals),
        "commission": plain(each.commission_minor, each.decimals),
        "reason": each.reason,
        "available_on": iso(each.available_day),
    }


def referrals(asked: Asked) -> Iterator[dict[str, Any]]:
    """The direct ones."""
    masked, key = asked.visitor.masked, asked.portal.pseudonym_key
    callings = Callings(plan_of(asked).name, asked.of.affiliate_id, {}, masked, key)
    now, number, after = asked.portal.clock() * 1_000_000, asked.of.number, 0
    while True:
        found = readers.referred(asked.book, number, now, limit=MOST_REFERRED, after=after)
        for each in found:
            since = iso_instant(each.since_us)
            yield {"called": callings.direct(each.affiliate_id, each.name), "since": since}
        if len(found) < MOST_REFERRED:
            return
        after = found[-1].number
