"""An affiliate's lines: what each order brought at which level, the zero ones too, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from starlette.responses import Response

from commission_engine.book import readers
from commission_engine.book.lines import Question
from commission_engine.book.reader_lines import Line, lines, told
from commission_engine.calendar import Day, Zone
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.decide.kernel import REASONS
from commission_engine.explain.find import explain_line
from commission_engine.plan.terms import Plan
from commission_engine.portal.access import Asked, Nothing, about
from commission_engine.portal.amounts import day_in, day_of_path, iso, shown
from commission_engine.portal.callings import Callings
from commission_engine.portal.limits import WHYS
from commission_engine.portal.render import in_part, page
from commission_engine.portal.why import Part, told_why
from commission_engine.problems import Reason

A_PAGE = 50
MOST = 200
WHICH = ("all", "paid", "cut", "zero")
"""Which lines are shown: all, those that are not zero, those that something cut, the zero ones."""
_AFTER = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{1,9})", re.ASCII)
_REFERENCE = re.compile(r"ln-[0-9a-v]{12}", re.ASCII)
WHY = {
    "closed": "the account was closed", "order": "the cap per order", "day": "the cap per day",
    "week": "the cap per week", "month": "the cap per month", "quarter": "the cap per quarter",
    "year": "the cap per year", "lifetime": "the cap over all time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody asked for; what makes no sense is as if it was not there."""

    first: Day | None
    last: Day | None
    level: int | None
    which: str
    after: tuple[Day, int] | None

    @classmethod
    def of(cls, asked: Asked) -> "Filter":
        level, which, found = asked.query("level"), asked.query("which"), _AFTER.fullmatch(
            asked.query("after")
        )  # fmt: skip
        day = day_in(found[1]) if found else None
        return cls(
            first=day_in(asked.query("from")),
            last=day_in(asked.query("to")),
            level=int(level) if re.fullmatch(r"\d{1,4}", level, re.ASCII) else None,
            which=which if which in WHICH else "all",
            after=(day, int(found[2])) if found and day is not None else None,
        )

    def question(self, number: int) -> Question:
        return Question(
            beneficiaries=pl.Series([number], dtype=pl.Int64),
            first_day=self.first,
            last_day=self.last,
            level=self.level,
        )

    def picked(self, found: pl.DataFrame) -> pl.DataFrame:
        conditions = {
            "paid": pl.col("commission_minor") != 0,
            "zero": pl.col("commission_minor") == 0,
            "cut": pl.col("reason") != REASONS.index(Reason.PAID_IN_FULL),
        }
        return found.filter(conditions[self.which]) if self.which in conditions else found


def show_lines(asked: Asked) -> Response:
    wanted = Filter.of(asked)
    found, goes_on = found_lines(asked, wanted, A_PAGE)
    plan = plan_of(asked)
    callings = callings_of(asked, found)
    levels = sorted({level.level for terms in plan.terms for level in terms.levels})
    given = {name: asked.query(name) for name in ("from", "to", "level", "which")}
    further = bool(wanted.after)
    return page(
        asked,
        "lines.html",
        part="lines_found.html",
        told=_told(found),
        lines=[row(plan, callings, each) for each in found],
        levels=levels,
        given=given,
        whiches=WHICH,
        further=further,
        more=f"{iso(goes_on[0])}.{goes_on[1]}" if goes_on else "",
    )


def _told(found: list[Line]) -> str:
    """How many lines are shown, and of when."""
    if not found:
        return "There are no such lines."
    last, first = iso(found[0].run_day), iso(found[-1].run_day)
    count = f"{len(found)} lines" if len(found) > 1 else "1 line"
    return f"{count}, booked on {last}." if first == last else f"{count}, booked {first} to {last}."


def found_lines(
    asked: Asked, wanted: Filter, limit: int
) -> tuple[list[Line], tuple[Day, int] | None]:
    store = asked.portal.lines(asked.book)
    question = wanted.question(asked.of.number)
    found, goes_on = lines(asked.book, store, question, wanted.after, limit, wanted.picked)
    return list(found), goes_on


def show_line(asked: Asked) -> Response:
    """One line, and why it is what it is; in the page of all lines it opens, and closes again."""
    each = found_line(asked)
    shown_ = row(plan_of(asked), callings_of(asked, [each]), each)
    if asked.query("closed") and in_part(asked.request):
        return page(asked, "line.html", part="line_closed.html", line=shown_)
    why, agrees = explained(asked, each)
    return page(asked, "line.html", part="line_opened.html", line=shown_, why=why, agrees=agrees)


def explained(asked: Asked, each: Line) -> tuple[Sequence[Part], bool]:
    """Why a line is what it is, and whether the book agrees with that; if not, an alarm."""
    said = explain_line(asked.portal.history(asked.book), each.event_id, each.level)
    if said.disagreements:
        asked.portal.alarm("a line does not agree", f"{iso(each.run_day)} level {each.level}")
    return told_why(said, each, callings_of(asked, [each])), not said.disagreements


def found_line(asked: Asked) -> Line:
    """The line of the path: one of the affiliate's own in the run that it names."""
    day, reference = day_of_path(asked.named("day")), asked.named("reference")
    if not _REFERENCE.fullmatch(reference):
        raise Nothing
    store = asked.portal.lines(asked.book)
    of_day = Filter(day, day, None, "all", None).question(asked.of.number)
    callings = Callings(plan_of(asked).name, asked.of.affiliate_id, {})
    for each in told(asked.book, store.of(asked.book, of_day)):
        if callings.reference(each.line_id) == reference:
            return each
    raise Nothing


def plan_of(asked: Asked) -> Plan:
    plan = asked.portal.plan(asked.book)
    if plan is None:
        raise Nothing
    return plan


def callings_of(asked: Asked, found: list[Line]) -> Callings:
    """How those from whom these lines come are called towards their affiliate."""
    direct = {each.earner for each in found if each.level == 1}
    names = readers.names_of(asked.book, direct)
    masked = asked.visitor.masked
    return Callings(
        plan_of(asked).name, asked.of.affiliate_id, names, masked, key=asked.portal.pseudonym_key
    )


def row(plan: Plan, callings: Callings, each: Line) -> dict[str, Any]:
    """A line in words, as its affiliate may read it."""
    amounts = {
        name: shown(getattr(each, f"{name}_minor"), each.currency, each.decimals)
        for name in ("base", "gross", "commission")
    }
    day = Zone(plan.timezone).local_day(each.occurred_us)
    return {
        "reference": callings.reference(each.line_id),
        "address": callings.address(each),
        "run_date": iso(each.run_day),
        "occurred_on": iso(day),
        "from": callings.of(each.earner, each.earner_id, each.level),
        "level": each.level,
        "what": what(each),
        "rate": rate(plan, each),
        "currency": each.currency,
        **amounts,
        "zero": each.commission_minor == 0,
        "cut": WHY.get(each.reason, ""),
        "available_on": iso(each.available_day),
    }


def what(each: Line) -> str:
    if each.terms_day == NO_TERMS or (each.base_minor < 0 and not each.is_reversal):
        return "adjustment"
    return "refund" if each.is_reversal else "earning"


def rate(plan: Plan, each: Line) -> str:
    """The rate of a line; none for what no terms decided."""
    found = [
        level.rate.percent
        for terms in plan.terms
        for level in terms.levels
        if terms.starts == each.terms_day and level.level == each.level
    ]
    return found[0] if found else ""


PAGES = (
    *about("/lines", show_lines, menu="Lines"),
    *about("/lines/{day}/{reference}", show_line, limit=WHYS, heavy=True),
)
