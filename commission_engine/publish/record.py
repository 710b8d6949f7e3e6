"""What the files of a run are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commission_engine.calendar import Day
from commission_engine.plan.terms import Plan


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that the files of one run say.

    The frames are shaped like those of `book.views`: `lines`, `entries` and `refusals` of the
    run, `statements` and `payouts` of its settlement (empty without one), `period_lines` those
    of the statements' period for the documents.
    """

    day: Day
    plan: Plan
    plan_hash: str
    engine_version: str
    settles: bool
    outputs: Mapping[str, Any]
    figures: Mapping[str, Any]
    lines: pl.DataFrame
    entries: pl.DataFrame
    statements: pl.DataFrame
    payouts: pl.DataFrame
    refusals: pl.DataFrame
    period_lines: pl.DataFrame
    labels: Mapping[str, str]
