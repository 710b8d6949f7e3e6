"""Mail of the portal: one plain text at a time, through the server of the settings."""

import smtplib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from commission_engine.doorway import SMTP_PASSWORD, Doorway
from commission_engine.problems import CommissionError

SECONDS = 20


def send(
    doorway: Doorway, environment: Mapping[str, str], to: str, subject: str, text: str
) -> None:
    """CommissionError where the server does not take it; it says nothing of whom it is for."""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = doorway.mail_from
    message["To"] = Address(addr_spec=to)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=doorway.mail_from.rpartition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    try:
        with _server(doorway) as server:
            if doorway.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if doorway.smtp_user:
                server.login(doorway.smtp_user, environment.get(SMTP_PASSWORD, ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as why:
        raise CommissionError(
            f"{doorway.smtp_host}:{doorway.smtp_port} did not take a mail: {type(why).__name__}",
            "Look at the settings portal.smtp_… and at the mail server.",
        ) from why


def _server(doorway: Doorway) -> smtplib.SMTP:
    host, port = doorway.smtp_host, doorway.smtp_port
    if doorway.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, timeout=SECONDS)
