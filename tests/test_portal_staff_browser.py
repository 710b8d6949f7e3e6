"""The staff's pages in a real browser, most of them without JavaScript, over `commission serve`: an
operator mends a refused row, two people approve a batch, and a run outlives the portal that started
it."""

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import series
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from portal_world import commission
from test_portal_staff import STATEMENT

from commission_engine.book.connect import connect, reading
from commission_engine.book.runs import completed

pytestmark = pytest.mark.needs("chromium")

BAD = 'event_id,affiliate_id,occurred_at,amount,currency\nx1,a01,2026-02-20,"12,50",USD\n'
PAYEES = """\
affiliate_id,payee_name,method,iban
a01,A Name That Is Quite Long And Sons,sepa,DE89370400440532013000
a02,Bob,sepa,DE8937
"""
RATES = "date,currency,per_euro\n2026-01-05,USD,1.17\n"
PHONE = {"width": 360, "height": 780}
PAGES = {
    "the-operator": ("/runs/2026-01-31", "/refused", "/refused/mended", "/runs", "/plan", "/plan/1",
                     "/holds", "/corrections", "/tree?q=a", "/tree/3", "/audit", "/audit/3",
                     "/tokens"),
    "the-maker": ("/settlements", "/settlements/2026-01-31", "/payouts", "/payments", "/bank",
                  "/exports", "/month-end?month=2026-01", "/payees?affiliate=a01", "/rates"),
}  # fmt: skip
KEY = base64.b64encode(b"k" * 32).decode()
Fields = Mapping[str, str | tuple[str, str]]
LOOKED_AT: Sequence[tuple[str, str, Fields]] = (
    ("/payees", "See what would be accepted", {"file": ("payees.csv", PAYEES)}),
    ("/bank", "See what is in it", {"file": ("bank.xml", STATEMENT)}),
    ("/rates", "See what is in it", {"file": ("rates.csv", RATES), "source": "our bank"}),
    ("/payouts", "Look at it first", {"affiliate_id": "a00", "currency": "USD", "reason": "why"}),
)
"""Forms of the maker's, each with what leads to the page that has to be looked at first."""


@dataclass
class Desk:
    """A server over a book of its own, and a browser."""

    folder: Path
    url: str
    address: str
    browser: Browser
    process: "subprocess.Popen[str] | None" = None

    def opens(self) -> None:
        """Start the server; it listens when this ends."""
        port = self.address.rpartition(":")[2]
        words = ["-m", "commission_engine", "serve", "--port", port, "--database", self.url]
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, stderr=subprocess.PIPE, text=True,
            start_new_session=True, env=os.environ | {
                "PYTHONPATH": os.pathsep.join(sys.path), "COMMISSION_BANK_KEY": KEY,
            },
        )  # fmt: skip
        assert self.process.stderr
        assert "the portal is at" in self.process.stderr.readline()

    def is_killed(self) -> None:
        """End the server at once, with everything of its process group."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            self.process = None

    @contextmanager
    def of(self, name: str, **options: object) -> Iterator[Page]:
        """A browser in which an account has signed in by its link."""
        link = commission("users", "link", name, "--staff", "--database", self.url).strip()
        options = {"java_script_enabled": False} | options
        context = self.browser.new_context(**options)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(re.sub(r"http://[^/]+", self.address, link))
        page.get_by_role("button", name="Sign in").click()
        yield page
        context.close()


@pytest.fixture(scope="module")
def desk(portal_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The programme with two persons for payouts; otto, a checker, ran its last night."""
    folder = tmp_path_factory.mktemp("desk") / "portal"
    shutil.copytree(portal_book, folder)
    url = f"sqlite:///{folder / 'commission.db'}"
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as made:
        patch.setenv("COMMISSION_PAYOUTS_APPROVAL", "two-person")
        patch.chdir(folder)
        Path("bad.csv").write_text(BAD, "utf-8")
        with pytest.raises(AssertionError, match=r"bad\.csv --database \S+: 3"):
            commission("import", "earnings", "bad.csv", "--database", url)
        commission("run", "--date", "2026-02-28", "--as", "otto", "--database", url)
        commission("users", "add", "otto", "--role", "checker", "--database", url)
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        browser = made.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        there = Desk(folder, url, address, browser)
        there.opens()
        yield there
        there.is_killed()
        browser.close()


def test_an_operator_mends_a_row_and_starts_the_next_run(desk: Desk) -> None:
    with desk.of("the-operator", viewport=PHONE) as page:
        assert page.url == f"{desk.address}/runs"
        page.get_by_role("link", name="Refused rows").click()
        page.get_by_label("bad.csv:2").check()
        page.get_by_role("button", name="Mend here").click()
        rows = page.get_by_label("Rows, below their header")
        assert rows.input_value() == BAD
        rows.fill(BAD.replace('"12,50"', "1250 "))
        page.get_by_role("button", name="See what would be accepted").click()
        assert page.get_by_role("cell", name="bad_amount").count() == 1
        page.get_by_label("Rows, below their header").fill(BAD.replace('"12,50"', "12.50"))
        page.get_by_role("button", name="See what would be accepted").click()
        assert "1 read = 1 accepted" in page.get_by_role("status").inner_text()
        page.get_by_role("button", name="Import").click()
        assert page.get_by_role("heading", name="Imported").count() == 1

        page.get_by_role("link", name="Runs").first.click()
        assert page.get_by_label("Business date").input_value() == "2026-03-01"
        page.get_by_role("button", name="Run", exact=True).click()
        assert "/started/" in page.url
        place = page.url
        desk.is_killed()
        for _ in range(600):
            with reading(connect(desk.url)) as book:
                done = [each.figures["counts"]["events"] for each in completed(book)]
            if len(done) == 4:
                break
            time.sleep(0.1)
        assert done == [20, 20, 0, 1]  # with the mended one
        desk.opens()
        page.goto(place)  # signed in still
        for _ in range(100):
            if page.get_by_role("heading", name="Ended").count():
                break
            page.wait_for_timeout(100)
            page.goto(place)
        assert "files: " in page.locator("pre").first.inner_text()


