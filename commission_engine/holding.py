"""What the bounds make of a run: which payouts its settlement keeps back, and the new holds.

A run judges with the bounds of its own night and the releases that it knew, so it comes to the
same whenever it is derived again.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from commission_engine.book import holds as book
from commission_engine.book.connect import Connection
from commission_engine.book.runs import Run
from commission_engine.bounds import Bounds
from commission_engine.calendar import Day
from commission_engine.ledger.holds import (
    in_order,
    large_payouts,
    large_run,
    many_lines,
    withhold,
)
from commission_engine.ledger.post import signed
from commission_engine.plan.terms import Plan


def hold_back(
    connection: Connection,
    bounds: Bounds,
    plan: Plan,
    codes: Sequence[str],
    before: Sequence[Run],
    day: Day,
    known: int,
    posted: pl.DataFrame,
    active: pl.DataFrame,
    statements: pl.DataFrame | None,
) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """The statements of the run of `day` (None: it does not settle) without what is held, and the
    holds that the run adds, shaped ledger.holds.HOLDS and in order.

    `statements` are as if nothing were held; `before` are the completed runs before this one,
    `known` is the last intake that this one knows, `posted` its ENTRIES, `active` its ACTIVITY.
    UsageError where a bound is in a currency that the plan does not know.
    """
    most = bounds.payouts(plan.decimals)
    passed = [
        large_run(bounds, _totals(posted), [_earlier(run, codes) for run in before]),
        many_lines(bounds, active),
    ]
    if statements is None:
        return None, in_order(*passed)
    opened = book.open_before(connection, day, known)
    if most:
        due = statements.filter(pl.col("paid_minor") > 0).select(
            "affiliate", "currency", amount_minor="paid_minor"
        )
        limits = {codes.index(code): minor for code, minor in most.items() if code in codes}
        passed.append(large_payouts(due, limits, book.released(connection, day, known), opened))
    new = in_order(*passed)
    if new.height or opened.height:
        statements = withhold(statements, in_order(opened, new))
    return statements, new


def _totals(posted: pl.DataFrame) -> Mapping[int, int]:
    """What a run's lines come to, by currency."""
    totals = posted.group_by("currency").agg(total=signed().sum()).sort("currency")
    return dict(totals.iter_rows())


def _earlier(run: Run, codes: Sequence[str]) -> Mapping[int, int]:
    """The same of a completed run, from its control totals."""
    return {
        codes.index(code): sums["commission"]
        for code, sums in run.figures["totals"].items()
        if code in codes
    }
