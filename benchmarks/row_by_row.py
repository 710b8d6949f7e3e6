"""The program people write first: a networkx tree, Decimal amounts, one row after the other.

    python benchmarks/row_by_row.py FOLDER OUT.csv    # the CSV files of benchmarks/generate.py
    python benchmarks/row_by_row.py FACTS             # the facts of benchmarks/generate.py --facts

With CSV it writes the same lines as the engine (event, level, beneficiary, commission) and is the
peer of benchmarks/night.py. With facts it says how long it took, as all peers of
benchmarks/compare.py do. It has no database, no ledger, no statements and no checks of what it
reads.
"""

import csv
import sys
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import networkx as nx
import polars as pl

sys.path.append(str(Path(__file__).parent / "peers"))
from common import DECIMALS, checksum, now, peak_mb, report

RATES = {1: Decimal("0.20"), 2: Decimal("0.15"), 3: Decimal("0.10")}
CENT = {"EUR": Decimal("0.01"), "USD": Decimal("0.01"), "JPY": Decimal(1)}
ORDER_CAP = {1: 100, 2: 75, 3: 50}
MONTH_CAP = {1: 400, 2: 300, 3: 200}
ZONE = ZoneInfo("Europe/Berlin")
STARTS = date(2025, 1, 1)
HOLD = timedelta(days=14)


class Event(NamedTuple):
    """One earning; an order has no `reverses`."""

    event_id: Hashable
    affiliate_id: Hashable
    occurred_at: datetime
    amount: Decimal
    currency: str
    reverses: Hashable | None


class Line(NamedTuple):
    """What one event pays at one level."""

    event_id: Hashable
    level: int
    beneficiary_id: Hashable
    currency: str
    gross: Decimal
    commission: Decimal
    reason: str
    available_on: date


def limit(caps: dict[int, int], level: int, currency: str) -> Decimal:
    return Decimal(caps[level] * (100 if currency == "JPY" else 1))


def lines(tree: "nx.DiGraph[Hashable]", events: Iterable[Event]) -> Iterator[Line]:
    """`events` in processing order."""
    base: dict[Hashable, Decimal] = defaultdict(Decimal)
    used: dict[tuple[Hashable, ...], Decimal] = defaultdict(Decimal)
    day_of: dict[Hashable, date] = {}
    for event in events:
        order, currency = event.reverses or event.event_id, event.currency
        if not event.reverses:
            day_of[order] = event.occurred_at.astimezone(ZONE).date()
        day = day_of[order]
        before = base[order]
        base[order] = after = before + event.amount
        who = event.affiliate_id
        for level, rate in RATES.items():
            above = list(tree.successors(who)) if who in tree else []
            if not above:
                break
            who = above[0]
            cap = limit(ORDER_CAP, level, currency)
            full = [(x * rate).quantize(CENT[currency], ROUND_HALF_EVEN) for x in (before, after)]
            share = [max(-cap, min(cap, x)) for x in full]
            gross, capped = full[1] - full[0], share[1] - share[0]
            key = (who, currency, level, day.year, day.month)
            total = used[key]
            used[key] = now = total + capped
            month = limit(MONTH_CAP, level, currency)
            paid = min(now, month) - min(total, month)
            reason = "order" if capped != gross else "month" if paid != capped else ""
            yield Line(event.event_id, level, who, currency, gross, paid, reason, day + HOLD)


def from_csv(folder: Path, out: Path) -> None:
    tree = nx.DiGraph()
    with (folder / "referrals.csv").open() as file:
        for row in csv.DictReader(file):
            tree.add_edge(row["affiliate_id"], row["referrer_id"])
    with (folder / "earnings.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda e: (e["occurred_at"], e["reverses"] != "", e["event_id"]))
    events = (
        Event(
            row["event_id"],
            row["affiliate_id"],
            datetime.fromisoformat(row["occurred_at"]),
            Decimal(row["amount"]),
            row["currency"],
            row["reverses"] or None,
        )
        for row in rows
    )
    with out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for line in lines(tree, events):
            paid = line.commission.quantize(CENT[line.currency])
            writer.writerow((line.event_id, line.level, line.beneficiary_id, paid))


def from_facts(facts: Path) -> None:
    started = now()
    tree = nx.DiGraph()
    referrals = pl.read_parquet(facts / "referrals.parquet")
    tree.add_edges_from(referrals.select("affiliate_id", "referrer_id").iter_rows())
    events = [
        Event(event, who, at, Decimal(minor).scaleb(-DECIMALS[code]), code, root)
        for event, who, at, minor, code, root in pl.read_parquet(
            facts / "earnings.parquet"
        ).iter_rows()
    ]
    loaded = now()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "lines.parquet"
        rows = [
            (line.event_id, line.level, line.beneficiary_id, minor(line.gross, line.currency),
             minor(line.commission, line.currency), line.reason, STARTS, line.available_on)
            for line in lines(tree, events)
        ]  # fmt: skip
        schema = ["event_id", "level", "beneficiary_id", "gross_minor", "commission_minor",
                  "reason", "terms_from", "available_on"]  # fmt: skip
        pl.DataFrame(rows, schema, orient="row").write_parquet(path)
        took = now() - loaded
        peak = peak_mb()
        report(took, loaded - started, checksum(pl.scan_parquet(path)), peak)


def minor(amount: Decimal, currency: str) -> int:
    return int(amount.scaleb(DECIMALS[currency]))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        from_facts(Path(sys.argv[1]))
    else:
        from_csv(Path(sys.argv[1]), Path(sys.argv[2]))
