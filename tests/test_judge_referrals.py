"""Which referral edges of an import are accepted; the forest has no loop at any instant."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.calendar import BEGINNING, DAY_US, day_of
from commission_engine.tree.cycles import loops, spell
from commission_engine.tree.judge import judge_move, judge_referrals
from commission_engine.verdict import REFUSED, Verdict

EDGE = pl.Schema({"affiliate_id": pl.String, "referrer_id": pl.String, "since_us": pl.Int64})
PLACE = pl.Schema({"file": pl.Int32, "line": pl.Int64, "start": pl.Int64, "stop": pl.Int64})
ABOVE_HIMSELF = "nobody can be above himself"
Edge = tuple[str, str | None, int]


def at(day: str) -> int:
    return day_of(date.fromisoformat(day)) * DAY_US


def read(*texts: str) -> list[Edge]:
    """ "bob ann [2026-01-05]": ann is bob's referrer since then; "bob - 2026-01-05": nobody is."""
    edges: list[Edge] = []
    for text in texts:
        affiliate, referrer, *since = text.split()
        moment = at(since[0]) if since else BEGINNING
        edges.append((affiliate, None if referrer == "-" else referrer, moment))
    return edges


def frame(edges: Sequence[Edge]) -> pl.DataFrame:
    return pl.DataFrame(list(edges), EDGE, orient="row")


def judged(rows: Sequence[Edge], book: Sequence[Edge] = (), files: Sequence[int] = ()) -> Verdict:
    """Row n stands on line n + 2 of its file."""
    placed = [
        (*row, "{}", files[place] if files else 0, place + 2, 0, 9)
        for place, row in enumerate(rows)
    ]
    columns = [*EDGE.items(), ("extra", pl.String()), *PLACE.items()]
    return judge_referrals(pl.DataFrame(placed, pl.Schema(columns), orient="row"), frame(book))


def accepted(verdict: Verdict) -> list[Edge]:
    return verdict.accepted.select(EDGE.names()).rows()


def refused(verdict: Verdict) -> list[tuple[int, str, str, str, str]]:
    return verdict.refused.select("line", "code", "column", "text", "message").rows()


def test_news_are_accepted_with_all_their_columns() -> None:
    rows = read("bob ann", "cat bob 2026-01-05", "dan bob")
    verdict = judged(rows)
    assert accepted(verdict) == rows
    assert verdict.accepted.columns == [*EDGE, "extra", *PLACE]
    assert (verdict.duplicates, verdict.refused.schema, verdict.refused.height) == (0, REFUSED, 0)


def test_no_rows_at_all() -> None:
    verdict = judged([], read("bob ann"))
    assert (verdict.accepted.height, verdict.duplicates, verdict.refused.height) == (0, 0, 0)


def test_an_edge_of_the_book_is_a_duplicate_even_when_it_has_ended() -> None:
    book = read("bob ann", "bob cat 2026-01-05", "bob - 2026-02-01")
    assert judged(read("bob ann", "bob cat 2026-01-05"), book).duplicates == 2


def test_of_equal_rows_the_first_is_accepted() -> None:
    verdict = judged(read("bob ann", "bob ann", "bob ann"), (), (1, 0, 1))
    assert verdict.accepted.select("file", "line").rows() == [(0, 3)]
    assert verdict.duplicates == 2


def test_conflict_with_the_book() -> None:
    """The date named is that of the latest edge to this referrer."""
    book = read("bob ann", "bob cat 2026-01-05", "bob ann 2026-03-01", "dan ann")
    verdict = judged(read("bob ann 2026-01-07", "bob cat", "dan ann 2026-01-01"), book)
    known = "is already known as referred by"
    assert refused(verdict) == [
        (
            2, "conflict", "since", "2026-01-07T00:00:00Z",
            f"bob {known} ann since 2026-03-01T00:00:00Z; the first stands",
        ),
        (
            3, "conflict", "since", "",
            f"bob {known} cat since 2026-01-05T00:00:00Z; the first stands",
        ),
        (
            4, "conflict", "since", "2026-01-01T00:00:00Z",
            f"dan {known} ann since the beginning; the first stands",
        ),
    ]  # fmt: skip


