"""Every file of one import -> one frame of text, and the rows that are none."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from commission_engine.ingest.columns import COLUMNS, Columns, Kind
from commission_engine.ingest.one_row import MAX_ROW
from commission_engine.ingest.parquet import check_parquet, read_parquet, rows_as_json
from commission_engine.ingest.text import BROKEN, check_text, read_text
from commission_engine.problems import Code, FileRefused, Refusal
from commission_engine.raw import kept

__all__ = ["COLUMNS", "FAULTS", "PLACE", "Columns", "Kind", "Rows", "read_rows", "refuse"]

PLACE = ("file", "line", "start", "stop")
"""The columns that say where a row stands."""

Told = Callable[[int, int, int], None]
"""Told how many rows have been read, and how many bytes of how many, for people who wait."""


def nobody(_rows: int, _done: int, _of: int) -> None:
    """Nobody waits."""


FAULTS = pl.Schema(
    {
        "file": pl.Int32,
        "line": pl.Int64,
        "start": pl.Int64,
        "stop": pl.Int64,
        "code": pl.String,
        "column": pl.String,
        "text": pl.String,
        "message": pl.String,
    }
)
"""One row per refused row: where it stands and what is wrong with it."""


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of one import, as text, in files that are read a stretch at a time.

    `paths` are sorted by (name, path), so that the order in which files are given never matters.
    """

    kind: Kind
    paths: tuple[Path, ...]
    told: Told = nobody

    def stretches(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """The sound rows and the malformed ones (FAULTS), some at a time, by file and line.

        The sound ones have the kind's known columns (String; null where a file has no such
        column), `extra` (String: the unknown columns as a JSON object, keys sorted; null where the
        file has none), `file` (Int32: index in `paths`), `line` (Int64: the physical line at which
        the row starts, the header being line 1; Parquet: the row's number from 1), `start` and
        `stop` (Int64: the row's bytes without its line end; Parquet: number, number + 1).
        The first stretch is empty. FileRefused where a file cannot be read to its end.
        """
        nothing, read, done = _nothing(self.kind), 0, 0
        # One that is gone by now is refused in its turn.
        sizes = [path.stat().st_size if path.exists() else 0 for path in self.paths]
        yield nothing, FAULTS.to_frame()
        for index, path in enumerate(self.paths):
            file = pl.lit(index, pl.Int32).alias("file")
            with _readable(path):
                for table, faults in _read(self.kind, path):
                    read += table.height + faults.height
                    if not _is_parquet(path) and table.height:
                        self.told(read, done + int(table["stop"][-1]), sum(sizes))
                    yield (
                        table.with_columns(file).select(nothing.columns),
                        faults.select(
                            file,
                            "line",
                            "start",
                            "stop",
                            pl.lit(Code.MALFORMED_ROW.value).alias("code"),
                            pl.lit("").alias("column"),
                            pl.lit("").alias("text"),
                            "message",
                        ),
                    )
            done += sizes[index]
            self.told(read, done, sum(sizes))

    @cached_property
    def _whole(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        tables, faults = zip(*self.stretches(), strict=True)
        return pl.concat(tables), pl.concat(faults)

    @property
    def frame(self) -> pl.DataFrame:
        """All sound rows at once."""
        return self._whole[0]

    @property
    def malformed(self) -> pl.DataFrame:
        """All rows that could not be taken apart."""
        return self._whole[1]

    @cached_property
    def refused(self) -> tuple[Refusal, ...]:
        """The malformed rows, by file and line."""
        return refuse(
            self,
            self.malformed,
            Code.MALFORMED_ROW,
            pl.col("column"),
            pl.col("text"),
            pl.col("message"),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each file is called: its base name, with its folder where two share that.

        A name may be any bytes; those that are no text are written \\xNN.
        """
        bases = [_text(path.name) for path in self.paths]
        longer = [_text(f"{path.parent.name}/{path.name}") for path in self.paths]
        return tuple(
            base if bases.count(base) == 1 else long if longer.count(long) == 1 else _text(path)
            for base, long, path in zip(bases, longer, self.paths, strict=True)
        )

    @property
    def read(self) -> int:
        """How many rows there are; blank lines are none."""
        return self.frame.height + self.malformed.height

    def raw(self, where: pl.DataFrame) -> list[str]:
        """The rows at `where` (file, start, stop) as they stand in the files, which are read again.

        As `raw.kept` keeps bytes that are no text; of a row that is too long only the beginning
        is given. A row of a Parquet file is a JSON object.
        """
        texts = [""] * where.height
        places = where.select("file", "start", "stop", at=pl.int_range(pl.len()))
        for (index,), group in places.sort("start").group_by("file", maintain_order=True):
            path = self.paths[int(str(index))]
            if _is_parquet(path):
                by_number = rows_as_json(path, group["start"])
                for start, at in group.select("start", "at").iter_rows():
                    texts[at] = by_number[start]
                continue
            with path.open("rb") as file:
                for start, stop, at in group.select("start", "stop", "at").iter_rows():
                    file.seek(start)
                    data = file.read(min(stop - start, MAX_ROW))
                    texts[at] = kept(data)
        return texts


def read_rows(kind: Kind, paths: Sequence[Path], told: Told = nobody) -> Rows:
    """CSV and Parquet files (told by their name's end) of one kind, as one set of rows.

    Raises FileRefused for a file that is not what it should be: not there, no text, a wrong header
    or schema. The rows themselves are read when they are asked for.
    """
    ordered = tuple(sorted(paths, key=lambda path: (path.name, str(path))))
    for path in ordered:
        _check(kind, path)
    return Rows(kind, ordered, told)


def refuse(
    rows: Rows,
    bad: pl.DataFrame,
    code: Code | pl.Expr,
    column: str | pl.Expr,
    text: str | pl.Expr,
    message: str | pl.Expr,
) -> tuple[Refusal, ...]:
    """Refusals for the rows of `bad`, by file and line, each with the row as it stood.

    `bad` has PLACE (file, line, start, stop) of rows of `rows`, and whatever the expressions need.
    `code`, `column` (at fault; "" is the whole row), `text` (what it held; null is "") and
    `message` are each either one value for all or an expression over `bad`:

        refuse(rows, twice, Code.CONFLICT, "event_id", pl.col("event_id"),
               pl.format("{} is in the book with other content", "event_id"))
    """
    faults = bad.sort("file", "line", maintain_order=True).select(
        *PLACE,
        code=_each(code),
        column=_each(column),
        text=_each(text).cast(pl.String).fill_null(""),
        message=_each(message),
    )
    return tuple(
        Refusal(
            code=Code(row["code"]),
            file=rows.names[row["file"]],
            line=row["line"],
            column=row["column"],
            text=without_nul(row["text"]),
            message=without_nul(row["message"]),
            raw=raw,
        )
        for row, raw in zip(faults.iter_rows(named=True), rows.raw(faults), strict=True)
    )


def without_nul(text: str) -> str:
    """The text with NUL made visible: a database's text column may not hold it."""
    return text.replace("\x00", "\\x00")


def _text(path: Path | str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _each(value: str | pl.Expr) -> pl.Expr:
    return value if isinstance(value, pl.Expr) else pl.lit(str(value))


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _nothing(kind: Kind) -> pl.DataFrame:
    names = (*COLUMNS[kind].known, "extra")
    places = {name: FAULTS[name] for name in PLACE}
    return pl.DataFrame(schema={**dict.fromkeys(names, pl.String), **places})


def _check(kind: Kind, path: Path) -> None:
    with _readable(path):
        if path.is_dir():
            raise FileRefused(f"{path}: this is a folder", f"Name the {kind} files in it.")
        if not path.exists():
            raise FileRefused(f"{path}: there is no such file", "Check the name and the folder.")
        if not path.is_file():
            raise FileRefused(
                f"{path}: this is not a regular file", "Save what it gives in a file and name that."
            )
        (check_parquet if _is_parquet(path) else check_text)(path, kind)


def _read(kind: Kind, path: Path) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    if not _is_parquet(path):
        yield from read_text(path, kind)
        return
    for table in read_parquet(path, kind):
        yield table, BROKEN.to_frame()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise FileRefused(
            f"{path}: the file cannot be read: {fault.strerror or fault}",
            "Check its permissions and the disk.",
        ) from fault
