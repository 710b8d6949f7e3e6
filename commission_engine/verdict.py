"""What a judge of imported rows answers, and the steps that all judges share.

A judge is a pure function: the rows of one import and what the book knows of them in, a `Verdict`
out. Of a row that comes twice, the one that stands first in the files speaks for its copies.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from polars.datatypes import DataTypeClass

from commission_engine.problems import Code

PLACE: dict[str, DataTypeClass] = {
    "file": pl.Int32,
    "line": pl.Int64,
    "start": pl.Int64,
    "stop": pl.Int64,
}
"""Where a row stands: the file's number, the line, and the bytes from `start` up to `stop`."""

_REFUSED: dict[str, DataTypeClass] = {
    **PLACE,
    "code": pl.String,
    "column": pl.String,
    "text": pl.String,
    "message": pl.String,
}
REFUSED = pl.Schema(_REFUSED)
"""A refused row: where it stands, and why. `text` is what `column` held, in its plain form."""

_NUMBERED = pl.Schema({"row": pl.Int64, **_REFUSED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every row of an import in exactly one of three places.

    `accepted` has the columns of the judged frame and `refused` those of `REFUSED`; both are in
    the order of the files. `duplicates` counts the rows that say what is known already.
    """

    accepted: pl.DataFrame
    duplicates: int
    refused: pl.DataFrame


def numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` in the order of their files, with that order as the first column, `row`."""
    file, line = rows["file"].to_numpy(), rows["line"].to_numpy()
    same_file = file[1:] == file[:-1]
    in_order = (file[1:] > file[:-1]) | (same_file & (line[1:] > line[:-1]))
    if not in_order.all():
        rows = rows.sort("file", "line", "start")
    return rows.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))


def refuse(
    rows: pl.DataFrame, code: Code, column: str, text: pl.Expr, message: pl.Expr
) -> pl.DataFrame:
    """The refusal of every one of these numbered `rows`, shaped (row, *REFUSED)."""
    return rows.select(
        "row",
        *PLACE,
        code=pl.lit(code.value),
        column=pl.lit(column),
        text=text,
        message=message,
    ).cast(_NUMBERED)


def differing(pairs: dict[str, pl.Expr]) -> pl.Expr:
    """The names of the columns whose expression is true, as words: "amount and currency"."""
    bits = {name: 1 << place for place, name in enumerate(pairs)}
    words = {
        mask: _listed([name for name, bit in bits.items() if mask & bit])
        for mask in range(1 << len(pairs))
    }
    mask = pl.sum_horizontal(differs.cast(pl.Int64) * bits[name] for name, differs in pairs.items())
    return mask.replace_strict(words, return_dtype=pl.String)


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def copies(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Of numbered rows of equal content per `key`: all but the first, with that row as `first`."""
    first = rows.with_columns(first=pl.col("row").min().over(key))
    return first.filter(pl.col("row") != pl.col("first"))


def conclude(
    rows: pl.DataFrame,
    refused: Iterable[pl.DataFrame],
    known: Iterable[pl.DataFrame],
    repeated: Iterable[pl.DataFrame],
) -> Verdict:
    """Put numbered `rows` in their three places.

    `known` rows are in the book already. `repeated` ones are `copies`: duplicates where their
    first is accepted, and refused for the same reason where it is refused.
    """
    refusals = pl.concat([_NUMBERED.to_frame(), *refused])
    again = [
        refusals.drop(PLACE)
        .join(part.select("first", *PLACE, copy="row"), left_on="row", right_on="first")
        .with_columns(row="copy")
        .select(_NUMBERED.names())
        for part in repeated
    ]
    refusals = pl.concat([refusals, *again]).sort("row")
    taken = np.ones(rows.height, np.bool_)
    for part in (refusals, *known, *repeated):
        taken[part["row"].to_numpy()] = False
    accepted = rows.filter(pl.Series(taken, dtype=pl.Boolean)).drop("row")
    return Verdict(
        accepted=accepted,
        duplicates=rows.height - accepted.height - refusals.height,
        refused=refusals.drop("row"),
    )
