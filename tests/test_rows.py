"""Files -> rows of text: what a CSV or Parquet file may be, and what is said where it is not."""

import csv
import io
import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.ingest import one_row, scan, text
from commission_engine.ingest.rows import Kind, Rows, read_rows, refuse
from commission_engine.problems import Code, FileRefused
from commission_engine.raw import as_bytes, kept

HEADER = "affiliate_id,name\n"


def written(folder: Path, data: str | bytes, name: str = "affiliates.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def affiliates(folder: Path, data: str | bytes) -> Rows:
    rows = read_rows(Kind.AFFILIATES, [written(folder, data)])
    assert rows.read == rows.frame.height + len(rows.refused)
    return rows


def found(rows: Rows) -> list[tuple[int, str, str]]:
    return rows.frame.select("line", "affiliate_id", "name").rows()


def said(rows: Rows) -> list[tuple[int, str]]:
    assert all(r.code is Code.MALFORMED_ROW and not r.column and not r.text for r in rows.refused)
    return [(refusal.line, refusal.message) for refusal in rows.refused]


def refusal_of(folder: Path, data: str | bytes, name: str = "affiliates.csv") -> tuple[str, str]:
    path = written(folder, data, name)
    with pytest.raises(FileRefused) as caught:
        read_rows(Kind.EARNINGS if "earnings" in name else Kind.AFFILIATES, [path])
    assert caught.value.message.startswith(f"{path}: ")
    return caught.value.message.removeprefix(f"{path}: "), caught.value.hint


# What a row is


def test_a_row_has_its_text_and_its_place(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, "affiliate_id,status\nann,active\nbob,\n")
    assert rows.frame.rows(named=True) == [
        {
            "affiliate_id": "ann", "name": None, "email": None, "country": None, "locale": None,
            "status": "active", "extra": None, "file": 0, "line": 2, "start": 20, "stop": 30,
        },
        {
            "affiliate_id": "bob", "name": None, "email": None, "country": None, "locale": None,
            "status": "", "extra": None, "file": 0, "line": 3, "start": 31, "stop": 35,
        },
    ]  # fmt: skip
    assert rows.raw(rows.frame) == ["ann,active", "bob,"]


@pytest.mark.parametrize(
    "data",
    [
        "affiliate_id,name\n007,Ann\n 8 ,Bob\n",
        "affiliate_id,name\r\n007,Ann\r\n 8 ,Bob\r\n",
        "affiliate_id,name\n007,Ann\r\n 8 ,Bob",
        "\ufeffaffiliate_id,name\n007,Ann\n 8 ,Bob\n",
        'name,affiliate_id\nAnn,"007"\n"Bob"," 8 "\n',
        '\ufeff"affiliate_id","name"\n"007","Ann"\n" 8 ","Bob"',
        "affiliate_id,name\n007,Ann\r\n 8 ,Bob\r",
    ],
)
def test_line_ends_quotes_and_a_bom_do_not_change_the_rows(tmp_path: Path, data: str) -> None:
    assert found(affiliates(tmp_path, data)) == [(2, "007", "Ann"), (3, " 8 ", "Bob")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('""', ""),
        ('"a,b"', "a,b"),
        ('"say ""hi"""', 'say "hi"'),
        ('""""', '"'),
        ('"a\rb"', "a\rb"),
        ('"a\nb"', "a\nb"),
        ('"a\r\nb"', "a\r\nb"),
        ('"\n"', "\n"),
        ("a\u2028b\u0085c\x0b\x0c\x1cd", "a\u2028b\u0085c\x0b\x0c\x1cd"),
        ("a\x00b", "a\x00b"),
        ("\ufeffa", "\ufeffa"),
        ("#a", "#a"),
        (" a\t", " a\t"),
        ("NULL", "NULL"),
        ("'a'", "'a'"),
        ("x^", "x^"),
    ],
)
def test_a_field_is_read_as_it_was_meant(tmp_path: Path, field: str, value: str) -> None:
    rows = affiliates(tmp_path, f"{HEADER}{field},{field}\nlast,row\n")
    assert found(rows) == [(2, value, value), (3 + 2 * field.count("\n"), "last", "row")]


def test_the_line_is_where_a_row_starts(tmp_path: Path) -> None:
    data = f'{HEADER}a,"1\n2\n3"\n\nb,"4\n\n5"\n\r\nc,6\n'
    assert found(affiliates(tmp_path, data)) == [
        (2, "a", "1\n2\n3"),
        (6, "b", "4\n\n5"),
        (10, "c", "6"),
    ]


