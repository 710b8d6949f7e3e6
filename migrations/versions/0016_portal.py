"""The staff of the web portal; indexes for whom an affiliate has referred and
what he was paid.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("staff",)


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_staff"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_staff_intake"),
        sa.CheckConstraint(
            "role IN ('', 'support', 'operator', 'maker', 'checker', 'auditor', 'admin')",
            name=op.f("ck_staff_role"),
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_referral_referrer", "referral", ["referrer"])
    op.create_index("ix_payout_affiliate", "payout", ["affiliate"])
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
    op.drop_index("ix_payout_affiliate", "payout")
    op.drop_index("ix_referral_referrer", "referral")
    op.drop_table("staff")
