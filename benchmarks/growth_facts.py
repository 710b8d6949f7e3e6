"""Facts and plans for `growth.py`, with more or less of everything that they can have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from generate import CODES, DAY, DAYS, FIRST_SECOND, LONGEST_DELAY, generate, write_parquet
from generate import referrals as reference_forest

from commission_engine.money import iso_decimals

SEED = 7
PLAN = 'name = "growth"\ntimezone = "Europe/Berlin"\n'
CAPS = {
    0: {},
    1: {"month": 400},
    2: {"order": 100, "month": 400},
    3: {"order": 100, "day": 200, "month": 400},
    6: {"order": 100, "day": 200, "month": 400, "quarter": 800, "year": 1600, "lifetime": 3200},
}
"""By how many caps there are: windows, and their limits in whole units of a currency."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What facts and their plan are like.

    `depth`: chains of so many affiliates each. `fan_out`: hubs with so many direct referrals and
    two ancestors each. Where both are 0 the forest is that of the reference work. `reversals` is
    in percent of the events, `caps` a level, `spanning` over all levels. `reference`: the events
    and the plan are those of the reference work as well.
    """

    events: int = 1_000_000
    affiliates: int = 100_000
    depth: int = 0
    fan_out: int = 0
    reversals: int = 3
    currencies: int = 3
    caps: int = 2
    spanning: int = 0
    levels: int = 3
    terms: int = 1
    reference: bool = False


def make(shape: Shape, folder: Path) -> None:
    """Write the folder that `commission decide` takes. The same shape gives the same files."""
    if shape.reference:
        generate(shape.affiliates, shape.events, SEED, folder, facts=True)
        return
    random = np.random.Generator(np.random.PCG64(SEED))
    folder.mkdir(parents=True)
    codes = tuple(dict.fromkeys([*CODES, *sorted(iso_decimals())]))[: shape.currencies]
    (folder / "plan.toml").write_text(PLAN + "".join(terms_of(shape, codes)), "utf-8")
    since = pl.lit(None, pl.Datetime("us", "UTC"))
    edges = forest(shape, random).with_columns(since=since)
    write_parquet([edges], folder / "referrals.parquet")
    write_parquet([events(shape, codes, random)], folder / "earnings.parquet")


def forest(shape: Shape, random: np.random.Generator) -> pl.DataFrame:
    """affiliate_id, referrer_id out of 1..affiliates, in no order."""
    if not shape.depth and not shape.fan_out:
        return reference_forest(shape.affiliates, random)
    number = np.arange(shape.affiliates)
    place = number % (shape.depth or shape.fan_out + 3)  # in the chain; or behind 3 above all
    referrer = number - 1
    if shape.fan_out:
        referrer = np.where(place < 3, referrer, number - place + 2)
    joined = random.permutation(number[place > 0])
    ids = random.permutation(shape.affiliates) + 1
    return pl.DataFrame({"affiliate_id": ids[joined], "referrer_id": ids[referrer[joined]]})


def events(shape: Shape, codes: Sequence[str], random: np.random.Generator) -> pl.DataFrame:
    """Earnings of anybody in ninety days, numbered and sorted in processing order.

    All orders have about as many reversals, each of an equal part, and together at most all.
    """
    reversals = shape.events * shape.reversals // 100
    orders = shape.events - reversals
    at = FIRST_SECOND + random.integers(0, DAYS * DAY, orders)
    affiliate = random.integers(1, shape.affiliates + 1, orders)
    minor = np.maximum(np.exp(random.normal(8.5, 1.1, orders)).astype(np.int64), 100)
    code = random.integers(0, len(codes), orders)
    root = np.resize(random.permutation(orders), reversals)
    parts = max(2, -(-reversals // orders))
    second = np.append(at, at[root] + random.integers(0, LONGEST_DELAY, reversals))
    order = np.lexsort((np.arange(shape.events) >= orders, second))
    number = np.empty(shape.events, np.int64)
    number[order] = np.arange(1, shape.events + 1)
    columns = {
        "event_id": number,
        "affiliate_id": np.append(affiliate, affiliate[root]),
        "occurred_at": second * 1_000_000,
        "amount_minor": np.append(minor, -(minor[root] // parts)),
        "currency": np.append(code, code[root]),
        "reverses": np.append(np.zeros(orders, np.int64), number[root]),
    }
    frame = pl.DataFrame({name: values[order] for name, values in columns.items()})
    return frame.with_columns(
        pl.col("occurred_at").cast(pl.Datetime("us", "UTC")),
        pl.col("currency").replace_strict(dict(enumerate(codes)), return_dtype=pl.String),
        pl.when(pl.col("reverses") > 0).then("reverses"),
    )


def terms_of(shape: Shape, codes: Sequence[str]) -> Iterator[str]:
    """The first terms hold from before the events on, the others share their ninety days."""
    begins = date(2025, 8, 1)
    for number in range(shape.terms):
        starts = begins + timedelta(DAYS * number // shape.terms) if number else date(2025, 1, 1)
        yield f"[[terms]]\nfrom = {starts}\nhold_days = {14 + number}\n"
        for level in range(1, shape.levels + 1):
            yield f'[[terms.level]]\nlevel = {level}\nrate = "{15 - level}%"\n'
            yield from caps_of("terms.level.cap", shape.caps, 1, codes)
        yield from caps_of("terms.cap", shape.spanning, 3, codes)


def caps_of(table: str, count: int, times: int, codes: Sequence[str]) -> Iterator[str]:
    for window, limit in CAPS[count].items():
        amounts = ", ".join(f'{code} = "{limit * times}"' for code in codes)
        yield f'[[{table}]]\nwindow = "{window}"\namount = {{ {amounts} }}\n'
