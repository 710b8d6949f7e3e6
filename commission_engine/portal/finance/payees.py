"""To which accounts affiliates are paid: a file of payees looked at and imported, and what is known
of one. Accounts are masked, as the command has them."""

from typing import Any

import polars as pl
from starlette.responses import RedirectResponse, Response

from commission_engine.book import bank, named, newest
from commission_engine.book.connect import Connection
from commission_engine.book.digests import hashed
from commission_engine.calendar import date_of
from commission_engine.finance.payees.keep import (
    ImportedPayees,
    change_of,
    history,
    import_rows,
)
from commission_engine.finance.payees.seal import Keys
from commission_engine.imports import Circumstances
from commission_engine.ingest.rows import Kind, read_rows
from commission_engine.portal.access import Asked, Page, Role
from commission_engine.portal.change import kept_as_shown
from commission_engine.portal.finance.settlements import LOOK
from commission_engine.portal.render import page
from commission_engine.portal.uploads import LARGEST, LookedAt, chosen, on_disk
from commission_engine.problems import UsageError

MAKER = frozenset({Role.MAKER})
SHOWN, REFUSED_SHOWN, LAST_IMPORTS = 50, 100, 5


def payees(asked: Asked) -> Response:
    """The last imports; of one affiliate, if one is named, all that was ever known, masked."""
    whose = asked.query("affiliate").strip()
    done = newest.changes(asked.book, None, LAST_IMPORTS, [bank.IMPORT])
    return page(
        asked, "payees.html", affiliate=whose, known=_known(asked, whose) if whose else [],
        imports=[{"id": each.id, "at": each.at, "who": each.who, **each.told()} for each in done],
        may_import=asked.visitor.role in MAKER, just_imported=bool(asked.query("imported")),
    )  # fmt: skip


def _known(asked: Asked, whose: str) -> list[dict[str, Any]]:
    number = named.number_of(asked.book, whose)
    if number is None:
        raise UsageError(f"there is no affiliate {whose!r}", "Ids are case-sensitive.")
    found = history(asked.book, Keys.of(asked.portal.environment), number)
    numbers = pl.Series([number], dtype=pl.Int64)
    free = bank.cooling(asked.book, numbers, asked.portal.settings.debtor.cool_off_days)
    until = date_of(free[number]).isoformat() if number in free else ""
    return [
        {
            "at": each.learned_at, "who": each.who, "details": each.details,
            "account": each.details.account if each.details else f"sealed with {each.key_name}",
            "change": change_of(each, found[place - 1] if place else None),
            "until": until if each is found[-1] else "",
        }
        for place, each in enumerate(found)
    ][::-1]  # fmt: skip


def import_(asked: Asked) -> Response:
    """Show what a file of payees would bring; keep it, where just that was looked at."""
    name = asked.form.get("looked_at", "")
    uploads, who = asked.portal.uploads, asked.visitor.who
    looked_at = uploads.found(who, name) if name else None
    file = looked_at.files[0] if looked_at else chosen(asked.form, "file")
    if file.name.lower().endswith(".parquet"):  # a few bytes of it can be very many rows
        raise UsageError("Parquet is not taken here", "Give: commission payees import FILE")
    keys = Keys.of(asked.portal.environment)
    with on_disk([file]) as paths:
        rows = read_rows(Kind.PAYEES, paths)

        def how(connection: Connection, given: Circumstances) -> ImportedPayees:
            return import_rows(connection, rows, keys, given)

        done, kept = kept_as_shown(asked, how, _content, looked_at.shown if looked_at else "")
    if kept:
        uploads.drop(who, name)
        asked.portal.note(who, "imported", file.name)
        return RedirectResponse("/payees?imported=1", 303)
    name = uploads.keep(who, LookedAt((file,), _content(done)))
    return page(
        asked, "payees_file.html", file=file.name, imported=done.imported, looked_at=name,
        changed=done.changed, days=asked.portal.settings.debtor.cool_off_days, rows=_rows(done),
        refused=done.imported.refused[:REFUSED_SHOWN],
        more=max(0, done.imported.rejected - REFUSED_SHOWN), another=looked_at is not None,
    )  # fmt: skip


def _rows(done: ImportedPayees) -> list[dict[str, str]]:
    """What would be news, masked: those first whose account is another one."""
    accounts = done.accounts
    names = sorted(done.accepted, key=lambda name: (name not in accounts, name))
    return [
        {
            "affiliate_id": name, "payee_name": details.payee_name, "method": details.method,
            "account": details.account, "currency": details.currency,
            "country": details.country,
            "before": done.before[name].account if name in accounts else "",
            "news": "another account" if name in accounts else
                    "name or address" if name in done.before else "new",
        }
        for name in names[:SHOWN]
        for details in [done.accepted[name]]
    ]  # fmt: skip


def _content(done: ImportedPayees) -> str:
    """The hash of what a file brings; it stays in memory, as accounts could be tried against it."""
    return hashed(
        [
            *(done.imported.read, done.imported.duplicate, sorted(done.accounts)),
            [[each.line, str(each.code)] for each in done.imported.refused],
            [[name, each.sealable.decode()] for name, each in done.accepted.items()],
        ]
    )


PAGES = (
    Page("/payees", payees, LOOK, menu="Payees"),
    Page("/payees", import_, MAKER, "POST", heavy=True, largest=LARGEST),
)