def test_conflict_inside_one_import_refuses_all() -> None:
    verdict = judged(read("bob ann", "bob ann 2026-01-05", "bob ann"))
    why = "bob comes with 2 different dates in this import; keep the right one"
    assert refused(verdict) == [
        (2, "conflict", "since", "", why),
        (3, "conflict", "since", "2026-01-05T00:00:00Z", why),
        (4, "conflict", "since", "", why),
    ]


def test_second_referrer_in_the_book() -> None:
    book = read("bob ann", "bob cat 2026-01-05", "eve ann", "eve - 2026-01-05")
    verdict = judged(read("bob dan", "bob dan 2026-02-01", "eve dan"), book)
    why = "it is changed with commission tree move"
    assert refused(verdict) == [
        (2, "second_referrer", "referrer_id", "dan", f"the referrer of bob is cat; {why}"),
        (3, "second_referrer", "referrer_id", "dan", f"the referrer of bob is cat; {why}"),
        (4, "second_referrer", "referrer_id", "dan", f"the referrer of eve is nobody; {why}"),
    ]


def test_second_referrer_inside_one_import_refuses_all() -> None:
    verdict = judged(read("bob ann", "bob cat 2026-01-05", "bob ann"))
    why = "bob comes with 2 different referrers in this import; keep the right one"
    assert refused(verdict) == [
        (2, "second_referrer", "referrer_id", "ann", why),
        (3, "second_referrer", "referrer_id", "cat", why),
        (4, "second_referrer", "referrer_id", "ann", why),
    ]


def test_self_referral() -> None:
    """It does not count as a second referrer: the other row gives what it would give alone."""
    verdict = judged(read("bob bob", "bob ann"))
    assert refused(verdict) == [
        (
            2, "self_referral", "referrer_id", "bob",
            "bob cannot be referred by himself; name another referrer",
        )
    ]  # fmt: skip
    assert accepted(verdict) == read("bob ann")


def test_cycle_inside_one_import_refuses_every_edge_on_it() -> None:
    verdict = judged(read("ann bob", "bob cat 2026-01-05", "cat ann", "dan ann", "cat ann"))
    why = "nobody can be above himself; one of these edges is wrong"
    assert refused(verdict) == [
        (2, "cycle", "referrer_id", "bob", f"ann -> bob -> cat -> ann: {why}"),
        (3, "cycle", "referrer_id", "cat", f"bob -> cat -> ann -> bob: {why}"),
        (4, "cycle", "referrer_id", "ann", f"cat -> ann -> bob -> cat: {why}"),
        (6, "cycle", "referrer_id", "ann", f"cat -> ann -> bob -> cat: {why}"),
    ]
    assert accepted(verdict) == read("dan ann")


