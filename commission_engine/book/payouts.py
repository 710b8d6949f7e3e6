"""What becomes of payouts, as the book keeps it: steps, files to pay, overrides of the minimum.

All are only ever added, each with its intake. A payout's state is what its last step leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from commission_engine.book import bulk
from commission_engine.book.digests import Added, Spans, span_of
from commission_engine.book.exchange import KEY as KEY
from commission_engine.book.exchange import converted, paid_in
from commission_engine.book.schema import (
    affiliate,
    attempt,
    audit,
    currency,
    intake,
    payout,
    profile,
    run,
)
from commission_engine.book.schema_bank import payment_format
from commission_engine.book.schema_exchange import conversion
from commission_engine.book.schema_people import (
    minimum_override,
    payment_file,
    payment_file_written,
    payout_step,
)
from commission_engine.calendar import Day, date_of
from commission_engine.ledger.life import BACK, State

PAYOUTS: dict[str, Any] = {
    "run_day": pl.Int64,
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "amount_minor": pl.Int64,
    "affiliate_id": pl.String,
    "code": pl.String,
    "decimals": pl.Int64,
    "number": pl.Int64,
    "status": pl.String,
    "intake": pl.Int64,
    "batch": pl.String,
    "reason": pl.String,
    "paid_code": pl.String,
    "paid_decimals": pl.Int64,
    "paid_minor": pl.Int64,
}
"""`number` is that of the last step (0: none), `intake` what learned it. What is paid, in which
currency, is the payout itself, or what it was converted to."""

STEPS: dict[str, Any] = {
    "number": pl.Int64,
    "was": pl.String,
    "step": pl.String,
    "intake": pl.Int64,
    "batch": pl.String,
    "reason": pl.String,
    "learned_at": pl.String,
    "who": pl.String,
}
RETURNED: dict[str, Any] = {
    "intake": pl.Int64,
    "run_day": pl.Int64,
    "affiliate": pl.Int64,
    "currency": pl.Int64,
    "amount_minor": pl.Int64,
    "step": pl.String,
    "reason": pl.String,
    "affiliate_id": pl.String,
    "code": pl.String,
    "decimals": pl.Int64,
}

Condition = sa.ColumnElement[bool]


# -- payouts and their states


def payouts(connection: sa.Connection, *where: Condition, known: int | None = None) -> pl.DataFrame:
    """Payouts shaped PAYOUTS, by run, affiliate's id and currency, each with the last step that an
    intake up to `known` (None: any) has learned."""
    names = ("amount_minor", "affiliate_id", "code", "decimals")
    of = {"amount_minor": payout, "affiliate_id": affiliate, "code": currency, "decimals": currency}
    query = _with_last_step(
        sa.select(
            *(payout.c[name] for name in KEY),
            *(of[name].c[name] for name in names),
            sa.func.coalesce(payout_step.c.number, 0),
            sa.func.coalesce(payout_step.c.step, State.PENDING.value),
            sa.func.coalesce(payout_step.c.intake, 0),
            sa.func.coalesce(payout_step.c.batch, ""),
            sa.func.coalesce(payout_step.c.reason, ""),
            *paid_in(),
        ),
        known,
    ).where(*where)
    return bulk.frame(connection, query, PAYOUTS).sort("run_day", "affiliate_id", "code")


def _with_last_step(query: sa.Select[Any], known: int | None) -> sa.Select[Any]:
    """A query of payouts with their affiliates, currencies and last steps."""
    later = payout_step.alias("later")
    last = (
        sa.select(sa.func.max(later.c.number))
        .where(*(later.c[name] == payout.c[name] for name in KEY))
        .where(*([later.c.intake <= known] if known is not None else []))
        .scalar_subquery()
    )
    same = sa.and_(
        *(payout_step.c[name] == payout.c[name] for name in KEY), payout_step.c.number == last
    )
    return (
        query.select_from(payout)
        .join(affiliate, affiliate.c.id == payout.c.affiliate)
        .join(currency, currency.c.id == payout.c.currency)
        .outerjoin(payout_step, same)
        .outerjoin(conversion, converted())
    )


def in_state(*states: State) -> Condition:
    """Whose last step left one of these states."""
    found: Condition = sa.func.coalesce(payout_step.c.step, State.PENDING.value).in_(
        [state.value for state in states]
    )
    return found


def of_batch(batch: str) -> Condition:
    """Whose last step was one with this batch."""
    found: Condition = payout_step.c.batch == batch
    return found


def of_run(day: Day) -> Condition:
    found: Condition = payout.c.run_day == day
    return found


def at_most(minor: int) -> Condition:
    found: Condition = payout.c.amount_minor <= minor
    return found


def batches(connection: sa.Connection, beginning: str) -> list[str]:
    """The batches whose hash begins so; a few."""
    query = (
        sa.select(payout_step.c.batch)
        .where(payout_step.c.batch != "")
        .where(payout_step.c.batch.startswith(beginning, autoescape=True))
        .distinct()
        .limit(5)
    )
    return sorted(connection.execute(query).scalars())


def steps_of(connection: sa.Connection, day: Day, whose: int, code: int) -> pl.DataFrame:
    """The steps of one payout in turn, shaped STEPS."""
    key = dict(zip(KEY, (day, whose, code), strict=True))
    query = (
        sa.select(
            *(payout_step.c[name] for name in list(STEPS)[:6]), intake.c.learned_at, intake.c.who
        )
        .join(intake, intake.c.id == payout_step.c.intake)
        .where(*(payout_step.c[name] == value for name, value in key.items()))
    )
    return bulk.frame(connection, query, STEPS).sort("number")


def who_learned(connection: sa.Connection, number: int) -> str:
    """Who gave the command of an intake."""
    query = sa.select(intake.c.who).where(intake.c.id == number)
    return str(connection.execute(query).scalar_one())


def maker(connection: sa.Connection, day: Day) -> str:
    """Who ran the run of `day`; of one that is older than the audit trail the last who tried."""
    name = date_of(day).isoformat()
    query = sa.select(audit.c.who).where(audit.c.what == "run", audit.c.subject == name)
    found = connection.execute(query.order_by(audit.c.id).limit(1)).scalar_one_or_none()
    if found is None:
        tried = sa.select(attempt.c.who).where(attempt.c.day == day).order_by(attempt.c.id.desc())
        found = connection.execute(tried.limit(1)).scalar_one_or_none()
    return str(found or "")


def statuses(connection: sa.Connection, whose: pl.Series, known: int) -> Mapping[int, str]:
    """The status known at intake `known` of those of these affiliates (numbers) who have one."""
    return dict(_profiles(connection, whose, known, profile.c.status))


def names(connection: sa.Connection, whose: pl.Series, known: int) -> Mapping[int, str]:
    """The latest name known at intake `known` of those of these affiliates who have one."""
    return dict(_profiles(connection, whose, known, profile.c.name))


def countries(connection: sa.Connection, whose: pl.Series, known: int) -> Mapping[int, str]:
    """The latest country known at intake `known` of those of these affiliates who have one."""
    return dict(_profiles(connection, whose, known, profile.c.country))


def ids(connection: sa.Connection, whose: pl.Series) -> Mapping[int, str]:
    """The ids of these affiliates, by number."""
    with bulk.listed(connection, whose) as asked:
        query = sa.select(affiliate.c.id, affiliate.c.affiliate_id).join_from(
            asked, affiliate, affiliate.c.id == asked.c.value
        )
        found = bulk.frame(connection, query, {"id": pl.Int64, "affiliate_id": pl.String})
    return dict(found.iter_rows())


def _profiles(
    connection: sa.Connection, whose: pl.Series, known: int, column: sa.Column[Any]
) -> Iterable[tuple[int, str]]:
    with bulk.listed(connection, whose) as asked:
        query = (
            sa.select(profile.c.affiliate, column)
            .join_from(asked, profile, profile.c.affiliate == asked.c.value)
            .where(column.is_not(None), profile.c.intake <= known)
            .order_by(profile.c.intake)
        )
        found = bulk.frame(connection, query, {"affiliate": pl.Int64, "said": pl.String})
    return found.iter_rows()  # of several the last stays


# -- what a run asks


def returned(connection: sa.Connection, after: int, known: int) -> pl.DataFrame:
    """The payouts whose money came back by an intake beyond `after`, up to `known`: RETURNED, by
    affiliate's id, currency and run."""
    of = {"amount_minor": payout, "affiliate_id": affiliate, "code": currency, "decimals": currency}
    query = (
        sa.select(*(of.get(name, payout_step).c[name] for name in RETURNED))
        .join(payout, sa.and_(*(payout.c[name] == payout_step.c[name] for name in KEY)))
        .join(affiliate, affiliate.c.id == payout.c.affiliate)
        .join(currency, currency.c.id == payout.c.currency)
        .where(
            payout_step.c.step.in_([state.value for state in BACK]),
            payout_step.c.intake > after,
            payout_step.c.intake <= known,
        )
    )
    return bulk.frame(connection, query, RETURNED).sort("affiliate_id", "code", "run_day")


