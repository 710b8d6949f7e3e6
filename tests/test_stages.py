"""Stages: every part of a run with its time, in the book and shown, whatever became of the run."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from program import EARNINGS, Program, shop

from commission_engine.book import attempts, runs, schema
from commission_engine.book.attempts import Stage, attempt
from commission_engine.book.connect import connect, reading
from commission_engine.calendar import day_of
from commission_engine.cli.bars import Bars
from commission_engine.decide.kernel import ROWS_AT_ONCE
from commission_engine.ingest.rows import Kind, read_rows

DAY = day_of(date(2026, 2, 28))
STAGES = [
    "taking the lock", "importing", "reading events", "deciding", "posting", "ledger", "settling",
    "agreeing", "committing", "gathering", "writing files",
]  # fmt: skip


@pytest.fixture
def settled(commission: Program, tmp_path: Path) -> Program:
    assert commission("run", shop(tmp_path / "in"), "--date", "2026-02-28").code == 0
    return commission


def shown(commission: Program, date: str = "2026-02-28") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(commission("runs", "show", date, "--json").out)
    return found


def test_a_run_keeps_its_stages_with_times_and_rows(settled: Program) -> None:
    ((stages,),) = ([each["stages"]] for each in shown(settled)["attempts"])
    assert [each["stage"] for each in stages] == STAGES
    counted = {each["stage"]: (each["rows"], each["of"]) for each in stages if each["rows"]}
    assert counted == {
        "importing": (6, "rows"),
        "reading events": (4, "events"),
        "deciding": (4, "events"),
        "posting": (5, "lines"),
        "settling": (2, "statements"),
        "writing files": (5, "lines"),
    }
    whole = sum(each["milliseconds"] for each in stages)
    assert [each["percent"] for each in stages] == [
        each["milliseconds"] * 100 // whole for each in stages
    ]
    assert all(
        each["per_second"]
        == (each["rows"] * 1000 // each["milliseconds"] if each["milliseconds"] else None)
        for each in stages
        if each["rows"]
    )


def test_a_run_is_shown_with_what_it_came_to(
    settled: Program, tmp_path: Path, database_url: str
) -> None:
    manifest = json.loads((tmp_path / "out/2026-02-28/manifest.json").read_text("utf-8"))
    found = shown(settled)
    assert found["complete"]
    for name in ("programme", "counts", "totals", "settlement", "plan_sha256"):
        assert found[name] == manifest[name]
    with reading(connect(database_url)) as connection:
        hashes = runs.hashes(connection, DAY)
    assert hashes
    assert (found["manifest_sha256"], found["files"]) == (hashes[0], dict(hashes[1]))
    said = settled("runs", "show", "2026-02-28")
    assert said.out.startswith("acme, 2026-02-28: 4 events, 5 lines, ")
    for each in (*STAGES, hashes[0], "lines.csv: ", "attempt 1: completed, "):
        assert each in said.out


def test_a_run_that_failed_keeps_what_it_got_to(commission: Program, tmp_path: Path) -> None:
    folder = shop(tmp_path / "in", EARNINGS + "x1,bob,2026-02-01,1.005,USD,\n")
    assert commission("run", folder, "--date", "2026-02-28", "--strict").code == 3
    found = shown(commission)
    assert not found["complete"]
    (failed,) = found["attempts"]
    assert [each["stage"] for each in failed["stages"]] == STAGES[:2]
    assert failed["outcome"] == "failed"
    said = commission("runs", "show", "2026-02-28").out
    assert said.startswith("2026-02-28: not complete\nattempt 1: failed, ")
    assert "rows are refused" in said

    assert commission("run", folder, "--date", "2026-02-28").code == 3
    both = shown(commission)["attempts"]
    assert [(each["number"], each["outcome"]) for each in both] == [
        (1, "failed"), (2, "completed"),
    ]  # fmt: skip


def test_files_that_are_written_again_are_no_attempt(settled: Program, tmp_path: Path) -> None:
    before = shown(settled)
    (tmp_path / "out/2026-02-28/payouts.csv").unlink()
    assert settled("run", "--date", "2026-02-28").code == 0
    assert shown(settled) == before


def test_what_was_never_started_is_not_shown(settled: Program) -> None:
    done = settled("runs", "show", "2026-03-01")
    assert (done.code, done.err.splitlines()[0]) == (
        2, "error: no run of 2026-03-01 was ever started",
    )  # fmt: skip
    assert settled("runs", "show", "yesterday").code == 2
    assert settled("runs", "--json", "show", "2026-02-28").code == 2


def test_the_listing_is_what_it_was(settled: Program) -> None:
    (row,) = json.loads(settled("runs", "--json").out)
    assert (row["run_date"], row["events"], row["lines"]) == ("2026-02-28", 4, 5)
    assert settled("runs").out.splitlines()[0].startswith("run_date ")
    (attempt,) = json.loads(settled("runs", "--attempts", "--json").out)
    assert attempt["outcome"] == "completed"


def test_stages_belong_to_the_end_of_their_attempt(database_url: str) -> None:
    """They are kept with how it ended, or not at all; later ones follow."""
    engine = connect(database_url)
    told = [Stage("one", 3, 7), Stage("two", 0)]
    with (
        attempt(engine, DAY, "me", lambda: "now", lambda: told) as number,
        reading(engine) as connection,
    ):
        assert attempts.stages_of(connection, number) == []
    attempts.add_stages(engine, number, 2, [Stage("three", 1, 0)])
    with (
        pytest.raises(ValueError, match="stop"),
        attempt(engine, DAY, "me", lambda: "now", lambda: told[:1]),
    ):
        raise ValueError("stop")
    with reading(engine) as connection:
        assert attempts.stages_of(connection, number) == [*told, Stage("three", 1, 0)]
        assert attempts.stages_of(connection, number + 1) == told[:1]
        assert attempts.last_completed(connection) == number
        assert attempts.attempts_at(connection, DAY)["outcome"].to_list() == ["completed", "failed"]
    assert "stage" in schema.APPEND_ONLY


# -- how far it is


def test_reading_tells_rows_and_bytes(tmp_path: Path) -> None:
    header, row = (
        "event_id,affiliate_id,occurred_at,amount,currency\n",
        "e{},bob,2026-01-05,1,USD\n",
    )
    for name, count in (("a.csv", 3), ("b.csv", 2)):
        text = header + "".join(row.format(f"{name}{n}") for n in range(count))
        (tmp_path / name).write_text(text, "utf-8")
    heard: list[tuple[int, int, int]] = []
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    rows = read_rows(Kind.EARNINGS, paths, lambda *told: heard.append(told))
    assert rows.read == 5
    first, second = (path.stat().st_size for path in paths)
    assert heard[-1] == (5, first + second, first + second)
    assert (3, first, first + second) in heard
    assert heard == sorted(heard)


def test_deciding_and_lines_csv_tell_how_far_they_are(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, int, int]] = []
    monkeypatch.setattr(
        Bars, "advance", lambda _self, name, done, of, _said: heard.append((name, done, of))
    )
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    assert ("deciding", 4, 4) in heard
    assert ("lines.csv", 5, 5) in heard
    assert ROWS_AT_ONCE > 4
