"""Before a file is made: which payments a bank would take, and why not the others.

Whoever is not in the file stays unpaid, with the reason said; the others are not kept waiting.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from commission_engine.debtor import Debtor
from commission_engine.finance.bank.form import BankFormat, Limits, Payment
from commission_engine.finance.payees.details import Details
from commission_engine.finance.payees.judge import account_faults

SHOWN = 3
"""Of those who share an account so many are named."""


def sharing(payees: Mapping[str, Details]) -> Mapping[str, Sequence[str]]:
    """Who has the same account as others, and which others; by affiliate's id."""
    by_place: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for whose, details in payees.items():
        if details.place:
            by_place[details.place].append(whose)
    return {
        whose: [each for each in people if each != whose]
        for people in by_place.values()
        if len(people) > 1
        for whose in people
    }


def why_not(
    form: BankFormat, payment: Payment, shared: Mapping[str, Sequence[str]], debtor: Debtor
) -> str:
    """Why a payment may not be in a file; "" where it may."""
    payee, whose = payment.payee, payment.affiliate_id
    if payee.currency and payee.currency != payment.currency:
        return f"{whose} is to be paid in {payee.currency}, and this is {payment.currency}"
    if form.currencies is not None and payment.currency not in form.currencies:
        takes = form.currencies[0] if len(form.currencies) == 1 else "other currencies"
        return f"{whose}: {form.name} takes {takes}, and this is {payment.currency}"
    for column, message in account_faults(payee):
        return f"{whose}: {column}: {message}"
    if debtor.shared_accounts == "refuse" and (others := shared.get(whose)):
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        return f"{whose} has the same account as {', '.join(others[:SHOWN])}{more}"
    fault = form.fault(payment)
    return f"{whose}: {fault}" if fault else ""


def parted(amounts: Sequence[tuple[str, int]], limits: Limits) -> list[list[int]]:
    """Payments (currency, minor units) by the file that they go into: their places, in order."""
    by_currency: dict[str, list[int]] = defaultdict(list)
    for place, (code, _) in enumerate(amounts):
        by_currency[code if limits.one_currency else ""].append(place)
    files = []
    for _, places in sorted(by_currency.items()):
        rows: list[int] = []
        total = 0
        for place in places:
            minor = amounts[place][1]
            beyond = limits.total is not None and total + minor > limits.total
            if rows and (len(rows) == limits.rows or beyond):
                files.append(rows)
                rows, total = [], 0
            rows.append(place)
            total += minor
        files.append(rows)
    return files
