"""Amounts and days as pages show them."""

from datetime import date

import polars as pl

from commission_engine.book.readers import PaidAs
from commission_engine.calendar import Day, date_of, day_of
from commission_engine.money import Minor, iso_decimals, speaker, spoken
from commission_engine.portal.access import Nothing
from commission_engine.publish.text import rates_said


def shown(minor: Minor, currency: str, decimals: int) -> str:
    """An amount with its currency, for people."""
    if currency in iso_decimals():
        return speaker(currency, decimals, "en").spoken(minor)  # pages show very many of them
    return spoken(minor, currency, decimals)


def paid_as(each: PaidAs) -> dict[str, str]:
    """What a payout has come to in another currency, for people: amount, rate, source, day."""
    rates = {"currency": each.of, "rate": each.rate, "to_code": each.currency,
             "to_rate": each.to_rate}  # fmt: skip
    return {
        "amount": shown(each.amount_minor, each.currency, each.decimals),
        "rate": str(pl.DataFrame(rates).select(rates_said()).item()),
        "source": each.source,
        "day": iso(each.rate_day),
    }


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
