"""The book's numbers for ids, and the ids of numbers: for those who ask about a few."""

from collections.abc import Mapping

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans
from commission_engine.book.facts import number_currencies
from commission_engine.book.schema import affiliate, currency, event


def currency_of(
    connection: sa.Connection, code: str, decimals: Mapping[str, int]
) -> tuple[int, Spans]:
    """The book's number of a currency, and the row that it has added for it, if any."""
    added = Added(connection)
    return number_currencies(added, pl.Series([code]), decimals)[code], added.spans


def number_of(connection: sa.Connection, affiliate_id: str) -> int | None:
    """The book's number of an affiliate; None for a stranger."""
    query = sa.select(affiliate.c.id).where(affiliate.c.affiliate_id == affiliate_id)
    return connection.execute(query).scalar_one_or_none()


def ids_of(connection: sa.Connection, numbers: pl.Series) -> pl.DataFrame:
    """The ids of these affiliates: number, affiliate_id."""
    with bulk.listed(connection, numbers.unique().cast(pl.Int64)) as asked:
        query = sa.select(affiliate.c.id, affiliate.c.affiliate_id).join_from(
            asked, affiliate, affiliate.c.id == asked.c.value
        )
        return bulk.frame(connection, query, {"number": pl.Int64, "affiliate_id": pl.String})


def currencies(connection: sa.Connection) -> pl.DataFrame:
    """The currencies of the book: number, code, decimals."""
    query = sa.select(currency.c.id, currency.c.code, currency.c.decimals)
    return bulk.frame(
        connection, query, {"number": pl.Int64, "code": pl.String, "decimals": pl.Int64}
    )


def line_ids(connection: sa.Connection, events: pl.Series, levels: pl.Series) -> list[str]:
    """The ids of the lines of these events at the levels beside them."""
    schema = {"event": pl.Int64, "event_id": pl.String}
    with bulk.listed(connection, events.unique().cast(pl.Int64)) as asked:
        query = sa.select(event.c.id, event.c.event_id).join_from(
            asked, event, event.c.id == asked.c.value
        )
        named = bulk.frame(connection, query, schema)
    asked_for = pl.DataFrame({"event": events, "level": levels})
    joined = asked_for.join(named, on="event", how="left", maintain_order="left")
    return joined.select(pl.format("{}.{}", "event_id", "level")).to_series().to_list()
