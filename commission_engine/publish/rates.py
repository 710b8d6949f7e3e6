"""The rate of each level under each terms, as a table to join with lines."""

import polars as pl

from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.plan.terms import Plan


def rates(plan: Plan) -> pl.DataFrame:
    """terms_day, level, rate (a plain decimal fraction)."""
    rows = [
        (terms.starts, level.level, str(level.rate))
        for terms in plan.terms
        for level in terms.levels
    ]
    schema = {"terms_day": pl.Int64, "level": pl.Int64, "rate": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def rate_of_line() -> pl.Expr:
    """The rate of lines (terms_day) that have been joined with `rates`; that of an adjustment,
    which no terms decided, is 1."""
    whole = pl.when(pl.col("terms_day") == NO_TERMS).then(pl.lit("1"))
    return whole.otherwise(pl.col("rate")).alias("rate")
