"""Rates into the book, and who is paid in which currency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import polars as pl

from commission_engine.book import audit, facts, views
from commission_engine.book import exchange as book
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, date_of
from commission_engine.finance.rates.read import Rate, read_rates
from commission_engine.imports import Circumstances
from commission_engine.payouts.choose import NOTHING, plan_of_book
from commission_engine.problems import FileRefused, UsageError

_ADDED = {"code": pl.String, "day": pl.Int64, "rate": pl.String, "source": pl.String}


class News(NamedTuple):
    """A rate that the book did not have: how much of a currency was one euro, as text."""

    code: str
    day: Day
    per_euro: str
    source: str


@dataclass(frozen=True, slots=True)
class ImportedRates:
    """Rates of files: how many were read, and those that the book did not have, by code and
    day."""

    read: int
    news: Sequence[News]

    @property
    def accepted(self) -> int:
        return len(self.news)


def import_rates(
    connection: Connection, paths: Sequence[Path], source: str, given: Circumstances
) -> ImportedRates:
    """Import the rates of all files, or of none. FileRefused for a fault, and where the book, or
    another of the files, has another rate of a currency and day: a run may have used it."""
    decimals = plan_of_book(connection).decimals
    found: dict[tuple[str, int], tuple[Rate, Path]] = {}
    for path in paths:
        for rate in read_rates(path, decimals, source):
            known, where = found.setdefault((rate.code, rate.day), (rate, path))
            _refuse_other(rate, path, known.per_euro, str(where))
    days = [day for _, day in found]
    stored = book.rates(connection, min(days), max(days)) if days else book.rates(connection, 0, -1)
    had = {(code, day): rate for code, day, rate in
           stored.select("code", "day", "rate").iter_rows()}  # fmt: skip
    news = []
    for key, (rate, path) in sorted(found.items()):
        if key in had:
            _refuse_other(rate, path, had[key], "the book")
        else:
            news.append(News(rate.code, rate.day, rate.per_euro, rate.source))
    if news:
        files = [_named(path) for path in paths]
        what = facts.Intake(book.IMPORT, given.now, given.who, files)
        number = facts.open_intake(connection, what, len(news), len(found) - len(news), 0)
        spans = book.add_rates(connection, number, pl.DataFrame(news, _ADDED, orient="row"))
        told = {"accepted": len(news), "duplicate": len(found) - len(news), "files": files}
        audit.learned(connection, given.signed, number, told, spans)
    return ImportedRates(len(found), news)


def _named(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    digest = sha256(content).hexdigest()
    return {"name": path.name, "bytes": len(content), "sha256": digest, "header": None}


def _refuse_other(rate: Rate, path: Path, known: str, where: str) -> None:
    if known != rate.per_euro:
        raise FileRefused(
            f"{path}:{rate.line}: {rate.code} of {date_of(rate.day)} is {rate.per_euro} here and"
            f" {known} in {where}",
            "A rate never changes, for payouts may have been converted by it. Mend the file."
            " Nothing was imported.",
        )


def prefer(
    connection: Connection, wanted: Mapping[str, str], reason: str, given: Circumstances
) -> int:
    """Let these affiliates be paid in these currencies ("": in what they earn) from the next
    settlement on; how many that is news for. UsageError, and nothing kept, for one that cannot."""
    decimals = plan_of_book(connection).decimals
    before = dict(book.payout_currencies(connection).select("affiliate_id", "code").iter_rows())
    news = []
    for affiliate_id, code in sorted(wanted.items()):
        numbers = views.number_of(connection, affiliate_id)
        if not len(numbers):
            raise UsageError(f"there is no affiliate {affiliate_id!r}", "Ids are case-sensitive.")
        if code and code not in decimals:
            raise UsageError(
                f"{affiliate_id}: {code!r} is no currency that the plan knows",
                f"Write an ISO 4217 code, such as EUR. {NOTHING}",
            )
        if before.get(affiliate_id, "") != code:
            news.append((int(numbers[0]), code, reason))
    if not news:
        return 0
    if not reason.strip():
        raise UsageError("--reason is empty", f"Say why; it is kept. {NOTHING}")
    what = facts.Intake(book.PREFER, given.now, given.who)
    number = facts.open_intake(connection, what, len(news), 0, 0)
    shape = {"affiliate": pl.Int64, "code": pl.String, "reason": pl.String}
    spans = book.add_currencies(connection, number, pl.DataFrame(news, shape, orient="row"))
    told = {"reason": reason, "currencies": {name: wanted[name] for name in sorted(wanted)}}
    audit.learned(connection, given.signed, number, told, spans)
    return len(news)
