"""A closing pack as a workbook: XLSX, the same bytes for the same figures."""

import zipfile
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import polars as pl

from commission_engine.calendar import date_of
from commission_engine.finance.close.figures import Figures, Table
from commission_engine.finance.close.period import Period

ROWS = 1_048_575
"""The most rows of a sheet, below its header."""

EXACT = 10**15
"""Below so many smallest units a spreadsheet, which has 15 digits, keeps an amount as it is."""

_FIXED = (1980, 1, 1, 0, 0, 0)
_WIDEST = 60


def workbook(told: Figures, period: Period) -> bytes:
    """The figures, a sheet for each table. Amounts are numbers as long as a spreadsheet can hold
    them exactly, and texts beyond that; a text is never taken for a formula or a link."""
    import xlsxwriter  # here, because most commands need it not

    content = BytesIO()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(content, options) as book:
        day = date_of(period.last)
        book.set_properties(
            {"title": f"Closing {period.name}", "created": datetime(day.year, day.month, day.day)}  # noqa: DTZ001
        )
        sheets = _Sheets(book)
        sheets.facts(told)
        for table in told.tables:
            for number, part in enumerate(_sheets_of(table.rows), 1):
                sheets.table(table, part, number)
    return _repacked(content)


def _sheets_of(rows: pl.DataFrame) -> list[pl.DataFrame]:
    return [rows[start : start + ROWS] for start in range(0, max(rows.height, 1), ROWS)]


class _Sheets:
    """The sheets of a workbook as they come, rows first to last."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._bold = book.add_format({"bold": True})
        self._money: dict[int, Any] = {}

    def facts(self, told: Figures) -> None:
        sheet = self._book.add_worksheet("Closing")
        sheet.set_column(0, 0, 32)
        sheet.set_column(1, 1, _WIDEST)
        for row, (name, value) in enumerate({**told.facts, "content SHA-256": told.sha256}.items()):
            sheet.write_string(row, 0, name, self._bold)
            sheet.write_string(row, 1, value)

    def table(self, table: Table, rows: pl.DataFrame, number: int) -> None:
        title = table.name.replace("_", " ").capitalize()
        sheet = self._book.add_worksheet(title if number == 1 else f"{title} {number}")
        names = [name for name in rows.columns if name != "decimals"]
        for place, name in enumerate(names):
            shown = name.removesuffix("_minor")
            sheet.set_column(place, place, _width(rows, name))
            sheet.write_string(0, place, shown, self._bold)
        sheet.freeze_panes(1, 0)
        for row, values in enumerate(rows.iter_rows(named=True), 1):
            for place, name in enumerate(names):
                self._cell(sheet, row, place, name, values)

    def _cell(self, sheet: Any, row: int, place: int, name: str, values: dict[str, Any]) -> None:
        value = values[name]
        if isinstance(value, str):
            sheet.write_string(row, place, value)
        elif not name.endswith("_minor"):
            sheet.write_number(row, place, value)
        else:
            decimals = int(values["decimals"])
            amount = Decimal(value).scaleb(-decimals)
            if abs(value) < EXACT:
                sheet.write_number(row, place, amount, self._format(decimals))
            else:
                sheet.write_string(row, place, f"{amount:.{decimals}f}")

    def _format(self, decimals: int) -> Any:
        if decimals not in self._money:
            form = "#,##0" + (f".{'0' * decimals}" if decimals else "")
            self._money[decimals] = self._book.add_format({"num_format": form})
        return self._money[decimals]


def _width(rows: pl.DataFrame, name: str) -> int:
    column = rows[name]
    if column.dtype != pl.String:
        return 16
    longest = max(column.str.len_chars().to_list(), default=0)
    return min(max(len(name), longest) + 2, _WIDEST)


def _repacked(content: BytesIO) -> bytes:
    """The same workbook without what a file system has said of its parts: their times, and who may
    read them."""
    packed = BytesIO()
    with zipfile.ZipFile(content) as before, zipfile.ZipFile(packed, "w") as after:
        for name in before.namelist():
            member = zipfile.ZipInfo(name, _FIXED)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            member.create_system = 3
            with before.open(name) as source, after.open(member, "w", force_zip64=True) as target:
                while block := source.read(1 << 20):
                    target.write(block)
    return packed.getvalue()
