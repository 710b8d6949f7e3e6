"""The ids of statements and payouts: the same for the same programme, day and affiliate, always.

They say nothing of the affiliate's own text, so they can name files and go to a bank, and they
are short enough for every payment format (28 characters).
"""

from base64 import b32hexencode
from hashlib import sha256

from commission_engine.calendar import Day, date_of


def statement_id(programme: str, day: Day, affiliate_id: str) -> str:
    """Of the statement that the settlement on `day` writes for an affiliate."""
    return f"st-{_digits(day)}-{_short(programme, str(day), affiliate_id)}"


def payout_id(programme: str, day: Day, affiliate_id: str, currency: str) -> str:
    """Of what the settlement on `day` pays an affiliate in a currency."""
    return f"po-{_digits(day)}-{_short(programme, str(day), affiliate_id, currency)}"


def pseudonym(programme: str, reader_id: str, affiliate_id: str) -> str:
    """How an affiliate is called towards a reader who may not know him; stable for that reader."""
    return _short("pseudonym", programme, reader_id, affiliate_id)[:6]


def _digits(day: Day) -> str:
    """YYYYMMDD; strftime leaves off a year's leading zeros on some systems."""
    return date_of(day).isoformat().replace("-", "")


def _short(*parts: str) -> str:
    """80 bits of a hash over parts that no other parts run together to, as 16 characters."""
    told_apart = "".join(f"{len(part)}:{part}" for part in parts)
    return b32hexencode(sha256(told_apart.encode()).digest()[:10]).decode().lower()
