"""Lines in the database, in a folder and in an object store: the same questions, the same answers;
and nothing that is half written ever counts."""

import json
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import object_store, silent_store

from commission_engine.book import facts
from commission_engine.book import lines as book_lines
from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.lines import NARROW, Question, for_run, where_kept
from commission_engine.book.schema import (
    event,
    intake,
    line,
    line_home,
    referral,
    run,
    segment,
)
from commission_engine.plan.read import parse_plan
from commission_engine.problems import CommissionError, TryAgain, UsageError
from commission_engine.segments import order, place
from commission_engine.segments import segment as segments

DAYS = (100, 107, 120)
LEVELS = 3


def night(day: int, first: int, count: int, seed: int = 0) -> pl.DataFrame:
    """A run's lines: events from `first` on, three beneficiaries above each, the hub often."""
    random = np.random.default_rng([seed, day])
    place = np.arange(count)
    frame = pl.DataFrame(
        {
            "event": first + place // LEVELS,
            "level": place % LEVELS + 1,
            "run_day": np.full(count, day),
            "beneficiary": np.where(
                random.integers(0, 4, count) == 0, 1, random.integers(1, 40, count)
            ),
            "gross_minor": random.integers(-(10**17), 10**17, count),
            "commission_minor": random.integers(-(10**17), 10**17, count),
            "reason": random.integers(0, 9, count),
            "terms_day": random.integers(-700_000, 2_900_000, count),
            "available_day": random.integers(-700_000, 2_900_000, count),
        },
        schema=NARROW,
    )
    return frame.sort(np_key(random, count))


