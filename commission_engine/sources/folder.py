"""A folder into which files are dropped; each is moved to done/ or refused/ when it is imported.

What is put there must be whole: written under another name, or beside the folder, and renamed.
A name that begins with a point or ends in anything but .csv, .parquet or plan.toml is not taken.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import polars as pl

from commission_engine.book.sources import Known
from commission_engine.folder_import import PLAN, Found, there
from commission_engine.problems import CommissionError, Refusal
from commission_engine.publish.text import csv
from commission_engine.raw import shown
from commission_engine.segments.place import Folder
from commission_engine.sources.put_away import check_room, put_away
from commission_engine.sources.shape import Catch, Fetched, FileFate, Piece, Unreachable

Stamp: TypeAlias = tuple[int, int, int]

_ROWS, _WHOLE = ".report.csv", ".report.txt"
_PLAN_REPORT = PLAN + _WHOLE
_LEFT = "What was imported is kept. Mend that; the next fetch moves the file."


@dataclass(frozen=True, slots=True)
class DropFolder:
    """A source of kind folder."""

    name: str
    path: Path
    done: Path
    refused: Path
    required: bool = True
    kind: str = "folder"
    _taken: dict[str, Stamp] = field(default_factory=dict)
    """What each file was when it was looked at, to notice that it changed."""

    @property
    def where(self) -> str:
        return str(self.path)

    @contextmanager
    def look(self, known: Known, *, anew: bool = False) -> Iterator[Catch]:
        """Every file that is there; a file in a folder is only there once, also for `anew`."""
        found = self._found()
        files = [(kind, path) for kind, paths in found.files.items() for path in paths]
        pieces = [Piece(kind, path, path.name) for kind, path in files]
        self._taken.clear()
        for path in (*(path for _, path in files), *((found.plan,) if found.plan else ())):
            if stamp := _stamp(path):
                self._taken[path.name] = stamp
        if self._taken:
            check_room(self.path, self.done, self.refused)
        left = [name for name in found.passed_over if not name.startswith(".")]
        notes = [f"{self.path}: not looked at: {', '.join(left)}"] if left else []
        yield Catch([each for each in pieces if each.name in self._taken], found.plan, None, notes)

    def _found(self) -> Found:
        if not self.path.is_dir():
            raise Unreachable(
                f"source {self.name!r}: {self.path}: there is no such folder",
                "Make it, or mount what it is on, then run the same command again.",
            )
        try:
            return there(self.path)
        except OSError as why:
            raise Unreachable(
                f"source {self.name!r}: {self.path}: cannot be listed: {why.strerror}",
                "Check its rights and the disk, then run the same command again.",
            ) from why

    def settle(self, fetched: Fetched) -> Fetched:
        """Move what was imported. The name begins with the number of the fetch, so that it tells
        which one took it."""
        files = tuple(self._moved(each, fetched.number) for each in fetched.files)
        if fetched.plan:
            (self.path / _PLAN_REPORT).unlink(missing_ok=True)
        changed = [each.name for each in files if not each.moved_to]
        notes = [f"{self.path / name}: has changed meanwhile, and stays" for name in changed]
        return replace(fetched, files=files, notes=(*fetched.notes, *notes))

    def _moved(self, fate: FileFate, number: int) -> FileFate:
        file = self.path / fate.name
        if _stamp(file) != self._taken.get(fate.name):
            return fate  # somebody wrote to it; what is new in it comes with the next fetch
        folder = self.done if fate.sound else self.refused
        name = f"{number:06d}-{fate.name}"
        try:
            return replace(fate, moved_to=str(put_away(file, folder, name, _report(fate))))
        except OSError as why:
            raise CommissionError(
                f"source {self.name!r}: {file}: cannot be moved to {folder}: {why.strerror}", _LEFT
            ) from why

    def refuse_plan(self, why: str) -> None:
        Folder(self.path).replace(_PLAN_REPORT, f"{why}\n".encode())

    def waiting(self, known: Known) -> int:
        found = self._found()
        return sum(map(len, found.files.values())) + bool(found.plan)


def _report(fate: FileFate) -> tuple[str, bytes] | None:
    """The end of the report's name, and the report; None for a file without a fault."""
    if fate.why:
        return _WHOLE, f"{fate.why}\n".encode()
    return (_ROWS, _rows_report(fate.refused)) if fate.refused else None


def _rows_report(refused: tuple[Refusal, ...]) -> bytes:
    """Every refused row of a file, safe to open in a spreadsheet."""
    names = ("line", "code", "column", "text", "message", "row")
    rows = [
        (each.line, str(each.code), each.column, each.text, each.message, shown(each.raw))
        for each in refused
    ]
    schema = {name: pl.Int64 if name == "line" else pl.String for name in names}
    return csv(pl.DataFrame(rows, schema=schema, orient="row"))


def _stamp(path: Path) -> Stamp | None:
    """What a file is now; None where it is gone."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns
