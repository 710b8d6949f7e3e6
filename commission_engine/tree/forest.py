"""The forest as arrays: who was whose referrer at an instant, as it was known at a moment.

An edge has its own time (`since`) and the time at which the engine learned it (`known`, the number
of the import). Both questions are answered for millions of rows at once.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from commission_engine.calendar import Ints

Bools: TypeAlias = npt.NDArray[np.bool_]

NOBODY = -1
"""In the place of an affiliate: there is none."""


@dataclass(frozen=True, slots=True)
class Forest:
    """All edges ever learned, sorted by (affiliate, since). All arrays int64, shaped (edges,).

    An edge holds from its `since` until the affiliate's next edge. `referrer` is NOBODY where the
    affiliate has none from then on.
    """

    affiliate: Ints
    referrer: Ints
    since: Ints
    known: Ints

    @classmethod
    def of(cls, affiliate: Ints, referrer: Ints, since: Ints, known: Ints) -> "Forest":
        """From edges in any order."""
        order = np.lexsort((since, affiliate))
        return cls(affiliate[order], referrer[order], since[order], known[order])

    def referrers(self, affiliate: Ints, at: Ints, known: Ints) -> Ints:
        """Per row the referrer of `affiliate` at instant `at`, as known at import `known`.

        NOBODY in, NOBODY out. All shaped (rows,).
        """
        first = np.searchsorted(self.affiliate, affiliate, side="left")
        edge = np.searchsorted(self.affiliate, affiliate, side="right") - 1
        # From the affiliate's last edge backwards; nearly everybody has just one.
        going = np.flatnonzero(edge >= first)
        found = np.full(len(affiliate), NOBODY, np.int64)
        while len(going):
            here = edge[going]
            holds = (self.since[here] <= at[going]) & (self.known[here] <= known[going])
            found[going[holds]] = self.referrer[here[holds]]
            going = going[~holds]
            edge[going] -= 1
            going = going[edge[going] >= first[going]]
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
        first = np.searchsorted(self.affiliate, affiliate, side="left")
        status = np.searchsorted(self.affiliate, affiliate, side="right") - 1
        result = np.zeros(len(affiliate), np.bool_)
        going = np.flatnonzero(status >= first)
        while len(going):
            here = status[going]
            knew = self.known[here] <= known[going]
            result[going[knew]] = self.closed[here[knew]]
            going = going[~knew]
            status[going] -= 1
            going = going[status[going] >= first[going]]
        return result
