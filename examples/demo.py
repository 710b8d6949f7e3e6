"""The demo: a real shop's year through thirteen settlements, and what came of it.

    python examples/demo.py

Everything is done by the program `commission`, as a person would; this script only calls it,
reads the files that it wrote, and tells the story. What it makes is in the folder demo/.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table

HERE = Path(__file__).resolve().parent
INPUT = HERE / "online_retail"
DEMO = Path("demo")
MONTHS = 13
console = Console(highlight=False)


def commission(*words: str) -> str:
    """Run the program on the demo's book; its stdout. A failure ends the demo with its words."""
    program = Path(sys.executable).with_name("commission")
    environment = {**os.environ, "COMMISSION_DATABASE": f"sqlite:///{DEMO / 'commission.db'}"}
    done = subprocess.run(
        [program, *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"commission {' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def month_ends() -> list[date]:
    """The last days of December 2010 to December 2011."""
    firsts = [date(2011 + month // 12, month % 12 + 1, 1) for month in range(MONTHS)]
    return [first - timedelta(days=1) for first in firsts]


def run_the_year() -> None:
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    out = str(DEMO / "out")
    for day in track(month_ends(), "thirteen settlements", console=Console(stderr=True)):
        folder = [str(INPUT)] if day == month_ends()[0] else []
        commission("run", *folder, "--date", day.isoformat(), "--out", out)


def money(column: str) -> pl.Expr:
    """Pounds and pence as a whole number of pence."""
    return pl.col(column).str.replace(".", "", literal=True).cast(pl.Int64)


def pounds(pence: int) -> str:
    return f"{Decimal(pence).scaleb(-2):,.2f}"


def total(column: pl.Series) -> str:
    """The sum of a column of pence, in pounds."""
    return pounds(sum(column))


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def per_level(lines: pl.DataFrame) -> Table:
    made = table("What each level earned (GBP)", "level", "lines", "before caps", "paid", "rate")
    for level, rows in sorted(lines.partition_by("level", as_dict=True).items()):
        gross, paid = total(rows["gross"]), total(rows["commission"])
        made.add_row(str(level[0]), f"{rows.height:,}", gross, paid, rows["rate"][0])
    made.add_row("all", f"{lines.height:,}", total(lines["gross"]),
                 total(lines["commission"]), "")  # fmt: skip
    return made


def per_reason(lines: pl.DataFrame) -> Table:
    made = table("What the caps cut (GBP)", "first cut by", "lines", "cut")
    cut = lines.filter(pl.col("reason") != "").with_columns(
        cut=pl.col("gross") - pl.col("commission")
    )
    for reason in ("order", "month", "year", "closed"):
        rows = cut.filter(pl.col("reason") == reason)
        made.add_row(reason, f"{rows.height:,}", total(rows["cut"]))
    return made


def largest(statements: pl.DataFrame) -> str:
    row = statements.sort("earned", descending=True).row(0, named=True)
    return (
        f"The largest statement: affiliate [bold]{row['affiliate_id']}[/] earned"
        f" {pounds(row['earned'])} in the month to {row['period_to']},"
        f" was paid {pounds(row['paid'])}\n"
        f"  {DEMO}/out/{row['period_to']}/statements/{row['statement_id']}.csv"
    )


def read(name: str, amounts: tuple[str, ...]) -> pl.DataFrame:
    """One kind of file of all runs, as one table; amounts in pence."""
    parts = [
        pl.read_csv(path, infer_schema=False).fill_null("")
        for path in sorted((DEMO / "out").glob(f"*/{name}"))
    ]
    return pl.concat(parts).with_columns(money(each) for each in amounts)


def tell() -> None:
    source = json.loads((INPUT / "counts.json").read_text("utf-8"))["source_rows"]["read"]["rows"]
    lines = read("lines.csv", ("gross", "commission"))
    statements = read("statements.csv", ("earned", "paid"))
    payouts = read("payouts.csv", ("amount",))
    console.print(
        f"\n[bold]A real shop's year[/]: {source:,} invoice rows became"
        f" {lines['event_id'].n_unique():,} events that pay somebody, in {lines.height:,} lines.\n"
    )
    console.print(per_level(lines), "")
    console.print(per_reason(lines), "")
    paid = total(payouts["amount"])
    console.print(
        f"{MONTHS} settlements made {payouts.height:,} payouts of {paid} GBP"
        f" to {payouts['affiliate_id'].n_unique():,} affiliates."
    )
    console.print(largest(statements))
    console.print(
        f"All files: {DEMO}/out, a folder per business date; the book: {DEMO}/commission.db"
    )
    cut = lines.filter((pl.col("reason") == "month") & (pl.col("commission") > 0)).row(
        0, named=True
    )
    book = f"--database sqlite:///{DEMO}/commission.db"
    console.print(
        "\nWhat to try next\n"
        f"  .venv/bin/commission verify --out {DEMO}/out {book}\n"
        f"  .venv/bin/commission lines --order {cut['order_id']} {book}\n"
        f"  .venv/bin/commission statements --affiliate {cut['beneficiary_id']} {book}\n"
        f"  .venv/bin/commission tree show {cut['beneficiary_id']} --depth 3 {book}\n"
        "\nThe portal, as this affiliate sees it: start it, open the link that follows\n"
        f"  .venv/bin/commission serve {book}\n"
        f"  .venv/bin/commission users link {cut['beneficiary_id']} {book}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    run_the_year()
    tell()
