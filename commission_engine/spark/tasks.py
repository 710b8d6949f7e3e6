"""What the machines of a cluster do with what Spark brings them: the tasks of `spark.py`.

Step one turns the events of whole orders into pieces, step two all pieces of a bucket into its
lines. A piece is a value with narrow columns behind one another: Spark moves it unread.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from commission_engine.calendar import Ints, Window, Zone
from commission_engine.decide import parts
from commission_engine.decide.buckets import Bucket, Programme, Shares, split
from commission_engine.decide.facts import Facts
from commission_engine.decide.groups import stable_order
from commission_engine.decide.kernel import (
    Advance,
    Events,
    Keys,
    Scope,
    Used,
    running_before,
)
from commission_engine.decide.used import UsedInMemory
from commission_engine.problems import CommissionError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark import Broadcast

SHARES_A_PIECE = 200_000
"""The most in one piece: a value of Spark is to stay far below its 2 GB."""

PIECE = "task int, bucket int, kinds string, data binary"
ANSWER = "bucket int, task int, lines bigint, told string"

FAULT = -1
"""In the place of a bucket: `data` is what was wrong."""

EVENTS = tuple(field.name for field in fields(Events))
"""The columns of a Parquet file of a run's events."""

USED = {
    "terms_day": pl.Int64,
    "level": pl.Int64,
    "window": pl.String,
    "beneficiary": pl.Int64,
    "currency": pl.Int64,
    "start": pl.Int64,
    "total": pl.Int64,
}
"""The columns of a Parquet file of running totals of caps."""

LINES = {
    "event": pl.Int64,
    "currency": pl.Int16,
    "level": pl.Int16,
    "beneficiary": pl.Int64,
    "gross": pl.Int64,
    "commission": pl.Int64,
    "reason": pl.Int8,
    "terms_day": pl.Int32,
    "available_day": pl.Int32,
}
"""The columns in which a run's lines come back from the cluster."""


def totals_frame(advances: Iterable[Advance]) -> pl.DataFrame:
    """Running totals of caps for a Parquet file: columns USED, by beneficiary."""
    frames = [pl.DataFrame(schema=USED)]
    for each in advances:
        scope, keys = each.scope, each.keys
        frame = pl.DataFrame(
            {
                "beneficiary": keys.beneficiary,
                "currency": keys.currency,
                "start": keys.start,
                "total": each.total,
            }
        )
        frames.append(
            frame.select(
                pl.lit(scope.terms_day).alias("terms_day"),
                pl.lit(scope.level).alias("level"),
                pl.lit(str(scope.window)).alias("window"),
                pl.all(),
            ).cast(pl.Schema(USED))
        )
    return pl.concat(frames).sort("beneficiary", maintain_order=True)


def advances_of(frame: pl.DataFrame) -> tuple[Advance, ...]:
    """The other way around, one an scope, in the order of their first rows."""
    found = []
    for (day, level, window), rows in frame.group_by(
        "terms_day", "level", "window", maintain_order=True
    ):
        scope = Scope(int(str(day)), int(str(level)), Window(window))
        keys = Keys(*(rows[name].to_numpy() for name in ("beneficiary", "currency", "start")))
        found.append(Advance(scope, keys, rows["total"].to_numpy()))
    return tuple(found)


class From(Protocol):
    def events(self, rows: pl.DataFrame) -> tuple[Ints, Events]:
        """The events of some whole orders, in processing order, and each one's place in it among
        all events."""


class Into(Protocol):
    def keep(self, number: int, bucket: Bucket, folder: Path) -> list[Any]:
        """Write a bucket into files in `folder`; what is to be told of it, for JSON."""

    @property
    def folder(self) -> Path:
        """Where the files go in the end."""


@dataclass(frozen=True)
class Job:
    """What every task knows, sent once to each machine."""

    programme: Programme
    bucket_of: Ints
    source: From
    into: Into
    used: Path | None = None


