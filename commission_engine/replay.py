"""A past run computed again, with the code at hand, beside what was written then.

For one run those before it are computed as well, for what their lines had counted towards caps;
nothing is compared of them.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine.book import exchange, holds, runs, single, views
from commission_engine.book.connect import Connection, Engine, reading
from commission_engine.book.lines import LineStore, where_kept
from commission_engine.calendar import Day, date_of
from commission_engine.decide.kernel import REASONS
from commission_engine.decide.used import UsedInMemory
from commission_engine.derive import Derivation, beside
from commission_engine.explain.find import explain_line
from commission_engine.explain.history import Book, completed_of
from commission_engine.explain.said import Explanation
from commission_engine.explain.settled import explain_statement
from commission_engine.ledger.accounts import Account, Kind
from commission_engine.ledger.available import as_booked_now
from commission_engine.money import plain
from commission_engine.night import Say
from commission_engine.plan.record import plan_hash
from commission_engine.problems import CommissionError, TryAgain, UsageError
from commission_engine.published import MISSING, NOT_KNOWN, compared

KEYS = {
    "line": ("event", "level"),
    "activity": ("affiliate", "currency"),
    "entry": ("affiliate", "currency", "kind", "available_day"),
    "statement": ("affiliate", "currency"),
    "payout": ("affiliate", "currency"),
    "conversion": ("affiliate", "currency"),
    "hold": ("id",),
}
"""By what the rows of one run in a table are told apart."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not the same. `stored` and `recomputed` are rows in words, texts, or
    None where there is nothing; `explanation` is how the line or statement comes about."""

    what: str
    name: str
    stored: Row | str | None
    recomputed: Row | str | None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run that was computed again; `difference` is None where all is identical."""

    run: runs.Run
    events: int
    lines: int
    files: int
    notes: tuple[str, ...]
    difference: Difference | None


def replay(
    engine: Engine,
    day: Day | None,
    out: Path | None,
    say: Say = lambda stage: None,
    kept_in: str | None = None,
) -> list[Replayed]:
    """Compute the run of `day` again, or all (None), and compare with the book.

    Where `out` is given the files below it are compared too. `kept_in` is where the book's lines
    are, if they are in segments that have been moved. UsageError where there is no such run.
    """
    with reading(engine) as connection:
        completed = completed_of(connection)
        if day is not None and day not in [each.day for each in completed]:
            raise UsageError(
                f"there is no completed run for {date_of(day)}", "`commission runs` lists all."
            )
        store, used = where_kept(connection, kept_in), UsedInMemory()
        replayed = []
        for place, run in enumerate(completed):
            if day is not None and run.day > day:
                break
            again = Derivation(connection, completed[:place], run, used)
            say(f"run {date_of(run.day)}")
            if day in (None, run.day):
                replayed.append(_compared(again, store, out, kept_in))
            else:
                _ = again.decision  # its counts are in `used` now
        return replayed


def _compared(
    again: Derivation, store: LineStore, out: Path | None, kept_in: str | None
) -> Replayed:
    compare = _Comparison(again, store, out, kept_in)
    difference: Difference | None
    try:
        difference = next(compare.differences(), None)
    except TryAgain:
        raise
    except CommissionError as why:
        difference = Difference("run", compare.name, "cannot be computed again", why.message)
    except (ArithmeticError, LookupError, TypeError, ValueError, pl.exceptions.PolarsError) as why:
        difference = Difference("run", compare.name, "rows that make no sense", repr(why))
    events = lines = 0
    with suppress(CommissionError, ArithmeticError, LookupError, TypeError, ValueError):
        events, lines = len(again.due.events), len(again.decision.lines)
    return Replayed(again.run, events, lines, compare.files, tuple(compare.notes), difference)


