"""What was said of affiliates in files of theirs, as it was known at some time."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import affiliate, profile

SAID: dict[str, Any] = {
    "affiliate_id": pl.String,
    "name": pl.String,
    "locale": pl.String,
    "status": pl.String,
}


def profiles(connection: sa.Connection, whose: pl.Series, known: int) -> pl.DataFrame:
    """Of each of these affiliates (numbers) the latest of each known at intake `known`, null for
    what there is none of; shaped SAID, in no order."""
    with bulk.listed(connection, whose) as asked:
        query = (
            sa.select(affiliate.c.affiliate_id, *(profile.c[name] for name in list(SAID)[1:]))
            .join_from(asked, affiliate, affiliate.c.id == asked.c.value)
            .outerjoin(
                profile, sa.and_(profile.c.affiliate == affiliate.c.id, profile.c.intake <= known)
            )
            .order_by(profile.c.intake)
        )
        found = bulk.frame(connection, query, SAID)
    return found.group_by("affiliate_id", maintain_order=True).agg(pl.all().drop_nulls().last())
