"""The calculation spread over a cluster: Spark moves and groups, the same kernel computes.

First by order, then by beneficiary, as `buckets.decided` does on threads. Events are brought
together by order; what they pay leaves in pieces, each all that one task has for one bucket, as
narrow columns behind one another in one value. So Spark moves few large rows and never looks
inside. Pieces are brought together by bucket, one task each; there the bucket's shares are put in
processing order, capped by the kernel and written by the local engine's own writer.

A task can be run again anywhere: it reads what is fixed, sorts what came, writes under a name of
its own and gives the file its right name at the end. What a row is refused for comes back as a
value, so that it is not tried four times; all else fails the run.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commission_engine import problems
from commission_engine.calendar import Ints
from commission_engine.decide import parts
from commission_engine.decide.buckets import Bucket, Programme, spread_over
from commission_engine.decide.facts import Facts, InParts
from commission_engine.decide.kernel import Events, Lines
from commission_engine.plan.terms import Plan
from commission_engine.problems import CommissionError, FactsRefused
from commission_engine.spark.session import Cluster, quiet, session
from commission_engine.spark.tasks import (
    ANSWER,
    EVENTS,
    FAULT,
    LINES,
    PIECE,
    FromFacts,
    FromRun,
    IntoBuckets,
    IntoParts,
    Job,
    advances_of,
    cap_bucket,
    earn_orders,
    on_tasks,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

EVENTS_A_TASK = 500_000
"""Events that one task of the first step takes, about."""

FEWEST_TASKS = 20
"""Of the first step, so that none has more than a tenth of the events."""


# -- a folder of facts


def decide_folder(
    facts_folder: Path,
    plan: Plan,
    out: Path,
    *,
    master: str = "local[2]",
    cluster: Cluster | None = None,
    spark: "SparkSession | None" = None,
) -> dict[str, Any]:
    """As `parts.decide_folder`, and the same bytes. Both folders are where every machine of the
    cluster sees them. `cluster` says more than its `master` alone; `spark` is a session to use in
    place of one of our own.

    Raises FactsRefused unless ids are whole numbers, those of events rising in processing order.
    """
    facts = Facts.of_folder(facts_folder)
    _check_numbers(facts)
    lines_of = facts.lines_of(plan)
    bucket_of = spread_over(lines_of)
    with session(cluster or Cluster(master)) if spark is None else nullcontext(spark) as running:
        draft = parts.drafted(out)
        try:
            (draft / "waiting").mkdir()
            bare = _without_rows(facts)
            job = Job(
                Programme(plan, facts.currencies, facts.forest, facts.standing),
                bucket_of,
                FromFacts(bare, plan.timezone),
                IntoParts(bare, draft.resolve()),
            )
            rows = _earnings(running, facts_folder / "earnings.parquet", facts)
            answers = spread(running, job, rows, facts.rows, np.bincount(bucket_of, lines_of))
            written = [
                parts.Written(*each) for answer in answers for each in json.loads(answer["told"])
            ]
            return parts.finish(draft, out, written)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _check_numbers(facts: Facts) -> None:
    if facts.rows and not facts.survey.rising:
        raise FactsRefused(
            "earnings: on Spark event ids are whole numbers that rise in processing order",
            "Number the events by occurred_at, earnings before reversals, and write them sorted so;"
            " or take the local engine.",
        )
    if facts.affiliates is not None and not facts.affiliates.dtype.is_integer():
        raise FactsRefused(
            "on Spark affiliates' ids are whole numbers",
            "Number the affiliates, or take the local engine.",
        )
    _ = facts.reversals  # read, and refused where one does not fit its order


def _without_rows(facts: Facts) -> Facts:
    """What is needed to turn ids into numbers and back."""
    survey = replace(facts.survey, reversing=facts.survey.reversing.clear())
    none = facts.earnings.clear()
    bare = Facts(none, facts.referrals.clear(), facts.closed.clear(), survey, InParts(none))
    vars(bare)["affiliates"] = facts.affiliates  # known already: it is not read again
    return bare


def _earnings(spark: "SparkSession", path: Path, facts: Facts) -> "DataFrame":
    """Earnings as whole numbers: instants in microseconds, currencies by place."""
    from pyspark.sql import functions as sql

    frame = read_parquet(spark, path, facts.rows)
    codes = sql.array(*map(sql.lit, facts.currencies)) if facts.currencies else sql.array()

    def whole(name: str) -> "Column":
        return sql.col(name).cast("bigint")

    reverses = whole("reverses") if "reverses" in frame.columns else sql.lit(None).cast("bigint")
    if frame.schema["occurred_at"].dataType.typeName() == "long":  # nanoseconds, see read_parquet
        at = sql.expr("(occurred_at - pmod(occurred_at, 1000)) div 1000")
    else:
        at = sql.unix_micros(sql.col("occurred_at").cast("timestamp"))
    return frame.select(
        whole("event_id").alias("event"),
        sql.coalesce(reverses, whole("event_id")).alias("order"),
        whole("affiliate_id").alias("earner"),
        (sql.array_position(codes, sql.col("currency")) - 1).cast("smallint").alias("currency"),
        whole("amount_minor").alias("amount"),
        at.alias("at"),
    )


# -- a run of the book


def capped_lines(
    spark: "SparkSession",
    programme: Programme,
    events: Path,
    bucket_of: Ints,
    lines_of: Ints,
    used: Path | None,
    work: Path,
) -> Iterator[Bucket]:
    """Every bucket in turn, as `buckets.decided` gives them.

    `events` is a Parquet file of columns EVENTS in processing order, `used` one of columns USED
    (`totals_frame` makes it) that is best sorted by beneficiary; `work` an empty folder for what
    comes back. All three are where every machine of the cluster sees them. `lines_of` is how many
    lines each affiliate will have, about: who is heavy starts early.
    """
    count = pl.scan_parquet(events, glob=False).select(pl.len()).collect().item()
    (work / "waiting").mkdir()
    job = Job(programme, bucket_of, FromRun(), IntoBuckets(work.resolve()), used and used.resolve())
    rows = read_parquet(spark, events, count)
    rows = rows.select("place", *EVENTS)
    answers = spread(spark, job, rows, count, np.bincount(bucket_of, lines_of))
    there = {answer["bucket"] for answer in answers}
    for number in range(int(bucket_of.max(initial=0)) + 1):
        if number in there:
            yield read_bucket(work, number)


def events_frame(events: Events) -> pl.DataFrame:
    """Events for a Parquet file: columns EVENTS and `place`, their row."""
    columns = {name: np.ascontiguousarray(getattr(events, name), np.int64) for name in EVENTS}
    return pl.DataFrame({"place": np.arange(len(events)), **columns})


def read_bucket(work: Path, number: int) -> Bucket:
    """A bucket that a task has written there."""
    frame = pl.read_parquet(work / parts.part_name(number), glob=False)
    columns = {name: frame[name].to_numpy() for name in LINES}
    event, currency = columns.pop("event"), columns.pop("currency")
    lines = Lines(row=np.arange(frame.height), **columns)
    totals = pl.read_parquet(work / f"totals-{number:05}.parquet", glob=False)
    return Bucket(lines, event, currency, advances_of(totals))


# -- what both have in common


def spread(
    spark: "SparkSession", job: Job, rows: "DataFrame", count: int, lines_of: Ints
) -> list[Mapping[str, Any]]:
    """Run `job` on `rows`, about `count` of them with a column `order`; ANSWERs, by bucket.

    `lines_of` is how many lines each bucket will have, about. Raises what a task refused.
    """
    from pyspark.errors import PySparkException

    lost = (PySparkException, import_module("py4j.protocol").Py4JError)
    programme = job.programme
    # A new plan of the same terms: what the old one keeps once it was asked cannot be sent.
    job = replace(job, programme=replace(programme, plan=replace(programme.plan)))
    heaviest_first = np.argsort(-lines_of, kind="stable")
    task_of = np.empty(len(lines_of), np.int64)
    task_of[heaviest_first] = np.arange(len(lines_of))
    known = spark.sparkContext.broadcast((job, task_of))
    tasks = max(FEWEST_TASKS, -(-count // EVENTS_A_TASK))
    try:
        with quiet():
            pieces = rows.repartition(tasks, "order").mapInArrow(
                on_tasks(earn_orders, known), PIECE
            )
            by_bucket = pieces.repartitionById(len(task_of), "task")
            capped = by_bucket.mapInArrow(on_tasks(cap_bucket, known), ANSWER)
        answers = [row.asDict() for row in capped.collect()]
    except lost as why:
        raise CommissionError(
            f"Spark could not finish: {_reason(str(why))}",
            "Nothing was kept. When memory ran out give it more; then run the same command again.",
        ) from why
    finally:
        known.destroy()
    faults = sorted(answer["told"] for answer in answers if answer["bucket"] == FAULT)
    if faults:
        name, message, hint = json.loads(faults[0])
        raise getattr(problems, name)(message, hint)
    return sorted(answers, key=lambda answer: int(answer["bucket"]))


def _reason(said: str) -> str:
    """Of a stack of causes the innermost that says something."""
    causes = re.findall(r"^(?:Caused by: )?[\w.]+(?:Error|Exception)\b:? .*$", said, re.MULTILINE)
    return (causes or said.strip().split("\n"))[-1].strip()


def read_parquet(spark: "SparkSession", path: Path, rows: int) -> "DataFrame":
    """A file as it is named, in parts small enough that none has more than a tenth of the rows
    (where its row groups allow it). Instants in nanoseconds are whole numbers."""
    part = max(path.stat().st_size // FEWEST_TASKS, 1 << 16) if rows else 1 << 20
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(min(part, 128 << 20)))
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")  # else it reads none
    named = re.sub(r"([*?\[\]{}\\])", r"\\\1", str(path.resolve()))
    return spark.read.parquet(f"file:{named}")
