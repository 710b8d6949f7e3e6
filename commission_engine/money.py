"""Money: integer minor units, exact rates, named roundings, ISO 4217 and a plan's own units.

The only home of py-moneyed, Babel and the ISO 4217 table. Inside the engine an amount is an int
(`Minor`) beside a currency code; text and `Money` exist at the edges only.
"""

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import TypeAlias

from babel.core import Locale
from babel.numbers import (
    NumberPattern,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
)
from iso4217 import Currency as IsoCurrency
from moneyed import Money

from commission_engine.problems import Code

Minor: TypeAlias = int
"""A whole number of a currency's smallest units: 1999 is 19.99 USD, 1999 JPY or 1.999 KWD."""

MAX_WHOLE_DIGITS = 15
"""Digits before the point that an amount may have (the file format's limit)."""

MAX_MINOR = 10**18
"""An amount's bound in minor units: what a signed 64-bit column holds with room to spare."""

MAX_UNIT_DECIMALS = 12

MAX_SCALE = 10**18
"""The finest rate: 18 decimals as a fraction."""

AMOUNT = r"^-?[0-9]+(?:\.[0-9]+)?$"
_AMOUNT = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_RATE = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,18}))?(%?)", re.ASCII)


class Rounding(StrEnum):
    """How a share is rounded to a whole minor unit; all are symmetric about zero."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    DOWN = "down"


class BadAmount(ValueError):
    """A text that is not an amount of its currency; `code` says why."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@cache
def iso_decimals() -> Mapping[str, int]:
    """ISO 4217: alphabetic code -> decimals, for every code in use that has minor units."""
    return MappingProxyType(
        {c.code: int(c.exponent) for c in IsoCurrency if c.exponent is not None}
    )


