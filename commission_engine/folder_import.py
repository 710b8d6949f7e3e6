"""A folder of input: the plan and the files in it, told by their names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from commission_engine.book.connect import Engine
from commission_engine.book.lock import Worker, working
from commission_engine.imports import Imported, Terms, import_files
from commission_engine.ingest.rows import Kind
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

    @classmethod
    def nothing(cls) -> "Found":
        return cls(None, {})


def find(folder: Path) -> Found:
    """What there is to import; UsageError for a folder without anything."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: this is not a folder", f"Name the folder of {PLAN} and files.")
    plan = folder / PLAN
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    files = {kind: tuple(folder / name for name in names if _is(kind, name)) for kind in Kind}
    found = Found(plan if plan.is_file() else None, {k: v for k, v in files.items() if v})
    if found.plan is None and not found.files:
        known = [PLAN, *(f"{kind}.csv" for kind in Kind)]
        near = [f"{name} for {c[0]}" for name in names if (c := get_close_matches(name, known, 1))]
        raise UsageError(
            f"{folder}: holds none of {', '.join(known)}"
            + (f" ({'; '.join(near)}?)" if near else ""),
            "Name the folder with the input files, or leave it out to run on what is imported.",
        )
    return found


def _is(kind: Kind, name: str) -> bool:
    stem, ending = Path(name).stem, Path(name).suffix
    return ending in _ENDINGS and (stem == kind or stem.startswith((f"{kind}-", f"{kind}_")))


def import_folder(
    worker: Worker,
    found: Found,
    terms: Terms,
    report: Callable[[Imported | ReadPlan], None],
) -> list[Imported]:
    """Apply the plan, then import affiliates, referrals and earnings, each whole or not at all."""
    if found.plan:
        read = read_plan(found.plan)
        apply_plan(worker, read.plan, terms)
        report(read)
    imported = []
    for kind, paths in found.files.items():
        imported.append(import_files(worker, kind, paths, terms))
        report(imported[-1])
    return imported


def would_change(engine: Engine, found: Found, terms: Terms) -> bool:
    """Whether importing this would bring anything that the book does not know."""
    if not found.files and not found.plan:
        return False
    with working(engine, terms.who, terms.now) as worker:
        if found.plan and apply_plan(worker, read_plan(found.plan).plan, terms):
            return True
        return any(
            import_files(worker, kind, paths, terms).accepted for kind, paths in found.files.items()
        )
