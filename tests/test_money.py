"""Money: what is read, how it is rounded, how it is printed."""

import doctest
from decimal import Decimal
from fractions import Fraction

import pytest
from babel.numbers import get_currency_precision
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commission_engine import money
from commission_engine.money import (
    MAX_MINOR,
    BadAmount,
    Rate,
    Rounding,
    currencies,
    iso_decimals,
    parse_amount,
    plain,
    share,
    spoken,
)
from commission_engine.problems import Code

STEADY = settings(deadline=None, derandomize=True, database=None)
"""The same examples every time, however busy the machine is."""

rates = st.builds(
    lambda parts, places: Rate.parse(plain(parts, places)),
    st.integers(0, 10**6 - 1),
    st.integers(0, 16),
)


def value(rate: Rate) -> Fraction:
    return Fraction(rate.parts, rate.scale)


def test_the_examples_in_the_documentation_run() -> None:
    ran = doctest.testmod(money)
    assert ran.attempted == 9
    assert ran.failed == 0


# -- rates


@pytest.mark.parametrize(
    ("text", "rate", "printed"),
    [
        ("20%", Rate(2, 10), "0.2"),
        ("0.2", Rate(2, 10), "0.2"),
        ("0.20", Rate(2, 10), "0.2"),
        ("020.00%", Rate(2, 10), "0.2"),
        ("100%", Rate(1, 1), "1"),
        ("1", Rate(1, 1), "1"),
        ("0%", Rate(0, 1), "0"),
        ("0.000", Rate(0, 1), "0"),
        ("250%", Rate(25, 10), "2.5"),
        ("30", Rate(30, 1), "30"),
        ("12.5%", Rate(125, 1000), "0.125"),
        ("999999.99%", Rate(99999999, 10**4), "9999.9999"),
        ("0.0000000000000001%", Rate(1, 10**18), "0.000000000000000001"),
        ("0.0000000000000001", Rate(1, 10**16), "0.0000000000000001"),
    ],
)  # fmt: skip
def test_a_rate_is_read_exactly(text: str, rate: Rate, printed: str) -> None:
    assert Rate.parse(text) == rate
    assert str(rate) == printed


@pytest.mark.parametrize(
    "text",
    [
        "", "%", " 20%", "20 %", "20%\n", "-20%", "+20%", ".2", "2.", "2.%", "0,2", "20%%", "1e-1",
        "1234567", "0.1234567890123456789", "٢٠%", "twenty", "1/5", "0x1", "NaN", "inf", "1_0%",
    ],
)  # fmt: skip
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        Rate.parse(text)


@STEADY
@given(rates)
def test_a_rate_is_printed_as_it_is_read(rate: Rate) -> None:
    assert Rate.parse(str(rate)) == rate
    assert Fraction(str(rate)) == value(rate)


@STEADY
@given(rates, rates)
def test_rates_that_are_worth_the_same_are_the_same(one: Rate, other: Rate) -> None:
    assert (one == other) == (value(one) == value(other))
    assert one.at_most(other) == (value(one) <= value(other))


# -- amounts


@pytest.mark.parametrize(
    ("text", "decimals", "minor"),
    [
        ("0", 2, 0),
        ("-0", 2, 0),
        ("-0.00", 2, 0),
        ("1", 2, 100),
        ("1.5", 2, 150),
        ("19.99", 2, 1999),
        ("-19.9", 2, -1990),
        ("007", 0, 7),
        ("1.234", 3, 1234),
        ("0.00000001", 8, 1),
        ("999999999999999.99", 2, 99_999_999_999_999_999),
        ("999999999999999.999", 3, 999_999_999_999_999_999),
        ("-999999.999999999999", 12, -999_999_999_999_999_999),
    ],
)
def test_an_amount_is_read_into_minor_units(text: str, decimals: int, minor: int) -> None:
    assert parse_amount(text, decimals) == minor


