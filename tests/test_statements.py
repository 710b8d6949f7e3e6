"""Statements for affiliates: what they say, whom they name, and the files that they become."""

import csv
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdf
import pytest
import series
from program import Done, Program, tree

from commission_engine.book.connect import connect, reading
from commission_engine.calendar import day_of
from commission_engine.letterhead import Letterhead, fault
from commission_engine.money import plain
from commission_engine.problems import UsageError
from commission_engine.publish.folder import alone_in
from commission_engine.statements import fonts, pdf
from commission_engine.statements.content import (
    AccountContent,
    Converted,
    Cut,
    HeldUntil,
    LevelSum,
    Line,
    Person,
    StatementContent,
    statement_content,
)
from commission_engine.statements.fonts import printable
from commission_engine.statements.html import render_html
from commission_engine.statements.look import Look
from commission_engine.statements.pdf import render_pdf
from commission_engine.statements.privacy import Privacy, plain_text
from commission_engine.statements.references import row_meant, the_one

PLAN = """\
name = "acme"
timezone = "Europe/Berlin"
[payout]
every = "day"
minimum = { EUR = "5.00", JPY = "2000" }
[[terms]]
from = 2026-01-01
hold_days = 2
level = [{ level = 1, rate = "20%" }, { level = 2, rate = "10%" }, { level = 3, rate = "5%" }]
cap = [{ window = "month", amount = { EUR = "60.00" } }]
"""
# ann <- bob <- cat <- dan, and ann <- eve, ann <- joe
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
ACME = Privacy("acme")
DAY = day_of(date(2026, 1, 9))
LOOK = Look()


