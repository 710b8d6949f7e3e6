"""Nights with everything that goes wrong in a year; years of them: python tests/year.py."""

import pytest
import series
from year import SEEN, simulate

NIGHTS = series.of(30, 130)
"""In full, each of these happens at least once with this seed. A year would take four minutes."""


@pytest.mark.timeout(1800)
def test_months_of_nights_run_every_date_once_and_prove_every_night() -> None:
    seen = simulate(NIGHTS, seed=2)
    assert [name for name in SEEN if not seen[name]] == [] or not series.FULL
    assert seen["nights run by one machine"] + seen["nights run by the other"] >= NIGHTS - 15
