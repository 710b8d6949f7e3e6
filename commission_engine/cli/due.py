"""Which business date should be complete by now, and when the next one is due."""

from datetime import UTC, datetime

from commission_engine.calendar import Day, Zone, date_of, day_of
from commission_engine.timetable import PLAN, Timetable


def last_due(timetable: Timetable, programme: Zone, moment: datetime) -> Day:
    """The last business date whose night has begun: nights begin at the timetable's local time,
    each for the day that is then over where the programme is."""
    local = moment.astimezone(_zone(timetable, programme).rules)
    day = day_of(local.date())
    if _begin(timetable, programme, day) > moment:
        day -= 1
    return _of_night(timetable, programme, day)


def due_at(timetable: Timetable, programme: Zone, day: Day) -> datetime:
    """When the night of a business date begins, as the timetable's zone says it."""
    night = day
    while _of_night(timetable, programme, night) < day:
        night += 1
    return _begin(timetable, programme, night).astimezone(_zone(timetable, programme).rules)


def _zone(timetable: Timetable, programme: Zone) -> Zone:
    return programme if timetable.zone == PLAN else Zone(timetable.zone)


def _begin(timetable: Timetable, programme: Zone, day: Day) -> datetime:
    rules = _zone(timetable, programme).rules
    return datetime.combine(date_of(day), timetable.at, tzinfo=rules).astimezone(UTC)


def _of_night(timetable: Timetable, programme: Zone, day: Day) -> Day:
    """The business date of the night that begins on a local day."""
    begin = _begin(timetable, programme, day)
    return day_of(begin.astimezone(programme.rules).date()) - 1
