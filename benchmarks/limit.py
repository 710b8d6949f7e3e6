"""The limit: what a program made by hand for the reference work alone takes for it.

    python benchmarks/limit.py FACTS [--out LINES]

One chronological pass of compiled code (numba) over dense integers, with flat arrays for the
running totals of orders and monthly caps. It can do nothing else: three levels, whole percents,
half-even rounding, a cap an order and a cap a month, a tree that never changes, one set of terms,
nothing carried over from earlier runs, no text ids, no checks. Facts are read a row group at a time
and lines are written as they come, both beside the calculation.

FACTS is a folder of `generate.py --facts`; the lines are Parquet files in the folder LINES, in
processing order. The time is from files on disk to lines on disk; compiling is not in it.
"""

import argparse
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numba
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from generate import generate
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

sys.path.append(str(Path(__file__).parent / "peers"))
from common import NOTHING, Rules, checksum, now, peak_mb, report, rules_of

# Unsigned, so that compiled code neither looks for negative places nor rounds below zero.
PERCENT, HALF, ONE = np.uint64(100), np.uint64(50), np.uint64(1)
LEVELS, CODES = np.uint64(3), np.uint64(3)
WIDTH = 4  # of a row of ancestors: 16 bytes, never across two cache lines
AHEAD = 16
BATCHES = 2  # of lines: one calculated while one is written
REASONS = ("", "order", "month")
SCHEMA = pa.schema(
    {
        "event_id": pa.int64(),
        "level": pa.int8(),
        "beneficiary_id": pa.int64(),
        "gross_minor": pa.int64(),
        "commission_minor": pa.int64(),
        "reason": pa.dictionary(pa.int8(), pa.string()),
        "terms_from": pa.date32(),
        "available_on": pa.date32(),
    }
)
EPOCH = date(1970, 1, 1)


def _prefetch(_: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of `array[index]` (one-dimensional, in one piece) before its use."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        line = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [line.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch.p0", (), kind)
        builder.call(function, [line, number(1), number(3), number(1)])  # to write, to keep, data
        return context.get_dummy_value()

    return types.void(array, index), code


prefetch: Any = intrinsic(_prefetch)


@numba.njit(nogil=True, inline="always")
def share(base, percent):  # type: ignore[no-untyped-def]
    """`percent` of `base`, rounded half to even, symmetric about zero."""
    product = np.uint64(abs(base)) * percent
    whole = product // PERCENT
    rest = product - whole * PERCENT
    result = np.int64(whole + np.uint64((rest + (whole & ONE)) > HALF))
    return -result if base < 0 else result


@numba.njit(nogil=True)
def ancestors_of(affiliate, referrer, count):  # type: ignore[no-untyped-def]
    """Per affiliate the three above, 0 where there is none; a fourth place keeps rows aligned."""
    up = np.zeros(count + 1, np.int32)
    for i in range(len(affiliate)):
        up[affiliate[i]] = referrer[i]
    above = np.zeros((count + 1) * WIDTH, np.int32)
    for who in range(1, count + 1):
        first = up[who]
        second = up[first]
        above[who * WIDTH], above[who * WIDTH + 1], above[who * WIDTH + 2] = (
            first, second, up[second],
        )  # fmt: skip
    return above


