"""`commission payees`: to which accounts affiliates are paid. What is shown is masked."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from commission_engine.book import bank
from commission_engine.book.connect import reading
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import date_of
from commission_engine.cli.common import (
    As,
    AsCsv,
    AsJson,
    Database,
    Limit,
    at_work,
    counted,
    existing,
    form,
    listing,
    named,
    now,
    open_book,
    origin,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.imports import report, told
from commission_engine.cli.payouts_shared import DryRun, circumstances
from commission_engine.finance.payees.keep import (
    Payee,
    Rotated,
    change_of,
    history,
    import_payees,
    rotate,
)
from commission_engine.finance.payees.keep import payees as all_payees
from commission_engine.finance.payees.seal import Keys
from commission_engine.imports import Circumstances
from commission_engine.problems import Exit, UsageError

app = typer.Typer(help="To which accounts affiliates are paid.", no_args_is_help=True)

COLUMNS = (
    *("affiliate_id", "payee_name", "method", "account", "currency", "country"),
    *("learned_at", "who", "change", "held_until"),
)


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files; one set of rows.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="A refused row refuses everything.")
    ] = False,
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Import payees. A row is all that holds of its affiliate; the same again changes nothing."""
    for file in files:
        existing(file)
    keys = Keys.of(os.environ)
    engine = open_book(settings_of(database=database))
    given = Circumstances(named(as_name), now(), strict=strict, dry_run=dry_run, origin=origin())
    with at_work(engine, "payees import") as worker:
        done = again(lambda: import_payees(worker, files, keys, given))
    if as_json:
        print_json({**told(done.imported, dry_run=dry_run), "accounts_changed": done.changed})
    else:
        report(done.imported, kept=False)
        if done.imported.rejected:
            say("mend them in the file, and import it again: refused payees are not kept")
        if done.changed:
            say(f"{counted(done.changed, 'account')} changed: nothing is paid there for now")
        if dry_run:
            say("dry run: nothing was kept")
    if done.imported.rejected:
        raise typer.Exit(Exit.ROWS_REJECTED)


@app.command("show")
def show_(
    affiliate: Annotated[
        str, typer.Argument(metavar="[AFFILIATE]", help="All that was ever known of this one.")
    ] = "",
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List payees with their accounts, masked; of one affiliate every change."""
    how = form(as_json, as_csv)
    settings = settings_of(database=database)
    keys = Keys.of(os.environ)
    with reading(open_book(settings)) as connection:
        if affiliate:
            number = bank.numbers(connection, pl.Series([affiliate])).get(affiliate)
            if number is None:
                raise UsageError(f"there is no affiliate {affiliate!r}", "Ids are case-sensitive.")
            found = history(connection, keys, number)
        else:
            found = all_payees(connection, keys, lenient=True)
        whose = pl.Series([each.affiliate for each in found], dtype=pl.Int64)
        free = bank.cooling(connection, whose, settings.debtor.cool_off_days)
    listing(_table(found, {number: str(date_of(day)) for number, day in free.items()}), how,
            limit, "payees")  # fmt: skip


def _table(found: Sequence[Payee], free: dict[int, str]) -> pl.DataFrame:
    last = {each.affiliate: each for each in found}
    rows = [
        (
            each.affiliate_id,
            *(
                (d.payee_name, d.method, d.account, d.currency, d.country)
                if (d := each.details)
                else ("", "", f"sealed with key {each.key_name}", "", "")
            ),
            each.learned_at,
            each.who,
            change_of(each, found[place - 1] if place else None),
            free.get(each.affiliate, "") if each is last[each.affiliate] else "",
        )
        for place, each in enumerate(found)
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


@app.command("rotate")
def rotate_(
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Seal everything with the first key of COMMISSION_BANK_KEY."""
    keys = Keys.of(os.environ)
    given = circumstances(as_name, dry_run=dry_run)

    def unit(worker: Worker) -> Rotated:
        with worker.writing(keep=not dry_run) as connection:
            return rotate(connection, keys, given)

    with at_work(open_book(settings_of(database=database)), "payees rotate") as worker:
        done = again(lambda: unit(worker))
    if as_json:
        said = {"payees": done.payees, "files": done.files, "key": done.key_name}
        print_json({**said, "dry_run": dry_run})
        return
    if not done.payees and not done.files:
        say(f"all is sealed with the key {done.key_name} already; nothing was changed")
        return
    sealed = f"{counted(done.payees, 'payee')} and {counted(done.files, 'file')}"
    say(f"{sealed} {'would be' if dry_run else 'were'} sealed anew, with the key {done.key_name}")
    if dry_run:
        say("dry run: nothing was changed")
