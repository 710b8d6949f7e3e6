"""`commission adjust`, `commission true-up`, `commission corrections`: the past put right."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import corrections as book
from commission_engine.book import facts
from commission_engine.book import named as numbers
from commission_engine.book.connect import Connection
from commission_engine.book.corrections import Proposal
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import date_of
from commission_engine.cli.common import (
    As,
    AsCsv,
    AsJson,
    Database,
    Form,
    Limit,
    at_work,
    day_option,
    existing,
    form,
    listing,
    looking,
    named,
    now,
    open_book,
    origin,
    print_json,
    say,
    settings_of,
)
from commission_engine.correct import (
    Adjust,
    Anew,
    adjust,
    content,
    decide_on,
    foresee,
    true_up,
    what_of,
)
from commission_engine.corrected import Differences
from commission_engine.imports import Circumstances
from commission_engine.money import plain
from commission_engine.plan.read import read_plan
from commission_engine.problems import UsageError
from commission_engine.settings import Settings

TWO_PERSON = "two-person"

app = typer.Typer(help="Corrections: list them; approve or reject what waits for a second person.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say only what would be done.")]
Number = Annotated[int, typer.Argument(help="A proposal; `commission corrections` lists them.")]


def adjust_(
    affiliate: Annotated[str, typer.Argument(help="Whose balance.")],
    amount: Annotated[str, typer.Argument(help="Such as 12.50, or after `--` -12.50.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept, and explained.")] = "",
    currency: Annotated[
        str, typer.Option("--currency", help="Needed where the book has several.")
    ] = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add an amount to an affiliate's balance, or take it off, with the next run."""
    settings = settings_of(database=database)
    engine = open_book(settings)
    given = Circumstances(named(as_name), now(), dry_run=dry_run, origin=origin())

    def unit(worker: Worker) -> tuple[str, Proposal | None, str]:
        with worker.writing(keep=not dry_run) as connection:
            code = currency or _only_currency(connection)
            wanted = Adjust(affiliate, amount, code, reason)
            return *adjust(connection, wanted, given, second=_second(settings)), code

    with at_work(engine, "adjust") as worker:
        name, waits, code = again(lambda: unit(worker))
    told = {
        "adjustment": name or None, "affiliate_id": affiliate, "amount": amount, "currency": code,
        "proposal": waits.id if waits else None, "dry_run": dry_run,
    }  # fmt: skip
    if as_json:
        print_json(told)
        return
    what = f"{escape(affiliate)}: {amount} {code}"
    if waits:
        _tell_of_proposal(waits, what, dry_run=dry_run)
    else:
        say(f"{name}: {what}; the next run books it" + _not_kept(dry_run))


def true_up_(
    first: Annotated[str, typer.Option("--from", help="The first business date.")] = "",
    last: Annotated[str, typer.Option("--to", help="The last business date.")] = "",
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A plan file with corrected terms.")
    ] = None,
    post: Annotated[
        bool, typer.Option("--post", help="The next run books the differences.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept, and explained.")] = "",
    looked_at: Annotated[
        str,
        typer.Option(
            "--hash", metavar="HASH", help="Post only what was looked at, as --json says."
        ),
    ] = "",
    by_line: Annotated[bool, typer.Option("--lines", help="Each line that differs.")] = False,
    as_name: As = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compute past dates anew, with what is known now, and show what differs from what was posted.

    Written lines, statements and payouts stay: with --post the differences become lines of the
    next run, each with the name of the line that it corrects.
    """
    if not first or not last:
        raise UsageError(
            f"{'--to' if first else '--from'} is missing",
            "Write such as --from 2026-10-01 --to 2026-10-31.",
        )
    if looked_at and not post:
        raise UsageError("--hash is for --post", "Leave it out to look.")
    how = form(as_json, as_csv)
    settings = settings_of(database=database)
    read = read_plan(existing(plan)) if plan else None
    wanted = Anew(
        day_option(first, "--from"), day_option(last, "--to"), reason, read.plan if read else None
    )
    waits = None
    if post:
        given = Circumstances(named(as_name), now(), origin=origin())
        engine = open_book(settings)

        def unit(worker: Worker) -> tuple[pl.DataFrame, str, Proposal | None]:
            with worker.writing() as connection:
                second = _second(settings)
                found, waits = true_up(
                    connection, wanted, given, second=second, looked_at=looked_at
                )
                return _told(connection, found, by_line=by_line), content(found), waits

        with at_work(engine, "true-up") as worker:
            shown, sha256, waits = again(lambda: unit(worker))
    else:
        with looking(database) as connection:
            found = foresee(connection, wanted)
            shown, sha256 = _told(connection, found, by_line=by_line), content(found)
    if how is Form.JSON:
        print_json(
            {
                "from": first,
                "to": last,
                "sha256": sha256,
                "posted": post and waits is None and shown.height > 0,
                "proposal": waits.id if waits else None,
                "differences": shown.to_dicts(),
            }
        )
        return
    listing(shown, how, limit, "differences")
    if waits:
        _tell_of_proposal(waits, f"true-up of {first} to {last}", dry_run=False)
    elif shown.height:
        say(
            "the next run books these differences"
            if post
            else "nothing was changed; --post --reason lets the next run book them"
        )


@app.callback(invoke_without_command=True)
def corrections(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also what is decided or booked.")] = False,
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List what waits for a second person; with --all all adjustments too."""
    if context.invoked_subcommand:
        return
    how = form(as_json, as_csv)
    with looking(database) as connection:
        waiting = [each for each in book.proposals(connection) if every or not each.outcome]
        booked = book.told(connection, book.all_numbers(connection)) if every else None
    if how is Form.JSON:
        print_json(
            {
                "proposals": [_described(each) for each in waiting],
                **({"adjustments": _amounts(booked).to_dicts()} if booked is not None else {}),
            }
        )
        return
    columns = ("proposal", "kind", "what", "proposed_at", "proposed_by", "outcome", "ended_by")
    rows = [
        {**_described(each), "what": what_of(each), "proposal": str(each.id)} for each in waiting
    ]
    listing(
        pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String)).select(columns), how, limit,
        "proposals",
    )  # fmt: skip
    if booked is not None:
        listing(_amounts(booked), how, limit, "adjustments")


