"""The audit trail: one row for every change, each proving all those before it.

A row is written in the transaction of the change that it speaks of. Its `details` name the rows
that the change added (`digests.Span`), so that nobody can alter them unseen either; its `hash` is
the SHA-256 of all its other columns, among them the hash of the row before.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa

from commission_engine.book.anchors import anchor_of, facts_of_the_past
from commission_engine.book.digests import (
    KEYS,
    Digest,
    Span,
    Spans,
    canonical,
    hashed,
    stored_rows,
    stored_span,
)
from commission_engine.book.schema import audit, intake, metadata
from commission_engine.calendar import Day, date_of

BEFORE_ALL = "0" * 64
"""What the first row has in place of the hash of the row before."""

BEGIN, BOUND, SETTINGS, RUN, FILES = "begin", "bound", "settings", "run", "files"
ROWS_AT_ONCE = 500_000
EVER = 2**31


@dataclass(frozen=True, slots=True)
class Origin:
    """From where a change is made: the machine, the process on it, and the command."""

    host: str = ""
    process: int = 0
    command: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who makes a change, when, and from where."""

    who: str
    at: str
    origin: Origin = Origin()


class Row(NamedTuple):
    """A row of the trail, as it is stored."""

    id: int
    at: str
    who: str
    host: str
    process: int
    command: str
    what: str
    subject: str
    details: str
    previous: str
    hash: str

    @property
    def proper_hash(self) -> str:
        """What `hash` has to be."""
        columns = self._asdict()
        del columns["hash"]
        return hashed(columns)

    def told(self) -> dict[str, Any]:
        """The details; ValueError where they are not what this module writes."""
        details = json.loads(self.details)
        if not isinstance(details, dict):
            raise ValueError(f"not an object: {self.details[:80]}")
        return details

    def spans(self) -> Spans:
        """By table the rows that this row of the trail binds."""
        return {name: Span(**span) for name, span in self.told().get("rows", {}).items()}


# -- append


def record(
    connection: sa.Connection,
    signed: Signed,
    what: str,
    subject: str,
    details: Mapping[str, Any],
    spans: Spans | None = None,
) -> int:
    """Add a row to the trail and give its number.

    `details` is JSON for people; `spans` are the rows that the change has added, by table.
    """
    last = _last(connection)
    if last and last.what == BEGIN and what != BOUND:
        _bind_what_is_there(connection, signed, last, spans or {})
        last = _last(connection)
    rows = {name: span._asdict() for name, span in (spans or {}).items()}
    row = Row(
        id=last.id + 1 if last else 1,
        at=signed.at,
        who=signed.who,
        host=signed.origin.host,
        process=signed.origin.process,
        command=signed.origin.command,
        what=what,
        subject=subject,
        details=canonical({**details, **({"rows": rows} if rows else {})}).decode(),
        previous=last.hash if last else BEFORE_ALL,
        hash="",
    )
    row = row._replace(hash=row.proper_hash)
    connection.execute(sa.insert(audit).values(row._asdict()))
    return row.id


def learned(
    connection: sa.Connection,
    signed: Signed,
    number: int,
    details: Mapping[str, Any],
    *parts: Spans,
) -> None:
    """Record intake `number`, which is complete; `parts` are what it added to bulky tables."""
    spans: Spans = {name: span for part in parts for name, span in part.items()}
    kind = connection.execute(sa.select(intake.c.kind).where(intake.c.id == number)).scalar_one()
    for name in ("intake", _OF_KIND.get(kind)):
        if name and (span := stored_span(connection, metadata.tables[name], number, number)):
            spans[name] = span
    record(connection, signed, kind, str(number), details, spans)


_OF_KIND = {
    "plan": "plan_version", "true-up": "plan_version", "release": "release", "users": "staff",
}  # fmt: skip


def settled_on(
    connection: sa.Connection, signed: Signed, day: Day, settings: Mapping[str, Any]
) -> int:
    """The row with the settings of the run of `day`; a new one if they are not those of the last
    run."""
    query = sa.select(audit.c.id, audit.c.details).where(audit.c.what == SETTINGS)
    last = connection.execute(query.order_by(audit.c.id.desc()).limit(1)).one_or_none()
    if last and json.loads(last.details) == {"settings": settings}:
        return int(last.id)
    return record(connection, signed, SETTINGS, _name(day), {"settings": settings})


def ran(
    connection: sa.Connection, signed: Signed, day: Day, details: Mapping[str, Any], spans: Spans
) -> None:
    """Record the run of `day`, which is complete. `spans` are its rows of bulky tables."""
    spans = dict(spans)
    for name in ("run", "hold", "segment"):
        if span := stored_span(connection, metadata.tables[name], day, day):
            spans[name] = span
    homes = metadata.tables["line_home"]
    known = _last_told(connection).get("homes", 0)
    if span := stored_span(connection, homes, known + 1, EVER):
        spans["line_home"], known = span, span.last
    record(connection, signed, RUN, _name(day), {**details, "homes": known}, spans)


