"""What of an applied plan may still be changed: terms are appended, never edited."""

from collections.abc import Callable, Collection

from commission_engine.calendar import Day, date_of
from commission_engine.plan.terms import Plan, Terms

_LATER = (
    "a correction of the past is made with `commission true-up`, "
    "which posts the differences and leaves the written lines as they are"
)


def faults_of_change(
    old: Plan,
    new: Plan,
    last_day: Day | None,
    used_currencies: Collection[str],
    place: Callable[[str], str] = lambda key: "",
) -> tuple[str, ...]:
    """Why `new` cannot take the place of `old`; empty when it can.

    `last_day` is the last completed business date (None before the first run), `used_currencies`
    those in which the book holds earnings. `place` says where a key stands in the new plan's file
    ("plan.toml:3: "), for the faults to begin with.
    """
    faults = [
        f"{place(f'units.{code}')}units.{code}: earnings in {code} are in the book with"
        f" {decimals} decimals; they stay"
        for code, decimals in sorted(old.units.items())
        if code in used_currencies and new.units.get(code) != decimals
    ]
    if last_day is None:
        return tuple(faults)
    faults += [
        f"{place(key)}{key}: is {getattr(old, key)!s} since the first run and cannot become"
        f" {getattr(new, key)!s}; start a new book for another programme"
        for key in ("name", "timezone", "rounding")
        if getattr(old, key) != getattr(new, key)
    ]
    before, after = _begun(old, last_day), _begun(new, last_day)
    for starts in sorted(before.keys() | after.keys()):
        if before.get(starts) != after.get(starts):
            verb = (
                "added" if starts not in before else "removed" if starts not in after else "changed"
            )
            faults.append(
                f"{place(f'terms.{starts}')}terms from {date_of(starts)}: begin on or before the"
                f" last completed business date {date_of(last_day)} and can no longer be"
                f" {verb}; {_LATER}"
            )
    return tuple(faults)


def first_changed(old: Plan, new: Plan) -> Day | None:
    """The first day on which other terms hold; None where all terms are the same."""
    before = {each.starts: each for each in old.terms}
    after = {each.starts: each for each in new.terms}
    changed = [day for day in before.keys() | after.keys() if before.get(day) != after.get(day)]
    return min(changed, default=None)


def _begun(plan: Plan, last_day: Day) -> dict[Day, Terms]:
    return {each.starts: each for each in plan.terms if each.starts <= last_day}