@numba.njit(nogil=True)
def decide(  # type: ignore[no-untyped-def]
    first, at, affiliate, amount, code, root, above, day_begins, month_of_day,
    percents, order_caps, month_caps, total, root_day, used, affiliates, place,
    event_, level_, beneficiary_, gross_, commission_, reason_, day_,
):  # fmt: skip
    """The lines of events `first`, `first` + 1, ...: how many, and which day it has become.

    Memory is what this waits for: what an event will touch is asked for some events ahead, the
    ancestors first and then, by them, the running totals of their caps.
    """
    n, last = 0, len(at) - 1
    for i in range(len(at)):
        ahead = min(i + 2 * AHEAD, last)
        prefetch(above, affiliate[ahead] * WIDTH)
        prefetch(total, root[ahead])
        ahead = min(i + AHEAD, last)
        month = np.uint64(month_of_day[place] * affiliates)
        for level in range(LEVELS):
            who = np.uint64(above[affiliate[ahead] * WIDTH + level])
            prefetch(used, np.int64(((month + who) * CODES + np.uint64(code[ahead])) * LEVELS))
        while at[i] >= day_begins[place + 1]:
            place += 1
        order = root[i]
        if order == 0:
            order = first + i
            before, day = 0, place
            root_day[order] = day
        else:
            before, day = total[order], root_day[order]
        after = before + amount[i]
        total[order] = after
        month = np.uint64(month_of_day[day] * affiliates)
        currency = np.uint64(code[i])
        for level in range(LEVELS):
            beneficiary = np.uint64(above[np.uint64(affiliate[i] * WIDTH + level)])
            if beneficiary == 0:
                break
            kind = currency * LEVELS + np.uint64(level)
            cap = order_caps[kind]
            rounded = share(after, percents[level])
            rounded_before = share(before, percents[level]) if before != 0 else 0
            gross = rounded - rounded_before
            capped = min(max(rounded, -cap), cap) - min(max(rounded_before, -cap), cap)
            key = (month + beneficiary) * CODES * LEVELS + kind
            counted = used[key]
            reached = counted + capped
            used[key] = reached
            limit = month_caps[kind]
            line = min(reached, limit) - min(counted, limit)
            event_[n], level_[n], beneficiary_[n] = first + i, level + 1, beneficiary
            gross_[n], commission_[n], day_[n] = gross, line, day
            reason_[n] = 1 if capped != gross else 2 if line != capped else 0
            n += 1
    return n, place


class Days:
    """The local days of the reference work, counted from the one its first instant falls on."""

    def __init__(self, zone: str, first: datetime, last: datetime) -> None:
        local = ZoneInfo(zone)
        self.first = first.astimezone(local).date()
        count = (last.astimezone(local).date() - self.first).days + 2
        dates = [self.first + timedelta(days=n) for n in range(count)]
        begins = [datetime(d.year, d.month, d.day, tzinfo=local) for d in dates]
        self.begins = np.array([round(each.timestamp()) * 1_000_000 for each in begins], np.int64)
        months = [d.year * 12 + d.month for d in dates]
        self.month = np.array(months, np.int64) - months[0]


def row_groups(facts: Path) -> Iterator[pa.Table]:
    """The earnings, a row group at a time, the next one read while one is in use."""
    columns = ["affiliate_id", "occurred_at", "amount_minor", "currency", "reverses"]
    file = pq.ParquetFile(facts / "earnings.parquet", read_dictionary=["currency"])

    def read(number: int) -> pa.Table:
        return file.read_row_group(number, columns, use_threads=False)

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read, 0)
        for number in range(file.num_row_groups):
            table = ahead.result()
            if number + 1 < file.num_row_groups:
                ahead = pool.submit(read, number + 1)
            yield table


def columns_of(table: pa.Table, codes: dict[str, int]) -> tuple[Any, ...]:
    """affiliate, at (microseconds), amount, code, root (0 for orders), as NumPy arrays."""
    whole = table.combine_chunks()
    affiliate, at, amount = (whole[name].chunk(0) for name in whole.column_names[:3])
    currency, reverses = whole["currency"].chunk(0), whole["reverses"].chunk(0)
    places = np.array([codes[each] for each in currency.dictionary.to_pylist()], np.int8)
    return (
        affiliate.to_numpy(),
        at.view(pa.int64()).to_numpy(),
        amount.to_numpy(),
        places[currency.indices.to_numpy()],
        reverses.fill_null(0).to_numpy(),
    )


