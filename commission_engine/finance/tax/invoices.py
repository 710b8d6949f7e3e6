"""Self-billing invoices: one number a payment, without gaps, given once and never again."""

from collections.abc import Mapping

import polars as pl

from commission_engine.book import audit, facts, runs, tax
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.book.digests import canonical
from commission_engine.calendar import Day
from commission_engine.finance.tax.rules import ADDED, NO_VAT, Rules
from commission_engine.finance.tax.totals import paid_days
from commission_engine.imports import Circumstances
from commission_engine.payouts.choose import plan_of_book
from commission_engine.problems import UsageError
from commission_engine.publish import text
from commission_engine.publish.ids import payout_ids, statement_ids

DIGITS = 6
"""A number is written with so many digits at least."""


def issue(
    connection: Connection,
    rules: Rules,
    issuer: Mapping[str, str],
    up_to: Day,
    given: Circumstances,
) -> pl.DataFrame:
    """Give a number to every payment made up to a day that has none, in the order of the days on
    which they were made; the invoices, shaped tax.INVOICES. `issuer` is the legal entity: name,
    address, vat_id, prefix. UsageError where it has no name."""
    if not issuer["name"]:
        raise UsageError(
            "who issues the invoices is not known: entity.name is empty",
            "Set the table [entity] in config/engine.toml: name, address, vat_id, prefix. Nothing"
            " was changed.",
        )
    made = paid_days(connection, tax.payments(connection)).filter(pl.col("paid_day") <= up_to)
    open_ = made.join(tax.invoiced(connection), on=book.KEY, how="anti").sort(
        "paid_day", "run_day", "affiliate_id", "code"
    )
    prefix = issuer["prefix"]
    first = tax.last_number(connection, prefix) + 1
    homes = book.countries(connection, open_["affiliate"], runs.last_intake(connection))
    if open_.height:
        what = facts.Intake(tax.ISSUE, given.now, given.who)
        number = facts.open_intake(connection, what, 0, 0, 0)
        rows = _rows(open_, rules, homes, canonical(dict(issuer)).decode()).with_columns(
            pl.lit(prefix).alias("prefix"),
            pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias("number"),
            pl.lit(number, pl.Int64).alias("intake"),
        )
        spans = tax.add_invoices(connection, rows)
        told = {"prefix": prefix, "first": first, "last": first + rows.height - 1}
        audit.learned(connection, given.signed, number, told, spans)
    issued = tax.invoices(connection)
    return issued.filter(pl.col("prefix") == prefix, pl.col("number") >= first)


def _rows(made: pl.DataFrame, rules: Rules, homes: Mapping[int, str], issuer: str) -> pl.DataFrame:
    taxed = []
    for row in made.iter_rows(named=True):
        country = homes.get(row["affiliate"], "")
        vat = rules.vat_of(country, row["paid_day"])
        minor = vat.of(row["amount_minor"]) if vat else 0
        taxed.append(
            (country, vat.treatment if vat else NO_VAT, str(vat.rate) if vat else "0", minor)
        )
    schema = {
        "country": pl.String, "treatment": pl.String, "rate": pl.String, "vat_minor": pl.Int64,
    }  # fmt: skip
    return pl.concat(
        [made, pl.DataFrame(taxed, schema=schema, orient="row")], how="horizontal"
    ).with_columns(issued_day=pl.col("paid_day"), issuer=pl.lit(issuer))


def table(connection: Connection, invoices: pl.DataFrame) -> pl.DataFrame:
    """Invoices (tax.INVOICES) as texts; net + vat = gross. VAT that is added comes on top of what
    was paid, VAT that is contained is part of it."""
    programme = plan_of_book(connection).name
    days, whose, codes = (invoices[name] for name in ("run_day", "affiliate_id", "code"))
    added = pl.col("treatment") == ADDED
    vat, amount = pl.col("vat_minor"), pl.col("amount_minor")
    issuer = pl.col("issuer")
    return invoices.with_columns(
        payout_ids(programme, days, whose, codes),
        statement_ids(programme, days, whose),
        net_minor=pl.when(added).then(amount).otherwise(amount - vat),
        gross_minor=pl.when(added).then(amount + vat).otherwise(amount),
    ).select(
        (pl.col("prefix") + pl.col("number").cast(pl.String).str.zfill(DIGITS)).alias("invoice"),
        text.day("issued_day").alias("issued_on"),
        "affiliate_id",
        "country",
        pl.col("code").alias("currency"),
        text.amount("net_minor"),
        "rate",
        text.amount("vat_minor"),
        text.amount("gross_minor"),
        "treatment",
        text.amount("amount_minor").alias("paid"),
        "payout_id",
        "statement_id",
        *(issuer.str.json_path_match(f"$.{name}").alias(f"issuer_{name}")
          for name in ("name", "address", "vat_id")),
    )  # fmt: skip
