"""`commission run`: what an operator sees of a night, and of repeating, missing or mixing it up."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from program import EARNINGS, HEADER, PLAN, Program, shop, tree

from commission_engine.book.connect import connect, reading, writing
from commission_engine.book.lock import working
from commission_engine.book.runs import hashes
from commission_engine.calendar import day_of
from commission_engine.night import _agree
from commission_engine.problems import OutOfBalance


def lines_of(folder: Path) -> list[str]:
    """The lines of a run as "event level beneficiary commission reason"."""
    rows = [row.split(",") for row in (folder / "lines.csv").read_text("utf-8").splitlines()[1:]]
    return [" ".join((r[2], r[6], r[7], r[12], r[13])).strip() for r in rows]


def test_a_night_from_a_folder_to_its_files(commission: Program, tmp_path: Path) -> None:
    done = commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    assert (done.code, done.err.splitlines()) == (
        0,
        [
            "referrals: 2 read = 2 accepted + 0 duplicate + 0 rejected",
            "earnings: 4 read = 4 accepted + 0 duplicate + 0 rejected",
            "files: out/2026-02-28",
        ],
    )
    assert done.out.splitlines() == [
        "acme, 2026-02-28: 4 events, 5 lines, 2 statements",
        "  $110.00 commission of $110.00 before caps; paid out $110.00, carried over $0.00",
        "  2 payouts",
    ]
    assert lines_of(tmp_path / "out" / "2026-02-28") == [
        "e1 1 ann 50.00 order",
        "e2 1 ann 40.00",
        "e3 1 bob 20.00",
        "e3 2 ann 10.00",
        "r1 1 ann -10.00 order",
    ]
    assert sorted(tree(tmp_path / "out" / "2026-02-28"))[:6] == [
        "journal.csv", "lines.csv", "manifest.json", "payouts.csv", "rejects.csv",
        "statements.csv",
    ]  # fmt: skip


def test_a_completed_date_again_changes_nothing(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in")
    commission("run", folder, "--date", "2026-02-28")
    before, runs = tree(tmp_path / "out"), commission("runs", "--json").out
    (folder / "earnings.csv").write_text(EARNINGS + "e9,bob,2026-01-05,1.00,USD,\n", "utf-8")
    again = commission("run", folder, "--date", "2026-02-28")
    assert again.code == 0
    assert again.err.startswith(
        "2026-02-28 is complete already; nothing was changed, and the input was not looked at\n"
    )
    assert (tree(tmp_path / "out"), commission("runs", "--json").out) == (before, runs)


def test_the_hashes_of_the_files_stand_in_the_book(
    commission: Program, tmp_path: Path, database_url: str
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    manifest = (tmp_path / "out" / "2026-02-28" / "manifest.json").read_bytes()
    (told,) = json.loads(commission("runs", "--json").out)
    assert told["manifest_sha256"] == sha256(manifest).hexdigest()
    with writing(connect(database_url)) as connection:
        before = hashes(connection, day_of(date(2026, 2, 28)))
        for verb in ("update", "delete"):
            connection.exec_driver_sql(without_trigger(connection, verb))
        connection.exec_driver_sql("DELETE FROM published")
    assert "audit: " in commission("verify").err
    again = commission("run", "--date", "2026-02-28")
    assert again.err.startswith("2026-02-28 is complete already; nothing was changed\n")
    with reading(connect(database_url)) as connection:
        assert hashes(connection, day_of(date(2026, 2, 28))) == before
    files = json.loads(manifest)["files"]
    assert before
    assert before[1] == {name: files[name]["sha256"] for name in files if "/" not in name}


def without_trigger(connection: sa.Connection, verb: str) -> str:
    if connection.dialect.name == "sqlite":
        return f"DROP TRIGGER published_refuses_{verb}"
    return "DROP TRIGGER IF EXISTS published_refuses_change ON published"


def test_missing_files_come_back_with_the_same_bytes(commission: Program, tmp_path: Path) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    before = tree(tmp_path / "out")
    (tmp_path / "out" / "2026-02-28" / "journal.csv").unlink()
    again = commission("run", "--date", "2026-02-28")
    assert again.code == 0
    assert again.err.startswith("2026-02-28 is complete already; 1 missing file written again\n")
    assert tree(tmp_path / "out") == before


def test_a_date_before_the_last_one(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in")
    commission("run", folder, "--date", "2026-02-28")
    nothing_new = commission("run", folder, "--date", "2026-02-27")
    assert (nothing_new.code, nothing_new.err) == (
        0,
        "2026-02-27 is before the last completed business date 2026-02-28, and nothing is new;"
        " nothing was changed\n",
    )
    (folder / "earnings.csv").write_text(EARNINGS + "e9,bob,2026-01-05,1.00,USD,\n", "utf-8")
    something_new = commission("run", folder, "--date", "2026-02-27")
    assert (something_new.code, something_new.err) == (
        2,
        "error: 2026-02-27 is before the last completed business date 2026-02-28\n"
        "What arrived late is paid with the next date: commission run --date 2026-03-01\n",
    )
    assert '"run_date"' in commission("runs", "--json").out
    assert commission("lines", "--event", "e9", "--json").out == "[]\n"


def test_late_events_are_in_the_next_run_and_later_ones_wait(
    commission: Program, tmp_path: Path
) -> None:
    """e1 is dated after the first night, late is dated before it and arrives after it."""
    earnings = HEADER + "e0,bob,2026-01-02,10.00,USD,\ne1,bob,2026-01-09,10.00,USD,\n"
    commission("run", shop(tmp_path / "in", earnings), "--date", "2026-01-05")
    late = tmp_path / "late.csv"
    late.write_text(HEADER + "late,bob,2026-01-01,10.00,USD,\n", "utf-8")
    commission("import", "earnings", late)
    commission("run", "--date", "2026-01-08")
    commission("run", "--date", "2026-01-09")
    found = {
        date: lines_of(tmp_path / "out" / date)
        for date in ("2026-01-05", "2026-01-08", "2026-01-09")
    }
    assert found == {
        "2026-01-05": ["e0 1 ann 2.00"],
        "2026-01-08": ["late 1 ann 2.00"],
        "2026-01-09": ["e1 1 ann 2.00"],
    }


def test_refused_rows_do_not_stop_the_night(commission: Program, tmp_path: Path) -> None:
    earnings = EARNINGS + "e4,bob,2026-01-20,12,50,USD,\n" + "e5,bob,2026-01-20,1.001,USD,\n"
    done = commission("run", shop(tmp_path / "in", earnings), "--date", "2026-02-28")
    assert done.code == 3
    assert "earnings: 6 read = 4 accepted + 0 duplicate + 2 rejected" in done.err
    rejects = (tmp_path / "out" / "2026-02-28" / "rejects.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[1:4] for row in rejects[1:]] == [
        ["earnings.csv", "6", "malformed_row"],
        ["earnings.csv", "7", "too_many_decimals"],
    ]


def test_a_refused_file_leaves_nothing_of_the_folder(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", "event_id,amount\ne1,1.00\n")
    done = commission("run", folder, "--date", "2026-02-28")
    assert done.code == 1
    assert "earnings.csv" in done.err
    assert "affiliate_id" in done.err
    assert commission("plan", "show").code == 2
    assert not (tmp_path / "out").exists()


def test_strict_stops_at_a_refused_row(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", EARNINGS + "e5,bob,2026-01-20,abc,USD,\n")
    done = commission("run", folder, "--date", "2026-02-28", "--strict")
    assert done.code == 3
    assert "1 of 5 rows are refused, so nothing was imported (--strict)" in done.err
    assert commission("runs", "--json").out == "[]\n"
    assert commission("plan", "show").code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run"], 2, "--date is missing"),
        (["run", "--date", "2026-02-30"], 2, "--date: '2026-02-30' is not a day"),
        (["run", "--date", "20260228"], 2, "--date: '20260228' is not a day"),
        (["run", "nowhere", "--date", "2026-02-28"], 2, "nowhere: there is no such file or folder"),
        (["run", "--date", "2026-02-28"], 2, "the book has no plan yet"),
    ],
)
def test_words_that_cannot_be_carried_out(
    commission: Program, words: list[str], code: int, said: str
) -> None:
    done = commission(*words)
    assert (done.code, said in done.err) == (code, True)


def test_an_empty_folder_says_what_it_lacks(commission: Program, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "earning.csv").write_text(EARNINGS, "utf-8")
    done = commission("run", tmp_path / "in", "--date", "2026-02-28")
    assert done.code == 2
    assert "holds none of plan.toml, affiliates.csv, referrals.csv, earnings.csv" in done.err
    assert "(earning.csv for earnings.csv?)" in done.err


def test_tables_under_other_names_are_named(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in")
    for name in ("earnings (1).csv", "affiliate.csv", "earnings-2.CSV", "notes.txt"):
        (folder / name).write_text(HEADER, "utf-8")
    done = commission("run", folder, "--date", "2026-02-28")
    assert done.err.startswith("not looked at: affiliate.csv, earnings (1).csv\nreferrals:")


def test_a_date_in_the_future_is_refused(commission: Program, tmp_path: Path) -> None:
    """After it no earlier date could run, and a machine's clock may be wrong."""
    done = commission("run", shop(tmp_path / "in"), "--date", "2999-01-01")
    assert done.code == 2
    assert done.err.startswith("error: 2999-01-01 is in the future: it is ")
    assert "in Europe/Berlin\nNothing was changed. A date runs when it is over" in done.err
    assert json.loads(commission("runs", "--json").out) == []


