"""Between the server and every page: who asks, may he, did he mean it, how often, about whom."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from commission_engine import logs
from commission_engine.book import staff
from commission_engine.book.connect import READERS, Connection, reading
from commission_engine.book.doors import AFFILIATE, NOBODY, STAFF, Who
from commission_engine.book.readers import person, person_of
from commission_engine.portal import upload
from commission_engine.portal.access import (
    Asked,
    Denied,
    Kind,
    Nothing,
    Page,
    Role,
    Visitor,
)
from commission_engine.portal.limits import Limit
from commission_engine.portal.portal import Portal, form_token, new_secret, same
from commission_engine.portal.render import in_part, wrong
from commission_engine.problems import CommissionError, Exit

ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LARGEST_FORM = 64 << 10
AT_LENGTH = 2
"""So many requests for pages that are `heavy` are at work at once; others do not wait for them."""
SEEN_EVERY = 60
"""So many seconds after the last time a session's use is kept anew."""

STATUS = {
    Exit.USAGE: 400, Exit.LOCKED: 409, Exit.TRY_AGAIN: 503, Exit.OUT_OF_BALANCE: 500,
    Exit.ROWS_REJECTED: 409,
}  # fmt: skip
"""What an error of the engine is over HTTP; 500 for the others."""


class Foreign(Exception):
    """A form that no page of ours has shown to this browser."""


