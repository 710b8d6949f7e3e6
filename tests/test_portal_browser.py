"""The portal in a real browser: sign in, read, download; usable by everybody; nothing runs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import series
from axe_playwright_python.sync_playwright import Axe
from payloads import MARK, PAYLOADS
from playwright.sync_api import Browser, Page, expect, sync_playwright
from portal_world import PLAN, RUNS, World, commission, served, world_at
from smtp_server import mail_server

from commission_engine.book.doors import AFFILIATE, STAFF, Who
from commission_engine.calendar import day_of
from commission_engine.portal.entry import link_for, mail_links
from commission_engine.portal.limits import WHYS
from commission_engine.publish.ids import statement_id

pytestmark = pytest.mark.needs("chromium")

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as made:
        browser = made.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@contextmanager
def signed_in(browser: Browser, world: World, who: Who, **options: object) -> Iterator[Page]:
    """A page of a new browser in which somebody has signed in by his link."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(link_for(world.portal, who))
    page.get_by_role("button", name="Sign in").click()
    try:
        yield page
    finally:
        context.close()


def test_somebody_signs_in_reads_and_downloads(browser: Browser, world: World) -> None:
    """On a phone, without JavaScript, by keyboard where that is asked."""
    with (
        served(world) as url,
        signed_in(browser, world, Who(AFFILIATE, "a01"), viewport=PHONE,
                  java_script_enabled=False) as page,
    ):  # fmt: skip
        assert page.url == f"{url}/account"
        assert page.get_by_role("cell", name="$114.05").count() >= 1
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")
        page.get_by_role("link", name="Lines").click()
        page.get_by_label("Level").select_option("2")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="why?").first.click()
        assert page.get_by_role("heading", name="The amount").count() == 1
        page.get_by_role("link", name="Referrals").click()
        assert page.get_by_text("Name-a03").first.is_visible()
        page.get_by_role("link", name="Statements").click()
        with page.expect_download() as coming:
            page.get_by_role("link", name="CSV").click()
        name = statement_id("acme", day_of(date.fromisoformat(RUNS[0])), "a01")
        published = world.folder / "out" / RUNS[0] / "statements" / f"{name}.csv"
        assert coming.value.suggested_filename == published.name
        assert Path(coming.value.path()).read_bytes() == published.read_bytes()
        page.get_by_role("button", name="Sign out").click()
        assert page.url == f"{url}/sign-in"
        page.goto(f"{url}/account")
        assert page.url == f"{url}/sign-in"


