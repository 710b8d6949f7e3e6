"""The files of a run, from what the book holds of it: the same rows give the same bytes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from commission_engine.calendar import date_of
from commission_engine.ledger.accounts import Account, Kind
from commission_engine.money import plain
from commission_engine.plan.terms import Plan
from commission_engine.publish import text
from commission_engine.publish.documents import documents
from commission_engine.publish.folder import Draft, Made
from commission_engine.publish.ids import payout_ids, statement_ids
from commission_engine.publish.lines import lines_csv
from commission_engine.publish.rates import rate_of_line, rates
from commission_engine.publish.record import Record, RunLines
from commission_engine.raw import shown

ROWS_AT_ONCE = 200_000

LINES = "lines.csv"
CONVERSIONS = "conversions.csv"

FORMAT = 1
"""Of the manifest and the files beside it; raised when their form changes."""

Parts: TypeAlias = Iterator[tuple[bytes, int]]
"""Bytes of a table's file, each with the count of rows in them."""

Told: TypeAlias = Callable[[int, int], None]
"""Told how many of how many lines are written, for people who wait."""


def files(record: Record, listed: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Made]:
    """Every file of the run, the manifest last; each is made while it is gone through.

    `listed` is what the manifest says of those that are written already; they are left out, of
    documents all of a format.
    """
    plan = record.plan
    record = with_ids(record)
    tables = {
        LINES: _ahead(lines_csv(record.lines)),
        "statements.csv": _in_parts(record.statements, plan, statements_table),
        "payouts.csv": _in_parts(record.payouts, plan, payouts_table),
        **_converted(record),
        "journal.csv": _in_parts(_journal(record), plan, journal_table),
        "rejects.csv": _in_parts(record.refusals, plan, rejects_table),
    }
    all_listed = dict(listed or {})
    for name, parts in tables.items():
        if name not in all_listed:
            counted = _Counted(parts)
            yield Made(name, counted)
            all_listed[name] = {**counted.said(), "rows": counted.rows}
    there = {Path(name).suffix[1:] for name in all_listed if "/" in name}
    for made in documents(record, there):
        counted = _Counted((part, 0) for part in made.parts)
        yield Made(made.name, counted)
        all_listed[made.name] = counted.said()
    yield Made("manifest.json", [_json(manifest(record, all_listed))])


class Ahead:
    """The lines' file, by far the largest, written aside on a thread while its run still posts.

    A new folder's alone: what is to be compared with files that are there is made in their turn.
    At the end of the block all of it is gone unless its folder has appeared.
    """

    def __init__(self, folder: Path, told: Told = lambda done, of: None) -> None:
        self._folder = folder
        self._told = told
        self._stopped = False
        self._coming: Future[dict[str, Any]] | None = None
        self.draft: Draft | None = None
        """To be published with the rest; None where nothing was begun."""

    def begin(self, lines: RunLines) -> None:
        """Once more, where a run is tried once more."""
        self._end()
        if self._folder.exists():
            return
        self._stopped = False
        self.draft = Draft(self._folder)
        self._pool = ThreadPoolExecutor(1)
        self._coming = self._pool.submit(self._write, self.draft, lines)

    def _write(self, draft: Draft, lines: RunLines) -> dict[str, Any]:
        parts = takewhile(lambda _: not self._stopped, _ahead(lines_csv(lines)))
        counted = _Counted(parts, lambda rows: self._told(rows, lines.count))
        draft.write(Made(LINES, counted))
        return {**counted.said(), "rows": counted.rows}

    def listed(self) -> Mapping[str, Mapping[str, Any]]:
        """What the manifest says of it, when it is written; CommissionError where it could not."""
        return {LINES: self._coming.result()} if self._coming else {}

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self.draft:
            self._stopped = True
            self._pool.shutdown()
            self.draft.drop()
            self.draft = self._coming = None


class _Counted:
    """A file's parts, counted while they are gone through."""

    def __init__(
        self, parts: Iterable[tuple[bytes, int]], told: Callable[[int], None] = lambda rows: None
    ) -> None:
        self._parts = iter(parts)
        self._told = told
        self._hash = sha256()
        self.size = self.rows = 0

    def __iter__(self) -> Iterator[bytes]:
        for part, rows in self._parts:
            self._hash.update(part)
            self.size += len(part)
            self.rows += rows
            yield part
            self._told(self.rows)

    def said(self) -> dict[str, Any]:
        """Size and SHA-256 of the whole file, also where nobody wanted to see the end of it."""
        for _ in self:
            pass
        return {"bytes": self.size, "sha256": self._hash.hexdigest()}


def _ahead(parts: Parts) -> Parts:
    """The same parts; the next is made while one is written and hashed."""
    with ThreadPoolExecutor(1) as aside:
        coming = aside.submit(next, parts, None)
        while part := coming.result():
            coming = aside.submit(next, parts, None)
            yield part


def _in_parts(
    frame: pl.DataFrame, plan: Plan, table: Callable[[pl.DataFrame, Plan], pl.DataFrame]
) -> Parts:
    """The CSV of a table, whose text is never there as a whole."""
    yield text.csv(table(frame.clear(), plan)), 0
    for part in frame.iter_slices(ROWS_AT_ONCE):
        yield text.csv(table(part, plan), header=False), part.height


