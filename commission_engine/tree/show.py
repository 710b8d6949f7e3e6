"""The forest for people: a branch as a graph, as text, as GraphML and Mermaid, and its figures.

Ids and labels are other people's text. What a reader could not see or would be misled by (control
and formatting characters, line separators) is written as an escape.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import TypeAlias

import networkx as nx
import numpy as np
import polars as pl

from commission_engine.calendar import Ints
from commission_engine.tree.cycles import Loop, loops

Graph: TypeAlias = nx.DiGraph
"""A branch, for those who pass it on."""

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# "1. " and "- " at the start of a label would begin a list
_MERMAID = re.compile(r"[^\w ,@.-]|[.-](?= )")
_NOT_IN_XML = {"\ufffe", "\uffff"}


@dataclass(frozen=True)
class Forest:
    """The edges of one instant as numbers; `names` are sorted, a referrer of -1 is nobody."""

    names: pl.Series
    referrer: Ints

    @classmethod
    def of(cls, edges: pl.DataFrame) -> "Forest":
        """`edges`: affiliate_id (each once), referrer_id (null for roots)."""
        names = pl.concat([edges["affiliate_id"], edges["referrer_id"].drop_nulls()])
        numbers = pl.DataFrame({"name": names.unique().sort()}).with_row_index("number")
        referrer = (
            numbers.join(
                edges.select("affiliate_id", "referrer_id"),
                left_on="name",
                right_on="affiliate_id",
                how="left",
                maintain_order="left",
            )
            .join(
                numbers.rename({"number": "referrer"}),
                left_on="referrer_id",
                right_on="name",
                how="left",
                maintain_order="left",
            )
            .get_column("referrer")
        )
        return cls(numbers["name"], referrer.cast(pl.Int64).fill_null(-1).to_numpy())

    @cached_property
    def direct(self) -> Ints:
        """How many everybody refers himself."""
        return np.bincount(self.referrer[self.referrer >= 0], minlength=len(self.names))

    @cached_property
    def upward(self) -> list[int]:
        """Everybody after all who are below him; those on loops and above them are left out."""
        waiting = self.direct.tolist()
        referrer = self.referrer.tolist()
        done = [node for node, below in enumerate(waiting) if not below]
        for node in done:  # grows as it is read
            above = referrer[node]
            if above >= 0:
                waiting[above] -= 1
                if not waiting[above]:
                    done.append(above)
        return done

    @cached_property
    def below(self) -> list[int]:
        """How many stand below everybody, at any distance (but through loops)."""
        below = [0] * len(self.names)
        referrer = self.referrer.tolist()
        for node in self.upward:
            if referrer[node] >= 0:
                below[referrer[node]] += below[node] + 1
        return below

    @cached_property
    def depths(self) -> Ints:
        """How far everybody is from his root; 0 for roots and for those on or above loops."""
        depths = [0] * len(self.names)
        referrer = self.referrer.tolist()
        for node in reversed(self.upward):
            if referrer[node] >= 0:
                depths[node] = depths[referrer[node]] + 1
        return np.array(depths, np.int64)

    @cached_property
    def _by_referrer(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.referrer, kind="stable")
        return order, np.searchsorted(self.referrer[order], np.arange(len(self.names) + 1))

    def referrals(self, node: int) -> list[int]:
        """Whom `node` refers, by id in byte order."""
        order, first = self._by_referrer
        found: list[int] = order[first[node] : first[node + 1]].tolist()
        return found


def branch(edges: pl.DataFrame, root: str | None = None, depth: int | None = None) -> nx.DiGraph:
    """Everybody below `root` (None: all roots), down to `depth` levels, referrer -> affiliate.

    `edges`: affiliate_id, referrer_id (null for roots) of one instant, label if there are any.
    A node has `direct` and `below`, its numbers of referrals in the whole tree, and its `label`.
    Nodes come from above, siblings by id in byte order. KeyError: `root` is not among them.
    """
    forest = Forest.of(edges)
    if root is None:
        level = np.flatnonzero(forest.referrer < 0).tolist()
    else:
        place = int(forest.names.search_sorted(root))
        if place == len(forest.names) or forest.names[place] != root:
            raise KeyError(root)
        level = [place]
    graph = nx.DiGraph()
    edge_numbers: list[tuple[int, int]] = []
    reached = list(level)
    seen = set(level)
    while level and (depth is None or depth > 0):
        pairs = [
            (node, referral)
            for node in level
            for referral in forest.referrals(node)
            if referral not in seen
        ]
        level = [referral for _, referral in pairs]
        seen.update(level)
        reached += level
        edge_numbers += pairs
        depth = None if depth is None else depth - 1
    names = dict(zip(reached, forest.names.gather(reached), strict=True))
    for node, name in names.items():
        graph.add_node(name, direct=int(forest.direct[node]), below=forest.below[node])
    graph.add_edges_from((names[above], names[below]) for above, below in edge_numbers)
    if "label" in edges.columns:
        labels = edges.filter(
            pl.col("affiliate_id").is_in(list(graph)) & pl.col("label").is_not_null()
        )
        nx.set_node_attributes(
            graph, dict(zip(labels["affiliate_id"], labels["label"], strict=True)), "label"
        )
    return graph


def as_text(graph: nx.DiGraph, limit: int = 20, levels: int = 50) -> str:
    """A branch as an indented tree, a line an affiliate; ends with a newline unless empty.

    Of one affiliate's referrals `limit` are shown, and at most `levels` levels.
    """
    return "".join(f"{line}\n" for line in _lines(graph, limit, levels))


def _lines(graph: nx.DiGraph, limit: int, levels: int) -> Iterator[str]:
    roots = [node for node, above in graph.in_degree() if not above]
    # Still to write, the last one first: a node or what stands for others, and what is before it.
    work: list[tuple[str | None, str, str, str, int]] = []

    def put(nodes: list[str], indent: str, level: int) -> None:
        shown = nodes[:limit]
        rest = len(nodes) - len(shown)
        turns: list[tuple[str | None, str]] = [(node, "") for node in shown]
        if rest:
            turns.append((None, f"... and {rest} more"))
        for place, (node, words) in reversed(list(enumerate(turns))):
            last = place == len(turns) - 1
            mark, under = ("└── ", "    ") if last else ("├── ", "│   ")
            if not level:
                mark = under = ""
            work.append((node, words, indent + mark, indent + under, level))

    put(roots, "", 0)
    while work:
        node, words, before, indent, level = work.pop()
        if node is None:
            yield before + words
            continue
        yield before + _titled(graph, node)
        below = list(graph.successors(node))
        if below and level == levels:
            yield f"{indent}└── ... and {graph.nodes[node]['below']} more below"
        else:
            put(below, indent, level + 1)


def _titled(graph: nx.DiGraph, node: str) -> str:
    data = graph.nodes[node]
    label = f' "{visible(data["label"])}"' if "label" in data else ""
    count = f" ({data['direct']} direct, {data['below']} in all)" if data["direct"] else ""
    return visible(node) + label + count


def visible(text: str) -> str:
    r"""`text` with an escape for every character that is not seen or moves others.

    >>> visible("ann\u202ebob")
    'ann\\u202ebob'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(char) if unicodedata.category(char) in _UNSEEN else char for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def as_graphml(graph: nx.DiGraph) -> str:
    """The branch as GraphML. Nodes are affiliate ids, with the attributes that `branch` gives."""
    clean = nx.DiGraph()
    for node, data in graph.nodes(data=True):
        clean.add_node(
            _xml_text(node),
            **{
                key: _xml_text(value) if isinstance(value, str) else value
                for key, value in data.items()
            },
        )
    clean.add_edges_from((_xml_text(above), _xml_text(below)) for above, below in graph.edges)
    written = BytesIO()
    nx.write_graphml_xml(clean, written)
    return written.getvalue().decode("utf-8")


