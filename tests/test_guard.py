"""The guard on instruction counts: what it lets pass, what it refuses, and that it really counts.

One real count under valgrind; where valgrind is missing these tests are left out, in CI they fail.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("valgrind"), pytest.mark.series]
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def guard() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("guard")


@pytest.fixture(scope="module")
def counted(guard: ModuleType) -> Any:
    """What the kernel and the importer need, really counted, once."""
    return guard.measure()


@pytest.fixture
def run(
    guard: ModuleType,
    counted: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """The guard's exit code and words, with figures `times` as high as the counted ones stored."""

    def run(times: float = 1.0, versions: dict[str, str] | None = None) -> tuple[int, str, str]:
        stored = tmp_path / "guard.json"
        figures = {
            name: {"work": int(figure.work * times), "yardstick": figure.yardstick}
            for name, figure in counted.figures.items()
        }
        with_ = {**counted.versions, **(versions or {})}
        stored.write_text(json.dumps({"reason": "", "versions": with_, "figures": figures}))
        monkeypatch.setattr(guard, "measure", lambda: counted)
        code = guard.main(["--stored", str(stored)])
        return code, *capsys.readouterr()

    return run


def test_the_work_itself_is_counted(counted: Any) -> None:
    """A few thousand instructions a row, or some ten thousand; imports alone need 10**9."""
    assert set(counted.figures) == {"importer", "kernel"}
    for figure in counted.figures.values():
        assert 10**6 < figure.work < 6 * 10**8
        assert 10**6 < figure.yardstick < 6 * 10**8


def test_the_stored_figures_are_of_the_same_work(guard: ModuleType, counted: Any) -> None:
    stored = guard.Measured.read(guard.STORED)
    assert stored.figures.keys() == counted.figures.keys()
    assert stored.versions.keys() == counted.versions.keys()
    assert stored.reason


@pytest.mark.parametrize("times", [1.0, 0.93, 1.05])
def test_within_the_limit_it_passes(run: Any, times: float) -> None:
    code, told, failures = run(times)
    assert (code, failures) == (0, "")
    assert "kernel: " in told
    assert " instructions, stored " in told


def test_a_stored_figure_11_percent_lower_is_a_failure(run: Any) -> None:
    """Says of what, by how much, and what to do."""
    code, _, failures = run(0.89)
    assert code == 1
    for line, name in zip(failures.splitlines(), ("importer", "kernel"), strict=True):
        assert line.startswith(f"bench-guard: {name}: ")
        assert "(+12.4%); the limit is +10%. Find out why" in line
        assert 'python benchmarks/guard.py --store "REASON"' in line


def test_much_less_than_stored_passes_and_is_to_be_stored(run: Any) -> None:
    code, told, _ = run(1.25)
    assert code == 0
    assert "kernel needs less than it did: store that" in told


def test_with_other_versions_ratios_are_compared_and_it_says_so(run: Any) -> None:
    code, told, _ = run(versions={"numpy": "2.0.0"})
    assert code == 0
    assert "measured with other versions (numpy 2.0.0 -> " in told
    assert " times its yardstick, stored " in told
    code, _, failures = run(0.89, versions={"numpy": "2.0.0"})
    assert code == 1
    assert " times its yardstick, stored " in failures
    assert "(+12.4%); the limit is +10%" in failures


def test_work_that_was_never_stored_is_a_failure(guard: ModuleType, counted: Any) -> None:
    stored = guard.Measured("", counted.versions, {"kernel": counted.figures["kernel"]})
    _, failures = guard.compare(stored, counted)
    assert [each.split(".")[0] for each in failures] == ["importer is counted only"]


def test_figures_are_stored_with_their_reason(
    guard: ModuleType, counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "measure", lambda: counted)
    stored = tmp_path / "new.json"
    assert guard.main(["--stored", str(stored), "--store", "caps twice"]) == 0
    assert guard.Measured.read(stored) == guard.Measured(
        "caps twice", counted.versions, counted.figures
    )


def test_without_valgrind_it_fails_and_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "guard.py")],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "valgrind is missing" in done.stderr
    assert "apt-get install valgrind" in done.stderr
