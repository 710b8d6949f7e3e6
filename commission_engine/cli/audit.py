"""`commission audit`: who changed what, when, and from where."""

import re
from typing import Annotated, Any

import polars as pl
import typer
from rich.markup import escape

from commission_engine.book import audit as book
from commission_engine.cli.common import (
    AsJson,
    Database,
    Limit,
    counted,
    day_option,
    form,
    listing,
    looking,
    out,
    print_json,
    say,
)
from commission_engine.problems import Exit, UsageError
from commission_engine.trail import prove_chain


def audit(
    what: Annotated[
        str | None, typer.Option("--what", help="Only these, such as run, plan, move, import.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only from this day on (UTC).")
    ] = None,
    limit: Limit = 50,
    check: Annotated[
        bool, typer.Option("--check", help="Prove the chain, and print its head.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="N:HASH", help="With --check: a head noted before."),
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show the audit trail, newest last, or prove its chain. `verify` proves what it speaks of."""
    if head is not None and not check:
        raise UsageError("--head is for --check", "Write commission audit --check --head N:HASH.")
    if check:
        _check(database, head, as_json)
        return
    if since is not None:
        day_option(since, "--since")
    with looking(database) as connection:
        rows = [
            row
            for row in book.rows(connection)
            if (what is None or row.what == what or row.what.startswith(f"{what} "))
            and row.at >= (since or "")
        ]
    if as_json:
        print_json([{**row._asdict(), "details": row.told()} for row in rows])
        return
    shown = rows[-limit:] if limit else rows
    columns = ("id", "at", "who", "what", "subject", "command", "hash")
    texts = [tuple(str(getattr(row, name)) for name in columns) for row in shown]
    frame = pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String), orient="row")
    listing(frame.with_columns(pl.col("hash").str.head(12)), form(as_json), 0, "changes")
    if len(shown) < len(rows):
        say(f"the last {len(shown)} of {len(rows):,} changes; --limit 0 shows all")


def _check(database: str | None, head: str | None, as_json: bool) -> None:
    """The chain alone; with `head` also that it still has that row."""
    noted = _noted(head) if head is not None else None
    with looking(database) as connection:
        found, number, last = prove_chain(connection)
        hashes = {row.id: row.hash for row in book.rows(connection)} if noted else {}
    if noted and hashes.get(noted[0]) != noted[1]:
        found.append(f"audit: row {noted[0]} is not the one that was noted")
    if as_json:
        said: dict[str, Any] = {"rows": number, "head": f"{number}:{last}", "differences": found}
        print_json(said)
    else:
        for difference in found:
            say(f"[red]differs:[/] {escape(difference)}")
        holds = counted(len(found), "difference") if found else "the chain holds"
        out.print(f"{counted(number, 'row')}: {holds}; head {number}:{last}")
    if found:
        raise typer.Exit(Exit.OUT_OF_BALANCE)


def _noted(head: str) -> tuple[int, str]:
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", head, re.ASCII)
    if not found:
        raise UsageError(f"--head: {head!r} is no head", "Write it as `audit --check` prints it.")
    return int(found[1]), found[2]
