"""The description of what the staff may ask of the API: each with the role that his account has."""

from collections.abc import Mapping
from typing import Any

from commission_engine.ledger.life import State
from commission_engine.portal.openapi_parts import (
    AMOUNT,
    DAY,
    NUMBER,
    TEXT,
    get,
    list_of,
    or_null,
    parameter,
    record,
)

KEY: dict[str, Any] = {"type": "string", "pattern": r"^-?[0-9]{1,9}\.[0-9]{1,18}\.[0-9]{1,9}$"}
STATE: dict[str, Any] = {"enum": [str(each) for each in State]}
AFFILIATE: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
FILES = list_of(record(name=TEXT, sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"}))
COUNTS = dict.fromkeys(("events", "lines", "statements", "payouts", "rejects"), NUMBER)
RUN: dict[str, Any] = {
    "date": DAY, "settles": {"type": "boolean"}, "started_at": TEXT, "completed_at": TEXT,
    "engine_version": TEXT, "plan_hash": TEXT, **COUNTS,
    "totals": list_of(
        record(currency=TEXT, base=AMOUNT, gross=AMOUNT, commission=AMOUNT, paid=AMOUNT)
    ),
}  # fmt: skip
SETTLEMENT: dict[str, Any] = {
    "date": DAY, "statements": NUMBER, "payouts": NUMBER,
    "paid": list_of(record(currency=TEXT, amount=AMOUNT)),
}  # fmt: skip
PAYOUT = record(
    payout_id=TEXT, number=AFFILIATE, affiliate_id=TEXT, name=TEXT, created_on=DAY, currency=TEXT,
    amount=AMOUNT, status=STATE, batch=TEXT, reason=TEXT,
)  # fmt: skip
ANSWERS: dict[str, Any] = {
    "Affiliates": record(
        affiliates=list_of(record(number=AFFILIATE, affiliate_id=TEXT, name=TEXT, status=TEXT))
    ),
    "Runs": record(runs=list_of(record(**RUN)), next_before=or_null(DAY)),
    "Run": record(**RUN, files=FILES),
    "Settlements": record(settlements=list_of(record(**SETTLEMENT)), next_before=or_null(DAY)),
    "Settlement": record(
        **SETTLEMENT, states=list_of(record(state=STATE, payouts=NUMBER)), files=FILES
    ),
    "PayoutsOfAll": record(payouts=list_of(PAYOUT), next_after=or_null(KEY)),
}

_DATE = parameter("date", DAY, "Of which business date.", "path")
_NUMBER = parameter("number", AFFILIATE, "The affiliate, as /api/v1/affiliates says it.", "path")


def _staff(operation: dict[str, Any]) -> dict[str, Any]:
    """An operation that not every role has."""
    denied = dict(operation["get"]["responses"]["404"])
    denied["description"] = "The account has another role."
    responses = operation["get"]["responses"] | {"403": denied}
    return {"get": operation["get"] | {"responses": responses, "tags": ["staff"]}}


def of_anybody(paths: Mapping[str, Any]) -> dict[str, Any]:
    """What an affiliate may ask of himself, as the staff asks it of him."""
    return {
        path.replace("/api/v1", "/api/v1/affiliates/{number}"): _staff(
            {"get": said["get"] | {"parameters": [_NUMBER, *said["get"]["parameters"]]}}
        )
        for path, said in paths.items()
    }


PATHS: dict[str, Any] = {
    path: _staff(said)
    for path, said in {
        "/api/v1/affiliates": get(
            "Affiliates",
            "The affiliate with an id, or none; support sees no name.",
            {**parameter("id", ID, "Capitals count."), "required": True},
        ),
        "/api/v1/runs": get(
            "Runs",
            "Completed runs, the newest first.",
            parameter("before", DAY, "Before this date: next_before goes on."),
        ),
        "/api/v1/runs/{date}": get("Run", "A completed run, and its files.", _DATE),
        "/api/v1/settlements": get(
            "Settlements",
            "Settlements, the newest first.",
            parameter("before", DAY, "Before this date: next_before goes on."),
        ),
        "/api/v1/settlements/{date}": get(
            "Settlement", "A settlement, and what its payouts are now.", _DATE
        ),
        "/api/v1/settlements/{date}/payouts": get(
            "PayoutsOfAll",
            "The payouts of a settlement, by affiliate's number.",
            _DATE,
            parameter("status", STATE, "Those that are this now."),
            parameter("after", KEY, "Goes on after next_after of the answer before."),
        ),
    }.items()
}
