"""Open a closed month again: one person asks, another confirms. The pack stays; the next closing
has one of its own, which names who opened it and why."""

from commission_engine.book import audit, closings, facts
from commission_engine.book.closings import Closing, Request
from commission_engine.book.connect import Connection
from commission_engine.finance.close.close import NOTHING
from commission_engine.finance.close.period import Period
from commission_engine.identity import Identity
from commission_engine.imports import Circumstances
from commission_engine.problems import UsageError


def ask(
    connection: Connection, period: Period, reason: str, given: Circumstances
) -> tuple[Request, bool]:
    """Ask to open a month again: the wish, and whether it is new. UsageError where it cannot be."""
    if not reason.strip():
        raise UsageError("--reason is empty", f"Say why; it is kept. {NOTHING}")
    done = _last(connection, period)
    before = waiting(connection, done)
    if before and (before.reason, before.asked_by) == (reason, given.who):
        return before, False
    what = facts.Intake(closings.ASK, given.now, given.who)
    number = facts.open_intake(connection, what, 0, 0, 0)
    spans = closings.add_request(connection, number, done.intake, reason)
    audit.learned(connection, given.signed, number, {"closing": done.name, "reason": reason}, spans)
    return closings.requests(connection)[-1], True


def confirm(connection: Connection, period: Period, given: Circumstances) -> Request:
    """Open a month again as the second person. UsageError where nobody has asked, or oneself."""
    done = _last(connection, period)
    found = waiting(connection, done)
    if found is None:
        raise UsageError(
            f"nobody has asked to open {period.name} again",
            f"commission reopen {period.name} --reason TEXT asks. {NOTHING}",
        )
    if Identity.of(found.asked_by).same_person(Identity.of(given.who)):
        raise UsageError(
            f"{found.asked_by} has asked to open {period.name} again: a second person has to"
            " confirm it",
            f"Somebody else gives the same command. {NOTHING}",
        )
    what = facts.Intake(closings.REOPEN, given.now, given.who)
    number = facts.open_intake(connection, what, 0, 0, 0)
    spans = closings.add_reopening(connection, number, found)
    told = {"closing": done.name, "reason": found.reason, "asked_by": found.asked_by}
    audit.learned(connection, given.signed, number, told, spans)
    return next(each for each in closings.requests(connection) if each.intake == found.intake)


def waiting(connection: Connection, done: Closing) -> Request | None:
    """The last wish to open a closing that holds; None: there is none."""
    asked = [each for each in closings.requests(connection) if each.closing == done.intake]
    return asked[-1] if asked and done.holds else None


def _last(connection: Connection, period: Period) -> Closing:
    """The closing of a month that is the last one that holds: months are opened backwards."""
    held = [each for each in closings.closings(connection) if each.holds]
    if not any(each.first_day == period.first for each in held):
        raise UsageError(
            f"{period.name} is not closed", f"`commission closings` lists what is. {NOTHING}"
        )
    if held[-1].first_day != period.first:
        raise UsageError(
            f"{held[-1].month} is closed after {period.name}",
            f"The last one is opened first: commission reopen {held[-1].month}. {NOTHING}",
        )
    return held[-1]
