"""A release: a person has looked at what is held, and it may be paid. Nothing written changes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from commission_engine.book import audit, facts, holds, runs, views
from commission_engine.book.connect import Connection
from commission_engine.book.holds import NO_AMOUNT, Release
from commission_engine.calendar import date_of
from commission_engine.imports import Circumstances
from commission_engine.ledger.holds import ALL, HoldKind, said
from commission_engine.money import BadAmount, Minor, parse_amount, plain, spoken
from commission_engine.problems import UsageError

NOTHING = "Nothing was released."
MANY = 500
"""Affiliates whose balances are asked for one by one; more are found among everybody's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to release, why, and of a payout the most that may be paid (None: see `release`)."""

    holds: Sequence[int]
    reason: str
    up_to: str | None = None


def release(connection: Connection, wanted: Wanted, given: Circumstances) -> pl.DataFrame:
    """Release holds and give them, shaped holds.LISTED; all of them, or UsageError and none.

    A payout may then be as large as what waits now, and what its bound lets pass may come on top:
    what is earned until the next settlement does not hold the same money once more.
    """
    if not wanted.reason.strip():
        raise UsageError("--reason is empty", "Say why it may be paid; it is kept.")
    numbers = list(dict.fromkeys(wanted.holds))
    known = holds.listed(connection).filter(pl.col("id").is_in(numbers))
    for number in numbers:
        _refuse_what_is_not_open(known.filter(pl.col("id") == number), number)
    if wanted.up_to is not None and (len(numbers) != 1 or known["kind"][0] != HoldKind.PAYOUT):
        raise UsageError("--up-to is for one payout", f"Name one hold of kind payout. {NOTHING}")
    waits = waiting(connection, known)
    rows = [
        Release(row["id"], wanted.reason, _up_to(row, waits, wanted.up_to))
        for row in known.iter_rows(named=True)
    ]
    what = facts.Intake("release", given.now, given.who)
    number = facts.open_intake(connection, what, len(rows), 0, 0)
    holds.add_releases(connection, number, rows)
    audit.learned(connection, given.signed, number, {"holds": numbers, "reason": wanted.reason})
    return holds.listed(connection).filter(pl.col("id").is_in(numbers))


def _refuse_what_is_not_open(found: pl.DataFrame, number: int) -> None:
    if not found.height:
        raise UsageError(
            f"there is no hold {number}", f"`commission holds --all` lists all. {NOTHING}"
        )
    row = found.row(0, named=True)
    if row["intake"] is not None:
        raise UsageError(
            f"hold {number} was released at {row['released_at']} by {row['released_by']}:"
            f" {row['reason']}",
            f"`commission holds` lists what is open. {NOTHING}",
        )


def _up_to(row: dict[str, object], waits: pl.DataFrame, asked: str | None) -> Minor:
    """The most that a released payout may be; NO_AMOUNT of another kind of hold."""
    if row["kind"] != HoldKind.PAYOUT:
        return NO_AMOUNT
    own = waits.filter((pl.col("id") == row["id"]) & (pl.col("currency") == row["code"]))
    available: Minor = sum(own["available_minor"].to_list())
    if asked is None:
        most: Minor = available + int(str(row["bound"]))
        return most
    decimals = int(str(row["decimals"]))
    try:
        up_to = parse_amount(asked, decimals)
    except BadAmount as why:
        raise UsageError(f"--up-to: {why}", NOTHING) from why
    if up_to < available:
        raise UsageError(
            f"--up-to {asked} is less than the {plain(available, decimals)} that wait",
            f"A payout is the whole balance or nothing. {NOTHING}",
        )
    return up_to


def waiting(connection: Connection, known: pl.DataFrame) -> pl.DataFrame:
    """What each of these holds (shaped holds.LISTED) keeps back after the last run: id, currency
    (a code), decimals, available_minor. Of several holds each says all that it holds."""
    shape = {"id": pl.Int64, "currency": pl.String, "decimals": pl.Int64}
    completed = runs.completed(connection)
    if not completed or not known.height:
        return pl.DataFrame(schema=shape | {"available_minor": pl.Int64})
    affiliates = known["affiliate"].unique()
    few = [views.one_of(affiliates)] if len(affiliates) <= MANY and ALL not in affiliates else []
    owed = views.balances(connection, completed[-1].day, *few)
    owed = owed.filter(pl.col("available_minor") > 0)
    amounts = ("currency", "decimals", "available_minor")
    kinds = {kind: known.filter(pl.col("kind") == kind.value) for kind in HoldKind}
    everything = owed.group_by("currency", "decimals").agg(pl.col("available_minor").sum())
    parts = [
        kinds[HoldKind.RUN].select("id").join(everything, how="cross"),
        kinds[HoldKind.LINES].select("id", "affiliate_id").join(owed, on="affiliate_id"),
        kinds[HoldKind.PAYOUT]
        .select("id", "affiliate_id", currency="code")
        .join(owed, on=("affiliate_id", "currency")),
    ]
    together = pl.concat([part.select("id", *amounts) for part in parts])
    return together.cast({"available_minor": pl.Int64}).sort("id", "currency")


# -- for people and programs


def described(found: pl.DataFrame, waits: pl.DataFrame) -> list[dict[str, Any]]:
    """Holds (shaped holds.LISTED) as people and programs read them, with what `waits`."""
    of_hold: dict[int, dict[str, str]] = {}
    for number, code, decimals, available in waits.iter_rows():
        of_hold.setdefault(number, {})[code] = plain(available, decimals)
    return [_described(row, of_hold) for row in found.iter_rows(named=True)]


def _described(row: dict[str, Any], of_hold: dict[int, dict[str, str]]) -> dict[str, Any]:
    code, decimals, up_to = row["code"] or "", row["decimals"] or 0, row["up_to"]
    affiliate, lines = row["affiliate_id"], row["kind"] == HoldKind.LINES
    amounts = [str(n) if lines else plain(n, decimals) for n in (row["figure"], row["bound"])]
    allowed = up_to is not None and up_to != NO_AMOUNT
    return {
        "hold": row["id"],
        "run_date": date_of(row["run_day"]).isoformat(),
        "kind": row["kind"],
        "whose": affiliate or "everybody",
        "affiliate_id": affiliate,
        "currency": code or None,
        "figure": amounts[0],
        "bound": amounts[1],
        "waiting": of_hold.get(row["id"], {}),
        "why": said(
            row["kind"], affiliate, code, decimals, row["figure"], row["bound"], row["why"]
        ),
        "details": json.loads(row["why"]),
        "released_at": row["released_at"],
        "released_by": row["released_by"],
        "reason": row["reason"],
        "up_to": spoken(up_to, code, decimals) if allowed else None,
    }
