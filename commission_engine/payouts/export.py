"""Approved payouts go into a file to pay, once.

First the book: the payouts are exported, in a file of this name with this hash. Then the bytes,
aside. Then the book again: they are written. Then the file appears, by one rename. Whoever is
killed in between and comes again goes on where he was: never is there a file that the book does
not know, and a file that has appeared is not written a second time, wherever it went since.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import polars as pl

from commission_engine.book import audit, bank, facts, runs, tax
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection, reading
from commission_engine.book.lock import Worker, again
from commission_engine.book.payouts import PaymentFile, Step
from commission_engine.calendar import Day, date_of, day_of
from commission_engine.identity import Identity
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import OUT, State
from commission_engine.payouts.approve import Approval, maker_of
from commission_engine.payouts.choose import (
    NOTHING,
    SHORT,
    Wanted,
    as_paid,
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
from commission_engine.payouts.formats import Format, Making, Plain, payments
from commission_engine.plan.terms import Plan
from commission_engine.problems import CommissionError, OutOfBalance, UsageError


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
    format: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """What an export came to; `held` are those of the approved payouts that have to wait
    (`described`), each with `why`; `elsewhere` counts those that are for another format."""

    files: Sequence[Exported]
    held: pl.DataFrame
    elsewhere: Mapping[str, int] = field(default_factory=dict)


def _closed(_connection: Connection, file: int) -> bytes:
    raise UsageError(
        f"the file of intake {file} is in a bank's format, and nothing was given to open it",
        NOTHING,
    )


@dataclass(frozen=True, slots=True)
class Order:
    """What to export: all that may be, or only of `batch`; whether a file that was taken away is to
    be written once more. `cool_off_days`: for how many business dates a changed account is paid
    nothing. `opened` gives the content of a file in a bank's format, by the intake of its export.
    `documents` are the countries whose affiliates need a tax document.
    """

    mode: Approval
    folder: Path
    batch: str = ""
    anew: bool = False
    format: Format = field(default_factory=Plain)
    cool_off_days: int = 0
    opened: Callable[[Connection, int], bytes] = _closed
    documents: tuple[str, ...] = ()


def export(worker: Worker, order: Order, given: Circumstances) -> Export:
    """Put all that may be paid into files, and finish what was begun before."""
    with reading(worker.engine) as connection:
        only = batch_of(connection, order.batch) if order.batch else ""
        begun = [
            file
            for file in book.payment_files(connection)
            if (file.batch == only if only else _unfinished(file))
        ]
    if order.anew and not only:
        raise UsageError("--again is for one batch", f"Name it with --batch. {NOTHING}")
    made = again(lambda: _exported(worker, order, only, given))
    if given.dry_run:
        foreseen = [
            Exported(file.batch, order.folder / file.name, Came.FORESEEN, file.sha256,
                     counted(as_paid(part)), file.format)
            for file, part in made.files
        ]  # fmt: skip
        return Export(foreseen, made.held, made.elsewhere)
    files = [*begun, *(file for file, _ in made.files)]
    done = [_handed_over(worker, file, order, given) for file in files]
    return Export(done, made.held, made.elsewhere)


# -- the book first


@dataclass(frozen=True, slots=True)
class _Made:
    """The files that the book has now, with their payouts; which ones wait, or go elsewhere."""

    files: Sequence[tuple[PaymentFile, pl.DataFrame]]
    held: pl.DataFrame
    elsewhere: Mapping[str, int]


def _exported(worker: Worker, order: Order, only: str, given: Circumstances) -> _Made:
    """All files in one transaction: all of them, or none."""
    with worker.writing(keep=not given.dry_run) as connection:
        plan = plan_of_book(connection)
        judged = _judged(connection, plan, order, only, _today(given))
        found = pl.concat([each for _, each in judged])
        ready = [
            (batch or content(part), part)
            for batch, each in judged
            for part in order.format.parts(each.filter((pl.col("why") == "") & _OURS))
        ]
        elsewhere = found.filter(~_OURS).group_by("elsewhere").len().sort("elsewhere")
        return _Made(
            [(_one(connection, plan, order, batch, part, given), part) for batch, part in ready],
            found.filter((pl.col("why") != "") & _OURS).sort("run_day", "affiliate_id", "code"),
            dict(elsewhere.iter_rows()),
        )


_OURS = pl.col("elsewhere") == ""


def _today(given: Circumstances) -> Day:
    return day_of(datetime.fromisoformat(given.now).date())


def _judged(
    connection: Connection, plan: Plan, order: Order, only: str, day: Day
) -> list[tuple[str, pl.DataFrame]]:
    """By batch ("": of none yet) the payouts that might be exported on `day`, and why one may
    not."""
    known = runs.last_intake(connection)
    approved = select(connection, plan, Wanted(), State.APPROVED)
    batches = [each for each in approved["batch"].unique().sort() if only in ("", each)]
    parts = [("", approved.clear())]
    for batch in batches:
        _refuse_changed(connection, plan, batch, order.mode)
        parts.append((batch, approved.filter(pl.col("batch") == batch)))
    if order.mode is Approval.NONE and not only:
        parts.append(("", select(connection, plan, Wanted(), State.PENDING)))
    return [
        (batch, _may_be(connection, order, described(connection, part, known), known, day))
        for batch, part in parts
    ]


def _may_be(
    connection: Connection, order: Order, found: pl.DataFrame, known: int, day: Day
) -> pl.DataFrame:
    """Payouts as the format judges them; none to who is not active, lacks a tax document, or has
    just another account."""
    judged = order.format.judged(connection, found)
    lacks = tax.lacking(connection, found["affiliate"], order.documents, known, day)
    free = bank.cooling(connection, found["affiliate"], order.cool_off_days)
    whys = []
    for number, whose, standing, why in judged.select(
        "affiliate", "affiliate_id", "standing", "why"
    ).iter_rows():
        if standing != "active":
            whys.append(f"{whose} is {standing}")
        elif number in lacks:
            whys.append(f"{whose} is {lacks[number]}")
        elif number in free:
            until = date_of(free[number])
            whys.append(
                f"{whose} has a new account; nothing is paid to it before the run of {until}"
            )
        else:
            whys.append(why)
    return judged.with_columns(pl.Series("why", whys, dtype=pl.String))


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


def _one(
    connection: Connection, plan: Plan, order: Order, batch: str, part: pl.DataFrame,
    given: Circumstances,
) -> PaymentFile:  # fmt: skip
    form = order.format
    number = facts.open_intake(
        connection, facts.Intake(book.EXPORT, given.now, given.who), part.height, 0, 0
    )
    spans = book.add_steps(connection, number, [(part, Step(State.EXPORTED, batch))])
    making = Making(plan, batch, number, _next_name(connection, batch, form), part)
    made = form.bytes_of(connection, making)
    file = PaymentFile(number, batch, making.name, sha256(made).hexdigest(), None, form.name)
    spans |= book.add_file(connection, file)
    spans |= form.keep(connection, making, made)
    told = {"batch": batch, "file": file.name, "sha256": file.sha256, "approval": str(order.mode),
            "payouts": part.height, "totals": totals(as_paid(part))}  # fmt: skip
    if form.name:
        told["format"] = form.name
    audit.learned(connection, given.signed, number, told, spans)
    return file


def _next_name(connection: Connection, batch: str, form: Format) -> str:
    """A batch has a second file where some of it had to wait when the first was made, or did not
    fit into it."""
    before = sum(file.batch == batch for file in book.payment_files(connection))
    parts = [
        batch[:SHORT],
        *([form.name] if form.name else []),
        *([str(before + 1)] if before else []),
    ]
    return f"payments-{'-'.join(parts)}.{form.ending}"


# -- then the file


def _unfinished(file: PaymentFile) -> bool:
    return file.folder is None or _aside(Path(file.folder) / file.name).exists()


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _handed_over(worker: Worker, file: PaymentFile, order: Order, given: Circumstances) -> Exported:
    with reading(worker.engine) as connection:
        plan = plan_of_book(connection)
        if file.format:
            made = order.opened(connection, file.intake)
        else:
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
        _put_aside(target, made, bool(file.format))
        _appear(target, made)
        came = Came.WRITTEN
    else:
        came = Came.GONE
    return Exported(file.batch, target, came, file.sha256, counted(as_paid(members)), file.format)


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
    _put_aside(target, made, bool(file.format))
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


def _put_aside(target: Path, made: bytes, private: bool) -> None:
    """The bytes on the disk, under a name that nobody takes for a file to pay. What is `private`
    names accounts: nobody else may read it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(_aside(target), "wb", opener=_for_the_owner if private else None) as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        _sync(target.parent)
    except OSError as why:
        raise _unwritten(target, why) from why


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


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
