"""What one statement says, in plain values: amounts in minor units, days as dates.

It is what the settlement said, with names, locale and standing as its run knew them: the same at
any time afterwards.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from commission_engine.book.connect import Connection
from commission_engine.book.lines import LineStore
from commission_engine.calendar import Day, date_of
from commission_engine.ledger.accounts import Kind
from commission_engine.problems import UsageError
from commission_engine.publish import text
from commission_engine.publish.documents import document_rows
from commission_engine.statements.gather import Settlement
from commission_engine.statements.privacy import DIRECT, Privacy, chosen, plain_name, plain_text
from commission_engine.statements.references import found_statement, references

EARNED, REVERSED, ADJUSTED, RETURNED = (
    kind.name.lower() for kind in (Kind.EARNED, Kind.REVERSED, Kind.ADJUSTED, Kind.RETURNED)
)
LINE_KINDS = (EARNED, REVERSED, ADJUSTED, RETURNED)

ACTIVE = "active"
NEGATIVE, BELOW_MINIMUM, AWAITS_RELEASE = "negative_balance", "below_minimum", "awaits_release"
NOT_CONVERTED = "not_converted"


class Line(NamedTuple):
    """A line as its beneficiary reads it, or a payout that was not paid (kind "returned": level,
    base, rate and gross are empty, `payout_id` names it).

    `reference` is what `commission explain` takes. `person` is "" for the reader himself, and where
    there is nobody. `rate` is a plain decimal fraction. `reason` is what cut it first, "" for
    nothing; `said` what somebody gave as the reason of an adjustment.
    """

    reference: str
    kind: str
    day: date
    occurred_on: date | None
    level: int | None
    person: str
    base_minor: int | None
    rate: str
    gross_minor: int | None
    amount_minor: int
    balance_minor: int
    available_on: date
    reason: str
    said: str
    payout_id: str


@dataclass(frozen=True, slots=True)
class Person:
    """What a person of a level brought: `named` if by the name that he chose, `lines` of them."""

    name: str
    named: bool
    lines: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class LevelSum:
    """What a level brought (refunds and adjustments included), and from whom, the most first."""

    level: int
    lines: int
    amount_minor: int
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """What one cap, or a closed account, took from the gross of so many earnings, all together."""

    reason: str
    lines: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class HeldUntil:
    """What becomes available on a day."""

    available_on: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Converted:
    """A payout that was paid in another currency: what, at which rate, whose, of which day."""

    amount_minor: int
    currency: str
    decimals: int
    rate: str
    source: str
    rate_date: date


@dataclass(frozen=True, slots=True)
class AccountContent:
    """One currency, from opening to closing. `reversed_minor` is zero or below. `unpaid` says why
    what was available was not paid ("": it was, or there was nothing), `minimum_minor` the least
    that is paid."""

    currency: str
    decimals: int
    opening_minor: int
    earned_minor: int
    reversed_minor: int
    adjusted_minor: int
    paid_minor: int
    closing_minor: int
    held_minor: int
    available_minor: int
    minimum_minor: int
    payout_id: str
    unpaid: str
    levels: tuple[LevelSum, ...]
    cuts: tuple[Cut, ...]
    held: tuple[HeldUntil, ...]
    lines: tuple[Line, ...]
    converted: Converted | None = None


@dataclass(frozen=True, slots=True)
class StatementContent:
    """A statement, everything needed to show it; currencies in the order of their codes. `name` and
    `locale` are the affiliate's, "" for none."""

    programme: str
    statement_id: str
    affiliate_id: str
    name: str
    locale: str
    period_from: date
    period_to: date
    accounts: tuple[AccountContent, ...]


def statement_content(
    connection: Connection,
    which: str | tuple[Day, str],
    privacy: Privacy,
    store: LineStore | None = None,
) -> StatementContent:
    """The statement with this id (or the beginning of it, see `references`), or of this settlement
    and affiliate. UsageError where there is none."""
    day, affiliate_id = which if isinstance(which, tuple) else found_statement(connection, which)
    settlement = Settlement.of(connection, day, store)
    found = list(contents(settlement, pl.Series([affiliate_id], dtype=pl.String), privacy))
    if not found:
        raise UsageError(
            f"{affiliate_id!r} has no statement of {date_of(day)}",
            "`commission statements` lists those that there are.",
        )
    return found[0]


