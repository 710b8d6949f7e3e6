"""What is around a run: stages with their times, bars for people who wait, logs, and at the end
metrics and hooks. None of it can change what the run comes to."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from commission_engine import hooks
from commission_engine.book import facts, holds, runs
from commission_engine.book.attempts import NOT_COUNTED, Stage, add_stages
from commission_engine.book.connect import Engine, reading
from commission_engine.calendar import Day, Zone, date_of
from commission_engine.cli.bars import Bars
from commission_engine.cli.common import counted, now, say, talk
from commission_engine.cli.due import last_due
from commission_engine.decide.kernel import decide
from commission_engine.imports import Imported
from commission_engine.logs import harmless, logging_to, places, record
from commission_engine.metrics import metrics_text
from commission_engine.money import plain
from commission_engine.night import Calculation
from commission_engine.problems import CommissionError, Exit, Locked, TryAgain, UsageError
from commission_engine.settings import Settings

LONG = 5_000
"""Milliseconds from which on a stage is worth a line where there is no terminal."""

ROWS_OF = {
    "reading events": "events",
    "deciding": "events",
    "posting": "lines",
    "settling": "statements",
    "writing files": "lines",
}
"""Which of a run's counts a stage has to do with."""

IMPORTING = "importing"
LINES_CSV = "lines.csv"
DOCUMENTS = "documents"

Told = Callable[[int, int], None]


