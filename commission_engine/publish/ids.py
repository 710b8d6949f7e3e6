"""The ids of statements and payouts: the same for the same programme, day and affiliate, always.

They say nothing of the affiliate's own text, so they can name files and go to a bank, and they
are short enough for every payment format (28 characters).
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import polars as pl

from commission_engine.calendar import Day, date_of

_DIGITS = np.frombuffer(b"0123456789abcdefghijklmnopqrstuv", np.uint8)
_PLACES = np.array([16, 8, 4, 2, 1], np.uint8)


def statement_ids(programme: str, days: pl.Series, affiliates: pl.Series) -> pl.Series:
    """`statement_id` of the settlements on these days and the affiliates beside them."""
    return _named("st", programme, days, _told_apart(affiliates)).alias("statement_id")


def payout_ids(
    programme: str, days: pl.Series, affiliates: pl.Series, currencies: pl.Series
) -> pl.Series:
    """`payout_id` of the settlements on these days, the affiliates and the currencies beside."""
    texts = _told_apart(affiliates) + _told_apart(currencies)
    return _named("po", programme, days, texts).alias("payout_id")


def pseudonyms(
    programme: str, readers: pl.Series, affiliates: pl.Series, key: bytes = b""
) -> pl.Series:
    """How each affiliate is called towards the reader beside him, who may not know him; stable
    for that reader. With a key they are longer, and only who has it can make them again."""
    texts = _told_apart(readers) + _told_apart(affiliates)
    return _hashed(_part("pseudonym") + _part(programme), texts, 8 if key else 6, key)


def statement_id(programme: str, day: Day, affiliate_id: str) -> str:
    """Of the statement that the settlement on `day` writes for an affiliate."""
    return _one_named("st", programme, day, affiliate_id)


def payout_id(programme: str, day: Day, affiliate_id: str, currency: str) -> str:
    """Of what the settlement on `day` pays an affiliate in a currency."""
    return _one_named("po", programme, day, affiliate_id, currency)


def pseudonym(programme: str, reader_id: str, affiliate_id: str, key: bytes = b"") -> str:
    """How an affiliate is called towards a reader who may not know him."""
    parts = ("pseudonym", programme, reader_id, affiliate_id)
    return _one_hashed(parts, 8 if key else 6, key)


def _named(kind: str, programme: str, days: pl.Series, texts: pl.Series) -> pl.Series:
    hashed = _hashed(_part(programme), _told_apart(days.cast(pl.String)) + texts, 16)
    return f"{kind}-" + days.cast(pl.Int32).cast(pl.Date).dt.strftime("%Y%m%d") + "-" + hashed


def _part(text: str) -> str:
    return f"{len(text)}:{text}"


def _told_apart(texts: pl.Series) -> pl.Series:
    """Each text as a part that no other parts run together to."""
    return texts.str.len_chars().cast(pl.String) + ":" + texts


def _one_named(kind: str, programme: str, day: Day, *texts: str) -> str:
    when = date_of(day).isoformat().replace("-", "")
    return f"{kind}-{when}-{_one_hashed((programme, str(day), *texts), 16)}"


def _one_hashed(parts: Sequence[str], digits: int, key: bytes = b"") -> str:
    """As `_hashed` has it of one text, in a hundredth of the time that columns of one row take."""
    text = "".join(map(_part, parts)).encode()
    octets = hmac.digest(key, text, "sha256") if key else sha256(text).digest()
    number = int.from_bytes(octets[:10], "big")
    return "".join(chr(_DIGITS[number >> shift & 31]) for shift in range(75, 75 - 5 * digits, -5))


def _hashed(start: str, texts: pl.Series, digits: int, key: bytes = b"") -> pl.Series:
    """A hash over `start` and each text, in so many digits of base 32 (16 at most); with a key
    its HMAC."""
    before = start.encode()
    each = texts.cast(pl.Binary).to_list()
    if key:
        hashes = [hmac.digest(key, before + text, "sha256") for text in each]
    else:
        hashes = [sha256(before + text).digest() for text in each]
    octets = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
    bits = np.unpackbits(octets, axis=1, count=digits * 5).reshape(-1, digits, 5)
    written = _DIGITS[bits @ _PLACES].reshape(-1).view(f"S{digits}")
    return pl.Series(written.tolist(), dtype=pl.Binary).cast(pl.String)
