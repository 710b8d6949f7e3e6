"""The docs are true: their commands say what stands below them, their links lead somewhere, and
every word that a user can meet (codes, commands, settings, columns) is explained.

In a `console` block a line that begins with "$ " is a command and what follows is what it says,
`…` being anything, `[exit N]` its exit code where that is not 0. A block whose first line names a
file (```toml shop/plan.toml) is that file. All blocks of a page share one folder.
"""

import contextlib
import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from commission_engine.__main__ import main, program
from commission_engine.calendar import Window
from commission_engine.ingest.columns import COLUMNS
from commission_engine.money import Rounding
from commission_engine.plan.read import parse_plan
from commission_engine.plan.terms import Every
from commission_engine.problems import Code, Exit, Reason
from commission_engine.settings import NAMES, PREFIX, variable_of

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CHANGELOG.md", *(f"docs/{path.name}" for path in sorted(
    (ROOT / "docs").glob("*.md"))))  # fmt: skip
RUNNABLE = (
    "README.md", "docs/operating.md", "docs/care.md", "docs/sources.md", "docs/explaining.md",
    "docs/exports.md", "docs/journals.md",
    "docs/bounds.md", "docs/payouts.md", "docs/currencies.md", "docs/bank.md",
    "docs/reconcile.md", "docs/watching.md", "docs/corrections.md", "docs/statements.md",
    "docs/close.md", "docs/tax.md", "docs/finance.md", "docs/portal.md",
)  # fmt: skip
BLOCK = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its kind, the file that it is ("" for none), its text."""

    kind: str
    file: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a page and what it says, with its exit code as last line where it is not 0."""

    line: str
    says: str


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str) -> list[Block]:
    return [Block(*found.groups()) for found in BLOCK.finditer(page(name))]


def commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, says = part.partition("\n")
        yield Command(line, says)


def run(line: str) -> str:
    """Carry out a command in the current folder; what it says on stdout and stderr."""
    said, code = _commission(line) if line.startswith("commission ") else _shell(line)
    return said + (f"[exit {code}]\n" if code else "")


def _commission(line: str) -> tuple[str, int]:
    """In this process: starting the program anew for each command takes a second."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before, sys.argv = sys.argv, shlex.split(line)
    code = 0
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = before
    stream.seek(0)
    return stream.read(), code


def _shell(line: str) -> tuple[str, int]:
    done = subprocess.run(
        ["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout, done.returncode


def agrees(said: str, stated: str) -> bool:
    """Whether what was said is what the page states; spaces at the ends of lines do not count."""

    def lines(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n"))

    pattern = ".*".join(re.escape(part) for part in lines(stated).split("…"))
    return re.fullmatch(pattern, lines(said)) is not None


@pytest.fixture
def reader_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for the examples, without settings of whoever runs the tests."""
    for name in [each for each in os.environ if each.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_commands_of_a_page_say_what_it_states(
    name: str, reader_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0
    for block in blocks(name):
        if block.file:
            target = reader_folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
        elif block.kind == "console":
            for command in commands(block.text):
                if command.line.startswith("export "):
                    variable = command.line.split()[1].partition("=")[0]
                    monkeypatch.setenv(
                        variable, run(f"{command.line}; printenv {variable}").strip()
                    )
                    continue
                said = run(command.line)
                assert agrees(said, command.says), f"{name}: $ {command.line}\n{said}"
                tried += 1
    assert tried >= 10


def test_an_output_that_differs_is_noticed() -> None:
    assert agrees("a 1 b  \n", "a … b\n")
    assert not agrees("a 1 c\n", "a … b\n")
    assert not agrees("a\nmore\n", "a\n")
    assert [*commands("$ one\nsaid\n$ two\n")] == [Command("one", "said\n"), Command("two", "")]


@pytest.mark.parametrize("name", PAGES)
def test_the_plans_of_a_page_are_good_plans(name: str) -> None:
    plans = [block for block in blocks(name) if block.file.endswith("plan.toml")]
    assert [parse_plan(block.text, block.file).warnings for block in plans] == [()] * len(plans)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    text = BLOCK.sub("", page(name))
    broken = [link for link in LINK.findall(text) if not _leads(ROOT / name, link)]
    assert broken == []


def _leads(source: Path, link: str) -> bool:
    if "://" in link:
        return link.startswith("https://")
    path, _, anchor = link.partition("#")
    target = (source.parent / path).resolve() if path else source
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in _anchors(target)


def _anchors(path: Path) -> set[str]:
    """The anchors that headings get: small letters, no signs, hyphens for spaces."""
    headings = HEADING.findall(BLOCK.sub("", path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_page_is_in_the_index() -> None:
    index = page("docs/index.md")
    missing = [each for each in PAGES if f"({Path(each).name}" not in index.replace("../", "")]
    assert missing == ["docs/index.md"]


def test_every_code_reason_and_exit_code_is_explained() -> None:
    assert _not_in_tables("docs/files.md", [str(code) for code in Code]) == []
    explained = _explained("docs/calculation.md")
    assert [str(reason) for reason in Reason if reason and reason not in explained] == []
    operating = page("docs/operating.md")
    assert [int(code) for code in Exit if f"\n| {int(code)} | " not in operating] == []


def test_every_choice_in_a_plan_is_explained() -> None:
    words = set(re.findall(r"\w+", page("docs/files.md").partition("## The plan file")[2]))
    assert [str(each) for each in (*Window, *Rounding, *Every) if each not in words] == []


def test_every_setting_is_explained() -> None:
    for name in NAMES:
        row = f"| `{name}` | "
        assert row in page("docs/configuration.md")
        assert f"`{variable_of(name)}`" in page("docs/configuration.md").split(row)[1]


def test_every_command_and_its_options_are_explained() -> None:
    operating = page("docs/operating.md")
    found = dict(_commands(program(), "commission"))
    assert len(found) >= 18
    for words, options in found.items():
        assert f"\n| `{words}` | " in operating, words
        missing = [each for each in options if each not in operating]
        assert missing == [], words


def _commands(command: object, words: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of the program with its long options."""
    inner = getattr(command, "commands", None)
    if inner is None:
        names = [name for each in getattr(command, "params", []) for name in each.opts]
        # Those of all commands are explained once, in docs/configuration.md.
        everywhere = ("--database", "--help")
        yield words, [each for each in names if each[:2] == "--" and each not in everywhere]
        return
    for name, each in inner.items():
        yield from _commands(each, f"{words} {name}")


def test_every_input_column_is_explained() -> None:
    names = [name for columns in COLUMNS.values() for name in columns.known]
    assert [each for each in names if each not in _explained("docs/files.md")] == []


def test_every_column_of_every_file_is_explained(reader_folder: Path) -> None:
    run("commission run examples/worked/refunds-and-caps --date 2026-02-28")
    explained = _explained("docs/files.md")
    folder = reader_folder / "out" / "2026-02-28"
    files = sorted(folder.rglob("*.csv"))
    assert len(files) == 6
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        assert [each for each in header if each not in explained] == [], path.name
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    words = [*manifest, *manifest["counts"], *manifest["totals"]["USD"],
             *manifest["files"]["lines.csv"]]  # fmt: skip
    assert [each for each in words if each not in explained] == []


def _explained(name: str) -> set[str]:
    """The words that a page has in code type."""
    return set(re.findall(r"`([^`\n]+)`", BLOCK.sub("", page(name))))


def _not_in_tables(name: str, words: list[str]) -> list[str]:
    """The words that begin no row of a table."""
    return [each for each in words if f"\n| `{each}` | " not in page(name)]
