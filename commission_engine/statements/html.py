"""A statement as one HTML file: nothing is loaded from anywhere, nothing in it runs.

Everything that is said is escaped where it is put in, and nowhere else; a content security policy
lets nothing through but the style of the page, by its hash, and its own pictures.
"""

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path

from commission_engine.statements.content import StatementContent
from commission_engine.statements.look import Look
from commission_engine.statements.page import Account, Column, Page, Row, Table, page_of

_STYLE = Path(__file__).with_name("page.css")
_OTHERS_TEXT = ("name", "note")
"""Columns with other people's text: it is kept from changing the direction of what is around."""


def render_html(content: StatementContent, look: Look, locale: str | None = None) -> str:
    """A whole document, the same for the same content, look and locale (the affiliate's own by
    default)."""
    return html_of(page_of(content, look, locale), look)


def html_of(page: Page, look: Look) -> str:
    """A page as a document."""
    return "".join(_document(page, look))


def _document(page: Page, look: Look) -> Iterator[str]:
    style, policy = _style(look.head.colour)
    yield (
        f'<!DOCTYPE html>\n<html lang="{page.language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="format-detection" content="telephone=no, email=no, address=no">\n'
        f"<title>{escape(page.programme)}: {escape(page.title)}, {escape(page.name)}</title>\n"
        f"<style>{style}</style>\n</head>\n<body>\n<header>\n"
    )
    if look.logo:
        yield f'<img src="{_picture(look)}" alt="{escape(page.programme)}">\n'
    yield f"<div><p class=programme><bdi>{escape(page.programme)}</bdi></p>\n"
    for line in page.address:
        yield f"<p class=address><bdi>{escape(line)}</bdi></p>\n"
    yield f"</div>\n</header>\n<main>\n<h1>{escape(page.title)}</h1>\n<dl class=facts>\n"
    for label, value in page.facts:
        yield f"<div><dt>{escape(label)}</dt><dd><bdi>{escape(value)}</bdi></dd></div>\n"
    yield "</dl>\n"
    for account in page.accounts:
        yield from _account(account)
    yield "</main>\n<footer>\n"
    for said in (*page.footer, *([page.contact] if page.contact else [])):
        yield f"<p><bdi>{escape(said)}</bdi></p>\n"
    yield "</footer>\n</body>\n</html>\n"


def _account(account: Account) -> Iterator[str]:
    label, value = account.headline
    yield (
        f"<section>\n<h2>{escape(account.heading)}</h2>\n"
        f"<p class=headline>{escape(label)} <strong>{escape(value)}</strong></p>\n"
        "<table class=summary>\n<tbody>\n"
    )
    for row in account.summary:
        label, value = row.cells
        yield (
            f"<tr{_strong(row)}><th scope=row>{escape(label)}</th><td>{escape(value)}</td></tr>\n"
        )
    yield "</tbody>\n</table>\n"
    for note in account.notes:
        yield f"<p class=note>{escape(note)}</p>\n"
    for table in account.tables:
        yield from _table(table)
    yield "</section>\n"


def _table(table: Table) -> Iterator[str]:
    yield f'<h3>{escape(table.title)}</h3>\n<table class="{table.key}">\n<thead><tr>'
    for column in table.columns:
        yield f'<th scope=col class="{column.key}">{escape(column.label)}</th>'
    yield "</tr></thead>\n<tbody>\n"
    form = _row_form(table.columns)
    for row in table.rows:
        yield form % (_strong(row), *_escaped(row.cells))
    yield "</tbody>\n</table>\n"


@cache
def _row_form(columns: Sequence[Column]) -> str:
    """What a row of these columns is, with places for its class and its cells."""
    cells = (
        f'<td class="{key}" data-label="{escape(label).replace("%", "%%")}">'
        + ("<bdi>%s</bdi>" if key in _OTHERS_TEXT else "%s")
        for key, label, _ in columns
    )
    return f"<tr%s>{'</td>'.join(cells)}</td></tr>\n"


_BETWEEN = "\0"
"""In no text that is said."""


def _escaped(cells: Sequence[str]) -> Sequence[str]:
    """All cells of a row at once: to escape each by itself takes as long as all else of it."""
    escaped = escape(_BETWEEN.join(cells)).split(_BETWEEN)
    return escaped if len(escaped) == len(cells) else [escape(each) for each in cells]


def _strong(row: Row) -> str:
    return " class=strong" if row.strong else ""


@cache
def _style(colour: str) -> tuple[str, str]:
    """The style of the page, and the policy that lets it through."""
    style = _STYLE.read_text("utf-8").replace("COLOUR", colour)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return style, (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )


@cache
def _picture(look: Look) -> str:
    return f"data:{look.media_type};base64,{base64.b64encode(look.logo).decode()}"
