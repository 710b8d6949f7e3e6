"""Facts as frames or Parquet files, for the calculation without a book.

What the rest of the engine keeps in its book, given as columns: who referred whom, what was
earned, who is closed. Ids may be texts or whole numbers; inside, affiliates and currencies are
dense numbers, and text stays at the edges. Everything is known at once: there is one run.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from commission_engine.calendar import BEGINNING, Ints, Zone
from commission_engine.decide.buckets import in_turn, lines_of
from commission_engine.decide.columns import (
    check_currencies,
    check_reversals,
    check_there,
    check_tree,
    check_values,
    collected,
    is_in_order,
    scanned,
    shaped,
)
from commission_engine.decide.kernel import Events
from commission_engine.plan.terms import Plan
from commission_engine.problems import FactsRefused
from commission_engine.tree.forest import NOBODY, Forest, Standing

ROWS_AT_ONCE = 1 << 20
"""Earnings that are read at a time."""

KEPT_PARTS = 10
"""Parts of the earnings that stay in memory from their first look to their last; a gigabyte holds
nearly two of these."""

READERS = 2
"""Threads that look at parts of the earnings."""

MOST_DENSE = 2**28
SPARSEST = 16
"""Affiliates with whole numbers below MOST_DENSE, and below SPARSEST times the rows (or a million),
are taken by their number; others are numbered."""

_PROCESSING = ("occurred_at", pl.col("reverses").is_not_null(), "event_id")


@dataclass(frozen=True)
class Facts:
    """Earnings (EARNINGS), referrals (REFERRALS) and closed affiliates (CLOSED), checked.

    Read in parts, so that earnings in Parquet may be more than memory holds. `event_id`s are in
    processing order inside one instant: whole numbers by size, texts by their bytes.
    """

    earnings: pl.LazyFrame
    referrals: pl.DataFrame
    closed: pl.DataFrame
    survey: "_Survey"
    read: "InParts"

    @classmethod
    def of(
        cls,
        earnings: pl.DataFrame | pl.LazyFrame,
        referrals: pl.DataFrame | pl.LazyFrame,
        closed: pl.DataFrame | pl.LazyFrame | None = None,
    ) -> "Facts":
        """Raises FactsRefused where a column is missing or of another type, or rows do not fit."""
        frames = {"earnings": earnings.lazy(), "referrals": referrals.lazy()}
        if closed is not None:
            frames["closed"] = closed.lazy()
        in_types = shaped(frames)
        lazy = in_types["earnings"]
        edges = collected(in_types["referrals"], "referrals")
        check_there(edges.drop("referrer_id"), "referrals", "since")
        if closed is None:
            shut = edges.select("affiliate_id").clear()
        else:
            shut = collected(in_types["closed"], "closed")
            check_there(shut, "closed", "")
        read = InParts(lazy)
        survey = _Survey.of(read)
        if not survey.in_order:
            lazy = collected(lazy.sort(*_PROCESSING)).lazy()
            read = InParts(lazy)
            survey = _Survey.of(read)
        one = lazy.select(pl.col("event_id").n_unique())
        if not survey.rising and collected(one).item() < survey.rows:
            raise FactsRefused("earnings: an event_id is there twice", "Each event has its own id.")
        return cls(lazy, edges, shut, survey, read)

    @classmethod
    def of_folder(cls, folder: Path) -> "Facts":
        """earnings.parquet, referrals.parquet and, where it is there, closed.parquet."""
        closed = folder.joinpath("closed.parquet")
        return cls.of(
            scanned(folder.joinpath("earnings.parquet")),
            scanned(folder.joinpath("referrals.parquet")),
            scanned(closed) if closed.exists() else None,
        )

    # -- affiliates and currencies as dense numbers

    @property
    def rows(self) -> int:
        return self.survey.rows

    @property
    def currencies(self) -> tuple[str, ...]:
        return self.survey.currencies

    @cached_property
    def affiliates(self) -> pl.Series | None:
        """The id of each number; None where ids are numbers that serve as they are."""
        frames = [
            self.referrals.select("affiliate_id"),
            self.referrals.select(affiliate_id="referrer_id"),
            self.closed.select("affiliate_id"),
        ]
        column = pl.col("affiliate_id")
        if self.survey.earned is not None:
            ends = column.min().alias("low"), column.max().alias("high")
            low, high = pl.concat(frames).select(*ends).fill_null(0).row(0)
            if low >= 0 and high < _dense_below(self.rows + self.referrals.height):
                return None
        everybody = [self.earnings.select(column.unique()).collect(), *frames]
        return pl.concat(everybody)["affiliate_id"].unique().drop_nulls().sort()

    def number(self, ids: pl.Series) -> Ints:
        """Affiliates' ids as numbers; NOBODY for null. Shaped like `ids`."""
        known = self.affiliates
        if known is None:
            return ids.fill_null(NOBODY).to_numpy()
        numbered = pl.DataFrame({"id": known}).with_row_index("number")
        found = ids.to_frame("id").join(numbered, on="id", how="left", maintain_order="left")
        return found["number"].cast(pl.Int64).fill_null(NOBODY).to_numpy()

    @cached_property
    def forest(self) -> Forest:
        """Raises FactsRefused for two referrers at once, and for loops."""
        edges = self.referrals
        affiliate, referrer = (self.number(edges[name]) for name in ("affiliate_id", "referrer_id"))
        since = edges["since"].cast(pl.Int64).fill_null(BEGINNING).to_numpy()
        forest = Forest.of(affiliate, referrer, since, np.zeros(edges.height, np.int64))
        check_tree(edges, forest)
        return forest

    @cached_property
    def standing(self) -> Standing:
        who = self.number(self.closed["affiliate_id"])
        return Standing.of(who, np.zeros(len(who), np.int64), np.ones(len(who), np.bool_))

    def lines_of(self, plan: Plan) -> Ints:
        """About how many lines each affiliate will have, by number.

        Raises FactsRefused for a currency that the plan does not know.
        """
        check_currencies(self.currencies, plan)
        return lines_of(self._earned(), self.forest, plan)

    def _earned(self) -> Ints:
        """How many events each affiliate has, by number."""
        earned = self.survey.earned if self.affiliates is None else None
        if earned is None:
            ids = self.earnings.select("affiliate_id").collect()["affiliate_id"]
            earned = np.bincount(self.number(ids))
        return earned

    # -- events in processing order

    @cached_property
    def event_ids(self) -> pl.Series:
        """The id of each row: for ids that are texts."""
        return self.earnings.select("event_id").collect()["event_id"]

    @cached_property
    def numbered(self) -> bool:
        """Whether event ids are numbers that serve as they are; else an event's number is its
        row."""
        return bool(self.earnings.collect_schema()["event_id"].is_integer())

    def parts(self, plan: Plan) -> list["Part"]:
        """All earnings, cut into parts of ROWS_AT_ONCE. Raises FactsRefused, see `reversals`."""
        _ = self.reversals  # here, once: parts are read on several threads
        return [Part(self, plan, begin) for begin in self.read.begins()]

    @cached_property
    def reversals(self) -> "Reversals":
        """Every reversal with its order's running total. Raises FactsRefused where one does not
        fit its order."""
        reversing = self.survey.reversing
        orders = reversing["reverses"].unique().sort()
        if self.survey.rising:  # each part holds a range of ids

            def among(begin: int) -> pl.DataFrame:
                return _among(self.read.at(begin).with_row_index("row", begin), orders)

            parts = in_turn(among, self.read.begins(), READERS)
            roots = pl.concat([reversing.clear(), *parts])
        else:
            numbered, wanted = self.earnings.with_row_index("row"), orders.to_frame("event_id")
            roots = numbered.join(wanted.lazy(), on="event_id", how="semi").collect()
        joined = reversing.join(
            roots, left_on="reverses", right_on="event_id", how="left", suffix="_root",
            maintain_order="left",
        )  # fmt: skip
        earlier = pl.col("amount_minor").cum_sum().over("reverses") - pl.col("amount_minor")
        joined = joined.with_columns(before=pl.col("amount_minor_root") + earlier)
        check_reversals(joined)
        row, before, root_at, root = (
            joined[name].cast(pl.Int64).to_numpy()
            for name in (
                "row",
                "before",
                "occurred_at_root",
                "reverses" if self.numbered else "row_root",
            )
        )
        return Reversals(row, before, root_at, root)


