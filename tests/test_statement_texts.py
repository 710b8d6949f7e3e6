"""Every text of statements is there in every language, whole, and as it was compiled."""

import re
import string

import pytest
import series
from babel.localedata import locale_identifiers
from babel.messages.catalog import Message
from catalogues import OTHERS, messages, wanted

from commission_engine.money import iso_decimals, speaker, spoken
from commission_engine.statements.texts import texts_of, tongue_of

WRITTEN = ("en", "de-AT", "ru", "es_MX", "fr", "", "../../etc/passwd", "zz_ZZ", "ar_EG")
FORMS = {"de": 2, "es": 3, "it": 3, "ro": 3, "ru": 3}


def places(text: str) -> set[str]:
    """The values that a text names."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def all_of(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text or ""] if isinstance(text, str | None) else list(text)


def fault(message: Message) -> str:
    ids, texts = all_of(message.id), all_of(message.string)
    if message.fuzzy or not all(texts):
        return f"{ids[0]}: not translated"
    wrong = [text for text in texts if places(text) != places(ids[-1])]
    return f"{ids[0]}: other values in {wrong}" if wrong else ""


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_text(language: str) -> None:
    known = {message.id: message for message in messages(language)}
    assert {each if isinstance(each, str) else tuple(each) for each in known} == set(wanted())
    assert [said for message in known.values() if (said := fault(message))] == []
    counted = [all_of(message.string) for message in known.values() if message.pluralizable]
    assert [len(forms) for forms in counted] == [FORMS[language]] * 2
    assert len(known) > 40


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_compiled_is_what_was_translated(language: str) -> None:
    """`make texts` compiles them."""
    texts = texts_of(language)
    for message in messages(language):
        if isinstance(message.id, str):
            assert texts.gettext(message.id) == message.string
            continue
        one, many = message.id
        said = {texts.ngettext(one, many, number) for number in (*range(130), 1_000_000)}
        assert said == set(all_of(message.string))


def test_a_locale_decides_texts_dates_and_figures() -> None:
    said = {
        written: (
            to.language,
            to.said("Paid out"),
            to.amount(-123456, "EUR", 2),
            to.amount(1234567, "KWD", 3),
            to.percent("0.125"),
        )
        for written in (
            "en",
            "de-AT",
            "ru",
            "es_MX",
            "fr",
            "",
            "../../etc/passwd",
            "zz_ZZ",
            "ar_EG",
        )
        if (to := tongue_of(written, "it"))
    }
    none = ("it", "Pagato", "-1.234,56\xa0€", "1.234,567\xa0KWD", "12,5%")
    assert said == {
        "en": ("en", "Paid out", "-€1,234.56", "KWD1,234.567", "12.5%"),
        "de-AT": ("de", "Ausgezahlt", "-€\xa01.234,56", "KWD\xa01.234,567", "12,5\xa0%"),
        "ru": ("ru", "Выплачено", "-1\xa0234,56\xa0€", "1\xa0234,567\xa0KWD", "12,5\xa0%"),
        "es_MX": ("es", "Pagado", "-EUR1,234.56", "KWD1,234.567", "12.5%"),
        "fr": ("it", "Pagato", "-1\u202f234,56\xa0€", "1\u202f234,567\xa0KWD", "12,5\xa0%"),
        "": none,
        "../../etc/passwd": none,
        "zz_ZZ": none,
        "ar_EG": none,
    }


def test_amounts_are_written_fast_as_they_are_written_slowly() -> None:
    """In every locale that there is. (Where digits are grouped with a quote, the slow way loses
    quotes of large amounts.)"""
    wrong = []
    for locale in locale_identifiers()[:: series.of(8, 1)]:
        for code in ("USD", "JPY", "KWD"):
            fast = speaker(code, iso_decimals()[code], locale)
            for minor in (0, -1, 99, -123456, 12345678901234):
                said = spoken(minor, code, fast.decimals, locale)
                if fast.comma != "'" and fast.spoken(minor) != said:
                    wrong.append((locale, code, minor, fast.spoken(minor), said))
    assert wrong == []
    assert re.sub(r"\s", " ", speaker("POINTS", 0, "de").spoken(-1234)) == "-1.234 POINTS"
