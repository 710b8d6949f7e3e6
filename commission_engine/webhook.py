"""A POST whose answer is said in our words."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_AGAIN = (408, 425, 429)
"""Answers that may be others a moment later."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is sent elsewhere would arrive there as a GET without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> tuple[str, bool]:
    """What went wrong ("" where it was answered with 2xx), and whether it would again."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout):
            return "", False
    except urllib.error.HTTPError as why:
        why.close()
        return f"it answered {why.code}", why.code < 500 and why.code not in _AGAIN
    except (OSError, http.client.HTTPException, ValueError) as why:
        reason = why.reason if isinstance(why, urllib.error.URLError) else why
        if isinstance(reason, TimeoutError):
            return f"it took longer than {timeout:g} seconds", False
        said = getattr(reason, "strerror", None) or type(reason).__name__
        return f"it cannot be reached: {said}", False
