"""What tests have the tasks of a cluster do: many worlds at once, and dying on the way.

In a file of its own, because the cluster's Python processes read it.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commission_engine.calendar import Ints
from commission_engine.decide.buckets import Bucket, Programme, Shares
from commission_engine.decide.kernel import Events, Used


@dataclass(frozen=True)
class Many(Programme):
    """Programmes side by side: the affiliates of number n are those from `first[n]` on."""

    programmes: tuple[Programme, ...]
    first: Ints

    def _whose(self, affiliates: Ints) -> Ints:
        return np.searchsorted(self.first, affiliates, side="right") - 1

    def shares(self, events: Events, before: Ints) -> Shares:
        parts = []
        whose = self._whose(events.earner)
        for number in np.unique(whose):
            rows = np.flatnonzero(whose == number)
            mine = events.take(rows)
            shares = dict(self.programmes[number].shares(mine, before[rows]))
            shares["order"] = mine.order[np.searchsorted(mine.event, shares["event"])]
            parts.append(shares)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def bucket(self, shares: Shares, used: Used) -> Bucket:
        (number,) = set(self._whose(shares["beneficiary"]).tolist())
        return self.programmes[int(number)].bucket(shares, used)


@dataclass(frozen=True)
class Fragile(Programme):
    """Kills its process once: while it earns, or when the first file is in `out`.

    `whole`: not the Python process alone, but the Java one that it belongs to.
    """

    out: Path
    marker: Path
    in_first_step: bool = False
    whole: bool = False

    def shares(self, events: Events, before: Ints) -> Shares:
        if self.in_first_step:
            self._die()
        return super().shares(events, before)

    def bucket(self, shares: Shares, used: Used) -> Bucket:
        if not self.in_first_step and any(self.out.glob("part-*.parquet")):
            self._die()
        return super().bucket(shares, used)

    def _die(self) -> None:
        try:
            self.marker.open("x").close()
        except FileExistsError:
            return
        if self.whole:
            daemon = os.getppid()
            executor = int(Path(f"/proc/{daemon}/stat").read_text().rsplit(")", 1)[1].split()[1])
            os.kill(executor, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
