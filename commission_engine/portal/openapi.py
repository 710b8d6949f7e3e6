"""The API's description, OpenAPI 3.1: what can be asked for, and what comes back; for affiliates of
themselves, for the staff below `openapi_staff`."""

from typing import Any

from commission_engine.portal import openapi_staff
from commission_engine.portal.openapi_parts import (
    AFTER,
    AMOUNT,
    DAY,
    LEVEL,
    NUMBER,
    REFERENCE,
    STATEMENT_ID,
    TEXT,
    get,
    list_of,
    or_null,
    parameter,
    record,
)
from commission_engine.problems import Reason

PAID_AS: dict[str, Any] = {
    "paid_currency": or_null(TEXT), "paid_amount": or_null(AMOUNT), "per_euro": or_null(TEXT),
    "paid_per_euro": or_null(TEXT), "rate_on": or_null(DAY), "source": or_null(TEXT),
}  # fmt: skip
"""Of what was paid in another currency: in which, how much, by which rates of one euro, whose."""
STATEMENT = record(
    statement_id=STATEMENT_ID, period_from=DAY, period_to=DAY, currency=TEXT, opening=AMOUNT,
    earned=AMOUNT, reversed=AMOUNT, adjusted=AMOUNT, paid=AMOUNT, closing=AMOUNT, held=AMOUNT,
    available=AMOUNT, **PAID_AS,
)  # fmt: skip
LINE_FIELDS: dict[str, Any] = {
    "reference": REFERENCE, "run_date": DAY, "occurred_on": DAY, "from": TEXT, "level": NUMBER,
    "what": {"enum": ["earning", "refund", "adjustment"]}, "currency": TEXT,
    "base_amount": AMOUNT, "rate": TEXT, "gross": AMOUNT, "commission": AMOUNT,
    "reason": {"enum": [str(each) for each in Reason]}, "available_on": DAY,
}  # fmt: skip
BALANCE = record(currency=TEXT, available=AMOUNT, held=AMOUNT, balance=AMOUNT)
PAYOUT = record(
    payout_id=TEXT, created_on=DAY, currency=TEXT, amount=AMOUNT,
    status={"enum": ["pending", "approved", "exported", "paid", "failed", "voided"]},
    **PAID_AS,
)  # fmt: skip
ANSWERS: dict[str, Any] = {
    "Account": record(
        affiliate_id=TEXT, programme=TEXT, as_of=or_null(DAY), next_settlement=or_null(DAY),
        balances=list_of(BALANCE),
    ),
    "Statements": record(statements=list_of(STATEMENT), next_before=or_null(DAY)),
    "Statement": record(statements=list_of(STATEMENT)),
    "Payouts": record(payouts=list_of(PAYOUT)),
    "Lines": record(lines=list_of(record(**LINE_FIELDS)), next_after=or_null(AFTER)),
    "Line": record(
        **LINE_FIELDS, why=list_of(record(heading=TEXT, says=list_of(TEXT))),
        agrees={"type": "boolean"},
    ),
    "Referrals": record(referrals=list_of(record(called=TEXT, since=TEXT))),
    "Error": record(error=TEXT),
}  # fmt: skip


PATHS: dict[str, Any] = {
    "/api/v1/account": get("Account", "Balances after the last run."),
    "/api/v1/statements": get(
        "Statements",
        "Statements, the newest first.",
        parameter("before", DAY, "Of settlements before this day: next_before goes on."),
    ),
    "/api/v1/statements/{id}": get(
        "Statement",
        "One statement, by currency.",
        parameter("id", STATEMENT_ID, "The statement.", "path"),
    ),
    "/api/v1/payouts": get("Payouts", "Payouts, and what became of each."),
    "/api/v1/lines": get(
        "Lines",
        "Lines, the newest run first.",
        parameter("from", DAY, "Of runs from this day on."),
        parameter("to", DAY, "Of runs up to this day."),
        parameter("level", LEVEL, "Of this level."),
        parameter("which", {"enum": ["all", "paid", "cut", "zero"]}, "Which of them."),
        parameter("after", AFTER, "Goes on after next_after of the answer before."),
    ),
    "/api/v1/lines/{day}/{reference}": get(
        "Line",
        "One line, and why it is what it is.",
        parameter("day", DAY, "Of the run that booked it.", "path"),
        parameter("reference", REFERENCE, "The line.", "path"),
    ),
    "/api/v1/referrals": get("Referrals", "Whom the affiliate has referred himself."),
}


OF_STAFF: dict[str, Any] = openapi_staff.PATHS | openapi_staff.of_anybody(PATHS)


def description(url: str) -> dict[str, Any]:
    """The document, for the portal at this address."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "What an affiliate has, and what the staff sees", "version": "1"},
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": PATHS | OF_STAFF,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": ANSWERS | openapi_staff.ANSWERS,
        },
    }
