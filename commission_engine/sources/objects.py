"""Parquet files in an object store, or below a folder: each version of a file is imported once.

They are copied to the temporary folder first, so that what is judged, kept and hashed is one and
the same, whatever happens in the store meanwhile.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

from commission_engine.book.sources import Known
from commission_engine.ingest.columns import Kind
from commission_engine.problems import UsageError
from commission_engine.segments.place import Bucket, Folder, place_of
from commission_engine.sources.shape import Catch, Fetched, Piece, Unreachable

ENDING = ".parquet"
CHUNK = 8 << 20
LONGEST = 200
"""Of a file's name; a longer one begins with its hash."""


@dataclass(frozen=True, slots=True)
class Lake:
    """A source of kind parquet: every file below a place, by its name there and its version."""

    name: str
    place: str
    file: Kind
    required: bool = True
    kind: str = "parquet"

    @property
    def where(self) -> str:
        return self.place

    @contextmanager
    def look(self, known: Known, *, anew: bool = False) -> Iterator[Catch]:
        with TemporaryDirectory(prefix="commission-source-") as folder:
            pieces = []
            with self._told():
                for name, version in self._listed():
                    if anew or (name, version) not in known.files:
                        path = Path(folder) / _flat(name)
                        pieces.append(Piece(self.file, path, name, self._copied(name, path)))
            names = {name for name, _ in known.files}
            again = [] if anew else [each.name for each in pieces if each.name in names]
            notes = [f"{self.where}/{name}: changed since it was imported" for name in again]
            yield Catch(pieces, None, None, notes)

    def waiting(self, known: Known) -> int:
        with self._told():
            return sum(each not in known.files for each in self._listed())

    # -- the place

    def _listed(self) -> list[tuple[str, str]]:
        """Every Parquet file with its version, by name; what begins with a point or an underscore,
        or lies in such a folder, is somebody's work in progress."""
        place = place_of(self.place)
        if isinstance(place, Bucket):
            found = [
                (str(each["path"]), _version(each["e_tag"], each["size"]))
                for part in place.store.list()
                for each in part
            ]
        else:
            found = list(_files_below(Path(str(place))))
        taken = [each for each in found if _is_taken(each[0])]
        return sorted(taken)

    def _copied(self, name: str, path: Path) -> str:
        """Copy a file, and say which version of it that was."""
        place = place_of(self.place)
        if isinstance(place, Folder):
            source = place.path / name
            version = _stamp(source)
            shutil.copyfile(source, path)
            if _stamp(source) != version:
                raise OSError(f"{source}: is being written to")
            return version
        assert isinstance(place, Bucket)
        given = place.store.get(name)
        with path.open("wb") as file:
            for chunk in given.stream(min_chunk_size=CHUNK):
                file.write(chunk)
        return _version(given.meta["e_tag"], given.meta["size"])

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except UsageError as why:
            raise UsageError(f"source {self.name!r}: {why.message}", why.hint) from why
        except _silences() as why:
            said = str(why).strip().splitlines()[0] if str(why).strip() else type(why).__name__
            raise Unreachable(
                f"source {self.name!r}: {self.where} cannot be read: {said}",
                "Nothing was imported from it. Look at the place, its rights and the AWS_..."
                " variables, then run the command again.",
            ) from why

    # -- what files of a store are not told

    def settle(self, fetched: Fetched) -> Fetched:
        """Files stay where they are; the book knows which were imported."""
        return fetched

    def refuse_plan(self, why: str) -> None:
        """A store of rows gives no plan."""


def fault_of(place: str) -> str:
    """What is wrong with a place's name; "" if nothing is."""
    parts = urlsplit(place)
    if "://" not in place or (parts.scheme == "s3" and parts.netloc):
        return ""
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return ""
    return f"{place!r} is no place of files; write a folder, or such as s3://bucket/prefix"


def _silences() -> tuple[type[Exception], ...]:
    """What is raised when a place cannot be read."""
    try:
        from obstore.exceptions import BaseError
    except ModuleNotFoundError:
        return (OSError,)
    return (OSError, ValueError, BaseError)


def _version(e_tag: str | None, size: int) -> str:
    return f"{(e_tag or '').strip(chr(34))}-{size}"


def _stamp(path: Path) -> str:
    """In place of an ETag."""
    now = path.stat()
    return _version(str(now.st_mtime_ns), now.st_size)


def _files_below(folder: Path) -> Iterator[tuple[str, str]]:
    def fail(why: OSError) -> None:
        raise why

    for parent, _, names in os.walk(folder, onerror=fail):
        for name in names:
            path = Path(parent) / name
            if path.suffix == ENDING and path.is_file():
                yield path.relative_to(folder).as_posix(), _stamp(path)


def _is_taken(name: str) -> bool:
    return name.endswith(ENDING) and not any(part[:1] in (".", "_") for part in name.split("/"))


def _flat(name: str) -> str:
    """A file name for a name with folders in it: another for each, and the same everywhere."""
    flat = quote(name, safe="= ")
    if len(flat) <= LONGEST:
        return flat
    return f"{sha256(name.encode()).hexdigest()[:16]}-{flat[-LONGEST // 2 :]}"
