"""One business date, from the facts that are known to the files that are published.

This is the sentence that the whole program is about; `run_night` is where to start reading.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from commission_engine import __version__
from commission_engine.book import (
    caps,
    closings,
    corrections,
    decided,
    facts,
    holds,
    letterheads,
    runs,
    views,
)
from commission_engine.book.connect import Connection, without_password
from commission_engine.book.decided import Decided
from commission_engine.book.lines import LineStore, for_run, narrow
from commission_engine.book.lock import Worker
from commission_engine.book.payouts import waived
from commission_engine.bounds import Bounds
from commission_engine.calendar import Day, Zone, date_of
from commission_engine.converting import convert
from commission_engine.decide.adjusted import with_adjustments
from commission_engine.decide.kernel import Decision, Events, decide, exact_sum
from commission_engine.further import booked, further_entries
from commission_engine.holding import hold_back
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.post import activity, entries, post, signed
from commission_engine.ledger.settle import STATEMENTS, settle, settles
from commission_engine.ledger.totals import CONTROL_TOTALS, control_totals
from commission_engine.plan.record import plan_hash
from commission_engine.plan.terms import Plan
from commission_engine.problems import OutOfBalance, UsageError
from commission_engine.publish.files import Ahead
from commission_engine.publish.record import RunLines
from commission_engine.trail import NOBODY, Author, record_run
from commission_engine.tree.forest import Forest, Standing

Calculation = Callable[[Events, Plan, Sequence[str], Forest, Standing, caps.UsedInBook], Decision]
"""`kernel.decide`, or what does the same elsewhere."""

Store = Callable[[Connection, str], LineStore]
"""Gives what takes a run's lines: `for_run`, or what does the same for a run that is undone."""

NO_BOUNDS = Bounds()

Say = Callable[[str], None]
"""Told the name of each stage as it begins, for people who wait."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which documents a run writes: for those who are paid, for all, for none; in which formats;
    with what those are made that are no CSV (`statements.stationery`; "": there are none)."""

    documents: str = "paid"
    formats: tuple[str, ...] = ("csv",)
    letterhead: str = ""


@dataclass(frozen=True, slots=True)
class Night:
    """A completed run, with what its files are made from as long as it is in memory.

    `plan` is the one that it used. The frames are in the book's numbers, without run_day.
    """

    run: runs.Run
    plan: Plan
    lines: Decided
    entries: pl.DataFrame
    statements: pl.DataFrame


