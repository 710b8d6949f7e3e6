"""Exchange rates: those of a day, and a table of them looked at and imported."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from commission_engine.book import exchange, newest
from commission_engine.book.connect import Connection
from commission_engine.book.digests import hashed
from commission_engine.finance.rates.keep import ImportedRates, import_rates
from commission_engine.imports import Circumstances
from commission_engine.portal.access import Asked, Page, Role
from commission_engine.portal.amounts import day_in, iso
from commission_engine.portal.change import kept_as_shown
from commission_engine.portal.finance.settlements import LOOK
from commission_engine.portal.paging import further
from commission_engine.portal.render import page
from commission_engine.portal.uploads import LARGEST, LookedAt, chosen, on_disk

MAKER = frozenset({Role.MAKER})
SHOWN, LAST_IMPORTS = 100, 5


def rates(asked: Asked) -> Response:
    """The rates of the last day before another one, and the last imports."""
    before = day_in(asked.query("before"))
    day = newest.day_of_rates(asked.book, before)
    found = exchange.rates(asked.book, day, day) if day is not None else None
    done = newest.changes(asked.book, None, LAST_IMPORTS, [exchange.IMPORT])
    return page(
        asked, "rates.html", day="" if day is None else iso(day),
        rows=found.select("code", "rate", "source").rows(named=True) if found is not None else [],
        more="" if day is None or newest.day_of_rates(asked.book, day) is None
        else further(asked, before=iso(day)),
        imports=[{"id": each.id, "at": each.at, "who": each.who, **each.told()} for each in done],
        may_import=asked.visitor.role in MAKER, just_imported=bool(asked.query("imported")),
    )  # fmt: skip


def import_(asked: Asked) -> Response:
    """Show what a table of rates would bring; keep it, where just that was looked at."""
    name, source = asked.form.get("looked_at", ""), asked.form.get("source", "").strip()
    uploads, who = asked.portal.uploads, asked.visitor.who
    looked_at = uploads.found(who, name) if name else None
    file = looked_at.files[0] if looked_at else chosen(asked.form, "file")
    with on_disk([file]) as paths:

        def how(connection: Connection, given: Circumstances) -> ImportedRates:
            return import_rates(connection, paths, source, given)

        done, kept = kept_as_shown(asked, how, _content, looked_at.shown if looked_at else "")
    if kept:
        uploads.drop(who, name)
        asked.portal.note(who, "imported", file.name)
        return RedirectResponse("/rates?imported=1", 303)
    name = uploads.keep(who, LookedAt((file,), _content(done)))
    return page(asked, "rates_file.html", file=file.name, done=done, rows=_rows(done),
                looked_at=name, source=source, another=looked_at is not None)  # fmt: skip


def _rows(done: ImportedRates) -> list[dict[str, Any]]:
    """What would be news, the last days first."""
    news = sorted(done.news, key=lambda each: (-each.day, each.code))
    return [{**each._asdict(), "day": iso(each.day)} for each in news[:SHOWN]]


def _content(done: ImportedRates) -> str:
    """The hash of what a table brings."""
    return hashed([done.read, [list(each) for each in done.news]])


PAGES = (
    Page("/rates", rates, LOOK, menu="Rates"),
    Page("/rates", import_, MAKER, "POST", heavy=True, largest=LARGEST),
)
