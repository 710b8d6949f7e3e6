"""`commission payouts`: list payouts, and lead them from pending to paid."""

import os
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import payouts as book
from commission_engine.book import views
from commission_engine.cli import payouts_after
from commission_engine.cli.common import (
    As,
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
    open_book,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.look import Affiliate, Currency, From, RunDate, To, conditions
from commission_engine.cli.payouts_shared import (
    Batch,
    DryRun,
    Ids,
    UpTo,
    Why,
    circumstances,
    day_of_option,
    nothing,
    paid_as,
    rows,
    said,
    show,
    stepped,
)
from commission_engine.finance.bank.export import ForBanks, format_of, opened
from commission_engine.finance.payees.seal import Keys
from commission_engine.ledger.life import State
from commission_engine.payouts.approve import Approval, approve, reject, withdraw
from commission_engine.payouts.choose import (
    SHORT,
    Wanted,
    batch_of,
    check_hash,
    plan_of_book,
    totals,
)
from commission_engine.payouts.choose import counted as sums_of
from commission_engine.payouts.export import Came, Exported, Order, export
from commission_engine.payouts.formats import Format, Plain
from commission_engine.problems import UsageError
from commission_engine.publish import text
from commission_engine.publish.files import with_payout_id, with_statement_id
from commission_engine.settings import Settings

DEFAULT_LIMIT = 50

app = typer.Typer(
    help="List payouts; approve, reject, export and mark them.", invoke_without_command=True
)


@app.callback(invoke_without_command=True)
def payouts(
    context: typer.Context,
    date: RunDate = "",
    first: From = "",
    last: To = "",
    affiliate: Affiliate = "",
    currency: Currency = "",
    status: Annotated[
        list[State] | None, typer.Option("--status", help="That are this now; can be repeated.")
    ] = None,
    batch: Batch = "",
    database: Database = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List payouts: what settlements decided to pay, and what became of each."""
    if context.invoked_subcommand is not None:
        given = (date, first, last, affiliate, currency, status, batch, database, as_json, as_csv)
        if any(given) or limit != DEFAULT_LIMIT:
            raise UsageError(
                f"options before {context.invoked_subcommand}",
                f"Write them after it: commission payouts {context.invoked_subcommand} --help",
            )
        return
    how = form(as_json, as_csv)
    with looking(database) as connection:
        plan = plan_of_book(connection)
        where = conditions(connection, views.PAYOUT, (date, first, last), affiliate, currency)
        if status:
            where.append(book.in_state(*status))
        if batch:
            where.append(book.of_batch(batch_of(connection, batch)))
        found = book.payouts(connection, *where)
        named_ = with_payout_id(
            with_statement_id(found.rename({"currency": "number_of", "code": "currency"}), plan),
            plan,
        )
    shown = named_.select(
        "payout_id",
        "statement_id",
        "affiliate_id",
        "currency",
        text.amount("amount_minor"),
        *paid_as(found),
        text.day("run_day").alias("created_on"),
        "status",
        pl.col("batch").str.head(SHORT) if how is Form.TABLE else "batch",
    )
    listing(shown, how, limit, "payouts")
    if how is Form.TABLE:
        _say_totals(found)


def _say_totals(found: pl.DataFrame) -> None:
    """What listed payouts come to, in all and by what they are."""
    states = [str(state) for state in State if str(state) in set(found["status"])]
    for code, count, amount in sums_of(found):
        mine = found.filter(pl.col("code") == code)
        parts = [
            f"{state} {sums[code]}"
            for state in states
            if (sums := totals(mine.filter(pl.col("status") == state)))
        ]
        split = f" ({', '.join(parts)})" if len(parts) > 1 else ""
        say(f"{code}: {counted(count, 'payout')}, {amount}{split}")


# -- before they are exported


def approve_(
    payout: Ids = None,
    looked_at: Annotated[
        str,
        typer.Option("--hash", metavar="HASH", help="Only what was looked at, as --dry-run says."),
    ] = "",
    date: RunDate = "",
    affiliate: Affiliate = "",
    currency: Currency = "",
    up_to: UpTo = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """Approve pending payouts, all or those that are meant, as one batch named by its content."""
    mode = Approval(settings_of(database=database).payouts_approval.value)
    wanted = Wanted(payout or (), day_of_option(date), affiliate, currency, up_to)
    if looked_at:
        check_hash(looked_at)
    changed = stepped(
        database,
        "payouts approve",
        circumstances(as_name, dry_run=dry_run),
        lambda connection, given: approve(connection, wanted, looked_at, given, mode),
    )
    if as_json:
        print_json({"batch": changed.batch, **said(changed), "dry_run": dry_run})
        return
    if not changed.payouts.height:
        nothing(changed, "approved", "no payout waits for approval")
        return
    show(changed.payouts, limit)
    hash_ = changed.batch[:SHORT]
    if dry_run:
        say(f"dry run: nothing was approved; to approve just this, add --hash {hash_}")
        return
    say(f"approved as batch {hash_}; next: commission payouts export")


def withdraw_(
    batch: Annotated[str, typer.Argument(metavar="HASH", help="The batch.")],
    reason: Why = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Take an approval back: what is not exported of the batch is pending again."""
    changed = stepped(
        database,
        "payouts withdraw",
        circumstances(as_name, dry_run=dry_run),
        lambda connection, given: withdraw(connection, batch, reason, given),
    )
    if as_json:
        print_json({"batch": changed.batch, **said(changed), "dry_run": dry_run})
        return
    if not changed.payouts.height:
        say("nothing of this batch is approved and not exported; nothing was changed")
        return
    show(changed.payouts, 0)
    say("dry run: nothing was changed" if dry_run else "pending again")


def reject_(
    payout: Ids = None,
    date: RunDate = "",
    affiliate: Affiliate = "",
    currency: Currency = "",
    up_to: UpTo = "",
    batch: Batch = "",
    reason: Why = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """Void payouts that are not exported yet; their money goes back to the balance."""
    wanted = Wanted(payout or (), day_of_option(date), affiliate, currency, up_to, batch)
    changed = stepped(
        database,
        "payouts reject",
        circumstances(as_name, dry_run=dry_run),
        lambda connection, given: reject(connection, wanted, reason, given),
    )
    if as_json:
        withdrawn = rows(changed.withdrawn) if changed.withdrawn is not None else []
        print_json({**said(changed), "withdrawn": withdrawn, "dry_run": dry_run})
        return
    if not changed.payouts.height:
        nothing(changed, "rejected", "no such payout can be rejected")
        return
    show(changed.payouts, limit)
    if changed.withdrawn is not None and changed.withdrawn.height:
        lost = counted(changed.withdrawn.height, "other payout")
        say(f"the approval of {lost} of the same batch is gone with it")
    say("dry run: nothing was changed" if dry_run else "voided; the next run books it back")


# -- export


def export_(
    batch: Batch = "",
    format_name: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="csv, sepa, nacha, paypal, wise, or your own format."
        ),
    ] = "csv",
    on: Annotated[
        str, typer.Option("--on", metavar="DATE", help="When the bank is asked to pay.")
    ] = "",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write the files into this folder.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--again", help="Write a batch's file again that was lost unpaid.")
    ] = False,
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Put approved payouts into files to pay, each once. Safe to repeat."""
    settings = settings_of(database=database)
    folder = out_folder or Path(settings.out.value) / "payments"
    order = Order(
        Approval(settings.payouts_approval.value),
        folder,
        batch,
        anew,
        _form(format_name, on, settings),
        settings.debtor.cool_off_days,
        lambda connection, file: opened(connection, file, Keys.of(os.environ)),
        tuple(settings.tax_require_document.value),
    )
    given = circumstances(as_name, dry_run=dry_run)
    with at_work(open_book(settings), "payouts export") as worker:
        done = export(worker, order, given)
    if as_json:
        files = [_told(each) for each in done.files]
        held = [{**row, "why": why} for row, why in
                zip(rows(done.held), done.held["why"], strict=True)]  # fmt: skip
        told = {"files": files, "held": held, "elsewhere": done.elsewhere, "dry_run": dry_run}
        print_json(told)
        return
    for row in done.held.iter_rows(named=True):
        say(f"[yellow]held back:[/] {row['payout_id']}: {escape(row['why'])}")
    for method, count in done.elsewhere.items():
        say(f"not for this format: {counted(count, 'payout')} by {method}")
    for each in done.files:
        parts = ", ".join(f"{code} {amount} in {counted(n, 'payout')}" for code, n, amount in
                          each.sums)  # fmt: skip
        say(f"{escape(str(each.path))}: {each.came}; {parts}")
        if each.came is Came.GONE:
            say(f"if it was lost and nothing of it paid: --again --batch {each.batch[:SHORT]}")
    if not done.files:
        say("nothing to export")
    elif any(each.came is Came.WRITTEN for each in done.files):
        say("pay them, then: commission payouts mark paid --batch HASH")


def _form(name: str, on: str, settings: Settings) -> Format:
    """The form of files that is asked for; with what it needs of keys and settings."""
    if name == "csv":
        if on:
            raise UsageError("--on: there is no day in files of the format csv", "Leave it out.")
        return Plain()
    day = day_option(on, "--on") if on else None
    debtor = settings.debtor
    return ForBanks(format_of(name, debtor), debtor, Keys.of(os.environ), day)


def _told(each: Exported) -> dict[str, Any]:
    return {
        "file": str(each.path),
        "came": each.came.name.lower(),
        "batch": each.batch,
        "format": each.format or "csv",
        "sha256": each.sha256,
        "payouts": sum(n for _, n, _ in each.sums),
        "totals": {code: amount for code, _, amount in each.sums},
    }


app.command("approve")(approve_)
app.command("withdraw")(withdraw_)
app.command("reject")(reject_)
app.command("export")(export_)
app.add_typer(payouts_after.mark_app, name="mark")
app.command("override")(payouts_after.override_)
