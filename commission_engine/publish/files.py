"""The files of a run, from what the book holds of it: the same rows give the same bytes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from commission_engine.calendar import date_of
from commission_engine.ledger.accounts import Account, Kind
from commission_engine.money import plain
from commission_engine.plan.terms import Plan
from commission_engine.publish import text
from commission_engine.publish.documents import documents
from commission_engine.publish.folder import Made
from commission_engine.publish.ids import payout_id, statement_id
from commission_engine.publish.rates import rates
from commission_engine.publish.record import Record
from commission_engine.raw import shown

FORMAT = 1
"""Of the manifest and the files beside it; raised when their form changes."""


def files(record: Record) -> Iterator[Made]:
    """Every file of the run, the manifest last."""
    tables = {
        "lines.csv": lines_table(record.lines, record.plan),
        "statements.csv": statements_table(record.statements, record.plan),
        "payouts.csv": payouts_table(record.payouts, record.plan),
        "journal.csv": journal_table(record.entries, record.plan),
        "rejects.csv": rejects_table(record.refusals),
    }
    listed: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        made = Made(name, text.csv(table))
        listed[name] = {"bytes": len(made.content), "rows": table.height, "sha256": made.digest}
        yield made
    for made in documents(record):
        listed[made.name] = {"bytes": len(made.content), "sha256": made.digest}
        yield made
    yield Made("manifest.json", _json(manifest(record, listed)))


def manifest(record: Record, listed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "programme": record.plan.name,
        "run_date": date_of(record.day).isoformat(),
        "settlement": record.settles,
        "plan_sha256": record.plan_hash,
        "engine_version": record.engine_version,
        "counts": record.figures["counts"],
        "totals": {
            code: {name: plain(minor, record.plan.decimals[code]) for name, minor in sums.items()}
            for code, sums in sorted(record.figures["totals"].items())
        },
        "files": listed,
    }


def lines_table(lines: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """lines.csv as texts, one row a line, in processing order."""
    return (
        lines.join(rates(plan), on=["terms_day", "level"], how="left", maintain_order="left")
        .with_columns(line_id=pl.format("{}.{}", "event_id", "level"))
        .select(
            "line_id",
            text.day("run_day").alias("run_date"),
            "event_id",
            "order_id",
            text.instant("occurred_us").alias("occurred_at"),
            "earner_id",
            "level",
            "beneficiary_id",
            "currency",
            text.amount("base_minor").alias("base_amount"),
            "rate",
            text.amount("gross_minor"),
            text.amount("commission_minor"),
            "reason",
            text.day("available_day").alias("available_on"),
            pl.lit(plan.name).alias("plan"),
            text.day("terms_day").alias("terms_from"),
        )
    )


def statements_table(statements: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """statements.csv as texts, one row per affiliate and currency."""
    return with_statement_id(statements, plan).select(
        "statement_id",
        text.day("period_from"),
        text.day("run_day").alias("period_to"),
        "affiliate_id",
        "currency",
        *(
            text.amount(f"{name}_minor")
            for name in (
                "opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available",
            )
        ),
    )  # fmt: skip


def payouts_table(payouts: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """payouts.csv as texts: what to pay."""
    return with_payout_id(with_statement_id(payouts, plan), plan).select(
        "payout_id",
        "statement_id",
        "affiliate_id",
        "currency",
        text.amount("amount_minor"),
        text.day("run_day").alias("created_on"),
        pl.lit("pending").alias("status"),
    )


def journal_table(entries: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """journal.csv as texts: one pair of rows per beneficiary, currency and kind, debit first."""
    summed = (
        entries.group_by(
            "run_day", "affiliate_id", "currency", "decimals", "kind", "debit_account",
            "credit_account",
        )
        .agg(pl.col("amount_minor").sum())
        .with_columns(none_minor=pl.lit(0, pl.Int64))
    )  # fmt: skip
    payouts = with_payout_id(summed.filter(pl.col("kind") == Kind.PAID), plan)
    paid_for = payouts.select("affiliate_id", "currency", "kind", "payout_id")
    summed = summed.join(paid_for, on=["affiliate_id", "currency", "kind"], how="left")
    sides = (
        summed.with_columns(side=pl.lit(0), account="debit_account", debit="amount_minor",
                            credit="none_minor"),
        summed.with_columns(side=pl.lit(1), account="credit_account", debit="none_minor",
                            credit="amount_minor"),
    )  # fmt: skip
    kinds = {int(kind): kind.name.lower() for kind in Kind}
    accounts = {int(account): account.name.lower() for account in Account}
    run_date = text.day("run_day")
    kind = pl.col("kind").replace_strict(kinds, return_dtype=pl.String)
    return (
        pl.concat(sides)
        .sort("affiliate_id", "currency", "kind", "side")
        .with_columns(
            entry_id=pl.format("run:{}:{}:{}:{}", run_date, kind, "affiliate_id", "currency"),
            lines=pl.format("lines:{}", run_date),
        )
        .select(
            "entry_id",
            run_date.alias("booked_on"),
            pl.col("account").replace_strict(accounts, return_dtype=pl.String),
            "affiliate_id",
            "currency",
            text.amount("debit").alias("debit"),
            text.amount("credit").alias("credit"),
            pl.coalesce("payout_id", "lines").alias("source"),
        )
    )


def rejects_table(refusals: pl.DataFrame) -> pl.DataFrame:
    """rejects.csv as texts: rows refused since the last run, each whole."""
    return refusals.select(
        "kind",
        "file",
        "line",
        "code",
        "column",
        "text",
        "message",
        _shown(refusals["raw"]).alias("row"),
    )


def _shown(raw: pl.Series) -> pl.Series:
    """Refused rows for people, with escapes for what is no character."""
    return pl.Series([shown(text) for text in raw], dtype=pl.String)


def with_statement_id(frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """`frame` (run_day, affiliate_id) with the column statement_id."""
    ids = [
        statement_id(plan.name, day, affiliate_id)
        for day, affiliate_id in frame.select("run_day", "affiliate_id").iter_rows()
    ]
    return frame.with_columns(pl.Series("statement_id", ids, dtype=pl.String))


def with_payout_id(frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """`frame` (run_day, affiliate_id, currency) with the column payout_id."""
    ids = [
        payout_id(plan.name, day, affiliate_id, code)
        for day, affiliate_id, code in frame.select(
            "run_day", "affiliate_id", "currency"
        ).iter_rows()
    ]
    return frame.with_columns(pl.Series("payout_id", ids, dtype=pl.String))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
