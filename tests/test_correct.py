"""`commission adjust`, `true-up` and `corrections` as people use them; what they refuse."""

import json
from pathlib import Path

import pytest
from once import once
from program import HEADER, Program
from program import shop as input_of_shop

from commission_engine.book.connect import connect, reading
from commission_engine.book.schema import event


@pytest.fixture
def shop(commission: Program, tmp_path: Path, database_url: str) -> Program:
    """A book with one completed date, 2026-01-31."""

    def make() -> None:
        assert commission("run", input_of_shop(Path("in")), "--date", "2026-01-31").code == 0

    once("one night", database_url, tmp_path, make)
    return commission


def balance(commission: Program, affiliate: str) -> dict[str, str]:
    said = json.loads(commission("statements", "--affiliate", affiliate, "--json").out)
    last: dict[str, str] = said[-1]
    return last


def test_an_adjustment_is_a_line_of_the_next_run(shop: Program) -> None:
    done = shop("adjust", "ann", "12.50", "--reason", "goodwill", "--json")
    assert json.loads(done.out) == {
        "adjustment": "adjustment-1", "affiliate_id": "ann", "amount": "12.50", "currency": "USD",
        "proposal": None, "dry_run": False,
    }  # fmt: skip
    assert shop("adjust", "cat", "--reason", "a debt", "--", "-3.00").code == 0
    assert shop("run", "--date", "2026-02-28").code == 0
    lines = json.loads(shop("lines", "--date", "2026-02-28", "--json").out)
    told = {
        row["line_id"]: (row["beneficiary_id"], row["rate"], row["gross"], row["commission"])
        for row in lines
    }
    assert told["adjustment-1.0"] == ("ann", "1", "12.50", "12.50")
    assert told["adjustment-2.0"] == ("cat", "1", "-3.00", "-3.00")
    assert balance(shop, "ann")["adjusted"] == "12.50"
    assert balance(shop, "cat")["adjusted"] == "-3.00"
    assert shop("verify", "--out", "out").code == 0
    assert shop("replay", "--all").code == 0


def test_a_dry_run_keeps_nothing(shop: Program) -> None:
    done = shop("adjust", "ann", "12.50", "--reason", "goodwill", "--dry-run")
    assert done.err == (
        "adjustment-1: ann: 12.50 USD; the next run books it (dry run: nothing was kept)\n"
    )
    assert json.loads(shop("corrections", "--all", "--json").out) == {
        "proposals": [], "adjustments": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("zed", "1.00", "--reason", "x"),
            "there is no affiliate 'zed'\nIds are case-sensitive. Nothing was changed.",
        ),
        (
            ("ann", "1.00"),
            "--reason is empty\nSay why; it is kept. Nothing was changed.",
        ),
        (
            ("ann", "0", "--reason", "x"),
            "AMOUNT: 0 adjusts nothing\nNothing was changed.",
        ),
        (
            ("ann", "1.00", "--reason", "x", "--currency", "QQQ"),
            "'QQQ' is no currency\nWrite such as --currency EUR. Nothing was changed.",
        ),
    ],
)
def test_what_cannot_be_adjusted(shop: Program, words: tuple[str, ...], said: str) -> None:
    done = shop("adjust", *words)
    assert (done.code, done.err) == (2, f"error: {said}\n")


def test_an_amount_that_is_none(shop: Program) -> None:
    done = shop("adjust", "ann", "1.005", "--reason", "x")
    assert done.code == 2
    assert done.err.startswith("error: AMOUNT: ")
    assert "Nothing was changed." in done.err


def test_a_currency_is_needed_where_there_are_several(shop: Program) -> None:
    Path("more.csv").write_text(HEADER + "z1,bob,2026-01-06,10.00,EUR,\n", "utf-8")
    assert shop("import", "earnings", "more.csv").code == 0
    done = shop("adjust", "ann", "1.00", "--reason", "x")
    assert (done.code, done.err) == (
        2, "error: --currency is missing\nWrite one of EUR, USD.\n",
    )  # fmt: skip


