"""The tables of what banks say of payouts, and of what people decide on it. See schema.py."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text

from commission_engine.book.columns import big, day, key, small, table, text

bank_file = table(  # a bank's file that was read, whole, by its intake
    "bank_file",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    Column("sha256", Text, nullable=False, unique=True),
    text("form"),  # camt.053, camt.054, mt940, nacha, paypal, wise, csv
    text("name"),
    text("statements"),  # JSON: what the bank calls them
    big("known"),  # entries of it that an earlier file had brought
    big("pending"),  # entries of it that are not final, and were left out
)

bank_entry = table(  # one entry of a bank's file, and what was made of it when it was read
    "bank_entry",
    key("id"),
    big("intake"),
    big("line"),
    Column("identity", Text, nullable=False, unique=True),
    big("position"),  # among the entries of its file with the same content
    text("said"),  # paid, failed, returned, notice, other
    text("account"),
    text("bank_reference"),
    text("reference"),
    day("booked_day"),
    text("code"),  # a currency, which the book need not have
    small("decimals"),
    big("amount_minor"),
    text("payee"),
    text("payee_tail"),  # the end of the payee's account
    text("reason_code"),
    text("reason"),
    text("found"),  # paid, ..., partly, unknown: `finance.reconcile.match.Found`
    big("run_day"),  # the payout that it is about, or may be; -1: none
    big("affiliate"),
    small("currency"),
    small("score"),  # how sure that is, of 100
    text("why"),
    CheckConstraint("amount_minor >= 0", name="no_sign"),
)

# Serves: the entries of a file.
Index("ix_bank_entry_intake", bank_entry.c.intake)

bank_decision = table(  # a person's word on an entry that waited
    "bank_decision",
    Column("entry", ForeignKey("bank_entry.id"), primary_key=True, autoincrement=False),
    big("intake"),
    text("decision"),  # payout, not ours, ignore
    big("run_day"),  # the payout that it is about; -1: none
    big("affiliate"),
    small("currency"),
    text("reason"),
)
