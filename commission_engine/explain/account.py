"""What became of money: held or available, in which statement, paid by what, or why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from commission_engine.book import exchange, facts, holds, runs, views
from commission_engine.book import payouts as lives
from commission_engine.book.single import Status
from commission_engine.calendar import Day, date_of
from commission_engine.converting import why_not
from commission_engine.explain.history import Book
from commission_engine.explain.said import Missing, Money, Paid, Returned, Stepped
from commission_engine.further import came_back
from commission_engine.ledger.holds import ALL as EVERYBODY
from commission_engine.ledger.holds import HoldKind
from commission_engine.ledger.settle import settles
from commission_engine.money import plain
from commission_engine.plan.terms import Every, Plan
from commission_engine.publish.ids import payout_id, statement_id

LONGEST_PERIOD = 31

EVERY = {
    Every.DAY: "after every run",
    Every.WEEK: "with the run of a Sunday",
    Every.MONTH: "with the run of a month's last day",
}

BOUNDS = {
    HoldKind.RUN.value: "the total of a run",
    HoldKind.PAYOUT.value: "the size of a payout",
    HoldKind.LINES.value: "the lines of one beneficiary",
}


@dataclass(frozen=True, slots=True)
class Account:
    """An affiliate's balance in one currency. `standings` are all that he ever had, in order."""

    number: int
    affiliate_id: str
    code: str
    decimals: int
    standings: Sequence[Status]

    def said(self, minor: int) -> str:
        return plain(minor, self.decimals)

    def standing(self, known: int) -> str:
        """Active, suspended or closed, as known at an intake."""
        found = [each.status for each in self.standings if each.intake <= known]
        return found[-1] if found else "active"


def money_of(book: Book, account: Account, day: Day, available_day: Day, commission: int) -> Money:
    """What became of a line of the run of `day`, of so many minor units."""
    ripe = max(day, available_day)
    settled = next((each for each in book.completed if each.settles and each.day >= day), None)
    paid = None
    if commission:
        # A payout takes the whole available balance, so the first one takes the line with it.
        later = payouts(book, account, first=ripe).head(1)
        paid = said_payout(book, account, later.row(0, named=True)) if later.height else None
    return Money(
        available_on=date_of(available_day).isoformat(),
        statement_id=(
            statement_id(book.plan.name, settled.day, account.affiliate_id) if settled else ""
        ),
        settled_on=date_of(settled.day).isoformat() if settled else "",
        next_settlement="" if settled else next_settlement(book, day),
        payout=paid,
        unpaid=() if paid else tuple(_unpaid(book, account, ripe, commission)),
    )


def payouts(
    book: Book, account: Account, first: Day | None = None, last: Day | None = None
) -> pl.DataFrame:
    """The account's payouts from the settlements of these days, by date."""
    return views.payouts(
        book.connection,
        *views.between(views.PAYOUT, first, last),
        views.of_affiliate(views.PAYOUT, account.affiliate_id),
        views.in_currency(account.code),
    )


def said_payout(book: Book, account: Account, row: dict[str, Any]) -> Paid:
    """A row of `payouts`."""
    name, day, whose = book.plan.name, row["run_day"], account.affiliate_id
    return Paid(
        payout_id=payout_id(name, day, whose, account.code),
        statement_id=statement_id(name, day, whose),
        run_date=date_of(day).isoformat(),
        amount=account.said(row["amount_minor"]),
        status=steps[-1].became if (steps := steps_of(book, account, day)) else "pending",
    )


def steps_of(book: Book, account: Account, day: Day) -> tuple[Stepped, ...]:
    """What became of the account's payout of a day, step by step."""
    code = facts.currency_codes(book.connection).index(account.code)
    found = lives.steps_of(book.connection, day, account.number, code)
    return tuple(
        Stepped(row["step"], row["learned_at"], row["who"], row["batch"], row["reason"])
        for row in found.iter_rows(named=True)
    )


def returned_to(
    book: Book, account: Account, after: Day | None, day: Day
) -> tuple[int, tuple[Returned, ...]]:
    """What came back to the account with the runs after a day (None: all) and up to another, in
    minor units, and of which payouts."""
    back = came_back(book.connection, book.completed, after, day).filter(
        pl.col("affiliate_id") == account.affiliate_id, pl.col("currency") == account.code
    )
    name, whose = book.plan.name, account.affiliate_id
    rows = tuple(
        Returned(
            payout_id(name, row["run_day"], whose, account.code),
            date_of(row["booked_day"]).isoformat(),
            account.said(row["amount_minor"]),
        )
        for row in back.sort("booked_day", "run_day").iter_rows(named=True)
    )
    return int(back["amount_minor"].sum()), rows


def why_waived(book: Book, account: Account, settled: runs.Run) -> str | None:
    """Why the minimum did not hold for the account in a settlement; None where it did."""
    earlier = [run.intake for run in book.completed if run.settles and run.day < settled.day]
    code = facts.currency_codes(book.connection).index(account.code)
    return lives.why_waived(
        book.connection, account.number, code, max(earlier, default=0), settled.intake
    )


