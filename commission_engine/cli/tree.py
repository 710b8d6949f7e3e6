"""`commission tree`: who referred whom."""

import sys
from enum import StrEnum
from typing import Annotated

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import facts, views
from commission_engine.book.lock import Worker, again
from commission_engine.calendar import Instant, iso_instant
from commission_engine.cli.common import (
    AsJson,
    Database,
    at_work,
    looking,
    now,
    open_book,
    origin,
    out,
    print_json,
    say,
    settings_of,
    who,
)
from commission_engine.imports import Circumstances
from commission_engine.ingest.instants import parse_instants
from commission_engine.moves import Move, move_affiliate
from commission_engine.problems import Exit, UsageError
from commission_engine.tree import show as views_of_tree
from commission_engine.tree.cycles import spell

app = typer.Typer(help="The referral tree: show, check, move, export.", no_args_is_help=True)

Root = Annotated[str | None, typer.Argument(help="Only the branch below this affiliate.")]
At = Annotated[str, typer.Option("--at", help="As of this instant, ISO 8601; else the latest.")]
Depth = Annotated[int | None, typer.Option("--depth", min=0, help="So many levels down.")]


class Format(StrEnum):
    """How a branch is written."""

    TEXT = "text"
    GRAPHML = "graphml"
    MERMAID = "mermaid"


@app.command()
def show(
    affiliate: Root = None,
    at: At = "",
    depth: Depth = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Referrals shown of each.")] = 20,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show the tree, or a branch of it, indented."""
    graph = _branch(affiliate, at, depth, database)
    if as_json:
        print_json(
            [
                {
                    "affiliate_id": node,
                    "referrer_id": next(iter(graph.predecessors(node)), None),
                    "direct": data["direct"],
                    "below": data["below"],
                }
                for node, data in graph.nodes(data=True)
            ]
        )
    else:
        sys.stdout.write(views_of_tree.as_text(graph, limit=most))


@app.command()
def export(
    affiliate: Root = None,
    how: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.GRAPHML,
    at: At = "",
    depth: Depth = None,
    database: Database = None,
) -> None:
    """Write a branch for other programs: GraphML, a Mermaid flowchart, or text."""
    graph = _branch(affiliate, at, depth, database)
    if how is Format.TEXT:
        sys.stdout.write(views_of_tree.as_text(graph, limit=sys.maxsize, levels=sys.maxsize))
    else:
        write = {
            Format.GRAPHML: views_of_tree.as_graphml,
            Format.MERMAID: views_of_tree.as_mermaid,
        }
        sys.stdout.write(write[how](graph))


@app.command()
def check(database: Database = None, as_json: AsJson = False) -> None:
    """Check that the tree is one: figures, and any loop (there should be none)."""
    with looking(database) as connection:
        edges = facts.edges(connection)
        everybody = len(facts.affiliate_ids(connection))
    found = views_of_tree.check(edges)
    outside = everybody - found.affiliates
    figures = {
        "affiliates": everybody,
        "roots": found.roots + outside,
        "referrals": found.edges,
        "ended_referrals": found.ended_edges,
        "deepest_level": found.deepest_level,
        "largest_fan_out": found.largest_fan_out,
        "largest_fan_out_of": found.largest_fan_out_of,
        "loops": [spell(loop) for loop in found.loops],
    }
    if as_json:
        print_json(figures)
    else:
        for name, value in figures.items():
            shown = ", ".join(value) or "none" if isinstance(value, list) else value
            out.print(f"{name.replace('_', ' ')}: {escape(str(shown))}")
    if found.loops:
        raise typer.Exit(Exit.OUT_OF_BALANCE)


@app.command()
def move(
    affiliate: Annotated[str, typer.Argument(help="Who gets another referrer.")],
    since: Annotated[str, typer.Option("--since", help="From when on, ISO 8601.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the move.")],
    to: Annotated[str | None, typer.Option("--to", help="The new referrer.")] = None,
    to_root: Annotated[bool, typer.Option("--to-root", help="No referrer from then on.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say only whether it could be.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Give an affiliate another referrer from an instant on. Written lines stay as they are."""
    if (to is None) != to_root:
        raise UsageError("a move needs either --to or --to-root", "Write such as --to ann.")
    if not reason.strip():
        raise UsageError("--reason is empty", "Say why the affiliate moves.")
    wanted = Move(affiliate, to, _instant(since, "--since"), reason)
    engine = open_book(settings_of(database=database))
    given = Circumstances(who(), now(), dry_run=dry_run, origin=origin())
    with at_work(engine, "tree move") as worker:
        before, news = again(lambda: _moved(worker, wanted, given))
    if as_json:
        print_json(
            {
                "affiliate_id": affiliate,
                "from_referrer_id": before,
                "to_referrer_id": to,
                "since": iso_instant(wanted.since_us),
                "changed": news,
                "dry_run": dry_run,
            }
        )
        return
    if not news:
        say(f"{escape(affiliate)} has moved so already; nothing was changed")
        return
    say(
        f"{'dry run: ' if dry_run else ''}{escape(affiliate)}: from {escape(before or 'nobody')} to"
        f" {escape(to or 'nobody')} since {iso_instant(wanted.since_us)}"
    )
    say("orders that a run has decided stay as they are; later ones follow the move")


def _moved(worker: Worker, wanted: Move, given: Circumstances) -> tuple[str | None, bool]:
    with worker.writing(keep=not given.dry_run) as connection:
        return move_affiliate(connection, wanted, given)


def _branch(
    affiliate: str | None, at: str, depth: int | None, database: str | None
) -> views_of_tree.Graph:
    with looking(database) as connection:
        edges = facts.edges(connection)
        if at:
            edges = edges.filter(pl.col("since_us") <= _instant(at, "--at"))
        edges = edges.unique("affiliate_id", keep="last", maintain_order=True)
        people = facts.affiliate_ids(connection)
        names = views.labels(connection, people, 2**31)
    if affiliate is not None and affiliate not in people:
        raise UsageError(f"there is no affiliate {affiliate!r}", "Ids are case-sensitive.")
    roots = people.filter(~people.is_in(edges["affiliate_id"].implode())).to_frame("affiliate_id")
    edges = pl.concat([edges, roots], how="diagonal")
    labels = edges.select(
        label=pl.col("affiliate_id").replace_strict(names, default=None, return_dtype=pl.String)
    )
    return views_of_tree.branch(edges.hstack(labels), affiliate, depth)


def _instant(value: str, name: str) -> Instant:
    instant: Instant | None = parse_instants(pl.Series([value]))[0]
    if instant is None:
        raise UsageError(
            f"{name}: {value!r} is not an instant", "Write such as 2026-11-20T00:00:00Z."
        )
    return instant
