"""A statement as PDF/UA-1: tagged, with its fonts in it, the same bytes for the same content."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from commission_engine.problems import CommissionError
from commission_engine.statements.content import StatementContent
from commission_engine.statements.fonts import families, folders, missing_extra, printable, width
from commission_engine.statements.look import Look
from commission_engine.statements.page import Account, Page, Table, page_of

_FORM = Path(__file__).with_name("page.typ")
_STANDARD = "ua-1"

_LONG_WORD = re.compile(r"[^\s-]{21,}")
_BREAK_AFTER = 10
_ZERO_WIDTH_SPACE = "\u200b"
_OTHERS_TEXT = ("name", "note")


def render_pdf(content: StatementContent, look: Look, locale: str | None = None) -> bytes:
    """A whole document, the same for the same content, look and locale (the affiliate's own by
    default). UsageError where the extra is missing."""
    return pdf_of(page_of(content, look, locale), look)


def pdf_of(page: Page, look: Look) -> bytes:
    """A page as a document."""
    compiler, fault = _compiler()
    said = json.dumps(_told(page, look), ensure_ascii=False)
    files = {"main.typ": _form()}
    if look.logo:
        files[_logo(look)] = look.logo
    try:
        made = compiler.compile(
            input=files, format="pdf", sys_inputs={"page": said}, pdf_standards=_STANDARD
        )
    except fault as why:
        raise CommissionError(
            f"statement {page.number} cannot be printed: {why}",
            "Its HTML is not touched by that: --format html.",
        ) from why
    return bytes(made)


@cache
def _form() -> bytes:
    return _FORM.read_bytes()


@cache
def _compiler() -> tuple[Any, type[Exception]]:
    """One that knows the fonts, and remembers what it has worked out: to make it anew takes longer
    than a statement does."""
    try:
        import typst
    except ModuleNotFoundError as why:
        raise missing_extra("the package typst, which makes PDF files,") from why
    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(folder) for folder in folders()],
    )
    return typst.Compiler(root=str(_FORM.parent), font_paths=fonts), typst.TypstError


def _logo(look: Look) -> str:
    return f"logo{look.suffix}" if look.logo else ""


def _told(page: Page, look: Look) -> dict[str, Any]:
    """What the form is given: texts, and how they belong together."""
    return {
        "language": page.language,
        "fonts": families(page.locale),
        "colour": look.head.colour,
        "logo": _logo(look),
        "title": page.title,
        "programme": _broken(page.programme),
        "address": [_broken(each) for each in page.address],
        "day": [page.day.year, page.day.month, page.day.day],
        "number": page.number,
        "facts": [[label, _broken(value)] for label, value in page.facts],
        "page_of": page.page_of,
        "footer": [*page.footer, *([_broken(page.contact)] if page.contact else [])],
        "accounts": [_account(each) for each in page.accounts],
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "heading": account.heading,
        "headline": [printable(each) for each in account.headline],
        "summary": [
            {"cells": [printable(c) for c in row.cells], "strong": row.strong}
            for row in account.summary
        ],
        "notes": [printable(each) for each in account.notes],
        "tables": [_table(each) for each in account.tables],
    }


def _table(table: Table) -> dict[str, Any]:
    told = [_broken if column.key in _OTHERS_TEXT else printable for column in table.columns]
    return {
        "key": table.key,
        "title": table.title,
        "columns": [
            {"label": column.label, "right": column.right, "wide": _width(place, table)}
            for place, column in enumerate(table.columns)
        ],
        "rows": [
            {
                "cells": [say(c) for say, c in zip(told, row.cells, strict=True)],
                "strong": row.strong,
            }
            for row in table.rows
        ],
    }


def _width(place: int, table: Table) -> int:
    """How wide a column is to be, in thousandths of an em: as its longest text, names up to a
    bound; 0 for the one that takes what is left. Reckoned here, as the typesetter would lay out
    every cell twice to know it."""
    column = table.columns[place]
    if column.key == _TAKES_THE_REST.get(table.key, "note"):
        return 0
    longest = max((row.cells[place] for row in table.rows), key=len)
    widest = max(width(each) for each in (column.label, longest))
    if any(row.strong for row in table.rows):
        widest = widest * 11 // 10
    return min(widest, _WIDEST_NAME) if column.key == "name" else widest


_TAKES_THE_REST = {"sources": "name", "cuts": "reason", "held": "date"}
_WIDEST_NAME = 14_000


def _broken(text: str) -> str:
    """Printable, and such that words that are longer than a column can be broken."""
    text = printable(text)
    return _LONG_WORD.sub(_pieces, text) if len(text) > _BREAK_AFTER else text


def _pieces(word: re.Match[str]) -> str:
    said = word[0]
    return _ZERO_WIDTH_SPACE.join(
        said[start : start + _BREAK_AFTER] for start in range(0, len(said), _BREAK_AFTER)
    )
