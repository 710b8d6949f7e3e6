"""The end of a month: what is open, the lock, the pack, and opening it again."""

import json
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from program import HEADER, Program, program_in, shop
from sqlalchemy.exc import DBAPIError
from test_verify import change

from commission_engine.book.connect import connect, writing
from commission_engine.book.schema import run
from commission_engine.finance.close.figures import roll_forward, trial_balance
from commission_engine.finance.close.period import Period
from commission_engine.ledger.accounts import RAISES_PAYABLE, SIDES, Kind

PLAN = """\
name = "acme"
[payout]
every = "month"
minimum = { USD = "10.00" }
[[terms]]
from = 2026-01-01
hold_days = 3
[[terms.level]]
level = 1
rate = "20%"
[[terms.level.cap]]
window = "month"
amount = { USD = "40.00" }
[[terms.level]]
level = 2
rate = "10%"
"""
EARNINGS = HEADER + (
    "e1,bob,2026-09-29,100.00,USD,\n"
    "e2,cat,2026-10-05,150.00,USD,\n"
    "e3,cat,2026-10-20,150.00,USD,\n"
    "e4,cat,2026-10-30,20.00,EUR,\n"
    'e5,cat,2026-10-30,"2,5",EUR,\n'
    "r1,bob,2026-10-06,-50.00,USD,e1\n"
)
SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def month(commission: Program, folder: Path, earnings: str = EARNINGS) -> None:
    """Two runs, of 30 September and 31 October; the payouts of the second are paid."""
    commission("run", shop(folder / "in", earnings, PLAN), "--date", "2026-09-30")
    commission("run", "--date", "2026-10-31")
    commission("payouts", "approve")
    commission("payouts", "export")
    done = commission("payouts", "mark", "paid", "--batch", batch(commission))
    assert done.code == 0, done.err


def batch(commission: Program) -> str:
    return str(json.loads(commission("payouts", "--json").out)[0]["batch"])


def opened(commission: Program, which: str = "2026-10") -> list[tuple[str, int]]:
    said = json.loads(commission("close", which, "--dry-run", "--json").out)
    return [(each["sort"], each["count"]) for each in said["open"]]


def sheets(path: Path) -> dict[str, list[list[str]]]:
    """A workbook's cells as texts, by the names of its sheets."""
    with zipfile.ZipFile(path) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        names = [each.attrib["name"] for each in book.iter(f"{SPACE}sheet")]
        return {
            name: [
                [cell_text(cell) for cell in row.iter(f"{SPACE}c")]
                for row in ElementTree.fromstring(
                    archive.read(f"xl/worksheets/sheet{number}.xml")
                ).iter(f"{SPACE}row")
            ]
            for number, name in enumerate(names, 1)
        }


def cell_text(cell: ElementTree.Element) -> str:
    return "".join(
        each.text or "" for each in cell.iter() if each.tag in (f"{SPACE}v", f"{SPACE}t")
    )


