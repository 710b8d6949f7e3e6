"""Windows, zones and instants, against Python's own calendar."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import product
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.calendar import (
    BEGINNING,
    DAY_US,
    UnknownZone,
    Window,
    Zone,
    date_of,
    day_of,
    iso_instant,
    nests,
    window_starts,
)

STEADY = settings(deadline=None, derandomize=True, database=None)
"""The same examples every time, however busy the machine is."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def us(text: str) -> int:
    """The instant of an ISO 8601 text."""
    return (datetime.fromisoformat(text) - EPOCH) // MICROSECOND


# -- windows


def start_of(window: Window, when: date) -> date:
    """The first day of the window that a day is in, as a calendar on a wall has it."""
    return {
        Window.DAY: when,
        Window.WEEK: when - timedelta(days=when.weekday()),
        Window.MONTH: when.replace(day=1),
        Window.QUARTER: when.replace(month=(when.month - 1) // 3 * 3 + 1, day=1),
        Window.YEAR: when.replace(month=1, day=1),
    }[window]


@pytest.mark.parametrize(
    "window", [Window.DAY, Window.WEEK, Window.MONTH, Window.QUARTER, Window.YEAR]
)
@pytest.mark.parametrize(("first", "years"), [(1950, 90), (1, 5), (1582, 3), (9995, 5)])
def test_windows_start_where_the_calendar_says(window: Window, first: int, years: int) -> None:
    start = day_of(date(first, 1, 8))
    days = np.arange(start, day_of(date(first + years - 1, 12, 31)) + 1)
    wanted = [day_of(start_of(window, date_of(int(day)))) for day in days]
    assert window_starts(window, days, days * 0).tolist() == wanted


def test_an_order_is_its_own_window_and_a_lifetime_is_one() -> None:
    days, orders = np.array([-5, 0, 20_000]), np.array([7, 2**62, 7])
    assert window_starts(Window.ORDER, days, orders).tolist() == [7, 2**62, 7]
    assert window_starts(Window.LIFETIME, days, orders).tolist() == [0, 0, 0]


NESTED = """
          order day week month quarter year lifetime
order     yes   yes yes  yes   yes     yes  yes
day       .     yes yes  yes   yes     yes  yes
week      .     .   yes  .     .       .    yes
month     .     .   .    yes   yes     yes  yes
quarter   .     .   .    .     yes     yes  yes
year      .     .   .    .     .       yes  yes
lifetime  .     .   .    .     .       .    yes
"""


def test_which_windows_lie_inside_which() -> None:
    header, *rows = (line.split() for line in NESTED.strip().splitlines())
    table = {
        (row[0], outer): word == "yes"
        for row in rows
        for outer, word in zip(header, row[1:], strict=False)
    }
    assert table == {(str(i), str(o)): nests(i, o) for i, o in product(Window, Window)}


@pytest.mark.parametrize(("inner", "outer"), list(product(list(Window)[1:], repeat=2)))
def test_windows_lie_inside_each_other_on_the_calendar(inner: Window, outer: Window) -> None:
    """Brute force: days in one inner window are never in two outer ones."""
    days = np.arange(day_of(date(2019, 1, 1)), day_of(date(2031, 1, 1)))
    inside = window_starts(inner, days, days)
    around = window_starts(outer, days, days)
    pairs = np.unique(np.stack([inside, around]), axis=1)
    assert nests(inner, outer) == (pairs.shape[1] == np.unique(inside).size)


# -- zones


def zones() -> list[str]:
    """The zones that the tzdata package has; a system may know more."""
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    return sorted(available_timezones() & set(listed))


def instants_of(zone: ZoneInfo, random: Random) -> Iterator[int]:
    """Any time, and around the zone's local midnights on days whose offsets change."""
    low, high = us("0001-01-03T00:00:00+00:00"), us("9999-12-29T00:00:00+00:00")
    for _ in range(6):
        yield random.randrange(low, high)
    for _ in range(30):
        yield random.randrange(us("1880-01-01T00:00:00+00:00"), us("2040-01-01T00:00:00+00:00"))
    first = datetime(random.randrange(1890, 2037), 1, 1, tzinfo=UTC)
    for day in (first + timedelta(days=n) for n in range(366)):
        later = day + timedelta(days=1)
        if day.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            start = (day - EPOCH) // MICROSECOND
            yield from (random.randrange(start - DAY_US, start + 2 * DAY_US) for _ in range(20))


def wanted_day(zone: ZoneInfo, instant: int) -> int:
    return day_of((EPOCH + instant * MICROSECOND).astimezone(zone).date())


def test_every_zone_has_the_days_of_zoneinfo() -> None:
    names, random = zones(), Random(4217)
    assert len(names) > 550
    for name in names:
        with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            rules = ZoneInfo.from_file(file, key=name)
        instants = sorted(set(instants_of(rules, random)))
        got = Zone(name).local_days(np.array(instants)).tolist()
        assert got == [wanted_day(rules, instant) for instant in instants], name


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("UTC", "2026-01-31T23:59:59.999999+00:00", "2026-01-31"),
        ("UTC", "2026-02-01T00:00:00+00:00", "2026-02-01"),
        ("Europe/Berlin", "2026-01-31T22:59:59.999999+00:00", "2026-01-31"),
        ("Europe/Berlin", "2026-01-31T23:00:00+00:00", "2026-02-01"),
        ("Europe/Berlin", "2026-06-30T22:00:00+00:00", "2026-07-01"),
        # Mean solar time had odd seconds: Berlin was ahead by 0:53:28.
        ("Europe/Berlin", "1890-12-31T23:06:31.999999+00:00", "1890-12-31"),
        ("Europe/Berlin", "1890-12-31T23:06:32+00:00", "1891-01-01"),
        ("America/New_York", "1880-01-01T04:56:01.999999+00:00", "1879-12-31"),
        ("America/New_York", "1880-01-01T04:56:02+00:00", "1880-01-01"),
        ("Asia/Kolkata", "1853-01-01T18:06:32+00:00", "1853-01-02"),
        # At 00:01 on 7 November 2010 clocks in St John's went back to 23:01 of the 6th.
        ("America/St_Johns", "2010-11-07T02:29:59+00:00", "2010-11-06"),
        ("America/St_Johns", "2010-11-07T02:30:00+00:00", "2010-11-07"),
        ("America/St_Johns", "2010-11-07T02:30:59.999999+00:00", "2010-11-07"),
        ("America/St_Johns", "2010-11-07T02:31:00+00:00", "2010-11-06"),
        ("America/St_Johns", "2010-11-07T03:29:59.999999+00:00", "2010-11-06"),
        ("America/St_Johns", "2010-11-07T03:30:00+00:00", "2010-11-07"),
        # Samoa crossed the date line: 29 December 2011 was followed by the 31st.
        ("Pacific/Apia", "2011-12-30T09:59:59.999999+00:00", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00+00:00", "2011-12-31"),
        # The ends of the calendar: files hold instants of the years 1 to 9999.
        ("UTC", "0001-01-01T00:00:00+00:00", "0001-01-01"),
        ("Europe/Berlin", "0001-01-01T00:00:00+00:00", "0001-01-01"),
        ("UTC", "9999-12-31T23:59:59.999999+00:00", "9999-12-31"),
        ("America/New_York", "9999-12-31T23:59:59.999999+00:00", "9999-12-31"),
        ("America/New_York", "9999-12-31T04:59:59.999999+00:00", "9999-12-30"),
    ],
)  # fmt: skip
def test_an_instant_has_its_local_day(zone: str, instant: str, day: str) -> None:
    assert date_of(Zone(zone).local_day(us(instant))).isoformat() == day


