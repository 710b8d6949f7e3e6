"""The tables of payees and of files for banks. What they hold of an account is sealed: encrypted
with a key that the book does not have. See schema.py."""

from sqlalchemy import Column, ForeignKey

from commission_engine.book.columns import Big, big, key, keyed, table, text

payee = keyed(  # to which account an affiliate is paid; the latest intake holds
    "payee",
    key("affiliate"),
    key("intake"),
    big("account_intake"),  # the intake that first named this account
    text("key_name"),  # of the key that it is sealed with
    text("sealed"),
)

payment_format = table(  # a file to pay that is in a bank's format, and on what days
    "payment_format",
    Column("file", ForeignKey("payment_file.intake"), primary_key=True, autoincrement=False),
    text("format"),
    big("created_day"),
    big("execution_day"),  # -1: its format has none
)

file_content = keyed(  # the bytes of a file in a bank's format; the latest intake holds
    "file_content",
    Column("file", Big, ForeignKey("payment_format.file"), primary_key=True, autoincrement=False),
    key("intake"),
    text("key_name"),
    text("sealed"),
)
