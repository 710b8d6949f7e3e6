"""What people do with payouts: approve, take back, reject, export, mark. Each is shown first, as a
dry run of the command, and done when it is sent once more."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from starlette.responses import RedirectResponse, Response

from commission_engine.book import newest, readers
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.calendar import date_of
from commission_engine.finance.bank.export import FORMATS, ForBanks, format_of, opened
from commission_engine.finance.payees.seal import Keys
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import State
from commission_engine.payouts import approve as steps
from commission_engine.payouts.approve import Approval, Changed
from commission_engine.payouts.choose import SHORT, Wanted, counted
from commission_engine.payouts.export import Export, Order, export
from commission_engine.payouts.formats import Format, Plain
from commission_engine.payouts.mark import mark, override
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page, Role
from commission_engine.portal.amounts import day_in, shown
from commission_engine.portal.change import at_work, changed, circumstances
from commission_engine.portal.files import proved
from commission_engine.portal.finance.settlements import LOOK
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page
from commission_engine.problems import UsageError

MAKER, CHECKER = frozenset({Role.MAKER}), frozenset({Role.CHECKER})
SHOWN = 50
FOLDER = "payments"
DONE = (book.APPROVE, book.WITHDRAW, book.REJECT, book.EXPORT, book.MARK, book.OVERRIDE)
_ID = re.compile(r"po-\d{8}-[0-9a-v]{16}", re.ASCII)


def payouts(asked: Asked) -> Response:
    """What was done with payouts, the newest first; what waits is dealt with from here."""
    found = newest.changes(asked.book, number_in(asked), A_PAGE + 1, DONE)
    rows, more = some(asked, found, lambda each: each.id)
    return page(
        asked, "payouts.html", rows=[_done(each) for each in rows], more=more,
        acts_as=asked.visitor.role.value, formats=["csv", *FORMATS],
        approval=_mode(asked).value,
    )  # fmt: skip


def _done(row: Any) -> dict[str, Any]:
    told = row.told()
    totals = told.get("totals", {})
    return {
        "id": row.id, "at": row.at, "who": row.who, "what": row.what,
        "count": told.get("payouts", 1), "batch": told.get("batch", ""),
        "to": told.get("to", ""), "reason": told.get("reason", ""), "file": told.get("file", ""),
        "about": f"{told['affiliate_id']} {told['currency']}" if "currency" in told else "",
        "totals": [f"{amount} {code}" for code, amount in totals.items()],
    }  # fmt: skip


def _mode(asked: Asked) -> Approval:
    return Approval(asked.portal.settings.payouts_approval.value)


# -- shown first, then done


def _wanted(asked: Asked) -> Wanted:
    """Which payouts a form means: those that are ticked, or all that meet its filters."""
    form = asked.form
    ids = tuple(name for name in form if _ID.fullmatch(name))
    if ids:
        return Wanted(ids)
    date = form.get("date", "").strip()
    day = day_in(date)
    if date and day is None:
        raise UsageError(f"--date: {date!r} is not a day", "Write such as 2026-11-20.")
    named = {name: form.get(name, "").strip() for name in
             ("affiliate_id", "currency", "up_to", "batch")}  # fmt: skip
    return Wanted((), day, **named)


def _stepped(
    asked: Asked,
    how: Callable[[Connection, Circumstances], Changed],
    *,
    title: str,
    button: str,
    note: str = "",
) -> Response:
    """Show what a step comes to; or do it, where it has been looked at, and lead to the batch."""
    sure = bool(asked.form.get("sure"))
    done = changed(asked, how, keep=sure)
    if sure:
        place = f"/batches/{done.batch}" if done.batch else "/payouts"
        return RedirectResponse(place, 303)
    keep = {name: value for name, value in asked.form.items()
            if name not in ("form_token", "sure")}  # fmt: skip
    return page(
        asked, "payouts_step.html", title=title, button=button, note=note,
        fields=keep | {"hash": done.batch},
        rows=_rows(done.payouts), sums=counted(done.payouts), height=done.payouts.height,
        already=done.already, batch=done.batch,
        withdrawn=done.withdrawn.height if done.withdrawn is not None else 0,
    )  # fmt: skip


def _amount(row: Mapping[str, Any]) -> str:
    """What a payout is, and what it is paid as where that is in another currency."""
    amount = shown(row["amount_minor"], row["code"], row["decimals"])
    if row["paid_code"] == row["code"]:
        return amount
    paid = shown(row["paid_minor"], row["paid_code"], row["paid_decimals"])
    return f"{amount}, paid as {paid}"


def _rows(found: pl.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "id": row["payout_id"], "affiliate_id": row["affiliate_id"],
            "name": row.get("name", ""), "standing": row.get("standing", ""),
            "date": date_of(row["run_day"]).isoformat(), "why": row.get("why", ""),
            "amount": _amount(row),
        }
        for row in found.head(SHOWN).iter_rows(named=True)
    ]  # fmt: skip


def approve(asked: Asked) -> Response:
    """Approve what was looked at, and nothing else."""
    wanted, mode = _wanted(asked), _mode(asked)
    looked_at = asked.form.get("hash", "") if asked.form.get("sure") else ""
    if asked.form.get("sure") and not looked_at:
        raise UsageError("nothing was looked at", "Look at what would be approved first.")
    return _stepped(
        asked, lambda c, given: steps.approve(c, wanted, looked_at, given, mode),
        title="Look at what you approve", button="Approve",
    )  # fmt: skip


def withdraw(asked: Asked) -> Response:
    """Take the approval of a batch back, of what is not exported yet."""
    batch, reason = asked.form.get("batch", ""), asked.form.get("reason", "")
    return _stepped(
        asked, lambda c, given: steps.withdraw(c, batch, reason, given),
        title="Take an approval back", button="Take it back",
        note="These payouts are pending again.",
    )  # fmt: skip


def reject(asked: Asked) -> Response:
    """Void payouts that are not exported; their money goes back to the balance."""
    wanted, reason = _wanted(asked), asked.form.get("reason", "")
    return _stepped(
        asked, lambda c, given: steps.reject(c, wanted, reason, given),
        title="Reject payouts", button="Reject", note="The next run books them back.",
    )  # fmt: skip


def marked(asked: Asked) -> Response:
    """Say that the bank has paid exported payouts, or that they failed."""
    wanted, reason = _wanted(asked), asked.form.get("reason", "")
    said = asked.form.get("to", "")
    if said not in (State.PAID, State.FAILED):
        raise UsageError(f"{said!r} is nothing that a bank says", "Choose paid or failed.")
    back = bool(asked.form.get("returned"))
    return _stepped(
        asked, lambda c, given: mark(c, wanted, State(said), reason, given, sent_back=back),
        title=f"Mark payouts {said}", button=f"Mark {said}",
        note="The next run books them back." if said == State.FAILED else "",
    )  # fmt: skip


def overridden(asked: Asked) -> Response:
    """Let the next settlement pay a balance that is below the minimum; what there is of it first.
    Its payout waits for approval as others do."""
    form = {name: asked.form.get(name, "").strip() for name in
            ("affiliate_id", "currency", "reason")}  # fmt: skip
    sure = bool(asked.form.get("sure"))
    news = changed(asked, lambda c, given: override(c, **form, given=given), keep=sure)
    if sure and news:
        return RedirectResponse("/payouts", 303)
    whom, plan = readers.person_of(asked.book, form["affiliate_id"]), asked.portal.plan(asked.book)
    code = form["currency"]
    return page(
        asked, "payouts_override.html", form=form, news=news,
        available=[
            shown(each.available_minor, code, each.decimals)
            for each in (readers.balances(asked.book, whom.number) if whom else ())
            if each.currency == code
        ],
        least=shown(plan.payout.minimum[code], code, plan.decimals[code])
        if plan and code in plan.payout.minimum else "",
    )  # fmt: skip


# -- files to pay


def exported(asked: Asked) -> Response:
    """Put approved payouts into files to pay; what it would come to first."""
    sure = bool(asked.form.get("sure"))
    done = _export(asked, keep=sure)
    if sure:
        return RedirectResponse("/payments", 303)
    keep = {name: value for name, value in asked.form.items()
            if name not in ("form_token", "sure")}  # fmt: skip
    files = [
        {"name": each.path.name, "sha256": each.sha256, "format": each.format or "csv",
         "sums": each.sums}
        for each in done.files
    ]  # fmt: skip
    return page(asked, "payouts_export.html", fields=keep, files=files, held=_rows(done.held),
                more=max(0, done.held.height - SHOWN), elsewhere=done.elsewhere)  # fmt: skip


def _export(asked: Asked, *, keep: bool) -> Export:
    settings, form = asked.portal.settings, asked.form
    keys = asked.portal.environment
    order = Order(
        _mode(asked),
        asked.portal.out / FOLDER,
        form.get("batch", "").strip(),
        bool(form.get("again")),
        _format(asked, form.get("format", "csv"), form.get("on", "").strip()),
        settings.debtor.cool_off_days,
        lambda connection, file: opened(connection, file, Keys.of(keys)),
        tuple(settings.tax_require_document.value),
    )
    with at_work(asked) as worker:
        return export(worker, order, circumstances(asked, dry_run=not keep))


def _format(asked: Asked, name: str, on: str) -> Format:
    if name == "csv":
        if on:
            raise UsageError("--on: there is no day in files of the format csv", "Leave it out.")
        return Plain()
    if name not in FORMATS:
        raise UsageError(f"{name!r} is no format", f"Choose one of csv, {', '.join(FORMATS)}.")
    day = day_in(on) if on else None
    if on and day is None:
        raise UsageError(f"--on: {on!r} is not a day", "Write such as 2026-11-20.")
    debtor = asked.portal.settings.debtor
    return ForBanks(format_of(name, debtor), debtor, Keys.of(asked.portal.environment), day)


def payments(asked: Asked) -> Response:
    """Files to pay, the newest first."""
    found = newest.payment_files(asked.book, number_in(asked), A_PAGE + 1)
    rows, more = some(asked, found, lambda each: each.intake)
    return page(asked, "payments.html", rows=rows, more=more, short=SHORT)


def payment(asked: Asked) -> Response:
    """A file to pay, as it was exported."""
    number = whole(asked.named("payment"))
    found = newest.payment_files(asked.book, number + 1, 1)
    if not found or found[0].intake != number or found[0].folder is None:
        raise Nothing
    return proved(asked, Path(found[0].folder) / found[0].name, found[0].sha256)


PAGES = (
    Page("/payouts", payouts, LOOK, menu="Payouts"),
    Page("/payouts/approve", approve, CHECKER, "POST", heavy=True),
    Page("/payouts/withdraw", withdraw, CHECKER, "POST", heavy=True),
    Page("/payouts/reject", reject, FINANCE, "POST", heavy=True),
    Page("/payouts/mark", marked, FINANCE, "POST", heavy=True),
    Page("/payouts/override", overridden, MAKER, "POST"),
    Page("/payouts/export", exported, MAKER, "POST", heavy=True),
    Page("/payments", payments, LOOK, menu="Files to pay"),
    Page("/payments/{payment}", payment, LOOK, limit=DOWNLOADS),
)
