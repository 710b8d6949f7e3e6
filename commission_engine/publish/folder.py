"""A run's folder: complete or absent, and never changed once it is there."""

import os
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from commission_engine.problems import CommissionError


class Made(NamedTuple):
    """A file of a run: its path inside the folder, and its bytes."""

    name: str
    content: bytes

    @property
    def digest(self) -> str:
        return sha256(self.content).hexdigest()


class Published(NamedTuple):
    """What came of a publication."""

    folder: Path
    written: tuple[str, ...]
    """The files that were not there before."""


def publish(files: Iterable[Made], folder: Path) -> Published:
    """Put all files into `folder`, or those of them that are missing there.

    A new folder appears by one rename, when everything in it is on the disk. A file that is there
    with other bytes is never touched: CommissionError says which.
    """
    _sweep(folder)
    return _whole(files, folder) if not folder.exists() else _missing(files, folder)


def _whole(files: Iterable[Made], folder: Path) -> Published:
    """A new folder, written aside."""
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    names = [_write(draft / each.name, each) for each in files]
    os.sync()  # all at once; what follows finds clean files and reports what went wrong
    for name in names:
        _sync(draft / name)
    for inner in sorted({(draft / name).parent for name in names}):
        _sync(inner)
    draft.rename(folder)
    _sync(folder.parent)
    return Published(folder, tuple(names))


def _missing(files: Iterable[Made], folder: Path) -> Published:
    """What is missing in a folder that is there; nothing at all where something was altered."""
    names: list[str] = []
    altered: list[str] = []
    for each in files:
        target = folder / each.name
        if not target.exists():
            names.append(_write(_draft_of(target), each))
        elif target.read_bytes() != each.content:
            altered.append(each.name)
    if altered:
        _sweep(folder)
        raise CommissionError(
            f"{folder}: {', '.join(altered[:5])} differs from what this run has published",
            "Nothing was written. Move the folder away and run the command again to get the"
            " published bytes back.",
        )
    for name in names:
        target = folder / name
        _sync(_draft_of(target))
        _draft_of(target).rename(target)
        _sync(target.parent)
    return Published(folder, tuple(names))


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.draft-{os.getpid()}")


def _sweep(folder: Path) -> None:
    """Remove the drafts that a killed process left; only the holder of the lock comes here."""
    for draft in folder.parent.glob(f".{folder.name}.draft-*"):
        shutil.rmtree(draft)
    if folder.is_dir():
        for draft in folder.rglob(".*.draft-*"):
            draft.unlink()


def _write(path: Path, made: Made) -> str:
    """Write a file's bytes to `path`; its name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.content)
    except OSError as why:
        raise _unwritten(path, why) from why
    return made.name


def _sync(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as why:
        raise _unwritten(path, why) from why
    finally:
        os.close(descriptor)


def _unwritten(path: Path, why: OSError) -> CommissionError:
    return CommissionError(
        f"{path}: cannot be written: {why.strerror}",
        "The run is in the book; run the same command again and it writes its files.",
    )
