"""Listings of what the book holds: lines, statements, payouts, balances, refused rows, runs."""

import re
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from commission_engine.book import facts, views
from commission_engine.book import runs as book_runs
from commission_engine.book.connect import Connection
from commission_engine.book.lines import Question, where_kept
from commission_engine.calendar import Day
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
    say,
    settings_of,
)
from commission_engine.decide.kernel import REASONS
from commission_engine.ingest.rows import Kind
from commission_engine.mend import mendable
from commission_engine.payouts.ageing import aged
from commission_engine.plan.terms import Plan
from commission_engine.problems import Code, Reason, UsageError
from commission_engine.publish import text
from commission_engine.publish.files import (
    lines_table,
    rejects_table,
    statements_table,
)

RunDate = Annotated[str, typer.Option("--date", help="Of the run of this business date.")]
From = Annotated[str, typer.Option("--from", help="Of runs from this business date on.")]
To = Annotated[str, typer.Option("--to", help="Of runs up to this business date.")]
Affiliate = Annotated[str, typer.Option("--affiliate", help="Of this affiliate.")]
Currency = Annotated[str, typer.Option("--currency", help="In this currency.")]

COLUMNS_OF_A_LINE = (
    "line_id", "run_date", "earner_id", "level", "beneficiary_id", "currency", "base_amount",
    "rate", "gross", "commission", "reason", "available_on",
)  # fmt: skip