AFFILIATES_PAGES = series.of(
    ("/account", "/lines", "/earnings", "/referrals"),
    (
        "/account",
        "/statements",
        "/lines",
        "/earnings",
        "/referrals",
        "/data",
        "/tokens",
        "/no/such",
    ),
)
STAFFS_PAGES = series.of(("/users",), ("/affiliates", "/users", "/affiliates/2/account"))


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.series)])
def test_no_page_shuts_anybody_out(browser: Browser, world: World, scheme: str) -> None:
    """axe-core finds nothing serious, and on a phone no page is wider than the screen."""
    found, wide = [], []
    with served(world):
        for who, paths in (
            (Who(AFFILIATE, "a01"), AFFILIATES_PAGES),
            (Who(STAFF, "the-auditor"), STAFFS_PAGES),
        ):
            with signed_in(browser, world, who, viewport=PHONE, color_scheme=scheme,
                           bypass_csp=True) as page:  # fmt: skip
                for path in (*paths, "/sign-in"):
                    if path == "/sign-in":
                        page.context.clear_cookies()
                    page.goto(f"{world.portal.url}{path}")
                    if path == "/lines":
                        page.get_by_role("link", name="why?").first.click()
                        page.locator("tr.because").wait_for()
                    said = Axe().run(page).response
                    found += [
                        (path, each["id"], each["nodes"][0]["html"])
                        for each in said["violations"]
                        if each["impact"] in ("serious", "critical")
                    ]
                    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                        wide.append(path)
    assert (found, wide) == ([], [])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A programme in which every name, and some ids, want to run something."""
    tmp_path = tmp_path_factory.mktemp("hostile")
    source = tmp_path / "input"
    source.mkdir()
    (source / "plan.toml").write_text(PLAN.replace('"acme"', '"<script>pwned=1</script>"'), "utf-8")
    ids = [f"p{number:03}" for number in range(len(PAYLOADS))]
    ids[:20] = [f"{each[:58]}{number:02}" for number, each in enumerate(PAYLOADS[:20])]
    reader = '"><img src=x onerror=pwned=1>'
    quoted = {each: '"' + each.replace('"', '""') + '"' for each in (*ids, reader, *PAYLOADS)}
    tables = {
        "affiliates": ["affiliate_id,name,email"]
        + [f"{quoted[i]},{'' if n < 20 else quoted[PAYLOADS[n]]}," for n, i in enumerate(ids)]
        + [f"{quoted[reader]},{quoted[PAYLOADS[0]]},reader@example.com"],
        "referrals": ["affiliate_id,referrer_id"] + [f"{quoted[i]},{quoted[reader]}" for i in ids],
        "earnings": ["event_id,affiliate_id,occurred_at,amount,currency"]
        + [f"{quoted[i]},{quoted[i]},2026-01-05,1.00,USD" for i in ids],
    }
    for name, rows in tables.items():
        (source / f"{name}.csv").write_text("\n".join(rows) + "\n", "utf-8")
    url = f"sqlite:///{tmp_path / 'hostile.db'}"
    out = str(tmp_path / "out")
    commission("run", str(source), "--date", "2026-01-31", "--database", url, "--out", out)
    commission("adjust", reader, "1.00", "--currency", "USD", "--reason", PAYLOADS[1],
               "--database", url)  # fmt: skip
    commission("run", "--date", "2026-02-28", "--database", url, "--out", out)
    commission("users", "add", "<svg onload=pwned=1>", "--role", "auditor", "--database", url)
    made = world_at(url, tmp_path)
    yield made
    made.close()


def test_names_run_nothing(browser: Browser, hostile: World) -> None:
    """Two hundred texts that would run something, on every page that shows names, with htmx on; the
    policy that forbids other scripts is off, so that what a page lets through would run."""
    who, asked, failed = Who(AFFILIATE, '"><img src=x onerror=pwned=1>'), list[str](), list[str]()
    with served(hostile) as url, signed_in(browser, hostile, who, bypass_csp=True) as page:

        def harmed(page: Page) -> bool:
            """Whether something ran, or a page has other scripts or another heading than ours."""
            found: bool = page.evaluate(
                f"'{MARK}' in window || document.title === '{MARK}' ||"
                " [...document.scripts].some(each => !each.src.endsWith('/htmx.js')) ||"
                f" [...document.querySelectorAll('h1, #told')].some("
                f"each => each.textContent === '{MARK}')"
            )
            return bool(found)

        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: failed.append(f"dialog: {dialog.message}"))
        page.on("pageerror", lambda error: failed.append(str(error)))
        seen = ""
        paths = ["/account", "/lines", "/referrals", "/earnings", "/statements", "/tokens"]
        while paths:
            page.goto(f"{url}{paths.pop(0)}")
            seen += page.locator("main").inner_text()
            failed += [page.url] * harmed(page)
            paths += [
                str(each.get_attribute("href"))
                for each in page.get_by_role("link", name="Older lines").all()
                + page.get_by_role("link", name="More people").all()
            ]
        page.goto(f"{url}/lines")
        whys = [each.get_attribute("href") for each in page.get_by_role("link", name="why?").all()]
        while page.get_by_role("link", name="Older lines").count():
            page.get_by_role("link", name="why?").first.click()
            page.locator("tr.because").first.wait_for()
            with page.expect_response("**/lines?**"):
                page.get_by_role("link", name="Older lines").click()
            page.locator("tr.because").wait_for(state="detached")
            seen += page.locator("main").inner_text()
            failed += [page.url] * harmed(page)
        for path in whys[:3]:
            page.goto(f"{url}{path}")
            seen += page.locator("main").inner_text()
        with signed_in(
            browser, hostile, Who(STAFF, "<svg onload=pwned=1>"), bypass_csp=True
        ) as mine:
            for path in ("/users", "/affiliates?q=%22%3E%3Cscript%3Epwned%3D1%3C%2Fscript%3E"):
                mine.goto(f"{url}{path}")
                failed += [path] * harmed(mine)
    assert failed == []
    assert [each for each in asked if not each.startswith(f"{url}/") or MARK in each] == []
    names = [" ".join(each.split()) for each in PAYLOADS[20:]]
    assert [each for each in names if each not in seen] == []  # each is there, as the text it is


def test_no_page_lets_a_script_of_its_own_run(browser: Browser, world: World) -> None:
    """The policy takes the file that is served and nothing that stands in a page."""
    with served(world) as url, signed_in(browser, world, Who(AFFILIATE, "a01")) as page:
        page.goto(f"{url}/lines")
        assert page.evaluate("htmx.config.allowEval || htmx.config.allowScriptTags") is False
        page.evaluate("""
            window.refused = [];
            addEventListener('securitypolicyviolation', e => refused.push(e.effectiveDirective));
            const inline = document.createElement('script');
            inline.textContent = 'window.pwned = 1';
            document.body.append(inline);
            document.body.insertAdjacentHTML('beforeend', '<img src=/x onerror="pwned = 1">');
            const other = document.createElement('script');
            other.src = 'http://127.0.0.2:9/x.js';
            document.body.append(other);
            fetch('http://127.0.0.2:9/x').catch(() => 0);
        """)
        page.wait_for_function("refused.length > 3")
        assert page.evaluate(f"'{MARK}' in window") is False
        refused = {each.split("-")[0] for each in page.evaluate("refused")}
        assert refused == {"script", "connect"}


def test_a_reason_opens_below_its_line_and_closes(browser: Browser, world: World) -> None:
    """By keyboard; the focus stays where it was, and a page that is asked for says the same."""
    with served(world) as url, signed_in(browser, world, Who(AFFILIATE, "a01")) as page:
        page.goto(f"{url}/lines")
        link = page.get_by_role("link", name="why?").nth(1)
        name, path = link.inner_text().split()[-1], link.get_attribute("href")
        focused = page.locator(f"a#why-{name}:focus")
        link.press("Enter")
        page.locator("tr.because").wait_for()
        assert page.url == f"{url}/lines"
        expanded = page.get_by_role("link", name=name, expanded=True)
        expect(focused).to_have_attribute("aria-expanded", "true")
        said = page.locator("tr").nth(3).get_by_role("listitem").all_inner_texts()
        assert expanded.inner_text() == f"close {name}"
        focused.press("Enter")
        page.locator("tr.because").wait_for(state="detached")
        expect(focused).to_have_attribute("aria-expanded", "false")
        page.goto(f"{url}{path}")
        assert page.locator("main").get_by_role("listitem").all_inner_texts() == said != []


def test_lines_change_without_a_new_page(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is announced, has an address of its own, and the way back leads back."""
    monkeypatch.setattr("commission_engine.portal.lines.A_PAGE", 5)
    with served(world) as url, signed_in(browser, world, Who(AFFILIATE, "a01")) as page:
        page.goto(f"{url}/lines")
        page.evaluate("window.kept = 1")
        told = page.get_by_role("status")
        expect(told).to_have_text("5 lines, booked on 2026-02-15.")
        page.get_by_label("Level").select_option("2")
        page.get_by_role("button", name="Show").press("Enter")
        expect(page).to_have_url(f"{url}/lines?from=&to=&level=2&which=all")
        expect(told).to_have_text("5 lines, booked 2026-01-31 to 2026-02-15.")
        expect(page.get_by_role("button", name="Show")).to_be_focused()
        before = page.locator("tbody").inner_text()
        page.get_by_role("link", name="Older lines").press("Enter")
        expect(told).to_have_text("3 lines, booked on 2026-01-31.")
        expect(page.get_by_role("group", name="Table")).to_be_focused()
        assert "after=" in page.url
        assert page.evaluate("window.kept") == 1
        assert page.evaluate("[localStorage.length, Object.keys(sessionStorage)]") == [
            0, ["htmx-current-path-for-history"]
        ]  # fmt: skip
        page.go_back()
        expect(page.locator("tbody")).to_have_text(before, use_inner_text=True)
        assert page.get_by_role("heading", level=1).inner_text() == "Lines"


