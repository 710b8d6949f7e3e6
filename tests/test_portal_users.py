"""`commission users` and `commission serve`: who is on the staff, links, the server itself."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from portal_world import RUNS, World, make_book, world_at
from portal_world import commission as commission_done
from program import Program, shop
from test_portal_staff import STATEMENT, hidden

from commission_engine.book import doors as doors_of_books
from commission_engine.book.connect import connect, writing
from commission_engine.book.doors import NOBODY, Doors, Who
from commission_engine.portal.portal import form_token


def test_accounts_are_added_changed_and_removed(commission: Program) -> None:
    done = commission("users", "add", "carla", "--role", "maker", "--email", "c@example.com")
    assert (done.code, done.err) == (0, "carla is maker\n")
    again = commission("users", "add", "carla", "--role", "maker", "--email", "c@example.com")
    assert again.err == "carla is that already; nothing was changed\n"
    assert commission("users", "add", "carla", "--role", "checker", "--dry-run").err == (
        "dry run: carla would be checker\n"
    )
    commission("users", "add", "carla", "--role", "checker", "--as", "dora")
    (account,) = json.loads(commission("users", "list", "--json").out)
    assert (account["name"], account["role"], account["email"]) == ("carla", "checker", "")
    assert account["who"].startswith("dora (as given by ")
    assert commission("users", "remove", "carla").err == "carla is removed\n"
    assert json.loads(commission("users", "list", "--json").out) == []
    trail = json.loads(commission("audit", "--json").out)
    assert [(each["details"]["name"], each["details"]["role"]) for each in trail
            if each["what"] == "users"] == [
        ("carla", "maker"), ("carla", "checker"), ("carla", None),
    ]  # fmt: skip
    assert commission("verify", "--no-files").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "c(a)", "--role", "maker"), "'c(a)' is not a name of 1 to 64 characters"),
        (("add", " c", "--role", "maker"), "' c' is not a name"),
        (("add", "carla", "--role", "boss"), "'boss' is no role"),
        (("add", "carla", "--role", "maker", "--email", "c"), "'c' is not an e-mail address"),
        (("remove", "carla"), "there is no account 'carla'"),
        (("link", "ann"), "there is no affiliate 'ann'"),
        (("link", "carla", "--staff"), "there is no account 'carla'"),
    ],
)
def test_what_cannot_be_is_refused(
    commission: Program, words: tuple[str, ...], message: str
) -> None:
    done = commission("users", *words)
    assert done.code == 2
    assert message in done.err
    assert json.loads(commission("users", "list", "--json").out) == []


def test_both_databases_show_the_same_pages(
    world: World, tmp_path: Path, postgresql_url: str
) -> None:
    make_book(tmp_path, postgresql_url)
    other = world_at(postgresql_url, tmp_path)
    assert seen(other) == seen(world)
    other.portal.note(NOBODY, "tried")
    other.close()
    again = Doors.beside(postgresql_url)  # made once, kept
    assert again.happened(1)[0].what == "tried"
    again.close()


def seen(world: World) -> list[str]:
    """What an affiliate and an auditor see, without what is of this session alone."""
    own, auditor = world.of("a01"), world.of("auditor")
    asked = [own.get(path) for path in ("/account", "/statements", "/lines", "/earnings",
                                        "/referrals", "/data", "/tokens")]  # fmt: skip
    program = world.program_of("a01")  # a page of tokens would have another id in it
    asked += [program.get(f"/api/v1/{name}") for name in
              ("account", "statements", "lines", "payouts", "referrals")]  # fmt: skip
    first = re.search(r'"(/lines/[^"]+)"', asked[2].text)
    assert first
    asked += [own.get(first[1]), auditor.get("/affiliates/2/account")]
    asked += [own.get("/statements?before=2026-02-01"), auditor.get("/affiliates?q=a05")]
    asked += desk_of(world)
    assert {each.status_code for each in asked} == {200, 303}
    return [re.sub(r'"[0-9a-f]{64}"', "", each.text) for each in asked]


def desk_of(world: World) -> list[Any]:
    """What a maker sees once he has imported a table of rates and a bank's file, and his program;
    without when the nights ran."""
    maker, program = world.of("maker"), world.program_of("maker")
    token = {"form_token": form_token(maker.cookies["commission"]), "source": "our bank"}
    for path, content in (
        ("/rates", "date,currency,per_euro\n2026-01-05,USD,1.17\n2026-01-02,USD,1.1721\n"),
        ("/bank", STATEMENT),
    ):
        look = maker.post(path, data=token, files={"file": ("sent", content)})
        looked_at = hidden(look.text, "looked_at")
        assert maker.post(path, data=token | {"looked_at": looked_at}).status_code == 303
    settled = f"/api/v1/settlements/{RUNS[0]}"
    answers = [maker.get(path) for path in ("/rates", "/rates?before=2026-01-05", "/bank")]
    answers += [program.get(path) for path in (f"{settled}/payouts?status=pending",)]
    assert answers[-1].json()["payouts"]
    return answers


def test_the_server_answers_while_a_run_writes_and_ends_with_a_signal(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    source, out = str(shop(tmp_path / "shop")), str(tmp_path / "out")
    commission_done("run", source, "--date", RUNS[0], "--database", url, "--out", out)
    command = [sys.executable, "-m", "commission_engine", "serve", "--port", str(port)]
    server = subprocess.Popen([*command, "--database", url], cwd=tmp_path, stderr=subprocess.PIPE,
                              text=True)  # fmt: skip
    assert server.stderr
    assert server.stderr.readline() == f"the portal is at http://127.0.0.1:{port}\n"
    with (
        writing(connect(url)),  # as a night holds it
        urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=20) as answer,
    ):
        assert answer.status == 200
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


def test_an_address_that_is_taken_is_said(commission: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = commission("serve", "--port", taken.getsockname()[1])
    assert done.code == 1
    assert "cannot be listened on: Address already in use" in done.err


def test_it_does_not_listen_for_others_without_tls(commission: Program) -> None:
    done = commission("serve", "--host", "192.0.2.1")
    assert done.code == 2
    assert "--host 192.0.2.1: others could read what is sent to it" in done.err


def test_what_happened_outlives_the_form_in_which_sessions_are_kept(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whom = Who("affiliate", "a01")
    doors = Doors.beside(database_url)
    doors.begin("secret", whom, 1, 100)
    doors.note(1, whom, "signed in")
    doors.close()
    monkeypatch.setattr(doors_of_books, "VERSION", doors_of_books.VERSION + 1)
    later = Doors.beside(database_url)
    assert later.session("secret", 2, 50) is None
    assert [each.what for each in later.happened(0)] == ["signed in"]
    later.close()