class _Comparison:
    """One run, from the book and computed again; counts the files it has looked at."""

    def __init__(
        self, again: Derivation, store: LineStore, out: Path | None, kept_in: str | None
    ) -> None:
        self._again, self._store, self._out, self._kept_in = again, store, out, kept_in
        self.name = date_of(again.run.day).isoformat()
        self.notes: list[str] = []
        self.files = 0

    @property
    def _connection(self) -> Connection:
        return self._again.connection

    def differences(self) -> Iterator[Difference]:
        """In the order in which a run comes about; whoever wants the first asks for no more."""
        run, again = self._again.run, self._again
        yield from self._values("plan's SHA-256", run.plan_hash, plan_hash(again.plan))
        yield from self._values(
            "first event that waits", str(run.waiting_from), str(again.due.waiting_from)
        )
        for stored, derived in beside(self._store.of_run(self._connection, run.day), again.lines):
            yield from self._rows("line", stored, derived)
        yield from self._table("activity", again.active)
        paid = pl.col("kind") == Kind.PAID
        entries = views.stored(self._connection, "entry", run.day)
        accrued = as_booked_now(entries.filter(~paid), run.day)
        yield from self._rows("entry", accrued, again.entered)
        yield from self._values("settlement", str(run.settles), str(again.settles))
        yield from self._rows("hold", holds.stored(self._connection, run.day), again.holds)
        yield from self._table("statement", again.statements)
        yield from self._table("payout", again.payouts)
        yield from self._rows("entry", entries.filter(paid), again.payments)
        converted = exchange.stored(self._connection, run.day)
        yield from self._rows("conversion", converted, again.conversions)
        yield from self._values("figures", _sorted(dict(run.figures)), _sorted(again.figures))
        if self._out is not None:
            yield from self._files(self._out)

    def _values(self, what: str, stored: str, recomputed: str) -> Iterator[Difference]:
        if stored != recomputed:
            yield Difference(what, self.name, stored, recomputed)

    def _table(self, table: str, derived: pl.DataFrame | None) -> Iterator[Difference]:
        stored = views.stored(self._connection, table, self._again.run.day)
        yield from self._rows(table, stored, derived)

    def _rows(
        self, table: str, stored: pl.DataFrame, derived: pl.DataFrame | None
    ) -> Iterator[Difference]:
        expected = stored.clear() if derived is None else derived.select(stored.columns)
        if stored.equals(expected):
            return
        key = list(KEYS[table])
        unlike = [
            one.join(other, on=stored.columns, how="anti", nulls_equal=True).sort(key)
            for one, other in ((stored, expected), (expected, stored))
        ]
        firsts = pl.concat([each.select(key).head(1) for each in unlike]).sort(key).head(1)
        if not firsts.height:
            return
        was, now = (_only(each.join(firsts, on=key, how="semi")) for each in unlike)
        yield self._difference(table, was, now)

    def _difference(self, table: str, was: Row | None, now: Row | None) -> Difference:
        either = was or now or {}
        if table == "hold":
            return Difference(table, str(either["id"]), _texts(was), _texts(now))
        if table == "line":
            event_id = single.event_id_of(self._connection, either["event"])
            code = single.currency_of_event(self._connection, either["event"])
            name = f"{event_id}.{either['level']}"
            explanation = self._explained(lambda book: explain_line(
                book, event_id, either["level"]))  # fmt: skip
            sides = [self._said(row, row["beneficiary"] if row else 0, code) for row in (was, now)]
            return Difference(table, name, sides[0], sides[1], explanation)
        whose, code = either["affiliate"], either["currency"]
        affiliate_id, currency, _ = single.account_of(self._connection, whose, code)
        explanation = None
        if table in ("statement", "payout"):
            day = self._again.run.day
            explanation = self._explained(lambda book: explain_statement(book, day, affiliate_id))
        sides = [self._said(row, whose, code) for row in (was, now)]
        return Difference(table, f"{affiliate_id} {currency}", sides[0], sides[1], explanation)

    def _explained(self, how: Any) -> Explanation | None:
        """None where the book's rows are such that nothing can be said of them."""
        with suppress(CommissionError, ArithmeticError, LookupError, TypeError, ValueError):
            explanation: Explanation = how(Book.at(self._connection, self._store))
            return explanation
        return None

    def _said(self, row: Row | None, whose: int, code: int) -> Row | None:
        """A row without numbers of the book: ids, codes, days and plain amounts."""
        if row is None:
            return None
        affiliate_id, currency, decimals = single.account_of(self._connection, whose, code)
        return dict(_cell(name, value, affiliate_id, currency, decimals)
                    for name, value in row.items() if name not in ("event", "run_day"))  # fmt: skip

    def _files(self, out: Path) -> Iterator[Difference]:
        """The files below `out`; by now the book's rows are known to be what is computed again."""
        run = self._again.run
        for path, fault in compared(
            self._connection, run, out, self._kept_in, self.notes, anew=True
        ):
            if fault == NOT_KNOWN:
                continue
            self.files += 1
            if fault == MISSING:
                yield Difference("file", str(path), None, "a file of this run")
            elif fault:
                yield Difference("file", str(path), "other bytes", "the bytes of this run")


def _only(rows: pl.DataFrame) -> Row | None:
    return rows.row(0, named=True) if rows.height else None


def _texts(row: Row | None) -> Row | None:
    return None if row is None else {name: str(value) for name, value in row.items()}


def _cell(
    name: str, value: Any, affiliate_id: str, currency: str, decimals: int
) -> tuple[str, str]:
    """A cell of a stored row as files say it."""
    if name == "to_minor":  # in a currency of its own
        return name, str(value)
    names: dict[str, Sequence[Any]] = {
        "kind": [None, *(each.name.lower() for each in Kind)],
        "debit_account": [None, *(each.name.lower() for each in Account)],
        "credit_account": [None, *(each.name.lower() for each in Account)],
        "reason": [str(each) for each in REASONS],
    }
    if name in ("affiliate", "beneficiary"):
        return f"{name}_id", affiliate_id
    if name == "currency":
        return name, currency
    if name.endswith("_minor"):
        return name.removesuffix("_minor"), plain(value, decimals)
    if name.endswith("_day") or name == "period_from":
        return name, date_of(value).isoformat()
    if name in names and 0 <= value < len(names[name]):
        return name, names[name][value]
    return name, str(value)


def _sorted(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