def test_days_may_lie_beside_the_years_that_dates_have() -> None:
    """The last midnight of year 9999 is already the year 10000 in Berlin, as a number of days."""
    last = us("9999-12-31T23:30:00+00:00")
    assert Zone("Europe/Berlin").local_day(last) == day_of(date(9999, 12, 31)) + 1
    first = us("0001-01-01T00:30:00+00:00")
    assert Zone("America/New_York").local_day(first) == day_of(date(1, 1, 1)) - 1


@pytest.mark.parametrize(
    "name",
    [
        "", "Europe", "Europe/", "Europe/Bonn", "Mars/Base", "/etc/passwd", "..", "../tzdata",
        "Europe/../Europe/Berlin", "Europe//Berlin", ".", "__init__.py", "tzdata.zi", "UTC+1",
        "\x00", "a" * 300, "Europe/Berlin\n", "zone1970.tab",
    ],
)  # fmt: skip
def test_what_the_database_does_not_have_is_no_zone(name: str) -> None:
    with pytest.raises(UnknownZone):
        Zone(name)


# -- instants


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2026-11-20T00:00:00+00:00", "2026-11-20T00:00:00Z"),
        ("2026-11-20T01:02:03.000004+00:00", "2026-11-20T01:02:03.000004Z"),
        ("2026-11-20T01:02:03.500000+00:00", "2026-11-20T01:02:03.500000Z"),
        ("2026-11-20T01:02:03+02:00", "2026-11-19T23:02:03Z"),
        ("1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_printed_in_utc(text: str, printed: str) -> None:
    assert iso_instant(us(text)) == printed


def test_the_beginning_of_time_is_printed_as_nothing() -> None:
    assert iso_instant(BEGINNING) == ""


@STEADY
@given(st.integers(us("0001-01-01T00:00:00+00:00"), us("9999-12-31T23:59:59.999999+00:00")))
def test_an_instant_is_read_as_it_is_printed(instant: int) -> None:
    assert us(iso_instant(instant)) == instant


@STEADY
@given(st.dates())
def test_a_day_is_its_number(when: date) -> None:
    assert date_of(day_of(when)) == when
    assert day_of(when) == (when - date(1970, 1, 1)).days
