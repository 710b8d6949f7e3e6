"""Files that the staff has sent to be looked at, until somebody says that they are meant.

They stay in the memory of this server and nowhere else, as they may name accounts. A server that
starts anew has forgotten them; then they are chosen once more.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import Lock

from commission_engine.book.doors import Who
from commission_engine.portal.upload import NAME_OF
from commission_engine.problems import FileRefused, UsageError

LARGEST = 8 << 20
"""Bytes of a form with files in it; more is read by the command."""
MOST_BYTES = 64 << 20
"""Of all that are kept; the oldest go first."""
KEPT_SECONDS = 3600
LONGEST_NAME = 60
"""Characters: what a file system takes, whatever they are."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as somebody has sent it; its name without folders."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Files, and the hash of what was shown of them."""

    files: tuple[File, ...]
    shown: str


class Uploads:
    """What was looked at and not yet meant, each for who has sent it."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[tuple[Who, str], tuple[int, LookedAt]] = OrderedDict()

    def keep(self, who: Who, looked_at: LookedAt) -> str:
        """A name to find it by."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[who, name] = (self._clock(), looked_at)
            while sum(map(_size, self._kept.values())) > MOST_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
            return name

    def found(self, who: Who, name: str) -> LookedAt:
        """UsageError where it is not there any more."""
        with self._lock:
            at, looked_at = self._kept.get((who, name), (0, None))
            if looked_at is None or at <= self._clock() - KEPT_SECONDS:
                raise UsageError(
                    "what was looked at is not here any more: it was imported, or that is long ago",
                    "Choose the file again. Nothing was changed.",
                )
            return looked_at

    def drop(self, who: Who, name: str) -> None:
        """It was done."""
        with self._lock:
            self._kept.pop((who, name), None)


def _size(kept: tuple[int, LookedAt]) -> int:
    return sum(len(file.data) for file in kept[1].files)


def file_in(form: Mapping[str, str], name: str) -> File | None:
    """The file that was chosen in a field of a form; None where none was."""
    content = form.get(name, "")
    if not content:
        return None
    said = PurePosixPath(form.get(NAME_OF.format(name), "").replace("\\", "/")).name
    plain = "".join(char if char.isprintable() else "_" for char in said)[-LONGEST_NAME:]
    return File(plain.lstrip(".") or "file", content.encode("utf-8", "surrogateescape"))


def chosen(form: Mapping[str, str], name: str) -> File:
    """The same of a field that has to have one: UsageError where it has not."""
    file = file_in(form, name)
    if file is None:
        raise UsageError("no file is chosen, or it is empty", "Choose one. Nothing was changed.")
    return file


@contextmanager
def on_disk(files: Sequence[File]) -> Iterator[list[Path]]:
    """The files in a folder that nobody else may read, for as long as they are read; what is wrong
    with one is said without that folder, which is gone by then."""
    with TemporaryDirectory(prefix="sent") as folder:
        paths = [Path(folder) / str(place) / file.name for place, file in enumerate(files)]
        for path, file in zip(paths, files, strict=True):
            path.parent.mkdir()
            path.write_bytes(file.data)
        try:
            yield paths
        except (FileRefused, UsageError) as why:
            said = why.message
            for path in paths:
                said = said.replace(str(path), path.name)
            raise UsageError(said, why.hint) from why
