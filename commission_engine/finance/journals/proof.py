"""What the entries of a journal come to: by account and currency, debits less credits."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from commission_engine.ledger.accounts import Account
from commission_engine.money import Minor, plain
from commission_engine.problems import OutOfBalance

_ALWAYS = (Account.COMMISSION_EXPENSE, Account.AFFILIATE_PAYABLE, Account.PAYOUT_CLEARING)
"""The accounts that are named also where nothing was booked to them."""


@dataclass
class Proof:
    """Built up from the book's entries, or from the files that are on the disk. `decimals` are
    those of the currencies there are."""

    decimals: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    sums: dict[str, dict[Account, Minor]] = field(default_factory=dict)

    def book(self, account: Account, code: str, minor: Minor) -> None:
        """Add to an account; a credit is below zero."""
        mine = self.sums.setdefault(code, dict.fromkeys(_ALWAYS, 0))
        mine[account] = mine.get(account, 0) + minor

    def add(self, account: Account, code: str, digits: str) -> None:
        """The same with an amount as a file has it."""
        exact = Decimal(digits).scaleb(self.decimals[code])
        if exact != int(exact):
            raise OutOfBalance(
                f"{digits} {code}: has more decimals than {code}",
                "Nothing was exported. Look at the disk, then run the same command again.",
            )
        self.book(account, code, int(exact))

    def told(self) -> dict[str, Any]:
        """As the manifest says it."""
        return {
            "entries": self.entries,
            "totals": {
                code: {
                    account.name.lower(): plain(minor, self.decimals[code])
                    for account, minor in sorted(sums.items())
                }
                for code, sums in sorted(self.sums.items())
            },
        }
