"""The document of one statement as a file: the published one, proved, or the same bytes made anew.

This is where other formats join: a format is a row of FORMATS and a function of MAKERS.
"""

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import polars as pl

from commission_engine.book import facts, runs, single, views
from commission_engine.book.lines import where_kept
from commission_engine.calendar import Day, date_of
from commission_engine.further import came_back
from commission_engine.portal.access import Asked
from commission_engine.problems import OutOfBalance
from commission_engine.publish import text
from commission_engine.publish.documents import documents_table
from commission_engine.publish.files import with_payout_id, with_statement_id
from commission_engine.publish.record import Record, RunLines

FORMATS: Mapping[str, str] = {"csv": "text/csv; charset=utf-8"}
"""The formats that can be asked for, and their types."""


def document(asked: Asked, day: Day, statement_id: str, name: str) -> bytes:
    """The statement's document in a format of FORMATS.

    OutOfBalance, and an alarm, where the published file is not what its run has published.
    """
    listed = _published(asked, day, f"statements/{statement_id}.{name}")
    if listed is None:
        return MAKERS[name](asked, day)
    path, proper = listed
    content = _read(path)
    if content is None or sha256(content).hexdigest() != proper:
        asked.portal.alarm("refused a changed file", f"{path.parent.parent.name}/{path.name}")
        raise OutOfBalance(f"{path}: not as it was published")
    return content


def _published(asked: Asked, day: Day, name: str) -> tuple[Path, str] | None:
    """Where a file of a run is, and its SHA-256 by the manifest; None where it was not written, or
    where the run's folder is not on this machine. OutOfBalance, and an alarm, where the manifest is
    not the one that the book knows."""
    folder = asked.portal.out / date_of(day).isoformat()
    manifest = _read(folder / "manifest.json")
    known = runs.hashes(asked.book, day)
    if manifest is None or known is None:
        return None
    if sha256(manifest).hexdigest() != known[0]:
        asked.portal.alarm("refused a changed file", f"{folder.name}/manifest.json")
        raise OutOfBalance(f"{folder}/manifest.json: not as it was published")
    return _entry(manifest, folder, name)


def _entry(manifest: bytes, folder: Path, name: str) -> tuple[Path, str] | None:
    """What the manifest says of a file; it may name a hundred thousand, so it is not parsed."""
    start = manifest.find(json.dumps(name).encode() + b": {")
    if start < 0:
        return None
    opening = manifest.index(b"{", start)
    said = json.loads(manifest[opening : manifest.index(b"}", opening) + 1])
    return folder / name, str(said["sha256"])


def _read(path: Path) -> bytes | None:
    """A plain file's content; None where there is none, or something else of that name."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(number, "rb") as file:
        return file.read()


def _csv(asked: Asked, day: Day) -> bytes:
    """As the settlement writes it (`publish.documents`), of one affiliate alone."""
    record = record_of_one(asked, day)
    table = documents_table(record, pl.Series([asked.of.affiliate_id]))
    return text.csv(table.drop("affiliate_id", "statement_id"))


MAKERS: Mapping[str, Callable[[Asked, Day], bytes]] = {"csv": _csv}


def record_of_one(asked: Asked, day: Day) -> Record:
    """What the documents of the settlement of `day` are made from, as far as one affiliate goes."""
    book, whose = asked.book, asked.of.affiliate_id
    completed = runs.completed(book)
    (done,) = (each for each in completed if each.day == day)
    plan = facts.plan_of(book, done.plan_version)
    previous = views.last_settlement(book, day)
    store = where_kept(book, asked.portal.settings.lines_store.value)
    nobody = pl.DataFrame()
    back = came_back(book, completed, previous, day).filter(pl.col("affiliate_id") == whose)
    stated = views.statements(
        book, *views.between(views.STATEMENT, day, day), views.of_affiliate(views.STATEMENT, whose)
    )
    first = None if previous is None else previous + 1
    return Record(
        lines=RunLines(day, plan, (), 0, pl.Series([], dtype=pl.String), nobody),
        plan_hash=done.plan_hash,
        engine_version=done.engine_version,
        settles=done.settles,
        outputs=done.outputs,
        figures=done.figures,
        entries=nobody,
        statements=with_statement_id(stated, plan),
        payouts=nobody,
        refusals=nobody,
        period_lines=lambda ids: views.lines_of(book, ids, first, day, store),
        labels=lambda ids: views.labels(book, ids, done.intake),
        returned=with_payout_id(back, plan),
        reasons=lambda ids: single.reasons(book, ids),
    )
