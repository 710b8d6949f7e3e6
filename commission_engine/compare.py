"""How a night differs from the one before it: figures, sums, and who got much more or less."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from commission_engine.book import runs, views
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day
from commission_engine.ledger.accounts import SIDES, Account
from commission_engine.ledger.post import signed

MOST = 10
"""Affiliates whose changes are named, in each currency."""

OF_LINES = [int(kind) for kind, sides in SIDES.items() if Account.COMMISSION_EXPENSE in sides]
"""The kinds of entry that come from lines."""


class Change(NamedTuple):
    """A figure of two nights, in minor units where it is an amount."""

    before: int
    now: int

    @property
    def by(self) -> int:
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class Differences:
    """A night beside the completed run of `day` before it.

    `counts` by name, `totals` by currency and name. `people` are those affiliates whose commission
    changed most, of each currency MOST at most: currency, decimals, affiliate_id, before_minor,
    now_minor, change_minor; by currency and size.
    """

    day: Day
    counts: Mapping[str, Change]
    totals: Mapping[str, Mapping[str, Change]]
    people: pl.DataFrame


def beside_last(connection: Connection, run: runs.Run) -> Differences | None:
    """`run`, as it stands in the book, beside the one that it follows; None for the first."""
    before = [each for each in runs.completed(connection) if each.day == run.follows]
    if not before:
        return None
    (last,) = before
    return Differences(
        last.day,
        _changes(last.figures["counts"], run.figures["counts"]),
        {
            code: _changes(
                last.figures["totals"].get(code, {}), run.figures["totals"].get(code, {})
            )
            for code in sorted({*last.figures["totals"], *run.figures["totals"]})
        },
        _people(connection, last.day, run.day),
    )


def _changes(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, Change]:
    names = dict.fromkeys((*now, *before))
    return {name: Change(before.get(name, 0), now.get(name, 0)) for name in names}


def _people(connection: Connection, last: Day, day: Day) -> pl.DataFrame:
    account = ("currency", "decimals", "affiliate_id")
    sides = [
        _commission(connection, each).rename({"minor": name})
        for each, name in ((last, "before_minor"), (day, "now_minor"))
    ]
    both = sides[0].join(sides[1], on=account, how="full", coalesce=True)
    amounts: Any = pl.col("before_minor", "now_minor").fill_null(0)
    changed = both.with_columns(amounts).with_columns(
        change_minor=pl.col("now_minor") - pl.col("before_minor")
    )
    size = pl.col("change_minor").abs()
    return (
        changed.filter(size > 0)
        .sort("currency", size, "affiliate_id", descending=[False, True, False])
        .group_by("currency", maintain_order=True)
        .head(MOST)
        .select(*account, "before_minor", "now_minor", "change_minor")
    )


def _commission(connection: Connection, day: Day) -> pl.DataFrame:
    """Per account what the lines of a run came to."""
    entries = views.entries(connection, *views.between(views.ENTRY, day, day))
    booked = entries.filter(pl.col("kind").is_in(OF_LINES))
    sums = booked.with_columns(amount=signed()).group_by("currency", "decimals", "affiliate_id")
    return sums.agg(minor=pl.col("amount").sum())
