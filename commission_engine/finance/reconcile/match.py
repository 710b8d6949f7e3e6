"""What each entry of a bank's file is: of which payout, and whether that is sure.

By reference first: only where reference and amount agree does an entry settle a payout. What has no
reference is scored against payouts of the same amount, for a person. Pure: the same entries and
the same payouts always give the same.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from commission_engine.calendar import Day
from commission_engine.finance.reconcile.entry import BACK, Entry, Said, clipped, ours_in
from commission_engine.finance.references import long_reference, short_reference
from commission_engine.ledger.life import State
from commission_engine.money import Minor, plain


class Found(StrEnum):
    """What an entry is found to be."""

    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"
    PARTLY = "partly"
    DIFFERS = "amount differs"
    DOUBLED = "doubled"
    NEVER = "never sent"
    CONTRADICTS = "contradicts"
    UNKNOWN = "unknown"
    NOTICE = "notice"
    OTHER = "other"


SURE = (Found.PAID, Found.FAILED, Found.RETURNED)
"""Reference and amount agree, so the payout is settled without a person."""
WAITS = tuple(each for each in Found if each not in (*SURE, Found.OTHER))
"""A person has to decide."""

CERTAIN = 100
BY_REFERENCE = 60
AMOUNT, NAME, NAME_PARTLY, ACCOUNT, DATE = 40, 25, 15, 20, 15
"""What agrees, in points of 100."""
SOON_DAYS = 10
"""So many days after its export a payment is booked at the latest, as a rule."""
LIKELY = 60
"""Money in that says nothing of a payout is looked at from so many points on."""

Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """A payout that was exported: its key, and its steps since then, each with its intake."""

    key: Key
    payout_id: str
    code: str
    decimals: int
    amount_minor: Minor
    exported_day: Day
    steps: tuple[tuple[int, State], ...]

    def state(self, known: int) -> State | None:
        """What it is as known at intake `known`; None: not exported yet."""
        return next((state for number, state in reversed(self.steps) if number <= known), None)


@dataclass(frozen=True, slots=True)
class Told:
    """An entry as far as it matters here; the same from a file and from the book."""

    said: Said
    booked_day: Day
    code: str
    decimals: int
    amount_minor: Minor
    reference: str
    payee: str
    tail: str

    @classmethod
    def of(cls, entry: Entry) -> "Told":
        return cls(entry.said, entry.booked_day, entry.code, entry.decimals, entry.amount_minor,
                   entry.reference, clipped(entry.payee), entry.tail)  # fmt: skip

    @property
    def money(self) -> str:
        return f"{plain(self.amount_minor, self.decimals)} {self.code}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What an entry is, and why. `steps` is the state that its payout is led to by it, if any."""

    found: Found
    payout: Sent | None
    score: int
    why: str
    steps: State | None = None


@dataclass(slots=True)
class Standing:
    """What banks have said of a payout so far, and what it is."""

    state: State
    paid: bool = False
    back: bool = False
    twice: bool = False


