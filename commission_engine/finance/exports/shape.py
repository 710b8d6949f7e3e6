"""What the columns of an export are, and what is added up of its rows.

Rows come as frames in which an amount is in minor units (Int64) under its column's own name, with
the column `decimals` beside them; days and instants are numbers as everywhere; texts are as the
book has them. Each format says the same in its own way.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import polars as pl

from commission_engine.money import Minor, plain


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole number"
    AMOUNT = "amount"
    FRACTION = "fraction"
    DAY = "day"
    INSTANT = "instant"


UNITS: Mapping[Kind, str] = {
    Kind.TEXT: "",
    Kind.WHOLE: "",
    Kind.AMOUNT: "of the column currency, with exactly its decimals",
    Kind.FRACTION: "of the base amount: 0.2 is 20%",
    Kind.DAY: "ISO 8601, in the plan's time zone",
    Kind.INSTANT: "ISO 8601, in UTC",
}
TYPES: Mapping[Kind, Any] = {
    Kind.TEXT: pl.String,
    Kind.WHOLE: pl.Int64,
    Kind.AMOUNT: pl.Int64,
    Kind.FRACTION: pl.String,
    Kind.DAY: pl.Int64,
    Kind.INSTANT: pl.Int64,
}
"""Of the frames that rows come in."""


class Column(NamedTuple):
    """A column of an export, in the words of its reader; `unit` where its kind does not say it."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """An export: its columns, the column that names whom a row pays, and which are added up."""

    name: str
    columns: tuple[Column, ...]
    payee: str
    summed: tuple[str, ...]

    def of(self, *kinds: Kind) -> list[str]:
        """The names of the columns of these kinds."""
        return [column.name for column in self.columns if column.kind in kinds]

    @property
    def shape(self) -> dict[str, Any]:
        """Names and types of the frames that rows come in."""
        columns = {column.name: TYPES[column.kind] for column in self.columns}
        return {**columns, "decimals": pl.Int64}


HASHED = 1 << 64
"""A hash total is a sum modulo this."""


@dataclass
class Figures:
    """What the rows of an export come to: their number, sums by currency, a hash total of whom
    they pay. Built up part by part, from the book's rows or from those that are on the disk."""

    table: Table
    rows: int = 0
    sums: dict[str, dict[str, Minor]] = field(default_factory=dict)
    decimals: dict[str, int] = field(default_factory=dict)
    hash_total: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        """`frame` has the payee, currency, decimals and what is summed, in minor units."""
        self.rows += frame.height
        wide = [pl.col(name).cast(pl.Int128).sum() for name in self.table.summed]
        for code, decimals, *sums in frame.group_by("currency", "decimals").agg(wide).iter_rows():
            mine = self.sums.setdefault(code, dict.fromkeys(self.table.summed, 0))
            self.decimals[code] = decimals
            for name, minor in zip(self.table.summed, sums, strict=True):
                mine[name] += minor
        counts = frame.group_by(self.table.payee).len()
        for payee, count in counts.iter_rows():
            self.hash_total = (self.hash_total + count * hashed(payee)) % HASHED

    def watching(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same frames, each added before it is passed on."""
        for frame in frames:
            self.add(frame)
            yield frame

    def told(self) -> dict[str, Any]:
        """As the manifest says it."""
        totals = {
            code: {name: plain(minor, self.decimals[code]) for name, minor in sums.items()}
            for code, sums in sorted(self.sums.items())
        }
        return {"rows": self.rows, "totals": totals, "hash_total": f"{self.hash_total:016x}"}


def hashed(payee: str) -> int:
    """What a payee's id adds to a hash total: the first eight bytes of its SHA-256.

    >>> f"{hashed('ann'):016x}"
    '49915e0d7d4b402e'
    """
    return int.from_bytes(sha256(payee.encode()).digest()[:8])
