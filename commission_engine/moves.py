"""A move: an affiliate gets another referrer from an instant on. Nothing written changes."""

from dataclasses import dataclass

import polars as pl

from commission_engine.book import audit, facts
from commission_engine.book.connect import Connection
from commission_engine.calendar import Instant, iso_instant
from commission_engine.imports import Circumstances
from commission_engine.problems import UsageError
from commission_engine.tree.judge import judge_move


@dataclass(frozen=True, slots=True)
class Move:
    """`referrer_id` None: no referrer from `since_us` on."""

    affiliate_id: str
    referrer_id: str | None
    since_us: Instant
    reason: str


def move_affiliate(
    connection: Connection, move: Move, given: Circumstances
) -> tuple[str | None, bool]:
    """Make the move: the referrer before it, and whether it is news.

    The latest move once more changes nothing. UsageError when it would break the forest.
    """
    for name in (move.affiliate_id, move.referrer_id):
        if name is not None and not facts.exists(connection, name):
            raise UsageError(f"there is no affiliate {name!r}", "Ids are case-sensitive.")
    edges = facts.edges(connection)
    own = edges.filter(pl.col("affiliate_id") == move.affiliate_id)
    referrers = [None, *own["referrer_id"]]
    if own.rows()[-1:] == [(move.affiliate_id, move.referrer_id, move.since_us)]:
        return referrers[-2], False
    fault = judge_move(edges, move.affiliate_id, move.referrer_id, move.since_us)
    if fault:
        raise UsageError(fault, "Nothing was moved.")
    number = facts.open_intake(connection, facts.Intake("move", given.now, given.who), 1, 0, 0)
    columns = ("affiliate_id", "referrer_id", "since_us", "extra")
    edge = pl.DataFrame(
        [(move.affiliate_id, move.referrer_id, move.since_us, None)],
        schema={name: pl.Int64 if name == "since_us" else pl.String for name in columns},
        orient="row",
    )
    added = facts.add_referrals(connection, edge, number, move.reason)
    details = {
        "affiliate_id": move.affiliate_id,
        "referrer_id": move.referrer_id,
        "since": iso_instant(move.since_us),
        "reason": move.reason,
    }
    audit.learned(connection, given.signed, number, details, added)
    return referrers[-1], True
