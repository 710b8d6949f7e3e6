"""The document of one statement as a file: the published one, proved, or the same bytes made anew.

This is where other formats join: a format is a row of FORMATS and a function of MAKERS.
"""

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import polars as pl

from commission_engine.book import runs
from commission_engine.book.lines import LineStore, where_kept
from commission_engine.calendar import Day, date_of
from commission_engine.portal.access import Asked
from commission_engine.problems import OutOfBalance
from commission_engine.publish import text
from commission_engine.publish.documents import documents_table
from commission_engine.statements.content import StatementContent, statement_content
from commission_engine.statements.gather import Settlement
from commission_engine.statements.html import render_html
from commission_engine.statements.look import Look
from commission_engine.statements.of_run import look_of
from commission_engine.statements.pdf import render_pdf
from commission_engine.statements.privacy import Privacy

FORMATS: Mapping[str, str] = {
    "pdf": "application/pdf",
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
}
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
    whose = pl.Series([asked.of.affiliate_id])
    settlement = Settlement.of(asked.book, day, _store(asked))
    record = settlement.record(whose, pl.Series([asked.of.number]))
    table = documents_table(record, whose)
    return text.csv(table.drop("affiliate_id", "statement_id"))


def _pdf(asked: Asked, day: Day) -> bytes:
    return render_pdf(_content(asked, day), _look(asked, day))


def _html(asked: Asked, day: Day) -> bytes:
    return render_html(_content(asked, day), _look(asked, day)).encode()


def _look(asked: Asked, day: Day) -> Look:
    """That of the run's own documents, else as settings have it."""
    (run,) = (each for each in runs.completed(asked.book) if each.day == day)
    return look_of(asked.book, run) or Look.of(asked.portal.settings.statements)


def _content(asked: Asked, day: Day) -> StatementContent:
    """As `commission statements render` has it."""
    plan = asked.portal.plan(asked.book)
    privacy = Privacy.of(plan.name if plan else "", asked.portal.environment)
    which = day, asked.of.affiliate_id
    return statement_content(asked.book, which, privacy, _store(asked))


def _store(asked: Asked) -> LineStore:
    return where_kept(asked.book, asked.portal.settings.lines_store.value)


MAKERS: Mapping[str, Callable[[Asked, Day], bytes]] = {"csv": _csv, "html": _html, "pdf": _pdf}
