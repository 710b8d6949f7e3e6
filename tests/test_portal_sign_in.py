"""Signing in to the portal: links by mail and OpenID Connect, sessions, forms, how often."""

import re
from urllib.parse import urlsplit

import pytest
from oidc_server import CLIENT, SECRET, Provider, parts, provider
from portal_world import URL, World, who_is, world_at
from smtp_server import Kept, mail_server
from starlette.testclient import TestClient

from commission_engine.book.doors import AFFILIATE, Who
from commission_engine.doorway import OIDC_SECRET
from commission_engine.portal.headers import ALWAYS
from commission_engine.portal.limits import LINKS, SIGN_IN
from commission_engine.portal.portal import form_token

LINK = re.compile(rf"{URL}/sign-in/link/(\S+)")


def form(client: TestClient, **fields: str) -> dict[str, str]:
    """A form as a page of the portal shows it to this browser."""
    return {"form_token": form_token(client.cookies.get("commission") or ""), **fields}


def with_mail(world: World, port: int) -> World:
    return world_at(
        world.url, world.folder, portal_smtp_host="127.0.0.1", portal_smtp_port=port,
        portal_smtp_security="none", portal_mail_from="partners@example.com",
    )  # fmt: skip


def ask(client: TestClient, email: str) -> tuple[int, str]:
    client.get("/sign-in")
    answer = client.post("/sign-in", data=form(client, email=email))
    return answer.status_code, answer.text


def use(client: TestClient, secret: str) -> int:
    client.get(f"/sign-in/link/{secret}")
    return client.post("/sign-in/link", data=form(client, secret=secret)).status_code


def secret_in(kept: Kept) -> str:
    found = LINK.search(kept.text())
    assert found
    return found[1]


def test_a_mailed_link_signs_in_once(world: World) -> None:
    with mail_server() as (kept, port):
        made = with_mail(world, port)
        client = made.anybody()
        assert ask(client, "A03-Mail@example.com") == ask(client, "nobody@example.com")
        (mail,) = kept.mails
        assert (mail["To"], mail["From"]) == ("A03-Mail@example.com", "partners@example.com")
        secret, before = secret_in(kept), client.cookies["commission"]
        assert use(client, secret) == 303
        assert client.cookies["commission"] != before
        assert "a03, affiliate" in client.get("/account").text
        other = made.anybody()
        assert use(other, secret) == 403
        other.cookies.set("commission", before)  # what it was before says nothing any more
        assert other.get("/account").status_code == 303
        made.close()


def test_a_link_is_good_for_minutes_and_one_who_left_cannot_use_it(world: World) -> None:
    with mail_server() as (kept, port):
        made = with_mail(world, port)
        client = made.anybody()
        ask(client, "support@staff.example")
        assert "the-support:" in kept.text()
        made.now += made.portal.doorway.link_minutes * 60
        assert use(client, secret_in(kept)) == 403
        made.close()


def test_a_mail_server_that_does_not_answer_changes_nothing_of_the_answer(world: World) -> None:
    made = with_mail(world, 1)  # nothing listens there
    client = made.anybody()
    assert ask(client, "a03-mail@example.com") == ask(client, "nobody@example.com")
    made.close()


def test_names_in_mails_are_names(world: World) -> None:
    """An id can be any text; in a mail it is one line."""
    from commission_engine.portal.entry import _one_line

    assert _one_line("a\r\nBcc: x@example.com\n\u202eb") == "a Bcc: x@example.com b"


# -- OpenID Connect


def with_provider(world: World, there: Provider) -> World:
    made = world_at(
        world.url, world.folder, portal_oidc_issuer=there.url, portal_oidc_client_id=CLIENT
    )
    made.portal.environment = {OIDC_SECRET: SECRET}
    there.now = made.now
    return made


def there_and_back(made: World, there: Provider, **changed: str) -> tuple[TestClient, int]:
    """A browser that went to the provider and came back, with parts of the way back changed."""
    client = made.anybody()
    away = client.get("/sign-in/oidc")
    assert away.headers["location"].startswith(f"{there.url}/authorize?")
    back = urlsplit(there.authorize(parts(away.headers["location"])))
    query = parts(f"?{back.query}") | changed
    return client, client.get(back.path, params=query).status_code


def test_the_word_of_a_provider_signs_in(world: World) -> None:
    with provider() as there:
        made = with_provider(world, there)
        client, status = there_and_back(made, there)
        assert status == 303
        assert "a03, affiliate" in client.get("/account").text
        there.email = "checker@staff.example"
        client, _ = there_and_back(made, there)
        assert "the-checker" in client.get("/affiliates").text
        made.close()


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1},
        {"email_verified": False}, {"email_verified": "true"}, {"email": "nobody@example.com"},
        {"email": ""},
    ],
    ids=str,
)  # fmt: skip
def test_a_word_that_does_not_hold_signs_nobody_in(world: World, claims: dict[str, str]) -> None:
    with provider() as there:
        made = with_provider(world, there)
        there.claims = claims
        client, status = there_and_back(made, there)
        assert status == 403
        assert client.get("/account").status_code == 303
        made.close()


