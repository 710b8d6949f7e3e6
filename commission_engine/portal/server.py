"""The portal as a process: one server on a loopback address until a signal ends it."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from commission_engine import hooks
from commission_engine.book.connect import for_readers
from commission_engine.book.doors import Doors
from commission_engine.doorway import LOOPBACK
from commission_engine.portal.app import application
from commission_engine.portal.portal import Portal
from commission_engine.portal.render import HTMX, address
from commission_engine.problems import CommissionError, UsageError
from commission_engine.settings import Settings

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
WAIT_SECONDS = 5
"""So long requests that are under way have when the server ends."""


def portal_of(settings: Settings, url: str = "") -> Portal:
    """The portal of the settings, over a book that is migrated; `url` where the settings name
    none. ModuleNotFoundError where the script of its pages is not installed."""
    address(HTMX)
    database = settings.database.value
    return Portal(
        engine=for_readers(database),
        doors=Doors.beside(database),
        settings=settings,
        url=(settings.doorway.url or url).rstrip("/"),
        environment=os.environ,
        tell=_hook(settings),
    )


def _hook(settings: Settings) -> Callable[[Mapping[str, str]], None]:
    hook = settings.hooks_failed.value

    def tell(payload: Mapping[str, str]) -> None:
        if hook:
            number = hooks.identity(*payload.values())
            hooks.call(hook, {"id": number, **payload}, os.environ.get(hooks.SECRET, ""))

    return tell


def serve(portal: Portal, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until a signal comes. `ready` is called when it listens. CommissionError where the
    address cannot be had, UsageError for one that would be open to others without TLS."""
    if host not in LOOPBACK and not portal.secure:
        raise UsageError(
            f"--host {host}: others could read what is sent to it",
            "Let a server with TLS in front of it pass requests on to 127.0.0.1, and set portal.url"
            " to its https:// address.",
        )
    listening = _listening(host, port)
    portal.doors.sweep(portal.clock())
    config = uvicorn.Config(
        application(portal),
        log_config=None,
        access_log=False,  # addresses of links are secrets
        server_header=False,
        proxy_headers=portal.secure,
        forwarded_allow_ips="127.0.0.1",
        timeout_graceful_shutdown=WAIT_SECONDS,
        limit_concurrency=500,
        lifespan="off",
    )
    with listening, _signals_end_it():
        _Server(config, ready).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as why:
        raise CommissionError(
            f"{host}:{port} cannot be listened on: {os.strerror(why.errno or 0)}",
            "Give another --port.",
        ) from why


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """The server ends by itself when a signal comes and then gives it on: that is no failure."""
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
