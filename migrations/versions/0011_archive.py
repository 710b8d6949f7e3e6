"""Lines of old runs leave the database: which runs are archived, and where their segments are.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("archived", "archive_home")


def upgrade() -> None:
    op.create_table(
        "archived",
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("rows", BIG, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_day", name="pk_archived"),
        sqlite_strict=True,
    )
    op.create_table(
        "archive_home",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_archive_home"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_archive_home_intake"),
        sqlite_strict=True,
    )
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
    """Refused once a run is archived: an older program would look for its lines in the database."""
    if op.get_bind().exec_driver_sql("SELECT count(*) FROM archived").scalar_one():
        raise RuntimeError(
            "runs of this book are archived: older revisions cannot read their lines"
        )
    for name in reversed(ADDED_TO_ONLY):
        op.drop_table(name)
