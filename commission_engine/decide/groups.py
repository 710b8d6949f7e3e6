"""Rows brought together by keys, in columns: the one sort behind every running total."""

from collections.abc import Sequence

import numpy as np

from commission_engine.calendar import Ints


def grouped(*keys: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows brought together by key, in their old order inside one key.

    Returns the rows so ordered, where each group begins among them, and each one's group number.
    """
    together, size = packed(keys)
    order = stable_order(together, size)
    ordered = together[order]
    begins = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return order, np.flatnonzero(begins), np.cumsum(begins) - 1


def packed(keys: Sequence[Ints]) -> tuple[Ints, int]:
    """Several keys as one int64 that is equal where all of them are, and below the int given."""
    result, size = np.zeros(len(keys[0]), np.int64), 1
    for key in keys:
        low, high = int(key.min(initial=0)), int(key.max(initial=0))
        if size * (high - low + 1) >= 2**63:
            result, size = np.unique(result, return_inverse=True)[1].astype(np.int64), len(result)
            key, low = np.unique(key, return_inverse=True)[1].astype(np.int64), 0
            high = len(key)
        result = result * (high - low + 1) + (key.astype(np.int64, copy=False) - low)
        size *= high - low + 1
    return result, size


def stable_order(values: Ints, size: int) -> Ints:
    """How to sort non-negative `values` below `size`, equal ones in their old order.

    Digit by digit from the lowest: NumPy sorts up to 16 bits by counting, in a fraction of the
    time that comparing takes.
    """
    if size <= 256:
        return np.argsort(values.astype(np.uint8), kind="stable")
    order = np.argsort(values.astype(np.uint16), kind="stable")  # the lowest 16 bits
    for shift in range(16, (size - 1).bit_length(), 16):
        digit = (values >> shift).astype(np.uint16)[order]
        order = order[np.argsort(digit, kind="stable")]
    return order


def running_in_groups(values: Ints, first: Ints, group: Ints, carried: Ints) -> Ints:
    """Running totals that begin anew, with what is carried, in each group.

    The sum over all groups may wrap around 64 bits; the difference inside a group is exact all
    the same, because wrapping is arithmetic modulo 2**64 and a group's total was checked.
    """
    running = np.cumsum(values)
    begins_at = carried - (running[first] - values[first])
    return running + begins_at[group]
