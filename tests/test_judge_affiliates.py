"""Which rows of affiliates are new, an update, known already, or contradict one another."""

from collections import Counter
from collections.abc import Sequence

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.ingest.judge import judge_affiliates
from commission_engine.verdict import Verdict

FIELDS = ("affiliate_id", "name", "email", "country", "locale", "status", "extra")
Profile = tuple[str | None, ...]


def ann(
    name: str | None = None,
    email: str | None = None,
    status: str | None = None,
    extra: str | None = None,
    affiliate_id: str = "ann",
) -> Profile:
    return (affiliate_id, name, email, None, None, status, extra)


def judged(rows: Sequence[Profile], book: Sequence[Profile] = ()) -> Verdict:
    place = {"file": pl.Int32, "line": pl.Int64, "start": pl.Int64, "stop": pl.Int64}
    text = dict.fromkeys(FIELDS, pl.String)
    return judge_affiliates(
        pl.DataFrame(
            [(*row, 0, line, 0, 0) for line, row in enumerate(rows, 2)],
            pl.Schema({**text, **place}),
            orient="row",
        ),
        pl.DataFrame(list(book), pl.Schema(text), orient="row"),
    )


def accepted(verdict: Verdict) -> list[Profile]:
    return verdict.accepted.select(FIELDS).rows()


def test_a_new_affiliate_is_active_unless_the_row_says_otherwise() -> None:
    verdict = judged([ann("Ann"), ann("Bob", status="closed", affiliate_id="bob")])
    assert accepted(verdict) == [
        ann("Ann", status="active"),
        ann("Bob", status="closed", affiliate_id="bob"),
    ]
    assert verdict.accepted.columns == [*FIELDS, "file", "line", "start", "stop"]


def test_a_known_profile_is_a_duplicate() -> None:
    book = [ann("Ann", "a@x", "suspended", '{"vat":"1"}')]
    rows = [ann("Ann", "a@x", "suspended", '{"vat":"1"}'), ann("Ann"), ann()]
    assert [judged([row], book).duplicates for row in rows] == [1, 1, 1]
    assert judged(rows, book).duplicates == 3


def test_an_empty_field_leaves_what_is_known() -> None:
    book = [ann("Ann", "a@x", "suspended", '{"vat":"1"}')]
    assert accepted(judged([ann(email="b@x")], book)) == [
        ann("Ann", "b@x", "suspended", '{"vat":"1"}')
    ]


def test_a_change_of_status_or_of_a_further_column_is_an_update() -> None:
    book = [ann("Ann", status="active")]
    assert accepted(judged([ann(status="closed")], book)) == [ann("Ann", status="closed")]
    assert accepted(judged([ann(extra='{"vat":"2"}')], book)) == [
        ann("Ann", status="active", extra='{"vat":"2"}')
    ]


def test_who_is_known_by_a_referral_only_gets_a_profile() -> None:
    book = [ann(status="active")]
    assert judged([ann()], book).duplicates == 1
    assert accepted(judged([ann("Ann")], book)) == [ann("Ann", status="active")]
    assert accepted(judged([ann()])) == [ann(status="active")]


def test_of_equal_rows_the_first_is_accepted() -> None:
    verdict = judged([ann("Ann"), ann("Ann", status="active"), ann("Ann")])
    assert verdict.accepted["line"].to_list() == [2]
    assert verdict.duplicates == 2


def test_conflict_inside_one_import_refuses_all() -> None:
    rows = [
        ann("Ann", "a@x"),
        ann("Anna", "b@x", extra="{}"),
        ann("Bob", affiliate_id="bob"),
        ann("Ann", "a@x"),
    ]
    verdict = judged(rows, [ann("Ann", "a@x", "active")])
    why = "ann comes in 3 rows of this import with different name, email and further columns"
    assert verdict.refused.select("line", "code", "column", "text", "message").rows() == [
        (line, "conflict", "affiliate_id", "ann", f"{why}; keep the right one")
        for line in (2, 3, 5)
    ]
    assert accepted(verdict) == [ann("Bob", status="active", affiliate_id="bob")]
    assert verdict.duplicates == 0


PROFILE = st.builds(
    ann,
    st.sampled_from([None, "Ann", "Bob"]),
    st.sampled_from([None, "a@x"]),
    st.sampled_from([None, "active", "closed"]),
    st.sampled_from([None, "{}"]),
    st.sampled_from(["ann", "bob", "cat"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PROFILE, max_size=6), st.lists(PROFILE, max_size=6), st.data())
def test_the_order_of_rows_never_matters_and_a_second_import_changes_nothing(
    first: list[Profile], rows: list[Profile], data: st.DataObject
) -> None:
    book = accepted(judged(first))
    verdict = judged(rows, book)
    other = judged(data.draw(st.permutations(rows)), book)
    assert Counter(accepted(verdict)) == Counter(accepted(other))
    assert verdict.duplicates == other.duplicates
    assert verdict.accepted.height + verdict.duplicates + verdict.refused.height == len(rows)

    news = {row[0]: row for row in accepted(verdict)}
    learned = {str(row[0]): row for row in book} | {str(name): row for name, row in news.items()}
    again = judged(rows, list(learned.values()))
    assert again.accepted.height == 0
    assert again.refused.height == verdict.refused.height
