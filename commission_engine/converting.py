"""What a settlement pays in another currency: by which rate, how much, and what cannot be paid.

A run converts with the rates and the words on currencies that it knew, so it comes to the same
whenever it is derived again. What cannot be converted is not paid: it stays available, as an
amount below the minimum does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from commission_engine.book import exchange as book
from commission_engine.book import views
from commission_engine.book.connect import Connection
from commission_engine.book.exchange import CONVERSIONS
from commission_engine.calendar import Day, date_of
from commission_engine.ledger.convert import EURO, ONE, converted
from commission_engine.ledger.holds import HOLDS, HoldKind, withhold
from commission_engine.money import MAX_MINOR, Minor, plain
from commission_engine.plan.terms import Plan

KEY = ("affiliate", "currency")


class Quote(NamedTuple):
    """How two currencies stand to the euro on a day, as `source` has said."""

    day: Day
    rate: str
    to_rate: str
    source: str


def convert(
    connection: Connection,
    plan: Plan,
    codes: Sequence[str],
    day: Day,
    known: int,
    statements: pl.DataFrame | None,
) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """The statements of the run of `day` (None: it does not settle) without what cannot be
    converted, and the conversions of the others, shaped CONVERSIONS, by affiliate and currency.

    `statements` are as if nothing had to be converted; `known` is the last intake that it knows.
    """
    nothing = pl.DataFrame(schema=dict(CONVERSIONS))
    if statements is None:
        return None, nothing
    wanted = book.payout_currencies(connection, known).filter(pl.col("code") != "")
    names = pl.DataFrame(
        {"currency": range(len(codes)), "own": codes},
        schema={"currency": pl.Int64, "own": pl.String},
    )
    due = (
        statements.filter(pl.col("paid_minor") > 0)
        .select(*KEY, "paid_minor")
        .join(wanted.select("affiliate", to_code="code"), on="affiliate")
        .join(names, on="currency")
        .filter(pl.col("own") != pl.col("to_code"))
        .sort(KEY)
    )
    if not due.height:
        return statements, nothing
    pairs = due.select("own", "to_code").unique().rows()
    quotes = {pair: quote(connection, plan, day, known, *pair) for pair in pairs}
    made, stays = [], []
    for whose, number, minor, to_code, own in due.iter_rows():
        said, found = quotes[own, to_code], None
        if said is not None:
            found = in_other(plan, minor, own, to_code, said)
        if said is None or found is None:
            stays.append((HoldKind.PAYOUT.value, whose, number, 0, 0, ""))
        else:
            made.append(
                (whose, number, to_code, plan.decimals[to_code], found, said.day, said.rate,
                 said.to_rate, said.source)
            )  # fmt: skip
    kept = pl.DataFrame(stays, schema=HOLDS, orient="row")
    return withhold(statements, kept), pl.DataFrame(made, dict(CONVERSIONS), orient="row")


def quote(
    connection: Connection, plan: Plan, day: Day, known: int, own: str, to_code: str
) -> Quote | None:
    """The last rates of both currencies on one day, up to `day` and no older than the plan allows;
    None where intake `known` knew none."""
    if to_code not in plan.decimals:
        return None
    asked = {own, to_code} - {EURO}
    found = book.rates(connection, day - plan.payout.rate_days, day, asked, known)
    by_day: dict[Day, dict[str, tuple[str, str]]] = {}
    for code, on, rate, source in found.select("code", "day", "rate", "source").iter_rows():
        by_day.setdefault(on, {})[code] = rate, source
    whole = [on for on, said in by_day.items() if asked == said.keys()]
    if not whole:
        return None
    last = by_day[max(whole)]
    source = "+".join(sorted({source for _, source in last.values()}))
    rate, to_rate = (last[code][0] if code in last else ONE for code in (own, to_code))
    return Quote(max(whole), rate, to_rate, source)


def in_other(plan: Plan, minor: Minor, own: str, to_code: str, said: Quote) -> Minor | None:
    """An amount in the other currency; None where it is nothing there, or more than can be."""
    found = converted(minor, plan.decimals[own], said.rate, plan.decimals[to_code], said.to_rate)
    return found if 0 < found < MAX_MINOR else None


def why_not(
    connection: Connection, plan: Plan, day: Day, known: int, minor: Minor, own: str, to_code: str
) -> str:
    """Why the settlement of `day` could not pay an amount in the other currency; "" it could."""
    said = quote(connection, plan, day, known, own, to_code)
    if said is None:
        first = date_of(day - plan.payout.rate_days)
        return f"no rate of {own} in {to_code} of {first} to {date_of(day)} was known"
    if in_other(plan, minor, own, to_code, said) is None:
        return f"it cannot be said in {to_code}: it is less than its least amount, or too much"
    return ""


def unconverted(connection: Connection, plan: Plan, day: Day, known: int) -> list[dict[str, str]]:
    """What a settlement would have paid, and could not in the other currency: affiliate_id,
    currency, available, paid_in, why."""
    said = book.payout_currencies(connection, known).filter(pl.col("code") != "")
    if not said.height:
        return []
    rows = views.statements(connection, *views.between(views.STATEMENT, day, day)).filter(
        pl.col("paid_minor") == 0, pl.col("available_minor") > 0
    )
    found = []
    for row in rows.join(said, on="affiliate_id").sort("affiliate_id", "currency").to_dicts():
        own, minor = row["currency"], row["available_minor"]
        if own != row["code"] and minor >= plan.payout.minimum.get(own, 0):
            why = why_not(connection, plan, day, known, minor, own, row["code"])
            if why:
                found.append(
                    {"affiliate_id": row["affiliate_id"], "currency": own,
                     "available": plain(minor, row["decimals"]), "paid_in": row["code"],
                     "why": why}
                )  # fmt: skip
    return found
