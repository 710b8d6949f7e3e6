"""A whole night as set-based SQL in PostgreSQL: the lines of postgresql_sql.py, posted.

    python benchmarks/peers/postgresql_night.py URL PLAN_FOLDER DATE (--prepare | --out FOLDER)

The book at URL has everything imported and no run yet. With --prepare the facts are put, outside
of any measurement, into the form that suits SQL best (`earnings` and `referrals` as integers, with
keys, analysed). Without it one transaction decides into an unlogged table that keeps what later
steps need, so that none has to join again, and PostgreSQL can work on it in parallel as it cannot
for INSERT; from there it fills the book's own tables, with their keys and indexes: line, cap_total,
entry, activity, statement, payout. The server then writes the files of the run as CSV itself, their
text ids joined; they are hashed and synced. Only the first night of a book is there: no balances
from before, no totals of caps, no closed accounts, nobody suspended.

Prints JSON: `seconds`, and of each step `steps`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from hashlib import file_digest
from pathlib import Path

import psycopg
from common import CODES, DECIMALS, Rules, rules_of
from postgresql import Connection
from sql import RATES, THREE_JOINS, Dialect, back_query, clamped, rates_rows, share

EPOCH = "DATE '1970-01-01'"
MONTH = 3  # the place of the window in the book
LEAST = 2500  # paid out, in minor units of every currency
REASONS = {"": 0, "order": 2, "month": 5}

PREPARE = f"""
CREATE TABLE earnings AS
    SELECT id AS event_id, affiliate AS affiliate_id,
        TIMESTAMPTZ 'epoch' + occurred_us * INTERVAL '1 microsecond' AS occurred_at,
        amount_minor, currency AS code, CASE WHEN root <> id THEN root END AS reverses
    FROM event ORDER BY id;
ALTER TABLE earnings ADD PRIMARY KEY (event_id);
CREATE INDEX ON earnings (reverses) WHERE reverses IS NOT NULL;
CREATE TABLE referrals AS SELECT affiliate AS affiliate_id, referrer AS referrer_id FROM referral;
ALTER TABLE referrals ADD PRIMARY KEY (affiliate_id);
{RATES.format(n="int")};
CREATE TABLE units (code smallint PRIMARY KEY, unit numeric, least bigint);
"""


def prepare(url: str, rules: Rules) -> None:
    with Connection.connect(url, autocommit=True) as connection:
        for statement in PREPARE.split(";"):
            connection.execute(statement)
        numbers = dict(connection.execute("SELECT code, id FROM currency").fetchall())
        for level, place, *limits in rates_rows(rules):
            row = (level, numbers[CODES[place]], *limits)
            connection.execute("INSERT INTO rates VALUES (%s, %s, %s, %s, %s)", row)
        for code, decimals in DECIMALS.items():
            row = (numbers[code], "0.01" if decimals else "1", LEAST)
            connection.execute("INSERT INTO units VALUES (%s, %s, %s)", row)
        connection.execute("VACUUM ANALYZE")


def decided(how: Dialect) -> str:
    """SELECT of all lines as the book has them, and of what their posting needs.

    As `sql.lines_query`, with the currency, the kind, the root's day and what goes to the month's
    cap on each line.
    """
    capped = f"({clamped('rounded', how)} - {clamped('rounded_before', how)})::int"
    packed = "((beneficiary_id * 3 + code) * 3 + level) * 1200 + month"
    total = (
        f"(sum(capped) OVER (PARTITION BY {packed} ORDER BY event_id ROWS UNBOUNDED PRECEDING))"
        "::bigint"
    )
    kept = "event_id, level, beneficiary_id, code, kind, day, month"
    return f"""
