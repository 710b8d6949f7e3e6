"""The life of a payout after the settlement that decided it.

    pending -> approved -> exported -> paid
                                    -> failed   (also from paid: the bank sent it back)
    pending or approved -> voided; approved -> pending when the approval falls away

Of a payout that is voided or has failed the money is the affiliate's again: the next run books it
back to the balance. Both are ends, so it comes back once.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What a payout is at the moment; every step leaves one of them."""

    PENDING = "pending"
    APPROVED = "approved"
    EXPORTED = "exported"
    PAID = "paid"
    FAILED = "failed"
    VOIDED = "voided"


LEGAL: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.PENDING: frozenset({State.APPROVED, State.VOIDED, State.EXPORTED}),
        State.APPROVED: frozenset({State.PENDING, State.VOIDED, State.EXPORTED}),
        State.EXPORTED: frozenset({State.PAID, State.FAILED}),
        State.PAID: frozenset({State.FAILED}),
        State.FAILED: frozenset(),
        State.VOIDED: frozenset(),
    }
)
"""Which state may follow which. From pending straight to exported: where nobody has to approve."""

BACK = (State.VOIDED, State.FAILED)
"""The states of a payout whose money is the affiliate's again."""

OUT = (State.EXPORTED, State.PAID, State.FAILED)
"""The states of a payout that stands in a file to pay."""
