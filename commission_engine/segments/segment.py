"""One segment: lines of a run sorted by beneficiary, in Parquet, named by the hash of its bytes."""

import io
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from commission_engine.calendar import Day
from commission_engine.problems import CommissionError, TryAgain
from commission_engine.segments.order import in_order
from commission_engine.segments.place import Place

LINES: dict[str, Any] = {
    "beneficiary": pl.Int64,
    "event": pl.Int64,
    "level": pl.Int16,
    "run_day": pl.Int32,
    "gross_minor": pl.Int64,
    "commission_minor": pl.Int64,
    "reason": pl.Int8,
    "terms_day": pl.Int32,
    "available_day": pl.Int32,
}
"""The columns of a segment; its rows are sorted by the first three."""

ROWS = 5_000_000
"""About how many lines a segment has: few enough to sort in memory, and to read a part of fast."""
ROWS_IN_GROUP = 65_536
"""The least that a look at one beneficiary reads."""
ROWS_BY_EVENT = 1_000_000
"""Lines in one frame of a run that is read in the order of its events."""
FEW = 16
"""Up to so many beneficiaries are looked up without reading whole segments."""

_ENDING = ".parquet"
_ALTERED = (
    "It is not what the run has kept. Bring the file back from a backup; `commission verify` looks"
    " at all of them."
)


@dataclass(frozen=True, slots=True)
class Segment:
    """What the book lists of a segment; `name` is the SHA-256 of its bytes, in hexadecimal.

    The sums are over all currencies: they only prove that nothing is missing.
    """

    run_day: Day
    number: int
    name: str
    rows: int
    bytes: int
    lowest_beneficiary: int
    highest_beneficiary: int
    lowest_event: int
    highest_event: int
    highest_level: int
    gross_minor: int
    commission_minor: int

    @property
    def file(self) -> str:
        return self.name + _ENDING


def keep(
    place: Place,
    owner: str,
    day: Day,
    frames: Iterable[pl.DataFrame],
    noted: list[str] | None = None,
) -> Iterator[Segment]:
    """Write lines (columns LINES, any order of rows) into segments, each before it is yielded.

    Before a file appears its name stands in the owner's note, so that `sweep` finds it should the
    book never list it. `noted` are names of this transaction that stand there already; it gets
    those that come.
    """
    noted = [] if noted is None else noted
    cast = (frame.select(list(LINES)).cast(pl.Schema(LINES)) for frame in frames)
    for number, frame in enumerate(in_order(cast, ("beneficiary", "event", "level"), ROWS)):
        content = _content(frame)
        segment = _described(frame, day, number, content)
        if place.size(segment.file) is None:
            noted.append(segment.file)
            place.replace(_note(owner), json.dumps(noted).encode())
            place.put(segment.file, content)
        else:
            whole(place, segment)  # left by a run that died; it has to be what it says
        yield segment


def sweep(place: Place, owner: str, listed: Collection[str]) -> list[str]:
    """Remove the segments that this owner wrote and the book does not list (by name); which."""
    if place.size(_note(owner)) is None:
        return []
    try:
        noted = json.loads(place.get(_note(owner)))
    except ValueError as why:
        raise CommissionError(
            f"{place}/{_note(owner)}: is not what was written there",
            "It lists the segments of the last run. Remove it, then run the same command again.",
        ) from why
    gone = [name for name in noted if name.removesuffix(_ENDING) not in listed]
    for name in gone:
        place.remove(name)
    place.remove(_note(owner))
    return gone


def strays(place: Place, listed: Collection[str]) -> list[str]:
    """Segments that lie there and that the book does not list."""
    return sorted(
        name
        for name in place.sizes()
        if name.endswith(_ENDING) and name.removesuffix(_ENDING) not in listed
    )


def intact(place: Place, segment: Segment) -> bytes:
    """The bytes of a segment, proved by their number and hash."""
    content = place.get(segment.file)
    what = f"{place}/{segment.file}"
    if len(content) != segment.bytes:
        raise CommissionError(
            f"{what}: has {len(content)} bytes, the book says {segment.bytes}", _ALTERED
        )
    if sha256(content).hexdigest() != segment.name:
        raise CommissionError(f"{what}: its hash is not its name", _ALTERED)
    return content


