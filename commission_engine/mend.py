"""Refused rows as a file that can be mended and imported again."""

import json

import polars as pl

from commission_engine.problems import UsageError
from commission_engine.raw import as_bytes


def mendable(refusals: pl.DataFrame, intakes: pl.DataFrame) -> bytes:
    """The rows as they stood, once each, below the header of the file they came from.

    `refusals` and `intakes` are shaped like those of `book.views`. UsageError when there is no
    one file that could hold them all.
    """
    if refusals.height == 0:
        raise UsageError("no row is refused there", "`commission rejects` lists all.")
    headers = {
        (number, file["name"]): file["header"]
        for number, files in intakes.select("id", "files").iter_rows()
        for file in json.loads(files)
    }
    kinds = refusals["kind"].unique().to_list()
    needed = {headers[key] for key in refusals.select("intake", "file").iter_rows()}
    if len(kinds) > 1 or len(needed) > 1:
        raise UsageError(
            "these rows come from files with different columns",
            "Choose with --kind, --file or --code those that belong into one file.",
        )
    (header,) = needed
    if header is None:
        raise UsageError(
            "rows of a Parquet file cannot be written as CSV lines",
            "`commission rejects --json` has every row as a JSON object.",
        )
    rows = refusals["raw"].unique(maintain_order=True)
    return b"".join(as_bytes(line) + b"\n" for line in (header, *rows))
