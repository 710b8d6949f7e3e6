"""One business date, from the facts that are known to the files that are published.

This is the sentence that the whole program is about; `run_night` is where to start reading.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine import __version__
from commission_engine.book import facts, runs, views
from commission_engine.book.connect import Connection, Engine, reading
from commission_engine.book.lock import Worker
from commission_engine.calendar import Day, Zone, date_of
from commission_engine.decide.kernel import Decision, Events, decide, exact_sum
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.post import activity, entries, kinds, post, signed
from commission_engine.ledger.settle import settle, settles
from commission_engine.plan.record import plan_hash
from commission_engine.plan.terms import Plan
from commission_engine.problems import OutOfBalance, UsageError
from commission_engine.publish.files import files
from commission_engine.publish.folder import Published, publish
from commission_engine.publish.record import Record

Say = Callable[[str], None]
"""Told the name of each stage as it begins, for people who wait."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which documents a run writes: for those who are paid, for all, for none; in which formats."""

    documents: str = "paid"
    formats: tuple[str, ...] = ("csv",)


def run_night(
    worker: Worker,
    day: Day,
    outputs: Outputs,
    clock: Callable[[], str],
    say: Say = lambda stage: None,
) -> runs.Run:
    """Decide, post and settle the business date `day` in one transaction.

    The date must be later than every completed one. `clock` only dates the run's own row.
    """
    started_at = clock()
    with worker.writing() as connection:
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
        decision = decide(
            due.events,
            plan,
            codes,
            runs.forest(connection),
            runs.standing(connection),
            runs.UsedInBook(connection),
        )
        say("posting")
        runs.add_lines(connection, day, due.events, decision.lines)
        runs.advance_caps(connection, decision.advances)
        posted = post(due.events, decision.lines)
        runs.add_rows(connection, "entry", day, posted)
        runs.add_rows(connection, "activity", day, activity(due.events, decision.lines))
        last_day = before[-1].day if before else None
        statements = None
        if settles(plan.payout.every, day, last_day):
            say("settling")
            statements = settlement(connection, plan, codes, day, known)
            _add_settlement(connection, day, statements)
        refused = views.refusals(
            connection, views.refused_between(before[-1].intake if before else 0, known)
        )
        figures = figures_of(codes, due.events, decision, posted, statements, refused)
        _agree(figures)
        done = runs.Run(
            day=day,
            intake=known,
            event=last,
            waiting_from=due.waiting_from,
            plan_version=facts.current_plan_version(connection),
            plan_hash=plan_hash(plan),
            engine_version=__version__,
            settles=statements is not None,
            outputs={"documents": outputs.documents, "formats": list(outputs.formats)},
            figures=figures,
            started_at=started_at,
            completed_at=clock(),
        )
        runs.add_run(connection, done)
    return done


def settlement(
    connection: Connection, plan: Plan, codes: tuple[str, ...], day: Day, known: int
) -> pl.DataFrame:
    """The statements of the settlement on `day`, from the ledger as it stands without it."""
    previous = views.last_settlement(connection, day)
    needed = views.ledger_of_settlement(connection, previous, day)
    least = [
        (codes.index(code), minor) for code, minor in plan.payout.minimum.items() if code in codes
    ]
    statements = settle(
        day=day,
        period_from=None if previous is None else previous + 1,
        minimum=pl.DataFrame(least, schema={"currency": pl.Int64, "least": pl.Int64}, orient="row"),
        inactive=facts.standings(connection, known)["affiliate"],
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
    statements: pl.DataFrame | None,
    refused: pl.DataFrame,
) -> dict[str, Any]:
    """Counts of a run, and per currency its control totals in minor units."""
    lines = decision.lines
    kind = kinds(events, lines).to_numpy()
    line_currency = events.currency[lines.row]
    totals: dict[str, dict[str, int]] = {}
    for number, code in enumerate(codes):
        mine, own = line_currency == number, events.currency == number
        sums = {
            "base": exact_sum(events.amount[own]),
            "gross": exact_sum(lines.gross[mine]),
            "commission": exact_sum(lines.commission[mine]),
        }
        for each in (Kind.EARNED, Kind.REVERSED, Kind.ADJUSTED):
            sums[each.name.lower()] = exact_sum(lines.commission[mine & (kind == each)])
        booked = posted.filter(pl.col("currency") == number).select(signed().sum()).item()
        sums["booked"] = booked
        if statements is not None:
            part = statements.filter(pl.col("currency") == number)
            for name in ("opening", "paid", "closing", "held", "available"):
                sums[name] = _sum(part, f"{name}_minor")
        if own.any() or any(sums.values()):
            totals[code] = sums
    counts = {
        "events": len(events),
        "lines": len(lines),
        "statements": 0 if statements is None else statements.height,
        "payouts": 0 if statements is None else statements.filter(pl.col("paid_minor") > 0).height,
        "rejects": refused.height,
    }
    return {"counts": counts, "totals": totals}


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


def publish_run(engine: Engine, day: Day, out: Path, say: Say = lambda stage: None) -> Published:
    """Write the files of a completed run below `out`, or those of them that are missing."""
    say("writing files")
    with reading(engine) as connection:
        record = record_of(connection, day)
    return publish(files(record), out / date_of(day).isoformat())


def record_of(connection: Connection, day: Day) -> Record:
    """Everything that the files of the run of `day` say, as the book has it."""
    completed = {each.day: each for each in runs.completed(connection)}
    done = completed[day]
    before = [each for each in completed.values() if each.day < day]
    plan = facts.plan_of(connection, done.plan_version)
    lines = views.lines_of_run(connection, day)
    statements = views.statements_of_run(connection, day)
    period_lines = lines.clear()
    names: dict[str, str] = {}
    if done.settles and done.outputs["documents"] != "none":
        period_lines = _period_lines(connection, day, statements, done.outputs["documents"])
        names = views.labels(
            connection, period_lines.filter(pl.col("level") == 1)["earner_id"], done.intake
        )
    return Record(
        day=day,
        plan=plan,
        plan_hash=done.plan_hash,
        engine_version=done.engine_version,
        settles=done.settles,
        outputs=done.outputs,
        figures=done.figures,
        lines=lines,
        entries=views.entries_of_run(connection, day),
        statements=statements,
        payouts=views.payouts_of_run(connection, day),
        refusals=views.refusals(
            connection,
            views.refused_between(before[-1].intake if before else 0, done.intake),
        ),
        period_lines=period_lines,
        labels=names,
    )


def _period_lines(
    connection: Connection, day: Day, statements: pl.DataFrame, documents: str
) -> pl.DataFrame:
    """The lines of those who get a document, of all runs since the previous settlement."""
    wanted = statements if documents == "all" else statements.filter(pl.col("paid_minor") > 0)
    previous = views.last_settlement(connection, day)
    first = None if previous is None else previous + 1
    return views.lines_of(connection, wanted["affiliate_id"], first, day)
