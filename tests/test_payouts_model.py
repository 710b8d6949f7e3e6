"""Random days of people at work on payouts, beside a model of a few lines: no money is lost, none
is paid twice, whatever is repeated, refused or killed.

COMMISSION_PAYOUT_WORLDS says how many go through SQLite (6); two others go through both databases,
which must come to the same files to pay.
"""

import csv
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engines import NOW, SIGNED, Fresh, add_facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reference import BOB_OF_ANN, bob, day, level, night, plan
from worlds import WORLDS

from commission_engine.book import audit, facts, views
from commission_engine.book import payouts as book
from commission_engine.book.connect import connect, reading
from commission_engine.book.facts import Intake
from commission_engine.book.lock import Worker, working
from commission_engine.decide.reference import Night
from commission_engine.imports import Circumstances
from commission_engine.ledger.life import BACK, LEGAL, OUT, State
from commission_engine.night import Outputs, run_night
from commission_engine.payouts import export as exporting
from commission_engine.payouts.approve import Approval, approve, reject, withdraw
from commission_engine.payouts.choose import Wanted, stepped
from commission_engine.payouts.export import Order, export
from commission_engine.payouts.mark import mark, override
from commission_engine.problems import UsageError
from commission_engine.publish.ids import payout_id
from commission_engine.verify import verify

MANY = int(os.environ.get("COMMISSION_PAYOUT_WORLDS", "6"))
LEAST = 10
PLAN = plan(level(1, "100%"), minimum={"USD": LEAST})
GIVEN = Circumstances("the tests", NOW)


class Killed(BaseException):
    """The end of a process, at one of the steps of an export."""


@dataclass
class Model:
    """ann in one currency: what she earned stands in exactly one place."""

    balance: int = 0
    back: int = 0
    fresh: int = 0
    earned: int = 0
    active: bool = True
    waived: bool = False
    payouts: dict[str, tuple[int, State]] = field(default_factory=dict)

    def night(self, name: str) -> None:
        self.balance += self.fresh + self.back
        self.earned += self.fresh
        self.fresh = self.back = 0
        if self.active and self.balance > 0 and (self.balance >= LEAST or self.waived):
            self.payouts[name] = (self.balance, State.PENDING)
            self.balance = 0
        self.waived = False

    def step(self, name: str, to: State) -> None:
        minor, was = self.payouts[name]
        assert to in LEGAL[was], f"{name}: {was} to {to}"
        self.payouts[name] = (minor, to)
        if to in BACK:
            self.back += minor

    def those(self, *states: State) -> list[str]:
        return [name for name, (_, state) in self.payouts.items() if state in states]

    def check(self) -> None:
        out = sum(minor for minor, state in self.payouts.values() if state not in BACK)
        assert self.earned == out + self.balance + self.back


