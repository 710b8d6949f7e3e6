"""Which payouts a command means, and their content: what a person looks at and approves."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from commission_engine.book import facts, views
from commission_engine.book import payouts as book
from commission_engine.book.connect import Connection
from commission_engine.book.digests import hashed
from commission_engine.calendar import Day, day_of
from commission_engine.ledger.life import State
from commission_engine.money import BadAmount, parse_amount, plain
from commission_engine.plan.terms import Plan
from commission_engine.problems import UsageError
from commission_engine.publish.ids import payout_ids

NOTHING = "Nothing was changed."
SHORT = 16
"""Digits of a content hash that are enough to name it."""

_ID = re.compile(r"po-(\d{8})-[0-9a-v]{16}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{16,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The payouts of these ids, or those that meet every condition that is given."""

    ids: Sequence[str] = field(default=())
    day: Day | None = None
    affiliate_id: str = ""
    currency: str = ""
    up_to: str = ""
    batch: str = ""

    @property
    def everything(self) -> bool:
        return self == Wanted()


def plan_of_book(connection: Connection) -> Plan:
    plan = facts.current_plan(connection)
    if plan is None:
        raise UsageError("the book has no plan yet", "Apply one: commission plan apply plan.toml")
    return plan


def select(connection: Connection, plan: Plan, wanted: Wanted, *states: State) -> pl.DataFrame:
    """The payouts meant, shaped book.PAYOUTS with payout_id; by run, affiliate's id and currency.

    Of those named by id all, in whatever state, else those in `states`. UsageError where one does
    not exist or a condition cannot be.
    """
    if wanted.ids:
        if wanted != Wanted(ids=wanted.ids):
            raise UsageError("payouts by id and filters at once", f"Take one of them. {NOTHING}")
        return _of_ids(connection, plan, list(dict.fromkeys(wanted.ids)))
    where = [book.in_state(*states)]
    if wanted.day is not None:
        where.append(book.of_run(wanted.day))
    if wanted.affiliate_id:
        if not facts.exists(connection, wanted.affiliate_id):
            raise UsageError(
                f"there is no affiliate {wanted.affiliate_id!r}", "Ids are case-sensitive."
            )
        where.append(views.of_affiliate(views.PAYOUT, wanted.affiliate_id))
    if wanted.currency:
        where.append(views.in_currency(wanted.currency))
    if wanted.up_to:
        where.append(book.at_most(_amount(plan, wanted)))
    if wanted.batch:
        where.append(book.of_batch(batch_of(connection, wanted.batch)))
    return _with_ids(book.payouts(connection, *where), plan)


def _amount(plan: Plan, wanted: Wanted) -> int:
    if wanted.currency not in plan.decimals:
        raise UsageError(
            "--up-to is an amount in one currency", "Name it as well, such as --currency USD."
        )
    try:
        return parse_amount(wanted.up_to, plan.decimals[wanted.currency])
    except BadAmount as why:
        raise UsageError(f"--up-to: {why}", "Write such as 100.00.") from why


def _of_ids(connection: Connection, plan: Plan, ids: Sequence[str]) -> pl.DataFrame:
    days = dict.fromkeys(_day_of(each) for each in ids)
    parts = [book.payouts(connection, book.of_run(day)) for day in sorted(days)]
    found = _with_ids(pl.concat(parts), plan).filter(pl.col("payout_id").is_in(ids))
    there = set(found["payout_id"])
    missing = [each for each in ids if each not in there]
    if missing:
        raise _no_such(missing[0])
    return found


def _day_of(payout_id: str) -> Day:
    named = _ID.fullmatch(payout_id)
    try:
        return day_of(date.fromisoformat(named[1])) if named else _raise(payout_id)
    except ValueError:
        return _raise(payout_id)


def _raise(payout_id: str) -> Day:
    raise _no_such(payout_id)


def _no_such(payout_id: str) -> UsageError:
    return UsageError(
        f"there is no payout {payout_id!r}", f"`commission payouts` lists them. {NOTHING}"
    )


