"""The files of a run, from what the book holds of it: the same rows give the same bytes."""

import json
from collections.abc import Callable, Iterator, Mapping
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

ROWS_AT_ONCE = 200_000

FORMAT = 1
"""Of the manifest and the files beside it; raised when their form changes."""


def files(record: Record) -> Iterator[Made]:
    """Every file of the run, the manifest last."""
    plan = record.plan
    tables: dict[str, tuple[pl.DataFrame, Callable[[pl.DataFrame, Plan], pl.DataFrame]]] = {
        "lines.csv": (record.lines, lines_table),
        "statements.csv": (record.statements, statements_table),
        "payouts.csv": (record.payouts, payouts_table),
        "journal.csv": (pairs(record.entries), journal_table),
        "rejects.csv": (record.refusals, rejects_table),
    }
    listed: dict[str, dict[str, Any]] = {}
    for name, (frame, table) in tables.items():
        made = Made(name, _in_parts(frame, lambda part: table(part, plan)))  # noqa: B023
        size = len(made.content)
        listed[name] = {"bytes": size, "rows": frame.height, "sha256": made.digest}
        yield made
    for made in documents(record):
        listed[made.name] = {"bytes": len(made.content), "sha256": made.digest}
        yield made
    yield Made("manifest.json", _json(manifest(record, listed)))


def _in_parts(frame: pl.DataFrame, table: Callable[[pl.DataFrame], pl.DataFrame]) -> bytes:
    """The CSV of a large table, whose text is never there as a whole but as bytes."""
    parts = [text.csv(table(frame.clear()))]
    parts += [text.csv(table(part), header=False) for part in frame.iter_slices(ROWS_AT_ONCE)]
    return b"".join(parts)


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


def pairs(entries: pl.DataFrame) -> pl.DataFrame:
    """Ledger entries as the rows of journal.csv: one pair per beneficiary, currency and kind, the
    debit first; account, debit_minor and credit_minor."""
    account = ("run_day", "affiliate_id", "currency", "decimals", "kind")
    summed = (
        entries.group_by(*account, "debit_account", "credit_account")
        .agg(pl.col("amount_minor").sum())
        .with_columns(none_minor=pl.lit(0, pl.Int64))
    )
    sides = (("debit_account", "amount_minor", "none_minor"),
             ("credit_account", "none_minor", "amount_minor"))  # fmt: skip
    return pl.concat(
        summed.select(
            *account,
            side=pl.lit(number),
            account=name,
            debit_minor=debit,
            credit_minor=credit,
        )
        for number, (name, debit, credit) in enumerate(sides)
    ).sort("affiliate_id", "currency", "kind", "side")


def journal_table(pairs: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """journal.csv as texts, from `pairs`."""
    keys = ["affiliate_id", "currency", "kind"]
    paid = pairs.filter(pl.col("kind") == Kind.PAID).unique(keys, maintain_order=True)
    sources = with_payout_id(paid, plan).select(*keys, "payout_id")
    kinds = {int(kind): kind.name.lower() for kind in Kind}
    accounts = {int(account): account.name.lower() for account in Account}
    run_date = text.day("run_day")
    kind = pl.col("kind").replace_strict(kinds, return_dtype=pl.String)
    return pairs.join(sources, on=keys, how="left", maintain_order="left").select(
        pl.format("run:{}:{}:{}:{}", run_date, kind, "affiliate_id", "currency").alias("entry_id"),
        run_date.alias("booked_on"),
        pl.col("account").replace_strict(accounts, return_dtype=pl.String),
        "affiliate_id",
        "currency",
        text.amount("debit_minor"),
        text.amount("credit_minor"),
        pl.coalesce("payout_id", pl.format("lines:{}", run_date)).alias("source"),
    )


def rejects_table(refusals: pl.DataFrame, _plan: Plan | None = None) -> pl.DataFrame:
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
