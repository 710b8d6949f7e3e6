"""The files of completed runs: made from what the book has of them, and compared with the disk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from commission_engine.book import audit, decided, exchange, facts, runs, single, views
from commission_engine.book.connect import Connection, Engine, reading
from commission_engine.book.decided import Decided
from commission_engine.book.lines import where_kept
from commission_engine.calendar import Day, Zone, date_of
from commission_engine.further import came_back, exchanged
from commission_engine.night import Night, Say, payouts_of, run_lines
from commission_engine.publish.files import Ahead, Told, files
from commission_engine.publish.folder import Made, Published, publish, same
from commission_engine.publish.record import Record
from commission_engine.statements import of_run

MANIFEST = "manifest.json"


def publish_run(
    engine: Engine,
    which: Night | Day,
    out: Path,
    say: Say = lambda stage: None,
    kept_in: str | None = None,
    ahead: Ahead | None = None,
    told: Told = lambda done, of: None,
) -> Published:
    """Write the files of a completed run below `out`, or those of them that are missing.

    `which` is the night as it was run, or the date of a run whose night is in the book alone; the
    bytes are the same. `ahead` is what the night has begun with; `told` is told how many of how
    many documents are made that are no CSV.
    """
    with reading(engine) as connection:
        say("gathering")
        if isinstance(which, Night):
            record = _record_of_night(connection, which, kept_in)
        else:
            record = record_of(connection, which, kept_in)
        say("writing files")
        record = _watched(record, told)
        listed, draft = (ahead.listed(), ahead.draft) if ahead else ({}, None)
        return publish(files(record, listed), out / date_of(record.day).isoformat(), draft)


def record_of(connection: Connection, day: Day, kept_in: str | None = None) -> Record:
    """Everything that the files of the run of `day` say, as the book has it.

    `kept_in` is where the book's lines are, if they are in segments that have been moved.
    """
    completed = runs.completed(connection)
    (done,) = (each for each in completed if each.day == day)
    before = [each for each in completed if each.day < day]
    plan = facts.plan_of(connection, done.plan_version)
    due = runs.due(connection, before, day, done.intake, done.event, Zone(plan.timezone))
    store = where_kept(connection, kept_in)
    lines = decided.lines_of_run(connection, store, day, due.events)
    names = decided.names(connection)
    night = Night(
        done,
        plan,
        Decided(connection, day, due.events, due.texts, lines, names),
        views.stored(connection, "entry", day),
        views.stored(connection, "statement", day),
    )
    return _record_of_night(connection, night, kept_in)


def _record_of_night(connection: Connection, night: Night, kept_in: str | None) -> Record:
    done, lines, names = night.run, night.lines, night.lines.names
    completed, payouts = runs.completed(connection), payouts_of(night.statements)
    previous = views.last_settlement(connection, done.day)
    period = decided.Period(connection, lines, previous, kept_in)
    return Record(
        lines=run_lines(lines, night.plan),
        plan_hash=done.plan_hash,
        engine_version=done.engine_version,
        settles=done.settles,
        outputs=done.outputs,
        figures=done.figures,
        entries=names.told(night.entries, done.day),
        statements=names.told(night.statements, done.day),
        payouts=names.told(payouts, done.day),
        returned=came_back(connection, completed, previous, done.day),
        conversions=exchange.conversions(connection, done.day, done.day),
        exchanged=exchanged(connection, completed, done.follows, done.day),
        refusals=_refusals(connection, done),
        period_lines=period.lines,
        labels=lambda ids: views.labels(connection, ids, done.intake),
        reasons=lambda ids: single.reasons(connection, ids),
        anchor=audit.anchor_of_run(connection, done.day),
        rendered=of_run.maker(connection, done, night.plan.name, kept_in),
    )


def _watched(record: Record, told: Told) -> Record:
    def rendered(readers: pl.Series, formats: Sequence[str]) -> Iterator[Made]:
        of = len(readers) * len(formats)
        for done, made in enumerate(record.rendered(readers, formats), 1):
            yield made
            told(done, of)

    return replace(record, rendered=rendered)


class Compared(NamedTuple):
    """A file that a run has published: `fault` is "", MISSING, ALTERED or NOT_KNOWN."""

    path: Path
    fault: str


MISSING, ALTERED, NOT_KNOWN = "missing", "altered", "not known"


def compared(
    connection: Connection,
    run: runs.Run,
    out: Path,
    kept_in: str | None,
    notes: list[str],
    *,
    anew: bool,
) -> Iterator[Compared]:
    """The run's files below `out` against the bytes that they are to have, made again from the
    book; documents that are no CSV against what the manifest says of them, or made again too if all
    is to be made `anew`.

    NOT_KNOWN is a manifest whose hash in the book is another than it is to have. What people
    should know goes into `notes`.
    """
    folder = out / date_of(run.day).isoformat()
    if not folder.is_dir():
        notes.append(f"{folder}: not there; `commission run --date` writes it again")
        return
    record, kept = record_of(connection, run.day, kept_in), runs.hashes(connection, run.day)
    why = of_run.why_not_again(connection, run)
    listed: dict[str, Any] | None = {}
    if (why or not anew) and of_run.has_papers(run):
        listed = _documents_listed(folder / MANIFEST, kept)
        yield from _by_hash(folder, listed or {})
        if listed is None and why:
            # Not what the book knows, and what it is to be cannot be made.
            yield Compared(folder / MANIFEST, ALTERED)
            record = replace(record, rendered=lambda readers, formats: iter(()))
    if why and anew and listed:
        notes.append(f"{folder}: {why}; its documents were compared with its manifest alone")
    for made in files(record, listed):
        path = folder / made.name
        if made.name == MANIFEST:
            if why and listed is None:
                continue
            made = made._replace(parts=[*made.parts])
            if kept and sha256(b"".join(made.parts)).hexdigest() != kept[0]:
                yield Compared(path, NOT_KNOWN)
        if not path.is_file():
            yield Compared(path, MISSING)
        else:
            yield Compared(path, "" if same(path, made) else ALTERED)


def _documents_listed(
    manifest: Path, kept: tuple[str, Mapping[str, str]] | None
) -> dict[str, Mapping[str, Any]] | None:
    """What the manifest says of documents that are no CSV; None where it is not the one that the
    book knows."""
    content = manifest.read_bytes() if manifest.is_file() else b""
    if not content or (kept and sha256(content).hexdigest() != kept[0]):
        return None
    said = json.loads(content)["files"]
    return {name: each for name, each in said.items() if name.endswith(of_run.ENDINGS)}


def _by_hash(folder: Path, listed: Mapping[str, Mapping[str, Any]]) -> Iterator[Compared]:
    for name, said in listed.items():
        path = folder / name
        if not path.is_file():
            yield Compared(path, MISSING)
            continue
        with path.open("rb") as file:
            is_it = file_digest(file, "sha256").hexdigest() == said["sha256"]
        yield Compared(path, "" if is_it else ALTERED)


def _refusals(connection: Connection, done: runs.Run) -> pl.DataFrame:
    """The rows that were refused since the run before."""
    before = [each.intake for each in runs.completed(connection) if each.day < done.day]
    return views.refusals(connection, views.refused_between(max(before, default=0), done.intake))