def contents(
    settlement: Settlement, readers: pl.Series, privacy: Privacy
) -> Iterator[StatementContent]:
    """The statements of those of these affiliates who have one, by affiliate's id."""
    numbers = settlement.numbers(readers)
    record = settlement.record(readers, numbers)
    rows = document_rows(record, readers)
    named = _named(rows, privacy, record.labels)
    body = rows.filter(pl.col("row").is_in(LINE_KINDS))
    lines = _lines_by_account(body.join(named, on=_PAIR, how="left", maintain_order="left"))
    held = _by_account(settlement.held(numbers))
    profiles = settlement.profiles(numbers)
    converted = _converted(record.conversions)
    accounts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    balances_of = record.statements.join(
        record.payouts.select(*_ACCOUNT, "payout_id"),
        on=_ACCOUNT,
        how="left",
        maintain_order="left",
    )
    for row in balances_of.iter_rows(named=True):
        accounts[row["affiliate_id"]].append(row)
    for affiliate_id, balances in accounts.items():
        name, locale, status = profiles[affiliate_id]
        yield StatementContent(
            programme=record.plan.name,
            statement_id=balances[0]["statement_id"],
            affiliate_id=affiliate_id,
            name=plain_name(name),
            locale=locale,
            period_from=date_of(min(each["period_from"] for each in balances)),
            period_to=date_of(settlement.run.day),
            accounts=tuple(
                _account(
                    settlement,
                    each,
                    status,
                    lines.get((affiliate_id, each["currency"]), ()),
                    held.get((affiliate_id, each["currency"]), ()),
                    converted.get((affiliate_id, each["currency"])),
                )
                for each in balances
            ),
        )


Rows = Sequence[dict[str, Any]]


def _account(
    settlement: Settlement,
    row: Mapping[str, Any],
    status: str,
    lines: Sequence[tuple[Line, bool]],
    held: Rows,
    converted: Converted | None,
) -> AccountContent:
    code = row["currency"]
    minimum = settlement.plan.payout.minimum.get(code, 0)
    return AccountContent(
        currency=code,
        decimals=row["decimals"],
        **{name: row[name] for name in _SUMS},
        minimum_minor=minimum,
        payout_id=row["payout_id"] or "",
        unpaid=_unpaid(settlement, row, minimum, status),
        levels=_levels(lines),
        cuts=_cuts(lines),
        held=tuple(
            HeldUntil(date_of(each["available_day"]), each["amount_minor"]) for each in held
        ),
        lines=tuple(each for each, _ in lines),
        converted=converted,
    )


_SUMS = (
    "opening_minor", "earned_minor", "reversed_minor", "adjusted_minor", "paid_minor",
    "closing_minor", "held_minor", "available_minor",
)  # fmt: skip


def _converted(conversions: pl.DataFrame) -> dict[tuple[str, str], Converted]:
    """By affiliate and currency what payouts were paid as."""
    rates = conversions.select(said=text.rates_said())["said"]
    return {
        (row["affiliate_id"], row["currency"]): Converted(
            row["to_minor"], row["to_code"], row["to_decimals"], rate, row["source"],
            date_of(row["rate_day"]),
        )
        for row, rate in zip(conversions.iter_rows(named=True), rates, strict=True)
    }  # fmt: skip


def _unpaid(settlement: Settlement, row: Mapping[str, Any], minimum: int, status: str) -> str:
    """Why something is available still after a settlement, which pays all or nothing."""
    available = row["available_minor"]
    if available == 0:
        return ""
    if available < 0:
        return NEGATIVE
    if status != ACTIVE:
        return status
    if available < minimum:
        return BELOW_MINIMUM
    return NOT_CONVERTED if settlement.lacks_a_rate(row) else AWAITS_RELEASE


