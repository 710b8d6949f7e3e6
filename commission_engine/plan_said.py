"""Terms as people read them, and how two of them differ."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from commission_engine.calendar import date_of
from commission_engine.money import Minor, plain
from commission_engine.plan.terms import Cap, Plan, Terms


def amounts_said(plan: Plan, limit: Mapping[str, Minor]) -> list[str]:
    return [f"{plain(minor, plan.decimals[code])} {code}" for code, minor in limit.items()]


def caps_said(plan: Plan, caps: tuple[Cap, ...]) -> str:
    return "; ".join(
        f"{' or '.join(amounts_said(plan, cap.limit))} per {cap.window}" for cap in caps
    )


class Difference(NamedTuple):
    """Something of a plan that is one thing before and another after; "" where it is not there."""

    what: str
    before: str
    after: str


def differences(before: Plan, after: Plan) -> list[Difference]:
    """What two plans of a programme say differently: its payouts, then each of its terms."""
    found = list(_pairs(_of_plan(before), _of_plan(after)))
    old, new = ({each.starts: each for each in plan.terms} for plan in (before, after))
    for starts in sorted(old.keys() | new.keys()):
        one = _of_terms(before, old.get(starts))
        other = _of_terms(after, new.get(starts))
        found += [
            each._replace(what=f"from {date_of(starts)}: {each.what}")
            for each in _pairs(one, other)
        ]
    return found


def changes_of_terms(plan: Plan, before: Terms, after: Terms) -> list[Difference]:
    """What the terms `after` say differently from those before them."""
    return list(_pairs(_of_terms(plan, before), _of_terms(plan, after)))


def _pairs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for what in (*before, *(each for each in after if each not in before)):
        one, other = before.get(what, ""), after.get(what, "")
        if one != other:
            yield Difference(what, one, other)


def _of_plan(plan: Plan) -> dict[str, str]:
    return {
        "name": plan.name,
        "time zone": plan.timezone,
        "rounding": str(plan.rounding),
        "rates allowed": " to ".join(rate.percent for rate in plan.rate_bounds),
        "own units": ", ".join(f"{code}: {each}" for code, each in sorted(plan.units.items())),
        "settlement": f"every {plan.payout.every}",
        "minimum payout": ", ".join(amounts_said(plan, plan.payout.minimum)) or "any amount",
    }


def _of_terms(plan: Plan, terms: Terms | None) -> dict[str, str]:
    if terms is None:
        return {}
    said = {"hold": f"{terms.hold_days} days"}
    for level in terms.levels:
        said[f"level {level.level}, rate"] = level.rate.percent
        said[f"level {level.level}, caps"] = caps_said(plan, level.caps) or "none"
    said["caps over all levels"] = caps_said(plan, terms.caps) or "none"
    return said
