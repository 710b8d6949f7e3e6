"""Where an export goes: a folder that is there whole or not at all, and then stays as it is."""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from filecmp import cmp
from pathlib import Path
from typing import Any, NamedTuple

from commission_engine.problems import CommissionError
from commission_engine.publish.folder import Draft, Made, Unwritten

MANIFEST = "manifest.json"
_NOT_THERE = "Nothing of the export is there. Mend the cause and run the same command again."


class Came(StrEnum):
    """What came of an export."""

    WRITTEN = "written"
    THERE = "there already, the same bytes"


class Placed(NamedTuple):
    """An export in its folder, what came of it, and what its manifest says."""

    folder: Path
    came: Came
    manifest: Mapping[str, Any]


def put(
    folder: Path,
    files: Callable[[Draft], Iterable[Made]],
    manifest: Callable[[Mapping[str, Path]], Mapping[str, Any]],
) -> Placed:
    """Write `files` aside, then the manifest that is made from them as they lie on the disk, by
    name; then all appear by one rename.

    A folder that has the same files already stays as it is; one with others is never touched:
    CommissionError.
    """
    with _alone(folder):
        draft = Draft(folder)
        try:
            written: dict[str, Path] = {}
            for each in files(draft):
                draft.write(each)
                written[each.name] = draft.place(each.name)
            told = manifest(written)
            draft.write(Made(MANIFEST, [as_json(told)]))
            written[MANIFEST] = draft.place(MANIFEST)
            if _has_something(folder):
                _refuse_other(folder, written)
                return Placed(folder, Came.THERE, told)
            draft.appear()
            return Placed(folder, Came.WRITTEN, told)
        except Unwritten as why:
            raise CommissionError(why.message, _NOT_THERE) from why
        except OSError as why:
            raise CommissionError(
                f"{why.filename or folder}: cannot be written: {why.strerror}", _NOT_THERE
            ) from why
        finally:
            draft.drop()


def as_json(value: Any) -> bytes:
    """As a file for people and programs: the same value gives the same bytes."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _has_something(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _refuse_other(folder: Path, written: Mapping[str, Path]) -> None:
    others = [
        name
        for name, path in written.items()
        if not (folder / name).is_file() or not cmp(path, folder / name, shallow=False)
    ]
    if others:
        raise CommissionError(
            f"{folder}: is there already, and its {', '.join(others[:5])} is not what this export"
            " gives now",
            "It was not touched. Name another folder with --out, or move this one away.",
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other export writes beside `folder`; the lock is gone with the process."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder.parent, os.O_RDONLY)
    except OSError as why:
        raise CommissionError(
            f"{folder.parent}: cannot be written: {why.strerror}", "Name another with --out."
        ) from why
    try:
        with suppress(OSError):  # a file system that knows no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
