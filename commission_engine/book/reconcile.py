"""What banks say of payouts, as the book keeps it: files, their entries, people's decisions.

All are only ever added. A payout is named by its key (run_day, affiliate, currency); NOBODY in its
place is no payout.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.exchange import converted, paid_in
from commission_engine.book.payouts import KEY
from commission_engine.book.schema import affiliate, currency, intake, payout
from commission_engine.book.schema_exchange import conversion
from commission_engine.book.schema_people import payout_step
from commission_engine.book.schema_reconcile import bank_decision, bank_entry, bank_file
from commission_engine.ledger.life import State

NOBODY = -1
READ, DECIDE = "reconcile", "decide entries"
"""The kinds of intake."""

ENTRIES: Mapping[str, Any] = {
    "id": pl.Int64,
    "intake": pl.Int64,
    "line": pl.Int64,
    "identity": pl.String,
    "position": pl.Int64,
    "said": pl.String,
    "account": pl.String,
    "bank_reference": pl.String,
    "reference": pl.String,
    "booked_day": pl.Int64,
    "code": pl.String,
    "decimals": pl.Int64,
    "amount_minor": pl.Int64,
    "payee": pl.String,
    "payee_tail": pl.String,
    "reason_code": pl.String,
    "reason": pl.String,
    "found": pl.String,
    "run_day": pl.Int64,
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "score": pl.Int64,
    "why": pl.String,
}
"""Entries as they are stored."""

LISTED: Mapping[str, Any] = {
    **ENTRIES,
    "file": pl.String,
    "read_by": pl.String,
    "decided": pl.Int64,
    "decision": pl.String,
    "decided_day": pl.Int64,
    "decided_affiliate": pl.Int64,
    "decided_currency": pl.Int64,
    "decided_reason": pl.String,
    "decided_at": pl.String,
    "decided_by": pl.String,
}
"""Entries with the word on them, if there is one: `decided` is its intake, 0 for none."""

SENT: Mapping[str, Any] = {
    "run_day": pl.Int64,
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "affiliate_id": pl.String,
    "earned_code": pl.String,
    "code": pl.String,
    "decimals": pl.Int64,
    "amount_minor": pl.Int64,
}
"""What was paid of it, in which currency; `earned_code` is that of the payout."""
STEPS: Mapping[str, Any] = {
    **dict.fromkeys((*KEY, "number"), pl.Int64),
    "was": pl.String,
    "step": pl.String,
    "intake": pl.Int64,
    "learned_at": pl.String,
}
ASSIGNED: Mapping[str, Any] = {
    **dict.fromkeys(("entry", "intake", *KEY), pl.Int64),
    "said": pl.String,
    "amount_minor": pl.Int64,
    "payee_tail": pl.String,
    "sure": pl.Int64,
}
"""Which entries are about which payouts, by the intake that said so; `sure`: nobody had to."""

Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class File:
    """A bank's file that was read, by its intake."""

    intake: int
    sha256: str
    form: str
    name: str
    statements: tuple[str, ...]
    known: int
    pending: int
    read_at: str = ""
    read_by: str = ""


