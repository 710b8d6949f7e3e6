"""The fonts of printed statements, from packages: Latin, Greek and Cyrillic, Arabic, Chinese,
Japanese and Korean. Nothing is taken from the machine, so that the bytes are the same on all."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from commission_engine.problems import UsageError

PACKAGES = ("fontpkg_noto_sans", "fontpkg_noto_sans_arabic", "justmytype_intl_cjk")
FAMILIES = ("Noto Sans", "Noto Sans Arabic")
EASTERN = {"zh": "Noto Sans SC", "ja": "Noto Sans JP", "ko": "Noto Sans KR", "tw": "Noto Sans TC"}
"""The same characters are drawn a little differently; the reader's own come first."""


def missing_extra(what: str) -> UsageError:
    """What to install where a package of the extra is missing."""
    return UsageError(
        f"{what} is not installed",
        "Nothing was written. Install the extra: pip install 'commission-engine[pdf]', or leave pdf"
        " out of --format, or of the setting formats.",
    )


@cache
def folders() -> tuple[Path, ...]:
    """Where the fonts are; UsageError where a package is missing."""
    found = []
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise missing_extra(f"the package {name}, which has fonts for PDF files,")
        found.append(Path(spec.submodule_search_locations[0]))
    return tuple(found)


def families(locale: str) -> list[str]:
    """The families for a reader of this locale, in the order in which a character is looked for."""
    traditional = locale.startswith("zh") and any(p in locale for p in ("Hant", "TW", "HK", "MO"))
    first = "tw" if traditional else locale[:2]
    order = sorted(EASTERN, key=lambda language: language != first)
    return [*FAMILIES, *(EASTERN[each] for each in order)]


def _fonts(package: int) -> Iterator[Any]:
    """The upright fonts of one of PACKAGES, to be asked what they have."""
    try:
        from fontTools.ttLib import TTFont
    except ModuleNotFoundError as why:
        raise missing_extra("the package fonttools, which reads fonts,") from why
    for path in sorted(folders()[package].rglob("*.ttf")):
        if "Italic" not in path.name:
            yield TTFont(path, lazy=True)


@cache
def _covered(package: int) -> frozenset[int]:
    """The code points that the fonts of one of PACKAGES have."""
    return frozenset(point for font in _fonts(package) for point in font.getBestCmap())


class _Advances(dict[str, int]):
    """How wide characters are, in thousandths of an em; those that are not there are an em."""

    def __missing__(self, char: str) -> int:
        return 1000


@cache
def _advances() -> Mapping[str, int]:
    """Those of the first font."""
    font = next(_fonts(0))
    em, advances = font["head"].unitsPerEm, font["hmtx"].metrics
    return _Advances(
        (chr(point), advances[glyph][0] * 1000 // em) for point, glyph in font.getBestCmap().items()
    )


def width(text: str) -> int:
    """How wide a text is in the first font, in thousandths of an em; a character of another one is
    taken for an em wide."""
    return sum(map(_advances().__getitem__, text))


def in_first_font(text: str) -> bool:
    """Whether the first font has all of a text."""
    return text.isascii() or all(char in _advances() for char in text)


_UNDRAWN = frozenset((0x200B, 0x200C, 0x200D))
"""Nothing is drawn for them, whatever the font."""


def printable(text: str) -> str:
    """`text`, where every run of characters that no font has is named by its numbers instead.

    >>> printable("Ann \\U00013000")
    'Ann [U+13000]'
    """
    if text.isascii():
        return text
    strangers = {ord(char) for char in text} - _UNDRAWN
    for package in range(len(PACKAGES)):  # the large ones are read only where they are needed
        strangers -= _covered(package)
        if not strangers:
            return text
    return "".join(_runs(text, strangers))


def _runs(text: str, strangers: set[int]) -> Iterable[str]:
    named: list[str] = []
    for char in [*text, ""]:
        if char and ord(char) in strangers:
            named.append(f"{ord(char):04X}")
            continue
        if named:
            yield f"[U+{' '.join(named)}]"
            named = []
        yield char
