"""`commission users`: who may look at the portal beside affiliates, and links that sign in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import polars as pl
import typer

from commission_engine import accounts
from commission_engine.book import staff
from commission_engine.book.connect import Connection, reading
from commission_engine.book.doors import AFFILIATE, STAFF, Doors, Who
from commission_engine.book.lock import Worker, again
from commission_engine.book.readers import person_of
from commission_engine.calendar import iso_instant
from commission_engine.cli.common import (
    As,
    AsCsv,
    AsJson,
    Database,
    Limit,
    at_work,
    form,
    listing,
    looking,
    open_book,
    out,
    print_json,
    say,
    settings_of,
)
from commission_engine.cli.payouts_shared import DryRun, circumstances
from commission_engine.cli.serve import portal_at
from commission_engine.imports import Circumstances
from commission_engine.problems import UsageError

app = typer.Typer(
    help="Who may look at the portal: add, remove, list; print a link that signs in.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.")]


@app.command("add")
def add_(
    name: Name,
    role: Annotated[str, typer.Option("--role", help=", ".join(accounts.ROLES))],
    email: Annotated[str, typer.Option("--email", help="Where links to sign in are sent.")] = "",
    as_name: As = "",
    dry_run: DryRun = False,
    database: Database = None,
) -> None:
    """Add an account of the portal's staff, or change its address or role."""
    news = _changed(
        database,
        "users add",
        circumstances(as_name, dry_run=dry_run),
        lambda connection, given: accounts.add(connection, name, email, role, given),
    )
    if not news:
        say(f"{name} is that already; nothing was changed")
    else:
        say(f"dry run: {name} would be {role}" if dry_run else f"{name} is {role}")


@app.command("remove")
def remove_(
    name: Name, as_name: As = "", dry_run: DryRun = False, database: Database = None
) -> None:
    """Remove an account; whoever is signed in with it is so no longer, and its tokens end."""
    _changed(
        database,
        "users remove",
        circumstances(as_name, dry_run=dry_run),
        lambda connection, given: accounts.remove(connection, name, given),
    )
    if not dry_run:
        with _doors(database) as doors:
            doors.end_all(Who(STAFF, name), tokens=True)
    say(f"dry run: {name} would be removed" if dry_run else f"{name} is removed")


@app.command("list")
def list_(
    database: Database = None, limit: Limit = 50, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List the accounts of the portal's staff."""
    how = form(as_json, as_csv)
    with looking(database) as connection:
        found = staff.accounts(connection)
    columns = ("name", "email", "role", "since", "who")
    rows = [tuple(getattr(each, column) for column in columns) for each in found]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    listing(frame, how, limit, "accounts")


@app.command("link")
def link_(
    whom: Annotated[str, typer.Argument(metavar="AFFILIATE|NAME", help="Whom it signs in.")],
    of_staff: Annotated[
        bool, typer.Option("--staff", help="An account, not an affiliate.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Print a link that signs somebody in to the portal, once; give it to nobody else."""
    settings = settings_of(database=database)
    who = Who(STAFF if of_staff else AFFILIATE, whom)
    with reading(open_book(settings)) as connection:
        known = (
            staff.account(connection, whom) if of_staff else person_of(connection, whom)
        ) is not None
    if not known:
        kind = "account" if of_staff else "affiliate"
        raise UsageError(f"there is no {kind} {whom!r}", "Ids and names are case-sensitive.")
    portal = portal_at(settings)
    from commission_engine.portal.entry import link_for

    link = link_for(portal, who)
    portal.note(who, "link printed")
    if as_json:
        print_json({"link": link, "minutes": portal.doorway.link_minutes})
        return
    out.print(link, soft_wrap=True)
    say(f"good once, for {portal.doorway.link_minutes} minutes, where `commission serve` runs")


@app.command("log")
def log_(
    database: Database = None, limit: Limit = 50, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List what happened at the portal's door, the newest first: sign-ins and refusals."""
    how = form(as_json, as_csv)
    with _doors(database) as doors:
        found = doors.happened(limit)
    rows = [(iso_instant(each.at * 1_000_000), each.who.kind, each.who.id, each.what, each.about)
            for each in found]  # fmt: skip
    columns = ("at", "kind", "who", "what", "about")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    listing(frame, how, limit, "entries")


@contextmanager
def _doors(database: str | None) -> Iterator[Doors]:
    """The portal's store beside the book, which is there or made."""
    settings = settings_of(database=database)
    open_book(settings)
    doors = Doors.beside(settings.database.value)
    try:
        yield doors
    finally:
        doors.close()


T = TypeVar("T")


def _changed(
    database: str | None,
    doing: str,
    given: Circumstances,
    how: Callable[[Connection, Circumstances], T],
) -> T:
    """Do it in one transaction, kept unless it is a dry run."""
    engine = open_book(settings_of(database=database))

    def unit(worker: Worker) -> T:
        with worker.writing(keep=not given.dry_run) as connection:
            return how(connection, given)

    with at_work(engine, doing) as worker:
        return again(lambda: unit(worker))
