"""Nights begin once a local day, in every zone: proved around every change of its clocks.

    python tests/test_trigger.py

looks at every day of 2020 to 2040 instead, which takes some minutes.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from hashlib import sha256
from importlib import resources
from itertools import islice, pairwise, takewhile

import pytest
from apscheduler.triggers.base import BaseTrigger

from commission_engine.calendar import Zone, date_of
from jobs.trigger import Every, Nights

FROM, UPTO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TIMES = [time(half // 2, 30 * (half % 2)) for half in range(8)]  # 00:00, 00:30, ... 03:30


@dataclass(frozen=True)
class Change:
    """The first instant of another offset, and both offsets."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def kind(self) -> tuple[timedelta, timedelta, time]:
        """Changes of one kind look the same on the wall."""
        return self.before, self.after, (self.at + self.before).time()


@cache
def all_zones() -> dict[str, tuple[Change, ...]]:
    """Every name of the IANA database with the changes of its clocks, 2020 to 2040."""
    folder = resources.files("tzdata")
    names = folder.joinpath("zones").read_text("utf-8").split()
    same: dict[bytes, tuple[Change, ...]] = {}
    found = {}
    for name in names:
        rules = sha256(folder.joinpath("zoneinfo", *name.split("/")).read_bytes()).digest()
        if rules not in same:
            same[rules] = tuple(changes(Zone(name)))
        found[name] = same[rules]
    return found


def changes(zone: Zone) -> Iterator[Change]:
    """By looking twice a day, and halving where something has changed."""

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(zone.rules).utcoffset() or timedelta()

    low, before = FROM, offset(FROM)
    while low < UPTO:
        high = low + DAY / 2
        after = offset(high)
        if after != before:
            near, far = low, high
            while far - near > timedelta(seconds=1):
                middle = near + (far - near) // 2
                middle -= timedelta(microseconds=middle.microsecond)
                near, far = (middle, far) if offset(middle) == before else (near, middle)
            yield Change(far, before, after)
        low, before = high, after


def zones_of_a_kind() -> dict[tuple[Change, ...], str]:
    """One name for each list of changes; the empty one too."""
    return {each: name for name, each in all_zones().items()}


def faults(at: time, zone: Zone, since: datetime, upto: datetime) -> list[str]:
    """Where the nights between two instants are not one for each local day, at its time."""
    nights = Nights(at, zone)
    begins = [*takewhile(lambda each: each < upto, nights.since(since))]
    local = [each.astimezone(zone.rules) for each in begins]
    said = [
        f"{zone.name} {at}: after {one} comes {other}"
        for one, other in pairwise(local)
        if other.date() - one.date() != DAY
    ]
    return said + [
        f"{zone.name} {at}: {each} fold {each.fold}"
        for each in local
        if each.fold or (each.time() != at and not just_after_a_gap(each, at))
    ]


def just_after_a_gap(begin: datetime, at: time) -> bool:
    """Whether the clock went forward over `at`, and this is the next moment."""
    before = (begin.astimezone(UTC) - timedelta(seconds=1)).astimezone(begin.tzinfo)
    return before.replace(tzinfo=None) < datetime.combine(begin, at) < begin.replace(tzinfo=None)


def test_every_zone_of_the_database_is_looked_at() -> None:
    zones = all_zones()
    assert len(zones) > 590
    # Lord Howe changes by half an hour, Beirut over midnight, Troll by two hours.
    assert {after - before for each in zones.values() for before, after in
            ((c.before, c.after) for c in each)} >= {
        timedelta(minutes=30), -timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2),
    }  # fmt: skip
    assert any(c.kind[2] == time(0) for c in zones["Asia/Beirut"])


def test_around_every_change_of_clocks_each_local_day_has_one_night() -> None:
    """Three days before a change and after it; further away a day is like any other."""
    said: list[str] = []
    looked = set()
    for each, name in zones_of_a_kind().items():
        for change in each:
            near = tuple(c for c in each if abs(c.at - change.at) < 10 * DAY)
            if near not in looked:
                looked.add(near)
                for at in TIMES:
                    said += faults(at, Zone(name), change.at, change.at + 3 * DAY)
    assert said == []
    assert len(looked) > 500


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
def test_between_the_changes_every_day_has_one_night(name: str) -> None:
    assert [said for at in TIMES for said in faults(at, Zone(name), FROM, UPTO)] == []


def one_of_each_kind() -> dict[tuple[timedelta, timedelta, time], tuple[str, Change]]:
    return {c.kind: (name, c) for each, name in zones_of_a_kind().items() for c in each}


