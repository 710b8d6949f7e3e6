"""What a run leaves in the audit trail, and how the trail is proved: chain, rows, manifests."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from commission_engine.book import audit, facts, runs
from commission_engine.book.anchors import anchor_of, facts_of_run, facts_of_the_past
from commission_engine.book.connect import Connection
from commission_engine.book.lock import Worker
from commission_engine.calendar import Day, date_of

Author: TypeAlias = tuple[str, audit.Origin]
"""Who runs a night, and from where."""

NOBODY: Author = ("", audit.Origin())


def record_run(
    connection: Connection,
    done: runs.Run,
    before: Sequence[runs.Run],
    due: runs.Due,
    author: Author,
    settings: Mapping[str, Any],
    added: Mapping[str, pl.DataFrame],
) -> None:
    """Add the run's row, and one for the settings if they are not those of the run before.

    `before` are the runs before it, `due` is what it processed, `added` its rows by table.
    """
    who, origin = author
    signed = audit.Signed(who, done.completed_at, origin)
    number = audit.settled_on(connection, signed, done.day, settings)
    said = anchored(connection, done, before, due)
    details = {"settings": number, "anchor": audit.next_anchor(connection, said), **said}
    audit.ran(connection, signed, done.day, details, runs.spans_of(added, done.day))


def record_files(worker: Worker, day: Day, manifest: bytes, author: Author, at: str) -> None:
    """Keep the hashes of a run's files, which are written, in the book: once."""
    with worker.writing() as connection:
        if runs.hashes(connection, day) is None:
            listed = json.loads(manifest)["files"]
            tables = {name: said["sha256"] for name, said in listed.items() if "/" not in name}
            runs.add_hashes(connection, day, sha256(manifest).hexdigest(), tables)
            audit.published(connection, audit.Signed(author[0], at, author[1]), day)


def anchored(
    connection: Connection, done: runs.Run, before: Sequence[runs.Run], due: runs.Due
) -> dict[str, Any]:
    """What a run's anchor is made of, beside the one before: the same on every machine."""
    return {
        "run_date": date_of(done.day).isoformat(),
        "plan_sha256": done.plan_hash,
        "settlement": done.settles,
        "outputs": done.outputs,
        "bounds": json.loads(done.bounds),
        "figures": done.figures,
        "facts": facts_of_run(connection, due, before[-1].intake if before else 0, done.intake),
    }


def prove_chain(connection: Connection) -> tuple[list[str], int, str]:
    """What is wrong with the trail in itself; the number and the hash of its last row."""
    trail = audit.rows(connection)
    found = [*audit.broken(trail), *audit.misplaced(connection, trail)]
    return found, *((trail[-1].id, trail[-1].hash) if trail else (0, audit.BEFORE_ALL))


def prove_trail(connection: Connection, out: Path | None) -> Iterator[str]:
    """What is wrong with the trail, with the rows that it binds, and with the anchors that stand in
    the manifests below `out`."""
    trail = audit.rows(connection)
    yield from audit.broken(trail)
    yield from audit.misplaced(connection, trail)
    yield from audit.unbound(connection, trail)
    yield from _unlike_before(connection, trail)
    if out is not None:
        yield from _manifests(connection, trail, out)


def prove_anchor(
    connection: Connection, done: runs.Run, before: Sequence[runs.Run], due: runs.Due
) -> Iterator[str]:
    """Whether the anchor of a run is the one that its facts give, after the one before."""
    stored = audit.anchor_of_run(connection, done.day)
    if stored is None:
        return
    previous = audit.anchor_before(connection, done.day)
    if stored != anchor_of(previous, anchored(connection, done, before, due)):
        yield f"audit: the anchor of the run {date_of(done.day)} is not that of its facts"


def _unlike_before(connection: Connection, trail: Sequence[audit.Row]) -> Iterator[str]:
    """What was there when the trail began is what its anchor says."""
    for row in trail[1:2]:
        if row.what == audit.BOUND:
            known = trail[0].told()["intake"]
            said = {"facts": facts_of_the_past(connection, known)}
            if row.told().get("anchor") != anchor_of(None, said):
                yield f"audit: row {row.id} has another anchor than the facts of that time"


def _manifests(connection: Connection, trail: Sequence[audit.Row], out: Path) -> Iterator[str]:
    """Every manifest of this programme names the anchor of its run, and every run is there."""
    plan = facts.current_plan(connection)
    anchors = {row.subject: row.told().get("anchor") for row in trail if row.what == audit.RUN}
    for path in sorted(out.glob("[0-9]*-[0-9]*-[0-9]*/manifest.json")):
        try:
            said = json.loads(path.read_text("utf-8"))
            date, programme, anchor = path.parent.name, said["programme"], said.get("audit")
        except (ValueError, LookupError, TypeError):
            continue  # not what a run has published; its bytes are compared elsewhere
        if anchor and (plan is None or plan.name == programme) and anchor != anchors.get(date):
            yield f"{path}: names an anchor that the audit trail does not have for this run"
