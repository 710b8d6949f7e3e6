"""`commission runs`: what was run, and how one run went."""

from collections.abc import Sequence
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import facts, holds, views
from commission_engine.book import runs as book_runs
from commission_engine.book.attempts import NOT_COUNTED, Stage, attempts_at, stages_of
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, date_of
from commission_engine.cli.common import (
    AsCsv,
    AsJson,
    Database,
    Form,
    Limit,
    counted,
    day_option,
    form,
    listing,
    looking,
    out,
    print_json,
    say,
    table_of,
)
from commission_engine.cli.watch import ROWS_OF
from commission_engine.money import plain
from commission_engine.problems import UsageError
from commission_engine.publish import text

app = typer.Typer(help="Completed runs, and every start of one.", invoke_without_command=True)


@app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    database: Database = None,
    failed: Annotated[
        bool, typer.Option("--attempts", help="Every start, failed ones too.")
    ] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List completed runs, or every attempt at one."""
    if context.invoked_subcommand:
        if database or failed or as_json or as_csv:
            raise UsageError("options before show", "Write them after it: commission runs show -h")
        return
    how = form(as_json, as_csv)
    with looking(database) as connection:
        completed = book_runs.completed(connection)
        attempts = views.attempts(connection)
        kept = {each.day: book_runs.hashes(connection, each.day) for each in completed}
        hashes = {day: found[0] if found else "" for day, found in kept.items()}
    if failed:
        shown = attempts.select(
            "id",
            text.day("day").alias("run_date"),
            "started_at",
            "ended_at",
            pl.col("outcome").fill_null("going on, or killed"),
            "who",
            pl.col("message").str.split("\n").list.first().alias("message"),
        )
        listing(shown, how, limit, "attempts")
        return
    rows = [
        {
            "run_date": date_of(each.day).isoformat(),
            "settlement": "yes" if each.settles else "",
            **each.figures["counts"],
            "plan_sha256": each.plan_hash[:12] if how is Form.TABLE else each.plan_hash,
            "engine_version": each.engine_version,
            "last_intake": each.intake,
            "last_event": each.event,
            **({} if how is Form.TABLE else {"started_at": each.started_at}),
            **({} if how is Form.TABLE else {"manifest_sha256": hashes[each.day]}),
            "completed_at": each.completed_at,
        }
        for each in completed
    ]
    listing(pl.DataFrame(rows), how, limit, "runs")


@app.command("show")
def show(
    date: Annotated[str, typer.Argument(metavar="DATE", help="The business date.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show how the run of one date went: every start, stages with times, counts, hashes."""
    day = day_option(date, "DATE")
    with looking(database) as connection:
        found = _described(connection, day)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _described(connection: Connection, day: Day) -> dict[str, Any]:
    attempts = [
        {
            "number": row["id"],
            "started_at": row["started_at"],
            "ended_at": row["ended_at"],
            "outcome": row["outcome"],
            "who": row["who"],
            "message": row["message"],
            "stages": _stages(stages_of(connection, row["id"])),
        }
        for row in attempts_at(connection, day).iter_rows(named=True)
    ]
    done = next((each for each in book_runs.completed(connection) if each.day == day), None)
    if done is None and not attempts:
        raise UsageError(f"no run of {date_of(day)} was ever started", "See `commission runs`.")
    return {
        "run_date": date_of(day).isoformat(),
        "complete": done is not None,
        **(_outcome(connection, done) if done else {}),
        "attempts": attempts,
    }


def _stages(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    whole = sum(each.milliseconds for each in stages)
    return [
        {
            "stage": each.name,
            "milliseconds": each.milliseconds,
            "percent": each.milliseconds * 100 // whole if whole else 0,
            "rows": None if each.rows == NOT_COUNTED else each.rows,
            "of": None if each.rows == NOT_COUNTED else ROWS_OF.get(each.name, "rows"),
            "per_second": _rate(each),
        }
        for each in stages
    ]


def _rate(stage: Stage) -> int | None:
    """Rows a second; None where none were counted, or the time was too short to say."""
    if stage.rows == NOT_COUNTED or not stage.milliseconds:
        return None
    return stage.rows * 1000 // stage.milliseconds


def _outcome(connection: Connection, done: book_runs.Run) -> dict[str, Any]:
    plan = facts.plan_of(connection, done.plan_version)
    hashes = book_runs.hashes(connection, done.day)
    return {
        "programme": plan.name,
        "settlement": done.settles,
        "completed_at": done.completed_at,
        "engine_version": done.engine_version,
        "plan_sha256": done.plan_hash,
        "last_intake": done.intake,
        "last_event": done.event,
        "counts": done.figures["counts"],
        "totals": {
            code: {name: plain(minor, plan.decimals[code]) for name, minor in sums.items()}
            for code, sums in sorted(done.figures["totals"].items())
        },
        "holds": holds.listed(connection, done.day).height,
        "manifest_sha256": hashes[0] if hashes else "",
        "files": dict(hashes[1]) if hashes else {},
    }


def _print(found: dict[str, Any]) -> None:
    if found["complete"]:
        counts = ", ".join(counted(count, name[:-1]) for name, count in found["counts"].items())
        front = f"[bold]{escape(found['programme'])}, {found['run_date']}[/]"
        out.print(f"{front}: {counts}", soft_wrap=True)
        for code, sums in found["totals"].items():
            said = ", ".join(f"{name} {amount}" for name, amount in sums.items())
            out.print(f"  {code}: {said}", soft_wrap=True)
    else:
        out.print(f"[bold]{found['run_date']}[/]: not complete")
    for attempt in found["attempts"]:
        ended = attempt["ended_at"] or ""
        out.print(
            f"attempt {attempt['number']}: {attempt['outcome'] or 'going on, or killed'},"
            f" {attempt['started_at']} to {ended or '...'}, {escape(attempt['who'])}"
        )
        if attempt["message"]:
            out.print(f"  [red]{escape(attempt['message'].splitlines()[0])}[/]")
        if attempt["stages"]:
            out.print(table_of(_table(attempt["stages"]), right=("seconds", "%", "a second")))
    if found["complete"]:
        if found["holds"]:
            say(f"{counted(found['holds'], 'hold')}: commission holds")
        out.print(f"manifest.json: {found['manifest_sha256'] or 'not written yet'}")
        for name, digest in found["files"].items():
            out.print(f"{name}: {digest}")


def _table(stages: Sequence[dict[str, Any]]) -> pl.DataFrame:
    rows = [
        {
            "stage": each["stage"],
            "seconds": plain(each["milliseconds"], 3),
            "%": str(each["percent"]),
            "rows": "" if each["rows"] is None else f"{each['rows']:,} {each['of']}",
            "a second": "" if each["per_second"] is None else f"{each['per_second']:,}",
        }
        for each in stages
    ]
    return pl.DataFrame(rows)
