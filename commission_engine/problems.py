"""What can go wrong, every one named once: refusal codes, reasons, exit codes, errors.

A refused row is a value (`Refusal`) and never stops the work; a broken promise is an exception
and always does.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Code(StrEnum):
    """Why an input row was refused. The order is the rank: of several faults the first is named."""

    MALFORMED_ROW = "malformed_row"
    BAD_ID = "bad_id"
    BAD_AMOUNT = "bad_amount"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_STATUS = "bad_status"
    BAD_PAYEE = "bad_payee"
    UNKNOWN_CURRENCY = "unknown_currency"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    TOO_MANY_DECIMALS = "too_many_decimals"
    UNKNOWN_AFFILIATE = "unknown_affiliate"
    CONFLICT = "conflict"
    UNKNOWN_ORDER = "unknown_order"
    REVERSAL_MISMATCH = "reversal_mismatch"
    REVERSAL_BEFORE_ORDER = "reversal_before_order"
    POSITIVE_REVERSAL = "positive_reversal"
    REVERSAL_EXCEEDS_ORDER = "reversal_exceeds_order"
    SELF_REFERRAL = "self_referral"
    SECOND_REFERRER = "second_referrer"
    CYCLE = "cycle"


class Reason(StrEnum):
    """Why a line is less than its rate would give; a cap's reason is the name of its window."""

    PAID_IN_FULL = ""
    CLOSED = "closed"
    ORDER = "order"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    LIFETIME = "lifetime"


class Exit(IntEnum):
    """What the program's exit code says to a scheduler."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    ROWS_REJECTED = 3
    LOCKED = 4
    OUT_OF_BALANCE = 5
    TRY_AGAIN = 75


@dataclass(frozen=True, slots=True)
class Refusal:
    """One input row that was not accepted.

    `line` counts from 1 with the header as line 1 (for Parquet: the row's number, from 1).
    `column` is the column at fault ("" where the whole row is), `text` what it held, `raw` the
    row as it stood in the file.
    """

    code: Code
    file: str
    line: int
    column: str
    text: str
    message: str
    raw: str


class CommissionError(Exception):
    """Something the user has to know: what was wrong, what was kept, what to do next."""

    exit_code = Exit.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.told = False
        """Whether a log has it, and nothing more is to be said."""


class UsageError(CommissionError):
    """The command cannot be carried out as it was given."""

    exit_code = Exit.USAGE


class PlanRefused(CommissionError):
    """A plan file with faults, each with its place; nothing of it was applied."""

    exit_code = Exit.USAGE

    def __init__(self, faults: tuple[str, ...], hint: str = "") -> None:
        super().__init__("\n".join(faults), hint)
        self.faults = faults


class FileRefused(CommissionError):
    """An input file that cannot be read as what it should be; nothing of it was kept."""


class FactsRefused(CommissionError):
    """Columns given for a calculation that are not what they should be; nothing was computed."""

    exit_code = Exit.USAGE


class RowsRefused(CommissionError):
    """`--strict`: rows were refused, so nothing was imported."""

    exit_code = Exit.ROWS_REJECTED


class Locked(CommissionError):
    """Another process is working on this book."""

    exit_code = Exit.LOCKED


class OutOfBalance(CommissionError):
    """Two sums that must agree do not. Nothing is published."""

    exit_code = Exit.OUT_OF_BALANCE


class TryAgain(CommissionError):
    """The database could not be reached or was busy for too long; nothing was changed."""

    exit_code = Exit.TRY_AGAIN


class Passing(TryAgain):
    """A fault that may be gone at once: the connection was lost, or two transactions collided.

    Nothing was kept; the same unit of work may be done again from its first read.
    """
