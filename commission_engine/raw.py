r"""A refused row kept as text, whatever bytes it had: nothing is lost, and nothing is made up.

A database's text holds neither NUL nor bytes that are not UTF-8. Each such byte is kept as one
character of a private range, so that the row can be shown with escapes and written back as it was.
"""

import re

_FIRST = 0x10FF00  # the last 256 characters of the last private plane, one for each byte
_ODD = re.compile("[\x00\udc80-\udcff\U0010ff00-\U0010ffff]")
_KEPT = re.compile("([\U0010ff00-\U0010ffff])")


def kept(data: bytes) -> str:
    r"""The bytes of a row as text that any database holds.

    >>> as_bytes(kept(b"inv\xff\x00")), shown(kept(b"inv\xff\x00"))
    (b'inv\xff\x00', 'inv\\xff\\x00')
    """
    text = data.decode("utf-8", errors="surrogateescape")
    return _ODD.sub(lambda found: _marked(found[0]), text)


def _marked(char: str) -> str:
    """NUL, a byte that is no text, or a character of the range itself, byte by byte."""
    return "".join(chr(_FIRST + byte) for byte in char.encode(errors="surrogateescape"))


def as_bytes(text: str) -> bytes:
    """The row as it stood in its file."""
    parts = _KEPT.split(text)  # by turns text and one character that stands for a byte
    return b"".join(
        bytes([ord(part) - _FIRST]) if place % 2 else part.encode()
        for place, part in enumerate(parts)
    )


def shown(text: str) -> str:
    r"""The row for people: what is no character is written \xNN."""
    return _KEPT.sub(lambda found: f"\\x{ord(found[0]) - _FIRST:02x}", text)
