"""What is not paid before a person has looked, and letting it go."""

from typing import Any

import polars as pl
from starlette.responses import RedirectResponse, Response

from commission_engine.book import newest, readers
from commission_engine.portal.access import FINANCE, Asked, Page, Role
from commission_engine.portal.change import changed
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page
from commission_engine.releases import Wanted, described, release

LOOK = frozenset({Role.OPERATOR, Role.AUDITOR}) | FINANCE
RELEASE = frozenset({Role.OPERATOR, Role.CHECKER})


def holds(asked: Asked) -> Response:
    """Open holds, the newest first; with `all` those that were released too."""
    every = bool(asked.query("all"))
    found = newest.held(asked.book, number_in(asked), A_PAGE + 1, released=every)
    waits = _waiting(asked, found)
    rows, more = some(asked, described(found, waits), lambda each: each["hold"])
    numbers = dict(found.select("id", "affiliate").iter_rows())
    return page(
        asked, "holds.html", every=every, more=more,
        may_release=asked.visitor.role in RELEASE,
        rows=[{**each, "number": numbers[each["hold"]]} for each in rows],
    )  # fmt: skip


def _waiting(asked: Asked, found: pl.DataFrame) -> pl.DataFrame:
    """What the holds of payouts keep back now: of an affiliate the balance is looked up."""
    rows: list[tuple[int, str, int, int]] = []
    open_ = found.filter(pl.col("intake").is_null(), pl.col("affiliate") >= 0)
    for row in open_.iter_rows(named=True):
        rows += [
            (row["id"], each.currency, each.decimals, each.available_minor)
            for each in readers.balances(asked.book, row["affiliate"])
            if each.available_minor > 0 and row["code"] in (None, each.currency)
        ]
    shape: dict[str, Any] = {"id": pl.Int64, "currency": pl.String, "decimals": pl.Int64,
                             "available_minor": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=shape, orient="row")


def let_go(asked: Asked) -> Response:
    """Let the next settlement pay what a hold keeps back."""
    number = whole(asked.named("hold"))
    up_to = asked.form.get("up_to", "").strip() or None
    wanted = Wanted((number,), asked.form.get("reason", ""), up_to)
    changed(asked, lambda connection, given: release(connection, wanted, given))
    return RedirectResponse("/holds?all=1", 303)


PAGES = (
    Page("/holds", holds, LOOK, menu="Holds"),
    Page("/holds/{hold}/release", let_go, RELEASE, "POST"),
)
