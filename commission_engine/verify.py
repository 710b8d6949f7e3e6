"""Prove a book from its stored rows: everything that runs derived is derived once more.

It looks and never repairs. What differs is named with its place, and both values.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from commission_engine import corrected
from commission_engine.book import caps, exchange, facts, holds, runs, tax, views
from commission_engine.book.connect import Connection, Engine, reading
from commission_engine.book.lines import LineStore, where_kept
from commission_engine.calendar import date_of
from commission_engine.decide.used import UsedInMemory
from commission_engine.derive import Derivation, beside
from commission_engine.finance.close import prove as close
from commission_engine.finance.reconcile import prove as reconcile
from commission_engine.ledger.accounts import SIDES, Kind
from commission_engine.ledger.available import as_booked_now
from commission_engine.night import Say
from commission_engine.payouts.prove import faults
from commission_engine.plan.record import plan_hash
from commission_engine.problems import CommissionError, TryAgain
from commission_engine.published import ALTERED, MISSING, NOT_KNOWN, compared
from commission_engine.trail import prove_anchor, prove_trail
from commission_engine.tree.show import check

LAST_DAY = 2**31


@dataclass(slots=True)
class Proof:
    """What was looked at, and what was found to differ (nothing, in a book that holds)."""

    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    events: int = 0
    lines: int = 0
    files: int = 0


@dataclass(slots=True)
class Proved:
    """How many runs an earlier proof has derived, and what they count towards caps."""

    runs: int = 0
    used: UsedInMemory = field(default_factory=UsedInMemory)


def verify(
    engine: Engine,
    out: Path | None,
    say: Say = lambda stage: None,
    kept_in: str | None = None,
    proved: Proved | None = None,
    sums: bool = True,
) -> Proof:
    """Prove the whole book and, where `out` is given, the files below it.

    `kept_in` is where the book's lines are, if they are in segments that have been moved. Whoever
    keeps what is `proved` and proves a book again and again derives each run once. Without `sums`
    nothing is looked at but the runs that are not proved.
    """
    proof, proved = Proof(), proved or Proved()
    with reading(engine) as connection:
        store = where_kept(connection, kept_in)
        completed: list[runs.Run] = []
        with _told(proof, "runs"):
            completed = runs.completed(connection)
        if sums:
            _facts_and_trail(connection, store, out, say, proof)
        used, new = proved.used, completed[proved.runs :]
        for place, run in enumerate(new, proved.runs):
            say(f"run {date_of(run.day)}")
            with _told(proof, f"run {date_of(run.day)}"):
                proof.differences += _run(connection, store, completed[:place], run, used, proof)
        if sums:
            _sums(connection, used, say, proof)
            say("bank files")
            with _told(proof, "bank files"):
                proof.differences += reconcile.faults(connection)
            say("closings")
            with _told(proof, "closings"):
                proof.differences += close.faults(connection, store, out)
                proof.notes += close.notes(connection, out)
            with _told(proof, "tax"):
                proof.differences += tax.misfits(connection)
        for run in new if out is not None else ():
            say(f"files of {date_of(run.day)}")
            with _told(proof, f"files of {date_of(run.day)}"):
                _files(connection, run, out, kept_in, proof)
    proved.runs = len(completed)
    return proof


def _facts_and_trail(
    connection: Connection, store: LineStore, out: Path | None, say: Say, proof: Proof
) -> None:
    """What the book was told, by whom; and that no row belongs to nothing."""
    say("facts")
    proof.differences += _facts(connection)
    with _told(proof, "audit"):
        proof.differences += prove_trail(connection, out)
    for table, day in views.strays(connection):
        proof.differences.append(f"table {table}: rows of {date_of(day)}, which no run has")
    proof.differences += store.faults(connection)
    proof.notes += store.strays(connection)


def _sums(connection: Connection, used: UsedInMemory, say: Say, proof: Proof) -> None:
    """What follows from all runs together."""
    say("corrections")
    with _told(proof, "corrections"):
        proof.differences += corrected.faults(connection)
    say("payouts")
    with _told(proof, "payouts"):
        proof.differences += faults(connection)
    say("caps")
    proof.differences += _caps(connection, used)
    proof.differences += _balances(connection)


@contextmanager
def _told(proof: Proof, what: str) -> Iterator[None]:
    """Whatever stored values that make no sense lead to is a difference too, not the end."""
    try:
        yield
    except TryAgain:
        raise
    except CommissionError as why:
        proof.differences.append(f"{what}: {why.message}")
    except (ArithmeticError, LookupError, TypeError, ValueError, pl.exceptions.PolarsError) as why:
        proof.differences.append(f"{what}: its stored rows make no sense: {why!r}")


def _facts(connection: Connection) -> Iterator[str]:
    """The forest has no loops; reversals fit their orders, releases their holds."""
    for loop in check(facts.edges(connection)).loops:
        yield f"tree: {' -> '.join(loop[:5])} is a loop"
    for row in facts.miscounted(connection).iter_rows(named=True):
        yield (
            f"intake {row['id']} ({row['kind']}): accepted {row['accepted']} rows,"
            f" the book holds {row['held']}"
        )
    for row in facts.misfits(connection).iter_rows(named=True):
        yield f"event {row['event_id']}: {row['fault']}"
    yield from holds.misfits(connection)


def _run(
    connection: Connection,
    store: LineStore,
    before: Sequence[runs.Run],
    run: runs.Run,
    used: UsedInMemory,
    proof: Proof,
) -> Iterator[str]:
    """One run's lines, entries, statements, payouts and figures, against the facts it knew."""
    name = f"run {date_of(run.day)}"
    again = Derivation(connection, before, run, used)
    if plan_hash(again.plan) != run.plan_hash:
        yield f"{name}: the plan's hash is {plan_hash(again.plan)}, the run says {run.plan_hash}"
    waiting = again.due.waiting_from
    if waiting != run.waiting_from:
        yield f"{name}: waits for events from {waiting}, the run says {run.waiting_from}"
    yield from prove_anchor(connection, run, before, again.due)
    proof.runs += 1
    proof.events += len(again.due.events)
    proof.lines += len(again.decision.lines)
    compare = _Comparison(connection, run, name)
    with _told(proof, name):
        for part, expected in beside(store.of_run(connection, run.day), again.lines):
            proof.differences += compare.lines(part, expected)
    proof.differences += compare.table("activity", again.active)
    proof.differences += compare.accruals(again.entered)
    if again.settles != run.settles:
        yield f"{name}: {'is' if again.settles else 'is no'} settlement, the run says otherwise"
    yield from compare.holds(again.holds)
    yield from compare.table("statement", again.statements)
    yield from compare.table("payout", again.payouts)
    yield from compare.payments(again.payments)
    yield from compare.conversions(again.conversions)
    if again.figures != run.figures:
        yield f"{name}: its figures are {again.figures}, the run says {dict(run.figures)}"


