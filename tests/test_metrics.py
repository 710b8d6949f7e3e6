"""Metrics: Prometheus' text format, read strictly, and the figures that the listings give."""

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from program import EARNINGS, HEADER, PLAN, Program, program_in, shop

from commission_engine import __version__, metrics
from commission_engine.book.connect import connect, reading
from commission_engine.book.state import state
from commission_engine.calendar import day_of

HELP = re.compile(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)")
TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Samples = Mapping[str, Mapping[tuple[tuple[str, str], ...], Decimal]]


def parsed(text: str) -> Samples:
    """The samples of a text in the format, by metric and labels; each metric has one HELP, then one
    TYPE, then its samples, none of them twice; a counter's name ends in _total."""
    assert text.endswith("\n")
    found: dict[str, dict[tuple[tuple[str, str], ...], Decimal]] = {}
    lines = text[:-1].split("\n")
    for place, line in enumerate(lines):
        if help_ := HELP.fullmatch(line):
            name = help_[1]
            assert name not in found
            found[name] = {}
            following = TYPE.fullmatch(lines[place + 1])
            assert following
            assert following[1] == name
            assert (following[2] == "counter") == name.endswith("_total")
        elif not TYPE.fullmatch(line):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == name
            labels = labels_of(sample[2] or "")
            assert labels not in found[name]
            found[name][labels] = Decimal(sample[3])
    assert all(found.values())
    return found


def labels_of(text: str) -> tuple[tuple[str, str], ...]:
    matches = list(LABEL.finditer(text))
    assert "".join(each[0] for each in matches) == text
    return tuple(
        (each[1], re.sub(r"\\[\\\"n]", lambda escape: ESCAPES[escape[0]], each[2]))
        for each in matches
    )


def value(found: Samples, name: str, **labels: str) -> Decimal:
    return found[f"commission_{name}"][tuple(labels.items())]


def text_of(url: str, due: str = "") -> str:
    with reading(connect(url)) as connection:
        return metrics.metrics_text(connection, day_of(date.fromisoformat(due)) if due else None)


def test_an_empty_book_has_metrics(database_url: str) -> None:
    found = parsed(text_of(database_url, "2026-01-31"))
    assert value(found, "runs_total") == 0
    assert value(found, "waiting_events", state="new") == 0
    assert "commission_last_success_timestamp_seconds" not in found
    assert "commission_lag_days" not in found


def test_the_figures_are_those_of_the_listings(
    commission: Program, tmp_path: Path, database_url: str
) -> None:
    later = "f1,bob,2026-03-20T10:00:00Z,10.00,USD,\nx1,bob,2026-02-01,1.005,USD,\n"
    folder = shop(tmp_path / "in", EARNINGS + later)
    assert commission("run", folder, "--date", "2026-01-31").code == 3
    assert commission("run", "--date", "2026-02-28").code == 0
    news = "n1,bob,2026-03-01T10:00:00Z,10.00,USD,\nx2,bob,once,10.00,USD,\n"
    shop(tmp_path / "in", HEADER + news)
    commission("import", "earnings", tmp_path / "in" / "earnings.csv")
    found = parsed(text_of(database_url, "2026-03-02"))

    runs = json.loads(commission("runs", "--json").out)
    for name in ("events", "lines", "statements", "payouts"):
        assert value(found, f"{name}_total") == sum(run[name] for run in runs)
        assert value(found, f"run_{name}") == runs[-1][name]
    assert value(found, "runs_total") == 2
    assert value(found, "last_business_date_timestamp_seconds") == 1772236800  # 2026-02-28, 0:00
    assert value(found, "lag_days") == 2
    assert value(found, "failed_attempts") == 0
    assert value(found, "info", programme="acme", version=__version__) == 1

    balances = json.loads(commission("balances", "--json").out)
    for kind in ("held", "available"):
        owed = sum(Decimal(each[kind]) for each in balances)
        assert value(found, "owed_amount", currency="USD", state=kind) == owed
    manifest = json.loads((tmp_path / "out/2026-02-28/manifest.json").read_text("utf-8"))
    for name in metrics.TOTALS:
        said = Decimal(manifest["totals"]["USD"][name])
        assert value(found, "run_amount", currency="USD", total=name) == said

    assert value(found, "refused_rows_total") == 2
    assert value(found, "refused_rows", code="bad_timestamp") == 1
    assert value(found, "refused_rows", code="too_many_decimals") == 0  # too long ago
    assert value(found, "refused_rows", code="cycle") == 0
    assert value(found, "waiting_events", state="new") == 1
    assert value(found, "waiting_events", state="later") == 1
    assert value(found, "payouts", state="pending") == value(found, "payouts_total")

    shown = json.loads(commission("runs", "show", "2026-02-28", "--json").out)
    for stage in shown["attempts"][0]["stages"]:
        seconds = Decimal(stage["milliseconds"]) / 1000
        assert value(found, "run_stage_seconds", stage=stage["stage"]) == seconds
    assert value(found, "run_lock_wait_seconds") == value(
        found, "run_stage_seconds", stage="taking the lock"
    )


