"""Payees into the book and out of it, sealed; and all that is sealed, sealed anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from commission_engine.book import audit, bank, facts, refusals
from commission_engine.book.connect import Connection
from commission_engine.book.facts import Intake
from commission_engine.book.lock import Worker
from commission_engine.finance.payees.details import Details
from commission_engine.finance.payees.judge import Judged, ids_of, judge
from commission_engine.finance.payees.seal import Keys, Sealed
from commission_engine.imports import Circumstances, Imported, spoken
from commission_engine.ingest.rows import Kind, Rows, read_rows
from commission_engine.money import iso_decimals
from commission_engine.problems import OutOfBalance, RowsRefused

_SEALED = {"affiliate": pl.Int64, "account_intake": pl.Int64, "key_name": pl.String,
           "sealed": pl.String}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImportedPayees:
    """What came of an import of payees; what holds now of those accepted, by affiliate's id, and
    what did before of those who were known."""

    imported: Imported
    accepted: Mapping[str, Details]
    before: Mapping[str, Details]

    @property
    def accounts(self) -> frozenset[str]:
        """Those whose account was another one before."""
        return frozenset(
            name
            for name, details in self.accepted.items()
            if (had := self.before.get(name)) and had.names_account != details.names_account
        )

    @property
    def changed(self) -> int:
        """How many accounts are others than before."""
        return len(self.accounts)


@dataclass(frozen=True, slots=True)
class Payee:
    """What the book has of an affiliate. `account_intake` is the intake that first named this
    account; `details` is None where the key is not there."""

    affiliate: int
    affiliate_id: str
    intake: int
    account_intake: int
    kind: str
    learned_at: str
    who: str
    key_name: str
    details: Details | None


def import_payees(
    worker: Worker, paths: Sequence[Path], keys: Keys, given: Circumstances
) -> ImportedPayees:
    """Import all `paths` as one set of rows, in one transaction; each row is all that holds of its
    affiliate from then on. RowsRefused with `strict` when a row is refused, FileRefused for a file
    that is none; then nothing is kept."""
    rows = read_rows(Kind.PAYEES, paths, given.told)
    with worker.writing(keep=not given.dry_run) as connection:
        return import_rows(connection, rows, keys, given)


def import_rows(
    connection: Connection, rows: Rows, keys: Keys, given: Circumstances
) -> ImportedPayees:
    """Judge rows of payees against the book and keep them, sealed; of the refused ones their
    places."""
    plan = facts.current_plan(connection)
    numbers = bank.numbers(connection, ids_of(rows))
    held = bank.payees(connection, pl.Series(list(numbers.values()), dtype=pl.Int64))
    known = {each.affiliate_id: each for each in _of(held, keys)}
    had = {name: each.details for name, each in known.items() if each.details}
    judged = judge(rows, numbers.__contains__, had, plan.decimals if plan else iso_decimals())
    done = Imported(Kind.PAYEES, rows.read, len(judged.accepted), judged.duplicates, judged.refused)
    if done.read != done.accepted + done.duplicate + done.rejected:
        raise OutOfBalance(f"payees: {done.read} rows read, but counted otherwise")
    if given.strict and done.refused:
        raise RowsRefused(
            f"{done.rejected} of {done.read} rows are refused, so nothing was imported"
            f" (--strict); the first: {spoken(done.refused[0])}",
            "`payees import --dry-run --json` shows all of them. Mend them, or import without"
            " --strict.",
        )
    came = ImportedPayees(done, judged.accepted, had)
    news = refusals.not_yet_refused(connection, Kind.PAYEES, judged.refused)
    if judged.accepted or news:
        what = _Intake(rows, judged, numbers, known, came.accounts, keys)
        _keep(connection, what, news, given)
    return came


@dataclass(frozen=True, slots=True)
class _Intake:
    rows: Rows
    judged: Judged
    numbers: Mapping[str, int]
    known: Mapping[str, Payee]
    changed: frozenset[str]
    keys: Keys


def _keep(connection: Connection, what: _Intake, news: Any, given: Circumstances) -> None:
    # No hash of a file: of a file with few rows it would give the account away to who tries all.
    files = [{"name": name, "bytes": path.stat().st_size, "sha256": "", "header": None}
             for path, name in zip(what.rows.paths, what.rows.names, strict=True)]  # fmt: skip
    judged = what.judged
    number = facts.open_intake(
        connection,
        Intake(bank.IMPORT, given.now, given.who, files),
        len(judged.accepted),
        judged.duplicates,
        len(judged.refused),
    )
    sealed = []
    for name, details in judged.accepted.items():
        before = what.known.get(name)
        same = before is not None and name not in what.changed
        made = what.keys.seal(details.sealable, _bound(name, number))
        since = before.account_intake if before and same else number
        sealed.append((what.numbers[name], since, made.key_name, made.sealed))
    frame = pl.DataFrame(sealed, schema=_SEALED, orient="row")
    added = bank.add_payees(connection, number, frame)
    aside = refusals.add_refusals(connection, Kind.PAYEES, news, number)
    told = {"accepted": len(judged.accepted), "duplicate": judged.duplicates,
            "rejected": len(judged.refused), "files": files,
            "accounts_changed": len(what.changed)}  # fmt: skip
    audit.learned(connection, given.signed, number, told, added, aside)


def payees(connection: Connection, keys: Keys, *, lenient: bool = False) -> list[Payee]:
    """What holds of everybody, by affiliate's id. UsageError where a key is missing, unless
    `lenient`."""
    return _of(bank.payees(connection), keys, lenient=lenient)


def history(connection: Connection, keys: Keys, whose: int) -> list[Payee]:
    """All that was ever said of one affiliate, by intake; what no key opens without details."""
    return _of(bank.history(connection, whose), keys, lenient=True)


def _of(found: pl.DataFrame, keys: Keys, *, lenient: bool = False) -> list[Payee]:
    return [
        Payee(
            **{name: row[name] for name in bank.PAYEES if name != "sealed"},
            details=None
            if lenient and not keys.opens(row["key_name"])
            else Details.of(
                keys.open(
                    Sealed(row["key_name"], row["sealed"]),
                    _bound(row["affiliate_id"], row["intake"]),
                )
            ),
        )
        for row in found.iter_rows(named=True)
    ]


def change_of(each: Payee, before: Payee | None) -> str:
    """What an intake has changed of a payee, beside the row before it in a history or listing."""
    if each.kind == bank.ROTATE:
        return "sealed anew"
    if each.account_intake != each.intake:
        return "name or address"
    return "account" if before and before.affiliate == each.affiliate else ""


def _bound(affiliate_id: str, intake: int) -> str:
    return f"payee {affiliate_id!r} of intake {intake}"


def bound_file(file: int) -> str:
    """What the content of a file to pay is bound to."""
    return f"file to pay of intake {file}"


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many payees and contents of files were sealed anew, with the key of this name."""

    payees: int
    files: int
    key_name: str


