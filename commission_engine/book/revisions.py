"""The revisions of a book's tables: which one a book has, and how it comes to another."""

import warnings

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from commission_engine.book.schema import metadata
from commission_engine.problems import CommissionError
from commission_engine.resources import folder

OURS = ("alembic_version", "lease")
"""Tables of the machinery: which revision the tables have, who works on them."""

_ADVISORY_KEY = 1_919_250_543
_EXTRA = ("remove_table", "remove_index", "remove_fk", "remove_constraint")


def newest() -> str:
    """The revision that this program works with."""
    return str(_script().get_current_head())


def current(connection: sa.Connection) -> str | None:
    """The revision of a book; None for a database that holds none yet."""
    return MigrationContext.configure(connection).get_current_revision()


def refuse_unknown(revision: str | None, whose: str, hint: str) -> None:
    """CommissionError for a revision that only a newer program knows."""
    if revision is not None and revision not in _known():
        raise CommissionError(
            f"{whose} schema is {revision}, newer than this program knows ({newest()})", hint
        )


def move(connection: sa.Connection, revision: str) -> None:
    """Bring the tables to a revision, in the transaction of `connection`; of two processes that
    try at once one waits. Downwards what only newer revisions hold is lost."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})")
    config = Config()
    config.set_main_option("script_location", str(folder("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    now = current(connection)
    if now is not None and _known().index(now) < _known().index(revision):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)


def unlike(connection: sa.Connection) -> list[str]:
    """How the tables of a book of the newest revision differ from those that this program uses;
    tables and rules that are there besides are nobody's business."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    with warnings.catch_warnings(action="ignore", category=sa.exc.SAWarning):
        found = compare_metadata(context, metadata)  # stumbles over rules that were never proved
    changes = [change for each in found for change in (each if isinstance(each, list) else [each])]
    return [_said(change) for change in changes if change[0] not in _EXTRA]


def _said(change: tuple[object, ...]) -> str:
    """One difference, as Alembic lists it: "add_column run bounds"."""
    names = [getattr(part, "name", part) for part in change[1:]]
    return " ".join(str(each) for each in (change[0], *names) if isinstance(each, str))


def _known() -> list[str]:
    """Every revision, the newest first."""
    return [each.revision for each in _script().walk_revisions()]


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(folder("migrations")))
