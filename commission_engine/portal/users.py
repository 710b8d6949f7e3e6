"""Who may look at the portal beside affiliates, for the administrator."""

from starlette.responses import Response

from commission_engine.book import staff
from commission_engine.portal.access import Asked, Page, Role
from commission_engine.portal.render import ROLES, page


def users(asked: Asked) -> Response:
    shown = [(each, ROLES[Role(each.role)]) for each in staff.accounts(asked.book)]
    return page(asked, "users.html", accounts=shown)


PAGES = (Page("/users", users, frozenset({Role.ADMIN, Role.AUDITOR}), menu="Users"),)
