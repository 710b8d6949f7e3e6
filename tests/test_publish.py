"""The files of a run, to the byte: texts made safe, ids, documents, and the folder itself."""

import csv
import io
import json
import os
import string
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from hashlib import sha256
from itertools import cycle, product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.book.views import ENTRIES, LINES, REFUSALS, STATEMENTS
from commission_engine.calendar import day_of, iso_instant
from commission_engine.decide.kernel import REASONS
from commission_engine.ledger.accounts import SIDES, Kind
from commission_engine.money import Rate, Rounding, plain
from commission_engine.plan.terms import Every, Level, Payout, Plan, Terms
from commission_engine.problems import CommissionError
from commission_engine.publish import folder, text
from commission_engine.publish.files import Ahead, files, lines_table
from commission_engine.publish.folder import Made, Published, publish
from commission_engine.publish.ids import (
    payout_id,
    payout_ids,
    pseudonym,
    pseudonyms,
    statement_id,
    statement_ids,
)
from commission_engine.publish.lines import lines_csv
from commission_engine.publish.record import LinesPart, Record, RunLines

STEADY = settings(deadline=None, derandomize=True, database=None)
"""The same examples every time, however busy the machine is."""

FIRST, LAST = day_of(date(2026, 1, 1)), day_of(date(2026, 1, 31))

# -- texts


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))


def written(*cells: str, column: str = "name") -> list[str]:
    """The cells of one column as a CSV reader finds them in the file."""
    frame = pl.DataFrame({column: cells, "other": ["x"] * len(cells)})
    header, *rows = read_csv(text.csv(frame))
    assert header == [column, "other"]
    return [row[0] for row in rows]


DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "＝", "＋", "－", "＠")
PAYLOADS = [
    start + rest
    for start, rest in product(
        DANGEROUS,
        (
            "", "1+1", "cmd|' /C calc'!A0", '"1"', "=1", "A1", '''HYPERLINK("x";"y")''', "007",
            "1.00", "\n=1", ",=1", '","=1', " 1", "é", "'", "''", "\U0001f600",
        ),
    )
]  # fmt: skip


def test_no_text_is_left_that_a_spreadsheet_reads_as_a_formula() -> None:
    assert len(PAYLOADS) >= 200
    assert written(*PAYLOADS) == [f"'{payload}" for payload in PAYLOADS]


def test_texts_in_quotes_already_are_told_apart_from_those_that_we_quote() -> None:
    assert written("=1", "'=1", "''=1", "'a", "a", "'") == ["'=1", "''=1", "'''=1", "'a", "a", "'"]


@pytest.mark.parametrize("harmless", ["ann", "a=b", "1", " =1", "é", "#1", "x\n=1", "'", "日本"])
def test_other_texts_stay_as_they_are(harmless: str) -> None:
    assert written(harmless) == [harmless]


def test_headers_and_numbers_are_never_made_safe() -> None:
    for column in sorted(text.NUMBERS):
        assert written("-1.00", "0.05", column=column) == ["-1.00", "0.05"]


some_text = st.text(st.sampled_from("'=+-@\t\r\n\x00＝a, \"é"), max_size=6) | st.text(max_size=8)


@STEADY
@given(some_text, some_text)
def test_two_texts_never_become_one(one: str, other: str) -> None:
    (safe_one, safe_other) = text.safe(pl.DataFrame({"name": [one, other]}))["name"]
    assert (safe_one == safe_other) == (one == other)
    assert safe_one.lstrip("'")[:1] not in DANGEROUS or safe_one.startswith("'")


