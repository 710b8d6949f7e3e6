"""What banks said that nobody could match for sure, and the word of a person on it."""

from typing import Any

import polars as pl
from starlette.responses import RedirectResponse, Response

from commission_engine.book import named, newest
from commission_engine.book import reconcile as book
from commission_engine.finance.reconcile.decide import Decision, Word, decide
from commission_engine.finance.reconcile.match import WAITS
from commission_engine.finance.reconcile.read import Form
from commission_engine.finance.reconcile.reasons import in_words
from commission_engine.payouts.approve import Approval
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page
from commission_engine.portal.amounts import iso, shown
from commission_engine.portal.change import changed
from commission_engine.portal.finance.settlements import LOOK
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page
from commission_engine.problems import UsageError
from commission_engine.publish.ids import payout_id

LAST_FILES = 5
FORMS = [str(each) for each in Form if each is not Form.CSV]
"""Without `csv`: a file with the columns says that."""


def bank(asked: Asked) -> Response:
    """The entries that wait for a person, the newest first."""
    kinds = [str(each) for each in WAITS]
    found = newest.waiting_entries(asked.book, number_in(asked), A_PAGE + 1, kinds)
    numbers, more = some(asked, found, lambda each: each)
    rows = book.entries(asked.book, book.one_of(numbers)).reverse()
    return page(
        asked, "bank.html", rows=listed(asked, rows), more=more,
        files=[] if number_in(asked) else _read(asked), just_read=bool(asked.query("read")),
        forms=FORMS, may_read=asked.visitor.role in FINANCE,
    )  # fmt: skip


def _read(asked: Asked) -> list[dict[str, Any]]:
    """The last files that were read, and what was in them."""
    found = newest.changes(asked.book, None, LAST_FILES, [book.READ])
    return [
        {
            "id": each.id, "at": each.at, "who": each.who, "name": told["file"]["name"],
            "form": told["form"], "known": told["known"], "found": told["found"],
        }
        for each in found
        for told in [each.told()]
    ]  # fmt: skip


def entry(asked: Asked) -> Response:
    """One entry, whatever has become of it."""
    found = book.entries(asked.book, book.one_of([whole(asked.named("entry"))]))
    if not found.height:
        raise Nothing
    (row,) = listed(asked, found)
    may = asked.visitor.role in FINANCE and row["waits"]
    return page(asked, "bank_entry.html", row=row, may_decide=may)


def listed(asked: Asked, found: pl.DataFrame) -> list[dict[str, Any]]:
    """Entries (book.LISTED, or those that a file would bring) as pages show them."""
    plan = asked.portal.plan(asked.book)
    ids = dict(named.ids_of(asked.book, found["affiliate"]).iter_rows())
    codes = {row[0]: row[1] for row in named.currencies(asked.book).iter_rows()}
    rows = []
    for row in found.iter_rows(named=True):
        whose = ids.get(row["affiliate"])
        known = plan is not None and whose is not None and row["run_day"] != book.NOBODY
        about = ""
        if known and plan and whose:
            about = payout_id(plan.name, row["run_day"], whose, codes[row["currency"]])
        said = row["reason_code"] or row["reason"]
        rows.append(
            {
                **row,
                "booked_on": iso(row["booked_day"]),
                "amount": shown(row["amount_minor"], row["code"], row["decimals"]),
                "payee_account": f"…{row['payee_tail']}" if row["payee_tail"] else "",
                "reason_said": in_words(row["reason_code"], row["reason"]) if said else "",
                "payout_id": about,
                "settlement": iso(row["run_day"]) if about else "",
                "waits": not row.get("decided") and row["found"] in [str(each) for each in WAITS],
            }
        )
    return rows


def decided(asked: Asked) -> Response:
    """Keep a person's word on an entry. It stays."""
    number = whole(asked.named("entry"))
    said = asked.form.get("word", "")
    if said not in list(Word):
        raise UsageError(
            "no decision is chosen", "Say which payout the entry is about, or that it is none."
        )
    payout = asked.form.get("payout_id", "").strip() if said == Word.PAYOUT else ""
    wanted = Decision([number], Word(said), payout, asked.form.get("reason", ""))
    second = asked.portal.settings.payouts_approval.value == Approval.TWO_PERSON
    changed(asked, lambda connection, given: decide(connection, wanted, given, second=second))
    return RedirectResponse(f"/bank/{number}", 303)


PAGES = (
    Page("/bank", bank, LOOK, menu="Bank"),
    Page("/bank/{entry}", entry, LOOK),
    Page("/bank/{entry}", decided, FINANCE, "POST"),
)
