"""What every answer says to browsers: run nothing, show it nowhere else, keep nothing."""

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Of scripts only the file that we serve, never one that stands in a page."""

ALWAYS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
KEEP_NOTHING = "no-store"
VARY = "Cookie, Authorization, HX-Request"
HSTS = "max-age=31536000; includeSubDomains"


class Headers:
    """Adds them to every answer, whatever made it."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(message)
            await send(message)

        await self._app(scope, receive, told)

    def _add(self, message: Any) -> None:
        given = {name.lower() for name, _ in message.get("headers", ())}
        wanted = dict(ALWAYS) | {"cache-control": KEEP_NOTHING, "vary": VARY}
        if self._secure:
            wanted["strict-transport-security"] = HSTS
        message["headers"] = [
            *message.get("headers", ()),
            *(
                (name.encode(), value.encode())
                for name, value in wanted.items()
                if name.encode() not in given
            ),
        ]