@STEADY
@given(st.lists(st.tuples(some_text, some_text), max_size=5))
def test_a_file_is_read_as_it_was_written(rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(
        {"a": [a for a, _ in rows], "b": [b for _, b in rows]},
        schema={"a": pl.String, "b": pl.String},
    )
    safe = [list(row) for row in text.safe(frame).iter_rows()]
    assert read_csv(text.csv(frame)) == [["a", "b"], *safe]


def test_only_what_needs_quotes_has_them() -> None:
    frame = pl.DataFrame(
        {"a": ["x", "x y", "a,b", 'say "hi"', "two\nlines", "two\rlines", "", None], "b": range(8)}
    )
    assert text.csv(frame) == (
        b'a,b\nx,0\nx y,1\n"a,b",2\n"say ""hi""",3\n"two\nlines",4\n"two\rlines",5\n,6\n,7\n'
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert text.csv(pl.DataFrame(schema={"a": pl.String, "b": pl.Int64})) == b"a,b\n"


# -- amounts, days, instants


@STEADY
@given(st.integers(1 - 10**18, 10**18 - 1), st.integers(0, 12))
def test_amounts_are_written_as_money_writes_them(minor: int, decimals: int) -> None:
    frame = pl.DataFrame({"paid_minor": [minor], "decimals": [decimals]})
    shown = frame.select(text.amount("paid_minor"))
    assert shown.to_dict(as_series=False) == {"paid": [plain(minor, decimals)]}


def test_every_row_has_its_own_decimals() -> None:
    frame = pl.DataFrame(
        {"x_minor": [-5, 5, -1999, 0, None, 1], "decimals": [2, 0, 3, 2, 2, 8]},
        schema={"x_minor": pl.Int64, "decimals": pl.Int64},
    )
    assert frame.select(text.amount("x_minor"))["x"].to_list() == [
        "-0.05", "5", "-1.999", "0.00", None, "0.00000001",
    ]  # fmt: skip


@STEADY
@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_instants_are_written_as_the_calendar_writes_them(instant: int) -> None:
    frame = pl.DataFrame({"at": [instant]})
    assert frame.select(text.instant("at"))["at"].to_list() == [iso_instant(instant)]


@STEADY
@given(st.dates())
def test_days_are_written_in_iso_8601(when: date) -> None:
    frame = pl.DataFrame({"on": [day_of(when)]})
    assert frame.select(text.day("on"))["on"].to_list() == [when.isoformat()]


# -- ids


def test_ids_stay_what_they_are() -> None:
    """They are in other people's books: these literals must never change."""
    assert statement_id("acme", LAST, "ann") == "st-20260131-9g2lepkkaesel3k0"
    assert payout_id("acme", LAST, "ann", "USD") == "po-20260131-m7dl9jtfp029bqgi"
    assert payout_id("acme", LAST, "ann", "KWD") == "po-20260131-p86m2bk1hfdcq0f9"
    assert pseudonym("acme", "ann", "bob") == "dnm086"
    days, whose = pl.Series([LAST, LAST]), pl.Series(["ann", "ann"])
    assert statement_ids("acme", days, whose).to_list() == ["st-20260131-9g2lepkkaesel3k0"] * 2
    assert payout_ids("acme", days, whose, pl.Series(["USD", "KWD"])).to_list() == [
        "po-20260131-m7dl9jtfp029bqgi", "po-20260131-p86m2bk1hfdcq0f9"
    ]  # fmt: skip


@STEADY
@given(st.text(max_size=64), st.text(max_size=64), st.text(max_size=64), st.dates())
def test_ids_say_nothing_of_the_texts_they_stand_for(
    programme: str, one: str, other: str, when: date
) -> None:
    known = string.ascii_lowercase[:22] + string.digits
    day = day_of(when)
    ids = (
        (statement_id(programme, day, one), statement_id(programme, day, other), "st"),
        (payout_id(programme, day, one, "USD"), payout_id(programme, day, other, "USD"), "po"),
    )
    for of_one, of_other, kind in ids:
        assert len(of_one) == 28
        assert of_one.startswith(f"{kind}-{when.isoformat().replace('-', '')}-")
        assert set(of_one[12:]) <= set(known)
        assert (of_one == of_other) == (one == other)
    called = pseudonym(programme, one, other)
    assert len(called) == 6
    assert set(called) <= set(known)


@STEADY
@given(st.text(max_size=64), st.text(max_size=64), st.text(max_size=9), st.dates(), st.binary())
def test_an_id_is_what_it_is_in_a_column(
    programme: str, one: str, other: str, when: date, key: bytes
) -> None:
    day, days = day_of(when), pl.Series([day_of(when)])
    ones, others = pl.Series([one]), pl.Series([other])
    pairs = (
        (statement_id(programme, day, one), statement_ids(programme, days, ones)),
        (payout_id(programme, day, one, other), payout_ids(programme, days, ones, others)),
        (pseudonym(programme, one, other, key), pseudonyms(programme, ones, others, key)),
    )
    for single, column in pairs:
        assert [single] == column.to_list()


def test_ids_do_not_run_their_parts_together() -> None:
    assert payout_id("acme", LAST, "ann1", "USD") != payout_id("acme", LAST, "ann", "1USD")
    assert statement_id("acme1", LAST, "ann") != statement_id("acme", LAST, "1ann")
    assert statement_id("a", LAST, "1:b") != statement_id("a1:", LAST, "b")


# -- the files of a small run
#
# ann <- bob <- cat
# level 1 20%, 150 JPY an order; level 2 5%
# 2026-01-05 bob earns 1000 JPY, of which 400 are refunded; 2026-01-06 cat earns 12.345 KWD
# the settlement of January pays at least 1.000 KWD

PLAN = Plan(
    name="acme",
    timezone="UTC",
    rounding=Rounding.HALF_EVEN,
    rate_bounds=(Rate(0, 1), Rate(1, 1)),
    units={},
    payout=Payout(Every.MONTH, {"KWD": 1000}),
    terms=(Terms(FIRST, 14, (Level(1, Rate(2, 10)), Level(2, Rate(5, 100)))),),
)
OF_ANN = {"run_day": LAST, "affiliate_id": "ann"}
YEN, DINAR = {"currency": "JPY", "decimals": 0}, {"currency": "KWD", "decimals": 3}
DAY = 86_400_000_000


def line(
    event: str, order: str, day: int, earner: str, level: int, **rest: object
) -> dict[str, object]:
    return {
        "run_day": LAST,
        "event_id": event,
        "order_id": order,
        "occurred_us": (FIRST + day) * DAY,
        "earner_id": earner,
        "level": level,
        "beneficiary_id": "ann",
        "available_day": FIRST + 18,
        "terms_day": FIRST,
        "is_reversal": event != order,
        "order_us": (FIRST + 4) * DAY,
        **rest,
    }


def entry(kind: Kind, amount: int, code: dict[str, object]) -> dict[str, object]:
    debit, credit = SIDES[kind]
    return {
        **OF_ANN,
        **code,
        "kind": int(kind),
        "available_day": FIRST + 18,
        "debit_account": int(debit),
        "credit_account": int(credit),
        "amount_minor": amount,
    }


def amounts(**named: int) -> dict[str, int]:
    names = ("opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available")
    return {f"{name}_minor": named.get(name, 0) for name in names}


THE_LINES = pl.DataFrame(
    [
        line("e1", "e1", 4, "bob", 1, **YEN, base_minor=1000, gross_minor=200,
             commission_minor=150, reason="order"),
        line("=e2", "=e2", 5, "cat", 2, **DINAR, base_minor=12345, gross_minor=617,
             commission_minor=617, reason=""),
        line("r1", "e1", 6, "bob", 1, **YEN, base_minor=-400, gross_minor=-80,
             commission_minor=-30, reason="order"),
    ],
    schema=LINES,
)  # fmt: skip
THE_PAYOUTS = pl.DataFrame(
    [{**OF_ANN, **YEN, "amount_minor": 120}],
    schema={k: ENTRIES[k] for k in ("run_day", "affiliate_id", "currency", "decimals")}
    | {"amount_minor": pl.Int64},
)
PEOPLE, CODES = ["ann", "bob", "cat"], {"": 0, "JPY": 0, "KWD": 3}


def part_of(lines: pl.DataFrame, people: list[str] = PEOPLE) -> LinesPart:
    """LINES as a run's files take them: one event per line, and the lines."""
    named = lines.with_columns(
        earner=pl.col("earner_id").map_elements(people.index, pl.Int64),
        beneficiary=pl.col("beneficiary_id").map_elements(people.index, pl.Int64),
        currency=pl.col("currency").map_elements(list(CODES).index, pl.Int64),
        reason=pl.col("reason").map_elements([str(each) for each in REASONS].index, pl.Int64),
        row=pl.int_range(pl.len()),
    )
    said = ("event_id", "order_id", "occurred_us", "earner", "currency", "base_minor")
    rest = ("row", "level", "beneficiary", "gross_minor", "commission_minor", "reason")
    return named.select(said), named.select(*rest, "terms_day", "available_day")


def of_these(lines: pl.DataFrame) -> Callable[[pl.Series], pl.DataFrame]:
    return lambda ids: lines.filter(pl.col("beneficiary_id").is_in(ids.implode()))


def named(**names: str) -> Callable[[pl.Series], dict[str, str]]:
    return lambda _ids: names


OF_RUN = RunLines(
    day=LAST,
    plan=PLAN,
    parts=[part_of(THE_LINES[:2]), part_of(THE_LINES[2:])],
    count=3,
    affiliates=pl.Series(PEOPLE),
    currencies=pl.DataFrame({"code": list(CODES), "decimals": list(CODES.values())}),
)

RECORD = Record(
    lines=OF_RUN,
    plan_hash="0" * 64,
    engine_version="1.2.3",
    settles=True,
    outputs={"documents": "paid", "formats": ["csv"]},
    figures={
        "counts": {"events": 3, "lines": 3, "statements": 2, "payouts": 1, "rejects": 1},
        "totals": {
            "KWD": {"commission": 617, "closing": 617, "paid": 0},
            "JPY": {"commission": 120, "closing": 0, "paid": 120, "reversed": -30},
        },
    },
    entries=pl.DataFrame(
        [
            entry(Kind.EARNED, 100, YEN),  # as if from two days of availability
            entry(Kind.EARNED, 50, YEN),
            entry(Kind.REVERSED, 30, YEN),
            entry(Kind.PAID, 120, YEN),
            entry(Kind.EARNED, 617, DINAR),
        ],
        schema=ENTRIES,
    ),
    statements=pl.DataFrame(
        [
            {**OF_ANN, **YEN, "period_from": FIRST + 4,
             **amounts(earned=150, reversed=-30, paid=120)},
            {**OF_ANN, **DINAR, "period_from": FIRST + 4,
             **amounts(earned=617, closing=617, available=617)},
        ],
        schema=STATEMENTS,
    ),
    payouts=THE_PAYOUTS,
    refusals=pl.DataFrame(
        [
            {
                "intake": 3,
                "kind": "earnings",
                "file": "earnings.csv",
                "line": 5,
                "code": "bad_amount",
                "column": "amount",
                "text": "=1+1",
                "message": "'=1+1' is not an amount",
                "raw": "e4,bob,2026-01-01,=1+1,USD,",
            }
        ],
        schema=REFUSALS,
    ),
    period_lines=of_these(THE_LINES),
    labels=named(bob="Bob, Inc."),
)  # fmt: skip


def made(record: Record = RECORD) -> dict[str, bytes]:
    found = [(each.name, b"".join(each.parts)) for each in files(record)]
    assert found[-1][0] == "manifest.json"
    assert len(dict(found)) == len(found)
    return dict(found)


STATEMENT = "statements/st-20260131-9g2lepkkaesel3k0.csv"

EXACTLY = {
    "lines.csv": """\
line_id,run_date,event_id,order_id,occurred_at,earner_id,level,beneficiary_id,currency,\
base_amount,rate,gross,commission,reason,available_on,plan,terms_from
e1.1,2026-01-31,e1,e1,2026-01-05T00:00:00Z,bob,1,ann,JPY,\
1000,0.2,200,150,order,2026-01-19,acme,2026-01-01
'=e2.2,2026-01-31,'=e2,'=e2,2026-01-06T00:00:00Z,cat,2,ann,KWD,\
12.345,0.05,0.617,0.617,,2026-01-19,acme,2026-01-01
r1.1,2026-01-31,r1,e1,2026-01-07T00:00:00Z,bob,1,ann,JPY,\
-400,0.2,-80,-30,order,2026-01-19,acme,2026-01-01
""",
    "statements.csv": """\
statement_id,period_from,period_to,affiliate_id,currency,\
opening,earned,reversed,adjusted,paid,closing,held,available
st-20260131-9g2lepkkaesel3k0,2026-01-05,2026-01-31,ann,JPY,0,150,-30,0,120,0,0,0
st-20260131-9g2lepkkaesel3k0,2026-01-05,2026-01-31,ann,KWD,\
0.000,0.617,0.000,0.000,0.000,0.617,0.000,0.617
""",
    "payouts.csv": """\
payout_id,statement_id,affiliate_id,currency,amount,created_on,status
po-20260131-mbr79v34n1qkjvmg,st-20260131-9g2lepkkaesel3k0,ann,JPY,120,2026-01-31,pending
""",
    "journal.csv": """\
entry_id,booked_on,account,affiliate_id,currency,debit,credit,source
run:2026-01-31:earned:ann:JPY,2026-01-31,commission_expense,ann,JPY,150,0,lines:2026-01-31
run:2026-01-31:earned:ann:JPY,2026-01-31,affiliate_payable,ann,JPY,0,150,lines:2026-01-31
run:2026-01-31:reversed:ann:JPY,2026-01-31,affiliate_payable,ann,JPY,30,0,lines:2026-01-31
run:2026-01-31:reversed:ann:JPY,2026-01-31,commission_expense,ann,JPY,0,30,lines:2026-01-31
run:2026-01-31:paid:ann:JPY,2026-01-31,affiliate_payable,ann,JPY,120,0,\
po-20260131-mbr79v34n1qkjvmg
run:2026-01-31:paid:ann:JPY,2026-01-31,payout_clearing,ann,JPY,0,120,po-20260131-mbr79v34n1qkjvmg
run:2026-01-31:earned:ann:KWD,2026-01-31,commission_expense,ann,KWD,0.617,0.000,\
lines:2026-01-31
run:2026-01-31:earned:ann:KWD,2026-01-31,affiliate_payable,ann,KWD,0.000,0.617,lines:2026-01-31
""",
    "rejects.csv": """\
kind,file,line,code,column,text,message,row
earnings,earnings.csv,5,bad_amount,amount,'=1+1,''=1+1' is not an amount,\
"e4,bob,2026-01-01,=1+1,USD,"
""",
    STATEMENT: """\
reference,currency,row,date,occurred_on,level,from,base_amount,rate,gross,amount,balance,\
available_on,why
st-20260131-9g2lepkkaesel3k0.1,JPY,opening,2026-01-05,,,,,,,0,0,,
st-20260131-9g2lepkkaesel3k0.2,JPY,earned,2026-01-31,2026-01-05,1,"Bob, Inc.",1000,0.2,200,150,\
150,2026-01-19,cut by the cap per order
st-20260131-9g2lepkkaesel3k0.3,JPY,reversed,2026-01-31,2026-01-07,1,"Bob, Inc.",-400,0.2,-80,-30,\
120,2026-01-19,cut by the cap per order
st-20260131-9g2lepkkaesel3k0.4,JPY,paid,2026-01-31,,,,,,,-120,0,,
st-20260131-9g2lepkkaesel3k0.5,JPY,closing,2026-01-31,,,,,,,,0,,
st-20260131-9g2lepkkaesel3k0.6,KWD,opening,2026-01-05,,,,,,,0.000,0.000,,
st-20260131-9g2lepkkaesel3k0.7,KWD,earned,2026-01-31,2026-01-06,2,#cq2nsu,12.345,0.05,0.617,0.617,\
0.617,2026-01-19,
st-20260131-9g2lepkkaesel3k0.8,KWD,closing,2026-01-31,,,,,,,,0.617,,
""",
}


@pytest.mark.parametrize("name", EXACTLY)
def test_a_file_of_a_run_is_this_to_the_byte(name: str) -> None:
    assert made()[name].decode() == EXACTLY[name]


def test_the_manifest_says_what_the_files_are() -> None:
    contents = made()
    manifest = contents.pop("manifest.json")
    said = json.loads(manifest)
    assert set(contents) == set(EXACTLY)
    assert said.pop("files") == {
        name: {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        | ({} if name == STATEMENT else {"rows": len(read_csv(content)) - 1})
        for name, content in contents.items()
    }
    assert said == {
        "counts": {"events": 3, "lines": 3, "statements": 2, "payouts": 1, "rejects": 1},
        "engine_version": "1.2.3",
        "format": 1,
        "plan_sha256": "0" * 64,
        "programme": "acme",
        "run_date": "2026-01-31",
        "settlement": True,
        "totals": {
            "JPY": {"closing": "0", "commission": "120", "paid": "120", "reversed": "-30"},
            "KWD": {"closing": "0.617", "commission": "0.617", "paid": "0.000"},
        },
    }
    assert manifest == json.dumps(json.loads(manifest), indent=2, sort_keys=True).encode() + b"\n"


def test_a_night_without_anything_has_all_its_files() -> None:
    empty = replace(
        RECORD,
        settles=False,
        figures={"counts": {}, "totals": {}},
        lines=replace(OF_RUN, parts=[], count=0),
        entries=RECORD.entries.clear(),
        statements=RECORD.statements.clear(),
        payouts=RECORD.payouts.clear(),
        refusals=RECORD.refusals.clear(),
        period_lines=of_these(THE_LINES.clear()),
    )
    contents = made(empty)
    contents.pop("manifest.json")
    assert contents == {
        name: text.splitlines(keepends=True)[0].encode()
        for name, text in EXACTLY.items()
        if name != STATEMENT
    }


ids = st.text(st.sampled_from("ab,'=\"\n\r é."), min_size=1, max_size=5)


@st.composite
def some_lines(draw: st.DrawFn) -> tuple[pl.DataFrame, list[str]]:
    """Lines of one run, and everybody whom they name."""
    people = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        code = draw(st.sampled_from(("JPY", "KWD")))
        micros = st.sampled_from((0, 0, 1, 120_000))
        minor = st.integers(-3000, 3000) | st.integers(1 - 10**18, 10**18 - 1)
        rows.append(
            {
                "run_day": LAST,
                "event_id": draw(ids),
                "order_id": draw(ids),
                "occurred_us": draw(st.integers(-(10**10), 10**11)) * 10**6 + draw(micros),
                "earner_id": draw(st.sampled_from(people)),
                "level": draw(st.integers(0, 12)),
                "beneficiary_id": draw(st.sampled_from(people)),
                "currency": code,
                "decimals": CODES[code],
                **{f"{name}_minor": draw(minor) for name in ("base", "gross", "commission")},
                "reason": draw(st.sampled_from(["", "closed", "order"])),
                "available_day": draw(st.integers(-700_000, 2_900_000) | st.integers(0, 9)),
                "terms_day": draw(st.sampled_from([FIRST, FIRST + 400])),
            }
        )
    return pl.DataFrame(rows, schema=LINES, orient="row"), people


@STEADY
@given(some_lines(), st.integers(1, 5), st.sampled_from(["acme", '=a "b", c']))
def test_lines_in_pieces_are_the_lines_of_the_table(
    drawn: tuple[pl.DataFrame, list[str]], size: int, programme: str
) -> None:
    """The fast way of the file gives what the plain way of `commission lines` gives."""
    lines, people = drawn
    plan = replace(PLAN, name=programme)
    of_run = replace(
        OF_RUN,
        plan=plan,
        parts=[part_of(part, people) for part in lines.iter_slices(size)],
        count=size,
        affiliates=pl.Series(people),
    )
    parts = list(lines_csv(of_run))
    assert b"".join(part for part, _ in parts) == text.csv(lines_table(lines, plan))
    assert sum(rows for _, rows in parts) == lines.height


def test_a_whole_day_of_seconds_is_written_as_the_calendar_writes_it() -> None:
    us = np.arange(2 * 86_400) * 1_000_000 - 86_400_000_000
    assert text.instants(us).to_list() == [iso_instant(int(each)) for each in us]


# -- documents


def documents(record: Record) -> dict[str, bytes]:
    return {name: c for name, c in made(record).items() if name.startswith("statements/")}


UNPAID = RECORD.statements.filter(pl.col("currency") == "KWD").with_columns(
    affiliate_id=pl.lit("zoe")
)


@pytest.mark.parametrize(
    ("which", "readers"), [("paid", ["ann"]), ("all", ["ann", "zoe"]), ("none", [])]
)
def test_the_configuration_says_who_gets_a_document(which: str, readers: list[str]) -> None:
    record = replace(
        RECORD,
        outputs={"documents": which, "formats": ["csv"]},
        statements=pl.concat([RECORD.statements, UNPAID]),
    )
    assert set(documents(record)) == {
        f"statements/{statement_id('acme', LAST, reader)}.csv" for reader in readers
    }


def test_without_a_settlement_there_are_no_documents() -> None:
    assert documents(replace(RECORD, settles=False)) == {}


def test_a_balance_that_only_stands_there_has_a_document_without_lines() -> None:
    still = UNPAID.with_columns(earned_minor="paid_minor", opening_minor="closing_minor")
    record = replace(RECORD, outputs={"documents": "all", "formats": ["csv"]}, statements=still)
    number = statement_id("acme", LAST, "zoe")
    assert (
        documents(record)[f"statements/{number}.csv"].decode()
        == f"""\
reference,currency,row,date,occurred_on,level,from,base_amount,rate,gross,amount,balance,\
available_on,why
{number}.1,KWD,opening,2026-01-05,,,,,,,0.617,0.617,,
{number}.2,KWD,closing,2026-01-31,,,,,,,,0.617,,
"""
    )


def test_nobody_reads_of_those_he_does_not_know() -> None:
    """A direct referral is called by name, or by id without one; deeper ones by a pseudonym."""
    levels = (0, 1, 1, 2, 3)
    who = ("ann", "bob", "dan-direct", "cat-private", "eve-private")
    record = replace(
        RECORD,
        period_lines=of_these(
            pl.concat([THE_LINES[:1]] * 5).with_columns(
                level=pl.Series(levels), earner_id=pl.Series(who),
                event_id=pl.Series([f"x{n}-of-{each}" for n, each in enumerate(who)]),
            )
        ),
        lines=replace(OF_RUN, plan=replace(
            PLAN,
            terms=(Terms(FIRST, 14, tuple(Level(n, Rate(2, 10)) for n in range(4))),),
        )),
        statements=RECORD.statements[:1],
        labels=named(**{"bob": "=Bob", "cat-private": "Cat Private"}),
    )  # fmt: skip
    (document,) = documents(record).values()
    header, *rows = read_csv(document)
    called = [row[header.index("from")] for row in rows if row[header.index("level")]]
    assert called == [
        "you",
        "'=Bob",
        "dan-direct",
        f"#{pseudonym('acme', 'ann', 'cat-private')}",
        f"#{pseudonym('acme', 'ann', 'eve-private')}",
    ]
    for name in (b"cat", b"Cat", b"eve-", b"private", b"Private"):
        assert name not in document


def test_a_name_of_several_lines_does_not_tear_a_document() -> None:
    record = replace(RECORD, labels=named(bob='Bob\r\n\n=1,\u2028"x"\r'))
    (document,) = documents(record).values()
    assert document.count(b"\n") == EXACTLY[STATEMENT].count("\n")
    assert [row[6] for row in read_csv(document)[2:4]] == ['Bob  =1, "x"'] * 2


def test_a_document_holds_its_readers_lines_alone() -> None:
    of_zoe = THE_LINES[1:2].with_columns(beneficiary_id=pl.lit("zoe"))
    record = replace(
        RECORD,
        outputs={"documents": "all", "formats": ["csv"]},
        statements=pl.concat([RECORD.statements, UNPAID]),
        period_lines=of_these(pl.concat([THE_LINES, of_zoe])),
    )
    both = documents(record)
    assert both[STATEMENT].decode() == EXACTLY[STATEMENT]
    assert len(read_csv(both[f"statements/{statement_id('acme', LAST, 'zoe')}.csv"])) == 4


def test_a_document_has_the_days_of_the_plans_zone() -> None:
    """e1 of 5 January, 00:00 UTC, was made on the 4th in New York."""
    record = replace(RECORD, lines=replace(OF_RUN, plan=replace(PLAN, timezone="America/New_York")))
    (document,) = documents(record).values()
    assert read_csv(document)[2][3:5] == ["2026-01-31", "2026-01-04"]


def test_what_a_cap_or_a_closed_account_took_is_said_in_words() -> None:
    reasons = ["", "closed", "order", "day", "week", "month", "quarter", "year", "lifetime"]
    record = replace(
        RECORD,
        period_lines=of_these(
            pl.concat([THE_LINES[:1]] * len(reasons)).with_columns(reason=pl.Series(reasons))
        ),
        statements=RECORD.statements[:1],
    )
    (document,) = documents(record).values()
    assert [row[-1] for row in read_csv(document)[2:-2]] == [
        "",
        "the account was closed when the order was decided: nothing is earned",
        *(f"cut by the cap per {window}" for window in reasons[2:-1]),
        "cut by the cap over all time",
    ]


# -- the folder


CONTENTS = {"lines.csv": b"a,b\n", "statements/st-1.csv": b"c\n", "m.json": b"{}\n"}


def two() -> Iterator[Made]:
    """Files whose parts can be gone through once."""
    for name, content in CONTENTS.items():
        yield Made(name, iter([content[:2], content[2:]]))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "2026-01-31"


def test_a_new_folder_has_every_file_and_nothing_else(target: Path) -> None:
    assert publish(two(), target) == Published(
        target, ("lines.csv", "statements/st-1.csv", "m.json")
    )
    assert tree(target.parent) == {f"2026-01-31/{name}": each for name, each in CONTENTS.items()}


def test_a_folder_appears_only_when_everything_is_written(target: Path) -> None:
    def broken() -> Iterator[Made]:
        yield next(two())
        assert not target.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(broken(), target)
    assert not target.exists()


def test_publishing_twice_writes_nothing(target: Path) -> None:
    publish(two(), target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    assert publish(two(), target) == Published(target, ())
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


@pytest.mark.parametrize("missing", CONTENTS)
def test_a_missing_file_is_written_again(target: Path, missing: str) -> None:
    publish(two(), target)
    before = tree(target)
    (target / missing).unlink()
    assert publish(two(), target) == Published(target, (missing,))
    assert tree(target) == before


def test_what_others_put_there_stays(target: Path) -> None:
    publish(two(), target)
    (target / "note.txt").write_text("checked")
    assert publish(two(), target).written == ()
    assert (target / "note.txt").read_text() == "checked"


def test_an_altered_file_is_refused_and_nothing_is_written(target: Path) -> None:
    publish(two(), target)
    (target / "lines.csv").write_bytes(b"a,B\n")
    (target / "m.json").unlink()
    before = tree(target)
    with pytest.raises(CommissionError) as caught:
        publish(two(), target)
    assert caught.value.message == f"{target}: lines.csv differs from what this run has published"
    assert caught.value.hint == (
        "Nothing was written. Move the folder away and run the command again to get the published"
        " bytes back."
    )
    assert tree(target) == before


def test_a_longer_or_shorter_file_is_altered_too(target: Path) -> None:
    publish(two(), target)
    for content in (b"a,b\nc", b"a,", b""):
        (target / "lines.csv").write_bytes(content)
        with pytest.raises(CommissionError, match=r"lines\.csv differs"):
            publish(two(), target)
        assert (target / "lines.csv").read_bytes() == content


def test_the_manifest_is_of_the_whole_files_whoever_stops_reading_them(target: Path) -> None:
    publish(files(RECORD), target)
    before = tree(target)
    (target / "lines.csv").write_bytes(b"")
    (target / "manifest.json").write_bytes(b"{")
    with pytest.raises(CommissionError) as caught:
        publish(files(RECORD), target)
    assert "lines.csv, manifest.json differs" in caught.value.message
    (target / "manifest.json").unlink()
    (target / "lines.csv").write_bytes(before["lines.csv"])
    assert publish(files(RECORD), target).written == ("manifest.json",)
    assert tree(target) == before


def test_what_was_written_ahead_is_published_with_the_rest(target: Path) -> None:
    with Ahead(target) as ahead:
        ahead.begin(OF_RUN)
        listed = ahead.listed()
        assert not target.exists()
        assert publish(files(RECORD, listed), target, ahead.draft).written == tuple(made())
    assert {name: target.joinpath(name).read_bytes() for name in made()} == made()
    assert list(target.parent.iterdir()) == [target]


def test_what_was_written_ahead_is_gone_when_the_run_fails(target: Path) -> None:
    def failing() -> None:
        with Ahead(target) as ahead:
            ahead.begin(replace(OF_RUN, parts=cycle(OF_RUN.parts)))
            while not list(target.parent.glob(".*/lines.csv")):
                pass
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert list(target.parent.iterdir()) == []


def test_nothing_is_written_ahead_of_a_folder_that_is_there(target: Path) -> None:
    publish(files(RECORD), target)
    (target / "lines.csv").unlink()
    with Ahead(target) as ahead:
        ahead.begin(OF_RUN)
        assert (ahead.draft, ahead.listed()) == (None, {})
        assert publish(files(RECORD), target, ahead.draft).written == ("lines.csv",)


def test_a_full_disk_is_said_when_the_file_written_ahead_is_wanted(target: Path) -> None:
    target.parent.write_text("a file where the folder should be")
    with Ahead(target) as ahead:
        ahead.begin(OF_RUN)
        with pytest.raises(CommissionError, match=r"lines\.csv: cannot be written"):
            ahead.listed()


def test_documents_are_made_durable_one_by_one_where_the_system_cannot_at_once(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable = []
    monkeypatch.setattr(folder, "_sync", lambda path: durable.append(Path(path).name))
    publish(two(), target)
    assert ("lines.csv" in durable, "st-1.csv" in durable) == (True, False)
    durable.clear()
    monkeypatch.setattr(folder, "_sync_filesystem", lambda path: False)
    publish(two(), target.with_name("2026-02-28"))
    assert {"lines.csv", "m.json", "st-1.csv", "statements"} <= set(durable)


def test_many_files_are_made_durable_at_once(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable: list[str] = []
    monkeypatch.setattr(folder, "_sync", lambda path: durable.append(Path(path).name))
    monkeypatch.setattr(folder, "FEW", 1)
    publish([Made("a", [b"a"]), Made("b", [b"b"])], target)
    assert {"a", "b"}.isdisjoint(durable)
    assert durable[-1] == target.parent.name
    assert tree(target) == {"a": b"a", "b": b"b"}


def test_drafts_of_killed_processes_are_swept(target: Path) -> None:
    half = target.with_name(".2026-01-31.draft-99999") / "statements"
    half.mkdir(parents=True)
    (half / "st-1.csv").write_bytes(b"hal")
    other = target.with_name(".2026-02-01.draft-99999")
    other.mkdir()
    publish(two(), target)
    assert not half.parent.exists()
    assert other.exists(), "of another date, so not ours"
    (target / "m.json").unlink()
    (target / ".m.json.draft-99999").write_bytes(b"{")
    (target / "statements" / ".st-1.csv.draft-99999").write_bytes(b"")
    publish(two(), target)
    assert tree(target) == CONTENTS


def test_a_folder_that_cannot_be_written_is_named(target: Path) -> None:
    target.parent.write_text("a file where the folder should be")
    with pytest.raises(CommissionError) as caught:
        publish(two(), target)
    draft = target.with_name(f".2026-01-31.draft-{os.getpid()}")
    assert caught.value.message == f"{draft / 'lines.csv'}: cannot be written: Not a directory"
    assert caught.value.hint == (
        "The run is in the book; run the same command again and it writes its files."
    )
    assert caught.value.exit_code == 1


def test_a_full_disk_publishes_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CommissionError, match=r"lines\.csv: cannot be written: No space left"):
        publish(two(), target)
    assert not target.exists()
    monkeypatch.undo()
    publish(two(), target)
    assert tree(target.parent) == {f"2026-01-31/{name}": each for name, each in CONTENTS.items()}


def test_a_file_where_a_runs_folder_should_be_stays(target: Path) -> None:
    target.parent.mkdir()
    target.write_text("precious")
    with pytest.raises(CommissionError, match="cannot be written"):
        publish(two(), target)
    assert target.read_text() == "precious"


def test_an_amount_below_zero_is_no_formula_and_a_text_may_be_one() -> None:
    amounts = ("commission", "cut", "owing")
    table = pl.DataFrame({name: ["-1.00"] for name in (*amounts, "reason")})
    assert text.csv(table).decode() == "commission,cut,owing,reason\n-1.00,-1.00,-1.00,'-1.00\n"
