"""The tree: found by id, looked at from one affiliate up and down, and moves within it."""

from typing import Any

import polars as pl
from starlette.responses import RedirectResponse, Response

from commission_engine.book import newest, readers
from commission_engine.book.connect import Connection
from commission_engine.book.readers import Person
from commission_engine.calendar import Instant, iso_instant
from commission_engine.imports import Circumstances
from commission_engine.ingest.instants import parse_instants
from commission_engine.moves import Move, move_affiliate
from commission_engine.portal.access import LOOKS, Asked, Nothing, Page, Role
from commission_engine.portal.change import changed
from commission_engine.portal.paging import A_PAGE, further, number_in, some
from commission_engine.portal.render import page
from commission_engine.problems import UsageError

MOVE = frozenset({Role.OPERATOR})


def tree(asked: Asked) -> Response:
    """Affiliates whose id begins as asked for."""
    wanted, after = asked.query("q"), asked.query("after")
    found = newest.affiliates(asked.book, wanted, after, A_PAGE + 1) if wanted else []
    more = further(asked, after=found[A_PAGE - 1][1]) if len(found) > A_PAGE else ""
    return page(asked, "tree.html", wanted=wanted, found=found[:A_PAGE], more=more)


def branch(asked: Asked) -> Response:
    """One affiliate: who stands above him, and whom he has referred; in the page of who has
    referred him that opens below his row, and closes again."""
    whom = subject(asked)
    now_us = asked.portal.clock() * 1_000_000
    after = number_in(asked, "before") or 0
    found = readers.referred(asked.book, whom.number, now_us, limit=A_PAGE + 1, after=after)
    shown, more = some(asked, found, lambda each: each.number)
    return page(
        asked, "tree_branch.html", part="tree_opened.html", whom=whom,
        opened=number_in(asked, "opened"), closed=number_in(asked, "closed"),
        above=[
            {"number": number, "affiliate_id": name, "since": iso_instant(since) or "the beginning"}
            for number, name, since in newest.referrers(asked.book, whom.number, now_us)
        ],
        below=[
            {"number": each.number, "affiliate_id": each.affiliate_id,
             "name": "" if asked.visitor.masked else each.name, "referred": each.referred,
             "since": iso_instant(each.since_us) or "the beginning"}
            for each in shown
        ],
        more=more,
        may_move=asked.visitor.role in MOVE,
        now=iso_instant(now_us),
    )  # fmt: skip


def subject(asked: Asked) -> Person:
    number = int(asked.named("number"))
    found = readers.person(asked.book, number) if number < 2**63 else None
    if found is None:
        raise Nothing
    return found


def move(asked: Asked) -> Response:
    """Say what a move would do; once that has been looked at, make it."""
    whom = subject(asked)
    to = asked.form.get("to", "").strip()
    if bool(to) == bool(asked.form.get("to_root")):
        raise UsageError(
            "a move needs either a new referrer or none from then on", "Fill in one of the two."
        )
    reason = asked.form.get("reason", "")
    if not reason.strip():
        raise UsageError("--reason is empty", "Say why the affiliate moves.")
    wanted = Move(whom.affiliate_id, to or None, _instant(asked.form.get("since", "")), reason)
    sure = bool(asked.form.get("sure"))

    def how(connection: Connection, given: Circumstances) -> tuple[str | None, bool]:
        return move_affiliate(connection, wanted, given)

    before, news = changed(asked, how, keep=sure)
    if sure:
        return RedirectResponse(f"/tree/{whom.number}", 303)
    told: dict[str, Any] = {"before": before, "to": to, "since": iso_instant(wanted.since_us)}
    direct = readers.referred(
        asked.book, whom.number, asked.portal.clock() * 1_000_000, limit=A_PAGE + 1
    )
    return page(
        asked, "tree_move.html", whom=whom, reason=reason, news=news, **told,
        along=f"{A_PAGE} or more" if len(direct) > A_PAGE else str(len(direct)),
        has_more=len(direct) > 0,
    )  # fmt: skip


def _instant(text: str) -> Instant:
    found: Instant | None = parse_instants(pl.Series([text.strip()]))[0]
    if found is None:
        raise UsageError(
            f"--since: {text!r} is not an instant", "Write such as 2026-11-20T00:00:00Z."
        )
    return found


PAGES = (
    Page("/tree", tree, LOOKS, menu="Tree"),
    Page("/tree/{number:int}", branch, LOOKS),
    Page("/tree/{number:int}/move", move, MOVE, "POST"),
)
