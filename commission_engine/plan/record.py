"""A plan as canonical JSON, the form in which the book keeps it and its hash is taken."""

import hashlib
import json
from datetime import date
from functools import lru_cache
from typing import Any

from commission_engine.calendar import Window, date_of, day_of
from commission_engine.money import Rate, Rounding, currencies, parse_amount, plain
from commission_engine.plan.terms import RATE_DAYS, Cap, Every, Level, Payout, Plan, Terms


def to_record(plan: Plan) -> dict[str, Any]:
    """The plan as plain values in the plan file's own words; amounts and rates are texts."""

    def amounts(limit: Any) -> dict[str, str]:
        return {code: plain(limit[code], plan.decimals[code]) for code in sorted(limit)}

    def caps(of: tuple[Cap, ...]) -> list[dict[str, Any]]:
        return [{"window": str(cap.window), "amount": amounts(cap.limit)} for cap in of]

    return {
        "name": plan.name,
        "timezone": plan.timezone,
        "rounding": str(plan.rounding),
        "rate_bounds": [str(rate) for rate in plan.rate_bounds],
        "units": dict(sorted(plan.units.items())),
        "payout": {
            "every": str(plan.payout.every),
            "minimum": amounts(plan.payout.minimum),
            # Only where it says something: plans of before have the hash that they had.
            **({"rate_days": plan.payout.rate_days} if plan.payout.rate_days != RATE_DAYS else {}),
        },
        "terms": [
            {
                "from": date_of(terms.starts).isoformat(),
                "hold_days": terms.hold_days,
                "level": [
                    {"level": level.level, "rate": str(level.rate), "cap": caps(level.caps)}
                    for level in terms.levels
                ],
                "cap": caps(terms.caps),
            }
            for terms in plan.terms
        ],
    }


def from_record(record: dict[str, Any]) -> Plan:
    """The inverse of `to_record`; the record was checked when it was made."""
    decimals = currencies(record["units"])

    def amounts(limit: dict[str, str]) -> dict[str, int]:
        return {code: parse_amount(text, decimals[code]) for code, text in limit.items()}

    def caps(of: list[dict[str, Any]]) -> tuple[Cap, ...]:
        return tuple(Cap(Window(cap["window"]), amounts(cap["amount"])) for cap in of)

    low, high = (Rate.parse(rate) for rate in record["rate_bounds"])
    payout = record["payout"]
    return Plan(
        name=record["name"],
        timezone=record["timezone"],
        rounding=Rounding(record["rounding"]),
        rate_bounds=(low, high),
        units=record["units"],
        payout=Payout(
            Every(payout["every"]),
            amounts(payout["minimum"]),
            payout.get("rate_days", RATE_DAYS),
        ),
        terms=tuple(
            Terms(
                day_of(date.fromisoformat(terms["from"])),
                terms["hold_days"],
                tuple(
                    Level(level["level"], Rate.parse(level["rate"]), caps(level["cap"]))
                    for level in terms["level"]
                ),
                caps(terms["cap"]),
            )
            for terms in record["terms"]
        ),
    )


def to_json(plan: Plan) -> str:
    return json.dumps(to_record(plan), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=100)
def from_json(text: str) -> Plan:
    return from_record(json.loads(text))


def plan_hash(plan: Plan) -> str:
    """SHA-256 of the canonical JSON: equal for plans that say the same."""
    return hashlib.sha256(to_json(plan).encode()).hexdigest()
