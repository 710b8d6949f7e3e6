"""The order in which events are processed, and the orders that reversals belong to."""

import numpy as np
import numpy.typing as npt
import polars as pl

from commission_engine.calendar import Ints
from commission_engine.problems import CommissionError


def processing_order(
    occurred: Ints, reversal: npt.NDArray[np.bool_], event_id: pl.Series
) -> Ints | None:
    """The places of events in processing order (time, orders before reversals, id by its bytes).

    None where they are in it, as the events of one intake are.
    """
    place = None
    if (occurred[1:] < occurred[:-1]).any():
        place = np.argsort(occurred, kind="stable")
        occurred, reversal = occurred[place], reversal[place]
        event_id = event_id.gather(place)
    same = np.flatnonzero(occurred[1:] == occurred[:-1])
    ahead, after = reversal[same], reversal[same + 1]
    later = (event_id.gather(same) > event_id.gather(same + 1)).to_numpy()
    wrong = same[(ahead & ~after) | ((ahead == after) & later)]
    if not len(wrong):
        return place
    # Of events at one instant all are sorted where any two are not in order.
    instant = np.cumsum(np.append(False, occurred[1:] != occurred[:-1]))
    mixed = np.zeros(instant[-1] + 1, np.bool_)
    mixed[instant[wrong]] = True
    rows = np.flatnonzero(mixed[instant])
    by_id = (
        pl.DataFrame([instant[rows], reversal[rows], event_id.gather(rows)], ["at", "back", "id"])
        .select(pl.arg_sort_by("at", "back", "id"))
        .to_series()
        .to_numpy()
    )
    places = np.arange(len(occurred)) if place is None else place
    places[rows] = places[rows[by_id]]
    return places


def roots_of(rows: pl.DataFrame, numbers: pl.Series, known: pl.DataFrame) -> Ints:
    """Per new event the number of its order: its own, or that of the one which it reverses."""
    roots = numbers.to_numpy().copy()
    reverses = rows["reverses"]
    reversals = np.flatnonzero(reverses.is_not_null().to_numpy())
    named = reverses.gather(reversals).rename("event_id").to_frame()
    here = rows["event_id"].is_in(named["event_id"].implode())
    orders = pl.concat(
        [
            known.select("event_id", "id"),
            pl.DataFrame({"event_id": rows["event_id"].filter(here), "id": numbers.filter(here)}),
        ]
    )
    joined = named.join(orders, on="event_id", how="left", maintain_order="left")
    if joined["id"].null_count():
        raise CommissionError("a reversal names no order", "This is a fault of the program.")
    roots[reversals] = joined["id"].to_numpy()
    return roots
