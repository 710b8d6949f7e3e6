"""The API for the staff's programs: runs, settlements, payouts, and who an affiliate is.

A token is of an account and has the role that the account has when it is asked. It only reads.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from commission_engine.book import facts, newest, runs
from commission_engine.book import payouts as book
from commission_engine.book.readers import person_of
from commission_engine.ledger.life import State
from commission_engine.money import plain
from commission_engine.portal.access import LOOKS, Asked, Kind, Nothing, Page, Role
from commission_engine.portal.amounts import day_of_path, iso
from commission_engine.portal.api import as_json, day, only
from commission_engine.portal.finance.settlements import LOOK as FINANCE
from commission_engine.portal.finance.settlements import key_in, key_said, states_of
from commission_engine.portal.limits import API
from commission_engine.portal.lines import plan_of
from commission_engine.portal.operators.runs import LOOK as RUNS
from commission_engine.portal.operators.runs import files_of
from commission_engine.problems import UsageError
from commission_engine.publish.ids import payout_id

AT_ONCE = 50
COUNTS = ("events", "lines", "statements", "payouts", "rejects")
TOTALS = ("base", "gross", "commission", "paid")


def affiliates(asked: Asked) -> Any:
    """The affiliate of an id, by the number under which the others ask for him."""
    only(asked, "id")
    wanted = asked.query("id")
    if not wanted:
        raise UsageError("id: write an affiliate's id")
    found = person_of(asked.book, wanted)
    return {
        "affiliates": [
            {
                "number": each.number, "affiliate_id": each.affiliate_id,
                "name": "" if asked.visitor.masked else each.name, "status": each.status,
            }
            for each in (found,) if each
        ]
    }  # fmt: skip


# -- runs


def all_runs(asked: Asked) -> Any:
    return _page_of(asked, "runs", _run, settled=False)


def run(asked: Asked) -> Any:
    done = _done(asked)
    return {**_run(asked, done, {}), "files": _files(asked, done)}


def _run(asked: Asked, done: runs.Run, plans: dict[int, Mapping[str, int]]) -> dict[str, Any]:
    decimals, counts = _decimals(asked, done, plans), done.figures["counts"]
    return {
        "date": iso(done.day), "settles": done.settles, "started_at": done.started_at,
        "completed_at": done.completed_at, "engine_version": done.engine_version,
        "plan_hash": done.plan_hash, **{name: counts.get(name, 0) for name in COUNTS},
        "totals": [
            {"currency": code, **{n: plain(sums.get(n, 0), decimals[code]) for n in TOTALS}}
            for code, sums in sorted(done.figures["totals"].items())
        ],
    }  # fmt: skip


def _decimals(
    asked: Asked, done: runs.Run, plans: dict[int, Mapping[str, int]]
) -> Mapping[str, int]:
    """Those of the plan of a run; `plans` are those that were looked up."""
    version = done.plan_version
    if version not in plans:
        plans[version] = facts.plan_of(asked.book, version).decimals
    return plans[version]


def _done(asked: Asked) -> runs.Run:
    done = runs.completed_at(asked.book, day_of_path(asked.named("date")))
    if done is None:
        raise Nothing
    return done


def _files(asked: Asked, done: runs.Run) -> list[dict[str, str]]:
    return [
        {"name": name, "sha256": sha256}
        for name, sha256 in sorted(files_of(asked, done.day).items())
    ]


def _page_of(
    asked: Asked,
    name: str,
    said: Callable[[Asked, runs.Run, dict[int, Mapping[str, int]]], dict[str, Any]],
    *,
    settled: bool,
) -> dict[str, Any]:
    only(asked, "before")
    found = runs.completed_before(asked.book, day(asked, "before"), AT_ONCE + 1, settled=settled)
    shown, plans = found[:AT_ONCE], dict[int, Mapping[str, int]]()
    more = iso(shown[-1].day) if len(found) > AT_ONCE else None
    return {name: [said(asked, each, plans) for each in shown], "next_before": more}


# -- settlements


def settlements(asked: Asked) -> Any:
    return _page_of(asked, "settlements", _settlement, settled=True)


def settlement(asked: Asked) -> Any:
    done = _settled(asked)
    states = [{"state": str(state), "payouts": count}
              for state, count in states_of(asked, done.day).items()]  # fmt: skip
    return {**_settlement(asked, done, {}), "states": states, "files": _files(asked, done)}


def _settlement(
    asked: Asked, done: runs.Run, plans: dict[int, Mapping[str, int]]
) -> dict[str, Any]:
    decimals, counts = _decimals(asked, done, plans), done.figures["counts"]
    return {
        "date": iso(done.day), "statements": counts["statements"], "payouts": counts["payouts"],
        "paid": [
            {"currency": code, "amount": plain(sums["paid"], decimals[code])}
            for code, sums in sorted(done.figures["totals"].items()) if sums.get("paid")
        ],
    }  # fmt: skip


def _settled(asked: Asked) -> runs.Run:
    done = _done(asked)
    if not done.settles:
        raise Nothing
    return done


def payouts(asked: Asked) -> Any:
    """The payouts of a settlement, by affiliate's number."""
    only(asked, "status", "after")
    done, status, after = _settled(asked), asked.query("status"), key_in(asked)
    if "after" in asked.request.query_params and after is None:
        raise UsageError("after: write the next_after of the answer before")
    if "status" in asked.request.query_params and status not in list(State):
        raise UsageError(f"status: write one of {', '.join(State)}")
    found = newest.payouts(asked.book, after, AT_ONCE + 1, day=done.day, status=status)
    shown, plan = found[:AT_ONCE], plan_of(asked)
    whose = pl.Series([each.key[1] for each in shown], dtype=pl.Int64)
    names = book.names(asked.book, whose, runs.last_intake(asked.book))
    return {
        "payouts": [
            {
                "payout_id": payout_id(plan.name, each.key[0], each.affiliate_id, each.code),
                "number": each.key[1], "affiliate_id": each.affiliate_id,
                "name": names.get(each.key[1], ""), "created_on": iso(each.key[0]),
                "currency": each.code, "amount": plain(each.amount_minor, each.decimals),
                "status": each.status, "batch": each.batch, "reason": each.reason,
            }
            for each in shown
        ],
        "next_after": key_said(shown[-1].key) if len(found) > AT_ONCE else None,
    }  # fmt: skip


def _page(path: str, answer: Callable[[Asked], Any], who: frozenset[Role]) -> Page:
    return Page(f"/api/v1{path}", as_json(answer), who, limit=API, kind=Kind.API)


PAGES = (
    _page("/affiliates", affiliates, LOOKS),
    _page("/runs", all_runs, RUNS),
    _page("/runs/{date}", run, RUNS),
    _page("/settlements", settlements, FINANCE),
    _page("/settlements/{date}", settlement, FINANCE),
    _page("/settlements/{date}/payouts", payouts, FINANCE),
)
