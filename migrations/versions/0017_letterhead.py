"""With what a run's HTML and PDF documents are made.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ADDED_TO_ONLY = ("letterhead",)


def upgrade() -> None:
    op.create_table(
        "letterhead",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_letterhead"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
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
    """Refused once a run has documents by one: they could not be made again."""
    if op.get_bind().exec_driver_sql("SELECT count(*) FROM letterhead").scalar_one():
        raise RuntimeError("runs of this book have documents that an older program cannot make")
    op.drop_table("letterhead")
