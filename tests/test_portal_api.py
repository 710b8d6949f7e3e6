"""The portal's API keeps what its description promises, whatever it is asked."""

import re
from datetime import date
from hashlib import sha256
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
import schemathesis
import series
from hypothesis import HealthCheck, given, settings
from portal_world import RUNS, World, commission, line_of, served
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    unsupported_method,
)

from commission_engine.calendar import day_of
from commission_engine.portal import api_staff
from commission_engine.portal.callings import Callings
from commission_engine.portal.limits import API
from commission_engine.portal.openapi import OF_STAFF, PATHS
from commission_engine.portal.portal import form_token

# What is no page looks the same by every method, so there is no 405. A question that is made wrong
# by its header alone gets our token, and so is right: what else is answered is looked at below.
LEFT_OUT = [unsupported_method, allow_header_conformance, negative_data_rejection]


EXAMPLES = series.of(3, 100)
"""Of every operation, as many good questions and as many that are not."""


def test_the_api_is_as_described(world: World) -> None:
    tokens = {who: world.program_of(who).headers["Authorization"] for who in ("a01", "maker")}
    statuses = set()
    with served(world) as url:
        schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
        found = list(schema.get_all_operations())
        operations = [each.ok() for each in found if isinstance(each, Ok)]
        for operation, mode in product(operations, schemathesis.GenerationMode):
            if mode.is_negative and not any(operation.iter_parameters()):
                continue

            @given(operation.as_strategy(mode))
            @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                      suppress_health_check=list(HealthCheck))  # fmt: skip
            def as_described(case: schemathesis.Case[Any]) -> None:
                world.now += 1  # so that it is not asked too often
                token = tokens["maker" if case.path in OF_STAFF else "a01"]
                response = case.call_and_validate(
                    headers={"Authorization": token}, excluded_checks=LEFT_OUT
                )
                statuses.add(response.status_code)
                if response.status_code == 200:
                    sent = parse_qs(urlsplit(str(response.request.url)).query)
                    assert sent.keys() <= {each.name for each in case.operation.query}

            as_described()
    assert len(operations) == len(PATHS) + len(OF_STAFF)
    assert {200, 400, 404} <= statuses <= {200, 400, 401, 404}


def test_everything_that_is_described_can_be_had(world: World) -> None:
    program = world.program_of("a01")
    statement = program.get("/api/v1/statements").json()["statements"][0]["statement_id"]
    reference = Callings("acme", "a01", {}).reference(line_of("a01"))
    number = str(world.person("a01").number)
    parts = {"id": statement, "day": RUNS[0], "date": RUNS[0], "reference": reference}
    for path in (*PATHS, *OF_STAFF):
        asked = path.format(number=number, **parts) + "?id=a01" * path.endswith("affiliates")
        own = world.program_of("maker") if path in OF_STAFF else program
        assert own.get(asked).status_code == 200, asked
        if (mine := path.replace("/affiliates/{number}", "")) != path:
            assert own.get(asked).json() == program.get(mine.format(**parts)).json(), asked
    said = program.get(f"/api/v1/lines/{RUNS[0]}/{reference}").json()
    assert (said["from"], said["commission"], said["agrees"]) == ("Name-a03", "20.60", True)
    assert [part["heading"] for part in said["why"]][:2] == ["The order", "Who is paid"]


