"""Years of nights in minutes: two schedulers over one book, and all that happens to them.

    python tests/year.py --nights 3650 --seed 1 [--server URL]

The commands are the real ones, in this process; the clock is set by hand. Schedulers die in the
middle of a night, machines and the database are away for days, clocks are wrong; files come late,
with refunds and bad rows, affiliates move, terms are added, clocks of the zone change. Then every
business date has been run exactly once, every event was taken exactly once, and the book was
proved each night: its new runs derived again, with their files; at each thirtieth proof the sums
and the audit trail, every `--full-every` nights and at the end everything from nothing, as
`commission verify` does.
"""

import argparse
import contextlib
import io
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from crash_world import books, workplace

import commission_engine.__main__ as entry
from commission_engine.book import connect, runs
from commission_engine.calendar import Zone, day_of
from commission_engine.cli import common
from commission_engine.problems import Exit, TryAgain, UsageError
from commission_engine.publish import folder as published
from commission_engine.timetable import Timetable
from commission_engine.verify import Proved, verify
from jobs.book import OpenBook
from jobs.nightly import Known, Nightly
from jobs.trigger import Nights

LAST = date(2026, 6, 30)
"""The years end here, so that no date of theirs is in the future."""
DAY = timedelta(days=1)
ZONES = ("Europe/Berlin", "America/Santiago", "America/New_York", "Africa/Cairo",
         "Australia/Lord_Howe", "Asia/Beirut")  # fmt: skip
TIMES = (time(2, 30), time(0), time(0, 30), time(2), time(3))
HEADER = "event_id,affiliate_id,occurred_at,amount,currency,reverses"
SEEN = (
    "nights run by one machine", "nights run by the other", "nights that were caught up with",
    "deaths in a night", "deaths after a commit", "machines away", "both machines away",
    "database away", "clocks set back", "clocks far ahead", "looks while another works",
    "late rows", "refunds", "rejected rows", "moves", "new terms", "suspensions",
    "days of a clock change", "settlements", "proofs",
)  # fmt: skip
"""What a year has to have met."""


engine_of = cache(connect.connect)
"""One engine for all commands: each of its own would compile all queries anew."""


class Died(BaseException):
    """A scheduler is gone, wherever it was."""


# -- what the programme lives through