class Watch:
    """Watches over one `commission run`. Called with the name of each stage as it begins."""

    def __init__(
        self,
        settings: Settings,
        day: Day | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._taken: list[tuple[str, int]] = []
        self._rows: dict[str, int] = {}
        self._kept = 0
        self._name, self._since = "", 0
        self._bars = Bars()
        self._run: dict[str, Any] = {} if day is None else {"run": str(date_of(day))}
        self.engine: Engine | None = None
        self.day = day
        self.attempt: int | None = None

    # -- what the run tells

    def begins(self, engine: Engine, day: Day) -> None:
        """The business date and the book are known."""
        self.engine, self.day = engine, day
        with reading(engine) as connection:
            plan = facts.current_plan(connection)
        self._run = {"run": str(date_of(day)), "programme": plan.name if plan else None}
        record("run started", process=os.getpid(), **self._run)

    def started(self, attempt: int) -> None:
        """The attempt has its number in the book."""
        self.attempt = attempt
        self._run["run"] += f"#{attempt}"

    def __call__(self, stage: str) -> None:
        self.ends()
        self._name, self._since = stage, self._clock()
        self._bars.begin(stage)

    def ends(self) -> None:
        """The stage under way, if there is one."""
        if not self._name:
            return
        name, took = self._name, (self._clock() - self._since) // 1_000_000
        self._name = ""
        self._bars.end(name)
        self._taken.append((name, took))
        rows = self._rows.get(name)
        record("stage", stage=name, milliseconds=took, rows=rows, **self._run)
        if took >= LONG and not talk.is_terminal:
            say(f"{name}: {plain(took, 3)} s" + (f", {rows:,} rows" if rows else ""))

    def imported(self, imported: Sequence[Imported]) -> None:
        for each in imported:
            codes = [str(refusal.code) for refusal in each.refused]
            record(
                "imported",
                kind=str(each.kind),
                read=each.read,
                accepted=each.accepted,
                duplicate=each.duplicate,
                rejected=each.rejected,
                refused={code: codes.count(code) for code in sorted(set(codes))},
                **self._run,
            )
        self._rows[IMPORTING] = sum(each.read for each in imported)

    def counts(self, counts: Mapping[str, int]) -> None:
        """What the run has come to, by which its stages are counted."""
        self._rows |= {stage: counts[name] for stage, name in ROWS_OF.items()}

    def stages(self) -> Sequence[Stage]:
        """All stages so far, for the book."""
        self.ends()
        self._kept = len(self._taken)
        return [self._stage(*each) for each in self._taken]

    def _stage(self, name: str, took: int) -> Stage:
        return Stage(name, took, self._rows.get(name, NOT_COUNTED))

    def published(self) -> None:
        """The files are written: the stages since the book's commit go into the book as well."""
        self.ends()
        rest = [self._stage(*each) for each in self._taken[self._kept :]]
        if self.engine and self.attempt:
            try:
                add_stages(self.engine, self.attempt, self._kept, rest)
            except CommissionError as why:  # the run is complete, with or without its times
                record("stages not kept", logging.WARNING, error=type(why).__name__, **self._run)

    # -- how far it is

    def reading(self, rows: int, done: int, of: int) -> None:
        self._bars.advance(IMPORTING, done, of, f"{rows:,} rows")

    def advance(self, name: str, done: int, of: int) -> None:
        self._bars.advance(name, done, of, f"{done:,} of {of:,}")

    def counter(self, name: str) -> Told:
        """For what is done beside the stages; its bar ends when all of it is done."""

        def told(done: int, of: int) -> None:
            self.advance(name, done, of)
            if done == of:
                self._bars.end(name)

        return told

    def counting(self, calculate: Calculation) -> Calculation:
        """The calculation, which then says how far it is."""
        if calculate is not decide:
            return calculate
        return partial(decide, told=partial(self.advance, "deciding"))

    # -- how it ended

    def completed(self, done: runs.Run) -> None:
        """The run is complete, now or since long; everybody who wants to know is told."""
        if not self.engine:
            return
        with reading(self.engine) as connection:
            plan = facts.plan_of(connection, done.plan_version)
            hashes = runs.hashes(connection, done.day)
            held = holds.listed(connection, done.day).height
        counts = done.figures["counts"]
        self._run["programme"] = plan.name
        record("run completed", **self._run, counts=counts, holds=held)
        self._write_metrics()
        told = {
            "programme": plan.name,
            "run_date": date_of(done.day).isoformat(),
            "settlement": done.settles,
            "counts": counts,
            "totals": {
                code: {name: plain(minor, plan.decimals[code]) for name, minor in sums.items()}
                for code, sums in sorted(done.figures["totals"].items())
            },
            "manifest_sha256": hashes[0] if hashes else "",
            "holds": held,
            "completed_at": done.completed_at,
        }
        lines, events = counted(counts["lines"], "line"), counted(counts["events"], "event")
        front = f"{plan.name}, {date_of(done.day)}: "
        self._tell("completed", told, f"{front}{events}, {lines}")
        if held:
            said = f"{front}{counted(held, 'hold')} to look at: commission holds"
            self._tell("held", told, said)

    def failed(self, why: BaseException) -> None:
        """The run has ended without coming to its end."""
        self.ends()
        if not isinstance(why, Exception):  # a signal: whoever sent it does not wait for long
            record("run stopped", logging.WARNING, **self._run)
            return
        code = why.exit_code if isinstance(why, CommissionError) else Exit.FAILED
        said = harmless(why)
        at = None if isinstance(why, CommissionError) else places(why)
        name = type(why).__name__
        level = logging.WARNING if code == Exit.LOCKED else logging.ERROR
        record("run failed", level, error=name, exit_code=int(code), message=said or None,
               at=at, **self._run)  # fmt: skip
        if self.attempt is None and isinstance(why, Locked | UsageError):
            return  # nothing was tried
        self._write_metrics()
        if self.day is not None:
            told = {
                "programme": self._run.get("programme") or "",
                "run_date": date_of(self.day).isoformat(),
                "attempt": self.attempt,
                "error": name,
                "exit_code": int(code),
                "failed_at": now(),
            }
            where = "commission runs --attempts says why"
            self._tell("failed", told, said or f"{name}; {where}")

    def _write_metrics(self) -> None:
        path = self._settings.metrics_textfile.value
        if not path or not self.engine:
            return
        try:
            with reading(self.engine) as connection:
                plan = facts.current_plan(connection)
                zone = Zone(plan.timezone) if plan else Zone("UTC")
                due = last_due(self._settings.timetable, zone, datetime.now(UTC))
                text = metrics_text(connection, due)
            _replace(Path(path), text)
        except (CommissionError, OSError) as why:
            record("metrics not written", logging.WARNING, error=type(why).__name__, **self._run)
            said = why.message if isinstance(why, CommissionError) else why.strerror
            say(f"[yellow]warning:[/] metrics: {escape(f'{path}: {said}')}")

    def _tell(self, event: str, told: Mapping[str, Any], message: str) -> None:
        hook = self._settings[f"hooks.{event}"].value
        if not hook:
            return
        what = ("programme", "run_date", "manifest_sha256", "attempt", "failed_at")
        number = hooks.identity(event, *(str(told.get(name, "")) for name in what))
        payload = {"event": event, "id": number, **told, "message": message}
        outcome = hooks.call(hook, payload, os.environ.get(hooks.SECRET, ""))
        level = logging.WARNING if outcome.fault else logging.INFO
        record("hook", level, hook=event, told=not outcome.fault, tries=outcome.tries, **self._run)
        if outcome.fault:
            tries = "1 try" if outcome.tries == 1 else f"{outcome.tries} tries"
            say(f"[yellow]warning:[/] hook {event}, after {tries}: {escape(outcome.fault)}")

    def __enter__(self) -> "Watch":
        self._bars.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.__exit__()


@contextmanager
def watching(
    settings: Settings, day: Day | None = None, *, dry_run: bool = False
) -> Iterator[Watch]:
    """Watch over a run of `day` (None: it is not known yet). Of a dry run only bars are shown.

    Where the log goes to stderr as JSON, nothing else does: an error that is in the log is `told`.
    """
    form, file = settings.log_format.value, settings.log_file.value
    silent = form == "json" and not file and not dry_run
    with _silence(silent), ExitStack() as stack:
        if not dry_run:
            _log_to(stack, form, file)
        watch = stack.enter_context(Watch(settings, day))
        try:
            yield watch
        except (BrokenPipeError, typer.Exit):
            raise
        except BaseException as why:
            if not dry_run:
                watch.failed(why)
            if not silent:
                raise
            raise _told(why) from why


@contextmanager
def _silence(silent: bool) -> Iterator[None]:
    quiet, talk.quiet = talk.quiet, talk.quiet or silent
    try:
        yield
    finally:
        talk.quiet = quiet


def _log_to(stack: ExitStack, form: str, file: str) -> None:
    try:
        stack.enter_context(logging_to(form, file))
    except OSError as why:
        say(f"[yellow]warning:[/] log.file: {escape(f'{file}: {why.strerror}')}")


def _told(why: BaseException) -> CommissionError:
    """The error that ends the program as this one would, without another word."""
    if isinstance(why, CommissionError):
        ends = why
    else:
        ends = (CommissionError if isinstance(why, Exception) else TryAgain)(type(why).__name__)
    ends.told = True
    return ends


def _replace(path: Path, text: str) -> None:
    """The file is the old one or the new one, whoever reads it when."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
