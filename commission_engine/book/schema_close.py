"""The tables of closed months: what was closed, what was waived for it, what was opened again. See
schema.py."""

from sqlalchemy import Column, ForeignKey, Text

from commission_engine.book.columns import big, day, table, text

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
