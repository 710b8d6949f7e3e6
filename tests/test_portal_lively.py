"""What pages load in part, and the script that asks for it."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from httpx2 import Response
from portal_world import ROLES, World
from starlette.testclient import TestClient

from commission_engine.cli.serve import portal_at
from commission_engine.portal import render
from commission_engine.portal.headers import ALWAYS
from commission_engine.problems import UsageError
from commission_engine.settings import read_settings

PART = {"HX-Request": "true"}


def ask(client: TestClient, path: str) -> Response:
    return client.get(path, headers=PART)


def test_a_part_is_what_the_page_says(world: World) -> None:
    client = world.of("a01")
    for query in ("", "?level=2", "?which=cut"):
        part, page = ask(client, f"/lines{query}"), client.get(f"/lines{query}")
        rows = re.findall(r"<tr.*?</tr>", page.text, re.DOTALL)
        assert re.findall(r"<tr.*?</tr>", part.text, re.DOTALL) == rows
        assert len(part.text) < len(page.text)
        assert "<html" not in part.text
        said = re.findall(r'role="status">(.*?)</p>', page.text)
        assert re.findall(r"#told\">(.*?)</div>", part.text) == said
    path = re.findall(r'href="(/lines/[^"]+)"', client.get("/lines").text)[0]
    why = re.findall(r"<li>.*?</li>", client.get(path).text.partition("<main")[2])
    assert re.findall(r"<li>.*?</li>", ask(client, path).text) == why != []
    closed = ask(client, f"{path}?closed=1").text
    assert 'aria-expanded="false"' in closed
    assert "<li>" not in closed
    assert client.get(f"{path}?closed=1").text == client.get(path).text  # a page is whole


def test_a_part_has_the_headers_of_its_page(world: World) -> None:
    client = world.of("a01")
    for answer in (ask(client, "/lines"), client.get("/lines")):
        assert answer.headers["vary"] == "Cookie, Authorization, HX-Request"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert policy == ALWAYS["content-security-policy"]
        assert "script-src 'self'; connect-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy


def test_who_is_out_is_sent_to_sign_in_and_who_may_not_is_told(world: World) -> None:
    out = ask(world.anybody(), "/lines")
    assert (out.status_code, out.headers["hx-redirect"]) == (401, "/sign-in")
    missing = "/lines/2026-01-31/ln-000000000000"
    for who, path, status in (("a01", missing, 404), ("admin", "/runs", 403)):
        answer = ask(world.of(who), path)
        assert (answer.status_code, answer.headers["hx-retarget"]) == (status, "#wrong")
        assert "<html" not in answer.text
        assert answer.headers["content-security-policy"] == ALWAYS["content-security-policy"]


def test_only_pages_with_parts_load_the_script(world: World) -> None:
    for who in ("a01", *ROLES):
        client = world.of(who)
        page = client.get("/", follow_redirects=True).text
        assert "<script" not in page
    scripts = re.findall(r"<script.*?</script>", world.of("a01").get("/lines").text, re.DOTALL)
    assert scripts == [f'<script src="{render.address(render.HTMX)}" defer></script>']


def test_the_script_comes_from_its_package_without_django(world: World) -> None:
    answer = world.anybody().get(render.address(render.HTMX))
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == render.htmx().read_bytes()
    assert b'version:"2.0.' in answer.content
    loads = (
        "import sys; from commission_engine.portal import app, render;"
        " render.content(render.HTMX); print(sorted({'django', 'django_htmx'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.fixture
def without_the_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (render.content, render.address)
    monkeypatch.setitem(sys.modules, "django_htmx", None)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.mark.usefixtures("without_the_script")
def test_without_the_package_the_extra_is_named(world: World) -> None:
    with pytest.raises(UsageError) as said:
        portal_at(read_settings({"database": world.url}, {}))
    assert said.value.message == "what the portal needs is not installed (django_htmx)"
    assert said.value.hint == "Install the extra: pip install 'commission-engine[portal]'."