@dataclass
class Office:
    """A real book with its people, and the model beside it."""

    worker: Worker
    folder: Path
    model: Model = field(default_factory=Model)
    today: int = day("2026-01-05")
    serial: int = 0
    batches: list[str] = field(default_factory=list)
    at_the_bank: Counter[str] = field(default_factory=Counter)

    def learn(self, news: Night) -> None:
        add_facts(self.worker, PLAN, news, self.folder)

    def earn(self, amount: int) -> None:
        self.serial += 1
        self.learn(night("2026-01-05", bob(f"e{self.serial}", "2026-01-05", amount)))
        self.model.fresh += amount

    def run(self) -> None:
        run_night(self.worker, self.today, Outputs("none"), lambda: NOW)
        self.model.night(payout_id("acme", self.today, "ann", "USD"))
        with reading(self.worker.engine) as connection:
            owed = views.balances(connection, self.today)["closing_minor"].sum()
        assert owed == self.model.balance
        self.today += 1

    def stand(self, active: bool) -> None:
        if active is not self.model.active:
            status = "active" if active else "suspended"
            self.learn(night("2026-01-05", ann=status))
            self.model.active = active

    def override(self) -> None:
        with self.worker.writing() as connection:
            if "USD" in facts.currency_codes(connection):
                override(connection, "ann", "USD", "leaves", GIVEN)
                self.model.waived = True

    def approve(self) -> None:
        pending = self.model.those(State.PENDING)
        for _ in range(2):  # whatever is repeated
            with self.worker.writing() as connection:
                done = approve(connection, Wanted(), "", GIVEN, Approval.ONE_PERSON)
        assert done.payouts.height == 0
        for name in pending:
            self.model.step(name, State.APPROVED)

    def withdraw(self) -> None:
        with self.worker.writing() as connection:
            found = book.payouts(connection, book.in_state(State.APPROVED))
            for batch in found["batch"].unique().sort():
                withdraw(connection, batch, "too early", GIVEN)
        for name in self.model.those(State.APPROVED):
            self.model.step(name, State.PENDING)

    def reject(self, which: int) -> None:
        name = self._one(which)
        if not name or not self._does(name, State.VOIDED):
            return
        with self.worker.writing() as connection:
            done = reject(connection, Wanted(ids=(name,)), "wrong", GIVEN)
        if done.payouts.height:
            self.model.step(name, State.VOIDED)
        for other in done.withdrawn["payout_id"] if done.withdrawn is not None else ():
            self.model.step(other, State.PENDING)

    def mark(self, which: int, to: State, *, sent_back: bool) -> None:
        name = self._one(which)
        if not name:
            return
        state = self.model.payouts[name][1]
        sent_back = sent_back and to is State.FAILED
        may = to in LEGAL[state] and (state is not State.PAID or sent_back) and (
            state in (State.EXPORTED, State.PAID)
        )  # fmt: skip
        try:
            with self.worker.writing() as connection:
                mark(connection, Wanted(ids=(name,)), to, "so", GIVEN, sent_back=sent_back)
        except UsageError:
            assert not may
            assert state is not to
            return
        assert may or state is to
        if state is not to:
            self.model.step(name, to)

    def export(self, killed_at: int) -> None:
        """Killed at a step, if it comes so far; the bank takes away whatever has appeared."""
        with failing(killed_at) as struck:
            try:
                export(self.worker, self._order, GIVEN)
            except Killed:
                assert struck
        self._bank()
        if self.model.active:
            for name in self._in_files():
                if self.model.payouts[name][1] is State.APPROVED:
                    self.model.step(name, State.EXPORTED)

    def finish(self) -> None:
        """In peace once more: then every file is at the bank of which nothing was marked before it
        could be written."""
        for _ in range(2):
            self.export(0)
        assert set(self.at_the_bank) <= set(self._in_files())
        with reading(self.worker.engine) as connection:
            for file in book.payment_files(connection):
                found = stepped(connection, PLAN, file.intake, State.EXPORTED)
                if set(found["status"]) == {"exported"}:
                    assert set(found["payout_id"]) <= set(self.at_the_bank)

    @property
    def _order(self) -> Order:
        return Order(Approval.ONE_PERSON, self.folder / "payments")

    def _bank(self) -> None:
        for path in (self.folder / "payments").glob("payments-*.csv"):
            rows = [*csv.DictReader(path.read_text("utf-8").splitlines())]
            self.at_the_bank.update(row["payout_id"] for row in rows)
            path.unlink()
        assert max(self.at_the_bank.values(), default=1) == 1

    def _in_files(self) -> list[str]:
        with reading(self.worker.engine) as connection:
            found = book.payouts(connection, book.in_state(*OUT))
        return [payout_id("acme", each, "ann", "USD") for each in found["run_day"]]

    def _one(self, which: int) -> str:
        names = list(self.model.payouts)
        return names[which % len(names)] if names else ""

    def _does(self, name: str, to: State) -> bool:
        """Whether a command that voids a payout is taken; that it is refused where it is not."""
        state = self.model.payouts[name][1]
        if to in LEGAL[state] or state is to:
            return True
        with pytest.raises(UsageError), self.worker.writing() as connection:
            reject(connection, Wanted(ids=(name,)), "wrong", GIVEN)
        return False

    def compare(self) -> None:
        with reading(self.worker.engine) as connection:
            found = book.payouts(connection)
        stored = {
            payout_id("acme", row["run_day"], "ann", "USD"): (row["amount_minor"], row["status"])
            for row in found.iter_rows(named=True)
        }
        assert stored == self.model.payouts
        self.model.check()