def test_a_header_may_be_quoted_over_two_lines(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, 'affiliate_id,name,"a\nb"\nann,Ann,1\n')
    assert found(rows) == [(3, "ann", "Ann")]
    assert rows.frame["extra"].to_list() == ['{"a\\nb":"1"}']


def test_a_field_of_200_000_characters_is_read(tmp_path: Path) -> None:
    name = "ä" * 200_000
    assert found(affiliates(tmp_path, f'{HEADER}a,{name}\nb,"{name},"\n')) == [
        (2, "a", name),
        (3, "b", name + ","),
    ]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, f"\n\r\n{HEADER}\n\r\nann,Ann\n\n\n")
    assert (found(rows), rows.read) == ([(6, "ann", "Ann")], 1)


def test_a_blank_line_and_an_empty_quoted_id_differ(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, 'affiliate_id\na\n\n""\nb\n')
    assert rows.frame.select("line", "affiliate_id").rows() == [(2, "a"), (4, ""), (5, "b")]


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    for data in ("affiliate_id", "affiliate_id\n", "affiliate_id\r\n\r\n"):
        assert affiliates(tmp_path, data).read == 0


def test_unknown_columns_are_kept_with_their_keys_sorted(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, 'z,affiliate_id,line,\u00e4\n"1""2",ann,\x00\\,\u00e4\U0001f600\n')
    assert rows.frame["extra"].to_list() == [
        json.dumps(
            {"line": "\x00\\", "z": '1"2', "\u00e4": "\u00e4\U0001f600"},
            ensure_ascii=False,
            separators=(",", ":"),
        )
    ]
    assert rows.frame["line"].to_list() == [2]


def test_the_order_in_which_files_are_given_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one = written(tmp_path, "affiliate_id\nann\n", "b.csv")
    two = written(tmp_path, "x,affiliate_id\n1,bob\n,x,\n", "a.csv")
    three = written(tmp_path / "sub", "affiliate_id\ncat\n,\n", "b.csv")
    for given_order in ([one, two, three], [three, two, one]):
        rows = read_rows(Kind.AFFILIATES, given_order)
        assert rows.paths == (two, one, three)
        assert rows.frame.select("file", "line", "affiliate_id").rows() == [
            (0, 2, "bob"), (1, 2, "ann"), (2, 2, "cat"),
        ]  # fmt: skip
        assert [(r.file, r.line, r.raw) for r in rows.refused] == [
            ("a.csv", 3, ",x,"), ("sub/b.csv", 3, ","),
        ]  # fmt: skip


def test_refusals_are_made_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, f"{HEADER}a,1\nb,2\x00\n")
    bad = rows.frame.sort("line", descending=True)
    refused = refuse(
        rows, bad, Code.CONFLICT, "name", pl.col("name"), pl.format("{} twice", "affiliate_id")
    )
    assert [(r.code, r.file, r.line, r.column, r.text, r.message, r.raw) for r in refused] == [
        (Code.CONFLICT, "affiliates.csv", 2, "name", "1", "a twice", "a,1"),
        (Code.CONFLICT, "affiliates.csv", 3, "name", "2\\x00", "b twice", kept(b"b,2\x00")),
    ]


# Malformed rows

