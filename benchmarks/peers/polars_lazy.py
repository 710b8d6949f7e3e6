"""Lazy Polars: a scan, three joins up the tree, cumulative sums over keys, a streamed sink.

    python benchmarks/peers/polars_lazy.py FACTS

Its natural form is the Parquet files themselves. `cum_sum().over()` follows the order of rows,
which is that of processing.
"""

import tempfile
from pathlib import Path

import polars as pl
from common import CODES, NOTHING, Rules, checksum, facts_folder, now, peak_mb, report, rules_of


def share(base: str) -> pl.Expr:
    """Half to even on the magnitude, then the sign back."""
    product = pl.col(base).abs() * pl.col("percent")
    whole, rest = product // 100, product % 100
    magnitude = whole + (rest + whole % 2 > 50).cast(pl.Int64)
    return pl.when(pl.col(base) < 0).then(-magnitude).otherwise(magnitude)


def lines_of(facts: Path, rules: Rules) -> pl.LazyFrame:
    earnings = pl.scan_parquet(facts / "earnings.parquet").with_columns(
        code=pl.col("currency").replace_strict(
            list(CODES), range(len(CODES)), return_dtype=pl.Int64
        )
    )
    referrals = pl.scan_parquet(facts / "referrals.parquet")
    orders = earnings.filter(pl.col("reverses").is_null()).select(
        "event_id", "affiliate_id", "code", before=pl.lit(0, pl.Int64), after="amount_minor",
        root_at="occurred_at",
    )  # fmt: skip
    so_far = pl.col("amount_minor").cum_sum().over("reverses")
    reversals = (
        earnings.filter(pl.col("reverses").is_not_null())
        .with_columns(so_far=so_far)
        .join(orders, left_on="reverses", right_on="event_id", maintain_order="left")
        .with_columns(after=pl.col("after") + pl.col("so_far"))
        .select(
            "event_id", "affiliate_id", "code", before=pl.col("after") - pl.col("amount_minor"),
            after="after", root_at="root_at",
        )
    )  # fmt: skip
    day = pl.col("root_at").dt.convert_time_zone(rules.zone).dt.date()
    up = referrals.select(who="affiliate_id", above="referrer_id")
    ancestors = (
        referrals.select("affiliate_id", one="referrer_id")
        .join(up.rename({"above": "two"}), left_on="one", right_on="who", how="left")
        .join(up.rename({"above": "three"}), left_on="two", right_on="who", how="left")
    )
    events = (
        orders.merge_sorted(reversals, key="event_id")
        .with_columns(day=day)
        .join(ancestors, on="affiliate_id", maintain_order="left")
    )
    levels = []
    for level, beneficiary in zip(rules.levels, ("one", "two", "three"), strict=True):
        order_cap, month_cap = (
            pl.col("code").replace_strict(
                range(len(CODES)), [caps[code] for code in CODES], return_dtype=pl.Int64
            )
            for caps in (level.order_cap, level.month_cap)
        )
        total = pl.col("capped").cum_sum().over(beneficiary, "code", "month")
        levels.append(
            events.filter(pl.col(beneficiary).is_not_null())
            .with_columns(
                percent=pl.lit(level.percent, pl.Int64), order_cap=order_cap, month_cap=month_cap,
                month=pl.col("day").dt.year() * 12 + pl.col("day").dt.month(),
            )
            .with_columns(rounded=share("after"), rounded_before=share("before"))
            .with_columns(
                gross_minor=pl.col("rounded") - pl.col("rounded_before"),
                capped=pl.col("rounded").clip(-pl.col("order_cap"), pl.col("order_cap"))
                - pl.col("rounded_before").clip(-pl.col("order_cap"), pl.col("order_cap")),
            )
            .with_columns(total=total)
            .with_columns(
                commission_minor=pl.min_horizontal("total", "month_cap")
                - pl.min_horizontal(pl.col("total") - pl.col("capped"), "month_cap")
            )
            .select(
                "event_id",
                level=pl.lit(level.level, pl.Int8),
                beneficiary_id=beneficiary,
                gross_minor="gross_minor",
                commission_minor="commission_minor",
                reason=pl.when(pl.col("capped") != pl.col("gross_minor"))
                .then(pl.lit("order"))
                .when(pl.col("commission_minor") != pl.col("capped"))
                .then(pl.lit("month"))
                .otherwise(pl.lit("")),
                terms_from=pl.lit(rules.starts),
                available_on=pl.col("day") + pl.duration(days=rules.hold_days),
            )
        )  # fmt: skip
    return pl.concat(levels)


def main() -> None:
    facts = facts_folder(__doc__)
    rules = rules_of(facts)
    with tempfile.TemporaryDirectory() as name:
        lines = Path(name) / "lines.parquet"
        started = now()
        lines_of(facts, rules).sink_parquet(lines, compression="snappy", maintain_order=False)
        took = now() - started
        peak = peak_mb()
        report(took, NOTHING, checksum(pl.scan_parquet(lines)), peak)


if __name__ == "__main__":
    main()
