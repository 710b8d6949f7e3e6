"""Names and addresses in the letters that banks take. The only home of anyascii."""

import re
import unicodedata

from commission_engine.finance.payees.seal import lacking

_PICTURES = ("So", "Sk", "Cs", "Co", "Cn")
"""What is no writing: anyascii would spell out what a picture shows."""

_NOT_SEPA = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
_LETTER = re.compile(r"[A-Za-z]")


def ascii_of(text: str) -> str:
    """The text in ASCII, letter by letter; "" where nothing of it can be written so."""
    try:
        from anyascii import anyascii
    except ModuleNotFoundError as why:
        raise lacking() from why
    writing = "".join(each for each in text if unicodedata.category(each) not in _PICTURES)
    return " ".join(anyascii(writing).split())


def sepa_of(text: str) -> str:
    """The text in the signs of SEPA; nothing begins or ends with a slash, or has two in a row."""
    swapped = _NOT_SEPA.sub(" ", ascii_of(text))
    return " ".join(re.sub(r"/{2,}", "/", swapped).split()).strip("/").strip()


def ach_of(text: str) -> str:
    """The text in the signs of ACH: capitals."""
    return ascii_of(text).upper()


def says_something(text: str) -> bool:
    """Whether a name in bank letters still has a letter."""
    return _LETTER.search(text) is not None