UNCLOSED = (
    "a quoted field is opened and not closed; close it, and double the quotes that belong to it"
)
AFTER = "text after the closing quote of a field; double the quotes that belong to it"
INSIDE = (
    "a quote inside a field that is not quoted; "
    "put the field in quotes and double those that belong to it"
)
RETURN = "a carriage return outside quotes; end rows with LF or CRLF"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"x", "1 field where the header has 2; check for a missing or an unquoted comma"),
        (b"x,1,2", "3 fields where the header has 2; check for a missing or an unquoted comma"),
        (b'x,"1",2', "3 fields where the header has 2; check for a missing or an unquoted comma"),
        (b'x,"1,2', UNCLOSED),
        (b'"', UNCLOSED),
        (b'x,"a""', UNCLOSED),
        (b'x,"a"b', AFTER),
        (b'x,"a" ', AFTER),
        (b'x,"a"b"c"', AFTER),
        (b'x,5" disk', INSIDE),
        (b'x, "a"', INSIDE),
        (b'x,a""b', INSIDE),
        (b"x,a\rb", RETURN),
        (b'x,"a"\r\r', RETURN),
        (
            b"x,M\xfcller",
            (
                "the byte 0xFC is not UTF-8 (in the field that starts at byte 3 of the row); "
                "save the file as UTF-8"
            ),
        ),
        (
            b'x,"M\xfcller"',
            (
                "the byte 0xFC is not UTF-8 (in the field that starts at byte 3 of the row); "
                "save the file as UTF-8"
            ),
        ),
        (
            b"x,\xed\xa0\x80",
            (
                "the byte 0xED is not UTF-8 (in the field that starts at byte 3 of the row); "
                "save the file as UTF-8"
            ),
        ),
    ],
)
def test_a_malformed_row_is_refused_and_its_neighbours_are_not(
    tmp_path: Path, row: bytes, message: str
) -> None:
    rows = affiliates(tmp_path, b"affiliate_id,name\na,1\n" + row + b"\nb,2\n")
    assert found(rows) == [(2, "a", "1"), (4, "b", "2")]
    assert said(rows) == [(3, message)]
    assert as_bytes(rows.refused[0].raw) == row.removesuffix(b"\r")


def test_a_stray_quote_does_not_swallow_the_good_rows_after_it(tmp_path: Path) -> None:
    rows = affiliates(tmp_path, f'{HEADER}a,"1\nb,2\nc,3"\nd,4\ne,"5\n')
    assert found(rows) == [(2, "a", "1\nb,2\nc,3"), (5, "d", "4")]
    rows = affiliates(tmp_path, f'{HEADER}a,0,"1\nb,2\nc,3"\nd,4\ne,"5\n')
    assert found(rows) == [(3, "b", "2"), (5, "d", "4")]
    assert said(rows) == [
        (2, "3 fields where the header has 2; check for a missing or an unquoted comma"),
        (4, INSIDE),
        (6, UNCLOSED),
    ]


def test_a_row_may_have_a_mebibyte_and_no_more(tmp_path: Path) -> None:
    most = "x" * ((1 << 20) - 2)
    rows = affiliates(tmp_path, f"{HEADER}a,{most}\r\nb,{most}y\r\nc,3\n")
    assert found(rows) == [(2, "a", most), (4, "c", "3")]
    assert said(rows) == [
        (
            3,
            (
                "the row has 1048577 bytes where 1048576 are the most; "
                "check for a quote that is not closed (only its beginning is kept here)"
            ),
        )
    ]
    assert rows.refused[0].raw == "b," + most


def test_a_line_longer_than_what_is_read_at_once_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK", 2 << 20)
    long = 'y,"' + "x" * (5 << 20)
    rows = affiliates(tmp_path, f"{HEADER}a,1\n{long}\r\nb,2\n{long}")
    assert found(rows) == [(2, "a", "1"), (4, "b", "2")]
    assert [(line, message.partition(" where")[0]) for line, message in said(rows)] == [
        (3, f"the row has {len(long)} bytes"),
        (5, f"the row has {len(long)} bytes"),
    ]


def test_a_line_of_carriage_returns_inside_a_file_is_one_malformed_row(tmp_path: Path) -> None:
    assert said(affiliates(tmp_path, f"{HEADER}a,1\rb,2\rc,3\r\n")) == [(2, RETURN)]


# Files that are refused whole

FIRST_LINE = "The first line names the columns, in UTF-8, separated by commas."


