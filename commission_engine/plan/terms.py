"""The terms of a programme, as frozen records: what is paid to whom, from when, up to how much."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from commission_engine.calendar import Day, Window
from commission_engine.money import Minor, Rate, Rounding, currencies


class Every(StrEnum):
    """How often there is a settlement."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that one key may be paid inside one window, per currency, in minor units.

    A currency that `limit` does not name is not capped.
    """

    window: Window
    limit: Mapping[str, Minor]


@dataclass(frozen=True, slots=True)
class Level:
    """What the `level`-th ancestor of an earner is paid (level 0: the earner).

    `caps` are in the order in which the plan lists them, at most one a window.
    """

    level: int
    rate: Rate
    caps: tuple[Cap, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for orders from `starts` (a local day) until the next terms start."""

    starts: Day
    hold_days: int
    levels: tuple[Level, ...]
    caps: tuple[Cap, ...] = ()
    """Caps over all levels of one beneficiary, in the order of the plan."""


RATE_DAYS = 7
"""Central banks make no rates over Easter from Thursday to Tuesday."""


@dataclass(frozen=True, slots=True)
class Payout:
    """When there is a settlement, and the least it pays per currency, in minor units.

    A payout in another currency takes an exchange rate that is `rate_days` old at most.
    """

    every: Every = Every.DAY
    minimum: Mapping[str, Minor] = field(default_factory=dict)
    rate_days: int = RATE_DAYS


@dataclass(frozen=True)
class Plan:
    """A programme's terms, in the order of their start, and what holds for all of them."""

    name: str
    timezone: str
    rounding: Rounding
    rate_bounds: tuple[Rate, Rate]
    units: Mapping[str, int]
    payout: Payout
    terms: tuple[Terms, ...]

    @cached_property
    def decimals(self) -> Mapping[str, int]:
        """Currency code -> decimals, for ISO 4217 and the plan's own units."""
        return currencies(self.units)

    def terms_on(self, day: Day) -> Terms | None:
        """The terms of an order whose root's local day is `day`; None before the first."""
        begun = [terms for terms in self.terms if terms.starts <= day]
        return begun[-1] if begun else None
