"""Corrections by people: an amount for an affiliate, past dates computed anew. Written lines stay.

Each becomes adjustments, which the next run books as lines of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from commission_engine.book import audit, corrections, facts, named, runs
from commission_engine.book.connect import Connection
from commission_engine.book.corrections import ADJUSTMENTS, NONE, Proposal, TrueUp
from commission_engine.book.digests import hashed
from commission_engine.calendar import Day, Zone, date_of, day_of
from commission_engine.corrected import Differences, Past, differences
from commission_engine.identity import Identity
from commission_engine.imports import Circumstances
from commission_engine.money import BadAmount, parse_amount
from commission_engine.plan.change import first_changed
from commission_engine.plan.record import from_json, plan_hash, to_json
from commission_engine.plan.terms import Plan
from commission_engine.problems import UsageError

NOTHING = "Nothing was changed."
ADJUSTMENT, TRUE_UP = "adjustment", "true-up"
SHORT = 16
"""So many digits of a hash are said."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """An amount for an affiliate, or against, as a person asks for it."""

    affiliate_id: str
    amount: str
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Anew:
    """The dates from `first` to `last` are to be computed anew, under another plan if one is
    given."""

    first: Day
    last: Day
    reason: str
    plan: Plan | None = None


def adjust(
    connection: Connection, wanted: Adjust, given: Circumstances, *, second: bool
) -> tuple[str, Proposal | None]:
    """Book an amount with the next run: the id of its event; with `second` propose it to a second
    person: the proposal. UsageError where it cannot be."""
    if not wanted.reason.strip():
        raise UsageError("--reason is empty", f"Say why; it is kept. {NOTHING}")
    plan = _plan(connection)
    affiliate = _number(connection, wanted.affiliate_id)
    if wanted.currency not in plan.decimals:
        raise UsageError(
            f"{wanted.currency!r} is no currency", f"Write such as --currency EUR. {NOTHING}"
        )
    try:
        minor = parse_amount(wanted.amount, plan.decimals[wanted.currency])
    except BadAmount as why:
        raise UsageError(f"AMOUNT: {why}", f"Write such as 12.50 or -12.50. {NOTHING}") from why
    if minor == 0:
        raise UsageError("AMOUNT: 0 adjusts nothing", NOTHING)
    asks = {
        "affiliate_id": wanted.affiliate_id, "amount": wanted.amount, "currency": wanted.currency,
        "reason": wanted.reason,
    }  # fmt: skip
    if second:
        return "", _propose(connection, ADJUSTMENT, asks, hashed(asks), given)
    name = _name(connection)
    day = _next_day(connection)
    number = facts.open_intake(connection, facts.Intake(ADJUSTMENT, given.now, given.who), 1, 0, 0)
    code, spans = named.currency_of(connection, wanted.currency, plan.decimals)
    row = (name, affiliate, affiliate, 0, code, minor, day, NONE, wanted.reason)
    rows = pl.DataFrame([row], schema=dict(ADJUSTMENTS), orient="row")
    at = Zone(plan.timezone).noon(day)
    added = corrections.add_adjustments(connection, number, rows, at)
    audit.learned(connection, given.signed, number, asks, spans, added)
    return name, None


def foresee(connection: Connection, wanted: Anew) -> Differences:
    """What computing these dates anew would post. UsageError where it cannot be."""
    _refuse_dates(connection, wanted)
    return differences(connection, _past(connection, wanted))


def true_up(
    connection: Connection,
    wanted: Anew,
    given: Circumstances,
    *,
    second: bool,
    looked_at: str = "",
) -> tuple[Differences, Proposal | None]:
    """Post what computing these dates anew comes to, with the next run; with `second` propose it.

    The new terms of its plan, if there is one, become those of the book. UsageError where its
    content is not what was `looked_at` ("": whatever it is).
    """
    if not wanted.reason.strip():
        raise UsageError("--reason is empty", f"Say why; it is kept. {NOTHING}")
    found = foresee(connection, wanted)
    if looked_at and content(found) != looked_at:
        raise UsageError(
            f"what would be posted is not what was looked at as {looked_at[:SHORT]}",
            "The book has learned something since. Look again with `commission true-up`."
            f" {NOTHING}",
        )
    changes = wanted.plan is not None and plan_hash(wanted.plan) != plan_hash(_plan(connection))
    if not found and not changes:
        return found, None
    asks = {
        "from": date_of(wanted.first).isoformat(), "to": date_of(wanted.last).isoformat(),
        "reason": wanted.reason, "plan": to_json(wanted.plan) if wanted.plan else None,
    }  # fmt: skip
    if second:
        return found, _propose(connection, TRUE_UP, asks, content(found), given)
    rows = _adjustments(connection, found, wanted.reason)
    what = facts.Intake(TRUE_UP, given.now, given.who)
    number = facts.open_intake(connection, what, rows.height + changes, 0, 0)
    version = facts.current_plan_version(connection)
    if wanted.plan is not None and changes:
        facts.add_plan(connection, wanted.plan, number)
        version = number
    plan = wanted.plan or _plan(connection)
    up = TrueUp(number, wanted.first, wanted.last, version)
    spans = [corrections.add_true_up(connection, up, found.moves)]
    if rows.height:
        at = Zone(plan.timezone).noon(_next_day(connection))
        spans.append(corrections.add_adjustments(connection, number, rows, at))
    told = {**asks, "plan": plan_hash(wanted.plan) if wanted.plan else None, "lines": rows.height}
    audit.learned(connection, given.signed, number, told, *spans)
    return found, None


def decide_on(
    connection: Connection,
    number: int,
    given: Circumstances,
    *,
    approve: bool,
    reason: str = "",
) -> Proposal:
    """Approve or reject a proposal as the second person; what was proposed is then done, or never.

    UsageError where it is no longer open, is one's own, or would post something else by now.
    """
    found = corrections.proposal_of(connection, number)
    if found is None:
        raise UsageError(
            f"there is no proposal {number}", f"`commission corrections` lists them. {NOTHING}"
        )
    if found.outcome:
        raise UsageError(
            f"proposal {number} was {found.outcome} at {found.ended_at} by {found.ended_by}",
            f"`commission corrections` lists what is open. {NOTHING}",
        )
    if approve and Identity.of(found.proposed_by).same_person(Identity.of(given.who)):
        raise UsageError(
            f"proposal {number} is {found.proposed_by}'s own: a second person has to approve it",
            f"Somebody else gives the same command. {NOTHING}",
        )
    if not approve and not reason.strip():
        raise UsageError("--reason is empty", f"Say why not; it is kept. {NOTHING}")
    outcome = "approved" if approve else "rejected"
    what = facts.Intake("approval", given.now, given.who)
    intake = facts.open_intake(connection, what, 0, 0, 0)
    spans = corrections.end_proposal(connection, intake, number, outcome, reason)
    details = {"proposal": number, "outcome": outcome, "reason": reason, "sha256": found.sha256}
    audit.learned(connection, given.signed, intake, details, spans)
    if approve:
        _carry_out(connection, found, given)
    ended = corrections.proposal_of(connection, number)
    assert ended is not None
    return ended


def _carry_out(connection: Connection, found: Proposal, given: Circumstances) -> None:
    asks = found.asks
    if found.kind == ADJUSTMENT:
        adjust(connection, Adjust(**asks), given, second=False)
        return
    plan = from_json(asks["plan"]) if asks["plan"] else None
    wanted = Anew(_day(asks["from"]), _day(asks["to"]), asks["reason"], plan)
    if content(foresee(connection, wanted)) != found.sha256:
        raise UsageError(
            f"proposal {found.id} would post something else by now than what was proposed",
            f"Reject it, look again with `commission true-up`, and propose it anew. {NOTHING}",
        )
    true_up(connection, wanted, given, second=False)


def what_of(each: Proposal) -> str:
    """What a proposal asks for, in a line."""
    asks = each.asks
    if "affiliate_id" in asks:
        return f"{asks['affiliate_id']} {asks['amount']} {asks['currency']}: {asks['reason']}"
    return f"{asks['from']} to {asks['to']}: {asks['reason']}"


def content(found: Differences) -> str:
    """The SHA-256 of what a true-up would post."""
    return hashed([found.lines.rows(), found.moves.rows()])


def _propose(
    connection: Connection, kind: str, asks: Mapping[str, Any], sha256: str, given: Circumstances
) -> Proposal:
    """A proposal; the same one again, where it waits already."""
    for each in corrections.proposals(connection):
        if (each.kind, each.asks, each.sha256, each.outcome) == (kind, asks, sha256, ""):
            return each
    intake = facts.open_intake(connection, facts.Intake("proposal", given.now, given.who), 0, 0, 0)
    number, spans = corrections.add_proposal(connection, intake, kind, asks, sha256)
    told = {"proposal": number, "kind": kind, **asks, "sha256": sha256}
    audit.learned(connection, given.signed, intake, told, spans)
    found = corrections.proposal_of(connection, number)
    assert found is not None
    return found


def _plan(connection: Connection) -> Plan:
    plan = facts.current_plan(connection)
    if plan is None:
        raise UsageError(
            "the book has no plan yet", f"Apply one: commission plan apply plan.toml. {NOTHING}"
        )
    return plan


def _number(connection: Connection, affiliate_id: str) -> int:
    found = named.number_of(connection, affiliate_id)
    if found is None:
        raise UsageError(
            f"there is no affiliate {affiliate_id!r}", f"Ids are case-sensitive. {NOTHING}"
        )
    return found


def _next_day(connection: Connection) -> Day:
    """The first date that is still open: every later run knows what is dated so."""
    completed = runs.completed(connection)
    if not completed:
        raise UsageError(
            "no business date is completed yet, so there is nothing to correct",
            f"Import what is right, and run: commission run --date. {NOTHING}",
        )
    return completed[-1].day + 1


def _refuse_dates(connection: Connection, wanted: Anew) -> None:
    days = [run.day for run in runs.completed(connection)]
    _next_day(connection)
    if wanted.first > wanted.last:
        raise UsageError("--from is after --to", f"Write the earlier date first. {NOTHING}")
    if wanted.last > days[-1]:
        raise UsageError(
            f"--to {date_of(wanted.last)} is after the last completed date {date_of(days[-1])}",
            f"What is known of later dates is used when they run. {NOTHING}",
        )
    if not any(wanted.first <= day <= wanted.last for day in days):
        raise UsageError(
            f"no business date from {date_of(wanted.first)} to {date_of(wanted.last)} was run",
            f"`commission runs` lists those that were. {NOTHING}",
        )
    old = _plan(connection)
    if wanted.plan is None or plan_hash(wanted.plan) == plan_hash(old):
        return
    for key in ("name", "timezone", "rounding", "units"):
        if getattr(old, key) != getattr(wanted.plan, key):
            raise UsageError(
                f"--plan: {key} is another one; a true-up corrects terms and nothing else", NOTHING
            )
    changed = first_changed(old, wanted.plan)
    if changed is not None and changed <= days[-1]:
        first = next((day for day in days if day >= changed), days[-1])
        if wanted.first > first or wanted.last < days[-1]:
            raise UsageError(
                f"--plan changes what holds from {date_of(changed)} on: all dates since then have"
                " to be computed anew",
                f"Write --from {date_of(first)} --to {date_of(days[-1])}. {NOTHING}",
            )


def _past(connection: Connection, wanted: Anew) -> Past:
    """The past with all true-ups so far and this one."""
    known = runs.last_intake(connection)
    version = facts.current_plan_version(connection)
    plans = {}
    if wanted.plan is not None:
        version = known + 1
        plans[version] = wanted.plan
    up = TrueUp(known + 1, wanted.first, wanted.last, version)
    return Past([*corrections.true_ups(connection, known), up], plans)


def _name(connection: Connection) -> str:
    """An id for the event of an adjustment, which no import has used."""
    number = corrections.count(connection, corrects=False) + 1
    while not corrections.free_ids(connection, [f"adjustment-{number}"]):
        number += 1
    return f"adjustment-{number}"


def _adjustments(connection: Connection, found: Differences, reason: str) -> pl.DataFrame:
    """The lines that differ as adjustments, shaped ADJUSTMENTS: each names the line it corrects."""
    day = _next_day(connection)
    lines = found.lines
    names = _names(connection, named.line_ids(connection, lines["event"], lines["level"]))
    return lines.select(
        pl.Series("event_id", names, dtype=pl.String),
        pl.col("earner").alias("affiliate"),
        "beneficiary",
        "level",
        "currency",
        amount_minor=pl.col("after_minor") - pl.col("before_minor"),
        available_day=pl.max_horizontal("available_day", pl.lit(day, pl.Int64)),
        corrects=pl.col("event"),
        reason=pl.lit(reason),
    ).cast(pl.Schema(ADJUSTMENTS))


def _names(connection: Connection, lines: Sequence[str]) -> list[str]:
    """LINE#1, LINE#2, ...: the first of each line that no event has."""
    names: list[str | None] = [None] * len(lines)
    taken: set[str] = set()
    number = 1
    while None in names:
        open_ = [place for place, name in enumerate(names) if name is None]
        free = corrections.free_ids(connection, [f"{lines[place]}#{number}" for place in open_])
        for place in open_:
            name = f"{lines[place]}#{number}"
            if name in free and name not in taken:
                names[place] = name
                taken.add(name)
        number += 1
    return [name for name in names if name is not None]


def _day(text: str) -> Day:
    return day_of(date.fromisoformat(text))
