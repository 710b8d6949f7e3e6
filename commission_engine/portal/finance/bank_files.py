"""A bank's file from a page: what it would bring is shown, and just that is kept."""

from starlette.responses import RedirectResponse, Response

from commission_engine.book.connect import Connection
from commission_engine.book.digests import hashed
from commission_engine.finance.reconcile.keep import Reconciled, reconcile, sums, waiting
from commission_engine.finance.reconcile.read import Form, Named
from commission_engine.imports import Circumstances
from commission_engine.portal.access import FINANCE, Asked, Page
from commission_engine.portal.change import kept_as_shown
from commission_engine.portal.finance.bank import FORMS, listed
from commission_engine.portal.render import page
from commission_engine.portal.uploads import LARGEST, File, LookedAt, chosen, file_in, on_disk
from commission_engine.problems import UsageError

SHOWN = 50


def read(asked: Asked) -> Response:
    """Show what a bank's file would bring; keep it, where just that was looked at."""
    name = asked.form.get("looked_at", "")
    uploads, who = asked.portal.uploads, asked.visitor.who
    looked_at = uploads.found(who, name) if name else None
    files = looked_at.files if looked_at else _chosen(asked)
    done, kept = _reconcile(asked, files, looked_at.shown if looked_at else "")
    if kept:
        uploads.drop(who, name)
        asked.portal.note(who, "imported", files[0].name)
        return RedirectResponse("/bank?read=1", 303)
    if done.before is None:
        name = uploads.keep(who, LookedAt(files, _content(done)))
    return page(
        asked, "bank_file.html", file=files[0].name, done=done, sums=sums(done.rows),
        waits=waiting(done.rows), rows=listed(asked, done.rows.head(SHOWN)), looked_at=name,
        another=looked_at is not None, form=asked.form.get("form", Form.AUTO),
    )  # fmt: skip


def _chosen(asked: Asked) -> tuple[File, ...]:
    """The bank's file, and perhaps the one that says what its columns are."""
    found = chosen(asked.form, "file")
    mapping = file_in(asked.form, "mapping")
    return (found, mapping) if mapping else (found,)


def _reconcile(asked: Asked, files: tuple[File, ...], shown: str) -> tuple[Reconciled, bool]:
    """What comes of it, and whether it was kept: only where it is what was `shown`."""
    form = asked.form.get("form", Form.AUTO)
    if form not in FORMS:
        raise UsageError(f"{form!r} is no form of file", f"Choose one of {', '.join(FORMS)}.")
    own = asked.portal.settings.bank_accounts.value
    with on_disk(files) as paths:
        named = Named(paths[0], Form(form), paths[1] if paths[1:] else None)

        def how(connection: Connection, given: Circumstances) -> Reconciled:
            return reconcile(connection, named, files[0].data, given, own)

        return kept_as_shown(asked, how, _content, shown)


def _content(done: Reconciled) -> str:
    """The hash of what a file brings."""
    return hashed([done.sha256, done.known, done.pending, done.paid, done.back, done.rows.rows()])


PAGES = (Page("/bank", read, FINANCE, "POST", heavy=True, largest=LARGEST),)
