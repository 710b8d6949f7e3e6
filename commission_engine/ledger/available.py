"""When entries become available, as runs book it: on the run's own day at the earliest."""

import polars as pl

from commission_engine.calendar import Day


def as_booked_now(entries: pl.DataFrame, day: Day) -> pl.DataFrame:
    """A run's entries, sorted by all columns, in the form in which runs book them today.

    The first programs kept apart on which earlier day each amount had been available, which nothing
    asks: what is available on the day of its run is one entry.
    """
    if not (entries["available_day"] < day).any():
        return entries
    others = [name for name in entries.columns if name != "amount_minor"]
    available = pl.max_horizontal("available_day", pl.lit(day, pl.Int64))
    booked = entries.with_columns(available_day=available)
    sums = booked.group_by(others).agg(pl.col("amount_minor").sum())
    return sums.select(entries.columns).sort(entries.columns)
