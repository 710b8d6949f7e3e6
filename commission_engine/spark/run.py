"""The calculation of a run on a cluster, in the place of `kernel.decide`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from commission_engine.decide.buckets import Programme, lines_of, spread_over
from commission_engine.decide.kernel import Advance, Decision, Events, Lines, Used
from commission_engine.plan.terms import Plan
from commission_engine.spark.decide import capped_lines, events_frame
from commission_engine.spark.session import Cluster, session
from commission_engine.spark.tasks import totals_frame
from commission_engine.tree.forest import Forest, Standing


class UsedByWindow(Used, Protocol):
    """What earlier runs have counted, to be sent to where the lines are made."""

    def carried(self, plan: Plan, events: Events) -> tuple[Advance, ...]:
        """All that has been counted in the windows of these events, cap by cap."""


@dataclass(frozen=True, slots=True)
class OnSpark:
    """A cluster that decides; what goes there and back lies in `cluster.scratch` meanwhile."""

    cluster: Cluster

    def __call__(
        self,
        events: Events,
        plan: Plan,
        currencies: Sequence[str],
        forest: Forest,
        standing: Standing,
        used: UsedByWindow,
    ) -> Decision:
        """As `kernel.decide`, and the same lines."""
        programme = Programme(plan, currencies, forest, standing)
        expected = lines_of(np.bincount(events.earner, minlength=1), forest, plan)
        with (
            TemporaryDirectory(prefix="commission-", dir=self.cluster.scratch) as name,
            session(self.cluster) as spark,
        ):
            work = Path(name)
            given, totals, back = (work.joinpath(each) for each in ("events", "totals", "lines"))
            back.mkdir()
            events_frame(events).write_parquet(given)
            totals_frame(used.carried(plan, events)).write_parquet(totals)
            buckets = list(
                capped_lines(spark, programme, given, spread_over(expected), expected, totals, back)
            )
        # Lines come back by beneficiary; each finds its event's row by the event's number.
        by_number = np.argsort(events.event)
        blocks = [
            Lines(
                by_number[np.searchsorted(events.event, bucket.event, sorter=by_number)],
                *(getattr(bucket.lines, name) for name in Lines.__slots__[1:]),
            )
            for bucket in buckets
        ]
        none = Lines(*(np.zeros(0, np.int64) for _ in Lines.__slots__))
        lines = Lines(
            *(
                np.concatenate([getattr(each, name) for each in (blocks or [none])])
                for name in Lines.__slots__
            )
        )
        advances = tuple(each for bucket in buckets for each in bucket.advances)
        return Decision(lines.take(np.lexsort((lines.level, lines.row))), advances)
