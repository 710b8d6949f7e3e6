"""Tokens for the API, of an affiliate or an account of the staff: each is shown once, ends by
itself, and can be taken back."""

import secrets

from starlette.responses import RedirectResponse, Response

from commission_engine.book.doors import Token
from commission_engine.calendar import iso_instant
from commission_engine.portal.access import LOOKS, OWN, Asked, Nothing, Page
from commission_engine.portal.limits import Limit
from commission_engine.portal.portal import new_secret
from commission_engine.portal.render import page
from commission_engine.problems import UsageError

MOST = 10
ACTIVE = frozenset({"active"})
PREFIX = "cmt_"
"""So that whoever finds one knows what it is."""
MADE = Limit("tokens", 30, 3600)
WHO = OWN | LOOKS


def tokens(asked: Asked) -> Response:
    return _page(asked)


def make(asked: Asked) -> Response:
    """A new token, which this page alone shows."""
    portal, label = asked.portal, asked.form.get("label", "").strip()
    if not 0 < len(label) <= 64 or not label.isprintable():
        raise UsageError("A token needs a name of 1 to 64 characters.", "Say what it is for.")
    if len(portal.doors.tokens(asked.visitor.who, portal.clock())) >= MOST:
        raise UsageError(f"There are {MOST} tokens already.", "Take one back first.")
    secret, now = PREFIX + new_secret(), portal.clock()
    ends = now + portal.doorway.token_days * 86_400
    made = Token(secrets.token_hex(8), asked.visitor.who, label, now, ends)
    portal.doors.add_token(made, secret)
    portal.note(asked.visitor.who, "token made", made.id)
    return _page(asked, secret)


def remove(asked: Asked) -> Response:
    token_id = asked.form.get("id", "")
    if not asked.portal.doors.remove_token(token_id, asked.visitor.who):
        raise Nothing
    asked.portal.note(asked.visitor.who, "token taken back", token_id)
    return RedirectResponse("/tokens", 303)


def _page(asked: Asked, secret: str = "") -> Response:
    rows = [
        {"id": each.id, "label": each.label, "made": _day(each.created), "ends": _day(each.ends)}
        for each in asked.portal.doors.tokens(asked.visitor.who, asked.portal.clock())
    ]
    may = asked.visitor.person is None or asked.visitor.person.status in ACTIVE
    return page(asked, "tokens.html", tokens=rows, secret=secret, may=may, url=asked.portal.url)


def _day(instant: int) -> str:
    return iso_instant(instant * 1_000_000)[:10]


PAGES = (
    Page("/tokens", tokens, WHO, about="me", menu="API"),
    Page("/tokens", make, WHO, "POST", about="me", limit=MADE, states=ACTIVE),
    Page("/tokens/remove", remove, WHO, "POST", about="me"),
)
