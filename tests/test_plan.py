"""Plans: what a file says, every fault in its words, and what may still be changed."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pytest
from engines import fits_files
from hypothesis import assume, given, settings
from worlds import WORLDS, World, worlds

from commission_engine.calendar import Window, day_of
from commission_engine.money import Rate, Rounding
from commission_engine.plan.change import faults_of_change, first_changed
from commission_engine.plan.read import parse_plan, read_plan
from commission_engine.plan.record import from_json, plan_hash, to_json, to_record
from commission_engine.plan.terms import Cap, Every, Level, Payout, Plan, Terms
from commission_engine.problems import FileRefused, PlanRefused

EXAMPLE = """\
name = "acme"
timezone = "Europe/Berlin"
rounding = "half_even"
rate_bounds = ["10%", "20%"]       # policy: `plan check` refuses a rate outside it

[payout]
every = "day"                      # day | week | month: settlement after that run
minimum = { USD = "25.00", EUR = "25.00" }

[[terms]]
from = 2026-01-01
hold_days = 14

[[terms.level]]
level = 1
rate = "20%"                       # "20%" or "0.2"
[[terms.level.cap]]
window = "order"
amount = { USD = "50.00", EUR = "45.00" }
[[terms.level.cap]]
window = "month"
amount = { USD = "500.00", EUR = "450.00" }

[[terms.level]]
level = 2
rate = "15%"

[[terms.level]]
level = 3
rate = "10%"

[[terms.cap]]                      # over all levels of one beneficiary
window = "year"
amount = { USD = "20000.00" }
"""

NEW_YEAR = day_of(date(2026, 1, 1))

THE_EXAMPLE = Plan(
    name="acme",
    timezone="Europe/Berlin",
    rounding=Rounding.HALF_EVEN,
    rate_bounds=(Rate(1, 10), Rate(2, 10)),
    units={},
    payout=Payout(Every.DAY, {"USD": 2500, "EUR": 2500}),
    terms=(
        Terms(
            starts=NEW_YEAR,
            hold_days=14,
            levels=(
                Level(
                    1,
                    Rate(2, 10),
                    (
                        Cap(Window.ORDER, {"USD": 5000, "EUR": 4500}),
                        Cap(Window.MONTH, {"USD": 50000, "EUR": 45000}),
                    ),
                ),
                Level(2, Rate(15, 100)),
                Level(3, Rate(1, 10)),
            ),
            caps=(Cap(Window.YEAR, {"USD": 2_000_000}),),
        ),
    ),
)

HEAD = """\
name = "acme"
"""
TERMS = """\
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 1
rate = "20%"
"""


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(PlanRefused) as caught:
        parse_plan(text, "plan.toml")
    assert caught.value.exit_code == 2
    return caught.value.faults


def warnings(text: str) -> tuple[str, ...]:
    return parse_plan(text, "plan.toml").warnings


# -- good plans


def test_the_example_of_the_specification_is_read() -> None:
    read = parse_plan(EXAMPLE, "plan.toml")
    assert read.plan == THE_EXAMPLE
    assert read.warnings == ()


def test_what_a_plan_leaves_out_has_a_default() -> None:
    plan = parse_plan(HEAD + TERMS, "plan.toml").plan
    assert plan == Plan(
        name="acme",
        timezone="UTC",
        rounding=Rounding.HALF_EVEN,
        rate_bounds=(Rate(0, 1), Rate(1, 1)),
        units={},
        payout=Payout(Every.DAY, {}),
        terms=(Terms(NEW_YEAR, 0, (Level(1, Rate(2, 10)),)),),
    )


def test_the_order_of_terms_and_levels_in_the_file_does_not_matter() -> None:
    text = """\
name = "acme"
[[terms]]
from = 2027-01-01
[[terms.level]]
level = 2
rate = "0.1"
[[terms.level]]
level = 0
rate = "0.05"
[[terms]]
from = "2026-01-01"
[[terms.level]]
level = 1
rate = "0.2"
"""
    plan = parse_plan(text, "plan.toml").plan
    assert [terms.starts for terms in plan.terms] == [NEW_YEAR, day_of(date(2027, 1, 1))]
    assert [level.level for level in plan.terms[1].levels] == [0, 2]


def test_a_plan_can_pay_in_units_of_its_own() -> None:
    text = """\