@pytest.mark.parametrize("data", [b"", b"\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    assert refusal_of(tmp_path, data) == (
        "the file is empty",
        f"{FIRST_LINE} Is the file complete?",
    )


def test_a_missing_column_is_named_with_what_was_found_and_perhaps_meant(tmp_path: Path) -> None:
    header = "event_id,Affiliate ID,occurred_at,Amount,\n"
    assert refusal_of(tmp_path, header, "earnings.csv") == (
        (
            "line 1 has no columns 'affiliate_id', 'amount', 'currency'; "
            "it has 'event_id', 'Affiliate ID', 'occurred_at', 'Amount', ''"
        ),
        "Names are exact; perhaps rename 'Affiliate ID' to 'affiliate_id', 'Amount' to 'amount'.",
    )


@pytest.mark.parametrize(
    ("header", "message", "hint"),
    [
        (
            "affiliate_id ,name",
            "line 1 has no column 'affiliate_id'; it has 'affiliate_id ', 'name'",
            "Names are exact; perhaps rename 'affiliate_id ' to 'affiliate_id'.",
        ),
        (
            "ann,Ann",
            "line 1 has no column 'affiliate_id'; it has 'ann', 'Ann'",
            "A file of affiliates needs 'affiliate_id' in its header.",
        ),
        (
            "affiliate_id;name",
            "line 1 has no column 'affiliate_id'; it has 'affiliate_id;name'",
            "Separate the columns with commas.",
        ),
        (
            "affiliate_id,name,affiliate_id",
            "line 1 names the column 'affiliate_id' more than once",
            "Every column has its own name; remove or rename the doubled one.",
        ),
        (
            "affiliate_id,name,name",
            "line 1 names the column 'name' more than once",
            "Every column has its own name; remove or rename the doubled one.",
        ),
        ('affiliate_id,"name', f"line 1, the header: {UNCLOSED}", FIRST_LINE),
        ('affiliate_id,"na"me', f"line 1, the header: {AFTER}", FIRST_LINE),
    ],
)
def test_a_header_that_is_wrong_refuses_the_file(
    tmp_path: Path, header: str, message: str, hint: str
) -> None:
    assert refusal_of(tmp_path, f"{header}\nann,Ann\n") == (message, hint)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f"{HEADER}a,1\n".encode("utf-16"), "this is UTF-16"),
        (f"{HEADER}a,1\n".encode("utf-32"), "this is UTF-32"),
        (b"\xfe\xff\x00a", "this is UTF-16"),
        (b"\x00\x00\xfe\xff\x00\x00\x00a", "this is UTF-32"),
        (b"PK\x03\x04...", "this is a workbook or a zip archive"),
        (b"\x1f\x8b\x08...", "this is compressed with gzip"),
        (b"PAR1...", "this is a Parquet file (such a file's name ends in .parquet)"),
    ],
)
def test_what_is_not_utf_8_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    assert refusal_of(tmp_path, data) == (message, "Save it as CSV in UTF-8.")


def test_a_header_has_a_thousand_columns_and_no_more(tmp_path: Path) -> None:
    names = ",".join(["affiliate_id", *(f"x{number}" for number in range(1000))])
    assert refusal_of(tmp_path, names) == (
        "line 1 names 1001 columns where 1000 are the most",
        "Leave out the columns that nobody reads.",
    )
    assert affiliates(tmp_path, names.removesuffix(",x999")).read == 0


def test_a_header_that_is_not_utf_8_refuses_the_file(tmp_path: Path) -> None:
    message, _ = refusal_of(tmp_path, b"affiliate_id,Stra\xdfe\n")
    assert message == (
        "line 1, the header: the byte 0xDF is not UTF-8 (in the field that starts at byte 14 of "
        "the row); save the file as UTF-8"
    )


def test_carriage_returns_alone_end_no_lines(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, "affiliate_id,name\rann,Ann\r") == (
        "the lines end with a carriage return alone",
        "Save the file with LF or CRLF line ends.",
    )


def test_a_file_must_be_there_and_be_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name, message in (
        ("none.csv", "there is no such file"),
        (".", "this is a folder"),
        ("pipe.csv", "this is not a regular file"),
    ):
        with pytest.raises(FileRefused) as caught:
            read_rows(Kind.AFFILIATES, [tmp_path / name])
        assert caught.value.message == f"{tmp_path / name}: {message}"


def test_a_file_that_cannot_be_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, HEADER)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(FileRefused) as caught:
        read_rows(Kind.AFFILIATES, [path])
    assert caught.value.message == f"{path}: the file cannot be read: Permission denied"


# Parquet


def table(folder: Path, columns: dict[str, object], name: str = "earnings.parquet") -> Path:
    pl.DataFrame(columns).write_parquet(folder / name)
    return folder / name


