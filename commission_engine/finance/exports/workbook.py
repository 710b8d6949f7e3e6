"""An export as an XLSX workbook, written and read back. The only home of XlsxWriter.

Rows go straight to the disk, sheet after sheet. Nothing is ever a formula or a link. A spreadsheet
holds numbers as binary fractions of 15 digits: up to there an amount is a number, beyond it text.
"""

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from xml.parsers import expat

import polars as pl
from xlsxwriter import Workbook

from commission_engine.finance.exports.shape import Kind, Table
from commission_engine.money import plain
from commission_engine.problems import OutOfBalance
from commission_engine.publish import text
from commission_engine.publish.folder import Made

ROWS_OF_A_SHEET = 1_048_575
"""Below the header."""

DIGITS = 15
_BEGINNING = 25_569  # 1970-01-01 as a spreadsheet counts days
_FIRST_DAY = 61 - _BEGINNING  # 1900-03-01: before it spreadsheets count a day too many
_LONGEST = 32_767  # characters of a cell
_BLOCK = 1 << 20
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 (a workbook knows no zone; the same in all of them)

Cell = Callable[[int, int, Any, int], None]
"""Writes a value into the cell at a row and a column; last the currency's decimals."""


def xlsx(table: Table, frames: Iterable[pl.DataFrame], beside: Path) -> Iterator[Made]:
    """One file with as many sheets as it needs. It is made in a folder `beside` it, as names of
    temporary folders go, since nobody can write a workbook from its beginning to its end."""

    def parts() -> Iterator[bytes]:
        with TemporaryDirectory(dir=beside.parent, prefix=f"{beside.name}-") as folder:
            path = Path(folder) / "made.xlsx"
            _write(path, table, frames, folder)
            with path.open("rb") as file:
                yield from _blocks(file)

    yield Made(f"{table.name}.xlsx", parts())


# -- out


def _write(path: Path, table: Table, frames: Iterable[pl.DataFrame], folder: str) -> None:
    how = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "tmpdir": folder,
    }
    with Workbook(str(path), how) as book:
        book.use_zip64()
        book.set_properties({"title": table.name, "created": _CREATED})
        sheets = _Sheets(book, table)
        for frame in frames:
            said = frame.with_columns(text.instant(name) for name in table.of(Kind.INSTANT))
            safe = text.safe(said.select([*(column.name for column in table.columns), "decimals"]))
            for row in safe.iter_rows():
                sheets.add(row)


class _Sheets:
    """The sheets of a workbook, one after the other."""

    def __init__(self, book: Any, table: Table) -> None:
        self._book = book
        self._table = table
        self._bold = book.add_format({"bold": True})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._amounts: dict[int, Any] = {}
        self._count = 0
        self._begin()

    def add(self, row: tuple[Any, ...]) -> None:
        """A row of the table, the decimals of its currency last."""
        if self._row > ROWS_OF_A_SHEET:
            self._begin()
        *values, decimals = row
        for column, (write, value) in enumerate(zip(self._cells, values, strict=True)):
            if value is not None and value != "":
                write(self._row, column, value, decimals)
        self._row += 1

    def _begin(self) -> None:
        self._count += 1
        name = self._table.name
        sheet = self._book.add_worksheet(name if self._count == 1 else f"{name} {self._count}")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(self._table.columns) - 1, 16)
        for place, column in enumerate(self._table.columns):
            sheet.write_string(0, place, column.name, self._bold)
        self._sheet = sheet
        self._row = 1
        kinds: dict[Kind, Cell] = {
            Kind.TEXT: self._text,
            Kind.WHOLE: lambda row, column, value, _: sheet.write_number(row, column, value),
            Kind.AMOUNT: self._amount,
            Kind.FRACTION: self._fraction,
            Kind.DAY: self._date,
            Kind.INSTANT: self._text,
        }
        self._cells = [kinds[column.kind] for column in self._table.columns]

    def _text(self, row: int, column: int, value: str, _: int) -> None:
        self._sheet.write_string(row, column, value[:_LONGEST])

    def _amount(self, row: int, column: int, minor: int, decimals: int) -> None:
        if len(str(abs(minor))) > DIGITS:
            self._sheet.write_string(row, column, plain(minor, decimals))
            return
        if decimals not in self._amounts:
            digits = f"0.{'0' * decimals}" if decimals else "0"
            self._amounts[decimals] = self._book.add_format({"num_format": digits})
        amount = Decimal(minor).scaleb(-decimals)  # written digit by digit
        self._sheet.write_number(row, column, amount, self._amounts[decimals])

    def _fraction(self, row: int, column: int, value: str, decimals: int) -> None:
        if len(value.replace(".", "").lstrip("0")) > DIGITS:
            self._sheet.write_string(row, column, value)
        else:
            self._sheet.write_number(row, column, Decimal(value))

    def _date(self, row: int, column: int, day: int, _: int) -> None:
        if day < _FIRST_DAY:
            told = pl.DataFrame({"day": [day]}).select(text.day("day")).item()
            self._sheet.write_string(row, column, told)
        else:
            self._sheet.write_number(row, column, day + _BEGINNING, self._day)


# -- and back


def read_back(path: Path, wanted: Iterable[str], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of all sheets, in frames of `rows` at most: the columns `wanted` as texts, numbers
    in the digits that the file has. A formula among them is OutOfBalance."""
    names = list(wanted)
    with zipfile.ZipFile(path) as archive:
        sheets = [each for each in archive.namelist() if each.startswith("xl/worksheets/sheet")]
        for name in sheets:
            with archive.open(name) as file:
                for held in _Reader(names, rows).parts(_blocks(file)):
                    yield pl.DataFrame(held, schema=dict.fromkeys(names, pl.String), orient="row")


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class _Reader:
    """Takes the cells out of a sheet's XML."""

    def __init__(self, wanted: list[str], rows: int) -> None:
        self._wanted = wanted
        self._rows = rows
        self._header: dict[str, str] | None = None
        self._held: list[tuple[str, ...]] = []
        self._row: dict[str, str] = {}
        self._column = ""
        self._text: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append

    def parts(self, blocks: Iterator[bytes]) -> Iterator[list[tuple[str, ...]]]:
        for block in blocks:
            self._parser.Parse(block)
            if len(self._held) >= self._rows:
                yield self._taken()
        self._parser.Parse(b"", True)
        if self._held:
            yield self._taken()

    def _taken(self) -> list[tuple[str, ...]]:
        held, self._held = self._held, []
        return held

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._column = attributes["r"].rstrip("0123456789")
        elif name == "f":
            raise OutOfBalance("a cell of the workbook is a formula", "Nothing was exported.")
        self._text.clear()

    def _end(self, name: str) -> None:
        if name in ("v", "t"):
            told = "".join(self._text)
            self._row[self._column] = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), told)
        elif name == "row":
            if self._header is None:
                self._header = {said: column for column, said in self._row.items()}
            else:
                places = [self._header[each] for each in self._wanted]
                self._held.append(tuple(self._row.get(place, "") for place in places))
            self._row = {}
        self._text.clear()
