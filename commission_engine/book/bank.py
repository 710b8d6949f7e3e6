"""Payees and the contents of files for banks, as the book keeps them: sealed, and only added to.

What is sealed is text that this module cannot read. Of a payee the latest intake holds; sealing it
anew with another key is an intake too, and changes nothing of what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.schema import affiliate, intake, run
from commission_engine.book.schema_bank import file_content, payee, payment_format
from commission_engine.calendar import Day

IMPORT, ROTATE = "import payees", "rotate payees"
"""The kinds of intake."""

NO_DAY: Day = -1

PAYEES: dict[str, Any] = {
    "affiliate": pl.Int64,
    "affiliate_id": pl.String,
    "intake": pl.Int64,
    "account_intake": pl.Int64,
    "key_name": pl.String,
    "sealed": pl.String,
    "kind": pl.String,
    "learned_at": pl.String,
    "who": pl.String,
}
CONTENTS: dict[str, Any] = {
    "file": pl.Int64,
    "intake": pl.Int64,
    "key_name": pl.String,
    "sealed": pl.String,
}


# -- payees


def payees(connection: sa.Connection, whose: pl.Series | None = None) -> pl.DataFrame:
    """What holds of everybody, or of those of these affiliates (numbers) who have an account:
    PAYEES, by affiliate's id."""
    found = _payees(connection, whose).sort("intake")
    return found.unique("affiliate", keep="last").sort("affiliate_id")


def history(connection: sa.Connection, whose: int) -> pl.DataFrame:
    """All that was ever said of one affiliate's account, by intake: PAYEES."""
    return _payees(connection, pl.Series([whose])).sort("intake")


def _payees(connection: sa.Connection, whose: pl.Series | None) -> pl.DataFrame:
    of = {"affiliate_id": affiliate, **dict.fromkeys(("kind", "learned_at", "who"), intake)}
    query = (
        sa.select(*(of.get(name, payee).c[name] for name in PAYEES))
        .join_from(payee, affiliate, affiliate.c.id == payee.c.affiliate)
        .join(intake, intake.c.id == payee.c.intake)
    )
    if whose is None:
        return bulk.frame(connection, query, PAYEES)
    with bulk.listed(connection, whose) as asked:
        query = query.join(asked, asked.c.value == payee.c.affiliate)
        return bulk.frame(connection, query, PAYEES)


def numbers(connection: sa.Connection, ids: pl.Series) -> Mapping[str, int]:
    """The numbers of those of these affiliates who exist."""
    with bulk.listed(connection, ids) as asked:
        query = sa.select(affiliate.c.affiliate_id, affiliate.c.id).join_from(
            asked, affiliate, affiliate.c.affiliate_id == asked.c.value
        )
        found = bulk.frame(connection, query, {"affiliate_id": pl.String, "id": pl.Int64})
    return dict(found.iter_rows())


def add_payees(connection: sa.Connection, number: int, found: pl.DataFrame) -> Spans:
    """Rows with affiliate, account_intake, key_name and sealed, as of intake `number`."""
    added = Added(connection)
    names = [column.name for column in payee.c]
    added.rows(payee, found.with_columns(intake=pl.lit(number, pl.Int64)).select(names).to_dict())
    return added.spans


def cooling(connection: sa.Connection, whose: pl.Series, days: int) -> Mapping[int, Day]:
    """Which of these affiliates are paid nothing yet, because their account was changed, and the
    run from which on they are.

    A change counts from the last run before it (before all runs: from the first one).
    """
    completed = connection.execute(sa.select(run.c.day, run.c.intake).order_by(run.c.day)).all()
    if not completed or not days:
        return {}
    found = _payees(connection, whose)
    firsts = found.group_by("affiliate").agg(first=pl.col("intake").min())
    latest = found.sort("intake").unique("affiliate", keep="last")
    changed = latest.join(firsts, on="affiliate").filter(pl.col("account_intake") > pl.col("first"))
    until = {}
    for number, since in changed.select("affiliate", "account_intake").iter_rows():
        before = [day for day, knew in completed if knew < since]
        free = (before[-1] if before else completed[0].day) + days
        if completed[-1].day < free:
            until[number] = free
    return until


# -- files


@dataclass(frozen=True, slots=True)
class BankFile:
    """A file in a bank's format, by the intake of its export. It is of the business date
    `created_day`; the bank is asked to pay on `execution_day` (NO_DAY: as soon as it can)."""

    file: int
    format: str
    created_day: Day
    execution_day: Day = NO_DAY


def add_file(connection: sa.Connection, file: BankFile) -> Spans:
    names = [column.name for column in payment_format.c]
    row = pl.DataFrame([{name: getattr(file, name) for name in names}])
    added = Added(connection)
    added.rows(payment_format, row.to_dict())
    return added.spans


def bank_files(connection: sa.Connection) -> list[BankFile]:
    """Every one, by intake."""
    query = sa.select(*payment_format.c).order_by(payment_format.c.file)
    return [BankFile(**row) for row in connection.execute(query).mappings()]


def contents(connection: sa.Connection, file: int | None = None) -> pl.DataFrame:
    """The content that holds of every file, or of one: CONTENTS, by file."""
    query = sa.select(*(file_content.c[name] for name in CONTENTS))
    if file is not None:
        query = query.where(file_content.c.file == file)
    found = bulk.frame(connection, query, CONTENTS).sort("intake")
    return found.unique("file", keep="last").sort("file")


def add_contents(connection: sa.Connection, number: int, found: pl.DataFrame) -> Spans:
    """Rows with file, key_name and sealed, as of intake `number`."""
    added = Added(connection)
    names = list(CONTENTS)
    rows = found.with_columns(intake=pl.lit(number, pl.Int64)).select(names)
    added.rows(file_content, rows.to_dict())
    return added.spans


# -- proof


def misfits(connection: sa.Connection) -> list[str]:
    """What no command can have written: an account that is older than its affiliate's first row or
    younger than its own, a payee of no import, a file in a bank's format without content."""
    found = []
    seen: dict[int, int] = {}
    query = sa.select(
        payee.c.affiliate, payee.c.intake, payee.c.account_intake, intake.c.kind
    ).outerjoin(intake, intake.c.id == payee.c.intake)
    for row in connection.execute(query.order_by(payee.c.affiliate, payee.c.intake)):
        name = f"payee of affiliate {row.affiliate}, intake {row.intake}"
        if row.account_intake not in (seen.get(row.affiliate), row.intake):
            found.append(f"{name}: its account is of intake {row.account_intake}")
        if row.kind not in (IMPORT, ROTATE):
            found.append(f"{name}: its intake imported no payees")
        elif row.kind == ROTATE and row.account_intake == row.intake:
            found.append(f"{name}: sealing it anew changed the account")
        seen[row.affiliate] = row.account_intake
    empty = (
        sa.select(payment_format.c.file)
        .outerjoin(file_content, file_content.c.file == payment_format.c.file)
        .where(file_content.c.file.is_(None))
    )
    found += [f"file to pay of intake {each}: it has no content" for each in
              connection.execute(empty.order_by(payment_format.c.file)).scalars()]  # fmt: skip
    return found
