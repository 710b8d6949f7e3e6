"""Approved payouts go into a file to pay, once.

First the book: the payouts are exported, in a file of this name with this hash. Then the bytes,
aside. Then the book again: they are written. Then the file appears, by one rename. Whoever is
killed in between and comes again goes on where he was: never is there a file that the book does
not know, and a file that has appeared is not written a second time, wherever it went since.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import polars as pl

from commission_engine.book import audit, facts, runs, tax
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection, reading
from commission_engine.book.lock import Worker, again
from commission_engine.book.payouts import PaymentFile, Step
from commission_engine.calendar import Day, day_of
from commission_engine.identity import Identity
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import OUT, State
from commission_engine.payouts.approve import Approval, maker_of
from commission_engine.payouts.choose import (
    NOTHING,
    SHORT,
    Wanted,
    batch_of,
    content,
    counted,
    described,
    of_batch,
    plan_of_book,
    select,
    stepped,
    totals,
)
from commission_engine.plan.terms import Plan
from commission_engine.problems import CommissionError, OutOfBalance, UsageError
from commission_engine.publish import text
from commission_engine.publish.ids import statement_ids

COLUMNS = ("payout_id", "affiliate_id", "currency", "amount", "name", "statement_id", "batch")


class Came(StrEnum):
    """What came of a file to pay."""

    WRITTEN = "written"
    THERE = "there already"
    GONE = "written before, and taken away since"
    NEVER = "never written: payouts of it were marked meanwhile"
    FORESEEN = "not written: dry run"


@dataclass(frozen=True, slots=True)
class Exported:
    """A file to pay: its place, what came of it, and how much it pays by currency."""

    batch: str
    path: Path
    came: Came
    sha256: str
    sums: Sequence[tuple[str, int, str]]


@dataclass(frozen=True, slots=True)
class Export:
    """What an export came to; `held` are those of the approved payouts whose affiliates may not be
    paid now (`described`), and `waits` says why."""

    files: Sequence[Exported]
    held: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Order:
    """What to export: all that may be, or only of `batch`; whether a file that was taken away is to
    be written once more. `documents` are the countries whose affiliates need a tax document."""

    mode: Approval
    folder: Path
    batch: str = ""
    anew: bool = False
    documents: tuple[str, ...] = ()


def export(worker: Worker, order: Order, given: Circumstances) -> Export:
    """Put all that may be paid into files, one a batch, and finish what was begun before."""
    with reading(worker.engine) as connection:
        plan = plan_of_book(connection)
        only = batch_of(connection, order.batch) if order.batch else ""
        begun = [
            file
            for file in book.payment_files(connection)
            if (file.batch == only if only else _unfinished(file))
        ]
        ready, held = _ready(connection, plan, order, only, _today(given))
    if order.anew and not only:
        raise UsageError("--again is for one batch", f"Name it with --batch. {NOTHING}")
    files = list(begun)
    if given.dry_run:
        foreseen = [
            Exported(batch, order.folder / _name(worker, batch), Came.FORESEEN, "", counted(part))
            for batch, part in ready
        ]
        return Export(foreseen, held)
    for batch, _ in ready:
        files.append(again(lambda batch=batch: _exported(worker, order, batch, given)))  # type: ignore[misc]
    return Export([_handed_over(worker, file, order, given) for file in files], held)


# -- the book first


def _today(given: Circumstances) -> Day:
    return day_of(datetime.fromisoformat(given.now).date())


def _ready(
    connection: Connection, plan: Plan, order: Order, only: str, day: Day
) -> tuple[list[tuple[str, pl.DataFrame]], pl.DataFrame]:
    """By batch the payouts that may be exported on `day`, and those that have to wait."""
    known = runs.last_intake(connection)
    mode = order.mode

    def told(found: pl.DataFrame) -> pl.DataFrame:
        """With why each has to wait; "": it need not."""
        part = described(connection, found, known)
        lacks = tax.lacking(connection, part["affiliate"], order.documents, known, day)
        waits = [
            standing if standing != "active" else lacks.get(number, "")
            for number, standing in part.select("affiliate", "standing").iter_rows()
        ]
        return part.with_columns(pl.Series("waits", waits, dtype=pl.String))

    approved = select(connection, plan, Wanted(), State.APPROVED)
    batches = [each for each in approved["batch"].unique().sort() if only in ("", each)]
    parts = []
    for batch in batches:
        _refuse_changed(connection, plan, batch, mode)
        parts.append((batch, told(approved.filter(pl.col("batch") == batch))))
    if mode is Approval.NONE and not only:
        pending = told(select(connection, plan, Wanted(), State.PENDING))
        parts.append((content(pending.filter(pl.col("waits") == "")), pending))
    waits = [part.filter(pl.col("waits") != "") for _, part in parts]
    none = told(approved.clear())
    pays = [(batch, part.filter(pl.col("waits") == "")) for batch, part in parts]
    return [(batch, part) for batch, part in pays if part.height], pl.concat([none, *waits])


def _refuse_changed(connection: Connection, plan: Plan, batch: str, mode: Approval) -> None:
    """What is exported is what was approved, by somebody who might."""
    approval = book.approval_of(connection, batch)
    members = of_batch(connection, plan, batch, State.APPROVED, *OUT)
    if approval is None or content(described(connection, members, approval)) != batch:
        raise UsageError(
            f"batch {batch[:SHORT]} is not what was approved",
            "Take the approval back and approve again: commission payouts withdraw. Look at"
            f" `commission verify` too. {NOTHING}",
        )
    if mode is Approval.TWO_PERSON:
        who = book.who_learned(connection, approval)
        for _, maker in maker_of(connection, members):
            if Identity.of(who).same_person(Identity.of(maker)):
                raise UsageError(
                    f"batch {batch[:SHORT]} was approved by {who}, who also ran the night",
                    "commission payouts withdraw takes the approval back; a second person approves"
                    f" again. {NOTHING}",
                )


def _exported(worker: Worker, order: Order, batch: str, given: Circumstances) -> PaymentFile:
    mode = order.mode
    with worker.writing() as connection:
        plan = plan_of_book(connection)
        only = "" if mode is Approval.NONE else batch
        ready, _ = _ready(connection, plan, order, only, _today(given))
        (part,) = (each for name, each in ready if name == batch)
        number = facts.open_intake(
            connection, facts.Intake(book.EXPORT, given.now, given.who), part.height, 0, 0
        )
        spans = book.add_steps(connection, number, [(part, Step(State.EXPORTED, batch))])
        name = _next_name(connection, batch)
        digest = sha256(payments(connection, plan, batch, number)).hexdigest()
        file = PaymentFile(number, batch, name, digest)
        spans |= book.add_file(connection, file)
        told = {"batch": batch, "file": name, "sha256": digest, "approval": str(mode),
                "payouts": part.height, "totals": totals(part)}  # fmt: skip
        audit.learned(connection, given.signed, number, told, spans)
        return file


def _name(worker: Worker, batch: str) -> str:
    with reading(worker.engine) as connection:
        return _next_name(connection, batch)


def _next_name(connection: Connection, batch: str) -> str:
    """A batch has a second file where some of it had to wait when the first was made."""
    before = [file for file in book.payment_files(connection) if file.batch == batch]
    return f"payments-{batch[:SHORT]}{f'-{len(before) + 1}' if before else ''}.csv"


def payments(connection: Connection, plan: Plan, batch: str, file: int) -> bytes:
    """The bytes of the file to pay of an export: names are those that were approved."""
    known = book.approval_of(connection, batch) or file
    found = described(connection, stepped(connection, plan, file, State.EXPORTED), known)
    statements = statement_ids(plan.name, found["run_day"], found["affiliate_id"])
    table = found.with_columns(statements).select(
        "payout_id",
        "affiliate_id",
        pl.col("code").alias("currency"),
        text.amount("amount_minor"),
        "name",
        "statement_id",
        pl.lit(batch[:SHORT]).alias("batch"),
    )
    return text.csv(table.select(COLUMNS))


# -- then the file


def _unfinished(file: PaymentFile) -> bool:
    return file.folder is None or _aside(Path(file.folder) / file.name).exists()


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _handed_over(worker: Worker, file: PaymentFile, order: Order, given: Circumstances) -> Exported:
    with reading(worker.engine) as connection:
        plan = plan_of_book(connection)
        made = payments(connection, plan, file.batch, file.intake)
        members = stepped(connection, plan, file.intake, State.EXPORTED)
    if sha256(made).hexdigest() != file.sha256:
        raise OutOfBalance(
            f"{file.name}: the book's rows give other bytes than were exported",
            "Nothing was written. Look at `commission verify`.",
        )
    folder = Path(file.folder) if file.folder else order.folder.absolute()
    target = folder / file.name
    as_exported = bool((members["status"] == str(State.EXPORTED)).all())
    if file.folder and _there(target, made):
        came = Came.THERE
    elif _unfinished(file):
        # What was marked meanwhile may be in the balance again: it must not be paid from here.
        came = _finished(worker, file, target, made, given) if as_exported else _dropped(target)
    elif order.anew:
        if not as_exported:
            raise UsageError(
                f"{file.name}: payouts of it were marked already",
                f"A file is written again only while nothing of it was paid or failed. {NOTHING}",
            )
        target = order.folder.absolute() / file.name
        _put_aside(target, made)
        _appear(target, made)
        came = Came.WRITTEN
    else:
        came = Came.GONE
    return Exported(file.batch, target, came, file.sha256, counted(members))


def _finished(
    worker: Worker, file: PaymentFile, target: Path, made: bytes, given: Circumstances
) -> Came:
    if file.folder is not None:
        _appear(target, made)
        return Came.WRITTEN
    if target.exists():
        raise CommissionError(
            f"{target}: is there already, and not from this export",
            "Move it away, or name another folder with --out, and run the command again.",
        )
    _put_aside(target, made)
    again(lambda: _written(worker, file, target.parent, given))
    _appear(target, made)
    return Came.WRITTEN


def _dropped(target: Path) -> Came:
    _aside(target).unlink(missing_ok=True)
    return Came.NEVER


def _written(worker: Worker, file: PaymentFile, folder: Path, given: Circumstances) -> None:
    with worker.writing() as connection:
        spans = book.add_written(connection, file.intake, str(folder))
        told = {"batch": file.batch, "folder": str(folder)}
        audit.record(connection, given.signed, "payments", file.name, told, spans)


def _there(target: Path, made: bytes) -> bool:
    """Whether the file is there; CommissionError where it has other bytes."""
    if not target.exists():
        return False
    if target.read_bytes() != made:
        raise CommissionError(
            f"{target}: has other bytes than were exported",
            "It is not touched. Find out who changed it, and pay nothing from it.",
        )
    return True


def _put_aside(target: Path, made: bytes) -> None:
    """The bytes on the disk, under a name that nobody takes for a file to pay."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _aside(target).open("wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        _sync(target.parent)
    except OSError as why:
        raise _unwritten(target, why) from why


def _appear(target: Path, made: bytes) -> None:
    if _aside(target).read_bytes() != made:
        raise CommissionError(
            f"{_aside(target)}: has other bytes than were exported",
            "It is not touched. Find out who changed it.",
        )
    try:
        _aside(target).rename(target)
        _sync(target.parent)
    except OSError as why:
        raise _unwritten(target, why) from why


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritten(target: Path, why: OSError) -> CommissionError:
    return CommissionError(
        f"{target}: cannot be written: {why.strerror}",
        "The export is in the book; run the same command again and it writes the file.",
    )
