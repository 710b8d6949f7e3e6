"""From an empty database to the tables that the program uses, down again, and no further."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from engines import Fresh
from sqlalchemy.exc import DBAPIError, IntegrityError

from commission_engine.book.connect import connect, migrate, reading, writing
from commission_engine.book.runs import FIRST
from commission_engine.book.schema import intake, line, line_home, metadata, run
from commission_engine.problems import CommissionError
from commission_engine.resources import folder

CHECKOUT = Path(__file__).parents[1]
NEWEST = "0017"
ROW = {
    "id": 1, "kind": "plan", "learned_at": "now", "who": "me", "files": "[]", "accepted": 0,
    "duplicate": 0, "rejected": 0,
}  # fmt: skip


def described(engine: sa.Engine) -> dict[str, dict[str, Any]]:
    """Every table but Alembic's own, with all that the database knows of it."""
    with reading(engine) as connection:
        inspector = sa.inspect(connection)
        names = sorted(set(inspector.get_table_names()) - {"alembic_version"})
        tables: dict[str, dict[str, Any]] = {
            name: {
                "columns": {
                    c["name"]: (repr(c["type"]), c["nullable"]) for c in inspector.get_columns(name)
                },
                "key": inspector.get_pk_constraint(name),
                "checks": {
                    (c["name"], plain(str(c["sqltext"])))
                    for c in inspector.get_check_constraints(name)
                },
                "unique": sorted(
                    (str(c["name"]), c["column_names"])
                    for c in inspector.get_unique_constraints(name)
                ),
                "foreign": sorted(
                    (str(c["name"]), c["constrained_columns"], c["referred_table"])
                    for c in inspector.get_foreign_keys(name)
                ),
                "indexes": sorted(
                    (str(c["name"]), c["column_names"], plain(str(where(c))))
                    for c in inspector.get_indexes(name)
                ),
            }
            for name in names
        }
        if engine.dialect.name == "sqlite":
            for each in connection.exec_driver_sql("PRAGMA table_list").mappings():
                if each["name"] in tables:
                    tables[each["name"]]["kept"] = (each["wr"], each["strict"])
    return tables


def where(index: Any) -> str:
    """The condition of a partial index."""
    options = index.get("dialect_options", {})
    return str(options.get("sqlite_where", options.get("postgresql_where", "")))


def plain(condition: str) -> str:
    """A condition without what the databases' spelling adds to it."""
    return condition.replace("event.", "").replace("<>", "!=")


def config(connection: sa.Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(folder("migrations")))
    made.attributes["connection"] = connection
    return made


def revision(engine: sa.Engine) -> str | None:
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_the_first_command_makes_all_tables_and_the_next_ones_nothing(empty_url: str) -> None:
    engine = connect(empty_url)
    migrate(engine)
    made = described(engine)
    assert set(made) == set(metadata.tables)
    with writing(engine) as connection:
        connection.execute(sa.insert(intake).values(ROW))
    migrate(engine)
    assert (described(engine), revision(engine)) == (made, NEWEST)
    with reading(engine) as connection:
        assert [dict(row) for row in connection.execute(sa.select(intake)).mappings()] == [ROW]


def test_the_migrations_make_what_the_program_uses(empty_databases: Fresh) -> None:
    """Types, keys, checks, indexes, foreign keys, and on SQLite how a table is kept."""
    with empty_databases() as migrated, empty_databases() as made:
        migrate(connect(migrated))
        with writing(connect(made)) as connection:
            metadata.create_all(connection)
        assert described(connect(migrated)) == described(connect(made))