def np_key(random: np.random.Generator, count: int) -> pl.Series:
    """Events come in processing order, which is not that of their numbers."""
    return pl.Series(random.permutation(count // LEVELS + 1)[np.arange(count) // LEVELS])


NIGHTS = {100: night(100, 1, 600), 107: night(107, 201, 90), 120: night(120, 231, 7)}
ALL = pl.concat(NIGHTS.values()).sort("event", "level")


@pytest.fixture(params=["database", "folder", "file-url", "objects"])
def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """What `lines.store` may say, in turn."""
    match request.param:
        case "database":
            yield "database"
        case "folder":
            yield str(tmp_path / "a [folder]* of lines")
        case "file-url":
            yield (tmp_path / "lines here").as_uri()
        case "objects":
            with object_store(monkeypatch) as url:
                yield url


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of about a hundred lines, in groups of eight, sorted by way of the disk."""
    monkeypatch.setattr(segments, "ROWS", 100)
    monkeypatch.setattr(segments, "ROWS_IN_GROUP", 8)
    monkeypatch.setattr(segments, "ROWS_BY_EVENT", 64)
    monkeypatch.setattr(order, "ROWS_IN_MEMORY", 150)
    monkeypatch.setattr(book_lines, "LINES_AT_ONCE", 50)


def keep(engine: sa.Engine, home: str, *days: int, parts: int = 70) -> None:
    """What runs do; each part of a run's lines in a frame of its own."""
    for day in days or DAYS:
        with writing(engine) as connection:
            for_run(connection, home).add(connection, day, NIGHTS[day].iter_slices(parts))
            complete(connection, day)


def complete(connection: sa.Connection, day: int) -> None:
    known = int(NIGHTS[day]["event"].max())  # type: ignore[arg-type]
    text = dict.fromkeys(
        ("plan_hash", "engine_version", "outputs", "started_at", "completed_at"), "{}"
    )
    text["figures"] = json.dumps({"counts": {"lines": NIGHTS[day].height}})
    numbers = {"intake": 1, "event": known, "waiting_from": -1, "plan_version": 1, "settles": 0}
    connection.execute(sa.insert(run).values(day=day, follows=day - 1, **numbers, **text))


@contextmanager
def asked(
    engine: sa.Engine, wanted: str | None = None
) -> Iterator[Callable[[Question], pl.DataFrame]]:
    with reading(engine) as connection:
        store = where_kept(connection, wanted)
        yield lambda question: store.of(connection, question)


def numbers(*values: int) -> pl.Series:
    return pl.Series(values, dtype=pl.Int64)


QUESTIONS = {
    "everything": (Question(), pl.lit(True)),
    "one affiliate": (Question(numbers(5)), pl.col("beneficiary") == 5),
    "the hub": (Question(numbers(1)), pl.col("beneficiary") == 1),
    "nobody": (Question(numbers()), pl.lit(False)),
    "a stranger": (Question(numbers(4711)), pl.lit(False)),
    "many affiliates": (
        Question(numbers(*range(3, 39, 2))), pl.col("beneficiary").is_in(list(range(3, 39, 2))),
    ),
    "one event": (Question(events=numbers(17)), pl.col("event") == 17),
    "events": (Question(events=numbers(3, 210, 232)), pl.col("event").is_in([3, 210, 232])),
    "an event that is not there": (Question(events=numbers(9000)), pl.lit(False)),
    "an affiliate's of events": (
        Question(numbers(1, 2), numbers(1, 2, 3, 4, 5)),
        pl.col("beneficiary").is_in([1, 2]) & (pl.col("event") <= 5),
    ),
    "from a day on": (Question(first_day=107), pl.col("run_day") >= 107),
    "up to a day": (Question(last_day=107), pl.col("run_day") <= 107),
    "one run": (Question(first_day=107, last_day=107), pl.col("run_day") == 107),
    "a level and a reason": (
        Question(level=2, reason=4), (pl.col("level") == 2) & (pl.col("reason") == 4),
    ),
    "an affiliate's of a year": (
        Question(numbers(1), first_day=100, last_day=119, level=1),
        (pl.col("beneficiary") == 1) & (pl.col("run_day") < 120) & (pl.col("level") == 1),
    ),
}  # fmt: skip


@pytest.mark.usefixtures("small")
def test_every_home_answers_alike(database_url: str, home: str) -> None:
    engine = connect(database_url)
    with writing(engine) as connection:
        lineage(connection)
    keep(engine, home)
    with asked(engine) as ask:
        for name, (question, condition) in QUESTIONS.items():
            assert ask(question).equals(ALL.filter(condition)), name
    with reading(engine) as connection:
        store = where_kept(connection)
        for day in DAYS:
            parts = list(store.of_run(connection, day))
            assert pl.concat(parts).equals(NIGHTS[day].sort("event", "level"))
            told_apart = [set(part["event"]) for part in parts]
            assert sum(map(len, told_apart)) == len(set().union(*told_apart))
        assert len(list(store.of_run(connection, 100))) > 1
        assert list(store.of_run(connection, 99)) == []
        assert (store.faults(connection), store.strays(connection)) == ([], [])


PLAN = 'name = "p"\ntimezone = "UTC"\n[[terms]]\nfrom = 1970-01-01\n' + "".join(
    f'[[terms.level]]\nlevel = {level}\nrate = "10%"\n' for level in range(1, LEVELS + 1)
)


def lineage(connection: sa.Connection) -> None:
    """Events of earner 100, who has been below everybody of the tests, and a plan of LEVELS."""
    facts.add_plan(connection, parse_plan(PLAN, "plan.toml").plan, learned(connection))
    everybody = ALL["beneficiary"].unique().to_list()
    for number in ALL["event"].unique():
        connection.execute(
            sa.insert(event).values(
                id=number, event_id=str(number), affiliate=100, occurred_us=0, amount_minor=1,
                currency=1, root=number, intake=1,
            )
        )  # fmt: skip
    for since, referrer in enumerate(everybody):
        connection.execute(
            sa.insert(referral).values(affiliate=100, since_us=since, referrer=referrer, intake=1)
        )


def learned(connection: sa.Connection) -> int:
    """The number of an intake."""
    text = dict.fromkeys(("kind", "learned_at", "who", "files"), "")
    counts = dict.fromkeys(("accepted", "duplicate", "rejected"), 0)
    connection.execute(sa.insert(intake).values(id=1, **text, **counts))
    return 1


@pytest.mark.usefixtures("small")
def test_segments_are_sorted_bounded_and_listed_as_they_are(
    sqlite_url: str, tmp_path: Path
) -> None:
    engine = connect(sqlite_url)
    keep(engine, str(tmp_path / "kept"))
    files = {path.name: path for path in (tmp_path / "kept").glob("*.parquet")}
    with reading(engine) as connection:
        listed = list(connection.execute(sa.select(segment)).mappings())
    assert sorted(files) == sorted(f"{row['name']}.parquet" for row in listed)
    assert len(listed) > 6
    highest: dict[int, int] = {}
    for row in listed:
        frame = pl.read_parquet(files[f"{row['name']}.parquet"])
        assert frame.schema == pl.Schema(segments.LINES)
        assert frame.equals(frame.sort("beneficiary", "event", "level"))
        assert frame.height == row["rows"] <= 250
        assert frame["beneficiary"][0] == row["lowest_beneficiary"]
        assert frame["beneficiary"][-1] == row["highest_beneficiary"]
        assert frame["event"].min() == row["lowest_event"]
        assert frame["event"].max() == row["highest_event"]
        # But for one with more lines than a segment has, nobody is in two segments of a run.
        before = highest.get(row["run_day"], 0)
        assert before < row["lowest_beneficiary"] or before == row["lowest_beneficiary"] == 1
        highest[row["run_day"]] = row["highest_beneficiary"]


def test_the_same_lines_are_the_same_segments(sqlite_url: str, tmp_path: Path) -> None:
    """However they arrive."""
    engine = connect(sqlite_url)
    names = []
    for parts, folder in ((7, "a"), (1000, "b")):
        with writing(engine) as connection:
            for_run(connection, str(tmp_path / folder)).add(
                connection, 100, NIGHTS[100].iter_slices(parts)
            )
            connection.rollback()
        names.append({path.name for path in (tmp_path / folder).glob("*.parquet")})
    assert names[0] == names[1] != set()


@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.sampled_from([0, 1, 2**40, -(2**62), 2**62])),
        max_size=60,
    ),
    st.integers(1, 20),
    st.integers(1, 20),
)
@settings(deadline=None)
def test_more_rows_than_memory_are_sorted_by_way_of_the_disk(
    rows: list[tuple[int, int]], memory: int, size: int
) -> None:
    schema = {"a": pl.Int16, "b": pl.Int64, "n": pl.Int64}
    frame = pl.DataFrame([(a, b, n) for n, (a, b) in enumerate(rows)], schema=schema, orient="row")
    parts = list(order.in_order(frame.iter_slices(3), ("a", "b"), size, memory))
    joined = pl.concat([frame.clear(), *parts])
    assert joined.equals(frame.sort("a", "b", maintain_order=True))
    for key, count in frame.group_by("a").len().iter_rows():
        assert count > size or sum(key in part["a"] for part in parts) == 1


