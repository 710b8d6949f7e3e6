"""The tables of closed months and of tax: what was closed, waived, opened again; documents, invoice
numbers. See schema.py."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
)

from commission_engine.book.columns import big, day, key, keyed, small, table, text

# A trigger of migration 0014 refuses a run whose date is in or before a period that is closed.
closing = table(  # a closed period: no run may come into it, or before it, any more
    "closing",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),  # of its folder: 2026-10, 2026-10-2, ...
    day("first_day"),
    day("last_day"),
    Column("last_run", ForeignKey("run.day"), nullable=False),  # the last one in or before it
    big("head"),  # the last row of the audit trail before it
    text("head_hash"),
    text("content"),  # the SHA-256 of what its pack says
    text("files"),  # JSON: name -> SHA-256 of the pack's files
    text("made_with"),  # JSON: the form, and the versions of what has made the files
)

refusal_waiver = table(  # a person's word that a refused row may stay refused
    "refusal_waiver",
    Column("refusal", ForeignKey("refusal.id"), primary_key=True, autoincrement=False),
    big("intake"),
    text("reason"),
)

reopen_request = table(  # somebody asks to open a closed period again
    "reopen_request",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    Column("closing", ForeignKey("closing.intake"), nullable=False),
    text("reason"),
)

reopening = table(  # a second person has confirmed it: the closing holds no more
    "reopening",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    Column("request", ForeignKey("reopen_request.intake"), nullable=False, unique=True),
    Column("closing", ForeignKey("closing.intake"), nullable=False, unique=True),
)

# -- tax

tax_document = table(  # what an affiliate has given for the tax office; the latest intake holds
    "tax_document",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    big("affiliate"),
    text("kind"),  # w9, w8, none
    day("signed_day"),
    day("expires_day"),  # the last day on which it is good; tax.NEVER: for ever
    text("reason"),
)

# A trigger of migration 0014 lets a number follow only the last one of its prefix.
invoice = keyed(  # a self-billing invoice: the number that a payout has, once and for ever
    "invoice",
    Column("prefix", Text, primary_key=True),
    key("number"),
    big("intake"),
    big("run_day"),
    big("affiliate"),
    small("currency"),
    day("issued_day"),
    text("country"),  # of the affiliate, as known then
    text("treatment"),  # of VAT: added, contained, none
    text("rate"),
    big("amount_minor"),  # of the payout
    big("vat_minor"),
    text("issuer"),  # JSON: the legal entity as it was then
    ForeignKeyConstraint(
        ["run_day", "affiliate", "currency"],
        ["payout.run_day", "payout.affiliate", "payout.currency"],
    ),
    CheckConstraint("number > 0", name="counted"),
)

# Keeps: a payout has one number.
Index("uq_invoice_payout", invoice.c.run_day, invoice.c.affiliate, invoice.c.currency, unique=True)
