"""A run's folder: complete or absent, and never changed once it is there."""

import ctypes
import fcntl
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from commission_engine.problems import CommissionError, Locked

FEW = 30
"""Up to so many files of a folder are made durable one by one, as nothing else then waits."""


class Unwritten(CommissionError):
    """A file that the file system did not take."""


class Altered(CommissionError):
    """Files that are there with other bytes than those that belong there; `named` are some."""

    def __init__(self, message: str, hint: str = "", named: str = "") -> None:
        super().__init__(message, hint)
        self.named = named


class Made(NamedTuple):
    """A file of a run: its path inside the folder, and its bytes part by part.

    The parts are gone through once, before the next file is asked for.
    """

    name: str
    parts: Iterable[bytes]


class Published(NamedTuple):
    """What came of a publication."""

    folder: Path
    written: tuple[str, ...]
    """The files that were not there before."""


class Draft:
    """Files of a folder that is not there yet, written aside; they appear together or not at all.

    What killed processes have left aside is removed first; only the holder of the lock comes here.
    """

    def __init__(self, folder: Path) -> None:
        _sweep_beside(folder)
        self.folder = folder
        self._aside = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
        self._names: list[str] = []

    def write(self, made: Made) -> None:
        """Raises Unwritten where that cannot be."""
        self._names.append(_write(os.path.join(self._aside, made.name), made))

    def place(self, name: str) -> Path:
        """Where a file is until it appears."""
        return self._aside / name

    def sha256(self, name: str) -> str:
        """Of a file that was written, as the disk has it."""
        with (self._aside / name).open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def appear(self) -> Published:
        """One rename, when everything is on the disk."""
        written = [os.path.join(self._aside, name) for name in self._names]
        _sync_all(self._aside, written)
        for inner in sorted({os.path.dirname(path) for path in written}):
            _sync(inner)
        self._aside.rename(self.folder)
        _sync(self.folder.parent)
        return Published(self.folder, tuple(self._names))

    def drop(self) -> None:
        """As if nothing had been written, unless it has appeared."""
        if self._aside.exists():
            shutil.rmtree(self._aside)


def publish(files: Iterable[Made], folder: Path, draft: Draft | None = None) -> Published:
    """Put all files into `folder`, or those of them that are missing there.

    A new folder appears by one rename, when everything in it is on the disk; `draft` has what was
    written of it before. A file that is there with other bytes is never touched: CommissionError
    says which (Altered).
    """
    if draft is None and folder.exists():
        sweep(folder)
        return _missing(files, folder)
    draft = draft or Draft(folder)
    for each in files:
        draft.write(each)
    return draft.appear()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other command publishes into this folder meanwhile; Locked where one does. For folders
    that the book's lock does not keep."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = os.open(folder.parent, os.O_RDONLY)
    except OSError as why:
        raise _unwritten(folder, why) from why
    try:
        fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as why:
        raise Locked(
            f"{folder.parent}: another command writes a folder in there",
            "Run this one again when it is done.",
        ) from why
    finally:
        os.close(beside)


def same(path: Path, made: Made) -> bool:
    """Whether the file at `path` has these bytes and no more."""
    with path.open("rb") as file:
        return all(file.read(len(part)) == part for part in made.parts) and not file.read(1)


def _missing(files: Iterable[Made], folder: Path) -> Published:
    """What is missing in a folder that is there; nothing at all where something was altered."""
    names: list[str] = []
    altered: list[str] = []
    for each in files:
        target = folder / each.name
        if not target.exists():
            names.append(_write(str(_draft_of(target)), each))
        elif not same(target, each):
            altered.append(each.name)
    if altered:
        sweep(folder)
        named = ", ".join(altered[:5])
        raise Altered(
            f"{folder}: {named} differs from what this run has published",
            "Nothing was written. Move the folder away and run the command again to get the"
            " published bytes back.",
            named,
        )
    targets = [folder / name for name in names]
    _sync_all(folder, [str(_draft_of(target)) for target in targets])
    for target in targets:
        _draft_of(target).rename(target)
    for inner in sorted({target.parent for target in targets}):
        _sync(inner)
    return Published(folder, tuple(names))


def _draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.draft-{os.getpid()}")


def sweep(folder: Path) -> None:
    """Remove the drafts that a killed process left; only the holder of the lock comes here."""
    _sweep_beside(folder)
    if folder.is_dir():
        for draft in folder.rglob(".*.draft-*"):
            draft.unlink()


def _sweep_beside(folder: Path) -> None:
    for draft in folder.parent.glob(f".{escape(folder.name)}.draft-*"):
        shutil.rmtree(draft)


def _write(path: str, made: Made) -> str:
    """Write a file's bytes to `path`; its name. Paths of very many files are texts: to take a Path
    to pieces and put it together took as long as to write a small file."""
    try:
        with _new(path) as file:
            for part in made.parts:
                file.write(part)
    except OSError as why:
        raise _unwritten(path, why) from why
    return made.name


def _new(path: str) -> BinaryIO:
    """A new file; its folder is there already for all but the first."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")


def _sync_all(draft: Path, written: Sequence[str]) -> None:
    """Make the bytes of all these files durable.

    A hundred thousand documents one by one take minutes, although nearly nothing is left to write
    after the first: every one waits for the disk's own memory.
    """
    alone = [path for path in written if os.path.dirname(path) == str(draft)]
    if len(written) > len(alone) or len(written) > FEW:
        if not _sync_filesystem(draft):
            alone = list(written)
        elif len(alone) > FEW:
            alone = []
    for path in alone:
        _sync(path)


def _sync_filesystem(folder: Path) -> bool:
    """Make everything durable on the file system of `folder`; False where that cannot be had, or
    would not tell of bytes that could not be written (Linux before 5.8)."""
    if sys.platform != "linux":
        return False
    version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if version < (5, 8):
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor):
            number = ctypes.get_errno()
            raise _unwritten(folder, OSError(number, os.strerror(number)))
    finally:
        os.close(descriptor)
    return True


def _sync(path: Path | str) -> None:
    """Make a file's bytes, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as why:
        raise _unwritten(path, why) from why
    finally:
        os.close(descriptor)


def _unwritten(path: Path | str, why: OSError) -> Unwritten:
    return Unwritten(
        f"{path}: cannot be written: {why.strerror}",
        "The run is in the book; run the same command again and it writes its files.",
    )
