"""How the time and the memory of `commission decide` grow.

    python benchmarks/growth.py [--small] [--kept FILE] [--picture docs/pictures/growth.svg]

Against the number of events, on the reference work of `generate.py`; and, at one size, against
what else facts and plans can have more or less of (`Shape`). For the extremes of the latter the
number of events grows tenfold as well. Each turn is a whole process of its own, from Parquet to
Parquet; what a turn over ten events takes, the start, is taken off. Seconds of the processor
count, because the clock also shows what else the machine does.

Prints Markdown tables for docs/benchmarks.md with the fits seconds = a * M^b, and ends with exit
code 1 where something grows faster than n log n does, or takes more memory than it may. With
--kept turns are kept in a file, and points that it has are not measured again.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from compare import machine
from growth_facts import CAPS, Shape, make
from growth_picture import Curve, Panel, picture

LARGEST_EXPONENT = 1.15
"""n log n looks like n ** 1.06 from a million to a hundred million; the rest is for noise."""
MOST_MEMORY_MB = 4096
REPEATED = 10_000_000
"""Up to so many events a point is the median of three turns; beyond one turn must do."""

START = Shape(events=10, affiliates=10, reference=True)


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds on the clock and of processors, the most memory, and how many lines there were."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    lines: int

    def without(self, start: "Turn") -> "Turn":
        """Memory stays as it is: the start's is there all the time.

        At least a hundredth of a second, which is all that the clock of processors knows.
        """
        return replace(
            self,
            seconds=max(self.seconds - start.seconds, 0.01),
            cpu_seconds=max(self.cpu_seconds - start.cpu_seconds, 0.01),
        )


@dataclass(frozen=True, slots=True)
class Series:
    """Shapes with more and more of one thing, whose name among a shape's fields is `grows`."""

    name: str
    grows: str
    shapes: tuple[Shape, ...]

    @property
    def sizes(self) -> list[int]:
        return [getattr(shape, self.grows) for shape in self.shapes]


Points: TypeAlias = dict[Shape, Turn]


# -- what is measured


def over_events(small: bool) -> list[Series]:
    few, many = (10_000, 100_000) if small else (100_000, 1_000_000)
    steps = (100, 300, 1_000, 3_000) if small else (1_000, 3_000, 10_000, 30_000, 100_000)
    most = {few: 1_000 if small else 10_000, many: steps[-1]}
    return [
        Series(
            f"{affiliates:,} affiliates",
            "events",
            tuple(
                Shape(events=1_000 * step, affiliates=affiliates, reference=True)
                for step in steps
                if step <= most[affiliates]
            ),
        )
        for affiliates in (many, few)
    ]


def over_shapes(small: bool) -> list[Series]:
    base = Shape(events=100_000, affiliates=10_000) if small else Shape()
    everybody = base.affiliates

    def grown(name: str, grows: str, *steps: int, shape: Shape = base) -> Series:
        return Series(name, grows, tuple(Shape(**asdict(shape) | {grows: each}) for each in steps))

    tens = [10**power for power in range(1, len(str(everybody)) - 1)]
    caps = tuple(replace(base, caps=each, spanning=each) for each in CAPS if each != 2)
    deep = replace(base, depth=everybody)
    return [
        grown("depth of the tree", "depth", 3, *tens, everybody),
        grown("referrals of a hub", "fan_out", *tens, everybody - 3),
        grown("reversals in a hundred", "reversals", 0, 3, 30, 90),
        Series("caps a level, and over all levels", "caps", caps),
        grown("currencies", "currencies", 1, 3, 30, 150),
        grown("levels", "levels", 1, 3, 6, 10, shape=deep),
        grown("terms", "terms", 1, 5),
    ]


def at_extremes(shapes: Sequence[Series]) -> list[Series]:
    """For the last shape of each series, ten times the events."""
    return [
        Series(
            f"{each.name}: {each.sizes[-1]:,}",
            "events",
            tuple(
                replace(each.shapes[-1], events=each.shapes[-1].events * tenths // 10)
                for tenths in (3, 30)
            ),
        )
        for each in shapes
    ]


# -- turns


def turn(facts: Path, out: Path) -> Turn:
    """One run of the program over a folder of facts; what it wrote is removed again."""
    program = [sys.executable, "-m", "commission_engine", "decide", str(facts), "--out", str(out)]
    begun = time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=said)
        status = Path(f"/proc/{child.pid}/status")
        while True:
            ended, code, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            peak = max(peak, high_water(status))  # getrusage's is that of its parent at first
            time.sleep(0.01)
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(code)
        if child.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(program)} failed:\n{said.read()}")
    lines = json.loads((out / "totals.json").read_text("utf-8"))["lines"]
    shutil.rmtree(out)
    return Turn(seconds, usage.ru_utime + usage.ru_stime, peak / 1024, lines)


