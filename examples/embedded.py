"""The calculation as a step of a pipeline of your own: frames in, frames out, no database.

    python examples/embedded.py

It reads the files of examples/worked/refunds-and-caps, as a warehouse would hold them, decides,
and prints what each beneficiary earned and why lines were cut. Any table with the Arrow interface
will do in the place of these Polars frames: of PyArrow, DuckDB, pandas.
"""

from pathlib import Path

import polars as pl

from commission_engine import decide
from commission_engine.plan.read import read_plan

FOLDER = Path(__file__).parent / "worked" / "refunds-and-caps"


def main() -> None:
    plan = read_plan(FOLDER / "plan.toml").plan
    referrals = pl.read_csv(FOLDER / "referrals.csv", infer_schema=False)
    referrals = referrals.select("affiliate_id", "referrer_id")
    earnings = pl.read_csv(FOLDER / "earnings.csv", infer_schema=False)
    earnings = earnings.select(
        "event_id",
        "affiliate_id",
        pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC"),
        # Whole minor units of currencies with two decimals; never by way of a binary fraction.
        pl.col("amount").str.replace(".", "", literal=True).cast(pl.Int64).alias("amount_minor"),
        "currency",
        "reverses",
    )
    lines = decide(earnings, referrals, plan)
    print(lines)
    print(
        lines.group_by("beneficiary_id")
        .agg(pl.sum("gross_minor", "commission_minor"), cut=(pl.col("reason") != "").sum())
        .sort("beneficiary_id")
    )


if __name__ == "__main__":
    main()
