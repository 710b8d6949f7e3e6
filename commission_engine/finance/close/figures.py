"""What a closing pack says, from the stored rows: the same rows give the same figures.

Everything is as the period's last run left it, and as intake `known` knew what became of it since:
so a pack can be derived again years later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from commission_engine.book import audit, closings, facts, refusals, runs, views
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.book.digests import digest_of, hashed
from commission_engine.book.lines import LineStore
from commission_engine.calendar import Day, date_of
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.decide.kernel import check_total
from commission_engine.finance.close.period import Period
from commission_engine.further import exchanged
from commission_engine.ledger.accounts import Account, Kind
from commission_engine.ledger.life import State
from commission_engine.ledger.post import signed
from commission_engine.payouts.ageing import unpaid
from commission_engine.problems import OutOfBalance
from commission_engine.publish import text

FORM = "1"
"""Of what a pack says; raised when it says it otherwise."""

MONEY = ["currency", "decimals"]
AGES = ((30, "0 to 30"), (60, "31 to 60"), (90, "61 to 90"), (180, "91 to 180"))
OLDER = "more than 180"
ROLL = ("opening", "earned", "reversed", "adjusted", "paid", "closing")
_ADJUSTED = (Kind.ADJUSTED, Kind.CREDITED, Kind.RETURNED)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a pack. A column `x_minor` is an amount with the `decimals` beside it; `long`: of
    as many rows as there are affiliates or refused rows, so that it is not printed."""

    name: str
    title: str
    rows: pl.DataFrame
    long: bool = False

    @property
    def shown(self) -> pl.DataFrame:
        """The rows for people: an amount `x_minor` is the decimal `x`."""
        names = [name for name in self.rows.columns if name != "decimals"]
        return self.rows.select(
            text.amount(name).alias(name.removesuffix("_minor"))
            if name.endswith("_minor")
            else pl.col(name)
            for name in names
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a pack says: facts by name, then tables."""

    facts: Mapping[str, str]
    tables: Sequence[Table]

    @property
    def sha256(self) -> str:
        """Of all of it."""
        tables = [[each.name, each.title, digest_of(each.rows)] for each in self.tables]
        return hashed([FORM, dict(self.facts), tables])


def figures(connection: Connection, store: LineStore, period: Period, known: int) -> Figures:
    """What the pack of a period says that intake `known` was the last before; OutOfBalance where
    its parts do not agree."""
    completed = [run for run in runs.completed(connection) if run.day <= period.last]
    last = completed[-1]
    plan = facts.plan_of(connection, last.plan_version)
    own = [run for run in completed if run.day >= period.first]
    booked = views.entries(connection, views.ENTRY.c.run_day <= period.last)
    check_total(booked["amount_minor"].to_numpy())
    legs = exchanged(connection, completed, None, period.last)
    accounts = trial_balance(pl.concat([booked, legs.select(booked.columns)]), period)
    rolled = roll_forward(booked, period)
    owed = views.balances(connection, last.day)
    sums = closings.line_sums(connection, store, [run.day for run in own])
    _agree(accounts, rolled, owed, sums)
    anchor = audit.anchor_of_run(connection, last.day)
    said = {
        "programme": plan.name,
        "month": period.name,
        "first day": date_of(period.first).isoformat(),
        "last day": date_of(period.last).isoformat(),
        "last run": date_of(last.day).isoformat(),
        "plan SHA-256": last.plan_hash,
        "anchor of the last run": f"{anchor['number']}: {anchor['sha256']}" if anchor else "none",
    }
    passed = _passed_over(completed, period)
    if passed:
        said["dates without a run of their own"] = ", ".join(passed)
    tables = [
        Table("trial_balance", "Trial balance", accounts),
        Table("roll_forward", "Roll-forward", _totals(rolled)),
        Table("by_affiliate", "Roll-forward by affiliate", rolled, long=True),
        Table("expense", "Commission expense by terms and level", _expense(sums, plan.name)),
        Table("caps", "What caps took, by window", _caps(sums)),
        Table("liabilities", "What is owed", _liabilities(owed)),
        Table("ageing", "Available balances by age in days", _ageing(connection, last)),
        Table("payouts", "Payouts of the month", _payouts(connection, period, known)),
        *_refused(connection, last.intake, known),
        Table("runs", "Runs", _runs(own)),
        Table("reopened", "Opened again since the closing before", _reopened(connection, known)),
    ]
    return Figures(said, tables)


# -- the ledger


def trial_balance(booked: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Per account and currency from opening to closing, debits above zero; all closings of a
    currency sum to zero. `booked`: views.ENTRIES up to the last day."""
    sides = pl.concat(
        booked.select(
            *MONEY,
            pl.col(f"{side}_account").alias("number"),
            pl.col("amount_minor").alias(side),
            pl.lit(0, pl.Int64).alias(other),
            "run_day",
        ).select("number", *MONEY, "run_day", "debit", "credit")
        for side, other in (("debit", "credit"), ("credit", "debit"))
    )
    before = pl.col("run_day") < period.first
    names = {int(account): account.name.lower() for account in Account}
    return (
        sides.group_by("number", *MONEY)
        .agg(
            opening_minor=(pl.col("debit") - pl.col("credit")).filter(before).sum(),
            debit_minor=pl.col("debit").filter(~before).sum(),
            credit_minor=pl.col("credit").filter(~before).sum(),
            closing_minor=(pl.col("debit") - pl.col("credit")).sum(),
        )
        .sort("currency", "number")
        .select(
            pl.col("number").replace_strict(names, return_dtype=pl.String).alias("account"),
            *MONEY,
            "opening_minor",
            "debit_minor",
            "credit_minor",
            "closing_minor",
        )
    )


def roll_forward(booked: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Per affiliate and currency opening + earned + reversed + adjusted - paid = closing, of those
    who had or have anything."""
    before = pl.col("run_day") < period.first
    amount = pl.col("amount")

    def moved(*kinds: Kind) -> pl.Expr:
        return amount.filter(~before & pl.col("kind").is_in([int(kind) for kind in kinds])).sum()

    rolled = (
        booked.with_columns(amount=signed())
        .group_by("affiliate_id", *MONEY)
        .agg(
            opening_minor=amount.filter(before).sum(),
            earned_minor=moved(Kind.EARNED),
            reversed_minor=moved(Kind.REVERSED),
            adjusted_minor=moved(*_ADJUSTED),
            paid_minor=-moved(Kind.PAID),
            closing_minor=amount.sum(),
        )
    )
    figures = [f"{name}_minor" for name in ROLL]
    return rolled.filter(pl.any_horizontal(pl.col(figures) != 0)).sort("affiliate_id", "currency")


def _totals(rolled: pl.DataFrame) -> pl.DataFrame:
    sums = pl.col([f"{name}_minor" for name in ROLL]).sum()
    return rolled.group_by(MONEY).agg(_count("affiliates"), sums).sort("currency")


def _count(name: str) -> pl.Expr:
    return pl.len().cast(pl.Int64).alias(name)


def _agree(
    accounts: pl.DataFrame, rolled: pl.DataFrame, owed: pl.DataFrame, sums: pl.DataFrame
) -> None:
    """Trial balance, roll-forward, balances and lines say the same, to the smallest unit."""
    opening, *moves, closing = (f"{name}_minor" for name in ROLL)
    *added, paid = moves
    footed = pl.sum_horizontal(opening, *added) - pl.col(paid)
    wrong = rolled.filter(footed != pl.col(closing))
    if wrong.height:
        row = wrong.row(0, named=True)
        raise OutOfBalance(
            f"the roll-forward of {row['affiliate_id']} in {row['currency']} does not foot",
            "Nothing was closed. Look at `commission verify`.",
        )

    def by_currency(frame: pl.DataFrame, column: pl.Expr) -> dict[str, int]:
        found = frame.group_by("currency").agg(column.sum().alias("sum")).sort("currency")
        return {code: minor for code, minor in found.iter_rows() if minor}

    payable = accounts.filter(pl.col("account") == Account.AFFILIATE_PAYABLE.name.lower())
    expense = accounts.filter(pl.col("account") == Account.COMMISSION_EXPENSE.name.lower())
    net = pl.col("debit_minor") - pl.col("credit_minor")
    pairs: tuple[tuple[str, dict[str, int], dict[str, int]], ...] = (
        ("the trial balance", by_currency(accounts, pl.col("closing_minor")), {}),
        (
            "what is payable and the roll-forward",
            by_currency(payable, -pl.col("closing_minor")),
            by_currency(rolled, pl.col("closing_minor")),
        ),
        (
            "the roll-forward and the balances",
            by_currency(rolled, pl.col("closing_minor")),
            by_currency(owed, pl.col("closing_minor")),
        ),
        (
            "the commission expense and the lines",
            by_currency(expense, net),
            by_currency(sums, pl.col("commission_minor")),
        ),
    )
    for what, one, other in pairs:
        if one != other:
            raise OutOfBalance(
                f"{what} differ: {one} and {other} minor units",
                "Nothing was closed. Look at `commission verify`.",
            )


def _passed_over(completed: Sequence[runs.Run], period: Period) -> list[str]:
    """The dates of the period that can have no run of their own any more."""
    done = {run.day for run in completed}
    first = max(period.first, completed[0].day)
    return [date_of(day).isoformat() for day in range(first, period.last + 1) if day not in done]


# -- lines


def _expense(sums: pl.DataFrame, programme: str) -> pl.DataFrame:
    """By plan, terms and level; an amount that people have booked has no terms."""
    return (
        sums.group_by("terms_day", "level", *MONEY)
        .agg(pl.col("lines", "gross_minor", "commission_minor").sum())
        .sort("currency", "terms_day", "level")
        .select(
            pl.lit(programme).alias("plan"),
            text.terms_day().alias("terms_from"),
            pl.when(pl.col("terms_day") == NO_TERMS)
            .then(pl.lit("adjustments"))
            .otherwise(pl.lit("plan"))
            .alias("by"),
            "level",
            "lines",
            *MONEY,
            "gross_minor",
            "commission_minor",
        )
    )


def _caps(sums: pl.DataFrame) -> pl.DataFrame:
    """By the window whose cap cut a line first (`closed`: a closed account), what it cut."""
    cut = sums.filter(pl.col("reason") != "")
    return (
        cut.group_by("reason", *MONEY)
        .agg(pl.col("lines", "gross_minor", "commission_minor").sum())
        .with_columns(cut_minor=pl.col("gross_minor") - pl.col("commission_minor"))
        .sort("currency", "reason")
        .select(
            pl.col("reason").alias("window"), "lines", *MONEY, "gross_minor", "commission_minor",
            "cut_minor",
        )
    )  # fmt: skip


# -- what is owed


def _liabilities(owed: pl.DataFrame) -> pl.DataFrame:
    """By currency held and available; `owing` is what affiliates owe, in negative balances."""
    return (
        owed.group_by(MONEY)
        .agg(
            _count("affiliates"),
            pl.col("held_minor", "available_minor", "closing_minor").sum(),
            owing_minor=-pl.col("closing_minor").filter(pl.col("closing_minor") < 0).sum(),
        )
        .sort("currency")
    )


def _ageing(connection: Connection, last: runs.Run) -> pl.DataFrame:
    old = unpaid(connection, last.day, last.intake)
    names = [name for _, name in AGES]
    age = pl.lit(OLDER)
    for most, name in reversed(AGES):
        age = pl.when(pl.col("days") <= most).then(pl.lit(name)).otherwise(age)
    return (
        old.with_columns(age=age)
        .group_by("age", *MONEY)
        .agg(_count("balances"), pl.col("available_minor").sum())
        .with_columns(
            place=pl.col("age").replace_strict(
                {name: place for place, name in enumerate([*names, OLDER])}, return_dtype=pl.Int64
            )
        )
        .sort("currency", "place")
        .select("age", "balances", *MONEY, "available_minor")
    )


def _payouts(connection: Connection, period: Period, known: int) -> pl.DataFrame:
    """By status what became of them, as far as the closing knew."""
    made = book.payouts(connection, closings.of_days(period.first, period.last), known=known)
    order = {str(state): place for place, state in enumerate(State)}
    return (
        made.drop("currency")
        .rename({"code": "currency"})
        .group_by("status", *MONEY)
        .agg(_count("payouts"), pl.col("amount_minor").sum())
        .with_columns(place=pl.col("status").replace_strict(order, return_dtype=pl.Int64))
        .sort("currency", "place")
        .select("status", "payouts", *MONEY, "amount_minor")
    )


# -- what happened


def refused_before(connection: Connection, known: int) -> int:
    """The last intake whose refused rows an earlier closing has answered for: that of the last run
    of the closing that held before intake `known`."""
    before = [each for each in closings.closings(connection) if each.intake <= known]
    given = {run.day: run.intake for run in runs.completed(connection)}
    opened = {each.closing for each in closings.requests(connection) if 0 < each.reopened <= known}
    return max((given[each.last_run] for each in before if each.intake not in opened), default=0)


def _refused(connection: Connection, upto: int, known: int) -> list[Table]:
    after = refused_before(connection, known)
    judged = refusals.judged(connection, closings.refused_in(after, upto), known)
    waived = closings.waivers(connection, known)
    rows = judged.join(waived, on="id", how="left").with_columns(
        waived=pl.col("waits") & pl.col("reason").is_not_null()
    )
    counts = (
        rows.group_by("kind", "code")
        .agg(
            _count("rows"),
            mended=(~pl.col("waits")).sum().cast(pl.Int64),
            waived=pl.col("waived").sum().cast(pl.Int64),
        )
        .sort("kind", "code")
    )
    named = rows.filter("waived").sort("id")
    return [
        Table("refused", "Refused rows", counts),
        Table(
            "waived",
            "Refused rows that were waived",
            named.select("kind", "file", "line", "code", "message", "reason"),
            long=True,
        ),
    ]


def _runs(own: Sequence[runs.Run]) -> pl.DataFrame:
    names = ("run_date", "settlement", "events", "lines", "statements", "payouts", "rejects")
    rows = [
        (
            date_of(run.day).isoformat(),
            "yes" if run.settles else "",
            *(int(run.figures["counts"][name]) for name in names[2:]),
        )
        for run in own
    ]
    schema = {name: pl.String if place < 2 else pl.Int64 for place, name in enumerate(names)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _reopened(connection: Connection, known: int) -> pl.DataFrame:
    made = {each.intake: each for each in closings.closings(connection)}
    since = max((each for each in made if each <= known), default=0)
    rows = [
        (
            made[each.closing].name, each.reason, each.asked_by, each.asked_at, each.confirmed_by,
            each.confirmed_at,
        )
        for each in closings.requests(connection)
        if since < each.reopened <= known
    ]  # fmt: skip
    names = ("closing", "reason", "asked_by", "asked_at", "confirmed_by", "confirmed_at")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def day_of_last_run(connection: Connection, period: Period) -> Day | None:
    """The last date that was run in or before a period."""
    days = [run.day for run in runs.completed(connection) if run.day <= period.last]
    return days[-1] if days else None
