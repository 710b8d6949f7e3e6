"""The accounts of the ledger and the kinds of entry between them."""

from enum import IntEnum
from types import MappingProxyType


class Account(IntEnum):
    """Where money stands."""

    COMMISSION_EXPENSE = 1
    AFFILIATE_PAYABLE = 2
    PAYOUT_CLEARING = 3
    FX_CLEARING = 4
    """What payouts in another currency have taken from one and given in the other."""
    FX_ROUNDING = 5
    """What is lost and won where each of many payouts is rounded."""


class Kind(IntEnum):
    """Why an entry was made; the order is that of the files."""

    EARNED = 1
    REVERSED = 2
    ADJUSTED = 3
    PAID = 4
    RETURNED = 5
    """A payout that was not paid after all: what it took is the affiliate's again."""
    CREDITED = 6
    CONVERTED_FROM = 7
    """A payout in another currency leaves the one that it was earned in, ..."""
    CONVERTED_TO = 8
    """... and comes into the one that it is paid in."""
    REVERTED_FROM = 9
    """Such a payout was not paid after all: both the other way."""
    REVERTED_TO = 10
    ROUNDED_UP = 11
    """The payouts that a run converts are together more than their sum converted, ..."""
    ROUNDED_DOWN = 12
    """... or less."""


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
"""Whether an entry of the kind adds to what the affiliate is owed; of the kinds that do neither
(`ledger.convert`) the book has no entries, they follow from its conversions."""

SIDES = MappingProxyType(
    {  # kind -> (debit account, credit account)
        Kind.EARNED: (Account.COMMISSION_EXPENSE, Account.AFFILIATE_PAYABLE),
        Kind.REVERSED: (Account.AFFILIATE_PAYABLE, Account.COMMISSION_EXPENSE),
        Kind.ADJUSTED: (Account.AFFILIATE_PAYABLE, Account.COMMISSION_EXPENSE),
        Kind.PAID: (Account.AFFILIATE_PAYABLE, Account.PAYOUT_CLEARING),
        Kind.RETURNED: (Account.PAYOUT_CLEARING, Account.AFFILIATE_PAYABLE),
        Kind.CREDITED: (Account.COMMISSION_EXPENSE, Account.AFFILIATE_PAYABLE),
        Kind.CONVERTED_FROM: (Account.PAYOUT_CLEARING, Account.FX_CLEARING),
        Kind.CONVERTED_TO: (Account.FX_CLEARING, Account.PAYOUT_CLEARING),
        Kind.REVERTED_FROM: (Account.FX_CLEARING, Account.PAYOUT_CLEARING),
        Kind.REVERTED_TO: (Account.PAYOUT_CLEARING, Account.FX_CLEARING),
        Kind.ROUNDED_UP: (Account.FX_ROUNDING, Account.FX_CLEARING),
        Kind.ROUNDED_DOWN: (Account.FX_CLEARING, Account.FX_ROUNDING),
    }
)
"""Lines of a refund or of a negative adjustment are never above zero, those of an earning never
below it, so each kind has one direction and an entry's amount is above zero."""
