"""Sort more rows than memory should hold: sorted parts aside on disk, merged range by range."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from commission_engine.calendar import Ints
from commission_engine.problems import CommissionError

ROWS_IN_MEMORY = 5_000_000
"""Rows that are sorted at once."""

_BITS = 63

Part: TypeAlias = Mapping[str, npt.NDArray[np.integer[Any]]]
"""Rows as columns of integers, all of one length, in memory or in files."""


def in_order(
    frames: Iterable[pl.DataFrame],
    keys: Sequence[str],
    rows: int,
    in_memory: int | None = None,
) -> Iterator[pl.DataFrame]:
    """All rows sorted by the integer columns `keys`, in frames of about `rows` rows.

    Rows that are equal in the first key come in one frame, as long as there are not more than
    `rows` of them. Needs about three times `in_memory` (else ROWS_IN_MEMORY) or `rows` rows of
    memory; the rest lies in a temporary folder. CommissionError where that is full.
    """
    with TemporaryDirectory(prefix="commission-lines-") as folder:
        parts: list[Part] = []
        for held in _gathered(frames, in_memory or ROWS_IN_MEMORY):
            if parts:  # the newest part may stay in memory: often it is the only one
                parts[-1] = _aside(parts[-1], Path(folder) / str(len(parts)))
            parts.append(_sorted(held, keys))
        for part in _merged(parts, keys, rows):
            yield pl.DataFrame(part)


def sorting(columns: Sequence[npt.NDArray[np.integer[Any]]]) -> Ints:
    """The places that bring rows into the order of `columns`, the first the most significant.

    As many columns as fit are packed into one int64 above the row's place, which then is sorted;
    equal rows keep their order.
    """
    size = len(columns[0])
    place = np.arange(size, dtype=np.int64)
    if size < 2:
        return place
    low = size.bit_length()
    left = list(columns)
    while left:
        packed, bits = np.zeros(size, np.int64), 0
        while left:
            column = left[-1]
            least = int(column.min())
            width = (int(column.max()) - least).bit_length()
            if bits + width + low > _BITS:
                break
            packed += (column.astype(np.int64) - least)[place] << bits
            bits += width
            left.pop()
        if bits == 0 and left:  # too wide to be packed with anything, or all equal
            column = left.pop()
            place = place[np.argsort(column[place], kind="stable")]
        elif bits and not bool((packed[1:] >= packed[:-1]).all()):
            packed = (packed << low) | np.arange(size, dtype=np.int64)
            packed.sort()
            place = place[packed & ((1 << low) - 1)]
    return place


def _gathered(frames: Iterable[pl.DataFrame], in_memory: int) -> Iterator[Part]:
    """The rows in parts of so many, the last one smaller."""
    held: list[pl.DataFrame] = []
    count = 0
    for frame in frames:
        start = 0
        while start < frame.height:
            piece = frame.slice(start, in_memory - count)
            held.append(piece)
            start, count = start + piece.height, count + piece.height
            if count == in_memory:
                yield _columns(held)
                held, count = [], 0
    if held:
        yield _columns(held)


def _columns(frames: Sequence[pl.DataFrame]) -> Part:
    return {name: pl.concat([each[name] for each in frames], rechunk=True).to_numpy()
            for name in frames[0].columns}  # fmt: skip


def _sorted(part: Part, keys: Sequence[str]) -> Part:
    place = sorting([part[key] for key in keys])
    return {name: column[place] for name, column in part.items()}


def _aside(part: Part, folder: Path) -> Part:
    """The part out of memory: its columns are read from files as they are needed."""
    try:
        folder.mkdir()
        for name, column in part.items():
            (folder / name).write_bytes(column.data)  # `tofile` says nothing of a full disk
    except OSError as why:
        raise CommissionError(
            f"{folder.parent}: cannot be written: {why.strerror or why}",
            "Lines are sorted there before they are kept. Make room, or name another folder with"
            " the environment variable TMPDIR; then run the same command again.",
        ) from why
    return _OnDisk(folder, {name: column.dtype for name, column in part.items()})


class _OnDisk(Mapping[str, npt.NDArray[np.integer[Any]]]):
    """Columns in files, mapped into memory for as long as somebody looks at them."""

    def __init__(self, folder: Path, types: Mapping[str, np.dtype[Any]]) -> None:
        self._folder = folder
        self._types = types

    def __getitem__(self, name: str) -> npt.NDArray[np.integer[Any]]:
        return np.memmap(self._folder / name, self._types[name], "r")

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


def _merged(parts: Sequence[Part], keys: Sequence[str], rows: int) -> Iterator[Part]:
    """Sorted parts as one, cut at values of the first key into parts of about `rows` rows."""
    total = sum(_height(part) for part in parts)
    if total == 0:
        return
    if total <= rows or not keys:
        whole = _joined(parts, keys)
        for start in range(0, total, rows):
            yield {name: column[start : start + rows] for name, column in whole.items()}
        return
    for low, high in pairwise(_edges(parts, keys[0], rows)):
        same = _between(parts, keys[0], low, low + 1)
        if sum(_height(part) for part in same) > rows:  # one beneficiary with much of it all
            yield from _merged(same, keys[1:], rows)
            low += 1
        found = _between(parts, keys[0], low, high)
        if any(_height(part) for part in found):
            yield _joined(found, keys)


def _edges(parts: Sequence[Part], key: str, rows: int) -> list[int]:
    """Values of a key that cut sorted parts into ranges of about so many rows."""
    columns = [part[key] for part in parts if _height(part)]
    step = max(rows // 1024, 1)
    sample = np.sort(np.concatenate([column[::step] for column in columns]))
    cuts = np.unique(sample[:: max(rows // step, 1)])
    return [*cuts.tolist(), int(max(column[-1] for column in columns)) + 1]


def _between(parts: Sequence[Part], key: str, low: int, high: int) -> Sequence[Part]:
    """Of each part the rows whose key is at least `low` and below `high`."""
    slices: list[Part] = []
    for part in parts:
        first, end = np.searchsorted(part[key], [low, high])
        slices.append({name: column[first:end] for name, column in part.items()})
    return slices


def _joined(parts: Sequence[Part], keys: Sequence[str]) -> Part:
    full = [part for part in parts if _height(part)]
    whole = {name: np.concatenate([part[name] for part in full]) for name in full[0]}
    return whole if len(full) == 1 or not keys else _sorted(whole, keys)


def _height(part: Part) -> int:
    return len(next(iter(part.values())))
