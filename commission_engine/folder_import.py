"""A folder of input: the plan and the files in it, told by their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from commission_engine.book.lock import Worker
from commission_engine.imports import Circumstances, Imported, import_rows
from commission_engine.ingest.columns import FACTS
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.plan.read import ReadPlan, read_plan
from commission_engine.plan_apply import apply_plan
from commission_engine.problems import UsageError

PLAN = "plan.toml"
_ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds: earnings.csv, and also earnings-2026-01.csv, earnings_2.parquet, ..."""

    plan: Path | None
    files: Mapping[Kind, tuple[Path, ...]]
    passed_over: tuple[str, ...] = ()
    """Tables that are there under a name that is not taken."""

    @classmethod
    def nothing(cls) -> "Found":
        return cls(None, {})


def find(folder: Path) -> Found:
    """What there is to import; UsageError for a folder without anything."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: this is not a folder", f"Name the folder of {PLAN} and files.")
    found = there(folder)
    if found.plan is None and not found.files:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        known = [PLAN, *(f"{kind}.csv" for kind in FACTS)]
        near = [f"{name} for {c[0]}" for name in names if (c := get_close_matches(name, known, 1))]
        raise UsageError(
            f"{folder}: holds none of {', '.join(known)}"
            + (f" ({'; '.join(near)}?)" if near else ""),
            "Name the folder with the input files, or leave it out to run on what is imported.",
        )
    return found


def there(folder: Path) -> Found:
    """What a folder holds now; perhaps nothing."""
    plan = folder / PLAN
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    files = {kind: tuple(folder / name for name in names if _is(kind, name)) for kind in FACTS}
    taken = {path.name for paths in files.values() for path in paths}
    passed_over = tuple(
        name for name in names if Path(name).suffix.lower() in _ENDINGS and name not in taken
    )
    return Found(
        plan if plan.is_file() else None, {k: v for k, v in files.items() if v}, passed_over
    )


def _is(kind: Kind, name: str) -> bool:
    stem, ending = Path(name).stem, Path(name).suffix
    return ending.lower() in _ENDINGS and (
        stem == kind or stem.startswith((f"{kind}-", f"{kind}_"))
    )


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a folder; `plan` is None where it holds none."""

    plan: ReadPlan | None
    plan_changed: bool
    imported: tuple[Imported, ...]

    @property
    def news(self) -> bool:
        """Whether it brought anything that the book did not know."""
        return self.plan_changed or any(each.accepted for each in self.imported)


def import_folder(worker: Worker, found: Found, given: Circumstances) -> Brought:
    """Apply the plan, then import affiliates, referrals and earnings: all of it or nothing."""
    plan = read_plan(found.plan) if found.plan else None
    rows = [read_rows(kind, paths, given.told) for kind, paths in found.files.items()]
    with worker.writing(keep=not given.dry_run) as connection:
        changed = plan is not None and apply_plan(connection, plan, given)
        imported = tuple(import_rows(connection, each, given) for each in rows)
    return Brought(plan, changed, imported)
