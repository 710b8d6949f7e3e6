"""A real mail server on this machine that keeps what it is given."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP


class Kept:
    """The mails that came, in order."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 kept"

    def text(self) -> str:
        """Of the last one."""
        part = self.mails[-1].get_body(("plain",))
        assert part
        return str(part.get_content())


@contextmanager
def mail_server() -> Iterator[tuple[Kept, int]]:
    """What is kept, and the port of the server."""
    kept, loop, listening = Kept(), asyncio.new_event_loop(), socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        await loop.create_server(lambda: SMTP(kept, loop=loop), sock=listening)

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()
        loop.close()

    thread = threading.Thread(target=run)  # a loop of its own: a browser's test has one already
    thread.start()
    try:
        yield kept, listening.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
