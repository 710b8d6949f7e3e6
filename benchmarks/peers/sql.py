"""The reference work as SQL, in the words of three databases.

    back      of each reversal, its order's running total before it (a table of its own)
    events    what each event adds to its order: the running totals before and after it
    above     one row an event and existing ancestor (the peers differ in how they walk up)
    shares    both totals' shares, rounded half to even
    capped    gross, and what goes to the month: the differences of the shares and of their clamps
    totals    the running total of a month's cap
    lines     min(total, cap) now less min(total, cap) before

Only reversals need a running sum within their order, three rows in a hundred; all others start
from nothing. That sum is put into a table first: a window function in the way would keep
PostgreSQL from walking up the tree in parallel. The key of the monthly cap is packed into one
number, because sorting by one number is quicker than by four. What goes to the month is cut by
the order's cap and so fits 32 bits, which spares PostgreSQL sums in NUMERIC.
"""

from dataclasses import dataclass

from common import CODES, Rules

THREE_JOINS = """
    SELECT up.*, rates.*,
        CASE rates.level WHEN 1 THEN one WHEN 2 THEN two ELSE three END AS beneficiary_id
    FROM (
        SELECT events.*, first.referrer_id AS one, second.referrer_id AS two,
            third.referrer_id AS three
        FROM events
        JOIN referrals AS first ON first.affiliate_id = events.affiliate_id
        LEFT JOIN referrals AS second ON second.affiliate_id = first.referrer_id
        LEFT JOIN referrals AS third ON third.affiliate_id = second.referrer_id
    ) AS up
    {join} rates ON rates.code_of = up.code
        AND (rates.level = 1 OR rates.level = 2 AND two IS NOT NULL OR three IS NOT NULL)
"""

RECURSIVE = """
    SELECT walk.*, rates.* FROM (
        WITH RECURSIVE walk AS (
            SELECT events.*, 1 AS height, referrals.referrer_id AS beneficiary_id
            FROM events JOIN referrals ON referrals.affiliate_id = events.affiliate_id
            UNION ALL
            SELECT walk.event_id, walk.affiliate_id, walk.code, walk.before, walk.after, walk.day,
                walk.month, walk.height + 1, referrals.referrer_id
            FROM walk JOIN referrals ON referrals.affiliate_id = walk.beneficiary_id
            WHERE walk.height < 3
        )
        SELECT * FROM walk
    ) AS walk
    {join} rates ON rates.code_of = walk.code AND rates.level = walk.height
"""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database says it.

    `day` and `month` are of `root_at`, the latter a small number; `join` is a join whose left side
    comes first.
    """

    day: str
    month: str
    days: str = ""
    divided: str = "/"
    least: str = "LEAST"
    greatest: str = "GREATEST"
    join: str = "JOIN"
    narrow: str = "{}"
    total: str = "{}"
    available: str = "day + {hold}"


def rates_rows(rules: Rules) -> list[tuple[int, int, int, int, int]]:
    """level, code_of (a place in CODES), percent, order_cap, month_cap."""
    return [
        (level.level, place, level.percent, level.order_cap[code], level.month_cap[code])
        for level in rules.levels
        for place, code in enumerate(CODES)
    ]


RATES = "CREATE TABLE rates (level {n}, code_of {n}, percent {n}, order_cap {n}, month_cap {n})"


def share(base: str, how: Dialect) -> str:
    """Half to even on the magnitude, then the sign back: signed division differs between us.

    49 more carry over where the rest is above 50 of 100; one more at 50 where the whole is odd.
    """
    product = f"abs({base}) * percent"
    odd = f"({product} {how.divided} 100 & 1)"
    magnitude = f"(({product} + 49 + {odd}) {how.divided} 100)"
    return f"CASE WHEN {base} = 0 THEN 0 WHEN {base} < 0 THEN -{magnitude} ELSE {magnitude} END"


def clamped(value: str, how: Dialect) -> str:
    return f"{how.least}({how.greatest}({value}, -order_cap), order_cap)"


def back_query(how: Dialect) -> str:
    """SELECT of what each reversal finds: its order's total before it, and the order's instant."""
    so_far = how.total.format(
        "sum(back.amount_minor) OVER (PARTITION BY back.reverses"
        " ORDER BY back.event_id ROWS UNBOUNDED PRECEDING)"
    )
    return f"""
SELECT back.event_id, root.amount_minor + {so_far} - back.amount_minor AS before,
    root.occurred_at AS root_at
FROM earnings AS back JOIN earnings AS root ON root.event_id = back.reverses
"""


def lines_query(rules: Rules, above: str, how: Dialect, starts: str) -> str:
    """SELECT of all lines; tables earnings, back, referrals and rates must be there."""
    capped = how.narrow.format(f"{clamped('rounded', how)} - {clamped('rounded_before', how)}")
    packed = "((beneficiary_id * 3 + code) * 3 + level) * 1200 + month"
    total = how.total.format(
        f"sum(capped) OVER (PARTITION BY {packed} ORDER BY event_id ROWS UNBOUNDED PRECEDING)"
    )
    now, then = (f"{how.least}({t}, month_cap)" for t in ("total", "total - capped"))
    return f"""
WITH events AS (
    SELECT event_id, affiliate_id, code, before, after, {how.day} AS day, {how.month} AS month
    FROM (
        SELECT earnings.event_id, affiliate_id, code, coalesce(before, 0) AS before,
            coalesce(before, 0) + amount_minor AS after, coalesce(root_at, occurred_at) AS root_at
        FROM earnings LEFT JOIN back ON back.event_id = earnings.event_id
    ) AS every {how.days}
), above AS ({above.format(join=how.join)}
), shares AS (
    SELECT event_id, level, beneficiary_id, code, day, month, order_cap, month_cap,
        {share("after", how)} AS rounded,
        {share("before", how)} AS rounded_before
    FROM above
), capped AS (
    SELECT event_id, level, beneficiary_id, code, day, month, month_cap,
        rounded - rounded_before AS gross, {capped} AS capped
    FROM shares
), totals AS (
    SELECT event_id, level, beneficiary_id, day, gross, capped, month_cap, {total} AS total
    FROM capped
), paid AS (
    SELECT event_id, level, beneficiary_id, day, gross, capped, {now} - {then} AS commission_minor
    FROM totals
)
SELECT event_id, level, beneficiary_id, gross AS gross_minor, commission_minor,
    CASE WHEN capped <> gross THEN 'order' WHEN commission_minor <> capped THEN 'month' ELSE ''
    END AS reason,
    {starts} AS terms_from, {how.available.format(hold=rules.hold_days)} AS available_on
FROM paid
"""
