"""The API's description, OpenAPI 3.1: what can be asked for, and what comes back."""

from typing import Any

from commission_engine.problems import Reason

TEXT: dict[str, Any] = {"type": "string"}
DAY: dict[str, Any] = {"type": "string", "format": "date"}
AMOUNT: dict[str, Any] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
STATEMENT_ID: dict[str, Any] = {"type": "string", "pattern": "^st-[0-9]{8}-[0-9a-v]{16}$"}
REFERENCE: dict[str, Any] = {"type": "string", "pattern": "^ln-[0-9a-v]{12}$"}
AFTER: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]{1,7}\.[0-9]{1,9}$"}
LEVEL: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 9999}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _or_null(of: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [of, {"type": "null"}]}


STATEMENT = _object(
    statement_id=STATEMENT_ID, period_from=DAY, period_to=DAY, currency=TEXT, opening=AMOUNT,
    earned=AMOUNT, reversed=AMOUNT, adjusted=AMOUNT, paid=AMOUNT, closing=AMOUNT, held=AMOUNT,
    available=AMOUNT,
)  # fmt: skip
LINE_FIELDS: dict[str, Any] = {
    "reference": REFERENCE, "run_date": DAY, "occurred_on": DAY, "from": TEXT, "level": NUMBER,
    "what": {"enum": ["earning", "refund", "adjustment"]}, "currency": TEXT,
    "base_amount": AMOUNT, "rate": TEXT, "gross": AMOUNT, "commission": AMOUNT,
    "reason": {"enum": [str(each) for each in Reason]}, "available_on": DAY,
}  # fmt: skip
BALANCE = _object(currency=TEXT, available=AMOUNT, held=AMOUNT, balance=AMOUNT)
PAYOUT = _object(
    payout_id=TEXT, created_on=DAY, currency=TEXT, amount=AMOUNT,
    status={"enum": ["pending", "approved", "exported", "paid", "failed", "voided"]},
)  # fmt: skip
ANSWERS: dict[str, Any] = {
    "Account": _object(
        affiliate_id=TEXT, programme=TEXT, as_of=_or_null(DAY), next_settlement=_or_null(DAY),
        balances=_list(BALANCE),
    ),
    "Statements": _object(statements=_list(STATEMENT), next_before=_or_null(DAY)),
    "Statement": _object(statements=_list(STATEMENT)),
    "Payouts": _object(payouts=_list(PAYOUT)),
    "Lines": _object(lines=_list(_object(**LINE_FIELDS)), next_after=_or_null(AFTER)),
    "Line": _object(
        **LINE_FIELDS, why=_list(_object(heading=TEXT, says=_list(TEXT))),
        agrees={"type": "boolean"},
    ),
    "Referrals": _object(referrals=_list(_object(called=TEXT, since=TEXT))),
    "Error": _object(error=TEXT),
}  # fmt: skip


def _parameter(name: str, schema: dict[str, Any], says: str, where: str = "query") -> Any:
    return {
        "name": name, "in": where, "required": where == "path", "schema": schema,
        "description": says,
    }  # fmt: skip


def _get(answer: str, says: str, *parameters: Any) -> dict[str, Any]:
    def content(name: str, description: str) -> dict[str, Any]:
        schema = {"$ref": f"#/components/schemas/{name}"}
        return {"description": description, "content": {"application/json": {"schema": schema}}}

    answers = {
        "200": content(answer, says),
        "401": content("Error", "The token is missing, has ended, or was taken back."),
        "404": content("Error", "There is no such thing, or it is somebody else's."),
        "429": content("Error", "Too often; Retry-After says for how long to wait."),
    }
    if any(each["in"] == "query" for each in parameters):
        answers["400"] = content("Error", "A parameter is not what it should be.")
    return {"get": {"summary": says, "parameters": list(parameters), "responses": answers}}


PATHS: dict[str, Any] = {
    "/api/v1/account": _get("Account", "Balances after the last run."),
    "/api/v1/statements": _get(
        "Statements",
        "Statements, the newest first.",
        _parameter("before", DAY, "Of settlements before this day: next_before goes on."),
    ),
    "/api/v1/statements/{id}": _get(
        "Statement",
        "One statement, by currency.",
        _parameter("id", STATEMENT_ID, "The statement.", "path"),
    ),
    "/api/v1/payouts": _get("Payouts", "Payouts, and what became of each."),
    "/api/v1/lines": _get(
        "Lines",
        "Lines, the newest run first.",
        _parameter("from", DAY, "Of runs from this day on."),
        _parameter("to", DAY, "Of runs up to this day."),
        _parameter("level", LEVEL, "Of this level."),
        _parameter("which", {"enum": ["all", "paid", "cut", "zero"]}, "Which of them."),
        _parameter("after", AFTER, "Goes on after next_after of the answer before."),
    ),
    "/api/v1/lines/{day}/{reference}": _get(
        "Line",
        "One line, and why it is what it is.",
        _parameter("day", DAY, "Of the run that booked it.", "path"),
        _parameter("reference", REFERENCE, "The line.", "path"),
    ),
    "/api/v1/referrals": _get("Referrals", "Whom the affiliate has referred himself."),
}


def description(url: str) -> dict[str, Any]:
    """The document, for the portal at this address."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "What an affiliate has", "version": "1"},
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": PATHS,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": ANSWERS,
        },
    }
