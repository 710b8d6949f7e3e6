"""The engine run on a world, in memory and in a book, told in the words of the reference."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from random import Random
from typing import TypeAlias

import numpy as np
import polars as pl
from worlds import World

from commission_engine.book import audit, facts, views
from commission_engine.book.connect import Connection, connect, reading
from commission_engine.book.facts import Intake
from commission_engine.book.lock import Worker, working
from commission_engine.bounds import Bounds
from commission_engine.calendar import Ints, Zone, iso_instant
from commission_engine.decide.buckets import Programme, SpillInMemory, split
from commission_engine.decide.kernel import (
    LARGEST_TOTAL,
    REASONS,
    Advance,
    Decision,
    Events,
    Lines,
    Used,
    decide,
    running_before,
)
from commission_engine.decide.reference import Edge, Event, Line, Night, Statement
from commission_engine.decide.used import UsedInMemory
from commission_engine.imports import Circumstances, import_files
from commission_engine.ingest.rows import Kind as FileKind
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.post import kinds
from commission_engine.money import MAX_WHOLE_DIGITS, plain
from commission_engine.night import NO_BOUNDS, Calculation, Outputs, run_night
from commission_engine.plan.terms import Plan
from commission_engine.published import publish_run
from commission_engine.tree.forest import NOBODY, Forest, Standing
from commission_engine.verify import verify

Fresh: TypeAlias = Callable[[], AbstractContextManager[str]]
NOW = "2026-01-01T00:00:00Z"
SIGNED = audit.Signed("the tests", NOW)
SPREADS = (1, 7, 2**30 + 3, 2**45 + 1)
"""How far apart a world's events are numbered; the largest do not fit into 64 bits together."""


# --- in memory -----------------------------------------------------------------------------------


class Numbers:
    """Numbers in place of ids, as `seed` throws them: nothing may depend on them."""

    def __init__(self, world: World, seed: int) -> None:
        self.random = Random(seed)
        spread = self.random.choice(SPREADS)
        events = [event for night in world.nights for event in night.events]
        edges = [edge for night in world.nights for edge in night.edges]
        statuses = [status for night in world.nights for status in night.statuses]
        ids = {event.affiliate_id for event in events} | {whose for whose, _ in statuses}
        ids |= {i for edge in edges for i in (edge.affiliate_id, edge.referrer_id) if i}
        self.event = self._thrown({event.event_id for event in events}, spread)
        self.affiliate = self._thrown(ids, self.random.choice((1, 3)))  # they are dense
        self.codes = tuple(self._shuffled({"", *(event.currency for event in events)}))

    def _shuffled(self, ids: Iterable[str]) -> list[str]:
        ordered = sorted(ids)
        return self.random.sample(ordered, len(ordered))

    def _thrown(self, ids: Iterable[str], spread: int) -> dict[str, int]:
        return {each: n * spread for n, each in enumerate(self._shuffled(ids))}


def ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


Engine: TypeAlias = Callable[[Events, Plan, Sequence[str], Forest, Standing, Used], Decision]


def kernel_nights(world: World, seed: int = 0, engine: Engine = decide) -> list[list[Line]]:
    """Per night its lines. Does in memory what `book.runs.due` does in a book; every edge and
    status of the world is there from the first night, to be left alone until it is known."""
    numbers, used, zone = Numbers(world, seed), UsedInMemory(), Zone(world.plan.timezone)
    forest, standing = forest_of(world, numbers), standing_of(world, numbers)
    roots: dict[str, Event] = {}
    decided_in: dict[str, int] = {}
    before: Counter[str] = Counter()
    waiting: list[Event] = []
    nights = []
    for n, night in enumerate(world.nights):
        waiting += night.events
        roots.update((e.event_id, e) for e in night.events if e.reverses is None)
        own = zone.local_days(ints(e.occurred_us for e in waiting))
        of_root = zone.local_days(ints(roots[order_of(e)].occurred_us for e in waiting))
        ready = (np.maximum(own, of_root) <= night.business_day).tolist()
        due = [e for e, now in zip(waiting, ready, strict=True) if now]
        waiting = [e for e, now in zip(waiting, ready, strict=True) if not now]
        numbers.random.shuffle(due)
        due.sort(key=lambda e: (e.occurred_us, e.reverses is not None, e.event_id.encode()))
        decided_in.update((e.event_id, n) for e in due if e.reverses is None)
        root_at = ints(roots[order_of(e)].occurred_us for e in due)
        root_known = ints(decided_in[order_of(e)] for e in due)
        events = Events(
            event=ints(numbers.event[e.event_id] for e in due),
            order=ints(numbers.event[order_of(e)] for e in due),
            earner=ints(numbers.affiliate[e.affiliate_id] for e in due),
            currency=ints(numbers.codes.index(e.currency) for e in due),
            amount=ints(e.amount for e in due),
            before=ints(before[order_of(e)] for e in due),
            root_at=root_at,
            root_day=zone.local_days(root_at),
            root_known=root_known,
            tree_known=root_known,
        )
        decision = engine(events, world.plan, numbers.codes, forest, standing, used)
        used.advance(decision.advances)
        for event in due:
            before[order_of(event)] += event.amount
        people = {number: each for each, number in numbers.affiliate.items()}
        lines = decision.lines
        columns = (
            lines.row, lines.level, lines.beneficiary, lines.gross, lines.commission, lines.reason,
            lines.available_day, lines.terms_day, kinds(events, lines).to_numpy(),
        )  # fmt: skip
        nights.append(
            [
                Line(
                    event_id=due[row].event_id,
                    order_id=order_of(due[row]),
                    level=level,
                    beneficiary_id=people[beneficiary],
                    currency=due[row].currency,
                    gross=gross,
                    commission=commission,
                    reason=REASONS[reason].value,
                    available_day=available_day,
                    terms_day=terms_day,
                    kind=Kind(kind).name.lower(),
                )
                for row, level, beneficiary, gross, commission, reason, available_day, terms_day,
                    kind in zip(*(column.tolist() for column in columns), strict=True)
            ]
        )  # fmt: skip
    return nights


