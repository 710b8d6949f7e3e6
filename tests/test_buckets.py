"""More lines than memory: the calculation in parts and buckets, and where they wait."""

import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier, current_thread
from threading import Event as Signal

import numpy as np
import pytest
from engines import in_buckets, ints, kernel_nights
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernel import beyond_64_bits
from test_reference import cap, day, level, plan
from worlds import WORLDS, World, worlds

from commission_engine.decide import buckets
from commission_engine.decide.buckets import (
    Bucket,
    Programme,
    Shares,
    SpillInMemory,
    in_turn,
    lines_of,
    narrow,
    split,
    spread_over,
)
from commission_engine.decide.kernel import REASONS, Events, Lines
from commission_engine.decide.reference import decide
from commission_engine.decide.spill import SpillOnDisk
from commission_engine.decide.used import UsedInMemory
from commission_engine.plan.terms import Cap
from commission_engine.problems import CommissionError
from commission_engine.tree.forest import Forest, Standing


@pytest.mark.parametrize("orders", [1, 7, 1000])
@pytest.mark.parametrize(("beneficiaries", "piece"), [(1, 10**6), (3, 10**6), (1, 2), (100, 2)])
def test_the_size_of_a_bucket_changes_no_line(
    orders: int, beneficiaries: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "LINES_AT_ONCE", piece)
    counts: Counter[str] = Counter()

    @settings(WORLDS, max_examples=max(WORLDS.max_examples // 3, 10))
    @given(worlds())
    def compare(world: World) -> None:
        expected = decide(world.plan, world.nights)
        if beyond_64_bits(world, expected):
            return  # refused, or not: a smaller bucket counts less at once
        counts["compared"] += 1
        found = kernel_nights(world, counts["compared"], in_buckets(orders, beneficiaries))
        assert found == expected

    compare()
    assert counts["compared"] > WORLDS.max_examples // 6


# -- a bucket by hand


def programme(caps: tuple[Cap, ...]) -> Programme:
    """Level 1 is paid all of it; caps over all levels."""
    none = np.zeros(0, np.int64)
    nobody = Forest.of(none, none, none, none), Standing.of(none, none, none.astype(np.bool_))
    return Programme(plan(level(1, "100%"), caps=caps), ("USD",), *nobody)


def shares_by_hand(*rows: tuple[int, int, int]) -> Shares:
    """beneficiary, order, commission; of events 1, 2, ... of one day."""
    who, order, commission = (ints(row[n] for row in rows) for n in range(3))
    zeros = np.zeros(len(rows), np.int64)
    return {
        "event": np.arange(1, len(rows) + 1), "level": zeros + 1, "beneficiary": who,
        "currency": zeros, "root_day": zeros + day("2026-01-01"), "gross": commission,
        "commission": commission.copy(), "reason": zeros.copy(), "order": order,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caps", "needed"),
    [((), False), (cap(month=9), False), (cap(order=9), True), (cap(order=9, day=20), True)],
    ids=["no cap", "month", "order", "order and day"],
)
def test_the_order_of_a_line_is_kept_where_a_cap_is_counted_by_it(
    caps: tuple[Cap, ...], needed: bool
) -> None:
    said = {"event": 5, "order": 5, "earner": 2, "amount": 100, "root_day": day("2026-01-01")}
    one = Events(**{name: ints([said.get(name, 0)]) for name in Events.__slots__})
    tree = Forest.of(ints([2]), ints([1]), ints([0]), ints([0]))
    shares = replace(programme(caps), forest=tree).shares(one, ints([0]))
    assert ("order" in shares) is needed
    assert (shares["event"].tolist(), shares["beneficiary"].tolist()) == ([5], [1])


def test_orders_of_one_day_are_told_apart() -> None:
    shares = shares_by_hand((7, 1, 8), (7, 2, 8), (7, 1, 8))
    bucket = programme(cap(order=10)).bucket(shares, UsedInMemory())
    assert bucket.lines.commission.tolist() == [8, 8, 2]
    assert [REASONS[n].value for n in bucket.lines.reason.tolist()] == ["", "", "order"]


@pytest.mark.parametrize("far", [1, 255, 256, 257, 65_535, 65_536, 65_537, 2**33])
def test_the_lines_of_a_bucket_are_by_beneficiary_and_then_as_they_came(far: int) -> None:
    rows = [(3 + far, 1, 1), (3, 2, 1), (3 + far, 3, 1), (4, 4, 1), (3, 5, 1)]
    bucket = programme(()).bucket(shares_by_hand(*rows), UsedInMemory())
    expected = sorted((who, order) for who, order, _ in rows)
    found = zip(bucket.lines.beneficiary.tolist(), bucket.event.tolist(), strict=True)
    assert list(found) == expected


@pytest.mark.parametrize("piece", [1, 2, 5, 6])
@pytest.mark.parametrize("people", [(7, 3), (7,)])
def test_pieces_of_a_bucket_are_its_lines_in_their_order(
    piece: int, people: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with a cap per month that holds over all of them; what it counted comes once."""
    rows = [(people[n % len(people)], n, 4) for n in range(6)]
    capped = programme(cap(month=10))
    whole = capped.bucket(shares_by_hand(*rows), UsedInMemory())
    monkeypatch.setattr(buckets, "LINES_AT_ONCE", piece)
    pieces = list(capped.pieces(shares_by_hand(*rows), UsedInMemory()))
    assert max(len(each.event) for each in pieces) == min(piece, 6)
    for name in ("beneficiary", "commission", "reason", "terms_day", "available_day"):
        parts = np.concatenate([getattr(each.lines, name) for each in pieces])
        assert parts.tolist() == getattr(whole.lines, name).tolist()
    assert np.concatenate([each.event for each in pieces]).tolist() == whole.event.tolist()
    counted = UsedInMemory()
    for each in pieces:
        counted.advance(each.advances)
    (month,) = whole.advances
    assert counted.totals(month.scope, month.keys).tolist() == month.total.tolist()
    if len(people) > 1:
        assert [len(each.advances) for each in pieces] == [1] + [0] * (len(pieces) - 1)


@pytest.mark.parametrize(
    ("lines", "pieces"), [(2 * 10**6, [2 * 10**6]), (2 * 10**6 + 1, [2 * 10**6, 1])]
)
def test_a_file_of_lines_has_two_million_at_most(lines: int, pieces: list[int]) -> None:
    """So the files of a folder are cut in the same places by every version."""
    column = np.broadcast_to(np.int64(0), lines)
    bucket = Bucket(Lines(*(column,) * len(Lines.__slots__)), column, column, ())
    assert [len(piece.event) for piece in bucket.cut()] == pieces


def test_a_bucket_of_nothing_has_no_lines() -> None:
    assert len(programme(cap(order=9)).bucket(SpillInMemory().taken(0), UsedInMemory()).event) == 0


def test_how_many_lines_there_will_be_is_counted_for_everybody_above() -> None:
    """1 <- 2 <- 3; level 2 is paid, too"""
    tree = Forest.of(ints([3, 2]), ints([2, 1]), ints([0, 0]), ints([0, 0]))
    terms = plan(level(0, "1%"), level(2, "1%"))
    assert lines_of(ints([0, 5, 7, 2]), tree, terms).tolist() == [0, 5 + 2, 7, 2, 0]
    assert lines_of(ints([0] * 9), tree, terms).tolist() == [0] * 9
    assert lines_of(ints([]), tree, terms).tolist() == [0] * 5


def test_how_many_lines_there_will_be_is_told_by_the_tree_as_it_is_now() -> None:
    """1 <- 2 until the last instant that there is, then 3 <- 2, learned by import 9"""
    since = ints([0, 253_402_300_799_999_999])
    tree = Forest.of(ints([2, 2]), ints([1, 3]), since, ints([0, 9]))
    assert lines_of(ints([0, 0, 7]), tree, plan(level(1, "1%"))).tolist() == [0, 0, 0, 7, 0]


# -- spreading


@settings(deadline=None)
@given(st.lists(st.integers(0, 50)), st.integers(1, 60), st.integers(1, 6))
def test_buckets_rise_without_gaps_and_none_is_larger_than_it_must_be(
    lines: list[int], a_bucket: int, most: int
) -> None:
    bucket_of = spread_over(ints(lines), a_bucket, most)
    assert len(bucket_of) == len(lines)
    if lines:
        assert bucket_of[0] == 0
        assert set(np.diff(bucket_of).tolist()) <= {0, 1}
    aimed = max(a_bucket, sum(lines) // most, 1)
    for bucket in set(bucket_of.tolist()):
        inside = [n for n, each in zip(lines, bucket_of.tolist(), strict=True) if each == bucket]
        assert sum(inside) < 2 * aimed or len(inside) == 1


def test_buckets_are_as_large_as_they_always_were() -> None:
    """400,000 lines, or the 256th part: so a folder has the same files in every version."""
    assert spread_over(ints([399_998, 1, 1])).tolist() == [0, 0, 1]
    assert spread_over(ints([399_999, 400_000, 1])).tolist() == [0, 1, 2]
    assert spread_over(ints([399_999, 399_999, 1])).tolist() == [0, 1, 1]
    assert spread_over(ints([250_000] * 1024)).tolist() == [(n + 1) // 4 for n in range(1024)]


def test_a_beneficiary_with_more_than_a_bucket_has_one_for_himself() -> None:
    assert spread_over(ints([1, 90, 1, 1]), 10).tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("lines", "buckets_of"),
    [
        ([5] * 6, [0, 1, 1, 2, 2, 3]),  # a new one with every tenth line
        ([90, 9, 1], [0, 1, 2]),  # of the 90 none counts for the others
        ([10, 1], [0, 1]),
        ([9, 0, 1], [0, 0, 1]),
    ],
)
def test_a_bucket_is_full_with_the_lines_of_its_own(
    lines: list[int], buckets_of: list[int]
) -> None:
    assert spread_over(ints(lines), 10).tolist() == buckets_of


def test_whom_the_tree_does_not_know_is_with_the_last() -> None:
    parts = split(shares_of([2, 9, 0, 3, 1]), np.arange(3))
    assert {bucket: part["event"].tolist() for bucket, part in parts} == {
        0: [2], 1: [4], 2: [0, 1, 3],
    }  # fmt: skip


def shares_of(beneficiary: list[int]) -> Shares:
    return {"event": np.arange(len(beneficiary)), "beneficiary": ints(beneficiary)}


@settings(deadline=None)
@given(st.lists(st.integers(0, 9)))
def test_a_split_keeps_every_share_in_its_order(beneficiary: list[int]) -> None:
    bucket_of = np.arange(8) // 3  # 8 and 9 have a number beyond: they are with the last
    spill = SpillInMemory()
    for bucket, part in split(shares_of(beneficiary), bucket_of):
        spill.add(bucket, part)
    found = {bucket: spill.taken(bucket)["event"].tolist() for bucket in range(3)}
    assert found == {
        bucket: [n for n, who in enumerate(beneficiary) if min(who, 7) // 3 == bucket]
        for bucket in range(3)
    }


@pytest.mark.parametrize("edge", [2**7, 2**15, 2**31])
def test_numbers_become_no_narrower_than_they_are(edge: int) -> None:
    assert narrow(ints([edge - 1, -edge])).tolist() == [edge - 1, -edge]
    assert narrow(ints([edge])).tolist() == [edge]
    assert narrow(ints([-edge - 1])).tolist() == [-edge - 1]
    assert narrow(ints([edge])).itemsize == 2 * narrow(ints([-edge])).itemsize
    assert narrow(ints([edge - 1])).itemsize == narrow(ints([-edge])).itemsize


# -- waiting on the disk


def test_what_waits_on_the_disk_comes_back_as_it_went(tmp_path: Path) -> None:
    spill = SpillOnDisk(tmp_path / "waiting")
    spill.add(2, {"event": ints([1, 2]), "level": ints([1, 1]).astype(np.int8)})
    spill.add(2, {"event": ints([3]).astype(np.int16), "level": ints([2]).astype(np.int8)})
    found = spill.taken(2)
    assert {name: each.tolist() for name, each in found.items()} == {
        "event": [1, 2, 3],
        "level": [1, 1, 2],
    }
    assert spill.taken(2)["event"].tolist() == []
    assert list((tmp_path / "waiting").iterdir()) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing beyond fails, as on a full disk (it is EFBIG and not ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    spill = SpillOnDisk(tmp_path / "waiting")
    with files_of_at_most(1000), pytest.raises(CommissionError, match="waiting: File too large"):
        spill.add(0, {"event": np.arange(1000)})


# -- in turn


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(in_turn(lambda n: n * n, range(20), workers)) == [n * n for n in range(20)]


@pytest.mark.parametrize(("workers", "begun"), [(1, 1), (2, 3), (5, 6)])
def test_few_results_wait_at_a_time(workers: int, begun: int) -> None:
    """One for each worker while the oldest is waited for."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    results = in_turn(lambda n: n, items(), workers)
    assert next(results) == 0
    assert len(taken) == begun
    assert list(results) == list(range(1, 100))


def test_two_workers_work_at_once_and_one_is_the_caller_himself() -> None:
    both = Barrier(2)

    def work(n: int) -> int:
        both.wait(timeout=10)
        return n

    assert list(in_turn(work, range(4), 2)) == [0, 1, 2, 3]
    assert set(in_turn(lambda _: current_thread(), range(3), 1)) == {current_thread()}


def test_a_fault_in_a_thread_is_raised_and_ends_the_others() -> None:
    done = Signal()

    def work(n: int) -> int:
        if n == 3:
            raise CommissionError("no")
        if n > 50:
            done.set()
        return n

    with pytest.raises(CommissionError, match="no"):
        list(in_turn(work, range(100), 2))
    assert not done.is_set()
