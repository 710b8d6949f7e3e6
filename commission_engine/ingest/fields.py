"""Text columns -> ids, instants, whole minor units; what is not of the form is refused.

Of several faults of a row the first in the rank of `problems.Code` is named.
"""

from collections.abc import Mapping

import polars as pl

from commission_engine.calendar import BEGINNING
from commission_engine.ingest.amounts import (
    AMOUNT_MINOR,
    form_check,
    money_checks,
    with_amount_parts,
)
from commission_engine.ingest.checks import (
    Check,
    Typed,
    id_check,
    judge,
    no_nul,
    none_if_empty,
    shown,
)
from commission_engine.ingest.instants import instant_fault, parse_instants
from commission_engine.ingest.rows import Rows, refuse
from commission_engine.problems import Code

__all__ = ["STATUSES", "Typed", "refuse", "typed_affiliates", "typed_earnings", "typed_referrals"]

STATUSES = ("active", "suspended", "closed")


def typed_earnings(rows: Rows, decimals: Mapping[str, int]) -> Typed:
    """event_id, affiliate_id, currency (String), reverses (String or null), occurred_us (Int64:
    microseconds since 1970 in UTC), amount_minor (Int64).

    `decimals` are those of every currency that an amount may be in.
    """

    def prepare(part: pl.DataFrame) -> pl.DataFrame:
        return with_amount_parts(part, decimals).with_columns(
            occurred_us=parse_instants(part["occurred_at"])
        )

    checks = (
        id_check("event_id"),
        id_check("affiliate_id"),
        id_check("reverses", optional=True),
        form_check(),
        _instant_check("occurred_at", "occurred_us"),
        *money_checks(decimals),
    )
    columns = {
        "event_id": pl.col("event_id"),
        "affiliate_id": pl.col("affiliate_id"),
        "occurred_us": pl.col("occurred_us"),
        "amount_minor": AMOUNT_MINOR,
        "currency": pl.col("currency"),
        "reverses": none_if_empty("reverses"),
    }
    return judge(rows, prepare, checks, columns)


def typed_referrals(rows: Rows) -> Typed:
    """affiliate_id, referrer_id (String), since_us (Int64: microseconds since 1970 in UTC,
    `calendar.BEGINNING` where `since` is empty or missing).
    """

    def prepare(part: pl.DataFrame) -> pl.DataFrame:
        empty = pl.col("since").fill_null("") == ""
        return part.with_columns(parsed=parse_instants(part["since"])).with_columns(
            since_us=pl.when(empty).then(pl.lit(BEGINNING, pl.Int64)).otherwise("parsed")
        )

    checks = (
        id_check("affiliate_id"),
        id_check("referrer_id"),
        _instant_check("since", "since_us"),
    )
    names = ("affiliate_id", "referrer_id", "since_us")
    return judge(rows, prepare, checks, {name: pl.col(name) for name in names})


def typed_affiliates(rows: Rows) -> Typed:
    """affiliate_id (String); name, email, country, locale, status (String, null where empty)."""
    about = ("name", "email", "country", "locale")
    checks = (
        *(no_nul(name) for name in about),
        id_check("affiliate_id"),
        Check(
            Code.BAD_STATUS,
            "status",
            ~pl.col("status").is_in(["", *STATUSES]),
            lambda text, _: f"{shown(text)} is not a status; write active, suspended or closed",
        ),
    )
    columns = {
        "affiliate_id": pl.col("affiliate_id"),
        **{name: none_if_empty(name) for name in (*about, "status")},
    }
    return judge(rows, lambda part: part, checks, columns)


def _instant_check(column: str, parsed: str) -> Check:
    def say(text: str, _: str) -> str:
        return f"{shown(text) if text else f'the empty {column}'} {instant_fault(text)}"

    return Check(Code.BAD_TIMESTAMP, column, pl.col(parsed).is_null(), say)
