"""All of an affiliate's own data in one file: a ZIP of tables, the same bytes for the same data."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from starlette.responses import Response

from commission_engine.book import readers
from commission_engine.portal import said
from commission_engine.portal.access import Asked, about
from commission_engine.portal.limits import DOWNLOADS
from commission_engine.portal.lines import Filter, callings_of, found_lines, plan_of
from commission_engine.portal.render import page
from commission_engine.portal.statements import attachment
from commission_engine.publish import text

EVERYTHING = Filter(None, None, None, "all", None)
MANY = 1_000_000
NAME = "data.zip"
_FIRST = (1980, 1, 1, 0, 0, 0)  # a time of the format's own beginning: no clock in the bytes


def data(asked: Asked) -> Response:
    return page(asked, "data.html")


def download(asked: Asked) -> Response:
    tables = dict(_tables(asked))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.csv", _FIRST), text.csv(rows),
                             zipfile.ZIP_DEFLATED)  # fmt: skip
    asked.portal.note(asked.visitor.who, "downloaded", f"data of {asked.of.affiliate_id}")
    return attachment(written.getvalue(), NAME, "application/zip")


def _tables(asked: Asked) -> Iterable[tuple[str, pl.DataFrame]]:
    of, plan = asked.of, plan_of(asked)
    hidden = asked.visitor.masked
    yield "profile", _table([{
        "affiliate_id": of.affiliate_id, "name": "" if hidden else of.name,
        "email": "" if hidden else of.email, "status": of.status,
    }])  # fmt: skip
    yield "balances", _table(said.account(asked)["balances"])
    yield "statements", _table(said.statements(asked, readers.statements(asked.book, of.number)))
    yield "payouts", _table(said.payouts(asked))
    found, _ = found_lines(asked, EVERYTHING, MANY)
    callings = callings_of(asked, found)
    yield "lines", _table(said.line(plan, callings, each) for each in found)
    yield "referrals", _table(said.referrals(asked))


def _table(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of texts and counts; a table without rows has no columns."""
    return pl.DataFrame(list(rows), infer_schema_length=None)


PAGES = (
    *about("/data", data, menu="My data"),
    *about(f"/{NAME}", download, limit=DOWNLOADS, heavy=True),
)
