"""The reference work: N affiliates in a realistic forest, M earnings over ninety days.

    python benchmarks/generate.py 100000 1000000 7 --out work [--parquet | --facts]

Deterministic: the same three numbers give the same files. Affiliates join one after the other and
are referred by somebody who was there before: two in five by one of three hubs (17%, 12% and 11%
of all, so more than 100,000 direct referrals each at a million), who have ancestors themselves;
every tenth or so by nobody; the others by anybody, the older the likelier, so that a few hundred
have many referrals and most have none. Half are five levels deep or deeper. Three levels above an
event make 2.6 lines on average. Ids are in no order.

Amounts are log-normal in EUR, USD and JPY. Of the events three in a hundred are reversals of
earlier orders, up to 45 days later and so some in a later month; half of them are partial. A
tenth of the events arrives late, and a reversal of a late order with it.

Three forms of the same events:

- CSV (default) or text in Parquet (`--parquet`): plan.toml, referrals, earnings, and in late/ the
  earnings that come late. Ids are text.
- `--facts`: plan.toml, referrals.parquet, earnings.parquet (all events, the late ones too) with
  dense integers: affiliates 1..N, events 1..M numbered in processing order (instant, earnings
  before reversals) and sorted so, in row groups of a million.

Events are made day by day and written as they come, so that memory does not grow with M.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

Ints: TypeAlias = npt.NDArray[np.int64]

FIRST_SECOND = 1_754_006_400  # 2025-08-01T00:00:00Z
DAY = 86_400
DAYS = 90
LONGEST_DELAY = 45 * DAY
REVERSALS_IN_HUNDRED = 3
HUBS = {3: 0.17, 6: 0.12, 9: 0.11}
"""Who refers which part of all; each has three ancestors, because the first ten are a chain."""
UNREFERRED = 0.095
LATE = 0.1
CODES = ("EUR", "USD", "JPY")
ROW_GROUP = 1_000_000

PLAN = """\
name = "reference-work"
timezone = "Europe/Berlin"
rate_bounds = ["10%", "20%"]

[payout]
every = "day"
minimum = { EUR = "25.00", USD = "25.00", JPY = "2500" }

[[terms]]
from = 2025-01-01
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
LEVELS = ((1, 20, 100, 400), (2, 15, 75, 300), (3, 10, 50, 200))
"""Level, rate in percent, cap an order and cap a month in whole EUR or USD."""


def referrals(affiliates: int, random: np.random.Generator) -> pl.DataFrame:
    """affiliate_id, referrer_id out of 1..affiliates, in no order.

    Nobody is above himself, since everybody's referrer came first.
    """
    number = np.arange(affiliates)
    # The square draws towards those who were there first: referrals fall off like a power law.
    referrer = (random.random(affiliates) ** 2 * number).astype(np.int64)
    drawn, begins = random.random(affiliates), 0.0
    for hub, part in HUBS.items():
        referrer[(drawn >= begins) & (drawn < begins + part) & (number > hub)] = hub
        begins += part
    referred = drawn < 1 - UNREFERRED
    chain = slice(1, max(HUBS) + 1)
    referrer[chain], referred[chain] = number[chain] - 1, True
    referred[:1] = False
    joined = random.permutation(number[referred])
    ids = random.permutation(affiliates) + 1
    return pl.DataFrame({"affiliate_id": ids[joined], "referrer_id": ids[referrer[joined]]})


@dataclass(frozen=True, slots=True)
class Events:
    """Some events; every array shaped (events,). `root` is the order's number, 0 for orders."""

    second: Ints
    affiliate: Ints
    minor: Ints
    code: Ints
    root: Ints
    late: npt.NDArray[np.bool_]

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Events":
        return Events(*(getattr(self, name)[rows] for name in self.__slots__))


def joined(parts: list[Events]) -> Events:
    return Events(
        *(np.concatenate([getattr(each, name) for each in parts]) for name in Events.__slots__)
    )


