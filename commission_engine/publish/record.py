"""What the files of a run are made from."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from commission_engine.calendar import Day
from commission_engine.ledger.convert import CONVERTED, LEGS
from commission_engine.plan.terms import Plan
from commission_engine.publish.folder import Made

LinesPart = tuple[pl.DataFrame, pl.DataFrame]
"""Events of a run in processing order (event_id, order_id, occurred_us, earner, currency,
base_minor), and their lines (row, level, beneficiary, gross_minor, commission_minor, reason,
terms_day, available_day). `row` is an event's place in the first frame, `earner` and
`beneficiary` are places in the record's affiliates, `currency` one in its currencies, `reason`
one in `decide.kernel.REASONS`."""


@dataclass(frozen=True, slots=True)
class RunLines:
    """A run's lines, with what is needed to say them: `parts` gives them in processing order,
    whenever it is gone through; they are `count`. `affiliates` are text ids, `currencies` has code
    and decimals."""

    day: Day
    plan: Plan
    parts: Iterable[LinesPart]
    count: int
    affiliates: pl.Series
    currencies: pl.DataFrame


RETURNED = pl.Schema(
    {
        "booked_day": pl.Int64,
        "run_day": pl.Int64,
        "affiliate_id": pl.String,
        "currency": pl.String,
        "decimals": pl.Int64,
        "amount_minor": pl.Int64,
    }
)
"""A payout of the run of `run_day` whose money came back by the run of `booked_day`."""


CONVERSIONS = pl.Schema([*CONVERTED.items(), ("rate_day", pl.Int64()), ("source", pl.String())])
"""What a payout of the run has come to in another currency."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that the files of one run say.

    `entries` and `refusals` are
    shaped like those of `book.views`, `statements` and `payouts` are those of the run's settlement
    (empty without one), all sorted by affiliate and currency. `returned` has the payouts of before
    whose money came back since the last settlement (RETURNED), `conversions` those that are paid in
    another currency (CONVERSIONS), `exchanged` the entries between currencies (LEGS). For the
    documents, `period_lines` gives the lines of the statements' period of these affiliates,
    `labels` the names of these, and `reasons` why the adjustments of these event ids were made,
    `rendered` the documents of these affiliates in formats that are no CSV.
    `anchor` is that of the audit trail; None for a run that is older than the trail.
    """

    lines: RunLines
    plan_hash: str
    engine_version: str
    settles: bool
    outputs: Mapping[str, Any]
    figures: Mapping[str, Any]
    entries: pl.DataFrame
    statements: pl.DataFrame
    payouts: pl.DataFrame
    refusals: pl.DataFrame
    period_lines: Callable[[pl.Series], pl.DataFrame]
    labels: Callable[[pl.Series], Mapping[str, str]]
    anchor: Mapping[str, Any] | None = None
    returned: pl.DataFrame = field(default_factory=RETURNED.to_frame)
    conversions: pl.DataFrame = field(default_factory=CONVERSIONS.to_frame)
    exchanged: pl.DataFrame = field(default_factory=LEGS.to_frame)
    reasons: Callable[[pl.Series], Mapping[str, str]] = lambda ids: {}
    rendered: Callable[[pl.Series, Sequence[str]], Iterator[Made]] = lambda ids, formats: iter(())

    @property
    def day(self) -> Day:
        return self.lines.day

    @property
    def plan(self) -> Plan:
        return self.lines.plan
