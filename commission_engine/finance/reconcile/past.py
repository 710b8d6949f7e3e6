"""What is known of payouts that left, and of what banks said of them, at any moment of the book."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from commission_engine.book import payouts
from commission_engine.book import reconcile as book
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, Zone
from commission_engine.finance.reconcile.entry import Said, ours_in
from commission_engine.finance.reconcile.match import SURE, Found, Key, Sent, Told, World
from commission_engine.finance.references import SHORT, long_reference, short_reference
from commission_engine.ledger.life import State
from commission_engine.money import Minor
from commission_engine.plan.terms import Plan
from commission_engine.publish.ids import payout_ids


class Past:
    """Payouts that left and what was said of them, as far as some entries can be about them.

    The book is asked once; what was known at an intake follows from the intakes of the rows.
    """

    def __init__(self, connection: Connection, plan: Plan, told: Iterable[Told]) -> None:
        self._connection = connection
        sent, steps = book.sent(connection), book.steps(connection)
        ids = payout_ids(plan.name, sent["run_day"], sent["affiliate_id"], sent["earned_code"])
        exported = steps.filter(pl.col("step") == str(State.EXPORTED))
        left = sent.join(exported, on=payouts.KEY)
        self._first: Mapping[str, int] = dict(
            left.group_by("code").agg(pl.col("intake").min()).iter_rows()
        )
        wanted = _about(sent.with_columns(ids), told)
        mine = steps.join(wanted, on=payouts.KEY, how="semi")
        self._zone = Zone(plan.timezone)
        self._by_reference: dict[str, Sent] = {}
        self._by_amount: dict[tuple[str, Minor], list[Sent]] = {}
        for each in self._made(wanted, mine):
            self._by_reference[long_reference(each.payout_id)] = each
            self._by_reference[short_reference(each.payout_id)] = each
            self._by_amount.setdefault((each.code, each.amount_minor), []).append(each)
        assigned = book.assigned(connection, [str(each) for each in SURE])
        of_whom = assigned.join(wanted.select("affiliate").unique(), on="affiliate", how="semi")
        self._twice: dict[Key, int] = {}
        for *key, number in book.found_of_payouts(connection, Found.DOUBLED, Said.PAID):
            self._twice.setdefault((key[0], key[1], key[2]), number)
        self._assigned: dict[int, list[dict[str, Any]]] = {}
        for row in of_whom.iter_rows(named=True):
            self._assigned.setdefault(row["affiliate"], []).append(row)

    def at(self, known: int, told: Sequence[Told]) -> World:
        """What was known at an intake of the payouts that these entries can be about."""
        mine: dict[Key, Sent] = {}
        for each in told:
            named = [self._by_reference.get(reference) for reference in ours_in(each.reference)]
            alike = self._by_amount.get((each.code, each.amount_minor), [])
            mine.update((one.key, one) for one in (*named, *alike) if one is not None)
        whose = {whose for _, whose, _ in mine}
        before = [
            row
            for each in sorted(whose)
            for row in self._assigned.get(each, ())
            if row["intake"] <= known
        ]
        tails: dict[int, set[str]] = {}
        for row in before:
            if row["payee_tail"]:
                tails.setdefault(row["affiliate"], set()).add(row["payee_tail"])
        numbers = pl.Series(sorted(whose), dtype=pl.Int64)
        return World(
            known,
            [mine[key] for key in sorted(mine)],
            [(key_of(row), Said(row["said"])) for row in before],
            frozenset(code for code, first in self._first.items() if first <= known),
            payouts.names(self._connection, numbers, known),
            {each: frozenset(ends) for each, ends in tails.items()},
            frozenset(key for key in mine if self._twice.get(key, known + 1) <= known),
        )

    def _made(self, wanted: pl.DataFrame, steps: pl.DataFrame) -> Iterable[Sent]:
        of_key: dict[Key, list[dict[str, Any]]] = {}
        for row in steps.iter_rows(named=True):
            of_key.setdefault(key_of(row), []).append(row)
        days: dict[str, Day] = {}
        for row in wanted.iter_rows(named=True):
            mine = of_key[key_of(row)]
            at = mine[0]["learned_at"]
            if at not in days:
                days[at] = local_day(self._zone, at)
            yield Sent(
                key_of(row), row["payout_id"], row["code"], row["decimals"], row["amount_minor"],
                days[at], tuple((each["intake"], State(each["step"])) for each in mine),
            )  # fmt: skip


def _about(sent: pl.DataFrame, told: Iterable[Told]) -> pl.DataFrame:
    """Those of the payouts that entries name, or that have the amount of one."""
    references, amounts = set(), set()
    for each in told:
        references.update(ours_in(each.reference))
        amounts.add((each.code, each.amount_minor))
    asked = pl.DataFrame(
        sorted(amounts), schema={"code": pl.String, "amount_minor": pl.Int64}, orient="row"
    )
    short = pl.col("payout_id").str.slice(-SHORT).str.to_uppercase()
    named = sent.filter(pl.col("payout_id").is_in(references) | short.is_in(references))
    alike = sent.join(asked, on=("code", "amount_minor"), how="semi")
    both = pl.concat([named, alike]).unique(payouts.KEY)
    return both.sort("run_day", "affiliate_id", "earned_code")


def key_of(row: Mapping[str, Any]) -> Key:
    """The key of the payout that a row is about."""
    return row["run_day"], row["affiliate"], row["currency"]


def local_day(zone: Zone, learned_at: str) -> Day:
    """The local day of an instant of the book, such as 2026-11-20T02:30:00Z."""
    return zone.local_day(int(datetime.fromisoformat(learned_at).timestamp()) * 1_000_000)


def told_of(rows: pl.DataFrame) -> Sequence[Told]:
    """Stored entries as they are matched."""
    return [
        Told(
            Said(row["said"]), row["booked_day"], row["code"], row["decimals"],
            row["amount_minor"], row["reference"], row["payee"], row["payee_tail"],
        )
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
