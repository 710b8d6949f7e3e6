"""Approve payouts, take an approval back, reject payouts: all before they are exported.

What is approved is a content, named by its hash: a batch. When one payout of it is rejected, the
others are pending again, since what was approved is no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from commission_engine.book import audit, facts, runs
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.book.payouts import Step
from commission_engine.calendar import date_of
from commission_engine.identity import Identity
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import OUT, State
from commission_engine.payouts.choose import (
    NOTHING,
    SHORT,
    Wanted,
    batch_of,
    check_hash,
    content,
    described,
    of_batch,
    plan_of_book,
    select,
    totals,
)
from commission_engine.problems import UsageError


class Approval(StrEnum):
    """Who has to approve: anybody, somebody other than who made it, nobody."""

    ONE_PERSON = "one-person"
    TWO_PERSON = "two-person"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a command: the payouts that it stepped or would step (`described`), those that
    were so `already`, the `batch` that they are ("" for none), and those that lost their approval
    by it."""

    payouts: pl.DataFrame
    already: int = 0
    batch: str = ""
    withdrawn: pl.DataFrame | None = None


def approve(
    connection: Connection, wanted: Wanted, looked_at: str, given: Circumstances, mode: Approval
) -> Changed:
    """Approve the pending payouts that are meant, as one batch.

    With `looked_at` ("": not given) only if that is their content hash. UsageError where it is not,
    or this person may not approve them; nothing is kept then.
    """
    plan = plan_of_book(connection)
    found = select(connection, plan, wanted, State.PENDING)
    if wanted.ids:
        _refuse_others(found, {State.PENDING, State.APPROVED, *OUT}, "be approved")
        found, before = _apart(found, State.PENDING)
    else:
        before = 0
    found = described(connection, found, runs.last_intake(connection))
    batch = content(found) if found.height else ""
    if looked_at and not batch.startswith(check_hash(looked_at)):
        return _approved_before(connection, looked_at, found, batch)
    if not found.height:
        return Changed(found, before)
    if mode is Approval.TWO_PERSON and (looked_at or not given.dry_run):
        if not looked_at:
            raise UsageError(
                "with two persons an approval needs --hash: what you have looked at",
                f"Look with --dry-run, which says it. {NOTHING}",
            )
        _refuse_makers(connection, found, Identity.of(given.who))
    _learn(connection, given, book.APPROVE, [(found, Step(State.APPROVED, batch))],
           {"batch": batch, "approval": str(mode)})  # fmt: skip
    return Changed(found, before, batch)


def _approved_before(
    connection: Connection, looked_at: str, found: pl.DataFrame, batch: str
) -> Changed:
    """Done already where a batch of this hash was approved; else what was looked at has changed."""
    for each in book.batches(connection, looked_at):
        members = of_batch(connection, plan_of_book(connection), each, State.APPROVED, *OUT)
        if members.height and book.approval_of(connection, each) is not None:
            return Changed(found.clear(), members.height, each)
    if not found.height:
        now = "no payout waits for approval"
    else:
        sums = ", ".join(f"{code} {amount}" for code, amount in totals(found).items())
        now = f"it is {found.height} payouts, {sums}, with the hash {batch[:SHORT]}"
    raise UsageError(
        f"what would be approved is not what was looked at as {looked_at[:SHORT]}: now {now}",
        "Payouts were added, rejected or approved since, or an affiliate's name or status changed."
        f" Look again with --dry-run. {NOTHING}",
    )


def _refuse_makers(connection: Connection, found: pl.DataFrame, checker: Identity) -> None:
    for day, who in maker_of(connection, found):
        if checker.same_person(Identity.of(who)):
            raise UsageError(
                f"{checker.name} ran the night of {date_of(day)} (as {who}), so somebody else has"
                " to approve its payouts",
                f'`payouts.approval` is "two-person". {NOTHING}',
            )


def maker_of(connection: Connection, found: pl.DataFrame) -> list[tuple[int, str]]:
    """The runs that decided these payouts, and who ran each."""
    return [(day, book.maker(connection, day)) for day in found["run_day"].unique().sort()]


def withdraw(connection: Connection, batch: str, reason: str, given: Circumstances) -> Changed:
    """Take the approval of a batch back, of what is not exported yet."""
    _need_reason(reason)
    plan = plan_of_book(connection)
    whole = batch_of(connection, batch)
    found = of_batch(connection, plan, whole, State.APPROVED)
    found = described(connection, found, runs.last_intake(connection))
    if found.height:
        steps = [(found, Step(State.PENDING, "", reason))]
        _learn(connection, given, book.WITHDRAW, steps, {"batch": whole, "reason": reason})
    return Changed(found, 0, whole)


def reject(connection: Connection, wanted: Wanted, reason: str, given: Circumstances) -> Changed:
    """Void payouts that are not exported yet; the next run books them back to the balance."""
    _need_reason(reason)
    if wanted.everything:
        raise UsageError(
            "reject needs payouts by id, or a filter such as --date", f"Say which. {NOTHING}"
        )
    plan = plan_of_book(connection)
    found = select(connection, plan, wanted, State.PENDING, State.APPROVED)
    before = 0
    if wanted.ids:
        _refuse_others(found, {State.PENDING, State.APPROVED, State.VOIDED}, "be rejected")
        found, before = _apart(found, State.PENDING, State.APPROVED)
    known = runs.last_intake(connection)
    found = described(connection, found, known)
    if not found.height:
        return Changed(found, before)
    key = ["run_day", "affiliate", "currency"]
    broken = [
        of_batch(connection, plan, batch, State.APPROVED).join(found, on=key, how="anti")
        for batch in found["batch"].unique().sort()
        if batch
    ]
    others = described(connection, pl.concat([found.clear().drop("name", "standing"), *broken]),
                       known)  # fmt: skip
    steps = [(found, Step(State.VOIDED, "", reason))]
    if others.height:
        steps.append((others, Step(State.PENDING, "", "another payout of its batch was rejected")))
    _learn(connection, given, book.REJECT, steps, {"reason": reason})
    return Changed(found, before, "", others)


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise UsageError("--reason is empty", f"Say why; it is kept. {NOTHING}")


def _apart(found: pl.DataFrame, *states: State) -> tuple[pl.DataFrame, int]:
    """Those in these states, and how many are not."""
    still = found.filter(pl.col("status").is_in([str(state) for state in states]))
    return still, found.height - still.height


def _refuse_others(found: pl.DataFrame, states: set[State], what: str) -> None:
    wrong = found.filter(~pl.col("status").is_in([str(state) for state in states]))
    for row in wrong.head(1).iter_rows(named=True):
        raise UsageError(f"payout {row['payout_id']} is {row['status']} and cannot {what}", NOTHING)


def _learn(
    connection: Connection,
    given: Circumstances,
    kind: str,
    steps: Sequence[tuple[pl.DataFrame, Step]],
    details: dict[str, str],
) -> int:
    """Add steps as of one new intake, with its row of the audit trail."""
    count = sum(found.height for found, _ in steps)
    what = facts.Intake(kind, given.now, given.who)
    number = facts.open_intake(connection, what, count, 0, 0)
    added = book.add_steps(connection, number, steps)
    first, _ = steps[0]
    told = {**details, "payouts": first.height, "totals": totals(first)}
    audit.learned(connection, given.signed, number, told, added)
    return number
