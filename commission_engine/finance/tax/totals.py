"""What was paid to whom in a year, and who is above a threshold.

A payment counts on the local day, in the plan's zone, on which it was marked as paid; one that came
back was never made.
"""

from datetime import datetime

import polars as pl

from commission_engine.book import payouts as book
from commission_engine.book import runs, tax
from commission_engine.book.connect import Connection
from commission_engine.calendar import Zone, date_of, day_of
from commission_engine.finance.tax.rules import Rules
from commission_engine.money import plain
from commission_engine.payouts.choose import plan_of_book

TOTALS = (
    "year", "country", "affiliate_id", "name", "currency", "payments", "paid", "form", "threshold",
    "above", "document", "signed_on", "expires_on",
)  # fmt: skip


def paid_days(connection: Connection, payments: pl.DataFrame) -> pl.DataFrame:
    """Payments (tax.PAYMENTS) with `paid_day`, the day on which each counts."""
    zone = Zone(plan_of_book(connection).timezone)
    days = {
        at: zone.local_day(int(datetime.fromisoformat(at).timestamp()) * 1_000_000)
        for at in payments["paid_at"].unique().to_list()
    }
    return payments.with_columns(
        pl.Series("paid_day", [days[at] for at in payments["paid_at"].to_list()], dtype=pl.Int64)
    )


def totals(connection: Connection, rules: Rules, year: int, country: str = "") -> pl.DataFrame:
    """Per payee and currency what was paid in a year, as texts: the columns TOTALS, by country,
    payee and currency. `above` is empty where no threshold is in that currency."""
    first, last = (day_of(date_of(0).replace(year, *each)) for each in ((1, 1), (12, 31)))
    made = paid_days(connection, tax.payments(connection))
    mine = made.filter(pl.col("paid_day").is_between(first, last))
    known = runs.last_intake(connection)
    homes = book.countries(connection, mine["affiliate"], known)
    names = book.names(connection, mine["affiliate"], known)
    given = {row["affiliate"]: row for row in tax.documents(connection).iter_rows(named=True)}
    sums = (
        mine.group_by("affiliate", "affiliate_id", "paid_code", "paid_decimals")
        .agg(pl.len(), pl.col("paid_minor").sum())
        .rows()
    )
    rows = []
    for number, affiliate_id, code, decimals, count, minor in sums:
        home = homes.get(number, "")
        rule = rules.threshold(home, last)
        applies = rule is not None and rule.currency == code
        document = given.get(number)
        has = document is not None and document["kind"] != tax.NONE
        expires = document["expires_day"] if document is not None and has else tax.NEVER
        rows.append(
            (
                str(year), home, affiliate_id, names.get(number, ""), code, count,
                plain(minor, decimals),
                rule.form if rule and applies else "",
                plain(rule.minor, decimals) if rule and applies else "",
                ("yes" if minor >= rule.minor else "no") if rule and applies else "",
                document["kind"] if document is not None else tax.NONE,
                date_of(document["signed_day"]).isoformat() if document is not None and has else "",
                date_of(expires).isoformat() if expires != tax.NEVER else "",
            )
        )  # fmt: skip
    schema = {name: pl.Int64 if name == "payments" else pl.String for name in TOTALS}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    if country:
        found = found.filter(pl.col("country") == country)
    return found.sort("country", "affiliate_id", "currency")
