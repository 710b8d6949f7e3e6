"""Logs of runs: one object a line with the run's id, and nothing about any person."""

import json
import logging
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import HEADER, PLAN, Done, Program, program_in, shop

from commission_engine import logs
from commission_engine.cli import watch as watches
from commission_engine.problems import (
    CommissionError,
    FileRefused,
    Locked,
    OutOfBalance,
    RowsRefused,
    TryAgain,
    UsageError,
)
from commission_engine.settings import read_settings

MARK = "canary"
AFFILIATES = (
    "affiliate_id,name,email\n"
    "canary-ann,Canary Ann,ann@canary.example\n"
    "canary-bob,Canary Bob,bob@canary.example\n"
)
REFERRALS = "affiliate_id,referrer_id\ncanary-bob,canary-ann\ncanary-ann,canary-bob\n"
EARNINGS = HEADER + (
    "canary-e1,canary-bob,2026-01-05T10:00:00Z,31415.92,USD,\n"
    "canary-e2,canary-bob,2026-01-06T10:00:00Z,31415.921,USD,\n"
    "canary-e3,canary-bob,yesterday,27182.81,USD,\n"
    "canary-e4,canary-bob,2026-01-06T10:00:00Z,canary,USD,\n"
    'canary-e5,"canary\n'
)
AMOUNTS = ("31415", "27182", "6283.18", "6,283")