name = "acme"
[payout]
minimum = { POINTS = 100, BTC = "0.00000001", USD = 0 }
[units]
POINTS = 0
BTC = 8
USD = 2
"""
    plan = parse_plan(text + TERMS, "plan.toml").plan
    assert plan.units == {"POINTS": 0, "BTC": 8, "USD": 2}
    assert plan.payout.minimum == {"POINTS": 100, "BTC": 1, "USD": 0}
    assert plan.decimals["BTC"] == 8
    assert plan.decimals["JPY"] == 0


@pytest.mark.parametrize("days", [0, 3, 7, 366])
def test_how_old_a_rate_may_be(days: int) -> None:
    """The days that hold without being said are in no record: older plans keep their hash."""
    text = f'name = "acme"\n[payout]\nrate_days = {days}\n{TERMS}'
    plan = parse_plan(text, "plan.toml").plan
    assert plan.payout.rate_days == days
    assert from_json(to_json(plan)) == plan
    assert ("rate_days" in to_record(plan)["payout"]) == (days != 7)


def test_terms_hold_from_their_day_until_the_next_begin() -> None:
    later = replace(THE_EXAMPLE.terms[0], starts=NEW_YEAR + 31, hold_days=7)
    plan = replace(THE_EXAMPLE, terms=(*THE_EXAMPLE.terms, later))
    assert plan.terms_on(NEW_YEAR - 1) is None
    assert plan.terms_on(NEW_YEAR) == THE_EXAMPLE.terms[0]
    assert plan.terms_on(NEW_YEAR + 30) == THE_EXAMPLE.terms[0]
    assert plan.terms_on(NEW_YEAR + 31) == later
    assert plan.terms_on(NEW_YEAR + 4000) == later


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode())
    assert read_plan(file).plan == THE_EXAMPLE


# -- files that are no plan at all


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "plan.toml"
    with pytest.raises(FileRefused) as caught:
        read_plan(missing)
    assert caught.value.message == f"{missing}: cannot be read: No such file or directory"
    assert caught.value.hint == "Name a plan file (TOML)."
    with pytest.raises(FileRefused, match="cannot be read: Is a directory"):
        read_plan(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(b'name = "caf\xe9"\n')
    with pytest.raises(PlanRefused) as caught:
        read_plan(file)
    assert caught.value.faults == ("plan.toml: byte 11 is not UTF-8; save it as UTF-8",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = "acme"\nrate = 20 %\n', 2),
        ('name = "acme"\n\nterms = {', 3),
        ('name = "acme"\n\nterms = [\n', 3),
        ('name = "acme"\nterms = {\n', 2),
        ("from = 2026-02-30\n", 1),
        ('name = "acme"\nname = "other"\n', 2),
        ('name = "acme"\n[[terms]]\n[terms]\n', 3),
        ("hold_days = " + "9" * 5000, 1),
        ("terms = " + "[" * 5000, 1),
    ],
)
def test_a_text_that_is_not_toml_is_refused_with_its_line(text: str, line: int) -> None:
    """What is wrong with it is said by Python, in words that differ between its versions."""
    (fault,) = faults(text)
    assert fault.startswith(f"plan.toml:{line}: this is not TOML: ")


def test_the_last_line_is_named_where_a_text_ends_too_early() -> None:
    (fault,) = faults('a = 1\nname = """\nacme\n')
    assert fault.startswith("plan.toml:3: this is not TOML: ")


# -- every fault, with its line and its key

LEVEL = '[[terms]]\nfrom = 2026-01-01\n[[terms.level]]\nlevel = 1\nrate = "10%"\n'
CAP = LEVEL + "[[terms.level.cap]]\n"

OF_THE_PLAN = {
    TERMS: 'plan.toml:1: name: is missing; write name = "acme"',
    'name = ""\n' + TERMS: "plan.toml:1: name: '' is not a name of 1 to 64 printable characters",
    "name = 3\n" + TERMS: "plan.toml:1: name: 3 is not a name of 1 to 64 printable characters",
    'name = "a\\tb"\n' + TERMS: (
        "plan.toml:1: name: 'a\\tb' is not a name of 1 to 64 printable characters"
    ),
    f'name = "{"x" * 65}"\n' + TERMS: (
        f"plan.toml:1: name: '{'x' * 65}' is not a name of 1 to 64 printable characters"
    ),
    HEAD + 'timezone = "Europe/Bonn"\n' + TERMS: (
        "plan.toml:2: timezone: 'Europe/Bonn' is not an IANA time zone; write such as"
        ' "Europe/Berlin"'
    ),
    HEAD + "timezone = 1\n" + TERMS: (
        'plan.toml:2: timezone: 1 is not an IANA time zone; write such as "Europe/Berlin"'
    ),
    HEAD + 'rounding = "up"\n' + TERMS: (
        "plan.toml:2: rounding: 'up' is none of half_even, half_up, down"
    ),
    HEAD + "rounding = true\n" + TERMS: (
        "plan.toml:2: rounding: True is none of half_even, half_up, down"
    ),
    HEAD + 'rate_bounds = "20%"\n' + TERMS: (
        "plan.toml:2: rate_bounds: '20%' is not two rates; write [\"10%\", \"20%\"]"
    ),
    HEAD + 'rate_bounds = ["20%"]\n' + TERMS: (
        "plan.toml:2: rate_bounds: ['20%'] is not two rates; write [\"10%\", \"20%\"]"
    ),
    HEAD + 'rate_bounds = ["20%", "10%"]\n' + TERMS: (
        "plan.toml:2: rate_bounds: the lower bound 20% is above the upper 10%"
    ),
    HEAD + 'rate_bounds = ["low", "10%"]\n' + TERMS: (
        "plan.toml:2: rate_bounds: 'low' is not a rate; write \"20%\" or \"0.2\", in quotes"
    ),
    HEAD + 'rate_bounds = ["0%", 0.1]\n' + TERMS: (
        "plan.toml:2: rate_bounds: 0.1 is not a rate (a number without quotes is binary and not"
        ' exact); write "20%" or "0.2", in quotes'
    ),
    HEAD + 'owner = "me"\n' + TERMS: (
        "plan.toml:2: owner: is not a key of a plan here; known are name, timezone, rounding,"
        " rate_bounds, units, payout, terms"
    ),
    HEAD + 'timezne = "UTC"\n' + TERMS: (
        "plan.toml:2: timezne: is not a key of a plan here; did you mean 'timezone'?"
    ),
    HEAD + "payout = 1\n" + TERMS: "plan.toml:2: payout: 1 is not a table; write [payout]",
    HEAD + "units = [1]\n" + TERMS: "plan.toml:2: units: [1] is not a table; write [units]",
    HEAD: "plan.toml:1: terms: are missing; write at least one [[terms]] with its from",
    HEAD + "terms = []\n": (
        "plan.toml:2: terms: are missing; write at least one [[terms]] with its from"
    ),
    HEAD + "terms = 3\n": "plan.toml:2: terms: must be a list of tables; write [[terms]]",
    HEAD + "[terms]\nfrom = 2026-01-01\n": (
        "plan.toml:2: terms: must be a list of tables; write [[terms]]"
    ),
}  # fmt: skip

