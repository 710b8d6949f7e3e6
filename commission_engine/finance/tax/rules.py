"""The rules of tax as dated data: thresholds and VAT by country, from config/tax.toml."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from commission_engine.book.tax import NEVER
from commission_engine.calendar import Day, day_of
from commission_engine.money import BadAmount, Minor, Rate, Rounding, parse_amount, share
from commission_engine.problems import UsageError
from commission_engine.resources import folder

FILE = Path("config/tax.toml")
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
ADDED, CONTAINED, NO_VAT = "added", "contained", "none"


@dataclass(frozen=True, slots=True)
class Threshold:
    """From `minor` on what a payee of a country gets in a year has to be reported on a form."""

    country: str
    form: str
    first: Day
    last: Day
    minor: Minor
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class Vat:
    """How payouts to payees of a country are taxed; `treatment` is ADDED or CONTAINED."""

    country: str
    first: Day
    last: Day
    rate: Rate
    treatment: str

    def of(self, minor: Minor) -> Minor:
        """The tax on a payout, rounded half up to a whole smallest unit.

        >>> Vat("DE", 0, 1, Rate.parse("19%"), CONTAINED).of(11900)
        1900
        >>> Vat("DE", 0, 1, Rate.parse("19%"), ADDED).of(11900)
        2261
        """
        scale = self.rate.scale + (self.rate.parts if self.treatment == CONTAINED else 0)
        return share(minor, Rate(self.rate.parts, scale), Rounding.HALF_UP)


@dataclass(frozen=True, slots=True)
class Rules:
    """All that holds, by country and time."""

    thresholds: Sequence[Threshold]
    vat: Sequence[Vat]

    def threshold(self, country: str, day: Day) -> Threshold | None:
        return next(
            (each for each in self.thresholds
             if each.country == country and each.first <= day <= each.last), None,
        )  # fmt: skip

    def vat_of(self, country: str, day: Day) -> Vat | None:
        return next(
            (each for each in self.vat
             if each.country == country and each.first <= day <= each.last), None,
        )  # fmt: skip


_KEYS = {
    "threshold": ("country", "form", "from", "to", "amount", "currency", "source"),
    "vat": ("country", "from", "to", "rate", "treatment"),
}


def read_rules(decimals: Mapping[str, int]) -> Rules:
    """The rules that hold: of the current folder, else those that come with the program.

    `decimals` are those of every currency. UsageError, naming file, table and key, for what cannot
    be.
    """
    path = FILE if FILE.is_file() else folder("config") / "tax.toml"
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except OSError as why:
        raise UsageError(f"{path}: cannot be read: {why.strerror}", "Check its rights.") from why
    except (ValueError, RecursionError) as why:
        raise UsageError(f"{path}: this is not TOML: {why}", "Mend the file.") from why
    for name in read:
        if name not in _KEYS:
            raise _wrong(path, name, "is no table of this file; write [[threshold]] or [[vat]]")
    parts = {name: _Part(path, name, read.get(name, [])) for name in _KEYS}
    rules = Rules(
        [each.threshold(decimals) for each in parts["threshold"].entries()],
        [each.vat() for each in parts["vat"].entries()],
    )
    for name, spans in (
        ("threshold", [(each.country, each.first, each.last) for each in rules.thresholds]),
        ("vat", [(each.country, each.first, each.last) for each in rules.vat]),
    ):
        _refuse_overlaps(path, name, spans)
    return rules


def _wrong(path: Path, place: str, said: str) -> UsageError:
    return UsageError(f"{path}: {place}: {said}", "Mend the file; docs/tax.md explains it.")


def _refuse_overlaps(path: Path, name: str, spans: Sequence[tuple[str, Day, Day]]) -> None:
    for place, (country, first, last) in enumerate(spans):
        for other, begins, ends in spans[:place]:
            if country == other and begins <= last and first <= ends:
                raise _wrong(path, f"{name} {place + 1}", "overlaps another one of its country")


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    name: str
    read: Any

    def entries(self) -> list["_Entry"]:
        if not isinstance(self.read, list) or not all(isinstance(each, dict) for each in self.read):
            raise _wrong(self.path, self.name, f"write [[{self.name}]] for each")
        return [
            _Entry(self.path, f"{self.name} {place}", self.name, each)
            for place, each in enumerate(self.read, 1)
        ]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One table of the file, on its way to a rule."""

    path: Path
    place: str
    name: str
    said: Mapping[str, Any]

    def threshold(self, decimals: Mapping[str, int]) -> Threshold:
        self._known()
        code = self._text("currency")
        if code not in decimals:
            raise self._fault("currency", f"{code!r} is no currency; write such as USD")
        try:
            minor = parse_amount(self._text("amount"), decimals[code])
        except BadAmount as why:
            raise self._fault("amount", f"{why}; write such as 600.00") from why
        return Threshold(
            self._country(), self._text("form"), *self._days(), minor, code, self._text("source")
        )

    def vat(self) -> Vat:
        self._known()
        try:
            rate = Rate.parse(self._text("rate"))
        except ValueError as why:
            raise self._fault("rate", f"{why}; write such as 19%") from why
        treatment = self._text("treatment")
        if treatment not in (ADDED, CONTAINED):
            raise self._fault("treatment", f"{treatment!r} is neither {ADDED} nor {CONTAINED}")
        return Vat(self._country(), *self._days(), rate, treatment)

    def _known(self) -> None:
        for key in self.said:
            if key not in _KEYS[self.name]:
                raise self._fault(key, f"is no key; write {', '.join(_KEYS[self.name])}")

    def _text(self, key: str) -> str:
        value = self.said.get(key)
        if not isinstance(value, str) or not value:
            raise self._fault(key, f"{value!r} is not a text" if value else "is missing")
        return value

    def _country(self) -> str:
        country = self._text("country")
        if not _COUNTRY.fullmatch(country):
            raise self._fault("country", f"{country!r} is not two capitals, such as US")
        return country

    def _days(self) -> tuple[Day, Day]:
        days = []
        for key, otherwise in (("from", None), ("to", NEVER)):
            value = self.said.get(key)
            if value is None and otherwise is not None:
                days.append(otherwise)
            elif isinstance(value, date) and not isinstance(value, datetime):
                days.append(day_of(value))
            else:
                raise self._fault(key, f"{value!r} is not a day; write such as 2026-01-01")
        if days[0] > days[1]:
            raise self._fault("to", "is before `from`")
        return days[0], days[1]

    def _fault(self, key: str, said: str) -> UsageError:
        return _wrong(self.path, f"{self.place}, {key}", said)
