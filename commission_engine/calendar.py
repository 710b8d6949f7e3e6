"""Days, zones and windows, as whole numbers. No clock: time is always an argument.

A day is its number since 1970-01-01 (a Thursday), an instant its microseconds since then in UTC.
Zone rules come from the tzdata package, so that they are the same on every machine.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Day: TypeAlias = int
Instant: TypeAlias = int
Ints: TypeAlias = npt.NDArray[np.int64]

EPOCH = date(1970, 1, 1)
DAY_US = 86_400_000_000
BEGINNING: Instant = -(2**62)
"""The instant of an empty `since`: before everything."""

# Outside these days Python's datetime cannot express every local time; offsets there follow
# the yearly rule of the nearest day inside.
_FIRST_DAY = date(2, 1, 1).toordinal() - EPOCH.toordinal()
_LAST_DAY = date(9998, 12, 31).toordinal() - EPOCH.toordinal()


class Window(StrEnum):
    """What a cap is counted over."""

    ORDER = "order"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    LIFETIME = "lifetime"


_LINE_OF_CALENDAR = (
    Window.ORDER,
    Window.DAY,
    Window.MONTH,
    Window.QUARTER,
    Window.YEAR,
    Window.LIFETIME,
)
_LINE_OF_WEEKS = (Window.ORDER, Window.DAY, Window.WEEK, Window.LIFETIME)


def nests(inner: Window, outer: Window) -> bool:
    """Whether every `inner` window lies whole inside one `outer` window (or is it)."""
    return any(
        inner in line and outer in line and line.index(inner) <= line.index(outer)
        for line in (_LINE_OF_CALENDAR, _LINE_OF_WEEKS)
    )


def day_of(when: date) -> Day:
    return when.toordinal() - EPOCH.toordinal()


def date_of(day: Day) -> date:
    return EPOCH + timedelta(days=day)


def iso_instant(instant: Instant) -> str:
    """ISO 8601 in UTC, with a fraction only where there is one; "" for the beginning of time."""
    if instant == BEGINNING:
        return ""
    seconds, micros = divmod(instant, 1_000_000)
    whole = np.datetime_as_string(np.datetime64(seconds, "s"))
    return f"{whole}.{micros:06d}Z" if micros else f"{whole}Z"


def window_starts(window: Window, days: Ints, orders: Ints) -> Ints:
    """Per row, the number that tells its window from others: a day, an order, or 0.

    `days` are local days of the orders' roots, `orders` their keys; both shaped (rows,).
    """
    if window is Window.ORDER:
        return orders
    if window is Window.DAY:
        return days
    if window is Window.WEEK:
        return days - (days + 3) % 7
    if window is Window.LIFETIME:
        return np.zeros_like(days)
    low, high = int(days.min(initial=_LAST_DAY)), int(days.max(initial=_FIRST_DAY))
    if high - low < len(days):  # fewer days than rows: each day's window is looked up once
        return _calendar_starts(window, np.arange(low, high + 1))[days - low]
    return _calendar_starts(window, days)


def _calendar_starts(window: Window, days: Ints) -> Ints:
    """The first days of the months, quarters or years of `days`."""
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    length = {Window.MONTH: 1, Window.QUARTER: 3, Window.YEAR: 12}[window]
    return (
        (months - months % length).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    )


class UnknownZone(ValueError):
    """Not a zone of the IANA time zone database."""


class Zone:
    """A time zone of the IANA database."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._zone = _load(name)

    @property
    def rules(self) -> tzinfo:
        """For local times as people say them; the same rules on every machine."""
        return self._zone

    def local_days(self, instants: Ints) -> Ints:
        """The local day of each instant; shaped like `instants`."""
        seconds = instants // 1_000_000
        days = seconds // 86_400
        low, high = int(days.min(initial=_LAST_DAY)), int(days.max(initial=_FIRST_DAY))
        if high - low < len(days):  # fewer days than rows
            utc_days, place = np.arange(low, high + 1), days - low
        else:
            utc_days, place = np.unique(days, return_inverse=True)
        first = np.array([self._offset(int(d) * 86_400) for d in utc_days], np.int64)
        last = np.array([self._offset(int(d) * 86_400 + 86_399) for d in utc_days], np.int64)
        if len(first) and (first == first[0]).all() and (last == first[0]).all():
            offsets: Ints = first[:1]
        else:
            offsets = first[place]
        for turn in np.flatnonzero(first != last):
            change = self._change(int(utc_days[turn]))
            offsets[(place == turn) & (seconds >= change)] = last[turn]
        return (seconds + offsets) // 86_400

    def local_day(self, instant: Instant) -> Day:
        return int(self.local_days(np.array([instant], np.int64))[0])

    def noon(self, day: Day) -> Instant:
        """An instant about the middle of a local day: of that day, whatever the clocks do."""
        second = day * 86_400 + 43_200
        return (second - self._offset(second)) * 1_000_000

    def _offset(self, second: int) -> int:
        """Seconds east of UTC at a UTC second."""
        day, rest = divmod(second, 86_400)
        day = min(max(day, _FIRST_DAY), _LAST_DAY)
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=rest)
        offset = at.astimezone(self._zone).utcoffset()
        return int((offset or timedelta()).total_seconds())

    def _change(self, utc_day: Day) -> int:
        """The UTC second inside `utc_day` at which the offset changes."""
        low, high = utc_day * 86_400, utc_day * 86_400 + 86_399
        before = self._offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle) == before:
                low = middle
            else:
                high = middle
        return high


@cache
def _load(name: str) -> ZoneInfo:
    *folders, last = name.split("/")
    package = ".".join(["tzdata.zoneinfo", *folders])
    try:
        with resources.files(package).joinpath(last).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (ModuleNotFoundError, FileNotFoundError, IsADirectoryError, ValueError, OSError) as why:
        raise UnknownZone(name) from why