OF_UNITS = {
    HEAD + "[units]\npoints = 0\n" + TERMS: (
        "plan.toml:3: units.points: a unit is named by 1 to 16 of A-Z, 0-9 and _, such as POINTS"
    ),
    HEAD + '[units]\n"7UP" = 0\n' + TERMS: (
        "plan.toml:3: units.7UP: a unit is named by 1 to 16 of A-Z, 0-9 and _, such as POINTS"
    ),
    HEAD + f"[units]\n{'P' * 17} = 0\n" + TERMS: (
        f"plan.toml:3: units.{'P' * 17}: a unit is named by 1 to 16 of A-Z, 0-9 and _,"
        " such as POINTS"
    ),
    HEAD + "[units]\nPOINTS = 13\n" + TERMS: (
        "plan.toml:3: units.POINTS: 13 is not a number of decimals, 0 to 12"
    ),
    HEAD + "[units]\nPOINTS = -1\n" + TERMS: (
        "plan.toml:3: units.POINTS: -1 is not a number of decimals, 0 to 12"
    ),
    HEAD + "[units]\nPOINTS = true\n" + TERMS: (
        "plan.toml:3: units.POINTS: True is not a number of decimals, 0 to 12"
    ),
    HEAD + "[units]\nPOINTS = 2.0\n" + TERMS: (
        "plan.toml:3: units.POINTS: 2.0 is not a number of decimals, 0 to 12"
    ),
    HEAD + "[units]\nJPY = 2\n" + TERMS: (
        "plan.toml:3: units.JPY: is an ISO 4217 currency with 0 decimals; take another name"
    ),
}  # fmt: skip

OF_PAYOUTS = {
    HEAD + '[payout]\nevery = "year"\n' + TERMS: (
        "plan.toml:3: payout.every: 'year' is none of day, week, month"
    ),
    HEAD + "[payout]\nevery = 7\n" + TERMS: (
        "plan.toml:3: payout.every: 7 is none of day, week, month"
    ),
    HEAD + '[payout]\nevry = "day"\n' + TERMS: (
        "plan.toml:3: payout.evry: is not a key of a plan here; did you mean 'every'?"
    ),
    HEAD + "[payout]\nrate_days = -1\n" + TERMS: (
        "plan.toml:3: payout.rate_days: -1 is not a number of days, 0 to 366"
    ),
    HEAD + "[payout]\nrate_days = true\n" + TERMS: (
        "plan.toml:3: payout.rate_days: True is not a number of days, 0 to 366"
    ),
    HEAD + "[payout]\nrate_days = 367\n" + TERMS: (
        "plan.toml:3: payout.rate_days: 367 is not a number of days, 0 to 366"
    ),
    HEAD + '[payout]\nminimum = "25.00"\n' + TERMS: (
        "plan.toml:3: payout.minimum: '25.00' is not a table of amounts;"
        ' write { USD = "50.00" }'
    ),
    HEAD + "[payout]\nminimum = { USD = 25.5 }\n" + TERMS: (
        "plan.toml:3: payout.minimum.USD: 25.5 is not an exact amount;"
        ' write "50.00", in quotes'
    ),
    HEAD + "[payout.minimum]\nUSD = true\n" + TERMS: (
        'plan.toml:3: payout.minimum.USD: True is not an exact amount; write "50.00", in quotes'
    ),
    HEAD + '[payout]\nminimum = { USD = "-1" }\n' + TERMS: (
        "plan.toml:3: payout.minimum.USD: '-1' is negative; write zero or more"
    ),
    HEAD + "[payout]\nminimum = { USD = -1 }\n" + TERMS: (
        "plan.toml:3: payout.minimum.USD: -1 is negative; write zero or more"
    ),
    HEAD + "[payout]\nminimum = { JPY = -1 }\n" + TERMS: (
        "plan.toml:3: payout.minimum.JPY: -1 is negative; write zero or more"
    ),
    HEAD + '[payout]\nminimum = { USD = "1.005" }\n' + TERMS: (
        "plan.toml:3: payout.minimum.USD: '1.005' has more than 2 decimals;"
        ' write such as "50.00"'
    ),
    HEAD + '[payout]\nminimum = { JPY = "1.5" }\n' + TERMS: (
        "plan.toml:3: payout.minimum.JPY: '1.5' has more than 0 decimals; write such as \"50\""
    ),
    HEAD + '[payout]\nminimum = { USD = "1,000" }\n' + TERMS: (
        "plan.toml:3: payout.minimum.USD: '1,000' is not an amount; write such as \"50.00\""
    ),
    HEAD + "[payout]\nminimum = { USD = 1234567890123456 }\n" + TERMS: (
        "plan.toml:3: payout.minimum.USD: '1234567890123456' has more than 15 digits;"
        ' write such as "50.00"'
    ),
    HEAD + '[payout]\nminimum = { usd = "1" }\n' + TERMS: (
        "plan.toml:3: payout.minimum.usd: is no ISO 4217 currency; declare units of your own in"
        " [units]"
    ),
    HEAD + '[payout]\nminimum = { POINTS = "1" }\n' + TERMS: (
        "plan.toml:3: payout.minimum.POINTS: is no ISO 4217 currency; declare units of your own"
        " in [units]"
    ),
}  # fmt: skip