@dataclass(frozen=True, slots=True)
class _Comparison:
    connection: Connection
    run: runs.Run
    name: str

    def table(self, table: str, derived: pl.DataFrame | None) -> Iterator[str]:
        """The first rows by which the stored table of the run differs from what is derived."""
        stored = views.stored(self.connection, table, self.run.day)
        yield from self._compared(table, stored, derived)

    def accruals(self, derived: pl.DataFrame) -> Iterator[str]:
        """The entries that come from no payout of the run."""
        stored = views.stored(self.connection, "entry", self.run.day)
        accrued = as_booked_now(stored.filter(pl.col("kind") != Kind.PAID), self.run.day)
        yield from self._compared("entry", accrued, derived)

    def holds(self, derived: pl.DataFrame) -> Iterator[str]:
        """What the run holds for a person."""
        yield from self._compared("hold", holds.stored(self.connection, self.run.day), derived)

    def payments(self, derived: pl.DataFrame | None) -> Iterator[str]:
        """The entries that come from payouts."""
        stored = views.stored(self.connection, "entry", self.run.day)
        yield from self._compared("entry", stored.filter(pl.col("kind") == Kind.PAID), derived)

    def conversions(self, derived: pl.DataFrame) -> Iterator[str]:
        """What payouts came to in another currency."""
        stored = exchange.stored(self.connection, self.run.day)
        yield from self._compared("conversion", stored, derived)

    def lines(self, stored: pl.DataFrame, derived: pl.DataFrame) -> Iterator[str]:
        """Lines of the same events, by event and level."""
        if not stored.equals(derived):
            yield from self._compared("line", stored, derived)

    def _compared(
        self, table: str, stored: pl.DataFrame, derived: pl.DataFrame | None
    ) -> Iterator[str]:
        expected = stored.clear() if derived is None else derived.select(stored.columns)
        if stored.equals(expected.sort(stored.columns)):
            return
        for says, one, other in (
            ("has", stored, expected),
            ("lacks", expected, stored),
        ):
            unlike = one.join(other, on=stored.columns, how="anti").sort(stored.columns)
            for row in unlike.head(3).iter_rows(named=True):
                yield f"{self.name}: table {table} {says} {json.dumps(row)}"


def _caps(connection: Connection, used: UsedInMemory) -> Iterator[str]:
    stored = views.stored_caps(connection)
    derived = pl.DataFrame(used.rows(caps.WINDOWS), schema=stored.schema, orient="row")
    if not stored.equals(derived.sort(derived.columns)):
        differing = stored.join(derived, on=stored.columns, how="anti").sort(stored.columns)
        lacking = derived.join(stored, on=stored.columns, how="anti").sort(stored.columns)
        first = (differing if differing.height else lacking).row(0, named=True)
        yield (
            f"cap totals: {differing.height} are not the sum of their lines, {lacking.height}"
            f" are missing; the first: {first}"
        )


def _balances(connection: Connection) -> Iterator[str]:
    """Every entry is between the accounts of its kind, and the last settlement's statements close
    with what the whole ledger says is held and available."""
    for kind, debit, credit in views.account_pairs(connection):
        if (debit, credit) != SIDES[Kind(kind)]:
            yield f"ledger: entries of kind {kind} between accounts {debit} and {credit}"
    last = views.last_settlement(connection, LAST_DAY)
    if last is None:
        return
    owed = views.balances(connection, last)
    closing = views.statements_of_run(connection, last).select(owed.columns)
    unlike = owed.join(closing, on=owed.columns, how="anti").sort("affiliate_id", "currency")
    for row in unlike.head(3).iter_rows(named=True):
        yield (
            f"ledger: {row['affiliate_id']} is owed {row['closing_minor']} {row['currency']} minor"
            f" units, {row['available_minor']} of them available; the last statement says otherwise"
        )


def _files(
    connection: Connection, run: runs.Run, out: Path | None, kept_in: str | None, proof: Proof
) -> None:
    """The manifest against the bytes on the disk, and both against the book."""
    for path, fault in compared(connection, run, out or Path(), kept_in, proof.notes, anew=False):
        if fault != NOT_KNOWN:
            proof.files += 1
        if fault:
            proof.differences.append(f"{path}: {_FAULTS[fault]}")


_FAULTS = {
    NOT_KNOWN: "the book names another hash of it",
    MISSING: "missing",
    ALTERED: "has other bytes than were published",
}
