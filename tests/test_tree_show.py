"""The forest as people and other programs see it."""

import networkx as nx
import polars as pl
import pytest

from commission_engine.tree.show import (
    Check,
    as_graphml,
    as_mermaid,
    as_text,
    branch,
    check,
    visible,
)

EDGES = pl.Schema({"affiliate_id": pl.String, "referrer_id": pl.String})
DATED = pl.Schema([*EDGES.items(), ("since_us", pl.Int64())])


def edges(*texts: str) -> pl.DataFrame:
    """ "bob ann": ann is bob's referrer; "ann": she is a root."""
    rows = [(*text.split(" "), None)[:2] for text in texts]
    return pl.DataFrame(rows, EDGES, orient="row")


TEAM = edges("gus fay", "dan bob", "zed", "bob ann", "cat bob", "eve bob", "fay ann", "ann")


def test_the_whole_forest_as_text() -> None:
    assert as_text(branch(TEAM)) == (
        "ann (2 direct, 6 in all)\n"
        "├── bob (3 direct, 3 in all)\n"
        "│   ├── cat\n"
        "│   ├── dan\n"
        "│   └── eve\n"
        "└── fay (1 direct, 1 in all)\n"
        "    └── gus\n"
        "zed\n"
    )


def test_a_branch_down_to_a_depth_counts_what_it_does_not_show() -> None:
    assert as_text(branch(TEAM, "ann", 1)) == (
        "ann (2 direct, 6 in all)\n├── bob (3 direct, 3 in all)\n└── fay (1 direct, 1 in all)\n"
    )
    assert as_text(branch(TEAM, "bob", 0)) == "bob (3 direct, 3 in all)\n"


def test_a_long_fan_out_is_cut() -> None:
    assert as_text(branch(TEAM, "ann"), limit=1) == (
        "ann (2 direct, 6 in all)\n"
        "├── bob (3 direct, 3 in all)\n"
        "│   ├── cat\n"
        "│   └── ... and 2 more\n"
        "└── ... and 1 more\n"
    )
    assert as_text(branch(TEAM), limit=1).splitlines()[-1] == "... and 1 more"


def test_a_deep_branch_is_cut() -> None:
    chain = branch(edges(*(f"a{n + 1:04} a{n:04}" for n in range(3000))))
    assert len(chain) == 3001
    assert as_text(chain, levels=2) == (
        "a0000 (1 direct, 3000 in all)\n"
        "└── a0001 (1 direct, 2999 in all)\n"
        "    └── a0002 (1 direct, 2998 in all)\n"
        "        └── ... and 2998 more below\n"
    )
    assert len(as_text(chain).splitlines()) == 52


def test_a_branch_is_a_graph_from_referrer_to_affiliate() -> None:
    graph = branch(TEAM, "ann")
    assert list(graph) == ["ann", "bob", "fay", "cat", "dan", "eve", "gus"]
    assert list(graph.successors("bob")) == ["cat", "dan", "eve"]
    assert graph.nodes["ann"] == {"direct": 2, "below": 6}
    assert not graph.has_node("zed")


@pytest.mark.parametrize("name", ["nobody", "zzz", "Ann"])
def test_an_unknown_root(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        branch(TEAM, name)


def test_an_empty_forest() -> None:
    graph = branch(edges())
    assert (as_text(graph), as_mermaid(graph)) == ("", "flowchart TD\n")
    assert check(edges().with_columns(since_us=pl.lit(0, pl.Int64))) == Check(
        affiliates=0,
        roots=0,
        edges=0,
        ended_edges=0,
        deepest_level=0,
        largest_fan_out=0,
        largest_fan_out_of="",
        loops=(),
    )


def test_a_branch_with_a_loop_ends() -> None:
    """None can come in, but a look at a damaged book must not hang."""
    graph = branch(edges("ann bob", "bob ann", "cat ann"), "ann")
    assert list(graph.edges) == [("ann", "bob"), ("ann", "cat")]
    assert as_text(graph).splitlines()[0] == "ann (2 direct, 1 in all)"


HOSTILE = 'x"]; click n1 <b>`&#1'


def labelled() -> nx.DiGraph:
    rows = edges("ann", "h\u202ei ann", HOSTILE.replace(" ", "\u00a0") + " ann")
    return branch(rows.with_columns(label=pl.Series(["1. Ann\x1b[31m\n\ufffe", None, "B"])))


def test_text_that_misleads_is_shown_escaped() -> None:
    assert as_text(labelled()).splitlines()[:2] == [
        'ann "1. Ann\\x1b[31m\\n\ufffe" (2 direct, 2 in all)',
        "├── h\\u202ei",
    ]
    assert visible("Zoë 日本 \u200bx") == "Zoë 日本 \\u200bx"


def test_mermaid_never_sees_an_id_outside_a_label() -> None:
    lines = as_mermaid(labelled()).splitlines()
    assert lines[:3] == [
        "flowchart TD",
        '    n1["ann<br>1#46; Ann#92;x1b#91;31m#92;n#65534;"]',
        '    n2["h#92;u202ei"]',
    ]
    assert lines[3] == ('    n3["x#34;#93;#59;#160;click#160;n1#160;#60;b#62;#96;#38;#35;1<br>B"]')
    assert lines[4:] == ["    n1 --> n2", "    n1 --> n3"]


def test_graphml_reads_back_as_the_same_graph() -> None:
    text = as_graphml(labelled())
    read = nx.parse_graphml(text)
    assert set(read.edges) == set(labelled().edges)
    assert read.nodes["ann"] == {"direct": 2, "below": 2, "label": "1. Ann\\x1b[31m\\n\\ufffe"}
    assert text == as_graphml(labelled())


def test_the_figures_of_a_forest() -> None:
    """
    ann <- bob <- cat <- dan; eve <- fay
    bob was eve's before, fay was ann's and was moved away from everybody
    """
    rows = [
        ("bob", "eve", 0),
        ("bob", "ann", 5),
        ("cat", "bob", 0),
        ("dan", "cat", 9),
        ("gus", "cat", 0),
        ("fay", "ann", 1),
        ("fay", None, 2),
    ]
    assert check(pl.DataFrame(rows, DATED, orient="row")) == Check(
        affiliates=7,
        roots=3,
        edges=4,
        ended_edges=2,
        deepest_level=3,
        largest_fan_out=2,
        largest_fan_out_of="cat",
        loops=(),
    )


def test_a_loop_in_the_book_is_named() -> None:
    rows = [
        ("bob", "ann", 0),
        ("ann", "bob", 3),
        ("ann", None, 7),
        ("dan", "cat", 0),
        ("cat", "dan", 0),
    ]
    assert check(pl.DataFrame(rows, DATED, orient="row")).loops == (
        ("cat", "dan"),
        ("ann", "bob"),
    )
