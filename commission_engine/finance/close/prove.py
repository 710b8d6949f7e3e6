"""Prove closings from the stored rows: their figures are derived again, and so are their files."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from commission_engine.book import audit, closings
from commission_engine.book.closings import Closing
from commission_engine.book.connect import Connection
from commission_engine.book.lines import LineStore
from commission_engine.finance.close.close import turn
from commission_engine.finance.close.figures import figures
from commission_engine.finance.close.pack import made_with, whole
from commission_engine.finance.close.period import Period
from commission_engine.identity import Identity

FOLDER = "closings"
"""Below the folder of all files."""


def faults(connection: Connection, store: LineStore, out: Path | None) -> Iterator[str]:
    """What is wrong with closings and reopenings, and with the packs below `out`."""
    made = closings.closings(connection)
    if not made:
        return
    yield from closings.misfits(connection)
    yield from _out_of_turn(connection, made)
    trail = {row.id: row.hash for row in audit.rows(connection)}
    for each in made:
        if trail.get(each.head) != each.head_hash:
            yield f"closing {each.name}: the audit trail has another row {each.head}"
        yield from _pack(connection, store, each, out)


def notes(connection: Connection, out: Path | None) -> Iterator[str]:
    """Packs that are not there, and those whose bytes cannot be made again here."""
    for each in closings.closings(connection):
        if out is not None and not (out / FOLDER / each.name).is_dir():
            yield (
                f"{out / FOLDER / each.name}: not there; `commission close {each.month}` writes it"
                " again"
            )
        elif out is not None and dict(each.made_with) != dict(made_with()):
            yield (
                f"closing {each.name}: made with other versions than are installed; its figures"
                " were derived again, its files only compared with their hashes"
            )


def _out_of_turn(connection: Connection, made: Sequence[Closing]) -> Iterator[str]:
    """Months in order, each once unless it was opened again in between, by two people."""
    asked = closings.requests(connection)
    ended = {each.closing: each.reopened for each in asked if each.reopened}
    for place, each in enumerate(made):
        held = [
            other for other in made[:place] if ended.get(other.intake, each.intake) >= each.intake
        ]
        due = turn(made[:place], held)
        if due and due.first != each.first_day:
            yield f"closing {each.name}: its turn had not come"
    for wish in asked:
        one, other = Identity.of(wish.asked_by), Identity.of(wish.confirmed_by)
        if wish.reopened and (one.same_person(other) or wish.reopened <= wish.intake):
            yield f"reopening by intake {wish.reopened}: it was not confirmed by a second person"


def _pack(
    connection: Connection, store: LineStore, done: Closing, out: Path | None
) -> Iterator[str]:
    period = Period.around(done.first_day)
    told = figures(connection, store, period, done.intake - 1)
    if told.sha256 != done.content:
        yield f"closing {done.name}: the book gives other figures than it was closed with"
        return
    if out is None:
        return
    if dict(done.made_with) == dict(made_with()):
        for name, content in whole(done, told, period).items():
            if sha256(content).hexdigest() != done.files.get(name):
                yield f"closing {done.name}: the book gives another {name} than it was closed with"
    folder = out / FOLDER / done.name
    for name, digest in done.files.items() if folder.is_dir() else ():
        path = folder / name
        if not path.is_file():
            yield f"{path}: missing"
        elif sha256(path.read_bytes()).hexdigest() != digest:
            yield f"{path}: has other bytes than the month was closed with"
