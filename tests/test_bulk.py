"""Rows in and out of a book in bulk: what goes in comes out again, on both databases."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from commission_engine.book import bulk, caps, facts
from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.lock import working
from commission_engine.book.order import processing_order
from commission_engine.book.schema import cap_total, event, line
from commission_engine.calendar import Window
from commission_engine.decide.kernel import Advance, Keys, Scope
from commission_engine.imports import Circumstances, import_files
from commission_engine.ingest.rows import Kind

TEXTS = (
    "plain", "", "\\", "\\N", "\\\\N", "\\n", "a\tb", "line\nend", "\r\n", "\ufeffmark", "x\x01",
    "ü €", '"quoted"', "'", "%s", "%(x)s", ":x", ",", " ", "\b\f\v", "ends with \\", "\\.",
    "NULL", "0", "💶",
)  # fmt: skip
LARGE = 2**63 - 1

METADATA = sa.MetaData()
SORTS = sa.Table(
    "sorts",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("text", sa.Text),
    sa.Column("big", sa.BigInteger),
    sa.Column("small", sa.SmallInteger),
)
NUMBERS = sa.Table(
    "numbers",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("small", sa.SmallInteger, primary_key=True),
    sa.Column("middle", sa.Integer, nullable=False),
    sa.Column("big", sa.BigInteger, nullable=False),
)


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    engine = connect(database_url)
    with writing(engine) as transaction:
        METADATA.create_all(transaction)
    with writing(engine) as transaction:
        yield transaction


def sorts(connection: sa.Connection) -> pl.DataFrame:
    schema = {"id": pl.Int64, "text": pl.String, "big": pl.Int64, "small": pl.Int16}
    return bulk.frame(connection, sa.select(SORTS).order_by(SORTS.c.id), schema)


def test_texts_come_back_as_they_went_in(connection: sa.Connection) -> None:
    texts = [*TEXTS, None]
    frame = pl.DataFrame(
        {
            "id": range(len(texts)),
            "text": texts,
            "big": [None, *range(1, len(texts))],
            "small": [-7] * len(texts),
        },
        schema={"id": pl.Int64, "text": pl.String, "big": pl.Int64, "small": pl.Int16},
    )
    bulk.insert(connection, SORTS, frame.to_dict())
    assert sorts(connection).equals(frame)


@pytest.mark.parametrize("text", TEXTS)
def test_a_column_of_texts_alone_comes_back(connection: sa.Connection, text: str) -> None:
    frame = pl.DataFrame({"id": [1, 2, 3], "text": [text, None, text]})
    bulk.insert(connection, SORTS, frame.to_dict())
    query = sa.select(SORTS.c.text).order_by(SORTS.c.id)
    assert bulk.frame(connection, query, {"text": pl.String})["text"].to_list() == [
        text, None, text,
    ]  # fmt: skip


def test_numbers_of_any_size_come_back(connection: sa.Connection) -> None:
    columns: dict[str, Any] = {
        "id": np.array([-LARGE - 1, 0, LARGE]),
        "small": np.array([-(2**15), 0, 2**15 - 1], np.int16),
        "middle": pl.Series([-(2**31), 0, 2**31 - 1], dtype=pl.Int32),
        "big": np.broadcast_to(np.int64(5), 3),
    }
    bulk.insert(connection, NUMBERS, columns)
    schema = pl.Schema({"id": pl.Int64, "small": pl.Int16, "middle": pl.Int32, "big": pl.Int8})
    query = sa.select(NUMBERS).order_by(NUMBERS.c.id)
    assert bulk.frame(connection, query, schema).equals(pl.DataFrame(columns, schema=schema))


@pytest.mark.parametrize("count", [0, 1, bulk.ROWS_AT_ONCE, 2 * bulk.ROWS_AT_ONCE + 1])
def test_every_part_of_many_rows_arrives(connection: sa.Connection, count: int) -> None:
    number = np.arange(count)
    columns = {"id": number, "small": number % 7, "middle": number // 3, "big": -number}
    bulk.insert(connection, NUMBERS, columns)
    text = pl.Series(number).cast(pl.String) + "\\" + "x" * 200
    texts: dict[str, Any] = {"id": number, "text": text}
    bulk.insert(connection, SORTS, texts)
    schema = dict.fromkeys(columns, pl.Int64)
    back = bulk.frame(connection, sa.select(NUMBERS).order_by(NUMBERS.c.id), schema)
    assert back.equals(pl.DataFrame(columns, schema=schema))
    back = sorts(connection)
    assert back["text"].to_list() == text.to_list()
    assert back["big"].null_count() == count


def test_a_number_that_its_column_cannot_hold_is_an_error(connection: sa.Connection) -> None:
    """SQLite's columns hold any; there it is an error to ask for them as less than they are."""
    one, large = np.array([1]), np.array([2**15])
    columns = {"id": one, "small": large, "middle": one, "big": one}
    if connection.dialect.name == "postgresql":
        with pytest.raises(OverflowError, match="small"):
            bulk.insert(connection, NUMBERS, columns)
        return
    bulk.insert(connection, NUMBERS, columns)
    with pytest.raises((OverflowError, TypeError)):
        bulk.frame(connection, sa.select(NUMBERS.c.small), {"small": pl.Int16})


