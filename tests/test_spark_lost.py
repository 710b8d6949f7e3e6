"""A whole machine of the cluster dies half way, and the lines are the same."""

from functools import partial
from pathlib import Path

import pytest
from spark_worlds import Fragile
from test_spark import LINES_A_BUCKET, facts, files, on, plan

from commission_engine.decide import parts
from commission_engine.decide.buckets import spread_over
from commission_engine.plan.terms import Plan
from commission_engine.spark import decide as spark
from commission_engine.spark.session import session

__all__ = ["facts", "plan"]


@pytest.mark.series
@pytest.mark.needs("java")
def test_an_executor_that_dies_half_way_changes_nothing(
    facts: Path, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two Java processes with one core each; with one of them go its pieces of all buckets."""
    small = partial(spread_over, a_bucket=LINES_A_BUCKET)
    monkeypatch.setattr(parts, "spread_over", small)
    monkeypatch.setattr(spark, "spread_over", small)
    parts.decide_folder(facts, plan, tmp_path / "local")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with session(on("local-cluster[2,1,1024]", scratch)) as running:
        died = partial(Fragile, out=tmp_path / ".out.draft", marker=tmp_path / "died", whole=True)
        monkeypatch.setattr(spark, "Programme", died)
        spark.decide_folder(facts, plan, tmp_path / "out", spark=running)
    assert (tmp_path / "died").exists()
    assert files(tmp_path / "out") == files(tmp_path / "local")
    assert list(scratch.iterdir()) == []
