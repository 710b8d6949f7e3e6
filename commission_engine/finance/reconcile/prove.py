"""Prove what is kept of banks' files: every entry is matched anew with what was known then."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from commission_engine.book import facts
from commission_engine.book import reconcile as book
from commission_engine.book.connect import Connection
from commission_engine.finance.reconcile.keep import identity
from commission_engine.finance.reconcile.match import WAITS, Judged
from commission_engine.finance.reconcile.past import Past, key_of, told_of

FEW = 3
"""Entries of one fault in a file that are named."""


def faults(connection: Connection) -> Iterator[str]:
    """What is wrong with files, entries and decisions."""
    yield from book.misfits(connection)
    rows = book.entries(connection)
    plan = facts.current_plan(connection)
    if plan is None or not rows.height:
        return
    for row in rows.iter_rows(named=True):
        if identity(_content(row), row["position"]) != row["identity"]:
            yield f"bank entry {row['id']}: its content does not give its identity"
        if row["decided"] and row["found"] not in WAITS:
            yield f"bank entry {row['id']}: it was decided, and waited for nobody"
    past = Past(connection, plan, told_of(rows))
    for (number,), part in rows.group_by("intake", maintain_order=True):
        # What a file has stepped was learned after it, so it was not known when it was matched.
        told = told_of(part)
        judged = past.at(int(str(number)) - 1, told).judge(told)
        unlike = [
            row["id"]
            for row, found in zip(part.iter_rows(named=True), judged, strict=True)
            if not _agrees(row, found)
        ]
        for each in unlike[:FEW]:
            yield f"bank entry {each}: matching it anew finds something else"
    yield from _unsettled(connection, rows)


def _content(row: dict[str, Any]) -> tuple[str | int, ...]:
    """As `entry.Entry.content` has it."""
    where = tuple(row[name] for name in ("account", "said", "booked_day", "code", "amount_minor"))
    if row["bank_reference"]:
        return (*where, row["bank_reference"])
    names = ("reference", "payee", "payee_tail", "reason_code", "reason")
    return (*where, "", *(row[name] for name in names))


def _agrees(row: dict[str, Any], found: Judged) -> bool:
    key = found.payout.key if found.payout else (book.NOBODY,) * 3
    derived = (str(found.found), key, found.score, found.why)
    return derived == (row["found"], key_of(row), row["score"], row["why"])


def _unsettled(connection: Connection, rows: pl.DataFrame) -> Iterator[str]:
    """Entries that are sure and whose payout is still waiting for the bank."""
    steps = book.steps(connection)
    key = ["run_day", "affiliate", "currency"]
    last = steps.group_by(key).agg(pl.col("step").sort_by("number").last())
    sure = rows.filter(pl.col("score") == 100).join(last, on=key, how="left")
    for number in sure.filter(pl.col("step").is_null() | (pl.col("step") == "exported"))["id"]:
        yield f"bank entry {number}: its payout was not settled"
