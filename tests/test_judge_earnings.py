"""Which earnings of an import are accepted, known already, or refused, and with which words."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.calendar import DAY_US, day_of
from commission_engine.ingest.judge import judge_earnings
from commission_engine.verdict import REFUSED, Verdict

KNOWN = pl.Schema(
    {
        "event_id": pl.String,
        "affiliate_id": pl.String,
        "occurred_us": pl.Int64,
        "amount_minor": pl.Int64,
        "currency": pl.String,
        "root_id": pl.String,
    }
)


class Earning(NamedTuple):
    event_id: str
    affiliate_id: str
    occurred_us: int
    amount_minor: int
    currency: str
    reverses: str | None

    @classmethod
    def read(cls, text: str) -> "Earning":
        """ "e1 ann 2026-01-05 100.00 USD [reverses]"."""
        event, affiliate, day, amount, currency, *reverses = text.split()
        return cls(
            event,
            affiliate,
            day_of(date.fromisoformat(day)) * DAY_US,
            int(amount.replace(".", "")),
            currency,
            reverses[0] if reverses else None,
        )


def judged(
    rows: Sequence[Earning],
    book: Sequence[Earning] = (),
    files: Sequence[int] = (),
    decimals: dict[str, int] | None = None,
) -> Verdict:
    """Row n stands on line n + 2 of its file."""
    frame = pl.DataFrame(
        [
            (*row, "{}", files[place] if files else 0, place + 2, 10 * place, 10 * place + 9)
            for place, row in enumerate(rows)
        ],
        schema={
            **{name: KNOWN.get(name, pl.String) for name in Earning._fields},
            "extra": pl.String,
            "file": pl.Int32,
            "line": pl.Int64,
            "start": pl.Int64,
            "stop": pl.Int64,
        },
        orient="row",
    )
    named = {row.event_id for row in rows} | {row.reverses for row in rows}
    known = [(*e[:5], e.reverses or e.event_id) for e in book if e.event_id in named]
    reversed_ = Counter[str]()
    for event in book:
        if event.reverses:
            reversed_[event.reverses] += event.amount_minor
    return judge_earnings(
        frame,
        pl.DataFrame(known, KNOWN, orient="row"),
        pl.DataFrame(
            list(reversed_.items()),
            {"root_id": pl.String, "reversed_minor": pl.Int64},
            orient="row",
        ),
        decimals,
    )


def accepted(verdict: Verdict) -> list[str]:
    return verdict.accepted["event_id"].to_list()


def refused(verdict: Verdict) -> list[tuple[int, str, str, str, str]]:
    columns = ("line", "code", "column", "text", "message")
    return verdict.refused.select(columns).rows()


def read(*texts: str) -> list[Earning]:
    return [Earning.read(text) for text in texts]


ORDER = "e1 ann 2026-01-05 100.00 USD"


def test_news_are_accepted_with_all_their_columns() -> None:
    verdict = judged(read(ORDER, "r1 ann 2026-01-06 -40.00 USD e1", "a1 bob 2026-01-01 -3.00 EUR"))
    assert accepted(verdict) == ["e1", "r1", "a1"]
    assert verdict.accepted.columns == [
        *Earning._fields, "extra", "file", "line", "start", "stop",
    ]  # fmt: skip
    assert (verdict.duplicates, verdict.refused.schema, verdict.refused.height) == (0, REFUSED, 0)


def test_the_accepted_rows_are_in_the_order_of_the_files() -> None:
    verdict = judged(
        read(ORDER, "e2 ann 2026-01-05 1.00 USD", "e3 bob 2026-01-05 1.00 USD"), (), (1, 0, 1)
    )
    assert accepted(verdict) == ["e2", "e1", "e3"]


def test_no_rows_at_all() -> None:
    verdict = judged([])
    assert (verdict.accepted.height, verdict.duplicates, verdict.refused.height) == (0, 0, 0)


def test_what_the_book_says_already_is_a_duplicate() -> None:
    book = read(ORDER, "r1 ann 2026-01-06 -100.00 USD e1")
    verdict = judged(book, book)
    assert (accepted(verdict), verdict.duplicates, refused(verdict)) == ([], 2, [])


def test_of_equal_rows_the_first_is_accepted() -> None:
    verdict = judged(read(ORDER, ORDER, ORDER), (), (2, 0, 1))
    assert verdict.accepted.select("file", "line").rows() == [(0, 3)]
    assert verdict.duplicates == 2


def test_copies_of_a_refused_row_are_refused_like_it() -> None:
    verdict = judged(read(*["r1 ann 2026-01-06 -40.00 USD e1"] * 2))
    why = ("unknown_order", "reverses", "e1", "no earning e1 is known; import it first or together")
    assert refused(verdict) == [(2, *why), (3, *why)]
    assert verdict.duplicates == 0
    assert verdict.refused.select("start", "stop").rows() == [(0, 9), (10, 19)]


def test_conflict_with_the_book() -> None:
    book = read(ORDER, "r1 ann 2026-01-06 -40.00 USD e1")
    verdict = judged(
        read("e1 ann 2026-01-05 99.00 EUR", "r1 bob 2026-01-07 -40.00 USD", ORDER), book
    )
    known = "is already known with another"
    assert refused(verdict) == [
        (2, "conflict", "event_id", "e1", f"e1 {known} amount and currency; the first stands"),
        (
            3, "conflict", "event_id", "r1",
            f"r1 {known} affiliate_id, occurred_at and reverses; the first stands",
        ),
    ]  # fmt: skip
    assert verdict.duplicates == 1


def test_conflict_inside_one_import_refuses_all() -> None:
    verdict = judged(read(ORDER, "e1 ann 2026-01-05 99.00 USD", ORDER))
    why = (
        "conflict", "event_id", "e1",
        "e1 comes in 3 rows of this import with different amount; keep the right one",
    )  # fmt: skip
    assert refused(verdict) == [(2, *why), (3, *why), (4, *why)]
    assert verdict.duplicates == 0


def test_unknown_order() -> None:
    book = read("e0 ann 2026-01-01 5.00 USD", "r0 ann 2026-01-02 -5.00 USD e0")
    verdict = judged(
        read(
            "r1 ann 2026-01-06 -40.00 USD e9",
            "r2 ann 2026-01-06 -40.00 USD r2",
            "r3 ann 2026-01-06 -40.00 USD r0",
            ORDER,
            "r4 ann 2026-01-06 -40.00 USD e1",
            "r5 ann 2026-01-06 -1.00 USD r4",
            "e2 ann 2026-01-06 1.00 USD",
            "e2 ann 2026-01-06 2.00 USD",
            "r6 ann 2026-01-06 -1.00 USD e2",
        ),
        book,
    )
    unknown = [row for row in refused(verdict) if row[1] == "unknown_order"]
    assert unknown == [
        (
            2, "unknown_order", "reverses", "e9",
            "no earning e9 is known; import it first or together",
        ),
        (
            3, "unknown_order", "reverses", "r2",
            "r2 reverses itself; name the earning that it takes back",
        ),
        (
            4, "unknown_order", "reverses", "r0",
            "r0 is a reversal itself; name the earning it takes back",
        ),
        (
            7, "unknown_order", "reverses", "r4",
            "r4 is a reversal itself; name the earning it takes back",
        ),
        (
            10, "unknown_order", "reverses", "e2",
            "its order e2 was refused in this import; mend that first",
        ),
    ]  # fmt: skip
    assert accepted(verdict) == ["e1", "r4"]


def test_reversal_mismatch() -> None:
    verdict = judged(
        read(ORDER, "r1 bob 2026-01-06 -40.00 EUR e1", "r2 ann 2026-01-06 -40.00 EUR e1")
    )
    assert refused(verdict) == [
        (3, "reversal_mismatch", "affiliate_id", "bob", "the order e1 is ann's, not bob's"),
        (4, "reversal_mismatch", "currency", "EUR", "the order e1 is in USD, not in EUR"),
    ]


def test_reversal_before_order() -> None:
    verdict = judged(
        read("r1 ann 2026-01-04 -40.00 USD e1", "r2 ann 2026-01-05 -40.00 USD e1"), read(ORDER)
    )
    assert refused(verdict) == [
        (
            2, "reversal_before_order", "occurred_at", "2026-01-04T00:00:00Z",
            "its order e1 is of 2026-01-05T00:00:00Z; a reversal cannot be earlier",
        ),
    ]  # fmt: skip
    assert accepted(verdict) == ["r2"]


def test_positive_reversal() -> None:
    verdict = judged(read(ORDER, "r1 ann 2026-01-06 40.00 USD e1", "r2 ann 2026-01-06 0.00 USD e1"))
    why = "the amount of a reversal must be negative"
    assert refused(verdict) == [
        (3, "positive_reversal", "amount", "40.00", why),
        (4, "positive_reversal", "amount", "0.00", why),
    ]


def test_reversal_exceeds_order() -> None:
    """Turns are by time and then id; a smaller one after a refused one may still fit."""
    verdict = judged(
        read(
            "r2 ann 2026-01-08 -40.00 USD e1",
            "r9 ann 2026-01-06 -40.00 USD e1",
            "r1 ann 2026-01-07 -60.00 USD e1",
            "r5 ann 2026-01-09 -0.01 USD e1",
            "r4 ann 2026-01-09 -10.00 USD e1",
        ),
        read(ORDER, "r0 ann 2026-01-06 -10.00 USD e1"),
    )
    assert accepted(verdict) == ["r2", "r9", "r4"]
    assert refused(verdict) == [
        (
            4, "reversal_exceeds_order", "amount", "-60.00",
            "at most 50.00 USD of e1's 100.00 USD is left to reverse",
        ),
        (
            5, "reversal_exceeds_order", "amount", "-0.01",
            "nothing of e1's 100.00 USD is left to reverse",
        ),
    ]  # fmt: skip


def test_an_adjustment_cannot_be_reversed() -> None:
    verdict = judged(read("a1 ann 2026-01-05 -5.00 USD", "r1 ann 2026-01-06 -1.00 USD a1"))
    assert refused(verdict) == [
        (
            3, "reversal_exceeds_order", "amount", "-1.00",
            "nothing of a1's -5.00 USD is left to reverse",
        )
    ]  # fmt: skip


def test_amounts_are_said_with_the_decimals_of_the_plan_s_units() -> None:
    rows = read("e1 ann 2026-01-05 10 BTC", "r1 ann 2026-01-06 -11 BTC e1")
    assert refused(judged(rows, decimals={"BTC": 8}))[0][3:] == (
        "-0.00000011",
        "at most 0.00000010 BTC of e1's 0.00000010 BTC is left to reverse",
    )
    assert refused(judged(rows))[0][3:] == (
        "-11",
        "at most 10 minor units of BTC of e1's 10 minor units of BTC is left to reverse",
    )


def test_the_largest_amounts_do_not_overflow() -> None:
    most = 10**18 - 1
    order = Earning("e", "ann", 0, most, "USD", None)
    reversals = [Earning(f"r{n:02}", "ann", n, -most, "USD", "e") for n in range(30)]
    verdict = judged([order, *reversals])
    assert accepted(verdict) == ["e", "r00"]
    assert verdict.refused["code"].unique().to_list() == ["reversal_exceeds_order"]


def by_hand(rows: Sequence[Earning], book: Sequence[Earning]) -> dict[Earning, str]:
    """The rules one row at a time: what becomes of each content."""
    fate: dict[Earning, str] = {}
    known = {event.event_id: event for event in book}
    for row in rows:
        others = {other for other in rows if other.event_id == row.event_id}
        if row.event_id in known:
            fate[row] = "duplicate" if known[row.event_id] == row else "conflict"
        elif len(others) > 1:
            fate[row] = "conflict"
        elif row.reverses is None:
            fate[row] = "accepted"
    roots = {e.event_id: e for e in book if e.reverses is None}
    roots |= {row.event_id: row for row, what in fate.items() if what == "accepted"}
    left = {name: root.amount_minor for name, root in roots.items()}
    for event in book:
        if event.reverses:
            left[event.reverses] += event.amount_minor
    for row in sorted(set(rows) - set(fate), key=lambda row: (row.occurred_us, row.event_id)):
        root = roots.get(row.reverses or "")
        if root is None:
            fate[row] = "unknown_order"
        elif (row.affiliate_id, row.currency) != (root.affiliate_id, root.currency):
            fate[row] = "reversal_mismatch"
        elif row.occurred_us < root.occurred_us:
            fate[row] = "reversal_before_order"
        elif row.amount_minor >= 0:
            fate[row] = "positive_reversal"
        elif left[root.event_id] + row.amount_minor < 0:
            fate[row] = "reversal_exceeds_order"
        else:
            left[root.event_id] += row.amount_minor
            fate[row] = "accepted"
    return fate


IDS = ["a", "b", "ab", "é", "\U0001f600"]
EARNING = st.builds(
    Earning,
    st.sampled_from(IDS),
    st.sampled_from(["ann", "bob"]),
    st.integers(0, 2),
    st.sampled_from([-3, -2, -1, 0, 1, 3, 5]),
    st.sampled_from(["USD", "JPY"]),
    st.none() | st.sampled_from(IDS),
)
# An order and what may fit it, so that not every example ends at the first check
FITTING = st.builds(
    Earning,
    st.sampled_from(IDS),
    st.just("ann"),
    st.integers(0, 2),
    st.integers(-3, -1),
    st.just("USD"),
    st.just("a"),
)
BATCH = st.lists(st.just(Earning("a", "ann", 0, 5, "USD", None)) | FITTING | EARNING, max_size=8)


@settings(max_examples=300, deadline=None)
@given(BATCH, BATCH, st.data())
def test_any_rows_are_judged_as_by_hand_in_any_order(
    first: list[Earning], rows: list[Earning], data: st.DataObject
) -> None:
    book = [row for row, what in by_hand(first, []).items() if what == "accepted"]
    fate = by_hand(rows, book)
    order = data.draw(st.permutations(rows))
    files = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    verdict = judged(order, book, files)

    taken = [Earning(*row) for row in verdict.accepted.select(Earning._fields).rows()]
    assert Counter(taken) == Counter(row for row, what in fate.items() if what == "accepted")
    codes = Counter(fate[row] for row in rows if fate[row] not in ("accepted", "duplicate"))
    assert Counter(verdict.refused["code"].to_list()) == codes
    assert len(taken) + verdict.duplicates + verdict.refused.height == len(rows)
    lines = verdict.accepted.select("file", "line").rows()
    assert lines == sorted(lines)
    assert verdict.refused["message"].null_count() == 0
    assert verdict.refused["text"].null_count() == 0
