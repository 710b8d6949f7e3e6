"""What the bank said of exported payouts, and the override of the minimum."""

from collections.abc import Mapping, Sequence

import polars as pl

from commission_engine.book import audit, facts, runs, views
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.book.payouts import Step
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import LEGAL, State
from commission_engine.payouts.approve import Changed
from commission_engine.payouts.choose import (
    NOTHING,
    Wanted,
    described,
    plan_of_book,
    select,
    totals,
)
from commission_engine.problems import UsageError


def mark(
    connection: Connection,
    wanted: Wanted,
    to: State,
    reason: str,
    given: Circumstances,
    *,
    sent_back: bool = False,
) -> Changed:
    """Exported payouts were paid, or failed: then the next run books them back to the balance.

    A paid one can fail only if the bank has sent it back (`sent_back`). UsageError, and nothing
    kept, where one of those named by id cannot become that.
    """
    if to is State.FAILED and not reason.strip():
        raise UsageError("--reason is empty", f"Say why it failed; it is kept. {NOTHING}")
    if sent_back and (to is not State.FAILED or not wanted.ids):
        raise UsageError(
            "--returned is for `mark failed` and payouts by id", f"Name them. {NOTHING}"
        )
    if not wanted.ids and not wanted.batch:
        raise UsageError("mark needs payouts by id, or --batch", f"Say which. {NOTHING}")
    found = select(connection, plan_of_book(connection), wanted, State.EXPORTED, to)
    for row in found.iter_rows(named=True):
        _refuse(row["payout_id"], State(row["status"]), to, sent_back=sent_back)
    news = found.filter(pl.col("status") != str(to))
    before = found.height - news.height
    news = described(connection, news, runs.last_intake(connection))
    if not news.height:
        return Changed(news, before)
    steps = [
        (part, Step(to, batch, reason))
        for (batch,), part in news.group_by("batch", maintain_order=True)
    ]
    _learn(connection, news, steps, given, {"to": str(to), "reason": reason})
    return Changed(news, before)


def mark_each(
    connection: Connection,
    why: Mapping[str, str],
    to: State,
    given: Circumstances,
    told: Mapping[str, str],
) -> Changed:
    """The same for payouts by id, each with its own reason, as one intake: what a bank has said of
    them, so what was paid may have been sent back. `told` goes into the audit trail."""
    found = select(connection, plan_of_book(connection), Wanted(tuple(why)))
    for row in found.iter_rows(named=True):
        _refuse(row["payout_id"], State(row["status"]), to, sent_back=True)
    news = found.filter(pl.col("status") != str(to))
    news = news.with_columns(
        why=pl.col("payout_id").replace_strict(dict(why), return_dtype=pl.String)
    )
    if news.height:
        steps = [
            (part, Step(to, batch, reason))
            for (batch, reason), part in news.group_by("batch", "why", maintain_order=True)
        ]
        _learn(connection, news, steps, given, {"to": str(to), **told})
    return Changed(news, found.height - news.height)


def _learn(
    connection: Connection,
    news: pl.DataFrame,
    steps: Sequence[tuple[pl.DataFrame, Step]],
    given: Circumstances,
    told: Mapping[str, str],
) -> None:
    what = facts.Intake(book.MARK, given.now, given.who)
    number = facts.open_intake(connection, what, news.height, 0, 0)
    added = book.add_steps(connection, number, steps)
    said = {**told, "payouts": news.height, "totals": totals(news)}
    audit.learned(connection, given.signed, number, said, added)


def _refuse(payout_id: str, state: State, to: State, *, sent_back: bool) -> None:
    if state is to or (to in LEGAL[state] and (state is not State.PAID or sent_back)):
        return
    hints = {
        State.PAID: "If the bank has sent it back, add --returned and --reason.",
        State.FAILED: "Its money went back to the balance, and is in a later payout.",
        State.VOIDED: "Its money went back to the balance, and is in a later payout.",
    }
    hint = hints.get(state, "Only what was exported can be paid or fail: commission payouts export")
    raise UsageError(f"payout {payout_id} is {state} and cannot become {to}", f"{hint} {NOTHING}")


def override(
    connection: Connection, affiliate_id: str, currency: str, reason: str, given: Circumstances
) -> bool:
    """Let the next settlement pay an account whatever is available; whether that is news."""
    if not reason.strip():
        raise UsageError("--reason is empty", f"Say why; it is kept. {NOTHING}")
    numbers = views.number_of(connection, affiliate_id)
    if not len(numbers):
        raise UsageError(f"there is no affiliate {affiliate_id!r}", "Ids are case-sensitive.")
    codes = facts.currency_codes(connection)
    if not currency or currency not in codes:
        raise UsageError(
            f"nothing was ever earned in {currency!r}", f"The book has {', '.join(codes[1:])}."
        )
    whose, code = int(numbers[0]), codes.index(currency)
    known = runs.last_intake(connection)
    completed = runs.completed(connection)
    after = max((run.intake for run in completed if run.settles), default=0)
    if book.why_waived(connection, whose, code, after, known) is not None:
        return False
    what = facts.Intake(book.OVERRIDE, given.now, given.who)
    number = facts.open_intake(connection, what, 1, 0, 0)
    added = book.add_override(connection, number, whose, code, reason)
    told = {"affiliate_id": affiliate_id, "currency": currency, "reason": reason}
    audit.learned(connection, given.signed, number, told, added)
    return True
