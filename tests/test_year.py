"""A year of nights with everything that goes wrong in one; more of them: python tests/year.py."""

import pytest
from year import SEEN, simulate

NIGHTS = 365


@pytest.mark.timeout(1800)
def test_a_year_of_nights_runs_every_date_once_and_proves_every_night() -> None:
    seen = simulate(NIGHTS, seed=1)
    assert [name for name in SEEN if not seen[name]] == []
    assert seen["nights run by one machine"] + seen["nights run by the other"] >= NIGHTS - 30
