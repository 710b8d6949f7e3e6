"""A closing pack as a document to print: PDF, the same bytes for the same figures."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine.calendar import date_of
from commission_engine.finance.close.figures import Figures, Table
from commission_engine.finance.close.period import Period
from commission_engine.problems import UsageError

_FORM = Path(__file__).with_name("paper.typ")


def paper(told: Figures, period: Period) -> bytes:
    """The facts and all tables that are not long. UsageError where the extra is missing."""
    day = date_of(period.last)
    pack = {
        "title": f"{told.facts['programme']}: closing {period.name}",
        "date": [day.year, day.month, day.day],
        "facts": [*told.facts.items(), ("content SHA-256", told.sha256)],
        "tables": [_printed(table) for table in told.tables if not table.long],
    }
    try:
        import typst
    except ModuleNotFoundError as why:
        raise UsageError(
            "what makes PDF files is not installed",
            "Nothing was changed. Install the extra: pip install 'commission-engine[pdf]'.",
        ) from why
    said = json.dumps(pack, ensure_ascii=False)
    return bytes(
        typst.compile(
            _FORM.read_bytes(), format="pdf", sys_inputs={"pack": said}, ignore_system_fonts=True
        )
    )


def _printed(table: Table) -> dict[str, Any]:
    names = [name for name in table.rows.columns if name != "decimals"]
    shown = table.shown.cast(pl.String)
    columns = [
        {"name": name.removesuffix("_minor").replace("_", " "),
         "right": table.rows[name].dtype != pl.String}
        for name in names
    ]  # fmt: skip
    return {"title": table.title, "columns": columns, "rows": [list(row) for row in shown.rows()]}