def high_water(status: Path) -> int:
    """The most memory of a process so far, in kB; 0 once it ends."""
    try:
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(found[0].split()[1]) if found else 0


def measured(shape: Shape) -> Turn:
    """The median of the turns, each figure by itself, and the most memory of all."""
    with tempfile.TemporaryDirectory(prefix="growth") as name:
        facts, out = Path(name, "facts"), Path(name, "lines")
        make(shape, facts)
        turns = [turn(facts, out) for _ in range(3 if shape.events <= REPEATED else 1)]
    if len({each.lines for each in turns}) > 1:
        sys.exit(f"{shape}: the turns do not make the same lines")
    return Turn(
        statistics.median(each.seconds for each in turns),
        statistics.median(each.cpu_seconds for each in turns),
        max(each.peak_mb for each in turns),
        turns[0].lines,
    )


class Kept:
    """Turns by shape, in a file where one is given."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        read = json.loads(file.read_text("utf-8")) if file and file.exists() else []
        self._turns = {Shape(**shape): Turn(**turn) for shape, turn in read}

    def turn(self, shape: Shape) -> Turn:
        if shape not in self._turns:
            print(f"{time.strftime('%H:%M:%S')} {shape}", file=sys.stderr, flush=True)
            self._turns[shape] = measured(shape)
            if self._file:
                pairs = [[asdict(each), asdict(turn)] for each, turn in self._turns.items()]
                self._file.write_text(json.dumps(pairs, indent=1) + "\n", "utf-8")
        return self._turns[shape]


# -- what came of it


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """b of the fit a * size ** b, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def spread(values: Sequence[float]) -> float:
    return max(values) / min(values)


def table(head: str, rows: Sequence[Sequence[object]]) -> str:
    """`head` and rows as Markdown; all but the first column are figures."""
    titles = head.split(" | ")
    ruler = ["---"] + ["---:"] * (len(titles) - 1)
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (titles, ruler, *rows)) + "\n"


def table_of_points(series: Sequence[Series], points: Points) -> str:
    head = (
        "what | value | events | lines | seconds | CPU seconds | CPU us an event"
        " | CPU us a line | peak MB"
    )
    rows = []
    for each in series:
        for size, shape in zip(each.sizes, each.shapes, strict=True):
            found = points[shape]
            micros = found.cpu_seconds * 1e6
            rows.append(
                (
                    each.name,
                    f"{size:,}",
                    f"{shape.events:,}",
                    f"{found.lines:,}",
                    f"{found.seconds:.2f}",
                    f"{found.cpu_seconds:.2f}",
                    f"{micros / shape.events:.2f}",
                    f"{micros / found.lines:.2f}",
                    f"{found.peak_mb:,.0f}",
                )
            )
    return table(head, rows)


def table_of_fits(series: Sequence[Series], points: Points) -> str:
    """Over events: the exponents, beside that of n log n at the same sizes, and the dearest
    event beside the cheapest."""
    head = "events at | sizes | CPU seconds | n log n | memory | an event, dearest / cheapest"
    rows = []
    for each in series:
        sizes, found = each.sizes, [points[shape] for shape in each.shapes]
        of_each = [turn.cpu_seconds / size for turn, size in zip(found, sizes, strict=True)]
        fits = (  # not of the clock: on a shared machine it shows the others
            [turn.cpu_seconds for turn in found],
            [size * np.log(size) for size in sizes],
            [turn.peak_mb for turn in found],
        )
        exponents = [f"{exponent(sizes, values):.2f}" for values in fits]
        between = f"{sizes[0]:,} to {sizes[-1]:,}"
        rows.append((each.name, between, *exponents, f"{spread(of_each):.2f}"))
    return table(head, rows)