WITH events AS (
    SELECT event_id, affiliate_id, code, kind, before, after, {how.day} AS day, {how.month} AS month
    FROM (
        SELECT earnings.event_id, affiliate_id, code, coalesce(before, 0) AS before,
            coalesce(before, 0) + amount_minor AS after, coalesce(root_at, occurred_at) AS root_at,
            CASE WHEN reverses IS NOT NULL THEN 2 WHEN amount_minor < 0 THEN 3 ELSE 1 END AS kind
        FROM earnings LEFT JOIN back ON back.event_id = earnings.event_id
    ) AS every
), above AS ({THREE_JOINS.format(join="JOIN")}
), shares AS (
    SELECT {kept}, order_cap, month_cap, {share("after", how)} AS rounded,
        {share("before", how)} AS rounded_before
    FROM above
), capped AS (
    SELECT {kept}, month_cap, rounded - rounded_before AS gross, {capped} AS capped FROM shares
), totals AS (
    SELECT {kept}, gross, capped, month_cap, {total} AS total FROM capped
), paid AS (
    SELECT {kept}, gross, capped,
        LEAST(total, month_cap) - LEAST(total - capped, month_cap) AS commission
    FROM totals
)
SELECT event_id AS event, level::smallint, beneficiary_id AS beneficiary, gross, commission,
    (CASE WHEN capped <> gross THEN {REASONS["order"]} WHEN commission <> capped
        THEN {REASONS["month"]} ELSE 0 END)::smallint AS reason,
    code, kind::smallint, (day - {EPOCH})::int AS day, month::smallint, capped
FROM paid
"""


def posting(rules: Rules, day: int, terms_day: int) -> dict[str, str]:
    """From the table `decided` into the book's tables, step by step."""
    return {
        "posting": f"""
INSERT INTO line
    SELECT {day}, beneficiary, event, level, gross, commission, reason, {terms_day},
        day + {rules.hold_days}
    FROM decided ORDER BY beneficiary, event, level
""",
        "caps": f"""
INSERT INTO cap_total
    SELECT {terms_day}, level, {MONTH},
        date_trunc('month', {EPOCH} + min(day))::date - {EPOCH}, beneficiary, code, sum(capped)
    FROM decided GROUP BY level, beneficiary, code, month
""",
        "ledger": f"""
INSERT INTO entry
    SELECT {day}, beneficiary, code, kind, greatest(day + {rules.hold_days}, {day}) AS available,
        CASE kind WHEN 1 THEN 1 ELSE 2 END, CASE kind WHEN 1 THEN 2 ELSE 1 END,
        abs(sum(commission))
    FROM decided GROUP BY beneficiary, code, kind, available HAVING sum(commission) <> 0;
INSERT INTO activity
    SELECT {day}, beneficiary, code, count(*), min(day) FROM decided GROUP BY beneficiary, code
""",
        "settling": f"""
INSERT INTO statement
    WITH moved AS (
        SELECT affiliate, currency,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 1), 0) AS earned,
            coalesce(-sum(amount_minor) FILTER (WHERE kind = 2), 0) AS reversed,
            coalesce(-sum(amount_minor) FILTER (WHERE kind = 3), 0) AS adjusted,
            coalesce(sum(CASE kind WHEN 1 THEN amount_minor ELSE -amount_minor END)
                FILTER (WHERE available_day <= {day}), 0) AS ready
        FROM entry WHERE run_day = {day} GROUP BY affiliate, currency
    ), seen AS (
        SELECT affiliate, currency, min(earliest_day) OVER (PARTITION BY affiliate) AS since
        FROM activity WHERE run_day = {day}
    ), balances AS (
        SELECT affiliate, currency, since, coalesce(earned, 0) AS earned,
            coalesce(reversed, 0) AS reversed, coalesce(adjusted, 0) AS adjusted,
            coalesce(ready, 0) AS ready,
            CASE WHEN ready > 0 AND ready >= least THEN ready ELSE 0 END AS paid
        FROM seen LEFT JOIN moved USING (affiliate, currency)
        JOIN units ON units.code = currency
    )
    SELECT {day}, affiliate, currency, since, 0, earned, reversed, adjusted, paid,
        earned + reversed + adjusted - paid, earned + reversed + adjusted - ready, ready - paid
    FROM balances;
INSERT INTO payout
    SELECT run_day, affiliate, currency, paid_minor FROM statement
    WHERE run_day = {day} AND paid_minor > 0;
INSERT INTO entry
    SELECT run_day, affiliate, currency, 4, run_day, 2, 3, amount_minor FROM payout
    WHERE run_day = {day}
""",
    }


