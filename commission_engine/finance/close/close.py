"""Close a month: nothing open, then the lock and the pack, together or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from commission_engine.book import audit, closings, facts, runs
from commission_engine.book.closings import Closing
from commission_engine.book.connect import Connection, reading
from commission_engine.book.lines import where_kept
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import date_of
from commission_engine.finance.close.figures import day_of_last_run, figures
from commission_engine.finance.close.obstacles import Obstacle, obstacles, waiting_rows
from commission_engine.finance.close.pack import MANIFEST, made_with, manifest, rendered, whole
from commission_engine.finance.close.period import Period
from commission_engine.imports import Circumstances
from commission_engine.problems import CommissionError, OutOfBalance, UsageError
from commission_engine.publish.folder import Draft, Made, Published, publish

NOTHING = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Wanted:
    """The month to close; why its refused rows may stay refused ("": they may not); below which
    folder the pack goes, and where the book's lines are."""

    period: Period
    accept: str
    folder: Path
    kept_in: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the closing, unless something is open; the files that were not there
    before; how many refused rows were waived with it."""

    closing: Closing | None
    open: Sequence[Obstacle]
    published: Published
    waived: int = 0
    already: bool = False


def standing(connection: Connection, period: Period) -> Closing | None:
    """The closing of a month that holds; UsageError where its turn has not come, or is over."""
    made = closings.closings(connection)
    held = [each for each in made if each.holds]
    for each in held:
        if each.first_day == period.first:
            return each
    if facts.current_plan(connection) is None or day_of_last_run(connection, period) is None:
        raise UsageError(
            f"no business date in or before {period.name} was run",
            f"`commission runs` lists those that were. {NOTHING}",
        )
    due = turn(made, held)
    if due is not None and due != period:
        raise UsageError(
            f"it is not the turn of {period.name}: months are closed in order",
            f"The next one is {due.name}: commission close {due.name}. {NOTHING}",
        )
    return None


def turn(made: Sequence[Closing], held: Sequence[Closing]) -> Period | None:
    """The month whose turn it is after these closings, of which some still hold: the one after the
    last of those; where none does the first that was ever closed. None: any month can be it."""
    if held:
        return Period.around(held[-1].last_day).next
    return Period.around(made[0].first_day) if made else None


def close(
    worker: Worker, wanted: Wanted, differences: Sequence[str], given: Circumstances
) -> Outcome:
    """Close a month, or say what is open; of one that is closed write the files that are missing.

    `differences` are those that `verify` has found just now. A dry run says what is open and does
    nothing. UsageError where the month's turn has not come.
    """
    period = wanted.period
    with reading(worker.engine) as connection:
        done = standing(connection, period)
        found = obstacles(connection, period, differences, accept_refused=bool(wanted.accept))
    nothing = Published(wanted.folder / period.name, ())
    if done is not None:
        written = nothing if given.dry_run else _written_again(worker, wanted, done)
        return Outcome(done, (), written, already=True)
    if found or given.dry_run:
        return Outcome(None, found, nothing)
    return again(lambda: _closed(worker, wanted, given))


def _closed(worker: Worker, wanted: Wanted, given: Circumstances) -> Outcome:
    """One transaction, with the files on the disk before it ends; they appear after it."""
    period = wanted.period
    draft = None
    try:
        with worker.writing() as connection:
            waived = _waive(connection, wanted, given)
            known = runs.last_intake(connection)
            told = figures(connection, where_kept(connection, wanted.kept_in), period, known)
            done = _begun(connection, period, told.sha256)
            folder = wanted.folder / done.name
            if folder.exists():
                raise CommissionError(
                    f"{folder}: is there already, and not from this closing",
                    f"Move it away, and run the command again. {NOTHING}",
                )
            draft = Draft(folder)
            made = rendered(told, period)
            for name, content in made.items():
                draft.write(Made(name, [content]))
            hashes = {name: draft.sha256(name) for name in made}
            if hashes != {name: sha256(content).hexdigest() for name, content in made.items()}:
                raise OutOfBalance(f"{folder}: the disk has other bytes than were written", NOTHING)
            done = replace(done, files=hashes)
            sizes = {name: len(content) for name, content in made.items()}
            listed = manifest(done, told.facts["programme"], sizes)
            draft.write(Made(MANIFEST, [listed]))
            done = replace(done, files={**hashes, MANIFEST: draft.sha256(MANIFEST)})
            done = _recorded(connection, done, given)
    except BaseException:
        if draft:
            draft.drop()
        raise
    return Outcome(done, (), draft.appear(), waived)


def _waive(connection: Connection, wanted: Wanted, given: Circumstances) -> int:
    if not wanted.accept:
        return 0
    rows = waiting_rows(connection, wanted.period)["id"]
    if not len(rows):
        return 0
    what = facts.Intake(closings.WAIVE, given.now, given.who)
    number = facts.open_intake(connection, what, 0, 0, 0)
    spans = closings.add_waivers(connection, number, rows, wanted.accept)
    told = {"month": wanted.period.name, "waived": len(rows), "reason": wanted.accept}
    audit.learned(connection, given.signed, number, told, spans)
    return len(rows)


def _begun(connection: Connection, period: Period, content: str) -> Closing:
    """A closing as far as it is known before its files are."""
    before = [each for each in closings.closings(connection) if each.first_day == period.first]
    last = day_of_last_run(connection, period)
    if last is None:
        raise UsageError(f"no business date in or before {period.name} was run", NOTHING)
    head, head_hash = audit.head(connection)
    return Closing(
        intake=runs.last_intake(connection) + 1,
        name=f"{period.name}-{len(before) + 1}" if before else period.name,
        first_day=period.first,
        last_day=period.last,
        last_run=last,
        head=head,
        head_hash=head_hash,
        content=content,
        files={},
        made_with=made_with(),
    )


def _recorded(connection: Connection, done: Closing, given: Circumstances) -> Closing:
    what = facts.Intake(closings.CLOSE, given.now, given.who)
    number = facts.open_intake(connection, what, 0, 0, 0)
    if number != done.intake:
        raise OutOfBalance(f"closing {done.name}: intake {number} instead of {done.intake}")
    spans = closings.add_closing(connection, done)
    told = {
        "closing": done.name, "content": done.content, "files": dict(done.files),
        "until": date_of(done.last_day).isoformat(),
    }  # fmt: skip
    audit.learned(connection, given.signed, number, told, spans)
    return replace(done, closed_at=given.now, closed_by=given.who)


def _written_again(worker: Worker, wanted: Wanted, done: Closing) -> Published:
    """The files of a closing that are missing; never other bytes than were closed with."""
    folder = wanted.folder / done.name
    if all((folder / name).is_file() for name in done.files):
        return Published(folder, ())
    with reading(worker.engine) as connection:
        made = files_of(connection, done, wanted.kept_in)
    unlike = [name for name, content in made.items()
              if sha256(content).hexdigest() != done.files[name]]  # fmt: skip
    if unlike:
        raise CommissionError(
            f"closing {done.name}: {', '.join(unlike)} would not have the bytes that it was closed"
            f" with: made with {_listed(done.made_with)}, here are {_listed(made_with())}",
            "Nothing was written. Take the files from a backup, or install those versions."
            " `commission verify` says whether the figures are still the same.",
        )
    return publish([Made(name, [content]) for name, content in made.items()], folder)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {each}" for name, each in sorted(versions.items()))


def files_of(connection: Connection, done: Closing, kept_in: str | None = None) -> dict[str, bytes]:
    """The files of a closing, made once more from the book, the manifest last."""
    period = Period.around(done.first_day)
    told = figures(connection, where_kept(connection, kept_in), period, done.intake - 1)
    return whole(done, told, period)
