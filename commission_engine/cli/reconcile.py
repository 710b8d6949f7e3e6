"""`commission reconcile`: what banks say of payouts, what waits for a person, what it comes to."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape
from typer.core import TyperGroup

from commission_engine.book import reconcile as book
from commission_engine.book.connect import Connection
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
    day_option,
    form,
    listing,
    looking,
    open_book,
    out,
    print_json,
    say,
    settings_of,
    table_of,
)
from commission_engine.cli.payouts_shared import DryRun, Why, circumstances
from commission_engine.finance.reconcile import read as reader
from commission_engine.finance.reconcile.decide import Decided, Decision, Word, decide, waiting
from commission_engine.finance.reconcile.keep import Reconciled, reconcile, sums
from commission_engine.finance.reconcile.keep import waiting as waits_for_a_person
from commission_engine.finance.reconcile.past import key_of
from commission_engine.finance.reconcile.read import Named, load
from commission_engine.finance.reconcile.reasons import in_words
from commission_engine.finance.reconcile.report import Period, report
from commission_engine.ledger.life import State
from commission_engine.money import plain
from commission_engine.payouts.approve import Approval
from commission_engine.payouts.choose import plan_of_book
from commission_engine.problems import UsageError
from commission_engine.publish.ids import payout_id

FIRST, LAST = -(2**31), 2**31


class _Group(TyperGroup):
    """`reconcile FILE` is `reconcile read FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args.insert(0, "read")
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help="Match what banks say with payouts: commission reconcile FILE.",
    no_args_is_help=True,
)


@app.command("read")
def read_(
    file: Annotated[Path, typer.Argument(help="What the bank sent.")],
    form_: Annotated[
        reader.Form, typer.Option("--format", help="Its form; else it is recognised.")
    ] = reader.Form.AUTO,
    mapping: Annotated[
        Path | None, typer.Option("--map", help="A TOML file: what the columns of a CSV are.")
    ] = None,
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Read a bank's file whole: mark what is sure, keep the rest for a person. Safe to repeat."""
    settings = settings_of(database=database)
    given = circumstances(as_name, dry_run=dry_run)
    data, named = load(file), Named(file, form_, mapping)

    def unit(worker: Worker) -> Reconciled:
        with worker.writing(keep=not dry_run) as connection:
            return reconcile(connection, named, data, given, settings.bank_accounts.value)

    with at_work(open_book(settings), "reconcile") as worker:
        done = again(lambda: unit(worker))
    waits = waits_for_a_person(done.rows)
    if as_json:
        print_json(_said(file, done, waits, dry_run=dry_run))
        return
    if done.before is not None:
        say(
            f"{escape(str(file))}: was read already, at {done.before.read_at} by"
            f" {escape(done.before.read_by)}; nothing was changed"
        )
        return
    _tell(done, waits, dry_run=dry_run)


def _said(file: Path, done: Reconciled, waits: int, *, dry_run: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "sha256": done.sha256,
        "format": done.form,
        "read_before": done.before.read_at if done.before else None,
        "entries": done.rows.height,
        "known": done.known,
        "pending": done.pending,
        "found": dict(done.found),
        "totals": {f"{found} {code}": amount for found, code, _, amount in sums(done.rows)},
        "marked_paid": done.paid,
        "marked_failed": done.back,
        "waiting": waits,
        "dry_run": dry_run,
    }


def _tell(done: Reconciled, waits: int, *, dry_run: bool) -> None:
    about = f" of {', '.join(done.accounts)}" if done.accounts else ""
    known = f", {done.known:,} more known from earlier files" if done.known else ""
    later = f", {done.pending:,} not final and left out" if done.pending else ""
    new = "1 new entry" if done.rows.height == 1 else f"{done.rows.height:,} new entries"
    say(f"{done.form}{escape(about)}: {new}{known}{later}")
    for found, code, count, amount in sums(done.rows):
        say(f"  {found}: {count:,}, {escape(code)} {amount}")
    if done.paid:
        say(f"{counted(done.paid, 'payout')} marked paid")
    if done.back:
        say(f"{counted(done.back, 'payout')} marked failed; the next run books it back")
    if waits:
        verb = "1 entry waits" if waits == 1 else f"{waits:,} entries wait"
        say(f"{verb} for a person: commission reconcile open")
    if dry_run:
        say("dry run: nothing was kept")


# -- what waits


@app.command("open")
def open_(
    every: Annotated[
        bool, typer.Option("--all", help="All entries, also those that wait for nobody.")
    ] = False,
    database: Database = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the entries that a person has to decide on."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        shown = _shown(connection, waiting(connection, every=every))
    if how is Form.TABLE:
        names = ["entry", "booked_on", "found", "currency", "amount", "payee", "payout_id", "score",
                 "why", *(["decision"] if every else [])]  # fmt: skip
        shown = shown.select(names)
    listing(shown, how, limit, "entries")


def _shown(connection: Connection, found: pl.DataFrame) -> pl.DataFrame:
    """Entries (book.LISTED) as people and programs read them."""
    names = _payout_ids(connection, found)
    rows = [
        {
            "entry": row["id"],
            "file": row["file"],
            "line": row["line"],
            "account": row["account"],
            "booked_on": date_of(row["booked_day"]).isoformat(),
            "said": row["said"],
            "found": row["found"],
            "currency": row["code"],
            "amount": plain(row["amount_minor"], row["decimals"]),
            "reference": row["reference"],
            "bank_reference": row["bank_reference"],
            "payee": row["payee"],
            "payee_account": f"…{row['payee_tail']}" if row["payee_tail"] else "",
            "reason": in_words(row["reason_code"], row["reason"])
            if row["reason_code"] or row["reason"]
            else "",
            "payout_id": names.get(key_of(row), ""),
            "score": row["score"],
            "why": row["why"],
            "decision": row["decision"],
            "decided_payout_id": names.get(
                (row["decided_day"], row["decided_affiliate"], row["decided_currency"]), ""
            ),
            "decided_at": row["decided_at"],
            "decided_by": row["decided_by"],
            "decided_reason": row["decided_reason"],
        }
        for row in found.iter_rows(named=True)
    ]  # fmt: skip
    whole = ("entry", "line", "score")
    schema = {name: pl.Int64 if name in whole else pl.String for name in _COLUMNS}
    return pl.DataFrame(rows, schema=schema)


_COLUMNS = (
    "entry", "file", "line", "account", "booked_on", "said", "found", "currency", "amount",
    "reference", "bank_reference", "payee", "payee_account", "reason", "payout_id", "score", "why",
    "decision", "decided_payout_id", "decided_at", "decided_by", "decided_reason",
)  # fmt: skip


def _payout_ids(connection: Connection, found: pl.DataFrame) -> dict[tuple[int, ...], str]:
    """The ids of the payouts that entries are about, by key."""
    if not found.height:
        return {}
    plan, asked = (
        plan_of_book(connection),
        set(found["affiliate"]) | set(found["decided_affiliate"]),
    )
    mine = book.sent(connection).filter(pl.col("affiliate").is_in(asked))
    return {
        key_of(row): payout_id(plan.name, row["run_day"], row["affiliate_id"], row["earned_code"])
        for row in mine.iter_rows(named=True)
    }


@app.command("decide")
def decide_(
    entry: Annotated[list[int], typer.Argument(help="Entries; `commission reconcile open`.")],
    payout: Annotated[
        str, typer.Option("--payout", metavar="PAYOUT_ID", help="They are about this payout.")
    ] = "",
    not_ours: Annotated[
        bool, typer.Option("--not-ours", help="They are about no payout of ours.")
    ] = False,
    ignore: Annotated[
        bool, typer.Option("--ignore", help="They are left as they are; with --reason.")
    ] = False,
    reason: Why = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Say what entries are that wait. A decision stays."""
    if bool(payout) + not_ours + ignore != 1:
        raise UsageError(
            "decide needs one of --payout PAYOUT_ID, --not-ours and --ignore",
            "`commission reconcile open` lists what waits, and the likeliest payout.",
        )
    word = Word.PAYOUT if payout else Word.NOT_OURS if not_ours else Word.IGNORE
    settings = settings_of(database=database)
    second = settings.payouts_approval.value == Approval.TWO_PERSON
    given = circumstances(as_name, dry_run=dry_run)
    wanted = Decision(entry, word, payout, reason)

    def unit(worker: Worker) -> Decided:
        with worker.writing(keep=not dry_run) as connection:
            return decide(connection, wanted, given, second=second)

    with at_work(open_book(settings), "reconcile decide") as worker:
        done = again(lambda: unit(worker))
    if as_json:
        print_json(
            {
                "entries": done.entries["id"].to_list(), "decision": str(word),
                "payout_id": payout or None, "new": done.news,
                "marked": str(done.steps) if done.steps else None, "why": done.why or None,
                "dry_run": dry_run,
            }
        )  # fmt: skip
        return
    numbers = ", ".join(str(number) for number in done.entries["id"])
    if not done.news:
        say(f"entry {numbers}: decided so already; nothing was changed")
        return
    about = f"payout {escape(payout)}" if payout else str(word)
    say(f"entry {numbers}: {about}")
    if done.steps:
        back = "; the next run books it back" if done.steps is State.FAILED else ""
        say(f"marked {done.steps}{back}")
    elif done.why:
        say(escape(done.why))
    if dry_run:
        say("dry run: nothing was kept")


# -- what it comes to


@app.command("report")
def report_(
    first: Annotated[str, typer.Option("--from", help="The first day, in the plan's zone.")] = "",
    last: Annotated[str, typer.Option("--to", help="The last day.")] = "",
    database: Database = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """What left, what became of it, and beside it what banks said: opening + made - paid - failed =
    closing."""
    how = form(as_json, as_csv)
    period = Period(
        day_option(first, "--from") if first else FIRST, day_option(last, "--to") if last else LAST
    )
    if period.first > period.last:
        raise UsageError("--from is after --to", "Write the earlier day first.")
    with looking(database) as connection:
        found = report(connection, period)
    amounts = [name for name in found.columns if name.endswith("_minor")]
    rows = [
        {
            "currency": row["currency"],
            **{name.removesuffix("_minor"): plain(row[name], row["decimals"]) for name in amounts},
            "waiting_entries": row["waiting"],
        }
        for row in found.iter_rows(named=True)
    ]
    names = ["currency", *(name.removesuffix("_minor") for name in amounts)]
    schema = {**dict.fromkeys(names, pl.String), "waiting_entries": pl.Int64}
    shown = pl.DataFrame(rows, schema=schema)
    if how is Form.TABLE and shown.height:
        out.print(table_of(shown, names[1:]))
    else:
        listing(shown, how, 0, "exported payouts")
