"""Why a line is what it is, as its affiliate may read it.

The engine's explanation says everything: ids of other people's orders, who stood between, who
changed what. Here is said only what is taken from it by name, so that nothing else comes along.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from commission_engine.book.reader_lines import Line
from commission_engine.explain.said import (
    AdjustmentSaid,
    Amounts,
    CapSaid,
    Correction,
    EventSaid,
    LevelSaid,
    Missing,
    Money,
    Use,
)
from commission_engine.explain.words import amount_words, money_words
from commission_engine.portal.callings import Callings

LOOKED_AT = Missing("looked_at", "the programme is looking at it")
INTERNAL = ("awaits_release", "unexplained")
"""Why something is not paid, where that is between the people of the programme."""


@dataclass(frozen=True, slots=True)
class Part:
    """A heading and sentences below it."""

    heading: str
    says: Sequence[str]


def told_why(said: EventSaid | AdjustmentSaid, line: Line, callings: Callings) -> list[Part]:
    """The explanation of a line in parts."""
    if isinstance(said, AdjustmentSaid):
        return list(_adjustment(said, callings))
    (mine,) = (each for each in said.levels if each.level == line.level)
    return list(_event(said, mine, line, callings))


def _event(said: EventSaid, mine: LevelSaid, line: Line, callings: Callings) -> Iterator[Part]:
    whose = callings.of(line.earner, line.earner_id, line.level)
    yield Part("The order", list(_order(said, line, whose)))
    yield Part("Who is paid", list(_who(line, whose)))
    yield Part("The terms", list(_terms(said)))
    if mine.amounts:
        amounts = _own(mine.amounts, callings)
        yield Part("The amount", list(amount_words(amounts)))
    else:
        yield Part("The amount", ["The account was closed when the order was decided: nothing is"
                                  " earned, now and later."])  # fmt: skip
    if mine.money:
        yield Part("What became of it", list(_money(mine.money, line)))
    corrected = list(_corrections(mine.corrections, callings))
    if corrected:
        yield Part("Corrected", corrected)


def _order(said: EventSaid, line: Line, whose: str) -> Iterator[str]:
    before = [each for each in said.order if each.run_date]
    for each in before:
        did = {"earning": "earned", "adjustment": "adjusted", "reversal": "taken back"}[each.what]
        here = " (this line)" if each.event_id == line.event_id else ""
        size = each.amount.removeprefix("-") if each.what == "reversal" else each.amount
        by = f" by {whose}" if each.what == "earning" else ""
        day = each.occurred_at[:10]
        yield f"{day}: {size} {said.currency} {did}{by}; the order comes to {each.total}{here}."


def _who(line: Line, whose: str) -> Iterator[str]:
    if line.level == 0:
        yield "It is your own order."
    elif line.level == 1:
        yield f"You had referred {whose}: that is level 1."
    else:
        yield f"You stood {line.level} levels above {whose} when the order was made."


def _terms(said: EventSaid) -> Iterator[str]:
    if said.terms_from:
        held = f"held for {said.hold_days} days" if said.hold_days else "not held"
        yield f"Those from {said.terms_from} hold for the order's day, {said.local_day}."
        yield f"What they pay is {held}."


def _own(said: Amounts, callings: Callings) -> Amounts:
    """With references in place of the ids of lines, which name other people's orders."""
    return replace(said, caps=tuple(_own_cap(cap, callings) for cap in said.caps))


def _own_cap(cap: CapSaid, callings: Callings) -> CapSaid:
    last = tuple(Use(callings.reference(each.line_id), each.amount) for each in cap.last_lines)
    starts = "" if cap.window == "order" else cap.starts  # of an order its id
    return replace(cap, last_lines=last, starts=starts)


def _money(said: Money, line: Line) -> Iterator[str]:
    unpaid = tuple(LOOKED_AT if each.code in INTERNAL else each for each in said.unpaid)
    yield from money_words(replace(said, unpaid=unpaid), negative=line.commission_minor < 0)


def _corrections(made: Sequence[Correction], callings: Callings) -> Iterator[str]:
    for each in made:
        if each.affiliate_id == callings.reader_id:
            when = f"on {each.run_date}" if each.run_date else "with the next run"
            yield (f"By {each.amount} {when}, which makes it {each.comes_to}; {each.reason}.")


def _adjustment(said: AdjustmentSaid, callings: Callings) -> Iterator[Part]:
    yield Part(
        "An adjustment",
        [f"{said.amount} {said.currency}, because: {said.reason}.", f"Booked on {said.run_date}."],
    )
    if said.corrects:
        corrects = said.corrects
        reference = callings.reference(corrects.line_id)
        yield Part(
            "What it corrects",
            [
                f"Line {reference} of {corrects.run_date}: {corrects.posted} was booked before,"
                f" {corrects.now} is right."
            ],
        )
    if said.money:
        negative = said.amount.startswith("-")
        unpaid = tuple(LOOKED_AT if each.code in INTERNAL else each for each in said.money.unpaid)
        money = replace(said.money, unpaid=unpaid)
        yield Part("What became of it", list(money_words(money, negative=negative)))
