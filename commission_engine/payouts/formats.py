"""In which form payouts go into files to pay: what a format answers, and the program's own one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.book.digests import Spans
from commission_engine.ledger.life import State
from commission_engine.payouts.choose import SHORT, as_paid, described, stepped
from commission_engine.plan.terms import Plan
from commission_engine.publish import text
from commission_engine.publish.ids import statement_ids

COLUMNS = ("payout_id", "affiliate_id", "currency", "amount", "name", "statement_id", "batch")


@dataclass(frozen=True, slots=True)
class Making:
    """A file that is being made: the intake of its export, its name, and the payouts of it
    (`described`, and as `Format.judged` has left them)."""

    plan: Plan
    batch: str
    intake: int
    name: str
    payouts: pl.DataFrame


class Format(Protocol):
    """The form of files to pay. `name` is "" for the program's own, `ending` that of the file."""

    @property
    def name(self) -> str: ...

    @property
    def ending(self) -> str: ...

    def judged(self, connection: Connection, found: pl.DataFrame) -> pl.DataFrame:
        """`described` payouts with `why` one may not be in such a file ("" where it may), and
        `elsewhere`: the other format that it is for ("" where it is for this one)."""
        ...

    def parts(self, found: pl.DataFrame) -> Sequence[pl.DataFrame]:
        """Payouts by the file that they go into."""
        ...

    def bytes_of(self, connection: Connection, making: Making) -> bytes: ...

    def keep(self, connection: Connection, making: Making, content: bytes) -> Spans:
        """Keep in the book what the bytes cannot be made from again."""
        ...


class Plain:
    """The program's own table: CSV that names nobody's account."""

    name = ""
    ending = "csv"

    def judged(self, _connection: Connection, found: pl.DataFrame) -> pl.DataFrame:
        return found.with_columns(why=pl.lit(""), elsewhere=pl.lit(""))

    def parts(self, found: pl.DataFrame) -> Sequence[pl.DataFrame]:
        return [found] if found.height else []

    def bytes_of(self, connection: Connection, making: Making) -> bytes:
        return payments(connection, making.plan, making.batch, making.intake)

    def keep(self, _connection: Connection, _making: Making, _content: bytes) -> Spans:
        return {}


def payments(connection: Connection, plan: Plan, batch: str, file: int) -> bytes:
    """The bytes of the file to pay of an export: names are those that were approved."""
    known = book.approval_of(connection, batch) or file
    found = described(connection, stepped(connection, plan, file, State.EXPORTED), known)
    statements = statement_ids(plan.name, found["run_day"], found["affiliate_id"])
    table = (
        as_paid(found)
        .with_columns(statements)
        .select(
            "payout_id",
            "affiliate_id",
            pl.col("code").alias("currency"),
            text.amount("amount_minor"),
            "name",
            "statement_id",
            pl.lit(batch[:SHORT]).alias("batch"),
        )
    )
    return text.csv(table.select(COLUMNS))