def waived(connection: sa.Connection, day: Day, known: int) -> pl.DataFrame:
    """For whom the minimum does not hold in the settlement of `day`, which knows intakes up to
    `known` (affiliate, currency): each override counts in the first settlement that knows it."""
    consumed = sa.select(sa.func.coalesce(sa.func.max(run.c.intake), 0)).where(
        run.c.settles == 1, run.c.day < day
    )
    query = (
        sa.select(minimum_override.c.affiliate, minimum_override.c.currency)
        .where(
            minimum_override.c.intake > consumed.scalar_subquery(),
            minimum_override.c.intake <= known,
        )
        .distinct()
    )
    schema = {"affiliate": pl.Int64, "currency": pl.Int64}
    return bulk.frame(connection, query, schema).sort("affiliate", "currency")


def why_waived(
    connection: sa.Connection, whose: int, code: int, after: int, known: int
) -> str | None:
    """The reason of the last override for an account beyond intake `after`, up to `known`."""
    table = minimum_override.c
    query = (
        sa.select(table.reason)
        .where(table.affiliate == whose, table.currency == code)
        .where(table.intake > after, table.intake <= known)
        .order_by(table.intake.desc())
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


# -- what people add


@dataclass(frozen=True, slots=True)
class Step:
    """The state that payouts are led to, in which batch ("" for none), and why."""

    to: State
    batch: str = ""
    reason: str = ""


def add_steps(
    connection: sa.Connection, number: int, steps: Sequence[tuple[pl.DataFrame, Step]]
) -> Spans:
    """One further step of each of these payouts (shaped PAYOUTS), as of intake `number`."""
    parts = [
        found.select(
            *KEY,
            pl.col("number") + 1,
            pl.col("status").alias("was"),
            pl.lit(step.to.value).alias("step"),
            pl.lit(number, pl.Int64).alias("intake"),
            pl.lit(step.batch).alias("batch"),
            pl.lit(step.reason).alias("reason"),
        )
        for found, step in steps
    ]
    added = Added(connection)
    added.rows(payout_step, pl.concat(parts).to_dict())
    return added.spans


def add_override(
    connection: sa.Connection, number: int, whose: int, code: int, reason: str
) -> Spans:
    row = {"intake": number, "affiliate": whose, "currency": code, "reason": reason}
    return _added(connection, minimum_override, row)


def _added(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> Spans:
    connection.execute(sa.insert(table).values(**row))
    span = span_of(table, pl.DataFrame([row]).to_dict())
    return {table.name: span} if span else {}


# -- files to pay


@dataclass(frozen=True, slots=True)
class PaymentFile:
    """A file of payouts that are to be paid, by the intake of its export. `folder` is where its
    bytes have been written; None: nobody knows that they have. `format` is the bank's that it is
    in; "": the program's own."""

    intake: int
    batch: str
    name: str
    sha256: str
    folder: str | None = None
    format: str = ""


def add_file(connection: sa.Connection, file: PaymentFile) -> Spans:
    names = ("intake", "batch", "name", "sha256")
    return _added(connection, payment_file, {name: getattr(file, name) for name in names})


def add_written(connection: sa.Connection, file: int, folder: str) -> Spans:
    return _added(connection, payment_file_written, {"file": file, "folder": folder})


def payment_files(connection: sa.Connection) -> list[PaymentFile]:
    """Every file, by the intake of its export."""
    query = (
        sa.select(
            *payment_file.c,
            payment_file_written.c.folder,
            sa.func.coalesce(payment_format.c.format, "").label("format"),
        )
        .outerjoin(payment_file_written, payment_file_written.c.file == payment_file.c.intake)
        .outerjoin(payment_format, payment_format.c.file == payment_file.c.intake)
        .order_by(payment_file.c.intake)
    )
    return [PaymentFile(**row) for row in connection.execute(query).mappings()]


def stepped(number: int, to: State) -> Condition:
    """Which an intake has led to a state, whatever they are now."""
    then = payout_step.alias("then")
    # Asked so that a database looks the few up, and does not look at every payout there is.
    those = sa.select(*(then.c[name] for name in KEY)).where(
        then.c.intake == number, then.c.step == to.value
    )
    found: Condition = sa.tuple_(*(payout.c[name] for name in KEY)).in_(those)
    return found


def approval_of(connection: sa.Connection, batch: str) -> int | None:
    """The last intake that approved a batch; None where none did."""
    query = sa.select(sa.func.max(payout_step.c.intake)).where(
        payout_step.c.batch == batch, payout_step.c.step == State.APPROVED.value
    )
    found: int | None = connection.execute(query).scalar_one()
    return found


# -- proof

LEARNED_AS = {
    "approve payouts": {State.APPROVED},
    "withdraw payouts": {State.PENDING},
    "reject payouts": {State.VOIDED, State.PENDING},
    "export payouts": {State.EXPORTED},
    "mark payouts": {State.PAID, State.FAILED},
}
APPROVE, WITHDRAW, REJECT, EXPORT, MARK = LEARNED_AS
OVERRIDE = "override minimum"
"""The kinds of intake."""


def of_batches(connection: sa.Connection) -> list[tuple[int, str]]:
    """The intakes that approved or exported a batch, and of which kind each is."""
    query = sa.select(intake.c.id, intake.c.kind).where(intake.c.kind.in_([APPROVE, EXPORT]))
    return [(row.id, row.kind) for row in connection.execute(query.order_by(intake.c.id))]


def batches_of(connection: sa.Connection, number: int) -> list[str]:
    """The batches that the steps of an intake name."""
    query = sa.select(payout_step.c.batch).where(payout_step.c.intake == number).distinct()
    return sorted(connection.execute(query).scalars())
