"""The portal as an ASGI application: its pages in one table, each behind the gate."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from commission_engine.doorway import LOOPBACK
from commission_engine.portal import (
    account,
    affiliates,
    api,
    api_staff,
    branch,
    data,
    earnings,
    entry,
    lines,
    oidc,
    statements,
    tokens,
    users,
)
from commission_engine.portal.access import Page
from commission_engine.portal.finance import PAGES as FOR_FINANCE
from commission_engine.portal.gate import Gate
from commission_engine.portal.headers import Headers
from commission_engine.portal.operators import PAGES as FOR_OPERATORS
from commission_engine.portal.portal import Portal


class _Any(Convertor[str]):
    """Whatever is left of an address, also what has line ends in it."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("any", _Any())


def pages() -> Sequence[Page]:
    """Every page there is, in the order in which the menu has them."""
    return (
        *entry.PAGES,
        *oidc.PAGES,
        *account.PAGES,
        *statements.PAGES,
        *lines.PAGES,
        *earnings.PAGES,
        *branch.PAGES,
        *data.PAGES,
        *affiliates.PAGES,
        *FOR_OPERATORS,
        *FOR_FINANCE,
        *users.PAGES,
        *tokens.PAGES,
        *api.PAGES,
        *api_staff.PAGES,
        *entry.LAST,
    )


def application(portal: Portal) -> Starlette:
    """The application over a portal; what is asked under another host's name is refused."""
    portal.pages = pages()
    gate = Gate(portal)
    hosts = [urlsplit(portal.url).hostname or "", *(f"{each}" for each in LOOPBACK)]
    return Starlette(
        routes=[gate.route(page) for page in portal.pages],
        middleware=[
            Middleware(Headers, secure=portal.secure),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        ],
    )
