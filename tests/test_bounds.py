"""Bounds: each at its exact edge, what is held, what a release lets go, and what is refused."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from once import once
from program import HEADER, Done, Program, shop, tree
from sqlalchemy.exc import DBAPIError
from test_reference import day
from test_verify import change

from commission_engine.book import holds as book
from commission_engine.book.connect import connect, reading, writing
from commission_engine.bounds import Bounds, fault
from commission_engine.money import Rate
from commission_engine.problems import UsageError

# --- the median, in whole numbers ----------------------------------------------------------------


def most(times: str, earlier: Sequence[int], of: int = 30, after: int = 1) -> int | None:
    judged = Bounds(Rate.parse(times), of, after).most_of_run(earlier)
    return None if judged is None else judged[0]


@pytest.mark.parametrize(
    ("times", "earlier", "expected"),
    [
        ("5", [100], 500),
        ("5", [300, 100, 200], 1000),
        ("5", [100, 200], 750),  # the median of two lies between them
        ("2.5", [1, 2], 3),  # 3.75: 3 is not above it, 4 is
        ("2.5", [1, 3], 5),  # 5 exactly: 5 is not above it, 6 is
        ("1", [7], 7),
        ("1.000000001", [10**9], 10**9 + 1),
        ("1", [10**18, 10**18 + 1], 10**18),  # 53 bits would lose the difference
        ("5", [0, -400, 100], 500),  # only totals above zero count
    ],
)
def test_the_most_of_a_run_is_an_exact_multiple_of_the_median(
    times: str, earlier: list[int], expected: int
) -> None:
    assert most(times, earlier) == expected


def test_only_the_last_runs_count_and_only_when_there_are_enough() -> None:
    assert most("1", [100, 1, 1, 1], of=3) == 1
    assert most("1", [5, 5], after=3) is None
    assert most("1", [5, 0, 5], after=3) is None
    assert most("1", [5, 5, 5], after=3) == 5
    assert Bounds().most_of_run([5] * 30) is None


def test_the_median_is_the_middle_and_not_half_way_between_the_ends() -> None:
    assert most("1", [9, 1, 2]) == 2
    assert most("1", [40, 1, 3, 2]) == 2  # 2.5
    assert most("2", [40, 1, 3, 2]) == 5


def test_the_newest_runs_are_those_that_count() -> None:
    assert most("1", [1, 1, 100, 100], of=2) == 100
    assert most("1", [100, 100, 1, 1], of=2) == 1


def test_bounds_come_back_as_they_were_recorded() -> None:
    every = Bounds(Rate.parse("2.5"), 9, 3, {"USD": "10.00", "POINTS": "7"}, 12)
    assert every.record == (
        '{"lines_per_beneficiary": 12, "median_after": 3, "median_of": 9,'
        ' "payout": {"POINTS": "7", "USD": "10.00"}, "run_times_median": "2.5"}'
    )
    for each in (every, Bounds(), Bounds(lines_per_beneficiary=1), Bounds(payout={"USD": "1"})):
        assert Bounds.from_record(each.record) == each
    assert Bounds().record == "{}"


# --- what is possible ----------------------------------------------------------------------------

MULTIPLE = ' is neither "off" nor a decimal of 1 or more in quotes, such as "5" or "2.5"'
PAYOUT = ' is neither "off" nor amounts by currency, such as { USD = "10000.00" }'


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("run_times_median", "0.99", "'0.99'" + MULTIPLE),
        ("run_times_median", "-5", "'-5'" + MULTIPLE),
        ("run_times_median", "500%", "'500%'" + MULTIPLE),
        ("run_times_median", "1e3", "'1e3'" + MULTIPLE),
        ("run_times_median", 5, "5" + MULTIPLE),
        ("run_times_median", True, "True" + MULTIPLE),
        ("median_of", 0, "0 is not a whole number from 1 to 1000"),
        ("median_of", 1001, "1001 is not a whole number from 1 to 1000"),
        ("median_of", "30", "'30' is not a whole number from 1 to 1000"),
        ("median_after", True, "True is not a whole number from 1 to 1000"),
        ("payout", "10000", "'10000'" + PAYOUT),
        ("payout", ["USD"], "['USD']" + PAYOUT),
        ("payout", {"usd": "1"}, "'usd' is no currency; write its code, such as USD"),
        ("payout", {"USD": 10000}, 'USD: 10000 is not an amount in quotes, such as "10000"'),
        ("payout", {"USD": "1.001"}, "USD: '1.001' has more than 2 decimals"),
        ("payout", {"JPY": "1.0"}, "JPY: '1.0' has more than 0 decimals"),
        ("payout", {"USD": "-1"}, "USD: '-1' is below zero"),
        ("payout", {"USD": "1,000"}, "USD: '1,000' is not an amount"),
        ("payout", {"POINTS": "many"}, "POINTS: 'many' is not an amount"),
        ("lines_per_beneficiary", 0, '0 is neither "off" nor a whole number from 1 on'),
        ("lines_per_beneficiary", "9", "'9' is neither \"off\" nor a whole number from 1 on"),
        ("run_times_median", "1", ""),
        ("run_times_median", "2.5", ""),
        ("run_times_median", "off", ""),
        ("payout", {"USD": "0", "POINTS": "1.25"}, ""),
        ("payout", {}, ""),
        ("lines_per_beneficiary", 1, ""),
    ],
)
def test_nonsense_is_named_with_what_would_be_right(name: str, value: Any, said: str) -> None:
    assert fault(name, value) == said


def configured(text: str) -> None:
    Path("config").mkdir(exist_ok=True)
    Path("config/engine.toml").write_text(f"[bounds]\n{text}\n", "utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('run_times_median = "0"', "config/engine.toml: bounds.run_times_median: '0'" + MULTIPLE),
        ("lines_per_beneficiary = -1",
         'config/engine.toml: bounds.lines_per_beneficiary: -1 is neither "off" nor a whole number'
         " from 1 on"),
        ("median_after = 31",
         "config/engine.toml: bounds.median_after: 31 is more than bounds.median_of, 30: no run"
         " would ever be judged"),
    ],
)  # fmt: skip
def test_config_check_refuses_nonsense(commission: Program, text: str, said: str) -> None:
    configured(text)
    done = commission("config", "check")
    assert done.code == 2
    assert done.err.splitlines()[0] == f"error: {said}"


def test_unknown_bounds_are_told(commission: Program) -> None:
    configured("median_off = 3")
    done = commission("config", "check")
    assert done.code == 2
    assert "bounds.median_off is no setting; did you mean bounds.median_of?" in done.err


def test_bounds_of_the_environment(commission: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMISSION_BOUNDS_PAYOUT", "USD=10.00, JPY=5")
    monkeypatch.setenv("COMMISSION_BOUNDS_MEDIAN_OF", "9")
    monkeypatch.setenv("COMMISSION_BOUNDS_LINES_PER_BENEFICIARY", "off")
    shown = json.loads(commission("config", "show", "--json").out)
    assert shown["bounds.payout"]["value"] == {"USD": "10.00", "JPY": "5"}
    assert shown["bounds.median_of"] == {"value": 9, "from": "COMMISSION_BOUNDS_MEDIAN_OF"}
    monkeypatch.setenv("COMMISSION_BOUNDS_MEDIAN_AFTER", "many")
    assert commission("config", "check").err.splitlines()[0] == (
        "error: COMMISSION_BOUNDS_MEDIAN_AFTER: bounds.median_after: 'many' is not a whole number"
        " from 1 to 1000"
    )


def test_a_payout_bound_is_in_a_currency_of_the_plan() -> None:
    bounds = Bounds(payout={"USD": "10.00", "UDS": "10.00"})
    with pytest.raises(UsageError) as refused:
        bounds.payouts({"USD": 2})
    assert refused.value.message == "bounds.payout: UDS is no currency of the plan"
    with pytest.raises(UsageError, match=r"bounds\.payout: MB: '1\.5' has more than 0 decimals"):
        Bounds(payout={"MB": "1.5"}).payouts({"MB": 0})
    assert Bounds(payout={"MB": "15"}).payouts({"MB": 0}) == {"MB": 15}


def test_a_run_with_a_bound_in_an_unknown_currency_pays_nothing(
    commission: Program, tmp_path: Path
) -> None:
    configured('payout = { UDS = "10.00" }')
    folder = shop(tmp_path / "in")
    done = commission("run", folder, "--date", "2026-02-28")
    assert done.code == 2
    assert "error: bounds.payout: UDS is no currency of the plan" in done.err
    assert json.loads(commission("runs", "--json").out) == []
    configured('payout = { USD = "1000.00" }')
    assert commission("run", folder, "--date", "2026-02-28").code == 0


# --- statements that do not pay what is held -----------------------------------------------------


# --- whole nights --------------------------------------------------------------------------------

PLAN = """\
name = "acme"