def test_only_the_browser_that_went_there_can_come_back_and_only_once(world: World) -> None:
    with provider() as there:
        made = with_provider(world, there)
        _, status = there_and_back(made, there, state="another")
        assert status == 403
        client = made.anybody()
        away = client.get("/sign-in/oidc")
        back = there.authorize(parts(away.headers["location"]))
        assert made.anybody().get(back).status_code == 403  # another browser
        assert client.get(back).status_code == 303
        assert made.anybody().get(back).status_code == 403
        there.codes.clear()
        there.key.as_dict()
        made.close()


# -- sessions and forms


def test_sessions_end(world: World) -> None:
    idle, most = world.portal.doorway.idle_minutes * 60, world.portal.doorway.session_hours * 3600
    client = world.of("a03")
    world.now += idle
    assert client.get("/account").status_code == 200  # seen again, just in time
    world.now += idle + 1
    assert client.get("/account").status_code == 303
    again, here, there = world.of("a03"), world.of("a03"), world.of("a03")
    for _ in range(most // idle + 1):
        again.get("/account")
        world.now += idle - 60
    assert again.get("/account").status_code == 303  # however much it was used
    here, there = world.of("a03"), world.of("a03")
    assert here.post("/sign-out", data=form(here)).status_code == 303
    assert (here.get("/account").status_code, there.get("/account").status_code) == (303, 200)
    here = world.of("a03")
    here.post("/sign-out", data=form(here, everywhere="1"))
    assert there.get("/account").status_code == 303


def test_a_form_from_elsewhere_is_refused(world: World) -> None:
    client = world.of("a03")
    good = form(client, label="x")
    foreign = [
        ({}, {}),
        ({"label": "x"}, {}),
        ({**good, "form_token": "0" * 64}, {}),
        ({**good, "form_token": form_token("another")}, {}),
        (good, {"Origin": "https://evil.example"}),
        (good, {"Origin": "null"}),
        (good, {"Sec-Fetch-Site": "cross-site"}),
        (good, {"Sec-Fetch-Site": "same-site"}),
        (good, {"Sec-Fetch-Site": "none"}),
        (good, {"Content-Type": "text/plain"}),
        (good, {"Content-Type": "multipart/form-data; boundary=x"}),
        (good, {"Content-Type": "application/json"}),
    ]
    for data, headers in foreign:
        assert client.post("/tokens", data=data, headers=headers).status_code == 403, headers
    assert world.portal.doors.tokens(who_is("a03"), world.now) == []
    assert client.post("/tokens", data=good, headers={"Origin": URL}).status_code == 200
    assert client.post("/tokens", content=b"x" * 70_000).status_code == 413
    (token,) = world.portal.doors.tokens(who_is("a03"), world.now)
    stranger = world.of("a04")
    assert stranger.post("/tokens/remove", data=form(stranger, id=token.id)).status_code == 404
    assert client.post("/tokens/remove", data=form(client, id=token.id)).status_code == 303
    assert world.portal.doors.tokens(who_is("a03"), world.now) == []


def test_another_hosts_name_is_refused(world: World) -> None:
    assert world.anybody().get("/sign-in", headers={"Host": "evil.example"}).status_code == 400


def test_every_answer_says_what_browsers_must_not_do(world: World) -> None:
    client = world.of("a03")
    for path in ("/account", "/no/such", "/users", "/sign-in", "/static/x/y", "/api/v1/account"):
        headers = client.get(path).headers
        assert {name: headers[name] for name in ALWAYS} == dict(ALWAYS), path
        assert headers["cache-control"] == "no-store"
    cookie = world.anybody().get("/sign-in").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    safe = world_at(world.url, world.folder, portal_url="https://partners.example.com")
    safe.portal.url = "https://partners.example.com"
    answer = TestClient(safe.app(), base_url=safe.portal.url).get("/sign-in")
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert answer.headers["set-cookie"].startswith("__Host-commission=")
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    safe.close()


def test_a_fault_of_ours_shows_nothing_and_is_logged_without_values(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a03-mail@example.com")

    monkeypatch.setattr("commission_engine.book.readers.balances", broken)
    answer = world.of("a03").get("/account")
    assert (answer.status_code, "a03-mail" in answer.text) == (500, False)
    assert answer.headers["content-security-policy"] == ALWAYS["content-security-policy"]
    (record,) = [each for each in caplog.records if each.getMessage() == "portal fault"]
    assert "a03-mail" not in repr(record.__dict__)


# -- how often


def test_guesses_are_counted(world: World) -> None:
    client = world.anybody()
    asked = [ask(client, "a03-mail@example.com")[0] for _ in range(SIGN_IN.times + 1)]
    assert asked == [200] * SIGN_IN.times + [429]
    assert ask(client, "a04-mail@example.com")[0] == 200  # nobody is locked out by others
    world.now += SIGN_IN.seconds
    assert ask(client, "a03-mail@example.com")[0] == 200
    tried = [use(client, f"guess{number}") for number in range(LINKS.times)]
    assert set(tried) == {403, 429}
    noted = {each.what for each in world.portal.doors.happened(0)}
    assert {"too often", "link refused"} <= noted


def test_what_is_kept_of_secrets_is_their_hash(world: World) -> None:
    world.portal.doors.add_link("the-secret", Who(AFFILIATE, "a03"), world.now + 9)
    world.of("a03")
    content = (world.folder / "commission.portal.db").read_bytes()
    content += (world.folder / "commission.portal.db-wal").read_bytes()
    assert b"the-secret" not in content
    assert world.portal.doors.use_link("the-secret", world.now) == Who(AFFILIATE, "a03")
