"""Explanations in sentences, to be read aloud. A line without indentation is a heading."""

from collections.abc import Iterator, Sequence

from commission_engine.explain.said import (
    AccountSaid,
    AdjustmentSaid,
    Amounts,
    CapSaid,
    Corrected,
    EventSaid,
    Explanation,
    LevelSaid,
    LineSaid,
    Money,
    Paid,
    PayoutSaid,
    Referrer,
    Returned,
    StatementSaid,
    TrueUpSaid,
)
from commission_engine.ledger.life import BACK
from commission_engine.money import Rate

SHORT = 16
"""Digits of a content hash that are enough to name it."""

ROUNDINGS = {
    "half_even": "half to even",
    "half_up": "half away from zero",
    "down": "toward zero",
}


def words(explanation: Explanation, most: int = 20) -> Iterator[str]:
    """The explanation, a text a line; of long lists `most` items, 0 for all."""
    yield from (f"Note: {each}." for each in explanation.notes)
    if isinstance(explanation, EventSaid):
        yield from _event(explanation)
    elif isinstance(explanation, AdjustmentSaid):
        yield from _adjustment(explanation)
    elif isinstance(explanation, StatementSaid):
        yield from _statement(explanation, most)
    else:
        yield from _payout(explanation, most)
    if explanation.disagreements:
        yield "This does NOT agree with the book:"
        yield from (f"  {each}" for each in explanation.disagreements)


# -- an event, a line


def _event(said: EventSaid) -> Iterator[str]:
    (mine,) = (each for each in said.order if each.event_id == said.event_id)
    size = mine.amount.removeprefix("-")
    did = {
        "earning": f"{said.affiliate_id} earned {mine.amount} {said.currency}",
        "adjustment": f"{said.affiliate_id}'s earnings were adjusted by"
        f" {mine.amount} {said.currency}",
        "reversal": f"{size} {said.currency} of {said.affiliate_id}'s order"
        f" {said.order_id} were taken back",
    }[mine.what]
    yield f"Event {said.event_id}: {did} on {mine.occurred_at}"
    yield f"  The engine has known it since {mine.known_since}."
    if said.waits:
        yield f"  {_sentence(said.waits.says)}"
    else:
        yield f"  The run of {said.run_date} decided it (engine {said.engine_version})."
    yield ""
    yield from _order(said)
    yield ""
    yield from _tree(said)
    yield ""
    yield from _terms(said)
    if said.waits:
        yield ""
        numbers = ", ".join(str(each.level) for each in said.levels)
        yield f"Level {numbers}: no line yet" if numbers else "No lines yet"
        return
    for level in said.levels:
        yield ""
        yield from _level(said, level)


def _order(said: EventSaid) -> Iterator[str]:
    yield f"The order {said.order_id} so far, in {said.currency}"
    rows = [("event", "occurred at", "amount", "total", "run")]
    rows += [
        (each.event_id, each.occurred_at, each.amount, each.total or "-", each.run_date or "waits")
        for each in said.order
    ]
    yield from _columns(rows, numbers=(2, 3))


def _tree(said: EventSaid) -> Iterator[str]:
    yield f"Who had referred whom at {said.decided_at}, the instant of the order"
    if said.anew:
        yield (
            f"  The {_true_up(said.anew)}, computed this order anew, with the tree and the plan as"
            " they were known then."
        )
    if not said.referrers and not said.top:
        yield "  Nobody asked: no level of the terms goes above the earner."
    for each in said.referrers:
        yield f"  {_referrer(each)}"
    if said.top:
        yield f"  {_sentence(said.top.says)}"


def _referrer(each: Referrer) -> str:
    since = f"since {each.since}" if each.since else "from the beginning"
    how = "a move" if each.learned_by in ("move", "tree move") else f"{each.learned_by}"
    why = f', "{each.reason}"' if each.reason else ""
    text = (
        f"Level {each.level}: {each.referrer_id} had referred {each.affiliate_id}, {since};"
        f" known since {each.known_since} ({how}{why})."
    )
    return f"{text} But {each.later}." if each.later else text


def _terms(said: EventSaid) -> Iterator[str]:
    if said.terms_from:
        held = f"held for {said.hold_days} days" if said.hold_days else "not held"
        yield f"The terms from {said.terms_from} hold for the order's day, {said.local_day}"
        yield f"  That day is in {said.timezone}. What they pay is {held}."
    else:
        yield f"There are no terms yet for the order's day, {said.local_day}"


def _level(said: EventSaid, level: LevelSaid) -> Iterator[str]:
    if level.no_line:
        yield f"Level {level.level}: no line"
        yield f"  {_sentence(level.no_line.says)}"
        yield from _corrections(level)
        return
    gets = level.amounts.commission if level.amounts else "nothing:"
    zero = "" if level.amounts else " the account is closed"
    currency = f" {said.currency}" if level.amounts else ""
    yield f"Level {level.level}: {level.beneficiary_id} gets {gets}{currency}{zero}" + (
        f" (line {level.line_id})"
    )
    if level.amounts:
        yield from (f"  {each}" for each in amount_words(level.amounts))
    else:
        yield (
            f"  The account was closed when the order was decided, known since {level.closed};"
            " gross and commission are 0, and stay so for this order."
        )
    if level.money:
        negative = level.amounts is not None and level.amounts.commission.startswith("-")
        yield from (f"  {each}" for each in money_words(level.money, negative=negative))
    yield from _corrections(level)


