"""Worlds through real books: what the reference says is what stands in the database.

COMMISSION_BOOK_WORLDS says how many worlds go through SQLite (12); a third of them, others, go
through PostgreSQL as well.
"""

import os
import tempfile
from pathlib import Path

import pytest
from engines import (
    Fresh,
    Learn,
    Told,
    add_facts,
    add_facts_in_parts,
    book_nights,
    fits_files,
    import_csv,
)
from hypothesis import HealthCheck, given, settings
from test_reference import BOB_OF_ANN, bob, level, night, plan, said, told
from worlds import WORLDS, World, worlds

from commission_engine.decide.reference import decide, settle

MANY = int(os.environ.get("COMMISSION_BOOK_WORLDS", "12"))
BOOKS = settings(
    WORLDS,
    max_examples=MANY,
    suppress_health_check=[*WORLDS.suppress_health_check, HealthCheck.filter_too_much],
)
REPRESENTABLE = worlds().filter(fits_files)


def through(books: Fresh, world: World, learn: Learn) -> Told:
    with books() as url, tempfile.TemporaryDirectory() as folder:
        return book_nights(world, url, Path(folder), learn)


def check(found: Told, world: World) -> None:
    """Lines, statements and the proof of the book itself."""
    lines = decide(world.plan, world.nights)
    assert found.lines == lines
    assert found.statements == settle(world.plan, world.nights, lines)
    assert found.differences == []


@BOOKS
@given(world=REPRESENTABLE)
def test_a_book_in_sqlite_says_what_the_reference_says(sqlite_books: Fresh, world: World) -> None:
    check(through(sqlite_books, world, import_csv), world)


@settings(BOOKS, max_examples=max(MANY // 3, 1))
@given(world=worlds(nested=False).filter(fits_files))
def test_both_databases_say_and_publish_the_same(
    sqlite_books: Fresh, postgresql_books: Fresh, world: World
) -> None:
    """Also where rows arrive shuffled, and over several imports of one night."""
    small = through(sqlite_books, world, add_facts)
    large = through(postgresql_books, world, add_facts_in_parts(seed=len(small.files[0])))
    check(small, world)
    check(large, world)
    assert large.files == small.files


@settings(BOOKS, max_examples=max(MANY // 3, 1))
@given(world=REPRESENTABLE)
def test_lines_in_segments_change_no_byte(sqlite_books: Fresh, world: World) -> None:
    found = []
    for segments in (False, True):
        with sqlite_books() as url, tempfile.TemporaryDirectory() as folder:
            kept_in = f"{folder}/lines" if segments else "database"
            found.append(book_nights(world, url, Path(folder), add_facts, kept_in))
    assert found[0] == found[1]
    check(found[1], world)


def by_hand() -> World:
    """
    ann <- bob; level 1 20%, 8 an order, 12 a month; held 7 days; weekly, 5 at least
    """
    terms = plan(level(1, "20%", order=8, month=12), hold=7, minimum={"USD": 5})
    return World(
        terms,
        (
            night("2026-01-02", bob("e1", "2026-01-01", 50), edges=BOB_OF_ANN),
            night("2026-01-03", bob("e2", "2026-01-03", 50), bob("=e3", "2026-01-03", 7)),
            night("2026-01-09", bob("r1", "2026-01-09", -50, "e1")),
            night("2026-01-12", ann="suspended"),
            night("2026-01-13", ann="active"),
        ),
    )


@pytest.mark.parametrize("learn", [import_csv, add_facts, add_facts_in_parts(1)])
def test_a_world_by_hand_on_both_databases(
    sqlite_books: Fresh, postgresql_books: Fresh, learn: Learn
) -> None:
    world = by_hand()
    small, large = (through(books, world, learn) for books in (sqlite_books, postgresql_books))
    check(small, world)
    check(large, world)
    assert large.files == small.files
    assert said(small.lines) == [
        "e1 1 ann 10 8 order", "--", "=e3 1 ann 1 1", "e2 1 ann 10 3 order", "--",
        "r1 1 ann -10 -3 order", "--", "--",
    ]  # fmt: skip
    assert small.files[1]["lines.csv"].decode().splitlines()[1] == (
        "'=e3.1,2026-01-03,'=e3,'=e3,2026-01-03T00:00:00Z,bob,1,ann,USD,0.07,0.2,0.01,0.01,,"
        "2026-01-10,acme,2000-01-01"
    )


def test_what_is_available_is_not_forgotten_while_as_much_is_held(
    database_url: str, tmp_path: Path
) -> None:
    """
    level 1 20%, held 7 days, settled every day
    01-09: 5 that were paid are taken back, another 5 are earned and held: the balance is 0
    01-16: the 5 that were held become available and make good for the 5 that were paid too much
    """
    terms = plan(level(1, "20%"), hold=7)
    world = World(
        terms,
        (
            night("2026-01-01", bob("e", "2026-01-01", 25), edges=BOB_OF_ANN),
            night("2026-01-08"),
            night("2026-01-09", bob("r", "2026-01-09", -25, "e"), bob("g", "2026-01-09", 25)),
            night("2026-01-10"),
            night("2026-01-16", bob("h", "2026-01-16", 25)),
            night("2026-01-17"),
        ),
    )
    found = book_nights(world, database_url, tmp_path, add_facts)
    assert told(found.statements) == [
        # opening, earned, reversed, adjusted, paid = closing = held, available
        "ann 0+5+0+0-0=5=5+0", "--",
        "ann 5+0+0+0-5=0=0+0", "--",
        "ann 0+5-5+0-0=0=5-5", "--",
        "ann 0+0+0+0-0=0=5-5", "--",
        "ann 0+5+0+0-0=5=5+0", "--",
        "ann 5+0+0+0-0=5=5+0",
    ]  # fmt: skip
    assert found.differences == []
