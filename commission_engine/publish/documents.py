"""Statement documents: one per affiliate and format, named by the statement's id."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from commission_engine.ledger.accounts import Kind
from commission_engine.publish import text
from commission_engine.publish.folder import Made
from commission_engine.publish.ids import pseudonym, statement_id

if TYPE_CHECKING:
    from commission_engine.publish.files import Record

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


def documents(record: "Record") -> Iterator[Made]:
    """The documents that the run's configuration asks for, by statement id."""
    which = record.outputs["documents"]
    if which == "none" or not record.settles:
        return
    wanted = record.statements if which == "all" else record.statements.filter(
        pl.col("paid_minor") > 0
    )  # fmt: skip
    readers = set(wanted["affiliate_id"])
    lines = record.period_lines.filter(pl.col("beneficiary_id").is_in(list(readers)))
    by_reader = lines.partition_by("beneficiary_id", as_dict=True)
    balances = record.statements.filter(pl.col("affiliate_id").is_in(list(readers)))
    made = {
        f"statements/{statement_id(record.plan.name, record.day, str(reader))}.csv": (
            reader,
            rows,
        )
        for (reader,), rows in balances.partition_by("affiliate_id", as_dict=True).items()
    }
    for name, (reader, rows) in sorted(made.items()):
        own = by_reader.get((reader,), record.period_lines.clear())
        yield Made(name, text.csv(document(record, str(reader), rows, own)))


def document(
    record: "Record", reader: str, balances: pl.DataFrame, lines: pl.DataFrame
) -> pl.DataFrame:
    """One affiliate's statement as a table: per currency the opening, every line, the payout and
    the closing, with the balance after each."""
    parts = []
    for balance in balances.iter_rows(named=True):
        own = lines.filter(pl.col("currency") == balance["currency"])
        parts.append(_currency_part(record, reader, balance, own))
    numbered = pl.concat(parts).with_columns(
        statement_id=pl.lit(statement_id(record.plan.name, record.day, reader)),
        number=pl.int_range(1, pl.len() + 1),
    )
    return numbered.select(
        pl.format("{}.{}", "statement_id", "number").alias("reference"),
        "currency",
        "row",
        text.day("day").alias("date"),
        "level",
        "from",
        text.amount("base_minor").alias("base_amount"),
        "rate",
        text.amount("gross_minor"),
        text.amount("amount_minor"),
        text.amount("balance_minor"),
        text.day("available_day").alias("available_on"),
        pl.col("reason").replace_strict(_WHY, default=pl.col("reason")).alias("why"),
    )


def _currency_part(
    record: "Record", reader: str, balance: dict[str, int], lines: pl.DataFrame
) -> pl.DataFrame:
    rates = {
        (terms.starts, level.level): str(level.rate)
        for terms in record.plan.terms
        for level in terms.levels
    }
    kind = (
        pl.when("is_reversal").then(pl.lit(Kind.REVERSED.name.lower()))
        .when(pl.col("base_minor") < 0).then(pl.lit(Kind.ADJUSTED.name.lower()))
        .otherwise(pl.lit(Kind.EARNED.name.lower()))
    )  # fmt: skip
    body = lines.select(
        kind.alias("row"),
        pl.col("run_day").alias("day"),
        "level",
        pl.struct("level", "earner_id")
        .map_elements(lambda who: _called(record, reader, who), return_dtype=pl.String)
        .alias("from"),
        "base_minor",
        pl.struct("terms_day", "level")
        .map_elements(lambda key: rates[(key["terms_day"], key["level"])], return_dtype=pl.String)
        .alias("rate"),
        "gross_minor",
        pl.col("commission_minor").alias("amount_minor"),
        "available_day",
        "reason",
    )

    def row(name: str, day: int, amount: int) -> pl.DataFrame:
        return pl.DataFrame(
            {"row": [name], "day": [day], "amount_minor": [amount]}, schema_overrides=body.schema
        )

    opening = row("opening", balance["period_from"], balance["opening_minor"])
    ends = [row("closing", balance["run_day"], 0)]
    if balance["paid_minor"]:
        ends.insert(0, row("paid", balance["run_day"], -balance["paid_minor"]))
    return (
        pl.concat([opening, body, *ends], how="diagonal")
        .with_columns(
            currency=pl.lit(balance["currency"]),
            decimals=pl.lit(balance["decimals"], pl.Int64),
            balance_minor=pl.col("amount_minor").cum_sum(),
        )
        .with_columns(
            pl.when(pl.col("row") == "closing").then(None).otherwise("amount_minor")
            .alias("amount_minor")
        )
    )  # fmt: skip


def _called(record: "Record", reader: str, who: dict[str, object]) -> str:
    """Whom an affiliate reads of: himself, a direct referral by name, others by a pseudonym."""
    earner = str(who["earner_id"])
    if who["level"] == 0:
        return "you"
    if who["level"] == 1:
        return record.labels.get(earner, earner)
    return f"#{pseudonym(record.plan.name, reader, earner)}"
