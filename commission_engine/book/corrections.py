"""Corrections in the book: adjustments, true-ups with what they moved, and proposals of them.

All of them are facts, as an import is: what a run makes of them is derived.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.caps import WINDOWS
from commission_engine.book.digests import Added, Spans
from commission_engine.book.schema import affiliate, currency, event, intake
from commission_engine.book.schema_people import (
    adjustment,
    cap_shift,
    proposal,
    proposal_end,
    true_up,
)
from commission_engine.calendar import Day, Ints
from commission_engine.decide.adjusted import Adjusted
from commission_engine.decide.kernel import Advance, Keys, Scope, Used

NONE = -1
"""In the place of the event of a line: it corrects none."""

SHIFTS: Mapping[str, Any] = dict.fromkeys(
    (
        "terms_day", "level", "cap_window", "window_start", "beneficiary", "currency",
        "moved_minor",
    ),
    pl.Int64,
)  # fmt: skip
"""How far a true-up moved caps' running totals; all but the last are the key."""

ADJUSTMENTS: Mapping[str, Any] = {
    "event_id": pl.String,
    "affiliate": pl.Int64,
    "beneficiary": pl.Int64,
    "level": pl.Int64,
    "currency": pl.Int64,
    "amount_minor": pl.Int64,
    "available_day": pl.Int64,
    "corrects": pl.Int64,
    "reason": pl.String,
}
"""Adjustments to add, in the book's numbers. `affiliate` is the earner of what is corrected, else
the beneficiary; `corrects` the event of the corrected line, else NONE."""


@dataclass(frozen=True, slots=True)
class TrueUp:
    """The dates from `first` to `last`, both included, hold as intake `intake` knew the tree, and
    under the plan of intake `plan_version`."""

    intake: int
    first: Day
    last: Day
    plan_version: int

    def covers(self, day: Day) -> bool:
        return self.first <= day <= self.last


def true_ups(connection: sa.Connection, known: int) -> list[TrueUp]:
    """Those up to intake `known`, the latest last."""
    query = sa.select(true_up).where(true_up.c.intake <= known).order_by(true_up.c.intake)
    return [TrueUp(*row) for row in connection.execute(query)]


def holding(ups: Sequence[TrueUp], day: Day) -> TrueUp | None:
    """The true-up by which the date `day` holds: the latest that covers it."""
    return next((each for each in reversed(ups) if each.covers(day)), None)


# -- what a run asks


def adjusted(connection: sa.Connection, numbers: Ints) -> Adjusted:
    """Those among the events `numbers`, by their place in it."""
    columns = ("event", "beneficiary", "level", "available_day")
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, -1)
    query = sa.select(*(adjustment.c[name] for name in columns)).where(
        adjustment.c.event.between(low, high)
    )
    found = bulk.frame(connection, query, dict.fromkeys(columns, pl.Int64))
    if not found.height:
        return Adjusted(*(np.empty(0, np.int64) for _ in columns))
    here = pl.DataFrame({"event": numbers.astype(np.int64)}).with_row_index("row")
    rows = here.join(found, on="event").sort("row")
    return Adjusted(*bulk.ints(rows, "row", *columns[1:]))


def shifts(connection: sa.Connection, after: int, known: int) -> pl.DataFrame:
    """What the true-ups of intakes beyond `after`, up to `known`, moved; shaped SHIFTS, summed."""
    key = [cap_shift.c[name] for name in SHIFTS if name != "moved_minor"]
    query = (
        sa.select(*key, sa.cast(sa.func.sum(cap_shift.c.moved_minor), sa.BigInteger))
        .where(cap_shift.c.intake > after, cap_shift.c.intake <= known)
        .group_by(*key)
    )
    return bulk.frame(connection, query, dict(SHIFTS)).sort(list(SHIFTS))


