"""Books of every earlier revision come up to date: all is proved, and the files have the bytes that
were published then."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from old_books import REVISIONS, carried_over, old_book, published, revision_of
from program import Program, program_in

from commission_engine.book import revisions
from commission_engine.book.connect import connect, writing

NIGHTS = ("2026-01-31", "2026-02-28", "2026-03-31")


def test_there_is_a_book_of_every_revision_that_a_program_came_with() -> None:
    assert REVISIONS == ("0001", "0002", "0003", "0004", "0005", "0006")


@pytest.fixture
def book(kind: str, revision: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A populated book of an earlier revision."""
    url = old_book(revision, tmp_path / "old.db")
    if kind == "sqlite":
        yield url
        return
    with request.getfixturevalue("postgresql_empty")() as target:
        carried_over(url, target)
        yield target


@pytest.fixture
def old(
    book: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Program:
    return program_in(tmp_path, book, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("revision", "kind"),
    [*((each, "sqlite") for each in REVISIONS), ("0001", "postgresql"), ("0006", "postgresql")],
)
def test_an_old_book_comes_up_to_date(
    old: Program, book: str, revision: str, tmp_path: Path
) -> None:
    assert revision_of(connect(book)) == revision
    for night in NIGHTS:
        assert old("run", "--date", night).code == 0
    found = {
        path.relative_to(tmp_path / "out").as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == published(revision)
    proof = old("verify")
    assert (proof.code, proof.err) == (0, "")
    assert proof.out == "3 runs, 16 events, 28 lines and 35 files looked at: all agree\n"
    assert old("replay", "2026-01-31", "--no-files").code == 0
    assert old("db", "check").code == 0
    assert "The order comes to 300.00; 20% of it is 60.00." in old("explain", "e02.1").out


@pytest.mark.parametrize(("revision", "kind"), [("0001", "sqlite")])
def test_one_revision_at_a_time_is_the_same_and_the_nights_go_on(
    old: Program, book: str, tmp_path: Path
) -> None:
    """The next night has a refund of an order that the old program decided."""
    engine = connect(book)
    for each in every_revision():
        with writing(engine) as connection:
            revisions.move(connection, each)
        assert revision_of(engine) == each
    late = tmp_path / "next.csv"
    late.write_text(
        "event_id,affiliate_id,occurred_at,amount,currency,reverses\n"
        "r9,dee,2026-04-02,-100.00,USD,e01\nn1,dee,2026-04-03,10.00,USD,\n",
        "utf-8",
    )
    assert old("import", "earnings", late).code == 0
    assert old("run", "--date", "2026-04-30").code == 0
    proof = old("verify", "--no-files")
    assert (proof.code, proof.err) == (0, "")


def every_revision() -> list[str]:
    return [f"{number:04}" for number in range(1, int(revisions.newest()) + 1)]