@dataclass
class Programme:
    """Affiliates and what they earn, day by day, as files in a folder."""

    folder: Path
    chance: Random
    seen: Counter[str]
    zone: str
    begins: date
    people: list[str] = field(default_factory=lambda: ["a0", "a1", "a2"])
    referrer: dict[str, str] = field(default_factory=dict)
    terms: list[str] = field(default_factory=list)
    last_terms: date = date.min
    left: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    """Of each order: whose it is, what is not refunded yet, and its currency."""
    later: dict[date, list[str]] = field(default_factory=dict)
    written: list[tuple[date, Path]] = field(default_factory=list)
    number: int = 0

    def start(self) -> None:
        self.folder.mkdir()
        self.add_terms(self.begins)

    def add_terms(self, starts: date) -> None:
        rates = self.chance.choice((("20%", "10%"), ("15%", "7.5%"), ("12.5%", "3%")))
        self.terms.append(
            f"[[terms]]\nfrom = {starts}\nhold_days = {self.chance.choice((0, 3, 14))}\n"
            + "".join(
                f'[[terms.level]]\nlevel = {level}\nrate = "{rate}"\n[[terms.level.cap]]\n'
                'window = "month"\namount = { USD = "60.00", EUR = "55.00" }\n'
                for level, rate in enumerate(rates, 1)
            )
        )
        self.last_terms = starts
        (self.folder / "plan.toml").write_text(
            f'name = "years"\ntimezone = "{self.zone}"\n[payout]\nevery = "week"\n'
            'minimum = { USD = "5.00" }\n' + "".join(self.terms),
            "utf-8",
        )

    def live(self, day: date, commission: Callable[..., int]) -> None:
        """What happens on a day, and the files that come in the evening."""
        chance = self.chance
        joined = [f"a{len(self.people) + n}" for n in range(chance.random() < 0.2)]
        for name in joined:
            self.referrer[name] = chance.choice(self.people)
            self.people.append(name)
        rows = self.later.pop(day, [])
        for _ in range(chance.choice((0, 1, 2, 3))):
            self._put(self._order(day), rows, day)
        if self.left and chance.random() < 0.25:
            self._put(self._refund(day), rows, day)
        if chance.random() < 0.04:
            rows.append(f"x{day},a0,yesterday,1.00,USD,")
            self.seen["rejected rows"] += 1
        self._write("earnings", day, HEADER, rows)
        self._write(
            "referrals", day, "affiliate_id,referrer_id,since",
            [f"{name},{self.referrer[name]},{day}" for name in joined],
        )  # fmt: skip
        if chance.random() < 0.03:
            status = chance.choice(("suspended", "active"))
            who = chance.choice(self.people)
            self._write("affiliates", day, "affiliate_id,status", [f"{who},{status}"])
            self.seen["suspensions"] += status == "suspended"
        if chance.random() < 0.02 and self.last_terms <= day:
            self.add_terms(day + DAY * chance.randint(2, 40))
            self.seen["new terms"] += 1
        if self.referrer and chance.random() < 0.03:
            self._move(day, commission)

    def _order(self, day: date) -> str:
        self.number += 1
        who, currency = self.chance.choice(self.people), self.chance.choice(("USD", "EUR", "JPY"))
        amount = self.chance.randint(1, 300)
        self.left[f"e{self.number}"] = (who, amount, currency)
        cents = "" if currency == "JPY" else ".00"
        return f"e{self.number},{who},{self._instant(day)},{amount}{cents},{currency},"

    def _refund(self, day: date) -> str:
        """Of an order that may not have arrived yet: then it is refused, and given up."""
        order = self.chance.choice([*self.left])
        who, rest, currency = self.left.pop(order)
        part = self.chance.choice((rest, max(1, rest // 3)))
        if rest > part:
            self.left[order] = (who, rest - part, currency)
        self.number += 1
        self.seen["refunds"] += 1
        cents = "" if currency == "JPY" else ".00"
        return f"r{self.number},{who},{day + DAY}T23:59:59Z,-{part}{cents},{currency},{order}"

    def _instant(self, day: date) -> str:
        at = datetime.combine(day, time(), UTC) + timedelta(seconds=self.chance.randrange(86_400))
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"

    def _put(self, row: str, rows: list[str], day: date) -> None:
        if self.chance.random() < 0.1:
            self.later.setdefault(day + DAY * self.chance.randint(1, 25), []).append(row)
            self.seen["late rows"] += 1
        else:
            rows.append(row)

    def _write(self, kind: str, day: date, header: str, rows: Sequence[str]) -> None:
        if rows:
            path = self.folder / f"{kind}-{day}.csv"
            path.write_text("\n".join((header, *rows)) + "\n", "utf-8")
            self.written.append((day, path))

    def clear(self, completed: date) -> None:
        """Files stay a night after they were read, as they do where nobody hurries."""
        while self.written and self.written[0][0] < completed:
            self.written.pop(0)[1].unlink()

    def _move(self, day: date, commission: Callable[..., int]) -> None:
        who = self.chance.choice([*self.referrer])
        to = self.chance.choice(self.people)
        above = to
        while above in self.referrer and above != who:
            above = self.referrer[above]
        words = ("--since", str(day + DAY), "--reason", "as agreed")
        if above != who and commission("tree", "move", who, "--to", to, *words) == Exit.DONE:
            self.referrer[who] = to
            self.seen["moves"] += 1


# -- what happens to machines


@dataclass
class Places:
    """Where a scheduler can die: before and after the calls by which something becomes true.

    `count` more such calls and it does; 0: it lives on. `other` is told of each call.
    """

    count: int = 0
    other: Callable[[], None] | None = None
    seen: Counter[str] = field(default_factory=Counter)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        wrapped = [
            (connect, "_commit"), (published, "_write"), (published, "_sync"),
            (published.Draft, "appear"),
        ]  # fmt: skip
        before = [getattr(owner, name) for owner, name in wrapped]
        for (owner, name), real in zip(wrapped, before, strict=True):
            setattr(owner, name, self._around(real))
        try:
            yield
        finally:
            for (owner, name), real in zip(wrapped, before, strict=True):
                setattr(owner, name, real)

    def _around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def around(*given: Any) -> Any:
            self._pass("")
            value = real(*given)
            self._pass("deaths after a commit" if real.__name__ == "_commit" else "")
            return value

        return around

    def _pass(self, place: str) -> None:
        if self.other:
            other, self.other = self.other, None
            other()
        if self.count:
            self.count -= 1
            if not self.count:
                self.seen["deaths in a night"] += 1
                if place:
                    self.seen[place] += 1
                raise Died


@dataclass
class Away:
    """The book, which cannot be reached at times."""

    book: OpenBook
    away: bool = False

    def known(self) -> Known:
        if self.away:
            raise TryAgain("the database is away")
        return self.book.known()

    def free(self) -> None:
        self.book.free()

    def tidy(self) -> None:
        self.book.tidy()


@dataclass
class Machine:
    """A machine with a scheduler on it, when it is there."""

    name: str
    back: datetime
    """When it is there again; it is there if that is past."""
    nightly: Nightly | None = None
    wrong: timedelta = timedelta()
    """How wrong its clock is."""


@dataclass
class Years:
    """Everything of a simulation."""

    folder: Path
    url: str
    nights: int
    chance: Random
    full_every: int
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.zone = self.chance.choice(ZONES)
        self.timetable = Timetable(
            self.chance.choice(TIMES), input=str(self.folder / "in"), look_seconds=3600
        )
        self.out = str(self.folder / "out")
        self.begins = LAST - DAY * (self.nights - 1)
        self.now = datetime.combine(self.begins, time(12), UTC)
        self.machines = [Machine("one", self.now), Machine("other", self.now)]
        self.places = Places(seen=self.seen)
        self.proved = Proved()
        self.engine = engine_of(self.url)
        self.program = entry.program()
        self.settings = common.settings_of(database=self.url, out=self.out)
        self.programme = Programme(
            self.folder / "in", self.chance, self.seen, self.zone, self.begins
        )

    def live(self) -> None:
        """All days, and the two after them in which nothing more happens."""
        self.programme.start()
        nights = Nights(self.timetable.at, Zone(self.zone))
        offset = None
        with self.places.watched():
            for number in range(self.nights):
                day = self.begins + DAY * number
                if number < self.nights - 3:
                    self.programme.live(day, self.carry_out)
                begin = nights.after(datetime.combine(day, time(12), UTC) - timedelta(hours=12))
                while nights.due(begin, Zone(self.zone)) < day_of(day):
                    begin = nights.after(begin)
                now = begin.astimezone(Zone(self.zone).rules).utcoffset()
                self.seen["days of a clock change"] += offset not in (None, now)
                offset = now
                self._night(begin, quiet=number >= self.nights - 2)
        assert self.completed() == [str(self.begins + DAY * n) for n in range(self.nights)]
        self._prove_all()

    def _night(self, begin: datetime, quiet: bool) -> None:
        """One night and the day after it, with what happens to machines meanwhile."""
        chance = self.chance
        away = [each for each in self.machines if each.back > begin]
        if not quiet and not away:
            for each in chance.choice(((), (), (), (), (), *([m] for m in self.machines))):
                if chance.random() < 0.2:
                    self._leave(each, begin, chance.randint(1, 6))
            if chance.random() < 0.015:
                days = chance.randint(2, 12)
                for each in self.machines:
                    self._leave(each, begin, days)
                self.seen["both machines away"] += 1
        unreachable = not quiet and chance.random() < 0.02
        self.seen["database away"] += unreachable
        for later in (timedelta(minutes=1), timedelta(hours=9)):
            self.now = begin + later
            for each in chance.sample(self.machines, 2):
                if quiet:
                    each.back = min(each.back, self.now)
                if each.back <= self.now:
                    self._look(each, unreachable and later < timedelta(hours=1), quiet)
            if self._is_done(begin) and not chance.random() < 0.05:
                break
        last = self.completed()
        if last:
            self.programme.clear(date.fromisoformat(last[-1]))

    def _leave(self, machine: Machine, begin: datetime, days: int) -> None:
        machine.back = begin + DAY * days - timedelta(hours=6)
        machine.nightly = None
        self.seen["machines away"] += 1

    def _is_done(self, begin: datetime) -> bool:
        last = self.completed()
        due = Nights(self.timetable.at, Zone(self.zone)).due(begin, Zone(self.zone))
        return bool(last) and day_of(date.fromisoformat(last[-1])) == due

    def _look(self, machine: Machine, unreachable: bool, quiet: bool) -> None:
        chance = self.chance
        if machine.nightly is None:
            book = Away(OpenBook(self.settings, self.timetable.input))
            machine.nightly = Nightly(
                self.timetable, book, lambda: self.now + machine.wrong,
                lambda words: self._given(machine, words), lambda said: None, self.out, owes=True,
            )  # fmt: skip
        nightly = machine.nightly
        assert isinstance(nightly.book, Away)
        nightly.book.away = unreachable
        if not quiet and chance.random() < 0.02:
            back = chance.random() < 0.5
            machine.wrong = DAY * (-chance.randint(1, 40) if back else 400)
            before = self.completed()
            code = nightly.look()
            assert (code, self.completed()) == (
                code if unreachable else Exit.DONE if back else Exit.USAGE, before
            ) or not before, (code, machine.wrong)  # fmt: skip
            self.seen["clocks set back" if back else "clocks far ahead"] += 1
            machine.wrong = timedelta()
        if not quiet and chance.random() < 0.12:
            self.places.count = chance.randint(1, 40)
        try:
            so_far = len(self.completed())
            code = nightly.look()
            done = len(self.completed()) - so_far
            self.seen[f"nights run by {'the ' if machine.name == 'other' else ''}{machine.name}"
                      f"{' machine' if machine.name == 'one' else ''}"] += done  # fmt: skip
            self.seen["nights that were caught up with"] += max(0, done - 1)
            wanted = (Exit.TRY_AGAIN,) if unreachable else (Exit.DONE, Exit.ROWS_REJECTED)
            assert code in wanted, (code, nightly._told, self.said.getvalue())
        except Died:
            machine.nightly = None
            machine.back = self.now + timedelta(hours=chance.randint(1, 30))
        finally:
            self.places.count = 0

    def _given(self, machine: Machine, words: Sequence[str]) -> int:
        """A command of a scheduler; at times the other one looks in the middle of it."""
        if words[0] == "verify":
            self._prove_new()
            return Exit.DONE
        others = [each.nightly for each in self.machines if each is not machine and each.nightly]
        if others and self.chance.random() < 0.1:
            self.places.other = lambda: self._sees_it_in_use(others[0])
        try:
            return self.carry_out(*words)
        finally:
            self.places.other = None

    def _sees_it_in_use(self, other: Nightly) -> None:
        count, self.places.count = self.places.count, 0
        assert other.look() in (Exit.LOCKED, Exit.TRY_AGAIN)
        self.seen["looks while another works"] += 1
        self.places.count = count

    def carry_out(self, *words: str) -> int:
        """A command of `commission` in this process, as `main` carries it out."""
        self.said = io.StringIO()
        try:
            with contextlib.redirect_stdout(self.said), contextlib.redirect_stderr(self.said):
                given = [*words, "--database", self.url]
                return int(self.program.main(given, standalone_mode=False) or 0)
        except UsageError as why:
            self.said.write(why.message)
            return Exit.USAGE

    def _prove_new(self) -> None:
        before = self.proved.runs
        self.seen["proofs"] += 1
        monthly = self.seen["proofs"] % 30 == 0
        if before == len(self.completed()) and not monthly:
            return
        proof = verify(self.engine, Path(self.out), proved=self.proved, sums=monthly)
        assert proof.differences == []
        if before // self.full_every < self.proved.runs // self.full_every:
            self._prove_all()

    def _prove_all(self) -> None:
        proof = verify(self.engine, Path(self.out))
        assert (proof.differences, proof.notes) == ([], [])
        self.seen["proofs of everything"] += 1

    def completed(self) -> list[str]:
        """The dates of the completed runs."""
        with connect.reading(self.engine) as connection:
            done = runs.completed(connection)
        self.seen["settlements"] = sum(each.settles for each in done)
        self.seen["events"] = sum(each.figures["counts"]["events"] for each in done)
        return [str(date(1970, 1, 1) + DAY * each.day) for each in done]

    def events_in_the_book(self) -> int:
        with connect.reading(self.engine) as connection:
            return runs.last_event(connection)


def simulate(
    nights: int, seed: int, server: str | None = None, full_every: int = 10**9
) -> Mapping[str, int]:
    """Live through so many nights; what was met, by its name. Raises where something is wrong."""
    place = workplace()
    kept = books(place, server)
    try:
        kept.empty()
        connect.migrate(connect.connect(kept.url))
        # Away from settings of whoever is here.
        with contextlib.chdir(place), patch.object(common, "connect", engine_of):
            years = Years(kept.trial, kept.url, nights, Random(f"years {seed}"), full_every)
            years.live()
            assert years.seen["events"] == years.events_in_the_book()
            attempts = json.loads(_said(years, "runs", "--attempts", "--json"))
            # One that died just after its commit has failed, although its run is complete.
            assert sum(each["outcome"] == "completed" for each in attempts) <= nights
        return years.seen
    finally:
        kept.close()
        shutil.rmtree(place)


def _said(years: Years, *words: str) -> str:
    years.carry_out(*words)
    return years.said.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", type=int, default=3650)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server", help="the URL of a PostgreSQL server; without it SQLite")
    parser.add_argument("--full-every", type=int, default=365, help="nights between whole proofs")
    given = parser.parse_args()
    seen = simulate(given.nights, given.seed, given.server, given.full_every)
    for name in itertools.chain(SEEN, sorted({*seen} - {*SEEN})):
        print(f"{seen[name]:>7,}  {name}")


if __name__ == "__main__":
    main()
