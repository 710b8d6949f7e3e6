"""When nights begin: once a local day at the same local time, whatever the clocks of the zone do.

A time that a day does not have, because clocks go forward over it, is the moment after the gap; of
a time that a day has twice it is the first. The rules of zones are those of the engine.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import takewhile

from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim

from commission_engine.calendar import Day, Zone, day_of

_BEFORE = timedelta(days=3)
"""From here on a begin that is not after a moment is met for sure; no zone ever left out more than
one local day."""


class Nights(BaseTrigger):  # type: ignore[misc]
    """The instants, in UTC, at which a local day at `at` in `zone` begins the next night."""

    def __init__(self, at: time, zone: Zone) -> None:
        self.at, self.zone = at, zone

    def since(self, moment: datetime) -> Iterator[datetime]:
        """The begins from some days before `moment` on, in order."""
        # Of the local time alone the library starts: inside an hour that a day has twice it would
        # else take the second one for the first.
        local = (moment - _BEFORE).astimezone(self.zone.rules)
        for begin in CronSim(f"{self.at.minute} {self.at.hour} * * *", local):
            yield begin.astimezone(UTC)

    def after(self, moment: datetime) -> datetime:
        """The first begin after `moment`."""
        return next(begin for begin in self.since(moment) if begin > moment)

    def upto(self, moment: datetime) -> datetime:
        """The last begin that is not after `moment`."""
        *_, last = takewhile(lambda begin: begin <= moment, self.since(moment))
        return last

    def due(self, moment: datetime, programme: Zone) -> Day:
        """The last business date whose night has begun at `moment`: the one before the day that it
        was, in the programme's own zone, when the last night began."""
        return day_of(self.upto(moment).astimezone(programme.rules).date()) - 1

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """What the scheduler asks: never the same night again, however often or late it asks."""
        return self.after(max(previous, now) if previous else now)


class Every(BaseTrigger):  # type: ignore[misc]
    """Again and again, so many seconds after the last time was seen to."""

    def __init__(self, seconds: int) -> None:
        self.pause = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + self.pause
