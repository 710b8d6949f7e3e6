"""A plan file becomes a `Plan`, or is refused whole with every fault and its place."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from commission_engine.calendar import Day, UnknownZone, Window, Zone, day_of, nests
from commission_engine.money import (
    MAX_UNIT_DECIMALS,
    BadAmount,
    Minor,
    Rate,
    Rounding,
    currencies,
    iso_decimals,
    parse_amount,
    plain,
)
from commission_engine.plan.terms import RATE_DAYS, Cap, Every, Level, Payout, Plan, Terms
from commission_engine.problems import FileRefused, PlanRefused

Place: TypeAlias = tuple[str | int, ...]
"""A place in the file, such as ("terms", 0, "level", 1, "rate")."""

MAX_LEVEL = 99
MAX_HOLD_DAYS = 3650
MAX_RATE_DAYS = 366

_PLAN_KEYS = ("name", "timezone", "rounding", "rate_bounds", "units", "payout", "terms")
_TERMS_KEYS = ("from", "hold_days", "level", "cap")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*[.=]""")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNIT = re.compile(r"[A-Z][A-Z0-9_]{0,15}", re.ASCII)
_ANY_RATE = (Rate(0, 1), Rate(10**6, 1))
"""In place of bounds at fault, so that no rate is blamed for them."""


class ReadPlan(NamedTuple):
    """A plan and what its reader should be told about it (faults would have refused it)."""

    plan: Plan
    warnings: tuple[str, ...]
    file: str
    lines: Mapping[str, int]
    """Where keys stand: "name", "units.POINTS", and terms by their first day, "terms.20454"."""

    def place(self, key: str) -> str:
        """The beginning of a sentence about a key: "plan.toml:3: "."""
        return f"{self.file}:{self.lines.get(key, 1)}: "


def read_plan(path: Path) -> ReadPlan:
    """Read a plan file; PlanRefused with every fault, FileRefused when there is no such file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as why:
        raise FileRefused(
            f"{path}: cannot be read: {why.strerror}", "Name a plan file (TOML)."
        ) from why
    except UnicodeDecodeError as why:
        raise PlanRefused(
            (f"{path.name}: byte {why.start} is not UTF-8; save it as UTF-8",)
        ) from why
    return parse_plan(text, path.name)


def parse_plan(text: str, file: str) -> ReadPlan:
    """`read_plan` for a text; `file` is the name that faults carry."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as why:  # also numbers too long, tables too deep
        found = re.search(r"at line (\d+)", str(why))
        line = found[1] if found else str(text.removesuffix("\n").count("\n") + 1)
        raise PlanRefused((f"{file}:{line}: this is not TOML: {why}",)) from why
    reader = _Reader(file, lines_of_keys(text))
    plan = reader.plan(data)
    if plan is None:  # there are faults
        raise PlanRefused(
            tuple(text for _, text in sorted(reader.faults)), "Mend the file; nothing was applied."
        )
    warnings = tuple(text for _, text in sorted(reader.warnings))
    return ReadPlan(plan, warnings, file, _lines_for_people(reader.lines, data))


def _lines_for_people(lines: Mapping[Place, int], data: Mapping[str, Any]) -> dict[str, int]:
    """Lines by the plan's own keys, and of terms by their first day."""
    named = {_spoken(place): line for place, line in lines.items()}
    for index, terms in enumerate(data["terms"]):
        starts = terms["from"]
        day = day_of(date.fromisoformat(starts) if isinstance(starts, str) else starts)
        named[f"terms.{day}"] = lines.get(("terms", index), 1)
    return named


