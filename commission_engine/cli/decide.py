"""`commission decide`: the calculation alone, from Parquet to Parquet, without a book."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commission_engine.cli.common import AsJson, counted, existing, out, print_json, say
from commission_engine.decide import kernel
from commission_engine.decide.parts import decide_folder
from commission_engine.money import spoken
from commission_engine.night import Calculation
from commission_engine.plan.read import read_plan
from commission_engine.plan.terms import Plan


class Where(StrEnum):
    """Where the calculation runs."""

    LOCAL = "local"
    SPARK = "spark"


WithEngine = Annotated[
    Where, typer.Option("--engine", help="This machine, or a Spark cluster.", case_sensitive=False)
]
Master = Annotated[
    str, typer.Option("--master", help="The Spark cluster; local[*]: this machine's cores.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=0, help="Threads; 0: one a core. The lines are the same.")
]


def decide(
    facts: Annotated[
        Path, typer.Argument(help="A folder with earnings.parquet and referrals.parquet.")
    ],
    lines: Annotated[Path, typer.Option("--out", help="The folder of lines; must not exist.")],
    plan: Annotated[
        Path | None, typer.Option("--plan", help="The plan file; else plan.toml in FACTS.")
    ] = None,
    engine: WithEngine = Where.LOCAL,
    master: Master = "local[*]",
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Compute the lines of facts in Parquet, as Parquet. No book is read or written."""
    read = read_plan(plan or existing(facts) / "plan.toml")
    for warning in read.warnings:
        say(f"[yellow]warning:[/] {escape(warning)}")
    if engine is Where.SPARK:
        from commission_engine.spark.decide import decide_folder as on_spark

        totals = on_spark(facts, read.plan, lines, master=master)
    else:
        totals = decide_folder(facts, read.plan, lines, workers=workers or os.cpu_count() or 1)
    if as_json:
        print_json(totals)
    else:
        _summary(totals, read.plan, lines)


def calculation(engine: Where, master: str) -> Calculation:
    """What decides a run's lines."""
    if engine is Where.LOCAL:
        return kernel.decide
    from commission_engine.spark.run import OnSpark
    from commission_engine.spark.session import Cluster

    return OnSpark(Cluster(master))


def _summary(totals: dict[str, Any], plan: Plan, lines: Path) -> None:
    files = counted(len(totals["files"]), "file")
    out.print(f"[bold]{escape(plan.name)}[/]: {counted(totals['lines'], 'line')} in {files}")
    for code, sums in totals["totals"].items():
        decimals = plan.decimals[code]
        commission, gross = (
            spoken(sums[name], code, decimals) for name in ("commission_minor", "gross_minor")
        )
        out.print(f"  {commission} commission of {gross} before caps")
    say(f"lines: {escape(str(lines))}")