def test_a_table_gives_the_rows_of_the_same_csv(tmp_path: Path) -> None:
    zoned = pl.Series([datetime(2026, 1, 5, 9, 30, tzinfo=UTC), None])
    path = table(
        tmp_path,
        {
            "event_id": [7, 8],
            "affiliate_id": ["007", None],
            "occurred_at": zoned.dt.convert_time_zone("Europe/Berlin"),
            "amount": [Decimal("12.50"), Decimal("-3.00")],
            "currency": pl.Series(["USD", "EUR"], dtype=pl.Categorical),
            "note": ["x", None],
            "count": [1, 2],
        },
    )
    rows = read_rows(Kind.EARNINGS, [path])
    assert rows.frame.rows() == [
        ("7", "007", "2026-01-05T09:30:00Z", "12.5", "USD", None,
         '{"count":1,"note":"x"}', 0, 1, 1, 2),
        ("8", "", "", "-3", "EUR", None, '{"count":2,"note":null}', 0, 2, 2, 3),
    ]  # fmt: skip
    assert (rows.read, rows.refused) == (2, ())
    assert rows.raw(rows.frame.reverse()) == [
        (
            '{"event_id":8,"affiliate_id":null,"occurred_at":null,"amount":"-3.00","currency":"EUR",'
            '"note":null,"count":2}'
        ),
        (
            '{"event_id":7,"affiliate_id":"007","occurred_at":"2026-01-05T10:30:00+01:00",'
            '"amount":"12.50","currency":"USD","note":"x","count":1}'
        ),
    ]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (pl.Series([date(2026, 1, 5)]), "2026-01-05"),
        (pl.Series([datetime(2026, 1, 5, 1, 2, 3, 4, tzinfo=UTC)]), "2026-01-05T01:02:03.000004Z"),
        (pl.Series(["2026-01-05T01:02:03"]).str.to_datetime(), "2026-01-05T01:02:03Z"),
        (pl.Series([10**18 + 1]).cast(pl.Datetime("ns")), "2001-09-09T01:46:40.000000001Z"),
        (pl.Series([None], dtype=pl.Null), ""),
        (pl.Series(["2026-01-05"]), "2026-01-05"),
    ],
)
def test_times_of_a_table_become_exact_text(
    tmp_path: Path, since: pl.Series, expected: str
) -> None:
    path = table(tmp_path, {"affiliate_id": ["a"], "referrer_id": ["b"], "since": since})
    assert read_rows(Kind.REFERRALS, [path]).frame["since"].to_list() == [expected]


@pytest.mark.parametrize(
    ("column", "values", "dtype", "right"),
    [
        (
            "amount",
            pl.Series([1.5]),
            "Float64",
            "text, decimals or whole numbers; a binary fraction is not an exact amount",
        ),
        ("occurred_at", pl.Series([1]), "Int64", "text, dates or timestamps"),
        ("event_id", pl.Series([1.0]), "Float64", "text or whole numbers"),
        ("event_id", pl.Series([b"e1"]), "Binary", "text or whole numbers"),
        ("currency", pl.Series([840]), "Int64", "text"),
        ("amount", pl.Series([True]), "Boolean",
         "text, decimals or whole numbers; a binary fraction is not an exact amount"),
    ],
)  # fmt: skip
def test_a_type_without_exact_text_refuses_the_table(
    tmp_path: Path, column: str, values: pl.Series, dtype: str, right: str
) -> None:
    names = ("event_id", "affiliate_id", "occurred_at", "amount", "currency")
    path = table(tmp_path, {**{name: ["x"] for name in names}, column: values})
    with pytest.raises(FileRefused) as caught:
        read_rows(Kind.EARNINGS, [path])
    assert (caught.value.message, caught.value.hint) == (
        f"{path}: the column {column!r} is of type {dtype}, which is not exact text here",
        f"Write it as {right}.",
    )


def test_bytes_and_lists_are_kept_with_a_table_row(tmp_path: Path) -> None:
    path = table(tmp_path, {"affiliate_id": ["a"], "key": [b"\xff"], "tags": [["x", "y"]]})
    rows = read_rows(Kind.AFFILIATES, [path])
    assert rows.frame["extra"].to_list() == ['{"key":"ff","tags":["x","y"]}']
    assert rows.raw(rows.frame) == ['{"affiliate_id":"a","key":"ff","tags":["x","y"]}']


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, {"Affiliate_ID": ["a"]}, "affiliates.parquet")
    with pytest.raises(FileRefused) as caught:
        read_rows(Kind.AFFILIATES, [path])
    assert caught.value.message == (
        f"{path}: the schema has no column 'affiliate_id'; it has 'Affiliate_ID'"
    )


def test_a_table_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = table(tmp_path, {"affiliate_id": ["a", "b"]}).read_bytes()
    for size in (*range(0, len(whole), 17), len(whole) - 1):
        message, _ = refusal_of(tmp_path, whole[:size], "cut.parquet")
        assert message == "this is not a whole Parquet file"


