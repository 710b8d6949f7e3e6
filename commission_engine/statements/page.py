"""A statement in words and figures: what HTML and PDF show, each in its own way.

Everything is text here, in the reader's language and locale. Ids, names and reasons are other
people's text as it is: whoever shows a page keeps it text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from commission_engine.money import Speaker
from commission_engine.statements import content as says
from commission_engine.statements.content import (
    AccountContent,
    Converted,
    LevelSum,
    Line,
    StatementContent,
)
from commission_engine.statements.look import Look
from commission_engine.statements.privacy import plain_name, plain_text
from commission_engine.statements.texts import Tongue, tongue_of

MOST_PEOPLE = 8
"""Of a level, by name or pseudonym; the others are summed up. Every line names its own."""


class Column(NamedTuple):
    """`key` says what is in it, for whoever lays it out."""

    key: str
    label: str
    right: bool = False


class Row(NamedTuple):
    cells: tuple[str, ...]
    strong: bool = False


class Table(NamedTuple):
    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Account(NamedTuple):
    """One currency. `headline` is what one looks for first, `summary` leads from opening to
    closing, `notes` are sentences."""

    heading: str
    headline: tuple[str, str]
    summary: tuple[Row, ...]
    notes: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole statement. `facts` are labels with values, `number` is the statement's id, `page_of`
    what stands around the numbers of a page and of all pages."""

    language: str
    locale: str
    title: str
    name: str
    programme: str
    address: tuple[str, ...]
    contact: str
    facts: tuple[tuple[str, str], ...]
    accounts: tuple[Account, ...]
    footer: tuple[str, ...]
    day: date
    number: str
    page_of: tuple[str, str, str]


def page_of(content: StatementContent, look: Look, locale: str | None = None) -> Page:
    """`locale` is the affiliate's own by default."""
    head = look.head
    to = tongue_of(content.locale if locale is None else locale, head.language)
    programme = head.name or content.programme
    facts = (
        *([(to.said("Name"), content.name)] if content.name else []),
        (to.said("Affiliate"), plain_name(content.affiliate_id)),
        (to.said("Period"), to.said("{first} to {last}", first=to.day(content.period_from),
                                    last=to.day(content.period_to))),
        (to.said("Number"), content.statement_id),
    )  # fmt: skip
    return Page(
        language=to.language,
        locale=to.locale,
        title=to.said("Commission statement"),
        name=content.name or plain_name(content.affiliate_id),
        programme=programme,
        address=tuple(filter(None, map(plain_name, head.address.splitlines()))),
        contact=plain_text(head.contact),
        facts=facts,
        accounts=tuple(_account(to, each, content.period_to) for each in content.accounts),
        footer=(to.said("To ask about a line, give its reference."),),
        day=content.period_to,
        number=content.statement_id,
        page_of=_around(to.said("Page {page} of {pages}", page="\n", pages="\n")),
    )


def _around(said: str) -> tuple[str, str, str]:
    before, between, after = said.split("\n")
    return before, between, after


def _account(to: Tongue, account: AccountContent, day: date) -> Account:
    money = to.speaker(account.currency, account.decimals)
    if account.paid_minor:
        headline = to.said("Paid out"), money.spoken(account.paid_minor)
    else:
        headline = to.said("Carried over"), money.spoken(account.closing_minor)
    tables = (
        _sources(to, account, money),
        _cuts(to, account, money),
        _held(to, account, money),
        _lines(to, account, money, day),
    )
    return Account(
        heading=account.currency,
        headline=headline,
        summary=tuple(_summary(to, account, money)),
        notes=tuple(_notes(to, account, money)),
        tables=tuple(each for each in tables if each.rows),
    )


def _summary(to: Tongue, account: AccountContent, money: Speaker) -> Iterator[Row]:
    yield Row((to.said("Opening balance"), money.spoken(account.opening_minor)))
    yield Row((to.said("Earned"), money.spoken(account.earned_minor)))
    if account.reversed_minor:
        yield Row((to.said("Refunds"), money.spoken(account.reversed_minor)))
    if account.adjusted_minor:
        yield Row((to.said("Adjustments"), money.spoken(account.adjusted_minor)))
    yield Row((to.said("Paid out"), money.spoken(-account.paid_minor)))
    yield Row((to.said("Closing balance"), money.spoken(account.closing_minor)), strong=True)
    if account.held_minor:
        yield Row((to.said("of which held"), money.spoken(account.held_minor)))
        yield Row((to.said("of which available"), money.spoken(account.available_minor)))


def _notes(to: Tongue, account: AccountContent, money: Speaker) -> Iterator[str]:
    if account.payout_id:
        yield to.said("Number of the payout: {payout}", payout=account.payout_id)
    if account.converted:
        yield _converted(to, account.converted)
    available, least = money.spoken(account.available_minor), money.spoken(account.minimum_minor)
    why = account.unpaid
    if why == says.NEGATIVE:
        yield to.said("The available balance is {amount}: it is worked off before anything is"
                      " paid again.", amount=available)  # fmt: skip
    elif why == says.BELOW_MINIMUM:
        yield to.said("{amount} is available. That is below the minimum payout of {minimum} and"
                      " is kept for the next one.", amount=available, minimum=least)  # fmt: skip
    elif why == says.NOT_CONVERTED:
        yield to.said("{amount} is available. It is paid as soon as there is an exchange rate for"
                      " it.", amount=available)  # fmt: skip
    elif why == says.AWAITS_RELEASE:
        yield to.said("{amount} is available. It is checked before it is paid.",
                      amount=available)  # fmt: skip
    elif why:
        yield to.said("{amount} is available. It is not paid as long as the account is not"
                      " active.", amount=available)  # fmt: skip


