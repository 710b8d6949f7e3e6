"""One level of an event: why it pays what it pays, or why there is no line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from commission_engine.book import runs
from commission_engine.calendar import Window, date_of
from commission_engine.decide.reference import Step, Working
from commission_engine.explain.above import Ancestry
from commission_engine.explain.account import Account, money_of
from commission_engine.explain.history import Book, OrderFacts, Row
from commission_engine.explain.past import Past
from commission_engine.explain.said import (
    Amounts,
    CapSaid,
    Correction,
    LevelSaid,
    Missing,
    Moved,
    Use,
)
from commission_engine.explain.windows import Asked, Counted, Worked, unlike, work_out
from commission_engine.money import plain
from commission_engine.plan.terms import Level, Terms
from commission_engine.problems import Reason


@dataclass(frozen=True, slots=True)
class Case:
    """One event with everything that its levels need."""

    order: OrderFacts
    event: dict[str, Any]
    past: Past
    terms: Terms | None
    done: runs.Run | None
    above: Ancestry

    def no_line(self, number: int) -> Missing | None:
        """Why the event has no line at this level; None where it has one."""
        terms, event = self.terms, self.event
        if self.done is None:
            return waits(self.order.book, event)
        if terms is None:
            first = self.past.plan(event["place"]).terms[0].starts
            return Missing(
                "no_terms_yet",
                f"the order is of {date_of(self.order.day)}, and the first terms of the plan begin"
                f" on {date_of(first)}",
            )
        if number not in [each.level for each in terms.levels]:
            return Missing("level_not_in_plan", _not_in_plan(terms, number))
        if number >= len(self.above.ids):
            missing = self.above.top
            if missing is None:
                raise LookupError(f"level {number} of {event['event_id']} was not looked for")
            return Missing(missing.code, f"there is no {_nth(number)}: {missing.says}")
        return None

    def worked(self, number: int) -> Worked:
        """The line at a level that has one."""
        if self.terms is None:
            raise LookupError(f"{self.event['event_id']} has no terms")
        (level,) = (each for each in self.terms.levels if each.level == number)
        beneficiary = self.above.numbers[number]
        return work_out(
            Asked(
                past=self.past,
                terms=self.terms,
                level=level,
                event=self.event,
                order=self.order,
                beneficiary=beneficiary,
                beneficiary_id=self.above.ids[number],
            )
        )

    def said(self, number: int, worked: Worked) -> LevelSaid:
        """What is said of a line, but for what became of it."""
        working = worked.working
        return LevelSaid(
            line_id=f"{self.event['event_id']}.{number}",
            level=number,
            beneficiary_id=worked.line.beneficiary_id,
            closed=self._closed_since(number) if not working else "",
            amounts=_amounts(self, number, working, worked.counted) if working else None,
            money=None,
            no_line=None,
            corrections=(),
        )

    def _closed_since(self, number: int) -> str:
        found = self.order.book.standings_of(self.above.numbers[number])
        return [each.learned_at for each in found if each.intake <= self.order.known][-1]


def said_level(
    case: Case, number: int, stored: Sequence[Row], corrections: Sequence[Correction]
) -> tuple[LevelSaid, list[str]]:
    """One level, and in what the book differs. `stored` are the event's lines, each as
    lines.NARROW has it."""
    event = case.event
    name = f"{event['event_id']}.{number}"
    no_line = case.no_line(number)
    stored = [row for row in stored if row["level"] == number]
    if no_line is not None or case.done is None:
        wrong = [f"line {name}: is in the book, and should not be"] if stored else []
        return LevelSaid(name, number, "", "", None, None, no_line, tuple(corrections)), wrong
    book, worked = case.order.book, case.worked(number)
    beneficiary, beneficiary_id = case.above.numbers[number], case.above.ids[number]
    line, decimals = worked.line, int(event["decimals"])
    wrong = [*worked.doubts]
    if len(stored) != 1:
        wrong.append(f"line {name}: is not in the book as {beneficiary_id}'s, and should be")
    else:
        (row,) = stored
        wrong += [f"line {name}: {each}" for each in unlike(line, row, decimals)]
        if row["beneficiary"] != beneficiary:
            wrong.append(f"line {name}: the book pays another than {beneficiary_id}")
    standings = book.standings_of(beneficiary)
    account = Account(beneficiary, beneficiary_id, event["code"], decimals, standings)
    money = money_of(book, account, case.done.day, line.available_day, line.commission)
    wrong += [f"line {name}: {each.says}" for each in money.unpaid if each.code == "unexplained"]
    said = replace(case.said(number, worked), money=money, corrections=tuple(corrections))
    return said, wrong


def waits(book: Book, event: dict[str, Any]) -> Missing:
    """Why no run has processed an event."""
    due, last = date_of(event["due_day"]), book.last_day
    if last is None:
        return Missing("not_processed", f"no run yet: the event waits for a run of {due} or later")
    if event["due_day"] > last:
        return Missing(
            "not_processed",
            f"not processed yet: the event waits for the run of {due} or a later date; the last"
            f" run was that of {date_of(last)}",
        )
    return Missing(
        "not_processed",
        f"not processed yet: the event was learned on {event['learned_at']}, after the run of"
        f" {date_of(last)}; the next run takes it",
    )


def _not_in_plan(terms: Terms, number: int) -> str:
    levels = ", ".join(str(each.level) for each in terms.levels)
    pays = f"pay only level {levels}" if levels else "pay no level at all"
    return f"level {number} is not in the plan: the terms from {date_of(terms.starts)} {pays}"


def _nth(number: int) -> str:
    return {1: "referrer", 2: "referrer's referrer"}.get(number, f"ancestor of level {number}")


# -- the amounts


def _amounts(case: Case, number: int, working: Working, counted: Sequence[Counted]) -> Amounts:
    (level,) = (each for each in (case.terms.levels if case.terms else ()) if each.level == number)
    decimals = int(case.event["decimals"])

    def pair(values: tuple[int, int]) -> tuple[str, str]:
        return plain(values[0], decimals), plain(values[1], decimals)

    caps = [
        _cap(case, level, step, before, decimals)
        for step, before in zip(working.steps, counted, strict=True)
    ]
    limit = working.order_limit
    return Amounts(
        rate=str(level.rate),
        total=pair(working.x),
        exact=(exact(working.exact[0], decimals), exact(working.exact[1], decimals)),
        rounding=str(case.past.plan(case.event["place"]).rounding),
        rounded=pair(working.rounded),
        order_cap=None if limit is None else plain(limit, decimals),
        capped=pair(working.capped),
        gross=plain(working.gross, decimals),
        caps=tuple(caps),
        commission=plain(working.commission, decimals),
        reason=str(working.reason),
        why_zero=_why_zero(case, level, working) if not working.commission else None,
    )


def exact(minor: Fraction, decimals: int) -> str:
    """An exact number of minor units as a plain decimal, with more decimals where it has some.

    >>> exact(Fraction(401, 4), 2), exact(Fraction(400), 2)
    ('1.0025', '4.00')
    """
    more = 0
    while (minor * 10**more).denominator != 1:  # a rate's scale is a power of ten
        more += 1
    return plain(int(minor * 10**more), decimals + more)


def _cap(case: Case, level: Level, step: Step, before: Counted, decimals: int) -> CapSaid:
    of_level = any(step.cap is cap for cap in level.caps)
    start = step.key[-1]
    window = step.cap.window
    return CapSaid(
        window=str(window),
        over=f"level {level.level}" if of_level else "all levels",
        starts="" if window is Window.LIFETIME else str(start),
        cap=plain(step.limit, decimals),
        lines_before=before.lines,
        used=plain(step.before, decimals),
        last_lines=tuple(Use(name, plain(minor, decimals)) for name, minor in before.last),
        moved=tuple(
            Moved(
                date_of(up.first).isoformat(), date_of(up.last).isoformat(), plain(minor, decimals)
            )
            for up, minor in before.moved
        ),
        room_before=plain(max(step.limit - step.before, 0), decimals),
        asks=plain(step.value, decimals),
        gets=plain(step.after, decimals),
        room_after=plain(max(step.limit - step.before - step.value, 0), decimals),
    )


def _why_zero(case: Case, level: Level, working: Working) -> Missing:
    """The first step at which nothing was left."""
    decimals, amount = int(case.event["decimals"]), case.event["amount_minor"]
    if not amount:
        return Missing("zero_amount", "the event's amount is zero")
    if not level.rate.parts:
        return Missing("zero_rate", "the rate is zero")
    if not working.gross:
        rounded = plain(working.rounded[1], decimals)
        return Missing("rounded_away", f"rounded, the order's share is {rounded} as it was before")
    if working.capped[0] == working.capped[1]:
        limit = plain(working.order_limit or 0, decimals)
        says = (
            f"the order had reached its cap of {limit} already"
            if abs(working.rounded[1]) > abs(working.rounded[0])
            else f"the order's share is still not below its cap of {limit}"
        )
        return Missing(str(Reason.ORDER), says)
    step = next(step for step in working.steps if not step.after)
    window = step.cap.window
    if step.value > 0:
        return Missing(str(window), f"the {window} cap was used up before this line")
    return Missing(
        str(window),
        f"what is taken back had come to more than the {window} cap, and was never paid",
    )