# Laws

ODDITIES = st.sampled_from(
    [b"a", b"1", b",", b",", b'"', b'"', b'""', b"\n", b"\n", b"\r\n", b"\r", b"\x00", b" ",
     b"\xc3\xa4", b"\xff", b"\xe2\x80\xa8", b'x,"y"\n', b"x,y\n", b'x,"a\nb"\n']
)  # fmt: skip


def by_the_letter(data: bytes, width: int, most: int) -> tuple[list[object], list[object]]:
    """RFC 4180 byte by byte: rows (line, start, stop, fields), malformed ones (line, start)."""
    good: list[object] = []
    bad: list[object] = []
    at, line = 0, 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        if data[at:end] in (b"", b"\r"):
            at, line = end + 1, line + 1
            continue
        row = one_by_the_letter(data, at)
        try:
            assert row
            fields, stop = [field.decode() for field in row[0]], row[1]
            assert len(fields) == width
            assert stop - at <= most
        except (AssertionError, UnicodeDecodeError):
            bad.append((line, at))
            at, line = end + 1, line + 1
        else:
            good.append((line, at, stop, fields))
            line += 1 + data.count(b"\n", at, stop)
            at = data.find(b"\n", stop)
            at = len(data) if at < 0 else at + 1
    return good, bad


def one_by_the_letter(data: bytes, at: int) -> tuple[list[bytes], int] | None:
    fields = [b""]
    state = "start"
    while True:
        sign = data[at : at + 1]
        if state == "quoted":
            if not sign:
                return None
            if data[at : at + 2] == b'""':
                fields[-1] += sign
                at += 1
            elif sign == b'"':
                state = "closed"
            else:
                fields[-1] += sign
        elif sign in (b"", b"\n") or data[at:] == b"\r" or data[at : at + 2] == b"\r\n":
            return fields, at
        elif sign == b",":
            fields.append(b"")
            state = "start"
        elif sign == b'"' and state == "start":
            state = "quoted"
        elif sign in b'"\r' or state == "closed":
            return None
        else:
            fields[-1] += sign
            state = "bare"
        at += 1


@settings(max_examples=400, deadline=None)
@given(
    data=st.lists(ODDITIES, max_size=40).map(b"".join),
    width=st.integers(1, 3),
    block=st.sampled_from([3, 11, 1000]),
    most=st.sampled_from([9, 1000]),
    bulk=st.booleans(),
)
def test_every_reader_and_every_cut_agree_with_the_letter(
    data: bytes, width: int, block: int, most: int, bulk: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", block)
        for module in (text, scan, one_row):
            patch.setattr(module, "MAX_ROW", most)
        if not bulk:
            patch.setattr(scan, "sound_lines", lambda _, starts, *__: np.zeros(len(starts), bool))
        head = text.Head(tuple("abc"[:width]), 0, 0, 0)
        good: list[object] = []
        bad: list[object] = []
        file = cast(io.BufferedReader, io.BytesIO(data))
        for stretch in text._stretches(file, head):
            fields = text._parsed(stretch, head.names).rows()
            places = zip(stretch.lines, stretch.starts, stretch.stops, fields, strict=True)
            rows = [(int(n), int(a), int(z), list(row)) for n, a, z, row in places]
            rows += [(n, a, z, row) for a, z, n, row in stretch.careful]
            good += sorted(rows)
            bad += [(n, a) for a, _, n, _ in stretch.broken]
        assert (good, bad) == by_the_letter(data, width, most)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), max_size=6), st.text('a",\r\n', max_size=6)
        ),
        max_size=12,
    ),
    # With LF the writer of Python 3.11 leaves a carriage return unquoted.
    form=st.sampled_from(
        [("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]
    ),
)
def test_what_a_csv_writer_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[tuple[str, str]],
    form: tuple[str, Literal[0, 1]],
) -> None:
    ending, quoting = form
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=ending, quoting=quoting)
    expected = []
    writer.writerow(("affiliate_id", "name"))
    for one, two in values:
        expected.append((out.getvalue().count("\n") + 1, one, two))
        writer.writerow((one, two))
    rows = affiliates(tmp_path_factory.mktemp("rows"), out.getvalue())
    assert (found(rows), rows.refused) == (expected, ())