def test_a_page_follows_what_it_has_started(desk: Desk) -> None:
    """With a script: only what changes is loaded, and the end is announced."""
    with desk.of("the-operator", java_script_enabled=True) as page:
        page.goto(f"{desk.address}/runs")
        page.get_by_role("button", name="Dry run").click()
        assert "/started/" in page.url
        expect(page.get_by_role("status")).to_contain_text("The page follows it.")
        page.evaluate("window.kept = 1")
        expect(page.get_by_role("heading", level=1)).to_have_text("Ended", timeout=60_000)
        expect(page.get_by_role("status")).to_have_text("Done.")
        assert "dry run: nothing was kept" in page.locator("pre").first.inner_text()
        assert page.evaluate("[kept, document.title]") == [1, "Ended · acme"]
        expect(page.locator("#progress[hx-trigger]")).to_have_count(0)  # it asks no more


def test_a_branch_opens_level_by_level(desk: Desk) -> None:
    with desk.of("the-operator", java_script_enabled=True) as page:
        page.goto(f"{desk.address}/tree?q=a00")
        page.get_by_role("link", name="a00").click()
        page.evaluate("window.kept = 1")
        for whom, below in (("a01", "a03 Name-a03"), ("a03", "a07 Name-a07")):
            row = page.get_by_role("row").filter(
                has=page.get_by_role("link", name=whom, exact=True)
            )
            row.last.get_by_role("link", name="show 2").press("Enter")
            table = page.get_by_role("table", name=f"Whom {whom} has referred")
            expect(table.get_by_role("row", name=below)).to_be_visible()
            expect(page.locator("a:focus")).to_have_text("close 2")
        page.get_by_role("link", name="close 2").first.press("Enter")
        expect(page.get_by_role("table", name="has referred")).to_have_count(1)
        expect(page.locator("a:focus")).to_have_text("show 2")
        assert page.evaluate("kept") == 1


def test_a_batch_takes_two_people(desk: Desk) -> None:
    with desk.of("otto") as page:
        _looks_and_approves(page)
        said = page.get_by_role("heading", level=1).inner_text()
        assert "otto ran the night of 2026-02-28" in said
        assert "somebody else has to approve its payouts" in said
    with desk.of("the-checker", viewport=PHONE) as page:
        _looks_and_approves(page)
        assert page.get_by_role("heading", level=1).inner_text().startswith("Batch ")
        assert page.get_by_role("row").filter(has_text="approved").count() > 5


def _looks_and_approves(page: Page) -> None:
    page.get_by_role("link", name="2026-02-28").click()
    page.get_by_role("button", name="Look at what waits for approval").click()
    assert page.get_by_role("heading", name="Look at what you approve").count() == 1
    page.get_by_role("button", name="Approve", exact=True).click()


def test_the_pages_shut_nobody_out(desk: Desk) -> None:
    """axe-core finds nothing serious, and on a phone no page is wider than the screen."""
    found: list[object] = []

    def looked_at(tab: Page) -> None:
        assert tab.get_by_role("heading", level=1).count() == 1, tab.url
        found.extend(
            (tab.url, each["id"], each["nodes"][0]["html"])
            for each in Axe().run(tab).response["violations"]
            if each["impact"] in ("serious", "critical")
        )
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append((tab.url, tab.title(), "is wider than the screen"))

    for name, paths in PAGES.items():
        with desk.of(name) as page:
            mine = desk.browser.new_context(bypass_csp=True, viewport=PHONE)  # type: ignore[arg-type]
            mine.add_cookies(page.context.cookies())  # type: ignore[arg-type]
            tab = mine.new_page()
            for path in series.of(paths[:2], paths):
                tab.goto(f"{desk.address}{path}")
                looked_at(tab)
            for path, button, fields in series.of(LOOKED_AT[:1], LOOKED_AT):
                if name == "the-maker":
                    tab.goto(f"{desk.address}{path}")
                    _fill(tab, fields)
                    tab.get_by_role("button", name=button).click()
                    assert "Nothing was" in tab.get_by_role("status").inner_text(), path
                    looked_at(tab)
            mine.close()
    assert found == []


def _fill(tab: Page, fields: Fields) -> None:
    for name, value in fields.items():
        field = tab.locator(f"#{name}")
        if isinstance(value, str):
            field.fill(value)
        else:
            file = {"name": value[0], "mimeType": "text/plain", "buffer": value[1].encode()}
            field.set_input_files(file)  # type: ignore[arg-type]


def test_a_maker_imports_what_a_bank_has_sent(desk: Desk) -> None:
    """By keyboard alone: the button has the focus when it is pressed."""
    with desk.of("the-maker", viewport=PHONE) as page:
        page.goto(f"{desk.address}/bank")
        _fill(page, {"file": ("bank.xml", STATEMENT)})
        page.get_by_role("button", name="See what is in it").press("Enter")
        assert "1 new entry" in page.get_by_role("status").inner_text()
        page.get_by_role("button", name="Import just this").press("Enter")
        assert page.get_by_role("status").inner_text() == "bank.xml was read."
        page.get_by_role("link", name="1", exact=True).press("Enter")
        assert page.get_by_role("heading", name="Bank entry 1").count() == 1
