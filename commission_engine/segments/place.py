"""Where segments lie: a folder, or a prefix in an object store. Whole files in, whole files out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from commission_engine.problems import CommissionError, TryAgain, UsageError

CONNECT_SECONDS, ANSWER_SECONDS, GIVE_UP_SECONDS = 5, 60, 120
RETRIES = 3
"""How long an object store may be silent before the work stops."""

_AGAIN = "Nothing of this run was kept. Look at the place, then run the same command again."
_BACK = (
    "Bring it back from a backup, or say where the segments are now (lines.store in"
    " config/engine.toml)."
)


class Place(Protocol):
    """Files by name, each whole or not there. Errors are CommissionError and say what and where."""

    def put(self, name: str, content: bytes) -> None:
        """Keep a file that is not there yet, durably; leave one that is there as it is."""

    def replace(self, name: str, content: bytes) -> None:
        """Keep a file durably, in place of one of that name."""

    def get(self, name: str) -> bytes:
        """A file's bytes; CommissionError where it is not there."""

    def sizes(self) -> dict[str, int]:
        """Every file that is there, with its size in bytes."""

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None where it is not there."""

    def remove(self, name: str) -> None:
        """Let a file go; nothing happens where it is not there."""

    def source(self, name: str) -> str:
        """What `polars.scan_parquet` reads the file from."""

    def options(self) -> dict[str, Any]:
        """What `polars.scan_parquet` has to know besides."""

    def __str__(self) -> str:
        """The place, as settings and messages name it."""


def place_of(text: str) -> Place:
    """The place that a setting names: a folder, file://FOLDER, or s3://BUCKET/PREFIX.

    UsageError for any other URL, and where the extra for object stores is not installed.
    """
    if "://" not in text:
        return Folder(Path(text).resolve())
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return Folder(Path(unquote(parts.path)).resolve())
    if parts.scheme == "s3" and parts.netloc:
        return Bucket.at(f"s3://{parts.netloc}/{parts.path.strip('/')}".rstrip("/"))
    raise UsageError(
        f"{text!r} is no place for lines",
        "Write a folder, or such as s3://bucket/prefix.",
    )


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine; a file is written aside, made durable, and renamed."""

    path: Path

    def put(self, name: str, content: bytes) -> None:
        if self.size(name) is None:
            self.replace(name, content)

    def replace(self, name: str, content: bytes) -> None:
        draft = self.path / f".{name}.draft"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path / name)
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as why:
            self._drop(draft)
            raise CommissionError(
                f"{self.path / name}: cannot be written: {why.strerror}", _AGAIN
            ) from why

    def get(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as why:
            raise _missing(self.path / name) from why
        except OSError as why:
            raise CommissionError(
                f"{self.path / name}: cannot be read: {why.strerror}", "Check the place."
            ) from why

    def sizes(self) -> dict[str, int]:
        try:
            with os.scandir(self.path) as entries:
                return {each.name: each.stat().st_size for each in entries if each.is_file()}
        except FileNotFoundError:
            return {}
        except OSError as why:
            raise CommissionError(
                f"{self.path}: cannot be listed: {why.strerror}", "Check the place."
            ) from why

    def size(self, name: str) -> int | None:
        try:
            return (self.path / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as why:
            raise CommissionError(
                f"{self.path / name}: cannot be read: {why.strerror}", "Check the place."
            ) from why

    def remove(self, name: str) -> None:
        self._drop(self.path / name)

    def _drop(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as why:
            raise CommissionError(f"{path}: cannot be removed: {why.strerror}", _AGAIN) from why

    def source(self, name: str) -> str:
        return str(self.path / name)

    def options(self) -> dict[str, Any]:
        return {}

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix of an object store that speaks S3; a file appears whole by one request.

    Credentials, region and endpoint are those of the usual AWS_... environment variables.
    """

    url: str
    store: Any

    @classmethod
    def at(cls, url: str) -> "Bucket":
        try:
            from obstore.store import from_url
        except ModuleNotFoundError as why:
            raise UsageError(
                "what speaks to object stores is not installed",
                "Install the extra: pip install 'commission-engine[objects]'.",
            ) from why
        store = from_url(
            url,
            client_options={
                "connect_timeout": f"{CONNECT_SECONDS}s",
                "timeout": f"{ANSWER_SECONDS}s",
                "allow_http": _plain_http(),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=GIVE_UP_SECONDS),
            },
        )
        return cls(url, store)

    def put(self, name: str, content: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError

        with self._told(name):
            try:
                self.store.put(name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return

    def replace(self, name: str, content: bytes) -> None:
        with self._told(name):
            self.store.put(name, content, use_multipart=False)

    def get(self, name: str) -> bytes:
        with self._told(name):
            return bytes(self.store.get(name).bytes())

    def sizes(self) -> dict[str, int]:
        with self._told(""):
            return {each["path"]: each["size"] for part in self.store.list() for each in part}

    def size(self, name: str) -> int | None:
        with self._told(name):
            try:
                return int(self.store.head(name)["size"])
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        with self._told(name):
            try:
                self.store.delete(name)
            except FileNotFoundError:
                return

    def source(self, name: str) -> str:
        return f"{self.url}/{name}"

    def options(self) -> dict[str, Any]:
        waits = {
            "connect_timeout": f"{CONNECT_SECONDS}s",
            "timeout": f"{ANSWER_SECONDS}s",
            "max_retries": RETRIES,
            "retry_timeout_ms": GIVE_UP_SECONDS * 1000,
            "allow_http": str(_plain_http()).lower(),
        }
        return {"storage_options": waits, "credential_provider": None}

    def __str__(self) -> str:
        return self.url

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, GenericError

        what = self.source(name) if name else self.url
        try:
            yield
        except FileNotFoundError as why:
            raise _missing(what) from why
        except GenericError as why:
            raise TryAgain(
                f"{what}: the object store does not answer: {_first(why)}", _AGAIN
            ) from why
        except (BaseError, OSError, ValueError) as why:
            raise CommissionError(
                f"{what}: refused by the object store: {_first(why)}",
                "Look at the bucket's name and rights and at the AWS_... variables.",
            ) from why


def _plain_http() -> bool:
    """Whether the store may be spoken to without TLS; its own library reads it for some calls."""
    return os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")


def _first(why: BaseException) -> str:
    """The first line of a library's long message."""
    return str(why).strip().splitlines()[0] if str(why).strip() else type(why).__name__


def _missing(what: object) -> CommissionError:
    return CommissionError(f"{what}: this segment of the book's lines is not there", _BACK)
