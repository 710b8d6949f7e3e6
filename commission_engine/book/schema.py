"""The tables of a book, as the program uses them; migrations/ makes them.

Money is BIGINT minor units beside a currency number; a rate never leaves its plan. Instants are
microseconds since 1970 in UTC, days are counted from 1970-01-01. Every table but `cap_total` and
`lease` is only ever added to: the database itself refuses UPDATE and DELETE (see APPEND_ONLY).
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Text,
)

from commission_engine.book import schema_close as schema_close
from commission_engine.book import schema_exchange
from commission_engine.book.columns import (
    Big,
    Small,
    big,
    day,
    key,
    keyed,
    small,
    table,
    text,
)
from commission_engine.book.columns import metadata as metadata
from commission_engine.book.schema_bank import payee
from commission_engine.book.schema_people import minimum_override, payout_step
from commission_engine.book.schema_portal import staff
from commission_engine.book.schema_reconcile import bank_decision, bank_entry

# -- facts, each with the intake by which the engine learned it

intake = table(  # one import, plan, move, or release: what was learned at one moment
    "intake",
    key("id"),
    text("kind"),
    text("learned_at"),
    text("who"),
    text("files"),  # JSON: name, bytes, SHA-256 of each
    big("accepted"),
    big("duplicate"),
    big("rejected"),
)

plan_version = table(  # an applied plan as canonical JSON; the latest intake holds
    "plan_version",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    text("hash"),
    text("record"),  # canonical JSON
)

currency = table(  # the currencies of earnings, numbered, with the decimals of their amounts
    "currency",
    key("id"),
    Column("code", Text, nullable=False, unique=True),
    small("decimals"),
)

affiliate = table(  # everybody who was ever named, numbered
    "affiliate",
    key("id"),
    Column("affiliate_id", Text, nullable=False, unique=True),
    big("intake"),
)

profile = keyed(  # what was said of an affiliate; the latest intake holds
    "profile",
    key("affiliate"),
    key("intake"),
    text("name", nullable=True),
    text("email", nullable=True),
    text("country", nullable=True),
    text("locale", nullable=True),
    text("status"),
    text("extra", nullable=True),
    CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
)

referral = keyed(  # holds from `since_us` until the affiliate's next one; referrer -1: none
    "referral",
    key("affiliate"),
    key("since_us"),
    big("referrer"),
    big("intake"),
    text("reason", nullable=True),  # of a move
    text("extra", nullable=True),
    CheckConstraint("affiliate <> referrer", name="not_self"),
)

# Serves: whom an affiliate has referred.
Index("ix_referral_referrer", referral.c.referrer)

event = table(  # an earning or a reversal; `root` is the order's earning, its own id for a root
    "event",
    key("id"),
    Column("event_id", Text, nullable=False, unique=True),
    big("affiliate"),
    big("occurred_us"),
    big("amount_minor"),
    small("currency"),
    big("root"),
    big("intake"),
    text("extra", nullable=True),
    CheckConstraint("id = root OR amount_minor < 0", name="reversal_is_negative"),
)

# Serves: the events of an order, when one of its reversals is processed or explained.
Index("ix_event_root", event.c.root, sqlite_where=event.c.root != event.c.id,
      postgresql_where=event.c.root != event.c.id)  # fmt: skip

refusal = table(  # an input row that was not accepted, whole
    "refusal",
    key("id"),
    big("intake"),
    text("kind"),
    text("file"),
    big("line"),
    text("code"),
    text("column_name"),
    text("text"),
    text("message"),
    text("raw"),
)

# -- what runs derive from them

letterhead = keyed(  # with what documents are made that are to be made again to the same bytes
    "letterhead",
    Column("sha256", Text, primary_key=True),
    text("content"),  # JSON: head, logo, who made them
)

run = table(  # one completed run a business date
    "run",
    key("day"),
    # The run before it (runs.FIRST: none). No two follow the same: no event is processed twice.
    Column("follows", Big, nullable=False, unique=True),
    big("intake"),  # the last intake it knew
    big("event"),  # the last event it knew
    big("waiting_from"),  # the first event known but later than the day; -1: none
    big("plan_version"),
    text("plan_hash"),
    text("engine_version"),
    small("settles"),
    text("outputs"),  # JSON: which documents and formats its files have, with which letterhead
    text("figures"),  # JSON: counts and control totals per currency
    text("started_at"),
    text("completed_at"),
    Column("bounds", Text, nullable=False, server_default="{}"),  # JSON: those that judged it
)

hold = table(  # what waits for a person instead of being paid; -1: everybody, every currency
    "hold",
    key("id"),
    big("run_day"),
    text("kind"),  # run, payout, lines
    big("affiliate"),
    small("currency"),
    big("figure"),  # minor units, or lines
    big("bound"),
    text("why"),  # JSON: more to say it with
)

release = table(  # a person's word that what a hold holds may be paid
    "release",
    Column("hold", ForeignKey("hold.id"), primary_key=True, autoincrement=False),
    big("intake"),
    text("reason"),
    big("up_to"),  # of a payout the most that may be paid, in minor units; else -1
)

line = keyed(  # one decision: an event at one level for one beneficiary, zero ones included
    "line",
    # A run adds behind all that is there, and one affiliate's lines of a run lie side by side.
    Column("run_day", Integer, primary_key=True, autoincrement=False),
    key("beneficiary"),
    key("event"),
    Column("level", Small, primary_key=True, autoincrement=False),
    big("gross_minor"),
    big("commission_minor"),
    small("reason"),
    day("terms_day"),
    day("available_day"),
)

published = table(  # the hashes of a run's files, once they have been written
    "published",
    key("run_day"),
    text("manifest"),  # the SHA-256 of manifest.json, which names those of all files
    text("files"),  # canonical JSON: those of the tables beside it
)

line_home = table(  # where the lines are: "database", a folder, a URL; the latest row holds
    "line_home",
    key("id"),
    text("place"),
)

segment = keyed(  # a file of a run's lines outside the database; only what is listed here counts
    "segment",
    key("run_day"),
    key("number"),
    text("name"),  # the SHA-256 of its bytes
    big("rows"),
    big("bytes"),
    big("lowest_beneficiary"),
    big("highest_beneficiary"),
    big("lowest_event"),
    big("highest_event"),
    small("highest_level"),
    big("gross_minor"),  # over all currencies: a proof, not an amount
    big("commission_minor"),
)

archived = table(  # runs whose lines have left the database: they are in the segments of the run
    "archived",
    key("run_day"),
    big("intake"),
    big("rows"),
    text("sha256"),  # the digest of these lines as the database had them (`digests.Digest`)
)

archive_home = table(  # where the segments of archived runs are; the latest row holds
    "archive_home",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    text("place"),
)

entry = keyed(  # the ledger: `amount_minor` from the credit account to the debit account
    "entry",
    key("run_day"),
    key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    Column("kind", Small, primary_key=True, autoincrement=False),
    key("available_day"),
    small("debit_account"),
    small("credit_account"),
    big("amount_minor"),
    CheckConstraint("amount_minor > 0", name="positive"),
    CheckConstraint("debit_account <> credit_account", name="two_sides"),
)

# Serves: what became available since the last settlement.
Index("ix_entry_available_day", entry.c.available_day)

activity = keyed(  # per run who had lines, the zero ones included
    "activity",
    key("run_day"),
    key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    big("lines"),
    big("earliest_day"),  # the first local day of the orders they belong to
)

cap_total = keyed(  # per cap and key the running total before the cap; the sum of its lines
    "cap_total",
    key("terms_day"),
    Column("level", Small, primary_key=True, autoincrement=False),
    Column("cap_window", Small, primary_key=True, autoincrement=False),
    key("window_start"),
    key("beneficiary"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    big("total_minor"),
)

statement = keyed(  # per settlement an account in one currency, from opening to closing
    "statement",
    key("run_day"),
    key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    big("period_from"),
    big("opening_minor"),
    big("earned_minor"),
    big("reversed_minor"),
    big("adjusted_minor"),
    big("paid_minor"),
    big("closing_minor"),
    big("held_minor"),
    big("available_minor"),
    CheckConstraint(
        "closing_minor = opening_minor + earned_minor + reversed_minor + adjusted_minor"
        " - paid_minor",
        name="foots",
    ),
    CheckConstraint("closing_minor = held_minor + available_minor", name="splits"),
)

# Serves: one affiliate's statements.
Index("ix_statement_affiliate", statement.c.affiliate)

payout = keyed(  # what a settlement decided to pay
    "payout",
    key("run_day"),
    key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    big("amount_minor"),
    CheckConstraint("amount_minor > 0", name="positive"),
)

# Serves: one affiliate's payouts.
Index("ix_payout_affiliate", payout.c.affiliate)

# -- the work itself

attempt = table(  # every start of a run, also those that failed
    "attempt",
    key("id"),
    big("day"),
    text("started_at"),
    text("who"),
)

attempt_end = table(  # how an attempt ended; a killed one has none
    "attempt_end",
    Column("attempt", ForeignKey("attempt.id"), primary_key=True, autoincrement=False),
    text("ended_at"),
    text("outcome"),
    text("message"),
)

stage = table(  # how long each part of an attempt took; to be looked at, nothing is made of it
    "stage",
    Column("attempt", ForeignKey("attempt.id"), primary_key=True, autoincrement=False),
    key("number"),
    text("name"),
    big("milliseconds"),
    big("rows"),  # that it had to do with; -1: not counted
)

audit = table(  # every change, who made it, when and from where; each row proves those before
    "audit",
    key("id"),
    text("at"),
    text("who"),
    text("host"),
    big("process"),
    text("command"),
    text("what"),  # "plan", "import earnings", "move", "settings", "run", ...
    text("subject"),  # the number of the intake, the date of the run
    text("details"),  # JSON; "rows": which rows of which tables, with their digest
    text("previous"),  # the hash of the row before; of the first one 64 zeros
    text("hash"),  # SHA-256 of all the other columns
)

lease = table(  # who works on the book, since when; one row
    "lease",
    key("id"),
    text("holder"),
    text("since"),
    big("token"),
)

PEOPLE_SAID = (
    release, payout_step, minimum_override, payee, bank_entry, bank_decision,
    schema_exchange.exchange_rate, schema_exchange.payout_currency, staff,
)  # fmt: skip
"""What people and banks say of holds, payouts, payees, rates and staff: each row is one that its
intake has accepted."""

APPEND_ONLY = tuple(
    table.name for table in metadata.sorted_tables if table.name not in ("cap_total", "lease")
)