@app.command()
def approve(
    number: Number, as_name: As = "", database: Database = None, as_json: AsJson = False
) -> None:
    """Let the next run book what somebody else has proposed."""
    _end(number, as_name, database, as_json, approve=True, reason="")


@app.command()
def reject(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why not; kept.")] = "",
    as_name: As = "",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a proposal come to nothing."""
    _end(number, as_name, database, as_json, approve=False, reason=reason)


def _end(
    number: int, as_name: str, database: str | None, as_json: bool, *, approve: bool, reason: str
) -> None:
    engine = open_book(settings_of(database=database))
    given = Circumstances(named(as_name), now(), origin=origin())

    def unit(worker: Worker) -> Proposal:
        with worker.writing() as connection:
            return decide_on(connection, number, given, approve=approve, reason=reason)

    with at_work(engine, "corrections") as worker:
        ended = again(lambda: unit(worker))
    if as_json:
        print_json(_described(ended))
    else:
        after = "; the next run books it" if approve else ""
        say(f"proposal {number} is {ended.outcome}: {escape(what_of(ended))}{after}")


def _second(settings: Settings) -> bool:
    return bool(settings.payouts_approval.value == TWO_PERSON)


def _only_currency(connection: Connection) -> str:
    codes = facts.currency_codes(connection)[1:]
    if len(codes) != 1:
        raise UsageError(
            "--currency is missing", f"Write one of {', '.join(sorted(codes)) or 'those it has'}."
        )
    return codes[0]


def _told(connection: Connection, found: Differences, *, by_line: bool) -> pl.DataFrame:
    """Differences as people read them: summed by affiliate and level, or line by line."""
    lines = found.lines
    people = numbers.ids_of(connection, lines["beneficiary"])
    money = numbers.currencies(connection)
    said = lines.join(people, left_on="beneficiary", right_on="number", how="left").join(
        money, left_on="currency", right_on="number", how="left"
    )
    if by_line:
        ids = numbers.line_ids(connection, lines["event"], lines["level"])
        said = said.with_columns(pl.Series("line_id", ids, dtype=pl.String))
        said = said.with_columns(
            run_date=pl.col("run_day").cast(pl.Int32).cast(pl.Date).cast(pl.String)
        )
        key = ["run_date", "line_id", "affiliate_id", "level", "code"]
    else:
        key = ["affiliate_id", "level", "code"]
        said = (
            said.group_by(*key, "decimals")
            .agg(
                pl.len().cast(pl.Int64).alias("lines"),
                pl.col("before_minor", "after_minor").sum(),
            )
            .sort(key)
        )
    rows = [
        {
            **{name: row[name] for name in key},
            **({} if by_line else {"lines": row["lines"]}),
            "posted": plain(row["before_minor"], row["decimals"]),
            "now": plain(row["after_minor"], row["decimals"]),
            "difference": plain(row["after_minor"] - row["before_minor"], row["decimals"]),
        }
        for row in said.iter_rows(named=True)
    ]
    whole = {"level": pl.Int64, "lines": pl.Int64}
    names = [*key, *([] if by_line else ["lines"]), "posted", "now", "difference"]
    schema = {name: whole.get(name, pl.String) for name in names}
    return pl.DataFrame(rows, schema=schema).rename({"code": "currency"})


def _amounts(booked: pl.DataFrame) -> pl.DataFrame:
    """Adjustments as people read them."""
    rows = [
        (
            row["event_id"], row["affiliate_id"], row["level"],
            plain(row["amount_minor"], row["decimals"]), row["currency"],
            date_of(row["available_day"]).isoformat(), row["corrects"] or "", row["reason"],
            row["who"], row["learned_at"],
        )
        for row in booked.iter_rows(named=True)
    ]  # fmt: skip
    names = (
        "adjustment", "affiliate_id", "level", "amount", "currency", "available_on", "corrects",
        "reason", "who", "at",
    )  # fmt: skip
    schema = {name: pl.Int64 if name == "level" else pl.String for name in names}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _described(each: Proposal) -> dict[str, Any]:
    asks = {name: value for name, value in each.asks.items() if name != "plan"}
    return {
        "proposal": each.id, "kind": each.kind, "asks": asks, "sha256": each.sha256,
        "proposed_at": each.proposed_at, "proposed_by": each.proposed_by,
        "outcome": each.outcome, "ended_at": each.ended_at, "ended_by": each.ended_by,
        "reason": each.reason,
    }  # fmt: skip


def _tell_of_proposal(waits: Proposal, what: str, *, dry_run: bool) -> None:
    say(f"proposal {waits.id}: {escape(what)}" + _not_kept(dry_run))
    if not dry_run:
        say(f"next: somebody else gives: commission corrections approve {waits.id}")


def _not_kept(dry_run: bool) -> str:
    return " (dry run: nothing was kept)" if dry_run else ""
