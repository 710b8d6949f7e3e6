"""Kill an export of payouts at its steps, with a bank that takes every file away at once.

    python tests/crash_payouts.py --trials 100

Whatever appears is paid. So each payout may stand in one file only, whenever the export is killed,
and in one of them in the end. Exit code 1 where that is not so.
"""

import argparse
import csv
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from crash_world import Child, load_what_commands_load, start
from failpoints import Fault

PLAN = """\
name = "acme"
[[terms]]
from = 2026-01-01
level = [{ level = 1, rate = "100%" }]
"""
REFERRALS = "affiliate_id,referrer_id\nbob,ann\ncat,bob\n"
EARNINGS = (
    "event_id,affiliate_id,occurred_at,amount,currency\n"
    "e1,bob,2026-01-05T10:00:00Z,25.00,USD\n"
    "e2,cat,2026-01-05T10:00:00Z,3,JPY\n"
)


@dataclass
class Desk:
    """The folder of an operator, and a bank."""

    folder: Path

    @property
    def book(self) -> Path:
        return self.folder / "book.db"

    @property
    def payments(self) -> Path:
        return self.folder / "work" / "out" / "payments"

    def command(self, *words: str, fault: Fault | None = None) -> Child:
        child = start(words, self.folder / "work", f"sqlite:///{self.book}", fault)
        child.wait()
        return child

    def prepare(self) -> None:
        given = self.folder / "work" / "in"
        given.mkdir(parents=True)
        for name, text in (("plan.toml", PLAN), ("referrals.csv", REFERRALS),
                           ("earnings.csv", EARNINGS)):  # fmt: skip
            (given / name).write_text(text, "utf-8")
        load_what_commands_load(self.folder)
        for words in (("run", str(given), "--date", "2026-01-05"), ("payouts", "approve")):
            child = self.command(*words)
            if child.wait():
                raise SystemExit(f"{words}: {child.wait()}\n{child.words}")
        with sqlite3.connect(self.book) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self.book, self.folder / "kept.db")

    def restore(self) -> None:
        for path in self.folder.glob("book.db-*"):
            path.unlink()
        shutil.copyfile(self.folder / "kept.db", self.book)
        shutil.rmtree(self.payments, ignore_errors=True)

    def taken(self) -> list[str]:
        """What the bank pays now: all payouts of all files that are there, which it takes away."""
        paid = []
        for path in [*self.payments.glob("payments-*.csv")] if self.payments.exists() else []:
            paid += [row["payout_id"] for row in csv.DictReader(path.open(encoding="utf-8"))]
            path.unlink()
        return paid

    def left(self) -> list[str]:
        return [path.name for path in self.payments.iterdir()] if self.payments.exists() else []


def trial(desk: Desk, at: int, wanted: list[str]) -> str:
    """Kill an export at a step, repeat it twice; what went wrong."""
    desk.restore()
    paid = []
    if desk.command("payouts", "export", fault=Fault("kill", at)).wait() != -9:
        return "was not killed"
    for _ in range(2):
        paid += desk.taken()
        child = desk.command("payouts", "export")
        if child.wait():
            return f"repeated: {child.wait()}\n{child.words}"
    paid += desk.taken()
    if sorted(paid) != wanted:
        return f"paid {sorted(paid)}, not {wanted}"
    return f"left {desk.left()}" if desk.left() else ""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    trials = parser.parse_args(words).trials
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        desk = Desk(Path(name))
        desk.prepare()
        every = desk.command("payouts", "export", fault=Fault("kill", 0)).counter.hits
        wanted = sorted(desk.taken())
        if len(wanted) != 2:
            raise SystemExit(f"in peace {wanted} was paid")
        # Half of them among the last ones, where the file comes into being.
        near = [every - n for n in range(min(trials // 2, every))]
        far = [1 + (every - 1) * n // trials for n in range(trials - len(near))]
        wrong = 0
        for at in (*near, *far):
            if said := trial(desk, at, wanted):
                print(f"killed at {at} of {every}: {said}")
                wrong += 1
        print(f"{len(near) + len(far)} exports killed, at {every} places; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
