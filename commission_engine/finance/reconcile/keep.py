"""`reconcile FILE`: a bank's file is read whole, matched, kept, and steps what is sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import polars as pl

from commission_engine.book import audit, facts, runs
from commission_engine.book import reconcile as book
from commission_engine.book.connect import Connection
from commission_engine.book.digests import hashed
from commission_engine.finance.reconcile.entry import Entry, clipped, positions
from commission_engine.finance.reconcile.match import WAITS, Found, Judged, Told
from commission_engine.finance.reconcile.past import Past
from commission_engine.finance.reconcile.read import Named, Read, read
from commission_engine.finance.reconcile.reasons import in_words
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import State
from commission_engine.money import plain
from commission_engine.payouts.choose import SHORT, plan_of_book
from commission_engine.payouts.mark import mark_each

STORED = {name: kind for name, kind in book.ENTRIES.items() if name not in ("id", "intake")}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of a file: the entries that are new (book.ENTRIES without id and intake), how many
    were known, how many payouts were stepped; or the earlier reading of the same bytes."""

    sha256: str
    form: str
    rows: pl.DataFrame
    accounts: tuple[str, ...] = ()
    known: int = 0
    pending: int = 0
    paid: int = 0
    back: int = 0
    before: book.File | None = None
    found: Mapping[str, int] = field(default_factory=dict)


def reconcile(
    connection: Connection, named: Named, data: bytes, given: Circumstances, own: Sequence[str]
) -> Reconciled:
    """Read a file and keep what it says; FileRefused, and nothing kept, where it is not whole.

    A file with bytes that were read before changes nothing; of another one the entries that are
    known are not taken again. Where reference and amount agree, payouts are marked.
    """
    plan = plan_of_book(connection)
    digest = sha256(data).hexdigest()
    before = book.file_of(connection, digest)
    if before is not None:
        return Reconciled(digest, before.form, pl.DataFrame(schema=STORED), before=before)
    found = read(named, data, plan.decimals, own)
    rows, entries = _new(connection, found)
    told = [Told.of(each) for each in entries]
    number = runs.last_intake(connection)
    judged = Past(connection, plan, told).at(number, told).judge(told)
    rows = rows.with_columns(_verdicts(judged)).select(*STORED).cast(pl.Schema(STORED))
    known = len(found.file.entries) - len(entries)
    _keep(connection, found, rows, known, given)
    paid, back = _step(connection, found, entries, judged, given)
    return Reconciled(
        digest, found.file.form, rows, found.file.accounts, known, found.file.pending, paid, back,
        found=counted(rows),
    )  # fmt: skip


def counted(rows: pl.DataFrame) -> dict[str, int]:
    """How many entries are what, in the order of `Found`."""
    counts = dict(rows.group_by("found").len().iter_rows())
    return {str(each): counts[each] for each in Found if each in counts}


def sums(rows: pl.DataFrame) -> list[tuple[str, str, int, str]]:
    """What entries are, in which currency, how often, and what it comes to; in the order of
    `Found`."""
    by = rows.group_by("found", "code", "decimals").agg(
        pl.len().alias("count"), pl.col("amount_minor").sum()
    )
    told = [
        (row["found"], row["code"], row["count"], plain(row["amount_minor"], row["decimals"]))
        for row in by.sort("code", "decimals").iter_rows(named=True)
    ]
    return sorted(told, key=lambda each: list(Found).index(Found(each[0])))


def waiting(rows: pl.DataFrame) -> int:
    """How many entries wait for a person."""
    return rows.filter(pl.col("found").is_in([str(each) for each in WAITS])).height


def _new(connection: Connection, found: Read) -> tuple[pl.DataFrame, list[Entry]]:
    """The entries that no earlier file has brought, as rows without their verdicts."""
    entries = found.file.entries
    places = positions(entries)
    identities = [identity(each.content, at) for each, at in zip(entries, places, strict=True)]
    known = book.known(connection, pl.Series(identities, dtype=pl.String))
    news = [
        (entry, place, name)
        for entry, place, name in zip(entries, places, identities, strict=True)
        if name not in known
    ]
    rows = [_row(entry, place, name) for entry, place, name in news]
    shape = {name: kind for name, kind in STORED.items() if name not in _VERDICT}
    return pl.DataFrame(rows, schema=shape, orient="row"), [entry for entry, _, _ in news]


_VERDICT = ("found", "run_day", "affiliate", "currency", "score", "why")


def identity(content: Sequence[str | int], position: int) -> str:
    """By what an entry is known again: its content, and its place among equals."""
    return hashed([*content, position])


def _row(entry: Entry, position: int, name: str) -> tuple[str | int, ...]:
    return (
        entry.line, name, position, str(entry.said), entry.account, entry.bank_reference,
        entry.reference, entry.booked_day, entry.code, entry.decimals, entry.amount_minor,
        clipped(entry.payee), entry.tail, entry.reason_code, clipped(entry.reason),
    )  # fmt: skip


def _verdicts(judged: Sequence[Judged]) -> pl.DataFrame:
    none = (book.NOBODY,) * 3
    rows = [
        (str(each.found), *(each.payout.key if each.payout else none), each.score, each.why)
        for each in judged
    ]
    return pl.DataFrame(rows, schema={name: STORED[name] for name in _VERDICT}, orient="row")


def _keep(
    connection: Connection, found: Read, rows: pl.DataFrame, known: int, given: Circumstances
) -> None:
    about = {"name": found.name, "bytes": found.bytes, "sha256": found.sha256}
    what = facts.Intake(book.READ, given.now, given.who, [about])
    number = facts.open_intake(connection, what, rows.height, known, 0)
    file = book.File(
        number, found.sha256, found.file.form, found.name, found.file.statements, known,
        found.file.pending,
    )  # fmt: skip
    added = book.add_file(connection, file, rows)
    told = {"file": about, "form": file.form, "found": counted(rows), "known": known}
    audit.learned(connection, given.signed, number, told, added)


def _step(
    connection: Connection,
    found: Read,
    entries: Sequence[Entry],
    judged: Sequence[Judged],
    given: Circumstances,
) -> tuple[int, int]:
    """Mark what is sure: first what was paid, then what failed, perhaps of the same."""
    by: dict[State, dict[str, str]] = {State.PAID: {}, State.FAILED: {}}
    source = f"{found.file.form} {found.name} ({found.sha256[:SHORT]})"
    for entry, each in zip(entries, judged, strict=True):
        if each.steps is not None and each.payout is not None:
            words = in_words(entry.reason_code, clipped(entry.reason))
            back = each.steps is State.FAILED
            by[each.steps][each.payout.payout_id] = words if back else source
    counts = [
        mark_each(connection, why, to, given, {"file": source}).payouts.height if why else 0
        for to, why in by.items()
    ]
    return counts[0], counts[1]
