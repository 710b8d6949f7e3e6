"""An adjustment explained: who made it and why, and how the line that it corrects has to be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from commission_engine.book import corrections, runs, single
from commission_engine.book.corrections import NONE, TrueUp
from commission_engine.book.lines import Question
from commission_engine.calendar import date_of
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.explain.account import Account, money_of
from commission_engine.explain.history import Book, OrderFacts
from commission_engine.explain.level import Case, waits
from commission_engine.explain.line import case_of, said_event
from commission_engine.explain.past import Past, said_true_up
from commission_engine.explain.said import AdjustmentSaid, Corrected, LevelSaid, Missing
from commission_engine.money import BadAmount, parse_amount


def explain_adjustment(
    book: Book,
    row: Mapping[str, Any],
    level: int | None = None,
    notes: Sequence[str] = (),
) -> AdjustmentSaid:
    """An adjustment, as `single.adjustment_of` has it; with a level: its line of that level."""
    number = pl.Series([row["event"]], dtype=pl.Int64)
    told = corrections.told(book.connection, number).row(0, named=True)
    event = book.events([row["event"]])[0]
    done = book.run_of(event["place"])
    line_id = f"{told['event_id']}.{row['level']}"
    elsewhere = level is not None and level != row["level"]
    decimals, amount = int(told["decimals"]), int(told["amount_minor"])
    standings = book.standings_of(row["beneficiary"])
    account = Account(
        row["beneficiary"], told["affiliate_id"], told["currency"], decimals, standings
    )
    wrong = [
        *_unlike(book, row, event, line_id, account, done),
        *_unsaid(book, row, account, amount),
    ]
    corrects = None
    if row["corrects"] != NONE:
        corrects, unlike = _corrects(book, row, account, amount)
        wrong += unlike
    money = None
    if done and not elsewhere:
        money = money_of(book, account, done.day, row["available_day"], amount)
        wrong += [f"line {line_id}: {e.says}" for e in money.unpaid if e.code == "unexplained"]
    return AdjustmentSaid(
        kind="adjustment",
        id=told["event_id"] if level is None else f"{told['event_id']}.{level}",
        notes=tuple(notes),
        programme=book.plan.name,
        currency=told["currency"],
        event_id=told["event_id"],
        line_id=line_id,
        affiliate_id=told["affiliate_id"],
        level=row["level"],
        amount=account.said(amount),
        reason=told["reason"],
        who=told["who"],
        known_since=told["learned_at"],
        run_date=date_of(done.day).isoformat() if done else "",
        engine_version=done.engine_version if done else "",
        waits=None if done else waits(book, event),
        no_line=_only_line(line_id) if elsewhere else None,
        corrects=corrects,
        available_on=date_of(row["available_day"]).isoformat(),
        money=money,
        disagreements=tuple(wrong),
    )


def _only_line(line_id: str) -> Missing:
    return Missing("not_of_adjustment", f"an adjustment has one line, and that is {line_id}")


# -- whether the book has it so


def _unlike(
    book: Book,
    row: Mapping[str, Any],
    event: Mapping[str, Any],
    line_id: str,
    account: Account,
    done: runs.Run | None,
) -> Iterator[str]:
    """In what the adjustment's line in the book is not what the adjustment is."""
    if done is None:
        return
    question = Question(
        beneficiaries=pl.Series([row["beneficiary"]], dtype=pl.Int64),
        events=pl.Series([row["event"]], dtype=pl.Int64),
        first_day=done.day,
        last_day=done.day,
    )
    found = book.store.of(book.connection, question)
    if found.height != 1:
        yield f"line {line_id}: is not in the book as {account.affiliate_id}'s, and should be"
        return
    stored, amount = found.row(0, named=True), event["amount_minor"]
    pairs = (
        ("level", str(stored["level"]), str(row["level"])),
        ("gross", account.said(stored["gross_minor"]), account.said(amount)),
        ("commission", account.said(stored["commission_minor"]), account.said(amount)),
        ("terms from", _day(stored["terms_day"]), ""),
        ("a cut", str(stored["reason"] or ""), ""),
        ("available on", _day(stored["available_day"]), _day(row["available_day"])),
    )
    for name, said, right in pairs:
        if said != right:
            yield (
                f"line {line_id}: the book says {name} {said or 'none'}, the adjustment"
                f" {right or 'none'}"
            )