@pytest.mark.parametrize(
    "query",
    ["from=2026-02-30", "level=-1", "level=x", "which=some", "after=x", "before=x", "more=1"],
)
def test_what_does_not_fit_is_refused_with_a_sentence(world: World, query: str) -> None:
    path = "/api/v1/statements" if query.startswith("before") else "/api/v1/lines"
    answer = world.program_of("a01").get(f"{path}?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_the_staffs_programs_read_what_its_pages_show(world: World) -> None:
    auditor = world.program_of("auditor")
    found = auditor.get("/api/v1/affiliates?id=a03").json()["affiliates"]
    assert [(each["affiliate_id"], each["name"]) for each in found] == [("a03", "Name-a03")]
    assert auditor.get("/api/v1/affiliates?id=A03").json() == {"affiliates": []}
    runs = auditor.get("/api/v1/runs").json()
    assert [each["date"] for each in runs["runs"]] == list(RUNS[::-1])
    assert auditor.get(f"/api/v1/runs?before={RUNS[1]}").json()["runs"] == runs["runs"][1:]
    one = auditor.get(f"/api/v1/runs/{RUNS[0]}").json()
    files = one.pop("files")
    assert one == runs["runs"][1]
    table = world.folder / "out" / RUNS[0] / "payouts.csv"
    assert {"name": table.name, "sha256": sha256(table.read_bytes()).hexdigest()} in files
    place = f"/api/v1/settlements/{RUNS[0]}"
    settled = auditor.get(place).json()
    assert settled["states"] == [{"state": "pending", "payouts": settled["payouts"]}]
    paid = auditor.get(f"{place}/payouts?status=pending").json()["payouts"]
    written = pl.read_csv(table, infer_schema=False).sort("affiliate_id")
    names = ["payout_id", "affiliate_id", "amount"]
    assert [[each[name] for name in names] for each in paid] == [
        list(row) for row in written.select(names).iter_rows()
    ]
    first = f"{day_of(date.fromisoformat(RUNS[0]))}.{paid[0]['number']}.1"
    assert auditor.get(f"{place}/payouts?after={first}").json()["payouts"] == paid[1:]
    assert auditor.get(f"{place}/payouts?status=paid").json()["payouts"] == []
    for query, status in (("status=some", 400), ("after=x", 400), ("more=1", 400)):
        assert auditor.get(f"{place}/payouts?{query}").status_code == status
    assert auditor.get("/api/v1/settlements/2026-02-15").status_code == 404  # no settlement
    for path in ("no/such", "no%0Asuch", "affiliates/-1/account", "affiliates/x/lines"):
        nothing = auditor.get(f"/api/v1/{path}")
        assert (nothing.status_code, nothing.json()) == (404, {"error": "There is no such page."})


def test_the_staffs_listings_go_on_where_they_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = world.program_of("checker")

    def all_of(path: str, name: str, goes_on: str) -> list[Any]:
        found, more = [], ""
        while True:
            said = program.get(f"{path}{more}").json()
            found += said[name]
            if said[f"next_{goes_on}"] is None:
                return found
            assert len(said[name]) == api_staff.AT_ONCE
            more = f"?{goes_on}={said[f'next_{goes_on}']}"

    asked = (
        (f"/api/v1/settlements/{RUNS[0]}/payouts", "payouts", "after"),
        ("/api/v1/runs", "runs", "before"),
        ("/api/v1/settlements", "settlements", "before"),
    )
    whole = [program.get(path).json()[name] for path, name, _ in asked]
    monkeypatch.setattr(api_staff, "AT_ONCE", 1)  # the programme is small
    assert [all_of(*each) for each in asked] == whole
    assert [len(each) for each in whole] == [10, 2, 1]


def test_a_token_of_the_staff_may_what_its_account_may_now(world: World) -> None:
    browser = world.of("operator")
    token = {"form_token": form_token(browser.cookies["commission"])}
    made = browser.post("/tokens", data=token | {"label": "our books"})
    secret = re.search(r"cmt_[\w-]{43}", made.text)
    assert secret
    program = world.anybody()
    program.headers["Authorization"] = f"Bearer {secret[0]}"

    def may(*paths: str) -> list[int]:
        return [program.get(f"/api/v1{path}").status_code for path in paths]

    asked = ("/runs", "/settlements", "/affiliates?id=a01", "/account")
    assert may(*asked) == [200, 403, 200, 403]
    database = ("--email", "", "--database", world.url)
    commission("users", "add", "the-operator", "--role", "support", *database)
    assert may(*asked) == [403, 403, 200, 403]
    assert program.get("/api/v1/affiliates?id=a01").json()["affiliates"][0]["name"] == ""
    number = world.person("a01").number
    for path in ("account", "statements", "payouts", "lines", "referrals"):
        assert "Name-" not in program.get(f"/api/v1/affiliates/{number}/{path}").text
    commission("users", "add", "the-operator", "--role", "admin", *database)
    assert may(*asked) == [403] * 4
    commission("users", "add", "the-operator", "--role", "auditor", *database)
    assert may(*asked) == [200, 200, 200, 403]
    before = [world.portal.limiter.passes(API, "staff:the-operator") for _ in range(API.times)]
    assert not all(before)
    assert may("/runs") == [429]
    world.now += API.seconds
    commission("users", "remove", "the-operator", "--database", world.url)
    assert may(*asked) == [401] * 4
    commission("users", "add", "the-operator", "--role", "operator", *database)
    assert may(*asked) == [401] * 4  # whoever gets the name again gets no old token with it


def test_a_token_ends_and_is_only_good_for_the_api(world: World) -> None:
    program = world.program_of("a01")
    assert program.get("/account").status_code == 303
    before = [world.portal.limiter.passes(API, "affiliate:a01") for _ in range(API.times - 1)]
    often = [program.get("/api/v1/account").status_code for _ in range(2)]
    assert (all(before), often) == (True, [200, 429])
    world.now += 3600
    assert program.get("/api/v1/account").status_code == 401
    for word in ("Bearer", "Bearer x", "Basic x", "bearer  "):
        answer = world.anybody().get("/api/v1/account", headers={"Authorization": word})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
