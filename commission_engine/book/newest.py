"""What a book holds, the newest first and some at a time: for pages, which never load all.

`before` is where the page before this one ended (None: from the newest on).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import audit, bulk, corrections, holds
from commission_engine.book.attempts import ATTEMPTS
from commission_engine.book.corrections import Proposal
from commission_engine.book.schema import (
    affiliate,
    attempt,
    attempt_end,
    currency,
    hold,
    intake,
    payout,
    plan_version,
    referral,
    refusal,
    release,
)
from commission_engine.book.schema import audit as trail
from commission_engine.book.schema_bank import payment_format
from commission_engine.book.schema_exchange import exchange_rate
from commission_engine.book.schema_people import (
    payment_file,
    payment_file_written,
    payout_step,
    proposal,
    proposal_end,
)
from commission_engine.book.schema_reconcile import bank_decision, bank_entry
from commission_engine.calendar import Day
from commission_engine.ledger.life import State

# -- the nights


def attempts(connection: sa.Connection, before: int | None, limit: int) -> pl.DataFrame:
    """Starts of runs, shaped attempts.ATTEMPTS."""
    query = sa.select(
        *attempt.c, attempt_end.c.ended_at, attempt_end.c.outcome, attempt_end.c.message
    ).outerjoin(attempt_end)
    query = _page(query, attempt.c.id, before, limit)
    return bulk.frame(connection, query, ATTEMPTS).sort("id", descending=True)


# -- refused rows

REFUSED: Mapping[str, Any] = {
    "id": pl.Int64, "intake": pl.Int64, "kind": pl.String, "file": pl.String, "line": pl.Int64,
    "code": pl.String, "column_name": pl.String, "text": pl.String, "message": pl.String,
    "raw": pl.String,
}  # fmt: skip


def refused(
    connection: sa.Connection, before: int | None, limit: int, **wanted: str
) -> pl.DataFrame:
    """Refused rows, shaped REFUSED; `wanted` are columns and what they have to be."""
    query = sa.select(*(refusal.c[name] for name in REFUSED))
    query = query.where(*(refusal.c[name] == value for name, value in wanted.items()))
    found = bulk.frame(connection, _page(query, refusal.c.id, before, limit), REFUSED)
    return found.sort("id", descending=True)


def numbered(numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    """For `refusals.judged`: the refused rows of these numbers."""
    return refusal.c.id.in_(numbers)


def refused_of(connection: sa.Connection, numbers: Sequence[int]) -> pl.DataFrame:
    """These refused rows, shaped REFUSED and in the order of their files."""
    query = sa.select(*(refusal.c[name] for name in REFUSED)).where(refusal.c.id.in_(numbers))
    return bulk.frame(connection, query, REFUSED).sort("kind", "file", "line", "id")


def intakes_of(connection: sa.Connection, numbers: Sequence[int]) -> pl.DataFrame:
    """What these intakes read, for `mend.mendable`: id, files."""
    query = sa.select(intake.c.id, intake.c.files).where(intake.c.id.in_(numbers))
    return bulk.frame(connection, query, {"id": pl.Int64, "files": pl.String})


# -- what waits


def held(
    connection: sa.Connection, before: int | None, limit: int, *, released: bool = False
) -> pl.DataFrame:
    """Holds that are open, or with `released` all, shaped holds.LISTED."""
    query = holds.listing() if released else holds.listing().where(release.c.intake.is_(None))
    found = bulk.frame(connection, _page(query, hold.c.id, before, limit), holds.LISTED)
    return found.sort("id", descending=True)


def proposals(
    connection: sa.Connection, before: int | None, limit: int, *, ended: bool = False
) -> list[Proposal]:
    """Corrections that wait for a second person, or with `ended` all."""
    lower = [] if before is None else [proposal.c.id < before]
    open_ = [] if ended else [proposal_end.c.outcome.is_(None)]
    numbers = (
        sa.select(proposal.c.id)
        .outerjoin(proposal_end, proposal_end.c.proposal == proposal.c.id)
        .where(*lower, *open_)
        .order_by(proposal.c.id.desc())
        .limit(limit)
    )
    wanted = list(connection.execute(numbers).scalars())
    return corrections.proposals(connection, proposal.c.id.in_(wanted))[::-1]


def waiting_entries(
    connection: sa.Connection, before: int | None, limit: int, kinds: Sequence[str]
) -> list[int]:
    """The numbers of the bank's entries of these kinds on which nobody has decided."""
    query = (
        sa.select(bank_entry.c.id)
        .outerjoin(bank_decision, bank_decision.c.entry == bank_entry.c.id)
        .where(bank_entry.c.found.in_(kinds), bank_decision.c.entry.is_(None))
    )
    return list(connection.execute(_page(query, bank_entry.c.id, before, limit)).scalars())


