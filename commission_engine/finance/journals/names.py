"""Other people's names in the syntax of plain-text ledgers: they never break it, and no two names
become one."""

import re
from urllib.parse import quote

_WORDS = ("TRUE", "FALSE", "NULL")
_COMMODITY = re.compile(r"[A-Z][A-Z0-9_]*[A-Z0-9]", re.ASCII)


def account_of(affiliate_id: str) -> str:
    """The last part of an affiliate's own account: letters and digits as they are, of everything
    else a hyphen and two digits for each byte of its UTF-8.

    >>> account_of("ann"), account_of("7 €-x")
    ('A-ann', 'A-7-20-E2-82-AC-2Dx')
    """
    parts = [
        each
        if each.isascii() and each.isalnum()
        else "".join(f"-{byte:02X}" for byte in each.encode())
        for each in affiliate_id
    ]
    return "A-" + "".join(parts)


def tag(text: str) -> str:
    """A text as the value of a tag of hledger, in ASCII: its commas, spaces and brackets, with
    which tags end and dates begin, are written as in a URL.

    >>> tag("run:2026-01-05:paid:a, date:1/1:EUR")
    'run:2026-01-05:paid:a%2C%20date:1/1:EUR'
    """
    return quote(text, safe=":/@+")


def string(text: str) -> str:
    r"""A text as a string of Beancount.

    >>> print(string('a"b\\'))
    "a\"b\\"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def beancount_commodity(code: str) -> str:
    """A currency in Beancount, which has words of its own, and wants two characters and no
    underscore at the end.

    >>> beancount_commodity("USD"), beancount_commodity("P"), beancount_commodity("TRUE")
    ('USD', 'P-U', 'TRUE-U')
    """
    return code if _COMMODITY.fullmatch(code) and code not in _WORDS else f"{code}-U"


def hledger_commodity(code: str) -> str:
    """A currency in hledger, in quotes where it is not letters alone.

    >>> hledger_commodity("USD"), hledger_commodity("MB_2")
    ('USD', '"MB_2"')
    """
    return code if code.isalpha() else f'"{code}"'
