"""Holds and their releases, as the book keeps them. Both are only ever added.

A hold belongs to the run that made it, a release to the intake that learned it: a run knows the
releases up to its own last intake. A hold is open until a release that is known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import (
    affiliate,
    currency,
    hold,
    intake,
    payout,
    release,
    run,
)
from commission_engine.calendar import Day
from commission_engine.ledger.holds import HOLDS, HoldKind

STORED: dict[str, Any] = {"id": pl.Int64, **HOLDS}

LISTED: dict[str, Any] = {
    "id": pl.Int64,
    "run_day": pl.Int64,
    "kind": pl.String,
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "figure": pl.Int64,
    "bound": pl.Int64,
    "why": pl.String,
    "affiliate_id": pl.String,
    "code": pl.String,
    "decimals": pl.Int64,
    "intake": pl.Int64,
    "reason": pl.String,
    "up_to": pl.Int64,
    "released_at": pl.String,
    "released_by": pl.String,
}

NO_AMOUNT = -1
"""In place of `up_to`, of a release whose hold is no payout's."""


@dataclass(frozen=True, slots=True)
class Release:
    """A person's word that what a hold holds may be paid: a payout up to `up_to` minor units."""

    hold: int
    reason: str
    up_to: int = NO_AMOUNT


# -- what a run asks and adds


def open_before(connection: sa.Connection, day: Day, known: int) -> pl.DataFrame:
    """The holds of runs before `day` that no release up to intake `known` has ended: HOLDS."""
    columns = [hold.c[name] for name in HOLDS]
    query = sa.select(*columns).where(hold.c.run_day < day, _open(known))
    return bulk.frame(connection, query, dict(HOLDS))


def released(connection: sa.Connection, day: Day, known: int) -> pl.DataFrame:
    """What may be paid on `day` beyond the bound of a payout: affiliate, currency, up_to.

    A release counts until the account's next payout.
    """
    paid_since = sa.exists().where(
        payout.c.affiliate == hold.c.affiliate,
        payout.c.currency == hold.c.currency,
        payout.c.run_day > hold.c.run_day,
        payout.c.run_day < day,
    )
    query = (
        sa.select(hold.c.affiliate, hold.c.currency, sa.func.max(release.c.up_to))
        .join(release, release.c.hold == hold.c.id)
        .where(
            hold.c.kind == HoldKind.PAYOUT.value,
            hold.c.run_day < day,
            release.c.intake <= known,
            ~paid_since,
        )
        .group_by(hold.c.affiliate, hold.c.currency)
    )
    return bulk.frame(
        connection, query, dict.fromkeys(("affiliate", "currency", "up_to"), pl.Int64)
    )


def numbered(connection: sa.Connection, day: Day, holds: pl.DataFrame) -> pl.DataFrame:
    """The holds of the run of `day` (HOLDS, in order) with their numbers, shaped STORED."""
    count = sa.select(sa.func.count()).select_from(hold).where(hold.c.run_day < day)
    first = int(connection.execute(count).scalar_one()) + 1
    return holds.select(
        pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias("id"), *HOLDS.names()
    )


def add(connection: sa.Connection, day: Day, holds: pl.DataFrame) -> None:
    """Add the holds of the run of `day`, shaped HOLDS and in order."""
    rows = numbered(connection, day, holds)
    run_day = pl.Series("run_day", [day], dtype=pl.Int64).new_from_index(0, rows.height)
    bulk.insert(connection, hold, {"run_day": run_day, **rows.to_dict()})


def stored(connection: sa.Connection, day: Day) -> pl.DataFrame:
    """The holds of a run, shaped STORED and by number."""
    columns = [hold.c[name] for name in STORED]
    query = sa.select(*columns).where(hold.c.run_day == day)
    return bulk.frame(connection, query, STORED).sort("id")


# -- what people ask and say


def open_holds(connection: sa.Connection, day: Day) -> pl.DataFrame:
    """What kept payouts back on `day`: affiliate, currency, kind, figure, bound, run_day.

    The holds of runs up to `day` that were open for the last run up to `day`, in the book's
    numbers; affiliate -1: everybody, currency -1: every currency. Of kind run, the currency is
    where the run was too large; it holds every payout.
    """
    known = _known(connection, day)
    names = ("affiliate", "currency", "kind", "figure", "bound", "run_day")
    query = sa.select(*(hold.c[name] for name in names)).where(hold.c.run_day <= day, _open(known))
    schema = {name: pl.String if name == "kind" else pl.Int64 for name in names}
    return bulk.frame(connection, query, schema).sort("run_day", "kind", "affiliate", "currency")


def _known(connection: sa.Connection, day: Day) -> int:
    """The last intake that the last run up to `day` knew."""
    query = sa.select(sa.func.coalesce(sa.func.max(run.c.intake), 0)).where(run.c.day <= day)
    return int(connection.execute(query).scalar_one())


def _open(known: int) -> sa.ColumnElement[bool]:
    return hold.c.id.not_in(sa.select(release.c.hold).where(release.c.intake <= known))


def listing() -> sa.Select[Any]:
    """The query of holds with their releases, with the columns of LISTED."""
    columns = [hold.c[name] for name in list(LISTED)[:8]]
    return (
        sa.select(
            *columns,
            affiliate.c.affiliate_id,
            currency.c.code,
            currency.c.decimals,
            release.c.intake,
            release.c.reason,
            release.c.up_to,
            intake.c.learned_at,
            intake.c.who,
        )
        .outerjoin(affiliate, affiliate.c.id == hold.c.affiliate)
        .outerjoin(currency, currency.c.id == hold.c.currency)
        .outerjoin(release, release.c.hold == hold.c.id)
        .outerjoin(intake, intake.c.id == release.c.intake)
    )


def listed(connection: sa.Connection, day: Day | None = None) -> pl.DataFrame:
    """Every hold with its release, if it has one, shaped LISTED and by number.

    With `day` those that kept payouts back on that day.
    """
    query = listing()
    if day is not None:
        query = query.where(hold.c.run_day <= day, _open(_known(connection, day)))
    return bulk.frame(connection, query, LISTED).sort("id")


def add_releases(connection: sa.Connection, number: int, releases: Iterable[Release]) -> None:
    """Releases as of intake `number`; the database refuses a second one of a hold."""
    rows: Sequence[dict[str, Any]] = [
        {"hold": each.hold, "intake": number, "reason": each.reason, "up_to": each.up_to}
        for each in releases
    ]
    connection.execute(sa.insert(release), rows)


def misfits(connection: sa.Connection) -> list[str]:
    """Releases that no command can have made: of no hold, of another kind of intake, or known to
    the run that made the hold."""
    query = (
        sa.select(release.c.hold, hold.c.id, hold.c.kind, intake.c.kind, run.c.intake,
                  release.c.intake, release.c.up_to)
        .outerjoin(hold, hold.c.id == release.c.hold)
        .outerjoin(run, run.c.day == hold.c.run_day)
        .outerjoin(intake, intake.c.id == release.c.intake)
        .order_by(release.c.hold)
    )  # fmt: skip
    found = []
    for number, held, kind, learned_as, knew, learned, up_to in connection.execute(query):
        if held is None:
            found.append(f"release of hold {number}: there is no such hold")
        elif learned_as != "release" or knew is None or learned <= knew:
            found.append(f"release of hold {number}: it was not learned after its run")
        elif (up_to == NO_AMOUNT) is (kind == HoldKind.PAYOUT.value):
            found.append(f"release of hold {number}: an amount of {up_to} minor units")
    return found