def published(connection: sa.Connection, signed: Signed, day: Day) -> None:
    """Record that the files of the run of `day` are written, and the row with their hashes."""
    table = metadata.tables["published"]
    span = stored_span(connection, table, day, day)
    record(connection, signed, FILES, _name(day), {}, {table.name: span} if span else {})


def _bind_what_is_there(
    connection: sa.Connection, signed: Signed, begin: Row, coming: Spans
) -> None:
    """Bind everything that the book held when its trail began; `coming` is what the change has
    added that comes first."""
    said = begin.told()
    lasts = {"intake": said["intake"], "day": said["last_run"]}
    spans: Spans = {}
    for name, key in KEYS.items():
        table = metadata.tables[name]
        if key == "id" and "intake" in table.c:
            known = sa.select(sa.func.max(table.c.id)).where(table.c.intake <= lasts["intake"])
            last = connection.execute(known).scalar_one()
        elif key == "id":
            last = lasts["intake"] if name == "intake" else EVER
        else:
            last = lasts["intake"] if key == "intake" else lasts["day"]
        # What a change adds to old runs (their files' hashes, their archive) no program before the
        # trail knew: there is nothing of it but what comes.
        if last is None or (name in coming and coming[name].first <= last):
            continue
        if span := _span_of_all(connection, table, last):
            spans[name] = span
    homes = spans["line_home"].last if "line_home" in spans else 0
    facts = facts_of_the_past(connection, lasts["intake"])
    details = {"homes": homes, "facts": facts, "anchor": anchor_of(None, {"facts": facts})}
    record(connection, signed, BOUND, "", details, spans)


def _span_of_all(connection: sa.Connection, table: sa.Table, last: int) -> Span | None:
    """The span of all rows of a table up to a key."""
    digest = Digest([column.name for column in table.c])
    keys: list[int] = []
    for frame in _pieces(connection, table, None, last, EVER):
        if frame.height:
            digest.add(frame)
            own = frame[KEYS[table.name]]
            keys += [int(own[0]), int(own[-1])]
    return Span(min(keys), max(keys), digest.rows, digest.sha256()) if keys else None


# -- read


def rows(connection: sa.Connection) -> list[Row]:
    """The whole trail, by number."""
    return [Row(*row) for row in connection.execute(sa.select(audit).order_by(audit.c.id))]


def head(connection: sa.Connection) -> tuple[int, str]:
    """The number and the hash of the last row; 0 and zeros as long as there is none."""
    last = _last(connection)
    return (last.id, last.hash) if last else (0, BEFORE_ALL)


def anchor_of_run(connection: sa.Connection, day: Day) -> dict[str, Any] | None:
    """The anchor of the run of `day`; None where it is older than the trail."""
    query = sa.select(audit).where(audit.c.what == RUN, audit.c.subject == _name(day))
    found = connection.execute(query.order_by(audit.c.id).limit(1)).one_or_none()
    return dict(Row(*found).told()["anchor"]) if found else None


def anchor_before(connection: sa.Connection, day: Day) -> dict[str, Any] | None:
    """The anchor after which that of the run of `day` comes; None for the first."""
    query = sa.select(audit).where(audit.c.what.in_((RUN, BOUND))).order_by(audit.c.id)
    before = None
    for row in (Row(*found) for found in connection.execute(query)):
        if (row.what, row.subject) == (RUN, _name(day)):
            break
        before = row
    return dict(before.told()["anchor"]) if before else None


def next_anchor(connection: sa.Connection, said: Mapping[str, Any]) -> dict[str, Any]:
    """The anchor of the run that is being recorded, after that of the one before."""
    return anchor_of(_last_told(connection).get("anchor"), said)


def _last_told(connection: sa.Connection) -> dict[str, Any]:
    """What the last row of a run says, or the one that binds what was there before all of them."""
    query = sa.select(audit).where(audit.c.what.in_((RUN, BOUND))).order_by(audit.c.id.desc())
    found = connection.execute(query.limit(1)).one_or_none()
    return Row(*found).told() if found else {}


def _last(connection: sa.Connection) -> Row | None:
    found = connection.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(1)).one_or_none()
    return Row(*found) if found else None


def _name(day: Day) -> str:
    return date_of(day).isoformat()


# -- prove


def broken(trail: Sequence[Row]) -> Iterator[str]:
    """Where the chain does not hold: numbers with a gap, another row before, another content."""
    before, expected = BEFORE_ALL, 1
    for row in trail:
        if row.id != expected:
            yield f"audit: row {expected} is missing before row {row.id}"
        if row.previous != before:
            yield f"audit: row {row.id} does not follow the row before it"
        if row.hash != row.proper_hash:
            yield f"audit: row {row.id} is not what was written"
        before, expected = row.hash, row.id + 1


