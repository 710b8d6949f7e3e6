"""Lines become entries: one per beneficiary, currency, kind and day of availability."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TypeAlias

import numpy as np
import polars as pl

from commission_engine.calendar import Day, Ints
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.decide.kernel import Events, Lines, check_total
from commission_engine.ledger.accounts import RAISES_PAYABLE, SIDES, Kind
from commission_engine.problems import OutOfBalance

ROWS_AT_ONCE = 1 << 17
"""Lines that are worked on at a time: their columns fit into a processor's cache."""

MOST_PLACES = 1 << 25
"""For 256 MB of totals at most."""

ENTRIES = pl.Schema(
    {
        "affiliate": pl.Int64,
        "currency": pl.Int64,
        "kind": pl.Int64,
        "available_day": pl.Int64,
        "debit_account": pl.Int64,
        "credit_account": pl.Int64,
        "amount_minor": pl.Int64,
    }
)
"""`amount_minor` is above zero; it goes from the credit account to the debit account."""

ACTIVITY = pl.Schema(
    {"affiliate": pl.Int64, "currency": pl.Int64, "lines": pl.Int64, "earliest_day": pl.Int64}
)
"""Who had lines in a run, zero ones included, and the first local day of their orders."""


def kinds(events: Events, lines: Lines) -> pl.Series:
    """The kind of each line: that of its event."""
    return pl.Series("kind", kinds_of_events(events, lines)[lines.row], dtype=pl.Int64)


def kinds_of_events(events: Events, lines: Lines) -> Ints:
    """The kind of each event's lines, as int8."""
    of_roots = np.where(events.amount < 0, np.int8(Kind.ADJUSTED), np.int8(Kind.EARNED))
    kinds: Ints = np.where(events.event != events.order, np.int8(Kind.REVERSED), of_roots)
    adjusted = lines.row[lines.terms_day == NO_TERMS]
    kinds[adjusted[events.amount[adjusted] > 0]] = Kind.CREDITED
    return kinds


def post(events: Events, lines: Lines, day: Day) -> pl.DataFrame:
    """The entries of the lines of the run of `day`, shaped ENTRIES and sorted by it; none for a
    zero.

    What was available before the run is available with it: statements only ask what a later day
    frees, and so there are fewer entries.
    """
    check_total(lines.commission)
    kind = kinds_of_events(events, lines)
    keys = _Keys(
        (
            lambda rows: lines.beneficiary[rows],
            lambda rows: events.currency[lines.row[rows]],
            lambda rows: kind[lines.row[rows]],
            lambda rows: np.maximum(lines.available_day[rows], day),
        ),
        len(lines),
    )
    columns, amount = keys.sums(lines.commission)
    names = ("affiliate", "currency", "kind", "available_day")
    return entries(pl.DataFrame({**dict(zip(names, columns, strict=True)), "amount": amount}))


def entries(signed: pl.DataFrame) -> pl.DataFrame:
    """Entries from `amount`s as the affiliate's balance sees them (a payout is below zero)."""
    raises = signed["kind"].replace_strict(RAISES_PAYABLE, return_dtype=pl.Boolean)
    wrong = signed.filter((pl.col("amount") > 0) != raises)
    if wrong.height:
        raise OutOfBalance(f"an entry of the wrong sign: {wrong.row(0, named=True)}")
    debit = {kind: int(sides[0]) for kind, sides in SIDES.items()}
    credit = {kind: int(sides[1]) for kind, sides in SIDES.items()}
    return (
        signed.with_columns(
            debit_account=pl.col("kind").replace_strict(debit, return_dtype=pl.Int64),
            credit_account=pl.col("kind").replace_strict(credit, return_dtype=pl.Int64),
            amount_minor=pl.col("amount").abs(),
        )
        .select(ENTRIES.names())
        .cast(ENTRIES)
        .sort(ENTRIES.names())
    )


def signed() -> pl.Expr:
    """An entry's amount as the affiliate's balance sees it."""
    raises = pl.col("kind").replace_strict(RAISES_PAYABLE, return_dtype=pl.Boolean)
    return pl.when(raises).then(pl.col("amount_minor")).otherwise(-pl.col("amount_minor"))


