"""What stands at the head of statements: the settings, and the logo as it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commission_engine.letterhead import LOGOS, Letterhead
from commission_engine.problems import UsageError

LARGEST_LOGO = 500_000
"""Bytes: it goes into every document."""

_BEGINS = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".svg": (b"<svg", b"<?xml", b"\xef\xbb\xbf<"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Who writes, and in which colours; `logo` are the bytes of an image, `suffix` its kind."""

    head: Letterhead = field(default_factory=Letterhead)
    logo: bytes = b""
    suffix: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Look":
        """From settings by their names; UsageError where the logo cannot be had."""
        head = Letterhead.of(settings)
        return cls(head, *_logo(Path(head.logo))) if head.logo else cls(head)

    @property
    def media_type(self) -> str:
        return LOGOS[self.suffix]


def _logo(path: Path) -> tuple[bytes, str]:
    where = f"statements.logo: {path}"
    try:
        content = path.read_bytes()
    except OSError as why:
        raise UsageError(f"{where}: cannot be read: {why.strerror}", "Check its name.") from why
    if len(content) > LARGEST_LOGO:
        raise UsageError(
            f"{where}: it has {len(content):,} bytes",
            f"It goes into every document; take one of at most {LARGEST_LOGO:,} bytes.",
        )
    suffix = path.suffix.lower()
    if not content.lstrip().startswith(_BEGINS[suffix]):
        raise UsageError(f"{where}: it is no {suffix[1:].upper()} image", "Name it by its kind.")
    return content, suffix
