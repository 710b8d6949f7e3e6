"""The journal of a period in a folder, for another ledger; proved as every export is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from commission_engine.book import facts
from commission_engine.book.connect import Connection
from commission_engine.finance.exports.export import EXPORTS, FORMAT, told_period
from commission_engine.finance.exports.period import Asked, Period, period_of
from commission_engine.finance.exports.place import Placed, put
from commission_engine.finance.exports.proof import bytes_of
from commission_engine.finance.exports.tables import JOURNAL
from commission_engine.finance.journals import plain_text, sheets
from commission_engine.finance.journals.accounts import Chart
from commission_engine.finance.journals.entries import (
    Entry,
    Standing,
    accounts_of_book,
    entries,
)
from commission_engine.finance.journals.proof import Proof
from commission_engine.ledger.accounts import Account
from commission_engine.problems import OutOfBalance
from commission_engine.publish.folder import Draft, Made


def export_journal(
    connection: Connection, chart: Chart, asked: Asked, folder: Path | None, out: Path
) -> Placed:
    """Export into `folder`; where none is named into one below `out`."""
    period = period_of(connection, asked, whole=True)
    programme = facts.plan_of(connection, period.runs[-1].plan_version).name
    expected = Proof()

    def files(_: Draft) -> Iterator[Made]:
        booked = _watched(connection, period, expected)
        if chart.ledger in plain_text.SYNTAX:
            book = accounts_of_book(connection, period.last)
            standings = [Standing(*row) for row in book.iter_rows()]
            whole = period.from_the_beginning
            yield from plain_text.files(
                chart, programme, booked, standings, period.last, whole=whole
            )
        else:
            yield from sheets.files(chart, programme, sheets.Summary(booked))

    def manifest(written: Mapping[str, Path]) -> dict[str, Any]:
        found = Proof(expected.decimals)
        for name, path in written.items():
            if name.startswith("journal"):
                if chart.ledger in plain_text.SYNTAX:
                    plain_text.read_back(chart, path, found)
                else:
                    sheets.read_back(chart, path, found)
        _agree(chart, found, expected)
        return {
            "format": FORMAT,
            "programme": programme,
            "export": JOURNAL.name,
            "ledger": str(chart.ledger),
            **told_period(JOURNAL, period),
            **found.told(),
            "files": {name: bytes_of(path) for name, path in written.items()},
        }

    named = period.named(JOURNAL.name, chart.ledger)
    return put(folder or out / EXPORTS / named, files, manifest)


def _watched(connection: Connection, period: Period, proof: Proof) -> Iterator[Entry]:
    for frame in entries(connection, period):
        for row in frame.iter_rows():
            entry = Entry(*row)
            proof.decimals[entry.currency] = entry.decimals
            proof.entries += 1
            proof.book(Account(entry.debit_account), entry.currency, entry.amount)
            proof.book(Account(entry.credit_account), entry.currency, -entry.amount)
            yield entry


def _agree(chart: Chart, found: Proof, expected: Proof) -> None:
    """A summary has fewer entries, the sums are the same, and each currency comes to nothing."""
    counted = chart.ledger not in plain_text.SYNTAX or found.entries == expected.entries
    balanced = not any(sum(sums.values()) for sums in found.sums.values())
    if not (balanced and counted and found.sums == expected.sums):
        raise OutOfBalance(
            f"journal: the files on the disk come to {found.told()}, the book to {expected.told()}",
            "Nothing was exported. Look at `commission verify`, and at the disk.",
        )
