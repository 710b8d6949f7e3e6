"""`commission payouts mark` and `override`: what the bank did; what is paid all the same."""

from typing import Annotated

import typer
from rich.markup import escape

from commission_engine.book.lock import Worker, again
from commission_engine.cli.common import (
    As,
    AsJson,
    Database,
    at_work,
    open_book,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.payouts_shared import (
    Batch,
    DryRun,
    Ids,
    Why,
    circumstances,
    nothing,
    said,
    show,
    stepped,
)
from commission_engine.ledger.life import State
from commission_engine.payouts.choose import Wanted
from commission_engine.payouts.mark import mark, override

mark_app = typer.Typer(help="Say what the bank did with exported payouts.", no_args_is_help=True)


def paid(
    payout: Ids = None,
    batch: Batch = "",
    reference: Annotated[str, typer.Option("--reference", help="The bank's reference; kept.")] = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Exported payouts were paid."""
    wanted = Wanted(payout or (), batch=batch)
    _marked(wanted, State.PAID, reference, as_name, database, dry_run=dry_run, as_json=as_json)


def failed(
    payout: Ids = None,
    batch: Batch = "",
    reason: Why = "",
    sent_back: Annotated[
        bool, typer.Option("--returned", help="The bank has sent back what was paid.")
    ] = False,
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Exported payouts were not paid; their money goes back to the balance."""
    wanted = Wanted(payout or (), batch=batch)
    _marked(
        wanted, State.FAILED, reason, as_name, database,
        dry_run=dry_run, as_json=as_json, sent_back=sent_back,
    )  # fmt: skip


def _marked(
    wanted: Wanted,
    to: State,
    reason: str,
    as_name: str,
    database: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    sent_back: bool = False,
) -> None:
    changed = stepped(
        database,
        f"payouts mark {to}",
        circumstances(as_name, dry_run=dry_run),
        lambda connection, given: mark(connection, wanted, to, reason, given, sent_back=sent_back),
    )
    if as_json:
        print_json({**said(changed), "dry_run": dry_run})
        return
    if not changed.payouts.height:
        nothing(changed, str(to), "no such payout is exported")
        return
    show(changed.payouts, 0)
    back = "; the next run books it back" if to is State.FAILED else ""
    say("dry run: nothing was changed" if dry_run else f"{to}{back}")


def override_(
    affiliate: Annotated[str, typer.Argument(help="Whose balance.")],
    currency: Annotated[str, typer.Argument(help="In this currency.")],
    reason: Why = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let the next settlement pay a balance below the minimum, once."""
    given = circumstances(as_name, dry_run=dry_run)
    engine = open_book(settings_of(database=database))

    def unit(worker: Worker) -> bool:
        with worker.writing(keep=not dry_run) as connection:
            return override(connection, affiliate, currency, reason, given)

    with at_work(engine, "payouts override") as worker:
        news = again(lambda: unit(worker))
    if as_json:
        print_json({"affiliate_id": affiliate, "currency": currency, "new": news,
                    "dry_run": dry_run})  # fmt: skip
        return
    done = "" if news else " already; nothing was changed"
    said = "dry run: " if dry_run and news else ""
    say(f"{said}the next settlement pays {escape(affiliate)} any {escape(currency)}{done}")


mark_app.command("paid")(paid)
mark_app.command("failed")(failed)
