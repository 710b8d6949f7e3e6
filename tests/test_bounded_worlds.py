"""Worlds with bounds, holds and releases through real books: the plain reference agrees.

COMMISSION_BOUNDED_WORLDS says how many go through SQLite (5); a quarter of them, others, go
through both databases, which must publish the same.
"""

import os
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import polars as pl
from bounded import Held, Limits, settle_with_bounds
from engines import NOW, Fresh, Learn, Told, add_facts, book_nights, fits_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import WORLDS, World, worlds

from commission_engine.book import holds
from commission_engine.book.connect import Connection, connect, reading
from commission_engine.book.lock import Worker
from commission_engine.bounds import Bounds
from commission_engine.decide.reference import Night, decide
from commission_engine.imports import Circumstances
from commission_engine.money import Rate, plain
from commission_engine.plan.terms import Plan
from commission_engine.releases import Wanted, release

MANY = int(os.environ.get("COMMISSION_BOUNDED_WORLDS", "5"))
BOOKS = settings(
    WORLDS,
    max_examples=MANY,
    suppress_health_check=[*WORLDS.suppress_health_check, HealthCheck.filter_too_much],
)
CODES = ("USD", "JPY", "KWD", "POINTS")


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    of = draw(st.integers(1, 4))
    times = draw(st.sampled_from((None, "1", "1.5", "2", "3.25")))
    amounts = st.sampled_from((0, 1, 2, 3, 5, 8, 20))
    return Limits(
        Fraction(times) if times else None,
        of,
        draw(st.integers(1, min(of, 2))),
        draw(st.dictionaries(st.sampled_from(CODES), amounts, max_size=4)),
        draw(st.sampled_from((None, None, 1, 2, 3, 6))),
    )


def bounds_of(given: Limits, plan: Plan) -> Bounds:
    """The same as settings; a currency that the plan does not know is left out."""
    times = None
    if given.times is not None:
        times = Rate.of(given.times.numerator * (100 // given.times.denominator), 100)
    payout = {
        code: plain(minor, plan.decimals[code])
        for code, minor in given.payout.items()
        if code in plan.decimals
    }
    return Bounds(times, given.median_of, given.median_after, payout, given.lines)


def held(connection: Connection) -> list[tuple[Held, int, bool]]:
    """Every hold of the book, its number, and whether it was released; sorted."""
    return sorted(
        (
            Held(
                row["run_day"],
                row["kind"],
                row["affiliate_id"] or "",
                row["code"] or "",
                row["figure"],
                row["bound"],
            ),
            row["id"],
            row["intake"] is not None,
        )
        for row in holds.listed(connection).iter_rows(named=True)
    )


def releasing(world: World, choices: Sequence[int]) -> Learn:
    """Learn a night's facts, and release before it what its choice says."""
    choice_of = {night.business_day: c for night, c in zip(world.nights, choices, strict=True)}

    def learn(worker: Worker, plan: Plan, night: Night, folder: Path) -> None:
        add_facts(worker, plan, night, folder)
        with worker.writing() as connection:
            open_ = [number for _, number, done in held(connection) if not done]
            mask = choice_of[night.business_day]
            chosen = [number for n, number in enumerate(open_) if mask >> n % 8 & 1]
            if chosen:
                wanted = Wanted(chosen, "looked at")
                release(connection, wanted, Circumstances("the tests", NOW))

    return learn


def through(
    books: Fresh, world: World, given: Limits, choices: Sequence[int]
) -> tuple[Told, list[tuple[Held, int, bool]], pl.DataFrame]:
    with books() as url, tempfile.TemporaryDirectory() as folder:
        found = book_nights(
            world, url, Path(folder), releasing(world, choices),
            bounds=bounds_of(given, world.plan),
        )  # fmt: skip
        with reading(connect(url)) as connection:
            last = holds.open_holds(connection, world.nights[-1].business_day)
            return found, held(connection), last


def check(
    found: Told,
    listed: list[tuple[Held, int, bool]],
    last: pl.DataFrame,
    world: World,
    given: Limits,
    choices: Sequence[int],
) -> None:
    lines = decide(world.plan, world.nights)
    statements, expected, released = settle_with_bounds(
        world.plan, world.nights, lines, given, choices
    )
    assert found.lines == lines
    assert found.statements == statements
    assert [(each, done) for each, _, done in listed] == [
        (each, each in released) for each in expected
    ]
    assert last.height == len(expected) - len(released)
    assert found.differences == []


MASKS = st.lists(st.integers(0, 255), min_size=5, max_size=5)


@BOOKS
@given(world=worlds().filter(fits_files), given=limits(), masks=MASKS)
def test_a_book_with_bounds_says_what_the_reference_says(
    sqlite_books: Fresh, world: World, given: Limits, masks: list[int]
) -> None:
    choices = masks[: len(world.nights)]
    check(*through(sqlite_books, world, given, choices), world, given, choices)


@settings(BOOKS, max_examples=max(MANY // 4, 1))
@given(world=worlds().filter(fits_files), given=limits(), masks=MASKS)
def test_both_databases_hold_and_release_the_same(
    sqlite_books: Fresh, postgresql_books: Fresh, world: World, given: Limits, masks: list[int]
) -> None:
    choices = masks[: len(world.nights)]
    small = through(sqlite_books, world, given, choices)
    large = through(postgresql_books, world, given, choices)
    check(*small, world, given, choices)
    check(*large, world, given, choices)
    assert large[0].files == small[0].files