def test_a_reversal_cannot_name_an_adjustment(shop: Program) -> None:
    assert shop("adjust", "ann", "5.00", "--reason", "goodwill").code == 0
    Path("back.csv").write_text(HEADER + "x1,ann,2026-03-01,-5.00,USD,adjustment-1\n", "utf-8")
    done = shop("import", "earnings", "back.csv")
    assert done.code == 3
    assert (
        "unknown_order: adjustment-1 is an adjustment; correct it with `commission adjust`"
        in done.err
    )


def test_an_id_that_an_import_has_used_is_passed_over(shop: Program, database_url: str) -> None:
    Path("odd.csv").write_text(HEADER + "adjustment-1,bob,2026-01-06,10.00,USD,\n", "utf-8")
    assert shop("import", "earnings", "odd.csv").code == 0
    assert shop("adjust", "ann", "5.00", "--reason", "goodwill").code == 0
    with reading(connect(database_url)) as connection:
        ids = [row.event_id for row in connection.execute(event.select().order_by(event.c.id))]
    assert ids[-2:] == ["adjustment-1", "adjustment-2"]


# -- true-ups


def late(commission: Program) -> None:
    Path("late.csv").write_text("affiliate_id,referrer_id\nann,zoe\n", "utf-8")
    assert commission("import", "referrals", "late.csv").code == 0


JANUARY = ("--from", "2026-01-31", "--to", "2026-01-31")


def test_a_true_up_shows_and_posts_once(shop: Program) -> None:
    late(shop)
    seen = json.loads(shop("true-up", *JANUARY, "--json").out)
    assert [(row["affiliate_id"], row["level"]) for row in seen["differences"]] == [("zoe", 2)]
    assert seen["posted"] is False
    assert shop("true-up", *JANUARY, "--hash", "0" * 64).code == 2  # that is for --post
    post = ("true-up", *JANUARY, "--post", "--reason", "late", "--json")
    other = shop(*post, "--hash", "0" * 64)
    assert other.code == 2
    assert "what would be posted is not what was looked at as 0000000000000000" in other.err
    done = json.loads(shop(*post, "--hash", seen["sha256"]).out)
    assert done["posted"] is True
    assert done["differences"] == seen["differences"]
    again = json.loads(shop("true-up", *JANUARY, "--post", "--reason", "late", "--json").out)
    assert (again["posted"], again["differences"]) == (False, [])
    assert shop("run", "--date", "2026-02-28").code == 0
    assert balance(shop, "zoe")["adjusted"] == seen["differences"][0]["difference"]
    assert shop("verify", "--out", "out").code == 0
    assert shop("replay", "--all").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--from", "2026-01-31"),
            "--to is missing\nWrite such as --from 2026-10-01 --to 2026-10-31.",
        ),
        (
            ("--from", "2026-01-31", "--to", "2026-01-30"),
            "--from is after --to\nWrite the earlier date first. Nothing was changed.",
        ),
        (
            ("--from", "2026-01-31", "--to", "2026-02-01"),
            "--to 2026-02-01 is after the last completed date 2026-01-31\n"
            "What is known of later dates is used when they run. Nothing was changed.",
        ),
        (
            ("--from", "2026-01-01", "--to", "2026-01-30"),
            "no business date from 2026-01-01 to 2026-01-30 was run\n"
            "`commission runs` lists those that were. Nothing was changed.",
        ),
        (
            (*JANUARY, "--post"),
            "--reason is empty\nSay why; it is kept. Nothing was changed.",
        ),
    ],
)
def test_what_cannot_be_computed_anew(shop: Program, words: tuple[str, ...], said: str) -> None:
    done = shop("true-up", *words)
    assert (done.code, done.err) == (2, f"error: {said}\n")


def test_nothing_is_corrected_before_the_first_run(commission: Program) -> None:
    input_of_shop(Path("in"))
    assert commission("plan", "apply", "in/plan.toml").code == 0
    done = commission("true-up", *JANUARY)
    assert (done.code, done.err) == (
        2,
        "error: no business date is completed yet, so there is nothing to correct\n"
        "Import what is right, and run: commission run --date. Nothing was changed.\n",
    )


