"""The book: facts, what runs derive from them, and the refusal to change either.

Revision ID: 0001
Revises: none
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

ADDED_TO_ONLY = (
    "activity",
    "affiliate",
    "attempt",
    "currency",
    "entry",
    "event",
    "intake",
    "line",
    "payout",
    "profile",
    "referral",
    "refusal",
    "run",
    "statement",
    "attempt_end",
    "plan_version",
)


def big(name: str) -> sa.Column[Any]:
    return sa.Column(name, BIG, nullable=False)


def small(name: str) -> sa.Column[Any]:
    return sa.Column(name, SMALL, nullable=False)


def text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def table(name: str, key: tuple[str, ...], *parts: Any, rowid: bool = True) -> None:
    op.create_table(
        name,
        *parts,
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        sqlite_strict=True,
        sqlite_with_rowid=rowid,
    )


def check(table_name: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table_name}_{name}"))


def unique(table_name: str, column: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(column, name=f"uq_{table_name}_{column}")


def facts() -> None:
    table(
        "intake", ("id",), big("id"), text("kind"), text("learned_at"), text("who"), text("files"),
        big("accepted"), big("duplicate"), big("rejected"),
    )  # fmt: skip
    table(
        "plan_version", ("intake",), big("intake"), text("hash"), text("record"),
        sa.ForeignKeyConstraint(["intake"], ["intake.id"], name="fk_plan_version_intake"),
    )  # fmt: skip
    table(
        "currency", ("id",), big("id"), text("code"), small("decimals"),
        unique("currency", "code"),
    )  # fmt: skip
    table(
        "affiliate", ("id",), big("id"), text("affiliate_id"), big("intake"),
        unique("affiliate", "affiliate_id"),
    )  # fmt: skip
    table(
        "profile", ("affiliate", "intake"), big("affiliate"), big("intake"),
        text("name", nullable=True), text("email", nullable=True), text("country", nullable=True),
        text("locale", nullable=True), text("status"), text("extra", nullable=True),
        check("profile", "status", "status IN ('active', 'suspended', 'closed')"),
        rowid=False,
    )  # fmt: skip
    table(
        "referral", ("affiliate", "since_us"), big("affiliate"), big("since_us"), big("referrer"),
        big("intake"), text("reason", nullable=True), text("extra", nullable=True),
        check("referral", "not_self", "affiliate <> referrer"),
        rowid=False,
    )  # fmt: skip
    table(
        "event", ("id",), big("id"), text("event_id"), big("affiliate"), big("occurred_us"),
        big("amount_minor"), small("currency"), big("root"), big("intake"),
        text("extra", nullable=True),
        unique("event", "event_id"),
        check("event", "reversal_is_negative", "id = root OR amount_minor < 0"),
    )  # fmt: skip
    op.create_index(
        "ix_event_root", "event", ["root"],
        sqlite_where=sa.text("root != id"), postgresql_where=sa.text("root != id"),
    )  # fmt: skip
    table(
        "refusal", ("id",), big("id"), big("intake"), text("kind"), text("file"), big("line"),
        text("code"), text("column_name"), text("text"), text("message"), text("raw"),
    )  # fmt: skip


def derived() -> None:
    table(
        "run", ("day",), big("day"), big("intake"), big("event"), big("waiting_from"),
        big("plan_version"), text("plan_hash"), text("engine_version"), small("settles"),
        text("outputs"), text("figures"), text("started_at"), text("completed_at"),
    )  # fmt: skip
    table(
        "line", ("event", "level"), big("event"), small("level"), big("run_day"),
        big("beneficiary"), big("gross_minor"), big("commission_minor"), small("reason"),
        big("terms_day"), big("available_day"),
        rowid=False,
    )  # fmt: skip
    op.create_index("ix_line_beneficiary_run_day", "line", ["beneficiary", "run_day"])
    table(
        "entry", ("run_day", "affiliate", "currency", "kind", "available_day"), big("run_day"),
        big("affiliate"), small("currency"), small("kind"), big("available_day"),
        small("debit_account"), small("credit_account"), big("amount_minor"),
        check("entry", "positive", "amount_minor > 0"),
        check("entry", "two_sides", "debit_account <> credit_account"),
        rowid=False,
    )  # fmt: skip
    op.create_index("ix_entry_available_day", "entry", ["available_day"])
    table(
        "activity", ("run_day", "affiliate", "currency"), big("run_day"), big("affiliate"),
        small("currency"), big("lines"), big("earliest_day"),
        rowid=False,
    )  # fmt: skip
    table(
        "cap_total",
        ("terms_day", "level", "cap_window", "window_start", "beneficiary", "currency"),
        big("terms_day"), small("level"), small("cap_window"), big("window_start"),
        big("beneficiary"), small("currency"), big("total_minor"),
        rowid=False,
    )  # fmt: skip
    table(
        "statement", ("run_day", "affiliate", "currency"), big("run_day"), big("affiliate"),
        small("currency"), big("period_from"), big("opening_minor"), big("earned_minor"),
        big("reversed_minor"), big("adjusted_minor"), big("paid_minor"), big("closing_minor"),
        big("held_minor"), big("available_minor"),
        check(
            "statement", "foots",
            "closing_minor = opening_minor + earned_minor + reversed_minor + adjusted_minor"
            " - paid_minor",
        ),
        check("statement", "splits", "closing_minor = held_minor + available_minor"),
        rowid=False,
    )  # fmt: skip
    op.create_index("ix_statement_affiliate", "statement", ["affiliate"])
    table(
        "payout", ("run_day", "affiliate", "currency"), big("run_day"), big("affiliate"),
        small("currency"), big("amount_minor"),
        check("payout", "positive", "amount_minor > 0"),
        rowid=False,
    )  # fmt: skip


def work() -> None:
    table("attempt", ("id",), big("id"), big("day"), text("started_at"), text("who"))
    table(
        "attempt_end", ("attempt",), big("attempt"), text("ended_at"), text("outcome"),
        text("message"),
        sa.ForeignKeyConstraint(["attempt"], ["attempt.id"], name="fk_attempt_end_attempt"),
    )  # fmt: skip
    table("lease", ("id",), big("id"), text("holder"), text("since"), big("token"))


def refuse_changes_sqlite() -> None:
    for name in ADDED_TO_ONLY:
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {name}_refuses_{verb} BEFORE {verb} ON {name} BEGIN"
                f" SELECT RAISE(ABORT, '{name} is only ever added to: {verb} refused'); END"
            )


def refuse_changes_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION '% is only ever added to: % refused', TG_TABLE_NAME, lower(TG_OP);"
        " END $$"
    )
    for name in ADDED_TO_ONLY:
        op.execute(
            f"CREATE TRIGGER {name}_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def upgrade() -> None:
    facts()
    derived()
    work()
    if op.get_bind().dialect.name == "sqlite":
        refuse_changes_sqlite()
    else:
        refuse_changes_postgresql()


def downgrade() -> None:
    for name in ("attempt_end", "plan_version", "lease", "cap_total"):
        op.drop_table(name)
    for name in ADDED_TO_ONLY:
        if name not in ("attempt_end", "plan_version"):
            op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
