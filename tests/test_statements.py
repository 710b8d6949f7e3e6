"""Statements for affiliates: what they say, whom they name, and the files that they become."""

import io
import os
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pypdf
import pytest
from program import Program

from commission_engine.book.connect import connect, reading
from commission_engine.calendar import day_of
from commission_engine.statements.content import (
    StatementContent,
    statement_content,
)
from commission_engine.statements.look import Look
from commission_engine.statements.privacy import Privacy

PLAN = """\
name = "acme"
timezone = "Europe/Berlin"
[payout]
every = "day"
minimum = { EUR = "5.00", JPY = "1" }
[[terms]]
from = 2026-01-01
hold_days = 2
level = [{ level = 1, rate = "20%" }, { level = 2, rate = "10%" }, { level = 3, rate = "5%" }]
cap = [{ window = "month", amount = { EUR = "60.00" } }]
"""
# ann <- bob <- cat <- dan, and ann <- eve, ann <- joe; each with an address nobody else may read.
PEOPLE = """\
affiliate_id,name,email,locale
id-ann,Ann Lee,ann@mail.example,de_DE
id-bob,Bob & Söhne,bob@mail.example,
id-cat,Cat Canary,cat@mail.example,ru
id-dan,Dan Canary,dan@mail.example,
id-eve,,eve@mail.example,
id-joe,joe@mail.example,joe@mail.example,
"""
REFERRALS = """\
affiliate_id,referrer_id
id-bob,id-ann
id-cat,id-bob
id-dan,id-cat
id-eve,id-ann
id-joe,id-ann
"""
EARNINGS = """\
event_id,affiliate_id,occurred_at,amount,currency,reverses
order-1,id-bob,2026-01-05T10:00:00Z,200.00,EUR,
order-2,id-cat,2026-01-06T10:00:00Z,80.00,EUR,
order-3,id-dan,2026-01-06T11:00:00Z,1000.00,EUR,
order-4,id-eve,2026-01-07T10:00:00Z,40.00,EUR,
order-5,id-joe,2026-01-08T10:00:00Z,10.00,EUR,
order-6,id-bob,2026-01-08T11:00:00Z,5000,JPY,
back-1,id-bob,2026-01-08T12:00:00Z,-50.00,EUR,order-1
"""
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PROGRAMME = "acme"
DAY = day_of(date(2026, 1, 9))
LOOK = Look()
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
    "9c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


@pytest.fixture
def settled(commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The world above after two settlements; documents of everybody."""
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "all")
    shop = tmp_path / "shop"
    shop.mkdir()
    for name, text in {"plan.toml": PLAN, "affiliates.csv": PEOPLE, "referrals.csv": REFERRALS,
                       "earnings.csv": EARNINGS}.items():  # fmt: skip
        (shop / name).write_text(text, "utf-8")
    assert commission("run", "shop", "--date", "2026-01-07").code == 0
    assert commission("run", "--date", "2026-01-09").code == 0
    return commission


def content_of(who: str, privacy: Privacy | None = None) -> StatementContent:
    with reading(connect(os.environ["COMMISSION_DATABASE"])) as connection:
        return statement_content(connection, (DAY, who), privacy or Privacy(PROGRAMME))


def text_of(pdf: bytes) -> str:
    """Everything that a reader of a PDF can come to read."""
    paper = pypdf.PdfReader(io.BytesIO(pdf))
    about = [str(paper.metadata), paper.xmp_metadata.stream.get_data().decode("utf-8")] \
        if paper.xmp_metadata else [str(paper.metadata)]  # fmt: skip
    return "\n".join([*(page.extract_text() for page in paper.pages), *about])


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text)


class Read(HTMLParser):
    """The texts and the tags of an HTML file."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said.append(data)


TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "div", "p", "bdi", "main", "h1",
    "dl", "dt", "dd", "section", "h2", "strong", "table", "tbody", "tr", "th", "td", "h3", "thead",
    "footer",
}  # fmt: skip


# -- what a statement says


def test_a_statement_says_what_its_lines_come_to(settled: Program) -> None:
    euro, yen = content_of("id-ann").accounts
    assert [yen.currency, yen.decimals, yen.earned_minor, yen.held_minor] == ["JPY", 0, 1000, 1000]
    assert [euro.opening_minor, euro.paid_minor, euro.closing_minor] == [2000, 2000, 0]
    assert [(each.reason, each.lines, each.amount_minor) for each in euro.cuts] == [
        ("month", 1, 200)
    ]
