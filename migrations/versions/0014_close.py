"""Closed months, into which no run comes any more; documents for the tax office, and invoice
numbers without gaps.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = (
    "closing", "refusal_waiver", "reopen_request", "reopening", "tax_document", "invoice",
)  # fmt: skip

# Whether a run's date is in or before a period that is closed and was not opened again.
CLOSED = """\
NEW.day <= (
    SELECT max(c.last_day) FROM closing c
    WHERE NOT EXISTS (SELECT 1 FROM reopening r WHERE r.closing = c.intake))
"""

# Whether a number leaves a gap behind the last one of its prefix.
GAP = """\
NEW.number > 1 + coalesce(
    (SELECT max(i.number) FROM invoice i WHERE i.prefix = NEW.prefix), 0)
"""


def upgrade() -> None:
    op.create_table(
        "closing",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Integer(), nullable=False),
        sa.Column("last_day", sa.Integer(), nullable=False),
        sa.Column("last_run", BIG, nullable=False),
        sa.Column("head", BIG, nullable=False),
        sa.Column("head_hash", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("made_with", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_closing"),
        sa.UniqueConstraint("name", name="uq_closing_name"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_closing_intake"),
        sa.ForeignKeyConstraint(["last_run"], ["run.day"], name="fk_closing_last_run"),
        sqlite_strict=True,
    )
    op.create_table(
        "refusal_waiver",
        sa.Column("refusal", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("refusal", name="pk_refusal_waiver"),
        sa.ForeignKeyConstraint(["refusal"], ["refusal.id"], name="fk_refusal_waiver_refusal"),
        sqlite_strict=True,
    )
    op.create_table(
        "reopen_request",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("closing", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_reopen_request"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_reopen_request_intake"),
        sa.ForeignKeyConstraint(["closing"], ["closing.intake"], name="fk_reopen_request_closing"),
        sqlite_strict=True,
    )
    op.create_table(
        "reopening",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("request", BIG, nullable=False),
        sa.Column("closing", BIG, nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_reopening"),
        sa.UniqueConstraint("request", name="uq_reopening_request"),
        sa.UniqueConstraint("closing", name="uq_reopening_closing"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_reopening_intake"),
        sa.ForeignKeyConstraint(
            ["request"], ["reopen_request.intake"], name="fk_reopening_request"
        ),
        sa.ForeignKeyConstraint(["closing"], ["closing.intake"], name="fk_reopening_closing"),
        sqlite_strict=True,
    )
    op.create_table(
        "tax_document",
        sa.Column("intake", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("signed_day", sa.Integer(), nullable=False),
        sa.Column("expires_day", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("intake", name="pk_tax_document"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_tax_document_intake"),
        sqlite_strict=True,
    )
    op.create_table(
        "invoice",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("intake", BIG, nullable=False),
        sa.Column("run_day", BIG, nullable=False),
        sa.Column("affiliate", BIG, nullable=False),
        sa.Column("currency", SMALL, nullable=False),
        sa.Column("issued_day", sa.Integer(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("amount_minor", BIG, nullable=False),
        sa.Column("vat_minor", BIG, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", "number", name="pk_invoice"),
        sa.ForeignKeyConstraint(
            ["run_day", "affiliate", "currency"],
            ["payout.run_day", "payout.affiliate", "payout.currency"],
            name="fk_invoice_run_day_affiliate_currency",
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_invoice_counted")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_invoice_payout", "invoice", ["run_day", "affiliate", "currency"], unique=True
    )
    _refuse("invoice", "has_no_gap", GAP, "its number does not follow the last one")
    _refuse("run", "respects_closings", CLOSED, "its date is in a period that is closed")
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


def _refuse(table: str, rule: str, condition: str, said: str) -> None:
    """Let the database refuse a new row of `table` that meets a condition."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {table}_{rule} BEFORE INSERT ON {table} WHEN {condition} BEGIN"
            f" SELECT RAISE(ABORT, '{table}: {said}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_{rule}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {condition} THEN RAISE EXCEPTION '{table}: {said}'"
        " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_{rule} BEFORE INSERT ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {table}_{rule}()"
    )


def _refuse_no_more(table: str, rule: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {table}_{rule}")
    else:
        op.execute(f"DROP TRIGGER {table}_{rule} ON {table}")
        op.execute(f"DROP FUNCTION {table}_{rule}()")


def downgrade() -> None:
    """Refused once a month was closed, which an older program would not respect, or an invoice has
    a number, which would be given again."""
    if op.get_bind().exec_driver_sql("SELECT count(*) FROM closing").scalar_one():
        raise RuntimeError("months of this book are closed: older revisions do not respect that")
    if op.get_bind().exec_driver_sql("SELECT count(*) FROM invoice").scalar_one():
        raise RuntimeError("invoices of this book have numbers: older revisions would lose them")
    _refuse_no_more("invoice", "has_no_gap")
    _refuse_no_more("run", "respects_closings")
    for name in reversed(ADDED_TO_ONLY):
        op.drop_table(name)