@pytest.fixture
def settled(commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The world above after two settlements, with CSV documents of everybody."""
    monkeypatch.setenv("COMMISSION_DOCUMENTS", "all")
    shop = tmp_path / "shop"
    shop.mkdir()
    files = {"plan.toml": PLAN, "affiliates.csv": PEOPLE, "referrals.csv": REFERRALS,
             "earnings.csv": EARNINGS}  # fmt: skip
    for name, text in files.items():
        (shop / name).write_text(text, "utf-8")
    assert commission("run", "shop", "--date", "2026-01-07").code == 0
    assert commission("run", "--date", "2026-01-09").code == 0
    return commission


def content_of(which: str, privacy: Privacy = ACME) -> StatementContent:
    """Of a statement's id, or the last one of an affiliate."""
    with reading(connect(os.environ["COMMISSION_DATABASE"])) as connection:
        asked = which if which.startswith("st-") else (DAY, which)
        return statement_content(connection, asked, privacy)


def statement(*names: str, lines: int = 3) -> StatementContent:
    """A German statement of Ann's, with lines from people of these names in turn."""
    names = tuple(plain_text(name) for name in names) or ("Bob & Söhne",)
    day = date(2026, 1, 9)
    first = Line("20260109-5ju6kr.2", "earned", day, day, 1, "", 10_000, "0.2", 2000, 1500, 1500,
                 date(2026, 1, 11), "month", "", "")  # fmt: skip
    told = tuple(
        first._replace(reference=f"20260109-5ju6kr.{n + 2}", person=names[n % len(names)])
        for n in range(max(lines, len(names)))
    )
    people = tuple(Person(name, True, 1, 1500) for name in names)
    account = AccountContent(
        "EUR", 2, 0, 4500, 0, 0, 4500, 0, 0, 0, 500, "po-20260109-oop0kvnes6jtnf4o", "",
        (LevelSum(1, len(told), 4500, people),), (Cut("month", 3, 1500),),
        (HeldUntil(date(2026, 1, 11), 1500),), told,
    )  # fmt: skip
    return StatementContent("acme", "st-20260109-5ju6kr7apfr21jbs", "id-ann", "Ann Lee", "de_DE",
                            date(2026, 1, 8), day, (account,))  # fmt: skip


def render(program: Program, *words: object) -> Done:
    done = program("statements", "render", "--out", "made", *words)
    assert done.code == 0, done.err
    return done


def text_of(pdf: bytes) -> str:
    """Everything that a reader of a PDF can come to read, about the file too."""
    paper = pypdf.PdfReader(io.BytesIO(pdf))
    about = paper.xmp_metadata
    assert about is not None
    pages = [page.extract_text() for page in paper.pages]
    return "\n".join([*pages, str(paper.metadata), about.stream.get_data().decode("utf-8")])


def squeezed(text: str) -> str:
    """Without spaces and where lines are broken."""
    return re.sub(r"[\s\u200b]", "", text)


class Read(HTMLParser):
    """What a browser makes of an HTML file: its tags with their attributes, and its texts."""

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


# -- what a statement says


def test_a_statement_says_what_its_settlement_said(settled: Program) -> None:
    ann = content_of("id-ann")
    euro, yen = ann.accounts
    assert (ann.name, ann.locale, ann.period_to) == ("Ann Lee", "de_DE", date(2026, 1, 9))
    assert (euro.opening_minor, euro.paid_minor, euro.closing_minor) == (2000, 2000, 0)
    assert [(e.reason, e.lines, e.amount_minor) for e in euro.cuts] == [("month", 1, 200)]
    assert [(e.kind, e.person, e.gross_minor, e.amount_minor) for e in euro.lines] == [
        ("earned", ACME.shown_name("id-ann", "id-joe", 1, None), 200, 0),
        ("reversed", "Bob & Söhne", -1000, 0),
    ]
    assert (yen.decimals, yen.earned_minor, yen.held_minor, yen.unpaid) == (0, 1000, 1000, "")
    assert [(e.available_on, e.amount_minor) for e in yen.held] == [(date(2026, 1, 10), 1000)]
    assert [(e.level, e.amount_minor) for e in yen.levels] == [(1, 1000)]

    references_and_balances_are_those_of_the_csv_documents(Path("out"))
    explain_takes_a_reference(settled, euro)


def references_and_balances_are_those_of_the_csv_documents(out: Path) -> None:
    compared = 0
    for path in sorted(out.rglob("statements/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["level"]]
        told = [each for account in content_of(path.stem).accounts for each in account.lines]
        for row, line in zip(rows, told, strict=True):
            statement, number = row["reference"].split(".")
            assert line.reference == f"{statement[3:18]}.{number}"
            assert row["balance"] == plain(line.balance_minor, 0 if row["currency"] == "JPY" else 2)
            assert (row["row"], row["date"]) == (line.kind, line.day.isoformat())
            compared += 1
    assert compared == 10


def explain_takes_a_reference(program: Program, euro: AccountContent) -> None:
    reference = euro.lines[1].reference
    assert program("explain", reference).out.startswith("Event back-1: 50.00 EUR of id-bob's")
    statement, _, _ = reference.partition(".")
    assert program("explain", f"st-{statement}").out.startswith("Statement st-20260109-")
    assert program("explain", f"{statement}.1").out.startswith("Statement st-20260109-")
    paid = program("explain", f"{statement}.4")
    assert paid.out.startswith(f"Payout {euro.payout_id}: 20.00 EUR to id-ann")
    unknown = program("explain", f"{statement}.99")
    assert (unknown.code, unknown.err.split(":")[0]) == (2, "error")


def test_a_reference_that_could_be_of_two_statements_is_refused() -> None:
    assert the_one("20260109-abcd.2", ["ann"]) == "ann"
    assert the_one("20260109-abcd.2", []) is None
    with pytest.raises(UsageError, match=r"'20260109-abcd\.2' could be of 2 statements"):
        the_one("20260109-abcd.2", ["ann", "bob"])
    no_references = ("20260109-abc.2", "20261309-abcd.2", "20260109-abcd.", "20260109-abcw", "e1.1")
    assert [each for each in no_references if row_meant(each)] == []


def test_a_payout_in_another_currency_has_a_line_of_its_own() -> None:
    ann = statement()
    paid = Converted(2299, "USD", 2, "1.1495", "ECB", date(2026, 1, 9))
    euro = replace(ann.accounts[0], converted=paid)
    said = "Paid as $22.99 at the rate 1.1495 (ECB, Jan 9, 2026)."
    converted = replace(ann, accounts=(euro,))
    assert said in render_html(converted, LOOK, "en")
    assert squeezed(said) in squeezed(text_of(render_pdf(converted, LOOK, "en")))


# -- whom it names


def canaries(whose: str) -> list[str]:
    """What stands nowhere in the statement of one: the others' ids and addresses, all orders, and
    names from deeper than level 1."""
    below = {"id-ann": "Bob", "id-bob": "Cat Canary", "id-cat": "Dan Canary"}[whose]
    people = [row.split(",") for row in PEOPLE.splitlines()[1:] if not row.startswith(whose)]
    orders = [row.split(",")[0] for row in EARNINGS.splitlines()[1:]]
    names = [name for _, name, _, _ in people if name and below not in name]
    return [*(p[0] for p in people), *(p[2] for p in people), *orders, *names]


def test_nobody_reads_of_others_what_is_theirs(
    settled: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, key in (("plain", ""), ("keyed", KEY)):
        monkeypatch.setenv("COMMISSION_STATEMENTS_KEY", key)
        for day in ("2026-01-07", "2026-01-09"):
            words = ("--all", "--date", day, "--out", folder)
            assert settled("statements", "render", *words).code == 0
        found = tree(tmp_path / folder)
        assert len(found) == 12
        pseudonyms: set[str] = set()
        for name, content in found.items():
            whose = content_of(name.partition(".")[0]).affiliate_id
            text = content.decode() if name.endswith("html") else text_of(content)
            assert whose in text
            assert [each for each in canaries(whose) if each in text] == []
            pseudonyms |= set(re.findall("#[0-9a-v]{6,8}(?=[^0-9a-z])", text))
        # ann reads of four people without a name of theirs (joe is one), bob of one, cat of none.
        assert len(pseudonyms - {"#1f4e79"[:7]}) >= 5


def test_a_pseudonym_belongs_to_its_reader_and_needs_the_key() -> None:
    keyed = Privacy.of("acme", {"COMMISSION_STATEMENTS_KEY": KEY})
    other = Privacy.of("acme", {"COMMISSION_STATEMENTS_KEY": KEY.replace("M", "N")})
    said = {
        each.shown_name(reader, "dan", 3, "Dan")
        for each in (ACME, keyed, other)
        for reader in ("ann", "bob")
    }
    assert len(said) == 6
    assert keyed.shown_name("ann", "dan", 3, "Dan") == keyed.shown_name("ann", "dan", 2, None)
    assert re.fullmatch("#[0-9a-v]{8}", keyed.shown_name("ann", "dan", 3, "Dan"))
    assert keyed.shown_name("ann", "bob", 1, "Bob") == "Bob"
    assert KEY not in repr(keyed)
    with pytest.raises(UsageError, match="is not 32 bytes in base 64"):
        Privacy.of("acme", {"COMMISSION_STATEMENTS_KEY": "secret"})


# -- the files


def test_the_same_command_gives_the_same_bytes(
    settled: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settled("statements", "render", "--all", "--out", "made", "--dry-run").code == 0
    assert not (tmp_path / "made").exists()
    first = render(settled, "--affiliate", "id-ann", "--format", "html")
    assert first.err == "1 statement of 2026-01-09: 1 file written to made\n"
    whole = render(settled, "--all")
    assert whole.err == (
        "3 statements of 2026-01-09: 5 files written to made; 1 were there already, with the same"
        " bytes\n"
    )
    found = tree(tmp_path / "made")
    again = render(settled, "--all", "--json")
    assert '"written": 0' in again.out
    assert tree(tmp_path / "made") == found
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    # Also when names, locales and standings have changed since, and in other processes.
    (tmp_path / "new.csv").write_text(
        "affiliate_id,name,locale,status\nid-ann,Ann Other,it,suspended\nid-bob,Bobby,,closed\n"
    )
    assert settled("import", "affiliates", "new.csv").code == 0
    words = ("statements", "render", "--all", "--date", "2026-01-09", "--workers", "2")
    assert settled(*words, "--out", "other").code == 0
    assert tree(tmp_path / "other") == found


def test_what_cannot_be_rendered_is_said(settled: Program, tmp_path: Path) -> None:
    wrong = {
        ("--all", "--format", "docx"): "--format: 'docx' is none of html, pdf",
        (): "of whom?",
        ("--affiliate", "id-dan"): "--affiliate: 'id-dan' has no statement of 2026-01-09",
        ("--all", "--date", "2026-01-08"): "the run of 2026-01-08 is not there",
        ("--all", "--date", "soon"): "--date: 'soon' is not a day",
    }
    for words, message in wrong.items():
        done = settled("statements", "render", "--out", "made", *words)
        assert (done.code, message in done.err) == (2, True), done.err
    assert not (tmp_path / "made").exists()
    a_file_that_was_changed_is_never_written_again(settled, tmp_path)


def test_nobody_goes_on_when_the_one_who_started_him_is_killed() -> None:
    said = (
        "import os, sys, time; from commission_engine.statements.render import workers_of\n"
        "if __name__ == '__main__':\n"
        "    pool = workers_of(2)\n"
        "    print(*{pool.submit(os.getpid).result() for _ in range(2)}, flush=True)\n"
        "    [pool.submit(time.sleep, 600) for _ in range(4)]\n"
        "    time.sleep(600)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", said]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as parent:
        assert parent.stdout
        workers = [int(each) for each in parent.stdout.readline().split()]
        parent.kill()
    assert workers
    for _ in range(200):
        if not any(map(runs, workers)):
            break
        time.sleep(0.1)
    assert not any(map(runs, workers))


def runs(process: int) -> bool:
    """Whether there is such a process, other than one whose end nobody has asked for yet."""
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def a_file_that_was_changed_is_never_written_again(settled: Program, tmp_path: Path) -> None:
    render(settled, "--affiliate", "id-ann", "--format", "html")
    (made,) = (tmp_path / "made").iterdir()
    with alone_in(tmp_path / "other"):
        busy = settled("statements", "render", "--all", "--out", "made")
    assert (busy.code, "another command writes a folder" in busy.err) == (4, True)
    made.write_text("mine")
    done = settled("statements", "render", "--all", "--out", "made")
    assert done.code == 1
    assert f"made: {made.name} differs from what is said here now" in done.err
    assert tree(tmp_path / "made") == {made.name: b"mine"}


# -- other people's text


NAMES = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&amp;&#60;b&gt;",
    '#read("/etc/passwd") #eval("1")',
    "$x^2$ `raw` @ref <label> *b* _i_ \\ // /* ]",
    '"},{"x":"',
    "=HYPERLINK(0)",
    "{name} {0} %s",
    "محمد الأحمد",
    "王小明 さくら 김철수",
    "Łukasz Ольга Νίκος",
    "W" * 64,
)
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "div", "p", "bdi", "main", "h1",
    "dl", "dt", "dd", "section", "h2", "strong", "table", "tbody", "tr", "th", "td", "h3", "thead",
    "footer",
}  # fmt: skip
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "scope", "data-label"}


def test_names_run_nothing_and_are_read_as_they_are() -> None:
    content = replace(statement(*NAMES), name=NAMES[0])
    html = render_html(content, LOOK)
    read = Read(html)
    assert read.tags == TAGS
    assert read.attributes == ATTRIBUTES
    assert [name for name in NAMES if name not in read.said] == []
    assert "script-src" not in html
    assert "default-src 'none'; style-src 'sha256-" in html
    made = render_pdf(content, LOOK)
    said = squeezed(text_of(made))
    # Arabic is in a PDF as it is drawn; the tagged text beside it is in order.
    latin = [squeezed(name) for name in NAMES if "م" not in name]
    assert [name for name in latin if name not in said] == []
    assert b"/JavaScript" not in made
    assert b"/Launch" not in made


def test_what_is_not_seen_or_moves_others_is_left_out() -> None:
    tower = "Z" + "\u0351\u036b\u0343\u036a\u0302" * 20
    assert plain_text("Ann\u202e\u2066 evil\u2069\u200b\ufeff\r\n\tx\0") == "Ann evil x"
    assert plain_text(tower) == tower[:4]
    assert plain_text("\u200b\u200d") == ""
    assert plain_text("x" * 400) == "x" * 299 + "…"
    assert plain_text("می\u200cخواهم") == "می\u200cخواهم"


def test_what_no_font_has_is_shown_by_its_number() -> None:
    assert printable("Ann 王 محمد") == "Ann 王 محمد"
    assert printable("สม 🎉!") == "[U+0E2A 0E21] [U+1F389]!"
    said = text_of(render_pdf(statement("สม 🎉"), LOOK))
    assert "[U+0E2A 0E21] [U+1F389]" in said


# -- PDF


def test_a_pdf_is_tagged_and_says_what_it_is() -> None:
    look = Look(Letterhead(name="Acme Partners", address="1 High Street", contact="Ask us"))
    made = render_pdf(statement(), look)
    paper, root = pypdf.PdfReader(io.BytesIO(made)), root_of(made)
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "de"
    assert "/StructTreeRoot" in root
    assert paper.metadata is not None
    assert paper.metadata.title == "Acme Partners: Provisionsabrechnung"
    assert "<pdfuaid:part>1</pdfuaid:part>" in text_of(made)
    assert {"TH", "TD", "Table", "H1", "H2", "H3"} <= roles(root["/StructTreeRoot"])


def test_a_row_of_one_line_is_as_high_as_the_typesetter_would_make_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = statement(*NAMES, "Ann " * 12, "Åå" * 12, "g" * 22, lines=40)
    reckoned = texts_with_places(render_pdf(given, LOOK))
    with monkeypatch.context() as measured:
        measured.setattr(pdf, "_in_one_line", lambda *_, **__: False)
        assert texts_with_places(render_pdf(given, LOOK)) == reckoned
    assert len(reckoned) > 300


def texts_with_places(pdf: bytes) -> list[tuple[str, str, str]]:
    """Every text of a PDF, with where it is, to a tenth of a point."""
    found: list[tuple[str, str, str]] = []

    def met(text: str, user: list[float], own: list[float], *_: object) -> None:
        if text.strip():
            across, up = own[4] * user[0] + user[4], own[5] * user[3] + user[5]
            found.append((text.strip(), f"{across:.1f}", f"{up:.1f}"))

    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        page.extract_text(visitor_text=met)
    return found


def root_of(pdf: bytes) -> Any:
    """The catalogue of a PDF."""
    return pypdf.PdfReader(io.BytesIO(pdf)).trailer["/Root"].get_object()


def roles(node: object) -> set[str]:
    """The kinds of the elements below one of a structure tree."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        each = each.get_object() if isinstance(each, pypdf.generic.IndirectObject) else each
        if isinstance(each, Mapping):
            found |= {str(each["/S"])[1:]} if "/S" in each else set()
            waiting += [each["/K"]] if "/K" in each else []
        elif isinstance(each, list):
            waiting += each
    return found


LANGUAGE_SAYS = {
    "en": "Commission statement", "de": "Provisionsabrechnung", "es": "Liquidación de comisiones",
    "it": "Estratto conto provvigioni", "ro": "Extras de comisioane", "ru": "Отчёт о комиссионных",
}  # fmt: skip


def test_a_statement_is_in_the_readers_language() -> None:
    content = statement()
    for language, title in LANGUAGE_SAYS.items():
        html = render_html(content, LOOK, language)
        assert f'<html lang="{language}">' in html
        assert f"<h1>{title}</h1>" in html
        assert squeezed(title) in squeezed(text_of(render_pdf(content, LOOK, language)))


def test_a_statement_of_thousands_of_lines_is_whole() -> None:
    count = series.of(600, 5000)
    long = statement(lines=count)
    assert render_html(long, LOOK).count('class="reference"') == count + 1
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(long, LOOK))).pages
    assert len(pages) > count // 70
    assert f"20260109-5ju6kr.{count + 1}" in pages[-1].extract_text()


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = (fonts.folders, fonts._covered, fonts._advances, pdf._compiler)
    for each in caches:
        each.cache_clear()
    with monkeypatch.context() as without:
        without.setattr(fonts, "PACKAGES", ("no_such_fonts",))
        with pytest.raises(UsageError, match="the package no_such_fonts") as caught:
            render_pdf(statement(), LOOK)
    for each in caches:
        each.cache_clear()
    assert "pip install 'commission-engine[pdf]'" in caught.value.hint
    assert render_pdf(statement(), LOOK).startswith(b"%PDF-")


# -- the letterhead


def test_a_logo_is_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
    )
    settings = {"name": "Acme", "address": "", "contact": "", "logo": "logo.svg",
                "colour": "#000000", "language": "en"}  # fmt: skip
    look = Look.of(settings)
    content = statement()
    assert '<img src="data:image/svg+xml;base64,' in render_html(content, look)
    assert "Figure" in roles(root_of(render_pdf(content, look))["/StructTreeRoot"])
    (tmp_path / "logo.png").write_text("<svg/>")
    with pytest.raises(UsageError, match="it is no PNG image"):
        Look.of({**settings, "logo": "logo.png"})
    with pytest.raises(UsageError, match="cannot be read"):
        Look.of({**settings, "logo": "none.png"})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("colour", "#ffd166", "too light to be read on white"),
        ("colour", "red; }", "is not a colour such as #1f4e79"),
        ("colour", 3, "is not a text in quotes"),
        ("logo", "logo.gif", "ends in none of .png, .jpg, .jpeg, .svg"),
        ("language", "fr", "is none of en, de, es, it, ro, ru"),
        ("address", "\n" * 6, "more than 300 characters or 6 lines"),
    ],
)
def test_a_letterhead_that_cannot_be_is_refused(name: str, value: object, said: str) -> None:
    assert said in fault(name, value)
    assert fault("colour", "#767676") == ""
