"""The outside differs, the bytes do not.

    python tests/crash_outside.py --trials 200 --seed 1 [--server postgresql://...]

Each trial is two nights of a small programme on another "machine" (time zone, language, hash seed,
threads: a process of its own for every few trials), from another current folder, with another mask
of rights, other sizes of blocks, its rows shuffled, split over files and delivered several times,
in either database; compared with the same nights run plainly.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter as Counts
from hashlib import sha256
from pathlib import Path
from random import Random

from crash_world import (
    DONE,
    HEADER,
    Around,
    Books,
    Sqlite,
    books,
    dump,
    files,
    load_what_commands_load,
    rows_of,
    start,
    workplace,
    written,
)

WORLDS = 6
FROM_WHERE = frozenset(("audit",))
"""The tables that say with which words, in which folder a command was given."""

A_MACHINE = 40
"""So many trials are done by one machine."""

SIZES = {
    "book.bulk.ROWS_AT_ONCE": (1, 2, 7, 1000),
    "book.bulk._FETCHED": (1, 3, 100),
    "book.bulk._BLOCK": (1, 64, 4096),
    "book.lines.EVENTS_AT_ONCE": (1, 5),
    "book.lines.LINES_AT_ONCE": (1, 5),
    "book.lines.LOOKED_UP": (0, 2),
    "book.decided.LINES_AT_ONCE": (1, 5),
    "book.caps._FEW": (0, 2),
    "book.caps._SPARSE": (0, 2),
    "book.facts.MANY": (0, 3),
    "publish.files.ROWS_AT_ONCE": (1, 3),
    "publish.documents.READERS_AT_ONCE": (1, 2),
}
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "Pacific/Chatham")
LANGUAGES = ("C", "C.UTF-8", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8")
DATES = ("2026-01-31", "2026-02-28")


def machine(seed: int, number: int) -> dict[str, str]:
    """What is fixed when a process starts."""
    chance = Random(f"machine {seed} {number}")
    return {
        "PYTHONHASHSEED": str(chance.randint(0, 2**32 - 1)),
        "POLARS_MAX_THREADS": str(chance.choice((1, 2, 3, 8))),
        "TZ": chance.choice(ZONES),
        "LC_ALL": chance.choice(LANGUAGES),
        "LANG": chance.choice(LANGUAGES),
    }


def delivered(folder: Path, world: int, mixed: Random | None) -> None:
    """The two nights' files; mixed: shuffled, split and delivered again, over both nights."""
    rows = rows_of(world)
    nights = (rows.january, rows.february)
    for number, fresh in enumerate(nights):
        night = folder / f"night-{number}"
        written(night / "affiliates.csv", "affiliate_id,name,status", rows.people)
        written(night / "referrals.csv", "affiliate_id,referrer_id", _mixed(rows.tree, mixed))
        (night / "plan.toml").write_text(rows.plan, "utf-8")
        events = _mixed([*nights[0], *fresh] if mixed and number else fresh, mixed)
        parts = mixed.randint(1, 4) if mixed else 1
        for part in range(parts):
            written(night / f"earnings-{part}.csv", HEADER, events[part::parts])


def _mixed(rows: list[str], chance: Random | None) -> list[str]:
    if not chance:
        return rows
    again = [row for row in rows for _ in range(chance.choice((1, 1, 2, 3)))]
    return chance.sample(again, len(again))


