"""What banks say of payouts, and what people decide on it.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("bank_file", "bank_entry", "bank_decision")


def upgrade() -> None:
    op.create_table(
        "bank_file",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("statements", sa.Text(), nullable=False),
        sa.Column("known", BIG, nullable=False),
        sa.Column("pending", BIG, nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_bank_file"),
        sa.UniqueConstraint("sha256", name="uq_bank_file_sha256"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_bank_file_intake"),
        sqlite_strict=True,
    )
    op.create_table(
        "bank_entry",
        sa.Column("id", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("line", BIG, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("bank_reference", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("booked_day", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("decimals", SMALL, nullable=False),
        sa.Column("amount_minor", BIG, nullable=False),
        sa.Column("payee", sa.Text(), nullable=False),
        sa.Column("payee_tail", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("score", SMALL, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bank_entry"),
        sa.UniqueConstraint("identity", name="uq_bank_entry_identity"),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_bank_entry_no_sign")),
        sqlite_strict=True,
    )
    op.create_index("ix_bank_entry_intake", "bank_entry", ["intake"])
    op.create_table(
        "bank_decision",
        sa.Column("entry", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name="pk_bank_decision"),
        sa.ForeignKeyConstraint(["entry"], ["bank_entry.id"], name="fk_bank_decision_entry"),
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
    for name in reversed(ADDED_TO_ONLY):
        op.drop_table(name)