def _converted(to: Tongue, paid: Converted) -> str:
    return to.said(
        "Paid as {amount} at the rate {rate} ({source}, {day}).",
        amount=to.amount(paid.amount_minor, paid.currency, paid.decimals),
        rate=paid.rate,
        source=paid.source,
        day=to.day(paid.rate_date),
    )


def _sources(to: Tongue, account: AccountContent, money: Speaker) -> Table:
    rows: list[Row] = []
    for level in account.levels:
        rows += _level(to, level, money)
    return Table(
        "sources",
        to.said("Where it came from"),
        (
            Column("level", to.said("Level")),
            Column("name", to.said("From")),
            Column("count", to.said("Lines"), right=True),
            Column("amount", to.said("Commission"), right=True),
        ),
        tuple(rows),
    )


def _level(to: Tongue, level: LevelSum, money: Speaker) -> Iterator[Row]:
    number = to.number(level.level)
    shown = level.people if len(level.people) <= MOST_PEOPLE + 1 else level.people[:MOST_PEOPLE]
    if len(level.people) > 1:
        people = to.counted("{number} person", "{number} people", len(level.people))
        counts = to.number(level.lines), money.bare(level.amount_minor)
        yield Row((number, people, *counts), strong=True)
    for each in shown:
        name = each.name or to.said("you")
        yield Row((number, name, to.number(each.lines), money.bare(each.amount_minor)))
    others = level.people[len(shown) :]
    if others:
        said = to.counted("{number} other", "{number} others", len(others))
        lines, amount = sum(e.lines for e in others), sum(e.amount_minor for e in others)
        yield Row((number, said, to.number(lines), money.bare(amount)))


def _cuts(to: Tongue, account: AccountContent, money: Speaker) -> Table:
    return Table(
        "cuts",
        to.said("What was cut, and why"),
        (
            Column("reason", to.said("Why")),
            Column("count", to.said("Lines"), right=True),
            Column("amount", to.said("Less by"), right=True),
        ),
        tuple(
            Row((_reason(to, each.reason), to.number(each.lines), money.bare(each.amount_minor)))
            for each in account.cuts
        ),
    )


def _held(to: Tongue, account: AccountContent, money: Speaker) -> Table:
    return Table(
        "held",
        to.said("Held for now"),
        (
            Column("date", to.said("Available on")),
            Column("amount", to.said("Amount"), right=True),
        ),
        tuple(Row((to.day(e.available_on), money.bare(e.amount_minor))) for e in account.held),
    )


def _lines(to: Tongue, account: AccountContent, money: Speaker, day: date) -> Table:
    words = _Words(to, money, day)
    return Table(
        "lines",
        to.said("Every line"),
        (
            Column("reference", to.said("Reference")),
            Column("date", to.said("Date")),
            Column("name", to.said("From")),
            Column("level", to.said("Level"), right=True),
            Column("base", to.said("Sale"), right=True),
            Column("rate", to.said("Rate"), right=True),
            Column("amount", to.said("Commission"), right=True),
            Column("note", to.said("Note")),
        ),
        tuple(words.row(each) for each in account.lines),
    )


class _Words:
    """What the lines of an account have in common, said once."""

    def __init__(self, to: Tongue, money: Speaker, day: date) -> None:
        self._to, self._money, self._until = to, money, day
        self._you = to.said("you")
        self._refund, self._adjustment = to.said("refund"), to.said("adjustment")
        self._reasons: dict[str, str] = {}

    def row(self, line: Line) -> Row:
        to, bare = self._to, self._money.bare
        person = "" if line.level is None else line.person or self._you
        return Row(
            (
                line.reference,
                to.day(line.occurred_on or line.day),
                person,
                "" if line.level is None else str(line.level),
                "" if line.base_minor is None else bare(line.base_minor),
                to.percent(line.rate) if line.rate and line.kind != says.ADJUSTED else "",
                bare(line.amount_minor),
                "; ".join(self._notes(line)) if self._is_noted(line) else "",
            )
        )

    def _is_noted(self, line: Line) -> bool:
        return bool(line.reason or line.available_on > self._until or line.kind != says.EARNED)

    def _notes(self, line: Line) -> Sequence[str]:
        notes: list[str] = []
        if line.kind == says.REVERSED:
            notes.append(self._refund)
        elif line.kind == says.ADJUSTED:
            notes.append(f"{self._adjustment}: {line.said}" if line.said else self._adjustment)
        elif line.kind == says.RETURNED:
            notes.append(self._to.said("payout {payout} was not paid: it is in the balance again",
                                       payout=line.payout_id))  # fmt: skip
        if line.reason:
            why = self._reasons.get(line.reason)
            if why is None:
                why = self._reasons[line.reason] = _reason(self._to, line.reason)
            gross = self._money.bare(line.gross_minor or 0)
            notes.append(self._to.said("{reason}, {gross} without it", reason=why, gross=gross))
        if line.available_on > self._until and line.amount_minor:
            until = self._to.day(line.available_on)
            notes.append(self._to.said("held until {day}", day=until))
        return notes


def _reason(to: Tongue, reason: str) -> str:
    """Why a line is less than its gross; all reasons of the engine but the empty one."""
    words = {
        "closed": to.said("closed account"),
        "order": to.said("cap per order"),
        "day": to.said("cap per day"),
        "week": to.said("cap per week"),
        "month": to.said("cap per month"),
        "quarter": to.said("cap per quarter"),
        "year": to.said("cap per year"),
        "lifetime": to.said("cap over all time"),
    }
    return words[reason]
