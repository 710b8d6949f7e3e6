"""An event or a line explained: what happened, who stood above, and level by level why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from commission_engine.book import corrections, runs, single
from commission_engine.book.lines import Question
from commission_engine.calendar import date_of, iso_instant
from commission_engine.explain.above import ancestry
from commission_engine.explain.history import Book, OrderFacts, Row
from commission_engine.explain.level import Case, said_level, waits
from commission_engine.explain.past import Past, said_true_up
from commission_engine.explain.said import Correction, EventSaid, Happened, LevelSaid
from commission_engine.money import plain
from commission_engine.plan.terms import Terms


def explain_event(
    book: Book,
    event_id: str,
    level: int | None = None,
    notes: Sequence[str] = (),
    root: int | None = None,
) -> EventSaid:
    """The event with all its levels, or with one of them, whether it has a line or not; `root` is
    its order, where that is known."""
    root = single.order_of_event(book.connection, event_id) if root is None else root
    if root is None:
        raise LookupError(event_id)
    order = OrderFacts.of(book, root)
    made = single.corrections_of(book.connection, order.event(event_id)["event"])
    extra = made["level"].to_list() if level is None else []
    case = case_of(Past(book), order, event_id, level, extra)
    wanted = _wanted(case.terms, level, extra)
    people = order.ever_above(max(wanted, default=0))
    stored = _stored(book, case.event, people, case.done)
    corrected = _corrections(book, made, stored)
    levels, disagreements = [], []
    for number in wanted:
        said, wrong = said_level(case, number, stored, corrected[number])
        levels.append(said)
        disagreements += wrong
    disagreements += _strays(case.event, stored, wanted, people) if level is None else []
    return said_event(case, level, levels, notes, disagreements)


def case_of(
    past: Past, order: OrderFacts, event_id: str, level: int | None, extra: Sequence[int] = ()
) -> Case:
    """The event as it is decided in this past, with who stood above up to its highest level; for
    one level, or for all and these."""
    event = order.event(event_id)
    terms = past.terms(event["place"], order.day)
    wanted = _wanted(terms, level, extra)
    deepest = max([*wanted, *(each.level for each in terms.levels)] if terms else wanted, default=0)
    above = ancestry(order, past, event["place"], deepest)
    return Case(order, event, past, terms, past.book.run_of(event["place"]), above)


def said_event(
    case: Case,
    level: int | None,
    levels: Sequence[LevelSaid],
    notes: Sequence[str] = (),
    disagreements: Sequence[str] = (),
) -> EventSaid:
    """The event with these levels; with one of them, if a `level` is given."""
    order, event, terms, done = case.order, case.event, case.terms, case.done
    plan, event_id = case.past.plan(event["place"]), event["event_id"]
    up = case.past.true_up(order.root_place, event["place"])
    return EventSaid(
        kind="event" if level is None else "line",
        id=event_id if level is None else f"{event_id}.{level}",
        notes=tuple(notes),
        programme=plan.name,
        timezone=plan.timezone,
        currency=event["code"],
        event_id=event_id,
        order_id=event["order_id"],
        affiliate_id=event["earner_id"],
        local_day=date_of(order.day).isoformat(),
        decided_at=iso_instant(order.instant),
        run_date=date_of(done.day).isoformat() if done else "",
        engine_version=done.engine_version if done else "",
        waits=None if done else waits(order.book, event),
        order=tuple(_happened(order.book, order.events)),
        anew=said_true_up(order.book, up) if up else None,
        referrers=case.above.referrers,
        top=case.above.top,
        terms_from=date_of(terms.starts).isoformat() if terms else "",
        hold_days=terms.hold_days if terms else 0,
        levels=tuple(levels),
        disagreements=tuple(disagreements),
    )


def _wanted(terms: Terms | None, level: int | None, extra: Sequence[int]) -> list[int]:
    if level is not None:
        return [level]
    return sorted({*(each.level for each in terms.levels), *extra} if terms else {*extra})


def _corrections(
    book: Book, made: pl.DataFrame, stored: Sequence[Row]
) -> Mapping[int, Sequence[Correction]]:
    """By level what corrected an event's lines; `stored` are these."""
    if not made.height:
        return defaultdict(list)
    posted = {(row["level"], row["beneficiary"]): row["commission_minor"] for row in stored}
    told = {row["event"]: row for row in
            corrections.told(book.connection, made["event"]).iter_rows(named=True)}  # fmt: skip
    runs_of = {row["event"]: row["place"] for row in book.events(made["event"])}
    found: dict[int, list[Correction]] = defaultdict(list)
    for row in made.iter_rows(named=True):
        says, done = told[row["event"]], book.run_of(runs_of[row["event"]])
        key = (row["level"], row["beneficiary"])
        posted[key] = posted.get(key, 0) + row["amount_minor"]
        found[row["level"]].append(
            Correction(
                line_id=f"{says['event_id']}.{row['level']}",
                affiliate_id=says["affiliate_id"],
                amount=plain(row["amount_minor"], says["decimals"]),
                comes_to=plain(posted[key], says["decimals"]),
                run_date=date_of(done.day).isoformat() if done else "",
                reason=says["reason"],
                who=says["who"],
                at=says["learned_at"],
            )
        )
    return found


def _stored(
    book: Book, event: dict[str, Any], people: Mapping[int, str], done: runs.Run | None
) -> Sequence[Row]:
    """The book's lines of the event for these people, each as lines.NARROW has it."""
    question = Question(
        beneficiaries=pl.Series(sorted(people), dtype=pl.Int64),
        events=pl.Series([event["event"]], dtype=pl.Int64),
        first_day=done.day if done else None,
        last_day=done.day if done else None,
    )
    return book.store.of(book.connection, question).rows(named=True)


def _strays(
    event: Row, stored: Sequence[Row], wanted: Sequence[int], people: Mapping[int, str]
) -> Iterable[str]:
    """Lines of levels that the terms do not have."""
    for row in stored:
        if row["level"] in wanted:
            continue
        whose = people[row["beneficiary"]]
        yield (
            f"line {event['event_id']}.{row['level']}: is in the book for {whose}, and should not"
            " be"
        )


# -- the event


def _happened(book: Book, events: Sequence[Row]) -> Iterable[Happened]:
    total = 0
    for row in events:
        done = book.run_of(row["place"])
        total += row["amount_minor"]
        what = "reversal" if row["back"] else "adjustment" if row["amount_minor"] < 0 else "earning"
        yield Happened(
            event_id=row["event_id"],
            what=what,
            occurred_at=iso_instant(row["occurred_us"]),
            amount=plain(row["amount_minor"], row["decimals"]),
            total=plain(total, row["decimals"]) if done else "",
            run_date=date_of(done.day).isoformat() if done else "",
            known_since=row["learned_at"],
        )
