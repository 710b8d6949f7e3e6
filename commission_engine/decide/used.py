"""What earlier runs have counted towards caps, kept in memory."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from commission_engine.calendar import Ints, Window
from commission_engine.decide.kernel import Advance, Keys, Scope, Used


class UsedInMemory:
    """`Used` as tables: for the embedded call, for tests and for replays."""

    def __init__(self) -> None:
        self._totals: dict[Scope, pl.DataFrame] = {}

    def copy(self) -> "UsedInMemory":
        """The same totals; what is counted from here on stays apart."""
        copied = UsedInMemory()
        copied._totals = dict(self._totals)
        return copied

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        return self.known(scope, keys).fill_null(0).to_numpy()

    def known(self, scope: Scope, keys: Keys) -> pl.Series:
        """Per key the total; null for a key never seen."""
        if scope not in self._totals:
            return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(keys.start))
        joined = _table(keys).join(self._totals[scope], on=_KEY, how="left", maintain_order="left")
        return joined["total"]

    def rows(self, windows: Sequence[Window]) -> list[tuple[int, ...]]:
        """Every total: terms, level, window's place, window start, beneficiary, currency, total."""
        return [
            (scope.terms_day, scope.level, windows.index(scope.window), start, who, code, total)
            for scope, table in self._totals.items()
            for who, code, start, total in table.iter_rows()
        ]

    def advance(self, advances: Sequence[Advance]) -> None:
        for each in advances:
            table = _table(each.keys).with_columns(pl.Series("total", each.total))
            if each.scope in self._totals:
                old = self._totals[each.scope].join(table, on=_KEY, how="anti")
                table = pl.concat([old, table])
            self._totals[each.scope] = table


class UsedOnTop:
    """What was counted since, on top of what is known below."""

    def __init__(self, below: Used) -> None:
        self._below, self._since = below, UsedInMemory()

    def totals(self, scope: Scope, keys: Keys) -> Ints:
        since = self._since.known(scope, keys)
        below = pl.Series(self._below.totals(scope, keys), dtype=pl.Int64)
        return since.fill_null(below).to_numpy()

    def advance(self, advances: Sequence[Advance]) -> None:
        self._since.advance(advances)


_KEY = ["beneficiary", "currency", "start"]


def _table(keys: Keys) -> pl.DataFrame:
    return pl.DataFrame({name: getattr(keys, name).astype(np.int64) for name in _KEY})