def run_night(
    worker: Worker,
    day: Day,
    outputs: Outputs,
    clock: Callable[[], str],
    say: Say = lambda stage: None,
    kept_in: str = "database",
    calculate: Calculation = decide,
    bounds: Bounds = NO_BOUNDS,
    author: Author = NOBODY,
    ahead: Ahead | None = None,
    store: Store = for_run,
) -> Night:
    """Decide, post and settle the business date `day` in one transaction.

    The date must be later than every completed one. `clock` only dates the run's own row.
    `kept_in` is where the book's lines are, `calculate` what decides, `bounds` what holds payouts
    for a person, `author` who runs it, for the audit trail; `ahead` begins to write the lines'
    file as soon as they are known.
    """
    started_at = clock()
    with worker.writing() as connection:
        if closed := closings.refusal_to_run(connection, day):
            raise UsageError(*closed)
        before = runs.completed(connection)
        if before and before[-1].day >= day:
            latest = date_of(before[-1].day)
            raise UsageError(
                f"{date_of(day)} is not after the last completed business date {latest}",
                "What arrived since belongs to the next date.",
            )
        plan = facts.current_plan(connection)
        if plan is None:
            raise UsageError(
                "the book has no plan yet", "Apply one: commission plan apply plan.toml"
            )
        known, last = runs.last_intake(connection), runs.last_event(connection)

        say("reading events")
        due = runs.due(connection, before, day, known, last, Zone(plan.timezone))
        say("deciding")
        codes = facts.currency_codes(connection)
        after = before[-1].intake if before else 0
        used, shifts = caps.UsedInBook(connection), corrections.shifts(connection, after, known)
        caps.advance_caps(connection, corrections.moved(used, shifts))
        forest, standing = runs.forest(connection), runs.standing(connection)
        decision = with_adjustments(
            due.events,
            due.adjusted,
            lambda events: calculate(events, plan, codes, forest, standing, used),
        )
        say("posting")
        names = decided.names(connection)
        told = Decided(connection, day, due.events, due.texts, decision.lines, names)
        if ahead:
            ahead.begin(run_lines(told, plan))
        store(connection, kept_in).add(connection, day, narrow(due.events, decision.lines))
        caps.advance_caps(connection, decision.advances)
        say("ledger")
        posted = post(due.events, decision.lines, day)
        active = activity(due.events, decision.lines)
        further = further_entries(connection, day, after, known)
        entered = booked(posted, further)
        runs.add_rows(connection, "entry", day, entered)
        runs.add_rows(connection, "activity", day, active)
        last_day = before[-1].day if before else None
        statements = None
        if settles(plan.payout.every, day, last_day):
            say("settling")
            statements = settlement(connection, plan, codes, day, known, entered, active)
        statements, held = hold_back(
            connection, bounds, plan, codes, before, day, known, posted, active, statements
        )
        holds.add(connection, day, held)
        statements, converted = convert(connection, plan, codes, day, known, statements)
        if statements is not None:
            _add_settlement(connection, day, statements)
            runs.add_rows(connection, "conversion", day, converted)
        say("agreeing")
        refused = views.refusals(
            connection, views.refused_between(before[-1].intake if before else 0, known)
        )
        figures = figures_of(codes, due.events, decision, posted, further, statements, refused)
        _agree(figures)
        done = runs.Run(
            day=day,
            follows=before[-1].day if before else runs.FIRST,
            intake=known,
            event=last,
            waiting_from=due.waiting_from,
            plan_version=facts.current_plan_version(connection),
            plan_hash=plan_hash(plan),
            engine_version=__version__,
            settles=statements is not None,
            outputs=_outputs(connection, outputs),
            figures=figures,
            started_at=started_at,
            completed_at=clock(),
            bounds=bounds.record,
        )
        runs.add_run(connection, done)
        settings = {
            **done.outputs,
            "lines.store": without_password(kept_in),
            "bounds": json.loads(done.bounds),
        }
        added = {"entry": _with_payouts(entered, statements, day), "activity": active}
        if statements is not None:
            added |= {
                "statement": statements, "payout": payouts_of(statements), "conversion": converted
            }  # fmt: skip
        record_run(connection, done, before, due, author, settings, added)
        say("committing")
    return Night(
        done,
        plan,
        told,
        _with_payouts(entered, statements, day),
        pl.DataFrame(schema=STATEMENTS) if statements is None else statements,
    )


def _outputs(connection: Connection, outputs: Outputs) -> dict[str, Any]:
    """As the run's row says them."""
    said = {"documents": outputs.documents, "formats": list(outputs.formats)}
    if outputs.letterhead:
        return {**said, "letterhead": letterheads.add(connection, outputs.letterhead)}
    return said


def settlement(
    connection: Connection,
    plan: Plan,
    codes: tuple[str, ...],
    day: Day,
    known: int,
    entered: pl.DataFrame,
    active: pl.DataFrame,
) -> pl.DataFrame:
    """The statements of the settlement on `day` if nothing were held, from the ledger as it stands
    before the run and the run's own entries and activity."""
    previous = views.last_settlement(connection, day)
    needed = views.ledger_before(connection, previous, day)
    needed["entries"] = pl.concat([needed["entries"], entered.select(needed["entries"].columns)])
    needed["activity"] = pl.concat([needed["activity"], active])
    least = [
        (codes.index(code), minor) for code, minor in plan.payout.minimum.items() if code in codes
    ]
    statements = settle(
        day=day,
        period_from=None if previous is None else previous + 1,
        minimum=pl.DataFrame(least, schema={"currency": pl.Int64, "least": pl.Int64}, orient="row"),
        inactive=facts.standings(connection, known)["affiliate"],
        waived=waived(connection, day, known),
        **needed,
    )
    owed_before = _sum(needed["opening"], "closing_minor")
    moved = int(needed["entries"].select(signed().sum()).item())
    owed_after = _sum(statements, "closing_minor") + _sum(statements, "paid_minor")
    if owed_before + moved != owed_after:
        raise OutOfBalance(
            f"the statements close at {owed_after} minor units, the ledger says"
            f" {owed_before + moved}"
        )
    return statements


