"""Whom a statement names, and how: direct referrals as they chose, everybody else by a pseudonym.

A pseudonym is made of the reader and the other one: the same in every statement of that reader,
another in everybody else's. With a key nobody who does not have it can tell from an id which
pseudonym is its. Without one they are those of the CSV documents: who knows both ids and the
programme's name can make them again.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from commission_engine.letterhead import KEY
from commission_engine.problems import UsageError
from commission_engine.publish.ids import pseudonym, pseudonyms

BYTES = 32
DIRECT = 1
"""The level of those whom an affiliate brought himself."""

LONGEST_NAME = 100

_MAIL = re.compile(r"\S@\S")
_MARKS_IN_A_ROW = 4


@dataclass(frozen=True, slots=True)
class Privacy:
    """How the affiliates of a programme are called towards each other."""

    programme: str
    key: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, programme: str, environment: Mapping[str, str]) -> "Privacy":
        """With the key of the environment, if there is one; UsageError where it is none."""
        text = environment.get(KEY, "").strip()
        if not text:
            return cls(programme)
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != BYTES:
            raise UsageError(
                f"{KEY} is not {BYTES} bytes in base 64",
                "Make one with: head -c 32 /dev/urandom | base64",
            )
        return cls(programme, key)

    def shown_name(self, reader_id: str, other_id: str, level: int, name: str | None) -> str:
        """How `reader_id` reads of `other_id`, who is `level` levels below him and has chosen to be
        called `name`: by that name if he brought him himself, else by a pseudonym.

        A name that is empty or holds an e-mail address is not shown.
        """
        return chosen(name, level) or "#" + pseudonym(self.programme, reader_id, other_id, self.key)

    def hidden(self, readers: pl.Series, others: pl.Series) -> pl.Series:
        """The pseudonyms of `others` towards the readers beside them."""
        return "#" + pseudonyms(self.programme, readers, others, self.key)


def chosen(name: str | None, level: int) -> str:
    """The name to show of somebody `level` levels below the reader; "" for none."""
    if level != DIRECT or not name or _MAIL.search(name):
        return ""
    return plain_name(name)


def plain_name(name: str) -> str:
    """A name no longer than it needs to be to know somebody by it; else as `plain_text`."""
    return plain_text(name, LONGEST_NAME)


def plain_text(said: str, longest: int = 300) -> str:
    """What somebody typed as one line: without characters that are not seen or move others, without
    towers of marks; cut where it is longer.

    >>> plain_text("Ann\\u202e  van\\n der\\u200b Berg")
    'Ann van der Berg'
    """
    if said.isascii() and said.isprintable() and len(said) <= longest and "  " not in said:
        return said.strip()
    kept: list[str] = []
    marks = 0
    for char in said:
        category = unicodedata.category(char)
        if category in ("Zs", "Zl", "Zp", "Cc"):
            char = " "
        elif category in ("Cf", "Cn", "Co", "Cs") and char not in _JOINERS:
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks < _MARKS_IN_A_ROW:
            kept.append(char)
    text = " ".join("".join(kept).split())
    if not text.strip(_JOINERS + " "):
        return ""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


_JOINERS = "\u200c\u200d"
"""Seen by what they do to the letters beside them, in Persian for one."""