def test_a_month_is_closed_and_stays_closed(commission: Program, tmp_path: Path) -> None:
    month(commission, tmp_path)
    assert opened(commission) == [("refused rows", 1)]
    done = commission("close", "2026-10")
    assert (done.code, done.err.splitlines()) == (
        2,
        [
            "open: 1 refused row neither mended nor waived: earnings.csv:6 bad_amount",
            "  commission rejects --mend FILE, or commission close 2026-10 --accept-refused"
            " --reason TEXT",
            "error: 2026-10 cannot be closed: 1 matter open",
            "Nothing was changed.",
        ],
    )
    assert not (tmp_path / "out" / "closings").exists()
    done = commission("close", "2026-10", "--accept-refused", "--reason", "=gone for good")
    assert (done.code, done.err.splitlines()) == (
        0,
        [
            "1 refused row waived",
            "2026-10 is closed: no run may come into it, or before 2026-11-01, any more",
            "pack: out/closings/2026-10",
        ],
    )
    pack = tmp_path / "out" / "closings" / "2026-10"
    before = {path.name: path.read_bytes() for path in pack.iterdir()}
    assert sorted(before) == ["closing.pdf", "closing.xlsx", "manifest.json"]
    found = sheets(pack / "closing.xlsx")
    assert found["By affiliate"] == [
        [
            "affiliate_id",
            "currency",
            "opening",
            "earned",
            "reversed",
            "adjusted",
            "paid",
            "closing",
        ],
        ["ann", "EUR", "0.00", "2.00", "0.00", "0.00", "0.00", "2.00"],
        ["ann", "USD", "20.00", "30.00", "-10.00", "0.00", "40.00", "0.00"],
        ["bob", "EUR", "0.00", "4.00", "0.00", "0.00", "0.00", "4.00"],
        ["bob", "USD", "0.00", "40.00", "0.00", "0.00", "40.00", "0.00"],
    ]
    assert found["Trial balance"][3:] == [
        ["commission_expense", "USD", "20.00", "70.00", "10.00", "80.00"],
        ["affiliate_payable", "USD", "-20.00", "90.00", "70.00", "0.00"],
        ["payout_clearing", "USD", "0.00", "0.00", "80.00", "-80.00"],
    ]
    assert found["Expense"][1:] == [
        ["acme", "2026-01-01", "plan", "1", "1", "EUR", "4.00", "4.00"],
        ["acme", "2026-01-01", "plan", "2", "1", "EUR", "2.00", "2.00"],
        ["acme", "2026-01-01", "plan", "1", "3", "USD", "50.00", "30.00"],
        ["acme", "2026-01-01", "plan", "2", "2", "USD", "30.00", "30.00"],
    ]
    assert found["Caps"][1:] == [["month", "1", "USD", "30.00", "10.00", "20.00"]]
    assert found["Liabilities"][1:] == [["EUR", "2", "6.00", "0.00", "6.00", "0.00"]]
    assert found["Payouts"][1:] == [["paid", "2", "USD", "80.00"]]
    assert found["Refused"][1:] == [["earnings", "bad_amount", "1", "0", "1"]]
    assert found["Waived"][1][-1] == "=gone for good"
    passed = dict(row for row in found["Closing"])["dates without a run of their own"]
    assert passed.split(", ")[::29] == ["2026-10-01", "2026-10-30"]

    # Safe to repeat: the same bytes, and what is missing comes back.
    (pack / "closing.pdf").unlink()
    assert "1 missing file written again" in commission("close", "2026-10").err
    assert {path.name: path.read_bytes() for path in pack.iterdir()} == before
    assert commission("verify").err == ""

    # No run comes into it, whoever asks.
    for words in (
        ("run", "--date", "2026-10-15"),
        ("run", "--date", "2026-08-31", "--dry-run"),
        ("backfill", "--from", "2026-10-15", "--to", "2026-10-31"),
    ):
        done = commission(*words)
        assert (done.code, "cannot run: everything up to 2026-10-31 is closed" in done.err) == (
            2,
            True,
        ), words
    assert commission("run", "--date", "2026-11-01").code == 0

    # It is opened again by two people, and the next pack says so.
    assert commission("reopen", "2026-10", "--confirm").code == 2
    ask = ("reopen", "2026-10", "--reason", "a refund", "--as", "dora")
    assert commission(*ask, "--dry-run").err.startswith("dry run: asked to open 2026-10 again")
    assert commission(*ask).err.startswith("asked to open 2026-10 again: a refund")
    assert commission(*ask).err.startswith("asked to open 2026-10 again already: a refund")
    assert "a second person" in commission("reopen", "2026-10", "--confirm", "--as", "Dora").err
    assert commission("reopen", "2026-10", "--confirm", "--as", "emil").code == 0
    (one,) = json.loads(commission("closings", "--json").out)
    assert (one["state"], one["reason"]) == ("reopened", "a refund")
    assert [one[each].split(" (")[0] for each in ("asked_by", "confirmed_by")] == ["dora", "emil"]
    assert commission("close", "2026-09").code == 2
    assert commission("close", "2026-10").code == 0
    assert {path.name: path.read_bytes() for path in pack.iterdir()} == before
    again = sheets(pack.with_name("2026-10-2") / "closing.xlsx")
    assert again["Reopened"][1][:2] == ["2026-10", "a refund"]
    assert again["By affiliate"] == found["By affiliate"]
    assert (commission("verify").err, commission("db", "check").code) == ("", 0)


