"""The API: what an affiliate sees on his pages, as JSON, for programs that have a token of his; the
staff asks the same of any affiliate.

It only reads. What does not fit is refused with 400 and a sentence; `openapi.py` describes it.
"""

import re
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response

from commission_engine.book import readers
from commission_engine.book.reader_lines import Line
from commission_engine.calendar import Day
from commission_engine.portal import said
from commission_engine.portal.access import (
    EVERYBODY,
    LOOKS,
    OWN,
    Answer,
    Asked,
    Kind,
    Nothing,
    Page,
)
from commission_engine.portal.amounts import day_in, iso
from commission_engine.portal.limits import API
from commission_engine.portal.lines import (
    A_PAGE,
    WHICH,
    Filter,
    callings_of,
    explained,
    found_line,
    found_lines,
    plan_of,
)
from commission_engine.portal.openapi import description
from commission_engine.portal.statements import found as found_statement
from commission_engine.portal.tokens import ACTIVE
from commission_engine.problems import UsageError

STATEMENTS = 100
_AFTER = re.compile(r"(\d{1,7})\.(\d{1,9})", re.ASCII)


def account(asked: Asked) -> Any:
    return said.account(asked)


def statements(asked: Asked) -> Any:
    only(asked, "before")
    before = day(asked, "before")
    found = readers.statements(asked.book, asked.of.number, before=before, limit=STATEMENTS)
    more = iso(found[-1].run_day) if len(found) >= STATEMENTS else None
    return {"statements": said.statements(asked, found), "next_before": more}


def statement(asked: Asked) -> Any:
    _, accounts = found_statement(asked)
    return {"statements": said.statements(asked, accounts)}


def payouts(asked: Asked) -> Any:
    return {"payouts": said.payouts(asked)}


def lines(asked: Asked) -> Any:
    only(asked, "from", "to", "level", "which", "after")
    wanted = Filter(
        day(asked, "from"), day(asked, "to"), _level(asked), _which(asked), _after(asked)
    )
    found, goes_on = found_lines(asked, wanted, A_PAGE)
    more = f"{goes_on[0]}.{goes_on[1]}" if goes_on else None
    return {"lines": _lines(asked, found), "next_after": more}


def line(asked: Asked) -> Any:
    """A line, and why, in sentences."""
    each = found_line(asked)
    why, agrees = explained(asked, each)
    parts = [{"heading": part.heading, "says": list(part.says)} for part in why]
    return {**_lines(asked, [each])[0], "why": parts, "agrees": agrees}


def referrals(asked: Asked) -> Any:
    return {"referrals": list(said.referrals(asked))}


def openapi(asked: Asked) -> Any:
    return description(asked.portal.url)


def _lines(asked: Asked, found: list[Line]) -> list[dict[str, Any]]:
    plan, callings = plan_of(asked), callings_of(asked, found)
    return [said.line(plan, callings, each) for each in found]


# -- what is asked for


def only(asked: Asked, *names: str) -> None:
    """UsageError for a question with another parameter."""
    unknown = [name for name in asked.request.query_params if name not in names]
    if unknown:
        raise UsageError(f"there is no parameter {unknown[0]!r}; there are {', '.join(names)}")


def day(asked: Asked, name: str) -> Day | None:
    """A day that is asked for; None where it is not."""
    if name not in asked.request.query_params:
        return None
    found = day_in(asked.query(name))
    if found is None:
        raise UsageError(f"{name}: write a day such as 2026-11-20")
    return found


def _level(asked: Asked) -> int | None:
    if "level" not in asked.request.query_params:
        return None
    if not re.fullmatch(r"\d{1,4}", asked.query("level"), re.ASCII):
        raise UsageError("level: write a whole number from 0 to 9999")
    return int(asked.query("level"))


def _which(asked: Asked) -> str:
    if "which" not in asked.request.query_params:
        return WHICH[0]
    if asked.query("which") not in WHICH:
        raise UsageError(f"which: write one of {', '.join(WHICH)}")
    return asked.query("which")


def _after(asked: Asked) -> tuple[Day, int] | None:
    if "after" not in asked.request.query_params:
        return None
    found = _AFTER.fullmatch(asked.query("after"))
    if not found:
        raise UsageError("after: write the next_after of the answer before")
    return int(found[1]), int(found[2])


def as_json(answer: Callable[[Asked], Any]) -> Answer:
    """A page that answers with a value as JSON."""

    def answered(asked: Asked) -> Response:
        if plan_is_missing(asked):
            raise Nothing
        return JSONResponse(answer(asked))

    return answered


def plan_is_missing(asked: Asked) -> bool:
    return asked.page.about != "" and asked.portal.plan(asked.book) is None


def of_affiliate(path: str, answer: Callable[[Asked], Any], *, heavy: bool = False) -> list[Page]:
    """What an affiliate may ask of himself, and the staff of him."""
    mine, his = f"/api/v1{path}", f"/api/v1/affiliates/{{number:int}}{path}"
    return [
        Page(mine, as_json(answer), OWN, about="me", limit=API, kind=Kind.API, states=ACTIVE,
             heavy=heavy),
        Page(his, as_json(answer), LOOKS, about="path", limit=API, kind=Kind.API, heavy=heavy),
    ]  # fmt: skip


PAGES = (
    Page("/api/openapi.json", as_json(openapi), EVERYBODY, kind=Kind.API),
    *of_affiliate("/account", account),
    *of_affiliate("/statements", statements),
    *of_affiliate("/statements/{id}", statement),
    *of_affiliate("/payouts", payouts),
    *of_affiliate("/lines", lines),
    *of_affiliate("/lines/{day}/{reference}", line, heavy=True),
    *of_affiliate("/referrals", referrals),
)
