"""The worked examples pay what is expected, on both databases."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commission_engine.cli import app

WORKED = Path(__file__).parent.parent / "examples" / "worked"
EXAMPLES = sorted(path.parent.name for path in WORKED.glob("*/plan.toml"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def commission(*words: object) -> str:
    """What the command says; it must succeed."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output or repr(done.exception)
    return done.output


def test_every_example_is_tried() -> None:
    folders = sorted(path.name for path in WORKED.iterdir() if path.is_dir())
    assert folders == EXAMPLES
    told = (WORKED / "README.md").read_text("utf-8")
    assert all(f"\n| {name} |" in told for name in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_pays_what_is_expected(example: str, database_url: str, tmp_path: Path) -> None:
    folder, book = WORKED / example, ("--database", database_url)
    commission("run", folder, "--date", "2026-06-30", "--out", tmp_path, *book)
    expected = rows(folder / "expected.csv")
    lines = rows(tmp_path / "2026-06-30" / "lines.csv")
    assert [{name: line[name] for name in expected[0]} for line in lines] == expected
    assert rows(tmp_path / "2026-06-30" / "rejects.csv") == []
    assert commission("verify", "--out", tmp_path, *book).endswith("looked at: all agree\n")


def test_an_example_pays_the_same_over_several_nights(database_url: str, tmp_path: Path) -> None:
    """Law 1 on the worked example: a night in between changes no line's amount."""
    folder, book = WORKED / "refunds-and-caps", ("--database", database_url)
    lines = []
    for date in ("2026-01-05", "2026-01-31", "2026-02-02", "2026-02-03"):
        commission("run", folder, "--date", date, "--out", tmp_path, *book)
        lines += rows(tmp_path / date / "lines.csv")
    expected = rows(folder / "expected.csv")
    assert [{name: line[name] for name in expected[0]} for line in lines] == expected
    statements = [rows(tmp_path / date / "statements.csv") for date in ("2026-01-31", "2026-02-03")]
    assert [(each["paid"], each["closing"]) for (each,) in statements] == [
        ("90.00", "10.00"),
        ("0.00", "-30.00"),  # what the refund took back after the money was gone is worked off
    ]
