"""The audit trail: one row a change, each with the hash of the row before.

Revision ID: 0004
Revises: 0003

A book that holds something already gets a first row that says so. What it holds is bound by the
second one, which the next command that writes adds.
"""

import getpass
import json
import os
import socket
from datetime import UTC, datetime
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("audit",)
COLUMNS = (
    "id", "at", "who", "host", "process", "command", "what", "subject", "details", "previous",
    "hash",
)  # fmt: skip


def upgrade() -> None:
    audit = op.create_table(
        "audit",
        *(
            sa.Column(name, BIG if name in ("id", "process") else sa.Text(), nullable=False)
            for name in COLUMNS
        ),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_strict=True,
    )
    connection = op.get_bind()
    there = connection.exec_driver_sql(
        "SELECT (SELECT max(id) FROM intake), (SELECT max(day) FROM run)"
    ).one()
    if there[0] is not None:
        connection.execute(sa.insert(audit).values(_begins(*there)))
    name = "audit"
    if connection.dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {name}_refuses_{verb} BEFORE {verb} ON {name} BEGIN"
                f" SELECT RAISE(ABORT, '{name} is only ever added to: {verb} refused'); END"
            )
    else:
        op.execute(
            f"CREATE TRIGGER {name}_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _begins(intake: int, last_run: int | None) -> dict[str, int | str]:
    """The first row of the trail of a book with intakes up to `intake`."""
    row: dict[str, int | str] = {
        "id": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "who": _user(),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": "",
        "what": "begin",
        "subject": "",
        "details": _canonical({"intake": intake, "last_run": last_run}),
        "previous": "0" * 64,
    }
    return {**row, "hash": sha256(_canonical(row).encode()).hexdigest()}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return f"uid {os.getuid()}"


def downgrade() -> None:
    op.drop_table("audit")