def in_buckets(orders: int, beneficiaries: int) -> Engine:
    """The kernel as `decide/buckets.py` and `spark/decide.py` use it: so many orders at a time,
    and every so-manieth beneficiary in one bucket."""

    def run(
        events: Events,
        plan: Plan,
        codes: Sequence[str],
        forest: Forest,
        standing: Standing,
        used: Used,
    ) -> Decision:
        programme = Programme(plan, codes, forest, standing)
        rows = {number: row for row, number in enumerate(events.event.tolist())}
        known = [rows.get(number, len(rows) + number) for number in events.order.tolist()]
        events = replace(events, event=np.arange(len(events)), order=ints(known))
        size = 1 + max(len(forest.last), int(events.earner.max(initial=0)))
        bucket_of = np.arange(size) % beneficiaries
        spill = SpillInMemory()
        several = np.unique(events.order)
        for start in range(0, len(several), orders):
            picked = np.flatnonzero(np.isin(events.order, several[start : start + orders]))
            part = events.take(picked)
            for number, shares in split(programme.shares(part, running_before(part)), bucket_of):
                spill.add(number, shares)
        lines: list[Lines] = []
        advances: list[Advance] = []
        for number in range(beneficiaries):
            shares = spill.taken(number)
            order = np.lexsort((shares["level"], shares["event"]))
            ordered = {name: each[order] for name, each in shares.items()}
            for piece in programme.pieces(ordered, used):
                lines.append(replace(piece.lines, row=piece.event))
                advances += piece.advances
        joined = Lines(
            *(np.concatenate([getattr(each, name) for each in lines]) for name in Lines.__slots__)
        )
        return Decision(joined.take(np.lexsort((joined.level, joined.row))), tuple(advances))

    return run


def order_of(event: Event) -> str:
    return event.reverses or event.event_id


def forest_of(world: World, numbers: Numbers) -> Forest:
    edges = [(n, edge) for n, night in enumerate(world.nights) for edge in night.edges]
    numbers.random.shuffle(edges)
    return Forest.of(
        affiliate=ints(numbers.affiliate[edge.affiliate_id] for _, edge in edges),
        referrer=ints(
            NOBODY if edge.referrer_id is None else numbers.affiliate[edge.referrer_id]
            for _, edge in edges
        ),
        since=ints(edge.since_us for _, edge in edges),
        known=ints(n for n, _ in edges),
    )


def standing_of(world: World, numbers: Numbers) -> Standing:
    """Of several statuses that one night learned, the last."""
    last = [(n, *pair) for n, night in enumerate(world.nights) for pair in statuses_of(night)]
    numbers.random.shuffle(last)
    return Standing.of(
        affiliate=ints(numbers.affiliate[whose] for _, whose, _ in last),
        known=ints(n for n, _, _ in last),
        closed=np.array([status == "closed" for _, _, status in last], np.bool_),
    )


def statuses_of(night: Night) -> list[tuple[str, str]]:
    return list(dict(night.statuses).items())


