"""Adjustments: corrections by people and of past dates.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("adjustment", "true_up", "cap_shift", "proposal", "proposal_end")


def upgrade() -> None:
    op.create_table(
        "adjustment",
        sa.Column("event", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("beneficiary", BIG, nullable=False),
        sa.Column("level", SMALL, nullable=False),
        sa.Column("available_day", sa.Integer(), nullable=False),
        sa.Column("corrects", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event", name="pk_adjustment"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "true_up",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("first_day", sa.Integer(), nullable=False),
        sa.Column("last_day", sa.Integer(), nullable=False),
        sa.Column("plan_version", BIG, nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_true_up"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_true_up_intake"),
        sqlite_strict=True,
    )
    op.create_table(
        "cap_shift",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("terms_day", BIG, nullable=False),
        sa.Column("level", SMALL, nullable=False),
        sa.Column("cap_window", SMALL, nullable=False),
        sa.Column("window_start", BIG, nullable=False),
        sa.Column("beneficiary", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("moved_minor", BIG, nullable=False),
        sa.PrimaryKeyConstraint(
            "intake",
            "terms_day",
            "level",
            "cap_window",
            "window_start",
            "beneficiary",
            "currency",
            name="pk_cap_shift",
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proposal",
        sa.Column("id", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asks", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_proposal"),
        sqlite_strict=True,
    )
    op.create_table(
        "proposal_end",
        sa.Column("proposal", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("proposal", name="pk_proposal_end"),
        sa.ForeignKeyConstraint(["proposal"], ["proposal.id"], name="fk_proposal_end_proposal"),
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