def _corrections(level: LevelSaid) -> Iterator[str]:
    for each in level.corrections:
        when = f"in the run of {each.run_date}" if each.run_date else "with the next run"
        yield (
            f"  Corrected by {each.line_id}: {_plus(each.amount)} for {each.affiliate_id} {when},"
            f' which makes it {each.comes_to}; "{each.reason}".'
        )


def amount_words(said: Amounts) -> Iterator[str]:
    """From the order's total to the commission, and what cut it."""
    percent = Rate.parse(said.rate).percent
    before, now = said.total
    if _zero(before):
        yield f"The order comes to {now}; {percent} of it {_rounded(said, 1)}."
        yield f"Gross: {said.gross}."
    else:
        yield f"With this event the order comes to {now}; {percent} of it {_rounded(said, 1)}."
        yield f"Before it came to {before}; {percent} of it {_rounded(said, 0)}."
        yield f"Gross: {said.rounded[1]} less {said.rounded[0]} is {said.gross}."
    if said.order_cap is not None:
        yield (
            f"Order cap {said.order_cap}: of the order's share {said.capped[0]} counted before,"
            f" {said.capped[1]} counts now."
        )
    for cap in said.caps:
        yield from _cap(cap)
    if said.reason:
        yield f"Reason: {said.reason}. The {said.reason} cap was the first to cut it."
    elif not said.why_zero:
        yield "Nothing cut it."
    if said.why_zero:
        yield f"Why 0: {said.why_zero.says}."


def _rounded(said: Amounts, which: int) -> str:
    exact, rounded = said.exact[which], said.rounded[which]
    if exact == rounded:
        return f"is {exact}"
    return f"is {exact}, rounded {ROUNDINGS[said.rounding]} to {rounded}"


def _cap(cap: CapSaid) -> Iterator[str]:
    starts = f" of {cap.starts}" if cap.window in ("order", "day") else f" from {cap.starts}"
    name = f"{cap.window.capitalize()} cap {cap.cap} over {cap.over}{starts if cap.starts else ''}"
    moved = "".join(
        f"; moved by the true-up of {_dates(each.period_from, each.period_to)} by {each.amount}"
        for each in cap.moved
    )
    if not cap.lines_before:
        used = f"no line counted before{moved}"
    else:
        lines = "1 line" if cap.lines_before == 1 else f"{cap.lines_before} lines"
        named = ", ".join(f"{each.line_id} {each.amount}" for each in cap.last_lines)
        more = "" if cap.lines_before == len(cap.last_lines) else "the last: "
        used = f"{lines} before came to {cap.used} ({more}{named}{moved})"
    yield f"{name}: {used}; room {cap.room_before}."
    yield (f"  This line brings {cap.asks} and gets {cap.gets}; room afterwards {cap.room_after}.")


def money_words(said: Money, *, negative: bool) -> Iterator[str]:
    """What became of a line's commission; `negative` where it takes back."""
    yield f"Available on {said.available_on}."
    if said.statement_id:
        yield f"In statement {said.statement_id} of {said.settled_on}."
    else:
        yield f"In no statement yet. The next settlement is {said.next_settlement}."
    if said.payout:
        yield _paid(said.payout)
    for each in said.unpaid:
        yield f"{'Not set off yet' if negative else 'Not paid'}: {each.says}."


def _paid(payout: Paid) -> str:
    said = f"Part of payout {payout.payout_id} of {payout.run_date}, {payout.amount} in all."
    if payout.status not in BACK:
        return said
    return f"{said} That was {payout.status}, and its money went back to the balance."


# -- an adjustment


def _adjustment(said: AdjustmentSaid) -> Iterator[str]:
    yield (
        f"Adjustment {said.event_id}: {_plus(said.amount)} {said.currency} for {said.affiliate_id}"
    )
    yield f'  By {said.who}, because "{said.reason}"; known since {said.known_since}.'
    if said.waits:
        yield f"  {_sentence(said.waits.says)}"
    else:
        yield f"  The run of {said.run_date} booked it (engine {said.engine_version})."
    if said.no_line:
        yield f"  {_sentence(said.no_line.says)}"
        return
    if said.corrects:
        yield from _corrected(said, said.corrects)
    yield ""
    if said.money is None:
        yield f"Line {said.line_id}: not yet"
        yield f"  Available on {said.available_on}."
        return
    yield f"Line {said.line_id}: {said.affiliate_id} gets {said.amount} {said.currency}"
    negative = said.amount.startswith("-")
    yield from (f"  {each}" for each in money_words(said.money, negative=negative))


