"""The same lines on a cluster: in worlds, in folders, and when its processes die half way."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Condition, Thread, current_thread
from typing import Any, Literal

import engines
import numpy as np
import polars as pl
import pytest
from engines import Numbers, kernel_nights
from hypothesis import Phase, given, settings
from pyspark.sql import functions as sql
from spark_worlds import Fragile, Many
from test_kernel import beyond_64_bits
from worlds import WORLDS, World, worlds

from commission_engine.calendar import Window
from commission_engine.decide import parts, reference
from commission_engine.decide.buckets import Bucket, Programme, spread_over
from commission_engine.decide.kernel import Decision, Events, Lines, Used
from commission_engine.decide.used import UsedInMemory
from commission_engine.plan.read import read_plan
from commission_engine.plan.terms import Plan
from commission_engine.problems import CommissionError, FactsRefused, UsageError
from commission_engine.spark import decide as spark
from commission_engine.spark import session as cluster
from commission_engine.spark.decide import FEWEST_TASKS
from commission_engine.spark.session import Cluster, session
from commission_engine.spark.tasks import USED
from commission_engine.tree.forest import Forest, Standing

pytestmark = pytest.mark.needs("java")
HERE = Path(__file__).parent
WORLDS_ON_SPARK = 25
PEOPLE_A_WORLD = 64
EVENTS_A_WORLD = 2**51
"""More than the numbers of one world reach."""


def on(master: str, scratch: Path) -> Cluster:
    """Its Python processes find what tests have them do."""
    conf = {"spark.executorEnv.PYTHONPATH": str(HERE), "spark.sql.shuffle.partitions": "4"}
    return Cluster(master, scratch=scratch, conf=conf)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    scratch = tmp_path_factory.mktemp("scratch")
    with session(on("local[2]", scratch)) as found:
        yield found
    assert list(scratch.iterdir()) == []


# --- worlds --------------------------------------------------------------------------------------


@dataclass
class Asked:
    """What one world's night wants decided."""

    events: Events
    programme: Programme
    used: UsedInMemory


