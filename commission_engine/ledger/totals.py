"""Control totals: what all events and lines of a run sum to, in Python's own integers."""

import numpy as np

from commission_engine.calendar import Ints
from commission_engine.decide.kernel import Events, Lines
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.post import kinds_of_events

CONTROL_TOTALS = ("base", "gross", "commission", "earned", "reversed", "adjusted")

ROWS_AT_ONCE = 1 << 17


_PARTS = {
    Kind.EARNED: (Kind.EARNED,),
    Kind.REVERSED: (Kind.REVERSED,),
    Kind.ADJUSTED: (Kind.ADJUSTED, Kind.CREDITED),
}
"""What people read as one sum."""


class _Sums:
    """Sums by a small number, exact whatever their size: the upper and the lower 32 bits of the
    values are added up for themselves."""

    def __init__(self, size: int) -> None:
        self._upper = np.zeros(size, np.int64)
        self._lower = np.zeros(size, np.int64)

    def add(self, place: Ints, values: Ints) -> None:
        values = values.astype(np.int64, copy=False)
        np.add.at(self._upper, place, values >> 32)
        np.add.at(self._lower, place, values & 0xFFFFFFFF)

    def __getitem__(self, place: int) -> int:
        return (int(self._upper[place]) << 32) + int(self._lower[place])


def control_totals(events: Events, lines: Lines, currencies: int) -> list[dict[str, int]]:
    """Per currency number below `currencies` the CONTROL_TOTALS in minor units, the last three
    being the commission of each kind of entry; empty where no event has that currency."""
    kind = kinds_of_events(events, lines)
    kinds = max(Kind) + 1
    base = _Sums(currencies)
    gross, commission = _Sums(currencies * kinds), _Sums(currencies * kinds)
    for start in range(0, len(events), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        base.add(events.currency[rows], events.amount[rows])
    for start in range(0, len(lines), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        row = lines.row[rows]
        place = events.currency[row].astype(np.int64) * kinds + kind[row]
        gross.add(place, lines.gross[rows])
        commission.add(place, lines.commission[rows])
    seen = np.bincount(events.currency, minlength=currencies)
    return [
        {
            "base": base[number],
            "gross": sum(gross[number * kinds + each] for each in range(kinds)),
            "commission": sum(commission[number * kinds + each] for each in range(kinds)),
            **{
                kind.name.lower(): sum(commission[number * kinds + each] for each in parts)
                for kind, parts in _PARTS.items()
            },
        }
        if seen[number]
        else {}
        for number in range(currencies)
    ]
