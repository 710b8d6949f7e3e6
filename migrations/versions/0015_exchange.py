"""Payouts in another currency: exchange rates, who is paid in what, what payouts came to.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("exchange_rate", "payout_currency", "conversion")


def upgrade() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("day", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", "day", name="pk_exchange_rate"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_exchange_rate_intake"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_exchange_rate_intake", "exchange_rate", ["intake"])
    op.create_table(
        "payout_currency",
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("affiliate", "intake", name="pk_payout_currency"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conversion",
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("to_code", sa.Text(), nullable=False),
        sa.Column("to_decimals", SMALL, nullable=False),
        sa.Column("to_minor", BIG, nullable=False),
        sa.Column("rate_day", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("to_rate", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_day", "affiliate", "currency", name="pk_conversion"),
        sa.ForeignKeyConstraint(
            ["run_day", "affiliate", "currency"],
            ["payout.run_day", "payout.affiliate", "payout.currency"],
            name="fk_conversion_run_day_affiliate_currency",
        ),
        sa.CheckConstraint("to_minor > 0", name=op.f("ck_conversion_counted")),
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
    """Refused once a payout was converted: an older program would pay it in another currency."""
    if op.get_bind().exec_driver_sql("SELECT count(*) FROM conversion").scalar_one():
        raise RuntimeError("payouts of this book are paid in another currency than they were in")
    for name in reversed(ADDED_TO_ONLY):
        op.drop_table(name)