# -- who did what


def changes(
    connection: sa.Connection, before: int | None, limit: int, what: Sequence[str] = ()
) -> list[audit.Row]:
    """Rows of the audit trail; of one of the kinds `what`, where any is named."""
    query = sa.select(trail)
    if what:
        query = query.where(trail.c.what.in_(what))
    return [audit.Row(*row) for row in connection.execute(_page(query, trail.c.id, before, limit))]


def change(connection: sa.Connection, number: int) -> audit.Row | None:
    """One row of the audit trail."""
    found = connection.execute(sa.select(trail).where(trail.c.id == number)).one_or_none()
    return audit.Row(*found) if found else None


def kinds_of_changes(connection: sa.Connection) -> list[str]:
    return sorted(connection.execute(sa.select(trail.c.what).distinct()).scalars())


@dataclass(frozen=True, slots=True)
class Version:
    """A plan that was applied: its intake, its hash, when and by whom."""

    number: int
    sha256: str
    applied_at: str
    who: str


def plans(connection: sa.Connection, before: int | None, limit: int) -> list[Version]:
    """The plans that were applied."""
    query = sa.select(
        plan_version.c.intake, plan_version.c.hash, intake.c.learned_at, intake.c.who
    ).join(intake, intake.c.id == plan_version.c.intake)
    query = _page(query, plan_version.c.intake, before, limit)
    return [Version(*row) for row in connection.execute(query)]


# -- payouts

Key = tuple[Day, int, int]
"""A payout: its run, the affiliate and the currency, by number."""


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout of a page: what it is now, and in which batch ("": none)."""

    key: Key
    affiliate_id: str
    code: str
    decimals: int
    amount_minor: int
    status: str
    batch: str
    reason: str


def payouts(
    connection: sa.Connection,
    after: Key | None,
    limit: int,
    *,
    day: Day | None = None,
    batch: str = "",
    status: str = "",
    affiliate_id: str = "",
) -> list[Payout]:
    """Payouts of a settlement or of a batch by affiliate's number, from the one after `after` on.

    Those of a batch, or of a state that somebody has led them to, are looked for among the steps;
    the others by the key of the settlement. So nothing goes through all there are.
    """
    last = payout_step.alias("last")
    by_step = bool(batch) or status not in ("", State.PENDING)
    state = last.c.step if by_step else sa.func.coalesce(last.c.step, State.PENDING.value)
    query = sa.select(
        *(payout.c[name] for name in _KEY), affiliate.c.affiliate_id, currency.c.code,
        currency.c.decimals, payout.c.amount_minor, state, sa.func.coalesce(last.c.batch, ""),
        sa.func.coalesce(last.c.reason, ""),
    )  # fmt: skip
    same = sa.and_(*(last.c[name] == payout.c[name] for name in _KEY))
    if by_step:
        query = query.select_from(last).join(payout, same).where(~_stepped_later(last))
    else:
        query = query.select_from(payout).outerjoin(last, sa.and_(same, ~_stepped_later(last)))
    keys = [(last if by_step else payout).c[name] for name in _KEY]
    if day is not None:
        query = query.where(keys[0] == day)
    if batch:
        query = query.where(last.c.batch == batch)
    if status:
        query = query.where(state == status)
    if affiliate_id:
        own = sa.select(affiliate.c.id).where(affiliate.c.affiliate_id == affiliate_id)
        query = query.where(keys[1] == own.scalar_subquery())
    if after is not None:
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*after))
    query = query.join(affiliate, affiliate.c.id == payout.c.affiliate)
    query = query.join(currency, currency.c.id == payout.c.currency)
    rows = connection.execute(query.order_by(*keys).limit(limit))
    return [
        Payout((row[0], row[1], row[2]), *row[len(_KEY) :])
        for row in (tuple(each) for each in rows)
    ]


def _stepped_later(step: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a step of the same payout comes after this one."""
    later = payout_step.alias("later")
    return sa.exists().where(
        *(later.c[name] == step.c[name] for name in _KEY), later.c.number > step.c.number
    )


