"""Decided lines as frames, and as a folder of Parquet files that is complete or absent."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl

from commission_engine.decide import Table
from commission_engine.decide.buckets import (
    Bucket,
    Programme,
    SpillInMemory,
    decided,
    spread_over,
)
from commission_engine.decide.facts import Facts
from commission_engine.decide.kernel import REASONS, exact_sum
from commission_engine.decide.spill import SpillOnDisk
from commission_engine.decide.used import UsedInMemory
from commission_engine.plan.terms import Plan
from commission_engine.problems import CommissionError

REASON = pl.Enum([str(reason) for reason in REASONS])
LINES: Mapping[str, Any] = {
    "event_id": pl.Int64,
    "level": pl.Int8,
    "beneficiary_id": pl.Int64,
    "gross_minor": pl.Int64,
    "commission_minor": pl.Int64,
    "reason": REASON,
    "terms_from": pl.Date,
    "available_on": pl.Date,
}
"""A decided line. Ids are of the type that they have in the facts; amounts are in minor units of
the event's currency."""

EVENTS_IN_MEMORY = 20_000_000
"""Up to here what waits between the two steps is kept in memory, beyond on the disk."""

TOTALS = "totals.json"

R = TypeVar("R")


def decide_frames(
    earnings: Table | pl.LazyFrame,
    referrals: Table | pl.LazyFrame,
    plan: Plan,
    closed: Table | pl.LazyFrame | None = None,
    *,
    workers: int = 1,
) -> pl.DataFrame:
    """What `commission_engine.decide` documents."""
    shut = None if closed is None else _frame(closed)
    facts = Facts.of(_frame(earnings), _frame(referrals), shut)

    def frames(_number: int, pieces: Iterator[Bucket]) -> list[pl.DataFrame]:
        return [frame_of(piece, facts) for piece in pieces]

    return pl.concat(chain(*decided_facts(facts, plan, frames, workers=workers)))


def _frame(given: Table | pl.LazyFrame) -> pl.DataFrame | pl.LazyFrame:
    return given if isinstance(given, pl.LazyFrame) else pl.DataFrame(given)


def decided_facts(
    facts: Facts,
    plan: Plan,
    keep: Callable[[int, Iterator[Bucket]], R],
    *,
    workers: int = 1,
    spill: Path | None = None,
) -> Iterator[R]:
    """What `keep` makes of each bucket; `spill` is a folder for what waits in between."""
    programme = Programme(plan, facts.currencies, facts.forest, facts.standing)
    waiting = SpillInMemory() if spill is None else SpillOnDisk(spill)
    reads = [part.read for part in facts.parts(plan)]
    bucket_of = spread_over(facts.lines_of(plan))
    return decided(programme, reads, bucket_of, UsedInMemory(), waiting, keep, workers)


def frame_of(bucket: Bucket, facts: Facts) -> pl.DataFrame:
    """A bucket's lines, shaped LINES."""
    lines = bucket.lines
    event, beneficiary = pl.Series(bucket.event), pl.Series(lines.beneficiary)
    event = event.cast(pl.Int64) if facts.numbered else facts.event_ids.gather(event)
    if facts.affiliates is not None:
        beneficiary = facts.affiliates.gather(beneficiary)
    else:
        beneficiary = beneficiary.cast(pl.Int64)
    return pl.DataFrame(
        {
            "event_id": event,
            "level": pl.Series(lines.level).cast(pl.Int8),
            "beneficiary_id": beneficiary,
            "gross_minor": lines.gross,
            "commission_minor": lines.commission,
            "reason": pl.Series(lines.reason).cast(pl.UInt8).cat.to(REASON),
            "terms_from": pl.Series(lines.terms_day).cast(pl.Int32).cast(pl.Date),
            "available_on": pl.Series(lines.available_day).cast(pl.Int32).cast(pl.Date),
        }
    )


