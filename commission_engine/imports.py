"""Files become facts: read, judged against the book, kept whole or refused with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine.book import audit, facts, refusals
from commission_engine.book.connect import Connection
from commission_engine.book.facts import Intake
from commission_engine.book.lock import Worker
from commission_engine.ingest.fields import (
    Typed,
    typed_affiliates,
    typed_earnings,
    typed_referrals,
)
from commission_engine.ingest.judge import judge_affiliates, judge_earnings
from commission_engine.ingest.rows import Kind, Rows, Told, nobody, read_rows, refuse
from commission_engine.money import iso_decimals
from commission_engine.problems import OutOfBalance, Refusal, RowsRefused
from commission_engine.tree.judge import judge_referrals
from commission_engine.verdict import Verdict

MAX_HEADER = 1 << 20
NOWHERE = audit.Origin()


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: read = accepted + duplicate + rejected."""

    kind: Kind
    read: int
    accepted: int
    duplicate: int
    refused: tuple[Refusal, ...]

    @property
    def rejected(self) -> int:
        return len(self.refused)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How an import is made: all or nothing (`strict`), for show (`dry_run`), by whom, when, from
    where, and of which configured source ("": of files that a person named). `told` hears how far
    the files are read."""

    who: str
    now: str
    strict: bool = False
    dry_run: bool = False
    origin: audit.Origin = NOWHERE
    source: str = ""
    told: Told = nobody

    @property
    def signed(self) -> audit.Signed:
        """For the audit trail."""
        return audit.Signed(self.who, self.now, self.origin)


def import_files(
    worker: Worker, kind: Kind, paths: Sequence[Path], given: Circumstances
) -> Imported:
    """Import all `paths` as one set of rows, in one transaction.

    RowsRefused with `strict` when a row is refused, FileRefused for a file that is none; then
    nothing is kept.
    """
    rows = read_rows(kind, paths, given.told)
    with worker.writing(keep=not given.dry_run) as connection:
        return import_rows(connection, rows, given)


def import_rows(connection: Connection, rows: Rows, given: Circumstances) -> Imported:
    """Judge rows against the book and keep them, the accepted and the refused."""
    plan = facts.current_plan(connection)
    decimals = plan.decimals if plan else iso_decimals()
    known = pl.DataFrame()
    if rows.kind is Kind.EARNINGS:
        typed = typed_earnings(rows, decimals)
        known = facts.known_events(connection, typed.frame)
        so_far = facts.reversed_so_far(connection, known)
        verdict = judge_earnings(typed.frame, known, so_far, decimals)
    elif rows.kind is Kind.REFERRALS:
        typed = typed_referrals(rows)
        verdict = judge_referrals(typed.frame, facts.edges(connection))
    else:
        typed = typed_affiliates(rows)
        profiles = facts.known_profiles(connection, typed.frame["affiliate_id"])
        verdict = judge_affiliates(typed.frame, profiles)
    refused = _all_refused(rows, typed, verdict)
    imported = Imported(rows.kind, typed.read, verdict.accepted.height, verdict.duplicates, refused)
    if imported.read != imported.accepted + imported.duplicate + imported.rejected:
        raise OutOfBalance(f"{rows.kind}: {imported.read} rows read, but counted otherwise")
    if given.strict and refused:
        raise RowsRefused(
            f"{len(refused)} of {imported.read} rows are refused, so nothing was imported"
            f" (--strict); the first: {spoken(refused[0])}",
            "`import --dry-run --json` shows all of them. Mend them, or import without --strict.",
        )
    news = refusals.not_yet_refused(connection, rows.kind, refused)
    if imported.accepted or news:
        _keep(connection, rows, verdict.accepted, known, decimals, imported, news, given)
    return imported


def _keep(
    connection: Connection,
    rows: Rows,
    accepted: pl.DataFrame,
    known: pl.DataFrame,
    decimals: Any,
    imported: Imported,
    refused: Sequence[Refusal],
    given: Circumstances,
) -> None:
    what = Intake(
        f"import {rows.kind}",
        given.now,
        given.who,
        [_described(p, name) for p, name in zip(rows.paths, rows.names, strict=True)],
    )
    number = facts.open_intake(
        connection, what, imported.accepted, imported.duplicate, imported.rejected
    )
    if rows.kind is Kind.EARNINGS:
        added = facts.add_events(connection, accepted, known, decimals, number)
    elif rows.kind is Kind.REFERRALS:
        added = facts.add_referrals(connection, accepted, number)
    else:
        added = facts.add_affiliates(connection, accepted, number)
    aside = refusals.add_refusals(connection, rows.kind, refused, number)
    counts = {name: getattr(imported, name) for name in ("accepted", "duplicate", "rejected")}
    details = {**counts, "files": what.files}
    if given.source:
        details["source"] = given.source
    audit.learned(connection, given.signed, number, details, added, aside)


def _all_refused(rows: Rows, typed: Typed, verdict: Verdict) -> tuple[Refusal, ...]:
    judged = refuse(
        rows,
        verdict.refused,
        pl.col("code"),
        pl.col("column"),
        pl.col("text"),
        pl.col("message"),
    )
    place = {name: number for number, name in enumerate(rows.names)}
    return tuple(sorted((*typed.refused, *judged), key=lambda each: (place[each.file], each.line)))


def _described(path: Path, name: str) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        file.seek(0)
        first = file.readline(MAX_HEADER).decode("utf-8-sig", errors="backslashreplace")
    header = None if path.suffix.lower() == ".parquet" else first.rstrip("\r\n")
    size = path.stat().st_size
    return {"name": name, "bytes": size, "sha256": digest, "header": header}


def spoken(refusal: Refusal) -> str:
    """A refusal in one line: where, what code, what was wrong."""
    column = f", column {refusal.column}" if refusal.column else ""
    return f"{refusal.file}:{refusal.line}{column}: {refusal.code}: {refusal.message}"