def refuses_a_run(url: str) -> None:
    """The database itself, whoever asks."""
    values = {column.name: "{}" if isinstance(column.type, sa.Text) else 7 for column in run.c}
    late = sa.insert(run).values(values | {"day": 20_500})
    with (
        pytest.raises(DBAPIError, match="in a period that is closed"),
        writing(connect(url)) as connection,
    ):
        connection.execute(late)


def test_the_same_month_gives_the_same_bytes_on_both_databases(
    sqlite_url: str,
    postgresql_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = []
    zones = {sqlite_url: "Asia/Tokyo", postgresql_url: "America/Los_Angeles"}
    for place, url in enumerate((sqlite_url, postgresql_url)):
        folder = tmp_path / str(place)
        folder.mkdir()
        monkeypatch.setenv("TZ", zones[url])
        commission = program_in(folder, url, monkeypatch, capsys)
        month(commission, folder)
        assert commission("close", "2026-10", "--accept-refused", "--reason", "gone").code == 0
        made.append(json.loads((folder / "out/closings/2026-10/manifest.json").read_text()))
        refuses_a_run(url)
        assert commission("verify").err == ""
    assert made[0]["files"] == made[1]["files"]
    assert made[0]["content_sha256"] == made[1]["content_sha256"]


def test_everything_that_is_open_is_said(
    commission: Program, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commission("run", shop(tmp_path / "in", EARNINGS, PLAN), "--date", "2026-09-30")
    monkeypatch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=1.00")
    commission("run", "--date", "2026-10-30")
    commission("payouts", "approve")
    commission("payouts", "export")
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "two-person")
    commission("adjust", "ann", "5.00", "--currency", "USD", "--reason", "goodwill")
    assert opened(commission) == [("dates", 1), ("refused rows", 1), ("proposals", 1)]
    commission("run", "--date", "2026-10-31")
    assert opened(commission) == [("refused rows", 1), ("holds", 2), ("proposals", 1)]
    commission("release", "--all", "--reason", "looked at")
    commission("corrections", "reject", "1", "--reason", "no")
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "none")
    commission("rejects", "--mend", "mended.csv")
    mended = tmp_path / "mended.csv"
    mended.write_text(mended.read_text().replace('"2,5"', "2.50"))
    assert commission("import", "earnings", mended).code == 0
    assert opened(commission) == []
    assert commission("close", "2026-09").code == 0  # the payouts come with the next month
    commission("run", "--date", "2026-11-30")
    commission("payouts", "export")
    assert opened(commission, "2026-10") == []
    change(database_url, "UPDATE line SET commission_minor = 0 WHERE run_day > 20700")
    done = commission("close", "2026-10")
    assert done.code == 5
    assert (
        "open: the book has 24 differences, the first: run 2026-09-30: table line has" in done.err
    )
    assert done.err.splitlines()[-2] == "error: 2026-10 cannot be closed: 1 matter open"
    assert opened(commission, "2026-10") == [("verify", 24)]


REFUSED = (
    ("close 2026-13", "'2026-13' is not a month"),
    ("close 2026-08", "no business date in or before 2026-08 was run"),
    ("close 2026-12", "it is not the turn of 2026-12: months are closed in order"),
    ("close 2026-09 --accept-refused", "--accept-refused and --reason belong together"),
    ("reopen 2026-09 --reason x", "2026-10 is closed after 2026-09"),
    ("reopen 2026-11 --reason x", "2026-11 is not closed"),
    ("reopen 2026-10", "reopen needs --reason, or --confirm"),
    ("reopen 2026-10 --confirm", "nobody has asked to open 2026-10 again"),
)


