"""Mutants that are equal to the program: no input shows them, each with the reason why.

They are listed in `mutants_equal.toml` by what they change and not by a line's number, so that a
list outlives edits elsewhere in the file. An entry that fits no mutant any more is an error.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LISTED = Path(__file__).with_name("mutants_equal.toml")


class Changed(Protocol):
    """What is known of a mutant here; `where` is its function, `source` its first line."""

    @property
    def name(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def change(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Equal:
    """Changes of one line of one function (of the module itself: ""), and why nobody sees them.

    A change is "old -> new"; of several alike in that line "old -> new #2" is the second.
    """

    module: str
    where: str
    line: str
    changes: tuple[str, ...]
    why: str

    def names(self, mutants: Iterable[Changed]) -> list[str]:
        """The mutants that are meant. Raises ValueError where a change fits none, or several."""
        here = [each for each in mutants if (each.where, each.source) == (self.where, self.line)]
        return [self._one(change, here) for change in self.changes]

    def _one(self, change: str, here: Sequence[Changed]) -> str:
        said, _, number = change.partition(" #")
        alike = [each.name for each in here if each.change == said]
        if number:
            alike = alike[int(number) - 1 : int(number)]
        if len(alike) != 1:
            place = f"{self.module}, {self.where or 'outside of functions'}: {self.line}"
            raise ValueError(f"{place}: {change}: fits {len(alike)} mutants")
        return alike[0]


def listed(file: Path = LISTED) -> tuple[Equal, ...]:
    entries = tomllib.loads(file.read_text("utf-8"))["equal"]
    return tuple(Equal(**{**each, "changes": tuple(each["changes"])}) for each in entries)


def reasons(by_module: Mapping[str, Sequence[Changed]], entries: Iterable[Equal]) -> dict[str, str]:
    """By a mutant's name why it is equal, for the modules given."""
    return {
        name: entry.why
        for entry in entries
        if entry.module in by_module
        for name in entry.names(by_module[entry.module])
    }
