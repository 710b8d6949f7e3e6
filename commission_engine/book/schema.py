"""The tables of a book, as the program uses them; migrations/ makes them.

Money is BIGINT minor units beside a currency number; a rate never leaves its plan. Instants are
microseconds since 1970 in UTC, days are counted from 1970-01-01. Every table but `cap_total` and
`lease` is only ever added to: the database itself refuses UPDATE and DELETE (see APPEND_ONLY).
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's STRICT tables know INTEGER and TEXT only; its INTEGER holds 64 bits.
Big = BigInteger().with_variant(Integer(), "sqlite")
Small = SmallInteger().with_variant(Integer(), "sqlite")


def _table(name: str, *parts: Column[Any] | CheckConstraint) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _keyed(name: str, *parts: Column[Any] | CheckConstraint) -> Table:
    """A table that SQLite stores in the order of its key, without a row number beside it."""
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=False)


def _key(name: str) -> Column[Any]:
    return Column(name, Big, primary_key=True, autoincrement=False)


def _big(name: str) -> Column[Any]:
    return Column(name, Big, nullable=False)


def _day(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def _small(name: str) -> Column[Any]:
    return Column(name, Small, nullable=False)


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


# -- facts, each with the intake by which the engine learned it

intake = _table(  # one import, plan, move, or release: what was learned at one moment
    "intake",
    _key("id"),
    _text("kind"),
    _text("learned_at"),
    _text("who"),
    _text("files"),  # JSON: name, bytes, SHA-256 of each
    _big("accepted"),
    _big("duplicate"),
    _big("rejected"),
)

plan_version = _table(  # an applied plan as canonical JSON; the latest intake holds
    "plan_version",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    _text("hash"),
    _text("record"),  # canonical JSON
)

currency = _table(  # the currencies of earnings, numbered, with the decimals of their amounts
    "currency",
    _key("id"),
    Column("code", Text, nullable=False, unique=True),
    _small("decimals"),
)

affiliate = _table(  # everybody who was ever named, numbered
    "affiliate",
    _key("id"),
    Column("affiliate_id", Text, nullable=False, unique=True),
    _big("intake"),
)

profile = _keyed(  # what was said of an affiliate; the latest intake holds
    "profile",
    _key("affiliate"),
    _key("intake"),
    _text("name", nullable=True),
    _text("email", nullable=True),
    _text("country", nullable=True),
    _text("locale", nullable=True),
    _text("status"),
    _text("extra", nullable=True),
    CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
)

referral = _keyed(  # holds from `since_us` until the affiliate's next one; referrer -1: none
    "referral",
    _key("affiliate"),
    _key("since_us"),
    _big("referrer"),
    _big("intake"),
    _text("reason", nullable=True),  # of a move
    _text("extra", nullable=True),
    CheckConstraint("affiliate <> referrer", name="not_self"),
)

event = _table(  # an earning or a reversal; `root` is the order's earning, its own id for a root
    "event",
    _key("id"),
    Column("event_id", Text, nullable=False, unique=True),
    _big("affiliate"),
    _big("occurred_us"),
    _big("amount_minor"),
    _small("currency"),
    _big("root"),
    _big("intake"),
    _text("extra", nullable=True),
    CheckConstraint("id = root OR amount_minor < 0", name="reversal_is_negative"),
)

# Serves: the events of an order, when one of its reversals is processed or explained.
Index("ix_event_root", event.c.root, sqlite_where=event.c.root != event.c.id,
      postgresql_where=event.c.root != event.c.id)  # fmt: skip

refusal = _table(  # an input row that was not accepted, whole
    "refusal",
    _key("id"),
    _big("intake"),
    _text("kind"),
    _text("file"),
    _big("line"),
    _text("code"),
    _text("column_name"),
    _text("text"),
    _text("message"),
    _text("raw"),
)

# -- what runs derive from them

run = _table(  # one completed run a business date
    "run",
    _key("day"),
    # The run before it (runs.FIRST: none). No two follow the same: no event is processed twice.
    Column("follows", Big, nullable=False, unique=True),
    _big("intake"),  # the last intake it knew
    _big("event"),  # the last event it knew
    _big("waiting_from"),  # the first event known but later than the day; -1: none
    _big("plan_version"),
    _text("plan_hash"),
    _text("engine_version"),
    _small("settles"),
    _text("outputs"),  # JSON: which documents and formats its files have
    _text("figures"),  # JSON: counts and control totals per currency
    _text("started_at"),
    _text("completed_at"),
    Column("bounds", Text, nullable=False, server_default="{}"),  # JSON: those that judged it
)

hold = _table(  # what waits for a person instead of being paid; -1: everybody, every currency
    "hold",
    _key("id"),
    _big("run_day"),
    _text("kind"),  # run, payout, lines
    _big("affiliate"),
    _small("currency"),
    _big("figure"),  # minor units, or lines
    _big("bound"),
    _text("why"),  # JSON: more to say it with
)

release = _table(  # a person's word that what a hold holds may be paid
    "release",
    Column("hold", ForeignKey("hold.id"), primary_key=True, autoincrement=False),
    _big("intake"),
    _text("reason"),
    _big("up_to"),  # of a payout the most that may be paid, in minor units; else -1
)

line = _keyed(  # one decision: an event at one level for one beneficiary, zero ones included
    "line",
    # A run adds behind all that is there, and one affiliate's lines of a run lie side by side.
    Column("run_day", Integer, primary_key=True, autoincrement=False),
    _key("beneficiary"),
    _key("event"),
    Column("level", Small, primary_key=True, autoincrement=False),
    _big("gross_minor"),
    _big("commission_minor"),
    _small("reason"),
    _day("terms_day"),
    _day("available_day"),
)

published = _table(  # the hashes of a run's files, once they have been written
    "published",
    _key("run_day"),
    _text("manifest"),  # the SHA-256 of manifest.json, which names those of all files
    _text("files"),  # canonical JSON: those of the tables beside it
)

line_home = _table(  # where the lines are: "database", a folder, a URL; the latest row holds
    "line_home",
    _key("id"),
    _text("place"),
)

segment = _keyed(  # a file of a run's lines outside the database; only what is listed here counts
    "segment",
    _key("run_day"),
    _key("number"),
    _text("name"),  # the SHA-256 of its bytes
    _big("rows"),
    _big("bytes"),
    _big("lowest_beneficiary"),
    _big("highest_beneficiary"),
    _big("lowest_event"),
    _big("highest_event"),
    _small("highest_level"),
    _big("gross_minor"),  # over all currencies: a proof, not an amount
    _big("commission_minor"),
)

entry = _keyed(  # the ledger: `amount_minor` from the credit account to the debit account
    "entry",
    _key("run_day"),
    _key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    Column("kind", Small, primary_key=True, autoincrement=False),
    _key("available_day"),
    _small("debit_account"),
    _small("credit_account"),
    _big("amount_minor"),
    CheckConstraint("amount_minor > 0", name="positive"),
    CheckConstraint("debit_account <> credit_account", name="two_sides"),
)

# Serves: what became available since the last settlement.
Index("ix_entry_available_day", entry.c.available_day)

activity = _keyed(  # per run who had lines, the zero ones included
    "activity",
    _key("run_day"),
    _key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    _big("lines"),
    _big("earliest_day"),  # the first local day of the orders they belong to
)

cap_total = _keyed(  # per cap and key the running total before the cap; the sum of its lines
    "cap_total",
    _key("terms_day"),
    Column("level", Small, primary_key=True, autoincrement=False),
    Column("cap_window", Small, primary_key=True, autoincrement=False),
    _key("window_start"),
    _key("beneficiary"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    _big("total_minor"),
)

statement = _keyed(  # per settlement an account in one currency, from opening to closing
    "statement",
    _key("run_day"),
    _key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    _big("period_from"),
    _big("opening_minor"),
    _big("earned_minor"),
    _big("reversed_minor"),
    _big("adjusted_minor"),
    _big("paid_minor"),
    _big("closing_minor"),
    _big("held_minor"),
    _big("available_minor"),
    CheckConstraint(
        "closing_minor = opening_minor + earned_minor + reversed_minor + adjusted_minor"
        " - paid_minor",
        name="foots",
    ),
    CheckConstraint("closing_minor = held_minor + available_minor", name="splits"),
)

# Serves: one affiliate's statements.
Index("ix_statement_affiliate", statement.c.affiliate)

payout = _keyed(  # what a settlement decided to pay
    "payout",
    _key("run_day"),
    _key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    _big("amount_minor"),
    CheckConstraint("amount_minor > 0", name="positive"),
)

# -- the work itself

attempt = _table(  # every start of a run, also those that failed
    "attempt",
    _key("id"),
    _big("day"),
    _text("started_at"),
    _text("who"),
)

attempt_end = _table(  # how an attempt ended; a killed one has none
    "attempt_end",
    Column("attempt", ForeignKey("attempt.id"), primary_key=True, autoincrement=False),
    _text("ended_at"),
    _text("outcome"),
    _text("message"),
)

audit = _table(  # every change, who made it, when and from where; each row proves those before
    "audit",
    _key("id"),
    _text("at"),
    _text("who"),
    _text("host"),
    _big("process"),
    _text("command"),
    _text("what"),  # "plan", "import earnings", "move", "settings", "run", ...
    _text("subject"),  # the number of the intake, the date of the run
    _text("details"),  # JSON; "rows": which rows of which tables, with their digest
    _text("previous"),  # the hash of the row before; of the first one 64 zeros
    _text("hash"),  # SHA-256 of all the other columns
)

lease = _table(  # who works on the book, since when; one row
    "lease",
    _key("id"),
    _text("holder"),
    _text("since"),
    _big("token"),
)

APPEND_ONLY = tuple(
    table.name for table in metadata.sorted_tables if table.name not in ("cap_total", "lease")
)
