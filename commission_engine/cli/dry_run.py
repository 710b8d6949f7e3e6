"""`commission run --dry-run`: a night in everything but its commit, beside the night before it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.markup import escape

from commission_engine.book.connect import Engine
from commission_engine.book.lines import for_dry_run
from commission_engine.book.lock import Rehearsal, Worker, rehearsing
from commission_engine.calendar import Day, date_of
from commission_engine.cli.common import at_work, counted, out, print_json, say, table_of
from commission_engine.cli.holds import held_in_run
from commission_engine.compare import Change, Differences, beside_last
from commission_engine.imports import Imported
from commission_engine.money import plain, spoken
from commission_engine.night import Night, Store, payouts_of

Bring = Callable[[Worker], tuple[Imported, ...]]
Run = Callable[[Worker, Store], Night]

SUMS = ("gross", "commission", "paid", "closing")
"""The control totals that are told beside those of the night before."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a night came to before it was undone."""

    night: Night
    imported: tuple[Imported, ...]
    holds: list[dict[str, Any]]
    """What kept payouts back; those that the night itself opens are dated on its day."""
    beside: Differences | None


def tried(engine: Engine, day: Day, bring: Bring, run: Run) -> Tried:
    """Import and run the night of `day` in one transaction, look at it, and undo all of it."""
    with at_work(engine, f"dry run {date_of(day)}") as worker, rehearsing(worker) as rehearsal:
        return _tried(rehearsal, day, bring, run)


def _tried(rehearsal: Rehearsal, day: Day, bring: Bring, run: Run) -> Tried:
    imported = bring(rehearsal)
    night = run(rehearsal, for_dry_run)
    connection = rehearsal.connection
    return Tried(night, imported, held_in_run(connection, day), beside_last(connection, night.run))


def complete_already(day: Day, as_json: bool) -> None:
    """There is nothing to try."""
    say(f"{date_of(day)} is complete already; a run would change nothing")
    if as_json:
        print_json({"dry_run": True, "run_date": date_of(day).isoformat(), "complete": True})


def told(found: Tried, as_json: bool) -> None:
    """Say what would be paid, what would wait, and what differs from the night before."""
    if as_json:
        print_json(_json(found))
    else:
        _show(found)


def _show(found: Tried) -> None:
    night, plan, day = found.night, found.night.plan, found.night.run.day
    figures, counts = night.run.figures, night.run.figures["counts"]
    out.print(
        f"[bold]dry run of {escape(plan.name)}, {date_of(day)}[/]:"
        f" {counted(counts['events'], 'event')}, {counted(counts['lines'], 'line')}, "
        + (
            counted(counts["statements"], "statement")
            if night.run.settles
            else "no settlement that day"
        )
    )
    payees = _payees(night)
    for code, sums in figures["totals"].items():
        amounts = {name: spoken(minor, code, plan.decimals[code]) for name, minor in sums.items()}
        line = f"  {amounts['commission']} commission of {amounts['gross']} before caps"
        if night.run.settles:
            to = counted(payees.get(code, 0), "affiliate")
            line += f"; would pay {amounts['paid']} to {to}, carry over {amounts['closing']}"
        out.print(line)
    for row in found.holds:
        what = "would hold" if _opens(row, day) else f"not paid: hold {row['hold']}"
        say(f"[yellow]{what}:[/] {escape(row['why'])}")
    if found.beside is None:
        out.print("there is no night before it to compare with")
    else:
        _show_differences(found.beside, night)
    say("dry run: nothing was kept")


def _show_differences(beside: Differences, night: Night) -> None:
    last, now = str(date_of(beside.day)), str(date_of(night.run.day))
    rows = [(name, "", *map(str, (*change, change.by))) for name, change in beside.counts.items()]
    for code, totals in beside.totals.items():
        decimals = night.plan.decimals[code]
        rows += [
            (name, code, *(plain(each, decimals) for each in (*change, change.by)))
            for name, change in totals.items()
            if name in SUMS
        ]
    _print_table(("figure", "currency", last, now, "change"), rows)
    people = [
        (row["affiliate_id"], row["currency"],
         *(plain(row[f"{name}_minor"], row["decimals"]) for name in ("before", "now", "change")))
        for row in beside.people.iter_rows(named=True)
    ]  # fmt: skip
    if people:
        out.print("largest changes of commission")
        _print_table(("affiliate_id", "currency", last, now, "change"), people)


def _print_table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    out.print(table_of(frame, names[2:]))


def _json(found: Tried) -> dict[str, Any]:
    night, plan, day = found.night, found.night.plan, found.night.run.day
    payees = _payees(night)
    totals = {
        code: {name: plain(minor, plan.decimals[code]) for name, minor in sums.items()}
        for code, sums in night.run.figures["totals"].items()
    }
    return {
        "dry_run": True,
        "run_date": date_of(day).isoformat(),
        "settlement": night.run.settles,
        "counts": night.run.figures["counts"],
        "totals": totals,
        "imported": [
            {"kind": str(each.kind), "read": each.read, "accepted": each.accepted,
             "duplicate": each.duplicate, "rejected": each.rejected}
            for each in found.imported
        ],
        "would_pay": {
            code: {"amount": sums["paid"], "affiliates": payees.get(code, 0)}
            for code, sums in totals.items()
            if night.run.settles
        },
        "would_hold": [
            {name: row[name] for name in ("kind", "whose", "why")}
            for row in found.holds
            if _opens(row, day)
        ],
        "held": [row for row in found.holds if not _opens(row, day)],
        "beside": _beside_json(found.beside, night) if found.beside else None,
    }  # fmt: skip


def _beside_json(beside: Differences, night: Night) -> dict[str, Any]:
    def told(change: Change, decimals: int) -> dict[str, str]:
        names = ("before", "now", "change")
        figures = (*change, change.by)
        return {name: plain(minor, decimals) for name, minor in zip(names, figures, strict=True)}

    return {
        "run_date": date_of(beside.day).isoformat(),
        "counts": {
            name: {"before": change.before, "now": change.now, "change": change.by}
            for name, change in beside.counts.items()
        },
        "totals": {
            code: {name: told(change, night.plan.decimals[code]) for name, change in totals.items()}
            for code, totals in beside.totals.items()
        },
        "affiliates": [
            {
                "affiliate_id": row["affiliate_id"],
                "currency": row["currency"],
                **told(Change(row["before_minor"], row["now_minor"]), row["decimals"]),
            }
            for row in beside.people.iter_rows(named=True)
        ],
    }


def _opens(row: dict[str, Any], day: Day) -> bool:
    """Whether this night itself opens the hold."""
    return bool(row["run_date"] == date_of(day).isoformat())


def _payees(night: Night) -> dict[str, int]:
    """How many affiliates would be paid in each currency."""
    paid = night.lines.names.told(payouts_of(night.statements), night.run.day)
    counts = paid.group_by("currency").len().sort("currency")
    return dict(counts.iter_rows())
