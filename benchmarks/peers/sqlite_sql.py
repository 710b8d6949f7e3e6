"""Set-based SQL in SQLite: the same statement as PostgreSQL's.

    python benchmarks/peers/sqlite_sql.py FACTS

Its natural form: tables in a file, WITHOUT ROWID where the key is the row, journal and syncs off,
a page cache of 1 GB, sorts in memory. SQLite knows no time zones: a table of the local days and
their first instants stands in for one. CROSS JOIN keeps it from walking through the days and the
rates first.
"""

import sqlite3
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from common import CHECKSUM_SQL, CODES, SUMS, Rules, facts_folder, now, peak_mb, report, rules_of
from sql import RATES, THREE_JOINS, Dialect, back_query, lines_query, rates_rows

EPOCH = date(1970, 1, 1)

TABLES = f"""
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
PRAGMA page_size = 16384; PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY;
PRAGMA threads = 2;
CREATE TABLE earnings (
    event_id INTEGER PRIMARY KEY, affiliate_id INTEGER, occurred_at INTEGER,
    amount_minor INTEGER, code INTEGER, reverses INTEGER
);
CREATE TABLE referrals (affiliate_id INTEGER PRIMARY KEY, referrer_id INTEGER);
CREATE TABLE days (begins INTEGER PRIMARY KEY, day INTEGER, month INTEGER);
{RATES.format(n="INTEGER")}
"""
HOW = Dialect(
    day="local.day",
    month="local.month",
    days="CROSS JOIN days AS local ON local.begins = "
    "(SELECT max(begins) FROM days WHERE begins <= every.root_at)",
    join="CROSS JOIN",
    least="min",
    greatest="max",
)
BACK = "CREATE TABLE back (event_id INTEGER PRIMARY KEY, before INTEGER, root_at INTEGER)"


def local_days(rules: Rules, first: datetime, last: datetime) -> list[tuple[int, int, int]]:
    """begins (microseconds since 1970 UTC), day (since 1970), month (years after 2000 times 12)."""
    zone = ZoneInfo(rules.zone)
    start = first.astimezone(zone).date()
    count = (last.astimezone(zone).date() - start).days + 1
    dates = [start + timedelta(days=n) for n in range(count)]
    return [
        (
            round(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp()) * 1_000_000,
            (d - EPOCH).days,
            d.year % 100 * 12 + d.month - 1,
        )
        for d in dates
    ]


def main() -> None:
    facts = facts_folder(__doc__)
    rules = rules_of(facts)
    with tempfile.TemporaryDirectory() as name:
        database = sqlite3.connect(Path(name) / "work.db", isolation_level=None)
        started = now()
        database.executescript(TABLES)
        earnings = pl.read_parquet(facts / "earnings.parquet").with_columns(
            pl.col("currency").replace_strict({c: n for n, c in enumerate(CODES)})
        )
        days = local_days(rules, *earnings.select(min="occurred_at", max="occurred_at").pipe(span))
        database.execute("BEGIN")
        database.executemany("INSERT INTO days VALUES (?, ?, ?)", days)
        database.executemany("INSERT INTO rates VALUES (?, ?, ?, ?, ?)", rates_rows(rules))
        as_numbers = earnings.with_columns(pl.col("occurred_at").dt.epoch("us"))
        insert(database, "earnings", as_numbers)
        insert(database, "referrals", pl.read_parquet(facts / "referrals.parquet").drop("since"))
        database.execute("COMMIT")
        database.execute("CREATE INDEX reversals ON earnings (reverses) WHERE reverses NOT NULL")
        database.execute("ANALYZE")
        del earnings, as_numbers
        loaded = now()
        starts = str((rules.starts - EPOCH).days)
        query = lines_query(rules, THREE_JOINS, HOW, starts)
        database.execute(BACK)
        database.execute(f"INSERT INTO back {back_query(HOW)}")
        database.execute(f"CREATE TABLE lines AS {query}")
        took = now() - loaded
        peak = peak_mb()
        sums = database.execute(CHECKSUM_SQL).fetchone()
        report(took, loaded - started, dict(zip(SUMS, sums, strict=True)), peak)


def insert(database: sqlite3.Connection, table: str, rows: pl.DataFrame) -> None:
    places = ", ".join("?" * rows.width)
    for part in rows.iter_slices(100_000):
        database.executemany(f"INSERT INTO {table} VALUES ({places})", part.rows())


def span(instants: pl.DataFrame) -> tuple[datetime, datetime]:
    (both,) = instants.select(pl.col("min").min(), pl.col("max").max()).rows()
    return both


if __name__ == "__main__":
    main()
