"""Pages for finance: settlements, payouts, files to pay, what banks say, exports, months."""

from commission_engine.portal.finance import bank, exports, month_end, payouts, settlements

PAGES = (
    *settlements.PAGES,
    *payouts.PAGES,
    *bank.PAGES,
    *exports.PAGES,
    *month_end.PAGES,
)
