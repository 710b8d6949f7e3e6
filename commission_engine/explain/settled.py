"""A statement or a payout explained: from the lines and entries that its sums come from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from commission_engine.book import exchange, facts, single, views
from commission_engine.calendar import Day, date_of
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.explain.account import (
    Account,
    balance_unpaid,
    payouts,
    returned_to,
    said_payout,
    statement_row,
    steps_of,
    why_waived,
)
from commission_engine.explain.history import Book
from commission_engine.explain.said import (
    AccountSaid,
    Held,
    LineSaid,
    Paid,
    PayoutSaid,
    StatementSaid,
)
from commission_engine.ledger.convert import converted
from commission_engine.ledger.post import signed
from commission_engine.money import plain
from commission_engine.publish import text
from commission_engine.publish.ids import statement_id

KINDS = ("earned", "reversed", "adjusted")


def explain_statement(
    book: Book, day: Day, affiliate_id: str, notes: Sequence[str] = ()
) -> StatementSaid:
    """What the settlement of a day said to an affiliate, all currencies."""
    number = views.number_of(book.connection, affiliate_id)
    standings = book.standings_of(int(number[0]))
    rows = views.statements(
        book.connection,
        *views.between(views.STATEMENT, day, day),
        views.of_affiliate(views.STATEMENT, affiliate_id),
    )
    before = views.last_settlement(book.connection, day)
    lines = _lines(book, affiliate_id, None if before is None else before + 1, day)
    accounts: list[AccountSaid] = []
    disagreements: list[str] = []
    for row in rows.iter_rows(named=True):
        account = Account(int(number[0]), affiliate_id, row["currency"], row["decimals"], standings)
        mine = lines.filter(pl.col("currency") == row["currency"])
        said, wrong = _account(book, account, row, before, mine)
        accounts.append(said)
        disagreements += wrong
    for code in sorted(set(lines["currency"]) - set(rows["currency"])):
        disagreements.append(f"{code}: there are lines of the period, and no statement of them")
    return StatementSaid(
        kind="statement",
        id=statement_id(book.plan.name, day, affiliate_id),
        notes=tuple(notes),
        programme=book.plan.name,
        affiliate_id=affiliate_id,
        period_from=date_of(rows["period_from"][0]).isoformat(),
        period_to=date_of(day).isoformat(),
        accounts=tuple(accounts),
        disagreements=tuple(disagreements),
    )


def _account(
    book: Book, account: Account, row: Mapping[str, Any], before: Day | None, lines: pl.DataFrame
) -> tuple[AccountSaid, list[str]]:
    """One currency, and in what its sums are not those of lines, entries and payouts."""
    day = row["run_day"]
    previous = statement_row(book, account, before) if before is not None else None
    paid = payouts(book, account, day, day)
    held = _held(book, account, day)
    back, returned = returned_to(book, account, before, day)
    checks = [
        ("opening", row["opening_minor"], previous["closing_minor"] if previous else 0,
         "the statement before closed with"),
        *((kind, row[f"{kind}_minor"],
           int(lines.filter(pl.col("kind") == kind)["commission_minor"].sum())
           + (back if kind == "adjusted" else 0),
           "the lines and what came back sum to" if back and kind == "adjusted"
           else "the lines sum to")
          for kind in KINDS),
        ("paid", row["paid_minor"], int(paid["amount_minor"].sum()), "the payout is"),
        ("held", row["held_minor"], int(held["amount"].sum()), "the ledger holds"),
        ("closing", row["closing_minor"],
         sum(row[f"{name}_minor"] for name in ("opening", *KINDS)) - row["paid_minor"],
         "its parts come to"),
        ("available", row["available_minor"], row["closing_minor"] - row["held_minor"],
         "closing less held is"),
    ]  # fmt: skip
    wrong = [
        f"{account.code}: the statement says {name} {account.said(stated)}, {words}"
        f" {account.said(found)}"
        for name, stated, found, words in checks
        if stated != found
    ]
    (settled,) = (each for each in book.completed if each.day == day)
    unpaid = () if row["paid_minor"] else tuple(balance_unpaid(book, account, settled))
    wrong += [f"{account.code}: {each.says}" for each in unpaid if each.code == "unexplained"]

    def amount(name: str) -> str:
        return account.said(row[f"{name}_minor"])

    return AccountSaid(
        currency=account.code,
        opening=amount("opening"),
        opening_from=(
            statement_id(book.plan.name, previous["run_day"], account.affiliate_id)
            if previous
            else ""
        ),
        earned=amount("earned"),
        reversed=amount("reversed"),
        adjusted=amount("adjusted"),
        paid=amount("paid"),
        closing=amount("closing"),
        held=amount("held"),
        available=amount("available"),
        held_until=tuple(
            Held(date_of(until).isoformat(), account.said(minor))
            for until, minor in held.iter_rows()
        ),
        payout=said_payout(book, account, paid.row(0, named=True)) if paid.height else None,
        unpaid=unpaid,
        returned=returned,
        lines=tuple(_said(book, lines)),
    ), wrong


def explain_payout(
    book: Book, day: Day, affiliate_id: str, code: str, notes: Sequence[str] = ()
) -> PayoutSaid:
    """What the settlement of a day paid an affiliate in a currency, and for which lines."""
    number = views.number_of(book.connection, affiliate_id)
    standings = book.standings_of(int(number[0]))
    probe = Account(int(number[0]), affiliate_id, code, 0, standings)
    row = payouts(book, probe, day, day).row(0, named=True)
    account = Account(int(number[0]), affiliate_id, code, row["decimals"], standings)
    earlier = payouts(book, account, None, day - 1)
    previous = earlier.row(-1, named=True) if earlier.height else None
    lines = _freed(book, account, previous["run_day"] if previous else None, day)
    back, returned = returned_to(book, account, previous["run_day"] if previous else None, day)
    total = int(lines["commission_minor"].sum()) + back
    wrong = []
    if total != row["amount_minor"]:
        wrong.append(
            f"the payout is {account.said(row['amount_minor'])}, the lines that became available"
            f" for it sum to {account.said(total)}"
        )
    stated = statement_row(book, account, day)
    if stated is None or stated["paid_minor"] != row["amount_minor"]:
        says = account.said(stated["paid_minor"]) if stated else "nothing"
        wrong.append(
            f"the payout is {account.said(row['amount_minor'])}, its statement says {says}"
        )
    paid_as, unlike = _paid_as(book, account, day)
    wrong += unlike
    (settled,) = (each for each in book.completed if each.day == day)
    plan = facts.plan_of(book.connection, settled.plan_version)
    paid: Paid = said_payout(book, account, row)
    return PayoutSaid(
        kind="payout",
        id=paid.payout_id,
        notes=tuple(notes),
        programme=book.plan.name,
        affiliate_id=affiliate_id,
        currency=code,
        amount=paid.amount,
        status=paid.status,
        created_on=paid.run_date,
        statement_id=paid.statement_id,
        minimum=account.said(plan.payout.minimum.get(code, 0)),
        override=why_waived(book, account, settled),
        paid_as=paid_as,
        steps=steps_of(book, account, day),
        previous=said_payout(book, account, previous) if previous else None,
        returned=returned,
        lines=tuple(_said(book, lines)),
        disagreements=tuple(wrong),
    )


def _paid_as(book: Book, account: Account, day: Day) -> tuple[str, list[str]]:
    """What the account's payout of a day came to in another currency, in words ("": it was not
    converted), and in what that is not what its rates give."""
    found = exchange.conversions(book.connection, day, day).filter(
        pl.col("affiliate_id") == account.affiliate_id, pl.col("currency") == account.code
    )
    if not found.height:
        return "", []
    row = found.row(0, named=True)
    again = converted(
        row["amount_minor"], row["decimals"], row["rate"], row["to_decimals"], row["to_rate"]
    )
    wrong = []
    if again != row["to_minor"]:
        stated, comes = (plain(minor, row["to_decimals"]) for minor in (row["to_minor"], again))
        wrong = [f"it is paid as {row['to_code']} {stated}, by its rates that is {comes}"]
    return str(found.select(text.paid_as()).item()), wrong


def _freed(book: Book, account: Account, after: Day | None, day: Day) -> pl.DataFrame:
    """The account's lines that became available after a day, up to another.

    A payout takes all that is available, so these are what the next payout is made of.
    """
    plans = [book.plan, *(book.plan_of(run.plan_version) for run in book.completed)]
    longest = max((terms.hold_days for plan in plans for terms in plan.terms), default=0)
    first = None if after is None else after - longest + 1
    ripe = pl.max_horizontal("available_day", "run_day")
    lines = _lines(book, account.affiliate_id, first, day).filter(
        pl.col("currency") == account.code, ripe <= day
    )
    return lines if after is None else lines.filter(ripe > after)


def _lines(book: Book, affiliate_id: str, first: Day | None, last: Day) -> pl.DataFrame:
    """An affiliate's lines of the runs of these days, shaped views.LINES with `kind`."""
    found = views.lines_of(book.connection, pl.Series([affiliate_id]), first, last, book.store)
    kind = (
        pl.when("is_reversal")
        .then(pl.lit("reversed"))
        .when((pl.col("base_minor") < 0) | (pl.col("terms_day") == NO_TERMS))
        .then(pl.lit("adjusted"))
        .otherwise(pl.lit("earned"))
    )
    return found.with_columns(kind=kind)


