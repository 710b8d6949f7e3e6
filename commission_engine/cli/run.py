"""`commission run`: the nightly job."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commission_engine.book import facts, runs
from commission_engine.book.attempts import attempt
from commission_engine.book.connect import Engine, reading
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import Day, date_of
from commission_engine.cli.common import (
    AsJson,
    Database,
    LinesStore,
    at_work,
    counted,
    day_option,
    existing,
    now,
    open_book,
    origin,
    out,
    print_json,
    say,
    settings_of,
    stage,
    today,
    who,
)
from commission_engine.cli.decide import Master, Where, WithEngine, calculation
from commission_engine.cli.holds import held_in_run, tell
from commission_engine.cli.imports import report
from commission_engine.folder_import import Found, find, import_folder
from commission_engine.imports import Circumstances, Imported
from commission_engine.money import plain, spoken
from commission_engine.night import Outputs, publish_run, run_night
from commission_engine.problems import Exit, Locked, UsageError
from commission_engine.publish.files import Ahead
from commission_engine.publish.folder import Published
from commission_engine.trail import record_files


def run(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Import the plan and files found here first."),
    ] = None,
    date: Annotated[
        str, typer.Option("--date", help="The business date, such as 2026-11-20.")
    ] = "",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write the files of the run below this folder.")
    ] = None,
    database: Database = None,
    lines_store: LinesStore = None,
    engine_name: WithEngine = Where.LOCAL,
    master: Master = "local[*]",
    strict: Annotated[bool, typer.Option("--strict", help="Refused rows stop the run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide, post and settle one business date, and write its files. Safe to repeat."""
    if not date:
        raise UsageError("--date is missing", "Write such as --date 2026-11-20.")
    day = day_option(date)
    settings = settings_of(
        database=database,
        out=str(out_folder) if out_folder else None,
        lines_store=lines_store,
    )
    found = find(existing(folder)) if folder else Found.nothing()
    if found.passed_over:
        say(f"[yellow]not looked at:[/] {escape(', '.join(found.passed_over))}")
    if day > today():
        say(f"[yellow]warning:[/] {date_of(day)} is in the future; no date before it can run then")
    engine = open_book(settings)
    kept_in = settings.lines_store.value
    calculate = calculation(engine_name, master)
    target = Path(settings.out.value)
    outputs = Outputs(settings.documents.value, tuple(settings.formats.value))
    imported: tuple[Imported, ...] = ()
    before = _completed(engine)
    done = {each.day: each for each in before}
    if day in done or (before and day < before[-1].day):
        fresh = _not_again(engine, day, before, found, target, kept_in)
    else:
        folder_of_run = target / date_of(day).isoformat()
        with at_work(engine, f"run {date_of(day)}") as worker, Ahead(folder_of_run) as ahead:
            if len(_completed(engine)) != len(before):
                raise Locked(
                    "another process has completed a business date just now",
                    "Run the same command again.",
                )
            with attempt(engine, day, who(), now):
                imported = _brought(worker, found, strict=strict)
                night = again(
                    lambda: run_night(
                        worker,
                        day,
                        outputs,
                        now,
                        stage,
                        kept_in,
                        calculate,
                        settings.bounds,
                        (who(), origin()),
                        ahead,
                    )
                )
                done[day] = night.run
            fresh = publish_run(engine, night, target, stage, kept_in, ahead)
            _kept(worker, day, fresh.folder)
    if day in done:
        _summary(engine, done[day], fresh, imported, as_json)
    if any(each.rejected for each in imported):
        raise typer.Exit(Exit.ROWS_REJECTED)


def _completed(engine: Engine) -> list[runs.Run]:
    with reading(engine) as connection:
        return runs.completed(connection)


def _brought(worker: Worker, found: Found, *, strict: bool) -> tuple[Imported, ...]:
    if not found.plan and not found.files:
        return ()
    given = Circumstances(who(), now(), strict=strict, origin=origin())
    brought = again(lambda: import_folder(worker, found, given))
    for each in (brought.plan, *brought.imported):
        if each is not None:
            report(each)
    return brought.imported


