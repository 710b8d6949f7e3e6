"""An export from the book to a folder: files, what their columns mean, and a manifest.

The manifest is computed from the files as they lie on the disk, and has to agree with the book's
rows; of lines also with the control totals that their runs have stored. Else nothing appears.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commission_engine.book import facts
from commission_engine.book.connect import Connection
from commission_engine.book.lines import LineStore
from commission_engine.calendar import date_of
from commission_engine.finance.exports import formats, proof
from commission_engine.finance.exports.formats import STORED, Format
from commission_engine.finance.exports.period import Asked, Period, period_of
from commission_engine.finance.exports.place import Placed, as_json, put
from commission_engine.finance.exports.rows import rows
from commission_engine.finance.exports.shape import UNITS, Figures, Table
from commission_engine.finance.exports.tables import BALANCES, JOURNAL, LINES
from commission_engine.finance.exports.workbook import xlsx
from commission_engine.problems import OutOfBalance, UsageError
from commission_engine.publish.folder import Draft, Made

FORMAT = 1
"""Of the manifest and the files beside it; raised when their form changes."""

SCHEMA = "schema.json"

EXPORTS = "exports"
"""The folder below `out` that an export goes to by itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, of which runs, as what; `excel`: CSV as Excel takes it."""

    table: Table
    asked: Asked
    how: Format = Format.CSV
    excel: bool = False


def export(
    connection: Connection, wanted: Wanted, store: LineStore, out: Path, folder: Path | None
) -> Placed:
    """Export into `folder`; where none is named into one below `out` that says what is in it."""
    table, how = wanted.table, wanted.how
    if wanted.excel and how is not Format.CSV:
        raise UsageError("--excel is for CSV", "Take --format csv, or --format xlsx without it.")
    if table is BALANCES and wanted.asked.first is not None:
        raise UsageError("balances are those of one date", "Name it with --to, without --from.")
    period = period_of(connection, wanted.asked, whole=table in (LINES, JOURNAL))
    plan = facts.plan_of(connection, period.runs[-1].plan_version)
    expected = Figures(table)

    def files(draft: Draft) -> Iterator[Made]:
        frames = expected.watching(rows(connection, table, period, store))
        if how is Format.CSV:
            yield from formats.csv(table, frames, excel=wanted.excel)
        elif how is Format.JSONL:
            yield from formats.jsonl(table, frames)
        elif how is Format.PARQUET:
            yield from formats.parquet(table, frames)
        else:
            yield from xlsx(table, frames, draft.place(""))
        yield Made(SCHEMA, [as_json(schema(table, how))])

    def manifest(written: Mapping[str, Path]) -> dict[str, Any]:
        data = [path for name, path in written.items() if name != SCHEMA]
        found = proof.figures_of(table, how, data, expected.decimals)
        _agree(table, found, expected, period)
        return {
            "format": FORMAT,
            "programme": plan.name,
            "export": table.name,
            **told_period(table, period),
            **found.told(),
            "files": {name: proof.bytes_of(path) for name, path in written.items()},
        }

    form = "excel" if wanted.excel else how
    named = period.named(table.name, form, only_last=table is BALANCES)
    return put(folder or out / EXPORTS / named, files, manifest)


def told_period(table: Table, period: Period) -> dict[str, str]:
    """The dates of the runs that were found, whatever was asked for."""
    last = date_of(period.last).isoformat()
    if table is BALANCES:
        return {"as_of": last}
    return {"from": date_of(period.first).isoformat(), "to": last}


def schema(table: Table, how: Format) -> dict[str, Any]:
    """What each column means, its type in these files, its unit."""
    return {
        "export": table.name,
        "file_format": str(how),
        "columns": [
            {
                "name": column.name,
                "meaning": column.meaning,
                "kind": str(column.kind),
                "type": STORED[how][column.kind],
                "unit": column.unit or UNITS[column.kind],
            }
            for column in table.columns
        ],
    }


def _agree(table: Table, found: Figures, expected: Figures, period: Period) -> None:
    if found != expected:
        raise OutOfBalance(
            f"{table.name}: the files on the disk come to {found.told()}, the book to"
            f" {expected.told()}",
            "Nothing was exported. Look at `commission verify`, and at the disk.",
        )
    if table is not LINES:
        return
    stored: dict[str, dict[str, int]] = {}
    for run in period.runs:
        for code, sums in run.figures["totals"].items():
            mine = stored.setdefault(code, dict.fromkeys(table.summed, 0))
            for name in table.summed:
                mine[name] += sums[name]
    count = sum(run.figures["counts"]["lines"] for run in period.runs)
    moved = {
        code: sums for code, sums in stored.items() if code in found.sums or any(sums.values())
    }
    if (count, moved) != (found.rows, found.sums):
        raise OutOfBalance(
            f"lines: the runs have stored {count} lines with {moved}, in minor units; the book has"
            f" {found.rows} with {found.sums}",
            "Nothing was exported. Look at `commission verify`.",
        )