def test_at_any_moment_near_a_change_the_night_before_and_the_next_are_known() -> None:
    """A scheduler may be started, or its clock set, in the hour that comes twice."""
    kinds = one_of_each_kind()
    assert len(kinds) > 40
    for name, change in kinds.values():
        for at in (time(0), time(1, 30), time(2, 30)):
            nights = Nights(at, Zone(name))
            begins = [*islice(nights.since(change.at), 7)]
            for minutes in (-61, -1, 0, 30, 60, 89):
                moment = change.at + timedelta(minutes=minutes)
                past = [each for each in begins if each <= moment]
                assert nights.upto(moment) == past[-1], (name, at, moment)
                assert nights.after(moment) == begins[len(past)], (name, at, moment)


def berlin(at: str) -> Nights:
    return Nights(time.fromisoformat(at), Zone("Europe/Berlin"))


def fires(trigger: BaseTrigger, now: str, number: int) -> list[str]:
    """What a scheduler makes of a trigger that is always seen to in time."""
    previous, moment, told = None, datetime.fromisoformat(now), []
    for _ in range(number):
        previous = moment = trigger.get_next_fire_time(previous, moment)
        told.append(f"{moment:%m-%d %H:%M}")
    return told


def test_the_hour_that_is_not_there_and_the_hour_that_is_there_twice() -> None:
    assert fires(berlin("02:30"), "2026-03-27T12:00Z", 3) == [
        "03-28 01:30", "03-29 01:00", "03-30 00:30",
    ]  # fmt: skip
    assert fires(berlin("00:30"), "2026-03-28T12:00Z", 3) == [
        "03-28 23:30", "03-29 22:30", "03-30 22:30",
    ]  # fmt: skip
    assert fires(berlin("02:30"), "2026-10-24T12:00Z", 3) == [
        "10-25 00:30", "10-26 01:30", "10-27 01:30",
    ]  # fmt: skip


def test_a_start_in_the_second_of_the_two_hours_does_not_begin_the_night_again() -> None:
    assert fires(berlin("02:30"), "2026-10-25T01:15Z", 1) == ["10-26 01:30"]


def test_a_scheduler_that_slept_is_told_the_next_night_and_not_those_it_slept_through() -> None:
    nights = berlin("02:30")
    slept = nights.get_next_fire_time(moment("2026-01-05T01:30"), moment("2026-02-01T12:00"))
    assert slept == moment("2026-02-02T01:30")


def test_a_clock_set_back_does_not_begin_a_night_again() -> None:
    nights = berlin("02:30")
    again = nights.get_next_fire_time(moment("2026-01-05T01:30"), moment("2026-01-05T00:10"))
    assert again == moment("2026-01-06T01:30")


def moment(text: str, zone: timezone = UTC) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "programme", "due"),
    [
        # Half past two in Berlin is half past twelve in Sydney, and half past five in Los Angeles
        # of the day before (in winter).
        ("2026-01-06T01:29", "Europe/Berlin", "2026-01-04"),
        ("2026-01-06T01:30", "Europe/Berlin", "2026-01-05"),
        ("2026-01-06T01:30", "Australia/Sydney", "2026-01-05"),
        ("2026-01-06T01:30", "America/Los_Angeles", "2026-01-04"),
        ("2026-03-29T00:59", "Europe/Berlin", "2026-03-27"),
        ("2026-03-29T01:00", "Europe/Berlin", "2026-03-28"),
        ("2026-10-25T00:30", "Europe/Berlin", "2026-10-24"),
        ("2026-10-25T01:10", "Europe/Berlin", "2026-10-24"),
    ],
)
def test_the_date_that_is_due_is_the_day_before_in_the_zone_of_the_programme(
    now: str, programme: str, due: str
) -> None:
    found = berlin("02:30").due(moment(now), Zone(programme))
    assert date_of(found) == date.fromisoformat(due)


def test_a_day_that_a_zone_left_out_is_due_with_the_one_before() -> None:
    """Samoa went from 29 to 31 December 2011."""
    apia = Zone("Pacific/Apia")
    assert date_of(Nights(time(2, 30), apia).due(moment("2011-12-30T11:00"), apia)) == date(
        2011, 12, 30
    )


def test_every_so_many_seconds_goes_by_when_it_was_seen_to() -> None:
    assert fires(Every(90), "2026-01-05T12:00:00Z", 2) == ["01-05 12:01", "01-05 12:03"]


def main(names: Sequence[str]) -> int:
    """Every day of 2020 to 2040 for one zone of each kind; the number of faults."""
    found = 0
    kinds = zones_of_a_kind()
    for number, name in enumerate(names or kinds.values(), 1):
        said = [fault for at in TIMES for fault in faults(at, Zone(name), FROM, UPTO)]
        found += len(said)
        sys.stdout.write("".join(f"{each}\n" for each in said))
        sys.stderr.write(f"\r{number} of {len(names or kinds)} kinds of zones, {found} faults ")
    sys.stderr.write("\n")
    return found


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
