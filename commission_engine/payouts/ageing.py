"""Balances that nobody has paid for long: since when, and why not."""

from collections.abc import Sequence

import polars as pl

from commission_engine.book import facts, holds, runs, views
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, date_of
from commission_engine.converting import unconverted
from commission_engine.ledger.accounts import RAISES_PAYABLE
from commission_engine.ledger.holds import HoldKind
from commission_engine.ledger.life import BACK, State
from commission_engine.ledger.post import signed
from commission_engine.money import plain
from commission_engine.plan.terms import Plan

ACCOUNT = ["affiliate_id", "currency"]

AGED = pl.Schema(
    {
        "affiliate_id": pl.String,
        "currency": pl.String,
        "decimals": pl.Int64,
        "available_minor": pl.Int64,
        "closing_minor": pl.Int64,
        "since_day": pl.Int64,
        "days": pl.Int64,
        "why": pl.String,
    }
)


def aged(
    connection: Connection, plan: Plan, day: Day, older_than: int, *where: views.Condition
) -> pl.DataFrame:
    """Available balances after the run of `day` whose oldest unpaid amount has been available for
    more than so many days, shaped AGED, the oldest first."""
    old = (
        unpaid(connection, day, None, *where)
        .filter(pl.col("days") > older_than)
        .sort("since_day", *ACCOUNT)
    )
    return old.with_columns(_why(connection, plan, day, old)).select(AGED.names()).cast(AGED)


def unpaid(
    connection: Connection, day: Day, known: int | None, *where: views.Condition
) -> pl.DataFrame:
    """Available balances after the run of `day` and since when their oldest unpaid amount has been
    available, shaped AGED but for `why`, unsorted. `known` is the last intake that says which
    payouts came back; None: all.

    A payout takes all that is available. So unpaid is what became available after the last one
    that did not come back; refunds since are not set off against it.
    """
    booked = views.entries(connection, views.ENTRY.c.run_day <= day, *where)
    raises = pl.col("kind").replace_strict(RAISES_PAYABLE, return_dtype=pl.Boolean)
    ripe = (
        booked.filter(raises)
        .with_columns(ripe=pl.max_horizontal("run_day", "available_day"))
        .join(_last_paid(connection, day, known), on=ACCOUNT, how="left")
        .filter(
            pl.col("ripe") <= day,
            pl.col("paid_day").is_null() | (pl.col("ripe") > pl.col("paid_day")),
        )
        .group_by(ACCOUNT)
        .agg(since_day=pl.col("ripe").min())
    )
    owed = booked.with_columns(amount=signed()).group_by(*ACCOUNT, "decimals").agg(
        available_minor=pl.col("amount").filter(pl.col("available_day") <= day).sum(),
        closing_minor=pl.col("amount").sum(),
    )  # fmt: skip
    return (
        owed.filter(pl.col("available_minor") > 0)
        .join(ripe, on=ACCOUNT)
        .with_columns(days=day - pl.col("since_day"))
    )


def _last_paid(connection: Connection, day: Day, known: int | None) -> pl.DataFrame:
    stays = [state for state in State if state not in BACK]
    where = (book.in_state(*stays), views.PAYOUT.c.run_day <= day)
    paid = book.payouts(connection, *where, known=known)
    return paid.group_by("affiliate_id", currency="code").agg(paid_day=pl.col("run_day").max())


def _why(connection: Connection, plan: Plan, day: Day, old: pl.DataFrame) -> pl.Series:
    known = max((run.intake for run in runs.completed(connection) if run.day <= day), default=0)
    names = facts.standings(connection, known)
    people = book.ids(connection, names["affiliate"])
    standing = {people[number]: status for number, status in names.iter_rows()}
    held = holds.listed(connection, day).select("id", "kind", "affiliate_id", "code").rows()
    last = views.last_settlement(connection, day + 1)
    waits = _unconverted(connection, last)
    return pl.Series(
        "why",
        [
            ", ".join(
                _reasons(
                    plan, row["currency"], row["decimals"], row["available_minor"],
                    standing.get(row["affiliate_id"], "active"),
                    [number for number, kind, whose, code in held
                     if kind == HoldKind.RUN or (whose == row["affiliate_id"]
                     and code in (None, row["currency"]))],
                )
            )
            or waits.get((row["affiliate_id"], row["currency"]))
            or (
                f"no settlement since {date_of(row['since_day'])}"
                if last is None or last < row["since_day"]
                else "the next settlement pays it"
            )
            for row in old.iter_rows(named=True)
        ],
        dtype=pl.String,
    )  # fmt: skip


def _unconverted(connection: Connection, last: Day | None) -> dict[tuple[str, str], str]:
    """Why the last settlement could not pay accounts in the currency in which they are paid."""
    for run in runs.completed(connection):
        if run.day == last:
            plan = facts.plan_of(connection, run.plan_version)
            found = unconverted(connection, plan, run.day, run.intake)
            return {(each["affiliate_id"], each["currency"]): each["why"] for each in found}
    return {}


def _reasons(
    plan: Plan, code: str, decimals: int, available: int, standing: str, held: Sequence[int]
) -> list[str]:
    """What keeps an available balance from being paid; several can."""
    least = plan.payout.minimum.get(code, 0)
    why = []
    if available < least:
        why.append(f"{plain(least - available, decimals)} below the minimum")
    if standing != "active":
        why.append(standing)
    return [*why, *(f"hold {number}" for number in held)]
