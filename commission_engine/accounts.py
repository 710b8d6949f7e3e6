"""The portal's staff: accounts are added and removed by intakes, as everything that people say."""

import re

from commission_engine.book import audit, facts, staff
from commission_engine.book.connect import Connection
from commission_engine.imports import Circumstances
from commission_engine.problems import UsageError

ROLES = ("support", "operator", "maker", "checker", "auditor", "admin")

_NAME = re.compile(r"[^()\x00-\x1f\x7f/@]{1,64}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
NOTHING = "Nothing was changed."


def add(connection: Connection, name: str, email: str, role: str, given: Circumstances) -> bool:
    """Add an account, or change what it has; whether that is news."""
    if not _NAME.fullmatch(name) or name != name.strip():
        raise UsageError(
            f"{name!r} is not a name of 1 to 64 characters without ( ) / @", f"{NOTHING}"
        )
    if role not in ROLES:
        raise UsageError(f"{role!r} is no role", f"Write one of {', '.join(ROLES)}. {NOTHING}")
    if email and not _EMAIL.fullmatch(email):
        raise UsageError(f"{email!r} is not an e-mail address", NOTHING)
    known = staff.account(connection, name)
    if known and (known.email, known.role) == (email, role):
        return False
    _learn(connection, name, email, role, given)
    return True


def remove(connection: Connection, name: str, given: Circumstances) -> None:
    """Remove an account; UsageError where there is none."""
    known = staff.account(connection, name)
    if known is None:
        raise UsageError(
            f"there is no account {name!r}", f"`commission users` lists all. {NOTHING}"
        )
    _learn(connection, name, known.email, "", given)


def _learn(connection: Connection, name: str, email: str, role: str, given: Circumstances) -> None:
    number = facts.open_intake(connection, facts.Intake(staff.KIND, given.now, given.who), 1, 0, 0)
    added = staff.put(connection, number, name, email, role)
    audit.learned(connection, given.signed, number, {"name": name, "role": role or None}, added)
