"""The rows of each export, from the book, some at a time; frames shaped as `Table.shape` says."""

from collections.abc import Iterator

import polars as pl

from commission_engine.book import exchange, facts, views
from commission_engine.book import payouts as book_payouts
from commission_engine.book.connect import Connection
from commission_engine.book.lines import LineStore
from commission_engine.book.runs import Run
from commission_engine.book.streamed import lines_in_turn
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.finance.exports.period import Period
from commission_engine.finance.exports.shape import Table
from commission_engine.finance.exports.tables import BALANCES, JOURNAL, LINES, PAYOUTS, STATEMENTS
from commission_engine.further import came_back, exchanged
from commission_engine.payouts.choose import described
from commission_engine.publish import text
from commission_engine.publish.files import (
    account_name,
    entry_id,
    kind_name,
    pairs,
    source,
    with_payout_id,
    with_sources,
    with_statement_id,
)
from commission_engine.publish.rates import rate_of_line, rates

ROWS_AT_ONCE = 50_000

JOURNAL_ROWS = {**JOURNAL.shape, "kind": pl.String}
"""Of `journal_rows`: the export's columns, and the kind of entry."""


def rows(
    connection: Connection, table: Table, period: Period, store: LineStore
) -> Iterator[pl.DataFrame]:
    """The rows of an export, ROWS_AT_ONCE at most in a frame; none that is empty. `store` has the
    book's lines."""
    if table is LINES:
        frames = _lines(connection, period, store)
    elif table is STATEMENTS:
        frames = (_statements(connection, run) for run in period.runs if run.settles)
    elif table is PAYOUTS:
        frames = (_payouts(connection, run) for run in period.runs if run.settles)
    elif table is BALANCES:
        frames = iter([_balances(connection, period)])
    else:
        frames = journal_rows(connection, period)
    for frame in frames:
        shaped = frame.select(list(table.shape)).cast(table.shape)  # type: ignore[arg-type]
        yield from shaped.iter_slices(ROWS_AT_ONCE)


# -- lines


def _lines(connection: Connection, period: Period, store: LineStore) -> Iterator[pl.DataFrame]:
    """Run by run in processing order."""
    for run in period.runs:
        plan = facts.plan_of(connection, run.plan_version)
        known = rates(plan)
        for said in lines_in_turn(connection, store, run, period.before(run), ROWS_AT_ONCE):
            yield said.join(
                known, on=["terms_day", "level"], how="left", maintain_order="left"
            ).with_columns(
                rate_of_line(),
                line_id=pl.format("{}.{}", "event_id", "level"),
                run_date="run_day",
                occurred_at="occurred_us",
                base_amount="base_minor",
                gross="gross_minor",
                commission="commission_minor",
                available_on="available_day",
                plan=pl.lit(plan.name),
                terms_from=pl.when(pl.col("terms_day") != NO_TERMS).then("terms_day"),
            )


# -- what a run or a settlement leaves


def _statements(connection: Connection, run: Run) -> pl.DataFrame:
    found = views.statements_of_run(connection, run.day)
    plan = facts.plan_of(connection, run.plan_version)
    sums = {name: f"{name}_minor" for name in STATEMENTS.summed}
    return with_statement_id(found, plan).with_columns(period_to="run_day", **sums)


def _payouts(connection: Connection, run: Run) -> pl.DataFrame:
    found = book_payouts.payouts(connection, book_payouts.of_run(run.day))
    plan = facts.plan_of(connection, run.plan_version)
    named = described(connection, found, run.intake).rename({"currency": "number_of"})
    told = (
        named.rename({"code": "currency", "reason": "note", "paid_code": "paid_currency"})
        .with_columns(
            amount="amount_minor",
            created_on="run_day",
            paid_amount=text.amount("paid_minor", "paid_decimals"),
        )
        .join(_rates(connection, run), on=["affiliate_id", "currency"], how="left",
              maintain_order="left")
        .with_columns(pl.col("converted").fill_null(""))
    )  # fmt: skip
    return with_payout_id(with_statement_id(told, plan), plan)


def _rates(connection: Connection, run: Run) -> pl.DataFrame:
    made = exchange.conversions(connection, run.day, run.day)
    return made.select("affiliate_id", "currency", converted=text.paid_as())


def _balances(connection: Connection, period: Period) -> pl.DataFrame:
    return views.balances(connection, period.last).with_columns(
        as_of=pl.lit(period.last),
        held="held_minor",
        available="available_minor",
        balance="closing_minor",
    )


def journal_rows(connection: Connection, period: Period) -> Iterator[pl.DataFrame]:
    """The journal run by run, shaped JOURNAL_ROWS: two rows for each entry, the debit first."""
    for run in period.runs:
        plan = facts.plan_of(connection, run.plan_version)
        of_day = run.day, run.day
        entries = views.entries(connection, *views.between(views.ENTRY, *of_day))
        payouts = views.payouts(connection, *views.between(views.PAYOUT, *of_day))
        before = period.before(run)
        back = came_back(connection, period.completed, before[-1].day if before else None, run.day)
        legs = exchanged(connection, period.completed, before[-1].day if before else None, run.day)
        paired = with_sources(
            pairs(pl.concat([entries, legs.select(entries.columns)])),
            with_payout_id(payouts, plan),
            with_payout_id(back, plan),
        )
        yield paired.with_columns(
            entry_id(),
            account_name(),
            source(),
            kind=kind_name(),
            booked_on="run_day",
            debit="debit_minor",
            credit="credit_minor",
        ).select(list(JOURNAL_ROWS))