OF_TERMS = {
    HEAD + '[[terms]]\n[[terms.level]]\nlevel = 1\nrate = "10%"\n': (
        "plan.toml:2: terms[1].from: is missing; write from = 2026-01-01"
    ),
    HEAD + LEVEL.replace("2026-01-01", '"soon"'): (
        "plan.toml:3: terms[1].from: soon is not a day; write from = 2026-01-01"
    ),
    HEAD + LEVEL.replace("2026-01-01", "2026-01-01T00:00:00Z"): (
        "plan.toml:3: terms[1].from: 2026-01-01 00:00:00+00:00 is not a day;"
        " write from = 2026-01-01"
    ),
    HEAD + LEVEL.replace("2026-01-01", "2026"): (
        "plan.toml:3: terms[1].from: 2026 is not a day; write from = 2026-01-01"
    ),
    HEAD + LEVEL + LEVEL: "plan.toml:8: terms[2].from: other terms begin on the same day",
    HEAD + LEVEL.replace("[[terms.level]]", "hold = 14\n[[terms.level]]"): (
        "plan.toml:4: terms[1].hold: is not a key of a plan here; did you mean 'hold_days'?"
    ),
    HEAD + LEVEL.replace("[[terms.level]]", 'hold_days = "14"\n[[terms.level]]'): (
        "plan.toml:4: terms[1].hold_days: '14' is not a number of days, 0 to 3650"
    ),
    HEAD + LEVEL.replace("[[terms.level]]", "hold_days = -1\n[[terms.level]]"): (
        "plan.toml:4: terms[1].hold_days: -1 is not a number of days, 0 to 3650"
    ),
    HEAD + LEVEL.replace("[[terms.level]]", "hold_days = 3651\n[[terms.level]]"): (
        "plan.toml:4: terms[1].hold_days: 3651 is not a number of days, 0 to 3650"
    ),
    HEAD + LEVEL.replace("[[terms.level]]", "hold_days = true\n[[terms.level]]"): (
        "plan.toml:4: terms[1].hold_days: True is not a number of days, 0 to 3650"
    ),
    HEAD + "[[terms]]\nfrom = 2026-01-01\nlevel = 1\n": (
        "plan.toml:4: terms[1].level: must be a list of tables; write [[terms.level]]"
    ),
    HEAD + "[[terms]]\nfrom = 2026-01-01\nlevel = [1]\n": (
        "plan.toml:4: terms[1].level: must be a list of tables; write [[terms.level]]"
    ),
    HEAD + LEVEL + '[[terms.level]]\nlevel = 1\nrate = "5%"\n': (
        "plan.toml:8: terms[1].level[2].level: level 1 is there twice"
    ),
}  # fmt: skip

OF_LEVELS = {
    HEAD + LEVEL.replace("level = 1\n", ""): (
        "plan.toml:4: terms[1].level[1].level: is missing; write 1 for the referrer,"
        " 0 for the earner"
    ),
    HEAD + LEVEL.replace("level = 1", "level = -1"): (
        "plan.toml:5: terms[1].level[1].level: -1 is not a level; write 1 for the referrer,"
        " 0 for the earner"
    ),
    HEAD + LEVEL.replace("level = 1", "level = 100"): (
        "plan.toml:5: terms[1].level[1].level: 100 is not a level; write 1 for the referrer,"
        " 0 for the earner"
    ),
    HEAD + LEVEL.replace("level = 1", 'level = "1"'): (
        "plan.toml:5: terms[1].level[1].level: '1' is not a level; write 1 for the referrer,"
        " 0 for the earner"
    ),
    HEAD + LEVEL.replace("level = 1", "level = true"): (
        "plan.toml:5: terms[1].level[1].level: True is not a level; write 1 for the referrer,"
        " 0 for the earner"
    ),
    HEAD + LEVEL.replace('rate = "10%"\n', ""): (
        'plan.toml:4: terms[1].level[1].rate: is missing; write rate = "20%"'
    ),
    HEAD + LEVEL.replace('"10%"', "0.1"): (
        "plan.toml:6: terms[1].level[1].rate: 0.1 is not a rate (a number without quotes is"
        ' binary and not exact); write "20%" or "0.2", in quotes'
    ),
    HEAD + LEVEL.replace('"10%"', "10"): (
        "plan.toml:6: terms[1].level[1].rate: 10 is not a rate;"
        ' write "20%" or "0.2", in quotes'
    ),
    HEAD + LEVEL.replace('"10%"', '"-10%"'): (
        "plan.toml:6: terms[1].level[1].rate: '-10%' is not a rate;"
        ' write "20%" or "0.2", in quotes'
    ),
    HEAD + LEVEL.replace('"10%"', '"101%"'): (
        "plan.toml:6: terms[1].level[1].rate: 101% is outside rate_bounds 0% to 100%"
    ),
    HEAD + 'rate_bounds = ["10%", "20%"]\n' + LEVEL.replace('"10%"', '"9.99%"'): (
        "plan.toml:7: terms[1].level[1].rate: 9.99% is outside rate_bounds 10% to 20%"
    ),
    HEAD + 'rate_bounds = ["10%", "20%"]\n' + LEVEL.replace('"10%"', '"0.2001"'): (
        "plan.toml:7: terms[1].level[1].rate: 0.2001 is outside rate_bounds 10% to 20%"
    ),
    HEAD + LEVEL + 'name = "gold"\n': (
        "plan.toml:7: terms[1].level[1].name: is not a key of a plan here; known are level, rate,"
        " cap"
    ),
}  # fmt: skip

