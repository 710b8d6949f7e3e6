"""Pages for finance: settlements, payouts, files to pay, what banks say, exports, months."""

from commission_engine.portal.finance import (
    bank,
    bank_files,
    exports,
    month_end,
    payees,
    payouts,
    rates,
    settlements,
)

PAGES = (
    *settlements.PAGES,
    *payouts.PAGES,
    *payees.PAGES,
    *rates.PAGES,
    *bank.PAGES,
    *bank_files.PAGES,
    *exports.PAGES,
    *month_end.PAGES,
)
