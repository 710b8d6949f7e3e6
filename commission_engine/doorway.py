"""How people reach the portal and sign in: the settings `[portal]`, checked for their form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SMTP_PASSWORD = "COMMISSION_SMTP_PASSWORD"  # noqa: S105 (the name of the variable that has it)
OIDC_SECRET = "COMMISSION_OIDC_SECRET"  # noqa: S105
SECRETS = (SMTP_PASSWORD, OIDC_SECRET)
"""Environment variables that are no settings, and shown nowhere."""

WHOLE = {
    "session_hours": (1, 720),
    "idle_minutes": (1, 1440),
    "link_minutes": (1, 1440),
    "token_days": (1, 3650),
    "smtp_port": (1, 65535),
}
"""Settings that are whole numbers, with the least and the most."""
SECURITY = ("starttls", "tls", "none")
NAMES = (
    "url", "session_hours", "idle_minutes", "link_minutes", "token_days",
    "smtp_host", "smtp_port", "smtp_user", "smtp_security", "mail_from",
    "oidc_issuer", "oidc_client_id", "oidc_name",
)  # fmt: skip
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Doorway:
    """Where the portal is reached ("": where it listens), how long sessions, links and tokens last,
    through which server mail goes ("": none is sent), and who else signs people in ("": nobody)."""

    url: str = ""
    session_hours: int = 12
    idle_minutes: int = 30
    link_minutes: int = 15
    token_days: int = 90
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_user: str = ""
    smtp_security: str = "starttls"
    mail_from: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_name: str = "single sign-on"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Doorway":
        """From settings by their names, each of which is possible (see `fault`)."""
        return cls(**{name: settings[name] for name in NAMES})


def fault(name: str, value: Any) -> str:
    """What is wrong with the value of the setting `portal.<name>`, and what would be right."""
    if name in WHOLE:
        least, most = WHOLE[name]
        whole = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if whole else f"{value!r} is not a whole number from {least} to {most}"
    if name == "smtp_security":
        return "" if value in SECURITY else f"{value!r} is none of {', '.join(SECURITY)}"
    if not isinstance(value, str):
        return f"{value!r} is not a text in quotes"
    if name in ("url", "oidc_issuer") and value:
        return _fault_of_url(value)
    if name == "mail_from" and value and ("@" not in value or not value.isprintable()):
        return f"{value!r} is not an address, such as partners@example.com"
    return ""


def _fault_of_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as why:
        return f"{value!r} is not a URL: {why}"
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        return f"{value!r} is not a URL, such as https://partners.example.com"
    if parts.scheme == "http" and host not in LOOPBACK:
        return f"{value!r} would send secrets in clear; write https://"
    return ""
