"""Pages from templates. Every value is escaped; what is missing is an error."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from commission_engine.portal.access import EVERYBODY, Asked, Page, Role, Visitor
from commission_engine.portal.portal import Portal, form_token
from commission_engine.tree.show import visible

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
HTMX, HTMX_IN = "htmx.js", "static/django_htmx/htmx-2.min.js"
FILES: Mapping[str, str] = {
    "portal.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
    HTMX: "text/javascript; charset=utf-8",
}  # fmt: skip
"""What is served as it is, and its type."""

ROLES = {
    Role.AFFILIATE: "affiliate", Role.SUPPORT: "support", Role.OPERATOR: "operator",
    Role.MAKER: "finance (makes)", Role.CHECKER: "finance (checks)", Role.AUDITOR: "auditor",
    Role.ADMIN: "administrator",
}  # fmt: skip


@cache
def content(name: str) -> bytes:
    return (htmx() if name == HTMX else STATIC / name).read_bytes()


def htmx() -> Path:
    """The script, which lies in the wheel django-htmx; nothing of that is imported, nor Django.
    ModuleNotFoundError where it is not there."""
    found = find_spec("django_htmx")
    for folder in (found.submodule_search_locations if found else None) or ():
        if (Path(folder) / HTMX_IN).is_file():
            return Path(folder) / HTMX_IN
    raise ModuleNotFoundError(f"{HTMX_IN} is not there", name="django_htmx")


@cache
def address(name: str) -> str:
    """Of a file that is served as it is: another one when its content is another."""
    return f"/static/{sha256(content(name)).hexdigest()[:12]}/{name}"


@cache
def templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["visible"] = visible
    made.filters["lines_visible"] = lines_visible
    made.globals["address"] = address
    return made


def lines_visible(text: str) -> str:
    """Of a text of several lines each as `visible` has it."""
    return "\n".join(visible(line) for line in text.splitlines())


def in_part(request: Request) -> bool:
    """Whether a script of ours asks, which puts the answer into the page that is there."""
    return request.headers.get("hx-request") == "true"


def page(
    asked: Asked, template: str, *, status: int = 200, part: str = "", **values: Any
) -> HTMLResponse:
    """A page of the visitor: the template with these values, in the frame with his menu. `part` is
    the template of what of it changes, for who has the page already."""
    alone = bool(part) and in_part(asked.request)
    plan = asked.portal.plan(asked.book)
    about = "" if asked.own or asked.subject is None else f"/affiliates/{asked.subject.number}"
    frame = {
        "programme": plan.name if plan else "",
        "about": about,
        "subject": asked.subject,
        "own": asked.own,
        "here": asked.page.path,
        "pages_of": [each for each in asked.portal.pages if each.about == "own" and each.menu],
    }
    frame["alone"] = alone
    which = part if alone else template
    return _rendered(asked.portal, asked.visitor, which, status, frame | values)


def bare(
    portal: Portal, visitor: Visitor, template: str, status: int, **values: Any
) -> HTMLResponse:
    """A page that knows nothing of the book: of what was refused, or went wrong."""
    frame: dict[str, Any] = dict.fromkeys(("programme", "about", "here"), "")
    frame |= {"subject": None, "own": False, "pages_of": []}
    return _rendered(portal, visitor, template, status, frame | values)


def wrong(
    portal: Portal, request: Request, visitor: Visitor, status: int, said: str, hint: str
) -> HTMLResponse:
    """What was refused, or went wrong: a page, or a notice at the head of the one that is there."""
    if not in_part(request):
        return bare(portal, visitor, "wrong.html", status, said=said, hint=hint)
    response = bare(portal, visitor, "wrong_part.html", status, said=said, hint=hint)
    response.headers["HX-Retarget"] = "#wrong"
    response.headers["HX-Reswap"] = "innerHTML show:window:top"
    return response


def _rendered(
    portal: Portal, visitor: Visitor, template: str, status: int, values: Mapping[str, Any]
) -> HTMLResponse:
    frame = {
        "visitor": visitor,
        "role": ROLES.get(visitor.role, ""),
        "menu": menu(portal, visitor),
        "form_token": form_token(visitor.secret),
    }
    return HTMLResponse(templates().get_template(template).render({**frame, **values}), status)


def menu(portal: Portal, visitor: Visitor) -> list[Page]:
    """The pages that this visitor finds in his menu, in the order of the table."""
    return [
        each
        for each in portal.pages
        if each.menu and visitor.role in each.who and each.who != EVERYBODY
    ]