LINES = """
SELECT event.event_id || '.' || level AS line_id, {date} AS run_date, event.event_id,
    root.event_id AS order_id,
    to_char(earnings.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS occurred_at,
    earner.affiliate_id AS earner_id, level, beneficiary.affiliate_id AS beneficiary_id,
    currency.code AS currency, event.amount_minor * unit AS base_amount,
    CASE level {rates} END AS rate, gross * unit AS gross, commission * unit AS commission,
    CASE reason WHEN 2 THEN 'order' WHEN 5 THEN 'month' END AS reason,
    {epoch} + decided.day + {hold} AS available_on, 'reference-work' AS plan,
    {terms} AS terms_from
FROM decided
    JOIN event ON event.id = decided.event
    JOIN earnings ON earnings.event_id = decided.event
    JOIN event AS root ON root.id = event.root
    JOIN affiliate AS earner ON earner.id = event.affiliate
    JOIN affiliate AS beneficiary ON beneficiary.id = decided.beneficiary
    JOIN currency ON currency.id = decided.code
    JOIN units ON units.code = decided.code
ORDER BY decided.event, level
"""
NAMED = """
SELECT {columns} FROM {table}
    JOIN affiliate ON affiliate.id = {table}.affiliate
    JOIN currency ON currency.id = {table}.currency
    JOIN units ON units.code = {table}.currency
    {more}
WHERE run_day = {day} ORDER BY {order}
"""
STATEMENT_ID = (
    "'st-' || {day} || '-' || left(encode(sha256(affiliate.affiliate_id::bytea), 'hex'), 16)"
)
PAYOUT_ID = (
    "'po-' || {day} || '-'"
    " || left(encode(sha256((affiliate.affiliate_id || currency.code)::bytea), 'hex'), 16)"
)
KINDS = "(ARRAY['earned', 'reversed', 'adjusted', 'paid'])[kind]"
ACCOUNTS = "(ARRAY['commission_expense', 'affiliate_payable', 'payout_clearing'])[account]"
BY_ID = 'affiliate.affiliate_id COLLATE "C", currency.code COLLATE "C"'


