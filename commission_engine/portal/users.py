"""Who may look at the portal beside affiliates, for the administrator.

He gives no role by which money moves: whoever could make himself maker and checker could pay
himself. Those are given by a command, on the server. Anybody is removed from here, at once.
"""

from starlette.responses import RedirectResponse, Response

from commission_engine import accounts
from commission_engine.book import staff
from commission_engine.book.doors import STAFF, Who
from commission_engine.portal.access import FINANCE, Asked, Page, Role
from commission_engine.portal.change import changed
from commission_engine.portal.render import ROLES, page
from commission_engine.problems import UsageError

ADMIN = frozenset({Role.ADMIN})
GIVEN = tuple(Role(each) for each in accounts.ROLES if Role(each) not in FINANCE)


def users(asked: Asked) -> Response:
    """All accounts; for the administrator with what he can do."""
    return page(
        asked, "users.html", roles=[(each, ROLES[each]) for each in GIVEN],
        accounts=[(each, ROLES[Role(each.role)]) for each in staff.accounts(asked.book)],
        may_change=asked.visitor.role is Role.ADMIN, me=asked.visitor.who.id,
    )  # fmt: skip


def add(asked: Asked) -> Response:
    """Add an account, or change what it has."""
    name, role = _another(asked), asked.form.get("role", "")
    email = asked.form.get("email", "").strip()
    known = staff.account(asked.book, name)
    for each in (role, known.role if known else ""):
        if each in FINANCE:
            raise UsageError(
                f"the role {each} is given and changed on the server only",
                f"commission users add {name} --role {role or each} --email ADDRESS",
            )
    changed(asked, lambda book, given: accounts.add(book, name, email, role, given))
    return RedirectResponse("/users", 303)


def remove(asked: Asked) -> Response:
    """Remove an account; whoever is signed in with it is so no longer, and its tokens end."""
    name = _another(asked)
    changed(asked, lambda book, given: accounts.remove(book, name, given))
    asked.portal.doors.end_all(Who(STAFF, name), tokens=True)
    asked.portal.note(asked.visitor.who, "account removed", name)
    return RedirectResponse("/users", 303)


def _another(asked: Asked) -> str:
    """The account that is meant, which is not the administrator's own."""
    name = asked.form.get("name", "").strip()
    if name == asked.visitor.who.id:
        raise UsageError(
            "nobody changes or removes his own account", "Another administrator can do that."
        )
    return name


PAGES = (
    Page("/users", users, ADMIN | {Role.AUDITOR}, menu="Users"),
    Page("/users", add, ADMIN, "POST"),
    Page("/users/remove", remove, ADMIN, "POST"),
)