# -- one home a book


def test_a_book_without_lines_has_no_home_yet(database_url: str, tmp_path: Path) -> None:
    engine = connect(database_url)
    for wanted in ("database", str(tmp_path / "kept"), "database"):
        with writing(engine) as connection:
            for_run(connection, wanted).add(connection, 100, NIGHTS[100].clear())
            assert connection.execute(sa.select(line_home)).all() == []
    assert not (tmp_path / "kept").exists()


def test_the_first_line_chooses_the_home(database_url: str, home: str, tmp_path: Path) -> None:
    engine = connect(database_url)
    keep(engine, home, 100, 107)
    kept = home if home.startswith(("s3:", "database")) else str(place.place_of(home))
    other = "database" if home != "database" else str(tmp_path / "other")
    with reading(engine) as connection:
        assert connection.execute(sa.select(line_home.c.place)).scalars().all() == [kept]
    with pytest.raises(UsageError) as refused, writing(engine) as connection:
        for_run(connection, other)
    named = "the database" if home == "database" else kept
    assert refused.value.message == (
        f"this book keeps its lines in {named}, the settings say lines.store = {other!r}"
    )
    with asked(engine, other if home == "database" else None) as ask:  # looking is always right
        assert ask(Question()).equals(ALL.filter(pl.col("run_day") < 120))


def test_a_book_of_an_older_program_keeps_its_lines_in_the_database(
    database_url: str, tmp_path: Path
) -> None:
    """As the migration of such a book says."""
    engine = connect(database_url)
    with writing(engine) as connection:
        connection.execute(sa.insert(line), NIGHTS[120].to_dicts())
        connection.exec_driver_sql(
            "INSERT INTO line_home SELECT 1, 'database' WHERE EXISTS (SELECT 1 FROM line)"
        )
    with (
        pytest.raises(UsageError, match="keeps its lines in the database"),
        writing(engine) as connection,
    ):
        for_run(connection, str(tmp_path))


