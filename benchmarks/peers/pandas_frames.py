"""pandas: merges up the tree, grouped cumulative sums, from a frame in memory to Parquet.

    python benchmarks/peers/pandas_frames.py FACTS

Written as somebody who knows pandas writes it: whole columns, categories for currencies, no
`apply`. Memory limits the size it can bear.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from common import CODES, Level, Rules, checksum, facts_folder, now, peak_mb, report, rules_of

REASONS = ("", "order", "month")


def share(base: Any, percent: int) -> Any:
    """Half to even on the magnitude, then the sign back."""
    product = np.abs(base) * percent
    whole = product // 100
    whole += (product % 100 + (whole & 1)) > 50
    return whole * np.sign(base)


def events_of(earnings: Any, rules: Rules) -> Any:
    """before, after, day and month of every event, in processing order."""
    is_back = earnings["reverses"].notna()
    back = earnings[is_back].astype({"reverses": "int64"})
    roots = earnings[["event_id", "amount_minor", "occurred_at"]].rename(
        columns={"event_id": "reverses", "amount_minor": "root_minor", "occurred_at": "root_at"}
    )
    so_far = back.groupby("reverses")["amount_minor"].cumsum()
    back = back.assign(so_far=so_far).merge(roots, on="reverses", how="left")
    events = earnings[["event_id", "affiliate_id", "code"]].copy()
    events["before"] = np.int64(0)
    root_at = earnings["occurred_at"].copy()
    before = back["root_minor"] + back["so_far"] - back["amount_minor"]
    events.loc[is_back.to_numpy(), "before"] = before.to_numpy()
    root_at[is_back.to_numpy()] = back["root_at"].array
    events["after"] = events["before"] + earnings["amount_minor"]
    local = root_at.dt.tz_convert(rules.zone).dt.tz_localize(None)
    events["day"] = local.dt.normalize()
    events["month"] = (local.dt.year * 12 + local.dt.month).astype("int32")
    return events


def level_of(events: Any, level: Level, rules: Rules) -> Any:
    """The lines of one level; `events` have their beneficiaries."""
    code = events["code"].cat.codes.to_numpy()
    order_cap, month_cap = (
        np.array([caps[each] for each in CODES])[code]
        for caps in (level.order_cap, level.month_cap)
    )
    rounded = share(events["after"].to_numpy(), level.percent)
    rounded_before = share(events["before"].to_numpy(), level.percent)
    gross = rounded - rounded_before
    capped = np.clip(rounded, -order_cap, order_cap)
    capped = capped - np.clip(rounded_before, -order_cap, order_cap)
    keys = ["beneficiary_id", "code", "month"]
    total = (
        events[keys].assign(capped=capped).groupby(keys, observed=True, sort=False)["capped"]
    ).cumsum()
    total = total.to_numpy()
    commission = np.minimum(total, month_cap) - np.minimum(total - capped, month_cap)
    reason = np.where(capped != gross, 1, np.where(commission != capped, 2, 0))
    return pd.DataFrame(
        {
            "event_id": events["event_id"].to_numpy(),
            "level": np.full(len(events), level.level, np.int8),
            "beneficiary_id": events["beneficiary_id"].to_numpy(),
            "gross_minor": gross,
            "commission_minor": commission,
            "reason": pd.Categorical.from_codes(reason, REASONS),
            "terms_from": pd.Timestamp(rules.starts),
            "available_on": events["day"].to_numpy() + np.timedelta64(rules.hold_days, "D"),
        }
    )


def lines_of(earnings: Any, referrals: Any, rules: Rules) -> Any:
    up = referrals.rename(columns={"affiliate_id": "who", "referrer_id": "beneficiary_id"})
    events = events_of(earnings, rules)
    events["who"] = events["affiliate_id"]
    levels = []
    for level in rules.levels:
        events = events.merge(up, on="who", how="inner")
        levels.append(level_of(events, level, rules))
        events = events.drop(columns="who").rename(columns={"beneficiary_id": "who"})
    return pd.concat(levels, ignore_index=True)


def main() -> None:
    facts = facts_folder(__doc__)
    rules = rules_of(facts)
    started = now()
    earnings = pd.read_parquet(facts / "earnings.parquet")
    earnings["reverses"] = earnings["reverses"].astype("Int64")
    earnings["code"] = pd.Categorical(earnings.pop("currency"), CODES)
    referrals = pd.read_parquet(
        facts / "referrals.parquet", columns=["affiliate_id", "referrer_id"]
    )
    loaded = now()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "lines.parquet"
        lines_of(earnings, referrals, rules).to_parquet(path, compression="snappy", index=False)
        took = now() - loaded
        peak = peak_mb()
        report(took, loaded - started, checksum(pl.scan_parquet(path)), peak)


if __name__ == "__main__":
    main()
