"""Lines lie by run and beneficiary, under one key; runs form a chain.

A run's lines are added behind all others instead of all over two indexes, and an affiliate's lines
of one run lie side by side. That no event is processed by two runs no longer rests on a key over
all lines: each run names the one that it follows, and no two follow the same.

Revision ID: 0003
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
DAY = sa.Integer()
FIRST = -1_000_000
"""What the first run follows; earlier than every date."""

BEFORE = f"COALESCE(LAG(day) OVER (ORDER BY day), {FIRST})"
RUN = {
    "day": BIG, "intake": BIG, "event": BIG, "waiting_from": BIG, "plan_version": BIG,
    "plan_hash": sa.Text(), "engine_version": sa.Text(), "settles": SMALL, "outputs": sa.Text(),
    "figures": sa.Text(), "started_at": sa.Text(), "completed_at": sa.Text(),
}  # fmt: skip


def columns_of_a_line(day: sa.types.TypeEngine[Any]) -> dict[str, sa.types.TypeEngine[Any]]:
    return {
        "run_day": day, "beneficiary": BIG, "event": BIG, "level": SMALL, "gross_minor": BIG,
        "commission_minor": BIG, "reason": SMALL, "terms_day": day, "available_day": day,
    }  # fmt: skip


def made_anew(
    name: str,
    columns: dict[str, Any],
    key: tuple[str, ...],
    *rules: sa.UniqueConstraint,
    rowid: bool,
    new: dict[str, str] | None = None,
) -> None:
    """The table with these columns and this key, and the rows that it has had, in the key's order;
    `new` says by column what is to be in it."""
    op.execute(f"CREATE TABLE kept AS SELECT * FROM {name}")
    op.drop_table(name)
    op.create_table(
        name,
        *(sa.Column(column, kind, nullable=False) for column, kind in columns.items()),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        *rules,
        sqlite_strict=True,
        sqlite_with_rowid=rowid,
    )
    values = ", ".join((new or {}).get(column, column) for column in columns)
    op.execute(
        f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM kept"
        f" ORDER BY {', '.join(key)}"
    )
    op.drop_table("kept")
    refuse_changes(name)


def refuse_changes(name: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
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


def upgrade() -> None:
    key = ("run_day", "beneficiary", "event", "level")
    made_anew("line", columns_of_a_line(DAY), key, rowid=False)
    alone = sa.UniqueConstraint("follows", name="uq_run_follows")
    chained = {"day": BIG, "follows": BIG} | RUN
    made_anew("run", chained, ("day",), alone, rowid=True, new={"follows": BEFORE})


def downgrade() -> None:
    made_anew("line", columns_of_a_line(BIG), ("event", "level"), rowid=False)
    op.create_index("ix_line_beneficiary_run_day", "line", ["beneficiary", "run_day"])
    made_anew("run", RUN, ("day",), rowid=True)
