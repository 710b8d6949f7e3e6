"""The texts of statements in other languages: taken from the source, kept in .po files, compiled.

`make texts` brings the .po files up to the source and compiles them; what they lack is empty there
then, and test_statement_texts.py fails until somebody has translated it.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from commission_engine.letterhead import LANGUAGES
from commission_engine.statements.texts import DOMAIN, FOLDER, SOURCE

PAGE = FOLDER.parent / "page.py"
KEYWORDS = {"said": None, "counted": (1, 2)}
OTHERS = [each for each in LANGUAGES if each != SOURCE]

_NO_DAY = datetime(2026, 1, 1, tzinfo=UTC)
"""When a catalogue was made is not told: the same texts are the same bytes."""


def po_of(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def wanted() -> list[str | tuple[str, str]]:
    """The ids of all texts in the source; of those that depend on a number both forms."""
    with PAGE.open("rb") as file:
        found = extract("python", file, keywords=KEYWORDS)
        ids = [each[1] for each in found]
    return sorted({each if isinstance(each, str) else (each[0], each[1]) for each in ids}, key=str)


def catalogue(language: str) -> Catalog:
    with po_of(language).open("rb") as file:
        return read_po(file, locale=language)


def messages(language: str) -> Iterator[Message]:
    """All but the header."""
    return (each for each in catalogue(language) if each.id)


def brought_up(language: str) -> bytes:
    """The .po file with exactly the texts that the source has."""
    new = Catalog(
        language, domain=DOMAIN, header_comment=f"# Texts of statements: {language}",
        project="commission-engine", version="1", creation_date=_NO_DAY, revision_date=_NO_DAY,
        last_translator="commission-engine", language_team="commission-engine", fuzzy=False,
        msgid_bugs_address="commission-engine",
    )  # fmt: skip
    old = catalogue(language) if po_of(language).exists() else Catalog(language)
    for each in wanted():
        known = old.get(each if isinstance(each, str) else each[0])
        new.add(each, known.string if known else None)
    return _bytes(write_po, new, width=100, sort_output=True)


def compiled(language: str) -> bytes:
    """The .mo file of the .po file."""
    return _bytes(write_mo, catalogue(language))


def _bytes(write: object, catalog: Catalog, **options: object) -> bytes:
    target = io.BytesIO()
    write(target, catalog, **options)  # type: ignore[operator]
    return target.getvalue()


def main() -> None:
    for language in OTHERS:
        po = po_of(language)
        po.parent.mkdir(parents=True, exist_ok=True)
        po.write_bytes(brought_up(language))
        po.with_suffix(".mo").write_bytes(compiled(language))


if __name__ == "__main__":
    main()
