"""The measuring of growth: the facts that it makes, what it fits and refuses, its picture."""

import importlib
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from commission_engine.decide.parts import decide_folder
from commission_engine.plan.read import read_plan

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SMALL: dict[str, Any] = {"events": 400, "affiliates": 60}


@pytest.fixture(scope="module")
def growth() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("growth")


def decided(growth: ModuleType, folder: Path, **shape: Any) -> pl.DataFrame:
    """The lines of small facts of this shape."""
    growth.make(growth.Shape(**SMALL | shape), folder / "facts")
    plan = read_plan(folder / "facts" / "plan.toml").plan
    decide_folder(folder / "facts", plan, folder / "lines")
    return pl.read_parquet(folder / "lines" / "part-*.parquet")


def test_a_chain_pays_as_many_levels_as_the_plan_has(growth: ModuleType, tmp_path: Path) -> None:
    lines = decided(growth, tmp_path, depth=60, levels=10)
    assert lines["level"].unique().sort().to_list() == list(range(1, 11))
    assert lines.height > 400 * 8  # only the uppermost ten have fewer above them


def test_a_hub_with_everybody_has_one_referrer_above_all(
    growth: ModuleType, tmp_path: Path
) -> None:
    lines = decided(growth, tmp_path, fan_out=57)
    assert lines["beneficiary_id"].n_unique() == 3
    hub = lines.group_by("level", "beneficiary_id").len().filter(pl.col("len") > 400 * 0.8)
    assert hub["level"].sort().to_list() == [1, 2, 3]


@pytest.mark.parametrize("share", [0, 30, 90])
def test_reversals_are_the_share_that_was_asked_for(
    share: int, growth: ModuleType, tmp_path: Path
) -> None:
    decided(growth, tmp_path, reversals=share)
    earnings = pl.read_parquet(tmp_path / "facts" / "earnings.parquet")
    assert earnings["reverses"].is_not_null().sum() == 400 * share // 100
    assert earnings["event_id"].to_list() == list(range(1, 401))


def test_a_plan_has_the_caps_currencies_and_terms(growth: ModuleType, tmp_path: Path) -> None:
    lines = decided(growth, tmp_path, caps=6, spanning=3, currencies=150, terms=5)
    plan = read_plan(tmp_path / "facts" / "plan.toml").plan
    assert [len(terms.caps) for terms in plan.terms] == [3] * 5
    assert {len(level.caps) for terms in plan.terms for level in terms.levels} == {6}
    assert {len(cap.limit) for terms in plan.terms for cap in terms.caps} == {150}
    assert lines["terms_from"].n_unique() == 5


def test_the_same_shape_gives_the_same_files(growth: ModuleType, tmp_path: Path) -> None:
    for name in ("one", "other"):
        growth.make(growth.Shape(**SMALL, reversals=30), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_a_turn_measures_a_whole_process(growth: ModuleType, tmp_path: Path) -> None:
    lines = decided(growth, tmp_path).height
    turn = growth.turn(tmp_path / "facts", tmp_path / "out")
    assert turn.lines == lines
    assert turn.cpu_seconds > 0.1  # it has to load its libraries
    assert turn.peak_mb > 50
    assert not (tmp_path / "out").exists()


def test_a_fit_finds_the_exponent(growth: ModuleType) -> None:
    assert growth.exponent([1, 10, 100], [3, 30 * 10**0.5, 3000]) == pytest.approx(1.5)


@pytest.fixture
def series(growth: ModuleType) -> Any:
    sizes = (10**6, 10**7)
    return growth.Series("all", "events", tuple(growth.Shape(events=size) for size in sizes))


def found(growth: ModuleType, series: Any, times: float, peak_mb: float) -> list[str]:
    turns = (growth.Turn(1, 1, 100, 9), growth.Turn(times, times, peak_mb, 90))
    return list(growth.faults([series], dict(zip(series.shapes, turns, strict=True))))


def test_what_grows_in_step_is_no_fault(growth: ModuleType, series: Any) -> None:
    assert found(growth, series, times=10, peak_mb=4096) == []


def test_what_grows_too_fast_or_too_large_is_named(growth: ModuleType, series: Any) -> None:
    assert found(growth, series, times=20, peak_mb=5000) == [
        "all: CPU seconds grow like events ** 1.30, more than 1.15 (n log n with room for noise)",
        "all: 5,000 MB at 10,000,000 events, over 4,096",
    ]


def test_the_picture_has_every_point_and_name(growth: ModuleType) -> None:
    curves = [
        growth.Curve("a & b", [(1, 2), (10, 30), (1000, 0.5)]),
        growth.Curve("at most", [(1, 50), (1000, 50)], True),
    ]
    drawn = ET.fromstring(growth.picture([growth.Panel("Time", "events", curves)] * 3))
    tag = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f".//{tag}circle")) == 3 * 3
    said = [text.text for text in drawn.iter(f"{tag}text")]
    for text in ("Time", "events", "a & b", "at most", "1k", "0.1", "100"):
        assert said.count(text) >= 3, text