def statement_row(book: Book, account: Account, day: Day) -> dict[str, Any] | None:
    """What the settlement of a day said of the account; None where it said nothing."""
    found = views.statements(
        book.connection,
        *views.between(views.STATEMENT, day, day),
        views.of_affiliate(views.STATEMENT, account.affiliate_id),
        views.in_currency(account.code),
    )
    return found.row(0, named=True) if found.height else None


def _unpaid(book: Book, account: Account, ripe: Day, commission: int) -> Sequence[Missing]:
    """Why no payout has taken a line that is available from `ripe` on."""
    if not commission:
        return [Missing("nothing_to_pay", "it is 0, so there is nothing to pay")]
    last = book.completed[-1]
    if ripe > last.day:
        return [Missing("held", f"it is held until {date_of(ripe)}")]
    settled = [each for each in book.completed if each.settles and each.day >= ripe]
    if not settled:
        return [
            Missing(
                "no_settlement_yet",
                f"it has been available since {date_of(ripe)}, and there was no settlement since:"
                f" the next is {next_settlement(book, last.day + 1)}",
            )
        ]
    return balance_unpaid(book, account, settled[-1])


def balance_unpaid(book: Book, account: Account, settled: runs.Run) -> list[Missing]:
    """Why a settlement paid the account nothing; several reasons can hold at once."""
    row = statement_row(book, account, settled.day)
    available = row["available_minor"] if row else 0
    day = date_of(settled.day)
    if row and row["paid_minor"]:
        paid = account.said(row["paid_minor"])
        says = f"the statement of {day} says that {paid} was paid, and there is no such payout"
        return [Missing("unexplained", says)]
    if available < 0:
        return [
            Missing(
                "negative_balance",
                f"the available balance on {day} was {account.said(available)}: what was paid too"
                " much before is worked off first",
            )
        ]
    if not available:
        return [Missing("nothing_left", f"on {day} nothing was available: all sums came to zero")]
    plan = facts.plan_of(book.connection, settled.plan_version)
    why = []
    standing = account.standing(settled.intake)
    if standing != "active":
        why.append(
            Missing(standing, f"{account.affiliate_id}'s account was {standing} on {day}, and"
                    f" {account.said(available)} waits")
        )  # fmt: skip
    least = plan.payout.minimum.get(account.code, 0)
    if available < least and why_waived(book, account, settled) is None:
        why.append(
            Missing(
                "below_minimum",
                f"the available balance on {day} was {account.said(available)},"
                f" {account.said(least - available)} below the minimum of {account.said(least)}",
            )
        )
    why += _awaits_release(book, account, settled.day)
    if not why:
        why += _not_converted(book, account, settled, plan, available)
    return why or [
        Missing(
            "unexplained",
            f"the statement of {day} leaves {account.said(available)} available, and nothing says"
            " why it was not paid",
        )
    ]


def _awaits_release(book: Book, account: Account, day: Day) -> list[Missing]:
    """Whether a safety bound kept the account's payout back for a person."""
    code = facts.currency_codes(book.connection).index(account.code)
    kept = holds.open_holds(book.connection, day).filter(
        pl.col("affiliate").is_in([EVERYBODY, account.number]),
        (pl.col("kind") == HoldKind.RUN.value) | pl.col("currency").is_in([EVERYBODY, code]),
    )
    return [
        Missing(
            "awaits_release",
            f"the run of {date_of(row['run_day'])} holds it for a person, as a bound on"
            f" {BOUNDS[row['kind']]} was passed; `commission holds` shows it",
        )
        for row in kept.head(1).iter_rows(named=True)
    ]


def _not_converted(
    book: Book, account: Account, settled: runs.Run, plan: Plan, available: int
) -> list[Missing]:
    """Whether the account's payout could not be said in the currency in which he is paid."""
    to_code = exchange.of_affiliate(book.connection, account.number, settled.intake)
    if to_code in ("", account.code):
        return []
    why = why_not(
        book.connection, plan, settled.day, settled.intake, available, account.code, to_code
    )
    whose = account.affiliate_id
    return [Missing("not_converted", f"{whose} is paid in {to_code}, and {why}")] if why else []


def next_settlement(book: Book, day: Day) -> str:
    """When the next settlement is that a run of `day` or later makes, in words."""
    every = book.plan.payout.every
    first = max(day, book.completed[-1].day + 1) if book.completed else day
    ends = date_of(settlement_from(every, first))
    return f"{EVERY[every]}: the run of {ends}, or the first one after it"


def settlement_from(every: Every, first: Day) -> Day:
    """The first date from `first` on whose run is a settlement, if there is a run every day."""
    days = range(first, first + LONGEST_PERIOD)
    return next(each for each in days if settles(every, each, each - 1))
