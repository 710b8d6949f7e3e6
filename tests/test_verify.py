"""`commission verify` finds whatever was changed behind the program's back, and repairs nothing."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from once import once
from program import Program, shop, tree

from commission_engine.book.connect import connect, writing
from commission_engine.book.schema import APPEND_ONLY

TAMPERS = {
    "a line's commission": (
        "UPDATE line SET commission_minor = commission_minor + 1",
        "table line",
    ),
    "a line's reason": ("UPDATE line SET reason = 3 WHERE level = 2", "table line"),
    "a line gone": ("DELETE FROM line WHERE level = 2", "table line"),
    "a line more": (
        "INSERT INTO line SELECT run_day, beneficiary, event, 7, 5, 5, 0, terms_day, available_day"
        " FROM line WHERE level = 2",
        "table line",
    ),
    "an earning's amount": (
        "UPDATE event SET amount_minor = 99900 WHERE event_id = 'e2'",
        "table line",
    ),
    "an earning's time": ("UPDATE event SET occurred_us = 0 WHERE event_id = 'e3'", "run 2026"),
    "a referral": ("UPDATE referral SET since_us = 1800000000000000", "table line"),
    "an entry": ("UPDATE entry SET amount_minor = amount_minor + 1", "table entry"),
    "an entry's account": ("UPDATE entry SET credit_account = 3 WHERE kind = 1", "table entry"),
    "an entry gone": ("DELETE FROM entry WHERE kind = 4", "table entry"),
    "a statement": (
        "UPDATE statement SET opening_minor = opening_minor + 1, closing_minor = closing_minor + 1,"
        " held_minor = held_minor + 1",
        "table statement",
    ),
    "a payout": ("UPDATE payout SET amount_minor = 1", "table payout"),
    "a payout gone": ("DELETE FROM payout", "table payout"),
    "a cap's total": ("UPDATE cap_total SET total_minor = total_minor - 1", "cap totals"),
    "a cap's total gone": ("DELETE FROM cap_total", "cap totals"),
    "who had lines": ("DELETE FROM activity", "table activity"),
    "a payout of a day without a run": (
        "INSERT INTO payout SELECT 40000, affiliate, currency, 99900 FROM payout LIMIT 1",
        "table payout: rows of 2079-07-08, which no run has",
    ),
    "an event that no import brought": (
        "INSERT INTO event SELECT 500, 'evil', affiliate, occurred_us, 5000000, currency, 500,"
        " intake, extra FROM event WHERE event_id = 'e1'",
        "accepted 4 rows, the book holds 5",
    ),
    "figures that are none": ("UPDATE run SET figures = 'garbage'", "make no sense"),
    "a run's figures": ("UPDATE run SET figures = '{}'", "figures"),
    "a plan": (
        'UPDATE plan_version SET record = replace(record, \'"rate":"0.2"\', \'"rate":"0.1"\')',
        "plan",
    ),
    "a reversal beyond its order": (
        "UPDATE event SET amount_minor = -99900 WHERE event_id = 'r1'",
        "is reversed by more than it is",
    ),
}


@pytest.fixture
def settled(commission: Program, tmp_path: Path, database_url: str) -> Program:
    def make() -> None:
        commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
        commission("run", "--date", "2026-03-01")

    once("two nights", database_url, tmp_path, make)
    return commission


def change(url: str, statement: str) -> None:
    """What nobody should: take away the database's guard, then change a row."""
    with writing(connect(url)) as connection:
        for table in APPEND_ONLY:
            if connection.dialect.name == "sqlite":
                for verb in ("update", "delete"):
                    connection.execute(sa.text(f"DROP TRIGGER {table}_refuses_{verb}"))
            else:
                connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        connection.exec_driver_sql(statement)


def test_a_good_book_agrees(settled: Program) -> None:
    done = settled("verify")
    assert (done.code, done.out, done.err) == (
        0,
        "2 runs, 4 events, 5 lines and 14 files looked at: all agree\n",
        "",
    )


@pytest.mark.parametrize("what", TAMPERS)
def test_a_changed_book_does_not(settled: Program, database_url: str, what: str) -> None:
    statement, found = TAMPERS[what]
    change(database_url, statement)
    done = settled("verify")
    assert done.code == 5
    assert found in done.err
    assert settled("verify").err == done.err


def test_a_changed_file_and_a_missing_one(settled: Program, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "2026-02-28"
    (folder / "lines.csv").write_bytes((folder / "lines.csv").read_bytes() + b" ")
    (folder / "journal.csv").unlink()
    before = tree(tmp_path / "out")
    done = settled("verify")
    assert done.code == 5
    assert done.err.splitlines() == [
        "differs: out/2026-02-28/lines.csv: has other bytes than were published",
        "differs: out/2026-02-28/journal.csv: missing",
    ]
    assert tree(tmp_path / "out") == before


def test_a_folder_that_was_moved_away_is_only_noted(settled: Program, tmp_path: Path) -> None:
    (tmp_path / "out").rename(tmp_path / "archive")
    done = settled("verify")
    assert done.code == 0
    assert "note: out/2026-02-28: not there" in done.err
    assert settled("verify", "--out", "archive").out.endswith("14 files looked at: all agree\n")
