"""Who changed what, when, and from where."""

import json

from starlette.responses import Response

from commission_engine.book import newest
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page, Role
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page

LOOK = frozenset({Role.OPERATOR, Role.AUDITOR}) | FINANCE


def audit(asked: Asked) -> Response:
    """The trail, the newest first; of one kind, if one is chosen."""
    what = asked.query("what")
    found = newest.changes(asked.book, number_in(asked), A_PAGE + 1, [what] if what else [])
    rows, more = some(asked, found, lambda each: each.id)
    kinds = newest.kinds_of_changes(asked.book)
    return page(asked, "audit.html", rows=rows, more=more, what=what, kinds=kinds)


def row(asked: Asked) -> Response:
    """One row of the trail, whole."""
    found = newest.change(asked.book, whole(asked.named("row")))
    if found is None:
        raise Nothing
    details = json.dumps(json.loads(found.details), indent=2, ensure_ascii=False)
    return page(asked, "audit_row.html", row=found, details=details)


PAGES = (
    Page("/audit", audit, LOOK, menu="Audit trail"),
    Page("/audit/{row}", row, LOOK),
)