def activity(events: Events, lines: Lines) -> pl.DataFrame:
    """Who had lines, shaped ACTIVITY and sorted by affiliate and currency."""
    keys = _Keys(
        (
            lambda rows: lines.beneficiary[rows],
            lambda rows: events.currency[lines.row[rows]],
        ),
        len(lines),
    )
    (affiliate, currency), count, day = keys.counts(lambda rows: events.root_day[lines.row[rows]])
    frame = pl.DataFrame(
        {"affiliate": affiliate, "currency": currency, "lines": count, "earliest_day": day}
    )
    return frame.cast(ACTIVITY)


Column: TypeAlias = Callable[[slice], Ints]
"""The values of the lines in a slice; made when they are needed, for they are many."""


class _Keys:
    """Several columns as one number per line: its place where every combination had one."""

    def __init__(self, columns: Sequence[Column], rows: int) -> None:
        self._columns = columns
        self._rows = rows
        self._low, self._span = [], []
        for column in columns:
            ends = [(int(part.min()), int(part.max())) for part in map(column, self._slices())] or [
                (0, 0)
            ]
            low, high = min(low for low, _ in ends), max(high for _, high in ends)
            self._low.append(low)
            self._span.append(high - low + 1)
        self._places = prod(self._span)

    def sums(self, amounts: Ints) -> tuple[list[Ints], Ints]:
        """The combinations whose amounts do not come to zero, in order, and what they come to."""
        if self._has_room():
            total = np.zeros(self._places, np.int64)
            for rows in self._slices():
                np.add.at(total, self._packed(rows), amounts[rows])
            used = np.flatnonzero(total)
            return self._unpacked(used), total[used]
        order, first = self._sorted()
        total = np.add.reduceat(amounts[order], first)
        used = np.flatnonzero(total)
        return self._picked(order[first[used]]), total[used]

    def counts(self, days: Column) -> tuple[list[Ints], Ints, Ints]:
        """The combinations there are, in order, how many lines each has, and its first day."""
        if self._has_room():
            count = np.zeros(self._places, np.int64)
            earliest = np.full(self._places, np.iinfo(np.int64).max)
            for rows in self._slices():
                place = self._packed(rows)
                np.add.at(count, place, 1)
                np.minimum.at(earliest, place, days(rows).astype(np.int64))
            used = np.flatnonzero(count)
            return self._unpacked(used), count[used], earliest[used]
        order, first = self._sorted()
        count = np.diff(np.append(first, self._rows))
        day = days(slice(None))[order]
        return self._picked(order[first]), count, np.minimum.reduceat(day, first)

    def _slices(self) -> Iterator[slice]:
        for start in range(0, self._rows, ROWS_AT_ONCE):
            yield slice(start, min(start + ROWS_AT_ONCE, self._rows))

    def _has_room(self) -> bool:
        """Whether a place for every combination takes less than sorting the lines does. Where
        there are no lines it does."""
        return self._places <= min(4 * self._rows + ROWS_AT_ONCE, MOST_PLACES)

    def _packed(self, rows: slice) -> Ints:
        place: Ints = np.zeros(1, np.int64)
        for column, low, span in zip(self._columns, self._low, self._span, strict=True):
            place = place * span + (column(rows).astype(np.int64) - low)
        return place

    def _unpacked(self, place: Ints) -> list[Ints]:
        columns = []
        for low, span in zip(reversed(self._low), reversed(self._span), strict=True):
            place, value = np.divmod(place, span)
            columns.append(value + low)
        return columns[::-1]

    def _sorted(self) -> tuple[Ints, Ints]:
        """The lines brought together by combination, and where each begins."""
        if self._places < 2**63:
            packed = self._packed(slice(0, self._rows))
            order = np.argsort(packed)
            packed = packed[order]
            begins = np.append(True, packed[1:] != packed[:-1])
        else:
            values = [column(slice(0, self._rows)) for column in self._columns]
            order = np.lexsort(values[::-1])
            begins = np.any([np.append(True, np.diff(each[order]) != 0) for each in values], axis=0)
        return order, np.flatnonzero(begins)

    def _picked(self, rows: Ints) -> list[Ints]:
        return [column(slice(0, self._rows))[rows] for column in self._columns]