@pytest.mark.parametrize(
    ("text", "decimals", "code", "message"),
    [
        *(
            (text, 2, Code.BAD_AMOUNT, f"{text!r} is not an amount")
            for text in (
                "", "-", ".", "1.", ".5", "+1", "1,5", "1 000", " 1", "1 ", "1\n", "--1", "1e3",
                "0x10", "NaN", "Infinity", "١٢", "−1", "1.2.3", "1_000", "$5", "5%",
            )
        ),
        (
            "1234567890123456", 0, Code.AMOUNT_OUT_OF_RANGE,
            "'1234567890123456' has more than 15 digits",
        ),
        # Zeros in front are digits too: the limit is on the text as it was written.
        (
            "0000000000000001", 2, Code.AMOUNT_OUT_OF_RANGE,
            "'0000000000000001' has more than 15 digits",
        ),
        ("1.000", 2, Code.TOO_MANY_DECIMALS, "'1.000' has more than 2 decimals"),
        ("1.0", 0, Code.TOO_MANY_DECIMALS, "'1.0' has more than 0 decimals"),
        (
            "1000000", 12, Code.AMOUNT_OUT_OF_RANGE,
            "'1000000' is 1000000000000000000 minor units or more",
        ),
        (
            "-1000000.000000000000", 12, Code.AMOUNT_OUT_OF_RANGE,
            "'-1000000.000000000000' is 1000000000000000000 minor units or more",
        ),
    ],
)  # fmt: skip
def test_anything_else_is_no_amount(text: str, decimals: int, code: Code, message: str) -> None:
    with pytest.raises(BadAmount) as caught:
        parse_amount(text, decimals)
    assert (caught.value.code, str(caught.value)) == (code, message)


@pytest.mark.parametrize(
    ("minor", "decimals", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (1999, 2, "19.99"),
        (1999, 0, "1999"),
        (-1999, 3, "-1.999"),
        (1, 8, "0.00000001"),
        (100, 2, "1.00"),
        (10**18 - 1, 0, "999999999999999999"),
    ],
)
def test_an_amount_is_written_with_all_decimals(minor: int, decimals: int, text: str) -> None:
    assert plain(minor, decimals) == text


@STEADY
@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 12))
def test_an_amount_is_read_as_it_was_written(minor: int, decimals: int) -> None:
    assert parse_amount(plain(minor, decimals), decimals) == minor
    assert Fraction(plain(minor, decimals)) == Fraction(minor, 10**decimals)


# -- shares


def rounded(exact: Fraction, rounding: Rounding) -> int:
    """The definitions of the rounding modes, on the number line."""
    size = abs(exact)
    below = size.numerator // size.denominator
    rest = size - below
    up = {
        Rounding.DOWN: False,
        Rounding.HALF_UP: rest >= Fraction(1, 2),
        Rounding.HALF_EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1),
    }[rounding]
    return (below + up) * (-1 if exact < 0 else 1)


@STEADY
@given(st.integers(1 - MAX_MINOR, MAX_MINOR - 1), rates, st.sampled_from(Rounding))
@example(MAX_MINOR - 1, Rate(9999999999999999999999, 10**18), Rounding.HALF_EVEN)
def test_a_share_is_the_exact_product_rounded_once(
    base: int, rate: Rate, rounding: Rounding
) -> None:
    assert share(base, rate, rounding) == rounded(base * value(rate), rounding)


@STEADY
@given(st.integers(0, 1000), st.sampled_from(["5%", "0.5", "25%", "0.125"]).map(Rate.parse))
def test_rounding_is_symmetric_about_zero(base: int, rate: Rate) -> None:
    for rounding in Rounding:
        assert share(-base, rate, rounding) == -share(base, rate, rounding)


