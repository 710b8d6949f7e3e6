"""`commission close`, `closings` and `reopen`: the end of a month."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import closings as book
from commission_engine.book.closings import Closing, Request
from commission_engine.book.connect import Connection, reading
from commission_engine.book.lines import LineStore, where_kept
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
    counted,
    form,
    listing,
    open_book,
    print_json,
    say,
    settings_of,
    stage,
)
from commission_engine.cli.payouts_shared import DryRun, circumstances
from commission_engine.finance.close.close import NOTHING, Outcome, Wanted, close
from commission_engine.finance.close.figures import figures
from commission_engine.finance.close.obstacles import Obstacle
from commission_engine.finance.close.period import Period
from commission_engine.finance.close.prove import FOLDER
from commission_engine.finance.close.reopen import ask, confirm
from commission_engine.problems import OutOfBalance, UsageError
from commission_engine.settings import Settings
from commission_engine.verify import verify

Month = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-10.")]


def close_(
    month: Month,
    accept: Annotated[
        bool, typer.Option("--accept-refused", help="Refused rows may stay refused; --reason.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why they may; kept.")] = "",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Below here the files of runs are, and the packs.")
    ] = None,
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Close a month: no run may come into it any more; write its pack. Safe to repeat."""
    if accept != bool(reason.strip()):
        raise UsageError(
            "--accept-refused and --reason belong together", f"Say why they may stay. {NOTHING}"
        )
    settings = settings_of(database=database, out=str(out_folder) if out_folder else None)
    given = circumstances(as_name, dry_run=dry_run)
    kept_in = settings.lines_store.value
    wanted = Wanted(
        Period.of(month), reason if accept else "", Path(settings.out.value) / FOLDER, kept_in
    )
    with at_work(open_book(settings), f"close {month}") as worker:
        proof = verify(worker.engine, Path(settings.out.value), stage, kept_in)
        done = close(worker, wanted, proof.differences, given)
    if as_json:
        print_json(_described(done, month, dry_run=dry_run))
    else:
        _tell(done, month, dry_run=dry_run)
    if done.open and not dry_run:
        _refuse(done.open, month)


def _refuse(found: Any, month: str) -> None:
    broken = any(each.sort == "verify" for each in found)
    raise (OutOfBalance if broken else UsageError)(
        f"{month} cannot be closed: {counted(len(found), 'matter')} open", NOTHING
    )


def _tell(done: Outcome, month: str, *, dry_run: bool) -> None:
    for each in done.open:
        say(f"[yellow]open:[/] {escape(each.says)}")
        say(f"  {escape(each.command)}")
    if done.open:
        return
    if done.closing is None:
        say(f"nothing is open; {month} can be closed (dry run: nothing was changed)")
        return
    if done.already:
        written = len(done.published.written)
        again_ = f"{counted(written, 'missing file')} written again" if written else NOTHING.lower()
        say(f"{month} is closed already; {again_.rstrip('.')}")
    else:
        if done.waived:
            say(f"{counted(done.waived, 'refused row')} waived")
        say(
            f"{month} is closed: no run may come into it, or before"
            f" {date_of(done.closing.last_day + 1)}, any more"
        )
    say(f"pack: {escape(str(done.published.folder))}")


def _described(done: Outcome, month: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "month": month,
        "closed": done.closing is not None,
        "already": done.already,
        "open": [_open(each) for each in done.open],
        "waived": done.waived,
        "folder": str(done.published.folder) if done.closing else None,
        "files": dict(done.closing.files) if done.closing else {},
        "dry_run": dry_run,
    }


def _open(each: Obstacle) -> dict[str, Any]:
    return {"sort": each.sort, "says": each.says, "count": each.count, "command": each.command}


