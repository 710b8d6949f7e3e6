"""The kinds of input file and the columns of each."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from commission_engine.problems import FileRefused

MAX_COLUMNS = 1000


class Kind(StrEnum):
    """What the rows of a file are."""

    AFFILIATES = "affiliates"
    REFERRALS = "referrals"
    EARNINGS = "earnings"
    PAYEES = "payees"


FACTS = (Kind.AFFILIATES, Kind.REFERRALS, Kind.EARNINGS)
"""The kinds that a run decides from; payees are imported by themselves."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The known columns of a kind; any other column is kept with its row."""

    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        return self.required + self.optional


COLUMNS: Mapping[Kind, Columns] = MappingProxyType(
    {
        Kind.AFFILIATES: Columns(
            ("affiliate_id",), ("name", "email", "country", "locale", "status")
        ),
        Kind.REFERRALS: Columns(("affiliate_id", "referrer_id"), ("since",)),
        Kind.EARNINGS: Columns(
            ("event_id", "affiliate_id", "occurred_at", "amount", "currency"), ("reverses",)
        ),
        Kind.PAYEES: Columns(
            ("affiliate_id", "payee_name", "method"),
            (
                *("iban", "bic", "routing_number", "account_number", "account_type", "email"),
                *("street_name", "building_number", "postcode", "town", "country", "currency"),
            ),
        ),
    }
)


def check_names(path: Path, kind: Kind, names: Sequence[str], place: str) -> None:
    """Raise FileRefused unless every required column is there and no known one is there twice.

    An unknown column may be there as often as it likes: nobody has to choose between its values.
    `place` says where the names stand ("line 1" of a CSV file, "the schema" of a table).
    """
    if len(names) > MAX_COLUMNS:
        raise FileRefused(
            f"{path}: {place} names {len(names)} columns where {MAX_COLUMNS} are the most",
            "Leave out the columns that nobody reads.",
        )
    times = Counter(names)
    doubled = [name for name in sorted(COLUMNS[kind].known) if times[name] > 1]
    if doubled:
        raise FileRefused(
            f"{path}: {place} names the column {_listed(doubled)} more than once",
            "Every column has its own name; remove or rename the doubled one.",
        )
    missing = [name for name in COLUMNS[kind].required if name not in names]
    if kind is Kind.PAYEES:  # a file without a header has an account in its place
        names = [name if name in COLUMNS[kind].known else "…" for name in names]
    if missing:
        word = "column" if len(missing) == 1 else "columns"
        raise FileRefused(
            f"{path}: {place} has no {word} {_listed(missing)}; it has {_listed(names)}",
            _what_would_be_right(kind, names, missing),
        )


def _what_would_be_right(kind: Kind, names: Sequence[str], missing: Sequence[str]) -> str:
    if len(names) == 1 and any(sign in names[0] for sign in ";\t|"):
        return "Separate the columns with commas."
    taken = set(COLUMNS[kind].known)
    plain = {name.strip().casefold().replace(" ", "_"): name for name in names if name not in taken}
    renamed = [
        f"{plain[near[0]]!r} to {wanted!r}"
        for wanted in missing
        if (near := difflib.get_close_matches(wanted, list(plain), 1, 0.75))
    ]
    if renamed:
        return f"Names are exact; perhaps rename {', '.join(renamed)}."
    return f"A file of {kind} needs {_listed(COLUMNS[kind].required)} in its header."


def _listed(names: Sequence[str]) -> str:
    """The names for a sentence; only the first of very many."""
    shown = ", ".join(repr(name[:60]) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
