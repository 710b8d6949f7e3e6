"""A whole book as one file, and back into an empty book of either kind.

A dump is a ZIP file. Each table is a CSV file in UTF-8, sorted by its key: texts in quotes, numbers
without, and nothing between two commas where there is no value. Lines that are kept outside the
database are beside them as they are. `manifest.json` has the number of rows and the SHA-256 of each
file. The same book gives the same bytes, on SQLite and on PostgreSQL.
"""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeAlias

import polars as pl

from commission_engine import __version__
from commission_engine.book import audit, lines, revisions, tables
from commission_engine.book.connect import Connection, Engine, reading
from commission_engine.book.lock import alone
from commission_engine.night import Say
from commission_engine.problems import CommissionError, UsageError
from commission_engine.segments.place import Place
from commission_engine.segments.segment import intact

FORMAT = 1
MANIFEST = "manifest.json"
BLOCK = 8 << 20
"""Bytes of a table that are read at once."""

Shape: TypeAlias = Mapping[str, Any]
"""The columns of a table: names and types."""

DAMAGED = "The file is damaged or was altered. Nothing was restored; take another dump."


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a dump; `rows` is 0 for one that is no table."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @property
    def file(self) -> str:
        return f"tables/{self.name}.csv"

    @property
    def segment(self) -> str:
        return f"segments/{self.name}"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a dump says of itself. `trail` is the number and the hash of the audit trail's last
    row (0, zeros: it has none)."""

    revision: str
    engine_version: str
    trail: tuple[int, str]
    tables: tuple[Member, ...]
    segments: tuple[Member, ...]

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.tables)


# -- out


def dump(
    engine: Engine,
    target: Path,
    say: Say = lambda stage: None,
    kept_in: str | None = None,
    *,
    with_segments: bool = True,
) -> Contents:
    """Write the book as it is at this moment to the new file `target`, whole or not at all.

    `kept_in` is where the book's lines are, if they are in segments that have been moved.
    """
    if target.exists():
        raise UsageError(f"{target}: is there already", "Name a file that is not there yet.")
    draft = target.with_name(f".{target.name}.draft-{os.getpid()}")
    try:
        with reading(engine) as connection, draft.open("wb") as file:
            contents = _written(connection, file, say, kept_in, with_segments=with_segments)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)
    except OSError as why:
        raise CommissionError(
            f"{target}: cannot be written: {why.strerror}", "Nothing is there now. Make room."
        ) from why
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return contents


def _written(
    connection: Connection, file: IO[bytes], say: Say, kept_in: str | None, *, with_segments: bool
) -> Contents:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        members = []
        for name, table in tables.tables(connection).items():
            say(f"table {name}")
            with archive.open(Member(name, 0, 0, "").file, "w", force_zip64=True) as into:
                parts = tables.rows(connection, table)
                members.append(_table(name, parts, tables.columns(table), into))
        segments = []
        outside = lines.outside(connection, kept_in) if with_segments else []
        for place, segment in outside:
            say(f"segment {segment.file}")
            content = intact(place, segment)
            member = Member(segment.file, 0, len(content), segment.name)
            archive.writestr(zipfile.ZipInfo(member.segment), content)  # Parquet is packed already
            segments.append(member)
        contents = Contents(
            revision=str(revisions.current(connection)),
            engine_version=__version__,
            trail=_trail(connection),
            tables=tuple(members),
            segments=tuple(segments),
        )
        archive.writestr(zipfile.ZipInfo(MANIFEST), _said(contents))
    return contents


def _table(name: str, parts: Iterator[pl.DataFrame], shape: Shape, into: IO[bytes]) -> Member:
    hashed, size, rows = sha256(), 0, 0
    for part in chain([pl.DataFrame(schema=shape)], parts):
        written = io.BytesIO()
        header = size == 0
        part.write_csv(written, include_header=header, quote_style="non_numeric", null_value="")
        content = written.getvalue()
        into.write(content)
        hashed.update(content)
        size, rows = size + len(content), rows + part.height
    return Member(name, rows, size, hashed.hexdigest())


def _trail(connection: Connection) -> tuple[int, str]:
    if "audit" not in tables.tables(connection):
        return 0, audit.BEFORE_ALL
    return audit.head(connection)


def _said(contents: Contents) -> bytes:
    said = {"format": FORMAT, **asdict(contents)}
    return (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()


# -- in


def look(source: Path, say: Say = lambda stage: None) -> Contents:
    """Prove the files of a dump by their hashes; CommissionError where one is not what it was."""
    with _opened(source) as (archive, contents):
        for member in contents.tables:
            say(f"table {member.name}")
            for _ in _blocks(archive, member.file, member, source):
                pass
        for member in contents.segments:
            _segment(archive, member, source)
    return contents


def restore(
    engine: Engine,
    source: Path,
    say: Say = lambda stage: None,
    kept_in: str | None = None,
) -> Contents:
    """Fill an empty book with what a dump holds; all of it or nothing.

    A dump of an older revision is brought up to this program's. Its segments are put where the book
    says that they are, or into `kept_in`. UsageError where the book is not empty.
    """
    with _opened(source) as (archive, contents):
        file = None if engine.url.host is not None else Path(engine.url.database or "")
        is_new = file is not None and engine.dialect.name == "sqlite" and not file.exists()
        put: list[tuple[Place, str]] = []
        try:
            with alone(engine) as connection:
                _refuse_what_is_not_empty(connection)
                revisions.move(connection, contents.revision)
                _fill(connection, archive, contents, source, say)
                revisions.move(connection, revisions.newest())
                tables.analyse(connection)
                _put_segments(connection, archive, contents, source, kept_in, put)
        except BaseException:
            for place, name in put:
                place.remove(name)
            if is_new and file is not None:
                for each in (file, *(file.with_name(file.name + end) for end in _BESIDE)):
                    each.unlink(missing_ok=True)
            raise
    return contents


_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside its file."""


