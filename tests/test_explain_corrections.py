"""`commission explain` after corrections: adjustments, what a true-up computes anew, moved caps.

COMMISSION_EXPLAINED_CORRECTIONS says in how many worlds (3).
"""

import csv
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from engines import NOW, Fresh, add_facts, fits_files
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from program import HEADER, Program, shop
from test_explain import as_json, book_at, check_settlements, told
from test_verify import change
from worlds import WORLDS, World, worlds

from commission_engine.book import audit, facts
from commission_engine.book.connect import connect, writing
from commission_engine.book.facts import Intake
from commission_engine.book.lock import working
from commission_engine.calendar import BEGINNING, DAY_US
from commission_engine.correct import Anew, true_up
from commission_engine.decide.reference import Edge, Event
from commission_engine.explain.find import explain_line
from commission_engine.explain.history import Book
from commission_engine.explain.said import AdjustmentSaid
from commission_engine.explain.words import words
from commission_engine.imports import Circumstances
from commission_engine.money import Rate
from commission_engine.night import Outputs, run_night
from commission_engine.plan.terms import Plan

MANY = int(os.environ.get("COMMISSION_EXPLAINED_CORRECTIONS", "3"))
SOME = settings(
    WORLDS,
    max_examples=MANY,
    phases=[Phase.explicit, Phase.generate],  # a book for each step of shrinking takes too long
    suppress_health_check=[*WORLDS.suppress_health_check, HealthCheck.filter_too_much],
)

GIVEN = Circumstances("the tests", NOW)


# --- random worlds -----------------------------------------------------------------------------


def check_all(book: Book, world: World) -> None:
    """Every event of the book, adjustments among them, then every statement and payout."""
    query = sa.text("SELECT event_id FROM event ORDER BY id")
    for event_id in book.connection.execute(query).scalars().all():
        found = explain_line(book, event_id)
        assert found.disagreements == (), event_id
        assert list(words(found))
    check_settlements(book, world)


def has_earner(world: World) -> bool:
    return fits_files(world) and any(night.events for night in world.nights)


def late(world: World, night: int) -> World:
    """The same with every edge learned only in one of its nights, and with one more order below one
    of its earners: of the first night, and refunded in part in the last."""
    edges = tuple(edge for each in world.nights for edge in each.edges)
    first = next(event for each in world.nights for event in each.events)
    begins, ends = world.nights[0].business_day, world.nights[-1].business_day
    edges += (Edge("zoe", first.affiliate_id, BEGINNING),)
    order = Event("zoe-1", "zoe", begins * DAY_US, 1234, first.currency)
    refund = Event("zoe-2", "zoe", ends * DAY_US, -500, first.currency, "zoe-1")
    nights = [
        replace(each, edges=edges if n == night % len(world.nights) else ())
        for n, each in enumerate(world.nights)
    ]
    nights[0] = replace(nights[0], events=(*nights[0].events, order))
    nights[-1] = replace(nights[-1], events=(*nights[-1].events, refund))
    return replace(world, nights=tuple(nights))


def put_right(world: World, url: str, folder: Path, plan: Plan, after: set[int]) -> None:
    """Run the world's nights under `plan`, true up all of them after these and after the last,
    then under the world's own plan, and run once more."""
    with working(connect(url), "the tests", NOW) as worker:
        with worker.writing() as connection:
            number = facts.open_intake(connection, Intake("plan", NOW, "the tests"), 1, 0, 0)
            facts.add_plan(connection, plan, number)
            audit.learned(connection, GIVEN.signed, number, {})
        first, end = world.nights[0].business_day, world.nights[-1].business_day
        for n, night in enumerate(world.nights):
            place = folder / f"in-{n}"
            place.mkdir(parents=True)
            add_facts(worker, world.plan, night, place)
            day = night.business_day
            run_night(worker, day, Outputs(), lambda: NOW)
            if n in after or day == end:
                other = world.plan if day == end and world.plan != plan else None
                with worker.writing() as connection:
                    true_up(connection, Anew(first, day, "late", other), GIVEN, second=False)
        run_night(worker, end + 1, Outputs(), lambda: NOW)