class Written(NamedTuple):
    """A file of lines, and per currency the sums of its gross and commission in minor units."""

    name: str
    rows: int
    bytes: int
    sha256: str
    totals: Mapping[str, tuple[int, int]]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what stands in the way of writing `path`."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as why:
        # Polars says "...: underlying IO error: No space left on device (os error 28)".
        _, _, of_polars = str(why).partition("IO error: ")
        said = of_polars.partition(" (os error")[0] or getattr(why, "strerror", None) or why
        raise CommissionError(
            f"{path}: cannot be written: {said}",
            "Nothing was kept. Make room or name another folder, then run the same command again.",
        ) from why


def write(frame: pl.DataFrame, bucket: Bucket, codes: Sequence[str], path: Path) -> Written:
    """Lines as a Parquet file: the same lines are the same bytes."""
    draft = path.with_name(f".{path.name}.draft")
    with writing(path):
        frame.write_parquet(draft, compression="lz4", row_group_size=1 << 18)
        with draft.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        size = draft.stat().st_size
        draft.rename(path)
    totals = {}
    for number, code in enumerate(codes):
        mine = bucket.currency == number
        if mine.any():
            lines = bucket.lines
            totals[code] = (exact_sum(lines.gross[mine]), exact_sum(lines.commission[mine]))
    return Written(path.name, frame.height, size, digest, totals)


def write_pieces(
    number: int, pieces: Iterable[Bucket], facts: Facts, folder: Path
) -> list[Written]:
    """The pieces of a bucket, each as a file."""
    return [
        write(
            frame_of(piece, facts), piece, facts.currencies, folder.joinpath(part_name(number, n))
        )
        for n, piece in enumerate(pieces)
    ]


def decide_folder(facts_folder: Path, plan: Plan, out: Path, *, workers: int = 1) -> dict[str, Any]:
    """Facts in Parquet to the folder `out`: one file a bucket, and their totals, which are
    returned. The folder is complete or absent."""
    facts = Facts.of_folder(facts_folder)
    draft = drafted(out)
    try:
        on_disk = draft.joinpath("waiting") if facts.rows > EVENTS_IN_MEMORY else None

        def kept(number: int, pieces: Iterator[Bucket]) -> list[Written]:
            return write_pieces(number, pieces, facts, draft)

        written = chain(*decided_facts(facts, plan, kept, workers=workers, spill=on_disk))
        return finish(draft, out, written)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def part_name(number: int, piece: int = 0) -> str:
    return f"part-{number:05}-{piece:03}.parquet"


def drafted(out: Path) -> Path:
    """An empty folder beside `out`, to be named so when it is complete."""
    if out.exists():
        raise CommissionError(f"{out} is there already", "Name a folder that is not there.")
    draft = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    with writing(out):
        draft.mkdir(parents=True)
    return draft


def finish(draft: Path, out: Path, written: Iterable[Written]) -> dict[str, Any]:
    """Write the totals beside the files and give the folder its name."""
    files = [each for each in written if each.rows]
    sums: dict[str, dict[str, int]] = {}
    for each in files:
        for code, (gross, commission) in each.totals.items():
            total = sums.setdefault(code, {"gross_minor": 0, "commission_minor": 0})
            total["gross_minor"] += gross
            total["commission_minor"] += commission
    totals: dict[str, Any] = {
        "lines": sum(each.rows for each in files),
        "totals": dict(sorted(sums.items())),
        "files": {
            each.name: {"rows": each.rows, "bytes": each.bytes, "sha256": each.sha256}
            for each in files
        },
    }
    shutil.rmtree(draft.joinpath("waiting"), ignore_errors=True)
    for path in draft.glob("part-*.parquet"):
        if path.name not in totals["files"]:
            path.unlink()  # a bucket without lines
    told = json.dumps(totals, indent=2, sort_keys=True) + "\n"
    with writing(out):
        draft.joinpath(TOTALS).write_text(told, "utf-8")
        draft.rename(out)
    return totals