def test_what_is_refused_is_shown_and_who_is_out_signs_in(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(world) as url, signed_in(browser, world, Who(AFFILIATE, "a01")) as page:
        page.goto(f"{url}/lines")
        for _ in range(WHYS.times):
            assert world.portal.limiter.passes(WHYS, "affiliate:a01")
        page.get_by_role("link", name="why?").first.click()
        expect(page.get_by_role("alert")).to_have_text("That was too often. Wait a few minutes.")
        world.now += WHYS.seconds
        page.get_by_role("link", name="why?").first.click()
        page.locator("tr.because").wait_for()
        world.portal.doors.end_all(Who(AFFILIATE, "a01"))
        page.get_by_role("button", name="Show").click()
        page.wait_for_url(f"{url}/sign-in")


def test_names_in_mail_are_text(hostile: World) -> None:
    with mail_server() as (kept, port):
        made = world_at(
            hostile.url, hostile.folder, portal_smtp_host="127.0.0.1", portal_smtp_port=port,
            portal_smtp_security="none", portal_mail_from="partners@example.com",
        )  # fmt: skip
        mail_links(made.portal, "reader@example.com")
        (mail,) = kept.mails
        assert (mail.get_content_type(), mail.is_multipart()) == ("text/plain", False)
        assert '"><img src=x onerror=pwned=1>:' in kept.text()
        made.close()