def payouts_of(statements: pl.DataFrame) -> pl.DataFrame:
    """What a settlement pays: affiliate, currency, amount_minor."""
    paid = statements.filter(pl.col("paid_minor") > 0)
    return paid.select("affiliate", "currency", amount_minor="paid_minor")


def payout_entries(payouts: pl.DataFrame, day: Day) -> pl.DataFrame:
    """The ledger's entries of a settlement's payouts."""
    return entries(
        payouts.select(
            "affiliate",
            "currency",
            kind=pl.lit(int(Kind.PAID), pl.Int64),
            available_day=pl.lit(day, pl.Int64),
            amount=-pl.col("amount_minor"),
        )
    )


def _with_payouts(entered: pl.DataFrame, statements: pl.DataFrame | None, day: Day) -> pl.DataFrame:
    """All entries of a run: of its lines, of what came back, and of its payouts."""
    if statements is None:
        return entered
    return pl.concat([entered, payout_entries(payouts_of(statements), day)])


def _add_settlement(connection: Connection, day: Day, statements: pl.DataFrame) -> None:
    payouts = payouts_of(statements)
    runs.add_rows(connection, "statement", day, statements)
    runs.add_rows(connection, "payout", day, payouts)
    runs.add_rows(connection, "entry", day, payout_entries(payouts, day))


def figures_of(
    codes: tuple[str, ...],
    events: Events,
    decision: Decision,
    posted: pl.DataFrame,
    further: pl.DataFrame,
    statements: pl.DataFrame | None,
    refused: pl.DataFrame,
) -> dict[str, Any]:
    """Counts of a run, and per currency its control totals in minor units.

    What came back is named only where something did, so that all other nights say what they did.
    """
    totals: dict[str, dict[str, int]] = {}
    control = control_totals(events, decision.lines, len(codes))
    in_ledger, back = _by_currency(posted), _by_currency(further)
    for number, (code, own) in enumerate(zip(codes, control, strict=True)):
        sums = own or dict.fromkeys(CONTROL_TOTALS, 0)
        sums["booked"] = in_ledger.get(number, 0)
        if back.get(number, 0):
            sums["returned"] = back[number]
        if statements is not None:
            part = statements.filter(pl.col("currency") == number)
            for name in ("opening", "paid", "closing", "held", "available"):
                sums[name] = _sum(part, f"{name}_minor")
        if own or any(sums.values()):
            totals[code] = sums
    counts = {
        "events": len(events),
        "lines": len(decision.lines),
        "statements": 0 if statements is None else statements.height,
        "payouts": 0 if statements is None else statements.filter(pl.col("paid_minor") > 0).height,
        "rejects": refused.height,
    }
    return {"counts": counts, "totals": totals}


def _by_currency(entries: pl.DataFrame) -> dict[int, int]:
    """What entries come to for the affiliates, by the number of the currency."""
    return dict(entries.group_by("currency").agg(signed().sum()).iter_rows())


def _sum(frame: pl.DataFrame, column: str) -> int:
    return exact_sum(frame[column].to_numpy())


def _agree(figures: Mapping[str, Any]) -> None:
    """The sums of lines and ledger, and of a settlement's parts, are equal or the run fails."""
    for code, sums in figures["totals"].items():
        by_kind = sums["earned"] + sums["reversed"] + sums["adjusted"]
        if not sums["commission"] == by_kind == sums["booked"]:
            raise OutOfBalance(
                f"{code}: the lines sum to {sums['commission']} minor units, by kind to {by_kind},"
                f" and the ledger has {sums['booked']}"
            )


def run_lines(lines: Decided, plan: Plan) -> RunLines:
    """What the lines' file is made from."""
    names = lines.names
    return RunLines(lines.day, plan, lines, len(lines), names.affiliate_id, names.currencies)
