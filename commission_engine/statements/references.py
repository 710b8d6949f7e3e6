"""Short names of statements and their rows: what stands on a statement, and `explain` takes.

`20260105-fmj38s.3` is row 3 of the statement st-20260105-fmj38s76bu2dq6cv: its day and the first
digits of its hash. Any four digits or more will do that no other statement of the day has.
"""

import re
from collections.abc import Sequence
from datetime import date

import polars as pl

from commission_engine.book import facts, views
from commission_engine.book.connect import Connection
from commission_engine.calendar import Day, day_of
from commission_engine.problems import UsageError
from commission_engine.publish.ids import statement_ids

DIGITS = 6
"""Of a hash, in a reference: two of a hundred thousand statements of a day share them rarely."""

_FORM = re.compile(r"(?:st-)?(\d{8})-([0-9a-v]{4,16})(?:\.(\d{1,9}))?", re.ASCII)


def references() -> pl.Expr:
    """Those of rows, by their statement_id and number."""
    return pl.format("{}.{}", pl.col("statement_id").str.slice(3, 9 + DIGITS), "number")


def row_meant(text: str) -> tuple[str, int | None] | None:
    """The statement and the row that a reference names; None for what is no reference."""
    found = _FORM.fullmatch(text)
    if not found or not _is_day(found[1]):
        return None
    return f"st-{found[1]}-{found[2]}", None if found[3] is None else int(found[3])


def statements_meant(connection: Connection, programme: str, beginning: str) -> list[str]:
    """The affiliates whose statements' ids begin so, after "st-" and the whole day; sorted."""
    rows = views.statements_of_run(connection, day_of_statement(beginning))
    ids = statement_ids(programme, rows["run_day"], rows["affiliate_id"])
    return rows.filter(ids.str.starts_with(beginning))["affiliate_id"].unique().sort().to_list()


def the_one(text: str, whose: Sequence[str]) -> str | None:
    """Whose statement is meant, of those who have one that begins as `text` says; None for nobody.
    UsageError where there are several."""
    if len(whose) > 1:
        raise UsageError(
            f"{text!r} could be of {len(whose)} statements",
            "Write more of the statement's id: `commission statements` lists them.",
        )
    return whose[0] if whose else None


def found_statement(connection: Connection, text: str) -> tuple[Day, str]:
    """The settlement and the affiliate of the one statement that `text` names or begins to name;
    UsageError for none or several."""
    meant, plan = row_meant(text), facts.current_plan(connection)
    if meant is not None and plan is not None:
        affiliate_id = the_one(text, statements_meant(connection, plan.name, meant[0]))
        if affiliate_id is not None:
            return day_of_statement(meant[0]), affiliate_id
    raise UsageError(
        f"there is no statement {text!r}", "`commission statements` lists those that there are."
    )


def day_of_statement(beginning: str) -> Day:
    """The day in a statement's or a payout's id; ValueError where there is none."""
    return day_of(date.fromisoformat(beginning[3:11]))


def _is_day(digits: str) -> bool:
    try:
        date.fromisoformat(digits)
    except ValueError:
        return False
    return True
