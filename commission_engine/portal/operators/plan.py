"""The plan as people read it, and how versions and terms differ."""

from starlette.responses import Response

from commission_engine.book import facts, newest
from commission_engine.plan.terms import Plan, Terms
from commission_engine.plan_said import amounts_said, caps_said, changes_of_terms, differences
from commission_engine.portal.access import LOOKS, Asked, Nothing, Page
from commission_engine.portal.amounts import iso
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page


def plan(asked: Asked) -> Response:
    """The plan that holds, and the versions before it."""
    versions, more = some(
        asked, newest.plans(asked.book, number_in(asked), A_PAGE + 1), lambda each: each.number
    )
    current = asked.portal.plan(asked.book)
    return page(
        asked, "plan.html", plan=_said(current) if current else None, versions=versions, more=more
    )


def version(asked: Asked) -> Response:
    """One version, and what it changed in the one before it, or in another that is named."""
    number = whole(asked.named("version"))
    other = number_in(asked, "against")
    known = newest.plans(asked.book, number + 1, 2)
    if not known or known[0].number != number:
        raise Nothing
    before = other if other is not None else known[1].number if len(known) > 1 else None
    old = _of(asked, before) if before is not None else None
    own = facts.plan_of(asked.book, number)
    return page(
        asked, "plan_version.html", version=known[0], plan=_said(own), before=before,
        differences=differences(old, own) if old else [],
        others=[each.number for each in newest.plans(asked.book, None, A_PAGE)
                if each.number != number],
    )  # fmt: skip


def _of(asked: Asked, number: int) -> Plan:
    known = newest.plans(asked.book, number + 1, 1)
    if not known or known[0].number != number:
        raise Nothing
    return facts.plan_of(asked.book, number)


def _said(own: Plan) -> dict[str, object]:
    return {
        "name": own.name, "zone": own.timezone, "rounding": str(own.rounding),
        "every": str(own.payout.every),
        "minimum": ", ".join(amounts_said(own, own.payout.minimum)) or "any amount",
        "terms": [
            _terms(own, each, own.terms[place - 1] if place else None)
            for place, each in enumerate(own.terms)
        ],
    }  # fmt: skip


def _terms(own: Plan, terms: Terms, before: Terms | None) -> dict[str, object]:
    rows = [
        (str(each.level), each.rate.percent, caps_said(own, each.caps)) for each in terms.levels
    ]
    if terms.caps:
        rows.append(("all", "", caps_said(own, terms.caps)))
    return {
        "starts": iso(terms.starts), "hold_days": terms.hold_days, "rows": rows,
        "changes": changes_of_terms(own, before, terms) if before else [],
    }  # fmt: skip


PAGES = (
    Page("/plan", plan, LOOKS, menu="Plan"),
    Page("/plan/{version}", version, LOOKS),
)