def on_tasks(
    work: Callable[..., Iterator["pa.RecordBatch"]], known: "Broadcast[tuple[Job, Ints]]"
) -> Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]:
    """`work` as Spark calls it: once a task, with what came for it."""

    def run(batches: Iterator["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        job, task_of = known.value
        yield from work(job, task_of, batches)

    return run


def earn_orders(
    job: Job, task_of: Ints, batches: Iterable["pa.RecordBatch"]
) -> Iterator["pa.RecordBatch"]:
    """Step one: the events of some whole orders to pieces of buckets."""
    frames = [pl.DataFrame(batch) for batch in batches]
    if not frames:
        return
    try:
        place, events = job.source.events(pl.concat(frames))
        before = running_before(events)
        shares = dict(job.programme.shares(replace(events, event=place), before))
        if place is not events.event:
            shares["place"] = shares["event"]
            shares["event"] = events.event[np.searchsorted(place, shares["place"])]
        found = [
            (int(task_of[number]), number, *packed(_rows(piece, begin)))
            for number, piece in split(shares, job.bucket_of)
            for begin in range(0, len(piece["event"]), SHARES_A_PIECE)
        ]
    except CommissionError as why:
        found = [(0, FAULT, "", _fault(why).encode())]
    yield _batch(PIECE, found)


def cap_bucket(
    job: Job, task_of: Ints, batches: Iterable["pa.RecordBatch"]
) -> Iterator["pa.RecordBatch"]:
    """Step two: all pieces of a bucket to its lines, written."""
    from pyspark import TaskContext

    context = TaskContext.get()
    task, attempt = (context.partitionId(), context.taskAttemptId()) if context else (0, 0)
    pieces: dict[int, list[Shares]] = defaultdict(list)
    answers: list[tuple[int, int, int, str]] = []
    for batch in batches:
        for row in batch.to_pylist():
            if row["bucket"] == FAULT:
                answers.append((FAULT, task, 0, row["data"].decode()))
            else:
                pieces[row["bucket"]].append(unpacked(row["kinds"], row["data"]))
    for number in sorted(pieces):
        try:
            shares = _in_processing_order(pieces.pop(number))
            bucket = job.programme.bucket(shares, _used(job.used, shares["beneficiary"]))
            told = _kept(job.into, number, bucket, str(attempt))
            answers.append((number, task, len(bucket.lines), json.dumps(told)))
        except CommissionError as why:
            answers.append((FAULT, task, 0, _fault(why)))
    yield _batch(ANSWER, answers)


def _batch(names: str, rows: Sequence[tuple[Any, ...]]) -> "pa.RecordBatch":
    """Rows of a schema as Spark writes it."""
    import pyarrow as pa

    kinds = {"int": pa.int32(), "bigint": pa.int64(), "string": pa.string(), "binary": pa.binary()}
    columns = [column.split() for column in names.split(", ")]
    return pa.RecordBatch.from_arrays(
        [pa.array([row[n] for row in rows], kinds[kind]) for n, (_, kind) in enumerate(columns)],
        [name for name, _ in columns],
    )


def _in_processing_order(pieces: list[Shares]) -> Shares:
    """The pieces of a bucket as one. Each is in order, and no event is in two of different tasks;
    so its lines stay behind one another, by level."""
    shares = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    place = shares.pop("place", shares["event"]).astype(np.int64)
    low, high = int(place.min()), int(place.max())
    order = stable_order(place - low, high - low + 1)
    return {name: values[order] for name, values in shares.items()}


def _used(path: Path | None, beneficiary: Ints) -> Used:
    """The running totals of these beneficiaries: of the file only where they can be is read."""
    used = UsedInMemory()
    if path is not None:
        low, high = int(beneficiary.min()), int(beneficiary.max())
        mine = pl.col("beneficiary").is_between(low, high)
        used.advance(advances_of(pl.scan_parquet(path, glob=False).filter(mine).collect()))
    return used


def _kept(into: Into, number: int, bucket: Bucket, attempt: str) -> list[Any]:
    """Written under a name that no other attempt has, then named: whoever is last, the bytes are
    the same."""
    folder = into.folder / "waiting" / f"{number}.{attempt}"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        told = into.keep(number, bucket, folder)
        for path in folder.iterdir():
            path.replace(into.folder / path.name)
        folder.rmdir()
    except OSError as why:
        raise CommissionError(
            f"{into.folder}: cannot be written: {why.strerror or why}",
            "Nothing was kept. Make room, or name a folder that every machine of the cluster can"
            " write to; then run the same command again.",
        ) from why
    return told


def packed(shares: Shares) -> tuple[str, bytes]:
    """Columns as one value: their names and widths, and their values behind one another."""
    kinds = ",".join(f"{name}:{values.dtype.itemsize}" for name, values in shares.items())
    return kinds, b"".join(np.ascontiguousarray(values).tobytes() for values in shares.values())


def unpacked(kinds: str, data: bytes) -> Shares:
    """The other way around."""
    columns = [
        (name, int(width)) for name, _, width in (k.partition(":") for k in kinds.split(","))
    ]
    rows, begin = len(data) // sum(width for _, width in columns), 0
    shares = {}
    for name, width in columns:
        shares[name] = np.frombuffer(data, f"<i{width}", rows, begin)
        begin += rows * width
    return shares


def _rows(shares: Shares, begin: int) -> Shares:
    return {name: values[begin : begin + SHARES_A_PIECE] for name, values in shares.items()}


def _fault(why: CommissionError) -> str:
    return json.dumps([type(why).__name__, why.message, why.hint])


@dataclass(frozen=True)
class FromFacts:
    """Earnings as `_earnings` selects them. `facts` only tells affiliates' numbers."""

    facts: Facts
    timezone: str

    def events(self, rows: pl.DataFrame) -> tuple[Ints, Events]:
        rows = rows.sort("event")
        event, order, at = (rows[name].to_numpy() for name in ("event", "order", "at"))
        root_at = at[np.searchsorted(event, order)]
        nothing = np.zeros(len(event), np.int64)
        return event, Events(
            event=event,
            order=order,
            earner=self.facts.number(rows["earner"]),
            currency=rows["currency"].to_numpy(),
            amount=rows["amount"].to_numpy(),
            before=nothing,
            root_at=root_at,
            root_day=Zone(self.timezone).local_days(root_at),
            root_known=nothing,
            tree_known=nothing,
        )


@dataclass(frozen=True)
class FromRun:
    """Events as `events_frame` writes them."""

    def events(self, rows: pl.DataFrame) -> tuple[Ints, Events]:
        rows = rows.sort("place")
        return rows["place"].to_numpy(), Events(*(rows[name].to_numpy() for name in EVENTS))


@dataclass(frozen=True)
class IntoParts:
    """The files of the local engine, by its own writer."""

    facts: Facts
    folder: Path

    def keep(self, number: int, bucket: Bucket, folder: Path) -> list[Any]:
        return parts.write_pieces(number, bucket.cut(), self.facts, folder)


@dataclass(frozen=True)
class IntoBuckets:
    """What `read_bucket` reads."""

    folder: Path

    def keep(self, number: int, bucket: Bucket, folder: Path) -> list[Any]:
        columns = {name: getattr(bucket.lines, name, None) for name in LINES}
        columns |= {"event": bucket.event, "currency": bucket.currency}
        frame = pl.DataFrame(columns).cast(pl.Schema(LINES))
        frame.write_parquet(folder / parts.part_name(number), compression="lz4")
        totals_frame(bucket.advances).write_parquet(folder / f"totals-{number:05}.parquet")
        return []
