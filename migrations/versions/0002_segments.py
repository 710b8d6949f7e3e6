"""Lines outside the database: where they are, and which segments count.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("line_home", "segment")


def upgrade() -> None:
    op.create_table(
        "line_home",
        sa.Column("id", BIG, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_line_home"),
        sqlite_strict=True,
    )
    op.create_table(
        "segment",
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rows", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("lowest_beneficiary", BIG, nullable=False),
        sa.Column("highest_beneficiary", BIG, nullable=False),
        sa.Column("lowest_event", BIG, nullable=False),
        sa.Column("highest_event", BIG, nullable=False),
        sa.Column("highest_level", SMALL, nullable=False),
        sa.Column("gross_minor", BIG, nullable=False),
        sa.Column("commission_minor", BIG, nullable=False),
        sa.PrimaryKeyConstraint("run_day", "number", name="pk_segment"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    # A book that has lines has had them in the database until now.
    op.execute("INSERT INTO line_home SELECT 1, 'database' WHERE EXISTS (SELECT 1 FROM line)")
    for name in ADDED_TO_ONLY:
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


def downgrade() -> None:
    for name in ADDED_TO_ONLY:
        op.drop_table(name)
