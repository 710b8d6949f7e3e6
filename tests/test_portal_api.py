"""The portal's API keeps what its description promises, whatever it is asked."""

from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import schemathesis
import series
from hypothesis import HealthCheck, given, settings
from portal_world import RUNS, World, line_of, served
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    unsupported_method,
)

from commission_engine.portal.callings import Callings
from commission_engine.portal.limits import API
from commission_engine.portal.openapi import PATHS

# What is no page looks the same by every method, so there is no 405. A question that is made wrong
# by its header alone gets our token, and so is right: what else is answered is looked at below.
LEFT_OUT = [unsupported_method, allow_header_conformance, negative_data_rejection]


EXAMPLES = series.of(3, 100)
"""Of every operation, as many good questions and as many that are not."""


def test_the_api_is_as_described(world: World) -> None:
    token = {"Authorization": world.program_of("a01").headers["Authorization"]}
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
                response = case.call_and_validate(headers=token, excluded_checks=LEFT_OUT)
                statuses.add(response.status_code)
                if response.status_code == 200:
                    sent = parse_qs(urlsplit(str(response.request.url)).query)
                    assert sent.keys() <= {each.name for each in case.operation.query}

            as_described()
    assert len(operations) == len(PATHS)
    assert {200, 400, 404} <= statuses <= {200, 400, 401, 404}


def test_everything_that_is_described_can_be_had(world: World) -> None:
    program = world.program_of("a01")
    statement = program.get("/api/v1/statements").json()["statements"][0]["statement_id"]
    reference = Callings("acme", "a01", {}).reference(line_of("a01"))
    for path in PATHS:
        asked = path.replace("{id}", statement).replace(
            "{day}/{reference}", f"{RUNS[0]}/{reference}"
        )
        assert program.get(asked).status_code == 200, asked
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
