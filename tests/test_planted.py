"""The tests are tested: each planted bug is caught by its own test, and nothing else counts.

The bugs are in `planted.py`, which is a program for people, too, as `mutants.py` is; of the latter
is here what it takes for equal to the program, and how it counts. Here is also what the order of
syncs and names has to be, which a machine that keeps its power does not show.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import series
from equal import Equal, listed, reasons
from mutants import Fate, Mutant, modules, mutants_of, summary
from planted import BUGS, Bug, part_of, text_with

from commission_engine.book.connect import connect, reading, writing
from commission_engine.publish import folder
from commission_engine.publish.folder import Made, publish

ROOT = Path(__file__).parents[1]
PARTS = 4
"""So that several processes share the work; a sample is one of them."""


def looked_for(*words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: this one may have threads, which a fork would lose."""
    return subprocess.run(
        [sys.executable, "tests/planted.py", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("part", series.of([1], [1, 2, 3, 4]))
def test_every_planted_bug_is_caught_by_its_test(part: int) -> None:
    done = looked_for("--part", f"{part}/{PARTS}")
    assert done.returncode == 0, done.stdout + done.stderr
    bugs = len(part_of(BUGS, part, PARTS))
    assert bugs >= 10
    assert f"\n{bugs} of {bugs} caught\n" in done.stdout


def test_what_is_no_bug_and_what_is_no_assertion_does_not_count() -> None:
    done = looked_for("--canary")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bugs_are_many_and_each_is_one_of_its_own() -> None:
    assert len(BUGS) >= 40
    assert [bug for n in range(PARTS) for bug in part_of(BUGS, n + 1, PARTS)] == list(BUGS)
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert len({text_with(bug) for bug in BUGS}) == len(BUGS)
    assert [bug.name for bug in BUGS if not bug.costs.endswith(".")] == []


@pytest.mark.parametrize(("old", "times"), [("what never stood there", 0), ("_PACKAGE", 3)])
def test_a_bug_that_fits_no_more_says_so(old: str, times: int) -> None:
    bug = Bug("late", "commission_engine/resources.py", old, "x", "tests/x.py::y", "Nothing.")
    with pytest.raises(ValueError, match=rf"late: .*resources\.py has its old text {times} times"):
        text_with(bug)


# -- what a machine that keeps its power does not show


def test_a_folder_is_named_when_it_is_durable_and_then_so_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        happened.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")

    def renamed(old: Path, new: Path) -> None:
        rename(old, new)
        happened.append(f"rename {Path(new).name}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(folder, "_sync_filesystem", lambda path: False)
    target = tmp_path / "out" / "2026-01-31"
    publish([Made("lines.csv", [b"a"]), Made("statements/st-1.csv", [b"b"])], target)
    draft = f".{target.name}.draft-{os.getpid()}"
    assert sorted(happened[:4]) == sorted(
        ["sync lines.csv", "sync st-1.csv", "sync statements", f"sync {draft}"]
    )
    assert happened[4:] == ["rename 2026-01-31", "sync out"]
    happened.clear()
    (target / "lines.csv").unlink()
    publish([Made("lines.csv", [b"a"]), Made("statements/st-1.csv", [b"b"])], target)
    assert happened == [
        f"sync .lines.csv.draft-{os.getpid()}", "rename lines.csv", "sync 2026-01-31",
    ]  # fmt: skip


def test_a_commit_of_sqlite_is_on_the_disk_before_it_is_said(sqlite_url: str) -> None:
    """SQLite syncs its log with every commit at level 2, and not at the levels below."""
    engine = connect(sqlite_url)
    for opened in (reading, writing):
        with opened(engine) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


# -- mutants


def test_what_is_listed_as_equal_is_a_mutant_of_today_and_has_its_reason() -> None:
    of = {module: mutants_of(module) for module in modules("")}
    why = reasons(of, listed())
    assert len(why) == sum(len(each.changes) for each in listed())
    assert len(why) < sum(map(len, of.values())) // 10
    assert [name for name, reason in why.items() if len(reason) < 20] == []


def mutant(where: str, change: str, line: int = 7, column: int = 0) -> Mutant:
    old, _, new = change.partition(" -> ")
    return Mutant("money", line, column, old, new, 0, 0, where, "x = 1 + 1")


ONE_MORE = [
    mutant("share", "1 -> (2)"), mutant("share", "1 -> (2)", column=4), mutant("", "1 -> (2)"),
    mutant("share", "1 + 1 -> (1 - 1)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "change", "found"),
    [
        ("", "1 -> (2)", "money:7:0: 1 -> (2)"),
        ("share", "1 + 1 -> (1 - 1)", "money:7:0: 1 + 1 -> (1 - 1)"),
        ("share", "1 -> (2) #2", "money:7:4: 1 -> (2)"),
        ("share", "1 -> (2)", "money, share: x = 1 + 1: 1 -> (2): fits 2 mutants"),
        ("", "1 -> (0)", "money, outside of functions: x = 1 + 1: 1 -> (0): fits 0 mutants"),
        ("share", "1 -> (2) #3", "money, share: x = 1 + 1: 1 -> (2) #3: fits 0 mutants"),
    ],
)
def test_a_mutant_is_known_by_its_line_whatever_its_number(
    where: str, change: str, found: str
) -> None:
    entry = Equal("money", where, "x = 1 + 1", (change,), "of no matter")
    if "fits" in found:
        with pytest.raises(ValueError, match="fits") as refused:
            entry.names(ONE_MORE)
        assert str(refused.value) == found
    else:
        assert reasons({"money": ONE_MORE}, [entry]) == {found: "of no matter"}
        assert reasons({"plan/read": []}, [entry]) == {}


def test_the_score_is_told_with_and_without_what_is_equal() -> None:
    names = [f"money:{n}:0: 1 -> (2)" for n in range(8)]
    told = ("killed", "killed", "killed", "ended", "survived", "equal", "equal", "equal")
    fates = [Fate(name, fate, "", 1.0) for name, fate in zip(names, told, strict=True)]
    assert summary(fates, {"money": ONE_MORE, "plan/read": []}) == [
        "module                  has   chosen   killed survived    equal   of all    score",
        "money                     4        8        4        1        3      50%      80%",
        "plan/read                 0        0        0        0        0        -        -",
        "all                       4        8        4        1        3      50%      80%",
    ]
