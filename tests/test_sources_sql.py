"""A query on the platform's own database: the same facts as files, each once, nothing ahead."""

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import Fresh
from program import EARNINGS, PLAN, REFERRALS, Program
from test_sources import configure, events, on_sqlite

from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.lock import working
from commission_engine.book.schema import event, metadata
from commission_engine.book.schema_people import source_fetch
from commission_engine.book.sources import Known
from commission_engine.imports import Circumstances
from commission_engine.ingest.columns import Kind
from commission_engine.problems import CommissionError, UsageError
from commission_engine.sources.fetch import fetch
from commission_engine.sources.sql import Growing, Query

NOTHING = Known(0, "", None, frozenset(), 0)
SELECT = (
    "SELECT id, event_id, affiliate_id, occurred_at, amount, currency, reverses FROM sale"
    " WHERE id > :since ORDER BY id"
)
ROWS = [line.split(",") for line in EARNINGS.splitlines()[1:]]


def source(url: str, query: str = SELECT, more: str = 'watermark = "id"\nstart = 0\n') -> str:
    return (
        f'[[source]]\nname = "shop"\nkind = "sql"\nurl = "{url}"\nfile = "earnings"\n'
        f'query = "{query}"\n{more}'
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def shop_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The platform's database, with its sales and their own types."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        make_shop(url, "INTEGER", "TEXT", "TEXT")
        yield url
    else:
        databases: Fresh = request.getfixturevalue("postgresql_empty")
        with databases() as url:
            make_shop(url, "BIGINT", "TIMESTAMPTZ", "NUMERIC(18, 4)")
            yield url


def make_shop(url: str, number: str, time: str, money: str) -> None:
    with writing(connect(url)) as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE sale (id {number} PRIMARY KEY, event_id TEXT, affiliate_id TEXT,"
            f" occurred_at {time}, amount {money}, currency TEXT, reverses TEXT)"
        )
    for row in ROWS:
        sell(url, *row)


def sell(url: str, *row: Any, number: int | None = None) -> None:
    """A sale with the next number, or with one that was taken before."""
    names = ("event_id", "affiliate_id", "occurred_at", "amount", "currency", "reverses")
    values: dict[str, Any] = dict(zip(names, row, strict=True))
    values["reverses"] = values["reverses"] or None
    number_of = ":number" if number is not None else "(SELECT COALESCE(MAX(id), 0) + 1 FROM sale)"
    given = {"number": number} if number is not None else {}
    cast = "" if url.startswith("sqlite") else "::timestamptz"
    with writing(connect(url)) as connection:
        connection.execute(
            sa.text(
                f"INSERT INTO sale VALUES ({number_of}, :event_id, :affiliate_id,"
                f" CAST(:occurred_at AS TEXT){cast}, CAST(:amount AS NUMERIC(18, 4)), :currency,"
                " :reverses)"
                if cast
                else f"INSERT INTO sale VALUES ({number_of}, :event_id, :affiliate_id,"
                " :occurred_at, :amount, :currency, :reverses)"
            ),
            values | given,
        )


def facts(url: str) -> list[tuple[Any, ...]]:
    columns = (event.c.event_id, event.c.occurred_us, event.c.amount_minor, event.c.root)
    with reading(connect(url)) as connection:
        query = sa.select(*columns).order_by(event.c.event_id)
        return [tuple(row) for row in connection.execute(query)]


@pytest.fixture
def programme(commission: Program) -> Program:
    """With a plan and referrals."""
    Path("plan.toml").write_text(PLAN, "utf-8")
    Path("referrals.csv").write_text(REFERRALS, "utf-8")
    assert commission("plan", "apply", "plan.toml").code == 0
    assert commission("import", "referrals", "referrals.csv").code == 0
    return commission


def test_a_query_brings_the_facts_that_a_file_would_bring(
    programme: Program, shop_url: str, database_url: str, tmp_path: Path
) -> None:
    configure(source(shop_url))
    done = programme("run", "--date", "2026-02-28", "--json")
    (fetched,) = json.loads(done.out)["fetched"]
    assert (done.code, fetched["watermark"]) == (0, {"column": "id", "value": "4"})
    other = f"sqlite:///{tmp_path / 'other.db'}"
    Path("earnings.csv").write_text(EARNINGS, "utf-8")
    assert programme("plan", "apply", "plan.toml", "--database", other).code == 0
    assert programme("import", "earnings", "earnings.csv", "--database", other).code == 0
    assert facts(database_url) == facts(other) != []
    sell(shop_url, "e9", "bob", "2026-03-01T08:00:00+02:00", "7.00", "USD", "")
    done = programme("fetch", "--json")
    (fetched,) = json.loads(done.out)["fetched"]
    assert [each["read"] for each in fetched["imported"]] == [1]
    again = programme("fetch")
    assert again.err == "source shop (sql): nothing new\n"
    (listed,) = json.loads(programme("sources", "--json", "--check").out)
    assert (listed["fetches"], listed["watermark"], listed["state"]) == (2, "id: 5", "")
    assert programme("verify").code == 0


@on_sqlite
def test_what_is_not_committed_is_not_marked_as_read(
    programme: Program, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise CommissionError("the power is gone")

    url = f"sqlite:///{tmp_path / 'shop.db'}"
    make_shop(url, "INTEGER", "TEXT", "TEXT")
    configure(source(url))
    with monkeypatch.context() as patch:
        patch.setattr("commission_engine.book.sources.bulk.insert", broken)
        assert programme("fetch").code == 1
    with reading(connect(database_url)) as connection:
        assert connection.execute(sa.select(source_fetch)).all() == []
    assert events(database_url) == []
    assert programme("fetch").code == 0
    assert events(database_url) == ["e1", "e2", "e3", "r1"]


@pytest.mark.parametrize("seed", range(2))
def test_every_sale_comes_once_however_late_it_is_committed(
    seed: int, tmp_path: Path, sqlite_url: str
) -> None:
    """Numbers are taken in order and committed up to five later; the overlap is five."""
    chance = random.Random(seed)
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    make_shop(url, "INTEGER", "TEXT", "TEXT")
    growing = Growing("id", 0, 5)
    shop = Query("shop", url, Kind.EARNINGS, SELECT, growing)
    given = Circumstances("tests", "2026-03-01T00:00:00Z")
    open_numbers: list[int] = []
    number = len(ROWS)
    with working(connect(sqlite_url), "tests", given.now) as worker:
        for _ in range(8):
            for _ in range(chance.randrange(4)):
                number += 1
                open_numbers.append(number)
            for each in [n for n in open_numbers if chance.random() < 0.4 or n <= number - 5]:
                open_numbers.remove(each)
                sell(url, f"s{each}", "bob", "2026-03-01", "1.00", "USD", "", number=each)
            list(fetch(worker, [shop], given))
        for each in open_numbers:
            sell(url, f"s{each}", "bob", "2026-03-01", "1.00", "USD", "", number=each)
        list(fetch(worker, [shop], given))
    expected = [*(row[0] for row in ROWS), *(f"s{n}" for n in range(len(ROWS) + 1, number + 1))]
    assert events(sqlite_url) == sorted(expected)


def test_the_database_is_only_read_and_rows_come_some_at_a_time(
    postgresql_empty: Fresh,
) -> None:
    """PostgreSQL itself says that the transaction may not write, and that it has a cursor."""
    query = (
        "SELECT current_setting('transaction_read_only') AS affiliate_id,"
        " (SELECT COUNT(*) FROM pg_cursors) AS cursors"
    )
    with postgresql_empty() as url:
        with Query("shop", url, Kind.AFFILIATES, query).look(NOTHING) as catch:
            assert catch.pieces[0].path.read_text("utf-8") == "affiliate_id,cursors\non,1\n"
        writes = "INSERT INTO sale VALUES (1) RETURNING id AS affiliate_id"
        with pytest.raises(UsageError), Query("shop", url, Kind.AFFILIATES, writes).look(NOTHING):
            pass


def test_values_have_the_texts_of_a_file(postgresql_empty: Fresh) -> None:
    query = """
        SELECT 7 AS event_id, 'a,"b' AS affiliate_id, 500.00 AS amount, 'JPY' AS currency,
            TIMESTAMP '2026-01-05 10:00:00.25' AS occurred_at, NULL AS reverses,
            DATE '2026-01-05' AS day, 0.5::float8 AS share, true AS flag, '{"b": 1}'::jsonb AS more,
            '\\x00ff'::bytea AS raw, ARRAY[1, 2] AS list, TIME '10:00' AS at
        UNION ALL
        SELECT 8, E'two\\nlines', 1e3, '', NULL, '', NULL, NULL, false, NULL, NULL, NULL, NULL
    """
    with (
        postgresql_empty() as url,
        Query("shop", url, Kind.EARNINGS, query + ";").look(NOTHING) as catch,
    ):
        assert catch.pieces[0].path.read_text("utf-8") == (
            "event_id,affiliate_id,amount,currency,occurred_at,reverses,day,share,flag,more,raw,"
            "list,at\n"
            '7,"a,""b",500,JPY,2026-01-05T10:00:00.250000,"",2026-01-05,0.5,true,"{""b"": 1}",'
            '00ff,"[1, 2]",10:00:00\n'
            '8,"two\nlines",1000,"","","","","",false,"","","",""\n'
        )


FAULTS = {
    "a float": (
        SELECT.replace("amount", "amount * 1.0 AS amount"),
        "row 1, column amount: 300.0 is a binary fraction, which is not an exact text; cast it",
    ),
    "a column that is missing": (
        "SELECT id, event_id FROM sale WHERE id > :since",
        "the query's result has no columns 'affiliate_id', 'occurred_at', 'amount', 'currency'",
    ),
    "the watermark is missing": (
        SELECT.replace("SELECT id, ", "SELECT "),
        "the query's result has no column 'id', the watermark",
    ),
    "NULL as watermark": (
        SELECT.replace("id, event_id", "NULL AS id, event_id"),
        "row 1: the watermark id is NULL, but start is a number",
    ),
    "a watermark of another type": (
        SELECT.replace("id, event_id", "event_id AS id, event_id"),
        "row 1: the watermark id is a text, but start is a number",
    ),
    "no such table": (SELECT.replace("sale", "sail"), "the query is refused: no such table: sail"),
    "no query": ("SELEC :since", 'the query is refused: near "SELEC": syntax error'),
    "it writes": (
        "DELETE FROM sale WHERE id > :since",
        "the query is refused: attempt to write a readonly database",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_query_that_cannot_be_imported_from_is_refused(what: str, tmp_path: Path) -> None:
    query, said = FAULTS[what]
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE sale (id, event_id, affiliate_id, occurred_at, amount,"
                         " currency, reverses)")  # fmt: skip
        database.execute("INSERT INTO sale VALUES (1, 'e', 'bob', '2026-01-05', 300, 'USD', '')")
    shop = Query("shop", url, Kind.EARNINGS, query, Growing("id", 0, 0))
    with pytest.raises(UsageError) as refused, shop.look(NOTHING):
        pass
    assert refused.value.message.startswith(f"source 'shop': {said}")


@on_sqlite
def test_a_database_that_is_away_stops_the_run_and_its_password_is_nowhere(
    programme: Program, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://clerk:s3cret@127.0.0.1:1/shop"
    configure(source(url))
    done = programme("run", "--date", "2026-02-28")
    assert done.code == 75
    said = "source 'shop': postgresql://clerk:***@127.0.0.1:1/shop cannot be read: "
    assert f"error: {said}" in done.err
    monkeypatch.setenv("SHOP_URL", url)
    configure(source(url).replace(f'url = "{url}"', 'url_from = "SHOP_URL"') + "required = false\n")
    left_out = programme("run", "--date", "2026-02-28", "--json")
    (fetched,) = json.loads(left_out.out)["fetched"]
    assert (left_out.code, fetched["unreachable"].startswith(said)) == (0, True)
    listed = programme("sources", "--check", "--json")
    (row,) = json.loads(listed.out)
    assert (listed.code, row["place"]) == (75, "postgresql://clerk:***@127.0.0.1:1/shop")
    with reading(connect(database_url)) as connection:
        book = [
            str(row)
            for table in metadata.sorted_tables
            for row in connection.execute(sa.select(table))
        ]
    told = (done.err, left_out.out, left_out.err, listed.out, listed.err, *book)
    assert [each for each in told if "s3cret" in each] == []


@on_sqlite
def test_a_file_of_sqlite_that_is_not_there_is_not_made(programme: Program) -> None:
    configure(source("sqlite:///gone.db"))
    assert programme("fetch").code == 75
    assert not Path("gone.db").exists()


@on_sqlite
def test_another_watermark_or_anew_reads_from_the_start(
    programme: Program, tmp_path: Path, database_url: str
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    make_shop(url, "INTEGER", "TEXT", "TEXT")
    configure(source(url))
    assert programme("fetch").code == 0
    anew = programme("fetch", "--anew")
    assert "earnings: 4 read = 0 accepted + 4 duplicate + 0 rejected" in anew.err
    (listed,) = json.loads(programme("sources", "--json").out)
    assert listed["watermark"] == "id: 4"
    by_time = SELECT.replace("id > :since", "occurred_at >= :since")
    configure(source(url, by_time, 'watermark = "occurred_at"\nstart = "2026-01-20"\n'))
    other = programme("fetch")
    assert other.err.splitlines()[0] == (
        "note: source 'shop': the watermark was another (id: 4), so all is read from 2026-01-20"
    )
    assert "earnings: 2 read = 0 accepted + 2 duplicate + 0 rejected" in other.err
    (listed,) = json.loads(programme("sources", "--json").out)
    assert listed["watermark"] == "occurred_at: 2026-02-02T10:00:00Z"
    assert events(database_url) == ["e1", "e2", "e3", "r1"]
