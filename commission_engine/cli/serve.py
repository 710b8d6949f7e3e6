"""`commission serve`: the web portal."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from commission_engine.cli.common import Database, open_book, say, settings_of
from commission_engine.logs import logging_to
from commission_engine.problems import UsageError
from commission_engine.settings import Settings

if TYPE_CHECKING:
    from commission_engine.portal.portal import Portal

HOST, PORT = "127.0.0.1", 8800


def serve(
    host: Annotated[str, typer.Option("--host", help="Listen on this address.")] = HOST,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="On this port.")] = PORT,
    database: Database = None,
) -> None:
    """Serve the web portal in the foreground, beside the nightly job; a signal ends it."""
    settings = settings_of(database=database)
    open_book(settings)
    made = portal_at(settings, host, port)
    from commission_engine.portal.server import serve as serve_portal

    with logging_to(settings.log_format.value, settings.log_file.value):
        serve_portal(made, host, port, lambda: say(f"the portal is at {escape(made.url)}"))


def portal_at(settings: Settings, host: str = HOST, port: int = PORT) -> "Portal":
    """The portal of these settings; UsageError where what it needs is not installed."""
    name = f"[{host}]" if ":" in host else host
    try:
        from commission_engine.portal.server import portal_of

        return portal_of(settings, f"http://{name}:{port}")
    except ModuleNotFoundError as why:
        raise UsageError(
            f"what the portal needs is not installed ({why.name})",
            "Install the extra: pip install 'commission-engine[portal]'.",
        ) from why
