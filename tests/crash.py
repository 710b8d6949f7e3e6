"""Make the program fail at any of its steps, run the command again, compare with a run in peace.

    python tests/crash.py kill --trials 1500 --seed 1
    python tests/crash.py kill --trials 100 --seed 1 --server postgresql://...

Trial N of a seed is always the same: `--only N` does it alone. The programme is another one for
each seed. Exit code 1 and the command to do it again when something differed.
"""

import argparse
import shutil
import sys
import time
from collections import Counter as Counts
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from crash_server import WAYS, OwnServer, Traced, mutating
from crash_world import (
    DONE,
    Around,
    Books,
    Child,
    books,
    differences,
    dump,
    files,
    load_what_commands_load,
    programme,
    start,
    workplace,
)
from failpoints import Fault

HOWS = {
    "kill": ("kill",),
    "power": ("power",),
    "term": ("term",),
    "full": ("EIO", "ENOSPC", "EIO+", "ENOSPC+"),
    "cut": ("cut", "cut all", "lost", "lost"),
    "crash": ("pause",),
    "calls": WAYS,
    "collide": ("40001", "40P01", "40001+", "40P01+"),
}
STOP_SECONDS = 10.0


@dataclass
class Step:
    """A command with what it leaves when nothing happens."""

    words: tuple[str, ...]
    before: str
    after: str
    rows: dict[str, list[str]]
    files: dict[str, bytes]
    hits: dict[str, int] = field(default_factory=dict)
    """Per kind of fault how many places it can strike at."""


class Failed(Exception):
    """A trial that did not come to what a run in peace comes to."""