def test_columns_of_unequal_length_are_an_error(connection: sa.Connection) -> None:
    with pytest.raises(ValueError, match="unpack"):
        bulk.insert(connection, SORTS, {"id": np.arange(2), "small": np.arange(1)})


def test_an_error_of_the_driver_is_one_of_sqlalchemy(connection: sa.Connection) -> None:
    twice: dict[str, Any] = {"id": np.array([1, 1]), "text": pl.Series(["a", "b"])}
    with pytest.raises(sa.exc.IntegrityError):
        bulk.insert(connection, SORTS, twice)


def test_a_query_that_fails_half_way_is_an_error(connection: sa.Connection) -> None:
    columns = {"id": np.arange(1, 30_001), "big": np.arange(30_000)[::-1].copy()}
    bulk.insert(connection, SORTS, columns)
    fails = SORTS.c.id / SORTS.c.big  # of the last row; SQLite gives NULL for that
    if connection.dialect.name == "sqlite":
        fails = sa.func.abs(SORTS.c.big - 1 - LARGE)
    failing = sa.select(SORTS.c.id, fails).order_by(SORTS.c.id)
    with pytest.raises(sa.exc.DBAPIError):
        bulk.frame(connection, failing, {"id": pl.Int64, "part": pl.Int64})


def test_conditions_reach_the_database(connection: sa.Connection) -> None:
    texts = pl.Series(TEXTS)
    bulk.insert(connection, SORTS, {"id": np.arange(len(TEXTS)), "text": texts})
    for number, text in enumerate(TEXTS):
        query = sa.select(SORTS.c.id, SORTS.c.text).where(
            SORTS.c.text.in_([text, "nowhere"]), SORTS.c.id < len(TEXTS)
        )
        found = bulk.frame(connection, query, {"id": pl.Int64, "text": pl.String})
        assert found.rows() == [(number, text)]


