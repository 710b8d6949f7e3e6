"""The table of the web portal's staff. See schema.py.

Sessions, links and tokens of the portal are no facts of a book and not in it: see doors.py.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey

from commission_engine.book.columns import table, text

staff = table(  # who may look at the portal beside affiliates; of a name the latest intake holds
    "staff",
    Column("intake", ForeignKey("intake.id"), primary_key=True, autoincrement=False),
    text("name"),
    text("email"),  # "": cannot be sent a link
    text("role"),  # "": removed
    CheckConstraint(
        "role IN ('', 'support', 'operator', 'maker', 'checker', 'auditor', 'admin')", name="role"
    ),
)
