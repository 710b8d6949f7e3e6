"""Rows and files changed by chance come to what the letter says, and hurt no good row.

`fuzz.py` makes them; a failure prints the command that runs its case alone.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import letter
import pytest
import series
from fuzz import AT_ONCE, FILE_EVERY, KINDS, Fuzz, file_of, is_file, kind_of, row_of
from hostile import desk

ROOT = Path(__file__).parents[1]
MEGABYTES = 450


def fuzzed(*words: object) -> dict[str, int]:
    """Run the fuzzer; what it counted."""
    done = subprocess.run(
        [sys.executable, "tests/fuzz.py", *map(str, words)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "POLARS_MAX_THREADS": "1",
            "RUST_BACKTRACE": "0",
        },
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    last = done.stdout.splitlines()[-1]
    counted = re.findall(r"(\d[\d,]*) (\w[\w ]*)", last)
    return {what: int(number.replace(",", "")) for number, what in counted}


@pytest.mark.parametrize("seed", series.of([1], [1, 2, 3, 4]))
def test_25_000_changed_rows_and_files_come_to_what_the_letter_says(seed: int) -> None:
    found = fuzzed("--seed", seed, "--cases", 25_000)
    assert found["cases"] == 25_000
    assert found["MB"] < MEGABYTES
    assert found["accepted"] > 5000
    assert found.keys() >= {*letter.CODES, "duplicate", "files refused"}


def test_a_changed_table_is_refused_or_counted() -> None:
    found = fuzzed("--table", "--seed", 1, "--cases", 300)
    assert found["files refused"] > 100
    assert found["accepted"] > 100


def test_a_case_is_always_the_same_and_runs_alone() -> None:
    numbers = [0, AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE - 1]
    assert [kind_of(number) for number in numbers[:3]] == list(KINDS)
    assert is_file(numbers[3])
    assert numbers[3] % FILE_EVERY == FILE_EVERY - 1
    assert [row_of(1, n) for n in numbers] == [row_of(1, n) for n in numbers]
    assert row_of(1, 5) != row_of(2, 5)
    assert file_of(1, numbers[3]) != file_of(2, numbers[3])
    with desk() as own:
        fuzz = Fuzz(own, 1)
        assert all(fuzz.one(number) for number in numbers)


def test_a_difference_is_said_with_the_command_for_its_case(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letter is made wrong on purpose: it refuses one row too many."""
    right = letter._form_of_earning

    def wrong(row: letter.Row, decimals: dict[str, int]) -> str:
        return "bad_id" if row.fields["event_id"] == "c17" else right(row, decimals)

    monkeypatch.setattr(letter, "_form_of_earning", wrong)
    with desk() as own:
        assert not Fuzz(own, 1).run(10, 30)
    said = capsys.readouterr().out
    assert "case 17: b'" in said
    assert "  python tests/fuzz.py --seed 1 --only 17\n" in said
    assert said.count("python tests/fuzz.py") == 1