# --- in a book -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a book says after its nights: per night its lines, statements and files by name, and
    everything that `verify` found to differ after any of them."""

    lines: list[list[Line]]
    statements: list[list[Statement]]
    files: list[dict[str, bytes]]
    differences: list[str]


Learn: TypeAlias = Callable[[Worker, Plan, Night, Path], None]
"""How a night's facts come into the book; the folder is for files."""


def book_nights(
    world: World,
    url: str,
    folder: Path,
    learn: Learn,
    kept_in: str = "database",
    calculate: Calculation = decide,
    bounds: Bounds = NO_BOUNDS,
) -> Told:
    """Run the world through the book at `url` (migrated and empty), and publish below `folder`."""
    engine, out = connect(url), folder / "out"
    told = Told([], [], [], [])
    with working(engine, "the tests", NOW) as worker:
        with worker.writing() as connection:
            number = facts.open_intake(connection, Intake("plan", NOW, "the tests"), 1, 0, 0)
            facts.add_plan(connection, world.plan, number)
            audit.learned(connection, SIGNED, number, {})
        for n, night in enumerate(world.nights):
            place = folder / f"in-{n}"
            place.mkdir(parents=True)
            learn(worker, world.plan, night, place)
            done = run_night(
                worker,
                night.business_day,
                Outputs(),
                lambda: NOW,
                kept_in=kept_in,
                calculate=calculate,
                bounds=bounds,
            )
            published = publish_run(engine, done, out).folder
            told.files.append(
                {
                    path.relative_to(published).as_posix(): path.read_bytes()
                    for path in sorted(published.rglob("*"))
                    if path.is_file()
                }
            )
            told.differences.extend(verify(engine, None).differences)
        told.differences.extend(verify(engine, out).differences)
    with reading(engine) as connection:
        for night in world.nights:
            told.lines.append(_lines(connection, night.business_day))
            told.statements.append(_statements(connection, night.business_day))
    return told


def _lines(connection: Connection, day: int) -> list[Line]:
    return [
        Line(
            event_id=row["event_id"],
            order_id=row["order_id"],
            level=row["level"],
            beneficiary_id=row["beneficiary_id"],
            currency=row["currency"],
            gross=row["gross_minor"],
            commission=row["commission_minor"],
            reason=row["reason"],
            available_day=row["available_day"],
            terms_day=row["terms_day"],
            kind=("reversed" if row["is_reversal"] else _kind_of_root(row["base_minor"])),
        )
        for row in views.lines_of_run(connection, day).iter_rows(named=True)
    ]


def _kind_of_root(amount: int) -> str:
    return "adjusted" if amount < 0 else "earned"


def _statements(connection: Connection, day: int) -> list[Statement]:
    return [
        Statement(
            affiliate_id=row["affiliate_id"],
            currency=row["currency"],
            period_from=row["period_from"],
            period_to=row["run_day"],
            **{
                name: row[f"{name}_minor"]
                for name in (
                    "opening", "earned", "reversed", "adjusted", "paid", "closing", "held",
                    "available",
                )
            },
        )
        for row in views.statements_of_run(connection, day).iter_rows(named=True)
    ]  # fmt: skip


def add_facts(worker: Worker, plan: Plan, night: Night, _: Path) -> None:
    """Straight into the tables, each kind in one intake."""
    _add_edges(worker, night.edges)
    _add_statuses(worker, statuses_of(night))
    _add_events(worker, plan, night.events)


def add_facts_in_parts(seed: int) -> Learn:
    """As `add_facts`, but shuffled, and over several intakes of the same night."""
    random = Random(seed)

    def learn(worker: Worker, plan: Plan, night: Night, _: Path) -> None:
        parts: list[list[Event]] = [[] for _ in range(3)]
        place: dict[str, int] = {}
        for event in sorted(night.events, key=lambda e: e.reverses is not None):
            place[event.event_id] = random.randint(place.get(event.reverses or "", 0), 2)
            parts[place[event.event_id]].append(event)
        _add_statuses(worker, random.sample(statuses_of(night), len(statuses_of(night))))
        for n, part in enumerate(parts):
            _add_edges(worker, night.edges[n::3])
            _add_events(worker, plan, random.sample(part, len(part)))

    return learn


