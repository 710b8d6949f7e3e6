"""The accounts of the ledger and the kinds of entry between them."""

from enum import IntEnum
from types import MappingProxyType


class Account(IntEnum):
    """Where money stands."""

    COMMISSION_EXPENSE = 1
    AFFILIATE_PAYABLE = 2
    PAYOUT_CLEARING = 3


class Kind(IntEnum):
    """Why an entry was made; the order is that of the files."""

    EARNED = 1
    REVERSED = 2
    ADJUSTED = 3
    PAID = 4
    RETURNED = 5
    """A payout that was not paid after all: what it took is the affiliate's again."""
    CREDITED = 6


RAISES_PAYABLE = MappingProxyType(
    {
        Kind.EARNED: True,
        Kind.REVERSED: False,
        Kind.ADJUSTED: False,
        Kind.PAID: False,
        Kind.RETURNED: True,
        Kind.CREDITED: True,
    }
)
"""Whether an entry of the kind adds to what the affiliate is owed."""

SIDES = MappingProxyType(
    {  # kind -> (debit account, credit account)
        Kind.EARNED: (Account.COMMISSION_EXPENSE, Account.AFFILIATE_PAYABLE),
        Kind.REVERSED: (Account.AFFILIATE_PAYABLE, Account.COMMISSION_EXPENSE),
        Kind.ADJUSTED: (Account.AFFILIATE_PAYABLE, Account.COMMISSION_EXPENSE),
        Kind.PAID: (Account.AFFILIATE_PAYABLE, Account.PAYOUT_CLEARING),
        Kind.RETURNED: (Account.PAYOUT_CLEARING, Account.AFFILIATE_PAYABLE),
        Kind.CREDITED: (Account.COMMISSION_EXPENSE, Account.AFFILIATE_PAYABLE),
    }
)
"""Lines of a refund or of a negative adjustment are never above zero, those of an earning never
below it, so each kind has one direction and an entry's amount is above zero."""
