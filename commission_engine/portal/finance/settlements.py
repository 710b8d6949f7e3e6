"""Settlements, and the payouts of one of them or of a batch, some at a time."""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl
from starlette.responses import Response

from commission_engine.book import facts, newest, runs
from commission_engine.book import payouts as book
from commission_engine.calendar import Day
from commission_engine.ledger.life import State
from commission_engine.payouts.approve import Approval
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page, Role
from commission_engine.portal.amounts import day_in, day_of_path, iso, shown
from commission_engine.portal.paging import A_PAGE, further, some
from commission_engine.portal.render import page
from commission_engine.publish.ids import payout_id

LOOK = FINANCE | {Role.AUDITOR}
_KEY = re.compile(r"(-?\d{1,9})\.(\d{1,18})\.(\d{1,9})", re.ASCII)
_BATCH = re.compile(r"[0-9a-f]{64}", re.ASCII)


def settlements(asked: Asked) -> Response:
    """Settlements, the newest first, with what they decided to pay."""
    before = day_in(asked.query("before"))
    found, more = some(
        asked,
        runs.completed_before(asked.book, before, A_PAGE + 1, settled=True),
        lambda each: iso(each.day),
    )
    return page(asked, "settlements.html", rows=[_settlement(asked, each) for each in found],
                more=more)  # fmt: skip


def _settlement(asked: Asked, done: runs.Run) -> dict[str, Any]:
    plan = facts.plan_of(asked.book, done.plan_version)
    return {
        "date": iso(done.day),
        "statements": f"{done.figures['counts']['statements']:,}",
        "payouts": f"{done.figures['counts']['payouts']:,}",
        "paid": [shown(sums["paid"], code, plan.decimals[code])
                 for code, sums in sorted(done.figures["totals"].items()) if sums.get("paid")],
    }  # fmt: skip


def settlement(asked: Asked) -> Response:
    """One settlement: what its payouts are now, and the payouts themselves."""
    day = day_of_path(asked.named("date"))
    done = runs.completed_at(asked.book, day)
    if done is None or not done.settles:
        raise Nothing
    known = runs.hashes(asked.book, day)
    states = states_of(asked, day)
    return page(
        asked, "settlement.html", of=_settlement(asked, done), states_of=states,
        files=[each for each in ("statements.csv", "payouts.csv", "journal.csv")
               if known and each in known[1]],
        hashes=known[1] if known else {},
        **_listed(asked, states, day=day),
    )  # fmt: skip


def states_of(asked: Asked, day: Day) -> Mapping[State, int]:
    """How many payouts of a settlement are what now."""
    return asked.portal.remembered(
        asked.book, f"settlement {day}", lambda: newest.states_of_settlement(asked.book, day)
    )


def key_in(asked: Asked) -> newest.Key | None:
    """The payout after which a page goes on; None where none is named."""
    after = _KEY.fullmatch(asked.query("after"))
    return (int(after[1]), int(after[2]), int(after[3])) if after else None


def key_said(key: newest.Key) -> str:
    return ".".join(str(part) for part in key)


def batch(asked: Asked) -> Response:
    """The payouts of one batch, and what can be done with them together."""
    name = asked.named("batch")
    if not _BATCH.fullmatch(name):
        raise Nothing
    states = asked.portal.remembered(
        asked.book, f"batch {name}", lambda: newest.states_of_batch(asked.book, name)
    )
    if not states:
        raise Nothing
    shown_ = _listed(asked, states, batch=name)
    return page(asked, "batch.html", batch=name, states_of=states, **shown_)


def _listed(asked: Asked, states: Mapping[State, int], **of: Any) -> dict[str, Any]:
    """The payouts of a page, with the filters that hold, and what this visitor may do with
    them."""
    status, whose = asked.query("status"), asked.query("affiliate").strip()
    if status and status not in list(State):
        raise Nothing
    key = key_in(asked)
    found: list[newest.Payout] = []
    if not status or State(status) in states:
        found = newest.payouts(asked.book, key, A_PAGE + 1, status=status, affiliate_id=whose, **of)
    rows = found[:A_PAGE]
    last = key_said(rows[-1].key) if rows else ""
    return {
        "rows": _rows(asked, rows),
        "more": further(asked, after=last) if len(found) > A_PAGE else "",
        "state": status, "affiliate": whose, "all_states": list(State),
        "acts_as": asked.visitor.role.value,
        "approval": Approval(asked.portal.settings.payouts_approval.value).value,
    }  # fmt: skip


def _rows(asked: Asked, found: list[newest.Payout]) -> list[dict[str, Any]]:
    plan = asked.portal.plan(asked.book)
    if plan is None:
        return []
    whose = pl.Series([each.key[1] for each in found], dtype=pl.Int64)
    names = book.names(asked.book, whose, runs.last_intake(asked.book))
    return [
        {
            "id": payout_id(plan.name, each.key[0], each.affiliate_id, each.code),
            "number": each.key[1], "affiliate_id": each.affiliate_id,
            "name": names.get(each.key[1], ""), "date": iso(each.key[0]),
            "amount": shown(each.amount_minor, each.code, each.decimals),
            "status": each.status, "batch": each.batch, "reason": each.reason,
        }
        for each in found
    ]  # fmt: skip


PAGES = (
    Page("/settlements", settlements, LOOK, menu="Settlements"),
    Page("/settlements/{date}", settlement, LOOK),
    Page("/batches/{batch}", batch, LOOK),
)
