"""Who looks at the portal beside affiliates: accounts with one role each, added to and removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from commission_engine.book.digests import Span, stored_span
from commission_engine.book.schema import intake
from commission_engine.book.schema_portal import staff

KIND = "users"
"""The kind of the intakes by which accounts are added and removed."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of today; `since` is when it was added or changed, by `who`."""

    name: str
    email: str
    role: str
    since: str
    who: str


def accounts(connection: sa.Connection) -> Sequence[Account]:
    """All accounts that are not removed, by name."""
    return [
        _account(row) for row in connection.execute(_latest().order_by(staff.c.name)).mappings()
    ]


def account(connection: sa.Connection, name: str) -> Account | None:
    """The account of this name; None where there is none, or none any more."""
    found = connection.execute(_latest().where(staff.c.name == name)).mappings().one_or_none()
    return _account(found) if found else None


def accounts_of(connection: sa.Connection, email: str) -> Sequence[Account]:
    """The accounts with this address; capitals do not count."""
    query = _latest().where(sa.func.lower(staff.c.email) == email.lower(), staff.c.email != "")
    return [_account(row) for row in connection.execute(query.order_by(staff.c.name)).mappings()]


def _latest() -> sa.Select[Any]:
    later = staff.alias("later")
    newer = sa.exists().where(later.c.name == staff.c.name, later.c.intake > staff.c.intake)
    return (
        sa.select(staff.c.name, staff.c.email, staff.c.role, intake.c.learned_at, intake.c.who)
        .join(intake, intake.c.id == staff.c.intake)
        .where(staff.c.role != "", ~newer)
    )


def _account(row: Mapping[Any, Any]) -> Account:
    return Account(row["name"], row["email"], row["role"], row["learned_at"], row["who"])


def put(
    connection: sa.Connection, number: int, name: str, email: str, role: str
) -> dict[str, Span]:
    """An account as intake `number` has it; with the role "" it is removed. The rows added."""
    row = {"intake": number, "name": name, "email": email, "role": role}
    connection.execute(sa.insert(staff).values(row))
    span = stored_span(connection, staff, number, number)
    return {staff.name: span} if span else {}
