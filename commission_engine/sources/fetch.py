"""Fetch: look at each source, import what it gives, record it, then let it put its files away.

Each source is one transaction: its rows, how far it was read, and the row of the audit trail become
true together. What stops before that has changed nothing, and the next fetch finds the same input;
what stops after it is found once more, and every row of it is a duplicate then.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from hashlib import file_digest

from commission_engine.book.connect import Connection, reading
from commission_engine.book.lock import Worker, again
from commission_engine.book.sources import COUNTS, Fetch, Known, TakenFile, add_fetch, known
from commission_engine.folder_import import PLAN
from commission_engine.imports import Circumstances, Imported, import_rows
from commission_engine.ingest.columns import FACTS
from commission_engine.ingest.rows import read_rows
from commission_engine.plan.read import read_plan
from commission_engine.plan_apply import apply_plan
from commission_engine.problems import FileRefused, PlanRefused, Refusal
from commission_engine.sources.shape import (
    Catch,
    Fetched,
    FileFate,
    Piece,
    Source,
    Unreachable,
)

_REFUSED = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Look:
    """A source, what the book knew of it, and what it gives now."""

    source: Source
    known: Known
    catch: Catch


def fetch(
    worker: Worker, sources: Sequence[Source], given: Circumstances, *, anew: bool = False
) -> Iterator[Fetched]:
    """Fetch from the sources in their order, each a transaction of its own.

    Unreachable for one that is required and cannot be read, PlanRefused for a plan with faults:
    what came before it stays, nothing of it is kept. With `given.strict` also RowsRefused and
    FileRefused. A dry run is one transaction over all of them that is undone, so that each is
    judged as if those before it had been imported.
    """
    groups = [sources] if given.dry_run else [[each] for each in sources]
    for group in groups:
        yield from _together(worker, group, given, anew)


def _together(
    worker: Worker, sources: Sequence[Source], given: Circumstances, anew: bool
) -> list[Fetched]:
    with ExitStack() as open_looks:
        away: list[Fetched] = []
        looks: list[Look] = []
        for source in sources:
            with reading(worker.engine) as connection:
                knew = known(connection, source.name)
            try:
                catch = open_looks.enter_context(source.look(knew, anew=anew))
            except Unreachable as why:
                if source.required:
                    raise
                away.append(Fetched(source.name, source.kind, unreachable=why.message))
            else:
                looks.append(Look(source, knew, catch))
        done = _sound(worker, looks, given)
        if not given.dry_run:
            done = [look.source.settle(each) for look, each in zip(looks, done, strict=True)]
        by_name = {each.name: each for each in (*away, *done)}
        return [by_name[source.name] for source in sources]


def _sound(worker: Worker, looks: Sequence[Look], given: Circumstances) -> list[Fetched]:
    """Import everything that can be read as what it should be; a file that cannot is refused."""
    refused: dict[tuple[str, str], str] = {}

    def unit() -> list[Fetched]:
        with (
            worker.writing(keep=not given.dry_run) as connection,
            # A rehearsal goes on with its transaction after a file was refused in the middle.
            connection.begin_nested() if given.dry_run else nullcontext(),
        ):
            return [bring(connection, look, given, refused) for look in looks]

    while True:
        try:
            return again(unit)
        except PlanRefused as why:
            for look in looks:
                if look.catch.plan and not given.dry_run:
                    look.source.refuse_plan(f"{why.message}\n{why.hint}".strip())
            raise
        except FileRefused as why:
            found = dict(_unreadable(looks, refused))
            if not found:
                raise
            if given.strict:
                said, _, hint = next(iter(found.values())).partition("\n")
                raise FileRefused(said, f"{hint} Nothing was imported (--strict).") from why
            refused |= found


def _unreadable(looks: Sequence[Look], but: _REFUSED) -> Iterator[tuple[tuple[str, str], str]]:
    """Which pieces cannot be read to their end, and why; none of a source with a watermark, which
    must not go past what was not imported."""
    for look in looks:
        for piece in look.catch.pieces if not look.catch.mark else ():
            key = (look.source.name, piece.name)
            try:
                for _ in read_rows(piece.kind, [piece.path]).stretches() if key not in but else ():
                    pass
            except FileRefused as why:
                said = why.message.replace(str(piece.path), piece.name)
                yield key, f"{said}\n{why.hint}".strip()


def bring(connection: Connection, look: Look, given: Circumstances, refused: _REFUSED) -> Fetched:
    """Import what a look has found, but for pieces that are refused as a whole, and record it."""
    source, catch = look.source, look.catch
    given = replace(given, source=source.name)
    plan = read_plan(catch.plan) if catch.plan else None
    changed = plan is not None and apply_plan(connection, plan, given)
    imported: list[Imported] = []
    by_piece: dict[str, list[Refusal]] = {}
    why = {each.name: refused.get((source.name, each.name), "") for each in catch.pieces}
    for kind in FACTS:
        own = [each for each in catch.pieces if each.kind is kind and not why[each.name]]
        if own:
            rows = read_rows(kind, [each.path for each in own], given.told)
            done = import_rows(connection, rows, given)
            piece_at = {each.path: each.name for each in own}
            of_file = {n: piece_at[p] for n, p in zip(rows.names, rows.paths, strict=True)}
            for refusal in done.refused:
                by_piece.setdefault(of_file[refusal.file], []).append(refusal)
            imported.append(done)
    gave = bool(catch.pieces or plan or catch.mark != look.known.mark)
    number = _recorded(connection, look, imported, why, given) if gave else 0
    fates = [
        FileFate(each.name, tuple(by_piece.get(each.name, ())), why[each.name])
        for each in catch.pieces
    ]
    if plan:
        fates.insert(0, FileFate(PLAN))
    return Fetched(
        source.name,
        source.kind,
        number,
        plan,
        changed,
        tuple(imported),
        tuple(fates),
        catch.mark,
        tuple(catch.notes),
    )


def _recorded(
    connection: Connection,
    look: Look,
    imported: Sequence[Imported],
    why: Mapping[str, str],
    given: Circumstances,
) -> int:
    counts = {name: sum(getattr(each, name) for each in imported) for name in COUNTS}
    files = [_taken(piece, why[piece.name]) for piece in look.catch.pieces]
    source, mark = look.source, look.catch.mark
    fetched = Fetch(source.name, source.kind, **counts, mark=mark, files=files)
    return add_fetch(connection, fetched, given.signed)


def _taken(piece: Piece, why: str) -> TakenFile:
    try:
        with piece.path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError:
        digest, size = "", 0  # refused for that: `why` says so
    return TakenFile(piece.name, piece.version, size, digest, why)
