"""Signing in and out: by a link that is mailed and works once, or by another's word (OIDC)."""

import logging
import re

from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from commission_engine import logs
from commission_engine.book import staff
from commission_engine.book.connect import reading
from commission_engine.book.doors import AFFILIATE, NOBODY, STAFF, Who
from commission_engine.book.readers import people_with
from commission_engine.portal import mail
from commission_engine.portal.access import EVERYBODY, SIGNED_IN, Asked, Kind, Nothing, Page, Role
from commission_engine.portal.gate import TooOften, machine, set_cookie
from commission_engine.portal.limits import API, LINKS, SIGN_IN
from commission_engine.portal.portal import Portal, new_secret
from commission_engine.portal.render import FILES, address, content, page
from commission_engine.problems import CommissionError

_ADDRESS = re.compile(r"[^@\s<>\"(),:;\\\[\]]{1,64}@[^@\s<>\"(),:;\\\[\]]{1,190}", re.ASCII)
OF_ALL = 10
"""One machine may ask for links of so many times as many addresses as one address may."""


def home(asked: Asked) -> Response:
    """To where this visitor begins."""
    role = asked.visitor.role
    if role is Role.ANYBODY:
        return RedirectResponse("/sign-in", 303)
    first = {
        Role.AFFILIATE: "/account", Role.ADMIN: "/users", Role.OPERATOR: "/runs",
        Role.MAKER: "/settlements", Role.CHECKER: "/settlements",
    }  # fmt: skip
    return RedirectResponse(first.get(role, "/affiliates"), 303)


def sign_in(asked: Asked) -> Response:
    if asked.visitor.who != NOBODY:
        return RedirectResponse("/", 303)
    doorway = asked.portal.doorway
    return page(asked, "sign_in.html", mails=bool(doorway.smtp_host),
                oidc=doorway.oidc_name if doorway.oidc_issuer else "")  # fmt: skip


def ask_for_link(asked: Asked) -> Response:
    """The same answer whether somebody has this address or nobody; who it is, is looked up when it
    has been given."""
    portal, email = asked.portal, asked.form.get("email", "").strip()
    for key, factor in (
        (f"address:{email.lower()}", 1),
        (f"from:{machine(asked.request)}", OF_ALL),
    ):
        if not portal.limiter.passes(SIGN_IN, key, factor):
            portal.note(NOBODY, "too often", "sign-in")
            raise TooOften(SIGN_IN)
    response = page(asked, "sent.html", minutes=portal.doorway.link_minutes)
    if _ADDRESS.fullmatch(email) and portal.doorway.smtp_host:
        response.background = BackgroundTask(mail_links, portal, email)
    return response


def mail_links(portal: Portal, email: str) -> None:
    """Mail to this address a link for everybody who has it; nothing where nobody has."""
    with reading(portal.engine) as book:
        plan = portal.plan(book)
        whom = [Who(AFFILIATE, each.affiliate_id) for each in people_with(book, email)]
        whom += [Who(STAFF, each.name) for each in staff.accounts_of(book, email)]
    if not whom:
        logs.record("portal link", outcome="nobody")
        return
    programme = plan.name if plan else "the programme"
    links = "\n\n".join(f"{_one_line(each.id)}:\n{link_for(portal, each)}" for each in whom)
    text = (
        f"Somebody, most likely you, wants to sign in to {programme}.\n\n{links}\n\n"
        f"A link works once, within {portal.doorway.link_minutes} minutes. If it was not you,"
        " do nothing: nobody can sign in without it.\n"
    )
    try:
        mail.send(portal.doorway, portal.environment, email, f"Sign in to {programme}", text)
    except CommissionError as why:
        logs.record("portal link", logging.ERROR, outcome=why.message)
        return
    for each in whom:
        portal.note(each, "link sent")


def link_for(portal: Portal, who: Who) -> str:
    """A new one-time link that signs somebody in."""
    return f"{portal.url}/sign-in/link/{link_secret(portal, who)}"


def link_secret(portal: Portal, who: Who) -> str:
    """The secret of such a link."""
    secret = new_secret()
    ends = portal.clock() + portal.doorway.link_minutes * 60
    portal.doors.add_link(secret, who, ends)
    return secret


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def show_link(asked: Asked) -> Response:
    """A button: programs that look at the links of mails must not use them up."""
    return page(asked, "link.html", secret=asked.named("secret"))


def use_link(asked: Asked) -> Response:
    portal = asked.portal
    who = portal.doors.use_link(asked.form.get("secret", ""), portal.clock())
    if who is None:
        portal.note(NOBODY, "link refused")
        return page(asked, "used.html", status=403)
    return signed_in(asked, who, "signed in by link")


def signed_in(asked: Asked, who: Who, how: str) -> Response:
    """A session of its own for whoever has proved who he is; what the browser had before ends."""
    portal, secret, now = asked.portal, new_secret(), asked.portal.clock()
    ends = now + portal.doorway.session_hours * 3600
    portal.doors.begin(secret, who, now, ends, instead=asked.visitor.secret)
    portal.note(who, how)
    response = RedirectResponse("/", 303)
    set_cookie(portal, response, secret)
    return response


def sign_out(asked: Asked) -> Response:
    portal = asked.portal
    if asked.form.get("everywhere"):
        portal.doors.end_all(asked.visitor.who)
    portal.doors.end(asked.visitor.secret)
    portal.note(asked.visitor.who, "signed out")
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(portal.cookie, path="/", secure=portal.secure, httponly=True)
    return response


def static(asked: Asked) -> Response:
    name = asked.named("name")
    if name not in FILES or asked.request.url.path != address(name):
        raise Nothing
    keep = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    return Response(content(name), headers=keep, media_type=FILES[name])


def nothing(asked: Asked) -> Response:
    raise Nothing


PAGES = (
    Page("/", home, EVERYBODY),
    Page("/sign-in", sign_in, EVERYBODY),
    Page("/sign-in", ask_for_link, EVERYBODY, "POST"),
    Page("/sign-in/link/{secret}", show_link, EVERYBODY, limit=LINKS),
    Page("/sign-in/link", use_link, EVERYBODY, "POST", limit=LINKS),
    Page("/sign-out", sign_out, SIGNED_IN, "POST"),
    Page("/static/{hash}/{name}", static, EVERYBODY),
)
LAST = (
    Page("/api/{rest:any}", nothing, EVERYBODY, "*", kind=Kind.API, limit=API),
    Page("/{rest:any}", nothing, EVERYBODY, "*"),
)
"""Whatever is no page: for everybody, by every method, the same as a page that is not theirs."""
