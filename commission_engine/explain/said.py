"""Explanations as values: amounts are plain decimals, days and instants ISO 8601, as in files.

`said` makes JSON of them, `words.py` sentences.
"""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of an order. `total` is the order's running total with it; both are empty until
    a run has processed it."""

    event_id: str
    what: str
    occurred_at: str
    amount: str
    total: str
    run_date: str
    known_since: str


@dataclass(frozen=True, slots=True)
class Referrer:
    """Who had referred whom at the order's instant, as it was known when the order was decided.

    `since` is empty for an edge without a beginning. `later` says what was learned about that
    instant only afterwards.
    """

    level: int
    affiliate_id: str
    referrer_id: str
    since: str
    known_since: str
    learned_by: str
    reason: str
    later: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Why something is not there: a code for programs, a sentence for people."""

    code: str
    says: str


@dataclass(frozen=True, slots=True)
class TrueUpSaid:
    """Who computed the runs of these dates anew, when and why."""

    period_from: str
    period_to: str
    who: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Correction:
    """A line that corrects another, or one that was not there; `comes_to` is what its affiliate
    has with it. `run_date` is empty until a run has booked it."""

    line_id: str
    affiliate_id: str
    amount: str
    comes_to: str
    run_date: str
    reason: str
    who: str
    at: str


@dataclass(frozen=True, slots=True)
class Moved:
    """By how much a true-up of these dates moved what had counted towards a cap."""

    period_from: str
    period_to: str
    amount: str


@dataclass(frozen=True, slots=True)
class Use:
    """A line that counted towards a cap, and what it brought."""

    line_id: str
    amount: str


@dataclass(frozen=True, slots=True)
class CapSaid:
    """What the cap of one window did to a line.

    `starts` is the first day of the window, or the order ("" for a lifetime). `used` is the sum
    over all lines with the same key that came before and over `moved`, which can be more than the
    cap.
    """

    window: str
    over: str
    starts: str
    cap: str
    lines_before: int
    used: str
    last_lines: tuple[Use, ...]
    moved: tuple[Moved, ...]
    room_before: str
    asks: str
    gets: str
    room_after: str


@dataclass(frozen=True, slots=True)
class Amounts:
    """From the order's running total to the commission. Of pairs the first is before the event."""

    rate: str
    total: tuple[str, str]
    exact: tuple[str, str]
    rounding: str
    rounded: tuple[str, str]
    order_cap: str | None
    capped: tuple[str, str]
    gross: str
    caps: tuple[CapSaid, ...]
    commission: str
    reason: str
    why_zero: Missing | None


@dataclass(frozen=True, slots=True)
class Paid:
    """The payout that a line, or a balance, went into, and what it is now."""

    payout_id: str
    statement_id: str
    run_date: str
    amount: str
    status: str


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step in the life of a payout: what it became, when the engine learned it, from whom."""

    became: str
    at: str
    who: str
    batch: str
    reason: str


@dataclass(frozen=True, slots=True)
class Returned:
    """A payout that was not paid after all: the run of `run_date` booked it back."""

    payout_id: str
    run_date: str
    amount: str


@dataclass(frozen=True, slots=True)
class Money:
    """What became of a line: when it is available, who states it, what paid it or why nothing."""

    available_on: str
    statement_id: str
    settled_on: str
    next_settlement: str
    payout: Paid | None
    unpaid: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class LevelSaid:
    """One level of an event: its line, or why there is none."""

    line_id: str
    level: int
    beneficiary_id: str
    closed: str
    """Since when the engine knew that the beneficiary's account is closed; "" if it was open."""
    amounts: Amounts | None
    money: Money | None
    no_line: Missing | None
    corrections: tuple[Correction, ...]


@dataclass(frozen=True, slots=True)
class EventSaid:
    """An event, or one of its lines."""

    kind: str
    id: str
    notes: tuple[str, ...]
    programme: str
    timezone: str
    currency: str
    event_id: str
    order_id: str
    affiliate_id: str
    local_day: str
    decided_at: str
    """The instant whose tree, terms and windows hold: that of the order's first event."""
    run_date: str
    engine_version: str
    waits: Missing | None
    order: tuple[Happened, ...]
    anew: TrueUpSaid | None
    """The true-up whose tree holds for the order; None: that which the order's run knew."""
    referrers: tuple[Referrer, ...]
    top: Missing | None
    """Why there is nobody above the last of `referrers`; None where nobody asked."""
    terms_from: str
    hold_days: int
    levels: tuple[LevelSaid, ...]
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corrected:
    """The line that an adjustment corrects: what was `posted` for it before, `now` what it has to
    be, and how the true-up computes it."""

    line_id: str
    run_date: str
    posted: str
    now: str
    true_up: TrueUpSaid
    anew: EventSaid


@dataclass(frozen=True, slots=True)
class AdjustmentSaid:
    """An adjustment, which is one event with one line. `amount` is what the affiliate gets; `who`
    says since `known_since` because of what `reason`."""

    kind: str
    id: str
    notes: tuple[str, ...]
    programme: str
    currency: str
    event_id: str
    line_id: str
    affiliate_id: str
    level: int
    amount: str
    reason: str
    who: str
    known_since: str
    run_date: str
    engine_version: str
    waits: Missing | None
    no_line: Missing | None
    """Why there is no line, where another level was asked for."""
    corrects: Corrected | None
    available_on: str
    money: Money | None
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineSaid:
    """A line of a statement or payout."""

    line_id: str
    run_date: str
    earner_id: str
    kind: str
    base_amount: str
    commission: str
    reason: str
    available_on: str
    why: str
    """A person's reason for an adjustment; "" for every other line."""


@dataclass(frozen=True, slots=True)
class Held:
    """What becomes available on a day."""

    until: str
    amount: str


@dataclass(frozen=True, slots=True)
class AccountSaid:
    """A statement in one currency."""

    currency: str
    opening: str
    opening_from: str
    """The id of the statement that closed with it; "" if there is none."""
    earned: str
    reversed: str
    adjusted: str
    paid: str
    closing: str
    held: str
    available: str
    held_until: tuple[Held, ...]
    payout: Paid | None
    unpaid: tuple[Missing, ...]
    returned: tuple[Returned, ...]
    """Earlier payouts in `adjusted`."""
    lines: tuple[LineSaid, ...]


@dataclass(frozen=True, slots=True)
class StatementSaid:
    """A statement: what one settlement said to one affiliate, currency by currency."""

    kind: str
    id: str
    notes: tuple[str, ...]
    programme: str
    affiliate_id: str
    period_from: str
    period_to: str
    accounts: tuple[AccountSaid, ...]
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayoutSaid:
    """A payout, what became of it, and the lines whose sum it is: all that became available since
    the one before, with what came back of others."""

    kind: str
    id: str
    notes: tuple[str, ...]
    programme: str
    affiliate_id: str
    currency: str
    amount: str
    status: str
    created_on: str
    statement_id: str
    minimum: str
    override: str | None
    """Why the minimum did not hold for it; None where it did."""
    paid_as: str
    """What it is paid as in another currency, and by which rate; "": it is paid as it is."""
    steps: tuple[Stepped, ...]
    previous: Paid | None
    returned: tuple[Returned, ...]
    lines: tuple[LineSaid, ...]
    disagreements: tuple[str, ...]


Explanation: TypeAlias = EventSaid | AdjustmentSaid | StatementSaid | PayoutSaid


def said(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON has it."""
    return {**asdict(explanation), "agrees": not explanation.disagreements}