[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "100%"
"""


@pytest.fixture
def acme(commission: Program, tmp_path: Path) -> Callable[..., Done]:
    """A night: of ann's referral bob and bob's referral cat, who earn; the referrer gets it all."""
    folder = shop(tmp_path / "in", HEADER, PLAN)
    (folder / "earnings.csv").unlink()
    serial = iter(range(10_000))

    def night(date: str, *earned: tuple[str, ...], currency: str = "USD") -> Done:
        rows = "".join(
            f"e{next(serial)},{who},{date}T10:00:00Z,{amount},{(*code, currency)[0]},\n"
            for who, amount, *code in earned
        )
        (folder / "earnings.csv").write_text(HEADER + rows, "utf-8")
        done = commission("run", folder, "--date", date)
        assert done.code == 0, done.err
        return done

    return night


def payouts(commission: Program) -> list[str]:
    rows = json.loads(commission("payouts", "--json").out)
    return [f"{r['created_on']} {r['affiliate_id']} {r['amount']} {r['currency']}" for r in rows]


def holds(commission: Program, *words: str) -> list[str]:
    rows = json.loads(commission("holds", "--json", *words).out)
    return [f"{row['hold']} {row['run_date']} {row['why']} {row['waiting']}" for row in rows]


def agrees(commission: Program) -> bool:
    done = commission("verify")
    assert done.err == ""
    return done.code == 0


def test_a_payout_at_its_bound_is_paid_and_one_cent_more_waits(
    commission: Program, acme: Callable[..., Done]
) -> None:
    """
    at most 10.00 USD; ann 10.00, bob 10.01 USD; ann 999 JPY, for which there is no bound
    """
    configured('payout = { USD = "10.00" }')
    done = acme("2026-01-01", ("bob", "10.00"), ("cat", "10.01"))
    assert [line for line in done.err.splitlines() if line.startswith(("not paid", "look"))] == [
        "not paid: hold 1: bob: a payout of $10.01 is more than $10.00",
        "look at it, then let the next settlement pay it: commission release HOLD --reason TEXT",
    ]
    assert payouts(commission) == ["2026-01-01 ann 10.00 USD"]
    acme("2026-01-02", ("bob", "999", "JPY"), ("cat", "5", "JPY"))
    assert holds(commission) == [
        "1 2026-01-01 bob: a payout of $10.01 is more than $10.00 {'USD': '10.01'}"
    ]
    assert payouts(commission)[1:] == ["2026-01-02 ann 999 JPY", "2026-01-02 bob 5 JPY"]
    assert agrees(commission)


def test_what_is_released_is_paid_by_the_next_settlement(
    commission: Program, acme: Callable[..., Done]
) -> None:
    """And what was earned since does not hold the same money once more, up to its own bound."""
    configured('payout = { USD = "10.00" }')
    acme("2026-01-01", ("bob", "25.00"))
    done = commission("release", "1", "--reason", "called her")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "hold 1: ann: a payout of $25.00 is more than $10.00; up to $35.00 may be paid",
        "the next settlement pays it",
    ]
    assert payouts(commission) == []
    acme("2026-01-02", ("bob", "10.00"))
    assert payouts(commission) == ["2026-01-02 ann 35.00 USD"]
    acme("2026-01-03", ("bob", "10.01"))
    assert holds(commission) == [
        "2 2026-01-03 ann: a payout of $10.01 is more than $10.00 {'USD': '10.01'}"
    ]
    assert payouts(commission)[1:] == []
    assert agrees(commission)


def test_a_payout_to_others_or_in_another_currency_does_not_use_up_a_release(
    commission: Program, acme: Callable[..., Done]
) -> None:
    """While ann's dollars wait, she is paid yen and bob is paid dollars."""
    configured('payout = { USD = "10.00" }')
    acme("2026-01-01", ("bob", "25.00"))
    acme("2026-01-02", ("bob", "999", "JPY"), ("cat", "5.00"))
    assert payouts(commission) == ["2026-01-02 ann 999 JPY", "2026-01-02 bob 5.00 USD"]
    commission("release", "1", "--reason", "called her")
    acme("2026-01-03")
    assert payouts(commission)[2:] == ["2026-01-03 ann 25.00 USD"]
    assert holds(commission) == []


def test_more_than_what_was_released_and_its_bound_waits_again(
    commission: Program, acme: Callable[..., Done]
) -> None:
    configured('payout = { USD = "10.00" }')
    acme("2026-01-01", ("bob", "25.00"))
    commission("release", "1", "--reason", "called her")
    acme("2026-01-02", ("bob", "10.01"))
    assert holds(commission) == [
        "2 2026-01-02 ann: a payout of $35.01 is more than $10.00, and $35.00 that was released"
        " {'USD': '35.01'}"
    ]
    commission("release", "2", "--reason", "again", "--up-to", "40.00")
    acme("2026-01-03", ("bob", "4.99"))
    assert payouts(commission) == ["2026-01-03 ann 40.00 USD"]
    assert agrees(commission)


def test_a_payout_that_waits_is_held_once(commission: Program, acme: Callable[..., Done]) -> None:
    configured('payout = { USD = "10.00" }')
    acme("2026-01-01", ("bob", "25.00"))
    configured('payout = "off"')
    acme("2026-01-02", ("bob", "3.00"))
    assert payouts(commission) == []
    assert holds(commission) == [
        "1 2026-01-01 ann: a payout of $25.00 is more than $10.00 {'USD': '28.00'}"
    ]
    configured('payout = { USD = "5.00" }')
    acme("2026-01-03")
    assert len(holds(commission)) == 1
    assert agrees(commission)


def test_lines_at_their_bound_pass_and_one_more_holds_all_of_that_affiliate(
    commission: Program, acme: Callable[..., Done]
) -> None:
    """ann 2 lines, bob 3 in two currencies, zero ones too."""
    configured("lines_per_beneficiary = 2")
    acme("2026-01-01", ("bob", "1"), ("bob", "2"), ("cat", "3"), ("cat", "4"))
    assert holds(commission) == []
    done = acme("2026-01-02", ("bob", "1"), ("cat", "0"), ("cat", "3"), ("cat", "4"))
    assert "not paid: hold 1: bob: 3 lines in one run are more than 2" in done.err
    acme("2026-01-03", ("cat", "5"), currency="JPY")
    assert holds(commission) == [
        "1 2026-01-02 bob: 3 lines in one run are more than 2 {'JPY': '5', 'USD': '7.00'}"
    ]
    assert payouts(commission) == [
        "2026-01-01 ann 3.00 USD", "2026-01-01 bob 7.00 USD", "2026-01-02 ann 1.00 USD",
    ]  # fmt: skip
    commission("release", "1", "--reason", "a good day")
    acme("2026-01-04")
    assert payouts(commission)[3:] == ["2026-01-04 bob 5 JPY", "2026-01-04 bob 7.00 USD"]
    assert agrees(commission)


def test_a_run_at_the_multiple_passes_and_one_cent_more_holds_every_payout(
    commission: Program, acme: Callable[..., Done]
) -> None:
    """
    2.5 times the median of 1.00 and 2.00, 1.50, is 3.75; the median of JPY is not known yet
    """
    configured('run_times_median = "2.5"\nmedian_of = 2\nmedian_after = 2')
    acme("2026-01-01", ("bob", "1.00"))
    acme("2026-01-02", ("bob", "2.00"))
    acme("2026-01-03", ("bob", "3.75"), ("cat", "900", "JPY"))
    assert len(payouts(commission)) == 4
    # the last two: 2.00 and 3.75, of which 2.5 times the median is 7.1875
    done = acme("2026-01-04", ("bob", "7.18"), ("cat", "0.01"), ("cat", "8"))
    assert "not paid: hold 1: every payout: the run's commission of $15.19 is more than $7.18," in (
        done.err.replace("\n", " ")
    )
    assert len(payouts(commission)) == 4
    acme("2026-01-05", ("cat", "5"), currency="JPY")
    assert holds(commission) == [
        "1 2026-01-04 every payout: the run's commission of $15.19 is more than $7.18, 2.5 times"
        " the median of 2 runs {'JPY': '5', 'USD': '15.19'}"
    ]
    commission("release", "--date", "2026-01-04", "--reason", "a campaign")
    acme("2026-01-06")
    assert payouts(commission)[4:] == [
        "2026-01-06 ann 7.18 USD", "2026-01-06 bob 5 JPY", "2026-01-06 bob 8.01 USD",
    ]  # fmt: skip
    assert agrees(commission)


@pytest.mark.parametrize(("earned", "held"), [("7.18", False), ("7.19", True)])
def test_the_edge_of_a_multiple_that_is_no_whole_cent(
    commission: Program, acme: Callable[..., Done], earned: str, held: bool
) -> None:
    """2.5 times the median of 2.00 and 3.75 is 7.1875."""
    configured('run_times_median = "2.5"\nmedian_after = 2')
    acme("2026-01-01", ("bob", "2.00"))
    acme("2026-01-02", ("bob", "3.75"))
    acme("2026-01-03", ("bob", earned))
    assert bool(holds(commission)) is held
    assert len(payouts(commission)) == (2 if held else 3)


def test_a_hold_changes_nothing_but_what_is_paid(
    commission: Program, acme: Callable[..., Done]
) -> None:
    configured('payout = { USD = "10.00" }\nlines_per_beneficiary = 1')
    acme("2026-01-01", ("bob", "25.00"), ("cat", "1.00"), ("cat", "2.00"))
    statements = json.loads(commission("statements", "--json").out)
    assert [(s["affiliate_id"], s["earned"], s["paid"], s["closing"], s["available"])
            for s in statements] == [
        ("ann", "25.00", "0.00", "25.00", "25.00"),
        ("bob", "3.00", "0.00", "3.00", "3.00"),
    ]  # fmt: skip
    assert len(json.loads(commission("lines", "--json").out)) == 3
    assert json.loads(commission("balances", "--json").out)[0]["available"] == "25.00"


def test_running_again_says_and_writes_the_same(
    commission: Program, acme: Callable[..., Done], tmp_path: Path
) -> None:
    configured('payout = { USD = "10.00" }')
    first = acme("2026-01-01", ("bob", "25.00"))
    before, listed = tree(tmp_path / "out"), holds(commission, "--all")
    configured('payout = "off"')
    again = commission("run", "--date", "2026-01-01")
    assert (again.code, again.out) == (0, first.out)
    assert "not paid: hold 1: ann: a payout of $25.00 is more than $10.00" in again.err
    assert (tree(tmp_path / "out"), holds(commission, "--all")) == (before, listed)
    shown = json.loads(commission("run", "--date", "2026-01-01", "--json").out)
    assert shown["holds"] == [
        {
            "hold": 1,
            "run_date": "2026-01-01",
            "kind": "payout",
            "whose": "ann",
            "why": "ann: a payout of $25.00 is more than $10.00",
        }
    ]


def test_of_many_holds_a_few_are_told(commission: Program, acme: Callable[..., Done]) -> None:
    configured('payout = { USD = "0", JPY = "0", EUR = "0", KWD = "0" }')
    codes = ("USD", "JPY", "EUR", "KWD")
    acme("2026-01-01")
    for n, code in enumerate(codes):
        done = acme(f"2026-01-0{n + 2}", ("bob", "7"), ("cat", "7"), currency=code)
    assert "and 3 more holds: commission holds" in done.err
    assert done.err.count("not paid: hold") == 5
    assert commission("release", "--all", "--reason", "all known", "--json").code == 0
    acme("2026-01-09")
    assert len(payouts(commission)) == 8


# --- releases ------------------------------------------------------------------------------------


@pytest.fixture
def two(
    commission: Program, acme: Callable[..., Done], tmp_path: Path, database_url: str
) -> Program:
    """hold 1: ann 25.00 USD; hold 2: bob 30.00 USD; at most 10.00"""

    def make() -> None:
        configured('payout = { USD = "10.00" }')
        acme("2026-01-01", ("bob", "25.00"), ("cat", "30.00"))

    once("two holds", database_url, tmp_path, make)
    return commission


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["7"], "there is no hold 7", "`commission holds --all` lists all. Nothing was released."),
        (["1", "7"], "there is no hold 7",
         "`commission holds --all` lists all. Nothing was released."),
        ([], "a release needs holds by number, or --date, or --all",
         "`commission holds` lists them."),
        (["1", "--all"], "a release needs holds by number, or --date, or --all",
         "`commission holds` lists them."),
        (["1", "2", "--up-to", "50.00"], "--up-to is for one payout",
         "Name one hold of kind payout. Nothing was released."),
        (["1", "--up-to", "24.99"], "--up-to 24.99 is less than the 25.00 that wait",
         "A payout is the whole balance or nothing. Nothing was released."),
        (["1", "--up-to", "many"], "--up-to: 'many' is not an amount", "Nothing was released."),
    ],
)  # fmt: skip
def test_a_release_that_cannot_be_is_refused_whole(
    two: Program, words: list[str], said: str, hint: str
) -> None:
    done = two("release", *words, "--reason", "looked")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [f"error: {said}", hint]
    assert len(holds(two)) == 2