OF_CAPS = {
    HEAD + LEVEL + "cap = 50\n": (
        "plan.toml:7: terms[1].level[1].cap: must be a list of tables; write [[terms.level.cap]]"
    ),
    HEAD + "[[terms]]\nfrom = 2026-01-01\nlevel = []\n[terms.cap]\nwindow = 1\n": (
        "plan.toml:5: terms[1].cap: must be a list of tables; write [[terms.cap]]"
    ),
    HEAD + CAP + 'amount = { USD = "1" }\n': (
        "plan.toml:7: terms[1].level[1].cap[1].window: is missing; one of order, day, week, month,"
        " quarter, year, lifetime"
    ),
    HEAD + CAP + 'window = "day"\n': (
        "plan.toml:7: terms[1].level[1].cap[1].amount: is missing;"
        ' write amount = { USD = "50.00" }'
    ),
    HEAD + CAP + 'window = "fortnight"\namount = { USD = "1" }\n': (
        "plan.toml:8: terms[1].level[1].cap[1].window: 'fortnight' is none of order, day, week,"
        " month, quarter, year, lifetime"
    ),
    HEAD + CAP + 'window = "day"\namount = "1"\n': (
        "plan.toml:9: terms[1].level[1].cap[1].amount: '1' is not a table of amounts;"
        ' write { USD = "50.00" }'
    ),
    HEAD + CAP + 'window = "day"\namount = { USD = 0.5 }\n': (
        "plan.toml:9: terms[1].level[1].cap[1].amount.USD: 0.5 is not an exact amount;"
        ' write "50.00", in quotes'
    ),
    HEAD + CAP + 'window = "day"\namount = { USD = "1" }\nlimit = 1\n': (
        "plan.toml:10: terms[1].level[1].cap[1].limit: is not a key of a plan here; known are"
        " window, amount"
    ),
    HEAD
    + CAP
    + 'window = "day"\namount = { USD = "1" }\n'
    + '[[terms.level.cap]]\nwindow = "day"\namount = { EUR = "1" }\n': (
        "plan.toml:11: terms[1].level[1].cap[2].window: there is another cap per day here"
    ),
    HEAD
    + LEVEL
    + '[[terms.cap]]\nwindow = "year"\namount = { USD = "1" }\n'
    + '[[terms.cap]]\nwindow = "year"\namount = { USD = "1" }\n': (
        "plan.toml:11: terms[1].cap[2].window: there is another cap per year here"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pair
        for table in (OF_THE_PLAN, OF_UNITS, OF_PAYOUTS, OF_TERMS, OF_LEVELS, OF_CAPS)
        for pair in table.items()
    ],
)
def test_a_fault_is_told_with_its_place_and_what_would_be_right(text: str, fault: str) -> None:
    assert faults(text) == (fault,)


def test_numbers_at_the_edge_of_what_may_be_are_taken() -> None:
    text = HEAD + "[units]\nFINE = 12\nWHOLE = 0\n" + LEVEL.replace("level = 1", "level = 99")
    edges = parse_plan(text.replace("from = ", "hold_days = 3650\nfrom = "), "plan.toml").plan
    assert (edges.units, edges.terms[0].hold_days) == ({"FINE": 12, "WHOLE": 0}, 3650)
    assert [each.level for each in edges.terms[0].levels] == [99]
    for name in ("x", "x" * 64):
        assert parse_plan(f'name = "{name}"\n' + TERMS, "plan.toml").plan.name == name


def test_bounds_at_fault_blame_no_rate() -> None:
    text = HEAD + 'rate_bounds = ["20%"]\n' + LEVEL.replace('"10%"', '"999999"')
    assert faults(text) == (
        'plan.toml:2: rate_bounds: [\'20%\'] is not two rates; write ["10%", "20%"]',
    )


@pytest.mark.parametrize("others", [(0,), (1, 0), (0, 1, 2)])
def test_a_level_at_fault_is_not_taken_for_another(others: tuple[int, ...]) -> None:
    tables = [f'[[terms.level]]\nlevel = {n}\nrate = "10%"\n' for n in (*others, '"x"')]
    place = f"plan.toml:{5 + 3 * len(others)}: terms[1].level[{len(others) + 1}].level"
    assert faults(HEAD + "[[terms]]\nfrom = 2026-01-01\n" + "".join(tables)) == (
        f"{place}: 'x' is not a level; write 1 for the referrer, 0 for the earner",
    )


