"""What becomes of payouts after the run that made them.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = ("payout_step", "payment_file", "payment_file_written", "minimum_override")

LEGAL = (
    "was = 'pending' AND step IN ('approved', 'voided', 'exported')"
    " OR was = 'approved' AND step IN ('pending', 'voided', 'exported')"
    " OR was = 'exported' AND step IN ('paid', 'failed')"
    " OR was = 'paid' AND step = 'failed'"
)
BACK = sa.text("step IN ('voided', 'failed')")

# Whether a new row is not the step after the last one: whatever the lock, no payout is stepped
# twice from the same state.
ASTRAY = """\
NEW.number > 1 + (
    SELECT count(*) FROM payout_step s WHERE s.run_day = NEW.run_day
    AND s.affiliate = NEW.affiliate AND s.currency = NEW.currency)
OR NEW.was <> coalesce(
    (SELECT s.step FROM payout_step s WHERE s.run_day = NEW.run_day
    AND s.affiliate = NEW.affiliate AND s.currency = NEW.currency AND s.number = NEW.number - 1),
    'pending')
"""


def upgrade() -> None:
    op.create_table(
        "payout_step",
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("number", SMALL, nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "run_day", "affiliate", "currency", "number", name="pk_payout_step"
        ),
        sa.ForeignKeyConstraint(
            ["run_day", "affiliate", "currency"],
            ["payout.run_day", "payout.affiliate", "payout.currency"],
            name="fk_payout_step_run_day_affiliate_currency",
        ),
        sa.CheckConstraint(LEGAL, name=op.f("ck_payout_step_legal")),
        sa.CheckConstraint("number > 0", name=op.f("ck_payout_step_counted")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_payout_step_back",
        "payout_step",
        ["run_day", "affiliate", "currency"],
        unique=True,
        sqlite_where=BACK,
        postgresql_where=BACK,
    )
    op.create_index("ix_payout_step_intake", "payout_step", ["intake"])
    op.create_index("ix_payout_step_batch", "payout_step", ["batch"])
    op.create_table(
        "payment_file",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_payment_file"),
        sa.UniqueConstraint("name", name="uq_payment_file_name"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_payment_file_intake"),
        sqlite_strict=True,
    )
    op.create_table(
        "payment_file_written",
        sa.Column("file", BIG, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("file", name="pk_payment_file_written"),
        sa.ForeignKeyConstraint(
            ["file"], ["payment_file.intake"], name="fk_payment_file_written_file"
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "minimum_override",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_minimum_override"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_minimum_override_intake"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER payout_step_follows BEFORE INSERT ON payout_step WHEN {ASTRAY} BEGIN"
            " SELECT RAISE(ABORT, 'payout_step: it does not follow the last step'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION refuse_astray() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {ASTRAY} THEN"
            " RAISE EXCEPTION 'payout_step: it does not follow the last step'"
            " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
        )
        op.execute(
            "CREATE TRIGGER payout_step_follows BEFORE INSERT ON payout_step"
            " FOR EACH ROW EXECUTE FUNCTION refuse_astray()"
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
    for name in ("minimum_override", "payment_file_written", "payment_file", "payout_step"):
        op.drop_table(name)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_astray()")
