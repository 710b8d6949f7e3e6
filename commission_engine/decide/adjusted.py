"""Adjustments among the events of a run: each is one line of its own, beside what the plan says."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from commission_engine.calendar import Ints
from commission_engine.decide.kernel import Decision, Events, Lines

NO_TERMS = -1_000_000
"""In the place of the day on which terms begin: no terms decided this line. Before every date."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Which events of a run are adjustments, and whom they pay; arrays shaped (adjustments,).

    `row` is the event's place among the run's, ascending. What is paid is the event's amount.
    """

    row: Ints
    beneficiary: Ints
    level: Ints
    available_day: Ints

    def __len__(self) -> int:
        return len(self.row)


def with_adjustments(
    events: Events, adjusted: Adjusted, decide: Callable[[Events], Decision]
) -> Decision:
    """All lines of a run in processing order: what `decide` makes of the events that are no
    adjustments, and the adjustments."""
    if not len(adjusted):
        return decide(events)
    rest = np.delete(np.arange(len(events)), adjusted.row)
    decision = decide(events.take(rest))
    lines, own = decision.lines, _lines(events, adjusted)
    joined = Lines(
        np.concatenate([rest[lines.row], own.row]),
        *(
            np.concatenate([getattr(lines, name), getattr(own, name)])
            for name in Lines.__slots__[1:]
        ),
    )
    return Decision(joined.take(np.argsort(joined.row, kind="stable")), decision.advances)


def _lines(events: Events, adjusted: Adjusted) -> Lines:
    amount = events.amount[adjusted.row]
    return Lines(
        row=adjusted.row,
        level=adjusted.level.astype(np.int16),
        beneficiary=adjusted.beneficiary,
        gross=amount,
        commission=amount.copy(),
        reason=np.zeros(len(adjusted), np.int8),
        terms_day=np.full(len(adjusted), NO_TERMS, np.int32),
        available_day=adjusted.available_day.astype(np.int32),
    )
