"""The end of a month: what is open, closings with their packs, closing and opening again."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.book import closings as book
from commission_engine.book import readers
from commission_engine.calendar import date_of
from commission_engine.finance.close.close import turn
from commission_engine.finance.close.obstacles import obstacles
from commission_engine.finance.close.period import Period
from commission_engine.finance.close.prove import FOLDER
from commission_engine.finance.close.reopen import ask, confirm
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page
from commission_engine.portal.change import changed
from commission_engine.portal.files import proved
from commission_engine.portal.finance.settlements import LOOK
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.render import page
from commission_engine.portal.started import start
from commission_engine.problems import UsageError

WHERE = {
    "dates": "/runs", "refused rows": "/refused", "payouts": "/payouts", "bank entries": "/bank",
    "holds": "/holds", "proposals": "/corrections",
}  # fmt: skip
"""The page where each sort of what is open is dealt with."""


def month_end(asked: Asked) -> Response:
    """Closed months, the newest first, and of the one that is asked for what is open. That goes
    through the book, so it is done when somebody asks."""
    made = book.closings(asked.book)
    month = asked.query("month")
    period = Period.of(month) if month else None
    found = obstacles(asked.book, period, (), accept_refused=False) if period else []
    wishes = {each.closing: each for each in book.requests(asked.book) if not each.reopened}
    return page(
        asked, "month_end.html",
        closings=[_said(each, wishes.get(each.intake)) for each in reversed(made)],
        due=_due(asked, made), month=month, open=[(each, WHERE[each.sort]) for each in found],
        may=asked.visitor.role in FINANCE,
    )  # fmt: skip


def _due(asked: Asked, made: list[book.Closing]) -> str:
    """The month whose turn it is; where none was ever closed, the one of the last run."""
    period = turn(made, [each for each in made if each.holds])
    last = readers.last_run(asked.book)
    if period is None and last is not None:
        period = Period.around(last)
    return period.name if period else ""


def _said(each: book.Closing, wish: book.Request | None) -> dict[str, Any]:
    return {
        "name": each.name, "month": each.month, "until": date_of(each.last_day).isoformat(),
        "closed_at": each.closed_at, "closed_by": each.closed_by, "holds": each.holds,
        "reopened_at": each.reopened_at, "reopened_by": each.reopened_by,
        "files": sorted(each.files.items()), "wish": wish if each.holds else None,
    }  # fmt: skip


def pack(asked: Asked) -> Response:
    """A file of a closing's pack, as it was closed with."""
    name, paper = asked.named("closing"), asked.named("paper")
    for each in book.closings(asked.book):
        if each.name == name and paper in each.files:
            return proved(asked, asked.portal.out / FOLDER / name / paper, each.files[paper])
    raise Nothing


def close(asked: Asked) -> Response:
    """Start the closing of a month: proving the whole book takes its time."""
    period = Period.of(asked.form.get("month", "").strip())
    words = ["close", period.name, f"--as={asked.visitor.who.id}"]
    reason = asked.form.get("reason", "").strip()
    if bool(asked.form.get("accept")) != bool(reason):
        raise UsageError(
            "--accept-refused and --reason belong together", "Say why refused rows may stay."
        )
    if reason:
        words += ["--accept-refused", f"--reason={reason}"]
    if asked.form.get("trial"):
        words.append("--dry-run")
    return RedirectResponse(f"/started/{start(asked, words, f'close-{period.name}')}", 303)


def reopen(asked: Asked) -> Response:
    """Ask to open the last closed month again, or confirm it as the second person."""
    period = Period.of(asked.named("month"))
    reason = asked.form.get("reason", "")
    if asked.form.get("confirm"):
        changed(asked, lambda connection, given: confirm(connection, period, given))
    else:
        changed(asked, lambda connection, given: ask(connection, period, reason, given))
    return RedirectResponse("/month-end", 303)


PAGES = (
    Page("/month-end", month_end, LOOK, menu="Month-end", heavy=True),
    Page("/month-end/close", close, FINANCE, "POST"),
    Page("/month-end/{month}/reopen", reopen, FINANCE, "POST"),
    Page("/month-end/{closing}/{paper}", pack, LOOK, limit=DOWNLOADS),
)
