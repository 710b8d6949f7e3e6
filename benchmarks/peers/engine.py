"""The engine itself: `commission decide`, from Parquet to Parquet.

    python benchmarks/peers/engine.py FACTS

It is called in this process, so that as with the others the start of Python is not in the time.
"""

import tempfile
from pathlib import Path

import polars as pl
from common import NOTHING, checksum, facts_folder, now, peak_mb, report

from commission_engine.cli import app


def main() -> None:
    facts = facts_folder(__doc__)
    with tempfile.TemporaryDirectory() as name:
        lines = Path(name) / "lines"
        started = now()
        app(["decide", str(facts), "--out", str(lines)], standalone_mode=False)
        took = now() - started
        peak = peak_mb()
        written = lines / "**/*.parquet" if lines.is_dir() else lines
        report(took, NOTHING, checksum(pl.scan_parquet(written)), peak)


if __name__ == "__main__":
    main()
