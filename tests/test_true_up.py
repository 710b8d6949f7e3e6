"""True-ups: a book that learned late and was put right pays what one pays that knew in time.

COMMISSION_TRUE_UPS says in how many worlds (5; in the long series 12).
"""

import os
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import series
import sqlalchemy as sa
from engines import NOW, Fresh, add_facts, book_nights, fits_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import WORLDS, World, worlds

from commission_engine.book import audit, facts
from commission_engine.book.connect import connect, reading
from commission_engine.book.facts import Intake
from commission_engine.book.lock import working
from commission_engine.correct import Anew, foresee, true_up
from commission_engine.imports import Circumstances
from commission_engine.money import Rate
from commission_engine.night import Outputs, run_night
from commission_engine.plan.terms import Plan
from commission_engine.published import publish_run
from commission_engine.verify import verify

MANY = int(os.environ.get("COMMISSION_TRUE_UPS", series.of("5", "12")))
BOOKS = settings(
    WORLDS,
    max_examples=MANY,
    suppress_health_check=[*WORLDS.suppress_health_check, HealthCheck.filter_too_much],
)
GIVEN = Circumstances("the tests", NOW)
LINES = """
    SELECT coalesce(old.event_id, e.event_id), l.level, p.affiliate_id, sum(l.commission_minor)
    FROM line l JOIN event e ON e.id = l.event JOIN affiliate p ON p.id = l.beneficiary
    LEFT JOIN adjustment a ON a.event = e.id LEFT JOIN event old ON old.id = a.corrects
    GROUP BY 1, 2, 3 HAVING sum(l.commission_minor) <> 0
"""
CAPS = """
    SELECT c.terms_day, c.level, c.cap_window, p.affiliate_id, k.code, sum(c.total_minor)
    FROM cap_total c JOIN affiliate p ON p.id = c.beneficiary JOIN currency k ON k.id = c.currency
    WHERE c.cap_window <> 0 GROUP BY 1, 2, 3, 4, 5 HAVING sum(c.total_minor) <> 0
"""
"""Of windows that are not an order's, whose start is the book's own number of the order."""


def corrected(world: World, url: str, folder: Path, plan: Plan, after: set[int]) -> list[str]:
    """Run the world under `plan`, true up after these nights and at the end, and under the world's
    own plan; what `verify` says is wrong."""
    engine, wrong = connect(url), []
    with working(engine, "the tests", NOW) as worker:
        with worker.writing() as connection:
            number = facts.open_intake(connection, Intake("plan", NOW, "the tests"), 1, 0, 0)
            facts.add_plan(connection, plan, number)
            audit.learned(connection, GIVEN.signed, number, {})
        first = world.nights[0].business_day
        for n, night in enumerate(world.nights):
            place = folder / f"in-{n}"
            place.mkdir(parents=True)
            add_facts(worker, world.plan, night, place)
            day = night.business_day
            publish_run(engine, run_night(worker, day, Outputs(), lambda: NOW), folder / "out")
            last = n + 1 == len(world.nights)
            if n in after or last:
                with worker.writing() as connection:
                    other = world.plan if last and world.plan != plan else None
                    wanted = Anew(first, day, "late", other)
                    true_up(connection, wanted, GIVEN, second=False)
                    assert not foresee(connection, wanted)
        end = world.nights[-1].business_day + 1
        publish_run(engine, run_night(worker, end, Outputs(), lambda: NOW), folder / "out")
    wrong += verify(engine, folder / "out").differences
    return wrong


def in_time(world: World) -> World:
    """The same with every edge known from the first night on; statuses come when they come."""
    first, *rest = (replace(night, edges=()) for night in world.nights)
    edges = tuple(edge for night in world.nights for edge in night.edges)
    return replace(world, nights=(replace(first, edges=edges), *rest))


def told(url: str, query: str) -> Counter[tuple[object, ...]]:
    with reading(connect(url)) as connection:
        return Counter(tuple(row) for row in connection.execute(sa.text(query)))


def compare(books: Fresh, world: World, plan: Plan, after: set[int]) -> None:
    with books() as late, books() as early, tempfile.TemporaryDirectory() as folder:
        assert corrected(world, late, Path(folder) / "late", plan, after) == []
        known = in_time(world)
        end = replace(known.nights[-1], business_day=known.nights[-1].business_day + 1,
                      events=(), edges=(), statuses=())  # fmt: skip
        book_nights(
            replace(known, nights=(*known.nights, end)), early, Path(folder) / "early", add_facts
        )
        assert told(late, LINES) == told(early, LINES)
        assert told(late, CAPS) == told(early, CAPS)


@BOOKS
@given(world=worlds().filter(fits_files), after=st.sets(st.integers(0, 4)))
def test_what_is_learned_late_is_paid_as_if_it_had_been_known(
    sqlite_books: Fresh, world: World, after: set[int]
) -> None:
    compare(sqlite_books, world, world.plan, after)


@settings(BOOKS, max_examples=max(MANY // 3, 1))
@given(world=worlds(nested=False).filter(fits_files), after=st.sets(st.integers(0, 4)))
def test_the_same_on_postgresql(postgresql_books: Fresh, world: World, after: set[int]) -> None:
    compare(postgresql_books, world, world.plan, after)


@settings(BOOKS, max_examples=max(MANY // 2, 1))
@given(world=worlds().filter(fits_files), percent=st.integers(0, 99))
def test_a_corrected_plan_is_paid_as_if_it_had_been_so(
    sqlite_books: Fresh, world: World, percent: int
) -> None:
    """Before the true-up every level pays another rate, and without caps."""
    wrong = replace(
        world.plan,
        terms=tuple(
            replace(
                terms,
                caps=(),
                levels=tuple(
                    replace(each, rate=Rate.parse(f"{percent}%"), caps=()) for each in terms.levels
                ),
            )
            for terms in world.plan.terms
        ),
    )
    compare(sqlite_books, world, wrong, set())