def test_a_release_has_a_reason(two: Program) -> None:
    for words in (["1"], ["1", "--reason", " "]):
        done = two("release", *words)
        assert done.code == 2
        assert done.err.splitlines()[0] == "error: --reason is empty"
    assert len(holds(two)) == 2


def test_a_second_release_is_refused_and_says_who_and_why(two: Program) -> None:
    assert two("release", "1", "1", "--reason", "called her").code == 0
    again = two("release", "2", "1", "--reason", "called her")
    assert again.code == 2
    assert again.err.startswith("error: hold 1 was released at ")
    assert again.err.splitlines()[0].endswith(": called her")
    assert len(holds(two)) == 1


def test_the_database_itself_refuses_a_second_release(two: Program, database_url: str) -> None:
    two("release", "1", "--reason", "called her")
    with pytest.raises(DBAPIError), writing(connect(database_url)) as connection:
        book.add_releases(connection, 99, [book.Release(1, "once more")])
    assert holds(two, "--all")[0].startswith("1 ")


def test_a_dry_run_releases_nothing(two: Program) -> None:
    done = two("release", "--all", "--reason", "looked", "--dry-run")
    assert done.code == 0
    assert done.err.splitlines() == [
        "dry run: hold 1: ann: a payout of $25.00 is more than $10.00; up to $35.00 may be paid",
        "dry run: hold 2: bob: a payout of $30.00 is more than $10.00; up to $40.00 may be paid",
        "dry run: nothing was kept",
    ]
    assert len(holds(two)) == 2
    shown = json.loads(two("release", "1", "--reason", "x", "--dry-run", "--json").out)
    assert (shown["dry_run"], shown["released"][0]["hold"]) == (True, 1)
    assert agrees(two)


