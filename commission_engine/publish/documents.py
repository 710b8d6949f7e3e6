"""Statement documents: one per affiliate and format, named by the statement's id.

CSV documents are made here, all others by the record (`commission_engine.statements`). The
documents of thousands of affiliates are made as one table and then cut, so that a hundred
thousand of them take seconds.
"""

from collections.abc import Collection, Iterator

import polars as pl

from commission_engine.calendar import Zone
from commission_engine.decide.adjusted import NO_TERMS
from commission_engine.ledger.accounts import Kind
from commission_engine.publish import text
from commission_engine.publish.folder import Made
from commission_engine.publish.ids import pseudonyms
from commission_engine.publish.rates import rate_of_line, rates
from commission_engine.publish.record import Record

_WHY = {
    "": "",
    "closed": "the account was closed when the order was decided: nothing is earned",
    "order": "cut by the cap per order",
    "day": "cut by the cap per day",
    "week": "cut by the cap per week",
    "month": "cut by the cap per month",
    "quarter": "cut by the cap per quarter",
    "year": "cut by the cap per year",
    "lifetime": "cut by the cap over all time",
}
_ACCOUNT = ["affiliate_id", "currency"]

READERS_AT_ONCE = 10_000
CSV = "csv"


def documents(record: Record, left_out: Collection[str] = ()) -> Iterator[Made]:
    """The documents that the run's configuration asks for, by format and affiliate; none of the
    formats that are `left_out`.

    The record's statements have their statement_id.
    """
    which = record.outputs["documents"]
    if which == "none" or not record.settles:
        return
    wanted = record.statements.filter((pl.col("paid_minor") > 0) | pl.lit(which == "all"))
    readers = wanted["affiliate_id"].unique().sort()
    formats = [each for each in dict.fromkeys(record.outputs["formats"]) if each not in left_out]
    if CSV in formats:
        yield from _in_csv(record, readers)
    others = [each for each in formats if each != CSV]
    if others and len(readers):
        yield from record.rendered(readers, others)


def _in_csv(record: Record, readers: pl.Series) -> Iterator[Made]:
    for start in range(0, len(readers), READERS_AT_ONCE):
        part = readers[start : start + READERS_AT_ONCE]
        table = documents_table(record, part)
        header, *rows = text.csv(table.drop("affiliate_id", "statement_id")).splitlines(
            keepends=True
        )
        counts = table.group_by("affiliate_id", "statement_id", maintain_order=True).len()
        row = 0
        for _, name, count in counts.iter_rows():
            yield Made(f"statements/{name}.csv", [b"".join([header, *rows[row : row + count]])])
            row += count


def documents_table(record: Record, readers: pl.Series) -> pl.DataFrame:
    """The statements of `readers` as texts: per affiliate and currency the opening, every line,
    what came back of earlier payouts, the payout and the closing, with the balance after each.

    `reference` is the statement's id and the row's number in it. An affiliate's rows are
    together, in the order of ids; `affiliate_id` and `statement_id` are there to tell them apart.
    """
    rows = document_rows(record, readers)
    whose = ["affiliate_id", "earner_id", "level"]
    came_back = pl.format("payout {} was not paid: it is in the balance again", "payout_id")
    return rows.join(_callings(record, rows), on=whose, how="left", maintain_order="left").select(
        "affiliate_id",
        "statement_id",
        pl.format("{}.{}", "statement_id", "number").alias("reference"),
        "currency",
        "row",
        text.day("day").alias("date"),
        text.day("occurred_day").alias("occurred_on"),
        "level",
        "from",
        text.amount("base_minor").alias("base_amount"),
        "rate",
        text.amount("gross_minor"),
        text.amount("amount_minor"),
        text.amount("balance_minor"),
        text.day("available_day").alias("available_on"),
        pl.coalesce(
            came_back,
            "adjusted_because",
            "paid_as",
            pl.col("reason").replace_strict(_WHY, default=None, return_dtype=pl.String),
        ).alias("why"),
    )


def document_rows(record: Record, readers: pl.Series) -> pl.DataFrame:
    """The rows of the statements of `readers`, those of an affiliate numbered from 1 on.

    Beside them their affiliate_id, statement_id, currency and decimals; days and amounts are
    numbers, the amount of a closing is null. Lines have occurred_day, level, earner_id, the
    event_id where the record's lines have it, base_minor, rate, gross_minor, reason and, of an
    adjustment, adjusted_because; what came back has payout_id; what is paid in another currency
    has paid_as.
    """
    balances = record.statements.filter(pl.col("affiliate_id").is_in(readers.implode()))
    body = _lines(record, record.period_lines(readers))
    paid = _with_rates(record, balances.filter(pl.col("paid_minor") != 0))
    nothing = pl.lit(None, pl.Int64)
    parts = (
        _row(balances, "opening", "period_from", pl.col("opening_minor")),
        body,
        _returned(record, readers),
        _row(paid, "paid", "run_day", -pl.col("paid_minor"), "paid_as"),
        _row(balances, "closing", "run_day", nothing),
    )
    rows = (
        pl.concat(
            (part.with_columns(part=pl.lit(number)) for number, part in enumerate(parts)),
            how="diagonal",
        )
        .sort(*_ACCOUNT, "part", maintain_order=True)
        .with_columns(
            balance_minor=pl.col("amount_minor").fill_null(0).cum_sum().over(_ACCOUNT),
            number=pl.int_range(1, pl.len() + 1).over("affiliate_id"),
        )
    )
    ids = balances.select("affiliate_id", "statement_id").unique()
    return rows.join(ids, on="affiliate_id", how="left", maintain_order="left")


