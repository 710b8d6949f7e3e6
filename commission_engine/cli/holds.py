"""`commission holds` and `commission release`: what waits for a person, and letting it go."""

from dataclasses import replace
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import holds as book
from commission_engine.book.connect import Connection
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import Day
from commission_engine.cli.common import (
    AsCsv,
    AsJson,
    Database,
    Form,
    Limit,
    at_work,
    counted,
    day_option,
    form,
    listing,
    looking,
    now,
    open_book,
    origin,
    print_json,
    say,
    settings_of,
    who,
)
from commission_engine.imports import Circumstances
from commission_engine.problems import UsageError
from commission_engine.releases import Wanted, described, release, waiting

SHOWN = 5


def holds(
    every: Annotated[bool, typer.Option("--all", help="Also those that were released.")] = False,
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List what is not paid before somebody has looked, why, and how much waits."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = book.listed(connection)
        if not every:
            found = found.filter(pl.col("intake").is_null())
        rows = described(found, waiting(connection, found.filter(pl.col("intake").is_null())))
    if how is Form.JSON:
        print_json(rows)
        return
    names = ["hold", "run_date", "kind", "whose", "waiting", "why"]
    names += ["released_at", "released_by", "reason"] if every else []
    shown = [
        {**row, "waiting": ", ".join(f"{code} {size}" for code, size in row["waiting"].items())}
        for row in rows
    ]
    schema = {name: pl.Int64 if name == "hold" else pl.String for name in names}
    listing(pl.DataFrame(shown, schema=schema), how, limit, "holds")


def release_(
    hold: Annotated[list[int] | None, typer.Argument(help="Holds; `commission holds`.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the release.")] = "",
    date: Annotated[
        str, typer.Option("--date", help="All open ones of the run of this business date.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="All open ones.")] = False,
    up_to: Annotated[
        str | None, typer.Option("--up-to", metavar="AMOUNT", help="Of one payout: the most.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say only what would be released.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let the next settlement pay what is held. Nothing that was written changes."""
    if bool(hold) + bool(date) + every != 1:
        raise UsageError(
            "a release needs holds by number, or --date, or --all", "`commission holds` lists them."
        )
    day = day_option(date) if date else None
    engine = open_book(settings_of(database=database))
    given = Circumstances(who(), now(), dry_run=dry_run, origin=origin())
    with at_work(engine, "release") as worker:
        rows = again(lambda: _released(worker, Wanted(hold or (), reason, up_to), day, given))
    if as_json:
        print_json({"released": rows, "dry_run": dry_run})
        return
    if not rows:
        say("no hold is open" + (f" of the run of {date}" if date else ""))
        return
    for row in rows:
        most = f"; up to {row['up_to']} may be paid" if row["up_to"] else ""
        say(f"{'dry run: ' if dry_run else ''}hold {row['hold']}: {escape(row['why'])}{most}")
    say("dry run: nothing was kept" if dry_run else "the next settlement pays it")


def _released(
    worker: Worker, wanted: Wanted, day: Day | None, given: Circumstances
) -> list[dict[str, Any]]:
    """Release the holds named, or where none is those open ones of a run, or all open ones."""
    with worker.writing(keep=not given.dry_run) as connection:
        wanted = replace(wanted, holds=wanted.holds or _open(connection, day))
        if not wanted.holds:
            return []
        done = release(connection, wanted, given)
        return described(done, waiting(connection, done))


def _open(connection: Connection, day: Day | None) -> list[int]:
    found = book.listed(connection).filter(pl.col("intake").is_null())
    if day is not None:
        found = found.filter(pl.col("run_day") == day)
    return found["id"].to_list()


def held_in_run(connection: Connection, day: Day) -> list[dict[str, Any]]:
    """What kept payouts back on `day`, as `commission run --json` lists it."""
    found = book.listed(connection, day)
    return [
        {name: row[name] for name in ("hold", "run_date", "kind", "whose", "why")}
        for row in described(found, waiting(connection, found.clear()))
    ]


def tell(held: list[dict[str, Any]]) -> None:
    """Say what a run does not pay, and what to do about it."""
    for row in held[:SHOWN]:
        say(f"[yellow]not paid:[/] hold {row['hold']}: {escape(row['why'])}")
    if len(held) > SHOWN:
        say(f"and {counted(len(held) - SHOWN, 'more hold')}: commission holds")
    if held:
        say(
            "look at it, then let the next settlement pay it: commission release HOLD --reason TEXT"
        )
