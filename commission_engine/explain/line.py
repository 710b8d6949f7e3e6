"""An event or a line explained: what happened, who stood above, and level by level why."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import polars as pl

from commission_engine.book import runs, single
from commission_engine.book.lines import Question
from commission_engine.calendar import Window, date_of, iso_instant
from commission_engine.decide.reference import Step, Working
from commission_engine.explain.account import Account, money_of
from commission_engine.explain.history import Ancestry, Book, OrderFacts
from commission_engine.explain.said import (
    Amounts,
    CapSaid,
    EventSaid,
    Happened,
    LevelSaid,
    Missing,
    Use,
)
from commission_engine.explain.windows import Asked, Counted, unlike, work_out
from commission_engine.money import plain
from commission_engine.plan.terms import Level, Plan, Terms
from commission_engine.problems import Reason


def explain_event(
    book: Book, event_id: str, level: int | None = None, notes: Sequence[str] = ()
) -> EventSaid:
    """The event with all its levels, or with one of them, whether it has a line or not."""
    root = single.order_of_event(book.connection, event_id)
    if root is None:
        raise LookupError(event_id)
    order = OrderFacts.of(book, root)
    event = order.event(event_id)
    done = book.run_of(event["place"])
    plan, terms = order.plan(event["place"]), order.terms(event["place"])
    wanted = _wanted(terms, level)
    deepest = max([*wanted, *(each.level for each in terms.levels)] if terms else wanted, default=0)
    above = order.ancestry(deepest)
    people = order.ever_above(deepest)
    stored = _stored(book, event, people, done)
    levels, disagreements = [], []
    for number in wanted:
        said, wrong = _level(_Case(order, event, plan, terms, done, above, stored), number)
        levels.append(said)
        disagreements += wrong
    disagreements += _strays(event, stored, wanted, people) if level is None else []
    return EventSaid(
        kind="event" if level is None else "line",
        id=event_id if level is None else f"{event_id}.{level}",
        notes=tuple(notes),
        programme=plan.name,
        timezone=plan.timezone,
        currency=event["code"],
        event_id=event_id,
        order_id=event["order_id"],
        affiliate_id=event["earner_id"],
        local_day=date_of(order.day).isoformat(),
        decided_at=iso_instant(order.instant),
        run_date=date_of(done.day).isoformat() if done else "",
        engine_version=done.engine_version if done else "",
        waits=None if done else _waits(book, event),
        order=tuple(_happened(book, order.events)),
        referrers=above.referrers,
        top=above.top,
        terms_from=date_of(terms.starts).isoformat() if terms else "",
        hold_days=terms.hold_days if terms else 0,
        levels=tuple(levels),
        disagreements=tuple(disagreements),
    )


class _Case:
    """One event with everything that its levels need."""

    def __init__(
        self,
        order: OrderFacts,
        event: dict[str, Any],
        plan: Plan,
        terms: Terms | None,
        done: runs.Run | None,
        above: Ancestry,
        stored: pl.DataFrame,
    ) -> None:
        self.order, self.event, self.plan, self.terms = order, event, plan, terms
        self.done, self.above, self.stored = done, above, stored

    def no_line(self, number: int) -> Missing | None:
        """Why the event has no line at this level; None where it has one."""
        terms, event = self.terms, self.event
        if self.done is None:
            return _waits(self.order.book, event)
        if terms is None:
            first = self.plan.terms[0].starts
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


def _level(case: _Case, number: int) -> tuple[LevelSaid, list[str]]:
    """One level, and in what the book differs."""
    event = case.event
    name = f"{event['event_id']}.{number}"
    no_line = case.no_line(number)
    stored = case.stored.filter(pl.col("level") == number)
    if no_line is not None or case.done is None or case.terms is None:
        wrong = [f"line {name}: is in the book, and should not be"] if stored.height else []
        return LevelSaid(name, number, "", "", None, None, no_line), wrong
    book = case.order.book
    beneficiary, beneficiary_id = case.above.numbers[number], case.above.ids[number]
    (level,) = (each for each in case.terms.levels if each.level == number)
    asked = Asked(
        book=book,
        plan=case.plan,
        terms=case.terms,
        level=level,
        event=event,
        own=case.order.events,
        beneficiary=beneficiary,
        beneficiary_id=beneficiary_id,
        standings=single.statuses_of(book.connection, beneficiary),
    )
    worked = work_out(asked)
    line, decimals = worked.line, int(event["decimals"])
    wrong = [*worked.doubts]
    if stored.height != 1:
        wrong.append(f"line {name}: is not in the book as {beneficiary_id}'s, and should be")
    else:
        row = stored.row(0, named=True)
        wrong += [f"line {name}: {each}" for each in unlike(line, row, decimals)]
        if row["beneficiary"] != beneficiary:
            wrong.append(f"line {name}: the book pays another than {beneficiary_id}")
    account = Account(beneficiary, beneficiary_id, event["code"], decimals, asked.standings)
    money = money_of(book, account, case.done.day, line.available_day, line.commission)
    wrong += [f"line {name}: {each.says}" for each in money.unpaid if each.code == "unexplained"]
    return LevelSaid(
        line_id=name,
        level=number,
        beneficiary_id=beneficiary_id,
        closed=_closed_since(asked.standings, case.order.known) if not worked.working else "",
        amounts=_amounts(case, level, worked.working, worked.counted) if worked.working else None,
        money=money,
        no_line=None,
    ), wrong


def _wanted(terms: Terms | None, level: int | None) -> list[int]:
    if level is not None:
        return [level]
    return sorted(each.level for each in terms.levels) if terms else []


def _stored(
    book: Book, event: dict[str, Any], people: Mapping[int, str], done: runs.Run | None
) -> pl.DataFrame:
    """The book's lines of the event for these people, shaped NARROW."""
    question = Question(
        beneficiaries=pl.Series(sorted(people), dtype=pl.Int64),
        events=pl.Series([event["event"]], dtype=pl.Int64),
        first_day=done.day if done else None,
        last_day=done.day if done else None,
    )
    return book.store.of(book.connection, question)


