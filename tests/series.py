"""How much of the long series a test run has: a sample, or with COMMISSION_SERIES all of them.

`make test` has samples, `make series` has kills, races, other outsides, fuzzing, tampers, planted
bugs and months of nights in full; CI runs both.
"""

import os
from typing import TypeVar

T = TypeVar("T")

FULL = bool(os.environ.get("COMMISSION_SERIES"))


def of(sample: T, full: T) -> T:
    """What a test has in this run."""
    return full if FULL else sample
