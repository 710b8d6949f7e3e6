"""Exports for finance: made by the command in a process of its own, then taken from here."""

import json
import re
from pathlib import Path
from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.finance.exports.export import EXPORTS
from commission_engine.finance.exports.formats import Format
from commission_engine.finance.exports.place import MANIFEST
from commission_engine.finance.journals.accounts import Ledger
from commission_engine.portal.access import FINANCE, Asked, Nothing, Page
from commission_engine.portal.amounts import day_in
from commission_engine.portal.files import opened, proved
from commission_engine.portal.finance.settlements import LOOK
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.paging import A_PAGE, further
from commission_engine.portal.render import page
from commission_engine.portal.started import start
from commission_engine.problems import UsageError

TABLES = ("lines", "statements", "payouts", "balances", "journal")
_NAME = re.compile(r"[a-z]+(-\d{8}){1,2}-[a-z]+", re.ASCII)


def exports(asked: Asked) -> Response:
    """The exports that there are, by name, and a form for another one."""
    after = asked.query("after")
    folder = asked.portal.out / EXPORTS
    names = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    found = [name for name in names if _NAME.fullmatch(name) and name > after]
    more = further(asked, after=found[A_PAGE - 1]) if len(found) > A_PAGE else ""
    return page(
        asked, "exports.html", names=found[:A_PAGE], more=more, tables=TABLES,
        formats=[str(each) for each in Format], ledgers=[str(each) for each in Ledger],
        may_make=asked.visitor.role in FINANCE,
    )  # fmt: skip


def make(asked: Asked) -> Response:
    """Start an export; its page says when it is there."""
    form = {name: asked.form.get(name, "").strip() for name in ("table", "format", "from", "to")}
    if form["table"] not in TABLES:
        raise UsageError(f"{form['table']!r} is no table", f"Choose one of {', '.join(TABLES)}.")
    if form["format"] not in [*Format, *Ledger]:
        raise UsageError(f"{form['format']!r} is no format", "Choose one that is listed.")
    words = ["export", form["table"], "--format", form["format"]]
    for name in ("from", "to"):
        if form[name] and day_in(form[name]) is None:
            raise UsageError(f"--{name}: {form[name]!r} is not a day", "Write such as 2026-11-20.")
        if form[name]:
            words += [f"--{name}", form[name]]
    return RedirectResponse(f"/started/{start(asked, words, 'export', alone=False)}", 303)


def one(asked: Asked) -> Response:
    """One export: what its manifest says, and its files."""
    told = _manifest(_folder(asked))
    files = [{"name": name, **said} for name, said in told["files"].items()]
    return page(asked, "export.html", name=asked.named("export"), files=files,
                totals=told["totals"], rows=told.get("rows", told.get("entries", 0)),
                first=told.get("from", ""), last=told.get("to", told.get("as_of", "")))  # fmt: skip


def part(asked: Asked) -> Response:
    """One file of an export, as its manifest says that it is."""
    folder = _folder(asked)
    said = _manifest(folder)["files"].get(asked.named("part"))
    if said is None:
        raise Nothing
    return proved(asked, folder / asked.named("part"), said["sha256"])


def _folder(asked: Asked) -> Path:
    if not _NAME.fullmatch(asked.named("export")):
        raise Nothing
    return asked.portal.out / EXPORTS / asked.named("export")


def _manifest(folder: Path) -> dict[str, Any]:
    with opened(folder / MANIFEST) as file:
        return dict(json.load(file))


PAGES = (
    Page("/exports", exports, LOOK, menu="Exports"),
    Page("/exports", make, FINANCE, "POST"),
    Page("/exports/{export}", one, LOOK),
    Page("/exports/{export}/{part}", part, LOOK, limit=DOWNLOADS),
)
