"""What an affiliate has now: held, available, the next payday, and what is provisional."""

from typing import Any

from starlette.responses import Response

from commission_engine.book import readers
from commission_engine.explain.account import settlement_from
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.life import State
from commission_engine.portal.access import Asked, about
from commission_engine.portal.amounts import iso, shown
from commission_engine.portal.render import page

LAST_PAYOUTS = 12
STATES = {
    State.PENDING: "decided, not paid yet", State.APPROVED: "approved, not paid yet",
    State.EXPORTED: "on its way", State.PAID: "paid",
    State.FAILED: "came back, in the balance again", State.VOIDED: "not paid, in the balance again",
}  # fmt: skip
"""What a payout is, for whom it is for."""
PROVISIONAL = (Kind.EARNED, Kind.REVERSED, Kind.ADJUSTED, Kind.CREDITED)


def account(asked: Asked) -> Response:
    """Balances by currency as of the last run, what is booked since the last settlement, and the
    last payouts."""
    number, last = asked.of.number, readers.last_run(asked.book)
    settled = readers.last_settlement(asked.book)
    plan = asked.portal.plan(asked.book)
    payday = iso(settlement_from(plan.payout.every, last + 1)) if plan and last is not None else ""
    return page(
        asked,
        "account.html",
        as_of="" if last is None else iso(last),
        balances=[_balance(each) for each in readers.balances(asked.book, number)],
        payday=payday,
        minimums=_minimums(plan.payout.minimum, plan.decimals) if plan else [],
        since="" if settled is None else iso(settled + 1),
        provisional=_provisional(readers.booked_since(asked.book, number, settled)),
        payouts=[_payout(each) for each in
                 readers.payouts(asked.book, number, limit=LAST_PAYOUTS)],
    )  # fmt: skip


def _balance(each: readers.Balance) -> dict[str, str]:
    held, available = each.held_minor, each.available_minor
    amounts = {"available": available, "held": held, "balance": held + available}
    return {"currency": each.currency} | {
        name: shown(minor, each.currency, each.decimals) for name, minor in amounts.items()
    }


def _provisional(booked: Any) -> list[dict[str, str]]:
    """By currency what was booked to the account and stands in no statement yet."""
    totals: dict[tuple[str, int], dict[Kind, int]] = {}
    for each in booked:
        kinds = totals.setdefault((each.currency, each.decimals), {})
        kinds[each.kind] = each.amount_minor
    return [
        {
            "currency": code,
            "earned": shown(kinds.get(Kind.EARNED, 0), code, decimals),
            "reversed": shown(kinds.get(Kind.REVERSED, 0), code, decimals),
            "adjusted": shown(
                kinds.get(Kind.ADJUSTED, 0) + kinds.get(Kind.CREDITED, 0), code, decimals
            ),
            "total": shown(sum(kinds.get(kind, 0) for kind in PROVISIONAL), code, decimals),
        }
        for (code, decimals), kinds in totals.items()
        if any(kind in kinds for kind in PROVISIONAL)
    ]


def _payout(each: readers.Payout) -> dict[str, str]:
    return {
        "day": iso(each.run_day),
        "amount": shown(each.amount_minor, each.currency, each.decimals),
        "state": STATES[each.state],
    }


def _minimums(least: Any, decimals: Any) -> list[str]:
    return [shown(minor, code, decimals[code]) for code, minor in sorted(least.items())]


PAGES = (*about("/account", account, menu="Account"),)