def moved(used: Used, shifts: pl.DataFrame) -> tuple[Advance, ...]:
    """The running totals of `used` after these shifts (SHIFTS)."""
    found = []
    for (terms_day, level, window), part in shifts.group_by(
        "terms_day", "level", "cap_window", maintain_order=True
    ):
        scope = Scope(_whole(terms_day), _whole(level), WINDOWS[_whole(window)])
        keys = Keys(*bulk.ints(part, "beneficiary", "currency", "window_start"))
        total = used.totals(scope, keys) + part["moved_minor"].to_numpy()
        found.append(Advance(scope, keys, total))
    return tuple(found)


def _whole(value: object) -> int:
    return int(str(value))


# -- what people add


def add_adjustments(
    connection: sa.Connection, number: int, rows: pl.DataFrame, occurred_us: int
) -> Spans:
    """Add adjustments (shaped ADJUSTMENTS) by intake `number`: one event each, in this order."""
    added = Added(connection)
    first = bulk.next_number(connection, event.c.id)
    numbers = pl.int_range(first, first + rows.height, dtype=pl.Int64, eager=True)
    intakes = np.broadcast_to(np.int64(number), rows.height)
    added.rows(
        event,
        {
            "id": numbers,
            "event_id": rows["event_id"],
            "affiliate": rows["affiliate"],
            "occurred_us": np.broadcast_to(np.int64(occurred_us), rows.height),
            "amount_minor": rows["amount_minor"],
            "currency": rows["currency"],
            "root": numbers,
            "intake": intakes,
        },
    )
    own = ("beneficiary", "level", "available_day", "corrects", "reason")
    added.rows(
        adjustment,
        {"event": numbers, "intake": intakes, **{name: rows[name] for name in own}},
    )
    return added.spans


def add_true_up(connection: sa.Connection, up: TrueUp, moves: pl.DataFrame) -> Spans:
    """Add a true-up and what it moves (SHIFTS)."""
    added = Added(connection)
    added.rows(
        true_up,
        pl.DataFrame(
            {
                "intake": [up.intake],
                "first_day": [up.first],
                "last_day": [up.last],
                "plan_version": [up.plan_version],
            }
        ).to_dict(),
    )
    if moves.height:
        intakes = np.broadcast_to(np.int64(up.intake), moves.height)
        added.rows(cap_shift, {"intake": intakes, **moves.to_dict()})
    return added.spans


def free_ids(connection: sa.Connection, wanted: Sequence[str]) -> set[str]:
    """Those of these event ids that no event has."""
    with bulk.listed(connection, pl.Series(wanted, dtype=pl.String)) as asked:
        query = sa.select(event.c.event_id).join_from(
            asked, event, event.c.event_id == asked.c.value
        )
        return set(wanted) - set(connection.execute(query).scalars())


def count(connection: sa.Connection, *, corrects: bool) -> int:
    """How many adjustments there are that correct a line, or that correct none."""
    which = adjustment.c.corrects != NONE if corrects else adjustment.c.corrects == NONE
    query = sa.select(sa.func.count()).select_from(adjustment).where(which)
    return int(connection.execute(query).scalar_one())


def corrected_so_far(connection: sa.Connection) -> pl.DataFrame:
    """Per line that true-ups corrected: event, level, beneficiary, times, difference_minor."""
    key = (adjustment.c.corrects, adjustment.c.level, adjustment.c.beneficiary)
    query = (
        sa.select(
            *key,
            sa.func.count(),
            sa.cast(sa.func.sum(event.c.amount_minor), sa.BigInteger),
        )
        .join(event, event.c.id == adjustment.c.event)
        .where(adjustment.c.corrects != NONE)
        .group_by(*key)
    )
    names = ("event", "level", "beneficiary", "times", "difference_minor")
    return bulk.frame(connection, query, dict.fromkeys(names, pl.Int64)).sort("event", "level")