def test_where_nothing_is_open_nothing_is_done(two: Program) -> None:
    done = two("release", "--date", "2026-01-02", "--reason", "looked")
    assert (done.code, done.err) == (0, "no hold is open of the run of 2026-01-02\n")
    two("release", "--all", "--reason", "looked")
    done = two("release", "--all", "--reason", "looked")
    assert (done.code, done.err) == (0, "no hold is open\n")
    assert two("holds").err == "no holds\n"
    assert len(holds(two, "--all")) == 2
    assert "looked" in two("holds", "--all").out


def test_others_are_paid_while_one_waits(two: Program) -> None:
    two("release", "2", "--reason", "looked")
    assert two("run", "--date", "2026-01-02").code == 0
    assert payouts(two) == ["2026-01-02 bob 30.00 USD"]
    assert agrees(two)


def test_who_asks_why_something_was_not_paid_is_told(two: Program, database_url: str) -> None:
    """As each run knew it, whatever was released later."""
    days = [day("2025-12-31"), day("2026-01-01"), day("2026-01-02")]
    two("release", "2", "--reason", "looked")
    two("run", "--date", "2026-01-02")
    with reading(connect(database_url)) as connection:
        asked = [book.open_holds(connection, day) for day in days]
    assert [each.height for each in asked] == [0, 2, 1]
    assert asked[2].rows(named=True) == [
        {
            "affiliate": asked[1]["affiliate"][0],
            "currency": asked[1]["currency"][0],
            "kind": "payout",
            "figure": 2500,
            "bound": 1000,
            "run_day": days[1],
        }
    ]


