"""More lines than memory: the calculation in parts and buckets, and where they wait."""

import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Signal

import numpy as np
import pytest
from engines import in_buckets, ints, kernel_nights
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernel import beyond_64_bits
from worlds import WORLDS, World, worlds

from commission_engine.decide import buckets
from commission_engine.decide.buckets import (
    Shares,
    SpillInMemory,
    in_turn,
    narrow,
    split,
    spread_over,
)
from commission_engine.decide.reference import decide
from commission_engine.decide.spill import SpillOnDisk
from commission_engine.problems import CommissionError


@pytest.mark.parametrize("orders", [1, 7, 1000])
@pytest.mark.parametrize(("beneficiaries", "piece"), [(1, 10**6), (3, 10**6), (1, 2), (100, 2)])
def test_the_size_of_a_bucket_changes_no_line(
    orders: int, beneficiaries: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "LINES_AT_ONCE", piece)
    counts: Counter[str] = Counter()

    @settings(WORLDS, max_examples=max(WORLDS.max_examples // 2, 100))
    @given(worlds())
    def compare(world: World) -> None:
        expected = decide(world.plan, world.nights)
        if beyond_64_bits(world, expected):
            return  # refused, or not: a smaller bucket counts less at once
        counts["compared"] += 1
        found = kernel_nights(world, counts["compared"], in_buckets(orders, beneficiaries))
        assert found == expected

    compare()
    assert counts["compared"] > 50


# -- spreading


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


def test_a_beneficiary_with_more_than_a_bucket_has_one_for_himself() -> None:
    assert spread_over(ints([1, 90, 1, 1]), 10).tolist() == [0, 1, 2, 2]


def shares_of(beneficiary: list[int]) -> Shares:
    return {"event": np.arange(len(beneficiary)), "beneficiary": ints(beneficiary)}


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
    assert narrow(ints([edge])).itemsize == 2 * narrow(ints([-edge])).itemsize


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


def test_few_results_wait_at_a_time() -> None:
    begun: list[int] = []

    def work(n: int) -> int:
        begun.append(n)
        return n

    results = in_turn(work, range(100), 2)
    assert next(results) == 0
    assert len(begun) <= 3
    assert list(results) == list(range(1, 100))


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
