"""Amounts and days as pages show them."""

from datetime import date

from commission_engine.calendar import Day, date_of, day_of
from commission_engine.money import Minor, spoken
from commission_engine.portal.access import Nothing


def shown(minor: Minor, currency: str, decimals: int) -> str:
    """An amount with its currency, for people."""
    return spoken(minor, currency, decimals)


def iso(day: Day) -> str:
    return date_of(day).isoformat()


def day_in(text: str) -> Day | None:
    """A day that somebody has typed; None where it is none."""
    try:
        return day_of(date.fromisoformat(text)) if len(text) == 10 else None
    except ValueError:
        return None


def day_of_path(text: str) -> Day:
    """A day of an address, which we have written ourselves."""
    found = day_in(text)
    if found is None:
        raise Nothing
    return found
