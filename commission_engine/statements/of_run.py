"""The HTML and PDF documents that a run writes, the same whenever they are made again."""

import os
from collections.abc import Callable, Iterator, Sequence

import polars as pl

from commission_engine.book import letterheads
from commission_engine.book.connect import Connection, url_of
from commission_engine.book.lines import DATABASE
from commission_engine.book.runs import Run
from commission_engine.problems import CommissionError
from commission_engine.publish.folder import Made
from commission_engine.statements.look import Look
from commission_engine.statements.privacy import Privacy
from commission_engine.statements.render import FORMATS, Wanted, rendered
from commission_engine.statements.stationery import Stationery

ENDINGS = tuple(f".{each}" for each in FORMATS)


def has_papers(run: Run) -> bool:
    """Whether the run has documents that are no CSV."""
    return "letterhead" in run.outputs


def why_not_again(connection: Connection, run: Run) -> str:
    """Why the run's documents that are no CSV cannot be made again here; "" where they can, or
    where it has none."""
    kept = _kept(connection, run)
    return kept.unlike(_key(), run.outputs["formats"]) if kept else ""


def look_of(connection: Connection, run: Run) -> Look | None:
    """How the run's own documents look; None where it has none that are no CSV."""
    kept = _kept(connection, run)
    return kept.look if kept else None


def maker(
    connection: Connection, run: Run, programme: str, kept_in: str | None
) -> Callable[[pl.Series, Sequence[str]], Iterator[Made]]:
    """What makes them, of these affiliates and in these formats: `publish.record.Record.rendered`.

    It reads the book by connections of its own, in several processes where there are many.
    CommissionError where they would not have the bytes that they had.
    """

    def made(readers: pl.Series, formats: Sequence[str]) -> Iterator[Made]:
        kept = _kept(connection, run)
        why = why_not_again(connection, run)
        if kept is None or why:
            raise CommissionError(
                f"documents of the run cannot be made as they were: {why or 'it names no head'}",
                "Make that as it was to write them again; `commission statements render` makes"
                " them in today's form.",
            )
        privacy = Privacy(programme, _key())
        wanted = Wanted(
            url_of(connection), run.day, kept_in or DATABASE, tuple(formats), kept.look, privacy
        )
        for each in rendered(wanted, readers.to_list()):
            yield each._replace(name=f"statements/{each.name}")

    return made


def _kept(connection: Connection, run: Run) -> Stationery | None:
    name = run.outputs.get("letterhead")
    return Stationery.read(letterheads.content(connection, name)) if name else None


def _key() -> bytes:
    return Privacy.of("", os.environ).key
