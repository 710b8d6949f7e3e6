"""Statements as documents in a second: HTML and PDF as `commission statements render` makes them,
beside the PDF files that WeasyPrint and fpdf2 make of the same pages.

Builds a book in SQLite with a settlement of many typical statements (a dozen lines from four
people on three levels, one page each), then takes turns. Those beside make one process's worth;
ours is measured in one process, and as the command does it, with all cores and everything that
reads the book and writes the files.

    python benchmarks/statements.py            2,000 statements
    python benchmarks/statements.py 20000 --html
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from commission_engine.book.connect import connect, reading
from commission_engine.calendar import day_of
from commission_engine.cli import app
from commission_engine.statements.content import contents
from commission_engine.statements.gather import Settlement
from commission_engine.statements.html import html_of
from commission_engine.statements.look import Look
from commission_engine.statements.page import Page, page_of
from commission_engine.statements.pdf import pdf_of
from commission_engine.statements.privacy import Privacy

DATE = "2026-01-31"
PLAN = """\
name = "acme"
[payout]
every = "month"
minimum = { EUR = "25.00" }
[[terms]]
from = 2026-01-01
hold_days = 14
level = [{ level = 1, rate = "20%" }, { level = 2, rate = "10%" }, { level = 3, rate = "5%" }]
cap = [{ window = "month", amount = { EUR = "150.00" } }]
"""
LOCALES = ("en_GB", "de_DE", "es_ES", "it_IT", "ro_RO", "ru_RU")
NAMES = ("Ann Lee", "Jörg Müller", "José Peña", "Łukasz Żak", "Ольга Иванова", "Νίκος")
PEERS_AT_ONCE = 40


def command(*words: str) -> None:
    try:
        app(list(words), standalone_mode=False)
    except SystemExit as ended:
        if ended.code:
            raise


def build(folder: Path, statements: int) -> str:
    """A book with that many affiliates who have four people below them; its URL."""
    (folder / "plan.toml").write_text(PLAN, "utf-8")
    people, edges, earned = ["affiliate_id,name,locale"], ["affiliate_id,referrer_id"], []
    for number in range(statements):
        top = f"a{number}"
        name = NAMES[number % len(NAMES)]
        people.append(f"{top},{name},{LOCALES[number % len(LOCALES)]}")
        for below, above in (("b", top), ("c", top), ("d", f"b{number}"), ("e", f"d{number}")):
            people.append(f"{below}{number},{name} {below},")
            edges.append(f"{below}{number},{above}")
        for sale, who in enumerate("bbbbccccddde"):
            day = 1 + (sale * 5 + number) % 30
            earned.append(
                f"o{number}-{sale},{who}{number},2026-01-{day:02}T10:00:00Z,"
                f"{20 + (sale * 37 + number) % 300}.{number % 100:02},EUR,"
            )
    (folder / "affiliates.csv").write_text("\n".join(people) + "\n", "utf-8")
    (folder / "referrals.csv").write_text("\n".join(edges) + "\n", "utf-8")
    header = "event_id,affiliate_id,occurred_at,amount,currency,reverses"
    (folder / "earnings.csv").write_text("\n".join([header, *earned]) + "\n", "utf-8")
    url = f"sqlite:///{folder / 'book.db'}"
    command("run", str(folder), "--date", DATE, "--out", str(folder / "out"), "--database", url)
    return url


def processor() -> float:
    """Seconds that this process and those that it has started have computed."""
    used = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long it took, and for how long it was computed."""
    start, before = time.perf_counter(), processor()
    work()
    return time.perf_counter() - start, processor() - before


def best(work: Callable[[], object], rounds: int = 3) -> float:
    """Seconds computed, of the best round: others on the machine disturb that least."""
    return min(seconds(work)[1] for _ in range(rounds))


def weasyprint_of(pages: Sequence[Page], look: Look) -> None:
    from weasyprint import HTML  # type: ignore[import-untyped]
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]

    fonts = FontConfiguration()
    for page in pages:
        HTML(string=html_of(page, look)).write_pdf(pdf_variant="pdf/ua-1", font_config=fonts)


def fpdf_of(pages: Sequence[Page], look: Look) -> None:
    """Headings, sums and tables with the same words; no tags, as it has none for tables."""
    from fpdf import FPDF

    from commission_engine.statements.fonts import folders

    regular = next(p for p in folders()[0].rglob("*.ttf") if "Italic" not in p.name)
    for page in pages:
        paper = FPDF()
        paper.add_font("Noto", "", str(regular))
        paper.add_page()
        paper.set_font("Noto", size=16)
        paper.cell(text=page.title, new_x="LMARGIN", new_y="NEXT")
        paper.set_font(size=8)
        for label, value in page.facts:
            paper.cell(text=f"{label}: {value}", new_x="LMARGIN", new_y="NEXT")
        for account in page.accounts:
            for row in account.summary:
                paper.cell(text="  ".join(row.cells), new_x="LMARGIN", new_y="NEXT")
            for each in account.tables:
                paper.cell(text=each.title, new_x="LMARGIN", new_y="NEXT")
                with paper.table(first_row_as_headings=False) as table:
                    for cells in ([column.label for column in each.columns],
                                  *(row.cells for row in each.rows)):  # fmt: skip
                        table.row(list(cells))
        paper.output()


def pages_of(url: str, count: int) -> list[Page]:
    with reading(connect(url)) as connection:
        settlement = Settlement.of(connection, day_of(date.fromisoformat(DATE)))
        readers = settlement.affiliates().filter(pl.col("affiliate_id").str.starts_with("a"))
        asked = readers["affiliate_id"].head(count)
        found = list(contents(settlement, asked, Privacy("acme")))
    return [page_of(each, Look()) for each in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("statements", type=int, nargs="?", default=2_000)
    parser.add_argument("--html", action="store_true", help="HTML alone")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = build(folder, asked.statements)
        pages = pages_of(url, 400)
        report(folder, url, pages, asked.statements, only_html=asked.html)


def report(
    folder: Path, url: str, pages: Sequence[Page], statements: int, *, only_html: bool
) -> None:
    look = Look()
    print(f"pages that are there ({len(pages)}), by second of one core:")
    html = len(pages) / best(lambda: [html_of(page, look) for page in pages])
    print(f"  html        {html:9,.0f}")
    if not only_html:
        few = pages[:PEERS_AT_ONCE]
        pdf_of(few[0], look)
        ours = len(few) / best(lambda: [pdf_of(page, look) for page in few])
        print(f"  pdf         {ours:9,.1f}")
        for name, peer in (("weasyprint", weasyprint_of), ("fpdf2", fpdf_of)):
            rate = len(few) / best(partial(peer, few, look), rounds=1)
            print(f"  {name:11} {rate:9,.1f}; ours {ours / rate:.1f} times as many")
    print("commission statements render, everything included:")
    whom = [word for n in range(statements) for word in ("--affiliate", f"a{n}")]
    for kind in ("html",) if only_html else ("html", "pdf"):
        target = folder / f"made-{kind}"
        words = ["statements", "render", *whom, "--out", str(target), "--date", DATE]
        words += ["--format", kind, "--database", url]
        took, computed = seconds(partial(command, *words))
        files = sum(1 for _ in target.iterdir())
        size = sum(path.stat().st_size for path in target.iterdir()) // files
        print(f"  {kind:11} {files / took:9,.1f} a second, {files / computed:,.1f} by second of one"
              f" core; {files:,} files of {size:,} bytes, {took:.1f} s")  # fmt: skip
        shutil.rmtree(target)


if __name__ == "__main__":
    main()
