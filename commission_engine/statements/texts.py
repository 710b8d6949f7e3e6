"""The words of statements in a language, and dates, amounts and rates in a locale.

Texts are in gettext catalogues (`locale/LANGUAGE/LC_MESSAGES/statements.po`, and beside each its
compiled form, which is what is read); the English ones are the ids in the code.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date

from commission_engine.letterhead import LANGUAGES
from commission_engine.money import Minor, Speaker, percent, speaker

SOURCE = "en"
FOLDER = Path(__file__).with_name("locale")
DOMAIN = "statements"
MOST_NUMBERS = 10_000


@dataclass(frozen=True, slots=True)
class Tongue:
    """`language` is that of the texts, `locale` that of dates and figures."""

    language: str
    locale: str

    def said(self, message: str, **values: Any) -> str:
        """A text, with values in the places that it names."""
        text = _said(self.language, message)
        return text.format(**values) if values else text

    def counted(self, one: str, many: str, number: int, **values: Any) -> str:
        """A text that depends on a number, which is its value `number`."""
        said = texts_of(self.language).ngettext(one, many, number)
        return said.format(number=self.number(number), **values)

    def day(self, day: date) -> str:
        return _day(day, self.locale)

    def number(self, number: int) -> str:
        """A count."""
        return _number(number, self.locale)

    def percent(self, rate: str) -> str:
        return percent(rate, self.locale)

    def speaker(self, code: str, decimals: int) -> Speaker:
        return speaker(code, decimals, self.locale)

    def amount(self, minor: Minor, code: str, decimals: int) -> str:
        return self.speaker(code, decimals).spoken(minor)


@cache
def tongue_of(locale: str, otherwise: str = SOURCE) -> Tongue:
    """For an affiliate's locale as somebody wrote it (`de-AT`, `pt_BR`): its dates and figures, and
    its texts or those of the language `otherwise`.

    A locale that is none is `otherwise` too, and one that is written from right to left: its dates
    would fall to pieces among these texts.
    """
    try:
        known = Locale.parse(locale.replace("-", "_"))
    except (ValueError, UnknownLocaleError, TypeError):
        known = Locale.parse(otherwise)
    if known.text_direction == "rtl":
        known = Locale.parse(otherwise)
    language = known.language if known.language in LANGUAGES else otherwise
    return Tongue(language, str(known))


@cache
def texts_of(language: str) -> NullTranslations:
    """The texts of one of LANGUAGES."""
    if language == SOURCE:
        return NullTranslations()
    with (FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
        return GNUTranslations(file)


@cache
def _said(language: str, message: str) -> str:
    return texts_of(language).gettext(message)


@lru_cache(MOST_NUMBERS)
def _number(number: int, locale: str) -> str:
    return speaker("", 0, locale).bare(number)


@cache
def _day(day: date, locale: str) -> str:
    return format_date(day, "medium", locale)