def test_the_day_that_is_today_where_the_programme_is_can_run(
    commission: Program, tmp_path: Path
) -> None:
    """On Kiritimati a day begins fourteen hours before it does in Greenwich."""
    there = PLAN.replace("Europe/Berlin", "Pacific/Kiritimati")
    folder = shop(tmp_path / "in", plan=there)
    today = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    assert commission("run", folder, "--date", today + timedelta(2)).code == 2
    assert commission("run", folder, "--date", today).code == 0


def test_a_broken_manifest_is_not_taken_for_a_published_one(
    commission: Program, tmp_path: Path
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    manifest = tmp_path / "out" / "2026-02-28" / "manifest.json"
    for broken in ("garbage", "{}", '{"files": 1}'):
        manifest.write_text(broken, "utf-8")
        done = commission("run", "--date", "2026-02-28")
        assert (done.code, "manifest.json differs" in done.err) == (1, True)


def test_a_second_run_is_told_who_works(
    commission: Program, tmp_path: Path, database_url: str
) -> None:
    folder = shop(tmp_path / "in")
    with working(connect(database_url), "ann@office (process 7, run)", "2026-02-28T01:00:00Z"):
        done = commission("run", folder, "--date", "2026-02-28")
    assert (done.code, done.err) == (
        4,
        "error: the book is in use: ann@office (process 7, run) works on it since"
        " 2026-02-28T01:00:00Z\nWait until it is done, then run the same command again.\n",
    )
    assert commission("run", folder, "--date", "2026-02-28").code == 0


def test_json_of_a_run(commission: Program, tmp_path: Path) -> None:
    done = commission("run", shop(tmp_path / "in"), "--date", "2026-02-28", "--json")
    said = json.loads(done.out)
    assert (said["run_date"], said["settlement"], said["folder"]) == (
        "2026-02-28",
        True,
        "out/2026-02-28",
    )
    assert said["totals"]["USD"]["commission"] == "110.00"
    assert [each["read"] for each in said["imported"]] == [2, 4]


def test_sums_that_differ_stop_the_run() -> None:
    sums = {"commission": 5, "earned": 5, "reversed": 0, "adjusted": 0, "booked": 4}
    with pytest.raises(OutOfBalance) as raised:
        _agree({"totals": {"USD": sums}})
    assert raised.value.message == (
        "USD: the lines sum to 5 minor units, by kind to 5, and the ledger has 4"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["loading", "waiting"])
def test_a_stopped_run_leaves_nothing_half_done(
    tmp_path: Path, sqlite_url: str, number: signal.Signals, moment: str
) -> None:
    """While another process holds the write lock of the database, or while it still loads."""
    folder = shop(tmp_path / "in")
    environment = {**os.environ, "COMMISSION_DATABASE": sqlite_url}
    program = [str(Path(sys.executable).with_name("commission"))]
    words = ["run", str(folder), "--date", "2026-02-28", "--out", str(tmp_path / "out")]
    with connect(sqlite_url).begin():
        waiting = subprocess.Popen(
            [*program, *words], env=environment, stderr=subprocess.PIPE, text=True
        )
        loaded = Path(f"/proc/{waiting.pid}/maps")
        while moment == "loading" and "numpy" not in loaded.read_text("utf-8"):
            time.sleep(0.01)
        time.sleep(3 if moment == "waiting" else 0)
        waiting.send_signal(number)
    _, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, "stopped by a signal" in said) == (75, True)
    assert not (tmp_path / "out").exists()
    again = subprocess.run([*program, *words], env=environment, check=False)
    assert (again.returncode, (tmp_path / "out" / "2026-02-28" / "manifest.json").is_file()) == (
        0,
        True,
    )


def test_terms_of_the_past_stay(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in")
    commission("run", folder, "--date", "2026-02-28")
    before = tree(tmp_path / "out")
    (folder / "plan.toml").write_text(PLAN.replace('"20%"\n[', '"19%"\n['), "utf-8")
    done = commission("run", folder, "--date", "2026-03-01")
    assert done.code == 2
    assert (
        "plan.toml:9: terms from 2026-01-01: begin on or before the last completed business date"
        in done.err
    )
    assert "commission true-up" in done.err
    assert tree(tmp_path / "out") == before