@dataclass(slots=True)
class World:
    """What is known when a file is read: the payouts that left, as of intake `known`; what entries
    have said of them before; the currencies of all that left; names and account ends of
    affiliates by number; those that a bank has paid more than once."""

    known: int
    payouts: Sequence[Sent]
    said: Iterable[tuple[Key, Said]]
    currencies: frozenset[str]
    names: Mapping[int, str]
    tails: Mapping[int, frozenset[str]]
    twice: frozenset[Key] = frozenset()
    standing: dict[Key, Standing] = field(default_factory=dict)
    by_reference: dict[str, Sent] = field(default_factory=dict)
    by_amount: dict[tuple[str, Minor], list[Sent]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def __post_init__(self) -> None:
        for each in self.payouts:
            state = each.state(self.known)
            if state is not None:
                self.standing[each.key] = Standing(state, twice=each.key in self.twice)
                self.by_reference[long_reference(each.payout_id)] = each
                self.by_reference[short_reference(each.payout_id)] = each
                self.by_amount[each.code, each.amount_minor].append(each)
        for key, said in self.said:
            if key in self.standing:
                self._note(self.standing[key], said)

    @staticmethod
    def _note(standing: Standing, said: Said) -> None:
        if said is Said.PAID:
            standing.paid = True
        elif said is not Said.NOTICE:
            standing.back = True

    def judge(self, entries: Sequence[Told]) -> list[Judged]:
        """What each of a file's entries is. Those with references come first, so that nobody is
        asked about a payout that another entry of the file settles."""
        judged: list[Judged | None] = [self._by_reference(each) for each in entries]
        return [
            found if found is not None else self._by_likeness(told)
            for found, told in zip(judged, entries, strict=True)
        ]

    # -- by reference

    def _by_reference(self, told: Told) -> Judged | None:
        named = ours_in(told.reference)
        found = {p.key: p for each in named if (p := self.by_reference.get(each)) is not None}
        if len(found) > 1:
            return Judged(Found.UNKNOWN, None, 0, f"it names {len(found)} payouts")
        if found:
            (payout,) = found.values()
            return self._of(payout, told)
        moves = told.said is Said.PAID or told.said in BACK
        if named and moves:
            return Judged(Found.NEVER, None, 0, f"no payout that was exported is {named[0]}")
        if moves and told.code not in self.currencies:
            return Judged(Found.NEVER, None, 0, f"no payout ever left in {told.code}")
        return None

    def _of(self, payout: Sent, told: Told) -> Judged:
        if told.said is Said.NOTICE:
            return Judged(Found.NOTICE, payout, BY_REFERENCE, "the bank wants its data changed")
        if told.code != payout.code or told.amount_minor != payout.amount_minor:
            less = told.code == payout.code and told.amount_minor < payout.amount_minor
            whole = f"{plain(payout.amount_minor, payout.decimals)} {payout.code}"
            why = f"the reference agrees; it is {told.money} of {whole}"
            return Judged(Found.PARTLY if less else Found.DIFFERS, payout, BY_REFERENCE, why)
        standing = self.standing[payout.key]
        if told.said is Said.PAID:
            return self._paid(payout, standing)
        return self._back(payout, standing, told)

    def _paid(self, payout: Sent, standing: Standing) -> Judged:
        if standing.paid:
            standing.twice = True
            return Judged(Found.DOUBLED, payout, BY_REFERENCE, "another entry has paid it already")
        if standing.state is State.FAILED and not standing.back:
            return Judged(
                Found.CONTRADICTS,
                payout,
                BY_REFERENCE,
                "it was marked failed, and its money is in the balance again",
            )
        was, standing.paid = standing.state, True
        if was is State.EXPORTED:
            standing.state = State.PAID
            return Judged(Found.PAID, payout, CERTAIN, AGREE, State.PAID)
        return Judged(Found.PAID, payout, CERTAIN, f"{AGREE}; it was {was} already")

    def _back(self, payout: Sent, standing: Standing, told: Told) -> Judged:
        if standing.back:
            why = "another entry has brought it back already"
            return Judged(Found.DOUBLED, payout, BY_REFERENCE, why)
        if standing.twice:  # most likely the second payment, and the first one stands
            why = "it was paid twice, and one payment came back"
            return Judged(Found.DOUBLED, payout, BY_REFERENCE, why)
        was, standing.back = standing.state, True
        found = Found.FAILED if told.said is Said.FAILED else Found.RETURNED
        if was is State.FAILED:
            return Judged(found, payout, CERTAIN, f"{AGREE}; it was {was} already")
        standing.state = State.FAILED
        return Judged(found, payout, CERTAIN, AGREE, State.FAILED)

    # -- by likeness

    def _by_likeness(self, told: Told) -> Judged:
        if told.said is Said.NOTICE:
            return Judged(Found.NOTICE, None, 0, "the bank wants data changed; no payout is named")
        open_ = (State.EXPORTED,) if told.said is Said.PAID else (State.EXPORTED, State.PAID)
        scored = [
            (*self._score(payout, told), payout)
            for payout in self.by_amount.get((told.code, told.amount_minor), ())
            if self.standing[payout.key].state in open_
        ]
        best = max((score for score, _, _ in scored), default=0)
        likely = [(why, payout) for score, why, payout in scored if score == best]
        if told.said is Said.OTHER and (best < LIKELY or len(likely) != 1):
            return Judged(Found.OTHER, None, 0, "money in that no payout is likely to be")
        if not likely:
            return Judged(
                Found.UNKNOWN, None, 0, f"no reference, and no open payout of {told.money}"
            )
        if len(likely) > 1:
            why = f"no reference; {len(likely)} open payouts are as likely ({best} of 100 points)"
            return Judged(Found.UNKNOWN, None, 0, why)
        why, payout = likely[0]
        return Judged(Found.UNKNOWN, payout, best, f"no reference; {why}")

    def _score(self, payout: Sent, told: Told) -> tuple[int, str]:
        """How likely it is, in points of 100, and what makes it so."""
        found = [(AMOUNT, "the amount")]
        mine, theirs = words(self.names.get(payout.key[1], "")), words(told.payee)
        if mine and mine == theirs:
            found.append((NAME, "the name"))
        elif mine and theirs and (mine <= theirs or theirs <= mine):
            found.append((NAME_PARTLY, "part of the name"))
        if told.tail and told.tail in self.tails.get(payout.key[1], ()):
            found.append((ACCOUNT, "the account of earlier payments"))
        if 0 <= told.booked_day - payout.exported_day <= SOON_DAYS:
            found.append((DATE, "the date"))
        return sum(points for points, _ in found), " + ".join(
            f"{what} ({points})" for points, what in found
        )


AGREE = "reference and amount agree"


@cache
def words(name: str) -> frozenset[str]:
    """The words of a name, without capitals and accents, in no order."""
    plain_name = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(char for char in plain_name if not unicodedata.combining(char))
    return frozenset(re.findall(r"\w+", letters))
