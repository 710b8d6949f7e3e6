"""To which accounts affiliates are paid, and files in the formats of banks.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("payee", "payment_format", "file_content")


def upgrade() -> None:
    op.create_table(
        "payee",
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("account_intake", BIG, nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("affiliate", "intake", name="pk_payee"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "payment_format",
        sa.Column("file", BIG, nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("created_day", BIG, nullable=False),
        sa.Column("execution_day", BIG, nullable=False),
        sa.PrimaryKeyConstraint("file", name="pk_payment_format"),
        sa.ForeignKeyConstraint(["file"], ["payment_file.intake"], name="fk_payment_format_file"),
        sqlite_strict=True,
    )
    op.create_table(
        "file_content",
        sa.Column("file", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("file", "intake", name="pk_file_content"),
        sa.ForeignKeyConstraint(["file"], ["payment_format.file"], name="fk_file_content_file"),
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
    for name in reversed(ADDED_TO_ONLY):
        op.drop_table(name)