def _corrected(said: AdjustmentSaid, corrects: Corrected) -> Iterator[str]:
    anew = corrects.anew
    yield (
        f"  It corrects line {corrects.line_id} of the run of {corrects.run_date}:"
        f" {corrects.posted} was posted for {said.affiliate_id} before, {corrects.now} is right."
    )
    yield ""
    yield from _order(anew)
    yield ""
    yield from _tree(anew)
    yield ""
    yield from _terms(anew)
    for level in anew.levels:
        yield ""
        yield f"As the {_word_of(corrects.true_up)} computes it:"
        yield from (f"  {line}" for line in _level(anew, level))


def _word_of(up: TrueUpSaid) -> str:
    return f"true-up of {_dates(up.period_from, up.period_to)}"


def _true_up(up: TrueUpSaid) -> str:
    return f'{_word_of(up)} by {up.who} at {up.at}, because "{up.reason}"'


# -- a statement, a payout


def _statement(said: StatementSaid, most: int) -> Iterator[str]:
    yield (
        f"Statement {said.id}: {said.affiliate_id} in {said.programme},"
        f" {said.period_from} to {said.period_to}"
    )
    for account in said.accounts:
        yield ""
        yield from _account(account, most)


def _account(said: AccountSaid, most: int) -> Iterator[str]:
    yield f"{said.currency}: from {said.opening} to {said.closing}"
    of = f"as statement {said.opening_from} closed" if said.opening_from else "nothing before"
    counts = {kind: len([each for each in said.lines if each.kind == kind]) for kind in
              ("earned", "reversed", "adjusted")}  # fmt: skip
    payout = f"payout {said.payout.payout_id}" if said.payout else ""
    rows = [
        ("opening", said.opening, of),
        ("+ earned", said.earned, _count(counts["earned"])),
        ("+ reversed", said.reversed, _count(counts["reversed"])),
        ("+ adjusted", said.adjusted, _count(counts["adjusted"])),
        ("- paid", said.paid, payout),
        ("= closing", said.closing, ""),
        ("held", said.held, ""),
        ("available", said.available, ""),
    ]
    yield from _columns(rows, numbers=(1,))
    for held in said.held_until:
        yield f"  Held until {held.until}: {held.amount}."
    for why in said.unpaid:
        yield f"  Not paid: {why.says}."
    yield from _came_back(said.returned)
    yield from _lines(said.lines, most)


def _payout(said: PayoutSaid, most: int) -> Iterator[str]:
    yield (
        f"Payout {said.id}: {said.amount} {said.currency} to {said.affiliate_id}, {said.programme}"
    )
    yield f"  Decided by the settlement of {said.created_on}; it is {said.status}."
    if said.paid_as:
        yield f"  It is {said.paid_as}."
    yield f"  Its statement is {said.statement_id}."
    for step in said.steps:
        batch = f", batch {step.batch[:SHORT]}" if step.batch else ""
        why = f': "{step.reason}"' if step.reason else ""
        yield f"  {step.became.capitalize()} at {step.at} by {step.who}{batch}{why}."
    least = f"the least that is paid is {said.minimum}"
    if said.override is not None:
        least += f', which did not hold this time: "{said.override}"'
    yield f"  It is the whole available balance; {least}."
    if said.previous:
        yield (
            f"  The payout before was {said.previous.payout_id} of {said.previous.run_date},"
            f" {said.previous.amount}. What became available since then:"
        )
    else:
        yield "  There was none before. What has become available:"
    yield from _came_back(said.returned)
    yield from _lines(said.lines, most)


def _came_back(returned: Sequence[Returned]) -> Iterator[str]:
    for each in returned:
        yield f"  Payout {each.payout_id} came back on {each.run_date}: {each.amount}."


def _lines(lines: Sequence[LineSaid], most: int) -> Iterator[str]:
    if not lines:
        yield "  No lines."
        return
    shown = lines if not most or len(lines) <= most else lines[-most:]
    if len(shown) < len(lines):
        yield f"  The last {most} of {len(lines)} lines; --limit 0 shows all."
    said = [
        (each.line_id, each.earner_id, each.base_amount, each.commission, each.reason,
         each.available_on, each.run_date, each.why)
        for each in shown
    ]  # fmt: skip
    head = ("line", "earner", "amount", "commission", "cut by", "available", "run", "why")
    most = len(head) if any(each.why for each in shown) else len(head) - 1
    rows = [row[:most] for row in (head, *said)]
    yield from _columns(rows, numbers=(2, 3))


# -- texts


def _count(number: int) -> str:
    return "1 line" if number == 1 else f"{number} lines" if number else ""


def _plus(amount: str) -> str:
    return amount if amount.startswith("-") else f"+{amount}"


def _dates(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _zero(amount: str) -> bool:
    return not amount.strip("-0.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _columns(rows: Sequence[tuple[str, ...]], numbers: tuple[int, ...]) -> Iterator[str]:
    """Rows of texts under each other; columns of numbers end at one place."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield ("  " + "  ".join(cells)).rstrip()
