"""Facts' columns: which there are, of what types, and whether their values can be.

What is wrong is refused as a whole, with the column or the first row at fault: facts come from a
program, and a program is mended, not a row. `commission import` keeps rows one by one.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine.calendar import BEGINNING, DAY_US, day_of
from commission_engine.money import MAX_MINOR
from commission_engine.plan.terms import Plan
from commission_engine.problems import FactsRefused, FileRefused
from commission_engine.tree.cycles import loops, spell
from commission_engine.tree.forest import NOBODY, Forest

INSTANT = pl.Datetime("us", "UTC")
EVENT, AFFILIATE = "an event's id", "an affiliate's id"
"""In the place of a type: whole numbers or text, the same wherever such an id is."""

EARNINGS: Mapping[str, Any] = {
    "event_id": EVENT,
    "affiliate_id": AFFILIATE,
    "occurred_at": INSTANT,
    "amount_minor": pl.Int64(),
    "currency": pl.String(),
    "reverses": EVENT,
}
REFERRALS: Mapping[str, Any] = {
    "affiliate_id": AFFILIATE,
    "referrer_id": AFFILIATE,
    "since": INSTANT,
}
CLOSED: Mapping[str, Any] = {"affiliate_id": AFFILIATE}
_COLUMNS = {"earnings": EARNINGS, "referrals": REFERRALS, "closed": CLOSED}
_OPTIONAL = ("reverses", "since")

_EARLIEST = day_of(date.min) * DAY_US
_LATEST = (day_of(date.max) + 1) * DAY_US - 1


def scanned(path: Path) -> pl.LazyFrame:
    """A Parquet file to read. Raises FileRefused where it is not there or not whole."""
    try:
        with path.open("rb") as file:
            pl.read_parquet_schema(file)
    except FileNotFoundError as why:
        raise FileRefused(
            f"{path}: there is no such file",
            "Facts are a folder of Parquet files: earnings.parquet and referrals.parquet.",
        ) from why
    except OSError as why:
        raise FileRefused(f"{path}: {why.strerror}", "Nothing was computed.") from why
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as why:
        raise FileRefused(
            f"{path}: this is not a whole Parquet file", "It may be cut short; write it again."
        ) from why
    return pl.scan_parquet(path, glob=False)


def collected(frame: pl.LazyFrame, what: str = "earnings") -> pl.DataFrame:
    """Its rows. Raises FactsRefused where they cannot be read, or values do not fit the type."""
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as why:
        first, _, _ = str(why).partition("\n")
        raise FactsRefused(
            f"{what} cannot be read: {first}", "Look for damage to the file or for absurd values."
        ) from why


# -- columns in their types


def shaped(frames: Mapping[str, pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
    """Earnings, referrals, closed: their columns in their types; optional ones not there are null.

    Raises FactsRefused where a column is missing or of another type.
    """
    schemas = {what: frame.collect_schema() for what, frame in frames.items()}
    kinds = _kinds(schemas)
    return {
        what: frame.select(
            _column(what, name, schemas[what], kinds.get(wanted, wanted), wanted in kinds)
            for name, wanted in _COLUMNS[what].items()
        )
        for what, frame in frames.items()
    }


def _kinds(schemas: Mapping[str, pl.Schema]) -> dict[Any, pl.DataType]:
    """Whether ids of events, and those of affiliates, are whole numbers or text."""
    found: dict[Any, tuple[pl.DataType, str]] = {}
    for what, schema in schemas.items():
        for name, role in _COLUMNS[what].items():
            kind = _kind(schema[name]) if name in schema else None
            if role not in (EVENT, AFFILIATE) or kind is None:
                continue
            first, where = found.setdefault(role, (kind, f"{name!r} of {what}"))
            if kind != first:
                raise FactsRefused(
                    f"{what}: the column {name!r} holds {_SAID[kind]}, but {where} {_SAID[first]}",
                    "Ids are whole numbers or text, the same everywhere.",
                )
    return {role: found[role][0] if role in found else pl.Int64() for role in (EVENT, AFFILIATE)}


_SAID = {pl.Int64(): "whole numbers", pl.String(): "text", INSTANT: "timestamps"}


def _kind(dtype: pl.DataType) -> pl.DataType | None:
    if dtype.is_integer():
        return pl.Int64()
    texts = dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum)
    return pl.String() if texts else None


def _column(what: str, name: str, schema: pl.Schema, wanted: pl.DataType, is_id: bool) -> pl.Expr:
    if name not in schema:
        if name in _OPTIONAL:
            return pl.lit(None, wanted).alias(name)
        raise FactsRefused(
            f"{what}: there is no column {name!r}; there are {', '.join(schema.names())}",
            f"Give {what} the columns {', '.join(_COLUMNS[what])}.",
        )
    dtype, column = schema[name], pl.col(name)
    if dtype == pl.Null or _kind(dtype) == wanted:
        return column.cast(wanted)
    if wanted == INSTANT and isinstance(dtype, pl.Datetime):
        utc = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column
        return utc.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    said = "whole numbers or text" if is_id else _SAID[wanted]
    raise FactsRefused(f"{what}: the column {name!r} is of type {dtype}", f"Give it as {said}.")


# -- values


def check_values(part: pl.DataFrame) -> None:
    """Refuse earnings with nulls, amounts or instants that no earning has."""
    check_there(part, "earnings", "reverses")
    amount = part["amount_minor"].to_numpy()
    if int(amount.min()) <= -MAX_MINOR or int(amount.max()) >= MAX_MINOR:
        raise FactsRefused(
            "earnings: an amount_minor is out of range",
            f"Amounts are below {MAX_MINOR} minor units.",
        )
    at = part["occurred_at"].to_physical().to_numpy()
    if int(at.min()) < _EARLIEST or int(at.max()) > _LATEST:
        raise FactsRefused(
            "earnings: an occurred_at is out of range", "Years are 0001 to 9999, in UTC."
        )


def check_currencies(codes: Iterable[str], plan: Plan) -> None:
    """Refuse currencies that the plan does not know: none of its caps would hold for them."""
    known = plan.decimals
    for code in codes:
        if code not in known:
            raise FactsRefused(
                f"earnings: {code!r} is neither an ISO 4217 currency nor a unit of the plan",
                "Correct the code, or declare the unit in the plan.",
            )


def check_there(rows: pl.DataFrame, what: str, but: str) -> None:
    """Refuse nulls in any column `but` one."""
    for name, missing in rows.drop(but, strict=False).null_count().to_dict().items():
        if missing[0]:
            raise FactsRefused(
                f"{what}: {missing[0]} values of {name!r} are missing",
                f"Only `{but}` may be null." if but else "Leave such rows out.",
            )


def is_in_order(rows: pl.DataFrame) -> bool:
    """Whether rows are in processing order: by instant, earnings first, then by event id."""
    at = rows["occurred_at"].to_physical().to_numpy()
    if not (at[1:] >= at[:-1]).all():
        return False
    same = at[1:] == at[:-1]
    late = rows["reverses"].is_not_null().to_numpy()
    event = rows["event_id"]
    rises = (
        event.to_numpy()[1:] > event.to_numpy()[:-1]
        if event.dtype.is_integer()
        else ((event > event.shift(1)).to_numpy()[1:])
    )
    right = (late[1:] & ~late[:-1]) | ((late[1:] == late[:-1]) & rises)
    return bool((right | ~same).all())


# -- rows that belong together


def check_reversals(joined: pl.DataFrame) -> None:
    """Each names an order of its own affiliate and currency, is negative, and no more than it."""
    total = pl.col("before") + pl.col("amount_minor")
    faults = {
        "reverses an event that is not there": pl.col("row_root").is_null(),
        "reverses a reversal": pl.col("reverses_root").is_not_null(),
        "is another affiliate's or in another currency than its order": (
            (pl.col("affiliate_id") != pl.col("affiliate_id_root"))
            | (pl.col("currency") != pl.col("currency_root"))
        ),
        "is earlier than its order": pl.col("occurred_at") < pl.col("occurred_at_root"),
        "is a reversal, but its amount is not negative": pl.col("amount_minor") >= 0,
        "reverses more than its order": total < 0,
    }
    for fault, wrong in faults.items():
        found = joined.filter(wrong)
        if found.height:
            raise FactsRefused(
                f"earnings: {found['event_id'].item(0)} {fault} ({found.height} such rows)",
                "`commission import` would name and keep such rows; facts must have none.",
            )


def check_tree(referrals: pl.DataFrame, forest: Forest) -> None:
    """Refuse two referrers of one affiliate from one instant on, and loops at whatever instant."""
    moved = bool((forest.first != forest.last).any())
    if not moved and not _comes_back(forest):
        return
    edges = referrals.select(
        "affiliate_id", "referrer_id", since_us=pl.col("since").cast(pl.Int64).fill_null(BEGINNING)
    )
    several = edges.filter(pl.col("affiliate_id").is_duplicated())
    different = several.unique()
    if different.height < several.height:
        edges = edges.unique()
    same_time = pl.struct("affiliate_id", "since_us").is_duplicated()
    rivals = different.filter(same_time)["affiliate_id"]
    if len(rivals):
        raise FactsRefused(
            f"referrals: {rivals.sort().item(0)} has several referrers since the same instant",
            "Keep one of them; a null `since` is the beginning of time.",
        )
    for loop in loops(edges):
        raise FactsRefused(
            f"referrals: {spell([str(each) for each in loop])}: nobody can be above himself",
            "One of these edges is wrong.",
        )


def _comes_back(forest: Forest) -> bool:
    """Whether by their last edges somebody is above himself."""
    up = forest.referrer[forest.last]  # its last place is NOBODY's, and NOBODY is -1
    far, steps = up, 1
    # After as many steps up as there are affiliates one stands at nobody, or on a loop.
    while steps < len(up) and (far != NOBODY).any():
        far, steps = far[far], 2 * steps
    return bool((far != NOBODY).any())
