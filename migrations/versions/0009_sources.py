"""What was fetched from each source, and how far it has been read.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("source_fetch", "source_file")


def upgrade() -> None:
    op.create_table(
        "source_fetch",
        sa.Column("id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.Text(), nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("read", BIG, nullable=False),
        sa.Column("accepted", BIG, nullable=False),
        sa.Column("duplicate", BIG, nullable=False),
        sa.Column("rejected", BIG, nullable=False),
        sa.Column("mark_column", sa.Text(), nullable=False),
        sa.Column("mark_type", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source_fetch"),
        sqlite_strict=True,
    )
    op.create_table(
        "source_file",
        sa.Column("fetch_id", BIG, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fetch_id", "number", name="pk_source_file"),
        sa.ForeignKeyConstraint(["fetch_id"], ["source_fetch.id"], name="fk_source_file_fetch_id"),
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
    op.drop_table("source_file")
    op.drop_table("source_fetch")
