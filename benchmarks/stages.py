"""Where the time of a night goes, stage by stage, and as a flame graph.

    python benchmarks/stages.py [AFFILIATES EVENTS] [--on postgresql|sqlite] [--lines segments]
        [--repeat N] [--durable] [--flame FILE.svg]

A book is filled, and one date after all events is run on a fresh copy of it, each time in a new
process, told the stages' names as somebody who waits is. Prints Markdown for docs/benchmarks.md:
the median seconds of each stage and its share of the night; below a stage what the largest of its
steps take, where these are known by name. With --flame the night runs once more under py-spy
(`pip install py-spy`; it needs the right to look into processes), waiting included, and the picture
is written without the names of this machine's folders. It leaves out what happens inside of
libraries and of the database: there it shows who waits for them.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any

from night import DATE, Books, about, arguments, filled_books, measured

from commission_engine import night as nights
from commission_engine.book import caps, decided, lines, runs
from commission_engine.book.connect import connect
from commission_engine.book.lock import working
from commission_engine.calendar import day_of
from commission_engine.decide.kernel import decide
from commission_engine.publish import folder as folders
from commission_engine.publish.files import Ahead
from commission_engine.published import publish_run

OF_EVENTS = ("reading events",)
STEPS: tuple[tuple[Any, str, str], ...] = (
    (runs, "_events", "the events out of the book"),
    (runs, "_days", "their local days"),
    (runs, "processing_order", "their order"),
    (runs, "forest", "the forest of referrals"),
    (lines.InDatabase, "add", "the lines into their table"),
    (lines.InSegments, "add", "the lines into segments"),
    (caps, "advance_caps", "the caps' totals"),
    (nights, "post", "entries"),
    (nights, "activity", "activity"),
    (runs, "add_rows", "rows of the ledger and of statements"),
    (nights, "settlement", "statements"),
    (nights, "record_run", "the audit trail"),
    (nights, "figures_of", "control totals"),
    (decided, "names", "the affiliates' ids"),
    (folders, "_write", "{}"),
    (folders, "_sync_all", "on to the disk"),
)
"""What is timed inside of the stages: where it is called by this name, and what it is."""

Times = dict[tuple[str, str], float]
"""Seconds by stage and step; the stage's own under the empty step."""


class Watcher:
    """A `say` that takes times."""

    def __init__(self) -> None:
        self.times: Times = defaultdict(float)
        self._stage, self._began = "", 0.0

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        if self._stage:
            self.times[self._stage, ""] += now - self._began
        self._stage, self._began = stage, now

    @contextmanager
    def on(self, step: str) -> Iterator[None]:
        stage, began = self._stage, time.perf_counter()
        yield
        self.times[stage, step] += time.perf_counter() - began

    def watch(self, home: Any, name: str, step: str) -> None:
        """Time every call of what `home` calls `name`."""
        setattr(home, name, self.timed(getattr(home, name), step))

    def timed(self, work: Callable[..., Any], step: str) -> Callable[..., Any]:
        @wraps(work)
        def timed(*given: Any, **named: Any) -> Any:
            with self.on(step.format(getattr(given[-1], "name", ""))):
                return work(*given, **named)

        return timed


def run(url: str, out: Path, home: str) -> Times:
    """One night in this process."""

    def now() -> str:
        return datetime.now(UTC).isoformat(timespec="seconds")

    watcher, engine, day = Watcher(), connect(url), day_of(date.fromisoformat(DATE))
    for step in STEPS:
        watcher.watch(*step)
    folder = out / DATE
    with working(engine, "stages", now()) as worker, Ahead(folder) as ahead:
        outputs = nights.Outputs("none")
        kernel = watcher.timed(decide, "the kernel")
        done = nights.run_night(worker, day, outputs, now, watcher, home, kernel, ahead=ahead)
        publish_run(engine, done, out, watcher, home, ahead)
    watcher("")
    return watcher.times


def night(books: Books, work: Path, home: str) -> list[str]:
    """The command of one night in a process of its own."""
    for name in ("out", "segments"):
        shutil.rmtree(work / name, ignore_errors=True)
    place = str(work / "segments") if home == "segments" else home
    program = [sys.executable, str(Path(__file__))]
    return [*program, "--run", books.fresh(), str(work / "out"), place]


@contextmanager
def drawn(target: Path) -> Iterator[None]:
    """A flame graph of what this process does in the block, by the time that passes."""
    picture = target.with_suffix(".new")
    recorder = ["py-spy", "record", "--idle", "--function", "--rate", "100", "--nonblocking"]
    to_file = ["--format", "flamegraph", "--output", str(picture), "--pid", str(os.getpid())]
    with subprocess.Popen([*recorder, *to_file], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while b"Sampling" not in (said := process.stdout.readline()):
            if not said:
                sys.exit("py-spy cannot look into this process")
        yield
        process.send_signal(signal.SIGINT)
        process.communicate()
    target.write_text(without_places(picture.read_text("utf-8")), "utf-8")
    picture.unlink()


def table(turns: list[Any], counts: dict[str, int]) -> None:
    rows: dict[tuple[str, str], list[float]] = defaultdict(list)
    for times in turns:
        for stage, step, seconds in times:
            rows[stage, step].append(seconds)
    whole = sum(median(of) for (_, step), of in rows.items() if not step)
    print("| stage | seconds | share | rows a second |\n| --- | ---: | ---: | ---: |")
    for stage in [stage for stage, step in rows if not step]:
        seconds = median(rows[stage, ""])
        kind = "events" if stage in OF_EVENTS else "lines"
        speed = f"{counts[kind] / seconds:,.0f} {kind}" if seconds / whole > 0.01 else ""
        print(f"| {stage} | {seconds:.2f} | {seconds / whole:.0%} | {speed} |")
        for (of, step), took in rows.items():
            if of == stage and step and median(took) / whole > 0.005:
                print(f"| - {step} | {median(took):.2f} | {median(took) / whole:.0%} | |")
    print(f"| the night | {whole:.2f} | 100% | {counts['lines'] / whole:,.0f} lines |")


def without_places(picture: str) -> str:
    """The picture without this machine's folders: paths begin at the program or at a library."""
    places = {sys.prefix, sys.base_prefix, str(Path(__file__).parents[1])}
    for place in sorted(places, key=len, reverse=True):
        picture = picture.replace(f"{place}/", "")
    picture = re.sub(r"(?:/[\w.+-]+)+/(?=(?:site-packages|lib)/)", "", picture)
    return re.sub(r"\S*py-spy record[^<]*--pid \d+", "A night, by the time that passes", picture)


def main() -> None:
    words = arguments(__doc__)
    words.add_argument("--lines", choices=("database", "segments"), default="database")
    words.add_argument("--flame", type=Path, metavar="FILE", help="write a flame graph (py-spy)")
    words.add_argument("--run", nargs=3, metavar=("URL", "OUT", "HOME"), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.run:
        with drawn(given.flame) if given.flame else nullcontext():
            times = run(given.run[0], Path(given.run[1]), given.run[2])
        print(json.dumps([[*key, seconds] for key, seconds in times.items()]))
        return
    with filled_books(given) as (books, work):
        turns = [measured(night(books, work, given.lines), books)[1] for _ in range(given.repeat)]
        manifest = work / "out" / DATE / "manifest.json"
        counts = json.loads(manifest.read_text("utf-8"))["counts"]
        print(f"{about(given, counts['lines'], books)}\n")
        table(turns, counts)
        if given.flame:
            given.flame.parent.mkdir(parents=True, exist_ok=True)
            command = [*night(books, work, given.lines), "--flame", str(given.flame)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
