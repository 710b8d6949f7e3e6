"""The calculation: `kernel.py` runs, `reference.py` explains and judges it.

`facts.py` takes frames or Parquet files in the place of a book, `buckets.py` more lines than memory
holds (a cluster: commission_engine/spark), `parts.py` gives lines as frames and files. What it does
for a program of somebody else's is the function here.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the libraries of frames are loaded by the first call, not by the first import
    import polars as pl

    from commission_engine.plan.terms import Plan


class Table(Protocol):
    """A table with the Arrow interface: of Polars, PyArrow, DuckDB, pandas and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def decide(
    earnings: "Table | pl.LazyFrame",
    referrals: "Table | pl.LazyFrame",
    plan: "Plan",
    closed: "Table | pl.LazyFrame | None" = None,
    *,
    workers: int = 1,
) -> "pl.DataFrame":
    """Every line that a plan pays for these earnings, by beneficiary. No database, no files.

    `earnings` has event_id, affiliate_id (whole numbers or text), occurred_at (a timestamp; UTC
    when it has no zone), amount_minor (whole minor units of the currency), currency, and, where
    there are reversals, reverses (the event_id of the order, null for an order). `referrals` has
    affiliate_id, referrer_id (null: nobody from then on) and, where the tree has changed, since (a
    timestamp; null: always). `closed` has the affiliate_id of those who are paid nothing. A Polars
    LazyFrame of earnings is read in parts if its rows are in processing order. `plan` is of
    `commission_engine.plan.read.read_plan`.

    Lines have event_id, level, beneficiary_id, gross_minor, commission_minor, reason ("" when paid
    in full), terms_from and available_on; sorted by beneficiary, then in processing order (instant,
    earnings before reversals, event_id), then by level. Caps begin at zero. `workers` threads
    change the time alone.

    Raises FactsRefused where a column is missing, has nulls or is of another type, and where rows
    contradict each other or the plan; CommissionError where a total passes 62 bits.
    """
    from commission_engine.decide.parts import decide_frames

    return decide_frames(earnings, referrals, plan, closed, workers=workers)
