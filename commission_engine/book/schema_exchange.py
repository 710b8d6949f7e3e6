"""The tables of payouts in another currency: rates, who is paid in what, what payouts came to. See
schema.py."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, ForeignKeyConstraint, Index, Text

from commission_engine.book.columns import Small, big, day, key, keyed, small, text

exchange_rate = keyed(  # how much of a currency is one euro on a day; a rate never changes
    "exchange_rate",
    Column("code", Text, primary_key=True),
    key("day"),
    Column("intake", ForeignKey("intake.id"), nullable=False),
    text("rate"),  # a plain decimal
    text("source"),
)

# Serves: the rates that were known at an intake.
Index("ix_exchange_rate_intake", exchange_rate.c.intake)

payout_currency = keyed(  # in what an affiliate is paid; the latest intake holds
    "payout_currency",
    key("affiliate"),
    key("intake"),
    text("code"),  # "": in what was earned
    text("reason"),
)

conversion = keyed(  # what a payout came to in the currency that it is paid in
    "conversion",
    key("run_day"),
    key("affiliate"),
    Column("currency", Small, primary_key=True, autoincrement=False),
    text("to_code"),
    small("to_decimals"),
    big("to_minor"),
    day("rate_day"),
    text("rate"),  # of its own currency
    text("to_rate"),
    text("source"),
    ForeignKeyConstraint(
        ["run_day", "affiliate", "currency"],
        ["payout.run_day", "payout.affiliate", "payout.currency"],
    ),
    CheckConstraint("to_minor > 0", name="counted"),
)
