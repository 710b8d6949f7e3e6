"""The tables of what people and their systems add beside imports: corrections, how far sources were
read, what becomes of payouts. See schema.py."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
)

from commission_engine.book.columns import Small, big, day, key, keyed, small, table, text
from commission_engine.ledger.life import BACK

# -- corrections: facts that people add

adjustment = keyed(  # of an event that no platform sent: whom it pays, and what it corrects
    "adjustment",
    key("event"),
    big("intake"),
    big("beneficiary"),
    small("level"),
    day("available_day"),
    big("corrects"),  # the event of the line that it corrects; -1: none
    text("reason"),
)

true_up = table(  # past dates were computed anew with what was known then, and the plan of then
    "true_up",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    day("first_day"),
    day("last_day"),
    big("plan_version"),
)

cap_shift = keyed(  # how far a true-up moved the running total of a cap
    "cap_shift",
    key("intake"),
    key("terms_day"),
    Column("level", Small, primary_key=True, autoincrement=False),
    Column("cap_window", Small, primary_key=True, autoincrement=False),
    key("window_start"),
    key("beneficiary"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    big("moved_minor"),
)

proposal = table(  # a correction that waits for a second person
    "proposal",
    key("id"),
    big("intake"),
    text("kind"),  # adjustment, true-up
    text("asks"),  # JSON: what for
    text("sha256"),  # of what it would post
)

proposal_end = table(  # what a second person said of it
    "proposal_end",
    Column("proposal", ForeignKey("proposal.id"), primary_key=True, autoincrement=False),
    big("intake"),
    text("outcome"),  # approved, rejected
    text("reason"),
)

# -- where input comes from

source_fetch = table(  # one look at a source that was reached: what came of it, how far it goes
    "source_fetch",
    key("id"),
    text("source"),
    text("kind"),  # folder, sql, parquet
    text("fetched_at"),
    big("intake"),  # the last intake of the book when it was done
    big("read"),
    big("accepted"),
    big("duplicate"),
    big("rejected"),
    text("mark_column"),  # the watermark up to which the source was read; "": it has none
    text("mark_type"),
    text("mark"),
)

source_file = keyed(  # a file that a fetch took, and why it was refused as a whole; "": it was not
    "source_file",
    Column("fetch_id", ForeignKey("source_fetch.id"), primary_key=True, autoincrement=False),
    key("number"),
    text("name"),  # in its source
    text("version"),  # of an object store: the ETag of what was taken
    big("bytes"),
    text("sha256"),
    text("refused"),
)

# -- what becomes of payouts

# A trigger of migration 0007 lets a step follow only the last one, in the state that it left.
payout_step = keyed(  # one step of a payout's life: its steps are numbered 1, 2, ...
    "payout_step",
    key("run_day"),
    key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    Column("number", Small, primary_key=True, autoincrement=False),
    text("was"),  # the state before it
    text("step"),  # the state that it leaves
    big("intake"),
    text("batch"),  # the content hash of what was approved or exported together; "": none
    text("reason"),  # why, or the bank's reference
    ForeignKeyConstraint(
        ["run_day", "affiliate", "currency"],
        ["payout.run_day", "payout.affiliate", "payout.currency"],
    ),
    CheckConstraint(
        "was = 'pending' AND step IN ('approved', 'voided', 'exported')"
        " OR was = 'approved' AND step IN ('pending', 'voided', 'exported')"
        " OR was = 'exported' AND step IN ('paid', 'failed')"
        " OR was = 'paid' AND step = 'failed'",
        name="legal",
    ),
    CheckConstraint("number > 0", name="counted"),
)

# Keeps: the money of a payout comes back to the balance once.
_BACK = payout_step.c.step.in_([state.value for state in BACK])
Index("uq_payout_step_back", payout_step.c.run_day, payout_step.c.affiliate,
      payout_step.c.currency, unique=True, sqlite_where=_BACK, postgresql_where=_BACK)  # fmt: skip

# Serves: what a run learned since the one before.
Index("ix_payout_step_intake", payout_step.c.intake)

# Serves: the payouts of a batch.
Index("ix_payout_step_batch", payout_step.c.batch)

payment_file = table(  # a file of payouts to pay, by the intake of its export
    "payment_file",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    text("batch"),
    Column("name", Text, nullable=False, unique=True),
    text("sha256"),
)

payment_file_written = table(  # its bytes are on the disk, and it may appear under its name
    "payment_file_written",
    Column("file", ForeignKey("payment_file.intake"), primary_key=True, autoincrement=False),
    text("folder"),
)

minimum_override = table(  # the next settlement pays this account below the minimum
    "minimum_override",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    big("affiliate"),
    small("currency"),
    text("reason"),
)