# --- verify --------------------------------------------------------------------------------------

TAMPERS: Mapping[str, tuple[str, str]] = {
    "a hold gone": ("DELETE FROM hold WHERE id = 2", "table hold lacks"),
    "a hold's figure": ("UPDATE hold SET figure = figure + 1 WHERE id = 2", "table hold has"),
    "a hold's bound": ("UPDATE hold SET bound = bound + 1 WHERE id = 2", "table hold has"),
    "whose hold": ("UPDATE hold SET affiliate = -1 WHERE id = 2", "table hold has"),
    "why": ("UPDATE hold SET why = '{\"released\": 9}' WHERE id = 2", "table hold has"),
    "a hold more": (
        "INSERT INTO hold SELECT 3, run_day, 'lines', affiliate, -1, 9, 1, why FROM hold"
        " WHERE id = 2",
        "table hold has",
    ),
    "a hold of no run": (
        "INSERT INTO hold SELECT 3, 40000, kind, affiliate, currency, 9, 1, why FROM hold"
        " WHERE id = 2",
        "table hold: rows of 2079-07-08, which no run has",
    ),
    "a release gone": ("DELETE FROM release", "accepted 1 rows, the book holds 0"),
    "a release more": (
        "INSERT INTO release SELECT 2, intake, reason, 9000 FROM release",
        "accepted 1 rows, the book holds 2",
    ),
    "a release before its run": (
        "UPDATE release SET intake = 1",
        "release of hold 1: it was not learned after its run",
    ),
    "another hold released": ("UPDATE release SET hold = 2", "table payout"),
    "another amount released": ("UPDATE release SET up_to = 2499", "table payout lacks"),
    "an amount that is none": (
        "UPDATE release SET up_to = -1",
        "release of hold 1: an amount of -1 minor units",
    ),
    "bounds of then": ("UPDATE run SET bounds = '{}'", "table hold has"),
    "bounds that are none": ("UPDATE run SET bounds = 'off'", "make no sense"),
}


@pytest.mark.parametrize("what", TAMPERS)
def test_verify_finds_a_changed_hold_or_release(two: Program, database_url: str, what: str) -> None:
    """ "table payout lacks": who was paid by the book's own words was not to be paid."""
    two("release", "1", "--reason", "called her")
    two("run", "--date", "2026-01-02")
    assert agrees(two)
    statement, found = TAMPERS[what]
    change(database_url, statement)
    done = two("verify")
    assert done.code == 5
    assert found.replace("payout lacks", "payout has") in done.err


def test_every_release_is_in_the_audit_trail(two: Program, database_url: str) -> None:
    two("release", "1", "2", "--reason", "called them")
    two("release", "1", "--reason", "refused")
    with reading(connect(database_url)) as connection:
        query = sa.text("SELECT details FROM audit WHERE what = 'release'")
        details = [json.loads(each) for each in connection.execute(query).scalars()]
    assert [(each["reason"], each["holds"]) for each in details] == [("called them", [1, 2])]
