"""What all commands share: options, the open book, tables and JSON out, talk and errors."""

import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commission_engine.book.audit import Origin
from commission_engine.book.connect import (
    Connection,
    Engine,
    connect,
    migrate,
    reading,
    without_password,
)
from commission_engine.book.lock import Worker, working
from commission_engine.calendar import Day, Zone, day_of
from commission_engine.identity import account, told
from commission_engine.problems import UsageError
from commission_engine.publish import text
from commission_engine.settings import Settings, read_settings
from commission_engine.tree.show import visible

Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="The book; see `commission config show`."),
]
LinesStore = Annotated[
    str | None,
    typer.Option("--lines-store", metavar="PLACE", help="Where lines are; see `config show`."),
]
As = Annotated[
    str,
    typer.Option("--as", metavar="NAME", help="Who you are; recorded beside your account."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Rows of a table; 0: all of them.")]

out = Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else 160)
talk = Console(stderr=True, highlight=False, soft_wrap=True)

NUMBERS = text.NUMBERS | {
    "threshold",
    "level",
    "line",
    "lines",
    "events",
    "payouts",
    "accepted",
    "rejected",
}


class Form(StrEnum):
    """How a listing is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def form(as_json: bool, as_csv: bool = False) -> Form:
    if as_json and as_csv:
        raise UsageError("--json and --csv at once", "Take one of them.")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


def settings_of(**options: Any) -> Settings:
    """The settings that hold for this command; what is wrong among their sources is said."""
    settings = read_settings(options, os.environ)
    for fault in settings.faults:
        say(f"[yellow]warning:[/] {escape(fault)}")
    return settings


def open_book(settings: Settings) -> Engine:
    """The book, created and migrated where it is missing."""
    engine = connect(settings.database.value)
    migrate(engine)
    return engine


@contextmanager
def looking(database: str | None) -> Iterator[Connection]:
    """A view of the book that changes nothing."""
    with reading(open_book(settings_of(database=database))) as connection:
        yield connection


@contextmanager
def at_work(engine: Engine, doing: str) -> Iterator[Worker]:
    """The book's lock; others are told what this process does."""
    with working(engine, f"{who()} (process {os.getpid()}, {doing})", now()) as worker:
        yield worker


def who() -> str:
    """The person and the machine, for the book's records."""
    return account()


def named(given: str) -> str:
    """The person who gave his name with --as ("": did not) beside the account, for the records."""
    try:
        return told(given, who())
    except ValueError as why:
        raise UsageError(f"--as: {why}", "Write such as --as carla.") from why


def origin() -> Origin:
    """From where this command is given, for the audit trail; without passwords."""
    words = ["commission", *(_harmless(word) for word in sys.argv[1:])]
    command = shlex.join(words).encode("utf-8", "backslashreplace").decode()
    return Origin(socket.gethostname(), os.getpid(), command)


def _harmless(word: str) -> str:
    """A word of the command line without the password of a URL in it."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + without_password(value) if "://" in value else word


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def yesterday(zone: str) -> Day:
    """The last day that is over in a time zone."""
    return Zone(zone).local_day(int(datetime.now(UTC).timestamp()) * 1_000_000) - 1


def today() -> Day:
    return day_of(datetime.now(UTC).date())


def day_option(value: str, name: str = "--date") -> Day:
    """A day of the command line, ISO 8601."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return day_of(date.fromisoformat(value))
        except ValueError:
            pass
    raise UsageError(f"{name}: {value!r} is not a day", "Write such as 2026-11-20.")


def say(message: str) -> None:
    """Talk to the person, on stderr."""
    talk.print(message)


def stage(name: str) -> None:
    """Name a stage of long work, where somebody watches."""
    if talk.is_terminal:
        talk.print(f"[dim]{escape(name)} ...[/]")


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def listing(frame: pl.DataFrame, how: Form, limit: int, title: str) -> None:
    """Print a frame of texts and counts: all of it as JSON or CSV, its first rows as a table."""
    if how is Form.JSON:
        print_json(frame.to_dicts())
    elif how is Form.CSV:
        sys.stdout.buffer.write(text.csv(frame))
        sys.stdout.buffer.flush()
    elif frame.height == 0:
        say(f"no {title}")
    else:
        shown = frame.head(limit) if limit else frame
        out.print(table_of(shown))
        if shown.height < frame.height:
            say(
                f"{shown.height} of {frame.height:,} {title}; --limit 0 shows all, --csv writes all"
            )


def table_of(frame: pl.DataFrame, right: Collection[str] = ()) -> Table:
    """A frame as people read it; counts, amounts and the columns named in `right` on the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in frame.columns:
        numeric = name in NUMBERS or name in right or frame[name].dtype.is_numeric()
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(escape(visible("" if cell is None else str(cell))) for cell in row))
    return table


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 row", "1,234 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def existing(path: Path) -> Path:
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder", "Check the name.")
    return path
