"""Which nights run when: real books and real commands under a clock that the tests set."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from program import HEADER, PLAN, Program, program_in, shop

from commission_engine.book.connect import connect
from commission_engine.book.lock import working
from commission_engine.calendar import day_of
from commission_engine.cli.common import settings_of
from commission_engine.problems import Exit
from commission_engine.timetable import Timetable
from jobs import book
from jobs.book import OpenBook
from jobs.nightly import Nightly

BERLIN_IN_WINTER = timedelta(hours=1)
AT_HALF_PAST_TWO = Timetable(time(2, 30), input="in", verify=False)


@dataclass
class World:
    """A book with its folder of input, the clock, and everything that was given and said.

    `answers` are exit codes by the word of a command, in place of carrying it out. The nights
    prove nothing where that is not the question, to save time.
    """

    commission: Program
    folder: Path
    url: str
    now: datetime = datetime(2026, 1, 6, 1, 30, tzinfo=UTC)
    timetable: Timetable = AT_HALF_PAST_TWO
    answers: dict[str, int] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def nightly(self, owes: bool = False) -> Nightly:
        """A scheduler that has just been started."""
        known = OpenBook(settings_of(), self.timetable.input)
        return Nightly(
            self.timetable, known, lambda: self.now, self.carry_out, self.said.append, "out", owes
        )

    def carry_out(self, words: Sequence[str]) -> int:
        if words[0] in self.answers:
            self.given.append(" ".join(words))
            return self.answers[words[0]]
        code = self.commission(*words).code
        self.given.append(" ".join(words) + (f" [{code}]" if code else ""))
        return code

    def runs(self) -> list[str]:
        return [each["run_date"] for each in json.loads(self.commission("runs", "--json").out)]

    def at(self, local: str) -> None:
        """Set the clock to what a clock on a wall in Berlin shows in winter."""
        self.now = datetime.fromisoformat(local).replace(tzinfo=UTC) - BERLIN_IN_WINTER

    def proves(self) -> None:
        self.timetable = replace(self.timetable, verify=True)

    def took(self) -> list[str]:
        """What was given since the last question."""
        taken, self.given = self.given, []
        return taken


@pytest.fixture
def world(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> World:
    commission = program_in(tmp_path, sqlite_url, monkeypatch, capsys)
    shop(tmp_path / "in")
    return World(commission, tmp_path, sqlite_url)


def run(day: str, given: str = "in ") -> str:
    return f"run {given}--date {day} --out out"


VERIFY = "verify --out out"


def test_the_first_night_of_a_book_runs_the_day_that_is_over(world: World) -> None:
    world.proves()
    assert world.nightly().look() is Exit.DONE
    assert world.took() == [run("2026-01-05"), VERIFY]
    assert world.runs() == ["2026-01-05"]
    assert world.said == [
        "commission run in --date 2026-01-05 --out out",
        "commission verify --out out",
        "the next night begins at 2026-01-07 02:30 (Europe/Berlin)",
    ]


def test_a_night_begins_at_its_time_and_not_before(world: World) -> None:
    nightly = world.nightly()
    nightly.look()
    world.took()
    world.at("2026-01-07T02:29:59")
    assert (nightly.look(), world.took()) == (Exit.DONE, [])
    world.at("2026-01-07T02:30")
    assert (nightly.look(), world.took()) == (Exit.DONE, [run("2026-01-06")])
    assert (nightly.look(), world.took()) == (Exit.DONE, [])


def test_every_date_that_was_missed_is_run_in_order(world: World) -> None:
    """Started on the 6th, on again on the 9th; the book is proved before it is added to, because
    this process has not proved it, and once at the end."""
    world.proves()
    world.nightly().look()
    world.took()
    world.at("2026-01-09T12:00")
    assert world.nightly().look() is Exit.DONE
    missed = [run(f"2026-01-0{day}") for day in (6, 7, 8)]
    assert world.took() == [VERIFY, *missed, VERIFY]
    assert world.runs() == [f"2026-01-0{day}" for day in (5, 6, 7, 8)]


def test_an_empty_book_begins_with_the_first_date_of_the_settings(world: World) -> None:
    world.timetable = replace(world.timetable, first=day_of(date(2026, 1, 3)))
    world.nightly().look()
    assert world.took() == [run("2026-01-03"), run("2026-01-04"), run("2026-01-05")]


def test_before_the_terms_begin_there_is_no_night(world: World) -> None:
    """A machine that starts without its clock says 1970."""
    world.at("1970-01-01T03:00")
    assert world.nightly().look() is Exit.DONE
    assert (world.took(), world.runs()) == ([], [])
    assert world.said == [
        "the next business date is 2026-01-01; nothing to do before it is over"
    ]  # fmt: skip


def test_without_an_input_the_night_runs_on_what_is_imported(world: World) -> None:
    world.timetable = replace(world.timetable, input="")
    assert world.nightly().look() is Exit.USAGE
    assert world.said == [
        "the book has no plan yet, so there is no zone to say which day is over\n"
        "Apply one: commission plan apply plan.toml"
    ]
    world.commission("plan", "apply", "in/plan.toml")
    assert world.nightly().look() is Exit.DONE
    assert world.took() == [run("2026-01-05", "")]


def test_the_programme_has_its_day_and_the_schedule_its_hour(world: World) -> None:
    """At 02:30 in Tokyo it is 18:30 of the day before in Berlin."""
    world.timetable = replace(world.timetable, zone="Asia/Tokyo")
    world.now = datetime(2026, 1, 6, 17, 30, tzinfo=UTC)
    nightly = world.nightly()
    nightly.look()
    assert world.took() == [run("2026-01-05")]
    assert world.said[-1] == "the next night begins at 2026-01-08 02:30 (Asia/Tokyo)"


def test_what_is_said_again_and_again_is_said_once(world: World) -> None:
    nightly = world.nightly()
    for _ in range(5):
        nightly.look()
    assert len(world.said) == 2


def test_a_clock_set_back_finds_nothing_to_do_and_says_it_once(world: World) -> None:
    nightly = world.nightly()
    nightly.look()
    world.took()
    world.at("2026-01-02T03:00")
    assert [nightly.look() for _ in range(3)] == [Exit.DONE] * 3
    assert world.took() == []
    assert world.said[2:] == [
        "the next business date is 2026-01-06; nothing to do before it is over"
    ]  # fmt: skip
    world.at("2026-01-07T03:00")
    nightly.look()
    assert world.took() == [run("2026-01-06")]


def test_a_clock_far_ahead_runs_nothing(world: World) -> None:
    nightly = world.nightly()
    nightly.look()
    world.took()
    world.at("2036-01-07T03:00")
    assert [nightly.look(), nightly.look()] == [Exit.USAGE, Exit.USAGE]
    assert (world.took(), world.runs()) == ([], ["2026-01-05"])
    assert world.said[2:] == [
        "3653 business dates are due, 2026-01-06 to 2036-01-06: more than schedule.most_days, 31\n"
        "Is the clock right (2036-01-07 02:00 UTC)? Then a person runs them: commission backfill"
        " --from 2026-01-06 --to 2036-01-06"
    ]
    world.at("2026-01-07T03:00")
    nightly.look()
    assert world.took() == [run("2026-01-06")]


def test_the_most_days_are_still_run(world: World) -> None:
    world.timetable = replace(world.timetable, most_days=2)
    nightly = world.nightly()
    nightly.look()
    world.at("2026-01-08T03:00")
    assert nightly.look() is Exit.DONE
    world.at("2026-01-11T03:00")
    assert nightly.look() is Exit.USAGE
    assert world.runs() == ["2026-01-05", "2026-01-06", "2026-01-07"]


def test_refused_rows_do_not_stop_the_nights(world: World) -> None:
    bad = HEADER + "x1,bob,yesterday,1.00,USD,\n"
    (world.folder / "in" / "earnings-2.csv").write_text(bad, "utf-8")
    world.timetable = replace(world.timetable, first=day_of(date(2026, 1, 4)))
    assert world.nightly().look() is Exit.ROWS_REJECTED
    assert world.took() == [run("2026-01-04") + " [3]", run("2026-01-05") + " [3]"]


def test_while_another_works_on_the_book_a_scheduler_stands_by(world: World) -> None:
    nightly = world.nightly()
    with working(connect(world.url), "ann@office (process 7, run)", "2026-01-06T01:30:00Z"):
        assert [nightly.look(), nightly.look()] == [Exit.LOCKED, Exit.LOCKED]
        assert world.took() == []
    assert world.said == [
        "the book is in use: ann@office (process 7, run) works on it since 2026-01-06T01:30:00Z\n"
        "Wait until it is done, then run the same command again."
    ]
    assert nightly.look() is Exit.DONE
    assert world.runs() == ["2026-01-05"]


def test_of_two_schedulers_one_does_the_night(world: World) -> None:
    world.proves()
    one, other = world.nightly(), world.nightly()
    assert (one.look(), other.look()) == (Exit.DONE, Exit.DONE)
    assert world.took() == [run("2026-01-05"), VERIFY]
    world.at("2026-01-07T02:30")
    assert (other.look(), one.look()) == (Exit.DONE, Exit.DONE)
    assert world.took() == [VERIFY, run("2026-01-06"), VERIFY]  # the other has not proved it yet


def test_the_lock_that_somebody_takes_in_between_is_waited_for(world: World) -> None:
    world.answers["run"] = Exit.LOCKED
    nightly = world.nightly()
    assert nightly.look() is Exit.LOCKED
    assert world.said[-1] == "another process works on the book; standing by"
    del world.answers["run"]
    assert nightly.look() is Exit.DONE


def test_after_a_failure_no_later_date_runs_and_the_command_is_given_ever_less(
    world: World,
) -> None:
    world.timetable = replace(world.timetable, first=day_of(date(2026, 1, 4)))
    world.answers["run"] = Exit.FAILED
    nightly = world.nightly()
    looks = []
    for number in range(1, 260):
        assert nightly.look() in (Exit.FAILED, Exit.DONE)
        if world.took():
            looks.append(number)
    assert looks == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244]
    world.answers.clear()
    while not (took := world.took()):
        nightly.look()
    assert took == [run("2026-01-04"), run("2026-01-05")]


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (2, Exit.USAGE, "exit code 2"),
        (75, Exit.TRY_AGAIN, "exit code 75"),
        (-9, Exit.FAILED, "ended by signal 9"),
        (137, Exit.FAILED, "exit code 137"),
    ],
)
def test_however_a_command_fails_that_is_said(
    world: World, number: int, code: Exit, said: str
) -> None:
    world.answers["run"] = number
    assert world.nightly().look() is code
    assert world.said[-1] == f"commission {run('2026-01-05')}: {said}; it is given again"


def test_a_book_that_cannot_be_reached_is_tried_at_each_look(world: World) -> None:
    nightly = world.nightly()
    book_file = Path(world.url.removeprefix("sqlite:///"))
    nightly.look()
    world.took()
    world.at("2026-01-07T03:00")
    moved = book_file.rename(book_file.with_suffix(".away"))
    book_file.mkdir()
    assert [nightly.look(), nightly.look()] == [Exit.FAILED, Exit.FAILED]
    assert (len(world.said), "unable to open database file" in world.said[2]) == (3, True)
    book_file.rmdir()
    moved.rename(book_file)
    assert (nightly.look(), world.took()) == (Exit.DONE, [run("2026-01-06")])


def test_a_book_that_differs_stops_the_nights_also_those_of_others(world: World) -> None:
    """Nothing is booked on top of it, by this scheduler or by one that takes over."""
    world.proves()
    nightly = world.nightly()
    nightly.look()
    (world.folder / "out" / "2026-01-05" / "payouts.csv").write_text("mine", "utf-8")
    world.took()
    world.at("2026-01-07T03:00")
    assert nightly.look() is Exit.OUT_OF_BALANCE  # its own night, found by the proof after it
    assert world.took() == [run("2026-01-06"), VERIFY + " [5]"]
    assert world.said[-1] == (
        "commission verify --out out: the books do not balance; nothing more runs before a person"
        " has looked"
    )
    world.at("2026-01-08T03:00")
    for other in (world.nightly(), world.nightly(owes=True)):
        assert other.look() is Exit.OUT_OF_BALANCE
        assert world.took() == [VERIFY + " [5]"]
    assert world.runs() == ["2026-01-05", "2026-01-06"]
    shutil.rmtree(world.folder / "out" / "2026-01-05")
    assert world.nightly().look() is Exit.DONE
    assert world.runs()[-1] == "2026-01-07"


def test_a_restart_proves_the_book_though_nothing_is_due(world: World) -> None:
    world.proves()
    world.nightly().look()
    world.took()
    nightly = world.nightly(owes=True)
    assert [nightly.look(), nightly.look()] == [Exit.DONE, Exit.DONE]
    assert world.took() == [VERIFY]
    world.timetable = replace(world.timetable, verify=False)
    assert world.nightly(owes=True).look() is Exit.DONE
    assert world.took() == []


def test_a_proof_that_could_not_be_finished_is_made_later(world: World) -> None:
    world.proves()
    nightly = world.nightly()
    world.answers["verify"] = Exit.TRY_AGAIN
    assert nightly.look() is Exit.TRY_AGAIN
    world.answers.clear()
    world.took()
    assert (nightly.look(), world.took()) == (Exit.DONE, [VERIFY])
    assert (nightly.look(), world.took()) == (Exit.DONE, [])


def test_a_run_whose_files_are_not_there_is_given_again_first(world: World) -> None:
    """As when a machine died between the commit and the files."""
    (world.folder / "out").write_text("in the way", "utf-8")
    nightly = world.nightly()
    assert nightly.look() is Exit.FAILED
    assert world.took() == [run("2026-01-05") + " [1]"]
    assert world.runs() == ["2026-01-05"]
    (world.folder / "out").unlink()
    world.at("2026-01-07T03:00")
    assert nightly.look() is Exit.DONE
    assert world.took() == [run("2026-01-05"), run("2026-01-06")]
    assert sorted(path.name for path in (world.folder / "out").iterdir()) == [
        "2026-01-05", "2026-01-06",
    ]  # fmt: skip


@contextmanager
def kept_by_a_process(folder: Path) -> Iterator[None]:
    """A temporary folder of a command that is still going on."""
    with book.scratch() as (kept, _):
        (kept / "part").write_text("x", "utf-8")
        yield
        assert (kept / "part").exists()


def test_what_killed_commands_left_is_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(world.folder))
    draft = world.folder / "out" / ".2026-01-04.draft-4711"
    left = world.folder / f"{book.SCRATCH}left"
    for folder in (draft, left):
        folder.mkdir(parents=True)
        (folder / "part").write_text("x", "utf-8")
    (left / ".kept").touch()
    mine = world.folder / "out" / ".hidden"
    mine.touch()
    with kept_by_a_process(world.folder):
        world.nightly().look()
    assert (draft.exists(), left.exists(), mine.exists()) == (False, False, True)


def test_nothing_is_removed_below_a_folder_where_somebody_works(world: World) -> None:
    draft = world.folder / "out" / ".2026-01-04.draft-4711"
    draft.mkdir(parents=True)
    with working(connect(world.url), "somebody", "2026-01-06T01:30:00Z"):
        OpenBook(settings_of(), "").tidy()
    assert draft.exists()


def test_a_temporary_folder_is_gone_when_its_command_has_ended(tmp_path: Path) -> None:
    with book.scratch() as (folder, keeper):
        assert folder.is_dir()
        os.fstat(keeper)
    assert not folder.exists()


def test_no_date_runs_before_it_is_over_and_none_twice_where_clocks_change(world: World) -> None:
    """In Santiago they change at midnight; every half hour around it somebody looks."""
    shop(world.folder / "in", plan=PLAN.replace("Europe/Berlin", "America/Santiago"))
    world.timetable = Timetable(time(0), input="in", most_days=999, verify=False)
    done: list[str] = []
    for change in ("2026-04-05T02:00", "2026-09-06T02:00"):
        world.now = datetime.fromisoformat(change).replace(tzinfo=UTC)
        nightly = world.nightly()
        world.commission("run", "in", "--date", (world.now - timedelta(days=2)).date())
        for _ in range(54):
            nightly.look()
            done += [f"{world.now:%m-%d %H:%M} {each[:24]}" for each in world.took()]
            world.now += timedelta(minutes=30)
    assert done == [
        "04-05 04:00 run in --date 2026-04-04", "04-06 04:00 run in --date 2026-04-05",
        "09-06 04:00 run in --date 2026-09-05", "09-07 03:00 run in --date 2026-09-06",
    ]  # fmt: skip
