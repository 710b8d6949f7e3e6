"""Prove from the stored rows that every payout was stepped as it may be, and every batch is what
was approved and exported."""

from collections.abc import Iterator
from hashlib import sha256

from commission_engine.book import bank, facts, payout_proof
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.ledger.life import State
from commission_engine.payouts.choose import SHORT, content, described, stepped
from commission_engine.payouts.formats import payments


def faults(connection: Connection) -> Iterator[str]:
    """What is wrong with the steps, the batches and the files to pay."""
    yield from payout_proof.misfits(connection)
    yield from bank.misfits(connection)
    plan = facts.current_plan(connection)
    if plan is None:
        return
    for number, kind in book.of_batches(connection):
        to = State.APPROVED if kind == book.APPROVE else State.EXPORTED
        found = stepped(connection, plan, number, to)
        named = book.batches_of(connection, number)
        content_of = content(described(connection, found, number))
        if kind == book.APPROVE and named != [content_of]:
            yield f"intake {number}: what it approved has the hash {content_of[:SHORT]}"
        if kind == book.EXPORT and not _exported(connection, named, content_of):
            yield f"intake {number}: what it exported is not what was approved"
    for file in book.payment_files(connection):
        if book.batches_of(connection, file.intake) != [file.batch]:
            yield f"{file.name}: its payouts are not of its batch"
        elif not file.format:  # the bytes of the others are sealed: see finance.bank.prove
            digest = sha256(payments(connection, plan, file.batch, file.intake)).hexdigest()
            if digest != file.sha256:
                yield f"{file.name}: its payouts do not give its hash"


def _exported(connection: Connection, named: list[str], content_of: str) -> bool:
    """What nobody had approved is the whole of its batch."""
    if len(named) != 1:
        return False
    approval = book.approval_of(connection, named[0])
    return approval is not None or named == [content_of]
