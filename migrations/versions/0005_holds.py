"""Holds: what waits for a person, who let it go, and the bounds that judged a run.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("hold", "release")


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("id", BIG, nullable=False),
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("figure", BIG, nullable=False),
        sa.Column("bound", BIG, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
        sqlite_strict=True,
    )
    op.create_table(
        "release",
        sa.Column("hold", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("up_to", BIG, nullable=False),
        sa.PrimaryKeyConstraint("hold", name="pk_release"),
        sa.ForeignKeyConstraint(["hold"], ["hold.id"], name="fk_release_hold"),
        sqlite_strict=True,
    )
    # No run until now was judged by any bound.
    op.add_column("run", sa.Column("bounds", sa.Text(), server_default="{}", nullable=False))
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
    op.drop_table("release")
    op.drop_table("hold")
    op.drop_column("run", "bounds")