class Outside:
    """Nights under this or that outside, and what they leave as one number."""

    def __init__(self, seed: int, server: str | None) -> None:
        self.seed, self.folder = seed, workplace()
        self.books: list[Books] = [Sqlite(self.folder / "sqlite")]
        self.books += [books(self.folder / "postgresql", server)] if server else []
        load_what_commands_load(self.folder)
        for each in self.books:
            each.trial.parent.mkdir()
            each.empty()
            start(("config", "show"), each.trial, each.url).wait()
            start(("lines",), each.trial, each.url).wait()
            each.keep("migrated")

    def plain(self, world: int) -> tuple[str, str]:
        return self._nights(self.books[0], world, None, Around())

    def trial(self, number: int) -> tuple[str, str]:
        """SHA-256 of all files, and of the book ("" where rows are mixed: they are numbered in
        the order in which they come)."""
        chance = Random(f"outside {self.seed} {number}")
        elsewhere = self.folder / "else where ü"
        elsewhere.mkdir(exist_ok=True)
        around = Around(
            environment={"TZ": chance.choice(ZONES)},
            folder=chance.choice((None, Path("/"), elsewhere)),
            mask=chance.choice((0o022, 0o077, 0o002, 0)),
            constants={
                name: chance.choice(sizes) for name, sizes in SIZES.items() if chance.random() < 0.5
            },
        )
        mixed = chance if number % 2 else None
        where = self.books[number // 2 % len(self.books)]
        found = self._nights(where, number % WORLDS, mixed, around)
        return found[0], "" if mixed else found[1]

    def _nights(
        self, where: Books, world: int, mixed: Random | None, around: Around
    ) -> tuple[str, str]:
        given = where.trial.with_name(f"given-{time.monotonic_ns()}")
        delivered(given, world, mixed)
        where.restore("migrated")
        for number, date in enumerate(DATES):
            words = ("run", str(given / f"night-{number}"), "--date", date)
            child = start(words, where.trial, where.url, None, around)
            if child.wait() not in DONE:
                return f"exit {child.wait()}: {child.words}", ""
        return _digest(files(where.trial)), _digest(dump(where.url, FROM_WHERE))

    def close(self) -> None:
        for each in self.books:
            each.close()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)


def _digest(told: object) -> str:
    return sha256(repr(told).encode()).hexdigest()


def on_machine(given: argparse.Namespace) -> int:
    """What a machine's own process does: its trials, printed as JSON."""
    outside = Outside(given.seed, given.server)
    try:
        print(json.dumps({n: outside.trial(n) for n in range(given.first, given.last)}))
    finally:
        outside.close()
    return 0


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this trial alone")
    parser.add_argument("--server", help="the URL of a PostgreSQL server, for every second trial")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--last", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.last is not None:
        return on_machine(given)
    began = time.monotonic()
    wanted = range(given.trials) if given.only is None else range(given.only, given.only + 1)
    found = _everywhere(given, wanted)
    outside = Outside(given.seed, None)
    try:
        plain = [outside.plain(world) for world in range(WORLDS)]
    finally:
        outside.close()
    failures = 0
    counts: Counts[str] = Counts()
    for number, (made, book) in sorted(found.items()):
        expected = plain[number % WORLDS]
        counts["books compared"] += bool(book)
        if made != expected[0] or (book and book != expected[1]):
            failures += 1
            what = "files" if made != expected[0] else "book"
            print(f"FAILED: {what} differ: {made[:2000] if made.startswith('exit') else ''}")
            server = f" --server '{given.server}'" if given.server else ""
            print(f"python tests/crash_outside.py --seed {given.seed} --only {number}{server}\n")
    print(
        f"{len(found)} comparisons of all files, {counts['books compared']} of the whole book,"
        f" in {time.monotonic() - began:.0f} s; {failures} failed"
    )
    return 1 if failures else 0


def _everywhere(given: argparse.Namespace, wanted: range) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for first in range(wanted.start - wanted.start % A_MACHINE, wanted.stop, A_MACHINE):
        last = min(first + A_MACHINE, wanted.stop)
        words = [sys.executable, __file__, "--seed", str(given.seed)]
        words += ["--first", str(max(first, wanted.start)), "--last", str(last)]
        words += ["--server", given.server] if given.server else []
        environment = {**os.environ, **machine(given.seed, first // A_MACHINE)}
        done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True)
        found |= {int(n): (made, book) for n, (made, book) in json.loads(done.stdout).items()}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
