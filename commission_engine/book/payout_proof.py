"""What no command can have written of payouts: steps out of turn, or of another batch."""

from typing import Any

import sqlalchemy as sa

from commission_engine.book.payouts import KEY, LEARNED_AS
from commission_engine.book.schema import intake, payout, run
from commission_engine.book.schema_people import payout_step
from commission_engine.ledger.life import OUT, State


def misfits(connection: sa.Connection) -> list[str]:
    """Steps that no command can have made: of no payout, out of turn, of another batch than the
    step before, of another kind of intake, or known to the run that decided the payout."""
    query = (
        sa.select(
            *(payout_step.c[name] for name in (*KEY, "number", "was", "step", "intake", "batch")),
            payout.c.amount_minor, intake.c.kind, run.c.intake,
        )
        .outerjoin(payout, sa.and_(*(payout.c[name] == payout_step.c[name] for name in KEY)))
        .outerjoin(intake, intake.c.id == payout_step.c.intake)
        .outerjoin(run, run.c.day == payout_step.c.run_day)
        .order_by(*(payout_step.c[name] for name in (*KEY, "number")))
    )  # fmt: skip
    found = []
    last: tuple[Any, ...] = ()
    for row in connection.execute(query):
        *key, number, was, step, learned, batch, amount, kind, knew = row
        name = f"payout step {number} of run {key[0]}, affiliate {key[1]}, currency {key[2]}"
        before = last[1:] if last[:1] == (key,) else (0, State.PENDING.value, 0, "")
        if (number, was) != (before[0] + 1, before[1]) or learned <= before[2]:
            found.append(f"{name}: it does not follow the step before it")
        if step in [str(state) for state in OUT] and before[3] not in ("", batch):
            found.append(f"{name}: it names another batch than the step before it")
        if step not in LEARNED_AS.get(kind or "", ()):
            found.append(f"{name}: {step} was not learned by its intake {learned}")
        if amount is None or knew is None or learned <= knew:
            found.append(f"{name}: it was not learned after a run that decided the payout")
        last = (key, number, step, learned, batch)
    return found
