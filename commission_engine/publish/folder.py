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
    made = list(files)
    if not folder.exists():
        draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
        for each in made:
            _write(draft / each.name, each.content)
        os.sync()  # all at once; what follows finds clean files and reports what went wrong
        for each in made:
            _sync(draft / each.name)
        for inner in sorted({(draft / each.name).parent for each in made}):
            _sync(inner)
        draft.rename(folder)
        _sync(folder.parent)
        return Published(folder, tuple(each.name for each in made))
    altered = [
        each.name
        for each in made
        if (folder / each.name).exists() and (folder / each.name).read_bytes() != each.content
    ]
    if altered:
        raise CommissionError(
            f"{folder}: {', '.join(altered[:5])} differs from what this run has published",
            "Nothing was written. Move the folder away and run the command again to get the"
            " published bytes back.",
        )
    missing = [each for each in made if not (folder / each.name).exists()]
    for each in missing:
        target = folder / each.name
        draft = target.with_name(f".{target.name}.draft-{os.getpid()}")
        _write(draft, each.content)
        _sync(draft)
        draft.rename(target)
        _sync(target.parent)
    return Published(folder, tuple(each.name for each in missing))


def _sweep(folder: Path) -> None:
    """Remove the drafts that a killed process left; only the holder of the lock comes here."""
    for draft in folder.parent.glob(f".{folder.name}.draft-*"):
        shutil.rmtree(draft)
    if folder.is_dir():
        for draft in folder.rglob(".*.draft-*"):
            draft.unlink()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as why:
        raise _unwritten(path, why) from why


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
