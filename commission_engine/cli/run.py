"""`commission run`: the nightly job."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commission_engine.book import closings, facts, runs
from commission_engine.book.attempts import attempt
from commission_engine.book.connect import Engine, reading
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import Day, date_of
from commission_engine.cli.common import (
    As,
    AsJson,
    Database,
    LinesStore,
    at_work,
    counted,
    day_option,
    existing,
    named,
    now,
    open_book,
    origin,
    say,
    settings_of,
    today,
    who,
    yesterday,
)
from commission_engine.cli.decide import Master, Where, WithEngine, calculation
from commission_engine.cli.dry_run import complete_already, told, tried
from commission_engine.cli.imports import report
from commission_engine.cli.sources import NOTHING, Input, brought, configured
from commission_engine.cli.summary import summary
from commission_engine.cli.watch import DOCUMENTS, IMPORTING, LINES_CSV, Watch, watching
from commission_engine.folder_import import Found, find, import_folder
from commission_engine.imports import Circumstances, Imported
from commission_engine.metrics import LOCK
from commission_engine.night import Calculation, Outputs, run_night
from commission_engine.plan.read import read_plan
from commission_engine.problems import Exit, Locked, UsageError
from commission_engine.publish.files import Ahead
from commission_engine.publish.folder import Published
from commission_engine.published import publish_run
from commission_engine.settings import Settings
from commission_engine.sources.shape import Source
from commission_engine.statements.look import Look
from commission_engine.statements.privacy import Privacy
from commission_engine.statements.render import FORMATS
from commission_engine.statements.stationery import stationery
from commission_engine.trail import record_files


def run(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Import the plan and files found here first."),
    ] = None,
    date: Annotated[
        str,
        typer.Option(
            "--date",
            help="The business date, such as 2026-11-20; without it yesterday in the plan's zone.",
        ),
    ] = "",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write the files of the run below this folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all but keep it; say what would be paid.")
    ] = False,
    database: Database = None,
    lines_store: LinesStore = None,
    engine_name: WithEngine = Where.LOCAL,
    master: Master = "local[*]",
    strict: Annotated[bool, typer.Option("--strict", help="Refused rows stop the run.")] = False,
    no_fetch: Annotated[
        bool, typer.Option("--no-fetch", help="Leave the configured sources alone.")
    ] = False,
    as_name: As = "",
    as_json: AsJson = False,
) -> None:
    """Decide, post and settle one business date, and write its files. Safe to repeat."""
    given = day_option(date) if date else None
    settings = settings_of(
        database=database,
        out=str(out_folder) if out_folder else None,
        lines_store=lines_store,
    )
    calculate = calculation(engine_name, master)
    with watching(settings, given, dry_run=dry_run) as watch:
        asked = Asked(given, folder, dry_run, strict, no_fetch, as_json, named(as_name))
        rejected = _carried_out(watch, settings, asked, calculate)
    if rejected:
        raise typer.Exit(Exit.ROWS_REJECTED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    day: Day | None
    folder: Path | None
    dry_run: bool
    strict: bool
    no_fetch: bool
    as_json: bool
    who: str


def _carried_out(watch: Watch, settings: Settings, asked: Asked, calculate: Calculation) -> bool:
    """Run the date, or do what is left of it; whether rows were rejected."""
    given, dry_run, strict, as_json = asked.day, asked.dry_run, asked.strict, asked.as_json
    found = find(existing(asked.folder)) if asked.folder else Found.nothing()
    if found.passed_over:
        say(f"[yellow]not looked at:[/] {escape(', '.join(found.passed_over))}")
    engine = open_book(settings)
    day = given if given is not None else _yesterday(engine, found)
    watch.begins(engine, day)
    kept_in = settings.lines_store.value
    target = Path(settings.out.value)
    outputs = _outputs(settings)
    sources = () if asked.no_fetch else configured(settings)
    input_ = NOTHING
    before = _completed(engine)
    done = {each.day: each for each in before}
    if day not in done:
        _refuse_the_future(engine, found, day)
    if dry_run and day not in done and not (before and day < before[-1].day):
        trial = tried(
            engine,
            day,
            lambda worker: _brought(watch, worker, found, sources, strict=strict).imported,
            lambda worker, store: run_night(
                worker,
                day,
                outputs,
                now,
                watch,
                kept_in,
                watch.counting(calculate),
                settings.bounds,
                (who(), origin()),
                store=store,
            ),
        )
        told(trial, as_json)
        input_ = Input(trial.imported)
    elif dry_run and day in done:
        complete_already(day, as_json)
    elif day in done or (before and day < before[-1].day):
        fresh = _not_again(watch, engine, day, before, found, target, kept_in)
    else:
        folder_of_run = target / date_of(day).isoformat()
        watch(LOCK)
        with (
            at_work(engine, f"run {date_of(day)}") as worker,
            Ahead(folder_of_run, watch.counter(LINES_CSV)) as ahead,
        ):
            if len(_completed(engine)) != len(before):
                raise Locked(
                    "another process has completed a business date just now",
                    "Run the same command again.",
                )
            with attempt(engine, day, asked.who, now, watch.stages) as number:
                watch.started(number)
                input_ = _brought(watch, worker, found, sources, strict=strict)
                night = again(
                    lambda: run_night(
                        worker,
                        day,
                        outputs,
                        now,
                        watch,
                        kept_in,
                        watch.counting(calculate),
                        settings.bounds,
                        (asked.who, origin()),
                        ahead,
                    )
                )
                done[day] = night.run
                watch.counts(night.run.figures["counts"])
            documents = watch.counter(DOCUMENTS)
            fresh = publish_run(engine, night, target, watch, kept_in, ahead, documents)
            _kept(worker, day, fresh.folder)
            watch.published()
    if day in done and not dry_run:
        summary(engine, done[day], fresh, input_, as_json)
        watch.completed(done[day])
    return input_.rejected


def _outputs(settings: Settings) -> Outputs:
    """What is missing to make documents is said before anything is run."""
    documents, formats = settings.documents.value, tuple(settings.formats.value)
    if documents == "none" or not set(formats) & set(FORMATS):
        return Outputs(documents, formats)
    key = Privacy.of("", os.environ).key
    made_with = stationery(Look.of(settings.statements), key, formats)
    return Outputs(documents, formats, made_with.text)


def zone_of(engine: Engine, found: Found) -> str | None:
    """The time zone of the plan that is about to hold; None where there is none yet."""
    if found.plan:
        return read_plan(found.plan).plan.timezone
    with reading(engine) as connection:
        plan = facts.current_plan(connection)
    return plan.timezone if plan else None


def _yesterday(engine: Engine, found: Found) -> Day:
    zone = zone_of(engine, found)
    if zone is None:
        raise UsageError(
            "--date is missing, and there is no plan whose time zone says which day is over",
            "Write such as --date 2026-11-20, or apply a plan: commission plan apply plan.toml",
        )
    day = yesterday(zone)
    say(f"business date {date_of(day)}, yesterday in {zone}")
    return day


def _refuse_the_future(engine: Engine, found: Found, day: Day) -> None:
    """A date that has not begun where the programme is: after it no earlier one could run."""
    if day < today():  # then it has begun everywhere
        return
    zone = zone_of(engine, found) or "UTC"
    begun = yesterday(zone) + 1
    if day > begun:
        raise UsageError(
            f"{date_of(day)} is in the future: it is {date_of(begun)} in {zone}",
            "Nothing was changed. A date runs when it is over: commission run --date"
            f" {date_of(begun - 1)}. If that is long ago, set the machine's clock.",
        )


def _completed(engine: Engine) -> list[runs.Run]:
    with reading(engine) as connection:
        return runs.completed(connection)


def _brought(
    watch: Watch, worker: Worker, found: Found, sources: Sequence[Source], *, strict: bool
) -> Input:
    """The folder that was named, then every configured source."""
    watch(IMPORTING)
    imported: tuple[Imported, ...] = ()
    given = Circumstances(who(), now(), strict=strict, origin=origin(), told=watch.reading)
    if found.plan or found.files:
        of_folder = again(lambda: import_folder(worker, found, given))
        for each in (of_folder.plan, *of_folder.imported):
            if each is not None:
                report(each)
        imported = of_folder.imported
    fetched = brought(worker, sources, given)
    imported += tuple(each for one in fetched for each in one.imported)
    watch.imported(imported)
    return Input(imported, fetched)


def _not_again(
    watch: Watch,
    engine: Engine,
    day: Day,
    before: list[runs.Run],
    found: Found,
    target: Path,
    kept_in: str,
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
            fresh = publish_run(engine, day, target, watch, kept_in, told=watch.counter(DOCUMENTS))
            _kept(worker, day, fresh.folder)
        written = counted(len(fresh.written), "missing file") + " written again"
        done = written if fresh.written else "nothing was changed"
        say(f"{date_of(day)} is complete already; {done}{ignored}")
        return fresh
    last = before[-1]
    with reading(engine) as connection:
        if refused := closings.refusal_to_run(connection, day):
            raise UsageError(*refused)
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
