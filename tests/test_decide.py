"""`commission decide` and the embedded call: from facts to a folder of lines, or to none."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from program import Program, program_in, tree
from test_acceptance import EXAMPLES, WORKED, rows
from test_buckets import files_of_at_most
from test_docs import agrees, blocks, commands, reader_folder, run
from test_facts import EARNINGS, LINES, PLAN, TREE, as_text, told, written

from commission_engine import decide
from commission_engine.calendar import Window
from commission_engine.decide import columns, facts, parts, reference
from commission_engine.decide.buckets import Bucket, spread_over
from commission_engine.decide.kernel import Lines
from commission_engine.decide.parts import decide_folder
from commission_engine.money import parse_amount, plain
from commission_engine.plan.read import parse_plan, read_plan
from commission_engine.problems import CommissionError

__all__ = ["reader_folder"]  # a fixture
ROOT = WORKED.parent.parent


# -- the worked examples, embedded


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_embedded_pays_what_is_expected(example: str) -> None:
    plan = read_plan(WORKED / example / "plan.toml").plan
    earnings = pl.DataFrame(
        {
            "event_id": row["event_id"],
            "affiliate_id": row["affiliate_id"],
            "occurred_at": instant(row["occurred_at"]),
            "amount_minor": parse_amount(row["amount"], plan.decimals[row["currency"]]),
            "currency": row["currency"],
            "reverses": row.get("reverses") or None,
        }
        for row in rows(WORKED / example / "earnings.csv")
    )
    referrals = pl.DataFrame(rows(WORKED / example / "referrals.csv"))
    lines = decide(earnings, referrals.select("affiliate_id", "referrer_id"), plan)
    currency = dict(earnings.select("event_id", "currency").rows())
    found = []
    for line in lines.rows(named=True):
        decimals = plan.decimals[currency[line["event_id"]]]
        for name in ("gross", "commission"):
            line[name] = plain(line[f"{name}_minor"], decimals)
        found.append({name: str(value) for name, value in line.items()})
    expected = rows(WORKED / example / "expected.csv")
    in_words = [tuple(line[name] for name in expected[0]) for line in found]
    assert sorted(in_words) == sorted(tuple(line.values()) for line in expected)


def instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def test_the_example_of_a_pipeline_runs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "embedded.py"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"\w+", done.stdout.splitlines()[-2]) == ["ann", "6000", "6000", "3"]


def test_the_libraries_of_frames_are_not_loaded_before_they_are_needed() -> None:
    """By a program of somebody else's that imports the call and does not make it."""
    words = "import sys; from commission_engine import decide; print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "'commission_engine.decide'" in done.stdout
    assert "'polars'" not in done.stdout


@pytest.mark.usefixtures("reader_folder")
def test_the_page_about_embedding_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    tried = 0
    for block in blocks("docs/embedding.md"):
        if block.file:
            Path(block.file).write_text(block.text, "utf-8")
        for command in commands(block.text) if block.kind == "console" else ():
            said = run(command.line)
            assert agrees(said, command.says), f"$ {command.line}\n{said}"
            tried += 1
    assert tried == 3


def test_the_page_about_embedding_explains_every_column() -> None:
    page = (ROOT / "docs" / "embedding.md").read_text("utf-8")
    wanted = [*columns.EARNINGS, *columns.REFERRALS, *columns.CLOSED, *parts.LINES]
    assert [name for name in wanted if f"`{name}`" not in page] == []


# -- a folder of lines


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = written(tmp_path / "facts")
    (folder / "plan.toml").write_text(TOML, "utf-8")
    return folder


TOML = """\
name = "acme"
[[terms]]
from = 2026-01-01
hold_days = 2
[[terms.level]]
level = 1
rate = "10%"
[[terms.level.cap]]
window = "month"
amount = { USD = "0.15" }
[[terms.level]]
level = 2
rate = "5%"
"""


def lines_in(folder: Path) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(each) for each in sorted(folder.glob("part-*.parquet")))