def test_a_folder_may_move(database_url: str, tmp_path: Path) -> None:
    engine = connect(database_url)
    old, new = tmp_path / "old", tmp_path / "new"
    keep(engine, str(old), 100)
    old.rename(new)
    with asked(engine, str(new)) as ask:
        assert ask(Question()).height == 600
    keep(engine, str(new), 107)
    with asked(engine) as ask:  # the book knows by now
        assert ask(Question()).height == 690
    with reading(engine) as connection:
        places = connection.execute(sa.select(line_home.c.place).order_by(line_home.c.id))
        assert places.scalars().all() == [str(old), str(new)]


def test_a_folder_that_is_not_the_same_is_refused(database_url: str, tmp_path: Path) -> None:
    engine = connect(database_url)
    keep(engine, str(tmp_path / "kept"), 100)
    with pytest.raises(UsageError) as refused:
        keep(engine, str(tmp_path / "other"), 107)
    (name,) = (path.name for path in (tmp_path / "kept").glob("*.parquet"))
    assert refused.value.message == (
        f"this book keeps its lines in {tmp_path / 'kept'}, and {tmp_path / 'other'} is not the"
        f" same: {tmp_path / 'other' / name}: this segment of the book's lines is not there"
    )
    keep(engine, str(tmp_path / "kept"), 107)


