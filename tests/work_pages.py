"""What tests of every page have to know of the pages of operators and finance."""

from collections.abc import Callable, Mapping
from typing import Any

from portal_world import RUNS

_THERE = {"date": RUNS[0], "table": "lines.csv", "version": "1", "row": "1", "month": RUNS[0][:7]}
_NOT_THERE = ("hold", "proposal", "entry", "payment", "export", "part", "closing", "paper",
              "started", "batch")  # fmt: skip


def _always(value: str) -> Callable[[Any, str], str]:
    return lambda world, whose: value


PARTS: Mapping[str, Callable[[Any, str], str]] = {
    **{name: _always(value) for name, value in _THERE.items()},
    **dict.fromkeys(_NOT_THERE, _always("1")),
}
"""What stands in the parts of a path."""

EMPTY: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "POST /runs/start", "POST /refused/file", "POST /refused/mend", "POST /refused/mended",
            "POST /users", "POST /users/remove",
            "POST /holds/{hold}/release", "POST /corrections", "POST /corrections/{proposal}",
            "POST /true-ups",
            "POST /tree/{number:int}/move", "POST /payouts/withdraw", "POST /payouts/reject",
            "POST /payouts/mark", "POST /payouts/override", "POST /payees", "POST /rates",
            "POST /bank", "POST /bank/{entry}", "POST /exports", "POST /month-end/close",
            "POST /month-end/{month}/reopen",
        ),
        400,
    ),
    **dict.fromkeys(
        (
            "GET /started/{started}", "GET /true-ups/{started}",
            "POST /true-ups/{started}", "GET /batches/{batch}", "GET /bank/{entry}",
            "GET /payments/{payment}", "GET /exports/{export}", "GET /exports/{export}/{part}",
            "GET /month-end/{closing}/{paper}",
        ),
        404,
    ),
}  # fmt: skip
"""What somebody gets who may, but says nothing, or where the test's programme has nothing."""
