"""lines.csv, of many millions of lines: what is said of an event or of an affiliate is made into
text once, and a line's row is put together from such pieces.

The bytes are those of `text.csv(lines_table(...))` in `files.py`, row by row.
"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from commission_engine.calendar import Ints
from commission_engine.decide.kernel import REASONS
from commission_engine.publish import text
from commission_engine.publish.rates import rate_of_line, rates
from commission_engine.publish.record import RunLines

MOST_PLACES = 1 << 20

HEADER = (
    "line_id", "run_date", "event_id", "order_id", "occurred_at", "earner_id", "level",
    "beneficiary_id", "currency", "base_amount", "rate", "gross", "commission", "reason",
    "available_on", "plan", "terms_from",
)  # fmt: skip


def lines_csv(run: RunLines) -> Iterator[tuple[bytes, int]]:
    """The file's bytes in parts, each with its count of rows."""
    yield ",".join(HEADER).encode() + b"\n", 0
    row = _row(run)
    for events, lines in run.parts:
        yield text.csv_of_cells(row(events, lines)), lines.height


def _row(run: RunLines) -> Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]:
    people = text.cells(run.affiliates)
    codes = text.cells(run.currencies["code"])
    amounts = text.Amounts(run.currencies["decimals"].to_numpy(), run.count)
    run_date = text.days(np.array([run.day])).item()
    plan = text.cells(pl.Series([run.plan.name])).item()
    known = rates(run.plan)

    def row(events: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
        """Columns of a part's rows; some hold several cells."""
        place = lines["row"]
        currency = events["currency"].to_numpy()
        event_id, earner = text.cells(events["event_id"]), people.gather(events["earner"])
        order_id = text.cells(events["order_id"])
        occurred = text.instants(events["occurred_us"].to_numpy())
        base = amounts.texts(events["base_minor"].to_numpy(), currency)
        said = pl.DataFrame(
            {"a": event_id, "b": order_id, "c": occurred, "d": earner,
             "e": codes.gather(currency), "f": base}
        )  # fmt: skip
        first, second = said.select(
            first=pl.concat_str(pl.lit(run_date), "a", "b", "c", "d", separator=","),
            second=pl.concat_str("e", "f", separator=","),
        )
        currency_of_line = currency[place.to_numpy()]
        level = lines["level"].cast(pl.String)
        return pl.DataFrame(
            {
                "line_id": _line_ids(event_id, place, level),
                "event": first.gather(place),
                "level": level,
                "beneficiary": people.gather(lines["beneficiary"]),
                "money": second.gather(place),
                "rate": _rates(known, lines),
                "gross": amounts.texts(lines["gross_minor"].to_numpy(), currency_of_line),
                "commission": amounts.texts(lines["commission_minor"].to_numpy(), currency_of_line),
                "rest": _rest(lines, plan),
            }
        )

    return row


def _line_ids(event_id: pl.Series, place: pl.Series, level: pl.Series) -> pl.Series:
    """event_id.level as a cell; where the id is in quotes, the level stands inside them."""
    quoted = event_id.str.starts_with('"')
    if not quoted.any():
        return (event_id + ".").gather(place) + level
    front = event_id.str.strip_suffix('"').zip_with(quoted, event_id) + "."
    back = pl.select(pl.when(quoted).then(pl.lit('"')).otherwise(pl.lit(""))).to_series()
    return front.gather(place) + level + back.gather(place)


def _rates(known: pl.DataFrame, lines: pl.DataFrame) -> pl.Series:
    def rate(distinct: pl.DataFrame) -> pl.Series:
        key = ["terms_day", "level"]
        joined = distinct.join(known, on=key, how="left", maintain_order="left")
        return joined.select(rate_of_line()).to_series()

    return _of_few(lines.select("terms_day", "level"), rate)


def _rest(lines: pl.DataFrame, plan: str) -> pl.Series:
    """The cells from the reason on."""
    reasons = pl.Series([str(reason) for reason in REASONS])

    def rest(distinct: pl.DataFrame) -> pl.Series:
        said = distinct.select(
            reasons.gather(distinct["reason"]).alias("reason"),
            text.day("available_day"),
            pl.lit(plan).alias("plan"),
            text.terms_day(),
        )
        return said.select(pl.concat_str(pl.all(), separator=",")).to_series()

    return _of_few(lines.select("reason", "available_day", "terms_day"), rest)


def _of_few(keys: pl.DataFrame, made: Callable[[pl.DataFrame], pl.Series]) -> pl.Series:
    """`made` of integer columns with few different rows, computed once for each of them."""
    place: Ints = np.zeros(keys.height, np.int64)
    size = 1
    for column in keys:
        values = column.to_numpy().astype(np.int64)
        low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        place = place * (high - low + 1) + (values - low)
        size *= high - low + 1
    if size > MOST_PLACES:
        _, first, inverse = np.unique(place, return_index=True, return_inverse=True)
    else:
        row = np.zeros(size, np.int64)
        row[place] = np.arange(1, keys.height + 1)  # of equal ones any row will do
        used = np.flatnonzero(row)
        first = row[used] - 1
        row[used] = np.arange(len(used))
        inverse = row[place]
    return made(keys[first].cast(pl.Int64)).gather(inverse)
