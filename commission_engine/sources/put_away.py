"""Files are moved once and for all: durable, and never in place of another."""

import os
import shutil
from collections.abc import Iterator
from errno import EXDEV
from itertools import count
from pathlib import Path

from commission_engine.problems import CommissionError
from commission_engine.segments.place import Folder


def check_room(*folders: Path) -> None:
    """CommissionError where files could not be moved to a folder, which may yet have to be made."""
    for folder in folders:
        there = next(each for each in (folder.absolute(), *folder.absolute().parents) if _is(each))
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise CommissionError(
                f"{there}: cannot be written to, so no file could be moved to {folder}",
                "Nothing was imported. Check its rights and its name.",
            )


def _is(path: Path) -> bool:
    return os.path.lexists(path)


def put_away(file: Path, folder: Path, name: str, report: tuple[str, bytes] | None) -> Path:
    """Move `file` into `folder`, as `name` or, where one is there, under the next free name.

    `report` is the end of a name and what to write beside the file under it, first. Across file
    systems the file is copied and only then removed. A crash on the way leaves the file where it
    was, or in both places.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for target in _names(folder / name):
        try:
            target.open("xb").close()  # ours from here on, so nobody's file is replaced
        except FileExistsError:
            continue
        try:
            if report:
                Folder(folder).replace(f"{target.name}{report[0]}", report[1])
            _moved(file, target)
        except BaseException:
            target.unlink()
            raise
        _durable(folder)
        _durable(file.parent)
        return target
    raise AssertionError  # names never end


def _names(target: Path) -> Iterator[Path]:
    yield target
    for number in count(2):
        yield target.with_name(f"{target.stem}.{number}{target.suffix}")


def _moved(file: Path, target: Path) -> None:
    try:
        file.replace(target)
    except OSError as why:
        if why.errno != EXDEV:
            raise
        _copied(file, target)
        file.unlink()


def _copied(file: Path, target: Path) -> None:
    draft = target.with_name(f".{target.name}.part")
    shutil.copy2(file, draft)
    with draft.open("rb+") as written:
        os.fsync(written.fileno())
    draft.replace(target)
    _durable(target.parent)


def _durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