def test_an_update_changes_what_is_there_and_nothing_else(connection: sa.Connection) -> None:
    number = np.arange(5)
    rest = {"small": number % 2, "middle": number}
    bulk.insert(connection, NUMBERS, {"id": number, **rest, "big": np.zeros(5, np.int64)})
    keys = {"id": np.array([1, 3, 4, 9]), "small": np.array([1, 1, 1, 1])}
    bulk.update(connection, NUMBERS, {**keys, "big": np.array([10, 30, 40, 90])}, "big")
    schema = {"id": pl.Int64, "big": pl.Int64}
    query = sa.select(NUMBERS.c.id, NUMBERS.c.big).order_by(NUMBERS.c.id)
    assert bulk.frame(connection, query, schema).rows() == [
        (0, 0), (1, 10), (2, 0), (3, 30), (4, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("values", [pl.Series([3, 1, None, 3]), pl.Series(["b", "\\", None, "b"])])
def test_a_list_has_every_value_once(connection: sa.Connection, values: pl.Series) -> None:
    with bulk.listed(connection, values) as table:
        query = sa.select(table.c.value, sa.literal(1)).order_by(table.c.value)
        found = bulk.frame(connection, query, {"value": values.dtype, "one": pl.Int64})
    assert set(found["value"]) == set(values.drop_nulls())
    assert found.height == 2


def test_a_reader_sees_one_state_of_the_book(database_url: str) -> None:
    engine = connect(database_url)
    with writing(engine) as transaction:
        METADATA.create_all(transaction)
        bulk.insert(transaction, SORTS, {"id": np.arange(3)})
    with reading(engine) as reader:
        assert sorts(reader).height == 3
        with writing(engine) as transaction:
            bulk.insert(transaction, SORTS, {"id": np.arange(3, 9)})
        assert sorts(reader).height == 3
    with reading(engine) as reader:
        assert sorts(reader).height == 9


UNIQUE = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = 'event'::regclass AND contype = 'u'"
)
EVENT: dict[str, Any] = {
    **{name: np.array([1, 2]) for name in ("id", "root")},
    **{name: np.array([1, 1]) for name in ("affiliate", "occurred_us", "currency", "intake")},
    "amount_minor": np.array([5, 5]),
}


def test_uniqueness_proved_last_is_the_same_rule(connection: sa.Connection) -> None:
    def rules() -> list[Any]:
        if connection.dialect.name == "sqlite":
            return []
        return list(connection.exec_driver_sql(UNIQUE).all())

    before = rules()
    with bulk.uniqueness_last(connection, event):
        assert rules() == []
        bulk.insert(connection, event, {**EVENT, "event_id": pl.Series(["a", "b"])})
    assert rules() == before
    with pytest.raises(sa.exc.IntegrityError):
        bulk.insert(
            connection, event, {**EVENT, "id": np.array([3, 4]), "event_id": pl.Series(["c", "b"])}
        )


def test_what_is_twice_does_not_pass_uniqueness_proved_last(connection: sa.Connection) -> None:
    twice = {**EVENT, "event_id": pl.Series(["a", "a"])}
    with pytest.raises(sa.exc.IntegrityError), bulk.uniqueness_last(connection, event):
        bulk.insert(connection, event, twice)


def test_a_role_that_does_not_own_the_table_adds_rows_as_well(postgresql_url: str) -> None:
    engine, role = connect(postgresql_url), f"guest_{uuid.uuid4().hex}"
    with writing(engine) as transaction:
        transaction.exec_driver_sql(f"CREATE ROLE {role}")
        transaction.exec_driver_sql(f"GRANT SELECT, INSERT ON event TO {role}")
        transaction.exec_driver_sql(f"SET LOCAL ROLE {role}")
        with bulk.uniqueness_last(transaction, event):
            assert len(transaction.exec_driver_sql(UNIQUE).all()) == 1
            bulk.insert(transaction, event, {**EVENT, "event_id": pl.Series(["a", "b"])})
        transaction.exec_driver_sql("RESET ROLE")
        transaction.exec_driver_sql(f"DROP OWNED BY {role}")
        transaction.exec_driver_sql(f"DROP ROLE {role}")
    with reading(engine) as reader:
        assert reader.execute(sa.select(sa.func.count()).select_from(event)).scalar_one() == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.text("abé\U0001f4b6", max_size=3)),
        unique_by=lambda each: each[2],
        max_size=40,
    ),
    st.booleans(),
)
def test_processing_order_is_time_then_orders_then_bytes(
    events: list[tuple[int, bool, str]], ordered: bool
) -> None:
    def key(each: tuple[int, bool, str]) -> tuple[int, bool, bytes]:
        return each[0], each[1], each[2].encode()

    if ordered:
        events = sorted(events, key=key)
    place = processing_order(
        np.array([at for at, _, _ in events], np.int64),
        np.array([back for _, back, _ in events], np.bool_),
        pl.Series([name for _, _, name in events], dtype=pl.String),
    )
    if ordered:
        assert place is None
    found = events if place is None else [events[each] for each in place]
    assert found == sorted(events, key=key)