def test_what_is_at_fault_twice_is_told_twice_and_no_more() -> None:
    """Two levels, and the days of two terms, beside terms from a day long ago."""
    levels = "".join(f'[[terms.level]]\nlevel = "{n}"\nrate = "10%"\n' for n in "xy")
    text = HEAD + "[[terms]]\n" + levels + "[[terms]]\n[[terms]]\nfrom = 1969-10-03\n"
    assert [each.partition(":")[2].partition(";")[0] for each in faults(text)] == [
        "2: terms[1].from: is missing",
        "4: terms[1].level[1].level: 'x' is not a level",
        "7: terms[1].level[2].level: 'y' is not a level",
        "9: terms[2].from: is missing",
    ]


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """\
name = "acme"
timezone = "Europe/Bonn"
rate_bounds = ["30%", "20%"]

[[terms]]
from = 2026-01-01
hold_days = 14.5
[[terms.level]]
level = 1
rate = 0.2
[[terms.level.cap]]
window = "decade"
amount = { USD = "x" }
[[terms.level.cap]]
window = "order"
amount = { XYZ = "1" }
[[terms]]
[[terms]]
"""
    assert faults(text) == (
        (
            "plan.toml:2: timezone: 'Europe/Bonn' is not an IANA time zone; write such as"
            ' "Europe/Berlin"'
        ),
        "plan.toml:3: rate_bounds: the lower bound 30% is above the upper 20%",
        "plan.toml:7: terms[1].hold_days: 14.5 is not a number of days, 0 to 3650",
        (
            "plan.toml:10: terms[1].level[1].rate: 0.2 is not a rate (a number without quotes is"
            ' binary and not exact); write "20%" or "0.2", in quotes'
        ),
        (
            "plan.toml:12: terms[1].level[1].cap[1].window: 'decade' is none of order, day, week,"
            " month, quarter, year, lifetime"
        ),
        (
            "plan.toml:13: terms[1].level[1].cap[1].amount.USD: 'x' is not an amount;"
            ' write such as "50.00"'
        ),
        (
            "plan.toml:16: terms[1].level[1].cap[2].amount.XYZ: is no ISO 4217 currency; declare"
            " units of your own in [units]"
        ),
        "plan.toml:17: terms[2].from: is missing; write from = 2026-01-01",
        "plan.toml:18: terms[3].from: is missing; write from = 2026-01-01",
    )


def test_lines_are_counted_as_editors_count_them() -> None:
    text = HEAD + '# a comment with \u2028 and \x85 in it\n"timezone" = "Mars"\n\n' + TERMS
    assert faults(text) == (
        "plan.toml:3: timezone: 'Mars' is not an IANA time zone; write such as \"Europe/Berlin\"",
    )
    assert faults(text.replace("\n", "\r\n")) == faults(text)


def test_an_inline_table_has_the_line_of_its_beginning() -> None:
    text = HEAD + 'terms = [\n  { from = 2026-01-01, level = [{ level = 1, rate = "x" }] },\n]\n'
    assert faults(text) == (
        'plan.toml:2: terms[1].level[1].rate: \'x\' is not a rate; write "20%" or "0.2", in quotes',
    )


# -- warnings


@pytest.mark.parametrize(
    ("own", "spanning", "broken"),
    [
        ("", "", ""),
        ("month", "", ""),
        ("order day month quarter year lifetime", "", ""),
        ("day week lifetime", "", ""),
        ("month order", "", ""),  # a level's cap per order always comes first
        ("day order", "week", ""),
        ("month", "month year", ""),
        ("month", "lifetime", ""),
        ("week", "lifetime", ""),
        ("order", "order", ""),
        ("week month", "", "week before month"),
        ("month week", "", "month before week"),
        ("month day", "", "month before day"),
        ("year", "month", "year before month"),
        ("week", "month", "week before month"),
        ("month", "week", "month before week"),
        ("month", "order", "month before order"),
        ("", "month day", "month before day"),
        ("lifetime", "year", "lifetime before year"),
        ("week quarter", "day", "quarter before day; week before quarter"),
    ],
)
def test_caps_that_are_not_nested_are_warned_of(own: str, spanning: str, broken: str) -> None:
    caps = [
        f'[[terms.level.cap]]\nwindow = "{each}"\namount = {{ USD = "1" }}\n'
        for each in own.split()
    ] + [
        f'[[terms.cap]]\nwindow = "{each}"\namount = {{ USD = "1" }}\n' for each in spanning.split()
    ]
    assert warnings(HEAD + TERMS + "".join(caps)) == tuple(
        f"plan.toml:2: terms[1]: the caps of level 1 are not nested ({pair}), so what is paid can"
        " depend on the order of arrival and a refund need not take back all"
        for pair in filter(None, broken.split("; "))
    )


def test_caps_in_different_currencies_never_meet() -> None:
    text = """\
[[terms.level.cap]]
window = "week"
amount = { USD = "1", JPY = 1 }
[[terms.level.cap]]
window = "day"
amount = { EUR = "1" }
[[terms.cap]]
window = "month"
amount = { EUR = "1", JPY = 1 }
[[terms.cap]]
window = "lifetime"
amount = { USD = "1" }
"""
    assert warnings(HEAD + TERMS + text) == (
        (
            "plan.toml:2: terms[1]: the caps of level 1 are not nested (week before month), so"
            " what is paid can depend on the order of arrival and a refund need not take back all"
        ),
    )


def test_a_spanning_cap_is_held_against_every_level() -> None:
    text = """\
name = "acme"
[[terms]]
from = 2026-01-01
[[terms.level]]
level = 2
rate = "5%"
[[terms.level.cap]]
window = "week"
amount = { USD = "1" }
[[terms.level]]
level = 1
rate = "5%"
[[terms.level]]
level = 3
rate = "5%"
[[terms.level.cap]]
window = "year"
amount = { USD = "1" }
[[terms.cap]]
window = "month"
amount = { USD = "1" }
"""
    assert warnings(text) == tuple(
        f"plan.toml:2: terms[1]: the caps of level {pair} before month), so what is paid can"
        " depend on the order of arrival and a refund need not take back all"
        for pair in ("2 are not nested (week", "3 are not nested (year")
    )