class TooOften(Exception):
    """More than the limit that it carries."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.name)
        self.limit = limit


class TooLarge(Exception):
    """A form larger than any of ours."""


class Gate:
    """Answers for the pages of a portal."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._threads: dict[bool, anyio.CapacityLimiter] = {}

    def route(self, page: Page) -> Route:
        methods = ANY_METHOD if page.method == "*" else (page.method,)

        async def endpoint(request: Request) -> Response:
            return await self._asked(page, request)

        return Route(page.path, endpoint, methods=methods, name=f"{page.method} {page.path}")

    async def _asked(self, page: Page, request: Request) -> Response:
        if not self._threads:  # they belong to the loop that the server runs in
            for heavy, most in ((False, READERS - AT_LENGTH), (True, AT_LENGTH)):
                self._threads[heavy] = anyio.CapacityLimiter(most)
        try:
            form = await self._form(page, request) if page.method == "POST" else {}
        except ClientDisconnect:
            return Response(status_code=400)
        except TooLarge:
            return wrong(self._portal, request, Visitor(), 413, "This form is too large.", "")
        answer = partial(self._answer, page, request, form)
        return await anyio.to_thread.run_sync(answer, limiter=self._threads[page.heavy])

    async def _form(self, page: Page, request: Request) -> Mapping[str, str]:
        """The fields; large forms are taken only of those who have signed in."""
        if page.largest and await anyio.to_thread.run_sync(self._has_begun, request):
            return await _form(request, page.largest)
        return await _form(request, LARGEST_FORM)

    def _answer(self, page: Page, request: Request, form: Mapping[str, str]) -> Response:
        visitor = Visitor()
        try:
            with reading(self._portal.engine) as book:
                visitor = self._visitor(page, request, book)
                refused = self._refused(page, request, visitor, form)
                if refused:
                    return refused
                subject = _subject(page, request, visitor, book)
                asked = Asked(self._portal, request, page, visitor, book, form, subject)
                return self._kept(page, visitor, page.answer(asked))
        except Nothing:
            return self._said(page, request, visitor, 404, "There is no such page.", "")
        except Denied:
            self._portal.note(visitor.who, "denied", page.path)
            return self._said(page, request, visitor, 403, "Your account does not have this page.",
                              "An administrator can give you another role.")  # fmt: skip
        except Foreign:
            return self._said(page, request, visitor, 403,
                              "This form did not come from a page of ours.",
                              "Go back, load the page anew, and send it once more.")  # fmt: skip
        except TooOften as why:
            wait = {"Retry-After": str(why.limit.seconds)}
            response = self._said(
                page, request, visitor, 429, "That was too often.", "Wait a few minutes."
            )
            response.headers.update(wait)
            return response
        except CommissionError as why:
            status = STATUS.get(why.exit_code, 500)
            return self._said(page, request, visitor, status, *_spoken(why, visitor))
        except (
            Exception
        ) as why:  # a fault of ours: of it nothing is shown, and its values not logged
            logs.record("portal fault", logging.ERROR, path=page.path, kind=type(why).__name__,
                        where=logs.places(why))  # fmt: skip
            return self._said(page, request, visitor, 500, "Something went wrong here.",
                              "The programme can look it up in its log.")  # fmt: skip

    # -- who asks

    def _visitor(self, page: Page, request: Request, book: Connection) -> Visitor:
        if page.kind is Kind.API:
            return self._bearer(request, book)
        portal = self._portal
        secret = request.cookies.get(portal.cookie, "")
        now, idle = portal.clock(), portal.doorway.idle_minutes * 60
        session = portal.doors.session(secret, now, idle) if secret else None
        if session is None:
            return Visitor(secret=secret or new_secret())
        if now - session.seen >= SEEN_EVERY:
            portal.doors.seen(secret, now)
        return visitor_of(book, session.who, secret, session.data)

    def _has_begun(self, request: Request) -> bool:
        """Whether the request has the cookie of a session that somebody has begun."""
        portal = self._portal
        secret = request.cookies.get(portal.cookie, "")
        idle = portal.doorway.idle_minutes * 60
        return bool(secret) and portal.doors.session(secret, portal.clock(), idle) is not None

    def _bearer(self, request: Request, book: Connection) -> Visitor:
        word, _, secret = request.headers.get("authorization", "").partition(" ")
        if word.lower() != "bearer" or not secret:
            return Visitor()
        token = self._portal.doors.token(secret.strip(), self._portal.clock())
        if token is None:
            return Visitor()
        return visitor_of(book, token.who, secret)

    # -- may he

    def _refused(
        self, page: Page, request: Request, visitor: Visitor, form: Mapping[str, str]
    ) -> Response | None:
        """An answer in place of the page's, or None; raises what else stands in its way."""
        if page.kind is Kind.API:  # what is refused is counted too: programs do not tire
            self._count(page, request, visitor)
        if page.kind is Kind.API and visitor.role is Role.ANYBODY and Role.ANYBODY not in page.who:
            return JSONResponse({"error": "a token is needed"}, 401,
                                {"WWW-Authenticate": "Bearer"})  # fmt: skip
        if visitor.role not in page.who:
            if visitor.role is Role.ANYBODY:
                if in_part(request):  # a redirection would put the sign-in page into that part
                    return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
                return RedirectResponse("/sign-in", 303)
            raise Nothing if visitor.role is Role.AFFILIATE else Denied
        if visitor.person and visitor.person.status not in page.states:
            raise Nothing
        if page.kind is Kind.API:
            return None
        if page.method == "POST":
            self._refuse_foreign(request, visitor, form)
        self._count(page, request, visitor)
        return None

    def _refuse_foreign(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> None:
        """By what browsers say of where a request comes from, and by the token of the form."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            raise Foreign
        origin = request.headers.get("origin")
        if origin is not None and not _same_host(origin, request, self._portal.url):
            raise Foreign
        if not same(form.get("form_token", ""), form_token(visitor.secret)):
            raise Foreign

    def _count(self, page: Page, request: Request, visitor: Visitor) -> None:
        if page.limit is None:
            return
        who = f"{visitor.who.kind}:{visitor.who.id}" if visitor.who != NOBODY else machine(request)
        if not self._portal.limiter.passes(page.limit, who):
            self._portal.note(visitor.who, "too often", page.limit.name)
            raise TooOften(page.limit)

    # -- what he gets instead

    def _kept(self, page: Page, visitor: Visitor, response: Response) -> Response:
        """With the cookie that a form needs which somebody who is not signed in will send."""
        signs_in = page.path.startswith("/sign-in") and "set-cookie" not in response.headers
        if signs_in and visitor.who == NOBODY and visitor.secret:
            set_cookie(self._portal, response, visitor.secret)
        return response

    def _said(
        self, page: Page, request: Request, visitor: Visitor, status: int, said: str, hint: str
    ) -> Response:
        if page.kind is Kind.API:
            return JSONResponse({"error": said}, status)
        return wrong(self._portal, request, visitor, status, said, hint)


def visitor_of(book: Connection, who: Who, secret: str, data: str = "") -> Visitor:
    """Who a session or token is of, as the book knows him now; nobody where he is gone."""
    if who.kind == AFFILIATE:
        found = person_of(book, who.id)
        return Visitor(Role.AFFILIATE, who, secret, data, found) if found else Visitor()
    account = staff.account(book, who.id) if who.kind == STAFF else None
    if account is None:
        return Visitor(secret=secret, data=data)
    return Visitor(Role(account.role), who, secret, data)


def _subject(page: Page, request: Request, visitor: Visitor, book: Connection) -> Any:
    if page.about in ("own", "me"):
        return visitor.person
    if page.about != "path":
        return None
    number = cast(int, request.path_params["number"])
    found = person(book, number) if number < 2**63 else None
    if found is None:
        raise Nothing
    return found


def _spoken(why: CommissionError, visitor: Visitor) -> tuple[str, str]:
    """An error of the engine: for the staff as the commands say it, for others without what only
    who gives commands can use."""
    if visitor.staff and why.exit_code is not Exit.TRY_AGAIN:
        return why.message, why.hint
    if why.exit_code is Exit.LOCKED:
        return why.message, "Nothing was changed. Try once more when it has ended."
    if why.exit_code is Exit.TRY_AGAIN:
        return "The book cannot be read at the moment.", "Try once more in a minute."
    if why.exit_code is Exit.USAGE:
        return why.message, why.hint
    return "Something here needs to be looked at by the programme.", "Nothing was changed."


def machine(request: Request) -> str:
    """The machine that asks, or the one in front of us."""
    return request.client.host if request.client else "unknown"


def set_cookie(portal: Portal, response: Response, secret: str) -> None:
    response.set_cookie(
        portal.cookie,
        secret,
        max_age=portal.doorway.session_hours * 3600,
        path="/",
        secure=portal.secure,
        httponly=True,
        samesite="lax",
    )


def _same_host(origin: str, request: Request, url: str) -> bool:
    """Whether a page of this origin is one of ours: of the public address, or of this one."""
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return origin == url or (bool(host) and host == request.headers.get("host"))


async def _form(request: Request, largest: int) -> Mapping[str, str]:
    """The fields of a form; of several of one name the last. Of another kind of body none."""
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > largest:
            raise TooLarge
    if kind == "multipart/form-data":
        return upload.fields(body, said)
    if kind != "application/x-www-form-urlencoded":
        return {}
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict",
                          max_num_fields=1000)  # fmt: skip
    except ValueError:
        return {}
    return dict(pairs)