def _not_again(
    engine: Engine, day: Day, before: list[runs.Run], found: Found, target: Path, kept_in: str
) -> Published:
    """A date that is complete, or lies before one that is: nothing is run."""
    if any(each.day == day for each in before):
        folder = target / date_of(day).isoformat()
        ignored = ", and the input was not looked at" if found.plan or found.files else ""
        with reading(engine) as connection:
            known = runs.hashes(connection, day)
        if complete(folder) and known:
            say(f"{date_of(day)} is complete already; nothing was changed{ignored}")
            return Published(folder, ())
        with at_work(engine, f"files of {date_of(day)}") as worker:
            fresh = publish_run(engine, day, target, stage, kept_in)
            _kept(worker, day, fresh.folder)
        written = counted(len(fresh.written), "missing file") + " written again"
        done = written if fresh.written else "nothing was changed"
        say(f"{date_of(day)} is complete already; {done}{ignored}")
        return fresh
    last = before[-1]
    with reading(engine) as connection:
        waiting = runs.last_event(connection) > last.event
    if found.plan or found.files:
        with at_work(engine, "run --date of the past") as worker:
            waiting |= import_folder(worker, found, Circumstances(who(), now(), dry_run=True)).news
    if waiting:
        raise UsageError(
            f"{date_of(day)} is before the last completed business date {date_of(last.day)}",
            f"What arrived late is paid with the next date: commission run --date"
            f" {date_of(last.day + 1)}",
        )
    say(
        f"{date_of(day)} is before the last completed business date {date_of(last.day)},"
        " and nothing is new; nothing was changed"
    )
    return Published(target / date_of(day).isoformat(), ())


def _kept(worker: Worker, day: Day, folder: Path) -> None:
    """The hashes of the files that have been written, into the book."""
    manifest = folder.joinpath("manifest.json").read_bytes()
    again(lambda: record_files(worker, day, manifest, (who(), origin()), now()))


def complete(folder: Path) -> bool:
    """Whether the manifest and everything that it lists is there."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return False
    try:
        listed = json.loads(manifest.read_text("utf-8"))["files"]
        return "lines.csv" in listed and all((folder / name).is_file() for name in listed)
    except (ValueError, LookupError, TypeError):
        return False  # somebody's; publishing says that it differs


def _summary(
    engine: Engine, done: runs.Run, fresh: Published, imported: tuple[Imported, ...], as_json: bool
) -> None:
    with reading(engine) as connection:
        plan = facts.plan_of(connection, done.plan_version)
        held = held_in_run(connection, done.day)
    figures, counts = done.figures, done.figures["counts"]
    if as_json:
        totals = {
            code: {name: plain(minor, plan.decimals[code]) for name, minor in sums.items()}
            for code, sums in figures["totals"].items()
        }
        print_json(
            {
                "run_date": date_of(done.day).isoformat(),
                "settlement": done.settles,
                "counts": counts,
                "totals": totals,
                "imported": [_counted(each) for each in imported],
                "folder": str(fresh.folder),
                "written": len(fresh.written),
                "holds": held,
            }
        )
        return
    out.print(
        f"[bold]{escape(plan.name)}, {date_of(done.day)}[/]: {counted(counts['events'], 'event')},"
        f" {counted(counts['lines'], 'line')}, "
        + (counted(counts["statements"], "statement") if done.settles else "no settlement today")
    )
    for code, sums in figures["totals"].items():
        decimals = plan.decimals[code]

        def said(name: str, sums: Any = sums, code: str = code, decimals: int = decimals) -> str:
            return spoken(sums[name], code, decimals)

        line = f"  {said('commission')} commission of {said('gross')} before caps"
        if done.settles:
            line += f"; paid out {said('paid')}, carried over {said('closing')}"
        out.print(line)
    if done.settles:
        out.print(f"  {counted(counts['payouts'], 'payout')}")
    if counts["rejects"]:
        refused = counted(counts["rejects"], "refused row")
        say(f"[yellow]{refused}[/]: commission rejects --date {date_of(done.day)}")
    tell(held)
    say(f"files: {fresh.folder}")


def _counted(each: Imported) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "read": each.read,
        "accepted": each.accepted,
        "duplicate": each.duplicate,
        "rejected": each.rejected,
    }
