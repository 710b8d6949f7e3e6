"""Two whole nights as golden files: the same bytes on every machine, however the input is cut.

Run as a program (`make golden`) it writes the golden files anew.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

GOLDEN = Path(__file__).parent / "golden"
NIGHTS = {"2026-01-31": 3, "2026-02-28": 3}
"""Business date -> exit code: both nights are done, and have refused rows."""


def run_nights(given: Path, work: Path, environment: Mapping[str, str], book: str) -> Path:
    """Run both nights in a folder of their own; returns where their files are."""
    work.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).parent / "commission"
    for date, code in NIGHTS.items():
        done = subprocess.run(
            [program, "run", given / date, "--date", date, "--out", "out", "--database", book],
            cwd=work,
            env={"COMMISSION_DOCUMENTS": "all", "PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
    return work / "out"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


EXPECTED = contents(GOLDEN / "expected")


def same(found: Mapping[str, bytes]) -> None:
    """Fails with the first file that differs, as text."""
    assert list(found) == list(EXPECTED)
    for name, content in EXPECTED.items():
        assert found[name].decode() == content.decode(), name
    assert found == EXPECTED


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1",
         "POLARS_MAX_THREADS": "1"},
        {"TZ": "America/St_Johns", "LANG": "C", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0",
         "COLUMNS": "20"},
    ],
    ids=["far east, Turkish, one thread", "far west, C"],
)  # fmt: skip
def test_the_nights_write_the_same_bytes_everywhere(
    environment: dict[str, str], tmp_path: Path
) -> None:
    work = tmp_path / "another folder" / "é"
    found = run_nights(GOLDEN / "in", work, environment, "sqlite:///book.db")
    same(contents(found))


def test_the_nights_write_the_same_bytes_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    same(contents(run_nights(GOLDEN / "in", tmp_path, {}, postgresql_url)))


Rows: TypeAlias = list[list[str]]


def cut(rows: Rows, random: Random) -> list[Rows]:
    """Three files of shuffled rows, and one that has none."""
    mixed = random.sample(rows, len(rows))
    return [mixed[0::3], [], mixed[1::3], mixed[2::3]]


def test_the_order_of_rows_and_files_does_not_matter(tmp_path: Path) -> None:
    """Only the refused rows' places differ: their lines and files."""
    random, given = Random(7), tmp_path / "in"
    for file in sorted((GOLDEN / "in").rglob("*.*")):
        place = given / file.parent.name
        place.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".toml":
            shutil.copy(file, place)
            continue
        with file.open(encoding="utf-8", newline="") as source:
            header, *rows = csv.reader(source)
        for number, part in enumerate(cut(rows, random)):
            with (place / f"{file.stem}-{number}.csv").open(
                "w", encoding="utf-8", newline=""
            ) as to:
                csv.writer(to, lineterminator="\n").writerows([header, *part])
    found = contents(run_nights(given, tmp_path / "work", {}, "sqlite:///book.db"))
    assert {name: of_rows(name, content) for name, content in found.items()} == {
        name: of_rows(name, content) for name, content in EXPECTED.items()
    }


def of_rows(name: str, content: bytes) -> object:
    """A file without what depends on where the refused rows stood."""
    if name.endswith("rejects.csv"):
        return sorted(row[3:] for row in csv.reader(content.decode().splitlines()))
    if name.endswith("manifest.json"):
        manifest = json.loads(content)
        del manifest["files"]["rejects.csv"]
        return manifest
    return content


def write_golden_files() -> None:
    with tempfile.TemporaryDirectory() as name:
        found = run_nights(GOLDEN / "in", Path(name), {}, "sqlite:///book.db")
        shutil.rmtree(GOLDEN / "expected", ignore_errors=True)
        shutil.copytree(found, GOLDEN / "expected")
    sys.stdout.write(f"{len(contents(GOLDEN / 'expected'))} files in {GOLDEN / 'expected'}\n")


if __name__ == "__main__":
    write_golden_files()