@SOME
@given(world=worlds().filter(has_earner), night=st.integers(1, 4), after=st.sets(st.integers(0, 4)))
def test_explanations_agree_after_true_ups(
    sqlite_books: Fresh, world: World, night: int, after: set[int]
) -> None:
    with sqlite_books() as url, tempfile.TemporaryDirectory() as folder:
        put_right(late(world, night), url, Path(folder), world.plan, after)
        with book_at(url) as book:
            check_all(book, world)


@settings(SOME, max_examples=max(MANY // 3, 1))
@given(world=worlds(nested=False).filter(has_earner), night=st.integers(1, 4))
def test_explanations_agree_after_true_ups_on_postgresql(
    postgresql_books: Fresh, world: World, night: int
) -> None:
    with postgresql_books() as url, tempfile.TemporaryDirectory() as folder:
        put_right(late(world, night), url, Path(folder), world.plan, {2})
        with book_at(url) as book:
            check_all(book, world)


@settings(SOME, max_examples=max(MANY // 3, 1))
@given(world=worlds().filter(has_earner), percent=st.integers(0, 99))
def test_explanations_agree_after_a_corrected_plan(
    sqlite_books: Fresh, world: World, percent: int
) -> None:
    """Before the true-up every level pays another rate, and without caps."""
    with sqlite_books() as url, tempfile.TemporaryDirectory() as folder:
        put_right(world, url, Path(folder), other_plan(world.plan, percent), {1})
        with book_at(url) as book:
            check_all(book, world)


def other_plan(plan: Plan, percent: int) -> Plan:
    return replace(
        plan,
        terms=tuple(
            replace(
                terms,
                caps=(),
                levels=tuple(
                    replace(each, rate=Rate.parse(f"{percent}%"), caps=())
                    for each in terms.levels
                ),
            )
            for terms in plan.terms
        ),
    )  # fmt: skip


# --- by hand -----------------------------------------------------------------------------------

PLAN = """\
name = "acme"
timezone = "UTC"
[payout]
every = "day"
minimum = { USD = "1.00" }
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "20%"
[[terms.level.cap]]
window = "month"
amount = { USD = "30.00" }
[[terms.level]]
level = 2
rate = "10%"
"""
FIRST = "e1,bob,2026-01-05,100.00,USD,\ne2,cat,2026-01-06,100.00,USD,\n"
SECOND = "e3,cat,2026-01-11,400.00,USD,\nr2,cat,2026-01-11T01:00:00Z,-100.00,USD,e2\n"


@pytest.fixture
def put_right_by_hand(commission: Program, tmp_path: Path) -> Program:
    """
    ann <- bob <- cat, of which the first night knows ann <- bob only; level 1 20%, 30.00 a month
    2026-01-05 bob earns 100.00, 2026-01-06 cat earns 100.00; then a true-up and two adjustments
    2026-01-11 cat earns 400.00, and e2 is refunded
    """
    folder = shop(tmp_path / "in", HEADER + FIRST, PLAN)
    (folder / "referrals.csv").write_text("affiliate_id,referrer_id\nbob,ann\n", "utf-8")
    commission("run", folder, "--date", "2026-01-10", "--out", tmp_path / "out")
    (folder / "more.csv").write_text("affiliate_id,referrer_id\ncat,bob\n", "utf-8")
    commission("import", "referrals", folder / "more.csv")
    days = ("--from", "2026-01-01", "--to", "2026-01-10")
    assert commission("true-up", *days, "--post", "--reason", "late file").code == 0
    assert commission("adjust", "ann", "5.00", "--reason", "=good\nwill").code == 0
    assert commission("adjust", "ann", "--reason", "wrong", "--", "-2.50").code == 0
    (folder / "more.csv").write_text(HEADER + SECOND, "utf-8")
    commission("import", "earnings", folder / "more.csv")
    return commission


def second_night(commission: Program, folder: Path) -> None:
    done = commission("run", "--date", "2026-01-11", "--out", folder / "out")
    assert done.code == 0


def test_adjustments_and_their_statement(put_right_by_hand: Program, tmp_path: Path) -> None:
    commission = put_right_by_hand
    waits = told(commission, "adjustment-1")
    assert "  Not processed yet: the event waits for the run of 2026-01-11 or a later" in waits
    assert "Line adjustment-1.0: not yet\n  Available on 2026-01-11.\n" in waits
    assert "+20.00 for bob with the next run, which makes it 20.00" in told(commission, "e2.1")
    second_night(commission, tmp_path)
    lines = told(commission, "adjustment-2.0").splitlines()
    assert lines[0] == "Adjustment adjustment-2: -2.50 USD for ann"
    assert ', because "wrong"; known since ' in lines[1]
    assert lines[2:6] == [
        "  The run of 2026-01-11 booked it (engine 0.1.0).",
        "",
        "Line adjustment-2.0: ann gets -2.50 USD",
        "  Available on 2026-01-11.",
    ]
    assert lines[6].startswith("  In statement st-20260111-")
    assert lines[7].startswith("  Part of payout po-20260111-")
    assert "one line, and that is adjustment-2.0.\n" in told(commission, "adjustment-2.1")
    said = as_json(commission, "adjustment-1")
    assert set(said) == {"agrees", *AdjustmentSaid.__slots__}
    assert (said["kind"], said["amount"], said["reason"], said["corrects"]) == (
        "adjustment", "5.00", "=good\nwill", None,
    )  # fmt: skip
    statement = as_json(commission, said["money"]["statement_id"])
    (account,) = statement["accounts"]
    assert (account["earned"], account["reversed"], account["adjusted"]) == (
        "40.00", "-10.00", "12.50",
    )  # fmt: skip
    assert {line["line_id"]: line["why"] for line in account["lines"] if line["why"]} == {
        "adjustment-1.0": "=good\nwill", "adjustment-2.0": "wrong", "e2.2#1.2": "late file",
    }  # fmt: skip
    payout = told(commission, said["money"]["payout"]["payout_id"])
    assert "  cut by  available   run         why\n" in payout
    (document,) = (tmp_path / "out" / "2026-01-11" / "statements").glob(f"{statement['id']}.csv")
    with document.open(encoding="utf-8", newline="") as file:
        rows = [(row["amount"], row["why"]) for row in csv.DictReader(file)]
    assert rows[3:6] == [("5.00", "'=good will"), ("-2.50", "wrong"), ("10.00", "late file")]


def test_what_a_true_up_has_put_right(put_right_by_hand: Program, tmp_path: Path) -> None:
    commission = put_right_by_hand
    second_night(commission, tmp_path)
    event = told(commission, "e2")
    assert "Level 1: no line\n" in event
    assert (
        "  Corrected by e2.1#1.1: +20.00 for bob in the run of 2026-01-11, which makes it 20.00;"
        ' "late file".\n'
    ) in event
    said = told(commission, "e2.1#1")
    assert said.startswith("Adjustment e2.1#1: +20.00 USD for bob\n")
    assert (
        "  It corrects line e2.1 of the run of 2026-01-10: 0.00 was posted for bob before, 20.00 is"
        " right.\n"
    ) in said
    assert (
        "As the true-up of 2026-01-01 to 2026-01-10 computes it:\n"
        "  Level 1: bob gets 20.00 USD (line e2.1)\n"
        "    The order comes to 100.00; 20% of it is 20.00.\n"
    ) in said
    later = told(commission, "e3.1")
    assert (
        "  Month cap 30.00 over level 1 from 2026-01-01: no line counted before; moved by the"
        " true-up of 2026-01-01 to 2026-01-10 by 20.00; room 10.00.\n"
    ) in later
    refund = told(commission, "r2.1")
    assert "  The true-up of 2026-01-01 to 2026-01-10 by " in refund
    assert ', because "late file", computed this order anew, with the tree and the plan' in refund
    assert (
        "1 line before came to 100.00 (e3.1 80.00; moved by the true-up of 2026-01-01 to"
        " 2026-01-10 by 20.00); room 0.00.\n"
    ) in refund
    (level,) = as_json(commission, "r2.1")["levels"]
    assert level["amounts"]["caps"][0]["moved"] == [
        {"period_from": "2026-01-01", "period_to": "2026-01-10", "amount": "20.00"}
    ]
    assert as_json(commission, "r2.2")["anew"]["reason"] == "late file"
    assert "Corrected by" not in told(commission, "e1")


def test_a_refund_after_a_corrected_plan(commission: Program, tmp_path: Path) -> None:
    """Level 1 is 10% from the beginning, and not 20%: so much is taken back too."""
    folder = shop(tmp_path / "in", HEADER + "e1,bob,2026-01-05,100.00,USD,\n", PLAN)
    commission("run", folder, "--date", "2026-01-10")
    (folder / "new.toml").write_text(PLAN.replace('"20%"', '"10%"'), "utf-8")
    days = ("--from", "2026-01-10", "--to", "2026-01-10", "--plan", folder / "new.toml")
    assert commission("true-up", *days, "--post", "--reason", "contract").code == 0
    (folder / "more.csv").write_text(
        HEADER + "r1,bob,2026-01-11,-40.00,USD,e1\nn,bob,2026-01-11,500.00,USD,\n", "utf-8"
    )
    commission("import", "earnings", folder / "more.csv")
    commission("run", "--date", "2026-01-11")
    assert "which makes it 10.00" in told(commission, "e1.1")
    said = told(commission, "e1.1#1.1")
    assert "Adjustment e1.1#1: -10.00 USD for ann\n" in said
    assert "20.00 was posted for ann before, 10.00 is right.\n" in said
    assert "    The order comes to 100.00; 10% of it is 10.00.\n" in said
    refund = told(commission, "r1.1")
    assert "Before it came to 100.00; 10% of it is 10.00.\n" in refund
    assert "Gross: 6.00 less 10.00 is -4.00.\n" in refund
    cap = "2 lines before came to 60.00 (e1.1 20.00, n.1 50.00; moved by the true-up of 2026-01-10"
    assert f"{cap} by -10.00); room 0.00.\n" in refund


TAMPERS = {
    "an adjustment's event": (
        "UPDATE event SET amount_minor = 600 WHERE event_id = 'adjustment-1'", "adjustment-1",
        "line adjustment-1.0: the book says commission 5.00, the adjustment 6.00",
    ),
    "it and its line": (
        "UPDATE line SET gross_minor = 600, commission_minor = 600 WHERE commission_minor = 500",
        "adjustment-1", "the audit trail says that 5.00 was asked for",
    ),
    "a line": (
        "UPDATE line SET gross_minor = 1 WHERE terms_day = -1000000 AND gross_minor = 2000",
        "e2.1#1", "line e2.1#1.1: the book says gross 0.01, the adjustment 20.00",
    ),
    "a correction and its line": (
        "UPDATE event SET amount_minor = 1 WHERE event_id = 'e2.1#1'", "e2.1#1",
        "line e2.1: 0.00 was posted for bob before, and 0.01 with this; the true-up makes it 20.00",
    ),
    "what was moved": (
        "UPDATE cap_shift SET moved_minor = 500", "e3.1",
        "the book says commission 10.00, the calculation 25.00",
    ),
    "a line gone": (
        "DELETE FROM line WHERE terms_day = -1000000 AND commission_minor < 0", "adjustment-2",
        "line adjustment-2.0: is not in the book as ann's, and should be",
    ),
}  # fmt: skip


def test_what_was_changed_in_the_book_is_said_loudly(
    put_right_by_hand: Program, tmp_path: Path, database_url: str
) -> None:
    """One change after the other."""
    commission = put_right_by_hand
    second_night(commission, tmp_path)
    change(database_url, "UPDATE run SET day = day")  # takes the guard away
    for statement, asked, says in TAMPERS.values():
        with writing(connect(database_url)) as connection:
            connection.exec_driver_sql(statement)
        done = commission("explain", asked, "--json")
        assert (done.code, json.loads(done.out)["agrees"]) == (5, False)
        assert says in done.err
