"""A command or a URL is told what became of a run; how that goes never changes the run.

What it is told is one JSON object: on the standard input of a command, as the body of a POST. It
may be told twice and then with the same `id`.
"""

import hmac
import json
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

EVENTS = ("completed", "failed", "held")
SECRET = "COMMISSION_HOOKS_SECRET"  # noqa: S105 (the name of the variable that has it)
SIGNATURE = "X-Commission-Signature"
ID = "X-Commission-Id"

TIMEOUT = 10
"""Seconds that a hook has, each time."""

PAUSES = (1.0, 3.0)
"""Seconds before each further try."""

_URLS = ("http", "https")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a hook: empty where it was told, else why not; and how often it was tried."""

    fault: str
    tries: int


def fault(value: Any) -> str:
    """What is wrong with the value of a hook's setting, and what would be right."""
    if isinstance(value, list):
        good = bool(value) and all(isinstance(word, str) and word for word in value)
        return "" if good else f'{value!r} is not a list of words, such as ["./tell", "ops"]'
    if not isinstance(value, str):
        return f"{value!r} is neither a command nor a URL"
    if "://" in value and " " not in value:
        scheme, host = urlsplit(value)[:2]
        if scheme not in _URLS:
            return f"{scheme}:// is none of {', '.join(_URLS)}"
        return "" if host else f"{value!r} names no host"
    try:
        return "" if shlex.split(value) or not value else f"{value!r} is not a command"
    except ValueError as why:
        return f"{value!r} is not a command: {why}"


def encoded(payload: Mapping[str, Any]) -> bytes:
    """The bytes that are sent, and signed."""
    return json.dumps(payload, sort_keys=True, ensure_ascii=False).encode()


def signature(secret: str, body: bytes) -> str:
    """What stands in the header SIGNATURE: HMAC-SHA-256 of the body."""
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


def identity(*names: str) -> str:
    """The same for the same event of the same run, however often it is told."""
    return sha256("\n".join(names).encode()).hexdigest()[:32]


def call(
    hook: str | Sequence[str],
    payload: Mapping[str, Any],
    secret: str = "",
    timeout: float = TIMEOUT,
    pauses: Sequence[float] | None = None,
) -> Outcome:
    """Tell a hook; again after each pause (None: PAUSES) where that could help. Raises nothing.

    `hook` is a good value of its setting (see `fault`), `payload` has an `id`.
    """
    body = encoded(payload)
    tries, fault = 0, ""
    for pause in (0, *(PAUSES if pauses is None else pauses)):
        time.sleep(pause)
        tries += 1
        if isinstance(hook, str) and hook.startswith(tuple(f"{each}://" for each in _URLS)):
            fault, lasting = _post(hook, body, str(payload["id"]), secret, timeout)
        else:
            fault, lasting = _command(hook, body, timeout)
        if lasting or not fault:
            break
    return Outcome(fault, tries)


def _command(hook: str | Sequence[str], body: bytes, timeout: float) -> tuple[str, bool]:
    """Without a shell. What it says is not kept: it may say anything."""
    words = shlex.split(hook) if isinstance(hook, str) else list(hook)
    silent = subprocess.DEVNULL
    try:
        done = subprocess.run(
            words, input=body, stdout=silent, stderr=silent, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {timeout:g} seconds", False
    except OSError as why:
        return f"{words[0]}: {why.strerror}", True
    return f"it ended with {done.returncode}" if done.returncode else "", False


def _post(url: str, body: bytes, number: str, secret: str, timeout: float) -> tuple[str, bool]:
    from commission_engine.webhook import post  # takes time to import, and few need it

    headers = {"Content-Type": "application/json", "User-Agent": "commission-engine", ID: number}
    if secret:
        headers[SIGNATURE] = signature(secret, body)
    return post(url, body, headers, timeout)
