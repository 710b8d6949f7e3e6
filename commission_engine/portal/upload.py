"""Forms with a file in them (multipart/form-data), as browsers send them."""

import re
from collections.abc import Iterator, Mapping

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', re.ASCII)
_NAME = re.compile(rb'^content-disposition:\s*form-data;.*?\bname="([^"\r\n]*)"', re.I | re.M)
MOST_FIELDS = 1_000


def fields(body: bytes, content_type: str) -> Mapping[str, str]:
    """The fields of a form; of several of one name the last that has something in it. What is no
    UTF-8 is kept as surrogates. Of what is no such form nothing."""
    found = _BOUNDARY.search(content_type)
    if not found:
        return {}
    boundary = b"\r\n--" + (found[1] or found[2]).encode()
    said: dict[str, str] = {}
    for name, content in _parts(b"\r\n" + body, boundary):
        if content or name not in said:
            said[name] = content
    return said


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, str]]:
    for part in body.split(boundary)[1 : MOST_FIELDS + 1]:
        if part.startswith(b"--"):  # the end
            return
        head, found, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.strip(b"\r\n"))
        if found and name:
            yield (_text(name[1]), _text(content))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