def _with_ids(found: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    columns = (found[name] for name in ("run_day", "affiliate_id", "code"))
    return found.with_columns(payout_ids(plan.name, *columns))


def stepped(connection: Connection, plan: Plan, number: int, to: State) -> pl.DataFrame:
    """The payouts that an intake has led to a state, whatever they are now."""
    return _with_ids(book.payouts(connection, book.stepped(number, to)), plan)


def of_batch(connection: Connection, plan: Plan, batch: str, *states: State) -> pl.DataFrame:
    """The payouts that are in these states by a step with this batch."""
    found = book.payouts(connection, book.of_batch(batch), book.in_state(*states))
    return _with_ids(found, plan)


def batch_of(connection: Connection, beginning: str) -> str:
    """The whole hash of the batch that is named so."""
    if not _HASH.fullmatch(beginning):
        raise UsageError(f"{beginning!r} is not the hash of a batch", _HOW_LONG)
    found = book.batches(connection, beginning)
    if len(found) != 1:
        raise UsageError(
            f"there {'is no batch' if not found else 'are several batches'} {beginning}",
            "`commission payouts` lists payouts with their batches.",
        )
    return found[0]


_HOW_LONG = f"Write its first {SHORT} digits, or all 64, as `commission payouts` shows them."


def check_hash(text: str) -> str:
    """A content hash as a person gives it."""
    if not _HASH.fullmatch(text):
        raise UsageError(f"--hash: {text!r} is not a content hash", _HOW_LONG)
    return text


# -- content


def described(connection: Connection, found: pl.DataFrame, known: int) -> pl.DataFrame:
    """Payouts with the name and the standing of their affiliates as known at intake `known`."""
    whose = found["affiliate"]
    names = book.names(connection, whose, known)
    standings = book.statuses(connection, whose, known)
    numbers = whose.to_list()
    return found.with_columns(
        pl.Series("name", [names.get(each, "") for each in numbers], dtype=pl.String),
        pl.Series("standing", [standings.get(each, "active") for each in numbers], dtype=pl.String),
    )


def content(found: pl.DataFrame) -> str:
    """The SHA-256 of what would be paid to whom: of `described` payouts, in their order.

    Whatever a person has looked at is in it, so it changes with any of it.
    """
    told = ("payout_id", "affiliate_id", "code", "amount_minor", "decimals", "name", "standing")
    return hashed(
        [
            [payout_id, affiliate_id, code, plain(minor, decimals), name, standing]
            + ([] if paid == code else [paid, plain(paid_minor, paid_decimals)])
            for (
                payout_id, affiliate_id, code, minor, decimals, name, standing,
                paid, paid_minor, paid_decimals,
            ) in found.select(*told, "paid_code", "paid_minor", "paid_decimals").iter_rows()
        ]
    )  # fmt: skip


def as_paid(found: pl.DataFrame) -> pl.DataFrame:
    """Payouts with the amounts that are paid, in the currencies in which they are: of those that
    were converted other ones."""
    paid = {"code": "paid_code", "decimals": "paid_decimals", "amount_minor": "paid_minor"}
    return found.with_columns(**{name: pl.col(column) for name, column in paid.items()})


def converted() -> pl.Expr:
    """Whether a payout is paid in another currency than it was earned in."""
    return pl.col("paid_code") != pl.col("code")


def totals(found: pl.DataFrame) -> dict[str, str]:
    """What payouts come to, by currency, as plain amounts."""
    return {code: amount for code, _, amount in counted(found)}


def counted(found: pl.DataFrame) -> list[tuple[str, int, str]]:
    """By currency how many payouts there are, and what they come to."""
    sums = found.group_by("code", "decimals").agg(pl.len(), pl.col("amount_minor").sum())
    return [
        (code, count, plain(minor, decimals))
        for code, decimals, count, minor in sums.sort("code").iter_rows()
    ]
