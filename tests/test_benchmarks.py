"""Whoever is measured beside the engine makes the same lines: the limit, and every peer."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.series
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
AFFILIATES, EVENTS, SEED = 200, 2_000, 7
PEERS = (
    "peers/polars_lazy.py",
    "peers/duckdb_sql.py",
    "peers/pandas_frames.py",
    "peers/sqlite_sql.py",
    "peers/postgresql_sql.py",
    "peers/postgresql_cte.py",
    "row_by_row.py",
)
SUMS = ("lines", "gross", "commission", "order", "month", "weighted")


def program(name: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def generated(folder: Path, *options: str, seed: int = SEED) -> Path:
    program("generate.py", AFFILIATES, EVENTS, seed, "--out", folder, *options)
    return folder


def sums_of(report: str) -> dict[str, int]:
    read = json.loads(report)
    return {name: read[name] for name in SUMS}


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated(tmp_path_factory.mktemp("facts"), "--facts")


@pytest.fixture(scope="module")
def limit(facts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], Path]:
    """The sums of the limit's lines, and the lines."""
    lines = tmp_path_factory.mktemp("limit") / "lines.parquet"
    return sums_of(program("limit.py", facts, "--out", lines)), lines


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_makes_the_lines_of_the_limit(
    peer: str, facts: Path, limit: tuple[dict[str, int], Path]
) -> None:
    assert sums_of(program(peer, facts)) == limit[0]


def test_the_limit_makes_the_lines_of_a_night(
    facts: Path, limit: tuple[dict[str, int], Path], tmp_path: Path
) -> None:
    as_csv(facts, tmp_path / "in")
    run = ("run", tmp_path / "in", "--date", "2025-12-31", "--out", tmp_path / "out")
    book = ("--database", f"sqlite:///{tmp_path / 'book.db'}")
    command = [sys.executable, "-m", "commission_engine", *map(str, (*run, *book))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    engine = pl.read_csv(tmp_path / "out" / "2025-12-31" / "lines.csv", infer_schema=False)
    number = pl.col("event_id", "beneficiary_id").str.to_integer()
    minor = pl.col("gross", "commission").str.replace(".", "", literal=True).str.to_integer()
    key = ["event_id", "level"]
    columns = [*key, "beneficiary_id", "gross", "commission", "reason", "available_on"]
    ours = engine.with_columns(
        number, minor, pl.col("level").str.to_integer(), pl.col("reason").fill_null("")
    ).select(columns)
    theirs = (
        pl.read_parquet(limit[1])
        .rename({"gross_minor": "gross", "commission_minor": "commission"})
        .with_columns(
            pl.col("level").cast(pl.Int64),
            pl.col("reason", "available_on").cast(pl.String),
        )
        .select(columns)
    )
    assert ours.height > 5_000
    assert ours.sort(key).equals(theirs.sort(key))


def as_csv(facts: Path, folder: Path) -> None:
    """The facts as a night's files; ids are padded, so that their order is that of the numbers."""
    folder.mkdir()
    (folder / "plan.toml").write_bytes((facts / "plan.toml").read_bytes())

    def text(column: str) -> pl.Expr:
        return pl.col(column).cast(pl.String).str.zfill(6)

    minor = pl.col("amount_minor").abs()
    sign = pl.when(pl.col("amount_minor") < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    cents = pl.lit(".") + (minor % 100).cast(pl.String).str.zfill(2)
    with_cents = (minor // 100).cast(pl.String) + cents
    is_yen = pl.col("currency") == "JPY"
    amount = sign + pl.when(is_yen).then(minor.cast(pl.String)).otherwise(with_cents)
    instant = pl.col("occurred_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    pl.read_parquet(facts / "earnings.parquet").select(
        text("event_id"), text("affiliate_id"), instant, amount.alias("amount"), "currency",
        text("reverses"),
    ).sample(fraction=1, shuffle=True, seed=1).write_csv(folder / "earnings.csv")  # fmt: skip
    pl.read_parquet(facts / "referrals.parquet").select(
        text("affiliate_id"), text("referrer_id")
    ).write_csv(folder / "referrals.csv")


@pytest.mark.parametrize("options", [(), ("--parquet",), ("--facts",)])
def test_the_same_numbers_give_the_same_files(options: tuple[str, ...], tmp_path: Path) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    once, again = (files(generated(tmp_path / name, *options)) for name in ("once", "again"))
    other = files(generated(tmp_path / "other", *options, seed=SEED + 1))
    assert once == again
    assert once.keys() == other.keys()
    assert [name for name in once if once[name] == other[name]] == ["plan.toml"]


def test_the_facts_are_what_they_say(facts: Path) -> None:
    earnings = pl.read_parquet(facts / "earnings.parquet")
    referrals = pl.read_parquet(facts / "referrals.parquet")
    is_reversal = pl.col("reverses").is_not_null()
    assert earnings["event_id"].to_list() == list(range(1, EVENTS + 1))
    assert earnings.sort("occurred_at", is_reversal, "event_id").equals(earnings)
    back = earnings.filter(is_reversal).join(
        earnings, left_on="reverses", right_on="event_id", suffix="_of_root"
    )
    assert back.height == EVENTS * 3 // 100
    assert back.filter(
        (pl.col("occurred_at") < pl.col("occurred_at_of_root"))
        | (pl.col("affiliate_id") != pl.col("affiliate_id_of_root"))
        | (pl.col("currency") != pl.col("currency_of_root"))
        | (pl.col("amount_minor") >= 0)
        | (-pl.col("amount_minor") > pl.col("amount_minor_of_root"))
        | pl.col("reverses_of_root").is_not_null()
    ).is_empty()
    everybody = pl.concat([earnings["affiliate_id"], referrals["referrer_id"]])
    assert everybody.is_between(1, AFFILIATES).all()
    assert referrals["affiliate_id"].is_unique().all()


def test_the_comparison_prints_a_table_and_the_sizes() -> None:
    only = ("--repeat", 1, "--only", "limit,sqlite_sql")
    told = program("compare.py", AFFILIATES, EVENTS, *only).splitlines()
    assert told[0].startswith("200 affiliates, 2,000 events, 5,077 lines")
    assert [row.split("|")[1].strip() for row in told if row.startswith("|")][2:] == [
        "the limit (numba, by hand)",
        "SQLite",
    ]
