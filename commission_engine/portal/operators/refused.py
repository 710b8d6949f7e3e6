"""Refused rows: looked through, taken as a file, mended here or elsewhere, tried, and imported."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.book import newest, refusals
from commission_engine.imports import Circumstances, Imported, import_rows
from commission_engine.ingest.columns import FACTS
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.mend import mendable
from commission_engine.portal.access import Asked, Page, Role
from commission_engine.portal.change import changed
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.paging import A_PAGE, number_in, some, whole
from commission_engine.portal.render import page
from commission_engine.portal.statements import attachment
from commission_engine.problems import Code, FileRefused, UsageError
from commission_engine.raw import shown as readable

LOOK = frozenset({Role.OPERATOR, Role.AUDITOR})
MEND = frozenset({Role.OPERATOR})
LARGEST = 4 << 20
"""Of a form with rows in it; more is imported by the command."""
ROWS_SHOWN = 100
AT_ONCE = 1_000
"""So many refused rows are taken into one file."""
_ROW = re.compile(r"row-(\d{1,18})", re.ASCII)


def refused(asked: Asked) -> Response:
    """Refused rows, the newest first, each whole, and whether it waits to be mended."""
    wanted = {name: value for name in ("kind", "code", "file") if (value := asked.query(name))}
    found = newest.refused(asked.book, number_in(asked), A_PAGE + 1, **wanted)
    rows, more = some(asked, found.to_dicts(), lambda each: each["id"])
    judged = refusals.judged(asked.book, newest.numbered([each["id"] for each in rows]))
    waits = dict(judged.select("id", "waits").iter_rows())
    return page(
        asked, "refused_rows.html",
        rows=[
            {**each, "raw": readable(each["raw"]), "waits": waits[each["id"]],
             "mendable": each["kind"] != Kind.PAYEES and bool(waits[each["id"]])}
            for each in rows
        ],
        more=more, wanted=wanted, kinds=[str(kind) for kind in Kind],
        codes=[str(code) for code in Code], may_mend=asked.visitor.role is Role.OPERATOR,
    )  # fmt: skip


def take(asked: Asked) -> Response:
    """The rows that were chosen as a file, to be mended elsewhere."""
    kind, content = _chosen(asked)
    return attachment(content, f"refused-{kind}.csv", "text/csv; charset=utf-8")


def mend(asked: Asked) -> Response:
    """The rows that were chosen in a field, to be mended here."""
    kind, content = _chosen(asked)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            "these rows have bytes that are no text, which a page cannot show",
            "Take them as a file, mend that, and choose it under Mended rows.",
        ) from None
    return page(asked, "mended.html", kind=str(kind), rows=text, tried=None, sha256="")


def _chosen(asked: Asked) -> tuple[Kind, bytes]:
    numbers = [whole(row[1]) for name in asked.form if (row := _ROW.fullmatch(name))]
    if not numbers:
        raise UsageError("no row is chosen", "Tick the rows that are to be mended.")
    found = newest.refused_of(asked.book, numbers[:AT_ONCE])
    kinds = found["kind"].unique().to_list()
    if str(Kind.PAYEES) in kinds:
        raise UsageError(
            "refused rows of payees are not kept, as they may name accounts",
            "Mend the file that they came from.",
        )
    intakes = newest.intakes_of(asked.book, found["intake"].unique().to_list())
    content = mendable(found, intakes)
    return Kind(kinds[0]), content


# -- what was mended


@dataclass(frozen=True, slots=True)
class Mended:
    """Rows as somebody has sent them, and the hash that says which: line ends do not count, as
    browsers change them."""

    kind: Kind
    rows: str

    @property
    def sha256(self) -> str:
        return sha256(f"{self.kind}\n{self.rows}".encode()).hexdigest()

    @contextmanager
    def file(self) -> Iterator[Path]:
        """A file with them, for as long as it is read; its name says what is in it."""
        with TemporaryDirectory(prefix="mended") as folder:
            path = Path(folder) / f"mended-{self.sha256[:16]}.csv"
            path.write_bytes(self.rows.encode())
            yield path


def try_them(asked: Asked) -> Response:
    """Say what of mended rows would be accepted; import them, once that has been looked at."""
    mended = _sent(asked.form)
    looked_at = asked.form.get("looked_at", "")
    keep = bool(asked.form.get("import")) and looked_at == mended.sha256
    with mended.file() as path:
        try:
            imported = _import(asked, mended.kind, path, keep=keep)
        except FileRefused as why:  # it is gone with this: nobody can look for it
            said = why.message.replace(str(path), "the mended rows")
            raise UsageError(said, why.hint) from why
    if keep:
        asked.portal.note(asked.visitor.who, "imported", mended.sha256[:16])
        return RedirectResponse(_told(imported), 303)
    return page(
        asked, "mended.html", kind=str(mended.kind), rows=mended.rows, sha256=mended.sha256,
        tried=_tried(imported), changed=bool(looked_at) and looked_at != mended.sha256,
    )  # fmt: skip


def _sent(form: Mapping[str, str]) -> Mended:
    kind = form.get("kind", "")
    if kind not in [str(each) for each in FACTS]:
        raise UsageError(f"{kind!r} is no kind of rows", f"Choose one of {', '.join(FACTS)}.")
    rows = (form.get("file") or form.get("rows", "")).replace("\r\n", "\n").replace("\r", "\n")
    if not rows.strip():
        raise UsageError("there are no rows", "Write them into the field, or choose a file.")
    try:
        rows.encode()
    except UnicodeEncodeError:
        raise UsageError(
            "the file is not UTF-8", f"Save it as UTF-8, or give: commission import {kind} FILE"
        ) from None
    return Mended(Kind(kind), rows.rstrip("\n") + "\n")


def _import(asked: Asked, kind: Kind, path: Path, *, keep: bool) -> Imported:
    rows = read_rows(kind, [path])

    def how(connection: Any, given: Circumstances) -> Imported:
        return import_rows(connection, rows, given)

    return changed(asked, how, keep=keep)


def _tried(imported: Imported) -> dict[str, Any]:
    return {
        "read": imported.read, "accepted": imported.accepted, "duplicate": imported.duplicate,
        "rejected": imported.rejected, "refused": imported.refused[:ROWS_SHOWN],
        "more": max(0, imported.rejected - ROWS_SHOWN),
    }  # fmt: skip


def _told(imported: Imported) -> str:
    counts = "&".join(f"{name}={getattr(imported, name)}" for name in COUNTS)
    return f"/refused/imported?kind={imported.kind}&{counts}"


COUNTS = ("read", "accepted", "duplicate", "rejected")


def imported(asked: Asked) -> Response:
    """What came of an import."""
    counts: dict[str, Any] = {name: number_in(asked, name) or 0 for name in COUNTS}
    kind = asked.query("kind")
    return page(asked, "imported.html", kind=kind if kind in [str(k) for k in Kind] else "",
                **counts)  # fmt: skip


def empty_mend(asked: Asked) -> Response:
    """A field for rows, or a file, that was mended elsewhere."""
    return page(asked, "mended.html", kind="", rows="", tried=None, sha256="")


PAGES = (
    Page("/refused", refused, LOOK, menu="Refused rows"),
    Page("/refused/file", take, LOOK, "POST", limit=DOWNLOADS),
    Page("/refused/mend", mend, MEND, "POST"),
    Page("/refused/mended", empty_mend, MEND),
    Page("/refused/mended", try_them, MEND, "POST", largest=LARGEST),
    Page("/refused/imported", imported, MEND),
)