_KEY = ("run_day", "affiliate", "currency")


def states_of_settlement(connection: sa.Connection, day: Day) -> Mapping[State, int]:
    """How many payouts of a settlement are what now: as many as were led there, less those that
    were led away. So nobody looks for the last step of each."""
    all_ = sa.select(sa.func.count()).select_from(payout).where(payout.c.run_day == day)
    counts = dict.fromkeys(State, 0)
    counts[State.PENDING] = int(connection.execute(all_).scalar_one())
    step = payout_step.c
    query = sa.select(step.was, step.step, sa.func.count()).where(step.run_day == day)
    for was, to, count in connection.execute(query.group_by(step.was, step.step)):
        counts[State(to)] += count
        counts[State(was)] -= count
    return {state: count for state, count in counts.items() if count}


def states_of_batch(connection: sa.Connection, batch: str) -> Mapping[State, int]:
    """How many payouts of a batch are what now."""
    last = payout_step.alias("last")
    query = sa.select(last.c.step, sa.func.count()).where(
        last.c.batch == batch, ~_stepped_later(last)
    )
    return {State(to): count for to, count in connection.execute(query.group_by(last.c.step))}


@dataclass(frozen=True, slots=True)
class PaymentFile:
    """A file to pay, and when and by whom it was exported; `folder` is None where nobody knows
    that it was written."""

    intake: int
    batch: str
    name: str
    sha256: str
    folder: str | None
    format: str
    at: str
    who: str


def payment_files(connection: sa.Connection, before: int | None, limit: int) -> list[PaymentFile]:
    query = (
        sa.select(
            *payment_file.c, payment_file_written.c.folder,
            sa.func.coalesce(payment_format.c.format, "csv"), intake.c.learned_at, intake.c.who,
        )
        .join(intake, intake.c.id == payment_file.c.intake)
        .outerjoin(payment_file_written, payment_file_written.c.file == payment_file.c.intake)
        .outerjoin(payment_format, payment_format.c.file == payment_file.c.intake)
    )  # fmt: skip
    query = _page(query, payment_file.c.intake, before, limit)
    return [PaymentFile(*row) for row in connection.execute(query)]


def day_of_rates(connection: sa.Connection, before: Day | None) -> Day | None:
    """The last day before another one (None: of all) that has an exchange rate."""
    query = sa.select(sa.func.max(exchange_rate.c.day))
    if before is not None:
        query = query.where(exchange_rate.c.day < before)
    return connection.execute(query).scalar()


# -- the tree


def affiliates(
    connection: sa.Connection, beginning: str, after: str, limit: int
) -> list[tuple[int, str]]:
    """Affiliates whose id begins so, by id in byte order, from the one after `after` on: number
    and id."""
    own = sa.collate(affiliate.c.affiliate_id, "C") if _is_server(connection) else (
        affiliate.c.affiliate_id
    )  # fmt: skip
    query = sa.select(affiliate.c.id, affiliate.c.affiliate_id).where(
        affiliate.c.affiliate_id.startswith(beginning, autoescape=True)
        if _is_server(connection)
        else sa.and_(own >= beginning, own < beginning + "\U0010ffff")
    )
    if after:
        query = query.where(own > after)
    return [(row[0], row[1]) for row in connection.execute(query.order_by(own).limit(limit))]


def _is_server(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"


def referrers(connection: sa.Connection, number: int, now_us: int) -> list[tuple[int, str, int]]:
    """Who stands above an affiliate, the next one first: number, id, since when the one below him
    has been referred by him."""
    found: list[tuple[int, str, int]] = []
    while number not in {each[0] for each in found}:
        query = (
            sa.select(referral.c.referrer, referral.c.since_us)
            .where(referral.c.affiliate == number, referral.c.since_us <= now_us)
            .order_by(referral.c.since_us.desc())
            .limit(1)
        )
        edge = connection.execute(query).one_or_none()
        if edge is None or edge.referrer < 0:
            break
        name = sa.select(affiliate.c.affiliate_id).where(affiliate.c.id == edge.referrer)
        number = edge.referrer
        found.append((number, connection.execute(name).scalar_one(), edge.since_us))
    return found


def _page(
    query: sa.Select[Any], key: sa.Column[Any], before: int | None, limit: int
) -> sa.Select[Any]:
    lower = [] if before is None else [key < before]
    return query.where(*lower).order_by(key.desc()).limit(limit)