def test_what_cannot_be_is_refused(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month(commission, tmp_path, EARNINGS.replace('"2,5"', "2.50"))
    there = tmp_path / "out" / "closings" / "2026-09"
    there.mkdir(parents=True)
    assert "is there already, and not from this closing" in commission("close", "2026-09").err
    there.rmdir()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "typst", None)
        done = commission("close", "2026-09")
        assert (done.code, "pip install 'commission-engine[pdf]'" in done.err) == (2, True)
    assert [*there.parent.iterdir()] == []
    assert json.loads(commission("closings", "--json").out) == []
    for each in ("2026-09", "2026-10"):
        assert commission("close", each).code == 0
    for words, said in REFUSED:
        done = commission(*words.split())
        assert (done.code, done.err.splitlines()[0]) == (2, f"error: {said}")


TAMPERS = (
    ("UPDATE closing SET head = 3", "the audit trail has another row 3"),
    (
        "UPDATE closing SET files = replace(files, 'closing.pdf\":\"', 'closing.pdf\":\"0')",
        "the book gives another closing.pdf than it was closed with",
    ),
    (
        "INSERT INTO reopen_request SELECT intake, intake, 'x' FROM closing",
        "table reopen_request: a row was not learned by intake",
    ),
    ("UPDATE refusal_waiver SET reason = 'y'", "audit: table refusal_waiver has other rows"),
)


def test_what_was_changed_behind_the_back_is_found(
    commission: Program, database_url: str, tmp_path: Path
) -> None:
    month(commission, tmp_path)
    assert commission("close", "2026-10", "--accept-refused", "--reason", "gone").code == 0
    (tmp_path / "out/closings/2026-10/closing.xlsx").write_bytes(b"x")
    assert commission("verify").err.splitlines() == [
        "differs: out/closings/2026-10/closing.xlsx: has other bytes than the month was closed with"
    ]
    with writing(connect(database_url)) as connection:
        connection.exec_driver_sql("DROP TRIGGER closing_refuses_update")
        connection.exec_driver_sql("DROP TRIGGER refusal_waiver_refuses_update")
        for statement, _ in TAMPERS[:3]:
            connection.exec_driver_sql(statement)
    done = commission("verify")
    assert done.code == 5
    for _, found in TAMPERS[:3]:
        assert found in done.err
    with writing(connect(database_url)) as connection:
        connection.exec_driver_sql(TAMPERS[3][0])
    done = commission("verify")
    assert TAMPERS[3][1] in done.err
    assert "closing 2026-10: the book gives other figures than it was closed with" in done.err


# -- figures


MONEY = {"USD": 2, "JPY": 0, "KWD": 3}
BOOKED = st.lists(
    st.tuples(
        st.integers(20_700, 20_790), st.sampled_from("abc"), st.sampled_from(sorted(MONEY)),
        st.sampled_from(list(RAISES_PAYABLE)), st.integers(1, 10**17),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(BOOKED)
def test_trial_balance_and_roll_forward_foot(rows: list[tuple[int, str, str, Kind, int]]) -> None:
    booked = pl.DataFrame(
        [(*row[:3], MONEY[row[2]], int(row[3]), row[0], *SIDES[row[3]], row[4]) for row in rows],
        schema={
            "run_day": pl.Int64, "affiliate_id": pl.String, "currency": pl.String,
            "decimals": pl.Int64, "kind": pl.Int64, "available_day": pl.Int64,
            "debit_account": pl.Int64, "credit_account": pl.Int64, "amount_minor": pl.Int64,
        },
        orient="row",
    )  # fmt: skip
    period = Period.of("2026-10")
    accounts, rolled = trial_balance(booked, period), roll_forward(booked, period)
    for code in MONEY:
        mine = accounts.filter(pl.col("currency") == code)
        assert (mine["closing_minor"].sum(), mine["opening_minor"].sum()) == (0, 0)
        assert mine["debit_minor"].sum() == mine["credit_minor"].sum()
        payable = mine.filter(pl.col("account") == "affiliate_payable")["closing_minor"].sum()
        own = rolled.filter(pl.col("currency") == code)
        assert own["closing_minor"].sum() == -payable
    footed = pl.sum_horizontal("opening_minor", "earned_minor", "reversed_minor", "adjusted_minor")
    assert rolled.filter(footed - pl.col("paid_minor") != pl.col("closing_minor")).height == 0
