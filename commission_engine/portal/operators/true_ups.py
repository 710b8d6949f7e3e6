"""Past dates computed anew: asked for, looked at, and then proposed or booked.

Both take long, so each is the command in a process of its own; the second does only what the first
has shown.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.portal.access import Asked, Nothing, Page
from commission_engine.portal.amounts import day_in
from commission_engine.portal.operators.corrections import LOOK, PROPOSE, second
from commission_engine.portal.operators.runs import REFRESH_SECONDS
from commission_engine.portal.render import page
from commission_engine.portal.started import Started, start, started
from commission_engine.problems import Locked, UsageError

ANEW, POST = "anew", "propose"
"""What is started, in the names of what it says."""
MOST_BYTES = 16 << 20
"""Of what the command says; beyond that it is looked at with the command."""
SHOWN = 200
_COMMAND = re.compile(
    r"\$ commission true-up --from (\d{4}-\d\d-\d\d) --to (\d{4}-\d\d-\d\d) --json\n", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Asks:
    """The dates that were asked for, and what differs; None as long as that is not known."""

    first: str
    last: str
    found: Started
    told: Mapping[str, Any] | None


def ask(asked: Asked) -> Response:
    """Begin to compute dates anew; one at a time, as it takes the machine."""
    at_work = [name for name in asked.portal.at_work if f"-{ANEW}-" in name]
    if at_work:
        raise Locked(
            "dates are computed anew already", f"Wait until that is done: /true-ups/{at_work[0]}"
        )
    words = ["true-up"]
    for name in ("from", "to"):
        date = asked.form.get(name, "").strip()
        if day_in(date) is None:
            raise UsageError(f"--{name}: {date!r} is not a day", "Write such as 2026-11-20.")
        words += [f"--{name}", date]
    name = start(asked, [*words, "--json"], ANEW, alone=False)
    return RedirectResponse(f"/true-ups/{name}", 303)


def show(asked: Asked) -> Response:
    """What the dates come to now; until that is known the page loads itself anew."""
    asks = _asks(asked)
    still = bool(asked.query("still"))
    rows = asks.told["differences"] if asks.told else []
    response = page(
        asked, "true_up.html", name=asked.named("started"), asks=asks, still=still,
        rows=rows[:SHOWN], height=len(rows), sums=_sums(rows), second=second(asked),
        may_propose=asked.visitor.role in PROPOSE,
    )  # fmt: skip
    if asks.found.running and not still:
        response.headers["Refresh"] = str(REFRESH_SECONDS)
    return response


def propose(asked: Asked) -> Response:
    """Begin to propose just what was shown; where nobody else is needed, to let it be booked."""
    asks = _asks(asked)
    reason = asked.form.get("reason", "").strip()
    if asks.told is None or not asks.told["differences"]:
        raise UsageError("there is nothing to propose", "Nothing was changed.")
    if not reason:
        raise UsageError("--reason is empty", "Say why; it is kept. Nothing was changed.")
    words = ["true-up", "--from", asks.first, "--to", asks.last, "--post", f"--reason={reason}",
             "--hash", asks.told["sha256"], f"--as={asked.visitor.who.id}"]  # fmt: skip
    return RedirectResponse(f"/started/{start(asked, words, POST)}", 303)


def _asks(asked: Asked) -> Asks:
    found = started(asked, asked.named("started"), MOST_BYTES)
    command = _COMMAND.match(found.said)
    if command is None:  # of another command, or more than can be shown
        raise Nothing
    told = _told(found.said) if found.code == 0 else None
    return Asks(command[1], command[2], found, told)


def _told(said: str) -> Mapping[str, Any] | None:
    """The answer among what a command says, which may be logs in JSON as well."""
    for begins in re.finditer(r"^\{", said, re.MULTILINE):
        try:
            value, _ = json.JSONDecoder().raw_decode(said, begins.start())
        except ValueError:
            continue
        if "differences" in value:
            return dict(value)
    return None


def _sums(rows: list[dict[str, str]]) -> dict[str, str]:
    """By currency what all differences together come to."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], Decimal()) + Decimal(row["difference"])
    return {code: f"{amount:f}" for code, amount in sorted(sums.items())}


PAGES = (
    Page("/true-ups", ask, PROPOSE, "POST"),
    Page("/true-ups/{started}", show, LOOK, heavy=True),
    Page("/true-ups/{started}", propose, PROPOSE, "POST", heavy=True),
)