def import_csv(worker: Worker, plan: Plan, night: Night, folder: Path) -> None:
    """As files, wherever the world's facts can be written in them; moves into the tables.

    An affiliate's first edge is a row of referrals.csv. Rows of one file are judged together, and
    each move ends one, so that no cycle is seen that a move has just undone.
    """
    first = _first_edges(worker, night.edges)
    for n, (is_first, group) in enumerate(groupby(night.edges, key=lambda edge: edge in first)):
        edges = list(group)
        if is_first:
            rows = [(e.affiliate_id, e.referrer_id, iso_instant(e.since_us)) for e in edges]
            _import(
                worker, FileKind.REFERRALS, folder / f"referrals-{n}.csv",
                ("affiliate_id", "referrer_id", "since"), rows,
            )  # fmt: skip
        else:
            _add_edges(worker, edges)
    _import(
        worker, FileKind.AFFILIATES, folder / "affiliates.csv",
        ("affiliate_id", "status"), statuses_of(night),
    )  # fmt: skip
    _import(
        worker, FileKind.EARNINGS, folder / "earnings.csv",
        ("reverses", "event_id", "affiliate_id", "occurred_at", "currency", "amount"),
        [
            (e.reverses, e.event_id, e.affiliate_id, iso_instant(e.occurred_us), e.currency,
             plain(e.amount, plan.decimals[e.currency]))
            for e in night.events
        ],
    )  # fmt: skip


def _first_edges(worker: Worker, edges: Sequence[Edge]) -> list[Edge]:
    """Those that are no move: the first of an affiliate who has none in the book."""
    with reading(worker.engine) as connection:
        seen = set(facts.edges(connection)["affiliate_id"])
    first = []
    for edge in edges:
        if edge.affiliate_id not in seen and edge.referrer_id is not None:
            first.append(edge)
        seen.add(edge.affiliate_id)
    return first


def _import(
    worker: Worker,
    kind: FileKind,
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[str | None]],
) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    imported = import_files(worker, kind, [path], Circumstances("the tests", NOW))
    assert imported.refused == ()


def _add_edges(worker: Worker, edges: Sequence[Edge]) -> None:
    rows = [(e.affiliate_id, e.referrer_id, e.since_us, None) for e in edges]
    schema = {
        "affiliate_id": pl.String, "referrer_id": pl.String, "since_us": pl.Int64,
        "extra": pl.String,
    }  # fmt: skip
    with worker.writing() as connection:
        number = facts.open_intake(connection, Intake("move", NOW, "the tests"), len(rows), 0, 0)
        added = facts.add_referrals(
            connection, pl.DataFrame(rows, schema=schema, orient="row"), number, "a move"
        )
        audit.learned(connection, SIGNED, number, {}, added)


def _add_statuses(worker: Worker, statuses: Sequence[tuple[str, str]]) -> None:
    frame = pl.DataFrame(
        statuses, schema={"affiliate_id": pl.String, "status": pl.String}, orient="row"
    )
    rest = [pl.lit(None, pl.String).alias(name) for name in facts.PROFILE if name != "status"]
    with worker.writing() as connection:
        what = Intake("import affiliates", NOW, "the tests")
        number = facts.open_intake(connection, what, frame.height, 0, 0)
        added = facts.add_affiliates(connection, frame.with_columns(rest), number)
        audit.learned(connection, SIGNED, number, {}, added)


def _add_events(worker: Worker, plan: Plan, events: Sequence[Event]) -> None:
    rows = [
        (e.event_id, e.affiliate_id, e.occurred_us, e.amount, e.currency, e.reverses, None)
        for e in events
    ]
    schema = {
        "event_id": pl.String, "affiliate_id": pl.String, "occurred_us": pl.Int64,
        "amount_minor": pl.Int64, "currency": pl.String, "reverses": pl.String, "extra": pl.String,
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    with worker.writing() as connection:
        what = Intake("import earnings", NOW, "the tests")
        number = facts.open_intake(connection, what, frame.height, 0, 0)
        known = facts.known_events(connection, frame)
        added = facts.add_events(connection, frame, known, plan.decimals, number)
        audit.learned(connection, SIGNED, number, {}, added)


def fits_files(world: World) -> bool:
    """Whether plan and amounts can be written down, 15 digits before the point at most, and all
    that becomes of them can be added up in 62 bits."""
    plan = world.plan
    decimals = plan.decimals
    caps = [
        cap
        for terms in plan.terms
        for cap in (*terms.caps, *(cap for level in terms.levels for cap in level.caps))
    ]
    amounts: Iterator[tuple[str, int]] = (
        pair
        for pairs in (
            (pair for cap in caps for pair in cap.limit.items()),
            plan.payout.minimum.items(),
            ((e.currency, abs(e.amount)) for night in world.nights for e in night.events),
        )
        for pair in pairs
    )
    deepest = max(len(terms.levels) for terms in plan.terms)
    every = sum(abs(event.amount) for night in world.nights for event in night.events)
    if 4 * deepest * every >= LARGEST_TOTAL:
        return False
    return all(amount < 10 ** (MAX_WHOLE_DIGITS + decimals[code]) for code, amount in amounts)