def kept(connection: sa.Connection) -> dict[tuple[int, ...], int]:
    rows = connection.execute(sa.select(cap_total)).all()
    return {tuple(row[:-1]): row[-1] for row in rows}


def advance(scope: Scope, start: int, totals: dict[int, int]) -> Advance:
    who = np.array(list(totals), np.int32)
    keys = Keys(who, np.ones(len(who), np.int16), np.full(len(who), start))  # type: ignore[arg-type]
    return Advance(scope, keys, np.array(list(totals.values()), np.int64))


@pytest.mark.parametrize(("few", "sparse"), [(1000, 20_000), (1000, 0), (0, 0)])
def test_caps_advance_by_new_rows_and_changed_ones(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch, few: int, sparse: int
) -> None:
    """However their totals are looked up."""
    monkeypatch.setattr(caps, "_FEW", few)
    monkeypatch.setattr(caps, "_SPARSE", sparse)
    month, other = Scope(20_000, 1, Window.MONTH), Scope(20_000, 2, Window.MONTH)
    used = caps.UsedInBook(connection)
    keys = advance(month, 7, {5: 0, 6: 0, 8: 0}).keys
    assert used.totals(month, keys).tolist() == [0, 0, 0]
    caps.advance_caps(connection, [advance(month, 7, {5: 50, 6: 0}), advance(other, 7, {5: 1})])
    assert used.totals(month, keys).tolist() == [50, 0, 0]
    caps.advance_caps(connection, [advance(month, 7, {8: 80, 5: 51, 6: 0})])
    assert used.totals(month, keys).tolist() == [51, 0, 80]
    assert used.totals(month, advance(month, 8, {5: 0}).keys).tolist() == [0]
    place = caps.WINDOWS.index(Window.MONTH)
    assert kept(connection) == {
        (20_000, 1, place, 7, 5, 1): 51,
        (20_000, 1, place, 7, 6, 1): 0,
        (20_000, 1, place, 7, 8, 1): 80,
        (20_000, 2, place, 7, 5, 1): 1,
    }


def test_a_first_import_of_many_rows_is_as_one_of_few(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MANY", 3)
    header = "event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
    first = tmp_path / "earnings.csv"
    first.write_text(
        header
        + "b,ann,2026-01-01T00:00:00Z,5.00,EUR,\n"
        + "c,ann,2026-01-02T00:00:00Z,-1.00,EUR,b\n"
        + "a,bob,2026-01-01T00:00:00Z,7,JPY,\n"
    )
    more = tmp_path / "more.csv"
    more.write_text(first.read_text() + "d,bob,2026-01-03T00:00:00Z,-2,JPY,a\n")
    given = Circumstances("the tests", "2026-01-01T00:00:00Z")
    with working(connect(database_url), "the tests", given.now) as worker:
        counts = [
            (done.accepted, done.duplicate, done.rejected)
            for done in (import_files(worker, Kind.EARNINGS, [p], given) for p in (first, more))
        ]
    assert counts == [(3, 0, 0), (1, 3, 0)]
    with reading(connect(database_url)) as reader:
        rows = reader.execute(sa.select(event.c.id, event.c.event_id, event.c.root)).all()
    assert sorted(map(tuple, rows)) == [(1, "a", 1), (2, "b", 2), (3, "c", 2), (4, "d", 1)]


def test_few_numbers_are_looked_up_one_by_one(sqlite_url: str) -> None:
    """Whatever SQLite thinks of their number: by the whole key of the lines, not run by run."""
    with reading(connect(sqlite_url)) as connection:
        with bulk.listed(connection, pl.Series([3, 1, 2])) as asked:
            query = sa.select(line.c.event).join_from(
                asked, line, line.c.beneficiary == asked.c.value
            )
            said = query.where(line.c.run_day.in_([20484])).compile(
                connection, compile_kwargs={"literal_binds": True}
            )
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}").all()
    assert any("(run_day=? AND beneficiary=?)" in step[-1] for step in plan), plan