def days(affiliates: int, events: int, random: np.random.Generator) -> Iterator[pl.DataFrame]:
    """All events, a day at a time, in processing order.

    Columns: event (1..events), affiliate, second, minor, code (a place in CODES), root (null for
    orders), late.
    """
    reversals = events * REVERSALS_IN_HUNDRED // 100
    waiting: dict[int, list[Events]] = defaultdict(list)
    numbered = 0
    for day in range(DAYS + LONGEST_DELAY // DAY + 1):
        coming = waiting.pop(day, [])
        orders = new_orders(day, share_of_day(events - reversals, day), affiliates, random)
        back = reversals_of(orders, share_of_day(reversals, day), random)
        its_day = (back.second - FIRST_SECOND) // DAY
        same_day = its_day == day
        today = joined([orders, *coming, back.take(same_day)])
        order = np.lexsort((today.root != 0, today.second))
        number = np.empty(len(order), np.int64)
        number[order] = numbered + 1 + np.arange(len(order))
        back = replace(back, root=number[back.root - 1])
        today.root[len(order) - int(same_day.sum()) :] = back.root[same_day]
        for other in np.unique(its_day[~same_day]).tolist():
            waiting[other].append(back.take(its_day == other))
        today, numbered = today.take(order), numbered + len(order)
        yield pl.DataFrame(
            {
                "event": number[order],
                "affiliate": today.affiliate,
                "second": today.second,
                "minor": today.minor,
                "code": today.code,
                "root": today.root,
                "late": today.late,
            }
        ).with_columns(root=pl.when(pl.col("root") > 0).then("root"))


def share_of_day(total: int, day: int) -> int:
    """How many of `total` fall on a day; nothing after the ninety."""
    return total * min(day + 1, DAYS) // DAYS - total * min(day, DAYS) // DAYS


def new_orders(day: int, count: int, affiliates: int, random: np.random.Generator) -> Events:
    return Events(
        second=FIRST_SECOND + day * DAY + random.integers(0, DAY, count),
        affiliate=random.integers(1, affiliates + 1, count),
        minor=np.maximum(np.exp(random.normal(8.5, 1.1, count)).astype(np.int64), 1),
        code=random.choice(len(CODES), count, p=[0.6, 0.3, 0.1]),
        root=np.zeros(count, np.int64),
        late=random.random(count) < LATE,
    )


def reversals_of(orders: Events, count: int, random: np.random.Generator) -> Events:
    """Of `count` of the orders; `root` is the order's place among them, from 1 on."""
    place = random.choice(len(orders.second), count, replace=False)
    whole = orders.minor[place]
    partial = random.random(count) < 0.5
    return Events(
        second=orders.second[place] + random.integers(0, LONGEST_DELAY, count),
        affiliate=orders.affiliate[place],
        minor=-np.where(partial, np.maximum(whole // 2, 1), whole),
        code=orders.code[place],
        root=place + 1,
        late=orders.late[place] | (random.random(count) < LATE),
    )


def text_of_event(number: str, events: int, prefix: str) -> pl.Expr:
    """Ids that stand in no order: the number times a large factor, modulo a power of ten."""
    width = len(str(events))
    size = int(10**width)
    factor = 6_180_339_887 % size  # ends in 7, so different numbers stay different
    scrambled = (pl.col(number) * factor % size).cast(pl.String).str.zfill(width)
    return pl.lit(prefix) + scrambled


def text_of_affiliate(number: str, affiliates: int) -> pl.Expr:
    return pl.lit("a") + pl.col(number).cast(pl.String).str.zfill(len(str(affiliates)))


def as_text(day: pl.DataFrame, affiliates: int, events: int) -> pl.DataFrame:
    """All columns of earnings.csv, and `late`."""
    minor = pl.col("minor").abs()
    digits = minor.cast(pl.String).str.zfill(3)
    sign = pl.when(pl.col("minor") < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    is_order = pl.col("root").is_null()
    return day.select(
        "late",
        event_id=pl.when(is_order)
        .then(text_of_event("event", events, "o"))
        .otherwise(text_of_event("root", events, "ro")),
        affiliate_id=text_of_affiliate("affiliate", affiliates),
        occurred_at=pl.from_epoch("second", time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        amount=pl.when(pl.col("code") == CODES.index("JPY"))
        .then(sign + minor.cast(pl.String))
        .otherwise(sign + digits.str.head(-2) + pl.lit(".") + digits.str.tail(2)),
        currency=code_text(),
        reverses=pl.when(~is_order).then(text_of_event("root", events, "o")),
    )


def as_facts(day: pl.DataFrame) -> pl.DataFrame:
    return day.select(
        event_id="event",
        affiliate_id="affiliate",
        occurred_at=(pl.col("second") * 1_000_000).cast(pl.Datetime("us", "UTC")),
        amount_minor="minor",
        currency=code_text(),
        reverses="root",
    )


def code_text() -> pl.Expr:
    return pl.col("code").replace_strict(dict(enumerate(CODES)), return_dtype=pl.String)


def generate(
    affiliates: int,
    events: int,
    seed: int,
    out: Path,
    *,
    parquet: bool = False,
    facts: bool = False,
) -> None:
    """Write the folder `out` with everything that a run needs, or that `decide` needs."""
    random = np.random.Generator(np.random.PCG64(seed))
    out.mkdir(parents=True, exist_ok=True)
    levels = [
        LEVEL.format(level=level, rate=rate, order=order, month=month)
        for level, rate, order, month in LEVELS
    ]
    (out / "plan.toml").write_text(PLAN + "".join(levels), "utf-8")
    edges = referrals(affiliates, random)
    made = days(affiliates, events, random)
    if facts:
        since = pl.lit(None, pl.Datetime("us", "UTC"))
        write_parquet([edges.with_columns(since=since)], out / "referrals.parquet")
        write_parquet(map(as_facts, made), out / "earnings.parquet")
        return
    write = write_parquet if parquet else write_csv
    ending = "parquet" if parquet else "csv"
    edges = edges.select(text_of_affiliate(name, affiliates).alias(name) for name in edges.columns)
    write([edges], out / f"referrals.{ending}")
    (out / "late").mkdir(exist_ok=True)
    late: list[pl.DataFrame] = []
    on_time = split((as_text(day, affiliates, events) for day in made), late)
    write(on_time, out / f"earnings.{ending}")
    write(late, out / "late" / f"earnings.{ending}")


def split(parts: Iterable[pl.DataFrame], late: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Those that are there on time; the others are put into `late`."""
    for part in parts:
        late.append(part.filter("late").drop("late"))
        yield part.filter(~pl.col("late")).drop("late")


def write_csv(parts: Iterable[pl.DataFrame], path: Path) -> None:
    with path.open("wb") as file:
        for number, part in enumerate(parts):
            part.write_csv(file, include_header=number == 0)


def write_parquet(parts: Iterable[pl.DataFrame], path: Path) -> None:
    """Row groups of a million, whatever the parts' sizes.

    Whole numbers are packed differences: a third of the bytes of snappy, and as quick to read as
    plain values.
    """
    rows = row_groups(parts)
    first = next(rows)
    numbers = [field.name for field in first.schema if not pa.types.is_large_string(field.type)]
    options = {
        "compression": "zstd" if len(numbers) == 0 else "none",
        "use_dictionary": ["currency"],
        "column_encoding": dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
    }
    with pq.ParquetWriter(path, first.schema, **options) as file:
        file.write_table(first, ROW_GROUP)
        for each in rows:
            file.write_table(each, ROW_GROUP)


def row_groups(parts: Iterable[pl.DataFrame]) -> Iterator[pa.Table]:
    held: list[pl.DataFrame] = []
    for part in parts:
        held.append(part)
        while sum(each.height for each in held) > ROW_GROUP:
            rows = pl.concat(held)
            yield arrow(rows[:ROW_GROUP])
            held = [rows[ROW_GROUP:]]
    yield arrow(pl.concat(held))


def arrow(rows: pl.DataFrame) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("affiliates", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--out", type=Path, required=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--parquet", action="store_true", help="text in Parquet in place of CSV")
    form.add_argument("--facts", action="store_true", help="dense integers in Parquet")
    given = parser.parse_args()
    generate(
        given.affiliates,
        given.events,
        given.seed,
        given.out,
        parquet=given.parquet,
        facts=given.facts,
    )


if __name__ == "__main__":
    main()
