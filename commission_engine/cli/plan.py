"""`commission plan`: check, apply and show terms."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import facts
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import date_of
from commission_engine.cli.common import (
    AsJson,
    Database,
    at_work,
    existing,
    looking,
    now,
    open_book,
    origin,
    out,
    print_json,
    say,
    settings_of,
    table_of,
    who,
)
from commission_engine.imports import Circumstances
from commission_engine.plan.read import ReadPlan, read_plan
from commission_engine.plan.record import plan_hash, to_record
from commission_engine.plan.terms import RATE_DAYS, Plan
from commission_engine.plan_apply import apply_plan
from commission_engine.plan_said import amounts_said, caps_said
from commission_engine.problems import UsageError

app = typer.Typer(help="Terms: check a file, apply it, show what holds.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A plan file (TOML).")]


@app.command()
def check(file: File, as_json: AsJson = False) -> None:
    """Check a plan file; every fault is named with its line. Nothing is applied."""
    read = _read(file)
    if as_json:
        print_json(
            {"plan": read.plan.name, "sha256": plan_hash(read.plan), "warnings": read.warnings}
        )
    else:
        say(f"{file}: a good plan: {escape(read.plan.name)}, {len(read.plan.terms)} terms")
        say(f"next: commission plan apply {file}")


@app.command()
def apply(
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say only whether it could be.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make this the plan of the book. Terms that have begun cannot be changed any more."""
    read = _read(file)
    engine = open_book(settings_of(database=database))
    given = Circumstances(who(), now(), dry_run=dry_run, origin=origin())
    with at_work(engine, "plan apply") as worker:
        changed = again(lambda: _applied(worker, read, given))
    if as_json:
        print_json({"plan": read.plan.name, "sha256": plan_hash(read.plan), "changed": changed,
                    "dry_run": dry_run})  # fmt: skip
    elif not changed:
        say("this is the plan of the book already; nothing was changed")
    elif dry_run:
        say("dry run: the plan can be applied; nothing was changed")
    else:
        say(f"applied: {escape(read.plan.name)}")


def _applied(worker: Worker, read: ReadPlan, given: Circumstances) -> bool:
    with worker.writing(keep=not given.dry_run) as connection:
        return apply_plan(connection, read, given)


@app.command()
def show(
    file: Annotated[Path | None, typer.Argument(help="A plan file; else the book's plan.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show a plan as people read it."""
    plan = _read(file).plan if file else _of_book(database)
    if as_json:
        print_json({**to_record(plan), "sha256": plan_hash(plan)})
        return
    minimum = ", ".join(amounts_said(plan, plan.payout.minimum)) or "any amount"
    out.print(
        f"[bold]{escape(plan.name)}[/], {plan.timezone}, rounding {plan.rounding}\n"
        f"settlement every {plan.payout.every}, of at least {minimum}"
        + (
            f", rates at most {days} days old"
            if (days := plan.payout.rate_days) != RATE_DAYS
            else ""
        )
    )
    out.print(table_of(_terms(plan)))


def _of_book(database: str | None) -> Plan:
    with looking(database) as connection:
        plan = facts.current_plan(connection)
    if plan is None:
        raise UsageError("the book has no plan yet", "Apply one: commission plan apply plan.toml")
    return plan


def _read(file: Path) -> ReadPlan:
    read = read_plan(existing(file))
    for warning in read.warnings:
        say(f"[yellow]warning:[/] {escape(warning)}")
    return read


def _terms(plan: Plan) -> pl.DataFrame:
    rows = []
    for terms in plan.terms:
        starts, hold = date_of(terms.starts).isoformat(), str(terms.hold_days)
        rows += [
            (starts, hold, str(level.level), level.rate.percent, caps_said(plan, level.caps))
            for level in terms.levels
        ]
        if terms.caps:
            rows.append((starts, hold, "all", "", caps_said(plan, terms.caps)))
    columns = ("from", "hold days", "level", "rate", "caps")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
