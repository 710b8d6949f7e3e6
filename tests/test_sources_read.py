"""config/sources.toml: what it means, and every fault of it with its line and what is right."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commission_engine.ingest.rows import Kind
from commission_engine.problems import UsageError
from commission_engine.sources import watermark
from commission_engine.sources.folder import DropFolder
from commission_engine.sources.objects import Lake
from commission_engine.sources.read import read_sources
from commission_engine.sources.sql import Growing, Query
from commission_engine.sources.values import NoText, field, text_of
from commission_engine.sources.watermark import MarkType

QUERY = """
[[source]]
name = "shop"
kind = "sql"
url_from = "SHOP_URL"
file = "earnings"
query = "SELECT id FROM sale WHERE id > :since"
watermark = "id"
start = 0
""".lstrip()


def read(path: Path, text: str) -> tuple[Any, ...]:
    path.write_text(text, "utf-8")
    return read_sources(path, {"SHOP_URL": "sqlite:///shop.db"})


def test_sources_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    more = (
        '[[source]]\nname = "drop"\nkind = "folder"\npath = "in"\nrequired = false\n'
        '[[source]]\nname = "lake"\nkind = "parquet"\nplace = "s3://b/p"\nfile = "referrals"\n'
    )
    growing = Growing("id", 0, 0)
    query = "SELECT id FROM sale WHERE id > :since"
    assert read(tmp_path / "sources.toml", QUERY + more) == (
        Query("shop", "sqlite:///shop.db", Kind.EARNINGS, query, growing),
        DropFolder("drop", Path("in"), Path("in/done"), Path("in/refused"), False),
        Lake("lake", "s3://b/p", Kind.REFERRALS),
    )


def test_a_file_that_is_not_there_has_no_source_unless_it_was_named(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "sources.toml", {}) == ()
    assert read(tmp_path / "empty.toml", "# nothing yet\n") == ()
    with pytest.raises(UsageError, match=r"sources.toml: cannot be read: No such file"):
        read_sources(tmp_path / "sources.toml", {}, expected=True)
    with pytest.raises(UsageError, match="this is not TOML"):
        read(tmp_path / "sources.toml", "[[source]\n")


def changed(old: str, new: str) -> str:
    assert old in QUERY
    return QUERY.replace(old, new)


FOLDER = '[[source]]\nname = "drop"\nkind = "folder"\n'
FAULTS = {
    "a name that is missing": (
        changed('name = "shop"\n', ""),
        '1: source 1: name: is missing; write such as name = "shop"',
    ),
    "a name with a blank": (
        changed('"shop"', '"the shop"'),
        "2: source 'the shop': name: 'the shop' is not a name of 1 to 64 letters, digits, - and _",
    ),
    "a name that is no text": (
        changed('"shop"', "7"),
        "2: source '7': name: '7' is not a name of 1 to 64 letters, digits, - and _",
    ),
    "a name twice": (
        QUERY + QUERY,
        "10: source 'shop': name: is the name of another source too; its records are by name",
    ),
    "no kind": (
        changed('kind = "sql"\n', ""),
        "1: source 'shop': kind: is missing; write one of folder, sql, parquet",
    ),
    "another kind": (
        changed('"sql"', '"ftp"'),
        "3: source 'shop': kind: 'ftp' is no kind; write one of folder, sql, parquet",
    ),
    "a key of another kind": (
        changed("start", "paht = 1\nstart"),
        "8: source 'shop': paht: is not a key of kind sql; known are name, kind, required, url,"
        " url_from, file, query, watermark, start, overlap",
    ),
    "a key with a slip": (
        changed("watermark", "watermrak"),
        "7: source 'shop': watermrak: is not a key of kind sql; did you mean 'watermark'?",
    ),
    "another table": ("[sources]\n", "1: sources: is no key here; write [[source]]"),
    "one table": ("[source]\n", ": source: write [[source]], once for each source"),
    "required": (
        FOLDER + 'path = "in"\nrequired = "no"\n',
        "5: source 'drop': required: 'no' is neither true nor false",
    ),
    "a folder without path": (
        FOLDER,
        "1: source 'drop': path: is missing; write such as path = \"inbox\"",
    ),
    "one folder for both": (
        FOLDER + 'path = "in"\ndone = "in"\n',
        "4: source 'drop': path: path, done and refused are three folders",
    ),
    "no URL": (
        changed('url_from = "SHOP_URL"\n', ""),
        "1: source 'shop': url: write one of url, a database URL, and url_from, the environment"
        " variable that holds it",
    ),
    "a variable that is not set": (
        changed("SHOP_URL", "SHOP"),
        "4: source 'shop': url_from: the environment variable SHOP is not set",
    ),
    "no URL in it": (
        changed('url_from = "SHOP_URL"', 'url = "clerk:s3cret@shop"'),
        "4: source 'shop': url: is not a database URL; write such as postgresql://user@host/name",
    ),
    "no driver": (
        changed('url_from = "SHOP_URL"', 'url = "oracle://clerk:s3cret@shop"'),
        "4: source 'shop': url: needs a driver for oracle, which is not installed; install it"
        " beside the program",
    ),
    "in memory": (
        changed('url_from = "SHOP_URL"', 'url = "sqlite://"'),
        "4: source 'shop': url: is a database in memory, which holds nothing; name a file:"
        " sqlite:///shop.db",
    ),
    "another file": (
        changed("earnings", "sales"),
        "5: source 'shop': file: 'sales' is no kind of file; write one of affiliates, referrals,"
        " earnings",
    ),
    "a name that is not known": (
        changed(":since", ":since AND day = :day"),
        "6: source 'shop': query: asks for :day; only :since is known (a colon that is meant as"
        " such is written \\\\:)",
    ),
    "a watermark that is not used": (
        changed(":since", "0"),
        "6: source 'shop': query: has a watermark and does not use it; add WHERE id >= :since",
    ),
    "since without a watermark": (
        changed('watermark = "id"\n', ""),
        "6: source 'shop': query: asks for :since without a watermark; write watermark = \"id\","
        " the column whose largest value is kept, and start",
    ),
    "no start": (
        changed("start = 0\n", ""),
        "1: source 'shop': start: is missing; write where the first fetch begins, of the column's"
        " type: 0, 2026-01-01T00:00:00Z, or a text in quotes",
    ),
    "a binary fraction": (
        changed("start = 0", "start = 0.5"),
        "8: source 'shop': start: 0.5 is no watermark; write where the first fetch begins, of the"
        " column's type: 0, 2026-01-01T00:00:00Z, or a text in quotes",
    ),
    "a timestamp of SQLite": (
        changed("start = 0", "start = 2026-01-01T00:00:00Z"),
        "8: source 'shop': start: SQLite has no timestamps; write a text in quotes, in the form"
        " that the column has",
    ),
    "no overlap": (
        QUERY + 'overlap = "1 hour"\n',
        "9: source 'shop': overlap: '1 hour' is no overlap; write a number such as 1000, or a time"
        ' such as "90s", "15m", "1h", "2d"',
    ),
    "an overlap of another type": (
        QUERY + 'overlap = "1h"\n',
        "9: source 'shop': overlap: '1h' cannot be taken from a number",
    ),
    "a place that is none": (
        '[[source]]\nname = "lake"\nkind = "parquet"\nplace = "gs://b"\nfile = "earnings"\n',
        "4: source 'lake': place: 'gs://b' is no place of files; write a folder, or such as"
        " s3://bucket/prefix",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_said_with_its_place(what: str, tmp_path: Path) -> None:
    text, said = FAULTS[what]
    path = tmp_path / "sources.toml"
    with pytest.raises(UsageError) as refused:
        read(path, text)
    faults = refused.value.message.splitlines()
    assert f"{path}:{said}".replace("::", ":") in faults
    assert "s3cret" not in refused.value.message


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    text = changed("earnings", "sales").replace("start = 0", "start = 0.5") + FOLDER
    with pytest.raises(UsageError) as refused:
        read(tmp_path / "sources.toml", text)
    assert len(refused.value.message.splitlines()) == 3


# -- watermarks

MOMENT = datetime(2026, 1, 5, 10, 0, 0, 250, UTC)


@pytest.mark.parametrize(
    ("value", "kind", "text", "back", "before"),
    [
        (7, MarkType.NUMBER, "7", 5, 2),
        (Decimal("7.50"), MarkType.NUMBER, "7.50", 5, Decimal("2.50")),
        ("a", MarkType.TEXT, "a", 0, "a"),
        (
            MOMENT,
            MarkType.TIMESTAMP,
            "2026-01-05T10:00:00.000250+00:00",
            timedelta(hours=1),
            MOMENT.replace(hour=9),
        ),
        (
            MOMENT.replace(tzinfo=None),
            MarkType.LOCAL,
            "2026-01-05T10:00:00.000250",
            timedelta(0),
            MOMENT.replace(tzinfo=None),
        ),
        (date(2026, 1, 5), MarkType.DAY, "2026-01-05", timedelta(days=5), date(2025, 12, 31)),
        (date(1, 1, 1), MarkType.DAY, "0001-01-01", timedelta(days=5), date(1, 1, 1)),
    ],
)
def test_a_watermark_is_kept_exactly_and_stepped_back(
    value: Any, kind: MarkType, text: str, back: Any, before: Any
) -> None:
    assert watermark.type_of(value) is kind
    assert (watermark.as_text(value), watermark.value_of(kind, text)) == (text, value)
    assert watermark.fits(kind, back)
    assert watermark.before(value, back) == before


def test_what_is_no_watermark_or_overlap_is_told_apart() -> None:
    assert [watermark.type_of(each) for each in (0.5, True, None, Decimal("NaN"), b"")] == [
        None
    ] * 5
    assert [watermark.overlap_of(each) for each in (-1, True, "1", "0s", "1h ", "1w", 0.5)] == (
        [None] * 7
    )
    assert watermark.overlap_of("90s") == timedelta(seconds=90)
    assert not watermark.fits(MarkType.DAY, timedelta(hours=1))
    assert not watermark.fits(MarkType.TEXT, 1)


# -- values


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("amount", 0.1, "0.1 is a binary fraction"),
        ("amount", True, "True is of type bool, which has no exact text here; cast it to NUMERIC"),
        (
            "occurred_at",
            7,
            "7 is of type int, which has no exact text here; cast it to a timestamp",
        ),
        ("event_id", Decimal("7.5"), "Decimal('7.5') is of type Decimal"),
        ("currency", 7, "7 is of type int, which has no exact text here; cast it to a text"),
        ("event_id", MOMENT, "datetime.datetime("),
        ("currency", b"USD", "b'USD' is of type bytes"),
    ],
)
def test_a_value_without_an_exact_text_is_refused(column: str, value: object, said: str) -> None:
    with pytest.raises(NoText) as refused:
        text_of(Kind.EARNINGS, column, value)
    assert str(refused.value).startswith(said)


def test_a_field_is_read_back_as_it_was() -> None:
    assert [field(text) for text in ("", "a", 'a"b', "a,b", "a\rb", " a ")] == [
        '""', "a", '"a""b"', '"a,b"', '"a\rb"', " a ",
    ]  # fmt: skip
    assert text_of(Kind.EARNINGS, "event_id", Decimal(7)) == "7"
    assert text_of(Kind.EARNINGS, "amount", Decimal("1E+3")) == "1000"