def test_alembic_finds_nothing_to_change(empty_url: str) -> None:
    engine = connect(empty_url)
    migrate(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_down_and_up_again(empty_url: str) -> None:
    engine = connect(empty_url)
    migrate(engine)
    made = described(engine)
    with writing(engine) as connection:
        command.downgrade(config(connection), "base")
    assert described(engine) == {}
    assert left_over(engine) == []
    migrate(engine)
    assert described(engine) == made


def left_over(engine: sa.Engine) -> list[str]:
    """Triggers, functions and indexes that are not Alembic's."""
    query = (
        "SELECT name FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
        if engine.dialect.name == "sqlite"
        else "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    with reading(engine) as connection:
        return list(connection.exec_driver_sql(query).scalars())


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    """A table of the name `lease`, the last that is made, is in the way."""
    engine = connect(empty_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE lease (id INTEGER)")
    with pytest.raises((DBAPIError, CommissionError), match=r"lease.* already exists"):
        migrate(engine)
    assert list(described(engine)) == ["lease"]
    assert revision(engine) is None


def test_a_book_that_a_newer_program_wrote_is_refused(database_url: str) -> None:
    engine = connect(database_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(CommissionError) as refused:
        migrate(engine)
    assert refused.value.message == (
        f"the book's schema is 0099, newer than this program knows ({NEWEST})"
    )
    assert refused.value.hint == (
        "Nothing was changed. Install the version of commission-engine that wrote it."
    )
    assert revision(engine) == "0099"


LINE = {
    "event": 1, "level": 1, "run_day": 1, "beneficiary": 1, "gross_minor": 1,
    "commission_minor": 1, "reason": 0, "terms_day": 1, "available_day": 1,
}  # fmt: skip


@pytest.mark.parametrize(("rows", "kept"), [([LINE], ["database"]), ([], [])])
def test_a_book_with_lines_has_had_them_in_the_database(
    empty_url: str, rows: list[dict[str, int]], kept: list[str]
) -> None:
    engine = connect(empty_url)
    with writing(engine) as connection:
        command.upgrade(config(connection), "0001")
        if rows:
            connection.execute(sa.insert(line), rows)
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(sa.select(line_home.c.place)).scalars().all() == kept


RUN = {
    "intake": 1, "event": 1, "waiting_from": -1, "plan_version": 1, "plan_hash": "", "outputs": "",
    "engine_version": "", "settles": 0, "figures": "", "started_at": "", "completed_at": "",
}  # fmt: skip


def test_lines_and_runs_keep_their_rows_and_runs_become_a_chain(empty_url: str) -> None:
    engine = connect(empty_url)
    lines = [{**LINE, "event": each, "run_day": 20 - each, "gross_minor": -each} for each in (3, 9)]
    with writing(engine) as connection:
        command.upgrade(config(connection), "0002")
        connection.execute(sa.insert(line), lines)
        for day in (11, -5, 17):
            connection.execute(sa.text(OLD_RUN), {**RUN, "day": day})
    migrate(engine)
    with reading(engine) as connection:
        kept = sa.select(line).order_by(line.c.event)
        assert [dict(row) for row in connection.execute(kept).mappings()] == lines
        chain = sa.select(run.c.day, run.c.follows).order_by(run.c.day)
        assert connection.execute(chain).all() == [(-5, FIRST), (11, -5), (17, 11)]
    with writing(engine) as connection:
        command.downgrade(config(connection), "0002")
        kept = sa.select(sa.text("event, gross_minor FROM line ORDER BY event"))
        assert connection.execute(kept).all() == [(3, -3), (9, -9)]
        kept = sa.select(sa.text("day FROM run ORDER BY day"))
        assert connection.execute(kept).scalars().all() == [-5, 11, 17]


OLD_RUN = f"INSERT INTO run (day, {', '.join(RUN)}) VALUES (:day, :{', :'.join(RUN)})"


def test_no_two_runs_follow_the_same_one(database_url: str) -> None:
    engine = connect(database_url)
    with writing(engine) as connection:
        connection.execute(sa.insert(run).values(day=7, follows=FIRST, **RUN))
    for day, follows in ((8, FIRST), (7, 8)):
        with pytest.raises(IntegrityError), writing(engine) as connection:
            connection.execute(sa.insert(run).values(day=day, follows=follows, **RUN))


def test_there_is_one_line_of_revisions() -> None:
    script = ScriptDirectory(str(folder("migrations")))
    assert script.get_heads() == [NEWEST]
    assert script.get_bases() == ["0001"]


FIRST_COMMAND = """
import sys
from commission_engine.book.connect import connect, migrate
sys.stdin.readline()
migrate(connect(sys.argv[1]))
"""


def test_of_two_first_commands_at_once_one_migrates(empty_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_COMMAND, empty_url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )
        for _ in range(2)
    ]
    said = [b"", b""]
    for process in started:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for n, process in enumerate(started):
        said[n] = process.communicate(timeout=60)[1]
    assert said == [b"", b""]
    assert [process.returncode for process in started] == [0, 0]
    assert set(described(connect(empty_url))) == set(metadata.tables)


def alembic(folder: Path, *arguments: str) -> str:
    """Alembic's own command with the checkout's alembic.ini, run in `folder`: what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(CHECKOUT / "alembic.ini"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_alembics_own_command_works_from_the_checkout(tmp_path: Path) -> None:
    """It works on commission.db in the current folder, as the configuration says."""
    alembic(tmp_path, "upgrade", "head")
    assert alembic(tmp_path, "current") == f"{NEWEST} (head)"
    assert alembic(tmp_path, "check") == "No new upgrade operations detected."
    engine = connect(f"sqlite:///{tmp_path / 'commission.db'}")
    assert set(described(engine)) == set(metadata.tables)
    alembic(tmp_path, "downgrade", "base")
    assert described(engine) == {}
