"""Where a book's lines are kept, and how they are asked for: in the database or in segments.

A book has one home for its lines, chosen with its first one and kept in the table `line_home`.
Lines come and go narrow: numbers only, as the table `line` has them; `views` says them in words.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk, facts
from commission_engine.book.schema import event, line, line_home, referral, run, segment
from commission_engine.book.two_homes import TwoHomes, archive_place, archived_rows
from commission_engine.calendar import Day, date_of
from commission_engine.decide.groups import stable_order
from commission_engine.decide.kernel import Events, Lines
from commission_engine.problems import CommissionError, TryAgain, UsageError
from commission_engine.segments import segment as segments
from commission_engine.segments.order import in_order
from commission_engine.segments.place import Place, place_of
from commission_engine.segments.segment import FEW, LINES, Segment

DATABASE = "database"
"""The home of lines in the book's own database; any other is a place for segments."""

NARROW: dict[str, Any] = dict.fromkeys(
    (
        "event", "level", "run_day", "beneficiary", "gross_minor", "commission_minor", "reason",
        "terms_day", "available_day",
    ),
    pl.Int64,
)  # fmt: skip
"""A line in the book's numbers; `reason` is a place in REASONS, days count from 1970-01-01."""

LINES_AT_ONCE = 1_000_000

FEW_RUNS = 4_000
"""Up to so many runs (ten years of nights) an affiliate's lines are looked up in each."""

NAMED = 50
"""Up to so many beneficiaries are named in the query: each is then found by the key of lines. So
are as many events."""

LOOKED_UP = 10_000
"""Up to so many events are found by way of those whom they can have paid."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which lines are asked for: those that meet all that is said; None asks for no limit.

    `beneficiaries` and `events` are the book's numbers, Int64; the days are those of runs, both
    included; `reason` is a place in REASONS.
    """

    beneficiaries: pl.Series | None = None
    events: pl.Series | None = None
    first_day: Day | None = None
    last_day: Day | None = None
    level: int | None = None
    reason: int | None = None