def closings(
    month: Annotated[
        str, typer.Argument(metavar="[MONTH]", help="A closed month: show a table of its pack.")
    ] = "",
    table: Annotated[
        str, typer.Option("--table", help="Which, such as roll_forward or trial_balance.")
    ] = "roll_forward",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List closed months, those that were opened again too; or show what a closed month came to."""
    how = form(as_json, as_csv)
    settings = settings_of(database=database)
    with reading(open_book(settings)) as connection:
        made, asked = book.closings(connection), book.requests(connection)
        if month:
            kept_in = where_kept(connection, settings.lines_store.value)
            shown = _table(connection, kept_in, _held(made, Period.of(month)), table)
            listing(shown, how, limit, table)
            return
    rows = [_row(each, [wish for wish in asked if wish.closing == each.intake]) for each in made]
    if how is Form.JSON:
        told = [
            {**row, "content_sha256": each.content, "files": dict(each.files)}
            for row, each in zip(rows, made, strict=True)
        ]
        print_json(told)
        return
    listing(pl.DataFrame(rows, schema=dict.fromkeys(_COLUMNS, pl.String)), how, limit, "closings")


def _held(made: list[Closing], period: Period) -> Closing:
    for each in made:
        if each.holds and each.first_day == period.first:
            return each
    raise UsageError(f"{period.name} is not closed", "`commission closings` lists closed months.")


def _table(connection: Connection, store: LineStore, done: Closing, name: str) -> pl.DataFrame:
    told = figures(connection, store, Period.around(done.first_day), done.intake - 1)
    for each in told.tables:
        if each.name == name:
            return each.shown
    names = ", ".join(each.name for each in told.tables)
    raise UsageError(f"a pack has no table {name!r}", f"Write one of {names}.")


_COLUMNS = (
    "pack", "until", "state", "closed_at", "closed_by", "reopened_at", "asked_by",
    "confirmed_by", "reason",
)  # fmt: skip


def _row(each: Closing, wishes: list[Request]) -> dict[str, str]:
    wish = next((one for one in reversed(wishes) if one.reopened or each.holds), None)
    state = "closed" if each.holds else "reopened"
    if each.holds and wish:
        state = "closed, asked to reopen"
    values = (
        each.name, date_of(each.last_day).isoformat(), state, each.closed_at, each.closed_by,
        each.reopened_at, wish.asked_by if wish else "", wish.confirmed_by if wish else "",
        wish.reason if wish else "",
    )  # fmt: skip
    return dict(zip(_COLUMNS, values, strict=True))


def reopen(
    month: Month,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept.")] = "",
    confirms: Annotated[
        bool, typer.Option("--confirm", help="As the second person, open what was asked for.")
    ] = False,
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Ask to open the last closed month again; with --confirm a second person does it."""
    if confirms == bool(reason):
        raise UsageError(
            "reopen needs --reason, or --confirm",
            f"The first person asks with --reason TEXT, the second gives --confirm. {NOTHING}",
        )
    period = Period.of(month)
    settings: Settings = settings_of(database=database)
    given = circumstances(as_name, dry_run=dry_run)

    def unit(worker: Worker) -> tuple[Request, bool]:
        with worker.writing(keep=not dry_run) as connection:
            if confirms:
                return confirm(connection, period, given), True
            return ask(connection, period, reason, given)

    with at_work(open_book(settings), f"reopen {month}") as worker:
        wish, new = again(lambda: unit(worker))
    if as_json:
        told = {
            "month": month, "reopened": bool(wish.reopened), "reason": wish.reason,
            "asked_by": wish.asked_by, "confirmed_by": wish.confirmed_by, "new": new,
            "dry_run": dry_run,
        }  # fmt: skip
        print_json(told)
        return
    dry = "dry run: " if dry_run and new else ""
    if wish.reopened:
        say(f"{dry}{month} is open again: {escape(wish.reason)}")
    else:
        say(f"{dry}asked to open {month} again{'' if new else ' already'}: {escape(wish.reason)}")
        say(f"next: somebody else gives: commission reopen {month} --confirm")
