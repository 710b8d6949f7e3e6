"""On which days banks pay: TARGET in Europe, the Federal Reserve in the United States."""

from collections.abc import Callable
from datetime import date, timedelta

from commission_engine.calendar import Day, date_of, day_of

SATURDAY, SUNDAY = 5, 6


def is_target_day(day: Day) -> bool:
    """Whether TARGET is open: no weekend, New Year, Easter, 1 May, Christmas."""
    on = date_of(day)
    if on.weekday() >= SATURDAY or (on.month, on.day) in ((1, 1), (5, 1), (12, 25), (12, 26)):
        return False
    easter = day_of(_easter(on.year))
    return day not in (easter - 2, easter + 1)


def is_fed_day(day: Day) -> bool:
    """Whether the Federal Reserve is open. A holiday on a Sunday is kept on the Monday after it;
    one on a Saturday is not kept."""
    on = date_of(day)
    if on.weekday() >= SATURDAY or _is_fixed(on):
        return False
    if on.weekday() == 0 and _is_fixed(on - timedelta(days=1)):
        return False
    return not _is_moving(on)


def is_any_day(day: Day) -> bool:
    return True


def first_open(day: Day, is_open: Callable[[Day], bool]) -> Day:
    """The first open day from `day` on."""
    while not is_open(day):
        day += 1
    return day


def _is_fixed(on: date) -> bool:
    return (on.month, on.day) in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))


def _is_moving(on: date) -> bool:
    nth = (on.day - 1) // 7 + 1
    if on.weekday() == 0:
        last = (on + timedelta(days=7)).month != on.month
        return (on.month, nth) in ((1, 3), (2, 3), (9, 1), (10, 2)) or (on.month == 5 and last)
    return on.weekday() == 3 and (on.month, nth) == (11, 4)


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by the anonymous algorithm of 1876."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