def currencies(units: Mapping[str, int]) -> Mapping[str, int]:
    """Code -> decimals of everything money can be in: ISO 4217 and the plan's own `units`."""
    return MappingProxyType({**iso_decimals(), **units})


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """An exact fraction `parts / scale`, `scale` a power of ten and as small as it can be.

    >>> Rate.parse("12.5%"), str(Rate.parse("0.20"))
    (Rate(parts=125, scale=1000), '0.2')
    """

    parts: int
    scale: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read "20%" or "0.2"; ValueError for anything else."""
        found = _RATE.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a rate")
        whole, fraction, percent = found[1], found[2] or "", found[3]
        rate = cls.of(int(whole + fraction), 10 ** (len(fraction) + (2 if percent else 0)))
        if rate.scale > MAX_SCALE:
            raise ValueError(f"{text!r} has more than 18 decimals as a fraction")
        return rate

    @classmethod
    def of(cls, parts: int, scale: int) -> "Rate":
        """In its smallest form; `scale` is a power of ten."""
        while scale > 1 and parts % 10 == 0:
            parts, scale = parts // 10, scale // 10
        return cls(parts, scale)

    def __str__(self) -> str:
        return plain(self.parts, len(str(self.scale)) - 1)

    @property
    def percent(self) -> str:
        """The rate as people say it.

        >>> Rate.parse("0.125").percent
        '12.5%'
        """
        return f"{Rate.of(self.parts * 100, self.scale)}%"

    def at_most(self, other: "Rate") -> bool:
        return self.parts * other.scale <= other.parts * self.scale


def parse_amount(text: str, decimals: int) -> Minor:
    """Read ASCII `-?digits[.digits]` exactly, into minor units of a currency with `decimals`.

    >>> parse_amount("-19.9", 2)
    -1990
    """
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise BadAmount(Code.BAD_AMOUNT, f"{text!r} is not an amount")
    whole, fraction = found[1], found[2] or ""
    if len(whole) > MAX_WHOLE_DIGITS:
        raise BadAmount(Code.AMOUNT_OUT_OF_RANGE, f"{text!r} has more than 15 digits")
    if len(fraction) > decimals:
        raise BadAmount(Code.TOO_MANY_DECIMALS, f"{text!r} has more than {decimals} decimals")
    minor = int(whole + fraction.ljust(decimals, "0"))
    if minor >= MAX_MINOR:
        raise BadAmount(Code.AMOUNT_OUT_OF_RANGE, f"{text!r} is {MAX_MINOR} minor units or more")
    return -minor if text.startswith("-") else minor


def plain(minor: Minor, decimals: int) -> str:
    """A plain decimal with exactly `decimals` places: the form of every file we write.

    >>> plain(-5, 2), plain(1999, 0)
    ('-0.05', '1999')
    """
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    point = len(digits) - decimals
    sign = "-" if minor < 0 else ""
    return f"{sign}{digits[:point]}.{digits[point:]}" if decimals else f"{sign}{digits}"


def share(base: Minor, rate: Rate, rounding: Rounding) -> Minor:
    """`rate` of `base`, rounded once to a whole minor unit.

    >>> share(1999, Rate.parse("0.075"), Rounding.HALF_EVEN)
    150
    """
    return quotient(base * rate.parts, rate.scale, rounding)


def quotient(dividend: int, divisor: int, rounding: Rounding) -> int:
    """Rounded once to a whole number; `divisor` is above zero.

    >>> quotient(-7, 2, Rounding.HALF_UP), quotient(7, 2, Rounding.DOWN)
    (-4, 3)
    """
    whole, rest = divmod(abs(dividend), divisor)
    if rounding is Rounding.HALF_EVEN:
        whole += 2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1)
    elif rounding is Rounding.HALF_UP:
        whole += 2 * rest >= divisor
    return -whole if dividend < 0 else whole


@cache
def _pattern(locale: str, decimals: int) -> tuple[NumberPattern, Locale]:
    parsed = Locale.parse(locale)
    pattern = copy(parsed.currency_formats["standard"])  # Babel's own is shared by the process
    pattern.frac_prec = (decimals, decimals)
    return pattern, parsed


def spoken(minor: Minor, code: str, decimals: int, locale: str = "en") -> str:
    """An amount for people, in their locale, with ISO 4217's decimals (CLDR's differ for some).

    >>> spoken(123456, "EUR", 2, "de"), spoken(1234567, "KWD", 3), spoken(50, "POINTS", 0)
    ('1.234,56\\xa0€', 'KWD1,234.567', '50 POINTS')
    """
    amount = Decimal(minor).scaleb(-decimals)
    if code not in iso_decimals():
        return f"{amount:,.{decimals}f} {code}"
    money = Money(amount, code)
    pattern, parsed = _pattern(locale, decimals)
    code = money.currency.code
    return str(pattern.apply(money.amount, parsed, currency=code, currency_digits=False))


Affixes: TypeAlias = tuple[str, str]
"""What stands before and after the digits."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """How amounts of one currency are written in a locale, ready to write very many of them.

    `positive` and `negative` are with the currency, `minus` is without. `groups` are the sizes of
    the last group of digits and of those before it.
    """

    decimals: int
    point: str
    comma: str
    groups: tuple[int, int]
    positive: Affixes
    negative: Affixes
    minus: Affixes

    def spoken(self, minor: Minor) -> str:
        """As the function `spoken` does; of a plan's own unit with the locale's digits too."""
        before, after = self.negative if minor < 0 else self.positive
        return f"{before}{self._digits(minor)}{after}"

    def bare(self, minor: Minor) -> str:
        """Without the currency, for a column of amounts."""
        if minor >= 0:
            return self._digits(minor)
        before, after = self.minus
        return f"{before}{self._digits(minor)}{after}"

    def _digits(self, minor: Minor) -> str:
        whole, fraction = str(abs(minor)), ""
        if self.decimals:
            whole = whole.zfill(self.decimals + 1)
            whole, fraction = whole[: -self.decimals], self.point + whole[-self.decimals :]
        size, further = self.groups
        if len(whole) > size:
            grouped = whole[-size:]
            whole = whole[:-size]
            while len(whole) > further:
                grouped = whole[-further:] + self.comma + grouped
                whole = whole[:-further]
            whole = whole + self.comma + grouped
        return whole + fraction


@cache
def speaker(code: str, decimals: int, locale: str) -> Speaker:
    """That of a currency in a locale that CLDR knows.

    >>> speaker("INR", 2, "en_IN").spoken(123456789), speaker("EUR", 2, "de").bare(-123456)
    ('₹12,34,567.89', '-1.234,56')
    """
    pattern, parsed = _pattern(locale, decimals)
    plain_pattern = copy(parsed.decimal_formats[None])
    plain_pattern.frac_prec = (decimals, decimals)
    point = get_decimal_symbol(parsed) if decimals else ""
    one = f"1{point}{'0' * decimals}"

    def bare(amount: int) -> Affixes:
        before, _, after = str(plain_pattern.apply(amount, parsed)).partition(one)
        return before, after

    def coded(amount: int) -> Affixes:
        if code not in iso_decimals():
            before, after = bare(amount)
            return before, f"{after}\xa0{code}"
        said = str(pattern.apply(amount, parsed, currency=code, currency_digits=False))
        before, _, after = said.partition(one)
        return before, after

    groups = (pattern if code in iso_decimals() else plain_pattern).grouping
    comma = get_group_symbol(parsed)
    return Speaker(decimals, point, comma, groups, coded(1), coded(-1), bare(-1))


@cache
def percent(rate: str, locale: str) -> str:
    """A rate, a plain decimal fraction, as people of a locale say it.

    >>> percent("0.125", "de")
    '12,5\xa0%'
    """
    return format_percent(Decimal(rate), locale=locale, decimal_quantization=False)
