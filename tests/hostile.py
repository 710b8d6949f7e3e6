r"""Files that mean harm, each with what must come of it; and trees that do.

    python tests/hostile.py                              the table: name, kind, bytes, verdict
    python tests/hostile.py --run [NAME ...]             import these cases (or all), say what came
    python tests/hostile.py --structure chain --size 1000000

A verdict is "refused: ..." with what the message holds (nothing of the file is kept), or what its
rows came to, refused ones with their lines: "accepted 1, duplicate 2; 5-6 bad_id". After an arrow
stands how a value of an accepted row is printed.
"""

import argparse
import gzip
import io
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import letter
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from commission_engine.book.connect import Connection, connect, migrate
from commission_engine.book.lock import Worker, working
from commission_engine.calendar import iso_instant
from commission_engine.imports import Circumstances, Imported, import_rows
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.money import iso_decimals, plain
from commission_engine.plan.read import read_plan
from commission_engine.plan_apply import apply_plan
from commission_engine.problems import FileRefused, Refusal
from commission_engine.raw import as_bytes

UNITS = {"POINTS": 0, "BTC": 8, "DUST": 12}
DECIMALS: Mapping[str, int] = {**iso_decimals(), **UNITS}
PLAN = f"""\
name = "hostile"
[units]
{chr(10).join(f"{name} = {places}" for name, places in UNITS.items())}
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "10%"
"""
GIVEN = Circumstances("tests", "2026-11-20T00:00:00Z")


# -- the desk


@dataclass(frozen=True)
class Came:
    """What came of an import of a hostile file beside a good one.

    `refused` is the message on a whole file. `prints` are the accepted rows of the hostile file as
    the book holds them, printed and sorted; `good` those of the good one.
    """

    refused: str = ""
    imported: Imported | None = None
    prints: tuple[tuple[str, ...], ...] = ()
    good: tuple[tuple[str, ...], ...] = ()
    kept: tuple[Refusal, ...] = ()
    """The refused rows as the book holds them."""

    again: Imported | None = None
    """What the same import came to once more."""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        return self.imported.refused if self.imported else ()

    @property
    def said(self) -> str:
        """As a verdict is written."""
        if not self.imported:
            return f"refused: {self.refused}"
        accepted, duplicate = len(self.prints), self.imported.duplicate
        counts = [f"accepted {accepted}"] * (accepted > 0)
        counts += [f"duplicate {duplicate}"] * (duplicate > 0)
        runs: list[tuple[int, int, str]] = []
        for each in self.refusals:
            first, last, code = runs[-1] if runs else (0, 0, "")
            if (last + 1, code) == (each.line, each.code):
                runs[-1] = (first, each.line, code)
            else:
                runs.append((each.line, each.line, str(each.code)))
        rows = [f"{a} {code}" if a == z else f"{a}-{z} {code}" for a, z, code in runs]
        return "; ".join(filter(None, [", ".join(counts), *rows])) or "no rows"

    def faults(self, kind: str, data: bytes | None, file: str = "hostile.csv") -> Iterator[str]:
        """What is wrong with an import of `data` (None: not to be read by the letter)."""
        if not self.imported:
            try:
                letter.read(kind, data or b"", DECIMALS)
                yield f"refused: {self.refused}"
            except letter.NoFile:
                pass
            return
        done = self.imported
        if done.read != done.accepted + done.duplicate + done.rejected:
            yield f"{done.read} read, {done.accepted} + {done.duplicate} + {done.rejected}"
        if done.accepted != len(self.prints) + len(self.good):
            yield f"{done.accepted} accepted, {len(self.prints)} + {len(self.good)} in the book"
        if self.good != good(kind):
            yield f"the good rows came to {self.good}"
        if sorted(self.kept, key=repr) != sorted(self.refusals, key=repr):
            yield f"refused {self.refusals}, kept {self.kept}"
        for each in self.refusals:
            if not each.message or each.file != file:
                yield f"not said well: {each}"
        if self.again:
            yield from _differ("the second time", _outcome(self.again), _outcome(done))
            if self.again.accepted:
                yield f"{self.again.accepted} accepted the second time"
        if data is not None:
            yield from self._by_the_letter(letter.read(kind, data, DECIMALS))

    def _by_the_letter(self, rows: Sequence[letter.Row]) -> Iterator[str]:
        prints = sorted(row.prints for row in rows if row.verdict == "accepted")
        yield from _differ("in the book", list(self.prints), prints)
        known = ("accepted", "duplicate")
        refused = [(r.line, r.verdict, r.raw) for r in rows if r.verdict not in known]
        found = [(r.line, str(r.code), as_bytes(r.raw)) for r in self.refusals]
        yield from _differ("refused", found, refused)
        duplicates = sum(row.verdict == "duplicate" for row in rows)
        if self.imported and self.imported.duplicate != duplicates:
            yield f"{self.imported.duplicate} duplicates, {duplicates} by the letter"


def _outcome(imported: Imported) -> list[Any]:
    """What an import must come to each time."""
    known = imported.accepted + imported.duplicate
    return [known, *((each.file, each.line, each.code, each.raw) for each in imported.refused)]


def _differ(what: str, found: Sequence[Any], expected: Sequence[Any]) -> Iterator[str]:
    if found != expected:
        one = [each for each in found if each not in expected][:3]
        two = [each for each in expected if each not in found][:3]
        yield f"{what}, but not by the letter: {one!r}; only by the letter: {two!r}"[:2000]


GOOD = {
    "affiliates": b"affiliate_id,name,status\ngood-1,Ann,\ngood-2,Bob,closed\n",
    "referrals": b"affiliate_id,referrer_id,since\ngood-1,good-2,\ngood-2,good-3,2026-01-05\n",
    "earnings": b"event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
    b"good-1,good-a,2026-01-05,12.50,USD,\ngood-2,good-a,2026-01-06,-2.50,USD,good-1\n",
}
"""Imported together with every hostile file: must be accepted whatever stands beside it."""


@cache
def good(kind: str) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(row.prints for row in letter.read(kind, GOOD[kind], DECIMALS)))


class Desk:
    """A real book in SQLite. Each import is made, read back from the tables, and undone."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self.worker = worker
        self.folder = folder

    def judge(self, kind: str, data: bytes, name: str = "hostile.csv", twice: bool = False) -> Came:
        """Import a file, beside the good one; perhaps both once more."""
        hostile, beside = self.folder / name, self.folder / "well.csv"
        hostile.write_bytes(data)
        beside.write_bytes(GOOD[kind])
        try:
            with self.imported(kind, [hostile, beside]) as (connection, imported):
                rows = printed(connection, kind)
                return Came(
                    imported=imported,
                    prints=tuple(row for row in rows if not row[0].startswith("good-")),
                    good=tuple(row for row in rows if row[0].startswith("good-")),
                    kept=kept(connection),
                    again=self._again(connection, kind, [hostile, beside]) if twice else None,
                )
        except FileRefused as why:
            return Came(refused=why.message.replace(f"{hostile}: ", ""))
        finally:
            hostile.unlink()

    def _again(self, connection: Connection, kind: str, paths: Sequence[Path]) -> Imported:
        return import_rows(connection, read_rows(Kind(kind), paths), GIVEN)

    @contextmanager
    def imported(self, kind: str, paths: Sequence[Path]) -> Iterator[tuple[Connection, Imported]]:
        rows = read_rows(Kind(kind), paths)
        with self.worker.writing(keep=False) as connection:
            yield connection, import_rows(connection, rows, GIVEN)


@contextmanager
def desk() -> Iterator[Desk]:
    """A book of its own, with a plan that has units."""
    with tempfile.TemporaryDirectory(prefix="hostile") as name:
        folder = Path(name)
        engine = connect(f"sqlite:///{folder}/book.db")
        migrate(engine)
        (folder / "plan.toml").write_text(PLAN, "utf-8")
        with working(engine, "tests", GIVEN.now) as worker:
            with worker.writing() as connection:
                apply_plan(connection, read_plan(folder / "plan.toml"), GIVEN)
            yield Desk(worker, folder)


_READ_BACK = {
    "affiliates": "SELECT a.affiliate_id, p.name, p.email, p.country, p.locale, p.status, p.extra"
    " FROM profile p JOIN affiliate a ON a.id = p.affiliate",
    "referrals": "SELECT a.affiliate_id, b.affiliate_id, r.since_us FROM referral r"
    " JOIN affiliate a ON a.id = r.affiliate JOIN affiliate b ON b.id = r.referrer",
    "earnings": "SELECT e.event_id, a.affiliate_id, e.occurred_us, e.amount_minor, c.code,"
    " CASE WHEN r.id = e.id THEN '' ELSE r.event_id END FROM event e"
    " JOIN affiliate a ON a.id = e.affiliate JOIN currency c ON c.id = e.currency"
    " JOIN event r ON r.id = e.root",
}


def printed(connection: Connection, kind: str) -> list[tuple[str, ...]]:
    """Every fact of a kind in the book, as the program prints its values; sorted."""
    rows = connection.execute(sa.text(_READ_BACK[kind])).fetchall()
    if kind == "affiliates":
        return sorted(tuple(value or "" for value in row) for row in rows)
    if kind == "referrals":
        return sorted((a, b, iso_instant(since)) for a, b, since in rows)
    return sorted(
        (event, who, iso_instant(at), plain(amount, DECIMALS[code]), code, reverses)
        for event, who, at, amount, code, reverses in rows
    )


def kept(connection: Connection) -> tuple[Refusal, ...]:
    query = "SELECT code, file, line, column_name, text, message, raw FROM refusal ORDER BY id"
    return tuple(Refusal(*row) for row in connection.execute(sa.text(query)))


# -- the cases


@dataclass(frozen=True)
class Case:
    """One file. `verdict` as in this module's first lines."""

    name: str
    kind: str
    data: bytes
    verdict: str
    file: str = "hostile.csv"

    def faults(self, desk: Desk) -> Iterator[str]:
        """Import it; what differs from the verdict, from the letter, or is not kept whole."""
        came = desk.judge(self.kind, self.data, self.file)
        if self.verdict.startswith("refused: "):
            if not came.said.startswith(self.verdict):
                yield f"{came.said!r}, not {self.verdict!r}"
            return
        verdict, _, value = self.verdict.partition(" -> ")
        if came.said != verdict:
            yield f"{came.said!r}, not {verdict!r}"
        if value and not any(value in row for row in came.prints):
            yield f"{value!r} is not among {came.prints}"
        is_text = not self.file.endswith(".parquet")
        name = os.fsencode(self.file).decode("utf-8", "backslashreplace")
        yield from came.faults(self.kind, self.data if is_text else None, name)


