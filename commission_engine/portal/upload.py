"""Forms with a file in them (multipart/form-data), as browsers send them."""

import re
from collections.abc import Iterator, Mapping

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', re.ASCII)
_NAME = re.compile(rb'^content-disposition:\s*form-data;.*?\bname="([^"\r\n]*)"', re.I | re.M)
_FILE = re.compile(rb'^content-disposition:.*?;\s*filename="([^"\r\n]*)"', re.I | re.M)
NAME_OF = "{} (name)"
"""The field that has the name of the file that was chosen in another one."""
MOST_FIELDS = 1_000


def fields(body: bytes, content_type: str) -> Mapping[str, str]:
    """The fields of a form; of several of one name the last that has something in it; of a file its
    name too (NAME_OF). What is no UTF-8 is kept as surrogates. Of what is no such form nothing."""
    found = _BOUNDARY.search(content_type)
    if not found:
        return {}
    boundary = b"\r\n--" + (found[1] or found[2]).encode()
    said: dict[str, str] = {}
    for name, content, file in _parts(b"\r\n" + body, boundary):
        if content or name not in said:
            said[name] = content
            if file:
                said[NAME_OF.format(name)] = file
    return said


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, str, str]]:
    """Of each field its name, what is in it, and the name of the file that it is ("": none)."""
    for part in body.split(boundary)[1 : MOST_FIELDS + 1]:
        if part.startswith(b"--"):  # the end
            return
        head, found, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.strip(b"\r\n"))
        if found and name:
            file = _FILE.search(head.strip(b"\r\n"))
            yield _text(name[1]), _text(content), _text(file[1]) if file else ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