def _among(rows: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """The rows with a wanted event_id; both are sorted by it."""
    ids, asked = rows["event_id"].to_numpy(), wanted.to_numpy()
    first, past = np.searchsorted(asked, ids[0]), np.searchsorted(asked, ids[-1], side="right")
    asked = asked[first:past]
    place = np.searchsorted(ids, asked)
    found: pl.DataFrame = rows[place[ids[place] == asked]]
    return found


class InParts:
    """Earnings in parts of ROWS_AT_ONCE rows, each by the row that it begins with."""

    def __init__(self, earnings: pl.LazyFrame) -> None:
        self._earnings = earnings
        self._kept: dict[int, pl.DataFrame] = {}
        self.schema = earnings.collect_schema()
        self.rows: int = collected(earnings.select(pl.len())).item()

    def begins(self) -> range:
        return range(0, self.rows, ROWS_AT_ONCE)

    def at(self, begin: int, *, again: bool = True) -> pl.DataFrame:
        """The part; some are kept in memory until it is said that they are not needed `again`."""
        part = self._kept.pop(begin, None)
        if part is None:
            part = collected(self._earnings.slice(begin, ROWS_AT_ONCE))
        if again and begin < KEPT_PARTS * ROWS_AT_ONCE:
            self._kept[begin] = part
        return part


class Reversals(NamedTuple):
    """Per reversal its row, its order's running total without it, its root's instant (in
    microseconds) and its root's number; int64, in processing order."""

    row: Ints
    before: Ints
    root_at: Ints
    root: Ints


@dataclass(frozen=True, slots=True)
class _Survey:
    """What one look at all earnings tells.

    `rising`: event ids are numbers that rise from row to row. `earned` counts events by
    affiliate where their ids are numbers that can be taken as they are, else it is None.
    """

    rows: int
    in_order: bool
    rising: bool
    earned: Ints | None
    currencies: tuple[str, ...]
    reversing: pl.DataFrame

    @classmethod
    def of(cls, read: InParts) -> "_Survey":
        schema, rows = read.schema, read.rows
        numbers = schema["affiliate_id"].is_integer()
        in_order, rising = True, schema["event_id"].is_integer()
        earned = np.zeros(0, np.int64) if numbers else None
        codes: set[str] = set()
        last = pl.DataFrame(schema=schema)
        reversing = [last.with_row_index("row")]

        def looked_at(begin: int) -> _Look:
            return _Look.at(read.at(begin), begin, _dense_below(rows))

        for look in in_turn(looked_at, read.begins(), READERS):
            seam = pl.concat([last, look.ends.head(1)])
            in_order = in_order and look.in_order and is_in_order(seam)
            rising = rising and look.rising and _rising(seam)
            earned = _summed(earned, look.earned)
            codes |= look.codes
            reversing.append(look.reversing)
            last = look.ends.tail(1)
        return cls(rows, in_order, rising, earned, tuple(sorted(codes)), pl.concat(reversing))


class _Look(NamedTuple):
    """What one part of the earnings tells; `ends` are its first and its last row."""

    in_order: bool
    rising: bool
    earned: Ints | None
    codes: set[str]
    reversing: pl.DataFrame
    ends: pl.DataFrame

    @classmethod
    def at(cls, part: pl.DataFrame, begin: int, dense_below: int) -> "_Look":
        check_values(part)
        late = part.with_row_index("row", begin).filter(pl.col("reverses").is_not_null())
        return cls(
            is_in_order(part),
            _rising(part),
            _counted(part["affiliate_id"], dense_below),
            set(part["currency"].unique()),
            late,
            pl.concat([part.head(1), part.tail(1)]),
        )


def _rising(rows: pl.DataFrame) -> bool:
    """Whether event ids are numbers that rise."""
    event = rows["event_id"]
    return event.dtype.is_integer() and bool((np.diff(event.to_numpy()) > 0).all())


def _counted(ids: pl.Series, below: int) -> Ints | None:
    """How often there is each number; None where they do not serve as numbers."""
    if not ids.dtype.is_integer():
        return None
    who = ids.to_numpy()
    serves = int(who.min()) >= 0 and int(who.max()) < below
    return np.bincount(who) if serves else None


def _dense_below(rows: int) -> int:
    return min(MOST_DENSE, max(SPARSEST * rows, 1 << 20))


def _summed(one: Ints | None, other: Ints | None) -> Ints | None:
    if one is None or other is None:
        return None
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    longer[: len(shorter)] += shorter
    return longer


@dataclass(frozen=True, slots=True)
class Part:
    """Earnings from row `begin` on, not read yet."""

    facts: Facts
    plan: Plan
    begin: int

    def read(self) -> tuple[Events, Ints]:
        """The events, and x_(i-1) of each. `event` and `order` are event ids, rows for texts."""
        facts = self.facts
        rows = facts.read.at(self.begin, again=False)
        size = rows.height
        row = np.arange(self.begin, self.begin + size)
        event = rows["event_id"].to_numpy() if facts.numbered else row
        root_at = rows["occurred_at"].to_physical().to_numpy()
        order, before = event, np.zeros(size, np.int64)
        reversals = facts.reversals
        mine = slice(*np.searchsorted(reversals.row, [self.begin, self.begin + size]))
        places = reversals.row[mine] - self.begin
        if len(places):
            root_at, order = root_at.copy(), event.copy()
            before[places] = reversals.before[mine]
            root_at[places] = reversals.root_at[mine]
            order[places] = reversals.root[mine]
        codes = pl.Enum(facts.currencies)
        nothing = np.broadcast_to(np.int64(0), (size,))
        events = Events(
            event=event,
            order=order,
            earner=facts.number(rows["affiliate_id"]),
            currency=rows["currency"].cast(codes).to_physical().cast(pl.Int16).to_numpy(),
            amount=rows["amount_minor"].to_numpy(),
            before=nothing,
            root_at=root_at,
            root_day=Zone(self.plan.timezone).local_days(root_at),
            root_known=nothing,
            tree_known=nothing,
        )
        return events, before
