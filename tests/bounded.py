"""Bounds, holds and releases in plain Python, as docs/bounds.md says them: a person at a desk.

Beside the reference of the settlement, which asks it of every payout whether it has to wait.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median

from commission_engine.decide.reference import Line, Night, Statement, settle
from commission_engine.plan.terms import Plan

Account = tuple[str, str]


@dataclass(frozen=True, order=True)
class Held:
    """What waits: kind run, payout or lines; "" for everybody and for every currency."""

    day: int
    kind: str
    affiliate_id: str
    currency: str
    figure: int
    bound: int


@dataclass(frozen=True)
class Limits:
    """The bounds as numbers; None: no such bound. `payout` in minor units."""

    times: Fraction | None = None
    median_of: int = 30
    median_after: int = 7
    payout: dict[str, int] = field(default_factory=dict)
    lines: int | None = None


class Desk:
    """Judges nights in turn; before each one it releases what `choices` say.

    A choice is a mask: the n-th of the open holds, sorted, is released if bit n % 8 is set.
    """

    def __init__(
        self,
        nights: Sequence[Night],
        lines: Sequence[Sequence[Line]],
        limits: Limits,
        choices: Sequence[int],
    ) -> None:
        self.limits = limits
        self.holds: list[Held] = []
        self.released: dict[Held, int] = {}
        self._ahead = list(zip(nights, lines, choices, strict=True))
        self._known: list[Line] = []
        self._paid: list[tuple[int, Account, int]] = []
        self._totals: dict[str, list[int]] = {}
        self._last_day = 0

    def withheld(self, day: int, account: Account, amount: int) -> bool:
        """Whether this payout has to wait."""
        self.advance(day)
        limit = self.limits.payout.get(account[1])
        already = any(h.kind == "payout" and _account(h) == account for h in self.open)
        if limit is not None and amount > max(limit, self._allowed(account)) and not already:
            self.holds.append(Held(day, "payout", *account, amount, limit))
        waits = any(
            h.kind == "run"
            or (h.kind == "lines" and h.affiliate_id == account[0])
            or (h.kind == "payout" and _account(h) == account)
            for h in self.open
        )
        if not waits:
            self._paid.append((day, account, amount))
        return waits

    def advance(self, day: int) -> None:
        """Begin every night up to `day` that has not begun."""
        while self._ahead and self._ahead[0][0].business_day <= day:
            night, lines, choice = self._ahead.pop(0)
            self._release(choice)
            self._known += lines
            self._judge_run(night.business_day, lines)
            self._judge_lines(night.business_day, lines)
            self._last_day = night.business_day

    @property
    def open(self) -> list[Held]:
        return sorted(h for h in self.holds if h not in self.released)

    def _release(self, choice: int) -> None:
        for n, hold in enumerate(self.open):
            if choice >> n % 8 & 1:
                self.released[hold] = self._waiting(_account(hold)) + hold.bound

    def _waiting(self, account: Account) -> int:
        ripe = sum(
            line.commission
            for line in self._known
            if (line.beneficiary_id, line.currency) == account
            and line.available_day <= self._last_day
        )
        return max(ripe - sum(amount for _, whose, amount in self._paid if whose == account), 0)

    def _allowed(self, account: Account) -> int:
        """The most that releases let pass; each until the account's next payout."""
        return max(
            (
                up_to
                for hold, up_to in self.released.items()
                if hold.kind == "payout"
                and _account(hold) == account
                and not any(whose == account and day > hold.day for day, whose, _ in self._paid)
            ),
            default=-1,
        )

    def _judge_run(self, day: int, lines: Sequence[Line]) -> None:
        totals: Counter[str] = Counter()
        for line in lines:
            totals[line.currency] += line.commission
        for currency, total in totals.items():
            if total <= 0:
                continue
            earlier = self._totals.setdefault(currency, [])
            last = [Fraction(each) for each in earlier[-self.limits.median_of :]]
            if self.limits.times is not None and len(last) >= self.limits.median_after:
                most = self.limits.times * median(last)
                if total > most:
                    self.holds.append(Held(day, "run", "", currency, total, most.__floor__()))
            earlier.append(total)

    def _judge_lines(self, day: int, lines: Sequence[Line]) -> None:
        counted = Counter(line.beneficiary_id for line in lines)
        for who, count in counted.items():
            if self.limits.lines is not None and count > self.limits.lines:
                self.holds.append(Held(day, "lines", who, "", count, self.limits.lines))


def _account(hold: Held) -> Account:
    return hold.affiliate_id, hold.currency


def settle_with_bounds(
    plan: Plan,
    nights: Sequence[Night],
    lines: Sequence[Sequence[Line]],
    limits: Limits,
    choices: Sequence[int],
) -> tuple[list[list[Statement]], list[Held], set[Held]]:
    """Per night its statements; all holds, sorted; and those that were released."""
    desk = Desk(nights, lines, limits, choices)
    statements = settle(plan, nights, lines, desk.withheld)
    desk.advance(nights[-1].business_day)
    return statements, sorted(desk.holds), set(desk.released)
