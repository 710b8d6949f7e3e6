"""A move: an affiliate gets another referrer from an instant on. Nothing written changes."""

from dataclasses import dataclass

import polars as pl

from commission_engine.book import facts
from commission_engine.book.lock import Worker
from commission_engine.calendar import Instant
from commission_engine.imports import ForShow, Terms
from commission_engine.problems import UsageError
from commission_engine.tree.judge import judge_move


@dataclass(frozen=True, slots=True)
class Move:
    """`referrer_id` None: no referrer from `since_us` on."""

    affiliate_id: str
    referrer_id: str | None
    since_us: Instant
    reason: str


def move_affiliate(worker: Worker, move: Move, terms: Terms) -> str | None:
    """Make the move and give the referrer before it; UsageError when it would break the forest."""
    before: str | None = None
    try:
        with worker.writing() as connection:
            for name in (move.affiliate_id, move.referrer_id):
                if name is not None and not facts.exists(connection, name):
                    raise UsageError(f"there is no affiliate {name!r}", "Ids are case-sensitive.")
            edges = facts.edges(connection)
            fault = judge_move(edges, move.affiliate_id, move.referrer_id, move.since_us)
            if fault:
                raise UsageError(fault, "Nothing was moved.")
            own = edges.filter(pl.col("affiliate_id") == move.affiliate_id)["referrer_id"]
            before = own[-1] if len(own) else None
            what = facts.Intake("move", terms.now, terms.who)
            number = facts.open_intake(connection, what, 1, 0, 0)
            edge = pl.DataFrame(
                [(move.affiliate_id, move.referrer_id, move.since_us, None)],
                schema={
                    "affiliate_id": pl.String,
                    "referrer_id": pl.String,
                    "since_us": pl.Int64,
                    "extra": pl.String,
                },
                orient="row",
            )
            facts.add_referrals(connection, edge, number, move.reason)
            if terms.dry_run:
                raise ForShow
    except ForShow:
        pass
    return before
