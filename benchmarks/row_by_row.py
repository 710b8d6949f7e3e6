"""The program people write first: a networkx tree, Decimal amounts, one row after the other.

    python benchmarks/row_by_row.py FOLDER OUT.csv

It reads the folder that benchmarks/generate.py makes and writes the same lines as the engine
(event, level, beneficiary, commission), without a database, a ledger, statements or checks of
what it reads. It is the peer of benchmarks/night.py.
"""

import csv
import sys
from collections import defaultdict
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import networkx as nx

RATES = {1: Decimal("0.20"), 2: Decimal("0.15"), 3: Decimal("0.10")}
CENT = {"EUR": Decimal("0.01"), "USD": Decimal("0.01"), "JPY": Decimal(1)}
ORDER_CAP = {1: 100, 2: 75, 3: 50}
MONTH_CAP = {1: 400, 2: 300, 3: 200}
ZONE = ZoneInfo("Europe/Berlin")


def limit(caps: dict[int, int], level: int, currency: str) -> Decimal:
    return Decimal(caps[level] * (100 if currency == "JPY" else 1))


def main(folder: Path, out: Path) -> None:
    tree = nx.DiGraph()
    with (folder / "referrals.csv").open() as file:
        for row in csv.DictReader(file):
            tree.add_edge(row["affiliate_id"], row["referrer_id"])
    with (folder / "earnings.csv").open() as file:
        events = list(csv.DictReader(file))
    events.sort(key=lambda e: (e["occurred_at"], e["reverses"] != "", e["event_id"]))
    base: dict[str, Decimal] = defaultdict(Decimal)
    used: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    month_of: dict[str, str] = {}
    with out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for event in events:
            order, currency = event["reverses"] or event["event_id"], event["currency"]
            if not event["reverses"]:
                at = datetime.fromisoformat(event["occurred_at"]).astimezone(ZONE)
                month_of[order] = at.strftime("%Y-%m")
            before = base[order]
            base[order] = after = before + Decimal(event["amount"])
            who = event["affiliate_id"]
            for level, rate in RATES.items():
                above = list(tree.successors(who)) if who in tree else []
                if not above:
                    break
                who = above[0]
                cap = limit(ORDER_CAP, level, currency)
                share = [
                    max(-cap, min(cap, (x * rate).quantize(CENT[currency], ROUND_HALF_EVEN)))
                    for x in (before, after)
                ]
                key = (who, currency, level, month_of[order])
                total = used[key]
                used[key] = now = total + share[1] - share[0]
                month = limit(MONTH_CAP, level, currency)
                line = (min(now, month) - min(total, month)).quantize(CENT[currency])
                writer.writerow((event["event_id"], level, who, line))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