def misplaced(connection: sa.Connection, trail: Sequence[Row]) -> Iterator[str]:
    """Rows that no command writes in their place."""
    if not trail and connection.execute(sa.select(intake.c.id).limit(1)).first():
        yield "audit: the trail is empty, the book is not"
    settings = None
    for place, row in enumerate(trail):
        after = trail[place + 1] if place + 1 < len(trail) else None
        follows = (after.what, after.subject) if after else None
        if row.what == BEGIN and place:
            yield f"audit: row {row.id} begins the trail a second time"
        elif row.what == BEGIN and follows and follows[0] != BOUND:
            yield f"audit: row {row.id} begins the trail, but nothing binds what was there"
        elif row.what == BOUND and (place != 1 or trail[0].what != BEGIN):
            yield f"audit: row {row.id} binds what was there before a trail that does not begin"
        elif row.what == SETTINGS:
            settings = row.id
            if follows != (RUN, row.subject):
                yield f"audit: row {row.id} has settings of a run that does not follow"
        elif row.what == RUN and _told(row).get("settings") != settings:
            yield f"audit: row {row.id} names other settings than those before it"
        if row.what not in (BEGIN, SETTINGS) and not _bound_by(row):
            yield f"audit: row {row.id} ({row.what}) says of nothing what it did"


def unbound(connection: sa.Connection, trail: Sequence[Row]) -> Iterator[str]:
    """Stored rows that are not what the trail says, and those of which it says nothing."""
    if len(trail) == 1 and trail[0].what == BEGIN:
        return  # the next change binds what is there
    for name in KEYS:
        named = [(span, row.id) for row in trail if (span := _bound_by(row).get(name))]
        yield from _of_table(connection, metadata.tables[name], sorted(named))


def _told(row: Row) -> dict[str, Any]:
    try:
        return row.told()
    except ValueError:
        return {}  # `broken` says that this row is not what was written


def _bound_by(row: Row) -> Spans:
    try:
        return row.spans()
    except (ValueError, TypeError, AttributeError):
        return {}


def _of_table(
    connection: sa.Connection, table: sa.Table, named: Sequence[tuple[Span, int]]
) -> Iterator[str]:
    """All rows of a table, in groups that fit into memory, beside the spans that bind them."""
    begun: int | None = None
    for place, (span, row) in enumerate(named):
        if place and span.first <= named[place - 1][0].last:
            yield f"audit: rows {named[place - 1][1]} and {row} both speak of table {table.name}"
            return
    for group in _groups(named):
        low, begun = begun, group[-1][0].last + 1
        last = None if group[-1] is named[-1] else group[-1][0].last
        yield from _of_group(connection, table, group, low, last)
    if not named and stored_rows(connection, table, None, None).height:
        yield f"audit: table {table.name} has rows of which the trail says nothing"


def _groups(named: Sequence[tuple[Span, int]]) -> Iterator[list[tuple[Span, int]]]:
    group: list[tuple[Span, int]] = []
    size = 0
    for each in named:
        if group and size + each[0].rows > ROWS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(each)
        size += each[0].rows
    if group:
        yield group


def _of_group(
    connection: sa.Connection,
    table: sa.Table,
    group: Sequence[tuple[Span, int]],
    low: int | None,
    last: int | None,
) -> Iterator[str]:
    names = [column.name for column in table.c]
    digests = [Digest(names) for _ in group]
    more = 0
    size = sum(span.rows for span, _ in group)
    for frame in _pieces(connection, table, low, last, size):
        keys, done = frame[KEYS[table.name]], 0
        for digest, (span, _) in zip(digests, group, strict=True):
            start = int(keys.search_sorted(span.first, side="left"))
            stop = int(keys.search_sorted(span.last, side="right"))
            digest.add(frame[start:stop])
            done += max(stop - start, 0)
        more += frame.height - done
    if more:
        yield f"audit: table {table.name} has {more} rows of which the trail says nothing"
    for digest, (span, row) in zip(digests, group, strict=True):
        if digest.rows != span.rows:
            yield (
                f"audit: row {row} speaks of {span.rows} rows of table {table.name},"
                f" {digest.rows} are there"
            )
        elif digest.sha256() != span.sha256:
            yield f"audit: table {table.name} has other rows than row {row} says"


def _pieces(
    connection: sa.Connection, table: sa.Table, low: int | None, last: int | None, size: int
) -> Iterator[pl.DataFrame]:
    """The rows of a table between two keys, sorted; of many that are numbered some at a time."""
    if KEYS[table.name] != "id" or size <= ROWS_AT_ONCE:
        yield stored_rows(connection, table, low, last)
        return
    while True:
        frame = stored_rows(connection, table, low, last, ROWS_AT_ONCE)
        yield frame
        if frame.height < ROWS_AT_ONCE:
            return
        low = int(frame["id"][-1]) + 1