EARNINGS = b"event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
AFFILIATES = b"affiliate_id,name,status\n"
REFERRALS = b"affiliate_id,referrer_id,since\n"
ROW = b"e1,ann,2026-01-05,12.50,USD,\n"
LAST = b"e9,bob,2026-01-09,9.00,EUR,\n"

REQUIRED_OF_EARNINGS = ("event_id", "affiliate_id", "occurred_at", "amount", "currency")

NOT_TEXT = "refused: this is"
NO_COLUMN = "refused: line 1 has no column"
UNCLOSED = "refused: line 1, the header: a quoted field is opened and not closed"
NOT_UTF_8 = "refused: line 1, the header: the byte 0x"
NOT_PARQUET = "refused: this is not a whole Parquet file"
UNREADABLE = "refused: this Parquet file cannot be read"

Table = Sequence[tuple[str, bytes, str]]
"""Of one kind: name, bytes, verdict."""

ENCODINGS: Table = (
    ("a BOM", b"\xef\xbb\xbf" + EARNINGS + ROW, "accepted 1"),
    ("two BOMs", b"\xef\xbb\xbf" * 2 + EARNINGS + ROW, NO_COLUMN),
    ("half a BOM", b"\xef\xbb" + EARNINGS + ROW, NOT_UTF_8),
    ("a BOM and nothing", b"\xef\xbb\xbf", "refused: the file is empty"),
    ("a BOM before a row", EARNINGS + b"\xef\xbb\xbf" + ROW, "accepted 1"),  # part of the id
    ("UTF-16", (EARNINGS + ROW).decode().encode("utf-16"), f"{NOT_TEXT} UTF-16"),
    (
        "UTF-16, big end first",
        b"\xfe\xff" + (EARNINGS + ROW).decode().encode("utf-16-be"),
        f"{NOT_TEXT} UTF-16",
    ),
    ("UTF-16 without a mark", (EARNINGS + ROW).decode().encode("utf-16-le"), NO_COLUMN),
    (
        "UTF-16 without a mark, big end first",
        (EARNINGS + ROW).decode().encode("utf-16-be"),
        NO_COLUMN,
    ),
    ("UTF-32", (EARNINGS + ROW).decode().encode("utf-32"), f"{NOT_TEXT} UTF-32"),
    (
        "UTF-32, big end first",
        b"\x00\x00\xfe\xff" + EARNINGS.decode().encode("utf-32-be"),
        f"{NOT_TEXT} UTF-32",
    ),
    ("UTF-32 without a mark", (EARNINGS + ROW).decode().encode("utf-32-le"), NO_COLUMN),
    ("UTF-7's mark", b"+/v8-" + EARNINGS + ROW, NO_COLUMN),
    ("EBCDIC", (EARNINGS + ROW).decode().encode("cp037"), NOT_UTF_8),
    (
        "Latin-1 in an id",
        EARNINGS + b"e1,M\xfcller,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "Windows-1252 in an id",
        EARNINGS + b"e1,\x93ann\x94,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    ("Latin-1 in the header", EARNINGS.replace(b"reverses", b"gr\xf6\xdfe") + ROW, NOT_UTF_8),
    (
        "a continuation byte alone",
        EARNINGS + b"e\x80,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "an overlong slash",
        EARNINGS + b"e\xc0\xaf,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "an overlong NUL",
        EARNINGS + b"e\xc0\x80,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "an overlong euro sign",
        EARNINGS + b"e\xf0\x82\x82\xac,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "half a surrogate pair",
        EARNINGS + b"e\xed\xa0\x80,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a surrogate pair (CESU-8)",
        EARNINGS + b"\xed\xa0\xbd\xed\xb8\x80,a,2026-01-05,1,USD,\n",
        "2 malformed_row",
    ),
    (
        "beyond U+10FFFF",
        EARNINGS + b"e\xf4\x90\x80\x80,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "five bytes long",
        EARNINGS + b"e\xf8\x88\x80\x80\x80,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "0xFE and 0xFF",
        EARNINGS + b"e\xfe\xff,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "two bytes of three",
        EARNINGS + b"e\xe2\x82,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "three bytes of four",
        EARNINGS + b"e\xf0\x9f\x98,ann,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a character cut by the line's end",
        EARNINGS + b"e1,ann,2026-01-05,1.00,USD,\xc3\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a character cut by a comma",
        EARNINGS + b"e1,ann\xc3,2026-01-05,1.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a character cut by a quote",
        EARNINGS + b'e1,"ann\xc3",2026-01-05,1.00,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a character cut by the file's end",
        EARNINGS + ROW + b"e2,ann,2026-01-05,1.00,USD,\xf0\x9f",
        "accepted 1; 3 malformed_row",
    ),
    (
        "the last and the first character",
        EARNINGS + "\U0010ffff,\u00a0,2026-01-05,1.00,USD,\n".encode(),
        "accepted 1",
    ),
    (
        "characters that are none",
        EARNINGS + "e\ufffe\uffff\ufdd0,a,2026-01-05,1.00,USD,\n".encode(),
        "accepted 1",
    ),
    ("NUL between rows", EARNINGS + ROW + b"\x00\n" + LAST, "accepted 2; 3 malformed_row"),
    ("NUL at the end", EARNINGS + ROW + b"\x00" * 512, "accepted 1; 3 malformed_row"),
    ("NUL in the header", EARNINGS.replace(b"amount", b"amount\x00") + ROW, NO_COLUMN),
    (
        "NUL in an unknown column's name",
        EARNINGS[:-1] + b",\x00\n" + ROW[:-1] + b",1\n",
        "accepted 1",
    ),
    ("NUL in an unknown column", EARNINGS[:-1] + b",x\n" + ROW[:-1] + b",a\x00b\n", "accepted 1"),
    ("all 256 bytes", EARNINGS + bytes(range(256)) + b"\n" + LAST, "accepted 1; 2-3 malformed_row"),
    (
        "U+2028 and U+2029 end no lines",
        EARNINGS + "e\u2028\u2029,a,2026-01-05,1.00,USD,\n".encode(),
        "accepted 1",
    ),
    (
        "NEL, VT and FF end no lines",
        EARNINGS + "e\u0085,a\x0b\x0c,2026-01-05,1.00,USD,\n".encode(),
        "2 bad_id",
    ),
    ("Ctrl-Z at the end", EARNINGS + ROW + b"\x1a", "accepted 1; 3 malformed_row"),
    (
        "escape codes of a terminal",
        EARNINGS + b"\x1b[2J\x1b]0;x\x07,a,2026-01-05,1,USD,\n",
        "2 bad_id",
    ),
)

QUOTES: Table = (
    ("all fields quoted", EARNINGS + b'"e1","ann","2026-01-05","12.50","USD",""\n', "accepted 1"),
    (
        "the header quoted",
        b'"event_id","affiliate_id","occurred_at","amount","currency"\n'
        + ROW.replace(b",\n", b"\n"),
        "accepted 1",
    ),
    (
        "never closed",
        EARNINGS + b'e1,"ann,2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "never closed, in the last row",
        EARNINGS + ROW + b'e2,ann,2026-01-05,1.00,USD,"',
        "accepted 1; 3 malformed_row",
    ),
    (
        "closed in the next row",
        EARNINGS + b'e1,"ann,2026-01-05,12.50,USD,\ne2,"b",x,1,USD,\n' + LAST,
        "accepted 1; 2 malformed_row; 3 bad_timestamp",
    ),
    (
        "two rows made one",
        EARNINGS + b'e1,"ann\ne2,bob",2026-01-05,1.00,USD,\n' + LAST,
        "accepted 1; 2 bad_id",
    ),  # the id would hold a line end
    (
        "in the middle",
        EARNINGS + b'e1,an"n,2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "doubled in the middle, field not quoted",
        EARNINGS + b'e1,an""n,2026-01-05,1,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    ("doubled in a quoted field", EARNINGS + b'e1,"an""n",2026-01-05,12.50,USD,\n', "accepted 1"),
    ("nothing but two quotes", EARNINGS + b'"""""",ann,2026-01-05,12.50,USD,\n', "accepted 1"),
    (
        "text after the closing one",
        EARNINGS + b'e1,"ann"x,2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a space after the closing one",
        EARNINGS + b'e1,"ann" ,2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "a space before the opening one",
        EARNINGS + b'e1, "ann",2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    ("three in a row", EARNINGS + b'e1,"""ann",2026-01-05,12.50,USD,\n', "accepted 1"),
    (
        "three in a row, not closed",
        EARNINGS + b'e1,"""ann,2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    ("one alone on a line", EARNINGS + b'"\n' + LAST, "accepted 1; 2 malformed_row"),
    ("two alone on a line", EARNINGS + b'""\n' + LAST, "accepted 1; 2 malformed_row"),
    (
        "escaped by a backslash",
        EARNINGS + b'e1,"an\\"n",2026-01-05,12.50,USD,\n' + LAST,
        "accepted 1; 2 malformed_row",
    ),
    ("a backslash is nothing", EARNINGS + b"e\\,ann,2026-01-05,12.50,USD,\n", "accepted 1"),
    ("single ones are text", EARNINGS + b"'e1','ann',2026-01-05,12.50,USD,\n", "accepted 1"),
    (
        "typographic ones are text",
        EARNINGS + "“e1”,«ann»,2026-01-05,12.50,USD,\n".encode(),
        "accepted 1",
    ),
    ("an amount with a comma", EARNINGS + b'e1,ann,2026-01-05,"12,50",USD,\n', "2 bad_amount"),
    ("a comma in an id", EARNINGS + b'"e,1","a,nn",2026-01-05,12.50,USD,\n', "accepted 1"),
    ("not closed in the header", b'event_id,"affiliate_id\n' + ROW, UNCLOSED),
    (
        "text after one in the header",
        b'"event_id"x,affiliate_id\n' + ROW,
        "refused: line 1, the header: text after the closing quote",
    ),
    (
        "one in the middle of the header",
        b'event"_id,affiliate_id\n' + ROW + b'"\n',
        "refused: line 1, the header: a quote inside a field",
    ),
    ("a header over two lines", EARNINGS[:-1] + b',"a\nb"\n' + ROW[:-1] + b",1\n", "accepted 1"),
    (
        "the lines after it are counted",
        EARNINGS[:-1] + b',"a\nb"\n' + b"x\n" + ROW[:-1] + b',"1\n2"\n' + b"y\n",
        "accepted 1; 3 malformed_row; 6 malformed_row",
    ),
    (
        "every other line has one",
        EARNINGS + b'x"\n' + ROW + b'"x\n' + LAST,
        "accepted 2; 2 malformed_row; 4 malformed_row",
    ),
    ("a thousand open", EARNINGS + b'"\n' * 1000 + LAST, "accepted 1; 2-1001 malformed_row"),
)

LINE_ENDS: Table = (
    ("LF", EARNINGS + ROW + LAST, "accepted 2"),
    ("CRLF", (EARNINGS + ROW + LAST).replace(b"\n", b"\r\n"), "accepted 2"),
    (
        "CR",
        (EARNINGS + ROW + LAST).replace(b"\n", b"\r"),
        "refused: the lines end with a carriage return alone",
    ),
    ("LF, then CRLF", EARNINGS + ROW.replace(b"\n", b"\r\n") + LAST, "accepted 2"),
    (
        "CR in the middle of a file",
        EARNINGS + ROW + LAST.replace(b"\n", b"\r") + b"x,y\r",
        "accepted 1; 3 malformed_row",
    ),
    ("CR CR LF", EARNINGS + ROW.replace(b"\n", b"\r\r\n") + LAST, "accepted 1; 2 malformed_row"),
    ("LF CR", EARNINGS + b"\r".join([ROW, LAST]), "accepted 1; 3 malformed_row"),
    ("CR inside a field", EARNINGS + b"e1,a\rnn,2026-01-05,12.50,USD,\n", "2 malformed_row"),
    ("CR inside quotes, in an id", EARNINGS + b'e1,"a\rnn",2026-01-05,12.50,USD,\n', "2 bad_id"),
    ("none at the end", EARNINGS + ROW[:-1], "accepted 1"),
    ("CR alone at the end", EARNINGS + ROW[:-1] + b"\r", "accepted 1"),
    (
        "blank lines",
        b"\n\r\n" + EARNINGS + b"\n\n" + ROW + b"\r\n\n" + LAST + b"\n\n",
        "accepted 2",
    ),
    ("a space is no blank line", EARNINGS + b" \n" + ROW, "accepted 1; 2 malformed_row"),
    ("a comma is no blank line", EARNINGS + b",,,,,\n" + ROW, "accepted 1; 2 bad_id"),
    ("nothing but line ends", b"\n\r\n\n", "refused: the file is empty"),
    ("nothing but carriage returns", b"\r\r\r", "refused: the file is empty"),
    ("U+0085 ends no line", (EARNINGS + ROW).replace(b"\n", "\u0085".encode()), "no rows"),
    ("RS ends no line", (EARNINGS + ROW).replace(b"\n", b"\x1e"), "no rows"),
)

HEADERS: Table = (
    ("nothing", b"", "refused: the file is empty"),
    ("one byte", b"e", NO_COLUMN),
    ("one line end", b"\n", "refused: the file is empty"),
    ("one quote", b'"', UNCLOSED),
    ("one comma", b",", NO_COLUMN),
    ("one NUL", b"\x00", NO_COLUMN),
    ("one byte of none", b"\xff", NOT_UTF_8),
    ("only the header", EARNINGS, "no rows"),
    ("only the header, no line end", EARNINGS[:-1], "no rows"),
    ("no header", ROW + LAST, NO_COLUMN),
    (
        "no currency",
        EARNINGS.replace(b",currency", b"") + ROW,
        "refused: line 1 has no column 'currency'",
    ),
    (
        "reordered",
        b"currency,amount,reverses,occurred_at,affiliate_id,event_id\n"
        b"USD,12.50,,2026-01-05,ann,e1\n",
        "accepted 1",
    ),
    ("in capitals", EARNINGS.upper() + ROW, NO_COLUMN),
    (
        "one in capitals",
        EARNINGS.replace(b"amount", b"Amount") + ROW,
        "refused: line 1 has no column 'amount'",
    ),
    (
        "a space around a name",
        EARNINGS.replace(b"amount", b" amount ") + ROW,
        "refused: line 1 has no column 'amount'",
    ),
    (
        "a Cyrillic letter in a name",
        EARNINGS.replace(b"amount", "аmount".encode()) + ROW,
        "refused: line 1 has no column 'amount'",
    ),
    (
        "a zero width space in a name",
        EARNINGS.replace(b"amount", "amount\u200b".encode()) + ROW,
        "refused: line 1 has no column 'amount'",
    ),
    (
        "full width letters",
        EARNINGS.replace(b"amount", "ａｍｏｕｎｔ".encode()) + ROW,
        "refused: line 1 has no column 'amount'",
    ),
    ("separated by semicolons", EARNINGS.replace(b",", b";") + ROW.replace(b",", b";"), NO_COLUMN),
    ("separated by tabs", EARNINGS.replace(b",", b"\t") + ROW.replace(b",", b"\t"), NO_COLUMN),
    (
        "a required column doubled",
        EARNINGS[:-1] + b",amount\n" + ROW[:-1] + b",12.50\n",
        "refused: line 1 names the column 'amount' more than once",
    ),
    (
        "an optional column doubled",
        EARNINGS[:-1] + b",reverses\n" + ROW[:-1] + b",\n",
        "refused: line 1 names the column 'reverses' more than once",
    ),
    ("an unknown column", EARNINGS[:-1] + b",x\n" + ROW[:-1] + b",1\n", "accepted 1"),
    ("an unknown column doubled", EARNINGS[:-1] + b",x,x\n" + ROW[:-1] + b",1,2\n", "accepted 1"),
    ("columns without a name", EARNINGS[:-1] + b",,,\n" + ROW[:-1] + b",1,2,3\n", "accepted 1"),
    (
        "columns named as ours",
        EARNINGS[:-1] + b",line,file,start,extra,_fault\n" + ROW[:-1] + b",1,2,3,4,5\n",
        "accepted 1",
    ),
    (
        "a name of 100,000 characters",
        EARNINGS[:-1] + b"," + b"x" * 100_000 + b"\n" + ROW[:-1] + b",1\n",
        "accepted 1",
    ),
    (
        "1,000 columns",
        EARNINGS[:-1]
        + b"".join(b",c%d" % n for n in range(994))
        + b"\n"
        + ROW[:-1]
        + b"," * 994
        + b"\n",
        "accepted 1",
    ),
    (
        "1,001 columns",
        EARNINGS[:-1] + b"".join(b",c%d" % n for n in range(995)) + b"\n",
        "refused: line 1 names 1001 columns where 1000 are the most",
    ),
    (
        "100,000 columns",
        EARNINGS[:-1] + b"".join(b",c%d" % n for n in range(99_994)) + b"\n",
        "refused: line 1 names 100000 columns where 1000 are the most",
    ),
    (
        "a header of two million bytes",
        EARNINGS[:-1] + b"," + b"x" * 2_000_000 + b"\n" + ROW,
        "refused: line 1, the header, has more than 1048576 bytes",
    ),
    ("a formula as a name", EARNINGS[:-1] + b",=1+1\n" + ROW[:-1] + b",1\n", "accepted 1"),
    ("another kind's header", REFERRALS + b"ann,bob,\n", NO_COLUMN),
    ("a comment first", b"# export of today\n" + EARNINGS + ROW, NO_COLUMN),
    ("sep= first", b"sep=,\n" + EARNINGS + ROW, NO_COLUMN),
    (
        "the header again in the middle",
        EARNINGS + ROW + EARNINGS + LAST,
        "accepted 2; 3 bad_amount",
    ),
)

FIELD_COUNTS: Table = (
    ("one", EARNINGS + b"e1\n" + LAST, "accepted 1; 2 malformed_row"),
    (
        "one too few",
        EARNINGS + b"e1,ann,2026-01-05,12.50,USD\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "one too many",
        EARNINGS + b"e1,ann,2026-01-05,12.50,USD,,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    (
        "an unquoted comma in an amount",
        EARNINGS + b"e1,ann,2026-01-05,1,000.00,USD,\n" + LAST,
        "accepted 1; 2 malformed_row",
    ),
    ("two rows on a line", EARNINGS + ROW[:-1] + LAST + LAST, "accepted 1; 2 malformed_row"),
    (
        "half a row, then the other half",
        EARNINGS + b"e1,ann,2026\n-01-05,12.50,USD,\n" + LAST,
        "accepted 1; 2-3 malformed_row",
    ),
    ("100,000 fields", EARNINGS + b"," * 99_999 + b"\n" + LAST, "accepted 1; 2 malformed_row"),
    ("a million fields", EARNINGS + b"," * 999_999 + b"\n" + LAST, "accepted 1; 2 malformed_row"),
    (
        "other files' rows",
        EARNINGS + b"ann,bob,\nann,Ann,active\n" + LAST,
        "accepted 1; 2-3 malformed_row",
    ),
    ("an error page", b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", NO_COLUMN),
    ("JSON", b'{"event_id": "e1"}\n', "refused: line 1, the header: a quote inside a field"),
)

AMOUNTS: Sequence[tuple[str, str, str]] = (  # amount, currency, code or how it is printed
    ("12.50", "USD", "12.50"),
    ("12.5", "USD", "12.50"),
    ("12", "USD", "12.00"),
    ("0", "USD", "0.00"),
    ("-0", "USD", "0.00"),
    ("-0.00", "USD", "0.00"),
    ("00012", "USD", "12.00"),
    ("-00.10", "USD", "-0.10"),
    ("000000000000000", "USD", "0.00"),
    ("0000000000000001", "USD", "amount_out_of_range"),
    ("999999999999999.99", "USD", "999999999999999.99"),
    ("-999999999999999.99", "USD", "-999999999999999.99"),
    ("1000000000000000", "USD", "amount_out_of_range"),
    ("999999999999999", "JPY", "999999999999999"),
    ("1000000000000000", "JPY", "amount_out_of_range"),
    ("999999999999999.999", "KWD", "999999999999999.999"),
    ("9999999999.99999999", "BTC", "9999999999.99999999"),
    ("10000000000", "BTC", "amount_out_of_range"),
    ("9999999999", "BTC", "9999999999.00000000"),
    ("999999.999999999999", "DUST", "999999.999999999999"),
    ("1000000", "DUST", "amount_out_of_range"),
    ("0.000000000001", "DUST", "0.000000000001"),
    ("0.0000000000001", "DUST", "too_many_decimals"),
    ("9223372036854775807", "USD", "amount_out_of_range"),
    ("9223372036854775808", "USD", "amount_out_of_range"),
    ("92233720368547758.07", "USD", "amount_out_of_range"),
    ("92233720368547758.08", "JPY", "amount_out_of_range"),
    ("18446744073709551616.00", "USD", "amount_out_of_range"),
    ("-9223372036854775808", "USD", "amount_out_of_range"),
    ("9" * 400, "USD", "amount_out_of_range"),
    ("0." + "0" * 400, "USD", "too_many_decimals"),
    ("0.18446744073709551616", "USD", "too_many_decimals"),
    ("1.0", "JPY", "too_many_decimals"),
    ("1.00", "JPY", "too_many_decimals"),
    ("1.5", "POINTS", "too_many_decimals"),
    ("1", "POINTS", "1"),
    ("1.001", "USD", "too_many_decimals"),
    ("1.000", "USD", "too_many_decimals"),
    ("1.0000", "KWD", "too_many_decimals"),
    ("1.000", "KWD", "1.000"),
    ("", "USD", "bad_amount"),
    (" ", "USD", "bad_amount"),
    (" 1", "USD", "bad_amount"),
    ("1 ", "USD", "bad_amount"),
    ("1\t", "USD", "bad_amount"),
    ("\u00a01", "USD", "bad_amount"),
    ("1 000", "USD", "bad_amount"),
    ("1,000", "USD", "bad_amount"),
    ("1,5", "USD", "bad_amount"),
    ("1.000,00", "USD", "bad_amount"),
    ("1'000", "USD", "bad_amount"),
    ("1_000", "USD", "bad_amount"),
    ("+1", "USD", "bad_amount"),
    ("--1", "USD", "bad_amount"),
    ("1-", "USD", "bad_amount"),
    ("- 1", "USD", "bad_amount"),
    ("-", "USD", "bad_amount"),
    (".", "USD", "bad_amount"),
    ("-.", "USD", "bad_amount"),
    (".5", "USD", "bad_amount"),
    ("5.", "USD", "bad_amount"),
    ("-.5", "USD", "bad_amount"),
    ("1.2.3", "USD", "bad_amount"),
    ("1..2", "USD", "bad_amount"),
    ("1e5", "USD", "bad_amount"),
    ("1E5", "USD", "bad_amount"),
    ("1e-2", "USD", "bad_amount"),
    ("0x10", "USD", "bad_amount"),
    ("0b1", "USD", "bad_amount"),
    ("1f", "USD", "bad_amount"),
    ("NaN", "USD", "bad_amount"),
    ("nan", "USD", "bad_amount"),
    ("inf", "USD", "bad_amount"),
    ("-Infinity", "USD", "bad_amount"),
    ("None", "USD", "bad_amount"),
    ("null", "USD", "bad_amount"),
    ("true", "USD", "bad_amount"),
    ("(1.00)", "USD", "bad_amount"),
    ("$1", "USD", "bad_amount"),
    ("1 USD", "USD", "bad_amount"),
    ("50%", "USD", "bad_amount"),
    ("1/2", "USD", "bad_amount"),
    ("½", "USD", "bad_amount"),
    ("²", "USD", "bad_amount"),
    ("Ⅷ", "USD", "bad_amount"),
    ("١٢", "USD", "bad_amount"),
    ("१२", "USD", "bad_amount"),
    ("１２", "USD", "bad_amount"),
    ("𝟙𝟚", "USD", "bad_amount"),
    ("1２", "USD", "bad_amount"),
    ("一", "USD", "bad_amount"),
    ("−1", "USD", "bad_amount"),
    ("－1", "USD", "bad_amount"),
    ("1٫5", "USD", "bad_amount"),
    ("1．5", "USD", "bad_amount"),
    ("1·5", "USD", "bad_amount"),
    ("1\u200b", "USD", "bad_amount"),
    ("\u202e1", "USD", "bad_amount"),
    ("\ufeff1", "USD", "bad_amount"),
    ("1\x00", "USD", "bad_amount"),
    ("1\n", "USD", "bad_amount"),
    ("1\r\n", "USD", "bad_amount"),
    ("\n1", "USD", "bad_amount"),
    ("1\n2", "USD", "bad_amount"),
    ("=1+1", "USD", "bad_amount"),
    ("1;DROP TABLE event", "USD", "bad_amount"),
    ("{}", "USD", "bad_amount"),
    ("1" * 1_000_000, "USD", "amount_out_of_range"),
)

CURRENCIES: Sequence[tuple[str, str, str]] = (  # amount, currency, code or how it is printed
    ("1", "usd", "unknown_currency"),
    ("1", "Usd", "unknown_currency"),
    ("1", "", "unknown_currency"),
    ("1", " ", "unknown_currency"),
    ("1", "USD ", "unknown_currency"),
    ("1", " USD", "unknown_currency"),
    ("1", "US", "unknown_currency"),
    ("1", "USDT", "unknown_currency"),
    ("1", "XXX", "unknown_currency"),
    ("1", "XAU", "unknown_currency"),
    ("1", "ZZZ", "unknown_currency"),
    ("1", "840", "unknown_currency"),
    ("1", "$", "unknown_currency"),
    ("1", "€", "unknown_currency"),
    ("1", "DEM", "unknown_currency"),
    ("1", "U\u0405D", "unknown_currency"),
    ("1", "ＵＳＤ", "unknown_currency"),
    ("1", "USD\u200b", "unknown_currency"),
    ("1", "USD\x00", "unknown_currency"),
    ("1", "USD\n", "unknown_currency"),
    ("1", "points", "unknown_currency"),
    ("1", "x" * 100_000, "unknown_currency"),
    ("1", "null", "unknown_currency"),
    ("1", "POINTS", "1"),
    ("1", "BTC", "1.00000000"),
    ("1", "CLF", "1.0000"),
    ("1", "BHD", "1.000"),
    ("1", "UYI", "1"),
    ("1", "ISK", "1"),
)

TIMES: Sequence[tuple[str, str]] = (  # occurred_at, code or how it is printed
    ("2026-01-05", "2026-01-05T00:00:00Z"),
    ("2026-01-05T09:30", "2026-01-05T09:30:00Z"),
    ("2026-01-05T09:30:15", "2026-01-05T09:30:15Z"),
    ("2026-01-05T09:30Z", "2026-01-05T09:30:00Z"),
    ("2026-01-05T09:30:15.1", "2026-01-05T09:30:15.100000Z"),
    ("2026-01-05T09:30:15.12", "2026-01-05T09:30:15.120000Z"),
    ("2026-01-05T09:30:15.123Z", "2026-01-05T09:30:15.123000Z"),
    ("2026-01-05T09:30:15.1234", "2026-01-05T09:30:15.123400Z"),
    ("2026-01-05T09:30:15.12345", "2026-01-05T09:30:15.123450Z"),
    ("2026-01-05T09:30:15.123456", "2026-01-05T09:30:15.123456Z"),
    ("2026-01-05T09:30:15.1234567", "bad_timestamp"),
    ("2026-01-05T09:30:15.12345678", "bad_timestamp"),
    ("2026-01-05T09:30:15.123456789", "bad_timestamp"),
    ("2026-01-05T09:30:15.", "bad_timestamp"),
    ("2026-01-05T09:30:15,5", "bad_timestamp"),
    ("2026-01-05T09:30.5", "bad_timestamp"),
    ("2026-01-05T09:30+01:00", "2026-01-05T08:30:00Z"),
    ("2026-01-05T09:30-0130", "2026-01-05T11:00:00Z"),
    ("2026-01-05T09:30+01", "2026-01-05T08:30:00Z"),
    ("2026-01-05T00:00+14:00", "2026-01-04T10:00:00Z"),
    ("2026-01-05T00:00-12:00", "2026-01-05T12:00:00Z"),
    ("2026-01-05T00:00+23:59", "2026-01-04T00:01:00Z"),
    ("2026-01-05T00:00-00:00", "2026-01-05T00:00:00Z"),
    ("2026-01-05T00:00+24:00", "bad_timestamp"),
    ("2026-01-05T00:00+25:00", "bad_timestamp"),
    ("2026-01-05T00:00+01:60", "bad_timestamp"),
    ("2026-01-05T00:00+1:00", "bad_timestamp"),
    ("2026-01-05T00:00+001:00", "bad_timestamp"),
    ("2026-01-05T00:00−01:00", "bad_timestamp"),
    ("2026-01-05T00:00Z+01:00", "bad_timestamp"),
    ("2026-01-05T00:00 +01:00", "bad_timestamp"),
    ("2026-01-05T00:00 UTC", "bad_timestamp"),
    ("2026-01-05T00:00[Europe/Berlin]", "bad_timestamp"),
    ("2026-01-05Z", "bad_timestamp"),
    ("2026-01-05+01:00", "bad_timestamp"),
    ("2026-01-05T", "bad_timestamp"),
    ("2026-01-05T09", "bad_timestamp"),
    ("2026-01-05T9:30", "bad_timestamp"),
    ("2026-01-05T0930", "bad_timestamp"),
    ("2026-01-05 09:30:00", "bad_timestamp"),
    ("2026-01-05t09:30:00", "bad_timestamp"),
    ("2026-01-05T09:30:00z", "bad_timestamp"),
    ("2026-01-05T09:30:00Z ", "bad_timestamp"),
    (" 2026-01-05", "bad_timestamp"),
    ("2026-01-05\n", "bad_timestamp"),
    ("2026-01-05\x00", "bad_timestamp"),
    ("2026-01-05T24:00:00", "bad_timestamp"),
    ("2026-01-05T23:59:60Z", "bad_timestamp"),
    ("2016-12-31T23:59:60Z", "bad_timestamp"),
    ("2026-01-05T23:60:00", "bad_timestamp"),
    ("2026-01-05T23:59:59.999999Z", "2026-01-05T23:59:59.999999Z"),
    ("2024-02-29", "2024-02-29T00:00:00Z"),
    ("2026-02-29", "bad_timestamp"),
    ("2000-02-29", "2000-02-29T00:00:00Z"),
    ("1900-02-29", "bad_timestamp"),
    ("2100-02-29", "bad_timestamp"),
    ("2026-02-30", "bad_timestamp"),
    ("2026-04-31", "bad_timestamp"),
    ("2026-13-01", "bad_timestamp"),
    ("2026-00-01", "bad_timestamp"),
    ("2026-01-00", "bad_timestamp"),
    ("2026-01-32", "bad_timestamp"),
    ("0000-01-01", "bad_timestamp"),
    ("0000-02-29", "bad_timestamp"),
    ("0001-01-01", "0001-01-01T00:00:00Z"),
    ("0001-01-01T00:00+00:01", "bad_timestamp"),
    ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ("9999-12-31T23:59:59-00:01", "bad_timestamp"),
    ("9999-12-31T23:59:59+00:01", "9999-12-31T23:58:59Z"),
    ("10000-01-01", "bad_timestamp"),
    ("+2026-01-05", "bad_timestamp"),
    ("-2026-01-05", "bad_timestamp"),
    ("26-01-05", "bad_timestamp"),
    ("2026-1-5", "bad_timestamp"),
    ("20260105", "bad_timestamp"),
    ("2026-W02-1", "bad_timestamp"),
    ("2026-005", "bad_timestamp"),
    ("2026-01", "bad_timestamp"),
    ("2026", "bad_timestamp"),
    ("05.01.2026", "bad_timestamp"),
    ("01/05/2026", "bad_timestamp"),
    ("2026/01/05", "bad_timestamp"),
    ("Jan 5 2026", "bad_timestamp"),
    ("1767571200", "bad_timestamp"),
    ("1767571200000", "bad_timestamp"),
    ("now", "bad_timestamp"),
    ("", "bad_timestamp"),
    ("NaT", "bad_timestamp"),
    ("null", "bad_timestamp"),
    ("２０２６-01-05", "bad_timestamp"),
    ("٢٠٢٦-01-05", "bad_timestamp"),
    ("2026‐01‐05", "bad_timestamp"),
    ("2026-01-05T09：30", "bad_timestamp"),
    ("2026-01-05T09:30:15.１", "bad_timestamp"),
    ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    ("1582-10-10", "1582-10-10T00:00:00Z"),
    ("2026-03-29T02:30", "2026-03-29T02:30:00Z"),
    ("2026-01-05T09:30:00" * 50_000, "bad_timestamp"),
)

IDS: Sequence[tuple[str, str]] = (  # an event's id, "" if it is kept as it is, or the code
    ("", "bad_id"),
    (" ", ""),
    ("  e  ", ""),
    ("007", ""),
    ("7", ""),
    ("-7", ""),
    ("7.0", ""),
    ("1e3", ""),
    ("NULL", ""),
    ("None", ""),
    ("nan", ""),
    ("true", ""),
    ("x" * 64, ""),
    ("x" * 65, "bad_id"),
    ("ä" * 64, ""),
    ("ä" * 65, "bad_id"),
    ("😀" * 64, ""),
    ("😀" * 65, "bad_id"),
    ("é" * 32, ""),
    ("e\u0301" * 32, ""),
    ("e\u0301" * 33, "bad_id"),
    ("👨‍👩‍👧‍👦", ""),
    ("x" * 200_000, "bad_id"),
    ("a\x00b", "bad_id"),
    ("a\tb", "bad_id"),
    ("a\nb", "bad_id"),
    ("a\r\nb", "bad_id"),
    ("\x01", "bad_id"),
    ("\x1f", "bad_id"),
    ("\x7f", "bad_id"),
    ("\x80", "bad_id"),
    ("\x9f", "bad_id"),
    ("\xa0", ""),
    ("\xad", ""),
    ("\u200b", ""),
    ("\u200d", ""),
    ("\u2028", ""),
    ("\u2060", ""),
    ("\u202eabc", ""),
    ("\u2066a\u2069", ""),
    ("\ufeff", ""),
    ("\ufffd", ""),
    ("\ufffe", ""),
    ("\U0010ffff", ""),
    ("\U0010ff00", ""),
    ("\ue000", ""),
    ("=1+1", ""),
    ("=cmd|' /C calc'!A0", ""),
    ("+1", ""),
    ("@SUM(A1)", ""),
    ("-2+3", ""),
    ("'; DROP TABLE event;--", ""),
    ("%s%n", ""),
    ("{0}", ""),
    ("${HOME}", ""),
    ("../../etc/passwd", ""),
    ("<script>", ""),
    ("[red]x[/red]", ""),
    ("a,b", ""),
    ('"', ""),
    ('a"b', ""),
    ("\\", ""),
    ("\\N", ""),
    ("\\x00", ""),
    ("#a", ""),
    ("//a", ""),
    ("İ", ""),
    ("ı", ""),
    ("ß", ""),
    ("ﬁ", ""),
    ("Å", ""),
    ("\u212b", ""),
    ("K", ""),
    ("а", ""),
    ("𝒜", ""),
)

PAIRS: Sequence[tuple[str, str, str]] = (  # name, two ids that must not become one
    ("NFC and NFD", "caf\u00e9", "cafe\u0301"),
    ("Latin and Cyrillic", "ann", "\u0430nn"),
    ("case", "Ann", "ann"),
    ("zeros", "007", "7"),
    ("a space after", "ann", "ann "),
    ("a space before", "ann", " ann"),
    ("zero width", "ann", "a\u200bnn"),
    ("compatibility", "\ufb01", "fi"),
    ("Kelvin", "\u212a", "K"),
    ("full width", "ann", "ａｎｎ"),
    ("a BOM", "ann", "\ufeffann"),
    ("number forms", "1e3", "1000"),
    ("soft hyphen", "ann", "an\u00adn"),
    ("bidi", "ann", "\u202eann"),
    ("sharp s", "straße", "strasse"),
    ("dotless i", "i", "ı"),
    ("private use", "\U0010ff41", "A"),
    ("escapes", "a\\x00", "a\\\\x00"),
)

REVERSALS: Table = (  # after e1: 12.50 USD of ann's on 2026-01-05, and e2: a debit of -3.00
    ("whole", b"r1,ann,2026-01-05,-12.50,USD,e1\n", "accepted 3"),
    (
        "in parts",
        b"r1,ann,2026-01-06,-12.49,USD,e1\nr2,ann,2026-01-06,-0.01,USD,e1\n",
        "accepted 4",
    ),
    (
        "a cent too much",
        b"r1,ann,2026-01-06,-12.51,USD,e1\n",
        "accepted 2; 4 reversal_exceeds_order",
    ),
    (
        "twice whole",
        b"r1,ann,2026-01-06,-12.50,USD,e1\nr2,ann,2026-01-06,-12.50,USD,e1\n",
        "accepted 3; 5 reversal_exceeds_order",
    ),
    (
        "the earlier one counts",
        b"r1,ann,2026-01-07,-12.50,USD,e1\nr2,ann,2026-01-06,-0.01,USD,e1\n",
        "accepted 3; 4 reversal_exceeds_order",
    ),
    (
        "near the largest number, ten times",
        b"".join(b"r%d,ann,2026-01-06,-999999999999999.99,USD,e1\n" % n for n in range(10)),
        "accepted 2; 4-13 reversal_exceeds_order",
    ),
    ("zero", b"r1,ann,2026-01-06,0.00,USD,e1\n", "accepted 2; 4 positive_reversal"),
    ("minus zero", b"r1,ann,2026-01-06,-0,USD,e1\n", "accepted 2; 4 positive_reversal"),
    ("positive", b"r1,ann,2026-01-06,1.00,USD,e1\n", "accepted 2; 4 positive_reversal"),
    (
        "a microsecond early",
        b"r1,ann,2026-01-04T23:59:59.999999Z,-1.00,USD,e1\n",
        "accepted 2; 4 reversal_before_order",
    ),
    (
        "early by its offset",
        b"r1,ann,2026-01-05T00:00+00:01,-1.00,USD,e1\n",
        "accepted 2; 4 reversal_before_order",
    ),
    ("another affiliate's", b"r1,bob,2026-01-06,-1.00,USD,e1\n", "accepted 2; 4 reversal_mismatch"),
    (
        "an affiliate that looks the same",
        "r1,\u0430nn,2026-01-06,-1.00,USD,e1\n".encode(),
        "accepted 2; 4 reversal_mismatch",
    ),
    ("another currency", b"r1,ann,2026-01-06,-1.00,EUR,e1\n", "accepted 2; 4 reversal_mismatch"),
    ("of nothing", b"r1,ann,2026-01-06,-1.00,USD,e7\n", "accepted 2; 4 unknown_order"),
    ("of an id with a space", b"r1,ann,2026-01-06,-1.00,USD,e1 \n", "accepted 2; 4 unknown_order"),
    ("of itself", b"r1,ann,2026-01-06,-1.00,USD,r1\n", "accepted 2; 4 unknown_order"),
    (
        "of each other",
        b"r1,ann,2026-01-06,-1.00,USD,r2\nr2,ann,2026-01-06,-1.00,USD,r1\n",
        "accepted 2; 4-5 unknown_order",
    ),
    (
        "of a reversal",
        b"r1,ann,2026-01-06,-2.00,USD,e1\nr2,ann,2026-01-07,-1.00,USD,r1\n",
        "accepted 3; 5 unknown_order",
    ),
    ("of a debit", b"r1,ann,2026-01-06,-1.00,USD,e2\n", "accepted 2; 4 reversal_exceeds_order"),
    (
        "of a refused row",
        b"x1,ann,2026-01-05,1e5,USD,\nr1,ann,2026-01-06,-1.00,USD,x1\n",
        "accepted 2; 4 bad_amount; 5 unknown_order",
    ),
    (
        "of a row in dispute",
        b"x1,ann,2026-01-05,5,USD,\nx1,ann,2026-01-05,6,USD,\nr1,ann,2026-01-06,-1.00,USD,x1\n",
        "accepted 2; 4-5 conflict; 6 unknown_order",
    ),
    ("the same again", b"r1,ann,2026-01-06,-1.00,USD,e1\n" * 3, "accepted 3, duplicate 2"),
    (
        "the same in other words",
        b"r1,ann,2026-01-06,-1.00,USD,e1\nr1,ann,2026-01-06T01:00:00.000+01:00,-01.0,USD,e1\n",
        "accepted 3, duplicate 1",
    ),
    (
        "the same with another amount",
        b"r1,ann,2026-01-06,-1.00,USD,e1\nr1,ann,2026-01-06,-1.01,USD,e1\n",
        "accepted 2; 4-5 conflict",
    ),
    (
        "a refused one twice",
        b"r1,ann,2026-01-06,5,USD,e1\n" * 2,
        "accepted 2; 4-5 positive_reversal",
    ),
    (
        "reversal and earning at once",
        b"e1,ann,2026-01-06,-1.00,USD,e1\n",
        "accepted 1; 2 conflict; 4 conflict",
    ),
    (
        "a control character in reverses",
        b"r1,ann,2026-01-06,-1.00,USD,e1\x07\n",
        "accepted 2; 4 bad_id",
    ),
    (
        "65 characters in reverses",
        b"r1,ann,2026-01-06,-1.00,USD," + b"x" * 65 + b"\n",
        "accepted 2; 4 bad_id",
    ),
    ("all faults at once", b"\x07,,x,y,z,\x07\n", "accepted 2; 4 bad_id"),
    ("all but the ids", b"r1,ann,x,y,z,e1\n", "accepted 2; 4 bad_amount"),
    ("time and money", b"r1,ann,x,1.001,zzz,e1\n", "accepted 2; 4 bad_timestamp"),
    (
        "out of range and too many decimals",
        b"r1,ann,2026-01-06,-1000000000000000.001,USD,e1\n",
        "accepted 2; 4 amount_out_of_range",
    ),
)

PROFILES: Table = (
    ("status active", AFFILIATES + b"a,A,active\n", "accepted 1"),
    ("status closed", AFFILIATES + b"a,A,closed\n", "accepted 1"),
    ("status suspended", AFFILIATES + b"a,A,suspended\n", "accepted 1"),
    ("no status", AFFILIATES + b"a,A,\n", "accepted 1"),
    ("status in capitals", AFFILIATES + b"a,A,Active\n", "2 bad_status"),
    ("a space after the status", AFFILIATES + b"a,A,active \n", "2 bad_status"),
    ("another status", AFFILIATES + b"a,A,deleted\n", "2 bad_status"),
    ("status NUL", AFFILIATES + b"a,A,\x00\n", "2 bad_status"),
    ("a Cyrillic status", AFFILIATES + "a,A,\u0430ctive\n".encode(), "2 bad_status"),
    ("status null", AFFILIATES + b"a,A,null\n", "2 bad_status"),
    (
        "a status of 100,000 characters",
        AFFILIATES + b"a,A," + b"x" * 100_000 + b"\n",
        "2 bad_status",
    ),
    ("two statuses", AFFILIATES + b"a,A,active\na,A,closed\n", "2-3 conflict"),
    ("no status and active", AFFILIATES + b"a,A,\na,A,active\n", "accepted 1, duplicate 1"),
    ("the same row three times", AFFILIATES + b"a,A,\n" * 3, "accepted 1, duplicate 2"),
    ("two names", AFFILIATES + b"a,A,\na,B,\n", "2-3 conflict"),
    ("NFC and NFD names", AFFILIATES + "a,caf\u00e9,\na,cafe\u0301,\n".encode(), "2-3 conflict"),
    ("NUL in a name", AFFILIATES + b"a,A\x00B,\n", "2 malformed_row"),
    ("a name of 200,000 characters", AFFILIATES + b"a," + b"x" * 200_000 + b",\n", "accepted 1"),
    ("a name of control characters", AFFILIATES + b'a,"\x01\x1b\x7f\r\n\t",\n', "accepted 1"),
    ("a name of quotes", AFFILIATES + b'a,"""""""",\n', "accepted 1"),
    ("a name that is a formula", AFFILIATES + b"a,=HYPERLINK(1),\n", "accepted 1"),
    ("a name from right to left", AFFILIATES + "a,\u202eבּ\u202c,\n".encode(), "accepted 1"),
    ("a name of emoji", AFFILIATES + "a,👨‍👩‍👧‍👦🏳️‍🌈,\n".encode(), "accepted 1"),
    (
        "a name of combining marks",
        AFFILIATES + ("a,Z" + "\u0300" * 5000 + ",\n").encode(),
        "accepted 1",
    ),
    (
        "a row of a mebibyte",
        AFFILIATES + b"a," + b"x" * ((1 << 20) - 3) + b",\nb,B,\n",
        "accepted 2",
    ),
    (
        "a row of a mebibyte and a byte",
        AFFILIATES + b"a," + b"x" * ((1 << 20) - 2) + b",\nb,B,\n",
        "accepted 1; 2 malformed_row",
    ),
    (
        "a mebibyte in quotes over two lines",
        AFFILIATES + b'a,"' + b"x" * (1 << 19) + b"\n" + b"x" * (1 << 19) + b'",\nb,B,\n',
        "accepted 1; 2-3 malformed_row",
    ),
    ("extra columns that differ", b"affiliate_id,x\na,1\na,2\n", "2-3 conflict"),
    ("doubled extra columns that differ", b"affiliate_id,x,x\na,1,2\na,2,1\n", "2-3 conflict"),
    ("only ids", b"affiliate_id\na\n\nb\n", "accepted 2"),
    ("an empty id alone", b'affiliate_id\n""\nb\n', "accepted 1; 2 bad_id"),
)

EDGES: Table = (
    ("of oneself", REFERRALS + b"a,a,\nb,c,\n", "accepted 1; 2 self_referral"),
    ("of oneself, with a space", REFERRALS + b"a,a ,\n", "accepted 1"),
    ("of each other", REFERRALS + b"a,b,\nb,a,\nc,a,\n", "accepted 1; 2-3 cycle"),
    ("in a ring of three", REFERRALS + b"a,b,\nb,c,\nc,a,\n", "2-4 cycle"),
    ("in a ring at other times", REFERRALS + b"a,b,2026-01-01\nb,a,2027-01-01\n", "2-3 cycle"),
    ("in a ring with a tail", REFERRALS + b"t,a,\na,b,\nb,a,\n", "accepted 1; 3-4 cycle"),
    ("in two rings", REFERRALS + b"a,b,\nb,a,\nc,d,\nd,c,\n", "2-5 cycle"),
    ("by two", REFERRALS + b"a,b,\na,c,\n", "2-3 second_referrer"),
    ("by two and the first again", REFERRALS + b"a,b,\na,c,\na,b,\n", "2-4 second_referrer"),
    ("by two, one later", REFERRALS + b"a,b,\na,c,2027-01-01\n", "2-3 second_referrer"),
    ("twice", REFERRALS + b"a,b,\na,b,\n", "accepted 1, duplicate 1"),
    (
        "twice, in other words",
        REFERRALS + b"a,b,2026-01-05\na,b,2026-01-05T01:00+01:00\n",
        "accepted 1, duplicate 1",
    ),
    ("twice, at other times", REFERRALS + b"a,b,\na,b,2026-01-05\n", "2-3 conflict"),
    ("at the beginning of years", REFERRALS + b"a,b,0001-01-01\n", "accepted 1"),
    ("at no time", REFERRALS + b"a,b,never\n", "2 bad_timestamp"),
    ("by nobody", REFERRALS + b"a,,\n", "2 bad_id"),
    ("of nobody", REFERRALS + b",b,\n", "2 bad_id"),
    ("of NUL", REFERRALS + b"\x00,b,\n", "2 bad_id"),
    ("by one who looks the same", REFERRALS + "ann,\u0430nn,\n".encode(), "accepted 1"),
    ("rivals and a ring", REFERRALS + b"a,b,\na,c,\nb,a,\n", "accepted 1; 2-3 second_referrer"),
    ("oneself and another", REFERRALS + b"a,a,\na,b,\n", "accepted 1; 2 self_referral"),
)


def _zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("earnings.csv", EARNINGS + ROW)
    return out.getvalue()


def _frame(**columns: Any) -> Callable[[], bytes]:
    """A Parquet file of an earning e1 whose given columns are others; None leaves one out."""

    def write() -> bytes:
        usual = {
            "event_id": ["e1"],
            "affiliate_id": ["ann"],
            "occurred_at": ["2026-01-05"],
            "amount": ["12.50"],
            "currency": ["USD"],
            **columns,
        }
        named = {name: column for name, column in usual.items() if column is not None}
        arrays = [c if isinstance(c, pa.Array) else pa.array(c) for c in named.values()]
        return _parquet(pa.Table.from_arrays(arrays, names=list(named)))

    return write


def _parquet(table: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _number(value: int, kind: Any) -> Any:
    """One value of a type, from the number that stands for it in the file."""
    return pa.array([value], pa.int32() if kind == pa.date32() else pa.int64()).view(kind)


def _no_text() -> Any:
    return pa.Array.from_buffers(
        pa.utf8(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )


def _doubled(name: str) -> bytes:
    usual = ["event_id", "affiliate_id", "occurred_at", "amount", "currency"]
    values = ["e1", "ann", "2026-01-05", "12.50", "USD", "1", "2"]
    return _parquet(
        pa.Table.from_arrays([pa.array([v]) for v in values], names=[*usual, name, name])
    )


@cache
def _whole() -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"affiliate_id": ["ann", "bob"]}).write_parquet(out)
    return out.getvalue()


def _broken_in(place: int, byte: int) -> bytes:
    data = bytearray(_frame()())
    data[place] = byte
    return bytes(data)


PARQUET: Sequence[tuple[str, Callable[[], bytes], str]] = (
    ("as it should be", _frame(), "accepted 1 -> 12.50"),
    ("a CSV file by that name", lambda: EARNINGS + ROW, NOT_PARQUET),
    ("nothing", lambda: b"", NOT_PARQUET),
    ("one byte", lambda: b"P", NOT_PARQUET),
    ("only the mark", lambda: b"PAR1", UNREADABLE),
    ("the mark twice", lambda: b"PAR1PAR1", UNREADABLE),
    (
        "a footer of two gigabytes",
        lambda: b"PAR1" + b"\xff" * 8 + b"\xff\xff\xff\x7fPAR1",
        UNREADABLE,
    ),
    ("a footer of noise", lambda: b"PAR1" + b"\xa5" * 64 + b"\x40\x00\x00\x00PAR1", UNREADABLE),
    ("rows behind it", lambda: _frame()() + b"x", NOT_PARQUET),
    ("no rows", _frame(**{n: pa.array([], pa.string()) for n in REQUIRED_OF_EARNINGS}), "no rows"),
    ("no columns", lambda: _parquet(pa.table({})), "refused: the schema has no columns"),
    ("no currency", _frame(currency=None), "refused: the schema has no column 'currency'"),
    ("a required column doubled", lambda: _doubled("amount"), "refused: the schema names a column"),
    ("an unknown column doubled", lambda: _doubled("x"), "refused: the schema names a column"),
    (
        "1,001 columns",
        _frame(**{f"x{n}": [n] for n in range(996)}),
        "refused: the schema names 1001 columns where 1000 are the most",
    ),
    ("nothing but nulls", _frame(**{n: pa.nulls(1) for n in REQUIRED_OF_EARNINGS}), "1 bad_id"),
    ("a null id", _frame(event_id=pa.nulls(1, pa.string())), "1 bad_id"),
    ("a null amount", _frame(amount=pa.nulls(1, pa.int64())), "1 bad_amount"),
    ("a null time", _frame(occurred_at=pa.nulls(1, pa.timestamp("us"))), "1 bad_timestamp"),
    ("a null currency", _frame(currency=pa.nulls(1, pa.string())), "1 unknown_currency"),
    ("NUL in an id", _frame(event_id=["a\x00b"]), "1 bad_id"),
    ("ids that are numbers", _frame(event_id=[7], affiliate_id=[-7]), "accepted 1 -> -7"),
    (
        "ids that are binary fractions",
        _frame(event_id=[1.0]),
        "refused: the column 'event_id' is of type Float64",
    ),
    (
        "ids that are bytes",
        _frame(event_id=[b"e1"]),
        "refused: the column 'event_id' is of type Binary",
    ),
    (
        "ids that are lists",
        _frame(event_id=[["e1"]]),
        "refused: the column 'event_id' is of type List",
    ),
    ("ids that are no UTF-8", _frame(event_id=_no_text()), UNREADABLE),
    ("an unknown column that is no UTF-8", _frame(x=_no_text()), UNREADABLE),
    (
        "amounts that are binary fractions",
        _frame(amount=[12.5]),
        "refused: the column 'amount' is of type Float64",
    ),
    (
        "amounts that are true",
        _frame(amount=[True]),
        "refused: the column 'amount' is of type Boolean",
    ),
    ("amounts with 38 digits", _frame(amount=[Decimal("9" * 38)]), "1 amount_out_of_range"),
    ("amounts with 38 decimals", _frame(amount=[Decimal("0." + "9" * 38)]), "1 too_many_decimals"),
    (
        "amounts with 60 digits",
        _frame(amount=pa.array([Decimal("1.5")], pa.decimal256(60, 2))),
        UNREADABLE,
    ),
    (
        "amounts with zeros behind",
        _frame(amount=pa.array([Decimal("12.5")], pa.decimal128(38, 20))),
        "accepted 1 -> 12.50",
    ),
    ("the smallest number", _frame(amount=[-(2**63)]), "1 amount_out_of_range"),
    (
        "the largest number",
        _frame(amount=pa.array([2**64 - 1], pa.uint64())),
        "1 amount_out_of_range",
    ),
    (
        "times that are numbers",
        _frame(occurred_at=[1767571200]),
        "refused: the column 'occurred_at' is of type Int64",
    ),
    (
        "times that are times of day",
        _frame(occurred_at=_number(1, pa.time64("us"))),
        "refused: the column 'occurred_at' is of type Time",
    ),
    (
        "the last date there is",
        _frame(occurred_at=_number(2**31 - 1, pa.date32())),
        "1 bad_timestamp",
    ),
    (
        "the first date there is",
        _frame(occurred_at=_number(-(2**31), pa.date32())),
        "1 bad_timestamp",
    ),
    (
        "the last microsecond",
        _frame(occurred_at=_number(2**63 - 1, pa.timestamp("us"))),
        "1 bad_timestamp",
    ),
    (
        "the last millisecond",
        _frame(occurred_at=_number(2**63 - 1, pa.timestamp("ms"))),
        "1 bad_timestamp",
    ),
    (
        "the first millisecond, in UTC",
        _frame(occurred_at=_number(1 - 2**63, pa.timestamp("ms", tz="UTC"))),
        "1 bad_timestamp",
    ),
    (
        "the last nanosecond",
        _frame(occurred_at=_number(2**63 - 1, pa.timestamp("ns"))),
        "1 bad_timestamp",
    ),
    (
        "the year 10000",
        _frame(occurred_at=_number(253402300800, pa.timestamp("s"))),
        "1 bad_timestamp",
    ),
    ("the year 0", _frame(occurred_at=_number(-62135596801, pa.timestamp("s"))), "1 bad_timestamp"),
    (
        "the last second",
        _frame(occurred_at=_number(253402300799, pa.timestamp("s"))),
        "accepted 1 -> 9999-12-31T23:59:59Z",
    ),
    (
        "a zone that is none",
        _frame(occurred_at=_number(1, pa.timestamp("us", tz="Foo/Bar"))),
        UNREADABLE,
    ),
    (
        "a zone that is an offset",
        _frame(occurred_at=_number(1, pa.timestamp("us", tz="+05:30"))),
        UNREADABLE,
    ),
    ("an unknown column of the last date", _frame(x=_number(2**31 - 1, pa.date32())), "accepted 1"),
    (
        "an unknown column of the last moment",
        _frame(x=_number(2**63 - 1, pa.timestamp("ms"))),
        "accepted 1",
    ),
    (
        "a list of the last date",
        _frame(x=pa.array([[2**31 - 1]], pa.list_(pa.int32())).cast(pa.list_(pa.date32()))),
        UNREADABLE,
    ),
    ("a list of bytes", _frame(x=[[b"x"]]), "refused: the column 'x' is of type List(Binary)"),
    (
        "a column as the reader's own",
        _frame(**{"number": [1], "number of the row": [2], "amount": ["z"]}),
        "1 bad_amount",
    ),
    (
        "columns named as ours",
        _frame(**{"line": [5], "file": [6], "start": [7], "extra": [8], "": [9]}),
        "accepted 1",
    ),
    (
        "currencies that are numbers",
        _frame(currency=[840]),
        "refused: the column 'currency' is of type Int64",
    ),
)

CUT = {
    "earnings": EARNINGS
    + "e1,änn,2026-01-05T09:30:00Z,12.50,USD,\n".encode()
    + b'r1,"\xc3\xa4nn",2026-01-06,-2.50,USD,e1\r\n',
    "referrals": b"\xef\xbb\xbf" + REFERRALS + b"ann,bob,2026-01-05\nbob,cat,\n",
    "affiliates": AFFILIATES + b'ann,"A ""B""\nC",closed\nbob,,\n',
}
"""Each is cut after every one of its bytes."""

CUTS: Mapping[str, Sequence[tuple[int, int, str]]] = {  # first and last byte kept: what comes of it
    "earnings": (
        (0, 0, "refused: the file is empty"),
        (1, 7, "refused: line 1 has no columns 'event_id', 'affiliate_id', 'occurred_at'"),
        (
            8,
            20,
            "refused: line 1 has no columns 'affiliate_id', 'occurred_at', 'amount', 'currency'",
        ),
        (21, 32, "refused: line 1 has no columns 'occurred_at', 'amount', 'currency'"),
        (33, 39, "refused: line 1 has no columns 'amount', 'currency'"),
        (40, 48, "refused: line 1 has no column 'currency'"),
        (49, 59, "no rows"),  # what is left of "reverses" is an unknown column
        (60, 97, "2 malformed_row"),
        (98, 99, "accepted 1 -> 12.50"),
        (100, 129, "accepted 1; 3 malformed_row"),
        (130, 130, "accepted 2 -> -2.50"),  # without "e1" it is a debit
        (131, 131, "accepted 1; 3 unknown_order"),  # "e"
        (132, 134, "accepted 2 -> e1"),
    ),
    "referrals": (
        (0, 0, "refused: the file is empty"),
        (1, 2, "refused: line 1, the header: the byte 0xEF is not UTF-8"),
        (3, 3, "refused: the file is empty"),
        (4, 14, "refused: line 1 has no columns 'affiliate_id', 'referrer_id'"),
        (15, 26, "refused: line 1 has no column 'referrer_id'"),
        (27, 34, "no rows"),
        (35, 41, "2 malformed_row"),
        (42, 42, "accepted 1"),  # an empty `since`
        (43, 51, "2 bad_timestamp"),
        (52, 53, "accepted 1 -> 2026-01-05T00:00:00Z"),
        (54, 60, "accepted 1; 3 malformed_row"),
        (61, 62, "accepted 2"),
    ),
    "affiliates": (
        (0, 0, "refused: the file is empty"),
        (1, 11, "refused: line 1 has no column 'affiliate_id'"),
        (12, 25, "no rows"),
        (26, 38, "2 malformed_row"),
        (39, 40, "2-3 malformed_row"),  # the quoted name's second line is a row of its own
        (41, 41, "accepted 1 -> active"),
        (42, 46, "2 bad_status"),
        (47, 48, "accepted 1 -> closed"),
        (49, 52, "accepted 1; 4 malformed_row"),
        (53, 54, "accepted 2"),
    ),
}


def _cuts() -> Iterator[Case]:
    for kind, ranges in CUTS.items():
        for first, last, verdict in ranges:
            for size in range(first, last + 1):
                yield Case(f"{kind} cut at {size}", kind, CUT[kind][:size], verdict)
    for size in range(len(_whole())):
        yield Case(
            f"a Parquet file cut at {size}",
            "affiliates",
            _whole()[:size],
            UNREADABLE if size == len(b"PAR1") else NOT_PARQUET,
            "hostile.parquet",
        )


NAMES: Sequence[bytes] = (
    b"-.csv",
    b"[red]x.csv",
    b"a b.csv",
    b"\xc3\xa4.csv",
    b"*.csv",
    b"?.csv",
    b"%s{}.csv",
    b"a\nb.csv",
    b"\x1b[2J.csv",
    b"caf\xe9.csv",
    b"\xff\xfe.csv",
    b"\xe2\x80\xae.csv",
    b"noending",
    b".csv",
    b"'\".csv",
    b"\\.csv",
)
"""Of a file whose content is sound."""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _earning(event: str, at: str, amount: str, currency: str) -> bytes:
    fields = ",".join(map(_quoted, (event, "ann", at, amount, currency, "")))
    return EARNINGS + fields.encode() + b"\n" + LAST


def _of_field(found: str) -> str:
    """A code, or how the value is printed."""
    return f"accepted 1; 2 {found}" if "_" in found else f"accepted 2 -> {found}"


def _cases() -> Iterator[Case]:
    tables = (
        ("encoding", "earnings", ENCODINGS),
        ("quotes", "earnings", QUOTES),
        ("line ends", "earnings", LINE_ENDS),
        ("header", "earnings", HEADERS),
        ("field count", "earnings", FIELD_COUNTS),
        ("profile", "affiliates", PROFILES),
        ("referral", "referrals", EDGES),
    )
    for topic, kind, table in tables:
        for name, data, verdict in table:
            yield Case(f"{topic}: {name}", kind, data, verdict)
    orders = EARNINGS + ROW + b"e2,ann,2026-01-05,-3.00,USD,\n"
    for name, data, verdict in REVERSALS:
        yield Case(f"reversal: {name}", "earnings", orders + data, verdict)
    for amount, currency, found in (*AMOUNTS, *CURRENCIES):
        data = _earning("e1", "2026-01-05", amount, currency)
        yield Case(f"amount: {amount!r} {currency!r}"[:80], "earnings", data, _of_field(found))
    for at, found in TIMES:
        data = _earning("e1", at, "1.00", "USD")
        yield Case(f"time: {at!r}"[:80], "earnings", data, _of_field(found))
    for event, found in IDS:
        data = _earning(event, "2026-01-05", "1.00", "USD")
        yield Case(f"id: {event!r}"[:80], "earnings", data, _of_field(found or event))
    for name, one, two in PAIRS:
        data = REFERRALS + f"{one},top,\n{two},top,\n{one},top,\n".encode()
        yield Case(f"two ids: {name}", "referrals", data, "accepted 2, duplicate 1")
    for name, write, verdict in PARQUET:
        yield Case(f"Parquet: {name}", "earnings", write(), verdict, "hostile.parquet")
    text = EARNINGS + ROW
    disguised = (
        ("gzip", gzip.compress(text, mtime=0), f"{NOT_TEXT} compressed with gzip"),
        ("zip", _zipped(), f"{NOT_TEXT} a workbook or a zip archive"),
        ("Parquet", _whole(), f"{NOT_TEXT} a Parquet file"),
        ("zstd", b"\x28\xb5\x2f\xfd\x20\x00" + text, NOT_UTF_8),
        ("bzip2", b"BZh91AY&SY\x00" + text, NO_COLUMN),
        ("xz", b"\xfd7zXZ\x00" + text, NOT_UTF_8),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", NO_COLUMN),
        ("SQLite", b"SQLite format 3\x00" + bytes(84), NO_COLUMN),
        ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NOT_UTF_8),
        ("a program", b"\x7fELF\x02\x01\x01" + bytes(57), NO_COLUMN),
    )
    for name, data, verdict in disguised:
        yield Case(f"disguised: {name}", "earnings", data, verdict)
    yield from _cuts()
    for raw in NAMES:
        yield Case(
            f"file name: {raw!r}",
            "earnings",
            EARNINGS + ROW + b"x\n",
            "accepted 1; 3 malformed_row",
            os.fsdecode(raw),
        )


@cache
def cases() -> tuple[Case, ...]:
    """All of them; each has a name of its own."""
    found = {}
    for case in _cases():
        name, n = case.name, 2
        while name in found:
            name, n = f"{case.name} ({n})", n + 1
        found[name] = replace(case, name=name)
    return tuple(found.values())


# -- trees and masses


def _ring(size: int, prefix: str = "c") -> Iterator[bytes]:
    return (
        b"%s%d,%s%d,\n" % (prefix.encode(), n, prefix.encode(), (n + 1) % size) for n in range(size)
    )


def _line(size: int, quote: bytes = b"") -> Iterator[bytes]:
    """A row of so many bytes, and a good one."""
    yield b"a," + quote
    yield from (b"x" * 10_000 for _ in range(size // 10_000))
    yield b",\nb,,\n"


def _blank(size: int) -> Iterator[bytes]:
    yield from (b"\n" * 10_000 for _ in range(size // 10_000))
    yield b"b,,\n"


def _chain(size: int) -> Iterator[bytes]:
    """In no order."""
    return (b"a%d,a%d,\n" % (n, n + 1) for n in (n * 7919 % size for n in range(size)))


def _star(size: int) -> Iterator[bytes]:
    return (b"a%d,hub,\n" % n for n in range(size))


def _lasso(size: int) -> Iterator[bytes]:
    """A chain whose upper half is a ring."""
    yield from (b"a%d,a%d,\n" % (n, n + 1) for n in range(size - 1))
    yield b"a%d,a%d,\n" % (size - 1, size // 2)


STRUCTURES: Mapping[str, tuple[str, Callable[[int], Iterator[bytes]], str]] = {
    "line": ("affiliates", _line, "accepted 1; 2 malformed_row"),
    "open": ("affiliates", partial(_line, quote=b'"'), "accepted 1; 2 malformed_row"),
    "blank": ("affiliates", _blank, "accepted 1"),
    "ring": ("referrals", _ring, "2-{last} cycle"),
    "chain": ("referrals", _chain, "accepted {size}"),
    "star": ("referrals", _star, "accepted {size}"),
    "lasso": ("referrals", _lasso, "accepted {half}; {above}-{last} cycle"),
}
"""Kind, rows for a size, verdict."""


def build(desk: Desk, name: str, size: int) -> str:
    """Import a structure; how long it took and the most memory of this process so far, in MB."""
    kind, rows, verdict = STRUCTURES[name]
    header = {"affiliates": AFFILIATES, "referrals": REFERRALS}[kind]
    path = desk.folder / f"{name}.csv"
    with path.open("wb") as file:
        file.write(header)
        file.writelines(rows(size))
    begun = time.process_time()
    with desk.imported(kind, [path]) as (connection, imported):
        count = {
            "affiliates": "SELECT count(*) FROM profile",
            "referrals": "SELECT count(*) FROM referral",
        }[kind]
        accepted = int(connection.execute(sa.text(count)).scalar_one())
        came = Came(imported=imported, prints=(("",),) * accepted)
        wanted = verdict.format(size=size, last=size + 1, half=size // 2, above=size // 2 + 2)
        if came.said != wanted:
            raise SystemExit(f"{name}: {came.said[:200]!r}, not {wanted!r}")
    path.unlink()
    return f"{name} {size}: {time.process_time() - begun:.1f} s, {peak_megabytes()} MB"


def peak_megabytes() -> int:
    """The most memory this program has had; getrusage would count what started it as well."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", nargs="*", metavar="NAME", help="import these cases, or all")
    parser.add_argument("--structure", action="append", choices=STRUCTURES)
    parser.add_argument("--size", action="append", type=int, help="one for each structure")
    given = parser.parse_args(words)
    if given.structure:
        with desk() as own:
            for name, size in zip(given.structure, given.size, strict=True):
                print(build(own, name, size), flush=True)
        return 0
    if given.run is None:
        for case in cases():
            print(f"{case.name}\t{case.kind}\t{len(case.data)}\t{case.verdict}")
        return 0
    failed = 0
    with desk() as own:
        for case in cases():
            if given.run and case.name not in given.run:
                continue
            for fault in case.faults(own):
                failed += 1
                print(f"{case.name}: {fault}")
    print(f"{failed} faults")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
