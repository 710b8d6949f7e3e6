"""Which imported earnings and affiliates are news, which are known, and which cannot be.

The rows of one import are one set: nothing here depends on their order or on their files, but
which of several equal rows is the accepted one.
"""

from collections.abc import Mapping

import polars as pl

from commission_engine.calendar import iso_instant
from commission_engine.money import Minor, iso_decimals, plain
from commission_engine.problems import Code
from commission_engine.verdict import Verdict, conclude, copies, differing, numbered, refuse

_EARNING = {  # our column -> the file's
    "affiliate_id": "affiliate_id",
    "occurred_us": "occurred_at",
    "amount_minor": "amount",
    "currency": "currency",
    "reverses": "reverses",
}
_PROFILE = ("name", "email", "country", "locale", "status", "extra")


def judge_earnings(
    rows: pl.DataFrame,
    known: pl.DataFrame,
    reversed_: pl.DataFrame,
    decimals: Mapping[str, int] | None = None,
) -> Verdict:
    """Judge the earnings of one import.

    `rows`: event_id, affiliate_id, occurred_us, amount_minor, currency, reverses and their place.
    `known`: event_id, affiliate_id, occurred_us, amount_minor, currency, root_id of every event
    of the book that `rows` name in event_id or reverses; the root_id of an adjustment is empty.
    `reversed_`: root_id, reversed_minor (at most 0) of the orders among them that have reversals.
    `decimals` by currency, for the sentences only; ISO 4217's when not given.
    """
    rows = numbered(rows)
    stored = known.with_columns(
        reverses=pl.when(pl.col("root_id") != pl.col("event_id")).then("root_id")
    )
    in_book = rows["event_id"].is_in(known["event_id"].implode())
    met = _meet(rows.filter(in_book), stored)
    repeated = rows.filter(~in_book & rows["event_id"].is_duplicated())
    clash = _clash(repeated, "event_id", _EARNING)
    repeats = copies(repeated.join(clash, on="row", how="anti"), "event_id")

    open_ = (
        ~in_book
        & ~rows["row"].is_in(clash["row"].implode())
        & ~rows["row"].is_in(repeats["row"].implode())
    )
    reversals = rows.filter(open_ & rows["reverses"].is_not_null())
    named = rows["event_id"].is_in(reversals["reverses"].implode())
    roots = pl.concat(
        [
            rows.filter(open_ & named & rows["reverses"].is_null()).select(_ROOT),
            stored.filter(pl.col("reverses").is_null()).select(_ROOT),
        ]
    )
    judged = reversals.join(
        roots.rename({name: f"root_{name}" for name in _ROOT[1:]}),
        left_on="reverses",
        right_on="event_id",
        how="left",
    )
    orderless = judged.filter(pl.col("root_currency").is_null())
    misfits = [
        _orderless(orderless, rows.filter(named & ~in_book), stored, clash),
        *_misfits(judged.filter(pl.col("root_currency").is_not_null()), reversed_, decimals),
    ]
    equal, conflicts = met
    return conclude(rows, [conflicts, clash, *misfits], [equal], [repeats])


_ROOT = ("event_id", "affiliate_id", "occurred_us", "amount_minor", "currency")


