"""A settlement: available balances become payouts, everybody's movements a statement."""

from datetime import timedelta

import polars as pl

from commission_engine.calendar import Day, date_of, day_of
from commission_engine.decide.kernel import check_total
from commission_engine.ledger.accounts import Kind
from commission_engine.ledger.post import signed
from commission_engine.plan.terms import Every

KEY = ("affiliate", "currency")

STATEMENTS = pl.Schema(
    {
        "affiliate": pl.Int64,
        "currency": pl.Int64,
        "period_from": pl.Int64,
        "opening_minor": pl.Int64,
        "earned_minor": pl.Int64,
        "reversed_minor": pl.Int64,
        "adjusted_minor": pl.Int64,
        "paid_minor": pl.Int64,
        "closing_minor": pl.Int64,
        "held_minor": pl.Int64,
        "available_minor": pl.Int64,
    }
)


MOVED = ("earned_minor", "reversed_minor", "adjusted_minor")

NOBODY = pl.DataFrame(schema=dict.fromkeys(KEY, pl.Int64))


def settles(every: Every, day: Day, previous: Day | None) -> bool:
    """Whether the run for `day` is a settlement; `previous` is the last completed date.

    It is one when a period ended on `day`, or since the previous run: a payday that fell into an
    outage is kept by the first run after it.
    """
    if every is Every.DAY:
        return True
    ended = _last_period_end(every, day)
    return ended == day if previous is None else ended > previous


def _last_period_end(every: Every, day: Day) -> Day:
    """The last Sunday, or last day of a month, that is not after `day`."""
    if every is Every.WEEK:
        return day - (day + 4) % 7
    tomorrow = date_of(day) + timedelta(days=1)
    return day_of(tomorrow.replace(day=1)) - 1


def settle(
    day: Day,
    period_from: Day | None,
    opening: pl.DataFrame,
    entries: pl.DataFrame,
    matured: pl.DataFrame,
    activity: pl.DataFrame,
    minimum: pl.DataFrame,
    inactive: pl.Series,
    waived: pl.DataFrame = NOBODY,
) -> pl.DataFrame:
    """The statements of the settlement on `day`, shaped STATEMENTS, sorted by affiliate, currency.

    `period_from` is the day after the previous settlement, None at the first one. `opening` has
    the previous settlement's balances (affiliate, currency, closing_minor, available_minor),
    `entries` those booked since (ENTRIES), `matured` the entries booked before that became
    available since (ENTRIES), `activity` who had lines since (ACTIVITY, one row a run), `minimum`
    the least that is paid (currency, least), `inactive` the affiliates who are not paid now,
    `waived` those for whom the least does not hold now (affiliate, currency). What a statement pays
    is its `paid_minor`.

    CommissionError where these amounts together are more than the book can hold.
    """
    check_total(
        *(opening[name].to_numpy() for name in ("closing_minor", "available_minor")),
        *(each["amount_minor"].to_numpy() for each in (entries, matured)),
    )
    moved = entries.with_columns(amount=signed()).group_by(KEY).agg(
        *(
            pl.col("amount").filter(pl.col("kind").is_in(kinds)).sum().alias(name)
            for name, kinds in (
                ("earned_minor", (Kind.EARNED,)),
                ("reversed_minor", (Kind.REVERSED,)),
                ("adjusted_minor", (Kind.ADJUSTED, Kind.CREDITED, Kind.RETURNED)),
            )
        ),
        freed=pl.col("amount").filter(pl.col("available_day") <= day).sum(),
    )  # fmt: skip
    ripe = matured.with_columns(amount=signed()).group_by(KEY).agg(ripe=pl.col("amount").sum())
    seen = activity.group_by(KEY).agg(lines=pl.col("lines").sum())
    first = activity.group_by("affiliate").agg(earliest=pl.col("earliest_day").min())
    keys = pl.concat([each.select(KEY) for each in (opening, moved, seen)]).unique()
    joined = keys
    for part in (opening, moved, ripe, seen):
        joined = joined.join(part, on=KEY, how="left")
    joined = joined.join(first, on="affiliate", how="left").join(minimum, on="currency", how="left")
    joined = joined.join(waived.with_columns(any_amount=pl.lit(True)), on=KEY, how="left")
    numbers = [
        name for name, kind in joined.schema.items() if kind == pl.Int64 and name != "earliest"
    ]
    joined = joined.with_columns(pl.col(numbers).fill_null(0)).with_columns(
        ready=pl.col("available_minor") + pl.col("freed") + pl.col("ripe"),
        owed=pl.sum_horizontal("closing_minor", *MOVED),
    )
    pays = (
        (pl.col("ready") > 0)
        & ((pl.col("ready") >= pl.col("least")) | pl.col("any_amount").fill_null(value=False))
        & ~pl.col("affiliate").is_in(inactive.implode())
    )
    started = pl.col("earliest") if period_from is None else pl.lit(period_from)
    return (
        joined.with_columns(paid_minor=pl.when(pays).then("ready").otherwise(0))
        .select(
            *KEY,
            started.alias("period_from"),
            pl.col("closing_minor").alias("opening_minor"),
            "earned_minor",
            "reversed_minor",
            "adjusted_minor",
            "paid_minor",
            (pl.col("owed") - pl.col("paid_minor")).alias("closing_minor"),
            (pl.col("owed") - pl.col("ready")).alias("held_minor"),
            (pl.col("ready") - pl.col("paid_minor")).alias("available_minor"),
            moved=pl.any_horizontal(pl.col("lines", *MOVED) != 0),
        )
        # Held and available may cancel out; the next settlement needs to know what is available.
        .filter(
            pl.col("moved")
            | pl.any_horizontal(pl.col("opening_minor", "closing_minor", "available_minor") != 0)
        )
        .select(STATEMENTS.names())
        .cast(STATEMENTS)
        .sort(KEY)
    )