def _held(book: Book, account: Account, day: Day) -> pl.DataFrame:
    """What the account's entries up to a day free later: available_day, amount."""
    booked = views.entries(
        book.connection,
        *views.between(views.ENTRY, None, day),
        views.of_affiliate(views.ENTRY, account.affiliate_id),
        views.in_currency(account.code),
    )
    return (
        booked.filter(pl.col("available_day") > day)
        .group_by("available_day")
        .agg(amount=signed().sum())
        .filter(pl.col("amount") != 0)
        .sort("available_day")
    )


def _said(book: Book, lines: pl.DataFrame) -> Iterator[LineSaid]:
    adjustments = lines.filter(pl.col("terms_day") == NO_TERMS)["event_id"]
    why = single.reasons(book.connection, adjustments) if len(adjustments) else {}
    for row in lines.iter_rows(named=True):
        yield LineSaid(
            line_id=f"{row['event_id']}.{row['level']}",
            run_date=date_of(row["run_day"]).isoformat(),
            earner_id=row["earner_id"],
            kind=row["kind"],
            base_amount=plain(row["base_minor"], row["decimals"]),
            commission=plain(row["commission_minor"], row["decimals"]),
            reason=row["reason"],
            available_on=date_of(row["available_day"]).isoformat(),
            why=why.get(row["event_id"], ""),
        )
