"""What the tables of a book are made of: their columns, and two kinds of table."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's STRICT tables know INTEGER and TEXT only; its INTEGER holds 64 bits.
Big = BigInteger().with_variant(Integer(), "sqlite")
Small = SmallInteger().with_variant(Integer(), "sqlite")


def table(name: str, *parts: Column[Any] | CheckConstraint) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def keyed(name: str, *parts: Column[Any] | CheckConstraint | ForeignKeyConstraint) -> Table:
    """A table that SQLite stores in the order of its key, without a row number beside it."""
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=False)


def key(name: str) -> Column[Any]:
    return Column(name, Big, primary_key=True, autoincrement=False)


def big(name: str) -> Column[Any]:
    return Column(name, Big, nullable=False)


def day(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False)


def small(name: str) -> Column[Any]:
    return Column(name, Small, nullable=False)


def text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)
