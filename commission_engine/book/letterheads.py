"""With what a run's HTML and PDF documents are made: kept once, named by its SHA-256."""

from hashlib import sha256

import sqlalchemy as sa

from commission_engine.book.schema import letterhead
from commission_engine.problems import OutOfBalance


def add(connection: sa.Connection, content: str) -> str:
    """The SHA-256 by which this text is found from now on."""
    name = sha256(content.encode()).hexdigest()
    there = sa.select(letterhead.c.sha256).where(letterhead.c.sha256 == name)
    if connection.execute(there).first() is None:
        connection.execute(sa.insert(letterhead).values(sha256=name, content=content))
    return name


def content(connection: sa.Connection, name: str) -> str:
    """The text of this SHA-256; OutOfBalance where the book has another or none."""
    query = sa.select(letterhead.c.content).where(letterhead.c.sha256 == name)
    found = connection.execute(query).scalar_one_or_none()
    if found is None or sha256(found.encode()).hexdigest() != name:
        raise OutOfBalance(f"the letterhead {name} of a run is not in the book as it was")
    return str(found)
