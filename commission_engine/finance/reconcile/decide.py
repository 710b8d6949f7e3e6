"""`reconcile decide`: a person's word on entries that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from commission_engine.book import audit, facts
from commission_engine.book import payouts as payouts_book
from commission_engine.book import reconcile as book
from commission_engine.book.connect import Connection
from commission_engine.finance.reconcile.entry import BACK, Said
from commission_engine.finance.reconcile.match import SURE, WAITS
from commission_engine.finance.reconcile.past import key_of
from commission_engine.finance.reconcile.reasons import in_words
from commission_engine.identity import Identity
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import OUT, State
from commission_engine.money import Minor, plain
from commission_engine.payouts.choose import NOTHING, Wanted, as_paid, plan_of_book, select
from commission_engine.payouts.mark import mark_each
from commission_engine.problems import UsageError


class Word(StrEnum):
    """What a person says of an entry: it is about a payout, it is not about ours, or it is to be
    left as it is."""

    PAYOUT = "payout"
    NOT_OURS = "not ours"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Decision:
    """A word on entries by number, the payout that they are about ("": none), and why."""

    entries: Sequence[int]
    word: Word
    payout_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to: the entries (book.LISTED), whether it is news, the state that it has
    led the payout to (None: as it was), and why."""

    entries: pl.DataFrame
    news: bool
    steps: State | None = None
    why: str = ""


def decide(
    connection: Connection, wanted: Decision, given: Circumstances, *, second: bool
) -> Decided:
    """Keep a person's word on entries that wait; all of them, or UsageError and none.

    The payout is marked once what its entries say comes to all of it: paid, or back. With `second`
    only somebody other than who read the file may say that an entry is about a payout.
    """
    found = _entries(connection, wanted)
    if found is None:
        numbers = list(dict.fromkeys(wanted.entries))
        return Decided(book.entries(connection, book.one_of(numbers)), news=False)
    if wanted.word is Word.IGNORE and not wanted.reason.strip():
        raise UsageError("--reason is empty", f"Say why it is ignored; it is kept. {NOTHING}")
    payout = _payout(connection, wanted, found) if wanted.word is Word.PAYOUT else None
    if payout is not None and second:
        _refuse_reader(found, Identity.of(given.who))
    key = key_of(payout) if payout is not None else (book.NOBODY,) * 3
    rows = found.select(
        entry="id", decision=pl.lit(str(wanted.word)),
        **{name: pl.lit(at, pl.Int64) for name, at in zip(payouts_book.KEY, key, strict=True)},
        reason=pl.lit(wanted.reason),
    )  # fmt: skip
    what = facts.Intake(book.DECIDE, given.now, given.who)
    number = facts.open_intake(connection, what, rows.height, 0, 0)
    added = book.add_decisions(connection, number, rows)
    told = {"entries": found["id"].to_list(), "decision": str(wanted.word),
            "payout_id": wanted.payout_id, "reason": wanted.reason}  # fmt: skip
    audit.learned(connection, given.signed, number, told, added)
    steps, why = None, ""
    if payout is not None:
        steps, why = _settle(connection, payout, found, wanted, given)
    after = book.entries(connection, book.one_of(found["id"].to_list()))
    return Decided(after, news=True, steps=steps, why=why)


def _entries(connection: Connection, wanted: Decision) -> pl.DataFrame | None:
    """The entries meant, which wait; None where all of them have this very decision already."""
    numbers = list(dict.fromkeys(wanted.entries))
    found = book.entries(connection, book.one_of(numbers))
    there = set(found["id"])
    for number in numbers:
        if number not in there:
            raise UsageError(
                f"there is no entry {number}", f"`commission reconcile open` lists them. {NOTHING}"
            )
    done = found.filter(pl.col("decided") != 0)
    if done.height == found.height and all(_same(connection, row, wanted) for row in
                                           done.iter_rows(named=True)):  # fmt: skip
        return None
    for row in found.iter_rows(named=True):
        if row["decided"]:
            raise UsageError(
                f"entry {row['id']} was decided at {row['decided_at']} by {row['decided_by']}:"
                f" {row['decision']}",
                f"A decision stays. `commission reconcile open` lists what waits. {NOTHING}",
            )
        if row["found"] not in WAITS:
            raise UsageError(f"entry {row['id']} is {row['found']} and waits for nobody", NOTHING)
    return found