def test_cycle_with_the_book_refuses_the_news_only() -> None:
    verdict = judged(read("ann cat 2026-05-01", "dan ann"), read("bob ann", "cat bob"))
    assert refused(verdict) == [
        (
            2, "cycle", "referrer_id", "cat",
            "ann -> cat -> bob -> ann: nobody can be above himself; one of these edges is wrong",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("since", "codes"), [("2026-01-31", ["cycle"]), ("2026-02-01", []), ("2026-03-01", [])]
)
def test_cycle_that_a_move_has_ended(since: str, codes: list[str]) -> None:
    """
    bob <- cat until February, when cat moves to ann
    cat <- bob since `since`
    """
    book = read("cat bob", "cat ann 2026-02-01")
    assert judged(read(f"bob cat {since}"), book).refused["code"].to_list() == codes


def test_a_long_cycle_is_cut_short_in_the_message() -> None:
    verdict = judged([(f"a{n}", f"a{(n + 1) % 7}", 0) for n in range(7)])
    assert verdict.refused["message"][3] == (
        "a3 -> a4 -> a5 -> a6 -> a0 -> ... -> a3 (7 affiliates): "
        "nobody can be above himself; one of these edges is wrong"
    )


def numbers(count: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.arange(count, dtype=np.int64)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("shape", "looping"), [("chain", 0), ("star", 0), ("cycle", 50_000)])
def test_deep_wide_and_looping_imports_are_judged_in_bulk(shape: str, looping: int) -> None:
    count = 200_000
    above = {
        "chain": numbers(count) + 1,
        "star": np.full(count, count, np.int64),
        "cycle": np.append((numbers(looping) + 1) % max(looping, 1), numbers(count - looping)),
    }[shape]
    verdict = judge_referrals(
        pl.DataFrame({"affiliate_id": numbers(count), "referrer_id": above})
        .cast(pl.String)
        .with_columns(
            since_us=pl.lit(0, pl.Int64),
            line=pl.int_range(2, count + 2, dtype=pl.Int64),
            file=pl.lit(0, pl.Int32),
            start=pl.lit(0, pl.Int64),
            stop=pl.lit(0, pl.Int64),
        ),
        frame([]),
    )
    assert verdict.accepted.height == count - looping
    assert verdict.refused["code"].unique().to_list() == (["cycle"] if looping else [])


# A plain-Python account of the rules, for small trees.


def above_at(edges: Sequence[Edge], instant: int) -> dict[str, str | None]:
    in_order = sorted(edges, key=lambda edge: edge[2])
    return {name: referrer for name, referrer, since in in_order if since <= instant}


def looping_at(edges: Sequence[Edge], instant: int) -> set[str]:
    """Those who are above themselves."""
    above = above_at(edges, instant)
    found = set()
    for start in above:
        name: str | None = start
        for _ in above:
            name = above.get(name) if name else None
            if name == start:
                found.add(start)
    return found


def ever_looping(edges: Sequence[Edge]) -> set[str]:
    return {name for _, _, since in edges for name in looping_at(edges, since)}


def by_hand(rows: Sequence[Edge], book: Sequence[Edge]) -> dict[Edge, str]:
    """What becomes of each content."""
    fate: dict[Edge, str] = {}
    for row in set(rows):
        name, referrer, _ = row
        known = {edge for edge in book if edge[0] == name}
        rivals = {edge for edge in rows if edge[0] == name and edge[1] != name}
        if referrer == name:
            fate[row] = "self_referral"
        elif row in known:
            fate[row] = "duplicate"
        elif known:
            same = any(edge[1] == referrer for edge in known)
            fate[row] = "conflict" if same else "second_referrer"
        elif len({edge[1] for edge in rivals}) > 1:
            fate[row] = "second_referrer"
        elif len(rivals) > 1:
            fate[row] = "conflict"
    candidates = [row for row in set(rows) if row not in fate]
    looping = ever_looping([*book, *candidates])
    for row in candidates:
        fate[row] = "cycle" if row[0] in looping else "accepted"
    return fate


NAMES = ["a", "b", "c", "d", "e", "\U0001f600", "é"]
NAME = st.sampled_from(NAMES)
SINCE = st.sampled_from([BEGINNING, 0, 1, 2, 3, 4])
ROWS = st.lists(st.tuples(NAME, NAME, SINCE), max_size=9)
MOVES = st.lists(st.tuples(NAME, st.none() | NAME, SINCE), max_size=14)


def grown(moves: Sequence[Edge]) -> list[Edge]:
    """A book of the moves that keep the forest whole, each affiliate's in order."""
    book: list[Edge] = []
    for move in sorted(moves, key=lambda move: move[2]):
        own = [edge for edge in book if edge[0] == move[0]]
        fits = own[-1][2] < move[2] and own[-1][1] != move[1] if own else move[1] is not None
        if fits and not ever_looping([*book, move]):
            book.append(move)
    return book


@settings(max_examples=400, deadline=None)
@given(MOVES, ROWS, st.data())
def test_any_rows_are_judged_as_by_hand_in_any_order(
    moves: list[Edge], rows: list[Edge], data: st.DataObject
) -> None:
    book = grown(moves)
    fate = by_hand(rows, book)
    order = data.draw(st.permutations(rows))
    files = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    verdict = judged(order, data.draw(st.permutations(book)), files)

    taken = accepted(verdict)
    assert Counter(taken) == Counter(row for row, what in fate.items() if what == "accepted")
    codes = Counter(fate[row] for row in rows if fate[row] not in ("accepted", "duplicate"))
    assert Counter(verdict.refused["code"].to_list()) == codes
    assert len(taken) + verdict.duplicates + verdict.refused.height == len(rows)
    assert not ever_looping([*book, *taken])
    lines = verdict.accepted.select("file", "line").rows()
    assert lines == sorted(lines)
    assert verdict.refused["message"].null_count() == 0
    assert verdict.refused["text"].null_count() == 0


def test_lasting_loops_come_first_then_the_latest_that_ended() -> None:
    ended: list[Edge] = [("a", "b", 0), ("b", "a", 0), ("a", None, 3), ("b", "a", 4)]
    later: list[Edge] = [("c", "d", 1), ("d", "c", 1), ("c", None, 9)]
    lasting: list[Edge] = [("y", "z", 0), ("z", "y", 0)]
    found = [list(loop) for loop in loops(frame([*ended, *later, *lasting]))]
    assert found == [["y", "z"], ["c", "d"], ["a", "b"]]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(NAME, st.none() | NAME, SINCE), max_size=12, unique_by=lambda e: (e[0], e[2])
    )
)
def test_every_loop_of_any_edges_is_found(edges: list[Edge]) -> None:
    found = [list(loop) for loop in loops(frame(edges))]
    assert {name for loop in found for name in loop} == ever_looping(edges)
    for loop in found:
        pairs = {(name, loop[(place + 1) % len(loop)]) for place, name in enumerate(loop)}
        assert any(pairs <= above_at(edges, since).items() for _, _, since in edges)
        assert loop[0] == min(loop)


