"""Tax in the book: documents that affiliates have given, payments that were made, invoice numbers.

All are only ever added; of an affiliate's documents the last one holds.
"""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.exchange import converted, paid_in
from commission_engine.book.payouts import KEY, countries
from commission_engine.book.schema import affiliate, currency, intake, payout
from commission_engine.book.schema_close import invoice, tax_document
from commission_engine.book.schema_exchange import conversion
from commission_engine.book.schema_people import payout_step
from commission_engine.calendar import Day
from commission_engine.ledger.life import State

DOCUMENT, ISSUE = "tax document", "issue invoices"
"""The kinds of intake."""

NONE = "none"
KINDS = ("w9", "w8", NONE)
NEVER: Day = 2_932_896
"""In place of the day on which a document expires: the last one of the calendar."""

EVERYWHERE = "*"

DOCUMENTS: Mapping[str, Any] = {
    "intake": pl.Int64,
    "affiliate": pl.Int64,
    "affiliate_id": pl.String,
    "kind": pl.String,
    "signed_day": pl.Int64,
    "expires_day": pl.Int64,
    "reason": pl.String,
    "learned_at": pl.String,
    "who": pl.String,
}
PAYMENTS: Mapping[str, Any] = {
    "run_day": pl.Int64,
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "affiliate_id": pl.String,
    "code": pl.String,
    "decimals": pl.Int64,
    "amount_minor": pl.Int64,
    "paid_at": pl.String,
    "paid_code": pl.String,
    "paid_decimals": pl.Int64,
    "paid_minor": pl.Int64,
}
"""What was paid, in which currency, is the payout itself, or what it was converted to."""
INVOICES: Mapping[str, Any] = {
    "prefix": pl.String,
    "number": pl.Int64,
    "run_day": pl.Int64,
    "affiliate_id": pl.String,
    "code": pl.String,
    "decimals": pl.Int64,
    "issued_day": pl.Int64,
    "country": pl.String,
    "treatment": pl.String,
    "rate": pl.String,
    "amount_minor": pl.Int64,
    "vat_minor": pl.Int64,
    "issuer": pl.String,
}


# -- documents


def documents(connection: sa.Connection) -> pl.DataFrame:
    """The document that holds of each affiliate who ever gave one, shaped DOCUMENTS, by id."""
    columns = [tax_document.c[name] for name in ("intake", "affiliate")]
    rest = [tax_document.c[name] for name in ("kind", "signed_day", "expires_day", "reason")]
    query = (
        sa.select(*columns, affiliate.c.affiliate_id, *rest, intake.c.learned_at, intake.c.who)
        .join_from(tax_document, affiliate, affiliate.c.id == tax_document.c.affiliate)
        .join(intake, intake.c.id == tax_document.c.intake)
    )
    found = bulk.frame(connection, query, DOCUMENTS).sort("intake")
    return found.unique("affiliate", keep="last", maintain_order=True).sort("affiliate_id")


def add_document(
    connection: sa.Connection,
    number: int,
    whose: int,
    kind: str,
    days: tuple[Day, Day],
    reason: str,
) -> Spans:
    """A document of an affiliate as of intake `number`; `days`: signed, and the last good one."""
    row = {
        "intake": number, "affiliate": whose, "kind": kind, "signed_day": days[0],
        "expires_day": days[1], "reason": reason,
    }  # fmt: skip
    added = Added(connection)
    added.rows(tax_document, pl.DataFrame([row]).to_dict())
    return added.spans


def lacking(
    connection: sa.Connection, whose: pl.Series, needed: Collection[str], known: int, day: Day
) -> dict[int, str]:
    """Why nothing goes out on `day` to those of these affiliates (numbers) who live in a country
    where a document is `needed` and have none that is good; countries as intake `known` knew."""
    if not needed:
        return {}
    homes = countries(connection, whose, known)
    good = {
        row["affiliate"]: row for row in documents(connection).iter_rows(named=True)
        if row["kind"] != NONE
    }  # fmt: skip
    found = {}
    for number in whose.unique().to_list():
        home = homes.get(number, "")
        if EVERYWHERE not in needed and home not in needed:
            continue
        kind = "w9" if home == "US" else "w8"
        has = good.get(number)
        if has is None or has["kind"] != kind:
            found[number] = f"without a {kind}"
        elif has["expires_day"] < day:
            found[number] = f"without a {kind} that is good: it has expired"
    return found


