"""Payouts in another currency, as the book keeps them: rates, who is paid in what, conversions.

All are only ever added, each rate and each word on a currency with the intake that learned it: a
run knows them up to its own last intake.
"""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.schema import affiliate, currency, intake, payout
from commission_engine.book.schema_exchange import conversion, exchange_rate, payout_currency
from commission_engine.calendar import Day

IMPORT, PREFER = "import rates", "payout currency"
"""The kinds of intake."""

RATES: Mapping[str, Any] = {
    "code": pl.String,
    "day": pl.Int64,
    "rate": pl.String,
    "source": pl.String,
    "intake": pl.Int64,
}
CURRENCIES: Mapping[str, Any] = {
    "affiliate": pl.Int64,
    "affiliate_id": pl.String,
    "intake": pl.Int64,
    "code": pl.String,
    "reason": pl.String,
    "learned_at": pl.String,
    "who": pl.String,
}
CONVERSIONS: Mapping[str, Any] = {
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "to_code": pl.String,
    "to_decimals": pl.Int64,
    "to_minor": pl.Int64,
    "rate_day": pl.Int64,
    "rate": pl.String,
    "to_rate": pl.String,
    "source": pl.String,
}
"""A run's rows, in the book's numbers."""

SAID: Mapping[str, Any] = {
    "run_day": pl.Int64,
    "affiliate_id": pl.String,
    "currency": pl.String,
    "decimals": pl.Int64,
    "amount_minor": pl.Int64,
    **{name: kind for name, kind in CONVERSIONS.items() if name not in ("affiliate", "currency")},
}
"""With their payouts: ledger.convert.CONVERTED, and rate_day and source."""

KEY = ("run_day", "affiliate", "currency")
"""Of a payout, and of its conversion."""

Condition = sa.ColumnElement[bool]


# -- rates


def rates(
    connection: sa.Connection,
    first: Day | None = None,
    last: Day | None = None,
    codes: Collection[str] = (),
    known: int | None = None,
) -> pl.DataFrame:
    """The rates of days from `first` to `last`, both included (None: no bound), of these
    currencies (none named: all) that intake `known` knew (None: any): RATES, by code and day."""
    query = sa.select(*(exchange_rate.c[name] for name in RATES))
    if first is not None:
        query = query.where(exchange_rate.c.day >= first)
    if last is not None:
        query = query.where(exchange_rate.c.day <= last)
    if codes:
        query = query.where(exchange_rate.c.code.in_(sorted(codes)))
    if known is not None:
        query = query.where(exchange_rate.c.intake <= known)
    return bulk.frame(connection, query, dict(RATES)).sort("code", "day")


def learned(connection: sa.Connection, after: int, known: int) -> dict[str, pl.DataFrame]:
    """What intakes beyond `after`, up to `known`, said of rates and of currencies to be paid in,
    in the words of an anchor."""
    table = exchange_rate.c
    query = sa.select(table.code, table.day, table.rate, table.source).where(
        table.intake > after, table.intake <= known
    )
    shape = {name: RATES[name] for name in ("code", "day", "rate", "source")}
    said = payout_currencies(connection, known).filter(pl.col("intake") > after)
    return {
        "exchange_rates": bulk.frame(connection, query, shape).sort("code", "day"),
        "payout_currencies": said.select("affiliate_id", "code"),
    }


def add_rates(connection: sa.Connection, number: int, found: pl.DataFrame) -> Spans:
    """Rows with code, day, rate and source, as of intake `number`."""
    added = Added(connection)
    names = [column.name for column in exchange_rate.c]
    rows = found.with_columns(intake=pl.lit(number, pl.Int64)).select(names)
    added.rows(exchange_rate, rows.to_dict())
    return added.spans


# -- who is paid in what


def payout_currencies(connection: sa.Connection, known: int | None = None) -> pl.DataFrame:
    """In what those affiliates are paid of whom it was ever said, as known at an intake (None:
    now): CURRENCIES, by affiliate's id."""
    found = _said(connection, known).unique("affiliate", keep="last")
    return found.sort("affiliate_id")


def of_affiliate(connection: sa.Connection, whose: int, known: int | None = None) -> str:
    """In what an affiliate is paid; "" in what was earned."""
    found = _said(connection, known, payout_currency.c.affiliate == whose)
    return str(found["code"][-1]) if found.height else ""


def _said(connection: sa.Connection, known: int | None, *where: Condition) -> pl.DataFrame:
    of = {"affiliate_id": affiliate, "learned_at": intake, "who": intake}
    query = (
        sa.select(*(of.get(name, payout_currency).c[name] for name in CURRENCIES))
        .join_from(payout_currency, affiliate, affiliate.c.id == payout_currency.c.affiliate)
        .join(intake, intake.c.id == payout_currency.c.intake)
        .where(*where)
    )
    if known is not None:
        query = query.where(payout_currency.c.intake <= known)
    return bulk.frame(connection, query, dict(CURRENCIES)).sort("intake")


def add_currencies(connection: sa.Connection, number: int, found: pl.DataFrame) -> Spans:
    """Rows with affiliate, code and reason, as of intake `number`."""
    added = Added(connection)
    names = [column.name for column in payout_currency.c]
    rows = found.with_columns(intake=pl.lit(number, pl.Int64)).select(names)
    added.rows(payout_currency, rows.to_dict())
    return added.spans


# -- conversions


def paid_in() -> list[sa.ColumnElement[Any]]:
    """What is paid of a payout: code, decimals and minor units; of a query that has `payout`,
    `currency`, and `converted`."""
    return [
        sa.func.coalesce(conversion.c.to_code, currency.c.code),
        sa.func.coalesce(conversion.c.to_decimals, currency.c.decimals),
        sa.func.coalesce(conversion.c.to_minor, payout.c.amount_minor),
    ]


def converted() -> Condition:
    """The condition by which `conversion` is joined to `payout`, from outside: few are."""
    return sa.and_(*(conversion.c[name] == payout.c[name] for name in KEY))


def stored(connection: sa.Connection, day: Day) -> pl.DataFrame:
    """The conversions of a run, shaped CONVERSIONS and sorted by all columns."""
    query = sa.select(*(conversion.c[name] for name in CONVERSIONS)).where(
        conversion.c.run_day == day
    )
    found = bulk.frame(connection, query, dict(CONVERSIONS))
    return found.sort(found.columns)


def conversions(
    connection: sa.Connection, first: Day | None = None, last: Day | None = None
) -> pl.DataFrame:
    """The conversions of the runs from `first` to `last`, shaped SAID; by run, affiliate's id and
    currency."""
    names = [name for name in SAID if name in conversion.c and name != "currency"]
    query = (
        sa.select(
            conversion.c.run_day, affiliate.c.affiliate_id, currency.c.code, currency.c.decimals,
            payout.c.amount_minor, *(conversion.c[name] for name in names[1:]),
        )
        .join_from(conversion, payout, converted())
        .join(affiliate, affiliate.c.id == conversion.c.affiliate)
        .join(currency, currency.c.id == conversion.c.currency)
    )  # fmt: skip
    if first is not None:
        query = query.where(conversion.c.run_day >= first)
    if last is not None:
        query = query.where(conversion.c.run_day <= last)
    return bulk.frame(connection, query, dict(SAID)).sort("run_day", "affiliate_id", "currency")
