"""The five exports: what each column means. docs/exports.md has the same for people."""

from commission_engine.finance.exports.shape import Column, Kind, Table

_CURRENCY = Column("currency", Kind.TEXT, "ISO 4217 code, or a unit of the plan; of all amounts")
_AFFILIATE = Column("affiliate_id", Kind.TEXT, "whose")
_SUMS = ("opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available")

LINES = Table(
    "lines",
    (
        Column("line_id", Kind.TEXT, "the event's id, a point, the level"),
        Column("run_date", Kind.DAY, "business date of the run that decided it"),
        Column("event_id", Kind.TEXT, "the event"),
        Column("order_id", Kind.TEXT, "event id of the order's earning"),
        Column("occurred_at", Kind.INSTANT, "when the event happened"),
        Column("earner_id", Kind.TEXT, "who earned"),
        Column("level", Kind.WHOLE, "distance from the earner", "referrals"),
        Column("beneficiary_id", Kind.TEXT, "who is paid"),
        _CURRENCY,
        Column("base_amount", Kind.AMOUNT, "the event's amount"),
        Column("rate", Kind.FRACTION, "the level's rate"),
        Column("gross", Kind.AMOUNT, "before caps"),
        Column("commission", Kind.AMOUNT, "after caps: what is paid"),
        Column("reason", Kind.TEXT, "what cut it; empty: paid in full"),
        Column("available_on", Kind.DAY, "when the hold ends"),
        Column("plan", Kind.TEXT, "the plan's name"),
        Column("terms_from", Kind.DAY, "first day of its terms; none for an adjustment"),
    ),
    payee="beneficiary_id",
    summed=("gross", "commission"),
)
STATEMENTS = Table(
    "statements",
    (
        Column("statement_id", Kind.TEXT, "one per affiliate and settlement"),
        Column("period_from", Kind.DAY, "first day of its period"),
        Column("period_to", Kind.DAY, "the settlement, last day of its period"),
        _AFFILIATE,
        _CURRENCY,
        Column("opening", Kind.AMOUNT, "balance before the period"),
        Column("earned", Kind.AMOUNT, "commissions of earnings"),
        Column("reversed", Kind.AMOUNT, "taken back by refunds; zero or less"),
        Column("adjusted", Kind.AMOUNT, "adjustments, and payouts that came back"),
        Column("paid", Kind.AMOUNT, "the payout"),
        Column("closing", Kind.AMOUNT, "opening + earned + reversed + adjusted - paid"),
        Column("held", Kind.AMOUNT, "part of closing that is not available yet"),
        Column("available", Kind.AMOUNT, "the rest of closing"),
    ),
    payee="affiliate_id",
    summed=_SUMS,
)
PAYOUTS = Table(
    "payouts",
    (
        Column("payout_id", Kind.TEXT, "the reference for the bank"),
        Column("statement_id", Kind.TEXT, "the statement that it is on"),
        Column("affiliate_id", Kind.TEXT, "who is paid"),
        Column("name", Kind.TEXT, "his name, as the settlement knew it"),
        _CURRENCY,
        Column("amount", Kind.AMOUNT, "how much"),
        Column("created_on", Kind.DAY, "the settlement"),
        Column("status", Kind.TEXT, "what became of it until the export was made"),
        Column("batch", Kind.TEXT, "hash of what was approved; empty: none"),
        Column("note", Kind.TEXT, "reference or reason of its last step"),
        Column("paid_currency", Kind.TEXT, "in which it is paid"),
        Column("paid_amount", Kind.FRACTION, "how much of it is paid", "of paid_currency"),
        Column("converted", Kind.TEXT, "by which rate, whose and of when; empty: it was not"),
    ),
    payee="affiliate_id",
    summed=("amount",),
)
BALANCES = Table(
    "balances",
    (
        Column("as_of", Kind.DAY, "after the run of this date"),
        _AFFILIATE,
        _CURRENCY,
        Column("held", Kind.AMOUNT, "not available yet"),
        Column("available", Kind.AMOUNT, "can be paid out"),
        Column("balance", Kind.AMOUNT, "held + available"),
    ),
    payee="affiliate_id",
    summed=("held", "available", "balance"),
)
JOURNAL = Table(
    "journal",
    (
        Column("entry_id", Kind.TEXT, "the same for the two rows of an entry"),
        Column("booked_on", Kind.DAY, "business date of the run"),
        Column("account", Kind.TEXT, "commission_expense, affiliate_payable, payout_clearing, or"
               " fx_clearing and fx_rounding, of conversions"),
        _AFFILIATE,
        _CURRENCY,
        Column("debit", Kind.AMOUNT, "to the account; 0 where the row is a credit"),
        Column("credit", Kind.AMOUNT, "from the account; 0 where the row is a debit"),
        Column("source", Kind.TEXT, "lines:DATE, conversions:DATE, or the payouts that were paid or"
               " came back"),
    ),
    payee="affiliate_id",
    summed=("debit", "credit"),
)  # fmt: skip
TABLES = (LINES, STATEMENTS, PAYOUTS, BALANCES, JOURNAL)
