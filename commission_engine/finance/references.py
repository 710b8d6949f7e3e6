"""What a payout is called outside: in files to pay, and in what banks say of them afterwards."""

SHORT = 15
"""The most that an ACH entry's identification holds."""


def long_reference(payout_id: str) -> str:
    """Of a payout where 28 characters fit: its id."""
    return payout_id


def short_reference(payout_id: str) -> str:
    """Of a payout where only 15 capitals and digits fit: the end of its id, 75 bits of a hash.

    >>> short_reference("po-20260105-2cql5uq54ns6tsdk")
    'CQL5UQ54NS6TSDK'
    """
    return payout_id[-SHORT:].upper()
