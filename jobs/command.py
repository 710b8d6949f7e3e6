"""`commission schedule`: the nights of a book, run by themselves."""

import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commission_engine.cli.common import Database, counted, out, say, settings_of, talk
from commission_engine.problems import Exit
from commission_engine.settings import variable_of


def schedule(
    once: Annotated[
        bool, typer.Option("--once", help="Run what is due and end, as cron and Kubernetes want.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is due now, and run nothing.")
    ] = False,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write the files of the runs below this folder.")
    ] = None,
    database: Database = None,
) -> None:
    """Run the night of every business date once it is over, in the foreground. Any number of
    schedulers may look after one book."""
    # The libraries of schedules take time to load, and no other command needs them.
    from jobs.book import OpenBook
    from jobs.nightly import Nightly
    from jobs.processes import Commands

    target = str(out_folder) if out_folder else None
    settings = settings_of(database=database, out=target)
    # In the environment, because the words of a command are for everybody to read.
    commands = Commands({variable_of("database"): database} if database else {})
    nightly = Nightly(
        timetable=settings.timetable,
        book=OpenBook(settings, settings.timetable.input),
        clock=_now,
        command=commands,
        say=_logged,
        out=settings.out.value,
        owes=not once,
    )
    if dry_run:
        known = nightly.book.known()
        days = nightly.due(known)
        for day in days:
            out.print(shlex.join(["commission", *nightly.words(day)]), markup=False, soft_wrap=True)
        say(f"{counted(len(days), 'business date')} due; {nightly.outlook(known)}")
    elif once:
        raise typer.Exit(nightly.look())
    else:
        from jobs.schedule import Scheduler

        seconds = settings.timetable.look_seconds
        _logged(f"scheduler, process {os.getpid()}: looks at the book every {seconds} seconds")
        code = Scheduler(nightly, commands.stop).serve()
        if code is Exit.DONE:
            _logged("stopped by a signal; nothing half done stays")
        raise typer.Exit(code)


def _now() -> datetime:
    return datetime.now(UTC)


def _logged(message: str) -> None:
    """A line for the log that somebody keeps of what a scheduler says."""
    talk.print(f"{_now():%Y-%m-%dT%H:%M:%SZ} {message}", markup=False)