def files(connection: sa.Connection, *where: Condition) -> list[File]:
    """Every file, by intake."""
    query = (
        sa.select(*bank_file.c, intake.c.learned_at, intake.c.who)
        .outerjoin(intake, intake.c.id == bank_file.c.intake)
        .where(*where)
        .order_by(bank_file.c.intake)
    )
    return [
        File(
            row["intake"], row["sha256"], row["form"], row["name"],
            tuple(json.loads(row["statements"])), row["known"], row["pending"],
            row["learned_at"] or "", row["who"] or "",
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def file_of(connection: sa.Connection, sha256: str) -> File | None:
    """The file with these bytes."""
    found = files(connection, bank_file.c.sha256 == sha256)
    return found[0] if found else None


def known(connection: sa.Connection, identities: pl.Series) -> set[str]:
    """Those of these identities that entries of the book have."""
    with bulk.listed(connection, identities) as asked:
        query = sa.select(bank_entry.c.identity).join_from(
            asked, bank_entry, bank_entry.c.identity == asked.c.value
        )
        return set(connection.execute(query).scalars())


# -- payouts that left


def sent(connection: sa.Connection) -> pl.DataFrame:
    """The payouts that were ever exported, shaped SENT; by run, affiliate's id and currency of the
    payout."""
    query = (
        sa.select(
            *(payout.c[name] for name in KEY), affiliate.c.affiliate_id, currency.c.code, *paid_in()
        )
        .join_from(payout_step, payout, sa.and_(*(payout.c[n] == payout_step.c[n] for n in KEY)))
        .join(affiliate, affiliate.c.id == payout.c.affiliate)
        .join(currency, currency.c.id == payout.c.currency)
        .outerjoin(conversion, converted())
        .where(payout_step.c.step == State.EXPORTED.value)
    )  # fmt: skip
    return bulk.frame(connection, query, SENT).sort("run_day", "affiliate_id", "earned_code")


def steps(connection: sa.Connection) -> pl.DataFrame:
    """The steps from the export on, shaped STEPS; by payout and number."""
    states = [state.value for state in (State.EXPORTED, State.PAID, State.FAILED)]
    names = [name for name in STEPS if name != "learned_at"]
    query = (
        sa.select(*(payout_step.c[name] for name in names), intake.c.learned_at)
        .join(intake, intake.c.id == payout_step.c.intake)
        .where(payout_step.c.step.in_(states))
    )
    return bulk.frame(connection, query, STEPS).sort(*KEY, "number")


def assigned(connection: sa.Connection, sure: Sequence[str]) -> pl.DataFrame:
    """What entries say of which payouts, shaped ASSIGNED, by intake and entry: those that were
    found to be one of `sure`, and those of which a person has said so."""
    names = ("said", "amount_minor", "payee_tail")
    by_itself = sa.select(
        bank_entry.c.id.label("entry"), bank_entry.c.intake,
        *(bank_entry.c[name] for name in (*KEY, *names)), sa.literal(1).label("sure"),
    ).where(bank_entry.c.found.in_(sure), bank_entry.c.run_day != NOBODY)  # fmt: skip
    by_people = (
        sa.select(
            bank_entry.c.id.label("entry"), bank_decision.c.intake,
            *(bank_decision.c[name] for name in KEY), *(bank_entry.c[name] for name in names),
            sa.literal(0).label("sure"),
        )
        .join(bank_entry, bank_entry.c.id == bank_decision.c.entry)
        .where(bank_decision.c.run_day != NOBODY)
    )  # fmt: skip
    shape = dict(ASSIGNED)
    return pl.concat(
        [bulk.frame(connection, by_itself, shape), bulk.frame(connection, by_people, shape)]
    ).sort("intake", "entry")


def found_of_payouts(
    connection: sa.Connection, found: str, said: str
) -> list[tuple[int, int, int, int]]:
    """Of entries that were found to be this and say that: the keys of their payouts, and their
    intakes; the earliest first."""
    query = sa.select(*(bank_entry.c[name] for name in KEY), bank_entry.c.intake).where(
        bank_entry.c.found == str(found), bank_entry.c.said == str(said),
        bank_entry.c.run_day != NOBODY,
    )  # fmt: skip
    rows = connection.execute(query.order_by(bank_entry.c.intake, bank_entry.c.id))
    return [(row[0], row[1], row[2], row[3]) for row in rows]


# -- entries


def entries(connection: sa.Connection, *where: Condition) -> pl.DataFrame:
    """Entries with their files and decisions, shaped LISTED, by number."""
    read, word = intake.alias("read"), intake.alias("word")
    query = (
        sa.select(
            *(bank_entry.c[name] for name in ENTRIES),
            sa.func.coalesce(bank_file.c.name, ""),
            sa.func.coalesce(read.c.who, ""),
            sa.func.coalesce(bank_decision.c.intake, 0),
            sa.func.coalesce(bank_decision.c.decision, ""),
            *(sa.func.coalesce(bank_decision.c[name], NOBODY) for name in KEY),
            *(
                sa.func.coalesce(column, "")
                for column in (bank_decision.c.reason, word.c.learned_at, word.c.who)
            ),
        )
        .outerjoin(bank_file, bank_file.c.intake == bank_entry.c.intake)
        .outerjoin(read, read.c.id == bank_entry.c.intake)
        .outerjoin(bank_decision, bank_decision.c.entry == bank_entry.c.id)
        .outerjoin(word, word.c.id == bank_decision.c.intake)
        .where(*where)
    )
    return bulk.frame(connection, query, LISTED).sort("id")


def one_of(numbers: Sequence[int]) -> Condition:
    """Entries of these numbers."""
    found: Condition = bank_entry.c.id.in_(numbers)
    return found


def found_as(kinds: Sequence[str]) -> Condition:
    """Entries that were found to be one of these."""
    found: Condition = bank_entry.c.found.in_(kinds)
    return found


def undecided() -> Condition:
    """Entries on which nobody has given his word."""
    found: Condition = bank_decision.c.entry.is_(None)
    return found


# -- what is added


def add_file(connection: sa.Connection, file: File, rows: pl.DataFrame) -> Spans:
    """A file and its entries (ENTRIES without id and intake), by the file's intake."""
    added = Added(connection)
    row = {
        "intake": file.intake, "sha256": file.sha256, "form": file.form, "name": file.name,
        "statements": json.dumps(file.statements), "known": file.known, "pending": file.pending,
    }  # fmt: skip
    added.rows(bank_file, pl.DataFrame([row]).to_dict())
    if rows.height:
        first = bulk.next_number(connection, bank_entry.c.id)
        numbered = rows.with_columns(
            id=pl.int_range(first, first + pl.len(), dtype=pl.Int64),
            intake=pl.lit(file.intake, pl.Int64),
        )
        added.rows(bank_entry, numbered.select(*ENTRIES).to_dict())
    return added.spans


def add_decisions(connection: sa.Connection, number: int, rows: pl.DataFrame) -> Spans:
    """Decisions by intake `number`: entry, decision, KEY, reason. The database refuses a second
    one of an entry."""
    added = Added(connection)
    added.rows(bank_decision, rows.with_columns(intake=pl.lit(number, pl.Int64)).to_dict())
    return added.spans


# -- proof


def misfits(connection: sa.Connection) -> list[str]:
    """Rows that no command can have made: of another kind of intake than theirs, or of nothing."""
    found = []
    for name, table, kind in (
        ("file", bank_file, READ), ("entry", bank_entry, READ), ("decision", bank_decision, DECIDE),
    ):  # fmt: skip
        own = next(iter(table.primary_key))
        query = (
            sa.select(own)
            .outerjoin(intake, intake.c.id == table.c.intake)
            .where(sa.func.coalesce(intake.c.kind, "") != kind)
        )
        found += [
            f"bank {name} {number}: it was not learned by its intake"
            for number in connection.execute(query.order_by(own).limit(3)).scalars()
        ]
    lone = (
        sa.select(bank_entry.c.id)
        .outerjoin(bank_file, bank_file.c.intake == bank_entry.c.intake)
        .where(bank_file.c.intake.is_(None))
    )
    found += [
        f"bank entry {number}: it is of no file"
        for number in connection.execute(lone.order_by(bank_entry.c.id).limit(3)).scalars()
    ]
    early = (
        sa.select(bank_decision.c.entry)
        .outerjoin(bank_entry, bank_entry.c.id == bank_decision.c.entry)
        .where(sa.func.coalesce(bank_entry.c.intake, bank_decision.c.intake)
               >= bank_decision.c.intake)
    )  # fmt: skip
    found += [
        f"decision on bank entry {number}: the entry was not known yet"
        for number in connection.execute(early.order_by(bank_decision.c.entry).limit(3)).scalars()
    ]
    counts = (
        sa.select(bank_file.c.intake)
        .outerjoin(intake, intake.c.id == bank_file.c.intake)
        .where(sa.func.coalesce(intake.c.duplicate, NOBODY) != bank_file.c.known)
    )
    found += [
        f"bank file {number}: its intake counts other entries that were known"
        for number in connection.execute(counts.order_by(bank_file.c.intake).limit(3)).scalars()
    ]
    return found
