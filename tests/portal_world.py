"""A programme of twenty affiliates with a portal, as its tests use it.

Everybody's name, address and orders have words in them that nobody else may read: see `secrets_of`.
"""

import asyncio
import contextlib
import io
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Message

from commission_engine.__main__ import main
from commission_engine.book.connect import for_readers, reading
from commission_engine.book.doors import AFFILIATE, STAFF, Doors, Token, Who
from commission_engine.book.readers import Person, person_of
from commission_engine.portal.app import application
from commission_engine.portal.portal import Portal, new_secret
from commission_engine.settings import read_settings

PLAN = """\
name = "acme"
timezone = "Europe/Berlin"

[payout]
every = "month"
minimum = { USD = "5.00" }

[[terms]]
from = 2026-01-01
hold_days = 10
level = [
  { level = 1, rate = "20%", cap = [{ window = "month", amount = { USD = "60.00" } }] },
  { level = 2, rate = "10%" },
  { level = 3, rate = "5%" },
]
"""
AFFILIATES = tuple(f"a{number:02}" for number in range(20))
ROLES = ("support", "operator", "maker", "checker", "auditor", "admin")
RUNS = ("2026-01-31", "2026-02-15")
URL = "http://127.0.0.1:8800"
NOW = 1_800_000_000


def referrer_of(affiliate: str) -> str:
    """Everybody but a00 was referred by whoever has half his number: a tree of five levels."""
    number = int(affiliate[1:])
    return f"a{(number - 1) // 2:02}" if number else ""


def status_of(affiliate: str) -> str:
    return {"a08": "suspended", "a09": "closed"}.get(affiliate, "active")


def secrets_of(affiliate: str) -> tuple[str, ...]:
    """What only this affiliate, and the staff, may read: his address and the ids of his orders."""
    return f"{affiliate}-mail@example.com", f"order-{affiliate}-1", f"order-{affiliate}-2"


def line_of(affiliate: str) -> str:
    """The id of a line that the first run paid him: level 1, of the first whom he referred."""
    return f"order-a{2 * int(affiliate[1:]) + 1:02}-1.1"


def name_of(affiliate: str) -> str:
    """What his own referrer may read too."""
    return f"Name-{affiliate}"


def commission(*words: str) -> str:
    """The program, called in this process; what it says on stdout. A failure is an error."""
    said, talk = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before, sys.argv = sys.argv, ["commission", *words]
    code = 0
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(talk):
            main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = before
    assert code == 0, f"commission {' '.join(words)}: {code}\n{talk.getvalue()}"
    said.seek(0)
    return said.read()


def make_book(folder: Path, url: str) -> None:
    """The programme's book at `url`, the files of its runs in `folder`/out."""
    source = folder / "input"
    source.mkdir()
    (source / "plan.toml").write_text(PLAN, "utf-8")
    people = [f"{a},{name_of(a)},{secrets_of(a)[0]},active" for a in AFFILIATES]
    (source / "affiliates.csv").write_text(
        "affiliate_id,name,email,status\n" + "\n".join(people) + "\n", "utf-8"
    )
    edges = [f"{a},{referrer_of(a)}" for a in AFFILIATES if referrer_of(a)]
    (source / "referrals.csv").write_text(
        "affiliate_id,referrer_id\n" + "\n".join(edges) + "\n", "utf-8"
    )
    rows = [
        f"{secrets_of(a)[which]},{a},2026-0{which}-{5 + place % 8:02},{100 + place}.00,USD"
        for place, a in enumerate(AFFILIATES)
        for which in (1, 2)
    ]
    (source / "earnings.csv").write_text(
        "event_id,affiliate_id,occurred_at,amount,currency\n" + "\n".join(rows) + "\n", "utf-8"
    )
    with contextlib.chdir(folder):
        commission("run", "input", "--date", RUNS[0], "--database", url)
        later = source / "affiliates.csv"
        gone = [f"{a},{status_of(a)}" for a in AFFILIATES if status_of(a) != "active"]
        later.write_text("affiliate_id,status\n" + "\n".join(gone) + "\n", "utf-8")
        commission("import", "affiliates", str(later), "--database", url)
        commission("run", "--date", RUNS[1], "--database", url)
        for role in ROLES:
            commission("users", "add", f"the-{role}", "--role", role, "--email",
                       f"{role}@staff.example", "--database", url)  # fmt: skip


def who_is(who: str) -> Who:
    """An affiliate by his id, or an account by its role."""
    return Who(STAFF, f"the-{who}") if who in ROLES else Who(AFFILIATE, who)


@dataclass
class World:
    """The portal over the book; `now` is what its clock says."""

    url: str
    folder: Path
    portal: Portal
    now: int = NOW

    def close(self) -> None:
        self.portal.doors.close()
        self.portal.engine.dispose()

    def anybody(self) -> TestClient:
        """A browser that nobody has signed in with."""
        return TestClient(self.app(), base_url=URL, follow_redirects=False)

    def app(self) -> Starlette:
        return application(self.portal)

    def of(self, who: str) -> TestClient:
        """A browser in which an affiliate ("a03"), or an account by its role, has signed in."""
        secret = new_secret()
        self.portal.doors.begin(secret, who_is(who), self.now, self.now + 3600)
        client = self.anybody()
        client.cookies.set(self.portal.cookie, secret)
        return client

    def program_of(self, who: str) -> TestClient:
        """A program with a token of an affiliate, or of an account by its role, without a
        cookie."""
        secret = new_secret()
        token = Token(new_secret(), who_is(who), "test", self.now, self.now + 3600)
        self.portal.doors.add_token(token, secret)
        client = self.anybody()
        client.headers["Authorization"] = f"Bearer {secret}"
        return client

    def answers(self, asked: Iterable[tuple[str, str, str]]) -> list[tuple[int, str]]:
        """Status and body for each method, path and cookie, from the application itself: without a
        client or a network, whose time would be most of it."""
        return asyncio.run(_answers(self.app(), f"{self.portal.cookie}=".encode(), asked))

    def person(self, affiliate: str) -> Person:
        with reading(self.portal.engine) as book:
            found = person_of(book, affiliate)
        assert found
        return found


async def _answers(
    app: Starlette, cookie: bytes, asked: Iterable[tuple[str, str, str]]
) -> list[tuple[int, str]]:
    found = []
    for method, path, secret in asked:
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message, said: list[Message] = said) -> None:
            said.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": b"", "scheme": "http", "server": ("127.0.0.1", 8800),
            "client": ("127.0.0.1", 9), "headers": [(b"host", b"127.0.0.1:8800"),
            (b"cookie", cookie + secret.encode())],
        }  # fmt: skip
        await app(scope, receive, send)
        body = b"".join(each.get("body", b"") for each in said[1:])
        found.append((int(said[0]["status"]), body.decode()))
    return found


@contextmanager
def served(world: World) -> Iterator[str]:
    """The portal on a port of this machine, as `commission serve` has it: its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    world.portal.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(world.app(), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield world.portal.url
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def world_at(url: str, folder: Path, **settings: object) -> World:
    """The portal over a book that is made, with these settings."""
    options = {"database": url, "out": str(folder / "out"), **settings}
    portal = Portal(
        engine=for_readers(url), doors=Doors.beside(url),
        settings=read_settings(options, {}), url=URL,
    )  # fmt: skip
    world = World(url, folder, portal)
    portal.clock = lambda: world.now
    return world