def files(rules: Rules, day: int, when: date) -> dict[str, str]:
    """The query of each file."""
    date_ = f"DATE '{when}'"
    rates = " ".join(f"WHEN {each.level} THEN '{each.percent / 100:g}'" for each in rules.levels)
    statement, payout = (each.format(day=f"'{when:%Y%m%d}'") for each in (STATEMENT_ID, PAYOUT_ID))
    amounts = ", ".join(
        f"{name}_minor * unit AS {name}"
        for name in (
            "opening", "earned", "reversed", "adjusted", "paid", "closing", "held", "available",
        )
    )  # fmt: skip
    entry_id = f"'run:{when}:' || {KINDS} || ':' || affiliate.affiliate_id || ':' || currency.code"
    both = """CROSS JOIN LATERAL (VALUES (debit_account, amount_minor, 0),
        (credit_account, 0, amount_minor)) AS sides (account, debit, credit)"""
    # One pair an account, currency and kind, whatever the days.
    summed = f"""(SELECT run_day, affiliate, currency, kind, debit_account, credit_account,
        sum(amount_minor)::bigint AS amount_minor FROM entry WHERE run_day = {day}
        GROUP BY 1, 2, 3, 4, 5, 6) AS entry"""
    return {
        "lines.csv": LINES.format(
            date=date_, epoch=EPOCH, hold=rules.hold_days, terms=f"DATE '{rules.starts}'",
            rates=rates,
        ),
        "statements.csv": NAMED.format(
            columns=f"{statement} AS statement_id, {EPOCH} + period_from::int AS period_from,"
            f" {date_} AS period_to, affiliate.affiliate_id, currency.code AS currency, {amounts}",
            table="statement", day=day, more="", order=BY_ID,
        ),
        "payouts.csv": NAMED.format(
            columns=f"{payout} AS payout_id, {statement} AS statement_id, affiliate.affiliate_id,"
            f" currency.code AS currency, amount_minor * unit AS amount, {date_} AS created_on,"
            " 'pending' AS status",
            table="payout", day=day, more="", order=BY_ID,
        ),
        "journal.csv": NAMED.format(
            columns=f"{entry_id} AS entry_id, {date_} AS booked_on, {ACCOUNTS} AS account,"
            " affiliate.affiliate_id, currency.code AS currency, debit * unit AS debit,"
            f" credit * unit AS credit, CASE kind WHEN 4 THEN {payout}"
            f" ELSE 'lines:{when}' END AS source",
            table="entry", day=day, more=both, order=f"{BY_ID}, kind, credit",
        ).replace("FROM entry", f"FROM {summed}", 1),
    }  # fmt: skip


def synced(path: Path) -> dict[str, int | str]:
    """What a manifest says of a file whose bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def night(url: str, rules: Rules, when: date, out: Path) -> dict[str, float]:
    """The seconds of each step."""
    zone = f"(root_at AT TIME ZONE '{rules.zone}')"
    how = Dialect(
        day=f"{zone}::date",
        month=f"(extract(year FROM {zone})::int % 100 * 12 + extract(month FROM {zone})::int - 1)",
        total="({})::bigint",
    )
    day, terms_day = ((each - date(1970, 1, 1)).days for each in (when, rules.starts))
    steps: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        steps[name] = round(time.perf_counter() - started, 3)

    def execute(connection: Connection, statements: str) -> Callable[[], object]:
        return lambda: [connection.execute(each) for each in statements.split(";")]

    with Connection.connect(url) as connection:
        deciding = (
            f"CREATE UNLOGGED TABLE back AS {back_query(how)}; ANALYZE back;"
            f" CREATE UNLOGGED TABLE decided AS {decided(how)}; ANALYZE decided"
        )
        timed("deciding", execute(connection, deciding))
        for name, statements in posting(rules, day, terms_day).items():
            timed(name, execute(connection, statements))
        timed("committing", connection.commit)
        made = files(rules, day, when)
        for name, query in made.items():
            target = f"TO '{out / name}' (FORMAT csv, HEADER)"
            timed(name, execute(connection, f"COPY ({query}) {target}"))

        def manifest() -> None:
            listed = {name: synced(out / name) for name in made}
            (out / "manifest.json").write_text(json.dumps({"files": listed}, indent=2), "utf-8")

        timed("hashing", manifest)
    return steps


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    words.add_argument("url")
    words.add_argument("plan", type=Path, help="the folder with plan.toml")
    words.add_argument("date", type=date.fromisoformat)
    what = words.add_mutually_exclusive_group(required=True)
    what.add_argument("--prepare", action="store_true")
    what.add_argument("--out", type=Path, help="a folder that the server may write to")
    given = words.parse_args()
    rules = rules_of(given.plan)
    try:
        if given.prepare:
            prepare(given.url, rules)
            return
        steps = night(given.url, rules, given.date, given.out.absolute())
    except psycopg.Error as why:
        sys.exit(f"PostgreSQL: {why}")
    print(json.dumps({"seconds": round(sum(steps.values()), 3), "steps": steps}))


if __name__ == "__main__":
    main()
