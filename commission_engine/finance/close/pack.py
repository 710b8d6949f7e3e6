"""The files of a closing pack, and their manifest."""

import json
import zlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from commission_engine.book.closings import Closing
from commission_engine.calendar import date_of
from commission_engine.finance.close.figures import FORM, Figures
from commission_engine.finance.close.paper import paper
from commission_engine.finance.close.period import Period
from commission_engine.finance.close.workbook import workbook

WORKBOOK, PAPER, MANIFEST = "closing.xlsx", "closing.pdf", "manifest.json"


def made_with() -> Mapping[str, str]:
    """What the bytes of a pack depend on, beside its figures."""
    return {"form": FORM, "zlib": zlib.ZLIB_RUNTIME_VERSION, "xlsxwriter": _version("xlsxwriter"),
            "typst": _version("typst")}  # fmt: skip


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def rendered(told: Figures, period: Period) -> Mapping[str, bytes]:
    """The pack's files without the manifest."""
    return {WORKBOOK: workbook(told, period), PAPER: paper(told, period)}


def whole(done: Closing, told: Figures, period: Period) -> dict[str, bytes]:
    """All files of a closing, the manifest last."""
    made = dict(rendered(told, period))
    sizes = {name: len(content) for name, content in made.items()}
    return {**made, MANIFEST: manifest(done, told.facts["programme"], sizes)}


def manifest(done: Closing, programme: str, sizes: Mapping[str, int]) -> bytes:
    """What names the other files; `sizes` are theirs, `done.files` their hashes."""
    said: dict[str, Any] = {
        "format": int(FORM),
        "programme": programme,
        "closing": done.name,
        "first_day": date_of(done.first_day).isoformat(),
        "last_day": date_of(done.last_day).isoformat(),
        "content_sha256": done.content,
        "audit_head": f"{done.head}:{done.head_hash}",
        "made_with": dict(done.made_with),
        "files": {
            name: {"bytes": sizes[name], "sha256": done.files[name]} for name in (WORKBOOK, PAPER)
        },
    }
    return (json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