@pytest.mark.parametrize(
    ("base", "half_even", "half_up", "down"),
    [
        (1, 0, 1, 0),  # 0.5
        (3, 2, 2, 1),  # 1.5
        (5, 2, 3, 2),  # 2.5
        (-1, 0, -1, 0),
        (-3, -2, -2, -1),
        (-5, -2, -3, -2),
        (4, 2, 2, 2),
        (0, 0, 0, 0),
    ],
)
def test_halves_go_where_the_rounding_says(
    base: int, half_even: int, half_up: int, down: int
) -> None:
    half = Rate.parse("50%")
    assert share(base, half, Rounding.HALF_EVEN) == half_even
    assert share(base, half, Rounding.HALF_UP) == half_up
    assert share(base, half, Rounding.DOWN) == down


# -- currencies and units


def test_decimals_are_those_of_iso_4217() -> None:
    decimals = iso_decimals()
    wanted = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4, "UGX": 0, "ISK": 0, "MGA": 2}
    assert {code: decimals[code] for code in wanted} == wanted
    assert "XAU" not in decimals, "gold has no minor unit"
    assert all(len(code) == 3 and code.isupper() for code in decimals)
    assert "DEM" not in decimals


def test_a_plan_adds_units_of_its_own() -> None:
    known = currencies({"POINTS": 0, "BTC": 8})
    assert known["POINTS"] == 0
    assert known["BTC"] == 8
    assert known["USD"] == 2
    assert len(known) == len(iso_decimals()) + 2
    assert "POINTS" not in iso_decimals()


@pytest.mark.parametrize(
    ("minor", "code", "decimals", "locale", "text"),
    [
        (123456, "USD", 2, "en", "$1,234.56"),
        (-123456, "USD", 2, "en", "-$1,234.56"),
        (123456, "EUR", 2, "de", "1.234,56\xa0€"),
        (123456, "EUR", 2, "fr", "1\u202f234,56\xa0€"),
        (123456, "SEK", 2, "sv_SE", "1\xa0234,56\xa0kr"),
        (12345678, "INR", 2, "en_IN", "₹1,23,456.78"),
        (1234567, "JPY", 0, "ja", "￥1,234,567"),
        (1234567, "KWD", 3, "en", "KWD1,234.567"),
        (50, "POINTS", 0, "de", "50 POINTS"),
        (-123456, "MB", 3, "en", "-123.456 MB"),
        (10**18 - 1, "USD", 2, "en", "$9,999,999,999,999,999.99"),
    ],
)
def test_people_read_amounts_in_their_own_way(
    minor: int, code: str, decimals: int, locale: str, text: str
) -> None:
    assert spoken(minor, code, decimals, locale) == text


def test_people_read_the_decimals_of_iso_4217_not_those_of_cldr() -> None:
    """CLDR leaves off decimals that nobody uses in cash; a ledger must not."""
    differing = {
        code: decimals
        for code, decimals in iso_decimals().items()
        if decimals != get_currency_precision(code)
    }
    assert {"IQD", "LBP", "KPW"} <= set(differing)
    for code, decimals in differing.items():
        said = spoken(123456789, code, decimals)
        digits = "".join(c for c in said if c.isdigit() or c == ".")
        assert Decimal(digits) == Decimal(123456789).scaleb(-decimals), said


def test_speaking_leaves_the_shared_patterns_of_babel_alone() -> None:
    assert spoken(1234, "JPY", 0) == "¥1,234"
    assert spoken(1234, "USD", 2) == "$12.34"
    assert spoken(1234, "JPY", 0) == "¥1,234"


def test_a_rate_is_at_most_itself_and_whatever_is_more() -> None:
    fifth, quarter = Rate.parse("20%"), Rate.parse("0.25")
    assert [fifth.at_most(other) for other in (fifth, quarter, Rate.parse("0.19"))] == [
        True, True, False,
    ]  # fmt: skip


def test_a_rate_is_at_most_18_decimals_fine_and_so_can_be_read_back() -> None:
    finest = Rate.parse("33.3333333333333333%")
    assert Rate.parse(str(finest)) == finest
    with pytest.raises(ValueError, match="has more than 18 decimals as a fraction"):
        Rate.parse("0.12345678901234567%")