# -- payments and invoices


def payments(connection: sa.Connection) -> pl.DataFrame:
    """Payouts that were paid and did not come back, shaped PAYMENTS; `paid_at` is when that was
    marked. By run, affiliate's id and currency."""
    back = payout_step.alias("back")
    same = [payout_step.c[name] == payout.c[name] for name in KEY]
    failed = sa.exists().where(
        *(back.c[name] == payout.c[name] for name in KEY), back.c.step == State.FAILED.value
    )
    query = (
        sa.select(
            *(payout.c[name] for name in KEY), affiliate.c.affiliate_id, currency.c.code,
            currency.c.decimals, payout.c.amount_minor, intake.c.learned_at, *paid_in(),
        )
        .join_from(payout, payout_step, sa.and_(*same))
        .join(affiliate, affiliate.c.id == payout.c.affiliate)
        .join(currency, currency.c.id == payout.c.currency)
        .join(intake, intake.c.id == payout_step.c.intake)
        .outerjoin(conversion, converted())
        .where(payout_step.c.step == State.PAID.value, ~failed)
    )  # fmt: skip
    return bulk.frame(connection, query, PAYMENTS).sort("run_day", "affiliate_id", "code")


def invoices(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Invoices shaped INVOICES, by prefix and number."""
    of = {"affiliate_id": affiliate, "code": currency, "decimals": currency}
    query = (
        sa.select(*(of.get(name, invoice).c[name] for name in INVOICES))
        .join_from(invoice, affiliate, affiliate.c.id == invoice.c.affiliate)
        .join(currency, currency.c.id == invoice.c.currency)
        .where(*where)
    )
    return bulk.frame(connection, query, INVOICES).sort("prefix", "number")


def invoiced(connection: sa.Connection) -> pl.DataFrame:
    """The payouts that have a number: KEY of payouts."""
    query = sa.select(*(invoice.c[name] for name in KEY))
    return bulk.frame(connection, query, dict.fromkeys(KEY, pl.Int64))


def last_number(connection: sa.Connection, prefix: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(invoice.c.number), 0))
    return int(connection.execute(query.where(invoice.c.prefix == prefix)).scalar_one())


def add_invoices(connection: sa.Connection, rows: pl.DataFrame) -> Spans:
    """Add invoices, a column for each of the table's, in the order of their numbers."""
    added = Added(connection)
    added.rows(invoice, rows.select([column.name for column in invoice.c]).to_dict())
    return added.spans


def misfits(connection: sa.Connection) -> list[str]:
    """Documents and numbers that no command can have given; gaps between numbers."""
    found = []
    for table, kind in ((tax_document, DOCUMENT), (invoice, ISSUE)):
        query = sa.select(table.c.intake).outerjoin(intake, intake.c.id == table.c.intake)
        wrong = sa.or_(intake.c.kind.is_(None), intake.c.kind != kind)
        numbers = connection.execute(query.where(wrong).distinct().order_by(table.c.intake))
        found += [
            f"table {table.name}: a row was not learned by intake {each}"
            for each in numbers.scalars()
        ]
    count, last = sa.func.count(), sa.func.max(invoice.c.number)
    query = sa.select(invoice.c.prefix, count, last).group_by(invoice.c.prefix)
    for prefix, many, highest in connection.execute(query.having(count != last)):
        found.append(f"invoices {prefix}: {many} numbers, but the last is {highest}")
    query = (
        sa.select(invoice.c.prefix, invoice.c.number)
        .join_from(invoice, payout, sa.and_(*(invoice.c[n] == payout.c[n] for n in KEY)))
        .where(invoice.c.amount_minor != payout.c.amount_minor)
    )
    for prefix, number in connection.execute(query.order_by(invoice.c.prefix, invoice.c.number)):
        found.append(f"invoice {prefix}{number}: has another amount than its payout")
    return found
