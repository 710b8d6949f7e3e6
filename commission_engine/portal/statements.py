"""An affiliate's statements: all of them, one of them, and as a file."""

import re
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import polars as pl
from starlette.responses import Response

from commission_engine.book import readers
from commission_engine.book.readers import Statement
from commission_engine.calendar import Day, day_of
from commission_engine.portal.access import LOOKS, Asked, Nothing, Role, about
from commission_engine.portal.account import STATES
from commission_engine.portal.amounts import day_in, iso, paid_as, shown
from commission_engine.portal.documents import FORMATS, document
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.render import page
from commission_engine.publish.ids import payout_id, statement_id, statement_ids

A_PAGE = 60
AMOUNTS = ("opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available")
_ID = re.compile(r"st-(\d{8})-[0-9a-v]{16}", re.ASCII)


def statements(asked: Asked) -> Response:
    """The list, the newest first; `before` goes on from a day."""
    before = day_in(asked.query("before"))
    found = readers.statements(asked.book, asked.of.number, before=before, limit=A_PAGE)
    ids = ids_of(_programme(asked), asked.of.affiliate_id, found)
    rows = [{"id": id_, **said(each)} for id_, each in zip(ids, found, strict=True)]
    more = iso(found[-1].run_day) if len(found) >= A_PAGE else ""
    return page(asked, "statements.html", statements=rows, more=more, formats=_formats(asked))


def statement(asked: Asked) -> Response:
    """One statement, currency by currency."""
    day, accounts = found(asked)
    paid: dict[str, dict[str, Any]] = {
        each.currency: {
            "id": payout_id(_programme(asked), day, asked.of.affiliate_id, each.currency),
            "state": STATES[each.state],
            "paid_as": None,
        }
        for each in readers.payouts(asked.book, asked.of.number, day=day)
    }
    converted = readers.paid_as(asked.book, asked.of.number, day, day)
    for (_, currency), each in converted.items():
        paid[currency]["paid_as"] = paid_as(each)
    shown_ = [{**said(each), "payout": paid.get(each.currency)} for each in accounts]
    return page(
        asked, "statement.html", id=asked.named("id"), period_to=iso(day), accounts=shown_,
        formats=_formats(asked),
    )  # fmt: skip


def _formats(asked: Asked) -> Collection[str]:
    return () if asked.visitor.masked else FORMATS


def download(asked: Asked) -> Response:
    """The document of a statement, as the run has published it."""
    day, _ = found(asked)
    name = asked.named("format")
    if name not in FORMATS:
        raise Nothing
    content = document(asked, day, asked.named("id"), name)
    asked.portal.note(asked.visitor.who, "downloaded", f"{asked.named('id')}.{name}")
    return attachment(content, f"{asked.named('id')}.{name}", FORMATS[name])


def attachment(content: bytes, name: str, kind: str) -> Response:
    """A file to be kept, never shown in the browser; `name` is one of ours."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=kind)


def found(asked: Asked) -> tuple[Day, list[Statement]]:
    """The settlement and the accounts of the statement of the path; Nothing where the affiliate has
    no such one, be it somebody else's."""
    parts = _ID.fullmatch(asked.named("id"))
    if not parts:
        raise Nothing
    try:
        day = day_of(date.fromisoformat(parts[1]))
    except ValueError:
        raise Nothing from None
    if _id(asked, day) != asked.named("id"):
        raise Nothing
    accounts = readers.statements_of(asked.book, asked.of.number, day)
    if not accounts:
        raise Nothing
    return day, list(accounts)


def _id(asked: Asked, day: Day) -> str:
    return statement_id(_programme(asked), day, asked.of.affiliate_id)


def ids_of(programme: str, affiliate_id: str, found: Sequence[Statement]) -> list[str]:
    """The ids of an affiliate's statements, in their order."""
    days = pl.Series([each.run_day for each in found], dtype=pl.Int64)
    whose = pl.Series([affiliate_id] * len(found), dtype=pl.String)
    return statement_ids(programme, days, whose).to_list()


def _programme(asked: Asked) -> str:
    plan = asked.portal.plan(asked.book)
    if plan is None:
        raise Nothing
    return plan.name


def said(each: Statement) -> dict[str, Any]:
    """A statement in words."""
    return {
        "period_from": iso(each.period_from),
        "period_to": iso(each.run_day),
        "currency": each.currency,
        **{
            name: shown(getattr(each, f"{name}_minor"), each.currency, each.decimals)
            for name in AMOUNTS
        },
    }


PAGES = (
    *about("/statements", statements, menu="Statements"),
    *about("/statements/{id}", statement),
    # Documents name people, so those who see nobody's name have none.
    *about(
        "/statements/{id}/{format}",
        download,
        limit=DOWNLOADS,
        heavy=True,
        looks=LOOKS - {Role.SUPPORT},
    ),
)