def _unsaid(book: Book, row: Mapping[str, Any], account: Account, amount: int) -> Iterator[str]:
    """In what a person's adjustment is not what the audit trail says was asked for."""
    asked = single.audited(book.connection, "adjustment", row["intake"])
    if row["corrects"] != NONE or not asked:
        return
    try:
        minor: int | None = parse_amount(str(asked.get("amount")), account.decimals)
    except BadAmount:
        minor = None
    if minor != amount:
        yield (
            f"the adjustment is {account.said(amount)}, the audit trail says that"
            f" {asked.get('amount')} was asked for"
        )
    if asked.get("affiliate_id") != account.affiliate_id:
        yield (
            f"the adjustment is for {account.affiliate_id}, the audit trail says that it was asked"
            f" for {asked.get('affiliate_id')}"
        )


def _day(day: int) -> str:
    return "" if day == NO_TERMS else date_of(day).isoformat()


# -- the line that it corrects


def _corrects(
    book: Book, row: Mapping[str, Any], account: Account, amount: int
) -> tuple[Corrected, list[str]]:
    """The corrected line as the true-up has it, and whether the adjustment brings it there."""
    up = _true_up(book, row["intake"])
    event_id = single.event_id_of(book.connection, row["corrects"])
    root = single.order_of_event(book.connection, event_id)
    if root is None:
        raise LookupError(event_id)
    order, level = OrderFacts.of(book, root), int(row["level"])
    line_id = f"{event_id}.{level}"
    case = case_of(Past(book, up), order, event_id, level)
    said, now = _anew(case, level, row["beneficiary"], line_id)
    done = case.done
    posted = _posted(book, row, done)
    wrong = []
    if posted + amount != now:
        wrong.append(
            f"line {line_id}: {account.said(posted)} was posted for {account.affiliate_id} before,"
            f" and {account.said(amount)} with this; the true-up makes it {account.said(now)}"
        )
    corrected = Corrected(
        line_id=line_id,
        run_date=date_of(done.day).isoformat() if done else "",
        posted=account.said(posted),
        now=account.said(now),
        true_up=said_true_up(book, up),
        anew=said_event(case, level, [said]),
    )
    return corrected, wrong


def _anew(case: Case, level: int, beneficiary: int, line_id: str) -> tuple[LevelSaid, int]:
    """The level as the true-up has it, and what the affiliate gets by it."""
    no_line = case.no_line(level)
    if no_line is not None:
        return LevelSaid(line_id, level, "", "", None, None, no_line, ()), 0
    worked = case.worked(level)
    gets = worked.line.commission if case.above.numbers[level] == beneficiary else 0
    return case.said(level, worked), gets


def _posted(book: Book, row: Mapping[str, Any], done: runs.Run | None) -> int:
    """What was posted for the corrected line before: it and earlier corrections, in minor units."""
    question = Question(
        beneficiaries=pl.Series([row["beneficiary"]], dtype=pl.Int64),
        events=pl.Series([row["corrects"]], dtype=pl.Int64),
        first_day=done.day if done else None,
        last_day=done.day if done else None,
        level=row["level"],
    )
    line = book.store.of(book.connection, question)
    earlier = single.corrections_of(book.connection, row["corrects"]).filter(
        pl.col("intake") < row["intake"],
        pl.col("level") == row["level"],
        pl.col("beneficiary") == row["beneficiary"],
    )
    return int(line["commission_minor"].sum()) + int(earlier["amount_minor"].sum())


def _true_up(book: Book, intake: int) -> TrueUp:
    found = next((each for each in book.true_ups if each.intake == intake), None)
    if found is None:
        raise LookupError(f"there is no true-up {intake}")
    return found
