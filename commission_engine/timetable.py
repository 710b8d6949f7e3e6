"""When nights run, and what belongs to one: the settings `[schedule]`, checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from commission_engine.calendar import Day, UnknownZone, Zone, day_of

PLAN = "plan"
NAMES = ("at", "zone", "input", "first", "most_days", "verify", "look_seconds")
WHOLE = {"most_days": 3660, "look_seconds": 3600}
"""The settings that are whole numbers from 1 on, each with its most."""

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Timetable:
    """A night begins at `at` in `zone` (PLAN: the plan's) and may then run the date before.

    `input` is the folder that each night is given ("": none), `first` the first business date of
    an empty book (None: the one that is due), `most_days` how many dates are caught up with
    without a person; `verify`: each night proves the book; `look_seconds`: how long at most until
    what became due is seen.
    """

    at: time
    zone: str = PLAN
    input: str = ""
    first: Day | None = None
    most_days: int = 31
    verify: bool = True
    look_seconds: int = 60

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Timetable":
        """From settings by their names, each of which is possible (see `fault`)."""
        first = _date(settings["first"])
        return cls(
            at=time.fromisoformat(settings["at"]),
            zone=settings["zone"],
            input=settings["input"],
            first=None if first is None else day_of(first),
            most_days=settings["most_days"],
            verify=settings["verify"],
            look_seconds=settings["look_seconds"],
        )


def fault(name: str, value: Any) -> str:
    """What is wrong with the value of the setting `schedule.<name>`, and what would be right."""
    if name == "at":
        good = isinstance(value, str) and _TIME.fullmatch(value) is not None
        return "" if good else f'{value!r} is not a time of day in quotes, such as "02:30"'
    if name == "zone":
        good = isinstance(value, str) and (value == PLAN or _is_zone(value))
        return "" if good else f'{value!r} is neither "{PLAN}" nor a zone such as "Europe/Berlin"'
    if name == "input":
        return "" if isinstance(value, str) else f"{value!r} is not the name of a folder"
    if name == "first":
        good = value == "" or _date(value) is not None
        return "" if good else f"{value!r} is not a day, such as 2026-11-20"
    if name == "verify":
        return "" if isinstance(value, bool) else f"{value!r} is neither true nor false"
    most = WHOLE[name]
    good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
    return "" if good else f"{value!r} is not a whole number from 1 to {most}"


def _is_zone(name: str) -> bool:
    try:
        Zone(name)
    except UnknownZone:
        return False
    return True


def _date(value: Any) -> date | None:
    """TOML knows days of its own; None for what is no day."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None