def rotate(connection: Connection, keys: Keys, given: Circumstances) -> Rotated:
    """Seal with the first key what is sealed with another one: what holds of payees, and files.

    What held before stays as it is, and can be read as long as its key is kept.
    """
    old = [each for each in payees(connection, keys) if each.key_name != keys.first]
    files = bank.contents(connection).filter(pl.col("key_name") != keys.first)
    done = Rotated(len(old), files.height, keys.first)
    if not old and not files.height:
        return done
    number = facts.open_intake(
        connection, Intake(bank.ROTATE, given.now, given.who), done.payees, 0, 0
    )
    sealed = []
    for each in old:
        content = each.details.sealable if each.details else b""
        made = keys.seal(content, _bound(each.affiliate_id, number))
        sealed.append((each.affiliate, each.account_intake, made.key_name, made.sealed))
    spans = bank.add_payees(connection, number, pl.DataFrame(sealed, _SEALED, orient="row"))
    contents = [{"file": row["file"], **_seal_of(keys, row)} for row in files.iter_rows(named=True)]
    if contents:
        spans |= bank.add_contents(connection, number, pl.DataFrame(contents))
    told = {"payees": done.payees, "files": done.files, "key": keys.first}
    audit.learned(connection, given.signed, number, told, spans)
    return done


def _seal_of(keys: Keys, row: Mapping[str, Any]) -> dict[str, str]:
    bound = bound_file(row["file"])
    made = keys.seal(keys.open(Sealed(row["key_name"], row["sealed"]), bound), bound)
    return {"key_name": made.key_name, "sealed": made.sealed}
