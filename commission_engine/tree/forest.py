"""The forest as arrays: who was whose referrer at an instant, as it was known at a moment.

An edge has its own time (`since`) and the time at which the engine learned it (`known`, the number
of the import). Both questions are answered for millions of rows at once.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from commission_engine.calendar import BEGINNING, Ints

Bools: TypeAlias = npt.NDArray[np.bool_]

NOBODY = -1
"""In the place of an affiliate: there is none."""


@dataclass(frozen=True, slots=True)
class Forest:
    """All edges ever learned, sorted by (affiliate, since); integer arrays, shaped (edges + 1,).

    An edge holds from its `since` until the affiliate's next edge. `referrer` is NOBODY where the
    affiliate has none from then on. The place after the last edge is nobody's: an affiliate
    without edges has his last edge there. Affiliates are dense numbers from 0 or 1.
    """

    referrer: Ints
    since: Ints
    known: Ints
    last: Ints
    """By affiliate the place of his last edge; its own last place is NOBODY's."""
    first: Ints
    """By affiliate the place of his first edge."""
    timeless_from: int
    """The import from which on every question has the same answer: nobody has two edges, none
    begins at an instant. -1 where there is no such import."""

    @classmethod
    def of(cls, affiliate: Ints, referrer: Ints, since: Ints, known: Ints) -> "Forest":
        """From edges in any order; arrays shaped (edges,)."""
        order = np.lexsort((since, affiliate))
        affiliate = affiliate[order]
        size = int(max(affiliate.max(initial=0), referrer.max(initial=0))) + 1
        bounds = np.searchsorted(affiliate, np.arange(size + 1))
        first, past = bounds[:-1], bounds[1:]
        timeless = bool((past - first <= 1).all()) and bool((since == BEGINNING).all())
        nobodys = len(affiliate)
        return cls(
            _narrow(np.append(referrer[order], NOBODY)),
            np.append(since[order], BEGINNING),
            np.append(known[order], 0),
            _narrow(np.append(np.where(past > first, past - 1, nobodys), nobodys)),
            _narrow(np.append(np.where(past > first, first, nobodys), nobodys)),
            int(known.max(initial=0)) if timeless else -1,
        )

    def referrers(self, affiliate: Ints, at: Ints, known: Ints) -> Ints:
        """Per row the referrer of `affiliate` at instant `at`, as known at import `known`.

        NOBODY in, NOBODY out. All shaped (rows,).
        """
        # Whom no edge names has a number beyond; NOBODY is -1, and so finds the last place too.
        affiliate = np.minimum(affiliate, len(self.last) - 1)
        edge = self.last[affiliate]
        found = self.referrer[edge]
        if self.timeless_from >= 0 and (known >= self.timeless_from).all():
            return found
        # From the affiliate's last edge backwards; nearly everybody has just one.
        going = np.flatnonzero((self.since[edge] > at) | (self.known[edge] > known))
        edge = edge[going]
        while len(going):
            found[going] = NOBODY
            edge = edge - 1
            more = edge >= self.first[affiliate[going]]
            going, edge = going[more], edge[more]
            holds = (self.since[edge] <= at[going]) & (self.known[edge] <= known[going])
            found[going[holds]] = self.referrer[edge[holds]]
            going, edge = going[~holds], edge[~holds]
        return found

    def ancestors(self, earner: Ints, at: Ints, known: Ints, deepest: int) -> list[Ints]:
        """Levels 0 (the earner) to `deepest`, each shaped (rows,), NOBODY where there is none."""
        levels = [earner]
        for _ in range(deepest):
            levels.append(self.referrers(levels[-1], at, known))
        return levels


@dataclass(frozen=True, slots=True)
class Standing:
    """Who was closed, as known at a moment: every status ever learned, by (affiliate, known)."""

    affiliate: Ints
    known: Ints
    closed: Bools

    @classmethod
    def of(cls, affiliate: Ints, known: Ints, closed: Bools) -> "Standing":
        """From statuses in any order; affiliates without any are open."""
        order = np.lexsort((known, affiliate))
        return cls(affiliate[order], known[order], closed[order])

    def closed_at(self, affiliate: Ints, known: Ints) -> Bools:
        """Whether each `affiliate` was closed as known at import `known`; shaped (rows,)."""
        result = np.zeros(len(affiliate), np.bool_)
        going = self._ever(affiliate)
        first = np.searchsorted(self.affiliate, affiliate[going], side="left")
        status = np.searchsorted(self.affiliate, affiliate[going], side="right") - 1
        while len(going):
            knew = self.known[status] <= known[going]
            result[going[knew]] = self.closed[status[knew]]
            more = ~knew & (status > first)
            going, status, first = going[more], status[more] - 1, first[more]
        return result

    def _ever(self, affiliate: Ints) -> Ints:
        """The rows of those affiliates who have a status."""
        size = int(self.affiliate.max(initial=-1)) + 1
        has = np.zeros(size + 1, np.bool_)
        has[self.affiliate] = True
        return np.flatnonzero(has[np.minimum(affiliate, size)])


def _narrow(values: Ints) -> Ints:
    """As 32 bits where all values fit: half the memory, and twice as many in the caches."""
    fits = int(values.min(initial=0)) >= -(2**31) and int(values.max(initial=0)) < 2**31
    return values.astype(np.int32) if fits else values