class Bench:
    """A programme, its steps, and the trials on them."""

    def __init__(self, folder: Path, seed: int, server: str | None, around: Around) -> None:
        self.folder, self.seed, self.around = folder, seed, around
        self.server = OwnServer() if server == "own" else None
        server = self.server.url if self.server else server
        self.books: Books = books(folder, server)
        self.counts: Counts[str] = Counts()
        self.steps: list[Step] = []
        self.calls: list[tuple[Step, str, int]] = []

    def prepare(self) -> None:
        """Do everything once in peace."""
        load_what_commands_load(self.folder)
        self.steps = self._in_peace(programme(self.folder / "given", self.seed))

    def close(self) -> None:
        self.books.close()
        if self.server:
            self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, step: Step, fault: Fault | None = None) -> Child:
        child = self.begin(step, fault)
        child.wait()
        return child

    def begin(self, step: Step, fault: Fault | None = None) -> Child:
        return start(step.words, self.books.trial, self.books.url, fault, self.around)

    def _in_peace(self, commands: list[tuple[str, ...]]) -> list[Step]:
        self.books.empty()
        self.books.keep("step_0")
        steps = []
        for n, words in enumerate(commands):
            step = Step(words, f"step_{n}", f"step_{n + 1}", {}, {})
            child = self.run(step)
            if child.wait() not in DONE:
                raise SystemExit(f"{words}: {child.wait()}\n{child.words}")
            step.rows, step.files = dump(self.books.url), files(self.books.trial)
            self.books.keep(step.after)
            steps.append(step)
        return steps

    def hits(self, step: Step, how: str) -> int:
        """At how many places a fault of this kind can strike in the step."""
        if how not in step.hits:
            self.books.restore(step.before)
            step.hits[how] = self.run(step, Fault(how, 0)).counter.hits
        return step.hits[how]

    def place(self, how: str, number: int) -> tuple[Step, int]:
        """The place `number` of all, gone through in an order of the seed's own."""
        counts = [self.hits(step, how) for step in self.steps]
        total = sum(counts)
        at = Random(f"order {self.seed} {how} {number // total}").sample(range(total), total)
        rest = at[number % total]
        for step, count in zip(self.steps, counts, strict=True):
            if rest < count:
                return step, rest + 1
            rest -= count
        raise AssertionError("a place is in one of the steps")

    def all(self, kind: str, given: argparse.Namespace, program: str) -> int:
        """Every trial that was asked for, or one; 1 if one of them failed."""
        started = time.monotonic()
        first = getattr(given, "first", 0) if given.only is None else given.only
        numbers = range(first, first + (given.trials if given.only is None else 1))
        failures = 0
        try:
            self.prepare()
            for number in numbers:
                try:
                    self.trial(kind, number)
                except Failed as why:
                    failures += 1
                    words = ["python", program, kind, "--seed", given.seed, "--only", number]
                    for name in ("server", "lines"):
                        if getattr(given, name, None):
                            words += [f"--{name}", f"'{getattr(given, name)}'"]
                    print(f"FAILED: {' '.join(map(str, words))}\n{why}\n", flush=True)
        finally:
            self.close()
        seconds = time.monotonic() - started
        places = len(self.calls) + sum(sum(step.hits.values()) for step in self.steps)
        counted = ", ".join(f"{count:,} {what}" for what, count in sorted(self.counts.items()))
        print(
            f"{len(numbers):,} trials on {places:,} places in {seconds:.0f} s: {counted};"
            f" {failures} failed"
        )
        return 1 if failures else 0

    def trial(self, kind: str, number: int) -> None:
        """A trial of a kind; Failed when it does not come to what a run in peace comes to."""
        if kind == "calls":
            self.call(number)
        elif kind == "crash":
            self.crash(number)
        else:
            self.faults(kind, number)

    def faults(self, kind: str, number: int) -> None:
        """One to four faults in one step, then the command until it is done."""
        chance = Random(f"trial {self.seed} {kind} {number}")
        how = HOWS[kind][number % len(HOWS[kind])]
        step, at = self.place(how, number // len(HOWS[kind]))
        self.books.restore(step.before)
        for again in range(chance.choice((1, 2, 3, 3, 4))):
            if again:
                at = chance.randint(1, max(at, 8))
            fault = Fault(how, at, chance.getrandbits(30))
            began = time.monotonic()
            child = self.run(step, fault)
            if how == "term" and time.monotonic() - began > STOP_SECONDS:
                raise Failed(f"{time.monotonic() - began:.0f} s to stop at {fault}\n{child.words}")
            struck = child.counter.hits >= at
            self.counts[f"{how}{' in recovery' if again and struck else ''}"] += struck
            self._fails_well(step, fault, child)
            self._nothing_half_done(step)
            if child.wait() in DONE:
                break
        self.finish(step)

    def crash(self, number: int) -> None:
        """The server is killed under a command, and comes back soon after."""
        if not self.server:
            raise SystemExit("give --server own")
        step, at = self.place("pause", number)
        self.books.restore(step.before)
        child = self.begin(step, Fault("pause", at))
        if child.stopped():
            self.server.crash()
            child.goes_on()
            self.server.come_back()
            self.counts["server crashes"] += 1
        child.wait()
        self.counts["went on by itself"] += child.wait() in DONE
        self._fails_well(step, Fault("crash", at), child)
        self._nothing_half_done(step)
        self.finish(step)

    def call(self, number: int) -> None:
        """A system call of one step is the last, or fails once, or from then on."""
        calls = self._calls()
        total = len(calls) * len(WAYS)
        order = Random(f"calls {self.seed} {number // total}").sample(range(total), total)
        which, way = divmod(order[number % total], len(WAYS))
        step, name, n = calls[which]
        self.books.restore(step.before)
        inject = f"{name}:{WAYS[way].format(n=n)}"
        child = self._trace(step, inject)
        self.counts[WAYS[way].split(":")[0] + ("+" if WAYS[way].endswith("+") else "")] += 1
        how = "kill" if way == 0 else "EIO"
        self._fails_well(step, Fault(how, n), child, f"{inject} in {step.words[:2]}")
        self._nothing_half_done(step)
        self.finish(step)

    def _calls(self) -> list[tuple[Step, str, int]]:
        """Every mutating system call of all steps."""
        if not self.calls:
            for step in self.steps:
                self.books.restore(step.before)
                self._trace(step)
                found = mutating(self.folder / "strace")
                self.calls += [(step, name, n) for name, n in found]
        return self.calls

    def _trace(self, step: Step, inject: str = "") -> Child:
        around = replace(self.around, stopped_first=True)
        child = start(step.words, self.books.trial, self.books.url, None, around)
        traced = Traced(child, self.folder / "strace", inject)
        child.wait()
        traced.end()
        return child

    def finish(self, step: Step, drafts: bool = False) -> None:
        """The command again, until it is done, and what there is then."""
        for _ in range(100):
            child = self.run(step)
            # A server needs a moment to see that a client has gone.
            if child.wait() not in (4, 75) or not self.books.url.startswith("postgresql"):
                break
            time.sleep(0.05)
        if child.wait() not in DONE:
            raise Failed(f"the command again: exit {child.wait()}\n{child.words}")
        self._same(step, drafts)

    def _same(self, step: Step, drafts: bool = False) -> None:
        """Whether the book and all files are as in peace; `drafts`: but for drafts in hiding."""
        found = files(self.books.trial)
        if drafts:
            found = {name: found[name] for name in found if "/." not in name}
        said = differences(step.rows, dump(self.books.url))
        said += differences(step.files, found)
        if said:
            raise Failed("\n".join(said))

    def _fails_well(self, step: Step, fault: Fault, child: Child, where: str = "") -> None:
        """A command that fails says so by its exit code, and one that does not has done it all."""
        code, said = child.wait(), child.words
        expected = {
            "kill": (-9,),
            "power": (-9,),
            "term": (75,),
            "EIO": (1,),
            "ENOSPC": (1,),
        }.get(fault.how.removesuffix("+"), (75,))
        if code in DONE:
            self._same(step)
        elif code not in expected:
            raise Failed(f"exit {code} after {where or fault}\n{said}")
        elif "Traceback" in said:
            raise Failed(f"a trace after {where or fault}\n{said}")

    def _nothing_half_done(self, step: Step) -> None:
        """What is to be seen is complete: a date's folder has all its files, each as it will be."""
        found = {
            name: content
            for name, content in files(self.books.trial).items()
            if name.startswith("out/") and not any(p.startswith(".") for p in name.split("/"))
        }
        wrong = [name for name, content in found.items() if step.files.get(name) != content]
        for date in {name.split("/")[1] for name in found}:
            whole = {name for name in step.files if name.startswith(f"out/{date}/")}
            wrong += sorted(whole - set(found))
        if wrong:
            raise Failed(f"half done: {wrong}")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("kind", choices=HOWS)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this trial alone")
    parser.add_argument("--server", help="the URL of a PostgreSQL server, or own; else SQLite")
    parser.add_argument("--lines", help="lines in segments below this folder's name")
    given = parser.parse_args(words)
    folder = workplace()
    around = Around({"COMMISSION_LINES_STORE": given.lines} if given.lines else {})
    bench = Bench(folder, given.seed, given.server, around)
    return bench.all(given.kind, given, "tests/crash.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