def whole(place: Place, segment: Segment) -> pl.DataFrame:
    """All lines of a segment, proved: its hash, its rows and its sums are those in the book."""
    content, what = intact(place, segment), f"{place}/{segment.file}"
    try:
        frame = pl.read_parquet(io.BytesIO(content)).select(list(LINES))
    except pl.exceptions.PolarsError as why:
        raise CommissionError(f"{what}: is not a segment of lines: {why}", _ALTERED) from why
    found = _described(frame, segment.run_day, segment.number, content)
    if found != segment:
        names = [
            name for name in Segment.__slots__ if getattr(found, name) != getattr(segment, name)
        ]
        raise CommissionError(
            f"{what}: " + "; ".join(
                f"its {name} is {getattr(found, name)}, the book says {getattr(segment, name)}"
                for name in names
            ),
            _ALTERED,
        )  # fmt: skip
    return frame


def by_event(
    place: Place, segments: Sequence[Segment], in_memory: int | None = None
) -> Iterator[pl.DataFrame]:
    """All lines of the segments, proved, sorted by event and level; an event's in one frame.
    `in_memory` as for `in_order`."""
    frames = (whole(place, each) for each in segments)
    return in_order(frames, ("event", "level"), ROWS_BY_EVENT, in_memory)


def select(place: Place, segments: Sequence[Segment], condition: pl.Expr | None) -> pl.DataFrame:
    """The lines for which the condition holds, in no order, columns LINES.

    Only the parts of files are read whose statistics let the condition hold. What is read is not
    proved by its hash; a file of another size is refused.
    """
    if not segments:
        return pl.DataFrame(schema=LINES)
    sources = [place.source(each.file) for each in segments]
    try:
        lines = pl.scan_parquet(sources, glob=False, schema=LINES, **place.options())
        found = lines if condition is None else lines.filter(condition)
        return found.select(list(LINES)).collect()
    except TimeoutError as why:
        raise TryAgain(
            f"{place}: the object store does not answer",
            "Look at the place, then run the same command again.",
        ) from why
    except (OSError, pl.exceptions.PolarsError) as why:
        for each in segments:
            whole(place, each)  # says which of them it is
        raise CommissionError(f"{place}: cannot be read: {why}", "Check the place.") from why


def sized(place: Place, segments: Sequence[Segment]) -> None:
    """CommissionError where a segment is missing or has another size than the book says."""
    for each in segments:
        size = place.size(each.file)
        if size != each.bytes:
            whole(place, each)


def _content(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(
        target,
        compression="zstd",
        compression_level=1,
        statistics=True,
        row_group_size=ROWS_IN_GROUP,
    )
    return target.getvalue()


def _described(frame: pl.DataFrame, day: Day, number: int, content: bytes) -> Segment:
    low, high = _ends(frame["beneficiary"])
    first, last = _ends(frame["event"])
    return Segment(
        run_day=day,
        number=number,
        name=sha256(content).hexdigest(),
        rows=frame.height,
        bytes=len(content),
        lowest_beneficiary=low,
        highest_beneficiary=high,
        lowest_event=first,
        highest_event=last,
        highest_level=_ends(frame["level"])[1],
        gross_minor=_wrapped_sum(frame["gross_minor"]),
        commission_minor=_wrapped_sum(frame["commission_minor"]),
    )


def _ends(column: pl.Series) -> tuple[int, int]:
    values = column.to_numpy()
    return int(values.min()), int(values.max())


def _wrapped_sum(column: pl.Series) -> int:
    """The sum modulo 2**64, as it fits a column: it proves, and is never paid."""
    with np.errstate(over="ignore"):
        return int(column.to_numpy().sum(dtype=np.int64))


def _note(owner: str) -> str:
    return f"{owner}.unlisted.json"