def _meet(rows: pl.DataFrame, stored: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose id is in the book: those that say the same, and the refusal of the others."""
    both = rows.join(stored, on="event_id", suffix="_known").with_columns(
        differing=differing(
            {
                file: pl.col(name).ne_missing(pl.col(f"{name}_known"))
                for name, file in _EARNING.items()
            }
        )
    )
    conflicts = refuse(
        both.filter(pl.col("differing") != ""),
        Code.CONFLICT,
        "event_id",
        pl.col("event_id"),
        pl.format("{} is already known with another {}; the first stands", "event_id", "differing"),
    )
    return both.filter(pl.col("differing") == ""), conflicts


def _clash(rows: pl.DataFrame, key: str, content: Mapping[str, str]) -> pl.DataFrame:
    """The refusal of rows that share their id with a row of other content in this import."""
    compared = rows.with_columns(
        rows=pl.len().over(key),
        differing=differing(
            {file: pl.col(name).n_unique().over(key) > 1 for name, file in content.items()}
        ),
    )
    return refuse(
        compared.filter(pl.col("differing") != ""),
        Code.CONFLICT,
        key,
        pl.col(key),
        pl.format(
            "{} comes in {} rows of this import with different {}; keep the right one",
            key,
            "rows",
            "differing",
        ),
    )


def _orderless(
    rows: pl.DataFrame, named: pl.DataFrame, stored: pl.DataFrame, clash: pl.DataFrame
) -> pl.DataFrame:
    """The refusal of reversals whose order is nowhere, and what stands in its place.

    `named`: the rows of this import, new to the book, that some reversal names.
    """
    refused = named.join(clash, on="row", how="semi")["event_id"]
    reversals = pl.concat(
        [
            named.filter(pl.col("reverses").is_not_null())["event_id"],
            stored.filter(pl.col("reverses").is_not_null())["event_id"],
        ]
    )
    adjustments = stored.filter(pl.col("reverses") == "")["event_id"]
    message = (
        pl.when(pl.col("reverses") == pl.col("event_id"))
        .then(pl.format("{} reverses itself; name the earning that it takes back", "event_id"))
        .when(pl.col("reverses").is_in(refused.implode()))
        .then(pl.format("its order {} was refused in this import; mend that first", "reverses"))
        .when(pl.col("reverses").is_in(adjustments.implode()))
        .then(pl.format("{} is an adjustment; correct it with `commission adjust`", "reverses"))
        .when(pl.col("reverses").is_in(reversals.implode()))
        .then(pl.format("{} is a reversal itself; name the earning it takes back", "reverses"))
        .otherwise(pl.format("no earning {} is known; import it first or together", "reverses"))
    )
    return refuse(rows, Code.UNKNOWN_ORDER, "reverses", pl.col("reverses"), message)


def _misfits(
    rows: pl.DataFrame, reversed_: pl.DataFrame, decimals: Mapping[str, int] | None
) -> list[pl.DataFrame]:
    """The refusals of reversals that do not fit the order they name, in the rank of the codes."""
    said = _Said(iso_decimals() if decimals is None else decimals)
    stranger = pl.col("affiliate_id") != pl.col("root_affiliate_id")
    foreign = pl.col("currency") != pl.col("root_currency")
    early = pl.col("occurred_us") < pl.col("root_occurred_us")
    positive = pl.col("amount_minor") >= 0

    strangers, rows = _parted(rows, stranger)
    foreigners, rows = _parted(rows, foreign)
    earlies, rows = _parted(rows, early)
    positives, rows = _parted(rows, positive)
    earlies = earlies.with_columns(
        text=_instants(earlies["occurred_us"]), root=_instants(earlies["root_occurred_us"])
    )
    return [
        refuse(
            strangers,
            Code.REVERSAL_MISMATCH,
            "affiliate_id",
            pl.col("affiliate_id"),
            pl.format(
                "the order {} is {}'s, not {}'s", "reverses", "root_affiliate_id", "affiliate_id"
            ),
        ),
        refuse(
            foreigners,
            Code.REVERSAL_MISMATCH,
            "currency",
            pl.col("currency"),
            pl.format("the order {} is in {}, not in {}", "reverses", "root_currency", "currency"),
        ),
        refuse(
            earlies,
            Code.REVERSAL_BEFORE_ORDER,
            "occurred_at",
            pl.col("text"),
            pl.format("its order {} is of {}; a reversal cannot be earlier", "reverses", "root"),
        ),
        refuse(
            positives.with_columns(text=said.amounts(positives)),
            Code.POSITIVE_REVERSAL,
            "amount",
            pl.col("text"),
            pl.lit("the amount of a reversal must be negative"),
        ),
        _exceeding(rows, reversed_, said),
    ]


def _parted(rows: pl.DataFrame, fault: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    return rows.filter(fault), rows.filter(~fault)


def _exceeding(rows: pl.DataFrame, reversed_: pl.DataFrame, said: "_Said") -> pl.DataFrame:
    """The refusal of reversals that take back more than is left of their order.

    They take their turns by time and then id, after those of the book; one that is too large is
    passed over, and a smaller one after it may still fit.
    """
    with_left = rows.join(
        reversed_, left_on="reverses", right_on="root_id", how="left"
    ).with_columns(left=pl.col("root_amount_minor") + pl.col("reversed_minor").fill_null(0))
    # 128 bits: ten amounts near the bound of 10**18 already pass the range of 64
    taken = pl.col("amount_minor").cast(pl.Int128).sum().over("reverses")
    suspects = with_left.filter(taken + pl.col("left") < 0).sort(
        "reverses", "occurred_us", "event_id"
    )
    row_numbers: list[int] = []
    messages: list[str] = []
    order, left = None, 0
    for row, root, currency, amount, root_amount, at_first in suspects.select(
        "row", "reverses", "currency", "amount_minor", "root_amount_minor", "left"
    ).iter_rows():
        if root != order:
            order, left = root, at_first
        if left + amount >= 0:
            left += amount
            continue
        row_numbers.append(row)
        whole = f"{root}'s {said.amount(root_amount, currency)}"
        messages.append(
            f"at most {said.amount(left, currency)} of {whole} is left to reverse"
            if left > 0
            else f"nothing of {whole} is left to reverse"
        )
    refused = pl.DataFrame(
        {"row": row_numbers, "message": messages}, {"row": pl.Int64, "message": pl.String}
    ).join(suspects, on="row")
    return refuse(
        refused.with_columns(text=said.amounts(refused)),
        Code.REVERSAL_EXCEEDS_ORDER,
        "amount",
        pl.col("text"),
        pl.col("message"),
    )


class _Said:
    """Amounts as words of a sentence, for the few rows that get one."""

    def __init__(self, decimals: Mapping[str, int]) -> None:
        self._decimals = decimals

    def amount(self, minor: Minor, currency: str) -> str:
        if currency in self._decimals:
            return f"{plain(minor, self._decimals[currency])} {currency}"
        return f"{minor} minor units of {currency}"

    def amounts(self, rows: pl.DataFrame) -> pl.Series:
        """The column `amount_minor` as plain decimals."""
        return pl.Series(
            [
                plain(minor, self._decimals.get(currency, 0))
                for minor, currency in rows.select("amount_minor", "currency").iter_rows()
            ],
            dtype=pl.String,
        )


def _instants(instants: pl.Series) -> pl.Series:
    return pl.Series([iso_instant(instant) for instant in instants], dtype=pl.String)


def judge_affiliates(rows: pl.DataFrame, known: pl.DataFrame) -> Verdict:
    """Judge the affiliates of one import; an accepted row is a new affiliate or an update.

    `rows`: affiliate_id, name, email, country, locale, status, extra and their place. `known`:
    the same columns but the place, what the book last learned of those ids it knows. A null in a
    row leaves what is known as it is: accepted rows come back whole, with the known values and a
    status in its place ("active" for a new affiliate).
    """
    rows = numbered(rows)
    whole = rows.join(
        known.select("affiliate_id", *_PROFILE, in_book=pl.lit(True)),
        on="affiliate_id",
        how="left",
        suffix="_known",
        maintain_order="left",
    ).with_columns(
        *(pl.coalesce(name, f"{name}_known") for name in _PROFILE if name != "status"),
        status=pl.coalesce("status", "status_known", pl.lit("active")),
    )
    repeated = whole.filter(pl.col("affiliate_id").is_duplicated())
    clash = _clash(repeated, "affiliate_id", {name: _COLUMN.get(name, name) for name in _PROFILE})
    open_ = whole.join(clash, on="row", how="anti")
    unchanged = pl.col("in_book").fill_null(False) & pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name}_known")) for name in _PROFILE
    )
    equal, news = _parted(open_, unchanged)
    return conclude(whole.select(rows.columns), [clash], [equal], [copies(news, "affiliate_id")])


_COLUMN = {"extra": "further columns"}