class LineStore(Protocol):
    """The lines of a book. Frames have the columns of NARROW, all Int64."""

    def add(
        self, connection: sa.Connection, day: Day, lines: pl.DataFrame | Iterable[pl.DataFrame]
    ) -> None:
        """Keep a run's lines; they count when the transaction of `connection` is committed.

        Any integer types will do, and `run_day` may be left out.
        """

    def of_run(
        self, connection: sa.Connection, day: Day, in_memory: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """A run's lines by event and level, part by part; those of one event in one part.
        `in_memory` as for `in_order`."""

    def of(self, connection: sa.Connection, question: Question) -> pl.DataFrame:
        """The lines that meet the question, by event and level."""

    def faults(self, connection: sa.Connection) -> list[str]:
        """What is wrong around the lines of the completed runs."""

    def strays(self, connection: sa.Connection) -> list[str]:
        """What lies where the lines are and is none of them."""


def for_run(connection: sa.Connection, wanted: str) -> LineStore:
    """The lines of a book whose lock this process holds, to add to them in this transaction.

    `wanted` is "database" or a place as settings name it. What a run that died has left in the
    place is removed. A place other than the book's own is taken for the same one moved, if every
    segment proves to be there; else, and for another kind of home, UsageError.
    """
    store = _of_settings(connection, wanted)
    if isinstance(store, InSegments):
        listed = {each.name for each in listed_segments(connection)}
        segments.sweep(store.place, owner(connection), listed)
    return store


def for_dry_run(connection: sa.Connection, wanted: str) -> LineStore:
    """As `for_run`, for a run that is undone: outside the database nothing is written."""
    store = _of_settings(connection, wanted)
    if not isinstance(store, InSegments):
        return store
    store.place.size("any")  # it has to be within reach all the same
    return Undone(store.place)


def _of_settings(connection: sa.Connection, wanted: str) -> "InDatabase | InSegments":
    kept = where_lines_are(connection)
    if wanted == DATABASE:
        if kept not in (None, DATABASE):
            raise UsageError(
                f"this book keeps its lines in {kept}, the settings say lines.store = {wanted!r}",
                "A book has one home for its lines. Set lines.store to where they are.",
            )
        return InDatabase(new=kept is None)
    place = place_of(wanted)
    if kept == DATABASE:
        raise UsageError(
            f"this book keeps its lines in the database, the settings say lines.store = {wanted!r}",
            'A book has one home for its lines. Set lines.store = "database".',
        )
    if kept is not None and str(place) != kept:
        prove_moved(place, kept, listed_segments(connection))
        _keep(connection, str(place))
    return InSegments(place, new=kept is None)


def where_kept(connection: sa.Connection, wanted: str | None = None) -> LineStore:
    """The lines of a book, to look at. `wanted` is where a folder that has moved is now."""
    kept = where_lines_are(connection)
    archive = archive_place(connection) if kept == DATABASE else None
    if kept is None or (kept == DATABASE and archive is None):
        return InDatabase()
    place = place_of(wanted if wanted not in (None, DATABASE) else str(archive or kept))
    if archive is None:
        return InSegments(place)
    return TwoHomes(InSegments(place), InDatabase(), archived_rows(connection))


def outside(connection: sa.Connection, wanted: str | None = None) -> list[tuple[Place, Segment]]:
    """The segments of a book and where each is, whatever the revision of its tables. `wanted` as
    for `where_kept`."""
    there = sa.inspect(connection)
    listed = listed_segments(connection) if there.has_table(segment.name) else []
    if not listed:
        return []
    kept = where_lines_are(connection)
    home = archive_place(connection) if kept == DATABASE else kept
    place = place_of(wanted if wanted not in (None, DATABASE) else str(home))
    return [(place, each) for each in listed]


@dataclass(frozen=True, slots=True)
class InDatabase:
    """Lines in the table `line`; `new` says that the book has none yet."""

    new: bool = False

    def add(
        self, connection: sa.Connection, day: Day, lines: pl.DataFrame | Iterable[pl.DataFrame]
    ) -> None:
        new = self.new
        for frame in _frames(lines, day):
            if new and frame.height:
                _keep(connection, DATABASE)
                new = False
            bulk.insert(connection, line, frame.to_dict())

    def of_run(
        self, connection: sa.Connection, day: Day, in_memory: int | None = None
    ) -> Iterator[pl.DataFrame]:
        query = sa.select(*_columns()).where(line.c.run_day == day)
        # In whatever parts they come: those of some beneficiaries may be nearly all.
        parts = bulk.frames(connection, query, {name: LINES[name] for name in NARROW})
        at_once = min(in_memory or LINES_AT_ONCE, LINES_AT_ONCE)
        for frame in in_order(parts, ("event", "level"), at_once, in_memory):
            yield _narrow(frame)

    def by_beneficiary(self, connection: sa.Connection, day: Day) -> Iterator[pl.DataFrame]:
        """A run's lines by beneficiary, some beneficiaries at a time."""
        of_day = sa.select(sa.func.min(line.c.beneficiary), sa.func.max(line.c.beneficiary))
        low, high = connection.execute(of_day.where(line.c.run_day == day)).one()
        if low is None:
            return
        figures = connection.execute(sa.select(run.c.figures).where(run.c.day == day)).scalar()
        lines = json.loads(figures or "{}").get("counts", {}).get("lines", 0)
        step = max((high - low + 1) // (lines // LINES_AT_ONCE + 1), 1)
        for start in range(low, high + 1, step):
            query = sa.select(*_columns()).where(
                line.c.run_day == day, line.c.beneficiary.between(start, start + step - 1)
            )
            yield bulk.frame(connection, query, {name: LINES[name] for name in NARROW})

    def of(self, connection: sa.Connection, question: Question) -> pl.DataFrame:
        whose, events = question.beneficiaries, question.events
        if whose is None and events is not None and len(events) <= LOOKED_UP:
            whose = _possible(connection, events, facts.highest_level(connection))
        where = _of_runs(line.c.run_day, question)
        if whose is not None or events is not None:
            # Named one by one they are looked up; between two dates all between is read.
            days = _days_of_runs(connection, question)
            where = [line.c.run_day.in_(days)] if len(days) <= FEW_RUNS else where
        if question.level is not None:
            where.append(line.c.level == question.level)
        if question.reason is not None:
            where.append(line.c.reason == question.reason)
        if events is not None and 0 < len(events) <= NAMED:
            where.append(line.c.event.in_(events.to_list()))
            events = None
        elif events is not None and len(events):
            where.append(line.c.event.between(events.min(), events.max()))
        if whose is not None and len(whose) <= NAMED:
            where.append(line.c.beneficiary.in_(whose.to_list()))
            whose = None
        query = sa.select(*_columns()).where(*where)
        if whose is None:
            found = bulk.frame(connection, query, NARROW)
        else:
            with bulk.listed(connection, whose) as numbers:
                joined = query.join_from(numbers, line, line.c.beneficiary == numbers.c.value)
                found = bulk.frame(connection, joined, NARROW)
        if events is not None:
            found = found.filter(pl.col("event").is_in(events.cast(pl.Int64).implode()))
        return found.sort("event", "level") if found.height > 1 else found

    def faults(self, connection: sa.Connection) -> list[str]:
        listed = connection.execute(sa.select(sa.func.count()).select_from(segment)).scalar_one()
        return [f"table segment: lists {listed}, but the lines are in the database"] * bool(listed)

    def strays(self, connection: sa.Connection) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class InSegments:
    """Lines in Parquet segments, listed in the table `segment`; `new`: the book has none yet."""

    place: Place
    new: bool = False
    _proved: set[str] = field(default_factory=set)

    def add(
        self, connection: sa.Connection, day: Day, lines: pl.DataFrame | Iterable[pl.DataFrame]
    ) -> None:
        kept = segments.keep(self.place, owner(connection), day, _frames(lines, day))
        rows = [asdict(each) for each in kept]
        if not rows:
            return
        if self.new:
            _keep(connection, str(self.place))
        connection.execute(sa.insert(segment), rows)

    def of_run(
        self, connection: sa.Connection, day: Day, in_memory: int | None = None
    ) -> Iterator[pl.DataFrame]:
        listed = listed_segments(connection, segment.c.run_day == day)
        for frame in segments.by_event(self.place, listed, in_memory):
            yield _narrow(frame)

    def of(self, connection: sa.Connection, question: Question) -> pl.DataFrame:
        where = _of_runs(segment.c.run_day, question)
        conditions: list[pl.Expr] = []
        few = False
        whose = question.beneficiaries
        if whose is None and question.events is not None and len(question.events) <= LOOKED_UP:
            levels = connection.execute(sa.select(sa.func.max(segment.c.highest_level)))
            whose = _possible(connection, question.events, levels.scalar_one() or 0)
        for name, asked in (("beneficiary", whose), ("event", question.events)):
            if asked is None:
                continue
            if not len(asked):
                return pl.DataFrame(schema=NARROW)
            few = few or len(asked) <= FEW
            low, high = int(asked.min()), int(asked.max())  # type: ignore[arg-type]
            where += [segment.c[f"lowest_{name}"] <= high, segment.c[f"highest_{name}"] >= low]
            conditions.append(pl.col(name).is_between(low, high))
            if len(asked) > 1:
                conditions.append(pl.col(name).is_in(asked.cast(pl.Int64).implode()))
        if question.level is not None:
            conditions.append(pl.col("level") == question.level)
        if question.reason is not None:
            conditions.append(pl.col("reason") == question.reason)
        listed = listed_segments(connection, *where)
        self._prove(listed, whole=not few)
        condition = pl.all_horizontal(conditions) if conditions else None
        return _narrow(segments.select(self.place, listed, condition)).sort("event", "level")

    def _prove(self, listed: list[Segment], *, whole: bool) -> None:
        """A question for much is worth reading each segment once more, for its hash."""
        fresh = [each for each in listed if each.name not in self._proved]
        if not whole:
            segments.sized(self.place, fresh)
            return
        for each in fresh:
            segments.intact(self.place, each)
            self._proved.add(each.name)

    def faults(self, connection: sa.Connection) -> list[str]:
        """Rows that count nowhere. A run's own segments are proved as they are read."""
        days = set(connection.execute(sa.select(run.c.day)).scalars())
        wrong = [
            f"table segment: rows of {date_of(day)}, which no run has"
            for day in sorted({each.run_day for each in listed_segments(connection)} - days)
        ]
        if connection.execute(sa.select(line.c.event).limit(1)).first():
            wrong.append(f"table line: has rows, but the lines are in {self.place}")
        return wrong

    def strays(self, connection: sa.Connection) -> list[str]:
        found = segments.strays(self.place, {each.name for each in listed_segments(connection)})
        return [f"{self.place}/{name}: a segment that the book does not list" for name in found]


class Undone(InSegments):
    """The segments of a run that is undone: none is written."""

    def add(
        self, connection: sa.Connection, day: Day, lines: pl.DataFrame | Iterable[pl.DataFrame]
    ) -> None:
        for _ in _frames(lines, day):
            pass


def narrow(events: Events, lines: Lines) -> Iterator[pl.DataFrame]:
    """What a decision says, as frames for `LineStore.add`: by beneficiary, because a store takes
    lines fastest as it keeps them."""
    if not len(lines):
        return
    low, high = int(lines.beneficiary.min()), int(lines.beneficiary.max())
    order = stable_order(lines.beneficiary - low, high - low + 1)
    for start in range(0, len(lines), LINES_AT_ONCE):
        part = order[start : start + LINES_AT_ONCE]
        yield pl.DataFrame(
            {
                "event": events.event[lines.row[part]],
                "level": lines.level[part],
                "beneficiary": lines.beneficiary[part],
                "gross_minor": lines.gross[part],
                "commission_minor": lines.commission[part],
                "reason": lines.reason[part],
                "terms_day": lines.terms_day[part],
                "available_day": lines.available_day[part],
            }
        )


def where_lines_are(connection: sa.Connection) -> str | None:
    """The home of a book's lines, but for archived runs; None as long as it has none."""
    latest = sa.select(line_home.c.place).order_by(line_home.c.id.desc()).limit(1)
    place: str | None = connection.execute(latest).scalar_one_or_none()
    return place


def _keep(connection: sa.Connection, place: str) -> None:
    number = bulk.next_number(connection, line_home.c.id)
    connection.execute(sa.insert(line_home).values(id=number, place=place))


def prove_moved(place: Place, kept: str, listed: list[Segment]) -> None:
    """UsageError where these segments are not all at another place than the book knows."""
    for each in listed:
        try:
            segments.whole(place, each)
        except TryAgain:
            raise
        except CommissionError as why:
            raise UsageError(
                f"this book keeps its lines in {kept}, and {place} is not the same: {why.message}",
                f"Set lines.store to {kept}, or to where all of it has been moved to.",
            ) from why


def listed_segments(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Segment]:
    query = sa.select(segment).where(*where).order_by(segment.c.run_day, segment.c.number)
    return [Segment(**row) for row in connection.execute(query).mappings()]


def _possible(connection: sa.Connection, events: pl.Series, levels: int) -> pl.Series:
    """All whom these events can have paid: their earners, and whoever was ever above them, so many
    levels up."""
    with bulk.listed(connection, events) as asked:
        query = sa.select(event.c.affiliate).join_from(asked, event, event.c.id == asked.c.value)
        people = set(connection.execute(query.distinct()).scalars())
    found = set(people)
    for _ in range(levels):
        with bulk.listed(connection, pl.Series(sorted(people), dtype=pl.Int64)) as asked:
            query = sa.select(referral.c.referrer).join_from(
                asked, referral, referral.c.affiliate == asked.c.value
            )
            people = set(connection.execute(query.distinct()).scalars()) - found
        found |= people
        if not people:
            break
    return pl.Series(sorted(found), dtype=pl.Int64)


def owner(connection: sa.Connection) -> str:
    """A short name for this book among those that may share a place: a hash of its address."""
    url = connection.engine.url
    where = str(Path(url.database or "").resolve()) if url.host is None else url.database
    address = f"{url.get_backend_name()}://{url.host}:{url.port}/{where}"
    return sha256(address.encode()).hexdigest()[:16]


def _frames(lines: pl.DataFrame | Iterable[pl.DataFrame], day: Day) -> Iterator[pl.DataFrame]:
    """The lines with their run_day, part by part."""
    for frame in [lines] if isinstance(lines, pl.DataFrame) else lines:
        yield frame.with_columns(run_day=pl.lit(day, pl.Int32)).select(list(NARROW))


def _narrow(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(list(NARROW)).cast(pl.Int64)


def _columns() -> list[sa.Column[Any]]:
    return [line.c[name] for name in NARROW]


def _of_runs(column: sa.Column[Any], question: Question) -> list[sa.ColumnElement[bool]]:
    low, high = question.first_day, question.last_day
    first = [column >= low] if low is not None else []
    return [*first, *([column <= high] if high is not None else [])]


def _days_of_runs(connection: sa.Connection, question: Question) -> list[Day]:
    if question.first_day is not None and question.first_day == question.last_day:
        return [question.first_day]
    query = sa.select(run.c.day).where(*_of_runs(run.c.day, question)).order_by(run.c.day)
    return list(connection.execute(query).scalars())