def _lines_by_account(rows: pl.DataFrame) -> dict[tuple[str, str], list[tuple[Line, bool]]]:
    """By affiliate and currency the lines, each with whether its person is called by name."""
    found: dict[tuple[str, str], list[tuple[Line, bool]]] = {}
    by_name = rows["by_name"].fill_null(value=False).to_list()
    whose = zip(*(rows[name].to_list() for name in _ACCOUNT), strict=True)
    values = (each.to_list() for each in rows.select(_line_of_a_row()).get_columns())
    lines = map(Line._make, zip(*values, strict=True))
    for account, line, named in zip(whose, lines, by_name, strict=True):
        found.setdefault(account, []).append((line, named))
    return found


def _line_of_a_row() -> Sequence[pl.Expr]:
    """The values of a Line, in their order."""
    because = pl.col("adjusted_because")
    said = because.map_elements(plain_text, return_dtype=pl.String, skip_nulls=True)
    return (
        references(),
        pl.col("row"),
        _date("day"),
        _date("occurred_day"),
        pl.col("level"),
        pl.col("person").fill_null(""),
        pl.col("base_minor"),
        pl.col("rate").fill_null(""),
        pl.col("gross_minor"),
        pl.col("amount_minor"),
        pl.col("balance_minor"),
        _date("available_day"),
        pl.col("reason").fill_null(""),
        said.fill_null("").alias("said"),
        pl.col("payout_id").fill_null(""),
    )


def _date(day: str) -> pl.Expr:
    return pl.col(day).cast(pl.Int32).cast(pl.Date)


def _levels(lines: Sequence[tuple[Line, bool]]) -> tuple[LevelSum, ...]:
    """Whom the money came from, by level; what came back of payouts is of no level."""
    found: dict[int, dict[tuple[str, bool], list[int]]] = defaultdict(dict)
    for line, by_name in lines:
        if line.level is not None:
            key = line.person, by_name
            found[line.level].setdefault(key, []).append(line.amount_minor)
    return tuple(
        LevelSum(
            level,
            sum(len(amounts) for amounts in people.values()),
            sum(sum(amounts) for amounts in people.values()),
            tuple(
                sorted(
                    (
                        Person(name, by_name, len(amounts), sum(amounts))
                        for (name, by_name), amounts in people.items()
                    ),
                    key=lambda each: (-each.amount_minor, each.name),
                )
            ),
        )
        for level, people in sorted(found.items())
    )


def _cuts(lines: Sequence[tuple[Line, bool]]) -> tuple[Cut, ...]:
    found: dict[str, list[int]] = {}
    for line, _ in lines:
        if line.reason and line.kind == EARNED and line.gross_minor is not None:
            found.setdefault(line.reason, []).append(line.gross_minor - line.amount_minor)
    return tuple(Cut(reason, len(cut), sum(cut)) for reason, cut in sorted(found.items()))


_ACCOUNT = ["affiliate_id", "currency"]
_PAIR = ["affiliate_id", "earner_id", "level"]


def _named(rows: pl.DataFrame, privacy: Privacy, labels: Any) -> pl.DataFrame:
    """How each reader reads of each earner: affiliate_id, earner_id, level, person, by_name.

    Two people who chose the same name are two people: beside their names stand their pseudonyms.
    """
    lines = rows.filter(pl.col("earner_id").is_not_null(), pl.col("level") > 0)
    pairs = lines.select(_PAIR).unique().sort(_PAIR)
    names = labels(pairs.filter(pl.col("level") == DIRECT)["earner_id"].unique())
    shown = [chosen(names.get(e), level) for e, level in pairs.select(_PAIR[1:]).iter_rows()]
    hidden = privacy.hidden(pairs["affiliate_id"], pairs["earner_id"])
    found = pairs.with_columns(pl.Series("name", shown, dtype=pl.String), hidden=hidden)
    namesakes = pl.col("earner_id").n_unique().over("affiliate_id", "name")
    person = (
        pl.when(pl.col("name") == "").then("hidden")
        .when(namesakes > 1).then(pl.format("{} ({})", "name", "hidden"))
        .otherwise("name")
    )  # fmt: skip
    return found.select(*_PAIR, person=person, by_name=pl.col("name") != "")


def _by_account(rows: pl.DataFrame) -> dict[tuple[str, str], Rows]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault((row["affiliate_id"], row["currency"]), []).append(row)
    return dict(found)