def lines_of_keys(text: str) -> dict[Place, int]:
    """Where each key and table stands: ("terms", 0, "level", 1, "rate") -> line number."""
    places: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            *parents, last = (part.strip().strip("\"'") for part in header[2].split("."))
            table = ()
            for part in parents:
                table += (part,)
                if table in counts:
                    table += (counts[table] - 1,)
            table += (last,)
            if header[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
                table += (counts[table] - 1,)
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            places.setdefault((*table, key[1].strip("\"'")), number)
    return places


def _spoken(place: Place) -> str:
    """("terms", 0, "rate") as people count: terms[1].rate"""
    spoken = ""
    for part in place:
        spoken += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return spoken.lstrip(".")


@dataclass
class _Reader:
    """Walks the parsed file and gathers faults and warnings, each with its line."""

    file: str
    lines: Mapping[Place, int]
    faults: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    decimals: Mapping[str, int] = field(default_factory=iso_decimals)

    def _say(self, place: Place, message: str) -> tuple[int, str]:
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known, 1)
        return line, f"{self.file}:{line}: {_spoken(place) or 'the plan'}: {message}"

    def fault(self, place: Place, message: str) -> None:
        self.faults.append(self._say(place, message))

    def warn(self, place: Place, message: str) -> None:
        self.warnings.append(self._say(place, message))

    def plan(self, data: Mapping[str, Any]) -> Plan | None:
        self._known_keys((), data, _PLAN_KEYS)
        units = self._units(data.get("units", {}))
        self.decimals = currencies(units)
        name = self._name(data)
        zone = self._zone(data.get("timezone", "UTC"))
        rounding = self._choice(("rounding",), data.get("rounding", "half_even"), Rounding)
        bounds = self._bounds(data.get("rate_bounds", ["0%", "100%"]))
        payout = self._payout(data.get("payout", {}))
        terms = self._all_terms(data.get("terms"), bounds)
        if self.faults:
            return None
        return Plan(name, zone, Rounding(rounding), bounds, units, payout, terms)

    # -- the plan's own keys

    def _known_keys(self, place: Place, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                close = get_close_matches(key, known, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
                self.fault((*place, key), f"is not a key of a plan here; {hint}")

    def _table(self, place: Place, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self.fault(place, f"{value!r} is not a table; write [{_spoken(place)}]")
        return {}

    def _tables(self, place: Place, value: Any) -> list[Mapping[str, Any]]:
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        header = ".".join(str(part) for part in place if not isinstance(part, int))
        self.fault(place, f"must be a list of tables; write [[{header}]]")
        return []

    def _name(self, data: Mapping[str, Any]) -> str:
        name = data.get("name")
        if isinstance(name, str) and 1 <= len(name) <= 64 and name.isprintable():
            return name
        if name is None:
            self.fault(("name",), 'is missing; write name = "acme"')
        else:
            self.fault(("name",), f"{name!r} is not a name of 1 to 64 printable characters")
        return ""

    def _zone(self, name: Any) -> str:
        try:
            return Zone(name).name if isinstance(name, str) else self._no_zone(name)
        except UnknownZone:
            return self._no_zone(name)

    def _no_zone(self, name: Any) -> str:
        self.fault(
            ("timezone",), f'{name!r} is not an IANA time zone; write such as "Europe/Berlin"'
        )
        return "UTC"

    def _choice(self, place: Place, value: Any, choices: type[Rounding | Every | Window]) -> str:
        known = [str(each) for each in choices]
        if isinstance(value, str) and value in known:
            return value
        self.fault(place, f"{value!r} is none of {', '.join(known)}")
        return known[0]

    def _bounds(self, value: Any) -> tuple[Rate, Rate]:
        place = ("rate_bounds",)
        if not isinstance(value, list) or len(value) != 2:
            self.fault(place, f'{value!r} is not two rates; write ["10%", "20%"]')
            return _ANY_RATE
        low, high = (self._rate(place, each) for each in value)
        if low is None or high is None:
            return _ANY_RATE
        if not low.at_most(high):
            self.fault(place, f"the lower bound {value[0]} is above the upper {value[1]}")
            return _ANY_RATE
        return low, high

    def _rate(self, place: Place, value: Any) -> Rate | None:
        if isinstance(value, str):
            try:
                return Rate.parse(value)
            except ValueError:
                pass
        why = (
            " (a number without quotes is binary and not exact)" if isinstance(value, float) else ""
        )
        self.fault(place, f'{value!r} is not a rate{why}; write "20%" or "0.2", in quotes')
        return None

    def _units(self, value: Any) -> dict[str, int]:
        units: dict[str, int] = {}
        for code, decimals in self._table(("units",), value).items():
            place = ("units", code)
            if not _UNIT.fullmatch(code):
                self.fault(place, "a unit is named by 1 to 16 of A-Z, 0-9 and _, such as POINTS")
            elif type(decimals) is not int or not 0 <= decimals <= MAX_UNIT_DECIMALS:
                self.fault(
                    place, f"{decimals!r} is not a number of decimals, 0 to {MAX_UNIT_DECIMALS}"
                )
            elif iso_decimals().get(code, decimals) != decimals:
                iso = iso_decimals()[code]
                self.fault(place, f"is an ISO 4217 currency with {iso} decimals; take another name")
            else:
                units[code] = decimals
        return units

    def _payout(self, value: Any) -> Payout:
        table = self._table(("payout",), value)
        self._known_keys(("payout",), table, ("every", "minimum", "rate_days"))
        every = self._choice(("payout", "every"), table.get("every", "day"), Every)
        minimum = self._amounts(("payout", "minimum"), table.get("minimum", {}))
        days = table.get("rate_days", RATE_DAYS)
        if type(days) is not int or not 0 <= days <= MAX_RATE_DAYS:
            self.fault(
                ("payout", "rate_days"), f"{days!r} is not a number of days, 0 to {MAX_RATE_DAYS}"
            )
        return Payout(Every(every), minimum, days)

    def _amounts(self, place: Place, value: Any) -> dict[str, Minor]:
        """A table of currency -> amount, zero or more."""
        if not isinstance(value, dict):
            self.fault(place, f'{value!r} is not a table of amounts; write {{ USD = "50.00" }}')
            return {}
        amounts: dict[str, Minor] = {}
        for code, amount in value.items():
            here = (*place, code)
            if code not in self.decimals:
                self.fault(here, "is no ISO 4217 currency; declare units of your own in [units]")
            elif isinstance(amount, bool) or not isinstance(amount, int | str):
                self.fault(here, f'{amount!r} is not an exact amount; write "50.00", in quotes')
            else:
                decimals = self.decimals[code]
                try:
                    amounts[code] = parse_amount(str(amount), decimals)
                except BadAmount as why:
                    such = plain(50 * 10**decimals, decimals)
                    self.fault(here, f'{why}; write such as "{such}"')
                else:
                    if amounts[code] < 0:
                        self.fault(here, f"{amount!r} is negative; write zero or more")
        return amounts

    # -- terms

    def _all_terms(self, value: Any, bounds: tuple[Rate, Rate]) -> tuple[Terms, ...]:
        if value is None or value == []:
            self.fault(("terms",), "are missing; write at least one [[terms]] with its from")
            return ()
        terms = [
            self._terms(("terms", index), table, bounds)
            for index, table in enumerate(self._tables(("terms",), value))
        ]
        ordered = sorted(terms, key=lambda each: each.starts)
        for one, other in pairwise(ordered):
            if one.starts == other.starts:
                second = max(i for i, each in enumerate(terms) if each.starts == one.starts)
                self.fault(("terms", second, "from"), "other terms begin on the same day")
        return tuple(ordered)

    def _terms(self, place: Place, table: Mapping[str, Any], bounds: tuple[Rate, Rate]) -> Terms:
        self._known_keys(place, table, _TERMS_KEYS)
        starts = self._day((*place, "from"), table.get("from"))
        hold = table.get("hold_days", 0)
        if type(hold) is not int or not 0 <= hold <= MAX_HOLD_DAYS:
            self.fault(
                (*place, "hold_days"), f"{hold!r} is not a number of days, 0 to {MAX_HOLD_DAYS}"
            )
        levels = [
            self._level((*place, "level", index), each, bounds)
            for index, each in enumerate(self._tables((*place, "level"), table.get("level", [])))
        ]
        seen: set[int] = set()
        for index, level in enumerate(levels):
            if level.level in seen:
                self.fault((*place, "level", index, "level"), f"level {level.level} is there twice")
            seen.add(level.level)
        caps = self._caps((*place, "cap"), table.get("cap", []))
        if not levels and "level" not in table:
            self.warn(place, "no level is paid under these terms")
        if self._over_the_whole(levels):
            self.warn(place, "the rates of all levels together are more than 100%")
        terms = Terms(starts, hold, tuple(sorted(levels, key=lambda each: each.level)), caps)
        for number, inner, outer in _not_nested(terms):
            self.warn(
                place,
                f"the caps of level {number} are not nested ({inner} before {outer})"
                ", so what is paid can depend on the order of arrival"
                " and a refund need not take back all",
            )
        return terms

    def _over_the_whole(self, levels: list[Level]) -> bool:
        scale = max((each.rate.scale for each in levels), default=1)
        return sum(each.rate.parts * (scale // each.rate.scale) for each in levels) > scale

    def _day(self, place: Place, value: Any) -> Day:
        if isinstance(value, str):
            with suppress(ValueError):
                value = date.fromisoformat(value) if _DAY.fullmatch(value) else value
        if isinstance(value, date) and not isinstance(value, datetime):
            return day_of(value)
        if value is None:
            self.fault(place, "is missing; write from = 2026-01-01")
        else:
            self.fault(place, f"{value!s} is not a day; write from = 2026-01-01")
        return -(10**9) - int(place[1])  # a day of its own, so that no other fault follows

    def _level(self, place: Place, table: Mapping[str, Any], bounds: tuple[Rate, Rate]) -> Level:
        self._known_keys(place, table, ("level", "rate", "cap"))
        level = table.get("level")
        if type(level) is not int or not 0 <= level <= MAX_LEVEL:
            said = "is missing" if level is None else f"{level!r} is not a level"
            self.fault((*place, "level"), f"{said}; write 1 for the referrer, 0 for the earner")
            level = -1 - int(place[-1])
        here = (*place, "rate")
        if "rate" not in table:
            self.fault(here, 'is missing; write rate = "20%"')
        rate = self._rate(here, table["rate"]) if "rate" in table else None
        if rate and not (bounds[0].at_most(rate) and rate.at_most(bounds[1])):
            low, high = (bound.percent for bound in bounds)
            self.fault(here, f"{table['rate']} is outside rate_bounds {low} to {high}")
        caps = self._caps((*place, "cap"), table.get("cap", []))
        return Level(level, rate or Rate(0, 1), caps)

    def _caps(self, place: Place, value: Any) -> tuple[Cap, ...]:
        caps: list[Cap] = []
        for index, table in enumerate(self._tables(place, value)):
            here = (*place, index)
            self._known_keys(here, table, ("window", "amount"))
            if "window" not in table:
                self.fault((*here, "window"), f"is missing; one of {', '.join(Window)}")
            if "amount" not in table:
                self.fault((*here, "amount"), 'is missing; write amount = { USD = "50.00" }')
            window = Window(self._choice((*here, "window"), table.get("window", "order"), Window))
            limit = self._amounts((*here, "amount"), table.get("amount", {}))
            if window != table.get("window"):
                continue  # at fault already
            if any(cap.window is window for cap in caps):
                self.fault((*here, "window"), f"there is another cap per {window} here")
            caps.append(Cap(window, limit))
        return tuple(caps)


def _not_nested(terms: Terms) -> Iterator[tuple[int, Window, Window]]:
    """Neighbouring caps of one level and currency of which the first does not lie in the second."""
    for level in terms.levels:
        own = sorted(level.caps, key=lambda cap: cap.window is not Window.ORDER)
        chain = [*own, *terms.caps]
        codes = sorted({code for cap in chain for code in cap.limit})
        broken = {
            (inner.window, outer.window)
            for code in codes
            for inner, outer in pairwise(cap for cap in chain if code in cap.limit)
            if not nests(inner.window, outer.window)
        }
        for inner_window, outer_window in sorted(broken):
            yield level.level, inner_window, outer_window
