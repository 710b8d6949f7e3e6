"""What entries are found to be, for any entries in any files and order: laws, and scores."""

import doctest
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commission_engine.finance.reconcile import entry, reasons
from commission_engine.finance.reconcile.entry import BACK, Said, clipped
from commission_engine.finance.reconcile.match import SURE, Found, Key, Sent, Told, World
from commission_engine.ledger.life import LEGAL, State

DAY = 20_000
PAYOUTS = tuple(
    Sent((DAY, n, 1), f"po-20241004-{n:016}", "USD", 2, 1000 + n % 2, DAY, ((5, State.EXPORTED),))
    for n in range(3)
)
ENTRY = Told(Said.PAID, DAY + 1, "USD", 2, 1000, "", "", "")
ENTRIES = st.builds(
    Told,
    said=st.sampled_from(Said),
    booked_day=st.just(DAY + 1),
    code=st.sampled_from(["USD", "USD", "USD", "EUR"]),
    decimals=st.just(2),
    amount_minor=st.sampled_from([999, 1000, 1001]),
    reference=st.sampled_from(["", "rent", "po-20241004-9999999999999999"])
    | st.sampled_from([each.payout_id for each in PAYOUTS]),
    payee=st.sampled_from(["", "Ann"]),
    tail=st.just(""),
)


def world(
    known: int,
    payouts: tuple[Sent, ...],
    said: list[tuple[Key, Said]],
    twice: frozenset[Key] = frozenset(),
) -> World:
    return World(known, payouts, said, frozenset({"USD"}), {0: "Ann"}, {}, twice)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ENTRIES, max_size=6), max_size=4))
def test_what_becomes_of_a_payout_does_not_depend_on_files_or_order(
    files: list[list[Told]],
) -> None:
    """Back if one entry agrees that it is, and two payments had not been told of before; else paid
    if one agrees; each step is legal, and once. What is not sure moves nothing."""
    payouts, said, twice = PAYOUTS, list[tuple[Key, Said]](), set[Key]()
    for known, file in enumerate(files, 10):
        judged = world(known, payouts, said, frozenset(twice)).judge(file)
        assert len(judged) == len(file)
        for told, each in zip(file, judged, strict=True):
            assert each.steps is None or each.found in SURE
            if each.found in SURE and each.payout:
                assert (told.code, told.amount_minor) == ("USD", each.payout.amount_minor)
                said.append((each.payout.key, told.said))
            if each.found is Found.DOUBLED and told.said is Said.PAID and each.payout:
                twice.add(each.payout.key)
            if each.steps and each.payout:
                (mine,) = (p for p in payouts if p.key == each.payout.key)
                assert each.steps in LEGAL[mine.steps[-1][1]]
                stepped = replace(mine, steps=(*mine.steps, (known + 1, each.steps)))
                payouts = tuple(stepped if p.key == mine.key else p for p in payouts)
    for payout in payouts:
        agree = [
            told.said
            for file in files
            for told in file
            if (told.reference, told.code, told.amount_minor)
            == (payout.payout_id, "USD", payout.amount_minor)
        ]
        paid = Said.PAID in agree
        back = any(
            said in {*BACK, Said.OTHER} and agree[:place].count(Said.PAID) < 2
            for place, said in enumerate(agree)
        )
        wanted = State.FAILED if back else State.PAID if paid else State.EXPORTED
        assert payout.steps[-1][1] is wanted


@pytest.mark.parametrize(
    ("told", "score", "why"),
    [
        (
            replace(ENTRY, payee="ANN"),
            80,
            "no reference; the amount (40) + the name (25) + the date (15)",
        ),
        (
            replace(ENTRY, payee="Dr. Änn"),
            70,
            "no reference; the amount (40) + part of the name (15) + the date (15)",
        ),
        (ENTRY, 0, "no reference; 2 open payouts are as likely (55 of 100 points)"),
        (
            replace(ENTRY, amount_minor=1001, booked_day=DAY - 1),
            40,
            "no reference; the amount (40)",
        ),
        (replace(ENTRY, amount_minor=5), 0, "no reference, and no open payout of 0.05 USD"),
        (replace(ENTRY, reference=" ".join(p.payout_id for p in PAYOUTS)), 0, "it names 3 payouts"),
        (
            replace(ENTRY, said=Said.OTHER, payee="Ann"),
            80,
            "no reference; the amount (40) + the name (25) + the date (15)",
        ),
    ],
    ids=lambda each: "",
)
def test_a_score_says_what_it_is_made_of(told: Told, score: int, why: str) -> None:
    (found,) = world(9, PAYOUTS, []).judge([told])
    assert (found.found, found.score, found.why) == (Found.UNKNOWN, score, why)


def test_account_numbers_do_not_stay_in_texts() -> None:
    assert clipped("from DE89 3704 0044 0532 0130 00 / 123456789 ok") == "from …3000 / …6789 ok"


@pytest.mark.parametrize("module", [entry, reasons])
def test_the_examples_are_right(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
