"""What a column must be, judged for all rows at once; a sentence for each row that is not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from commission_engine.ingest.rows import FAULTS, PLACE, Rows, refuse
from commission_engine.problems import Code, Refusal

MAX_ID = 64
_BATCH = 1 << 19
"""Rows at a time: bounds the memory of the columns between text and value."""


@dataclass(frozen=True, eq=False)
class Typed:
    """The rows of an import that are of the form, typed, and every refused one.

    `frame` keeps extra, file, line, start and stop of `Rows.stretches`, and their order. `refused`
    is by file and line and has the malformed rows too: read == frame.height + len(refused).
    """

    frame: pl.DataFrame
    refused: tuple[Refusal, ...]
    read: int


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a column must be; a row where `bad` is true is refused.

    `say` makes the sentence from the text at fault and the row's currency ("" if it has none).
    """

    code: Code
    column: str
    bad: pl.Expr
    say: Callable[[str, str], str]


def judge(
    rows: Rows,
    prepare: Callable[[pl.DataFrame], pl.DataFrame],
    checks: Sequence[Check],
    columns: Mapping[str, pl.Expr],
) -> Typed:
    """Judge every row by `checks`, which are in the order of their rank; `columns` of the rest.

    `prepare` adds to some of the rows what the checks and columns need. Only so many rows are
    held as text at a time.
    """
    fault = pl.coalesce(
        *(pl.when(check.bad).then(pl.lit(rank, pl.Int8)) for rank, check in enumerate(checks))
    )
    good: list[pl.DataFrame] = []
    faults: list[pl.DataFrame] = []
    read = 0
    for stretch, malformed in rows.stretches():
        read += stretch.height + malformed.height
        faults.append(malformed)
        for start in range(0, max(stretch.height, 1), _BATCH):
            judged = prepare(stretch.slice(start, _BATCH)).with_columns(_fault=fault)
            sound = judged.filter(pl.col("_fault").is_null())
            good.append(
                sound.select(
                    *(value.alias(name) for name, value in columns.items()), "extra", *PLACE
                )
            )
            faults.extend(_faults(judged.filter(pl.col("_fault").is_not_null()), checks))
    said = pl.concat(faults)
    code, column, text, message = (pl.col(name) for name in FAULTS if name not in PLACE)
    return Typed(pl.concat(good), refuse(rows, said, code, column, text, message), read)


def _faults(judged: pl.DataFrame, checks: Sequence[Check]) -> list[pl.DataFrame]:
    """FAULTS of the rows, whose `_fault` names a check."""
    found = []
    for bad in judged.partition_by("_fault", maintain_order=True):
        check = checks[bad["_fault"].item(0)]
        texts = bad[check.column].fill_null("").to_list()
        currencies = bad["currency"].to_list() if "currency" in bad.columns else [""] * bad.height
        found.append(
            bad.select(
                *PLACE,
                pl.lit(check.code.value).alias("code"),
                pl.lit(check.column).alias("column"),
                pl.Series("text", texts, pl.String),
                pl.Series("message", list(map(check.say, texts, currencies)), pl.String),
            )
        )
    return found


def id_check(column: str, *, optional: bool = False) -> Check:
    """1 to 64 characters, none of Unicode's category Cc; an `optional` id may be empty."""
    least = 0 if optional else 1
    sound = pl.col(column).str.contains(rf"\A\P{{Cc}}{{{least},{MAX_ID}}}\z")
    return Check(Code.BAD_ID, column, ~sound, lambda text, _: _say_id(column, text))


def no_nul(column: str) -> Check:
    """NUL is no character of any text, and a database's text column may not hold it."""
    return Check(
        Code.MALFORMED_ROW,
        column,
        pl.col(column).str.contains("\x00", literal=True),
        lambda text, _: f"{shown(text)} holds a NUL character; remove it",
    )


def none_if_empty(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))


def shown(text: str) -> str:
    """A text for a sentence: quoted, control characters visible, no longer than a line."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}…"


def _say_id(column: str, text: str) -> str:
    if not text:
        return f"the {column} is empty; an id has 1 to {MAX_ID} characters"
    if len(text) > MAX_ID:
        return f"{shown(text)} has {len(text)} characters; an id has 1 to {MAX_ID}"
    control = next(sign for sign in text if sign < " " or "\x7f" <= sign <= "\x9f")
    return f"{shown(text)} holds the control character U+{ord(control):04X}; remove it"
