"""A run whose lines are decided on a cluster: the same book, the same files."""

from dataclasses import replace
from pathlib import Path

import pytest
from engines import Fresh, add_facts, book_nights
from program import Program, tree
from test_book_worlds import by_hand

from commission_engine.decide.kernel import decide
from commission_engine.night import Calculation
from commission_engine.spark.run import OnSpark
from commission_engine.spark.session import Cluster

pytestmark = pytest.mark.needs("java")
WORKED = Path(__file__).parent.parent / "examples" / "worked" / "cap-over-all-levels"


@pytest.mark.series
def test_nights_on_spark_say_and_publish_the_same(sqlite_books: Fresh, tmp_path: Path) -> None:
    """Caps go on from night to night, a refund follows its order."""
    calculations: dict[str, Calculation] = {
        "here": decide,
        "there": OnSpark(Cluster("local[2]")),
    }
    found, world = {}, replace(by_hand(), nights=by_hand().nights[:3])
    for name, calculate in calculations.items():
        with sqlite_books() as url:
            folder = tmp_path / name
            found[name] = book_nights(world, url, folder, add_facts, calculate=calculate)
    assert found["there"] == found["here"]
    assert found["there"].differences == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_option_of_the_command(commission: Program, tmp_path: Path) -> None:
    done = commission(
        "run", WORKED, "--date", "2026-03-31", "--out", tmp_path / "there",
        "--engine", "spark", "--master", "local[2]",
    )  # fmt: skip
    assert done.code == 0, done.err
    elsewhere = f"sqlite:///{tmp_path / 'here.db'}"
    assert commission(
        "run", WORKED, "--date", "2026-03-31", "--out", tmp_path / "here", "--database", elsewhere
    ).code == 0  # fmt: skip
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
