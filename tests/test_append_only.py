"""What is written stays: the databases themselves refuse every change of a fact or a result."""

import importlib.util
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from commission_engine.book import schema
from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.schema import APPEND_ONLY, metadata
from commission_engine.resources import folder

MAY_CHANGE = ("cap_total", "lease")


def row(table: sa.Table) -> dict[str, Any]:
    """A row that every check of its table lets pass."""
    told_apart = {"affiliate": 1, "referrer": 2, "debit_account": 1, "credit_account": 2}
    given: dict[str, Any] = {"status": "active", **told_apart}
    given |= {"was": "pending", "step": "approved", "role": "admin"}
    if table is schema.statement:
        given |= {column.name: 0 for column in table.columns if column.name.endswith("_minor")}
    plain = {
        column.name: "x" if isinstance(column.type, sa.Text) else 1 for column in table.columns
    }
    return {name: given.get(name, value) for name, value in plain.items()}


@pytest.fixture
def engine(database_url: str) -> sa.Engine:
    """A book with one row in every table."""
    engine = connect(database_url)
    with writing(engine) as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.insert(table).values(row(table)))
    return engine


def rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        return [dict(each) for each in connection.execute(sa.select(table)).mappings()]


def attempt(engine: sa.Engine, statement: str) -> str:
    """What the database says to a statement that it refuses."""
    with pytest.raises(DBAPIError) as refused, writing(engine) as connection:
        connection.exec_driver_sql(statement)
    return str(refused.value.orig).splitlines()[0]


def test_every_table_is_protected_but_the_totals_and_the_lease() -> None:
    assert set(APPEND_ONLY) == set(metadata.tables) - set(MAY_CHANGE)


def test_the_migrations_protect_the_same_tables() -> None:
    protected: list[str] = []
    for path in sorted((folder("migrations") / "versions").glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        migration = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(migration)
        protected += getattr(migration, "ADDED_TO_ONLY", ())
    assert sorted(protected) == sorted(APPEND_ONLY)


def test_update_delete_and_emptying_are_refused_for_every_table(engine: sa.Engine) -> None:
    for name in APPEND_ONLY:
        table = metadata.tables[name]
        column = next(iter(table.columns)).name
        same, said = f"{column} = {column}", f"{name} is only ever added to:"
        assert attempt(engine, f"UPDATE {name} SET {same}") == f"{said} update refused"
        assert attempt(engine, f"DELETE FROM {name}") == f"{said} delete refused"
        if engine.dialect.name == "postgresql":
            assert attempt(engine, f"TRUNCATE {name} CASCADE").endswith("truncate refused")
        assert rows(engine, table) == [row(table)]


def test_a_table_cannot_be_emptied_by_way_of_another(postgresql_url: str) -> None:
    """TRUNCATE CASCADE reaches the tables that refer to the named one."""
    engine = connect(postgresql_url)
    with writing(engine) as connection:
        connection.execute(sa.insert(schema.intake).values(row(schema.intake)))
        connection.execute(sa.insert(schema.plan_version).values(row(schema.plan_version)))
    refused = attempt(engine, "TRUNCATE intake CASCADE")
    assert refused in [
        f"{t} is only ever added to: truncate refused" for t in ("intake", "plan_version")
    ]
    assert rows(engine, schema.plan_version) == [row(schema.plan_version)]


def test_replacing_a_row_is_refused(engine: sa.Engine) -> None:
    """
    SQLite's REPLACE deletes the row that is in the way; both have ON CONFLICT DO UPDATE.
    """
    for name in APPEND_ONLY:
        table = metadata.tables[name]
        values = ", ".join(repr(value) for value in row(table).values())
        keys = ", ".join(column.name for column in table.primary_key)
        column = next(iter(table.columns)).name
        upsert = f"INSERT INTO {name} VALUES ({values}) ON CONFLICT ({keys}) DO UPDATE"
        said = f"{name} is only ever added to:"
        refused = attempt(engine, f"{upsert} SET {column} = excluded.{column}")
        assert refused == f"{said} update refused"
        if engine.dialect.name == "sqlite":
            refused = attempt(engine, f"INSERT OR REPLACE INTO {name} VALUES ({values})")
            assert refused == f"{said} delete refused"
            refused = attempt(engine, f"UPDATE OR REPLACE {name} SET {column} = {column}")
            assert refused == f"{said} update refused"
        assert rows(engine, table) == [row(table)]


def test_totals_of_caps_and_the_lease_do_change(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        connection.execute(sa.update(schema.cap_total).values(total_minor=5))
        connection.execute(sa.update(schema.lease).values(token=6))
    assert [each["total_minor"] for each in rows(engine, schema.cap_total)] == [5]
    assert [each["token"] for each in rows(engine, schema.lease)] == [6]


def test_sqlite_refuses_text_in_the_place_of_a_number(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    refused = {}
    for table in metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, sa.Text):
                values = ", ".join(repr(v) for v in (row(table) | {column.name: "abc"}).values())
                refused[f"{table.name}.{column.name}"] = attempt(
                    engine, f"INSERT INTO {table.name} VALUES ({values})"
                )
    # A key that is the row's own number is named otherwise than the other columns.
    assert {
        name
        for name, said in refused.items()
        if said not in (f"cannot store TEXT value in INTEGER column {name}", "datatype mismatch")
    } == set()
    assert "event.amount_minor" in refused


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"status": "sleeping"}, "ck_profile_status"),
        ({"referrer": 1}, "ck_referral_not_self"),
        ({"root": 2, "amount_minor": 0}, "ck_event_reversal_is_negative"),
        ({"amount_minor": 0}, "ck_entry_positive"),
        ({"credit_account": 1}, "ck_entry_two_sides"),
        ({"closing_minor": 1, "held_minor": 1}, "ck_statement_foots"),
        ({"held_minor": 1}, "ck_statement_splits"),
        ({"amount_minor": -1}, "ck_payout_positive"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(
    database_url: str, change: dict[str, Any], check: str
) -> None:
    table = metadata.tables[check.split("_")[1]]
    engine = connect(database_url)
    with pytest.raises(DBAPIError, match=check), writing(engine) as connection:
        connection.execute(sa.insert(table).values(row(table) | change))
    assert rows(engine, table) == []