@pytest.fixture
def commission(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    monkeypatch.setenv("COMMISSION_LOG_FORMAT", "json")
    return program_in(tmp_path, sqlite_url, monkeypatch, capsys)


@pytest.fixture
def canaries(tmp_path: Path) -> Path:
    """Input whose every id, name, address, amount and broken row would be known again."""
    folder = shop(tmp_path / "in", EARNINGS, PLAN)
    (folder / "affiliates.csv").write_text(AFFILIATES, "utf-8")
    (folder / "referrals.csv").write_text(REFERRALS, "utf-8")
    return folder


def lines(done: Done) -> list[dict[str, Any]]:
    """What stderr has: nothing but JSON objects."""
    return [json.loads(line) for line in done.err.splitlines()]


def silent_about_people(text: str) -> bool:
    return MARK not in text.lower() and not any(amount in text for amount in AMOUNTS)


def test_a_run_is_told_line_by_line(commission: Program, tmp_path: Path) -> None:
    done = commission("run", shop(tmp_path / "in"), "--date", "2026-02-28", "--json")
    assert json.loads(done.out)["counts"]["events"] == 4
    found = lines(done)
    assert [each["event"] for each in found if each["event"] != "stage"] == [
        "run started", "imported", "imported", "run completed",
    ]  # fmt: skip
    assert [each["stage"] for each in found if each["event"] == "stage"] == [
        "taking the lock", "importing", "reading events", "deciding", "posting", "ledger",
        "settling", "agreeing", "committing", "gathering", "writing files",
    ]  # fmt: skip
    assert {(each["run"], each["level"]) for each in found[2:]} == {("2026-02-28#1", "info")}
    stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert all(stamp.fullmatch(each["time"]) for each in found)
    earnings = next(each for each in found if each.get("kind") == "earnings")
    assert [earnings[name] for name in ("read", "accepted", "duplicate", "rejected")] == [
        4,
        4,
        0,
        0,
    ]
    assert found[-1]["counts"] == json.loads(done.out)["counts"]
    assert (found[-1]["programme"], found[-1]["holds"]) == ("acme", 0)


def test_nothing_about_a_person_is_logged(commission: Program, canaries: Path) -> None:
    """In good rows, refused ones, refused files, and runs that fail."""
    done = commission("run", canaries, "--date", "2026-02-28")
    assert done.code == 3
    assert silent_about_people(done.err)
    (refused,) = (each for each in lines(done) if each.get("kind") == "earnings")
    assert refused["refused"] == {
        "bad_amount": 1, "bad_timestamp": 1, "malformed_row": 1, "too_many_decimals": 1,
    }  # fmt: skip

    strict = commission("run", canaries, "--date", "2026-03-01", "--strict")
    assert (strict.code, silent_about_people(strict.err)) == (3, True)
    assert [
        (each["error"], each["exit_code"], "message" in each) for each in lines(strict)[-1:]
    ] == [("RowsRefused", 3, False)]

    (canaries / "earnings.csv").write_text("canary-e1,canary-bob,2026-01-05,1.00,USD\n", "utf-8")
    broken = commission("run", canaries, "--date", "2026-03-01")
    assert (broken.code, silent_about_people(broken.err)) == (1, True)
    assert lines(broken)[-1]["error"] == "FileRefused"


def test_a_fault_of_the_program_is_logged_with_its_place_and_no_value(
    commission: Program, canaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("canary-bob earned 31415.92")

    monkeypatch.setattr(watches.Watch, "counts", fails)
    done = commission("run", canaries, "--date", "2026-02-28")
    assert (done.code, silent_about_people(done.err)) == (1, True)
    last = lines(done)[-1]
    assert (last["event"], last["level"], last["error"]) == ("run failed", "error", "ValueError")
    assert last["at"][-1].endswith(" fails")
    monkeypatch.undo()
    # The sentence is in the book.
    monkeypatch.chdir(canaries.parent)


def test_a_file_gets_the_log_and_people_the_talk(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canaries: Path
) -> None:
    monkeypatch.setenv("COMMISSION_LOG_FILE", "logs/runs.log")
    monkeypatch.setenv("COMMISSION_LOG_FORMAT", "text")
    done = commission("run", canaries, "--date", "2026-02-28")
    assert (done.code, "canary-e4" in done.err or MARK in done.err) == (3, True)
    log = tmp_path / "logs" / "runs.log"
    said = log.read_text("utf-8")
    assert silent_about_people(said)
    assert re.search(r"Z info imported kind=earnings read=5 accepted=1 .*run=2026-02-28#1", said)
    log.rename(log.with_suffix(".1"))  # as logrotate does
    commission("run", "--date", "2026-02-28")
    assert " run completed " in log.read_text("utf-8").replace('"', "")


def test_a_log_that_cannot_be_written_stops_no_run(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").write_text("", "utf-8")
    monkeypatch.setenv("COMMISSION_LOG_FILE", "logs/runs.log")
    done = commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    assert done.code == 0
    assert "warning: log.file: logs/runs.log: File exists\n" in done.err


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (Locked("ann works on it"), "ann works on it"),
        (TryAgain("the server is away"), "the server is away"),
        (OutOfBalance("USD: 1 too much"), "USD: 1 too much"),
        (UsageError("in the future"), "in the future"),
        (FileRefused("line 1: canary"), ""),
        (RowsRefused("canary"), ""),
        (CommissionError("canary"), ""),
        (ValueError("canary"), ""),
    ],
)
def test_only_sentences_that_cannot_quote_a_file_are_logged(why: Exception, said: str) -> None:
    assert logs.harmless(why) == said


def test_words_are_told_apart() -> None:
    record = logging.LogRecord("commission", logging.WARNING, "", 0, "hook", None, None)
    record.fields = {"programme": 'a "b" c', "run": "2026-01-01#1", "told": True, "none": ""}
    line = logs.AsWords().format(record)
    assert line.partition(" ")[2] == (
        'warning hook programme="a \\"b\\" c" run=2026-01-01#1 told=true none=""'
    )


# -- people who wait


def a_watch(took: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> watches.Watch:
    """Every stage takes so many milliseconds."""
    monkeypatch.chdir(folder)
    ticks = iter(range(0, 10**15, took * 1_000_000))
    return watches.Watch(read_settings({}, {}), clock=lambda: next(ticks))


def test_a_long_stage_is_a_line_where_nobody_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr(watches, "say", said.append)
    for took in (4_999, 5_000):
        with a_watch(took, tmp_path, monkeypatch) as watch:
            watch("importing")
            watch.ends()
            watch.ends()  # it ends once
    assert said == ["importing: 5.000 s"]


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Callable[..., str]:
    """The program on a real terminal, in a process of its own; what the terminal got."""

    def run(*words: str) -> str:
        pid, screen = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.environ |= {"COMMISSION_DATABASE": sqlite_url, "TERM": "xterm", "COLUMNS": "120"}
            os.execv(sys.executable, [sys.executable, "-m", "commission_engine", *words])
        got = b""
        while True:
            try:
                block = os.read(screen, 1 << 16)
            except OSError:  # it has ended
                break
            if not block:
                break
            got += block
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(screen)
        return got.decode("utf-8", "replace")

    return run


def test_a_terminal_shows_bars_and_what_is_said_stays(
    terminal: Callable[..., str], tmp_path: Path
) -> None:
    shop(tmp_path / "in")
    screen = terminal("run", "in", "--date", "2026-02-28")
    assert "deciding" in screen
    assert "━" in screen
    assert "4 events, 5 lines" in screen


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("COMMISSION_LOG_FORMAT", "xml", "log.format: 'xml' is none of text, json"),
        ("COMMISSION_HOOKS_HELD", "ftp://x/y", "hooks.held: ftp:// is none of http, https"),
    ],
)
def test_an_impossible_setting_is_refused(
    variable: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        read_settings({}, {variable: value})
    assert refused.value.message == f"{variable}: {said}"


def test_files_are_named_by_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    for table, name in (("log", "file"), ("metrics", "textfile")):
        (tmp_path / "config" / "engine.toml").write_text(f"[{table}]\n{name} = 7\n", "utf-8")
        with pytest.raises(UsageError) as refused:
            read_settings({}, {})
        assert refused.value.message.endswith(f"{table}.{name}: 7 is not the name of a file")