@dataclass
class Together:
    """In the place of `kernel.decide`: nights of all worlds that are still going in one job."""

    spark: Any
    folder: Path
    going: int
    asked: dict[int, Asked] = field(default_factory=dict)
    decided: dict[int, Decision] = field(default_factory=dict)
    turn: Condition = field(default_factory=Condition)
    jobs: int = 0

    def decide(
        self, events: Events, plan: Plan, currencies: Sequence[str], forest: Forest,
        standing: Standing, used: Used,
    ) -> Decision:  # fmt: skip
        assert isinstance(used, UsedInMemory)
        number = int(current_thread().name)
        asked = Asked(events, Programme(plan, currencies, forest, standing), used)
        with self.turn:
            self.asked[number] = asked
            self.turn.notify_all()
            self.turn.wait_for(lambda: number in self.decided)
            return self.decided.pop(number)

    def stop(self) -> None:
        with self.turn:
            self.going -= 1
            self.turn.notify_all()

    def run(self) -> None:
        while True:
            with self.turn:
                self.turn.wait_for(lambda: len(self.asked) == self.going)
                if not self.going:
                    return
                asked, self.asked = dict(sorted(self.asked.items())), {}
                self.decided = self.on_spark(asked)
                self.turn.notify_all()

    def on_spark(self, asked: dict[int, Asked]) -> dict[int, Decision]:
        self.jobs += 1
        work = self.folder / f"night-{self.jobs}"
        work.mkdir()
        numbers = list(asked)
        first = np.array(numbers) * PEOPLE_A_WORLD
        some = asked[numbers[0]].programme
        many = Many(
            some.plan, some.currencies, some.forest, some.standing,
            tuple(each.programme for each in asked.values()), first,
        )  # fmt: skip
        events = [spark.events_frame(each.events) for each in asked.values()]
        pl.concat(events).with_columns(place=pl.int_range(pl.len())).write_parquet(work / "events")
        used = [row for each in asked.values() for row in each.used.rows(tuple(Window))]
        totals(used).write_parquet(work / "used")
        # Two buckets a world, and neighbours in different ones.
        people = np.arange((numbers[-1] + 1) * PEOPLE_A_WORLD)
        bucket_of = 2 * (people // PEOPLE_A_WORLD) + people % 2
        out = work / "out"
        out.mkdir()
        buckets = list(
            spark.capped_lines(
                self.spark, many, work / "events", bucket_of, np.ones(len(people), np.int64),
                work / "used", out,
            )
        )  # fmt: skip
        return {number: decision(number, each.events, buckets) for number, each in asked.items()}


def totals(rows: Sequence[tuple[int, ...]]) -> pl.DataFrame:
    names = ("terms_day", "level", "place", "start", "beneficiary", "currency", "total")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row")
    windows = dict(enumerate(map(str, Window)))
    window = pl.col("place").replace_strict(windows, return_dtype=pl.String)
    return frame.with_columns(window=window).select(list(USED)).sort("beneficiary")


def decision(number: int, events: Events, buckets: Sequence[Bucket]) -> Decision:
    """The part of one world, its lines in processing order."""
    low = number * PEOPLE_A_WORLD
    row_of = {event: row for row, event in enumerate(events.event.tolist())}
    mine = [
        bucket
        for bucket in buckets
        if len(bucket.lines) and low <= bucket.lines.beneficiary[0] < low + PEOPLE_A_WORLD
    ]
    if not mine:
        return Decision(Lines(*[np.zeros(0, np.int64)] * len(Lines.__slots__)), ())
    columns = {
        name: np.concatenate([getattr(bucket.lines, name) for bucket in mine])
        for name in Lines.__slots__
    }
    event = np.concatenate([bucket.event for bucket in mine]).tolist()
    columns["row"] = np.array([row_of[each] for each in event], np.int64)
    lines = Lines(**columns)
    lines = lines.take(np.lexsort((lines.level, lines.row)))
    return Decision(lines, tuple(advance for bucket in mine for advance in bucket.advances))


def some_worlds() -> list[World]:
    found: list[World] = []

    @settings(WORLDS, max_examples=2 * WORLDS_ON_SPARK, phases=[Phase.generate])
    @given(worlds())
    def collect(world: World) -> None:
        found.append(world)

    collect()
    fitting = [w for w in found if not beyond_64_bits(w, reference.decide(w.plan, w.nights))]
    return fitting[-WORLDS_ON_SPARK:]


def apart(world: World, seed: int) -> Numbers:
    """No two worlds have a number in common."""
    numbers = Numbers(world, seed)
    for each in numbers.affiliate:
        numbers.affiliate[each] = seed * PEOPLE_A_WORLD + numbers.affiliate[each]
    for each in numbers.event:
        numbers.event[each] += seed * EVENTS_A_WORLD
    return numbers


@pytest.mark.series
def test_worlds_on_spark_say_what_the_reference_says(
    running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Night after night, with the totals of caps carried on."""
    chosen = some_worlds()
    together = Together(running, tmp_path, len(chosen))
    found: dict[int, list[list[reference.Line]]] = {}

    def live(number: int) -> None:
        try:
            found[number] = kernel_nights(chosen[number], number, together.decide)
        finally:
            together.stop()

    monkeypatch.setattr(engines, "Numbers", apart)
    threads = [Thread(target=live, args=[n], name=str(n), daemon=True) for n in range(len(chosen))]
    for thread in threads:
        thread.start()
    together.run()
    for thread in threads:
        thread.join()
    assert len(found) == len(chosen) == WORLDS_ON_SPARK
    assert together.jobs == max(len(world.nights) for world in chosen)
    for number, world in enumerate(chosen):
        assert found[number] == reference.decide(world.plan, world.nights)


# --- folders -------------------------------------------------------------------------------------

LINES_A_BUCKET = 1_500


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 earnings, a sixth of them below one hub."""
    folder = tmp_path_factory.mktemp("facts") / "a [b] {c}*"
    program = HERE.parent / "benchmarks" / "generate.py"
    said = [sys.executable, str(program), "1000", "10000", "7", "--out", str(folder), "--facts"]
    subprocess.run(said, check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def plan(facts: Path) -> Plan:
    return read_plan(facts / "plan.toml").plan


@pytest.fixture(autouse=True)
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(spread_over, a_bucket=LINES_A_BUCKET)
    monkeypatch.setattr(parts, "spread_over", small)
    monkeypatch.setattr(spark, "spread_over", small)


@pytest.fixture
def locally(facts: Path, plan: Plan, tmp_path: Path) -> dict[str, bytes]:
    parts.decide_folder(facts, plan, tmp_path / "local")
    return files(tmp_path / "local")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_of_facts_gives_the_bytes_of_the_local_engine(
    running: Any,
    facts: Path,
    plan: Plan,
    locally: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no task has more than a tenth of the rows, unless one beneficiary has them."""
    seen: list[Any] = []

    def watched(spark_: Any, job: Any, rows: Any, *more: Any) -> Any:
        by_order = rows.repartition(FEWEST_TASKS, "order")
        counts = by_order.groupBy(sql.spark_partition_id()).count().collect()
        seen.append([row["count"] for row in counts])
        seen.append(spread(spark_, job, rows, *more))
        return seen[-1]

    spread = spark.spread
    monkeypatch.setattr(spark, "spread", watched)
    told = spark.decide_folder(facts, plan, tmp_path / "out", spark=running)
    assert files(tmp_path / "out") == locally
    assert told == json.loads(locally["totals.json"])
    assert len(locally) > 15
    events, answers = seen
    assert max(events) <= sum(events) // 10
    tasks = Counter({answer["task"]: answer["lines"] for answer in answers})
    assert len(tasks) == len(answers)
    heavy = {n: lines for n, lines in tasks.items() if lines > tasks.total() // 10}
    assert 0 < len(heavy) < 5
    for answer in answers:
        if answer["task"] in heavy:
            lines = pl.read_parquet(tmp_path / "out" / f"part-{answer['bucket']:05}-000.parquet")
            assert lines["beneficiary_id"].n_unique() == 1
    # The heaviest begin first.
    assert max(heavy) < len(heavy)


@pytest.mark.parametrize("in_first_step", [True, False])
def test_a_python_process_that_dies_half_way_changes_nothing(
    in_first_step: bool,
    running: Any,
    facts: Path,
    plan: Plan,
    locally: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dies = partial(
        Fragile,
        out=tmp_path / ".out.draft",
        marker=tmp_path / "died",
        in_first_step=in_first_step,
    )
    monkeypatch.setattr(spark, "Programme", dies)
    spark.decide_folder(facts, plan, tmp_path / "out", spark=running)
    assert (tmp_path / "died").exists()
    assert files(tmp_path / "out") == locally
    assert sorted(path.name for path in tmp_path.iterdir()) == ["died", "local", "out"]


def test_what_a_task_refuses_is_said_and_nothing_is_kept(running: Any, tmp_path: Path) -> None:
    """Five orders of 999,999,999,999,999,999 are more than the totals of a cap hold."""
    given = write_facts(tmp_path / "facts", amounts=[10**18 - 1] * 5)
    everything = capped_plan(tmp_path, "100%")
    for decide in (parts.decide_folder, partial(spark.decide_folder, spark=running)):
        with pytest.raises(CommissionError) as refused:
            decide(given, everything, tmp_path / "out")
        assert refused.value.message == (
            "a total of 4999999999999999995 minor units is more than the book can hold"
            " (4611686018427387904)"
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["facts", "plan.toml"]


def test_no_earnings_give_a_folder_without_lines(running: Any, tmp_path: Path) -> None:
    given = write_facts(tmp_path / "facts", amounts=[])
    told = spark.decide_folder(given, capped_plan(tmp_path, "10%"), tmp_path / "out", spark=running)
    assert told == {"files": {}, "lines": 0, "totals": {}}
    assert list(files(tmp_path / "out")) == ["totals.json"]


@pytest.mark.parametrize("unit", ["ns", "ms"])
def test_ids_and_instants_may_be_of_other_widths(
    unit: Literal["ns", "ms"], running: Any, tmp_path: Path
) -> None:
    given = write_facts(tmp_path / "facts", amounts=[700, -50, 20, 1, 2])
    earnings = pl.read_parquet(given / "earnings.parquet")
    instant = pl.col("occurred_at").dt.replace_time_zone(None).dt.cast_time_unit(unit)
    ids = pl.col("event_id", "affiliate_id").cast(pl.UInt32)
    earnings.with_columns(instant, ids).write_parquet(given / "earnings.parquet")
    plan = capped_plan(tmp_path, "10%")
    parts.decide_folder(given, plan, tmp_path / "local")
    spark.decide_folder(given, plan, tmp_path / "out", spark=running)
    assert files(tmp_path / "out") == files(tmp_path / "local")
    lines = pl.read_parquet(tmp_path / "out" / "part-00000-000.parquet")
    assert lines["commission_minor"].to_list() == [70, -5, 2, 0, 0]


def write_facts(
    folder: Path, amounts: Sequence[int], ids: Sequence[object] = (1, 2, 3, 4, 5)
) -> Path:
    """Earnings of 2, whom 1 referred, a second apart."""
    folder.mkdir()
    rows = len(amounts)
    at = pl.Series("occurred_at", [1_800_000_000 + n for n in range(rows)], pl.Int64)
    pl.DataFrame(
        {
            "event_id": pl.Series(ids[:rows], dtype=pl.Int64 if not rows else None),
            "affiliate_id": pl.Series([2] * rows, dtype=pl.Int64),
            "occurred_at": pl.from_epoch(at).dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
            "amount_minor": pl.Series(amounts, dtype=pl.Int64),
            "currency": pl.Series(["USD"] * rows, dtype=pl.String),
        }
    ).write_parquet(folder / "earnings.parquet")
    pl.DataFrame({"affiliate_id": [2], "referrer_id": [1]}).write_parquet(
        folder / "referrals.parquet"
    )
    return folder


def capped_plan(folder: Path, rate: str) -> Plan:
    (folder / "plan.toml").write_text(
        f"""
        name = "acme"
        [[terms]]
        from = 2020-01-01
        [[terms.level]]
        level = 1
        rate = "{rate}"
        [[terms.level.cap]]
        window = "month"
        amount = {{ USD = "1.00" }}
        """,
        "utf-8",
    )
    return read_plan(folder / "plan.toml").plan


# --- what is refused before anything starts ------------------------------------------------------


@pytest.mark.parametrize("ids", [(1, 3, 2), ("1", "2", "3")])
def test_events_are_numbered_in_processing_order(ids: Sequence[object], tmp_path: Path) -> None:
    given = write_facts(tmp_path / "facts", amounts=[1, 2, 3], ids=ids)
    with pytest.raises(FactsRefused) as refused:
        spark.decide_folder(given, capped_plan(tmp_path, "10%"), tmp_path / "out")
    assert refused.value.message == (
        "earnings: on Spark event ids are whole numbers that rise in processing order"
    )
    assert refused.value.hint.startswith("Number the events by occurred_at, earnings before rev")
    assert not (tmp_path / "out").exists()


def test_without_java_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UsageError) as refused:
        cluster.check_installed()
    assert refused.value.message == "Spark needs Java, and there is none here"
    assert "apt-get install openjdk-17-jre-headless" in refused.value.hint


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('openjdk version "11.0.2" 2019-01-15', 'openjdk version "11.0.2" 2019-01-15'),
        ('java version "1.8.0_392"\nmore', 'java version "1.8.0_392"'),
    ],
)
def test_a_java_that_is_too_old_is_named(
    said: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UsageError) as refused:
        cluster.check_installed()
    assert refused.value.message == f"Spark needs Java 17 or newer; here is {shown}"


@pytest.mark.parametrize("missing", ["pyspark", "pyarrow", "pandas"])
def test_without_the_extra_it_is_said_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError) as refused:
        cluster.check_installed()
    assert refused.value.message.startswith("Spark is not installed: ")
    assert missing in refused.value.message
    assert refused.value.hint == "Install the extra: pip install 'commission-engine[spark]'."


def test_a_second_session_in_one_process_is_refused(running: Any, tmp_path: Path) -> None:
    refused = pytest.raises(UsageError, match="this process has a Spark session already")
    with refused, session(Cluster(scratch=tmp_path)):
        pytest.fail("it was not")
    assert running.range(3).count() == 3