@contextmanager
def failing(at: int) -> Iterator[list[int]]:
    """The step number `at` of an export (0: none) is its last."""
    struck: list[int] = []
    steps = 0

    def around(call: Any) -> Any:
        def watched(*words: Any) -> Any:
            nonlocal steps
            for part in (0, 1):
                steps += 1
                if steps == at:
                    struck.append(at)
                    raise Killed
                if part == 0:
                    result = call(*words)
            return result

        return watched

    names = ("_put_aside", "_written", "_appear")
    before = {name: getattr(exporting, name) for name in names}
    for name, call in before.items():
        setattr(exporting, name, around(call))
    try:
        yield struck
    finally:
        for name, call in before.items():
            setattr(exporting, name, call)


DEED = st.one_of(
    st.tuples(st.just("earn"), st.sampled_from((1, 4, 9, 10, 25))),
    st.tuples(st.just("run")),
    st.tuples(st.just("run")),
    st.tuples(st.just("approve")),
    st.tuples(st.just("approve")),
    st.tuples(st.just("export"), st.integers(0, 6)),
    st.tuples(st.just("export"), st.just(0)),
    st.tuples(st.just("mark"), st.integers(0, 5), st.sampled_from((State.PAID, State.FAILED)),
              st.booleans()),
    st.tuples(st.just("reject"), st.integers(0, 5)),
    st.tuples(st.just("withdraw")),
    st.tuples(st.just("stand"), st.booleans()),
    st.tuples(st.just("override")),
)  # fmt: skip
DEEDS = st.lists(DEED, min_size=8, max_size=24)
WEEK: list[tuple[Any, ...]] = [
    ("earn", 25), ("run",), ("earn", 10), ("run",), ("approve",), ("export", 3), ("export", 0),
    ("mark", 0, State.PAID, False), ("mark", 1, State.FAILED, False),
    ("mark", 0, State.FAILED, True),
    ("run",), ("approve",), ("reject", 2), ("earn", 4), ("stand", False), ("run",), ("stand", True),
    ("run",), ("approve",), ("withdraw",), ("approve",), ("export", 5), ("earn", 1), ("override",),
    ("run",),
]  # fmt: skip


def worked(books: Fresh, deeds: list[tuple[Any, ...]]) -> tuple[dict[str, Any], list[str]]:
    """The payouts and what the bank got, after these deeds; the book agrees with itself."""
    with books() as url, tempfile.TemporaryDirectory() as name:
        engine = connect(url)
        with working(engine, "the tests", NOW) as worker:
            with worker.writing() as connection:
                number = facts.open_intake(connection, Intake("plan", NOW, "the tests"), 1, 0, 0)
                facts.add_plan(connection, PLAN, number)
                audit.learned(connection, SIGNED, number, {})
            office = Office(worker, Path(name))
            office.learn(night("2026-01-05", edges=BOB_OF_ANN))
            for what, *words in deeds:
                if what == "mark":
                    office.mark(words[0], words[1], sent_back=words[2])
                else:
                    getattr(office, what)(*words)
            office.finish()
            office.run()
            office.compare()
        assert verify(engine, None).differences == []
        return dict(office.model.payouts), sorted(office.at_the_bank)


@settings(WORLDS, max_examples=MANY, suppress_health_check=list(HealthCheck))
@given(deeds=DEEDS)
def test_no_money_is_lost_and_none_is_paid_twice(
    sqlite_books: Fresh, deeds: list[tuple[Any, ...]]
) -> None:
    worked(sqlite_books, deeds)


@settings(WORLDS, max_examples=max(MANY // 5, 1), suppress_health_check=list(HealthCheck))
@given(deeds=DEEDS)
def test_both_databases_come_to_the_same(
    sqlite_books: Fresh, postgresql_books: Fresh, deeds: list[tuple[Any, ...]]
) -> None:
    assert worked(sqlite_books, deeds) == worked(postgresql_books, deeds)


def test_a_week_with_everything_in_it(sqlite_books: Fresh) -> None:
    payouts, at_the_bank = worked(sqlite_books, WEEK)
    assert {str(state) for _, state in payouts.values()} >= {"failed", "voided", "exported"}
    assert len(at_the_bank) == len(set(at_the_bank)) > 2