@pytest.mark.parametrize("text", ["memory://", "https://host/x", "s3://", "file://host/x"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UsageError, match="is no place for lines"):
        place.place_of(text)


# -- what can go wrong


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed(engine: sa.Engine, home: str) -> None:
    """A run that ends after its lines are written and before anything is committed."""
    with writing(engine) as connection:
        for_run(connection, home).add(connection, 107, NIGHTS[107])
        raise KeyboardInterrupt


@pytest.mark.parametrize("home", ["folder", "objects"], indirect=True)
@pytest.mark.usefixtures("small")
def test_what_a_run_that_died_has_left_is_removed(sqlite_url: str, home: str) -> None:
    engine = connect(sqlite_url)
    keep(engine, home, 100)
    at = place.place_of(home)
    before = {name for name in at.sizes() if name.endswith(".parquet")}
    with pytest.raises(KeyboardInterrupt):
        killed(engine, home)
    left = {name for name in at.sizes() if name.endswith(".parquet")} - before
    assert left
    with reading(engine) as connection:
        store = where_kept(connection)
        assert store.strays(connection) == [
            f"{at}/{name}: a segment that the book does not list" for name in sorted(left)
        ]
        assert store.of(connection, Question()).height == 600
    other = night(107, 201, 30, seed=5)
    with writing(engine) as connection:
        for_run(connection, home).add(connection, 107, other)
        complete(connection, 107)
    with reading(engine) as connection:
        store = where_kept(connection)
        assert store.strays(connection) == []
        assert pl.concat(store.of_run(connection, 107)).equals(other.sort("event", "level"))


def test_what_is_anothers_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    """Also a segment of another book, should two of them share a folder."""
    engine, folder = connect(sqlite_url), tmp_path / "kept"
    folder.mkdir()
    (folder / ("a" * 64 + ".parquet")).write_bytes(b"somebody's")
    (folder / "notes.txt").write_bytes(b"somebody's")
    keep(engine, str(folder), 100)
    keep(engine, str(folder), 107)
    assert (folder / ("a" * 64 + ".parquet")).read_bytes() == b"somebody's"
    assert (folder / "notes.txt").read_bytes() == b"somebody's"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "this segment of the book's lines is not there"),
    "cut short": (cut, "bytes, the book says"),
    "empty": (emptied, "has 0 bytes, the book says"),
    "altered": (altered, "its hash is not its name"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_segment_is_named(sqlite_url: str, tmp_path: Path, what: str) -> None:
    engine = connect(sqlite_url)
    keep(engine, str(tmp_path), 100)
    (path,) = tmp_path.glob("*.parquet")
    damage, said = DAMAGE[what]
    damage(path)
    with reading(engine) as connection:
        store = where_kept(connection)
        questions = [Question(), Question(numbers(*range(30)))]
        if what != "altered":  # a look at one affiliate does not read the whole file
            questions.append(Question(numbers(5)))
        for question in questions:
            with pytest.raises(CommissionError) as refused:
                store.of(connection, question)
            assert refused.value.message.startswith(f"{path}: ")
            assert said in refused.value.message
            assert "backup" in refused.value.hint
        with pytest.raises(CommissionError, match=path.name):
            list(store.of_run(connection, 100))


def test_a_segment_that_was_left_damaged_is_not_taken(sqlite_url: str, tmp_path: Path) -> None:
    """A file of the right name with other bytes: not listed, and not written over."""
    engine = connect(sqlite_url)
    with writing(engine) as connection:
        for_run(connection, str(tmp_path)).add(connection, 100, NIGHTS[100])
        connection.rollback()
    (path,) = tmp_path.glob("*.parquet")
    altered(path)
    (note,) = tmp_path.glob("*.json")
    note.unlink()
    with pytest.raises(CommissionError, match="its hash is not its name"):
        keep(engine, str(tmp_path), 100)
    with reading(engine) as connection:
        assert connection.execute(sa.select(segment)).all() == []


def test_a_listing_that_was_changed_is_found(sqlite_url: str, tmp_path: Path) -> None:
    engine = connect(sqlite_url)
    keep(engine, str(tmp_path), 100)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER segment_refuses_update")
        connection.exec_driver_sql("UPDATE segment SET rows = 601, gross_minor = 5")
    with reading(engine) as connection, pytest.raises(CommissionError) as refused:
        list(where_kept(connection).of_run(connection, 100))
    assert "its rows is 600, the book says 601; its gross_minor is" in refused.value.message


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a full disk, writing fails in the middle of a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_nothing_and_the_next_run_is_clean(
    postgresql_url: str, tmp_path: Path
) -> None:
    engine = connect(postgresql_url)
    with pytest.raises(CommissionError) as refused, no_file_larger_than(4000):
        keep(engine, str(tmp_path / "kept"), 100)
    assert "cannot be written: File too large" in refused.value.message
    assert refused.value.message.startswith(str(tmp_path / "kept"))
    assert [name for name in names_in(tmp_path / "kept") if name.endswith(".parquet")] == []
    with reading(engine) as connection:
        assert connection.execute(sa.select(segment)).all() == []
        assert connection.execute(sa.select(line_home)).all() == []
    keep(engine, str(tmp_path / "kept"), 100)
    with asked(engine) as ask:
        assert ask(Question()).height == 600
    assert not [name for name in names_in(tmp_path / "kept") if name.endswith(".draft")]


@pytest.mark.usefixtures("small")
def test_a_full_temporary_folder_is_said(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(CommissionError) as refused, no_file_larger_than(1000):
        keep(connect(postgresql_url), str(tmp_path / "kept"), 100)
    assert refused.value.message.startswith(str(tmp_path / "commission-lines-"))
    assert "TMPDIR" in refused.value.hint
    assert names_in(tmp_path) == []


def test_a_folder_without_rights(sqlite_url: str, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(CommissionError, match="cannot be"):
        keep(connect(sqlite_url), str(blocked / "kept"), 100)


def test_an_object_store_that_does_not_answer(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("CONNECT_SECONDS", 1), ("ANSWER_SECONDS", 1), ("GIVE_UP_SECONDS", 2)):
        monkeypatch.setattr(place, name, seconds)
    monkeypatch.setattr(place, "RETRIES", 1)
    engine = connect(sqlite_url)
    with object_store(monkeypatch) as url:
        keep(engine, url, 100)
    with silent_store(monkeypatch):
        with pytest.raises(TryAgain, match=f"{url}.*the object store does not answer"):
            keep(engine, url, 107)
        for question in (Question(), Question(numbers(5))):
            with asked(engine) as ask, pytest.raises(TryAgain, match="does not answer"):
                ask(question)
    with reading(engine) as connection:
        days = connection.execute(sa.select(segment.c.run_day).distinct()).scalars().all()
    assert days == [100]


def test_an_object_store_without_the_bucket(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with object_store(monkeypatch), pytest.raises(CommissionError, match="s3://nowhere/acme"):
        keep(connect(sqlite_url), "s3://nowhere/acme", 100)