def test_rates_over_the_whole_are_warned_of() -> None:
    more = TERMS + '[[terms.level]]\nlevel = 2\nrate = "80.01%"\n'
    assert warnings(HEAD + more) == (
        "plan.toml:2: terms[1]: the rates of all levels together are more than 100%",
    )
    assert warnings(HEAD + more.replace("80.01%", "80%")) == ()


def test_terms_that_pay_nobody_are_warned_of() -> None:
    assert warnings(HEAD + "\n[[terms]]\nfrom = 2026-01-01\n") == (
        "plan.toml:3: terms[1]: no level is paid under these terms",
    )
    assert warnings(HEAD + "\n[[terms]]\nfrom = 2026-01-01\nlevel = []\n") == ()


# -- the book's form of a plan


def test_the_record_speaks_the_words_of_the_file() -> None:
    assert to_record(THE_EXAMPLE) == {
        "name": "acme",
        "timezone": "Europe/Berlin",
        "rounding": "half_even",
        "rate_bounds": ["0.1", "0.2"],
        "units": {},
        "payout": {"every": "day", "minimum": {"EUR": "25.00", "USD": "25.00"}},
        "terms": [
            {
                "from": "2026-01-01",
                "hold_days": 14,
                "level": [
                    {
                        "level": 1,
                        "rate": "0.2",
                        "cap": [
                            {"window": "order", "amount": {"EUR": "45.00", "USD": "50.00"}},
                            {"window": "month", "amount": {"EUR": "450.00", "USD": "500.00"}},
                        ],
                    },
                    {"level": 2, "rate": "0.15", "cap": []},
                    {"level": 3, "rate": "0.1", "cap": []},
                ],
                "cap": [{"window": "year", "amount": {"USD": "20000.00"}}],
            }
        ],
    }


@settings(WORLDS, max_examples=60)
@given(worlds())
def test_a_plan_comes_back_from_its_record(world: World) -> None:
    assume(fits_files(world))
    plan = world.plan
    assert from_json(to_json(plan)) == plan
    assert plan_hash(from_json(to_json(plan))) == plan_hash(plan)


def test_plans_that_say_the_same_have_one_hash() -> None:
    """However the file is written: quotes, order of keys and currencies, comments, zeros."""
    rewritten = (
        EXAMPLE.replace('{ USD = "50.00", EUR = "45.00" }', '{ EUR = 45, USD = "50.0" }')
        .replace('"20%"    ', "'0.200' # a fifth")
        .replace('rounding = "half_even"\n', "")
        .replace('level = 2\nrate = "15%"', 'rate = "15.0%"\nlevel = 2')
    )
    assert rewritten != EXAMPLE
    plan = parse_plan(rewritten, "other.toml").plan
    assert plan_hash(plan) == plan_hash(THE_EXAMPLE)
    assert plan_hash(THE_EXAMPLE) == (
        "3de6a1b54133a9fcc90e0497920fe68114b275095f1693a4ab471fc5f64de329"
    )


def test_the_hash_is_of_the_letters_as_they_are() -> None:
    plan = replace(THE_EXAMPLE, name="Café 😀")
    assert '"name":"Café 😀"' in to_json(plan)
    assert plan_hash(plan) == ("336f27ee19ee10b4e9b940a864f4969ffee1926c3e44d92ca50e26aab8469809")


@pytest.mark.parametrize(
    "other",
    [
        replace(THE_EXAMPLE, name="other"),
        replace(THE_EXAMPLE, timezone="UTC"),
        replace(THE_EXAMPLE, rounding=Rounding.DOWN),
        replace(THE_EXAMPLE, rate_bounds=(Rate(0, 1), Rate(2, 10))),
        replace(THE_EXAMPLE, units={"POINTS": 0}),
        replace(THE_EXAMPLE, payout=Payout()),
        replace(THE_EXAMPLE, terms=()),
    ],
    ids=["name", "timezone", "rounding", "rate_bounds", "units", "payout", "terms"],
)
def test_plans_that_differ_have_different_hashes(other: Plan) -> None:
    assert plan_hash(other) != plan_hash(THE_EXAMPLE)


# -- what may still be changed

JUNE = day_of(date(2026, 6, 30))
LATER = Terms(JUNE + 1, 14, (Level(1, Rate(1, 10)),))
TRUE_UP = (
    "a correction of the past is made with `commission true-up`, which posts the differences and"
    " leaves the written lines as they are"
)
POINTS = replace(THE_EXAMPLE, units={"MB": 3, "POINTS": 0})


def changed(new: Plan, last_day: int | None = JUNE) -> tuple[str, ...]:
    return faults_of_change(THE_EXAMPLE, new, last_day, {"USD"})


@pytest.mark.parametrize(
    "new",
    [
        THE_EXAMPLE,
        replace(THE_EXAMPLE, payout=Payout(Every.MONTH, {"USD": 1})),
        replace(THE_EXAMPLE, rate_bounds=(Rate(0, 1), Rate(1, 1))),
        replace(THE_EXAMPLE, units={"POINTS": 0}),
        replace(THE_EXAMPLE, terms=(*THE_EXAMPLE.terms, LATER)),
        replace(THE_EXAMPLE, terms=(*THE_EXAMPLE.terms, replace(LATER, hold_days=7))),
    ],
    ids=["same", "payout", "bounds", "units", "future terms", "other future terms"],
)
def test_the_future_may_be_changed(new: Plan) -> None:
    assert changed(new) == ()


