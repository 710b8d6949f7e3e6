"""What affiliates have given for the tax office: a W-9, a W-8, or nothing."""

import polars as pl

from commission_engine.book import audit, facts, named, tax
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, date_of
from commission_engine.imports import Circumstances
from commission_engine.problems import UsageError

NOTHING = "Nothing was changed."


def give(
    connection: Connection,
    affiliate_id: str,
    kind: str,
    days: tuple[Day, Day],
    reason: str,
    given: Circumstances,
) -> bool:
    """Record a document, or with kind `none` that there is none any more; whether it is news.
    `days`: signed on, and the last day on which it is good. UsageError where it cannot be."""
    if not reason.strip():
        raise UsageError("--reason is empty", f"Say how you know; it is kept. {NOTHING}")
    if days[1] < days[0]:
        raise UsageError("--expires is before --date", f"Write the later day there. {NOTHING}")
    number = named.number_of(connection, affiliate_id)
    if number is None:
        raise UsageError(
            f"there is no affiliate {affiliate_id!r}", f"Ids are case-sensitive. {NOTHING}"
        )
    holds = tax.documents(connection).filter(pl.col("affiliate") == number)
    told = (kind, *days, reason)
    if holds.height and holds.select("kind", "signed_day", "expires_day", "reason").row(0) == told:
        return False
    intake = facts.open_intake(
        connection, facts.Intake(tax.DOCUMENT, given.now, given.who), 0, 0, 0
    )
    spans = tax.add_document(connection, intake, number, kind, days, reason)
    details = {
        "affiliate_id": affiliate_id, "kind": kind, "signed_on": date_of(days[0]).isoformat(),
        "reason": reason,
        "expires_on": date_of(days[1]).isoformat() if days[1] != tax.NEVER else None,
    }  # fmt: skip
    audit.learned(connection, given.signed, intake, details, spans)
    return True
