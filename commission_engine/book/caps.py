"""What the caps of windows have counted so far, in the book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.schema import cap_total
from commission_engine.calendar import Ints, Window, window_starts
from commission_engine.decide.kernel import SPANNING, Advance, Events, Keys, Scope
from commission_engine.plan.terms import Plan

WINDOWS = tuple(Window)
"""A window is kept as its place here."""


@dataclass(frozen=True, slots=True)
class UsedInBook:
    """The running totals of caps as the book keeps them."""

    connection: sa.Connection

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        return _kept(self.connection, scope, keys).fill_null(0).to_numpy()

    def carried(self, plan: Plan, events: Events) -> tuple[Advance, ...]:
        """All that has been counted in the windows of these events, cap by cap."""
        found = []
        day, first = np.unique(events.root_day, return_index=True)
        for terms in plan.terms:
            by_level = [(level.level, level.caps) for level in terms.levels]
            for level, limits in [*by_level, (SPANNING, terms.caps)]:
                for each in limits:
                    if each.window is not Window.ORDER:
                        starts = window_starts(each.window, day, events.order[first])
                    elif level == SPANNING:
                        starts = events.order
                    else:
                        continue  # it is decided with the order itself
                    scope = Scope(terms.starts, level, each.window)
                    found.append(_carried(self.connection, scope, pl.Series(starts).unique()))
        return tuple(each for each in found if len(each.total))


_FEW = 1_000  # values for a list inside a query; more go into a table
_SPARSE = 20_000  # keys that are looked up one by one; of more, all of their windows are read


def _kept(connection: sa.Connection, scope: Scope, keys: Keys) -> pl.Series:
    """Per key the total that the book has; null for a key never seen."""
    total = cap_total.c
    of_scope = (
        (total.terms_day == scope.terms_day)
        & (total.level == scope.level)
        & (total.cap_window == WINDOWS.index(scope.window))
    )
    any_of_scope = sa.select(sa.literal(1)).select_from(cap_total).where(of_scope).limit(1)
    if connection.execute(any_of_scope).first() is None:
        return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(keys.start))
    query = sa.select(
        total.beneficiary, total.currency, total.window_start, total.total_minor
    ).where(of_scope)
    starts = pl.Series(keys.start, dtype=pl.Int64).unique()
    if len(starts) <= _FEW:
        query = query.where(total.window_start.in_(starts.to_list()))
        column, values = total.beneficiary, pl.Series(keys.beneficiary, dtype=pl.Int64)
    else:
        column, values = total.window_start, starts
    schema = dict.fromkeys(("beneficiary", "currency", "start", "total"), pl.Int64)
    if len(starts) <= _FEW and len(values) > _SPARSE:
        known = bulk.frame(connection, query, schema)
    else:
        with bulk.listed(connection, values) as asked:
            listed = query.join(asked, column == asked.c.value)
            known = bulk.frame(connection, listed, schema)
    asked_for = pl.DataFrame(
        {"beneficiary": keys.beneficiary, "currency": keys.currency, "start": keys.start},
        schema_overrides=dict.fromkeys(("beneficiary", "currency", "start"), pl.Int64),
    )
    return asked_for.join(
        known, on=["beneficiary", "currency", "start"], how="left", maintain_order="left"
    )["total"]


def _carried(connection: sa.Connection, scope: Scope, starts: pl.Series) -> Advance:
    total = cap_total.c
    columns = (total.beneficiary, total.currency, total.window_start, total.total_minor)
    with bulk.listed(connection, starts.cast(pl.Int64)) as asked:
        query = sa.select(*columns).join_from(
            asked, cap_total, total.window_start == asked.c.value
        ).where(
            total.terms_day == scope.terms_day,
            total.level == scope.level,
            total.cap_window == WINDOWS.index(scope.window),
        )  # fmt: skip
        schema = dict.fromkeys(("beneficiary", "currency", "start", "total"), pl.Int64)
        beneficiary, currency, start, sums = bulk.ints(
            bulk.frame(connection, query, schema), *schema
        )
    return Advance(scope, Keys(beneficiary, currency, start), sums)


def advance_caps(connection: sa.Connection, advances: Sequence[Advance]) -> None:
    """Keep the new totals: most keys are new rows, only those that were there are changed."""
    for each in map(_by_window, advances):
        kept = _kept(connection, each.scope, each.keys)
        rows = cap_rows(each)
        new = kept.is_null().to_numpy()
        moved = (kept != pl.Series(each.total)).fill_null(False).to_numpy()
        bulk.insert(connection, cap_total, _chosen(rows, new))
        bulk.update(connection, cap_total, _chosen(rows, moved), "total_minor")


def _by_window(each: Advance) -> Advance:
    """The same in the order of the table's key, in which rows are added fastest."""
    keys = each.keys
    order = np.lexsort((keys.currency, keys.beneficiary, keys.start))
    names = ("beneficiary", "currency", "start")
    return Advance(each.scope, Keys(*(getattr(keys, n)[order] for n in names)), each.total[order])


def _chosen(rows: Mapping[str, Ints], which: npt.NDArray[np.bool_]) -> Mapping[str, Ints]:
    return rows if which.all() else {name: column[which] for name, column in rows.items()}


def cap_rows(each: Advance) -> dict[str, Ints]:
    """The rows of `cap_total` that an advance says."""
    size = len(each.total)
    return {
        "terms_day": np.broadcast_to(np.int64(each.scope.terms_day), size),
        "level": np.broadcast_to(np.int64(each.scope.level), size),
        "cap_window": np.broadcast_to(np.int64(WINDOWS.index(each.scope.window)), size),
        "window_start": each.keys.start,
        "beneficiary": each.keys.beneficiary,
        "currency": each.keys.currency,
        "total_minor": each.total,
    }