def test_a_folder_holds_the_lines_and_their_totals(given: Path, tmp_path: Path) -> None:
    totals = decide_folder(given, PLAN, tmp_path / "new" / "lines")
    files = tree(tmp_path / "new" / "lines")
    assert list(files) == ["part-00000-000.parquet", "totals.json"]
    assert files["totals.json"].decode() == json.dumps(totals, indent=2, sort_keys=True) + "\n"
    part = files["part-00000-000.parquet"]
    assert totals == {
        "lines": 7,
        "totals": {"USD": {"gross_minor": 27, "commission_minor": 27}},
        "files": {
            "part-00000-000.parquet": {
                "rows": 7, "bytes": len(part), "sha256": sha256(part).hexdigest(),
            }
        },
    }  # fmt: skip
    assert lines_in(tmp_path / "new" / "lines").equals(decide(EARNINGS, TREE, PLAN))


def many(events: int, texts: bool = False, people: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A third of the events are reversals of the one before; two currencies, a hub."""
    number = pl.int_range(events, eager=True)
    late = number % 3 == 2
    order = pl.when(late).then(number - 1).otherwise(number)
    earnings = (
        pl.DataFrame({"event_id": number})
        .with_columns(order=order)
        .with_columns(
            affiliate_id=1 + pl.col("order") * 7 % (people - 1),
            occurred_at=pl.lit(1_767_000_000_000_000)
            .add(pl.col("event_id") * 400_000_000)
            .cast(pl.Datetime("us", "UTC")),
            amount_minor=pl.when(late).then(-(7 + pl.col("order") % 90)).otherwise(
                100 + pl.col("order") % 1000
            ),
            currency=pl.when(pl.col("order") % 5 == 0).then(pl.lit("EUR")).otherwise(pl.lit("USD")),
            reverses=pl.when(late).then(pl.col("order")),
        )
        .drop("order")
    )  # fmt: skip
    who = pl.int_range(1, people, eager=True)
    referrals = pl.DataFrame({"affiliate_id": who, "referrer_id": who // 3})
    if texts:
        ids = pl.col("event_id", "reverses").cast(pl.String).str.zfill(9)
        return as_text(earnings).with_columns(ids), as_text(referrals)
    return earnings, referrals


EVERY_CAP = parse_plan(
    """\
name = "acme"
timezone = "America/St_Johns"
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 0
rate = "3%"
[[terms.level]]
level = 1
rate = "20%"
[[terms.level.cap]]
window = "order"
amount = { USD = "1.50" }
[[terms.level.cap]]
window = "week"
amount = { USD = "9.00", EUR = "5.00" }
[[terms.cap]]
window = "order"
amount = { USD = "1.60" }
[[terms.cap]]
window = "lifetime"
amount = { EUR = "30.00" }
[[terms]]
from = 2026-01-15
[[terms.level]]
level = 2
rate = "10%"
[[terms.cap]]
window = "day"
amount = { USD = "0.70" }
""",
    "plan.toml",
).plan


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "ROWS_AT_ONCE", 1000)
    monkeypatch.setattr(parts, "spread_over", partial(spread_over, a_bucket=700))


def facts_of(folder: Path, texts: bool = False) -> Path:
    folder.mkdir()
    for name, frame in zip(("earnings", "referrals"), many(5000, texts), strict=True):
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.usefixtures("small")
def test_neither_workers_nor_the_disk_change_a_byte(
    texts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = facts_of(tmp_path / "facts", texts)
    totals = decide_folder(given, EVERY_CAP, tmp_path / "lines")
    expected = tree(tmp_path / "lines")
    assert len(expected) > 8
    by_night = world_of(*many(5000, texts))
    assert told(lines_in(tmp_path / "lines")) == by_night
    assert totals["totals"] == summed(lines_in(tmp_path / "lines"), many(5000, texts)[0])
    assert set(Window) >= {line[5] for line in by_night if line[5]} >= {"order", "week", "day"}
    for events_in_memory in (5000, 4999):
        monkeypatch.setattr(parts, "EVENTS_IN_MEMORY", events_in_memory)
        for workers in (1, 2, 4):
            out = tmp_path / f"{events_in_memory}-{workers}"
            assert decide_folder(given, EVERY_CAP, out, workers=workers) == totals
            assert tree(out) == expected
            assert not (out / "waiting").exists()


def summed(lines: pl.DataFrame, earnings: pl.DataFrame) -> dict[str, dict[str, int]]:
    amounts = pl.col("gross_minor", "commission_minor").sum()
    by_code = lines.join(earnings.select("event_id", "currency"), on="event_id")
    rows = by_code.group_by("currency").agg(amounts).sort("currency").rows()
    return {code: {"gross_minor": a, "commission_minor": b} for code, a, b in rows}


@pytest.mark.parametrize(("rows", "groups"), [(2**18, [2**18]), (2**18 + 1, [2**18, 1])])
def test_a_file_of_lines_is_cut_where_it_always_was(
    rows: int, groups: list[int], tmp_path: Path
) -> None:
    """The same lines are the same bytes in every version."""
    frame = pl.DataFrame({"level": pl.repeat(1, rows, dtype=pl.Int8, eager=True)})
    nothing = np.zeros(0, np.int64)
    empty = Bucket(Lines(*(nothing,) * len(Lines.__slots__)), nothing, nothing, ())
    parts.write(frame, empty, (), tmp_path / parts.part_name(3))
    found = pq.ParquetFile(tmp_path / "part-00003-000.parquet").metadata
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == groups


def world_of(earnings: pl.DataFrame, referrals: pl.DataFrame) -> list[tuple[object, ...]]:
    """What the reference says."""
    events = tuple(
        reference.Event(
            str(event), str(who), at, amount, code, None if order is None else str(order)
        )
        for event, who, at, amount, code, order in earnings.with_columns(
            pl.col("occurred_at").to_physical()
        ).iter_rows()
    )
    edges = tuple(reference.Edge(str(a), str(b), -(2**62)) for a, b in referrals.iter_rows())
    # No two events are at one instant, so no order is changed by ids as texts.
    (lines,) = reference.decide(EVERY_CAP, [reference.Night(10**6, events, edges)])
    kind: Any = int if earnings["event_id"].dtype.is_integer() else str
    return [
        (kind(n.event_id), n.level, kind(n.beneficiary_id), n.gross, n.commission, n.reason)
        for n in sorted(lines, key=lambda line: kind(line.beneficiary_id))
    ]


@pytest.mark.usefixtures("small")
def test_a_folder_that_is_there_stays_as_it_is(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "lines"
    out.mkdir()
    with pytest.raises(CommissionError) as refused:
        decide_folder(given, PLAN, out)
    assert refused.value.message == f"{out} is there already"
    assert refused.value.hint == "Name a folder that is not there."
    assert list(out.iterdir()) == []


def test_what_a_run_that_was_killed_left_is_cleared(given: Path, tmp_path: Path) -> None:
    left = tmp_path / ".lines.draft"
    left.mkdir()
    (left / "part-00000-000.parquet").write_text("half")
    decide_folder(given, PLAN, tmp_path / "lines")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["facts", "lines"]
    assert lines_in(tmp_path / "lines").height == 7


def test_a_bucket_without_lines_has_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 and 3 have none, and 1 has lines of level 2 alone, of terms to come."""
    monkeypatch.setattr(parts, "spread_over", partial(spread_over, a_bucket=1))
    later = """
        [[terms]]
        from = 2027-01-01
        [[terms.level]]
        level = 2
        rate = "5%"
    """
    plan = parse_plan(TOML.partition("[[terms.level]]\nlevel = 2")[0] + later, "plan.toml").plan
    earnings = EARNINGS.filter(pl.col("affiliate_id") == 3)
    decide_folder(written(tmp_path / "facts", earnings), plan, tmp_path / "lines")
    files = tree(tmp_path / "lines")
    assert list(files) == ["part-00002-000.parquet", "totals.json"]
    assert list(json.loads(files["totals.json"])["files"]) == ["part-00002-000.parquet"]
    assert lines_in(tmp_path / "lines")["beneficiary_id"].unique().to_list() == [2]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("place", ["first part", "later part", "first piece", "later piece"])
@pytest.mark.usefixtures("small")
def test_a_full_disk_leaves_nothing_and_the_next_run_is_clean(
    place: str, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits on the disk for a bucket, and a file of lines: at once, and half way."""
    given = facts_of(tmp_path / "facts")
    expected = decide_folder(given, EVERY_CAP, tmp_path / "expected")
    sizes = [each["bytes"] for each in expected["files"].values()]
    largest = max(sizes)
    assert sizes[0] < largest
    fits = {"later part": largest - 1, "later piece": 5000}.get(place, 100)
    if place.endswith("piece"):
        monkeypatch.setattr(parts, "EVENTS_IN_MEMORY", 10)
    with files_of_at_most(fits), pytest.raises(CommissionError) as refused:
        decide_folder(given, EVERY_CAP, tmp_path / "lines", workers=workers)
    draft = f"{tmp_path}/.lines.draft/"
    if place.endswith("piece"):
        assert refused.value.message == f"{draft}waiting: File too large"
    else:
        number = sizes.index(largest) if place == "later part" else 0
        assert refused.value.message == (
            f"{draft}part-{number:05}-000.parquet: cannot be written: File too large"
        )
    assert refused.value.hint.startswith("Nothing was kept. Make room or name ")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["expected", "facts"]
    assert decide_folder(given, EVERY_CAP, tmp_path / "lines", workers=workers) == expected
    assert tree(tmp_path / "lines") == tree(tmp_path / "expected")


def test_a_place_that_cannot_be_written_is_named(given: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommissionError) as refused:
        decide_folder(given, PLAN, tmp_path / "file" / "lines")
    assert refused.value.message.startswith(f"{tmp_path}/file/lines: cannot be written: ")


# -- the command


@pytest.fixture
def commission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    """The program, whose book must not be looked for."""
    return program_in(tmp_path, "sqlite:////nowhere/book.db", monkeypatch, capsys)


@pytest.mark.usefixtures("given")
def test_the_command_says_how_much(commission: Program, tmp_path: Path) -> None:
    done = commission("decide", "facts", "--out", "lines")
    assert (done.code, done.err) == (0, "lines: lines\n")
    assert done.out.splitlines() == [
        "acme: 7 lines in 1 file",
        "  $0.27 commission of $0.27 before caps",
    ]
    assert told(lines_in(tmp_path / "lines")) == LINES


@pytest.mark.usefixtures("given")
def test_the_command_says_the_totals_as_json(commission: Program, tmp_path: Path) -> None:
    done = commission("decide", "facts", "--out", "lines", "--workers", "2", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == json.loads((tmp_path / "lines" / "totals.json").read_text())


@pytest.mark.usefixtures("given")
def test_another_plan_may_be_named_and_its_warnings_are_said(
    commission: Program, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text(TOML.replace('"10%"', '"96%"'), "utf-8")
    done = commission("decide", "facts", "--out", "lines", "--plan", "other.toml")
    assert done.code == 0
    first, last = done.err.splitlines()
    assert first.startswith("warning: other.toml:")
    assert first.endswith("the rates of all levels together are more than 100%")
    assert last == "lines: lines"


@pytest.mark.usefixtures("given")
def test_what_is_refused_has_its_exit_code(commission: Program, tmp_path: Path) -> None:
    def says(code: int, message: str, *words: str) -> None:
        done = commission("decide", *words)
        assert (done.code, done.out) == (code, "")
        assert done.err.splitlines()[0] == f"error: {message}"
        assert not list(tmp_path.glob(".*"))

    says(2, "nowhere: there is no such file or folder", "nowhere", "--out", "lines")
    says(1, "facts is there already", "facts", "--out", "facts")
    bad = tmp_path / "bad"
    written(bad)
    says(1, "bad/plan.toml: cannot be read: No such file or directory", "bad", "--out", "lines")
    (bad / "plan.toml").write_text(TOML, "utf-8")
    EARNINGS.with_columns(pl.col("amount_minor") * 1.0).write_parquet(bad / "earnings.parquet")
    says(2, "earnings: the column 'amount_minor' is of type Float64", "bad", "--out", "lines")
    EARNINGS.with_columns(currency=pl.lit("GLD")).write_parquet(bad / "earnings.parquet")
    says(
        2, "earnings: 'GLD' is neither an ISO 4217 currency nor a unit of the plan",
        "bad", "--out", "lines",
    )  # fmt: skip
    (bad / "earnings.parquet").write_bytes(b"PAR1")
    says(1, "bad/earnings.parquet: this is not a whole Parquet file", "bad", "--out", "lines")
    (bad / "earnings.parquet").unlink()
    says(1, "bad/earnings.parquet: there is no such file", "bad", "--out", "lines")
    assert not (tmp_path / "lines").exists()
