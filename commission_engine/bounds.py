"""Bounds: what is paid only after a person has looked. As configured, and kept with each run.

Everything is exact: a multiple is a decimal fraction, a median of two is compared as their sum.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from commission_engine.money import BadAmount, Minor, Rate, iso_decimals, parse_amount
from commission_engine.problems import UsageError

OFF = "off"

_TIMES = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?", re.ASCII)
_UNIT = re.compile(r"[A-Z0-9_]{1,16}", re.ASCII)
_ONE = Rate(1, 1)
_MOST_RUNS = 1000
_MOST_LINES = 10**12


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that is paid without a person; None or an absent currency: no bound.

    `payout` has amounts as they were written, by currency code: their decimals are the plan's.
    """

    run_times_median: Rate | None = None
    median_of: int = 30
    median_after: int = 7
    payout: Mapping[str, str] = field(default_factory=dict)
    lines_per_beneficiary: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Bounds":
        """From settings by their names, each of which is possible (see `fault`)."""
        times, lines = settings["run_times_median"], settings["lines_per_beneficiary"]
        return cls(
            None if times == OFF else Rate.parse(times),
            settings["median_of"],
            settings["median_after"],
            {} if settings["payout"] == OFF else dict(settings["payout"]),
            None if lines == OFF else lines,
        )

    @property
    def record(self) -> str:
        """The bounds that are on, as canonical JSON."""
        record: dict[str, Any] = {}
        if self.run_times_median is not None:
            record |= {"run_times_median": str(self.run_times_median)}
            record |= {"median_of": self.median_of, "median_after": self.median_after}
        if self.payout:
            record |= {"payout": dict(self.payout)}
        if self.lines_per_beneficiary is not None:
            record |= {"lines_per_beneficiary": self.lines_per_beneficiary}
        return json.dumps(record, sort_keys=True)

    @classmethod
    def from_record(cls, record: str) -> "Bounds":
        off = {"run_times_median": OFF, "median_of": 30, "median_after": 7}
        off |= {"payout": OFF, "lines_per_beneficiary": OFF}
        return cls.of(off | json.loads(record))

    def payouts(self, decimals: Mapping[str, int]) -> Mapping[str, Minor]:
        """The largest payout by currency code; UsageError for one that the plan does not know."""
        for code, amount in self.payout.items():
            if code not in decimals:
                raise UsageError(
                    f"bounds.payout: {code} is no currency of the plan",
                    "Correct the setting, or declare the unit in the plan's [units].",
                )
            if wrong := _fault_of_amount(amount, decimals[code]):
                raise UsageError(
                    f"bounds.payout: {code}: {wrong}", "`commission config show` lists all."
                )
        return MappingProxyType(
            {code: parse_amount(amount, decimals[code]) for code, amount in self.payout.items()}
        )

    def most_of_run(self, earlier: Sequence[Minor]) -> tuple[Minor, int, Minor] | None:
        """The most that a run's commission may be after the `earlier` ones, the last one last;
        of how many of them; and twice their median. None: it is not judged.

        Only totals above zero count, and only whole units: what is not above the first of these
        numbers is not above the multiple itself.
        """
        counted = sorted([total for total in earlier if total > 0][-self.median_of :])
        if self.run_times_median is None or len(counted) < self.median_after:
            return None
        middle = len(counted) // 2
        twice = counted[middle] + counted[-1 - middle]
        most = self.run_times_median.parts * twice // (2 * self.run_times_median.scale)
        return most, len(counted), twice


def fault(name: str, value: Any) -> str:
    """What is wrong with the value of the setting `bounds.<name>`, and what would be right."""
    if name == "run_times_median":
        good = value == OFF or (isinstance(value, str) and _is_multiple(value))
        wanted = 'neither "off" nor a decimal of 1 or more in quotes, such as "5" or "2.5"'
        return "" if good else f"{value!r} is {wanted}"
    if name == "payout":
        return _fault_of_payout(value)
    if name == "lines_per_beneficiary":
        good = value == OFF or _is_number(value, _MOST_LINES)
        return "" if good else f'{value!r} is neither "off" nor a whole number from 1 on'
    good = _is_number(value, _MOST_RUNS)
    return "" if good else f"{value!r} is not a whole number from 1 to {_MOST_RUNS}"


def _is_multiple(text: str) -> bool:
    return _TIMES.fullmatch(text) is not None and _ONE.at_most(Rate.parse(text))


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _fault_of_payout(value: Any) -> str:
    if value == OFF:
        return ""
    if not isinstance(value, Mapping):
        return f'{value!r} is neither "off" nor amounts by currency, such as {{ USD = "10000.00" }}'
    for code, amount in value.items():
        if not _UNIT.fullmatch(code):
            return f"{code!r} is no currency; write its code, such as USD"
        if wrong := _fault_of_amount(amount, iso_decimals().get(code)):
            return f"{code}: {wrong}"
    return ""


def _fault_of_amount(amount: Any, decimals: int | None) -> str:
    """`decimals` None: of a currency that only a plan knows."""
    if not isinstance(amount, str):
        return f'{amount!r} is not an amount in quotes, such as "10000"'
    try:
        minor = parse_amount(amount, _fraction(amount) if decimals is None else decimals)
    except BadAmount as why:
        return str(why)
    return f"{amount!r} is below zero" if minor < 0 or amount.startswith("-") else ""


def _fraction(amount: str) -> int:
    return len(amount.partition(".")[2])