# -- proposals


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction that waits, or waited, for a second person. `outcome` is empty while it waits;
    `asks` says what for, `sha256` is that of what it would post."""

    id: int
    kind: str
    asks: Mapping[str, Any]
    sha256: str
    proposed_at: str
    proposed_by: str
    outcome: str
    ended_at: str
    ended_by: str
    reason: str


def proposals(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Proposal]:
    """All proposals, by number."""
    end, began = intake.alias("ended"), intake.alias("began")
    query = (
        sa.select(
            proposal.c.id, proposal.c.kind, proposal.c.asks, proposal.c.sha256,
            began.c.learned_at, began.c.who,
            *(
                sa.func.coalesce(column, "")
                for column in (
                    proposal_end.c.outcome, end.c.learned_at, end.c.who, proposal_end.c.reason,
                )
            ),
        )
        .join_from(proposal, began, began.c.id == proposal.c.intake)
        .outerjoin(proposal_end, proposal_end.c.proposal == proposal.c.id)
        .outerjoin(end, end.c.id == proposal_end.c.intake)
        .where(*where)
        .order_by(proposal.c.id)
    )  # fmt: skip
    return [
        Proposal(row[0], row[1], json.loads(row[2]), *row[3:]) for row in connection.execute(query)
    ]


def proposal_of(connection: sa.Connection, number: int) -> Proposal | None:
    found = proposals(connection, proposal.c.id == number)
    return found[0] if found else None


def add_proposal(
    connection: sa.Connection, number: int, kind: str, asks: Mapping[str, Any], sha256: str
) -> tuple[int, Spans]:
    """Add a proposal by intake `number`; its own number."""
    own = bulk.next_number(connection, proposal.c.id)
    told = json.dumps(dict(asks), sort_keys=True, separators=(",", ":"))
    row = {"id": [own], "intake": [number], "kind": [kind], "asks": [told], "sha256": [sha256]}
    added = Added(connection)
    added.rows(proposal, pl.DataFrame(row).to_dict())
    return own, added.spans


def end_proposal(
    connection: sa.Connection, number: int, which: int, outcome: str, reason: str
) -> Spans:
    """End proposal `which` by intake `number`."""
    row = {"proposal": [which], "intake": [number], "outcome": [outcome], "reason": [reason]}
    added = Added(connection)
    added.rows(proposal_end, pl.DataFrame(row).to_dict())
    return added.spans


# -- for people


def told(connection: sa.Connection, events: pl.Series) -> pl.DataFrame:
    """What is said of the adjustments among these events: event, event_id, affiliate_id, level,
    currency, decimals, amount_minor, available_day, corrects (an event id or null), reason, who,
    learned_at."""
    paid, old = affiliate.alias("paid"), event.alias("old")
    shape: dict[str, Any] = {
        "event": pl.Int64, "event_id": pl.String, "affiliate_id": pl.String, "level": pl.Int64,
        "currency": pl.String, "decimals": pl.Int64, "amount_minor": pl.Int64,
        "available_day": pl.Int64, "corrects": pl.String, "reason": pl.String, "who": pl.String,
        "learned_at": pl.String,
    }  # fmt: skip
    with bulk.listed(connection, events.cast(pl.Int64)) as asked:
        query = (
            sa.select(
                event.c.id, event.c.event_id, paid.c.affiliate_id, adjustment.c.level,
                currency.c.code, currency.c.decimals, event.c.amount_minor,
                adjustment.c.available_day, old.c.event_id, adjustment.c.reason, intake.c.who,
                intake.c.learned_at,
            )
            .join_from(asked, adjustment, adjustment.c.event == asked.c.value)
            .join(event, event.c.id == adjustment.c.event)
            .join(paid, paid.c.id == adjustment.c.beneficiary)
            .join(currency, currency.c.id == event.c.currency)
            .join(intake, intake.c.id == adjustment.c.intake)
            .outerjoin(old, old.c.id == adjustment.c.corrects)
        )  # fmt: skip
        return bulk.frame(connection, query, shape).sort("event")


def all_numbers(connection: sa.Connection) -> pl.Series:
    """The events of all adjustments."""
    query = sa.select(adjustment.c.event).order_by(adjustment.c.event)
    return bulk.frame(connection, query, {"event": pl.Int64})["event"]
