"""What the limit and the peers share: the plan's figures, a report, the checksum of lines.

Every program takes a folder of `generate.py --facts` and prints one line of JSON: `seconds` from
facts in its own natural form to lines in it (`cpu_seconds` on all cores), `load_seconds` from
files to that form, `lines`, the sums `gross` and `commission`, how many lines were cut by which
cap, a weighted checksum that sees which line is whose, and the peak memory of its processes.
"""

import argparse
import json
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

CODES = ("EUR", "USD", "JPY")
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0}


@dataclass(frozen=True, slots=True)
class Level:
    """Caps are in minor units, by currency code."""

    level: int
    percent: int
    order_cap: Mapping[str, int]
    month_cap: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """The reference work's plan: one set of terms, three levels."""

    zone: str
    starts: date
    hold_days: int
    levels: tuple[Level, ...]


def rules_of(facts: Path) -> Rules:
    plan = tomllib.loads((facts / "plan.toml").read_text("utf-8"))
    (terms,) = plan["terms"]
    levels = []
    for level in terms["level"]:
        caps = {
            cap["window"]: {
                code: int(text.replace(".", "")) for code, text in cap["amount"].items()
            }
            for cap in level["cap"]
        }
        levels.append(
            Level(level["level"], int(level["rate"].rstrip("%")), caps["order"], caps["month"])
        )
    return Rules(plan["timezone"], terms["from"], terms["hold_days"], tuple(levels))


def facts_folder(description: str | None) -> Path:
    """The one argument of a peer."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("facts", type=Path)
    facts: Path = parser.parse_args().facts
    return facts


def peak_mb() -> int:
    """The most memory that this program has had, in MB.

    Not by getrusage, which begins with the memory of the process that started this one.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(peak) // 1024


SUMS = {
    "lines": "count(*)",
    "gross": "sum(gross_minor)",
    "commission": "sum(commission_minor)",
    "order": "sum(CASE WHEN reason = 'order' THEN 1 ELSE 0 END)",
    "month": "sum(CASE WHEN reason = 'month' THEN 1 ELSE 0 END)",
    "weighted": ("sum(commission_minor * (event_id % 1009 + 1) + beneficiary_id % 997 * level)"),
}
"""The checksum as SQL over lines, by the names of the report."""

CHECKSUM_SQL = f"SELECT {', '.join(SUMS.values())} FROM lines"


def checksum(lines: pl.LazyFrame) -> dict[str, int]:
    """The same of a frame."""
    reason = pl.col("reason").cast(pl.String)
    return (
        lines.select(
            lines=pl.len(),
            gross=pl.col("gross_minor").sum(),
            commission=pl.col("commission_minor").sum(),
            order=(reason == "order").sum(),
            month=(reason == "month").sum(),
            weighted=(
                pl.col("commission_minor") * (pl.col("event_id") % 1009 + 1)
                + pl.col("beneficiary_id") % 997 * pl.col("level").cast(pl.Int64)
            ).sum(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """Or the time between two: wall seconds, and those of all of this process's threads."""

    wall: float
    cpu: float

    def __sub__(self, earlier: "Moment") -> "Moment":
        return Moment(self.wall - earlier.wall, self.cpu - earlier.cpu)


def now() -> Moment:
    return Moment(time.perf_counter(), time.process_time())


NOTHING = Moment(0, 0)


def report(took: Moment, load: Moment, sums: Mapping[str, int], peak: int) -> None:
    """Print the line of JSON; `peak` in MB."""
    print(
        json.dumps(
            {
                "seconds": round(took.wall, 3),
                "cpu_seconds": round(took.cpu, 3),
                "load_seconds": round(load.wall, 3),
                **{name: int(value) for name, value in sums.items()},
                "peak_mb": peak,
            }
        )
    )
