"""What the book says for the statements of one settlement, for some affiliates or all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commission_engine.book import exchange, facts, runs, single, views
from commission_engine.book.connect import Connection
from commission_engine.book.lines import LineStore, where_kept
from commission_engine.book.profiles import profiles
from commission_engine.calendar import Day, date_of
from commission_engine.converting import why_not
from commission_engine.further import came_back
from commission_engine.ledger.post import signed
from commission_engine.plan.terms import Plan
from commission_engine.problems import UsageError
from commission_engine.publish.documents import document_rows
from commission_engine.publish.files import with_ids
from commission_engine.publish.ids import statement_ids
from commission_engine.publish.record import Record, RunLines


@dataclass(frozen=True)
class Settlement:
    """One view of a book, and the settlement in it that statements are of."""

    connection: Connection
    store: LineStore
    run: runs.Run
    plan: Plan
    before: Day | None
    """The date of the settlement before it."""
    completed: list[runs.Run]

    @classmethod
    def of(cls, connection: Connection, day: Day, store: LineStore | None = None) -> "Settlement":
        """UsageError where the run of the day is not there, or did not settle."""
        completed = runs.completed(connection)
        found = [each for each in completed if each.day == day]
        if not found or not found[0].settles:
            what = "did not settle" if found else "is not there, or not completed"
            raise UsageError(
                f"the run of {date_of(day)} {what}: there are no statements of it",
                "`commission statements` lists those that there are.",
            )
        return cls(
            connection,
            store or where_kept(connection),
            found[0],
            facts.plan_of(connection, found[0].plan_version),
            views.last_settlement(connection, day),
            completed,
        )

    def affiliates(self) -> pl.DataFrame:
        """Everybody who has a statement: affiliate_id, statement_id; by id."""
        whose = views.statements_of_run(self.connection, self.run.day)["affiliate_id"]
        whose = whose.unique().sort()
        days = pl.Series([self.run.day], dtype=pl.Int64).new_from_index(0, len(whose))
        return pl.DataFrame([whose, statement_ids(self.plan.name, days, whose)])

    def numbers(self, readers: pl.Series) -> pl.Series:
        """The book's numbers of these affiliates, in no order."""
        return views.numbers_of(self.connection, readers)

    def record(self, readers: pl.Series, numbers: pl.Series) -> Record:
        """What documents of these affiliates are made from."""
        day, known = self.run.day, self.run.intake
        of_these = views.STATEMENT.c.affiliate.in_(numbers.to_list())
        statements = views.statements(
            self.connection, *views.between(views.STATEMENT, day, day), of_these
        )
        first = None if self.before is None else self.before + 1
        nothing = statements.clear()
        return with_ids(
            Record(
                lines=RunLines(day, self.plan, (), 0, readers, pl.DataFrame()),
                plan_hash=self.run.plan_hash,
                engine_version=self.run.engine_version,
                settles=True,
                outputs=self.run.outputs,
                figures=self.run.figures,
                entries=nothing,
                statements=statements,
                payouts=statements.filter(pl.col("paid_minor") > 0).select(
                    "run_day", "affiliate_id", "currency"
                ),
                refusals=nothing,
                period_lines=lambda ids: views.lines_of(
                    self.connection, ids, first, day, self.store
                ),
                labels=lambda ids: views.labels(self.connection, ids, known),
                conversions=exchange.conversions(self.connection, day, day),
                returned=came_back(self.connection, self.completed, self.before, day),
                reasons=lambda ids: single.reasons(self.connection, ids),
            )
        )

    def row(self, affiliate_id: str, number: int) -> dict[str, Any] | None:
        """The row of this number in an affiliate's document (see `document_rows`)."""
        reader = pl.Series([affiliate_id], dtype=pl.String)
        rows = document_rows(self.record(reader, self.numbers(reader)), reader).filter(
            pl.col("number") == number
        )
        return rows.row(0, named=True) if rows.height else None

    def held(self, numbers: pl.Series) -> pl.DataFrame:
        """What becomes available later, by affiliate_id, currency and available_day:
        amount_minor."""
        entries = views.entries(
            self.connection,
            views.ENTRY.c.run_day <= self.run.day,
            views.ENTRY.c.available_day > self.run.day,
            views.one_of(numbers),
        )
        return (
            entries.group_by("affiliate_id", "currency", "available_day")
            .agg(amount_minor=signed().sum())
            .filter(pl.col("amount_minor") != 0)
            .sort("affiliate_id", "currency", "available_day")
        )

    def lacks_a_rate(self, row: Mapping[str, Any]) -> bool:
        """Whether an available balance (a row of `record`) could not be paid in the currency in
        which its affiliate is paid."""
        number = int(views.number_of(self.connection, row["affiliate_id"])[0])
        day, known, own = self.run.day, self.run.intake, row["currency"]
        to_code = exchange.of_affiliate(self.connection, number, known)
        if to_code in ("", own):
            return False
        minor = row["available_minor"]
        return bool(why_not(self.connection, self.plan, day, known, minor, own, to_code))

    def profiles(self, numbers: pl.Series) -> Mapping[str, tuple[str, str, str]]:
        """affiliate_id -> name, locale and status as the run knew them; "" for none, and whoever
        has no status is active."""
        found = profiles(self.connection, numbers, self.run.intake).with_columns(
            pl.col("name", "locale").fill_null(""), pl.col("status").fill_null("active")
        )
        return {whose: (name, locale, status) for whose, name, locale, status in found.iter_rows()}
