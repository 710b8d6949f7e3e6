"""Columns as the text of a file: amounts, days, instants, safe texts, and CSV itself."""

import polars as pl

NUMBERS = frozenset(
    ["base_amount", "rate", "gross", "commission", "amount", "balance", "debit", "credit"]
    + ["opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available"]
)
"""The columns that hold numbers; every other column of text is somebody's text."""

_FORMULA = r"^'*[=+\-@\t\r\n\x00＝＋－＠]"
"""What a spreadsheet could read as a formula; with quotes before it, so that two texts never
become one."""


def amount(minor: str, decimals: str = "decimals") -> pl.Expr:
    """A plain decimal with exactly the currency's decimals, from two Int64 columns."""
    value, places = pl.col(minor), pl.col(decimals)
    digits = value.abs().cast(pl.String).str.zfill(places + 1)
    whole = digits.str.head(digits.str.len_bytes().cast(pl.Int64) - places)
    fraction = pl.when(places > 0).then(pl.lit(".") + digits.str.tail(places)).otherwise(pl.lit(""))
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return (sign + whole + fraction).alias(minor.removesuffix("_minor"))


def day(column: str) -> pl.Expr:
    """ISO 8601, from days since 1970-01-01."""
    return pl.col(column).cast(pl.Int32).cast(pl.Date).dt.strftime("%Y-%m-%d")


def instant(column: str) -> pl.Expr:
    """ISO 8601 in UTC with a fraction only where there is one, from microseconds."""
    whole = pl.from_epoch(column, time_unit="us").dt.strftime("%Y-%m-%dT%H:%M:%S")
    micros = pl.col(column) % 1_000_000
    fraction = pl.lit(".") + micros.cast(pl.String).str.zfill(6)
    return whole + pl.when(micros == 0).then(pl.lit("")).otherwise(fraction) + pl.lit("Z")


def safe(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its texts such that no spreadsheet reads one as a formula."""
    texts = [
        name for name, kind in frame.schema.items() if kind == pl.String and name not in NUMBERS
    ]
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(_FORMULA))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    )


def csv(frame: pl.DataFrame, *, header: bool = True) -> bytes:
    """RFC 4180 with LF, texts made safe; an empty text is an empty field."""
    empty = pl.col(pl.String).replace("", None)
    return safe(frame).with_columns(empty).write_csv(null_value="", include_header=header).encode()
