"""Who may see which page. Every page is a row of one table; what is not in it is not served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from commission_engine.book.connect import Connection
from commission_engine.book.doors import NOBODY, Who
from commission_engine.book.readers import Person
from commission_engine.portal.limits import Limit

if TYPE_CHECKING:
    from commission_engine.portal.portal import Portal


class Role(StrEnum):
    """What somebody is to the portal; an account of the staff has one role."""

    ANYBODY = "anybody"
    AFFILIATE = "affiliate"
    SUPPORT = "support"
    OPERATOR = "operator"
    MAKER = "maker"
    CHECKER = "checker"
    AUDITOR = "auditor"
    ADMIN = "admin"


STAFF = (Role.SUPPORT, Role.OPERATOR, Role.MAKER, Role.CHECKER, Role.AUDITOR, Role.ADMIN)
LOOKS = frozenset({Role.SUPPORT, Role.OPERATOR, Role.MAKER, Role.CHECKER, Role.AUDITOR})
"""Whoever may look at an affiliate's pages beside himself; support sees them masked."""
FINANCE = frozenset({Role.MAKER, Role.CHECKER})
EVERYBODY = frozenset(Role)
SIGNED_IN = EVERYBODY - {Role.ANYBODY}
OWN = frozenset({Role.AFFILIATE})


class Nothing(Exception):
    """There is no such thing, or not for this visitor: both look alike."""


class Denied(Exception):
    """A visitor of the staff whose role does not have this page."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. `secret` is the cookie's (or the token's) and goes into no page; `person` is there
    for an affiliate."""

    role: Role = Role.ANYBODY
    who: Who = NOBODY
    secret: str = ""
    data: str = ""
    person: Person | None = None

    @property
    def staff(self) -> bool:
        return self.role in STAFF

    @property
    def masked(self) -> bool:
        return self.role is Role.SUPPORT


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that may be answered: who asks for what, and one view of the book.

    `of` is the affiliate that the page is about: the visitor himself, or the one of the path.
    """

    portal: "Portal"
    request: Request
    page: "Page"
    visitor: Visitor
    book: Connection
    form: Mapping[str, str] = field(default_factory=dict)
    subject: Person | None = None

    @property
    def of(self) -> Person:
        if self.subject is None:
            raise Nothing
        return self.subject

    @property
    def own(self) -> bool:
        """Whether somebody looks at his own."""
        return self.visitor.person is not None

    def named(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """A word of the query; "" where it is not there."""
        return self.request.query_params.get(name, "")


Answer: TypeAlias = Callable[[Asked], Response]


class Kind(StrEnum):
    """How a page is asked for, and what it answers with when it is refused."""

    PAGE = "page"
    API = "api"


@dataclass(frozen=True, slots=True)
class Page:
    """A row of the table: a path and a method, what answers, and who may ask.

    `about` is "" or how its affiliate is found: "own" (the visitor; the staff has the same page as
    "path", by the number in it) or "me" (the visitor, and there is no such page for the staff).
    `menu` is its name in the menu ("": not in it). A page that changes the book does so by way of
    `change.py`; the view that it was given stays as it was before.
    """

    path: str
    answer: Answer
    who: frozenset[Role]
    method: str = "GET"
    about: str = ""
    menu: str = ""
    limit: Limit | None = None
    largest: int = 0
    """The most bytes of a form of who has signed in, where it may be larger than others."""
    kind: Kind = Kind.PAGE
    states: frozenset[str] = frozenset({"active", "suspended", "closed"})
    """In which standings an affiliate may ask."""
    heavy: bool = False
    """Whether it works long enough that few may be at work at once."""


def about(
    own: str,
    answer: Answer,
    *,
    menu: str = "",
    limit: Limit | None = None,
    heavy: bool = False,
    looks: frozenset[Role] = LOOKS,
) -> tuple[Page, Page]:
    """A page of an affiliate, twice: at `own` for himself, below his number for `looks`."""
    there = f"/affiliates/{{number:int}}{own}"
    return (
        Page(own, answer, OWN, about="own", menu=menu, limit=limit, heavy=heavy),
        Page(there, answer, looks, about="path", limit=limit, heavy=heavy),
    )