def run(facts: Path, lines: Path, rules: Rules) -> None:
    """Facts on disk to lines on disk."""
    referrals = pq.read_table(facts / "referrals.parquet", columns=["affiliate_id", "referrer_id"])
    affiliate, referrer = (column.to_numpy() for column in referrals.columns)
    affiliates = int(max(affiliate.max(initial=0), referrer.max(initial=0)))
    about = pq.ParquetFile(facts / "earnings.parquet").metadata
    at = [about.row_group(n).column(2).statistics for n in range(about.num_row_groups)]
    earner = [about.row_group(n).column(1).statistics for n in range(about.num_row_groups)]
    affiliates = max(affiliates, *(each.max for each in earner))
    above = ancestors_of(affiliate, referrer, affiliates)
    days = Days(rules.zone, at[0].min, at[-1].max)
    codes = {code: place for place, code in enumerate(rules.levels[0].order_cap)}
    order_caps, month_caps = (
        np.array([cap[code] for code in codes for cap in caps], np.int64)
        for caps in ([e.order_cap for e in rules.levels], [e.month_cap for e in rules.levels])
    )
    percents = np.array([level.percent for level in rules.levels], np.uint64)
    total = np.zeros(about.num_rows + 1, np.int64)
    root_day = np.zeros(about.num_rows + 1, np.int16)
    months = int(days.month[-1]) + 1
    used = np.zeros(months * (affiliates + 1) * int(CODES * LEVELS), np.int64)
    room = max(about.row_group(n).num_rows for n in range(about.num_row_groups)) * int(LEVELS)
    # Fresh memory is slow at its first touch, so the batches of lines are used again and again.
    batches = deque(tuple(np.empty(room, kind) for kind in Writer.KINDS) for _ in range(BATCHES))
    writing: deque[Future[None]] = deque()
    first, place = 1, 0
    with Writer(lines, days, rules) as writer, ThreadPoolExecutor(1) as pool:
        for table in row_groups(facts):
            affiliate, instant, amount, code, root = columns_of(table, codes)
            batch = batches[0]
            batches.rotate()
            if len(writing) == BATCHES:
                writing.popleft().result()
            count, place = decide(
                first, instant, affiliate, amount, code, root, above, days.begins, days.month,
                percents, order_caps, month_caps, total, root_day, used, affiliates + 1, place,
                *batch,
            )  # fmt: skip
            first += len(affiliate)
            writing.append(pool.submit(writer.write, [column[:count] for column in batch]))
        for each in writing:
            each.result()


class Writer:
    """Lines into one Parquet file.

    Differences of integers, packed, are both the smallest and the quickest form of those tried:
    half the processor's time of snappy, lz4 or zstd over plain values, in two thirds of the bytes.
    """

    KINDS = (np.int64, np.int8, np.int64, np.int64, np.int64, np.int8, np.int16)

    def __init__(self, path: Path, days: Days, rules: Rules) -> None:
        first = (days.first - EPOCH).days
        self._available = np.arange(len(days.begins), dtype=np.int32) + first + rules.hold_days
        self._terms = np.int32((rules.starts - EPOCH).days)
        repeated = ["level", "reason", "terms_from"]
        packed = [name for name in SCHEMA.names if name not in repeated]
        self._file = pq.ParquetWriter(
            path,
            SCHEMA,
            compression="none",
            use_dictionary=repeated,
            column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
            write_statistics=False,
        )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, columns: list[Any]) -> None:
        event, level, beneficiary, gross, commission, reason, day = columns
        arrays = [
            *(pa.array(each) for each in (event, level, beneficiary, gross, commission)),
            pa.DictionaryArray.from_arrays(pa.array(reason), pa.array(REASONS)),
            pa.array(np.full(len(event), self._terms)).view(pa.date32()),
            pa.array(self._available[day]).view(pa.date32()),
        ]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("facts", type=Path)
    parser.add_argument("--out", type=Path, help="the Parquet file of lines; else none is kept")
    given = parser.parse_args()
    rules = rules_of(given.facts)
    with tempfile.TemporaryDirectory() as name:
        lines = given.out or Path(name) / "lines.parquet"
        warm_up(Path(name), rules)
        started = now()
        run(given.facts, lines, rules)
        took = now() - started
        report(took, NOTHING, checksum(pl.scan_parquet(lines)), peak_mb())


def warm_up(folder: Path, rules: Rules) -> None:
    """Compile everything, on a hundred events."""
    generate(20, 100, 1, folder / "warm", facts=True)
    run(folder / "warm", folder / "warm" / "lines.parquet", rules)


if __name__ == "__main__":
    main()