def with_ids(record: Record) -> Record:
    """With the ids of statements and payouts, which several files name."""
    statements = with_statement_id(record.statements, record.plan)
    ids = statements.select("affiliate_id", "statement_id").unique(maintain_order=True)
    payouts = record.payouts.join(ids, on="affiliate_id", how="left", maintain_order="left")
    return replace(
        record,
        statements=statements,
        payouts=with_payout_id(payouts, record.plan),
        returned=with_payout_id(record.returned, record.plan),
    )


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
        **({"audit": dict(record.anchor)} if record.anchor else {}),
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
            rate_of_line(),
            text.amount("gross_minor"),
            text.amount("commission_minor"),
            "reason",
            text.day("available_day").alias("available_on"),
            pl.lit(plan.name).alias("plan"),
            text.terms_day().alias("terms_from"),
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


def _converted(record: Record) -> dict[str, Parts]:
    """conversions.csv, where something was converted: all other runs have the files they had."""
    found = record.conversions
    return {CONVERSIONS: _in_parts(found, record.plan, conversions_table)} if found.height else {}


def conversions_table(conversions: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """conversions.csv as texts: what is paid in another currency, and by which rates."""
    return with_payout_id(conversions, plan).select(
        "payout_id",
        "affiliate_id",
        "currency",
        text.amount("amount_minor"),
        pl.col("to_code").alias("paid_currency"),
        text.amount("to_minor", "to_decimals").alias("paid_amount"),
        pl.col("rate").alias("per_euro"),
        pl.col("to_rate").alias("paid_per_euro"),
        text.day("rate_day").alias("rate_on"),
        "source",
    )


def pairs(entries: pl.DataFrame) -> pl.DataFrame:
    """Ledger entries as the rows of journal.csv: one pair per beneficiary, currency and kind, the
    debit first; account, debit_minor and credit_minor."""
    key = ("run_day", "affiliate_id", "currency", "decimals", "kind")
    nothing, amount = pl.lit(0, pl.Int64), pl.col("amount_minor")
    return (
        entries.group_by(*key, "debit_account", "credit_account")
        .agg(amount.sum())
        .sort("affiliate_id", "currency", "kind")
        .select(
            *key,
            account=pl.concat_list("debit_account", "credit_account"),
            debit_minor=pl.concat_list(amount, nothing),
            credit_minor=pl.concat_list(nothing, amount),
        )
        .explode("account", "debit_minor", "credit_minor")
    )


def _journal(record: Record) -> pl.DataFrame:
    back = record.returned.filter(pl.col("booked_day") == record.day)
    legs = record.exchanged.select(record.entries.columns)
    return with_sources(pairs(pl.concat([record.entries, legs])), record.payouts, back)


def with_sources(
    pairs: pl.DataFrame, payouts: pl.DataFrame, returned: pl.DataFrame
) -> pl.DataFrame:
    """`pairs` of a run with the column payout_id: of what they pay, or all of what came back with
    it ("+" between them); null for the others. `payouts` and `returned` (those that the run has
    booked back) have affiliate_id, currency and payout_id."""
    account = ["affiliate_id", "currency"]
    kinds = (
        (Kind.PAID, payouts.select(*account, "payout_id")),
        (Kind.RETURNED, returned.group_by(account).agg(pl.col("payout_id").sort().str.join("+"))),
    )
    sources = pl.concat(part.with_columns(kind=pl.lit(int(kind), pl.Int64)) for kind, part in kinds)
    return pairs.join(sources, on=[*account, "kind"], how="left", maintain_order="left")


def journal_table(pairs: pl.DataFrame, _plan: Plan) -> pl.DataFrame:
    """journal.csv as texts, from `pairs` with their payout_id."""
    return pairs.select(
        entry_id(),
        text.day("run_day").alias("booked_on"),
        account_name(),
        "affiliate_id",
        "currency",
        text.amount("debit_minor"),
        text.amount("credit_minor"),
        source(),
    )


def entry_id() -> pl.Expr:
    """Of `pairs`: the same for the two rows of one."""
    return pl.format(
        "run:{}:{}:{}:{}", text.day("run_day"), kind_name(), "affiliate_id", "currency"
    ).alias("entry_id")


def kind_name() -> pl.Expr:
    kinds = {int(kind): kind.name.lower() for kind in Kind}
    return pl.col("kind").replace_strict(kinds, return_dtype=pl.String)


def account_name() -> pl.Expr:
    accounts = {int(account): account.name.lower() for account in Account}
    return pl.col("account").replace_strict(accounts, return_dtype=pl.String)


def source() -> pl.Expr:
    """What a row of `with_sources` comes from: payouts, or the lines or conversions of its run."""
    what = pl.when(pl.col("kind") < int(Kind.CONVERTED_FROM)).then(pl.lit("lines")).otherwise(
        pl.lit("conversions")
    )  # fmt: skip
    return pl.coalesce("payout_id", pl.format("{}:{}", what, text.day("run_day"))).alias("source")


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
    """`frame` (run_day, affiliate_id) with the column statement_id, where it has none yet."""
    if "statement_id" in frame.columns:
        return frame
    key = ["run_day", "affiliate_id"]
    whose = frame.select(key).unique(maintain_order=True)
    ids = statement_ids(plan.name, whose["run_day"], whose["affiliate_id"])
    return frame.join(whose.with_columns(ids), on=key, how="left", maintain_order="left")


def with_payout_id(frame: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """`frame` (run_day, affiliate_id, currency) with the column payout_id, where it has none."""
    if "payout_id" in frame.columns:
        return frame
    columns = (frame[name] for name in ("run_day", "affiliate_id", "currency"))
    return frame.with_columns(payout_ids(plan.name, *columns))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
