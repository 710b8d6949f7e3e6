"""`reconcile report`: what left, what became of it, and what the bank said of it; it foots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commission_engine.book import payouts
from commission_engine.book import reconcile as book
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, Zone
from commission_engine.finance.reconcile.decide import waiting
from commission_engine.finance.reconcile.entry import Said
from commission_engine.finance.reconcile.match import SURE, WAITS
from commission_engine.finance.reconcile.past import local_day
from commission_engine.ledger.life import State
from commission_engine.payouts.choose import plan_of_book
from commission_engine.problems import OutOfBalance

REPORT: Mapping[str, Any] = {
    "currency": pl.String,
    "decimals": pl.Int64,
    **dict.fromkeys(
        (
            "opening_minor", "made_minor", "paid_minor", "failed_minor", "closing_minor",
            "returned_minor", "bank_paid_minor", "bank_back_minor", "waiting_minor", "waiting",
        ),
        pl.Int64,
    ),
}  # fmt: skip
"""By currency: exported and not settled at the beginning; exported in the period; then paid, or
failed; what is not settled at its end. `returned` was paid and came back: it is in no other column.

Beside it what banks said in the period of those: that they were paid, that they are back; and the
entries that waited for a person at its end."""


@dataclass(frozen=True, slots=True)
class Period:
    """From one local day to another, both included."""

    first: Day
    last: Day

    def has(self, column: str = "day") -> pl.Expr:
        return pl.col(column).is_between(self.first, self.last)


def report(connection: Connection, period: Period) -> pl.DataFrame:
    """What left and became of it by currency, shaped REPORT; days are those on which the book
    learned it, in the plan's zone. OutOfBalance where it does not foot."""
    zone = Zone(plan_of_book(connection).timezone)
    sent = book.sent(connection)
    steps = _with_days(book.steps(connection), zone)
    moved = sent.join(steps, on=payouts.KEY).filter(pl.col("day") <= period.last)
    assigned = book.assigned(connection, [str(each) for each in SURE])
    said = sent.select(*payouts.KEY, "code").join(_said(connection, assigned, zone), on=payouts.KEY)
    now, before = period.has(), pl.col("day") < period.first
    to, was = pl.col("step"), pl.col("was")
    exported, settled = to == str(State.EXPORTED), was == str(State.EXPORTED)
    amount = pl.col("amount_minor")
    sums = moved.group_by(currency="code", decimals="decimals").agg(
        opening_minor=amount.filter(exported & before).sum()
        - amount.filter(settled & before).sum(),
        made_minor=amount.filter(exported & now).sum(),
        paid_minor=amount.filter(settled & (to == str(State.PAID)) & now).sum(),
        failed_minor=amount.filter(settled & (to == str(State.FAILED)) & now).sum(),
        returned_minor=amount.filter((was == str(State.PAID)) & now).sum(),
    )  # fmt: skip
    last = moved.sort("number").group_by(payouts.KEY).last()
    closing = last.filter(exported).group_by(currency="code").agg(closing_minor=amount.sum())
    bank = said.group_by(currency="code").agg(
        bank_paid_minor=amount.filter((pl.col("said") == str(Said.PAID)) & now).sum(),
        bank_back_minor=amount.filter(
            ~pl.col("said").is_in([str(Said.PAID), str(Said.NOTICE)]) & now
        ).sum(),
    )
    waits = _waits(connection, period, zone)
    found = (
        sums.join(closing, on="currency", how="left")
        .join(bank, on="currency", how="left")
        .join(waits, on=("currency", "decimals"), how="full", coalesce=True)
        .fill_null(0)
        .sort("currency", "decimals")
    )
    _foot(found)
    return found.select(*REPORT).cast(pl.Schema(REPORT))


def _with_days(rows: pl.DataFrame, zone: Zone) -> pl.DataFrame:
    """Rows with the local `day` of their `learned_at`."""
    days = {at: local_day(zone, at) for at in rows["learned_at"].unique()}
    return rows.with_columns(day=pl.col("learned_at").replace_strict(days, return_dtype=pl.Int64))


def _said(connection: Connection, assigned: pl.DataFrame, zone: Zone) -> pl.DataFrame:
    """What entries say of payouts, with the local `day` on which the book learned it."""
    listed = book.entries(connection).select("id", "intake", "file", "decided", "decided_at")
    by_file = {file.intake: file.read_at for file in book.files(connection)}
    at = dict(listed.filter(pl.col("decided") != 0).select("decided", "decided_at").iter_rows())
    known = by_file | at
    return _with_days(
        assigned.with_columns(
            learned_at=pl.col("intake").replace_strict(known, return_dtype=pl.String)
        ),
        zone,
    )


def _waits(connection: Connection, period: Period, zone: Zone) -> pl.DataFrame:
    """The entries that waited at the end of the period, by currency."""
    at = {file.intake: local_day(zone, file.read_at) for file in book.files(connection)}
    rows = waiting(connection, every=True).filter(
        pl.col("found").is_in([str(each) for each in WAITS])
    )
    rows = rows.with_columns(
        day=pl.col("intake").replace_strict(at, return_dtype=pl.Int64),
        ended=pl.Series(
            [local_day(zone, each) if each else None for each in rows["decided_at"]],
            dtype=pl.Int64,
        ),
    )
    open_ = (pl.col("day") <= period.last) & (
        pl.col("ended").is_null() | (pl.col("ended") > period.last)
    )
    return rows.filter(open_).group_by(currency="code", decimals="decimals").agg(
        waiting_minor=pl.col("amount_minor").sum(), waiting=pl.len().cast(pl.Int64)
    )  # fmt: skip


def _foot(found: pl.DataFrame) -> None:
    for row in found.iter_rows(named=True):
        comes = row["opening_minor"] + row["made_minor"] - row["paid_minor"] - row["failed_minor"]
        if comes != row["closing_minor"]:
            raise OutOfBalance(
                f"{row['currency']}: opening + made - paid - failed is {comes} minor units, what is"
                f" not settled {row['closing_minor']}",
                "Look at `commission verify`.",
            )
