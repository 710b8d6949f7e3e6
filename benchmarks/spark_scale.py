"""The local engine and Spark on the same facts, in turns, and what a night of billions would need.

    python benchmarks/spark_scale.py [AFFILIATES EVENTS] [--facts FOLDER] [--repeat N] [--cores N]

Both write folders, which must be the same to the byte. Each turn of Spark starts one of its own,
so that what Java needs to warm up is in the time; the seconds of its processors are those of all
its processes. Prints a Markdown table for docs/scale.md, and the figures its arithmetic begins
with: bytes of an event and of a line on the disk, bytes of a line on its way between the machines,
seconds of a processor per million events.
"""

import argparse
import filecmp
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generate import generate

from commission_engine.decide import parts
from commission_engine.plan.read import read_plan
from commission_engine.plan.terms import Plan
from commission_engine.spark import decide as spark
from commission_engine.spark.session import Cluster, session

SEED = 7
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """Seconds on the clock and of processors, peak bytes of memory of all processes together, and
    the bytes that were moved before either step."""

    seconds: float
    cpu_seconds: float
    peak: int
    moved: tuple[int, ...]


def processes(root: int) -> dict[int, tuple[float, int]]:
    """Of a process and all below it: processor seconds and resident bytes, by number."""
    below: dict[int, list[int]] = {}
    known: dict[int, tuple[float, int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            number = int(folder.name)
            below.setdefault(int(stat[1]), []).append(number)
            known[number] = (sum(map(int, stat[11:13])) / TICKS, int(stat[21]) * 4096)
    found, waiting = {}, [root]
    while waiting:
        number = waiting.pop()
        found[number] = known.get(number, (0.0, 0))
        waiting += below.get(number, [])
    return found


def watched(program: str, facts: Path, out: Path, cores: int) -> Turn:
    """One turn in a process of its own."""
    command = [sys.executable, __file__, "--turn", program, "--facts", str(facts),
               "--out", str(out), "--cores", str(cores)]  # fmt: skip
    peak = 0
    spent: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as turn:
        while turn.poll() is None:
            now = processes(turn.pid)
            peak = max(peak, sum(size for _, size in now.values()))
            spent |= {number: seconds for number, (seconds, _) in now.items()}
            time.sleep(0.05)
        said = turn.stdout.read() if turn.stdout else ""
    if turn.returncode:
        sys.exit(f"{' '.join(command)} failed")
    seconds, *moved = said.split()
    return Turn(float(seconds), sum(spent.values()), peak, tuple(map(int, moved)))


def turn(program: str, facts: Path, out: Path, cores: int) -> None:
    """What the process of a turn does. Prints its seconds and the bytes it moved."""
    plan = read_plan(facts / "plan.toml").plan
    begun = time.perf_counter()
    moved: list[int] = []
    if program == "local":
        parts.decide_folder(facts, plan, out, workers=cores)
    else:
        moved = decided_on_spark(facts, plan, out, cores)
    print(time.perf_counter() - begun, *moved)


def decided_on_spark(facts: Path, plan: Plan, out: Path, cores: int) -> list[int]:
    with session(Cluster(f"local[{cores}]")) as running:
        spark.decide_folder(facts, plan, out, spark=running)
        return bytes_moved(running)


def bytes_moved(running: Any) -> list[int]:
    """What the tasks of each stage have written for others to read, packed as Spark packs it."""
    context = running.sparkContext
    no_quantiles = context._gateway.new_array(context._jvm.double, 0)
    stages = context._jsc.sc().statusStore().stageList(None, False, False, no_quantiles, None)
    found = (stages.apply(n) for n in range(stages.size()))
    written = {each.stageId(): each.shuffleWriteBytes() for each in found}
    return [written[number] for number in sorted(written) if written[number]]


def compared(one: Path, other: Path) -> dict[str, Any]:
    """The totals of two folders that are the same to the byte."""
    names = sorted(path.name for path in one.iterdir())
    _, different, failed = filecmp.cmpfiles(one, other, names, shallow=False)
    if different or failed or names != sorted(path.name for path in other.iterdir()):
        sys.exit(f"{one} and {other} differ: {different or failed or names}")
    totals: dict[str, Any] = json.loads((one / "totals.json").read_text("utf-8"))
    return totals


def report(turns: dict[str, list[Turn]], facts: Path, totals: dict[str, Any]) -> None:
    print("| what | seconds (median) | of the local engine | processor seconds | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    first = statistics.median(each.seconds for each in turns["local"])
    for name, each in turns.items():
        seconds = statistics.median(one.seconds for one in each)
        cpu = statistics.median(one.cpu_seconds for one in each)
        peak = max(one.peak for one in each)
        print(f"| {name} | {seconds:.1f} | {seconds / first:.2f} | {cpu:.1f} | {peak >> 20:,} |")
    print()
    lines = int(totals["lines"])
    written = sum(each["bytes"] for each in totals["files"].values())
    by_order, by_bucket = turns["Spark"][0].moved
    read = (facts / "earnings.parquet").stat().st_size
    print(f"earnings: {read:,} bytes in Parquet; {by_order:,} bytes moved to their orders")
    print(f"{lines:,} lines: {by_bucket:,} bytes moved to their buckets; {written:,} in Parquet")
    print(f"machine: {os.cpu_count()} cores, Python {platform.python_version()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("affiliates", type=int, nargs="?", default=100_000)
    parser.add_argument("events", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--facts", type=Path, help="a folder of generate.py --facts")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--turn", choices=("local", "Spark"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.turn:
        turn(given.turn, given.facts, given.out, given.cores)
        return
    with tempfile.TemporaryDirectory() as folder:
        facts = given.facts or Path(folder, "facts")
        if given.facts is None:
            generate(given.affiliates, given.events, SEED, facts, facts=True)
        turns: dict[str, list[Turn]] = {"local": [], "Spark": []}
        for n in range(given.repeat):
            for name, found in turns.items():
                found.append(watched(name, facts, Path(folder, f"{name}-{n}"), given.cores))
            totals = compared(Path(folder, f"local-{n}"), Path(folder, f"Spark-{n}"))
        report(turns, facts, totals)


if __name__ == "__main__":
    main()
