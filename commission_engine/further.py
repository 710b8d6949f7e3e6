"""What a run books beside its lines: the money of payouts that were not paid after all.

It follows from what was learned since the run before, so it comes to the same whenever a run is
derived again.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from commission_engine.book import exchange, payouts
from commission_engine.book.connect import Connection
from commission_engine.book.runs import Run
from commission_engine.calendar import Day
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.convert import CONVERTED, LEGS, legs
from commission_engine.ledger.post import entries


def further_entries(connection: Connection, day: Day, after: int, known: int) -> pl.DataFrame:
    """The entries of the run of `day` that come from no line, shaped ENTRIES: from what was
    learned in intakes beyond `after`, up to `known`."""
    back = payouts.returned(connection, after, known)
    # A payout is taken from what is available, and so what comes back is available at once.
    return entries(
        back.group_by("affiliate", "currency")
        .agg(amount=pl.col("amount_minor").sum())
        .with_columns(
            kind=pl.lit(int(Kind.RETURNED), pl.Int64), available_day=pl.lit(day, pl.Int64)
        )
    )


def came_back(
    connection: Connection, completed: Sequence[Run], after: Day | None, day: Day
) -> pl.DataFrame:
    """The payouts whose money runs after `after` (None: all) and up to `day` have booked back:
    shaped publish.record.RETURNED, by affiliate's id, currency and run."""
    upto = [run for run in completed if run.day <= day]
    known = [run.intake for run in upto if after is not None and run.day <= after]
    back = payouts.returned(connection, max(known, default=0), upto[-1].intake if upto else 0)
    place = np.searchsorted([run.intake for run in upto], back["intake"].to_numpy())
    days = np.array([run.day for run in upto], np.int64)
    return back.select(
        pl.Series("booked_day", days[place], dtype=pl.Int64),
        "run_day",
        "affiliate_id",
        pl.col("code").alias("currency"),
        "decimals",
        "amount_minor",
    )


def exchanged(
    connection: Connection, completed: Sequence[Run], after: Day | None, day: Day
) -> pl.DataFrame:
    """The entries between currencies of the runs after `after` (None: all) and up to `day`: of the
    payouts that they have converted, and of those that came back; shaped ledger.convert.LEGS."""
    made = exchange.conversions(connection, None, day)
    if not made.height:
        return LEGS.to_frame()
    key = ("run_day", "affiliate_id", "currency")
    back = came_back(connection, completed, after, day).select("booked_day", *key)
    own = made if after is None else made.filter(pl.col("run_day") > after)
    returned = back.join(made, on=key).with_columns(run_day="booked_day")
    names = CONVERTED.names()
    return legs(own.select(names), returned.select(names))


def booked(*parts: pl.DataFrame) -> pl.DataFrame:
    """Entries together, sorted as ENTRIES."""
    together = pl.concat(parts)
    return together.sort(together.columns)
