"""Listings, some rows at a time: where a page begins, and the link to the next one."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from commission_engine.portal.access import Asked, Nothing

A_PAGE = 25
T = TypeVar("T")


def number_in(asked: Asked, name: str = "before") -> int | None:
    """A number of the query, which we have written ourselves; None where it is not there."""
    text = asked.query(name)
    return whole(text) if text else None


def whole(text: str) -> int:
    """A number that stands in an address."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Nothing
    return int(text)


def some(asked: Asked, found: Sequence[T], key: Callable[[T], object]) -> tuple[list[T], str]:
    """The rows of this page, of A_PAGE + 1 that were asked for, and the address of the next one
    ("": there is none)."""
    shown = list(found[:A_PAGE])
    more = further(asked, before=str(key(shown[-1]))) if len(found) > A_PAGE else ""
    return shown, more


def further(asked: Asked, **said: str) -> str:
    """This page's address with another query beside what it has."""
    query = dict(asked.request.query_params) | said
    return f"{asked.request.url.path}?{urlencode(query)}"
