"""What a source is, what it gives, and what it is told."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from commission_engine.book.sources import Known, Mark
from commission_engine.imports import Imported
from commission_engine.ingest.rows import Kind
from commission_engine.plan.read import ReadPlan
from commission_engine.problems import Refusal, TryAgain


class Unreachable(TryAgain):
    """A source that cannot be read now; nothing of it was imported."""


class Piece(NamedTuple):
    """A file of rows: what they are, where it lies for the time of the look, and what it is called
    in its source, with the version that was taken ("" where a source has none)."""

    kind: Kind
    path: Path
    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Catch:
    """What one look at a source found; `notes` are for people."""

    pieces: Sequence[Piece] = ()
    plan: Path | None = None
    mark: Mark | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FileFate:
    """What became of one file: its refused rows, or why all of it was refused; where it is now."""

    name: str
    refused: tuple[Refusal, ...] = ()
    why: str = ""
    moved_to: str = ""

    @property
    def sound(self) -> bool:
        return not self.refused and not self.why


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one look at a source. `number` is that of the fetch in the book; 0: it gave
    nothing, and nothing was recorded."""

    name: str
    kind: str
    number: int = 0
    plan: ReadPlan | None = None
    plan_changed: bool = False
    imported: tuple[Imported, ...] = ()
    files: tuple[FileFate, ...] = ()
    mark: Mark | None = None
    notes: tuple[str, ...] = ()
    unreachable: str = ""
    """Why nothing was read, of a source that is not required."""

    @property
    def rejected(self) -> bool:
        """Whether a row, or a whole file, was refused."""
        return any(each.rejected for each in self.imported) or any(f.why for f in self.files)

    @property
    def news(self) -> bool:
        """Whether it brought anything that the book did not know."""
        return self.plan_changed or any(each.accepted for each in self.imported)


class Source(Protocol):
    """One place from which input comes."""

    @property
    def name(self) -> str:
        """As config/sources.toml calls it."""

    @property
    def kind(self) -> str:
        """folder, sql, parquet."""

    @property
    def required(self) -> bool:
        """Whether a run stops when it cannot be reached."""

    @property
    def where(self) -> str:
        """The place, for people; without a password."""

    def look(self, known: Known, *, anew: bool) -> AbstractContextManager[Catch]:
        """What is there to import; Unreachable when that cannot be said. With `anew` also what an
        earlier fetch has read already."""

    def settle(self, fetched: Fetched) -> Fetched:
        """After the commit: put away what was imported, and say where it is now."""

    def refuse_plan(self, why: str) -> None:
        """Say beside a plan file why it was refused; it stays where it is."""

    def waiting(self, known: Known) -> int | None:
        """How many files a fetch would take; None where only a fetch can say. Unreachable as
        `look`."""
