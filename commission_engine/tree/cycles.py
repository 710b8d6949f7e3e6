"""Loops among dated edges, at whatever instant they exist. Bulk work: arrays, no recursion.

At an instant every affiliate has at most one referrer, so what stands above him is a single path,
and a loop is a path that comes back.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl

from commission_engine.calendar import Instant, Ints

SHOWN = 5
"""So many affiliates of a loop are named before it is cut short."""

Loop = Sequence[str]
"""Affiliates, each referred by the next and the last one by the first."""


def loops(edges: pl.DataFrame) -> Iterator[Loop]:
    """Every loop there is at some instant; the lasting ones first, then the latest that ended.

    `edges`: affiliate_id, referrer_id (null: none from then on), since_us, no two of one
    affiliate at the same instant. An edge holds until the affiliate's next one. A loop that
    several instants have may come more than once; each starts at its first id in byte order.
    """
    dated = _intern(edges)
    if len(dated.names) == 0:
        return
    for loop in chain(_lasting(dated), _ended(dated)):
        start = loop.index(min(loop))
        yield [dated.names[node] for node in loop[start:] + loop[:start]]


def spell(loop: Loop, start: int = 0) -> str:
    """A loop in words, from its member number `start`.

    >>> spell(["ann", "bob", "cat"], 1)
    'bob -> cat -> ann -> bob'
    """
    names = [loop[(start + step) % len(loop)] for step in range(min(SHOWN, len(loop)))]
    if len(loop) > SHOWN:
        return " -> ".join([*names, f"... -> {names[0]} ({len(loop)} affiliates)"])
    return " -> ".join([*names, names[0]])


@dataclass(frozen=True, slots=True)
class _Dated:
    """Edges as numbers, sorted by (node, since); those of node n are first[n] up to first[n+1].

    A node is the place of its name in `names`, which are sorted; len(names) stands for nobody.
    """

    names: pl.Series
    node: Ints
    referrer: Ints
    since: Ints
    first: Ints


def _intern(edges: pl.DataFrame) -> _Dated:
    # Who refers nobody is on no loop: without the leaves most trees are small.
    inner = edges.filter(pl.col("affiliate_id").is_in(edges["referrer_id"].implode()))
    names = inner["affiliate_id"].unique().sort()
    numbers = pl.DataFrame({"name": names}).with_row_index("number")
    dated = (
        inner.join(numbers.rename({"number": "node"}), left_on="affiliate_id", right_on="name")
        .join(
            numbers.rename({"number": "referrer"}),
            left_on="referrer_id",
            right_on="name",
            how="left",
        )
        .select(pl.col("node", "referrer").cast(pl.Int64).fill_null(len(names)), pl.col("since_us"))
        .sort("node", "since_us")
    )
    node = dated["node"].to_numpy()
    return _Dated(
        names=names,
        node=node,
        referrer=dated["referrer"].to_numpy(),
        since=dated["since_us"].to_numpy(),
        first=np.searchsorted(node, np.arange(len(names) + 1)),
    )


def _lasting(dated: _Dated) -> Iterator[list[int]]:
    """The loops of the edges that never end."""
    nobody = len(dated.names)
    up = np.append(dated.referrer[dated.first[1:] - 1], nobody)
    # After as many steps up as there are nodes, one stands at nobody or on a loop, and on every
    # place of every loop somebody stands. Each round doubles the steps.
    far, steps = up, 1
    while steps < nobody and (far[:-1] != nobody).any():
        far, steps = far[far], 2 * steps
    looping = np.unique(far[far != nobody]).tolist()
    seen: set[int] = set()
    for start in looping:
        loop: list[int] = []
        node = start
        while node not in seen:
            seen.add(node)
            loop.append(node)
            node = int(up[node])
        if loop:
            yield loop


def _ended(dated: _Dated) -> Iterator[list[int]]:
    """The loops of which an edge has ended.

    Such a loop is there until the first of its edges ends, so it is seen from that edge at the
    last instant before.
    """
    last = np.append(dated.node[1:] != dated.node[:-1], True)
    ended = np.flatnonzero(~last)
    until = dated.since[ended + 1] - 1
    node, referrer, since, first = (
        memoryview(np.ascontiguousarray(column).data)
        for column in (dated.node, dated.referrer, dated.since, dated.first)
    )
    nobody = len(dated.names)
    instant: Instant = 0
    passed: set[int] = set()  # at this instant, by earlier walks
    for turn in np.argsort(-until, kind="stable").tolist():
        if until[turn] != instant:
            instant, passed = int(until[turn]), set()
        at = node[int(ended[turn])]
        path: dict[int, int] = {}
        while at != nobody and at not in passed and at not in path:
            path[at] = len(path)
            edge = bisect_right(since, instant, first[at], first[at + 1]) - 1
            at = referrer[edge] if edge >= first[at] else nobody
        if at in path:
            yield list(path)[path[at] :]
        passed.update(path)