def test_before_the_first_run_everything_may_be_changed() -> None:
    new = Plan(
        "other", "UTC", Rounding.DOWN, (Rate(0, 1), Rate(1, 1)), {}, Payout(),
        (replace(LATER, starts=0),),
    )  # fmt: skip
    assert changed(new, None) == ()


@pytest.mark.parametrize(
    ("new", "fault"),
    [
        (
            replace(THE_EXAMPLE, name="other"),
            (
                "name: is acme since the first run and cannot become other; start a new book for"
                " another programme"
            ),
        ),
        (
            replace(THE_EXAMPLE, timezone="UTC"),
            (
                "timezone: is Europe/Berlin since the first run and cannot become UTC; start a new"
                " book for another programme"
            ),
        ),
        (
            replace(THE_EXAMPLE, rounding=Rounding.DOWN),
            (
                "rounding: is half_even since the first run and cannot become down; start a new"
                " book for another programme"
            ),
        ),
        (
            replace(THE_EXAMPLE, terms=(replace(THE_EXAMPLE.terms[0], hold_days=7),)),
            (
                "terms from 2026-01-01: begin on or before the last completed business date"
                f" 2026-06-30 and can no longer be changed; {TRUE_UP}"
            ),
        ),
        (
            replace(THE_EXAMPLE, terms=(*THE_EXAMPLE.terms, replace(LATER, starts=JUNE))),
            (
                "terms from 2026-06-30: begin on or before the last completed business date"
                f" 2026-06-30 and can no longer be added; {TRUE_UP}"
            ),
        ),
        (
            replace(THE_EXAMPLE, terms=(LATER,)),
            (
                "terms from 2026-01-01: begin on or before the last completed business date"
                f" 2026-06-30 and can no longer be removed; {TRUE_UP}"
            ),
        ),
    ],
)
def test_the_past_may_not_be_changed(new: Plan, fault: str) -> None:
    assert changed(new) == (fault,)


def test_units_that_earnings_use_keep_their_decimals() -> None:
    for last_day in (None, JUNE):
        assert faults_of_change(
            POINTS, replace(POINTS, units={"MB": 2}), last_day, {"USD", "POINTS"}
        ) == (
            "units.POINTS: earnings in POINTS are in the book with 0 decimals; they stay",
        )  # fmt: skip
        assert faults_of_change(
            POINTS, replace(POINTS, units={"MB": 2, "POINTS": 2}), last_day, {"MB", "POINTS"}
        ) == (
            "units.MB: earnings in MB are in the book with 3 decimals; they stay",
            "units.POINTS: earnings in POINTS are in the book with 0 decimals; they stay",
        )  # fmt: skip
        frozen = replace(POINTS, units=MappingProxyType({"MB": 3, "POINTS": 0, "XP": 1}))
        assert faults_of_change(POINTS, frozen, last_day, {"MB", "POINTS"}) == ()


@pytest.mark.parametrize(
    ("new", "first"),
    [
        (THE_EXAMPLE.terms, None),
        ((replace(THE_EXAMPLE.terms[0], hold_days=7),), NEW_YEAR),
        ((*THE_EXAMPLE.terms, LATER), JUNE + 1),
        ((), NEW_YEAR),
        ((replace(THE_EXAMPLE.terms[0], hold_days=7), LATER), NEW_YEAR),
        ((LATER,), NEW_YEAR),
    ],
)
def test_the_first_day_under_other_terms(new: tuple[Terms, ...], first: int | None) -> None:
    other = replace(THE_EXAMPLE, terms=new)
    assert first_changed(THE_EXAMPLE, other) == first
    assert first_changed(other, THE_EXAMPLE) == first


def test_all_faults_of_a_change_are_told_at_once() -> None:
    new = replace(THE_EXAMPLE, name="other", timezone="UTC", terms=(LATER,))
    assert [fault.split(":")[0] for fault in changed(new)] == [
        "name",
        "timezone",
        "terms from 2026-01-01",
    ]


def test_a_plan_knows_where_its_keys_stand() -> None:
    """
    1 name = "acme"
    2 [units]
    3 POINTS = 0
    4 [[terms]]
    5 from = 2026-01-01
    6 [[terms]]
    7 from = "2026-02-01"
    """
    read = parse_plan(
        'name = "acme"\n[units]\nPOINTS = 0\n[[terms]]\nfrom = 2026-01-01\n[[terms]]\n'
        'from = "2026-02-01"\n',
        "plan.toml",
    )
    first, second = (terms.starts for terms in read.plan.terms)
    keys = ("name", "units.POINTS", f"terms.{first}", f"terms.{second}", "rounding")
    assert [read.place(key) for key in keys] == [f"plan.toml:{line}: " for line in (1, 3, 4, 6, 1)]
    faults = faults_of_change(read.plan, read.plan, first, ["POINTS"], read.place)
    assert faults == ()
    inline = parse_plan('terms = [{ from = 2026-01-01, level = [] }]\nname = "acme"\n', "p.toml")
    assert [inline.place(key) for key in ("name", f"terms.{first}")] == ["p.toml:2: ", "p.toml:1: "]