def table_of_shapes(series: Sequence[Series], points: Points) -> str:
    """At one number of events: how much dearer the dearest is."""
    head = "what grows | values | exponent | an event, dearest / cheapest | a line | memory"
    rows = []
    for each in series:
        found = [points[shape] for shape in each.shapes]
        seconds = {size: turn.cpu_seconds for size, turn in zip(each.sizes, found, strict=True)}
        seconds.pop(0, None)  # has no logarithm
        rows.append(
            (
                each.name,
                ", ".join(f"{size:,}" for size in each.sizes),
                f"{exponent([*seconds], [*seconds.values()]):.2f}",
                f"{spread([turn.cpu_seconds for turn in found]):.2f}",
                f"{spread([turn.cpu_seconds / turn.lines for turn in found]):.2f}",
                f"{spread([turn.peak_mb for turn in found]):.2f}",
            )
        )
    return table(head, rows)


def faults(series: Sequence[Series], points: Points) -> Iterator[str]:
    """In words, what grows over events as it may not."""
    for each in series:
        seconds = [points[shape].cpu_seconds for shape in each.shapes]
        found = exponent(each.sizes, seconds)
        if found > LARGEST_EXPONENT:
            yield (
                f"{each.name}: CPU seconds grow like events ** {found:.2f},"
                f" more than {LARGEST_EXPONENT} (n log n with room for noise)"
            )
        for shape in each.shapes:
            if points[shape].peak_mb > MOST_MEMORY_MB:
                peak = f"{points[shape].peak_mb:,.0f} MB"
                yield f"{each.name}: {peak} at {shape.events:,} events, over {MOST_MEMORY_MB:,}"


def panels(over: Sequence[Series], shapes: Sequence[Series], points: Points) -> list[Panel]:
    most, *_ = over
    first, last = most.shapes[0], most.shapes[-1]
    a_unit = points[last].cpu_seconds / (last.events * np.log(last.events))
    n_log_n = [(size, a_unit * size * np.log(size)) for size in (first.events, last.events)]

    def curves(series: Sequence[Series], figure: str, *, a_million_lines: bool) -> list[Curve]:
        return [
            Curve(
                each.name,
                [
                    (size, value / (points[shape].lines / 1e6 if a_million_lines else 1))
                    for size, shape in zip(each.sizes, each.shapes, strict=True)
                    if size and (value := getattr(points[shape], figure))
                ],
            )
            for each in series
        ]

    time_of_all = curves(over, "cpu_seconds", a_million_lines=False)
    memory = curves(over, "peak_mb", a_million_lines=False)
    a_line = curves(shapes, "cpu_seconds", a_million_lines=True)
    limit = Curve("4 GB", [(first.events, MOST_MEMORY_MB), (last.events, MOST_MEMORY_MB)], True)
    return [
        Panel("Time: CPU seconds", "events", [*time_of_all, Curve("n log n", n_log_n, True)]),
        Panel("Memory: peak MB", "events", [*memory, limit]),
        Panel("CPU seconds a million lines", "affiliates", a_line[:2]),
        Panel("CPU seconds a million lines", "how many", a_line[2:]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="up to 3 million events, to try")
    parser.add_argument("--kept", type=Path, help="a JSON file of turns; those are not repeated")
    parser.add_argument("--picture", type=Path, help="an SVG file to draw into")
    given = parser.parse_args()
    kept = Kept(given.kept)
    start = kept.turn(START)
    over, shapes = over_events(given.small), over_shapes(given.small)
    extremes = at_extremes(shapes)
    points = {
        shape: kept.turn(shape).without(start)
        for series in (*shapes, *extremes, *over)
        for shape in series.shapes
    }
    print(f"{machine()}; Python {platform.python_version()}; NumPy {np.__version__};")
    print(
        f"start taken off: {start.cpu_seconds:.2f} CPU seconds, {start.seconds:.2f} on the clock;"
    )
    print(f"its memory is not: {start.peak_mb:,.0f} MB\n")
    print(table_of_points(over, points))
    print(table_of_fits([*over, *extremes], points))
    print(table_of_shapes(shapes, points))
    print(table_of_points([*shapes, *extremes], points))
    if given.picture:
        given.picture.parent.mkdir(parents=True, exist_ok=True)
        given.picture.write_text(picture(panels(over, shapes, points)), "utf-8")
    found = list(faults([*over, *extremes], points))
    if found:
        sys.exit("grows too fast:\n" + "\n".join(found))
    print(f"Nothing grows faster than n log n, or past {MOST_MEMORY_MB:,} MB.")


if __name__ == "__main__":
    main()
