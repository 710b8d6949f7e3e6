"""Set-based SQL in DuckDB: the same statement as PostgreSQL's, from and to Parquet.

    python benchmarks/peers/duckdb_sql.py FACTS

Its natural form is the Parquet files themselves; COPY writes lines in no order, with as many
threads as there are cores (`preserve_insertion_order` off, which was best).
"""

import tempfile
from pathlib import Path

import duckdb
import polars as pl
from common import CODES, NOTHING, checksum, facts_folder, now, peak_mb, report, rules_of
from sql import RATES, THREE_JOINS, Dialect, back_query, lines_query, rates_rows


def main() -> None:
    facts = facts_folder(__doc__)
    rules = rules_of(facts)
    local = f"timezone('{rules.zone}', root_at)"
    how = Dialect(
        day=f"CAST({local} AS DATE)",
        month=f"CAST(year({local}) % 100 * 12 + month({local}) - 1 AS INTEGER)",
        divided="//",
        narrow="CAST({} AS INTEGER)",
        total="CAST({} AS BIGINT)",
    )
    codes = " ".join(f"WHEN '{code}' THEN {place}" for place, code in enumerate(CODES))
    with tempfile.TemporaryDirectory() as name:
        database = duckdb.connect()
        database.execute(
            f"SET temp_directory = '{name}/spill'; SET preserve_insertion_order = false"
        )
        started = now()
        database.execute(
            f"""
            CREATE VIEW earnings AS SELECT * EXCLUDE (currency),
                CAST(CASE currency {codes} END AS INTEGER) AS code FROM '{facts}/earnings.parquet';
            CREATE VIEW referrals AS FROM '{facts}/referrals.parquet';
            """
        )
        database.execute(RATES.format(n="BIGINT"))
        database.executemany("INSERT INTO rates VALUES (?, ?, ?, ?, ?)", rates_rows(rules))
        query = lines_query(rules, THREE_JOINS, how, f"DATE '{rules.starts}'")
        database.execute(f"CREATE TABLE back AS {back_query(how)}")
        lines = Path(name) / "lines.parquet"
        database.execute(f"COPY ({query}) TO '{lines}' (FORMAT parquet, COMPRESSION snappy)")
        took = now() - started
        peak = peak_mb()
        report(took, NOTHING, checksum(pl.scan_parquet(lines)), peak)


if __name__ == "__main__":
    main()
