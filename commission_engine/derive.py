"""A completed run once more: what it comes to with the facts that it knew and the code at hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from commission_engine.book import corrections, facts, holds, runs, views
from commission_engine.book.connect import Connection
from commission_engine.book.lines import NARROW, narrow
from commission_engine.bounds import Bounds
from commission_engine.calendar import Zone
from commission_engine.converting import convert
from commission_engine.decide.adjusted import with_adjustments
from commission_engine.decide.kernel import Decision, decide
from commission_engine.decide.used import UsedInMemory
from commission_engine.further import booked, further_entries
from commission_engine.holding import hold_back
from commission_engine.ledger.post import activity, post
from commission_engine.ledger.settle import settles
from commission_engine.night import figures_of, payout_entries, payouts_of, settlement
from commission_engine.plan.terms import Plan


@dataclass(frozen=True)
class Derivation:
    """The run `run` derived again; `before` are the completed runs before it.

    Each part is worked out when it is first asked for. `used` is what the runs before have counted
    towards caps, and has this run's counts as well once `decision` was asked for. Of the ledger
    before the run the book's own rows are taken.
    """

    connection: Connection
    before: Sequence[runs.Run]
    run: runs.Run
    used: UsedInMemory

    @cached_property
    def plan(self) -> Plan:
        return facts.plan_of(self.connection, self.run.plan_version)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        return facts.currency_codes(self.connection)

    @cached_property
    def due(self) -> runs.Due:
        run, zone = self.run, Zone(self.plan.timezone)
        return runs.due(self.connection, self.before, run.day, run.intake, run.event, zone)

    @cached_property
    def decision(self) -> Decision:
        forest, standing = runs.forest(self.connection), runs.standing(self.connection)
        after = self.before[-1].intake if self.before else 0
        shifts = corrections.shifts(self.connection, after, self.run.intake)
        self.used.advance(corrections.moved(self.used, shifts))
        decision = with_adjustments(
            self.due.events,
            self.due.adjusted,
            lambda events: decide(events, self.plan, self.codes, forest, standing, self.used),
        )
        self.used.advance(decision.advances)
        return decision

    @cached_property
    def lines(self) -> pl.DataFrame:
        """Shaped NARROW, by event and level."""
        parts = [pl.DataFrame(schema=NARROW), *narrow(self.due.events, self.decision.lines)]
        return pl.concat(
            each.with_columns(run_day=pl.lit(self.run.day)).select(list(NARROW)).cast(pl.Int64)
            for each in parts
        ).sort("event", "level")

    @cached_property
    def active(self) -> pl.DataFrame:
        return activity(self.due.events, self.decision.lines)

    @cached_property
    def posted(self) -> pl.DataFrame:
        """The entries of the lines."""
        return post(self.due.events, self.decision.lines, self.run.day)

    @cached_property
    def further(self) -> pl.DataFrame:
        """The entries that come from no line of this run."""
        after = self.before[-1].intake if self.before else 0
        return further_entries(self.connection, self.run.day, after, self.run.intake)

    @cached_property
    def entered(self) -> pl.DataFrame:
        """All entries but those of the payouts."""
        return booked(self.posted, self.further)

    @cached_property
    def settles(self) -> bool:
        last_day = self.before[-1].day if self.before else None
        return settles(self.plan.payout.every, self.run.day, last_day)

    @cached_property
    def _settled(self) -> tuple[pl.DataFrame | None, pl.DataFrame]:
        """The statements as if nothing had to be converted, and the holds."""
        connection, run, plan, codes = self.connection, self.run, self.plan, self.codes
        whole = (
            settlement(connection, plan, codes, run.day, run.intake, self.entered, self.active)
            if self.settles
            else None
        )
        return hold_back(
            connection, Bounds.from_record(run.bounds), plan, codes, self.before, run.day,
            run.intake, self.posted, self.active, whole,
        )  # fmt: skip

    @cached_property
    def _converted(self) -> tuple[pl.DataFrame | None, pl.DataFrame]:
        run = self.run
        return convert(
            self.connection, self.plan, self.codes, run.day, run.intake, self._settled[0]
        )

    @property
    def statements(self) -> pl.DataFrame | None:
        return self._converted[0]

    @property
    def conversions(self) -> pl.DataFrame:
        return self._converted[1]

    @cached_property
    def holds(self) -> pl.DataFrame:
        return holds.numbered(self.connection, self.run.day, self._settled[1])

    @cached_property
    def payouts(self) -> pl.DataFrame | None:
        return None if self.statements is None else payouts_of(self.statements)

    @cached_property
    def payments(self) -> pl.DataFrame | None:
        """The entries of the payouts."""
        return None if self.payouts is None else payout_entries(self.payouts, self.run.day)

    @cached_property
    def figures(self) -> dict[str, Any]:
        known = self.before[-1].intake if self.before else 0
        refused = views.refusals(self.connection, views.refused_between(known, self.run.intake))
        return figures_of(
            self.codes,
            self.due.events,
            self.decision,
            self.posted,
            self.further,
            self.statements,
            refused,
        )


def beside(
    stored: Iterator[pl.DataFrame], derived: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Each part of a run's stored lines, and the derived lines of the same events.

    The last pair has what is derived beyond the last stored event.
    """
    events, done = derived["event"], 0
    for part in stored:
        upto = int(events.search_sorted(part["event"][-1], side="right"))
        yield part, derived.slice(done, upto - done)
        done = upto
    yield derived.clear(), derived.slice(done)
