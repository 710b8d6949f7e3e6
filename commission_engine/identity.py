"""Who gives a command: the account on the machine, and the name that somebody gave with it.

As a text of the book that is "USER@HOST", or "NAME (as given by USER@HOST)": a given name never
takes the place of the account. It is as trustworthy as the access to that account is. Whoever has
signed in to the portal is "NAME (signed in at USER@HOST)": the name of his own account there; the
server's account says nothing about him.
"""

import getpass
import os
import re
import socket
from dataclasses import dataclass

_NAME = re.compile(r"[^()\x00-\x1f\x7f]{1,64}")
_GIVEN = re.compile(r"([^()]+) \(as given by (.*)\)", re.DOTALL)
_SIGNED_IN = re.compile(r"([^()]+) \(signed in at (.*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Identity:
    """An account without its machine, and the name given with it; "" for none. Of somebody who has
    signed in the name alone."""

    account: str
    given: str = ""

    @classmethod
    def of(cls, who: str) -> "Identity":
        """From a text of the book."""
        if signed := _SIGNED_IN.fullmatch(who):
            return cls("", signed[1])
        found = _GIVEN.fullmatch(who)
        account = found[2] if found else who
        return cls(account.rpartition("@")[0] or account, found[1] if found else "")

    @property
    def name(self) -> str:
        return self.given or self.account

    def same_person(self, other: "Identity") -> bool:
        """Whether the two can be one person, as far as anybody can tell.

        Two names over one account are two people only if both were given.
        """
        if self.name.casefold() == other.name.casefold():
            return True
        both_given = bool(self.given and other.given)
        return self.account.casefold() == other.account.casefold() and not both_given


def told(given: str, account: str) -> str:
    """The text of the book; `account` is USER@HOST. ValueError for a name that cannot be."""
    if not given:
        return account
    if not _NAME.fullmatch(given) or given != given.strip():
        raise ValueError(f"{given!r} is not a name of 1 to 64 characters without brackets")
    return f"{given} (as given by {account})"


def signed_in(name: str, account: str) -> str:
    """The text of the book for an account of the portal; `account` is the server's, USER@HOST."""
    return f"{name} (signed in at {account})"


def account() -> str:
    """The account of this process and its machine, as USER@HOST."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
