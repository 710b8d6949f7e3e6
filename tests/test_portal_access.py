"""Who may see which page of the portal: every cell of the matrix in docs/portal.md is tried, and
every page of the router has a row there.
"""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
from portal_world import (
    AFFILIATES,
    ROLES,
    RUNS,
    World,
    commission,
    line_of,
)
from starlette.routing import Route
from starlette.testclient import TestClient
from work_pages import EMPTY as EMPTY_WORK
from work_pages import PARTS as PARTS_OF_WORK

from commission_engine.calendar import day_of
from commission_engine.portal.app import application
from commission_engine.portal.callings import Callings
from commission_engine.portal.portal import form_token
from commission_engine.publish.ids import statement_id

DOC = Path(__file__).parent.parent / "docs" / "portal.md"
WHO = ("nobody", "affiliate", *ROLES)
YES, OWN, NO = "yes", "own", "-"
ME = "a01"
EMPTY = {
    "POST /sign-in/link": 403, "POST /tokens": 400, "POST /tokens/remove": 404,
    "GET /api/v1/affiliates": 400, "GET /sign-in/oidc": 404, "GET /sign-in/oidc/back": 403,
}  # fmt: skip
"""What somebody gets who may, but says nothing, or where nothing is set up."""


class Row(NamedTuple):
    """A row of the matrix: a method and a path, and what each of WHO may."""

    method: str
    path: str
    cells: tuple[str, ...]

    def of(self, who: str) -> str:
        return self.cells[WHO.index(who)]


def matrix() -> dict[str, Row]:
    found = re.findall(
        r"^\| `(GET|POST|\*) (/\S*)` \|(.+)\|$", DOC.read_text("utf-8"), re.MULTILINE
    )
    rows = [Row(method, path, tuple(cell.strip() for cell in cells.split("|")))
            for method, path, cells in found]  # fmt: skip
    assert all(len(row.cells) == len(WHO) for row in rows)
    assert {cell for row in rows for cell in row.cells} <= {YES, OWN, NO}
    return {f"{row.method} {row.path}": row for row in rows}


def test_every_page_of_the_router_has_a_row_and_every_row_a_page(world: World) -> None:
    routes = [route for route in application(world.portal).routes if isinstance(route, Route)]
    assert len(routes) == len(application(world.portal).routes)
    assert sorted(route.name for route in routes) == sorted(matrix())


def values(world: World, path: str, whose: str) -> str:
    """The path of a page with the things of `whose` in it."""
    filled = path
    for part in re.findall(r"\{(\w+)(?::\w+)?\}", path):
        filled = re.sub(r"\{" + part + r"(:\w+)?\}", PARTS[part](world, whose), filled)
    return filled


PARTS: dict[str, Callable[[World, str], str]] = {
    "number": lambda world, whose: str(world.person(whose).number),
    "secret": lambda world, whose: "x" * 43,
    "hash": lambda world, whose: "0" * 12,
    "name": lambda world, whose: "portal.css",
    "id": lambda world, whose: statement_id("acme", day_of(date.fromisoformat(RUNS[0])), whose),
    "format": lambda world, whose: "csv",
    "day": lambda world, whose: RUNS[0],
    "reference": lambda world, whose: Callings("acme", whose, {}).reference(line_of(whose)),
    "rest": lambda world, whose: "no/such/page",
    **PARTS_OF_WORK,
}


def asked(client: TestClient, method: str, path: str) -> int:
    """The answer to a good form or a plain question."""
    if method == "POST":
        secret = client.cookies.get("commission") or ""
        return client.post(path, data={"form_token": form_token(secret)}).status_code
    return client.request("GET" if method == "*" else method, path).status_code


def denied(who: str, path: str) -> int:
    """What somebody gets who may not: staff is told so, an affiliate sees nothing."""
    nobody = 401 if path.startswith("/api/v1") else 303
    return {"nobody": nobody, "affiliate": 404}.get(who, 403)


@pytest.mark.parametrize("who", WHO)
def test_every_cell_of_the_matrix(world: World, who: str) -> None:
    wrong = []
    for key, row in matrix().items():
        if key == "POST /sign-out":
            continue  # tried by itself: it ends the session
        if who == "nobody":
            client = world.anybody()
            client.get("/sign-in")
        else:
            client = world.of(ME if who == "affiliate" else who)
        if who != "nobody" and row.path.startswith("/api/v1"):
            client = world.program_of(ME if who == "affiliate" else who)
        path = values(world, row.path, ME)
        got = asked(client, row.method, path)
        if row.of(who) != NO and got == EMPTY_WORK.get(key):
            continue
        nothing_there = row.method == "*" or "{hash}" in row.path
        if row.of(who) == NO:
            expected = got == denied(who, row.path)
        elif nothing_there:
            expected = got == 404
        else:
            expected = got in (200, 303) or got == EMPTY.get(key)
        if not expected:
            wrong.append(f"{who}: {row.method} {path}: {got}")
    assert wrong == []


def test_the_standing_of_an_affiliate_does_not_take_his_pages(world: World) -> None:
    for whose in ("a08", "a09"):
        client = world.of(whose)
        for key, row in matrix().items():
            if row.of("affiliate") == OWN and row.method == "GET":
                api = row.path.startswith("/api/v1")
                browser = world.program_of(whose) if api else client
                got = browser.get(values(world, row.path, whose)).status_code
                assert got == (404 if api else 200), f"{whose}: {key}"


def test_an_account_that_is_removed_is_out_at_once(world: World) -> None:
    client = world.of("support")
    assert client.get("/affiliates").status_code == 200
    commission("users", "remove", "the-support", "--database", world.url)
    assert client.get("/affiliates").status_code == 303
    commission("users", "add", "the-support", "--role", "support", "--database", world.url)
    assert client.get("/affiliates").status_code == 303  # the session is gone, too
    assert len(AFFILIATES) == 20