def _xml_text(text: str) -> str:
    """`text` with escapes for the characters that XML cannot carry."""
    return "".join(
        _escaped(char)
        if char in _NOT_IN_XML or unicodedata.category(char) in ("Cc", "Cs")
        else char
        for char in text
    )


def as_mermaid(graph: nx.DiGraph) -> str:
    """The branch as a Mermaid flowchart. Nodes are n1, n2, ...: ids stand in labels only."""
    numbers = {node: f"n{number}" for number, node in enumerate(graph, 1)}
    lines = ["flowchart TD"]
    for node, number in numbers.items():
        label = graph.nodes[node].get("label")
        text = _mermaid_text(node) + (f"<br>{_mermaid_text(label)}" if label is not None else "")
        lines.append(f'    {number}["{text}"]')
    lines += [f"    {numbers[above]} --> {numbers[below]}" for above, below in graph.edges]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    """`text` with Mermaid's character codes for whatever could mean something to it."""
    return _MERMAID.sub(lambda found: f"#{ord(found[0])};", visible(text))


@dataclass(frozen=True, slots=True)
class Check:
    """The figures of a whole forest when all its edges are in force, and what is wrong with it.

    `edges` are those in force, `ended_edges` those that a later move replaced. The deepest level
    is the largest number of ancestors somebody has. `loops` should be empty: they are what no
    import or move lets in.
    """

    affiliates: int
    roots: int
    edges: int
    ended_edges: int
    deepest_level: int
    largest_fan_out: int
    largest_fan_out_of: str
    loops: tuple[Loop, ...]


def check(edges: pl.DataFrame) -> Check:
    """Look at all `edges` of a book: affiliate_id, referrer_id (null: none from then on), since_us.

    Of several affiliates with the largest fan-out the first by id is named, of none "".
    """
    dated = edges.sort("affiliate_id", "since_us")
    last = dated.unique("affiliate_id", keep="last", maintain_order=True)
    former = edges.select(affiliate_id="referrer_id").drop_nulls().unique()
    roots = former.join(last, on="affiliate_id", how="anti").with_columns(
        referrer_id=pl.lit(None, pl.String)
    )
    forest = Forest.of(pl.concat([last.select(roots.columns), roots]))
    in_force = last["referrer_id"].count()
    widest = int(forest.direct.argmax()) if in_force else -1
    found = {tuple(loop): None for loop in loops(edges)}
    return Check(
        affiliates=len(forest.names),
        roots=int((forest.referrer < 0).sum()),
        edges=in_force,
        ended_edges=edges["referrer_id"].count() - in_force,
        deepest_level=int(forest.depths.max()) if len(forest.names) else 0,
        largest_fan_out=int(forest.direct[widest]) if in_force else 0,
        largest_fan_out_of=forest.names[widest] if in_force else "",
        loops=tuple(found),
    )