def test_a_corrected_plan_needs_all_dates_since(shop: Program) -> None:
    assert shop("run", "--date", "2026-02-28").code == 0
    plan = Path("in/plan.toml").read_text("utf-8")
    Path("better.toml").write_text(plan.replace('rate = "10%"', 'rate = "12%"'), "utf-8")
    done = shop("true-up", *JANUARY, "--plan", "better.toml")
    assert (done.code, done.err) == (
        2,
        "error: --plan changes what holds from 2026-01-01 on: all dates since then have to be"
        " computed anew\nWrite --from 2026-01-31 --to 2026-02-28. Nothing was changed.\n",
    )
    Path("other.toml").write_text(plan.replace("Europe/Berlin", "UTC"), "utf-8")
    done = shop("true-up", *JANUARY, "--plan", "other.toml")
    assert (done.code, done.err) == (
        2,
        "error: --plan: timezone is another one; a true-up corrects terms and nothing else\n"
        "Nothing was changed.\n",
    )
    both = ("--from", "2026-01-31", "--to", "2026-02-28", "--plan", "better.toml")
    assert shop("true-up", *both, "--post", "--reason", "a slip").code == 0
    assert shop("plan", "apply", "better.toml").code == 0
    assert shop("run", "--date", "2026-03-31").code == 0
    assert shop("verify", "--out", "out").code == 0


# -- two people


@pytest.fixture
def careful(shop: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("COMMISSION_PAYOUTS_APPROVAL", "two-person")
    return shop


def test_somebody_else_has_to_approve(careful: Program) -> None:
    done = careful("adjust", "ann", "7.00", "--reason", "a bonus", "--as", "carla")
    assert done.err == (
        "proposal 1: ann: 7.00 USD\nnext: somebody else gives: commission corrections approve 1\n"
    )
    assert careful("adjust", "ann", "7.00", "--reason", "a bonus", "--as", "carla").code == 0
    waiting = json.loads(careful("corrections", "--json").out)["proposals"]
    assert [each["proposal"] for each in waiting] == [1]
    own = careful("corrections", "approve", "1", "--as", "carla")
    assert own.code == 2
    assert "'s own: a second person has to approve it" in own.err
    assert careful("corrections", "approve", "1", "--as", "dora").code == 0
    twice = careful("corrections", "approve", "1", "--as", "dora")
    assert twice.code == 2
    assert twice.err.startswith("error: proposal 1 was approved at ")
    assert careful("run", "--date", "2026-02-28").code == 0
    assert balance(careful, "ann")["adjusted"] == "7.00"
    assert careful("verify", "--out", "out").code == 0


def test_a_proposal_can_be_rejected_with_a_reason(careful: Program) -> None:
    assert careful("adjust", "ann", "7.00", "--reason", "a bonus", "--as", "carla").code == 0
    assert careful("corrections", "reject", "1", "--as", "dora").err == (
        "error: --reason is empty\nSay why not; it is kept. Nothing was changed.\n"
    )
    assert careful("corrections", "reject", "1", "--reason", "no", "--as", "dora").code == 0
    assert json.loads(careful("corrections", "--json").out)["proposals"] == []
    none = careful("corrections", "approve", "2", "--as", "dora")
    assert none.err == (
        "error: there is no proposal 2\n`commission corrections` lists them. Nothing was changed.\n"
    )


def test_a_proposed_true_up_that_has_become_another_is_refused(careful: Program) -> None:
    late(careful)
    words = ("true-up", *JANUARY, "--post", "--reason", "late", "--as", "carla")
    assert careful(*words).code == 0
    assert careful(
        "tree", "move", "bob", "--to", "zoe", "--since", "2026-01-02", "--reason", "a slip"
    ).code == 0  # fmt: skip
    done = careful("corrections", "approve", "1", "--as", "dora")
    assert (done.code, done.err) == (
        2,
        "error: proposal 1 would post something else by now than what was proposed\n"
        "Reject it, look again with `commission true-up`, and propose it anew."
        " Nothing was changed.\n",
    )
    assert len(json.loads(careful("corrections", "--json").out)["proposals"]) == 1