@contextmanager
def _opened(source: Path) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
    """A dump and what it says of itself; CommissionError where it is none that can be read."""
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive, _contents(json.loads(archive.read(MANIFEST)), source)
    except OSError as why:
        raise CommissionError(
            f"{why.filename or source}: cannot be read: {why.strerror or why}", "Check the name."
        ) from why
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as why:
        raise CommissionError(f"{source}: is not a whole dump of a book: {why}", DAMAGED) from why


def _contents(said: dict[str, Any], source: Path) -> Contents:
    if said["format"] != FORMAT:
        raise CommissionError(
            f"{source}: is a dump of form {said['format']}, this program reads {FORMAT}",
            "Nothing was restored. Install the version of commission-engine that wrote it.",
        )
    revisions.refuse_unknown(
        said["revision"],
        f"{source}: the dump's",
        "Nothing was restored. Install the version of commission-engine that wrote it.",
    )
    return Contents(
        revision=said["revision"],
        engine_version=said["engine_version"],
        trail=(said["trail"][0], said["trail"][1]),
        tables=tuple(Member(**each) for each in said["tables"]),
        segments=tuple(Member(**each) for each in said["segments"]),
    )


def _refuse_what_is_not_empty(connection: Connection) -> None:
    hint = "A dump is restored into an empty book only. Name another database."
    if revisions.current(connection) is None:
        if strange := tables.strangers(connection):
            raise UsageError(f"the database is not empty: it has a table {strange[0]}", hint)
    elif filled := tables.filled(connection):
        raise UsageError(f"the book is not empty: its table {filled[0]} has rows", hint)


def _fill(
    connection: Connection, archive: zipfile.ZipFile, contents: Contents, source: Path, say: Say
) -> None:
    there = tables.tables(connection)
    if lacking := sorted(there.keys() ^ {each.name for each in contents.tables}):
        raise CommissionError(
            f"{source}: a book of revision {contents.revision} and the dump differ in the tables"
            f" {', '.join(lacking)}",
            DAMAGED,
        )
    for member in contents.tables:
        say(f"table {member.name}")
        table, rows = there[member.name], 0
        for part in _parts(_blocks(archive, member.file, member, source), tables.columns(table)):
            tables.add(connection, table, part)
            rows += part.height
        if rows != member.rows:
            raise CommissionError(
                f"{source}: {member.file} has {rows} rows, the manifest says {member.rows}", DAMAGED
            )
    if _trail(connection) != contents.trail:
        raise CommissionError(
            f"{source}: its audit trail does not end where the manifest says", DAMAGED
        )


def _blocks(archive: zipfile.ZipFile, name: str, member: Member, source: Path) -> Iterator[bytes]:
    """The bytes of a file of the dump; at the end CommissionError if they are not those that were
    written."""
    hashed, size = sha256(), 0
    with archive.open(name) as file:
        while block := file.read(BLOCK):
            hashed.update(block)
            size += len(block)
            yield block
    if (size, hashed.hexdigest()) != (member.bytes, member.sha256):
        raise CommissionError(f"{source}: {name} is not what was written", DAMAGED)


def _parts(blocks: Iterator[bytes], shape: Shape) -> Iterator[pl.DataFrame]:
    """The rows of a table's file, whole rows at a time; the columns in whatever order it has."""
    kept, schema = b"", dict[str, Any]()
    for block in chain(blocks, [b""]):
        kept += block
        end = end_of_rows(kept) if block else len(kept)
        if end and not schema:
            line, _, kept = kept.partition(b"\n")
            schema, end = _columns(line.decode(), shape), end - len(line) - 1
        if end:
            yield pl.read_csv(kept[:end], has_header=False, schema=schema)
            kept = kept[end:]


def _columns(header: str, shape: Shape) -> dict[str, Any]:
    names = [name.strip('"') for name in header.split(",")]
    if sorted(names) != sorted(shape):
        raise CommissionError(
            f"a table of the dump has the columns {', '.join(names)}, the book {', '.join(shape)}",
            DAMAGED,
        )
    return {name: shape[name] for name in names}


def end_of_rows(text: bytes) -> int:
    """The end of the last whole row: a line's end that no quotes are open at."""
    end = text.rfind(b"\n") + 1
    while end and text.count(b'"', 0, end) % 2:
        end = text.rfind(b"\n", 0, end - 1) + 1
    return end


def _segment(archive: zipfile.ZipFile, member: Member, source: Path) -> bytes:
    content = b"".join(_blocks(archive, member.segment, member, source))
    if member.name != f"{member.sha256}.parquet":
        raise CommissionError(f"{source}: {member.segment} is not named by its hash", DAMAGED)
    return content


def _put_segments(
    connection: Connection,
    archive: zipfile.ZipFile,
    contents: Contents,
    source: Path,
    kept_in: str | None,
    put: list[tuple[Place, str]],
) -> None:
    """Put the segments of a dump into their place; `put` gets those that were not there."""
    held = {each.name: each for each in contents.segments}
    for place, segment in lines.outside(connection, kept_in):
        if segment.file in held and place.size(segment.file) is None:
            put.append((place, segment.file))
            place.put(segment.file, _segment(archive, held[segment.file], source))
