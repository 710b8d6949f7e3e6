"""Corrections: an amount for an affiliate, and what waits for a second person."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.book import newest
from commission_engine.book.connect import Connection
from commission_engine.book.corrections import Proposal
from commission_engine.correct import Adjust, adjust, decide_on, what_of
from commission_engine.imports import Circumstances
from commission_engine.payouts.approve import Approval
from commission_engine.portal.access import FINANCE, Asked, Page, Role
from commission_engine.portal.change import changed
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page

LOOK = frozenset({Role.OPERATOR, Role.AUDITOR}) | FINANCE
PROPOSE = frozenset({Role.OPERATOR, Role.MAKER})
DECIDE = frozenset({Role.OPERATOR, Role.CHECKER})


def corrections(asked: Asked) -> Response:
    """What waits for a second person; with `all` also what is decided."""
    every = bool(asked.query("all"))
    found, more = some(
        asked,
        newest.proposals(asked.book, number_in(asked), A_PAGE + 1, ended=every),
        lambda each: each.id,
    )
    return page(
        asked, "corrections.html", rows=[(each, what_of(each)) for each in found], more=more,
        every=every, may_propose=asked.visitor.role in PROPOSE,
        may_decide=asked.visitor.role in DECIDE, second=second(asked), done=asked.query("done"),
    )  # fmt: skip


def second(asked: Asked) -> bool:
    """Whether a second person is needed."""
    return bool(asked.portal.settings.payouts_approval.value == Approval.TWO_PERSON)


def propose(asked: Asked) -> Response:
    """Say what an adjustment would be; once that has been looked at, do it or propose it."""
    form = {name: asked.form.get(name, "").strip() for name in
            ("affiliate_id", "amount", "currency", "reason")}  # fmt: skip
    sure = bool(asked.form.get("sure"))

    def how(connection: Connection, given: Circumstances) -> tuple[str, Proposal | None]:
        return adjust(connection, Adjust(**form), given, second=second(asked))

    name, waits = changed(asked, how, keep=sure)
    if not sure:
        return page(asked, "adjustment.html", form=form, waits=waits is not None)
    done: Any = f"proposal {waits.id}" if waits else name
    return RedirectResponse(f"/corrections?done={done}".replace(" ", "+"), 303)


def decide(asked: Asked) -> Response:
    """Approve a proposal as the second person, or reject it."""
    number = whole(asked.named("proposal"))
    approve = bool(asked.form.get("approve"))
    reason = asked.form.get("reason", "")
    changed(
        asked,
        lambda connection, given: decide_on(
            connection, number, given, approve=approve, reason=reason
        ),
    )
    return RedirectResponse("/corrections?all=1", 303)


PAGES = (
    Page("/corrections", corrections, LOOK, menu="Corrections"),
    Page("/corrections", propose, PROPOSE, "POST"),
    Page("/corrections/{proposal}", decide, DECIDE, "POST", heavy=True),
)
