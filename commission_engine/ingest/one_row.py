"""One row of a CSV file, taken to pieces with care: its fields, or what is wrong with it."""

import re
from collections.abc import Iterator

MAX_ROW = 1 << 20
"""The most bytes that a row may have, its line end not counted."""

_BARE = re.compile(rb'[^",\r]*+')
# Possessive: a doubled quote is never taken for a closing one and some text.
_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')


class Malformed(ValueError):
    """A row that is not one; the message says what was found and what would be right."""


def fields_of(row: bytes, width: int | None) -> list[str]:
    """The fields of one row (without its line end), which has `width` of them if that is known.

    Raises Malformed: too long, broken quoting, bad encoding, wrong number of fields.
    """
    if len(row) > MAX_ROW:
        raise Malformed(too_long(len(row)))
    fields = [_text(field, at) for field, at in _split(row)]
    if width is not None and len(fields) != width:
        word = "field" if len(fields) == 1 else "fields"
        raise Malformed(
            f"{len(fields)} {word} where the header has {width}; "
            "check for a missing or an unquoted comma"
        )
    return fields


def too_long(size: int) -> str:
    return (
        f"the row has {size} bytes where {MAX_ROW} are the most; "
        "check for a quote that is not closed (only its beginning is kept here)"
    )


def _split(row: bytes) -> Iterator[tuple[bytes, int]]:
    """Each field without its quotes, and the byte at which it starts."""
    at = 0
    while True:
        quoted = row[at : at + 1] == b'"'
        found = (_QUOTED if quoted else _BARE).match(row, at)
        if not found:
            raise Malformed(
                "a quoted field is opened and not closed; "
                "close it, and double the quotes that belong to it"
            )
        after = row[found.end() : found.end() + 1]
        if after == b"\r":
            raise Malformed("a carriage return outside quotes; end rows with LF or CRLF")
        if after not in (b"", b","):
            raise Malformed(
                "text after the closing quote of a field; double the quotes that belong to it"
                if quoted
                else "a quote inside a field that is not quoted; "
                "put the field in quotes and double those that belong to it"
            )
        yield (found[0][1:-1].replace(b'""', b'"') if quoted else found[0]), at
        if not after:
            return
        at = found.end() + 1


def _text(field: bytes, at: int) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError as fault:
        raise Malformed(
            f"the byte 0x{field[fault.start]:02X} is not UTF-8 (in the field that starts at byte "
            f"{at + 1} of the row); save the file as UTF-8"
        ) from None
