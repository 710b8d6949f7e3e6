"""`commission replay`: a past run computed again, beside what was written then."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commission_engine import __version__
from commission_engine.calendar import date_of
from commission_engine.cli.common import (
    AsJson,
    Database,
    LinesStore,
    counted,
    day_option,
    open_book,
    out,
    print_json,
    say,
    settings_of,
    stage,
)
from commission_engine.cli.explain import show
from commission_engine.explain.said import said
from commission_engine.problems import OutOfBalance, UsageError
from commission_engine.replay import Difference, Replayed
from commission_engine.replay import replay as replayed
from commission_engine.tree.show import visible


def replay(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="The business date of a completed run.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every completed run.")] = False,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Where the files of the runs are.")
    ] = None,
    no_files: Annotated[bool, typer.Option("--no-files", help="Look at the book only.")] = False,
    database: Database = None,
    lines_store: LinesStore = None,
    as_json: AsJson = False,
) -> None:
    """Compute a past run again from its facts, and compare with what it wrote. Changes nothing.

    Says "identical", or the first difference with both sides and the exit code 5.
    """
    if bool(run) == everything:
        raise UsageError("replay needs a run's date or --all", "Write such as 2026-11-20.")
    settings = settings_of(
        database=database,
        out=str(out_folder) if out_folder else None,
        lines_store=lines_store,
    )
    found = replayed(
        open_book(settings),
        None if everything else day_option(run, "RUN"),
        None if no_files else Path(settings.out.value),
        stage,
        settings.lines_store.value,
    )
    if as_json:
        print_json({"engine_version": __version__, "runs": [_as_json(each) for each in found]})
    else:
        for each in found:
            _tell(each)
    differing = [date_of(each.run.day).isoformat() for each in found if each.difference]
    if differing:
        raise OutOfBalance(
            f"{counted(len(differing), 'run')} of {len(found)} not identical:"
            f" {', '.join(differing)}",
            "Run nothing more. Look at `commission verify`, and compare with the last backup.",
        )


def _tell(each: Replayed) -> None:
    for note in each.notes:
        say(f"[yellow]note:[/] {escape(note)}")
    date = date_of(each.run.day)
    looked_at = (
        f"{counted(each.events, 'event')}, {counted(each.lines, 'line')},"
        f" {counted(each.files, 'file')}"
    )
    by = "" if each.run.engine_version == __version__ else (
        f" (run with engine {each.run.engine_version}, replayed with {__version__})"
    )  # fmt: skip
    if each.difference is None:
        out.print(f"{date}: identical; {looked_at}{by}")
        return
    out.print(f"{date}: [red]differs[/]{by}")
    _tell_difference(each.difference)


def _tell_difference(difference: Difference) -> None:
    name = f"{difference.what} {difference.name}"
    out.print(f"  The first difference is {escape(visible(name))}", soft_wrap=True)
    stored, recomputed = difference.stored, difference.recomputed
    if isinstance(stored, dict) and isinstance(recomputed, dict):
        unlike = [key for key in stored if stored[key] != recomputed.get(key)]
        stored, recomputed = ({key: row.get(key) for key in unlike} for row in (stored, recomputed))
    for words, side in (("written", stored), ("computed again", recomputed)):
        out.print(f"  {words}: {escape(visible(_side(side)))}", soft_wrap=True)
    if difference.explanation:
        out.print("")
        show(difference.explanation, 20)


def _side(side: Any) -> str:
    if side is None:
        return "nothing"
    if isinstance(side, str):
        return side
    return ", ".join(f"{name} {value or 'none'}" for name, value in side.items())


def _as_json(each: Replayed) -> dict[str, Any]:
    difference = each.difference
    return {
        "run_date": date_of(each.run.day).isoformat(),
        "identical": difference is None,
        "engine_version": each.run.engine_version,
        "plan_sha256": each.run.plan_hash,
        "last_intake": each.run.intake,
        "last_event": each.run.event,
        "events": each.events,
        "lines": each.lines,
        "files": each.files,
        "notes": list(each.notes),
        "difference": None
        if difference is None
        else {
            "what": difference.what,
            "name": difference.name,
            "stored": difference.stored,
            "recomputed": difference.recomputed,
            "explanation": said(difference.explanation) if difference.explanation else None,
        },
    }
