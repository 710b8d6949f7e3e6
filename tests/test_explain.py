"""`commission explain`: lines, statements and payouts worked out once more, in words and JSON."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engines import Fresh, add_facts, add_facts_in_parts, book_nights, fits_files
from hypothesis import HealthCheck, Phase, given, settings
from program import HEADER, PLAN, Done, Program, shop
from test_verify import change
from worlds import WORLDS, World, worlds

from commission_engine.book import views
from commission_engine.book.connect import connect, reading
from commission_engine.book.lines import where_kept
from commission_engine.calendar import date_of
from commission_engine.decide.reference import decide
from commission_engine.explain.find import explain
from commission_engine.explain.history import Book
from commission_engine.explain.line import explain_event
from commission_engine.explain.said import EventSaid, LevelSaid, PayoutSaid, StatementSaid
from commission_engine.explain.words import words
from commission_engine.money import plain
from commission_engine.publish.ids import payout_id, statement_id

MANY = int(os.environ.get("COMMISSION_EXPLAINED_WORLDS", "5"))
SOME = settings(
    WORLDS,
    max_examples=MANY,
    phases=[Phase.explicit, Phase.generate],  # a book for each step of shrinking takes too long
    suppress_health_check=[*WORLDS.suppress_health_check, HealthCheck.filter_too_much],
)
NO_LINE = {
    "not_processed", "no_terms_yet", "level_not_in_plan", "no_referrer", "referred_later",
    "no_referrer_any_more", "known_too_late",
}  # fmt: skip
UNPAID = {
    "nothing_to_pay", "held", "no_settlement_yet", "negative_balance", "nothing_left",
    "suspended", "closed", "below_minimum",
}  # fmt: skip


@contextmanager
def book_at(url: str, kept_in: str | None = None) -> Iterator[Book]:
    with reading(connect(url)) as connection:
        yield Book.at(connection, where_kept(connection, kept_in))


# --- random worlds -----------------------------------------------------------------------------


def check_world(book: Book, world: World) -> None:
    """Every event at every level, then every statement and payout."""
    expected = {
        (line.event_id, line.level): line for night in decide(world.plan, world.nights)
        for line in night
    }  # fmt: skip
    for event in (event for night in world.nights for event in night.events):
        found = explain_event(book, event.event_id)
        check_event(found, event.event_id, expected, world)
        assert list(words(found))
        assert explain_event(book, event.event_id, 9).levels[0].no_line
    check_settlements(book, world)


def check_event(found: EventSaid, event_id: str, expected: Any, world: World) -> None:
    assert found.disagreements == ()
    lines = {level.level for level in found.levels if level.no_line is None}
    assert lines == {level for event, level in expected if event == event_id}
    for level in found.levels:
        if level.no_line:
            assert level.no_line.code in NO_LINE
            assert level.no_line.says
            continue
        line = expected[event_id, level.level]
        decimals = world.plan.decimals[line.currency]
        assert level.beneficiary_id == line.beneficiary_id
        assert level.money
        assert level.money.available_on == str(date_of(line.available_day))
        assert bool(level.money.payout) != bool(level.money.unpaid)
        assert {why.code for why in level.money.unpaid} <= UNPAID
        if line.reason == "closed":
            assert (level.amounts, bool(level.closed)) == (None, True)
            continue
        assert level.amounts
        assert (level.amounts.gross, level.amounts.commission, level.amounts.reason) == (
            plain(line.gross, decimals), plain(line.commission, decimals), line.reason,
        )  # fmt: skip
        assert (level.amounts.why_zero is None) == (line.commission != 0)


def check_settlements(book: Book, world: World) -> None:
    name = world.plan.name
    statements = views.statements(book.connection)
    for row in statements.iter_rows(named=True):
        found = explain(book, statement_id(name, row["run_day"], row["affiliate_id"]))
        assert isinstance(found, StatementSaid)
        assert found.disagreements == ()
        (account,) = (each for each in found.accounts if each.currency == row["currency"])
        assert bool(account.payout) != bool(account.unpaid)
        assert {why.code for why in account.unpaid} <= UNPAID
        assert list(words(found))
    for row in views.payouts(book.connection).iter_rows(named=True):
        text = payout_id(name, row["run_day"], row["affiliate_id"], row["currency"])
        paid = explain(book, text)
        assert isinstance(paid, PayoutSaid)
        assert paid.disagreements == ()
        assert paid.amount == plain(row["amount_minor"], row["decimals"])
        assert list(words(paid))


@SOME
@given(world=worlds().filter(fits_files))
def test_explanations_agree_with_every_line(sqlite_books: Fresh, world: World) -> None:
    with sqlite_books() as url, tempfile.TemporaryDirectory() as folder:
        book_nights(world, url, Path(folder), add_facts)
        with book_at(url) as book:
            check_world(book, world)


@settings(SOME, max_examples=max(MANY // 4, 1))
@given(world=worlds().filter(fits_files))
def test_explanations_agree_on_postgresql(postgresql_books: Fresh, world: World) -> None:
    with postgresql_books() as url, tempfile.TemporaryDirectory() as folder:
        book_nights(world, url, Path(folder), add_facts_in_parts(seed=1))
        with book_at(url) as book:
            check_world(book, world)


@settings(SOME, max_examples=max(MANY // 4, 1))
@given(world=worlds().filter(fits_files))
def test_explanations_agree_with_lines_in_segments(sqlite_books: Fresh, world: World) -> None:
    with sqlite_books() as url, tempfile.TemporaryDirectory() as folder:
        kept_in = f"{folder}/lines"
        book_nights(world, url, Path(folder), add_facts, kept_in)
        with book_at(url) as book:
            check_world(book, world)


# --- by hand -----------------------------------------------------------------------------------

WORKED = Path(__file__).parent.parent / "examples" / "worked" / "refunds-and-caps"


def told(commission: Program, *asked: str) -> str:
    """What is said of a thing that agrees with the book."""
    done = commission("explain", *asked)
    assert (done.code, done.err) == (0, "")
    return done.out


def as_json(commission: Program, *asked: str) -> Any:
    return json.loads(told(commission, *asked, "--json"))


def no_line(commission: Program, line: str) -> tuple[str, str]:
    """The code and the sentence of why a line is not there."""
    (level,) = as_json(commission, line)["levels"]
    return level["no_line"]["code"], level["no_line"]["says"]


def unpaid(commission: Program, line: str) -> dict[str, str]:
    (level,) = as_json(commission, line)["levels"]
    return {why["code"]: why["says"] for why in level["money"]["unpaid"]}


def zero(commission: Program, line: str) -> str:
    (level,) = as_json(commission, line)["levels"]
    assert level["amounts"]["commission"] == "0.00"
    return str(level["amounts"]["why_zero"]["code"])


def earned(folder: Path, *rows: str) -> Path:
    (folder / "more.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows), "utf-8")
    return folder / "more.csv"


def status(commission: Program, folder: Path, whose: str, what: str) -> None:
    file = folder / "status.csv"
    file.write_text(f"affiliate_id,status\n{whose},{what}\n", "utf-8")
    assert commission("import", "affiliates", file).code == 0


def test_the_worked_example(commission: Program) -> None:
    commission("run", WORKED, "--date", "2026-01-31")
    commission("run", "--date", "2026-02-28")
    lines = told(commission, "e3.1").splitlines()
    assert lines[0] == "Event e3: bob earned 100.00 USD on 2026-01-20T10:00:00Z"
    assert lines[lines.index("Level 1: ann gets 10.00 USD (line e3.1)") :][:10] == [
        "Level 1: ann gets 10.00 USD (line e3.1)",
        "  The order comes to 100.00; 20% of it is 20.00.",
        "  Gross: 20.00.",
        "  Order cap 50.00: of the order's share 0.00 counted before, 20.00 counts now.",
        "  Month cap 100.00 over level 1 from 2026-01-01: 2 lines before came to 90.00"
        " (e1.1 50.00, e2.1 40.00); room 10.00.",
        "    This line brings 20.00 and gets 10.00; room afterwards 0.00.",
        "  Reason: month. The month cap was the first to cut it.",
        "  Available on 2026-02-03.",
        "  In statement st-20260131-pgviue5tgf4kmtom of 2026-01-31.",
        "  Not paid: the available balance on 2026-02-28 was -30.00: what was paid too much before"
        " is worked off first.",
    ]
    refund = told(commission, "r1.1")
    for sentence in (
        "100.00 USD of bob's order e1 were taken back",
        "  r1     2026-02-02T10:00:00Z  -100.00  200.00  2026-02-28\n",
        "With this event the order comes to 200.00; 20% of it is 40.00.\n",
        "Before it came to 300.00; 20% of it is 60.00.\n",
        "Gross: 40.00 less 60.00 is -20.00.\n",
        "of the order's share 50.00 counted before, 40.00 counts now.\n",
        "3 lines before came to 110.00 (e1.1 50.00, e2.1 40.00, e3.1 20.00); room 0.00.\n",
        "This line brings -10.00 and gets 0.00; room afterwards 0.00.\n",
        "Reason: order. The order cap was the first to cut it.\n",
        "Why 0: what is taken back had come to more than the month cap, and was never paid.\n",
    ):
        assert sentence in refund
    assert "4 lines before came to 100.00 (the last: e2.1 40.00, e3.1 20.00, r1.1 -10.00)" in told(
        commission, "r2"
    )


def test_a_statement_and_a_payout(commission: Program) -> None:
    commission("run", WORKED, "--date", "2026-01-31")
    commission("run", "--date", "2026-02-28")
    assert told(commission, "st-20260131-pgviue5tgf4kmtom").splitlines() == [
        "Statement st-20260131-pgviue5tgf4kmtom: ann in refunds-and-caps, 2026-01-05 to 2026-01-31",
        "",
        "USD: from 0.00 to 10.00",
        "  opening       0.00  nothing before",
        "  + earned    100.00  3 lines",
        "  + reversed    0.00",
        "  + adjusted    0.00",
        "  - paid       90.00  payout po-20260131-47arkupt451stbuc",
        "  = closing    10.00",
        "  held         10.00",
        "  available     0.00",
        "  Held until 2026-02-03: 10.00.",
        "  line  earner  amount  commission  cut by  available   run",
        "  e1.1  bob     300.00       50.00  order   2026-01-19  2026-01-31",
        "  e2.1  bob     200.00       40.00          2026-01-24  2026-01-31",
        "  e3.1  bob     100.00       10.00  month   2026-02-03  2026-01-31",
    ]
    payout = as_json(commission, "po-20260131-47arkupt451stbuc")
    assert (payout["amount"], payout["status"], payout["statement_id"], payout["previous"]) == (
        "90.00", "pending", "st-20260131-pgviue5tgf4kmtom", None,
    )  # fmt: skip
    assert [line["line_id"] for line in payout["lines"]] == ["e1.1", "e2.1"]
    (paid,) = as_json(commission, "e1.1")["levels"]
    assert paid["money"]["payout"]["payout_id"] == "po-20260131-47arkupt451stbuc"


def test_why_there_is_no_line(commission: Program, tmp_path: Path) -> None:
    """
    ann <- bob <- cat; terms from 2026-01-01 with the levels 1 and 2
    """
    folder = shop(tmp_path / "in")
    commission("plan", "apply", folder / "plan.toml")
    commission("import", "referrals", folder / "referrals.csv")
    early = earned(folder, "old,cat,2025-12-30T12:00:00Z,10.00,USD,",
                   "now,cat,2026-01-05T12:00:00Z,10.00,USD,",
                   "ann1,ann,2026-01-05T12:00:00Z,10.00,USD,",
                   "later,cat,2026-02-02T12:00:00Z,10.00,USD,")  # fmt: skip
    commission("import", "earnings", early)
    assert no_line(commission, "now.1") == (
        "not_processed", "no run yet: the event waits for a run of 2026-01-05 or later",
    )  # fmt: skip
    commission("run", "--date", "2026-01-31")
    commission("import", "earnings", earned(folder, "late,cat,2026-01-06T12:00:00Z,1.00,USD,"))
    assert no_line(commission, "old.1")[0] == "no_terms_yet"
    assert "the first terms of the plan begin on 2026-01-01" in no_line(commission, "old.1")[1]
    assert no_line(commission, "now.4") == (
        "level_not_in_plan",
        "level 4 is not in the plan: the terms from 2026-01-01 pay only level 1, 2",
    )
    assert no_line(commission, "ann1.1") == (
        "no_referrer",
        "there is no referrer: nobody had referred ann (level 0) at 2026-01-05T12:00:00Z, and the"
        " book names no referrer of ann",
    )
    assert no_line(commission, "later.1") == (
        "not_processed",
        "not processed yet: the event waits for the run of 2026-02-02 or a later date; the last"
        " run was that of 2026-01-31",
    )
    assert "the next run takes it" in no_line(commission, "late.1")[1]
    whole = told(commission, "ann1")
    assert "Level 1: no line\n" in whole
    assert "Level 2: no line\n  There is no referrer's referrer: nobody had referred ann" in whole


def test_why_nobody_stood_above(commission: Program, tmp_path: Path) -> None:
    """
    ann <- bob until 01-10, then nobody; dan <- eve since 01-20; fay <- gus, learned after the run
    """
    rows = [f"{who[0]},{who},2026-01-12T00:00:00Z,10.00,USD,\n" for who in ("bob", "eve", "gus")]
    folder = shop(tmp_path / "in", HEADER + "".join(rows))
    commission("plan", "apply", folder / "plan.toml")
    commission("import", "referrals", folder / "referrals.csv")
    (folder / "more.csv").write_text("affiliate_id,referrer_id,since\neve,dan,2026-01-20\n")
    commission("import", "referrals", folder / "more.csv")
    commission("tree", "move", "bob", "--to-root", "--since", "2026-01-10", "--reason", "he asked")
    commission("import", "earnings", folder / "earnings.csv")
    commission("run", "--date", "2026-01-31")
    (folder / "more.csv").write_text("affiliate_id,referrer_id\ngus,fay\n")
    commission("import", "referrals", folder / "more.csv")
    code, says = no_line(commission, "b.1")
    assert code == "no_referrer_any_more"
    assert 'the referral had ended since 2026-01-10T00:00:00Z ("he asked"), known since ' in says
    code, says = no_line(commission, "e.1")
    assert code == "referred_later"
    assert "dan refers eve only since 2026-01-20T00:00:00Z, which is later" in says
    code, says = no_line(commission, "g.1")
    assert code == "known_too_late"
    assert (
        "as far as the run of 2026-01-31 knew, which decided the order: that fay referred" in says
    )


def test_why_nothing(commission: Program, tmp_path: Path) -> None:
    """
    ann <- bob; level 1 20%, 50.00 an order, 100.00 a month; level 2 0%
    """
    plan = PLAN.replace('rate = "10%"', 'rate = "0%"').replace('["10%", "20%"]', '["0%", "20%"]')
    folder = shop(tmp_path / "in", HEADER + (
        "z,cat,2026-01-02T00:00:00Z,0.00,USD,\n"
        "s,bob,2026-01-02T00:00:00Z,0.02,USD,\n"
        "c,cat,2026-01-03T00:00:00Z,500.00,USD,\n"
        "a,bob,2026-01-03T00:00:00Z,500.00,USD,\n"
        "b,bob,2026-01-04T00:00:00Z,500.00,USD,\n"
        "d,bob,2026-01-05T00:00:00Z,500.00,USD,\n"
        "r,bob,2026-01-06T00:00:00Z,-100.00,USD,a\n"
    ), plan)  # fmt: skip
    commission("run", folder, "--date", "2026-01-31")
    assert zero(commission, "z.1") == "zero_amount"
    assert zero(commission, "s.1") == "rounded_away"
    assert zero(commission, "c.2") == "zero_rate"
    assert zero(commission, "d.1") == "month"
    assert zero(commission, "r.1") == "order"
    assert "20% of it is 0.004, rounded half to even to 0.00." in told(commission, "s.1")
    assert "Why 0: the month cap was used up before this line." in told(commission, "d.1")
    assert "Why 0: the order's share is still not below its cap of 50.00." in told(
        commission, "r.1"
    )
    status(commission, tmp_path, "ann", "closed")
    commission("import", "earnings", earned(folder, "n,bob,2026-02-01T00:00:00Z,10.00,USD,"))
    commission("run", "--date", "2026-02-28")
    said = told(commission, "n.1")
    assert "Level 1: ann gets nothing: the account is closed (line n.1)\n" in said
    assert "The account was closed when the order was decided, known since " in said
    assert "Month cap 100.00 over level 1 from 2026-01-01" in told(commission, "a.1")


def test_why_not_paid(commission: Program, tmp_path: Path) -> None:
    """
    ann <- bob; level 1 20%, 10.00 at least; held for 2 days, settled every day
    """
    plan = PLAN.replace('"5.00"', '"10.00"')
    folder = shop(tmp_path / "in", HEADER + "e,bob,2026-01-05T12:00:00Z,30.00,USD,\n", plan)
    commission("run", folder, "--date", "2026-01-05")
    assert unpaid(commission, "e.1") == {"held": "it is held until 2026-01-07"}
    commission("run", "--date", "2026-01-07")
    assert unpaid(commission, "e.1") == {
        "below_minimum": "the available balance on 2026-01-07 was 6.00, 4.00 below the minimum of"
        " 10.00"
    }
    status(commission, tmp_path, "ann", "suspended")
    commission("import", "earnings", earned(folder, "f,bob,2026-01-06T12:00:00Z,50.00,USD,"))
    commission("run", "--date", "2026-01-08")
    assert unpaid(commission, "e.1") == {
        "suspended": "ann's account was suspended on 2026-01-08, and 16.00 waits"
    }
    status(commission, tmp_path, "ann", "active")
    commission("run", "--date", "2026-01-09")
    assert unpaid(commission, "e.1") == {}
    assert "of 2026-01-09, 16.00 in all.\n" in told(commission, "e.1")
    commission("import", "earnings", earned(folder, "r,bob,2026-01-10T12:00:00Z,-30.00,USD,e"))
    commission("run", "--date", "2026-01-10")
    assert "Not set off yet: the available balance on 2026-01-10 was -6.00" in told(commission, "r")
    commission("import", "earnings", earned(folder, "g,bob,2026-01-10T13:00:00Z,30.00,USD,"))
    commission("run", "--date", "2026-01-12")
    assert unpaid(commission, "g.1") == {
        "nothing_left": "on 2026-01-12 nothing was available: all sums came to zero"
    }


def test_settled_by_the_month(commission: Program, tmp_path: Path) -> None:
    plan = PLAN.replace('every = "day"', 'every = "month"')
    folder = shop(tmp_path / "in", HEADER + "e,bob,2026-01-05T12:00:00Z,30.00,USD,\n", plan)
    commission("run", folder, "--date", "2026-01-10")
    (level,) = as_json(commission, "e.1")["levels"]
    assert level["money"]["statement_id"] == ""
    assert unpaid(commission, "e.1") == {
        "no_settlement_yet": "it has been available since 2026-01-10, and there was no settlement"
        " since: the next is with the run of a month's last day: the run of 2026-01-31, or the"
        " first one after it"
    }


def test_what_waits_for_a_person(
    commission: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=50.00")
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    why = unpaid(commission, "e2.1")
    assert list(why) == ["awaits_release"]
    assert "the run of 2026-02-28 holds it for a person" in why["awaits_release"]


def test_a_move_and_new_terms_leave_an_order_as_it_was_decided(
    commission: Program, tmp_path: Path
) -> None:
    """
    ann <- bob at 20%; from February fay <- bob at 10%; a refund in February of January's order
    """
    later = PLAN + '\n[[terms]]\nfrom = 2026-02-01\n[[terms.level]]\nlevel = 1\nrate = "10%"\n'
    folder = shop(tmp_path / "in", HEADER + "e,bob,2026-01-05T12:00:00Z,50.00,USD,\n", later)
    commission("run", folder, "--date", "2026-01-31")
    (folder / "fay.csv").write_text("affiliate_id,name\nfay,Fay\n")
    commission("import", "affiliates", folder / "fay.csv")
    commission("tree", "move", "bob", "--to", "fay", "--since", "2026-01-01", "--reason", "wrong")
    commission("import", "earnings", earned(folder, "r,bob,2026-02-02T12:00:00Z,-50.00,USD,e",
                                            "n,bob,2026-02-02T12:00:00Z,50.00,USD,"))  # fmt: skip
    commission("run", "--date", "2026-02-28")
    refund = told(commission, "r.1")
    assert "The terms from 2026-01-01 hold for the order's day, 2026-01-05\n" in refund
    assert "ann gets -10.00 USD" in refund
    assert "after this order was decided: fay referred bob since 2026-01-01T00:00:00Z." in refund
    new = told(commission, "n.1")
    assert "The terms from 2026-02-01 hold" in new
    assert "Level 1: fay had referred bob, since 2026-01-01T00:00:00Z; known since" in new
    assert '"wrong"' in new
    assert "fay gets 5.00 USD" in new


def test_which_thing_is_meant(commission: Program, tmp_path: Path) -> None:
    rows = "e1,bob,2026-01-05T12:00:00Z,30.00,USD,\ne1.1,bob,2026-01-05T12:00:00Z,10.00,USD,\n"
    folder = shop(tmp_path / "in", HEADER + rows + "=x,bob,2026-01-06T00:00:00Z,5.00,USD,\n")
    commission("run", folder, "--date", "2026-01-31")
    said = told(commission, "e1.1")
    assert said.startswith(
        "Note: 'e1.1' is also the id of a line; for that add --as line.\n"
        "Event e1.1: bob earned 10.00 USD"
    )
    assert told(commission, "e1.1", "--as", "line").startswith("Event e1: bob earned 30.00 USD")
    assert told(commission, "'=x.1").startswith("Note: '=x.1' is meant: the quote before it")
    assert told(commission, "=x.1").startswith("Event =x: bob")


def test_an_unknown_id(commission: Program, tmp_path: Path) -> None:
    assert commission("explain", "e1").code == 2
    bad = HEADER + "bad,bob,2026-01-05,1.005,USD,\n"
    commission("run", shop(tmp_path / "in", bad), "--date", "2026-01-31")
    assert commission("explain", "nope") == Done(
        2,
        "",
        "error: there is no event, line, statement or payout 'nope' in this book\n"
        "Ids are case-sensitive. `commission lines --affiliate ID` lists lines.\n",
    )
    refused = commission("explain", "bad")
    assert refused.code == 2
    assert "earnings.csv:2: '1.005' has 3 decimals where USD has 2" in refused.err
    assert "`commission statements`" in commission("explain", "st-20260131-0123456789abcdef").err
    assert commission("explain", "po-20269931-0123456789abcdef").code == 2


TAMPERS = {
    "a commission": (
        "UPDATE line SET commission_minor = 1 WHERE commission_minor = 4000", "e2.1",
        "the book says commission 0.01, the calculation 40.00",
    ),
    "a reason": ("UPDATE line SET reason = 5", "e2.1", "the book says reason month"),
    "an earlier line": (
        "UPDATE line SET gross_minor = 1 WHERE gross_minor = 6000", "e2.1",
        "line e1.1, which came before: the book says gross 0.01, the calculation 60.00",
    ),
    "a line gone": ("DELETE FROM line", "e2.1", "is not in the book as ann's, and should be"),
    "an amount": (
        "UPDATE event SET amount_minor = 10000 WHERE event_id = 'e2'", "e2.1",
        "the book says gross 40.00, the calculation 20.00",
    ),
    "a referral": ("UPDATE referral SET since_us = 1800000000000000", "e2", "should not be"),
    "a level more": (
        "UPDATE line SET level = 7 WHERE level = 1", "e2", "line e2.7: is in the book for ann",
    ),
    "a payout gone": (
        "DELETE FROM payout", "e2.1", "says that 90.00 was paid, and there is no such payout",
    ),
    "a statement": (
        "UPDATE statement SET earned_minor = earned_minor + 1, closing_minor = closing_minor + 1,"
        " held_minor = held_minor + 1", "st", "the lines sum to",
    ),
    "a payout": ("UPDATE payout SET amount_minor = 1", "po", "the payout is 0.01, the lines"),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERS)
def test_what_was_changed_in_the_book_is_said_loudly(
    commission: Program, tmp_path: Path, database_url: str, what: str
) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    statement, asked, says = TAMPERS[what]
    ids = {"st": statement_id("acme", 20512, "ann"), "po": payout_id("acme", 20512, "ann", "USD")}
    asked = ids.get(asked, asked)
    change(database_url, statement)
    done = commission("explain", asked)
    assert done.code == 5
    assert says in done.err
    assert "This does NOT agree with the book:\n" in done.out
    found = commission("explain", asked, "--json")
    assert (found.code, json.loads(found.out)["agrees"]) == (5, False)


def test_only_the_windows_of_the_line_are_read(commission: Program, tmp_path: Path) -> None:
    """January's segment is gone: March's lines, capped by the month, are explained without it."""
    rows = "e1,bob,2026-01-05T12:00:00Z,30.00,USD,\ne3,bob,2026-03-05T12:00:00Z,30.00,USD,\n"
    store = ("--lines-store", str(tmp_path / "lines"))
    folder = shop(tmp_path / "in", HEADER + rows)
    commission("run", folder, "--date", "2026-01-31", *store)
    january = [path for path in (tmp_path / "lines").rglob("*") if path.is_file()]
    commission("run", "--date", "2026-03-31", *store)
    for segment in january:
        segment.unlink()
    assert "ann gets 6.00 USD" in told(commission, "e3.1")
    assert commission("explain", "e1.1").code == 1


def test_every_level_has_a_shape_of_its_own(commission: Program, tmp_path: Path) -> None:
    commission("run", shop(tmp_path / "in"), "--date", "2026-02-28")
    found = as_json(commission, "e3")
    assert [level["line_id"] for level in found["levels"]] == ["e3.1", "e3.2"]
    assert set(found) == {"agrees", *EventSaid.__slots__}
    assert set(found["levels"][0]) == set(LevelSaid.__slots__)
    assert found["agrees"] is True