def _row(balances: pl.DataFrame, name: str, day: str, amount: pl.Expr, *more: str) -> pl.DataFrame:
    """One row per balance that is no line: its opening, payout or closing."""
    return balances.select(
        *_ACCOUNT, "decimals", *more, row=pl.lit(name), day=pl.col(day), amount_minor=amount
    )


def _with_rates(record: Record, paid: pl.DataFrame) -> pl.DataFrame:
    """With `paid_as`: what a payout has come to in another currency, by which rate; else null."""
    said = record.conversions.select(*_ACCOUNT, paid_as=text.paid_as())
    return paid.join(said, on=_ACCOUNT, how="left", maintain_order="left")


def _returned(record: Record, readers: pl.Series) -> pl.DataFrame:
    """Payouts that were not paid after all. Why is between the programme and its bank."""
    mine = record.returned.filter(pl.col("affiliate_id").is_in(readers.implode()))
    return mine.sort("booked_day", "run_day").select(
        *_ACCOUNT,
        "decimals",
        row=pl.lit(Kind.RETURNED.name.lower()),
        day="booked_day",
        amount_minor="amount_minor",
        available_day="booked_day",
        payout_id="payout_id",
    )


def _lines(record: Record, lines: pl.DataFrame) -> pl.DataFrame:
    """Lines as their beneficiaries read them."""
    kind = (
        pl.when("is_reversal").then(pl.lit(Kind.REVERSED.name.lower()))
        .when((pl.col("base_minor") < 0) | (pl.col("terms_day") == NO_TERMS))
        .then(pl.lit(Kind.ADJUSTED.name.lower()))
        .otherwise(pl.lit(Kind.EARNED.name.lower()))
    )  # fmt: skip
    zone = Zone(record.plan.timezone)
    occurred = zone.local_days(lines["occurred_us"].to_numpy())
    return (
        lines.with_columns(pl.Series("occurred_day", occurred, dtype=pl.Int64))
        .join(
            rates(record.plan), on=["terms_day", "level"], how="left", maintain_order="left"
        )
        .select(
            pl.col("beneficiary_id").alias("affiliate_id"),
            "currency",
            "decimals",
            kind.alias("row"),
            pl.col("run_day").alias("day"),
            "occurred_day",
            "level",
            "earner_id",
            "event_id",
            "base_minor",
            rate_of_line(),
            "gross_minor",
            pl.col("commission_minor").alias("amount_minor"),
            "available_day",
            "reason",
            _because(record, lines).alias("adjusted_because"),
        )
    )  # fmt: skip


def _because(record: Record, lines: pl.DataFrame) -> pl.Expr:
    """Why each adjustment among the lines was made, in the words of whoever made it; else null."""
    ids = lines.filter(pl.col("terms_day") == NO_TERMS)["event_id"]
    reasons = record.reasons(ids) if len(ids) else {}
    why = {event: _one_line(reason) for event, reason in reasons.items()}
    adjusted = pl.when(pl.col("terms_day") == NO_TERMS).then(pl.col("event_id"))
    return adjusted.replace_strict(why, default=None, return_dtype=pl.String)


def _callings(record: Record, rows: pl.DataFrame) -> pl.DataFrame:
    """Whom an affiliate reads of: himself, a direct referral by name, others by a pseudonym."""
    lines = rows.filter(pl.col("earner_id").is_not_null())
    pairs = lines.select("affiliate_id", "earner_id", "level").unique()
    direct = pairs.filter(pl.col("level") == 1)
    names = record.labels(direct["earner_id"].unique())
    deeper = pairs.filter(pl.col("level") > 1)
    hidden = pseudonyms(record.plan.name, deeper["affiliate_id"], deeper["earner_id"])
    return pl.concat(
        [
            pairs.filter(pl.col("level") == 0).with_columns(pl.lit("you").alias("from")),
            direct.with_columns(
                pl.Series(
                    "from",
                    [_one_line(names.get(earner, earner)) for earner in direct["earner_id"]],
                    dtype=pl.String,
                )
            ),
            deeper.with_columns(("#" + hidden).alias("from")),
        ]
    )


def _one_line(name: str) -> str:
    """A name in one line, whatever somebody typed: a row of a document is one line of its file."""
    return " ".join(name.splitlines())
