"""config/sources.toml becomes sources, or is refused whole with every fault and its line."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from commission_engine.ingest.columns import FACTS, Kind
from commission_engine.plan.read import Place, lines_of_keys
from commission_engine.problems import UsageError
from commission_engine.sources import objects, sql, watermark
from commission_engine.sources.folder import DropFolder
from commission_engine.sources.objects import Lake
from commission_engine.sources.shape import Source
from commission_engine.sources.sql import Growing, Query
from commission_engine.sources.watermark import MarkType

KEYS: Mapping[str, tuple[str, ...]] = {
    "folder": ("path", "done", "refused"),
    "sql": ("url", "url_from", "file", "query", "watermark", "start", "overlap"),
    "parquet": ("place", "file"),
}
"""The keys of each kind, beside those of every source."""
EVERY = ("name", "kind", "required")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_HINT = "Mend the file; nothing was fetched. docs/sources.md explains every key."


def read_sources(
    path: Path, environment: Mapping[str, str], *, expected: bool = False
) -> tuple[Source, ...]:
    """The sources of a file, in its order; none where it is not there, unless it is `expected`.

    UsageError names every fault. `environment` is where a `url_from` is looked up.
    """
    if not path.exists() and not expected:
        return ()
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = tomllib.loads(text)
    except OSError as why:
        raise UsageError(
            f"{path}: cannot be read: {why.strerror}", "Name a file of sources (TOML)."
        ) from why
    except (ValueError, RecursionError) as why:  # also not UTF-8, numbers too long
        raise UsageError(f"{path}: this is not TOML: {why}", "Mend the file.") from why
    reader = _Reader(str(path), lines_of_keys(text), environment)
    sources = reader.all(data)
    if reader.faults:
        raise UsageError("\n".join(said for _, said in sorted(reader.faults)), _HINT)
    return sources


@dataclass
class _Reader:
    """Walks the parsed file and gathers faults, each with its line."""

    file: str
    lines: Mapping[Place, int]
    environment: Mapping[str, str]
    faults: list[tuple[int, str]] = field(default_factory=list)
    name: str = ""
    number: int = 0
    table: Mapping[str, Any] = field(default_factory=dict)

    def all(self, data: Mapping[str, Any]) -> tuple[Source, ...]:
        for key in data:
            if key != "source":
                where = f"{self.file}:{self.lines.get((key,), 1)}"
                self._say((key,), where, f"{key}: is no key here; write [[source]]")
        tables = data.get("source", [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self._say(("source",), self.file, "source: write [[source]], once for each source")
            return ()
        found: list[Source] = []
        names: set[str] = set()
        for self.number, self.table in enumerate(tables):
            self.name = str(self.table.get("name", ""))
            if not _NAME.fullmatch(self.name) or not isinstance(self.table["name"], str):
                self._fault(
                    "name",
                    'is missing; write such as name = "shop"'
                    if not self.name
                    else f"{self.name!r} is not a name of 1 to 64 letters, digits, - and _",
                )
            elif self.name in names:
                self._fault("name", "is the name of another source too; its records are by name")
            names.add(self.name)
            if (made := self._source()) is not None:
                found.append(made)
        return tuple(found)

    def _source(self) -> Source | None:
        """The source of one table; None, or one that is not used, where there are faults."""
        kind = self.table.get("kind")
        if not isinstance(kind, str) or kind not in KEYS:
            said = "is missing" if kind is None else f"{kind!r} is no kind"
            self._fault("kind", f"{said}; write one of {', '.join(KEYS)}")
            return None
        for key in self.table:
            if key not in (*EVERY, *KEYS[kind]):
                self._fault(key, f"is not a key of kind {kind}{_near(key, (*EVERY, *KEYS[kind]))}")
        required = self.table.get("required", True)
        if not isinstance(required, bool):
            self._fault("required", f"{required!r} is neither true nor false")
            required = True
        if kind == "folder":
            return self._folder(required)
        return self._query(required) if kind == "sql" else self._lake(required)

    def _folder(self, required: bool) -> Source | None:
        path = Path(self._text("path", "inbox"))
        done = Path(self._text("done", "", str(path / "done")))
        refused = Path(self._text("refused", "", str(path / "refused")))
        if len({path.absolute(), done.absolute(), refused.absolute()}) < 3:
            self._fault("path", "path, done and refused are three folders")
        return DropFolder(self.name, path, done, refused, required)

    def _lake(self, required: bool) -> Source:
        place = self._text("place", "s3://bucket/prefix")
        if place and (said := objects.fault_of(place)):
            self._fault("place", said)
        return Lake(self.name, place, self._kind(), required)

    def _query(self, required: bool) -> Source | None:
        url = self._url()
        query = self._text("query", "SELECT ... FROM ...")
        grows = "watermark" in self.table
        for key in ("start", "overlap"):
            if key in self.table and not grows:
                self._fault(key, 'goes with a watermark; name its column: watermark = "id"')
        if query:
            self._names(sql.asks_for(query), grows)
        mark = self._growing(url) if grows else None
        return Query(self.name, url, self._kind(), query, mark, required)

    def _url(self) -> str:
        if ("url" in self.table) == ("url_from" in self.table):
            self._fault(
                "url", "write one of url, a database URL, and url_from, the environment variable"
                " that holds it"
            )  # fmt: skip
            return ""
        key = "url" if "url" in self.table else "url_from"
        url = self._text(key, "postgresql://user@host/name" if key == "url" else "SHOP_URL")
        if key == "url_from" and url:
            variable, url = url, self.environment.get(url, "")
            if not url:
                self._fault(key, f"the environment variable {variable} is not set")
        if url and (said := sql.fault_of(url)):
            self._fault(key, said)
            return ""
        return url

    def _names(self, asked: frozenset[str], grows: bool) -> None:
        for name in sorted(asked - {"since"}):
            self._fault("query", f"asks for :{name}; only :since is known (a colon that is"
                        " meant as such is written \\\\:)")  # fmt: skip
        if grows and "since" not in asked:
            self._fault("query", "has a watermark and does not use it; add WHERE"
                        f" {self.table['watermark']} >= :since")  # fmt: skip
        if "since" in asked and not grows:
            self._fault("query", 'asks for :since without a watermark; write watermark = "id",'
                        " the column whose largest value is kept, and start")  # fmt: skip

    def _growing(self, url: str) -> Growing | None:
        column = self._text("watermark", "id")
        start = self.table.get("start")
        kind = watermark.type_of(start)
        if kind is None or start is None:
            said = "is missing" if start is None else f"{start!r} is no watermark"
            self._fault("start", f"{said}; write where the first fetch begins, of the column's"
                        ' type: 0, 2026-01-01T00:00:00Z, or a text in quotes')  # fmt: skip
            return None
        if url and kind not in (MarkType.NUMBER, MarkType.TEXT) and not sql.takes_timestamps(url):
            self._fault("start", "SQLite has no timestamps; write a text in quotes, in the form"
                        " that the column has")  # fmt: skip
        overlap = watermark.overlap_of(self.table.get("overlap", 0))
        if overlap is None:
            self._fault("overlap", f"{self.table['overlap']!r} is no overlap; write a number such"
                        ' as 1000, or a time such as "90s", "15m", "1h", "2d"')  # fmt: skip
        elif not watermark.fits(kind, overlap):
            self._fault("overlap", f"{self.table['overlap']!r} cannot be taken from a {kind}")
        return Growing(column, start, overlap or 0)

    # -- single values

    def _text(self, key: str, such: str, default: str | None = None) -> str:
        value = self.table.get(key, default)
        if isinstance(value, str) and value.strip():
            return value
        said = "is missing" if value is None else f"{value!r} is not a text"
        self._fault(key, f'{said}; write such as {key} = "{such or default}"')
        return ""

    def _kind(self) -> Kind:
        value = self.table.get("file")
        if value in [str(kind) for kind in FACTS]:
            return Kind(value)
        said = "is missing" if value is None else f"{value!r} is no kind of file"
        self._fault("file", f"{said}; write one of {', '.join(FACTS)}")
        return Kind.EARNINGS

    # -- faults

    def _fault(self, key: str, message: str) -> None:
        called = f"source {self.name!r}" if self.name else f"source {self.number + 1}"
        place = ("source", self.number, key)
        if place not in self.lines:
            place = place[:2]  # type: ignore[assignment]
        self._say(place, f"{self.file}:{self.lines.get(place, 1)}: {called}", f"{key}: {message}")

    def _say(self, place: Place, where: str, message: str) -> None:
        self.faults.append((self.lines.get(place, 1), f"{where}: {message}"))


def _near(key: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(key, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