def test_no_amount_is_a_binary_fraction(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Amounts are whole minor units until they are text, whatever their size and decimals."""
    commission = program_in(tmp_path, sqlite_url, monkeypatch, capsys)
    plan = PLAN.replace("[payout]", "[units]\nBTC = 8\nPOINTS = 0\n\n[payout]")
    rows = (
        "b1,bob,2026-01-05T10:00:00Z,123456789.12345678,BTC,\n"
        "p1,bob,2026-01-05T10:00:00Z,99999999999999,POINTS,\n"
    )
    done = commission("run", shop(tmp_path / "in", HEADER + rows, plan), "--date", "2026-02-28")
    assert done.code == 0
    text = text_of(sqlite_url)
    assert 'run_amount{currency="BTC",total="commission"} 24691357.82469136\n' in text
    assert 'run_amount{currency="POINTS",total="commission"} 20000000000000\n' in text


def test_what_people_name_cannot_break_the_format(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commission = program_in(tmp_path, sqlite_url, monkeypatch, capsys)
    name = 'a"b\\n,c="d"} 1 # HELP'
    plan = PLAN.replace('name = "acme"', f"name = {json.dumps(name)}")
    (tmp_path / "plan.toml").write_text(plan, "utf-8")
    assert commission("plan", "apply", "plan.toml").code == 0
    found = parsed(text_of(sqlite_url))
    assert value(found, "info", programme=name, version=__version__) == 1


def test_every_metric_is_explained(sqlite_url: str) -> None:
    page = (Path(__file__).parent.parent / "docs" / "watching.md").read_text("utf-8")
    with reading(connect(sqlite_url)) as connection:
        names = [each.name for each in metrics.metrics(state(connection))]
    assert len(names) > 20
    assert [each for each in names if f"| `{each}` | " not in page] == []


# -- the file


def test_every_run_writes_the_file_anew(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("COMMISSION_METRICS_TEXTFILE", "commission.prom")
    file = tmp_path / "commission.prom"
    folder = shop(tmp_path / "in", EARNINGS + "x1,bob,2026-02-01,1.005,USD,\n")
    assert commission("run", folder, "--date", "2026-02-28", "--strict").code == 3
    failed = parsed(file.read_text("utf-8"))
    assert value(failed, "failed_attempts") == 1
    assert value(failed, "runs_total") == 0
    assert commission("run", folder, "--date", "2026-02-28").code == 3
    found = parsed(file.read_text("utf-8"))
    assert value(found, "failed_attempts") == 0
    assert value(found, "runs_total") == 1
    found = {name: each for name, each in found.items() if name != "commission_lag_days"}
    assert found == parsed(text_of(database_url))
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["commission.prom"]


def test_a_file_that_cannot_be_written_stops_no_run(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commission = program_in(tmp_path, sqlite_url, monkeypatch, capsys)
    monkeypatch.setenv("COMMISSION_METRICS_TEXTFILE", "nowhere/commission.prom")
    done = commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    assert done.code == 0
    warning = "warning: metrics: nowhere/commission.prom: No such file or directory\n"
    assert warning in done.err
