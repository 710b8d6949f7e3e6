"""Rows of 50 MB, millions of affiliates: what the importers need for them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.series
ROOT = Path(__file__).parents[1]
MEGABYTES = {"line": 350, "open": 350, "blank": 650, "ring": 700, "chain": 1200, "star": 1200}
"""The most memory of the process by the end of each, which come one after the other."""


def test_trees_and_masses_stay_within_their_memory() -> None:
    sizes = {"line": 50_000_000, "open": 50_000_000, "blank": 20_000_000, "ring": 100_000,
             "chain": 1_000_000, "star": 1_000_000}  # fmt: skip
    words = [w for name, size in sizes.items() for w in ("--structure", name, "--size", str(size))]
    done = subprocess.run(
        [sys.executable, ROOT / "tests/hostile.py", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: int(peak) for name, peak in re.findall(r"(\w+) \d+: .* (\d+) MB", done.stdout)}
    assert found.keys() == MEGABYTES.keys()
    assert {name: peak for name, peak in found.items() if peak > MEGABYTES[name]} == {}
