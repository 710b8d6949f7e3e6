"""Runs: what was run and how it went, its files, and the start of the next one."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.book import attempts as book
from commission_engine.book import facts, holds, newest, readers
from commission_engine.book import runs as completed
from commission_engine.book.attempts import NOT_COUNTED
from commission_engine.book.lock import holder
from commission_engine.calendar import Day
from commission_engine.money import plain
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page, Role
from commission_engine.portal.amounts import day_in, day_of_path, iso, shown
from commission_engine.portal.files import proved
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.paging import A_PAGE, some
from commission_engine.portal.render import page
from commission_engine.portal.started import start, started
from commission_engine.problems import UsageError

LOOK = frozenset({Role.OPERATOR, Role.AUDITOR}) | FINANCE
MANIFEST = "manifest.json"
REFRESH_SECONDS = 3
LEADS = {"export": "/exports", "close": "/month-end", "propose": "/corrections"}
"""Where somebody goes back to from what was started."""


def runs(asked: Asked) -> Response:
    """Completed runs, the newest first; who works on the book now, and what did not complete."""
    before = day_in(asked.query("before"))
    found, more = some(
        asked,
        completed.completed_before(asked.book, before, A_PAGE + 1),
        lambda each: iso(each.day),
    )
    last = readers.last_run(asked.book)
    return page(
        asked, "runs.html",
        runs=[_row(each) for each in found],
        more=more,
        holder=holder(asked.portal.engine),
        failed=[] if before is not None else _not_completed(asked),
        next_date="" if last is None else iso(last + 1),
        may_start=asked.visitor.role is Role.OPERATOR,
    )  # fmt: skip


def _row(done: completed.Run) -> dict[str, Any]:
    counts = done.figures["counts"]
    return {
        "date": iso(done.day), "settles": done.settles, "completed_at": done.completed_at,
        **{name: f"{counts.get(name, 0):,}" for name in
           ("events", "lines", "statements", "payouts", "rejects")},
    }  # fmt: skip


def _not_completed(asked: Asked) -> list[dict[str, Any]]:
    """The last starts that have not come to their end."""
    found = newest.attempts(asked.book, None, A_PAGE)
    return [_attempt(row) for row in found.iter_rows(named=True) if row["outcome"] != "completed"]


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": row["id"], "date": iso(row["day"]), "started_at": row["started_at"],
        "ended_at": row["ended_at"] or "", "outcome": row["outcome"] or "going on, or killed",
        "who": row["who"], "message": row["message"] or "",
    }  # fmt: skip


def run(asked: Asked) -> Response:
    """How the run of one date went: every start, its stages, what it came to, its files."""
    day = day_of_path(asked.named("date"))
    done = completed.completed_at(asked.book, day)
    tried = attempts_of(asked, day)
    if done is None and not tried:
        raise Nothing
    return page(
        asked, "run.html", date=iso(day), done=_came_to(asked, done) if done else None, tried=tried
    )


def attempts_of(asked: Asked, day: Day) -> list[dict[str, Any]]:
    """Every start of the run of a date, the last first, with its stages."""
    rows = book.attempts_at(asked.book, day).reverse().iter_rows(named=True)
    return [_attempt(row) | {"stages": _stages(asked, row["id"])} for row in rows]


def _stages(asked: Asked, number: int) -> list[dict[str, str]]:
    found = book.stages_of(asked.book, number)
    whole = sum(each.milliseconds for each in found)
    return [
        {
            "name": each.name,
            "seconds": plain(each.milliseconds, 3),
            "percent": str(each.milliseconds * 100 // whole if whole else 0),
            "rows": "" if each.rows == NOT_COUNTED else f"{each.rows:,}",
        }
        for each in found
    ]


def _came_to(asked: Asked, done: completed.Run) -> dict[str, Any]:
    plan = facts.plan_of(asked.book, done.plan_version)
    return {
        **_row(done),
        "engine": done.engine_version,
        "plan": done.plan_hash,
        "holds": holds.listed(asked.book, done.day).height,
        "totals": [
            {"currency": code}
            | {name: shown(sums.get(name, 0), code, plan.decimals[code])
               for name in ("base", "gross", "commission", "paid")}
            for code, sums in sorted(done.figures["totals"].items())
        ],
        "files": sorted(files_of(asked, done.day).items()),
    }  # fmt: skip


def files_of(asked: Asked, day: Day) -> dict[str, str]:
    """The tables of a run and its manifest, each with its SHA-256, as they were published."""
    known = completed.hashes(asked.book, day)
    return {MANIFEST: known[0]} | dict(known[1]) if known else {}


def table(asked: Asked) -> Response:
    """One of the run's tables, or its manifest, as it was published."""
    day = day_of_path(asked.named("date"))
    files, name = files_of(asked, day), asked.named("table")
    if name not in files:
        raise Nothing
    return proved(asked, asked.portal.out / iso(day) / name, files[name])


def begin(asked: Asked) -> Response:
    """Start the run of a date as its own process, in the name of who asks."""
    date = asked.form.get("date", "").strip()
    if day_in(date) is None:
        raise UsageError(f"--date: {date!r} is not a day", "Write such as 2026-11-20.")
    words = ["run", "--date", date, f"--as={asked.visitor.who.id}"]
    if asked.form.get("trial"):
        words = ["run", "--date", date, "--dry-run"]
    return RedirectResponse(f"/started/{start(asked, words, f'run-{date}')}", 303)


def progress(asked: Asked) -> Response:
    """What a command says that a page has started; as long as it runs the page follows it, unless
    it is asked to stand still."""
    name = asked.named("started")
    found = started(asked, name)
    _, what, *rest = name.split("-")
    day = day_in("-".join(rest[:3])) if what == "run" else None
    return page(
        asked, "started.html", part="started_part.html", name=name, found=found,
        date="" if day is None else iso(day),
        tried=[] if day is None else attempts_of(asked, day)[:1],
        leads=LEADS.get(what, ""),
        follows=found.running and not asked.query("still"), seconds=REFRESH_SECONDS,
    )  # fmt: skip


PAGES = (
    Page("/runs", runs, LOOK, menu="Runs"),
    Page("/runs/{date}", run, LOOK),
    Page("/runs/{date}/files/{table}", table, LOOK, limit=DOWNLOADS),
    Page("/runs/start", begin, frozenset({Role.OPERATOR}), "POST"),
    Page("/started/{started}", progress, LOOK),
)
