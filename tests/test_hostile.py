"""Files that mean harm come to what is written beside each of them, and hurt nothing around them.

The cases and their verdicts are in `hostile.py`; each is imported into a real book, beside a good
file, and compared with `letter.py` as well.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import letter
import polars as pl
import pytest
import sqlalchemy as sa
from hostile import (
    AFFILIATES,
    DECIMALS,
    EARNINGS,
    GIVEN,
    GOOD,
    LAST,
    ROW,
    Case,
    Desk,
    cases,
    desk,
    good,
    printed,
)

from commission_engine.imports import import_rows
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.problems import FileRefused
from commission_engine.verify import verify

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def own() -> Iterator[Desk]:
    with desk() as found:
        yield found


def topic(case: Case) -> str:
    return case.name.partition(":")[0].partition(" cut at")[0]


TOPICS = sorted({topic(case) for case in cases()})


def test_there_are_many_and_each_has_its_verdict() -> None:
    assert len(cases()) >= 1400
    assert len({(case.kind, case.file, case.data) for case in cases()}) >= 1400
    assert all(case.verdict for case in cases())
    assert len(TOPICS) >= 19


@pytest.mark.parametrize("about", TOPICS)
def test_what_comes_of_a_hostile_file_is_what_is_written(own: Desk, about: str) -> None:
    found = [
        f"{case.name}: {fault}"
        for case in cases()
        if topic(case) == about
        for fault in case.faults(own)
    ]
    assert found == []


def test_every_code_of_an_input_row_is_tried() -> None:
    known = {"accepted", "duplicate"}
    written = {word for case in cases() for word in re.findall(r"[a-z]+_?[a-z_]+", case.verdict)}
    assert written >= known | set(letter.CODES)


def test_good_rows_come_to_the_same_without_the_bad_ones(own: Desk) -> None:
    bad = [case.data.removeprefix(EARNINGS).removesuffix(LAST) for case in cases()
           if topic(case) in ("amount", "time", "quotes") and case.data.startswith(EARNINGS)
           and case.data.endswith(b"\n") and len(case.data) < 1000]  # fmt: skip
    rows = [b'"g%d","ann",2026-01-05,%d.00,USD,\n' % (n, n) for n in range(len(bad))]
    mixed = b"".join(line for pair in zip(rows, bad, strict=True) for line in pair)
    alone = own.judge("earnings", EARNINGS + b"".join(rows))
    beside = own.judge("earnings", EARNINGS + mixed)
    assert len(rows) > 150
    assert list(beside.faults("earnings", EARNINGS + mixed)) == []
    ours = [row for row in beside.prints if row[0].startswith("g")]
    assert ours == list(alone.prints)
    assert beside.good == alone.good


def test_rows_that_are_refused_again_are_not_kept_again_and_accepted_ones_are_known(
    own: Desk,
) -> None:
    mixed = EARNINGS + b"".join(
        case.data.removeprefix(EARNINGS).removesuffix(LAST).replace(b'"e1"', b'"e%d"' % n)
        for n, case in enumerate(cases())
        if topic(case) in ("amount", "time") and len(case.data) < 1000
    )
    path = own.folder / "mixed.csv"
    path.write_bytes(mixed)
    count = sa.text("SELECT count(*) FROM refusal")
    with own.imported("earnings", [path]) as (connection, first):
        rows = printed(connection, "earnings")
        kept = connection.execute(count).scalar_one()
        again = import_rows(connection, read_rows(Kind.EARNINGS, [path]), GIVEN)
        assert (again.accepted, again.duplicate) == (0, first.accepted + first.duplicate)
        assert again.refused == first.refused
        assert first.accepted > 50
        assert first.rejected > 100
        assert connection.execute(count).scalar_one() == kept == first.rejected
        assert printed(connection, "earnings") == rows


def test_a_book_that_took_many_of_them_proves(tmp_path: Path) -> None:
    with desk() as own:
        some = [case for case in cases() if topic(case) in ("id", "profile", "quotes")]
        for number, case in enumerate(some):
            if case.verdict.startswith("refused") or number % 4:
                continue
            path = own.folder / f"{number}.csv"
            path.write_bytes(case.data)
            with own.worker.writing() as connection:
                import_rows(connection, read_rows(Kind(case.kind), [path]), GIVEN)
        assert verify(own.worker.engine, None).differences == []


def test_a_file_is_one_row_too_many_for_no_other(own: Desk) -> None:
    """A file that is refused takes the whole import with it, and nothing of it is kept."""
    paths = [own.folder / "a.csv", own.folder / "b.csv"]
    paths[0].write_bytes(GOOD["earnings"])
    paths[1].write_bytes(b"event_id\n")
    with pytest.raises(FileRefused), own.imported("earnings", paths):
        pass
    with own.imported("earnings", paths[:1]) as (connection, _):
        assert tuple(printed(connection, "earnings")) == good("earnings")


# What was found, and mended


def test_an_unknown_column_may_come_twice_and_keeps_both_values(tmp_path: Path) -> None:
    path = tmp_path / "affiliates.csv"
    path.write_bytes(b"x,affiliate_id,y,x,x\n1,ann,2,3,\n")
    rows = read_rows(Kind.AFFILIATES, [path])
    assert rows.frame["extra"].to_list() == ['{"x":["1","3",""],"y":"2"}']


def test_a_known_column_may_not_come_twice(tmp_path: Path) -> None:
    path = tmp_path / "affiliates.csv"
    for name in ("affiliate_id", "status"):
        path.write_bytes(f"affiliate_id,status,{name}\n".encode())
        with pytest.raises(FileRefused, match=f"line 1 names the column '{name}' more than once"):
            read_rows(Kind.AFFILIATES, [path])


def test_a_row_of_a_table_with_a_date_that_no_calendar_has_is_kept_whole(own: Desk) -> None:
    case = next(case for case in cases() if case.name == "Parquet: the last microsecond")
    (refusal,) = own.judge("earnings", case.data, case.file).refusals
    assert (refusal.column, refusal.text) == ("occurred_at", "9223372036854775807")
    assert '"occurred_at":"9223372036854775807"' in refusal.raw


def test_dates_of_a_table_are_kept_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    day = pl.Series([20458, None]).cast(pl.Date)
    moments = pl.Series([1_500_000, 253_402_300_800_000_000])
    moment = moments.cast(pl.Datetime("us", "Europe/Berlin"))
    pl.DataFrame({"affiliate_id": ["a", "b"], "d": day, "m": moment}).write_parquet(path)
    rows = read_rows(Kind.AFFILIATES, [path])
    assert rows.frame["extra"].to_list() == [
        '{"d":"2026-01-05","m":"1970-01-01T01:00:01.500+01:00"}',
        '{"d":null,"m":"+10000-01-01T01:00:00+01:00"}',
    ]


def test_a_file_whose_name_is_no_text_is_imported(own: Desk) -> None:
    came = own.judge("earnings", EARNINGS + b"x\n", b"caf\xe9.csv".decode(errors="surrogateescape"))
    assert [each.file for each in came.kept] == ["caf\\xe9.csv"]


def test_a_name_that_the_file_system_refuses_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="the file cannot be read: File name too long"):
        read_rows(Kind.EARNINGS, [tmp_path / ("x" * 300 + ".csv")])


def test_a_file_that_begins_with_blank_lines_without_end_is_not_called_empty(own: Desk) -> None:
    came = own.judge("earnings", b"\n" * (3 << 20) + EARNINGS + ROW)
    assert came.refused == "the file begins with 2097152 blank bytes"
    assert own.judge("earnings", b"\r\n" * (1 << 19) + EARNINGS + ROW).said == "accepted 1"


def test_a_profile_of_many_bytes_that_are_no_text_is_kept_byte_for_byte(own: Desk) -> None:
    data = AFFILIATES + b"a," + b"\xff\x00" * 50_000 + b",\n"
    assert list(own.judge("affiliates", data).faults("affiliates", data)) == []
    assert letter.read("affiliates", data, DECIMALS)[0].verdict == "malformed_row"