def _strays(
    event: dict[str, Any], stored: pl.DataFrame, wanted: Sequence[int], people: Mapping[int, str]
) -> Iterable[str]:
    """Lines of levels that the terms do not have."""
    for row in stored.filter(~pl.col("level").is_in(wanted)).iter_rows(named=True):
        whose = people[row["beneficiary"]]
        yield (
            f"line {event['event_id']}.{row['level']}: is in the book for {whose}, and should not"
            " be"
        )


# -- the event


def _happened(book: Book, events: pl.DataFrame) -> Iterable[Happened]:
    total = 0
    for row in events.iter_rows(named=True):
        done = book.run_of(row["place"])
        total += row["amount_minor"]
        what = "reversal" if row["back"] else "adjustment" if row["amount_minor"] < 0 else "earning"
        yield Happened(
            event_id=row["event_id"],
            what=what,
            occurred_at=iso_instant(row["occurred_us"]),
            amount=plain(row["amount_minor"], row["decimals"]),
            total=plain(total, row["decimals"]) if done else "",
            run_date=date_of(done.day).isoformat() if done else "",
            known_since=row["learned_at"],
        )


def _waits(book: Book, event: dict[str, Any]) -> Missing:
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


def _closed_since(standings: pl.DataFrame, known: int) -> str:
    return str(standings.filter(pl.col("intake") <= known)["learned_at"][-1])


# -- the amounts


def _amounts(case: _Case, level: Level, working: Working, counted: Sequence[Counted]) -> Amounts:
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
        rounding=str(case.plan.rounding),
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


def _cap(case: _Case, level: Level, step: Step, before: Counted, decimals: int) -> CapSaid:
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
        room_before=plain(max(step.limit - step.before, 0), decimals),
        asks=plain(step.value, decimals),
        gets=plain(step.after, decimals),
        room_after=plain(max(step.limit - step.before - step.value, 0), decimals),
    )


def _why_zero(case: _Case, level: Level, working: Working) -> Missing:
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
