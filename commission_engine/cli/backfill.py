"""`commission backfill`: every date that has no completed run, one run after another."""

import io
import json
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commission_engine.book import closings, runs
from commission_engine.book.connect import Engine, reading
from commission_engine.calendar import Day, date_of
from commission_engine.cli.common import (
    As,
    AsJson,
    Database,
    LinesStore,
    counted,
    day_option,
    existing,
    open_book,
    print_json,
    say,
    settings_of,
    yesterday,
)
from commission_engine.cli.decide import Master, Where, WithEngine
from commission_engine.cli.run import run, zone_of
from commission_engine.folder_import import Found, find
from commission_engine.problems import CommissionError, Exit, UsageError

SHOWN = 10
"""Dates that a dry run names one by one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which dates a backfill has to run, in order, and which of those asked for cannot run any
    more, because a later one is complete."""

    dates: Sequence[Day]
    passed: Sequence[Day]
    last: Day | None
    """The last completed date."""
    unwritten: Day | None = None
    """The last completed date, where a run has stopped before its files were there."""

    def imports(self, day: Day) -> bool:
        """Whether the folder comes with this date: the first that is run anew. Afterwards what it
        holds is in the book."""
        return [each for each in self.dates if each != self.unwritten][:1] == [day]


def backfill(
    folder: Annotated[
        Path | None, typer.Argument(help="Import the plan and files found here first.")
    ] = None,
    first: Annotated[
        str, typer.Option("--from", help="The first date; else the day after the last run.")
    ] = "",
    last: Annotated[
        str, typer.Option("--to", help="The last date; else yesterday in the plan's zone.")
    ] = "",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write the files of the runs below this folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the dates, and try the first of them.")
    ] = False,
    database: Database = None,
    lines_store: LinesStore = None,
    engine_name: WithEngine = Where.LOCAL,
    master: Master = "local[*]",
    strict: Annotated[bool, typer.Option("--strict", help="Refused rows stop it.")] = False,
    no_fetch: Annotated[
        bool, typer.Option("--no-fetch", help="Leave the configured sources alone.")
    ] = False,
    as_name: As = "",
    as_json: AsJson = False,
) -> None:
    """Run every business date that was missed, in order. Stops at the first failure."""
    low = day_option(first, "--from") if first else None
    high = day_option(last, "--to") if last else None
    found = find(existing(folder)) if folder else Found.nothing()
    engine = open_book(settings_of(database=database))
    plan = _planned(engine, found, low, high)
    _say_what_is_passed(plan)
    if dry_run:
        _list(plan, as_json)
    told: list[dict[str, Any]] = []
    for place, day in enumerate(plan.dates[: 1 if dry_run else None]):
        date = date_of(day).isoformat()
        said = io.StringIO()
        try:
            with redirect_stdout(said) if as_json else nullcontext():
                code = _one(
                    folder=folder if plan.imports(day) else None,
                    date=date,
                    out_folder=out_folder,
                    dry_run=dry_run,
                    database=database,
                    lines_store=lines_store,
                    engine_name=engine_name,
                    master=master,
                    strict=strict,
                    no_fetch=no_fetch,
                    as_name=as_name,
                    as_json=as_json,
                )
        except CommissionError as why:
            told.append({"run_date": date, "exit_code": why.exit_code, "error": why.message})
            _print(told, plan, dry_run, as_json)
            done, left = counted(place, "date"), counted(len(plan.dates) - place, "date")
            say(f"[red]stopped at {date}:[/] {done} done, {left} left")
            say("when it is mended, the same command goes on from there")
            raise
        told.append({"run_date": date, "exit_code": code, **_read(said.getvalue())})
    _print(told, plan, dry_run, as_json)
    if not dry_run and not as_json:
        say(f"backfill: {counted(len(told), 'date')} done")
    if any(each["exit_code"] == Exit.ROWS_REJECTED for each in told):
        raise typer.Exit(Exit.ROWS_REJECTED)


def _one(**words: Any) -> int:
    """One `commission run`; its exit code."""
    try:
        run(**words)
    except typer.Exit as ended:
        return ended.exit_code
    return Exit.DONE


def _planned(engine: Engine, found: Found, low: Day | None, high: Day | None) -> Plan:
    """The dates from `low` to `high`; UsageError where nothing of them can be run."""
    zone = zone_of(engine, found)
    if zone is None:
        raise UsageError("the book has no plan yet", "Apply one: commission plan apply plan.toml")
    with reading(engine) as connection:
        done = {each.day for each in runs.completed(connection)}
        latest = max(done, default=None)
        stopped = latest is not None and runs.hashes(connection, latest) is None
        closed = closings.closed_until(connection)
    unwritten = latest if stopped else None
    done -= {unwritten}
    over = yesterday(zone)
    if low is None:
        if latest is None:
            raise UsageError(
                "--from is missing, and no date is complete", "Write such as --from 2026-11-20."
            )
        low = latest if stopped else latest + 1
        high = over if high is None else high
        if low > high:
            return Plan((), (), latest)
    high = over if high is None else high
    if high > over + 1:
        raise UsageError(
            f"{date_of(high)} is in the future: it is {date_of(over + 1)} in {zone}",
            f"Write --to {date_of(over)} at most.",
        )
    if low > high:
        raise UsageError(f"--from {date_of(low)} is after --to {date_of(high)}", "Turn them round.")
    missing = [day for day in range(low, high + 1) if day not in done]
    passed = [day for day in missing if latest is not None and day < latest]
    if passed and (refused := closings.refusal_of(closed, passed[0])):
        raise UsageError(*refused)
    dates = missing[len(passed) :]
    if len(passed) == high - low + 1:
        raise UsageError(*_passed(passed, latest))
    return Plan(dates, passed, latest, unwritten)


def _passed(passed: Sequence[Day], latest: Day | None) -> tuple[str, str]:
    """What to say of dates that no run can have any more, and what to do."""
    first, last = date_of(passed[0]), date_of(passed[-1])
    which = f"{first}" if first == last else f"{first} to {last} ({counted(len(passed), 'date')})"
    return (
        f"{which}: before the last completed business date {date_of(latest or 0)}, cannot run any"
        " more",
        "Its events were taken by the run after it. To compute past dates anew with what is known"
        " now: commission true-up",
    )


def _say_what_is_passed(plan: Plan) -> None:
    if plan.passed:
        for each in _passed(plan.passed, plan.last):
            say(f"[yellow]passed over:[/] {escape(each)}")
    if not plan.dates:
        say("every date is complete; there is nothing to run")


def _list(plan: Plan, as_json: bool) -> None:
    if plan.dates and not as_json:
        dates = ", ".join(str(date_of(day)) for day in plan.dates[:SHOWN])
        more = f", ... {date_of(plan.dates[-1])}" if len(plan.dates) > SHOWN else ""
        say(f"would run {counted(len(plan.dates), 'date')}: {dates}{more}")


def _read(said: str) -> dict[str, Any]:
    """What a run with --json said."""
    return dict(json.loads(said)) if said else {}


def _print(told: list[dict[str, Any]], plan: Plan, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "dates": [date_of(day).isoformat() for day in plan.dates],
                "passed_over": [date_of(day).isoformat() for day in plan.passed],
                "runs": told,
            }
        )
