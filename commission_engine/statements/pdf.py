"""A statement as PDF/UA-1: tagged, with its fonts in it, the same bytes for the same content."""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from commission_engine.problems import CommissionError
from commission_engine.statements.content import StatementContent
from commission_engine.statements.fonts import (
    families,
    folders,
    in_first_font,
    missing_extra,
    printable,
    width,
)
from commission_engine.statements.look import Look
from commission_engine.statements.page import Account, Page, Row, Table, page_of

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
        "summary": [_sum(row) for row in account.summary],
        "notes": [printable(each) for each in account.notes],
        "tables": [_table(each) for each in account.tables],
    }


def _sum(row: Row) -> dict[str, Any]:
    cells = [printable(each) for each in row.cells]
    low = _in_one_line(cells, _SUMS, strong=row.strong)
    return {"cells": cells, "strong": row.strong, "low": low}


def _table(table: Table) -> dict[str, Any]:
    told = [_broken if column.key in _OTHERS_TEXT else printable for column in table.columns]
    wide = [_width(place, table) for place in range(len(table.columns))]
    small = table.key == _SMALL
    room = _room(wide, small=small)
    rows = [[say(c) for say, c in zip(told, row.cells, strict=True)] for row in table.rows]
    labels = [column.label for column in table.columns]
    return {
        "title": table.title,
        "small": small,
        "low": _in_one_line(labels, room, strong=False),
        "columns": [
            {"label": column.label, "right": column.right, "wide": width_}
            for column, width_ in zip(table.columns, wide, strict=True)
        ],
        "rows": [
            {
                "cells": cells,
                "strong": row.strong,
                "low": _in_one_line(cells, room, strong=row.strong),
            }
            for cells, row in zip(rows, table.rows, strict=True)
        ],
    }


_SMALL = "lines"

_SHEET, _SMALL_SHEET = 41_000, 67_800
"""How wide a table is, in thousandths of an em of its text: 125 mm of 9 pt, 178 mm of 7.5 pt, each
with 6 pt beside it."""
_BESIDE, _SMALL_BESIDE = 730, 870
"""What a column has beside its text, 6.5 pt."""


_SUMS = (18_000, 11_500)
"""How wide the two columns of sums are, less a little: 62 and 40 mm of 9 pt."""


def _room(wide: Sequence[int], *, small: bool) -> list[int]:
    """What each column of a table has for its text, where these are to be so wide (see `_width`):
    the one that takes what is left has that, less a little."""
    sheet, beside = (_SMALL_SHEET, _SMALL_BESIDE) if small else (_SHEET, _BESIDE)
    given = sum(each * 102 // 100 + beside for each in wide if each)
    return [each or (sheet - given - beside) * 100 // 105 for each in wide]


def _in_one_line(cells: Sequence[str], room: Sequence[int], *, strong: bool) -> bool:
    """Whether all cells of a row have one line. Such a row is as high as a line is: to find that
    out the typesetter would lay out each of its cells once more, a quarter of all that it does."""
    return all(
        in_first_font(cell) and _as_set(cell, strong=strong) <= most
        for cell, most in zip(cells, room, strict=True)
    )


def _as_set(text: str, *, strong: bool) -> int:
    """How wide a text is, in thousandths of an em."""
    return width(text) * 11 // 10 if strong else width(text)


def _width(place: int, table: Table) -> int:
    """How wide a column is to be, in thousandths of an em: as its widest text, names up to a
    bound; 0 for the one that takes what is left. Reckoned here, as the typesetter would lay out
    every cell twice to know it."""
    column = table.columns[place]
    if column.key == _TAKES_THE_REST.get(table.key, "note"):
        return 0
    strong = any(row.strong for row in table.rows)
    widest = max(_as_set(each, strong=strong) for each in {row.cells[place] for row in table.rows})
    widest = max(widest, _as_set(column.label, strong=strong))
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
