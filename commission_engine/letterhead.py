"""What stands on statements: the settings `[statements]`, checked for their form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "COMMISSION_STATEMENTS_KEY"
"""The environment variable with the key of pseudonyms: no setting, and shown nowhere."""

NAMES = ("name", "address", "contact", "logo", "colour", "language")
LANGUAGES = ("en", "de", "es", "it", "ro", "ru")
LOGOS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}

_COLOUR = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", re.ASCII)

LONGEST = 300
MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes statements, and in which colours. `name` is that of the programme ("": as in its
    plan), `address` has lines, `contact` says whom to ask, `logo` is the name of a file ("": none),
    `language` that of affiliates whose own there are no texts in."""

    name: str = ""
    address: str = ""
    contact: str = ""
    logo: str = ""
    colour: str = "#1f4e79"
    language: str = "en"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Letterhead":
        """From settings by their names, each of which is possible (see `fault`)."""
        return cls(**{name: settings[name] for name in NAMES})


def fault(name: str, value: Any) -> str:
    """What is wrong with the value of the setting `statements.<name>`, and what would be right."""
    if not isinstance(value, str):
        return f"{value!r} is not a text in quotes"
    if name == "language":
        return "" if value in LANGUAGES else f"{value!r} is none of {', '.join(LANGUAGES)}"
    if name == "colour":
        return _fault_of_colour(value)
    if name == "logo":
        ends = tuple(LOGOS)
        good = not value or value.lower().endswith(ends)
        return "" if good else f"{value!r} ends in none of {', '.join(ends)}"
    if len(value) > LONGEST or value.count("\n") >= MOST_LINES:
        return f"it has more than {LONGEST} characters or {MOST_LINES} lines"
    return ""


def _fault_of_colour(value: str) -> str:
    found = _COLOUR.fullmatch(value)
    if not found:
        return f"{value!r} is not a colour such as #1f4e79"
    # Of ten thousand parts of white's luminance (WCAG 2.2), in whole numbers.
    red, green, blue = (_LINEAR[int(part, 16)] for part in found.groups())
    luminance = (2126 * red + 7152 * green + 722 * blue) // 10_000
    if 45 * (luminance + 500) > 10_500 * 10:
        return f"{value!r} is too light to be read on white; take a darker one, such as #1f4e79"
    return ""


def _linear(part: int) -> int:
    """sRGB to linear light, from 0 to 255 to ten thousandths (WCAG 2.2)."""
    share = part / 255
    light: float = share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
    return int(10_000 * light)


_LINEAR = tuple(_linear(part) for part in range(256))