def lines(
    date: RunDate = "",
    first: From = "",
    last: To = "",
    affiliate: Annotated[str, typer.Option("--affiliate", help="That pay this affiliate.")] = "",
    earner: Annotated[str, typer.Option("--earner", help="From what this affiliate earned.")] = "",
    event: Annotated[str, typer.Option("--event", help="Of this event.")] = "",
    order: Annotated[str, typer.Option("--order", help="Of the order that this event is in.")] = "",
    level: Annotated[int | None, typer.Option("--level", help="Of this level.")] = None,
    reason: Annotated[Reason | None, typer.Option("--reason", help="Cut for this reason.")] = None,
    currency: Currency = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List lines: who was paid what for which event, and why not more."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        plan = _plan(connection)
        start, end = _period(date, first, last)
        question = Question(
            beneficiaries=_number(connection, affiliate) if affiliate else None,
            events=(
                views.events_of(
                    connection,
                    earner=_known(connection, earner) if earner else "",
                    event_id=event,
                    order=order,
                )
                if earner or event or order
                else None
            ),
            first_day=start,
            last_day=end,
            level=level,
            reason=None if reason is None else REASONS.index(reason),
        )
        store = where_kept(connection, settings_of(database=database).lines_store.value)
        found = views.lines(connection, store, question)
        if currency:
            found = found.filter(pl.col("currency") == currency)
        found = lines_table(found, plan)
    listing(found.select(COLUMNS_OF_A_LINE) if how is Form.TABLE else found, how, limit, "lines")


def statements(
    date: RunDate = "",
    first: From = "",
    last: To = "",
    affiliate: Affiliate = "",
    currency: Currency = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List statements: from opening to closing, held and available."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        plan = _plan(connection)
        where = _of(connection, views.STATEMENT, _period(date, first, last), affiliate, currency)
        found = statements_table(views.statements(connection, *where), plan)
    listing(found, how, limit, "statements")


def balances(
    as_of: Annotated[str, typer.Option("--as-of", help="At the end of this day's run.")] = "",
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="DAYS", help="Unpaid for more than so long, such as 180d; why."
        ),
    ] = "",
    affiliate: Affiliate = "",
    currency: Currency = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List what is owed to whom: held, and available."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        day = day_option(as_of, "--as-of") if as_of else _last_day(connection)
        where = _of(connection, views.ENTRY, (None, None), affiliate, currency)
        if older_than:
            old = aged(connection, _plan(connection), day, _days(older_than), *where)
            listing(_aged_table(old), how, limit, "balances")
            return
        owed = views.balances(connection, day, *where)
    found = owed.select(
        "affiliate_id",
        "currency",
        text.amount("held_minor"),
        text.amount("available_minor"),
        text.amount("closing_minor").alias("balance"),
    )
    listing(found, how, limit, "balances")


def _days(older_than: str) -> int:
    found = re.fullmatch(r"(\d{1,5})d", older_than, re.ASCII)
    if not found:
        raise UsageError(
            f"--older-than: {older_than!r} is no number of days", "Write such as 180d."
        )
    return int(found[1])


def _aged_table(old: pl.DataFrame) -> pl.DataFrame:
    return old.select(
        "affiliate_id",
        "currency",
        text.amount("available_minor"),
        text.amount("closing_minor").alias("balance"),
        text.day("since_day").alias("since"),
        "days",
        "why",
    )


def rejects(
    date: Annotated[str, typer.Option("--date", help="That the run of this date published.")] = "",
    kind: Annotated[Kind | None, typer.Option("--kind", help="Of these files.")] = None,
    code: Annotated[Code | None, typer.Option("--code", help="Refused for this.")] = None,
    file: Annotated[str, typer.Option("--file", help="From the file of this name.")] = "",
    mend: Annotated[
        Path | None,
        typer.Option("--mend", help="Write the rows to this new file, to mend and import."),
    ] = None,
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List refused rows, each whole, with its file, line, code and a sentence."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = views.refusals(connection, *_published(connection, date))
        intakes = views.intakes(connection)
    for column, value in (("kind", str(kind or "")), ("code", str(code or "")), ("file", file)):
        if value:
            found = found.filter(pl.col(column) == value)
    if mend is None:
        listing(rejects_table(found), how, limit, "refused rows")
        return
    if Kind.PAYEES in found["kind"].to_list():
        raise UsageError(
            "refused rows of payees are not kept, as they may name accounts",
            "Mend the file that they came from: `commission rejects` names its lines. Rows of other"
            " files are written with --kind.",
        )
    content = mendable(found, intakes)
    try:
        with mend.open("xb") as target:
            target.write(content)
    except FileExistsError as why:
        raise UsageError(f"{mend} exists already", "Name a new file.") from why
    except OSError as why:
        raise UsageError(f"{mend}: cannot be written: {why.strerror}", "Name another.") from why
    say(f"{counted(found['raw'].n_unique(), 'row')} in {mend}; mend there, then:")
    say(f"commission import {found['kind'][0]} {mend}")


def _published(connection: Connection, date: str) -> list[views.Condition]:
    """The condition for the refused rows that the run of a date published."""
    if not date:
        return []
    day = day_option(date)
    upto = {run.day: run.intake for run in book_runs.completed(connection)}
    if day not in upto:
        raise UsageError(f"there is no completed run for {date}", "`commission runs` lists all.")
    before = [intake for other, intake in upto.items() if other < day]
    return [views.refused_between(max(before, default=0), upto[day])]


def _plan(connection: Connection) -> Plan:
    plan = facts.current_plan(connection)
    if plan is None:
        raise UsageError("the book has no plan yet", "Apply one: commission plan apply plan.toml")
    return plan


def conditions(
    connection: Connection,
    table: views.Table,
    dates: tuple[str, str, str],
    affiliate: str,
    currency: str,
) -> list[views.Condition]:
    """The conditions that a listing's options say; `dates` are --date, --from and --to."""
    return _of(connection, table, _period(*dates), affiliate, currency)


def _of(
    connection: Connection,
    table: views.Table,
    period: tuple[Day | None, Day | None],
    affiliate: str,
    currency: str,
) -> list[views.Condition]:
    """The conditions that a listing's options say."""
    where = views.between(table, *period)
    if affiliate:
        where.append(views.of_affiliate(table, _known(connection, affiliate)))
    if currency:
        where.append(views.in_currency(currency))
    return where


def _number(connection: Connection, affiliate: str) -> pl.Series:
    return views.number_of(connection, _known(connection, affiliate))


def _known(connection: Connection, affiliate: str) -> str:
    if not facts.exists(connection, affiliate):
        raise UsageError(f"there is no affiliate {affiliate!r}", "Ids are case-sensitive.")
    return affiliate


def _period(date: str, first: str, last: str) -> tuple[Day | None, Day | None]:
    if date and (first or last):
        raise UsageError("--date and --from or --to at once", "Take one of them.")
    if date:
        return day_option(date), day_option(date)
    return (
        day_option(first, "--from") if first else None,
        day_option(last, "--to") if last else None,
    )


def _last_day(connection: Connection) -> Day:
    completed = book_runs.completed(connection)
    return completed[-1].day if completed else 0
