"""The reference work: N affiliates in a realistic forest, M earnings over ninety days.

    python benchmarks/generate.py 100000 1000000 7 --out work [--parquet]

Deterministic: the same three numbers give the same files. Of the affiliates a hundredth have no
referrer, a third were referred by one of three hubs, the others by anybody who was there before
them, so that most have a few ancestors and some more than twenty. Ids are in no order. Amounts
are log-normal in EUR, USD and JPY; of the events three in a hundred are reversals of earlier
orders, half of them partial, some in a later month. A tenth of the events arrives late: those
are in late/, the others beside the plan.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

FIRST_SECOND = 1_785_542_400  # 2026-08-01T00:00:00Z
SECONDS = 90 * 86_400
HUBS = 3
PLAN = """\
name = "reference-work"
timezone = "Europe/Berlin"
rate_bounds = ["10%", "20%"]

[payout]
every = "day"
minimum = { EUR = "25.00", USD = "25.00", JPY = "2500" }

[[terms]]
from = 2026-01-01
hold_days = 14
"""
LEVEL = """
[[terms.level]]
level = {level}
rate = "{rate}%"
[[terms.level.cap]]
window = "order"
amount = {{ EUR = "{order}.00", USD = "{order}.00", JPY = "{order}00" }}
[[terms.level.cap]]
window = "month"
amount = {{ EUR = "{month}.00", USD = "{month}.00", JPY = "{month}00" }}
"""


def referrals(affiliates: int, random: np.random.Generator) -> pl.DataFrame:
    """affiliate_id, referrer_id: nobody is above himself, since everybody's referrer came first."""
    number = np.arange(affiliates)
    earlier = (random.random(affiliates) * number).astype(np.int64)
    hub = random.integers(0, HUBS, affiliates)
    referrer = np.where(random.random(affiliates) < 0.34, np.minimum(hub, earlier), earlier)
    referred = (number >= HUBS) & (random.random(affiliates) >= 0.01)
    ids = identifiers("a", affiliates, random)
    edges = pl.DataFrame(
        {"affiliate_id": ids[number[referred]], "referrer_id": ids[referrer[referred]]}
    )
    return edges.sample(fraction=1, shuffle=True, seed=int(random.integers(2**31)))


def identifiers(prefix: str, count: int, random: np.random.Generator) -> pl.Series:
    """`count` different ids in no order."""
    numbers = pl.Series("id", random.permutation(count)).cast(pl.String)
    return pl.select(pl.lit(prefix) + numbers.str.zfill(len(str(count)))).to_series()


def earnings(ids: pl.Series, events: int, random: np.random.Generator) -> pl.DataFrame:
    """All columns of earnings.csv, in the order of the events' ids."""
    orders = events - events * 3 // 100
    earner = random.integers(0, len(ids), orders)
    second = FIRST_SECOND + random.integers(0, SECONDS, orders)
    code = random.choice(3, orders, p=[0.6, 0.3, 0.1])
    minor = np.maximum(np.exp(random.normal(8.5, 1.1, orders)).astype(np.int64), 1)
    reversed_ = random.choice(orders, events - orders, replace=False)
    partial = random.random(len(reversed_)) < 0.5
    back = np.where(partial, np.maximum(minor[reversed_] // 2, 1), minor[reversed_])
    delay = random.integers(0, 45 * 86_400, len(reversed_))
    order_ids = identifiers("o", orders, random)
    codes = pl.Series(["EUR", "USD", "JPY"])
    roots = pl.DataFrame(
        {
            "event_id": order_ids,
            "affiliate_id": ids[earner],
            "second": second,
            "minor": minor,
            "currency": codes[code],
            "reverses": pl.Series([None], dtype=pl.String).new_from_index(0, orders),
        }
    )
    reversals = roots[reversed_].with_columns(
        event_id="r" + pl.col("event_id"),
        second=pl.Series(second[reversed_] + delay),
        minor=pl.Series(-back),
        reverses="event_id",
    )
    digits = pl.col("minor").abs().cast(pl.String).str.zfill(3)
    sign = pl.when(pl.col("minor") < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    amount = (
        pl.when(pl.col("currency") == "JPY")
        .then(sign + pl.col("minor").abs().cast(pl.String))
        .otherwise(sign + digits.str.head(-2) + pl.lit(".") + digits.str.tail(2))
    )
    when = pl.from_epoch("second", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pl.concat([roots, reversals]).select(
        "event_id", "affiliate_id", occurred_at=when, amount=amount, currency="currency",
        reverses="reverses",
    )  # fmt: skip


def split_late(
    all_events: pl.DataFrame, random: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those that are there on time and those that come late; a reversal never before its order."""
    late = pl.Series(random.random(all_events.height) < 0.1)
    late_ids = all_events.filter(late)["event_id"]
    late = late | all_events["reverses"].is_in(late_ids.implode()).fill_null(False)
    return all_events.filter(~late), all_events.filter(late)


def generate(affiliates: int, events: int, seed: int, out: Path, *, parquet: bool) -> None:
    """Write the folder `out` with everything that a run needs."""
    random = np.random.Generator(np.random.PCG64(seed))
    out.mkdir(parents=True, exist_ok=True)
    (out / "late").mkdir(exist_ok=True)
    levels = [
        LEVEL.format(level=level, rate=rate, order=order, month=month)
        for level, rate, order, month in ((1, 20, 100, 400), (2, 15, 75, 300), (3, 10, 50, 200))
    ]
    (out / "plan.toml").write_text(PLAN + "".join(levels), "utf-8")
    edges = referrals(affiliates, random)
    write(edges, out / "referrals", parquet=parquet)
    ids = pl.concat([edges["affiliate_id"], edges["referrer_id"]]).unique().sort()
    on_time, late = split_late(earnings(ids, events, random), random)
    write(on_time, out / "earnings", parquet=parquet)
    write(late, out / "late" / "earnings", parquet=parquet)


def write(frame: pl.DataFrame, path: Path, *, parquet: bool) -> None:
    if parquet:
        frame.write_parquet(path.with_suffix(".parquet"))
    else:
        frame.write_csv(path.with_suffix(".csv"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("affiliates", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parquet", action="store_true")
    given = parser.parse_args()
    generate(given.affiliates, given.events, given.seed, given.out, parquet=given.parquet)


if __name__ == "__main__":
    main()
