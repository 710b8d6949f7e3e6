"""Holds: what a night may not pay before a person has looked, and why. Bounds judge, never cut.

A hold changes no line, no entry and nothing that was earned. What it holds stays available and
carries over, as an amount below the minimum does.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

import polars as pl

from commission_engine.bounds import Bounds
from commission_engine.money import Minor, spoken

KEY = ("affiliate", "currency")
ALL = -1
"""In place of an affiliate: everybody; of a currency: every currency."""


class HoldKind(StrEnum):
    """What was beyond its bound, and so what is held."""

    RUN = "run"
    """A run's commission in a currency: every payout."""
    PAYOUT = "payout"
    """A payout: that affiliate's in that currency."""
    LINES = "lines"
    """An affiliate's lines in a run: that affiliate's payouts."""


HOLDS = pl.Schema(
    {
        "kind": pl.String,
        "affiliate": pl.Int64,
        "currency": pl.Int64,
        "figure": pl.Int64,
        "bound": pl.Int64,
        "why": pl.String,
    }
)
"""`figure` is above `bound`: minor units, of kind lines a count. `why` has more to say, as JSON."""


def large_run(
    bounds: Bounds, total: Mapping[int, Minor], earlier: Sequence[Mapping[int, Minor]]
) -> pl.DataFrame:
    """The currencies in which a run's `total` commission is beyond the multiple of the median of
    the `earlier` runs', shaped HOLDS; all by currency number, the latest run last."""
    rows = []
    for currency, figure in total.items():
        judged = bounds.most_of_run([each[currency] for each in earlier if currency in each])
        if judged is not None and figure > judged[0]:
            most, runs, twice = judged
            why = {"times": str(bounds.run_times_median), "runs": runs, "twice_median": twice}
            rows.append((HoldKind.RUN.value, ALL, currency, figure, most, _json(why)))
    return pl.DataFrame(rows, schema=HOLDS, orient="row")


def many_lines(bounds: Bounds, active: pl.DataFrame) -> pl.DataFrame:
    """The affiliates with more lines in a run than the bound, shaped HOLDS; `active`: ACTIVITY."""
    if bounds.lines_per_beneficiary is None:
        return HOLDS.to_frame()
    counted = active.group_by("affiliate").agg(figure=pl.col("lines").sum())
    return counted.filter(pl.col("figure") > bounds.lines_per_beneficiary).select(
        pl.lit(HoldKind.LINES.value).alias("kind"),
        "affiliate",
        pl.lit(ALL, pl.Int64).alias("currency"),
        "figure",
        pl.lit(bounds.lines_per_beneficiary, pl.Int64).alias("bound"),
        pl.lit(_json({})).alias("why"),
    )


def large_payouts(
    payouts: pl.DataFrame, most: Mapping[int, Minor], released: pl.DataFrame, held: pl.DataFrame
) -> pl.DataFrame:
    """The payouts that are beyond the bound of their currency, shaped HOLDS.

    `payouts` is what a settlement would pay (affiliate, currency, amount_minor), `most` the bounds
    by currency number, `released` what may be paid all the same (affiliate, currency, up_to), and
    `held` the open holds: a payout that is held already is not held once more.
    """
    bound = pl.DataFrame(
        list(most.items()), schema={"currency": pl.Int64, "bound": pl.Int64}, orient="row"
    )
    accounts = held.filter(pl.col("kind") == HoldKind.PAYOUT.value)
    beyond = (
        payouts.join(bound, on="currency")
        .join(released, on=KEY, how="left")
        .filter(
            (pl.col("amount_minor") > pl.col("bound"))
            & (pl.col("amount_minor") > pl.col("up_to").fill_null(-1))
        )
        .join(accounts, on=KEY, how="anti")
    )
    why = pl.concat_str(pl.lit('{"released": '), "up_to", pl.lit("}"))
    return beyond.select(
        pl.lit(HoldKind.PAYOUT.value).alias("kind"),
        *KEY,
        pl.col("amount_minor").alias("figure"),
        "bound",
        pl.when(pl.col("up_to").is_null()).then(pl.lit(_json({}))).otherwise(why).alias("why"),
    )


def in_order(*parts: pl.DataFrame) -> pl.DataFrame:
    """The holds of a run as they are numbered."""
    together = [HOLDS.to_frame(), *(part.select(HOLDS.names()).cast(HOLDS) for part in parts)]
    return pl.concat(together).sort("kind", *KEY)


def withhold(statements: pl.DataFrame, holds: pl.DataFrame) -> pl.DataFrame:
    """Statements (STATEMENTS) that do not pay what open holds hold: it stays available."""
    affiliates, accounts = (
        holds.filter(pl.col("kind") == kind.value) for kind in (HoldKind.LINES, HoldKind.PAYOUT)
    )
    held = (
        pl.lit((holds["kind"] == HoldKind.RUN.value).any())
        | pl.col("affiliate").is_in(affiliates["affiliate"].implode())
        | pl.col("waits").is_not_null()
    )
    kept = pl.when(held).then("paid_minor").otherwise(0)
    waits = accounts.select(KEY).unique().with_columns(waits=True)
    return (
        statements.join(waits, on=KEY, how="left", maintain_order="left")
        .with_columns(
            paid_minor=pl.col("paid_minor") - kept,
            closing_minor=pl.col("closing_minor") + kept,
            available_minor=pl.col("available_minor") + kept,
        )
        .drop("waits")
    )


def said(
    kind: str, affiliate_id: str | None, code: str, decimals: int, figure: int, bound: int, why: str
) -> str:
    """A hold in one sentence; `affiliate_id` None: everybody."""
    more = json.loads(why)
    if kind == HoldKind.LINES:
        return f"{affiliate_id}: {figure:,} lines in one run are more than {bound:,}"
    amount, most = (spoken(minor, code, decimals) for minor in (figure, bound))
    if kind == HoldKind.RUN:
        runs = "1 run" if more["runs"] == 1 else f"{more['runs']} runs"
        return (
            f"every payout: the run's commission of {amount} is more than {most},"
            f" {more['times']} times the median of {runs}"
        )
    released = (
        f", and {spoken(more['released'], code, decimals)} that was released"
        if "released" in more
        else ""
    )
    return f"{affiliate_id}: a payout of {amount} is more than {most}{released}"


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True)