@settings(max_examples=300, deadline=None)
@given(MOVES, NAME, st.none() | NAME, SINCE)
def test_a_move_is_possible_exactly_when_the_forest_stays_whole(
    moves: list[Edge], name: str, referrer: str | None, since: int
) -> None:
    book = grown(moves)
    own = sorted((edge for edge in book if edge[0] == name), key=lambda edge: edge[2])
    current = own[-1][1] if own else None
    fits = (
        referrer not in (name, current)
        and all(edge[2] < since for edge in own)
        and not ever_looping([*book, (name, referrer, since)])
    )
    assert (judge_move(frame(book), name, referrer, since) is None) == fits


@pytest.mark.parametrize(
    ("name", "referrer", "since", "why"),
    [
        ("bob", "dan", "2026-01-06", None),
        ("bob", None, "2026-01-06", None),
        ("new", "bob", "2020-01-01", None),
        ("bob", "bob", "2026-02-01", "bob cannot be referred by himself"),
        (
            "bob", "dan", "2026-01-05",
            "the referrer of bob was last set as of 2026-01-05T00:00:00Z; a move must be later",
        ),
        ("bob", "eve", "2026-02-01", "the referrer of bob is eve already"),
        ("dan", None, "2026-02-01", "the referrer of dan is nobody already"),
        (
            "eve", "cat", "2026-02-01",
            f"eve -> cat -> bob -> eve: {ABOVE_HIMSELF}; name a referrer outside this branch",
        ),
        ("eve", "cat", "2026-04-01", None),
    ],
)  # fmt: skip
def test_a_move(name: str, referrer: str | None, since: str, why: str | None) -> None:
    """
    ann <- bob until 5 January, then eve <- bob
    bob <- cat until 1 April, then dan <- cat
    """
    book = read("bob ann", "bob eve 2026-01-05", "cat bob", "cat dan 2026-04-01")
    assert judge_move(frame(book), name, referrer, at(since)) == why


def test_a_move_before_the_beginning() -> None:
    assert judge_move(frame(read("bob ann")), "bob", "cat", BEGINNING) == (
        "the referrer of bob was last set as of the beginning; a move must be later"
    )


def test_a_loop_of_five_is_spelled_out_and_one_of_six_is_cut() -> None:
    assert spell(list("abcde")) == "a -> b -> c -> d -> e -> a"
    assert spell(list("abcdef"), 4) == "e -> f -> a -> b -> c -> ... -> e (6 affiliates)"
