"""Text -> ids, instants, whole minor units: what is accepted, and what is said where it is not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.calendar import BEGINNING, DAY_US
from commission_engine.ingest import checks
from commission_engine.ingest.fields import (
    Typed,
    typed_affiliates,
    typed_earnings,
    typed_referrals,
)
from commission_engine.ingest.instants import instant_fault, parse_instants
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.money import BadAmount, currencies, parse_amount
from commission_engine.problems import Code, Refusal
from commission_engine.raw import kept

DECIMALS = currencies({"POINTS": 0, "BTC": 8, "GRAIN": 12})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def typed(folder: Path, kind: Kind, data: str) -> Typed:
    path = folder / f"{kind}.csv"
    path.write_bytes(data.encode())
    rows = read_rows(kind, [path])
    result = {
        Kind.EARNINGS: lambda: typed_earnings(rows, DECIMALS),
        Kind.REFERRALS: lambda: typed_referrals(rows),
        Kind.AFFILIATES: lambda: typed_affiliates(rows),
    }[kind]()
    assert result.read == rows.read == result.frame.height + len(result.refused)
    return result


def earning(folder: Path, **fields: str) -> Typed:
    """One earning: e1 of ann, 1.00 USD on 2026-01-05, but for the fields given."""
    known = {
        "event_id": "e1", "affiliate_id": "ann", "occurred_at": "2026-01-05",
        "amount": "1.00", "currency": "USD", "reverses": "",
    } | fields  # fmt: skip
    row = ",".join(quoted(field) for field in known.values())
    return typed(folder, Kind.EARNINGS, f"{','.join(known)}\n{row}\n")


def the_refusal(result: Typed) -> Refusal:
    assert (result.frame.height, len(result.refused)) == (0, 1)
    return result.refused[0]


# What comes out


def test_an_earning_is_typed_and_keeps_its_place(tmp_path: Path) -> None:
    result = typed(
        tmp_path,
        Kind.EARNINGS,
        "event_id,affiliate_id,occurred_at,amount,currency,reverses,shop\n"
        "r1,007,1970-01-02T00:00:00Z,-12.5,USD,e1,north\n",
    )
    assert result.frame.schema == {
        "event_id": pl.String, "affiliate_id": pl.String, "occurred_us": pl.Int64,
        "amount_minor": pl.Int64, "currency": pl.String, "reverses": pl.String,
        "extra": pl.String, "file": pl.Int32, "line": pl.Int64, "start": pl.Int64,
        "stop": pl.Int64,
    }  # fmt: skip
    assert result.frame.rows() == [
        ("r1", "007", DAY_US, -1250, "USD", "e1", '{"shop":"north"}', 0, 2, 64, 110)
    ]


def test_no_rows_give_the_same_columns(tmp_path: Path) -> None:
    header = "event_id,affiliate_id,occurred_at,amount,currency\n"
    none = typed(tmp_path, Kind.EARNINGS, header)
    one = typed(tmp_path, Kind.EARNINGS, header + "e1,ann,2026-01-05,1,USD\n")
    assert (none.read, none.refused, none.frame.schema) == (0, (), one.frame.schema)
    assert one.frame["reverses"].to_list() == [None]


def test_a_referral_without_since_holds_from_the_beginning(tmp_path: Path) -> None:
    for header, row in (("affiliate_id,referrer_id,since", "bob,ann,"), (
        "affiliate_id,referrer_id", "bob,ann")):  # fmt: skip
        result = typed(tmp_path, Kind.REFERRALS, f"{header}\n{row}\n")
        assert result.frame.select("affiliate_id", "referrer_id", "since_us").rows() == [
            ("bob", "ann", BEGINNING)
        ]


def test_an_empty_field_of_a_profile_is_null(tmp_path: Path) -> None:
    result = typed(
        tmp_path,
        Kind.AFFILIATES,
        "affiliate_id,name,email,locale,status\nann,Ann,,de,\nbob,,b@x,,closed\n",
    )
    assert result.frame.drop("extra", "file", "line", "start", "stop").rows() == [
        ("ann", "Ann", None, None, "de", None),
        ("bob", None, "b@x", None, None, "closed"),
    ]


# Refusals: one of each code, with everything that is said


@pytest.mark.parametrize(
    ("fields", "code", "column", "text", "message"),
    [
        (
            {"event_id": ""},
            Code.BAD_ID, "event_id", "",
            "the event_id is empty; an id has 1 to 64 characters",
        ),
        (
            {"affiliate_id": "x" * 65},
            Code.BAD_ID, "affiliate_id", "x" * 65,
            f"'{'x' * 60}'… has 65 characters; an id has 1 to 64",
        ),
        (
            {"reverses": "e\t1"},
            Code.BAD_ID, "reverses", "e\t1",
            "'e\\t1' holds the control character U+0009; remove it",
        ),
        (
            {"amount": "12,50"},
            Code.BAD_AMOUNT, "amount", "12,50",
            "'12,50' is not an amount; write digits with a point, such as 12.50",
        ),
        (
            {"amount": ""},
            Code.BAD_AMOUNT, "amount", "",
            "the amount is empty; write digits with a point, such as 12.50",
        ),
        (
            {"occurred_at": "05.01.2026"},
            Code.BAD_TIMESTAMP, "occurred_at", "05.01.2026",
            ("'05.01.2026' is not a time; write ISO 8601, such as 2026-01-31 or "
            "2026-01-31T09:30:00+01:00"),
        ),
        (
            {"occurred_at": ""},
            Code.BAD_TIMESTAMP, "occurred_at", "",
            ("the empty occurred_at is not a time; write ISO 8601, such as 2026-01-31 or "
            "2026-01-31T09:30:00+01:00"),
        ),
        (
            {"occurred_at": "2026-02-29"},
            Code.BAD_TIMESTAMP, "occurred_at", "2026-02-29",
            "'2026-02-29' is not a day of the calendar; write one that exists",
        ),
        (
            {"occurred_at": "0001-01-01T00:00+14:00"},
            Code.BAD_TIMESTAMP, "occurred_at", "0001-01-01T00:00+14:00",
            ("'0001-01-01T00:00+14:00' is outside the years 0001 to 9999 in UTC; "
            "write a time inside them"),
        ),
        (
            {"currency": "usd"},
            Code.UNKNOWN_CURRENCY, "currency", "usd",
            ("'usd' is not a currency; write its ISO 4217 code, such as USD, or declare it in the "
            "plan's [units]"),
        ),
        (
            {"currency": ""},
            Code.UNKNOWN_CURRENCY, "currency", "",
            ("the currency is empty; write its ISO 4217 code, such as USD, or declare it in the "
            "plan's [units]"),
        ),
        (
            {"amount": "-1000000000000000.00"},
            Code.AMOUNT_OUT_OF_RANGE, "amount", "-1000000000000000.00",
            "'-1000000000000000.00' has 16 digits before the point; 15 are the most",
        ),
        (
            {"amount": "10000000000", "currency": "BTC"},
            Code.AMOUNT_OUT_OF_RANGE, "amount", "10000000000",
            "'10000000000' is too large; an amount in BTC is less than 10000000000",
        ),
        (
            {"amount": "10.000"},
            Code.TOO_MANY_DECIMALS, "amount", "10.000",
            "'10.000' has 3 decimals where USD has 2",
        ),
        (
            {"amount": "1.0", "currency": "JPY"},
            Code.TOO_MANY_DECIMALS, "amount", "1.0",
            "'1.0' has 1 decimal where JPY has 0",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_found_and_what_would_be_right(
    tmp_path: Path, fields: dict[str, str], code: Code, column: str, text: str, message: str
) -> None:
    known = {
        "event_id": "e1", "affiliate_id": "ann", "occurred_at": "2026-01-05",
        "amount": "1.00", "currency": "USD", "reverses": "",
    } | fields  # fmt: skip
    raw = ",".join(quoted(field) for field in known.values())
    assert the_refusal(earning(tmp_path, **fields)) == Refusal(
        code, "earnings.csv", 2, column, text, message, raw
    )


def test_a_status_is_one_of_three_words(tmp_path: Path) -> None:
    result = typed(tmp_path, Kind.AFFILIATES, "affiliate_id,status\nann,Active\n")
    assert the_refusal(result) == Refusal(
        Code.BAD_STATUS,
        "affiliates.csv",
        2,
        "status",
        "Active",
        "'Active' is not a status; write active, suspended or closed",
        "ann,Active",
    )


def test_a_nul_in_a_profile_is_malformed(tmp_path: Path) -> None:
    result = typed(tmp_path, Kind.AFFILIATES, "affiliate_id,name\n,A\x00n\n")
    assert the_refusal(result) == Refusal(
        Code.MALFORMED_ROW,
        "affiliates.csv",
        2,
        "name",
        "A\\x00n",
        "'A\\x00n' holds a NUL character; remove it",
        kept(b",A\x00n"),
    )


def test_of_several_faults_the_first_in_rank_is_named(tmp_path: Path) -> None:
    faults = {
        "affiliate_id": "", "amount": "1,5", "occurred_at": "soon", "currency": "usd",
    }  # fmt: skip
    mended = {"affiliate_id": "ann", "amount": "1.555", "occurred_at": "2026-01-05"}
    named = []
    while faults:
        refusal = the_refusal(earning(tmp_path, **{**mended, **faults}))
        named.append(refusal.code)
        del faults[refusal.column]
    assert named == [
        Code.BAD_ID, Code.BAD_AMOUNT, Code.BAD_TIMESTAMP, Code.UNKNOWN_CURRENCY,
    ]  # fmt: skip
    assert the_refusal(earning(tmp_path, amount="1.555")).code is Code.TOO_MANY_DECIMALS
    both = earning(tmp_path, amount="1000000000000000.555")
    assert the_refusal(both).code is Code.AMOUNT_OUT_OF_RANGE


def test_refusals_of_all_kinds_are_in_the_order_of_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_BATCH", 2)
    rows = ["b,a,x", "c,a,", ",a,", "broken", "d,a,2026-01-01", "e,,", "f,a,y", "g,a,"]
    data = "affiliate_id,referrer_id,since\n" + "\n".join(rows)
    result = typed(tmp_path, Kind.REFERRALS, data)
    assert result.frame["affiliate_id"].to_list() == ["c", "d", "g"]
    assert [(refusal.line, refusal.code.value, refusal.raw) for refusal in result.refused] == [
        (2, "bad_timestamp", "b,a,x"),
        (4, "bad_id", ",a,"),
        (5, "malformed_row", "broken"),
        (7, "bad_id", "e,,"),
        (8, "bad_timestamp", "f,a,y"),
    ]


# Ids


@pytest.mark.parametrize(
    "text",
    ["007", " ann ", "ann", "Ann", "é", "e\u0301", "\u2028", "\u200b", "\ufeff", "\u202e", "=1+1",
     "x" * 64, "\U0001f600" * 64, "a\u00a0b", "a,b", 'a"b', "null", "None"],
)  # fmt: skip
def test_an_id_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    result = earning(tmp_path, event_id=text, affiliate_id=text, reverses=text)
    assert result.frame.select("event_id", "affiliate_id", "reverses").row(0) == (text,) * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x" * 65, "65 characters"),
        ("\U0001f600" * 65, "65 characters"),
        ("a\nb", "U+000A"),
        ("a\r\nb", "U+000D"),
        ("\x00", "U+0000"),
        ("a\x1f", "U+001F"),
        ("\x7f", "U+007F"),
        ("a\x80", "U+0080"),
        ("a\x85b", "U+0085"),
        ("\x9f", "U+009F"),
    ],
)
@pytest.mark.parametrize("column", ["event_id", "affiliate_id", "reverses"])
def test_an_id_that_is_none_is_refused(tmp_path: Path, column: str, text: str, said: str) -> None:
    refusal = the_refusal(earning(tmp_path, **{column: text}))
    assert (refusal.code, refusal.column) == (Code.BAD_ID, column)
    assert said in refusal.message
    assert "\x00" not in refusal.text + refusal.message + refusal.raw


# Amounts


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("0", "USD", 0),
        ("-0", "USD", 0),
        ("-0.00", "USD", 0),
        ("5", "USD", 500),
        ("5.1", "USD", 510),
        ("-5.01", "USD", -501),
        ("007.50", "USD", 750),
        ("0.05", "USD", 5),
        ("500", "JPY", 500),
        ("1.999", "KWD", 1999),
        ("-3", "POINTS", -3),
        ("0.00000001", "BTC", 1),
        ("999999999999999.99", "USD", 99999999999999999),
        ("-999999999999999.999", "KWD", -999999999999999999),
        ("000000000000001.000000000001", "GRAIN", 1000000000001),
        ("999999.999999999999", "GRAIN", 999999999999999999),
        ("9999999999.99999999", "BTC", 999999999999999999),
    ],
)
def test_an_amount_is_exact(tmp_path: Path, text: str, currency: str, minor: int) -> None:
    result = earning(tmp_path, amount=text, currency=currency)
    assert result.frame["amount_minor"].to_list() == [minor]


@pytest.mark.parametrize(
    "text",
    ["NaN", "nan", "sNaN", "Infinity", "-inf", "1e5", "1E400", "1_000", "+5", "12.", ".5", "-.5",
     " 5", "5 ", "5\n", "１２", "٣", "0x10", "--1", "-", ".", "1.2.3", "1,234.50", "12,00",
     "(5.00)", "$5", "5 USD", "1\u00a0000", "−5", "5\x00", "1'000", "½"],
)  # fmt: skip
def test_an_amount_is_ascii_digits_and_a_point(tmp_path: Path, text: str) -> None:
    refusal = the_refusal(earning(tmp_path, amount=text))
    assert (refusal.code, refusal.column) == (Code.BAD_AMOUNT, "amount")
    assert refusal.text == text.replace("\x00", "\\x00")


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("1000000000000000", "USD", Code.AMOUNT_OUT_OF_RANGE),
        ("0000000000000001", "USD", Code.AMOUNT_OUT_OF_RANGE),
        ("9" * 400, "USD", Code.AMOUNT_OUT_OF_RANGE),
        ("1000000", "GRAIN", Code.AMOUNT_OUT_OF_RANGE),
        ("-1000000.0000000000000", "GRAIN", Code.AMOUNT_OUT_OF_RANGE),
        ("0.0000000000000", "GRAIN", Code.TOO_MANY_DECIMALS),
        ("1." + "0" * 400, "USD", Code.TOO_MANY_DECIMALS),
        ("0.5", "POINTS", Code.TOO_MANY_DECIMALS),
        ("1.0000", "KWD", Code.TOO_MANY_DECIMALS),
        ("1", "XTS", Code.UNKNOWN_CURRENCY),
        ("1", "USD ", Code.UNKNOWN_CURRENCY),
    ],
)
def test_money_that_cannot_be_represented_is_refused(
    tmp_path: Path, text: str, currency: str, code: Code
) -> None:
    assert the_refusal(earning(tmp_path, amount=text, currency=currency)).code is code


@settings(max_examples=60, deadline=None)
@given(
    amounts=st.lists(
        st.tuples(
            st.from_regex(r"\A-?[0-9]{1,17}(\.[0-9]{1,14})?\Z")
            | st.text("-+.0123456789e_ ", max_size=6),
            st.sampled_from(["USD", "JPY", "KWD", "BTC", "GRAIN"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_amounts_are_those_of_the_one_at_a_time_reader(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[tuple[str, str]]
) -> None:
    rows = "".join(f'e,a,2026-01-05,"{text}",{currency}\n' for text, currency in amounts)
    header = "event_id,affiliate_id,occurred_at,amount,currency\n"
    result = typed(tmp_path_factory.mktemp("amounts"), Kind.EARNINGS, header + rows)
    got = dict(result.frame.select("line", "amount_minor").iter_rows())
    for line, (text, currency) in enumerate(amounts, 2):
        try:
            expected = parse_amount(text, DECIMALS[currency])
        except BadAmount:
            assert line not in got
        else:
            assert got[line] == expected == int(Decimal(text).scaleb(DECIMALS[currency]))


# Times


def instants(*texts: str) -> list[int | None]:
    return parse_instants(pl.Series(texts, dtype=pl.String)).to_list()


def us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)


GOOD = (
    "2026-01-05",
    "2024-02-29",
    "2000-02-29",
    "0001-01-01",
    "9999-12-31",
    "1969-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "2026-01-05T00:00",
    "2026-01-05T23:59",
    "2026-01-05T09:30Z",
    "2026-01-05T09:30+01:00",
    "2026-01-05T09:30-0130",
    "2026-01-05T09:30+01",
    "2026-01-05T09:30-23:59",
    "2026-01-05T09:30:15",
    "2026-01-05T09:30:15+05:30",
    "2026-01-05T09:30:15.1Z",
    "2026-01-05T09:30:15.12-02:00",
    "2026-01-05T09:30:15.123",
    "2026-01-05T09:30:15.1234",
    "2026-01-05T09:30:15.12345",
    "2026-01-05T09:30:15.123456+00:00",
    "0001-01-01T00:00-00:01",
    "9999-12-31T23:59+14:00",
)

BAD = (
    "", " ", "soon", "2026", "2026-01", "2026-1-5", "20260105", "20260105T093000Z", "2026-W02-1",
    "2026-005", "2026-02-29", "1900-02-29", "2026-02-30", "2026-04-31", "2026-13-01", "2026-00-01",
    "2026-01-00", "2026-01-32", "0000-01-01", "0000-02-29", "10000-01-01", "-2026-01-05",
    "+2026-01-05", "2026-01-05 09:30", "2026-01-05t09:30", "2026-01-05T09:30z", "2026-01-05T",
    "2026-01-05T09", "2026-01-05T09Z", "2026-01-05T0930", "2026-01-05T24:00", "2026-01-05T24:00:00",
    "2026-01-05T09:60", "2026-01-05T09:30:60", "2026-12-31T23:59:60Z", "2026-01-05T9:30",
    "2026-01-05T09:30:15.", "2026-01-05T09:30:15.1234567", "2026-01-05T09:30:15,5",
    "2026-01-05T09:30.5", "2026-01-05T09:30+24:00", "2026-01-05T09:30+01:60", "2026-01-05T09:30+1",
    "2026-01-05T09:30+010", "2026-01-05T09:30+01:00:00", "2026-01-05T09:30 +01:00",
    "2026-01-05T09:30Z+01:00", "2026-01-05Z", "2026-01-05+01:00", "2026-01-05T09:30:15Z ",
    " 2026-01-05", "2026-01-05\n", "2026-01-05T09:30\u2212" + "01:00", "２０２６-01-05",
    "0001-01-01T00:00+14:00", "0001-01-01T00:00+00:01", "9999-12-31T23:59-00:01", "1767600000",
    "2026-01-05T09:30:15[UTC]", "2026-01-05T09:30 UTC", "2026/01/05",
)  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_time_is_read_exactly(text: str) -> None:
    assert instants(text) == [instants_by_hand(text)]


def instants_by_hand(text: str) -> int:
    """Through datetime where it can: an offset at the edge of the years is taken by itself."""
    if text.startswith(("0001", "9999")) and "T" in text and text[-6] in "+-":
        sign = -1 if text[-6] == "-" else 1
        minutes = sign * (int(text[-5:-3]) * 60 + int(text[-2:]))
        return us(text[:-6]) - minutes * 60_000_000
    return us(text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_not_a_time_is_refused_with_a_sentence(text: str) -> None:
    assert instants(text) == [None]
    assert instant_fault(text).startswith("is ")


def test_times_do_not_depend_on_their_neighbours() -> None:
    together = instants(*GOOD, *BAD, *GOOD)
    good = [instants_by_hand(text) for text in GOOD]
    assert together == [*good, *[None] * len(BAD), *good]
    assert instants() == []


def test_every_day_of_the_calendar_is_its_number() -> None:
    days = pl.int_range(-719_162, 2_932_897, 97, dtype=pl.Int32, eager=True)
    texts = days.cast(pl.Date).dt.to_string("%Y-%m-%d")
    assert (parse_instants(texts) == days.cast(pl.Int64) * DAY_US).all()
    for year in ("1600", "1700", "1999", "2000", "2023", "2024", "2100"):
        sound = [
            f"{year}-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32)
            if day <= 28 or exists(int(year), month, day)
        ]  # fmt: skip
        assert instants(*sound) == [us(text) for text in sound]
        every = [f"{year}-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 32)]
        refused = [text for text, us_ in zip(every, instants(*every), strict=True) if us_ is None]
        assert refused == [text for text in every if text not in sound]


def exists(year: int, month: int, day: int) -> bool:
    try:
        return bool(datetime(year, month, day, tzinfo=UTC))
    except ValueError:
        return False


def test_a_table_of_decimals_and_timestamps_is_typed(tmp_path: Path) -> None:
    path = tmp_path / "earnings.parquet"
    pl.DataFrame(
        {
            "event_id": [1, 2, 3],
            "affiliate_id": ["ann", "ann", None],
            "occurred_at": [EPOCH, EPOCH + timedelta(days=1), EPOCH],
            "amount": [Decimal("1.50"), Decimal("1.00"), Decimal("1.00")],
            "currency": ["USD", "JPY", "USD"],
        }
    ).write_parquet(path)
    result = typed_earnings(read_rows(Kind.EARNINGS, [path]), DECIMALS)
    assert result.frame.select("event_id", "occurred_us", "amount_minor").rows() == [
        ("1", 0, 150),
        ("2", DAY_US, 1),
    ]
    assert result.refused == (
        Refusal(
            Code.BAD_ID,
            "earnings.parquet",
            3,
            "affiliate_id",
            "",
            "the affiliate_id is empty; an id has 1 to 64 characters",
            '{"event_id":3,"affiliate_id":null,"occurred_at":"1970-01-01T00:00:00+00:00",'
            '"amount":"1.00","currency":"USD"}',
        ),
    )