def _same(connection: Connection, row: dict[str, Any], wanted: Decision) -> bool:
    if row["decision"] != str(wanted.word) or wanted.word is not Word.PAYOUT:
        return bool(row["decision"] == str(wanted.word))
    named = select(connection, plan_of_book(connection), Wanted((wanted.payout_id,)))
    names = ("decided_day", "decided_affiliate", "decided_currency")
    return key_of(named.row(0, named=True)) == tuple(row[name] for name in names)


def _payout(connection: Connection, wanted: Decision, found: pl.DataFrame) -> dict[str, Any]:
    named = select(connection, plan_of_book(connection), Wanted((wanted.payout_id,)))
    payout = as_paid(named).row(0, named=True)
    if payout["status"] not in [str(state) for state in OUT]:
        raise UsageError(
            f"payout {wanted.payout_id} is {payout['status']}: it was never exported, so no bank"
            " can speak of it",
            NOTHING,
        )
    for row in found.iter_rows(named=True):
        if row["code"] != payout["code"]:
            raise UsageError(
                f"entry {row['id']} is in {row['code']}, the payout in {payout['code']}",
                "Amounts in two currencies cannot be compared: mark the payout with `commission"
                f" payouts mark`, and ignore the entry. {NOTHING}",
            )
        differs = row["amount_minor"] != payout["amount_minor"] and row["said"] != Said.NOTICE
        if differs and not wanted.reason.strip():
            raise UsageError(
                f"entry {row['id']} is {plain(row['amount_minor'], row['decimals'])}, the payout"
                f" {plain(payout['amount_minor'], payout['decimals'])}",
                f"Say with --reason why it is about this payout all the same. {NOTHING}",
            )
    return payout


def _refuse_reader(found: pl.DataFrame, decider: Identity) -> None:
    for who in found["read_by"].unique().sort():
        if decider.same_person(Identity.of(who)):
            raise UsageError(
                f"{decider.name} has read the file (as {who}), so somebody else has to say of which"
                " payout it speaks",
                f'`payouts.approval` is "two-person". {NOTHING}',
            )


def _settle(
    connection: Connection,
    payout: dict[str, Any],
    found: pl.DataFrame,
    wanted: Decision,
    given: Circumstances,
) -> tuple[State | None, str]:
    """Mark the payout if all that is said of it comes to its amount; else say what is missing."""
    steps, why = None, ""
    assigned = book.assigned(connection, [str(each) for each in SURE])
    mine = assigned.filter(*(pl.col(name) == payout[name] for name in payouts_book.KEY))
    state = State(payout["status"])
    for to, says in ((State.PAID, (Said.PAID,)), (State.FAILED, (*BACK, Said.OTHER))):
        names = [str(each) for each in says]
        if not found["said"].is_in(names).any():
            continue
        comes: Minor = sum(mine.filter(pl.col("said").is_in(names))["amount_minor"].to_list())
        whole = f"{plain(payout['amount_minor'], payout['decimals'])} {payout['code']}"
        if comes < payout["amount_minor"]:
            why = f"{plain(comes, payout['decimals'])} of {whole} so far, so it stays {state}"
        elif state is State.FAILED and to is State.PAID:
            why = "it has failed, and its money is in the balance or a later payout"
        elif state is not to:
            text = _reason(found, to, wanted)
            mark_each(connection, {wanted.payout_id: text}, to, given, {"decided": "entry"})
            state = steps = to
    return steps, why


def _reason(found: pl.DataFrame, to: State, wanted: Decision) -> str:
    numbers = ", ".join(str(number) for number in found["id"])
    if to is State.PAID:
        return f"bank entry {numbers}" + (f": {wanted.reason}" if wanted.reason.strip() else "")
    row = found.row(0, named=True)
    return wanted.reason.strip() or in_words(row["reason_code"], row["reason"])


def waiting(connection: Connection, *, every: bool = False) -> pl.DataFrame:
    """The entries that wait for a person, shaped book.LISTED; with `every` all entries."""
    if every:
        return book.entries(connection)
    kinds = [str(each) for each in WAITS]
    return book.entries(connection, book.found_as(kinds), book.undecided())
