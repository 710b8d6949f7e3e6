"""`commission statements`: what they are, and how they become documents for affiliates."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import runs
from commission_engine.book.connect import Connection
from commission_engine.book.lines import where_kept
from commission_engine.calendar import Day, date_of
from commission_engine.cli import look
from commission_engine.cli.bars import Bars
from commission_engine.cli.common import (
    AsCsv,
    AsJson,
    Database,
    Limit,
    LinesStore,
    counted,
    day_option,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.common import looking as looking_at
from commission_engine.problems import CommissionError, UsageError
from commission_engine.publish.folder import Altered, Made, alone_in, publish
from commission_engine.statements import of_run
from commission_engine.statements.gather import Settlement
from commission_engine.statements.look import Look
from commission_engine.statements.privacy import Privacy
from commission_engine.statements.render import FORMATS, Wanted, rendered

app = typer.Typer(
    help="Statements: list them, or render them for affiliates.", invoke_without_command=True
)


@app.callback(invoke_without_command=True)
def statements(
    context: typer.Context,
    date: look.RunDate = "",
    first: look.From = "",
    last: look.To = "",
    affiliate: look.Affiliate = "",
    currency: look.Currency = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List statements: from opening to closing, held and available."""
    if context.invoked_subcommand:
        if any((date, first, last, affiliate, currency, database, as_json, as_csv)):
            raise UsageError(
                "options before render",
                "Write them after it: commission statements render --help",
            )
        return
    look.statements(date, first, last, affiliate, currency, database, limit, as_json, as_csv)


@app.command("render")
def render(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")],
    date: Annotated[
        str, typer.Option("--date", help="Of the settlement of this date; by default the last.")
    ] = "",
    affiliate: Annotated[
        list[str] | None,
        typer.Option("--affiliate", metavar="ID", help="Of this affiliate; several times of some."),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Of everybody who has one.")] = False,
    formats: Annotated[
        str, typer.Option("--format", help="html, pdf, or both with a comma.")
    ] = "html,pdf",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=64, help="Processes; by default one for each core."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written.")] = False,
    database: Database = None,
    lines_store: LinesStore = None,
    as_json: AsJson = False,
) -> None:
    """Write statements as documents for affiliates, one file each: to the same bytes at any time.

    What is there already is compared and left alone.
    """
    settings = settings_of(database=database, lines_store=lines_store)
    kinds = _formats(formats)
    if bool(affiliate) == everybody:
        raise UsageError("of whom?", "Name --affiliate ID, or --all.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: {out} is not a folder", "Name a folder; it need not be there.")
    with looking_at(database) as connection:
        day = day_option(date) if date else _last_settlement(connection)
        store = where_kept(connection, settings.lines_store.value)
        settlement = Settlement.of(connection, day, store)
        known = settlement.affiliates()
        chosen = known if everybody else _chosen(known, affiliate or [], day)
        privacy = Privacy.of(settlement.plan.name, os.environ)
        as_the_run = of_run.look_of(connection, settlement.run)
        if unlike := of_run.why_not_again(connection, settlement.run):
            say(f"[yellow]not as the run has written them:[/] {escape(unlike)}")
    wanted = Wanted(
        settings.database.value,
        day,
        settings.lines_store.value,
        kinds,
        as_the_run or Look.of(settings.statements),
        privacy,
    )
    names = [f"{each}.{kind}" for each in chosen["statement_id"] for kind in kinds]
    there = set(names).intersection(os.listdir(out) if out.exists() else ())
    told = {
        "date": date_of(day).isoformat(),
        "folder": str(out),
        "statements": chosen.height,
        "files": len(names),
    }
    if dry_run:
        _say_plan(told, len(there), as_json)
        return
    made = rendered(wanted, chosen["affiliate_id"].to_list(), workers)
    with Bars() as bars:
        written = _written(_watched(made, len(names), bars), out)
    _say_done(told, written, as_json)


def _written(made: Iterable[Made], out: Path) -> int:
    """How many files of these were not there."""
    try:
        with alone_in(out):
            return len(publish(made, out).written)
    except Altered as why:
        raise CommissionError(
            f"{out}: {why.named} differs from what is said here now",
            "Nothing was written. Either the file was changed, or the settings [statements] or the"
            " key of pseudonyms are not those that it was made with: name another --out, or move"
            " the files away.",
        ) from why


def _formats(given: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(each.strip() for each in given.split(",")))
    for each in kinds:
        if each not in FORMATS:
            raise UsageError(
                f"--format: {each!r} is none of {', '.join(FORMATS)}", "Write such as html,pdf."
            )
    return kinds


def _last_settlement(connection: Connection) -> Day:
    settled = [each.day for each in runs.completed(connection) if each.settles]
    if not settled:
        raise UsageError("there was no settlement yet", "`commission runs` lists what was run.")
    return settled[-1]


def _chosen(known: pl.DataFrame, ids: list[str], day: Day) -> pl.DataFrame:
    there = set(known["affiliate_id"])
    strangers = [each for each in ids if each not in there]
    if strangers:
        raise UsageError(
            f"--affiliate: {strangers[0]!r} has no statement of {date_of(day)}",
            "`commission statements --affiliate ID` lists those that there are; ids are"
            " case-sensitive.",
        )
    return known.filter(pl.col("affiliate_id").is_in(ids))


def _watched(made: Iterable[Made], of: int, bars: Bars) -> Iterator[Made]:
    for done, each in enumerate(made, 1):
        yield each
        if done % 10 == 0 or done == of:
            bars.advance("statements", done, of, f"{done:,} of {counted(of, 'file')}")


def _say_plan(told: dict[str, Any], there: int, as_json: bool) -> None:
    if as_json:
        print_json({**told, "there": there, "dry_run": True})
        return
    say(
        f"{counted(told['statements'], 'statement')} of {told['date']} would be"
        f" {counted(told['files'], 'file')} in {told['folder']}, {there:,} of them there already;"
        " nothing was written"
    )


def _say_done(told: dict[str, Any], written: int, as_json: bool) -> None:
    there = told["files"] - written
    if as_json:
        print_json({**told, "written": written, "there": there})
    elif written == 0:
        say(
            f"{counted(told['files'], 'file')} of {told['date']} in {told['folder']} already, with"
            " the same bytes; nothing was changed"
        )
    else:
        beside = f"; {there:,} were there already, with the same bytes" if there else ""
        say(
            f"{counted(told['statements'], 'statement')} of {told['date']}:"
            f" {counted(written, 'file')} written to {told['folder']}{beside}"
        )
