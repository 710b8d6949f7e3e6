"""Bank formats on the way of every file to pay: judged, made once, kept sealed in the book."""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import polars as pl

from commission_engine.book import bank, facts, runs
from commission_engine.book import payouts as book
from commission_engine.book.bank import BankFile
from commission_engine.book.connect import Connection
from commission_engine.book.digests import Spans
from commission_engine.calendar import Day, date_of
from commission_engine.debtor import Debtor
from commission_engine.finance.bank.days import first_open
from commission_engine.finance.bank.form import BankFormat, File, Payment
from commission_engine.finance.bank.nacha import Nacha
from commission_engine.finance.bank.preflight import parted, sharing, why_not
from commission_engine.finance.bank.providers import PayPal, Wise
from commission_engine.finance.bank.sepa import Sepa
from commission_engine.finance.bank.template import read_template
from commission_engine.finance.payees.details import Details
from commission_engine.finance.payees.keep import bound_file, payees
from commission_engine.finance.payees.seal import Keys, Sealed
from commission_engine.finance.references import short_reference
from commission_engine.ledger.life import State
from commission_engine.payouts.choose import NOTHING, stepped
from commission_engine.payouts.formats import Making
from commission_engine.problems import CommissionError, UsageError

FORMATS: Mapping[str, Callable[[], BankFormat]] = {
    "sepa": Sepa, "nacha": Nacha, "paypal": PayPal, "wise": Wise,
}  # fmt: skip


def format_of(name: str, debtor: Debtor) -> BankFormat:
    """The format of a name: one of FORMATS, or a template's name or path."""
    if name in FORMATS:
        return FORMATS[name]()
    return read_template(name, Path(debtor.templates))


class ForBanks:
    """A bank's format as an export asks for it."""

    def __init__(self, form: BankFormat, debtor: Debtor, keys: Keys, on: Day | None = None) -> None:
        """`on` is the day on which the bank is asked to pay; None: the first after the last run."""
        form.check_debtor(debtor)
        if on is not None and form.is_open is None:
            raise UsageError(
                f"--on: there is no day in files of the format {form.name}", "Leave it out."
            )
        self.name, self.ending = form.name, form.ending
        self._form, self._debtor, self._keys, self._on = form, debtor, keys, on
        self._payees: dict[str, Details] = {}

    def judged(self, connection: Connection, found: pl.DataFrame) -> pl.DataFrame:
        """As `payouts.formats.Format`."""
        if found.height:
            self._file(connection)  # also where nothing comes into a file: the day is judged first
        if not self._payees:
            self._payees = {each.affiliate_id: each.details for each in
                            payees(connection, self._keys) if each.details}  # fmt: skip
            self._shared = sharing(self._payees)
        whys, elsewhere = [], []
        for row in found.iter_rows(named=True):
            whose = row["affiliate_id"]
            payee = self._payees.get(whose)
            if payee is None:
                whys.append(f"{whose} has no account: commission payees import FILE")
                elsewhere.append("")
            elif payee.method != self._form.method:
                whys.append("")
                elsewhere.append(payee.method)
            else:
                payment = _payment(row, payee)
                whys.append(why_not(self._form, payment, self._shared, self._debtor))
                elsewhere.append("")
        return found.with_columns(
            pl.Series("why", whys, dtype=pl.String),
            pl.Series("elsewhere", elsewhere, dtype=pl.String),
        )

    def parts(self, found: pl.DataFrame) -> Sequence[pl.DataFrame]:
        """As `payouts.formats.Format`."""
        amounts = list(found.select("paid_code", "paid_minor").iter_rows())
        return [found[places] for places in parted(amounts, self._form.limits)]

    def bytes_of(self, connection: Connection, making: Making) -> bytes:
        """As `payouts.formats.Format`."""
        file = self._file(connection)
        place = sum(
            (each.format, each.created_day) == (file.format, file.created_day)
            for each in bank.bank_files(connection)
        )
        return self._form.bytes_of(
            File(
                payments=[_payment(row, self._payees[row["affiliate_id"]])
                          for row in making.payouts.iter_rows(named=True)],
                reference=making.name.removeprefix("payments-").rpartition(".")[0],
                programme=making.plan.name,
                debtor=self._debtor,
                created_day=file.created_day,
                execution_day=file.execution_day,
                place=place,
            )
        )  # fmt: skip

    def keep(self, connection: Connection, making: Making, content: bytes) -> Spans:
        """As `payouts.formats.Format`."""
        file = self._file(connection, making.intake)
        spans = bank.add_file(connection, file)
        made = self._keys.seal(content, bound_file(file.file))
        row = {"file": file.file, "key_name": made.key_name, "sealed": made.sealed}
        return spans | bank.add_contents(connection, file.file, pl.DataFrame([row]))

    def _file(self, connection: Connection, intake: int = 0) -> BankFile:
        """What the book has of a file, of the last run's date."""
        created = runs.completed(connection)[-1].day
        is_open = self._form.is_open
        if is_open is None:
            return BankFile(intake, self.name, created)
        if self._on is None:
            return BankFile(intake, self.name, created, first_open(created + 1, is_open))
        if self._on <= created:
            raise UsageError(
                f"--on: {date_of(self._on)} is not after the last run, of {date_of(created)}",
                f"Write such as {date_of(first_open(created + 1, is_open))}. {NOTHING}",
            )
        if not is_open(self._on):
            raise UsageError(
                f"--on: banks do not pay {self.name} on {date_of(self._on)}",
                f"The next day is {date_of(first_open(self._on, is_open))}. {NOTHING}",
            )
        return BankFile(intake, self.name, created, self._on)


def _payment(row: Mapping[str, object], payee: Details) -> Payment:
    return Payment(
        payout_id=str(row["payout_id"]),
        affiliate_id=str(row["affiliate_id"]),
        currency=str(row["paid_code"]),
        amount_minor=int(str(row["paid_minor"])),
        decimals=int(str(row["paid_decimals"])),
        created_day=int(str(row["run_day"])),
        payee=payee,
    )


def opened(connection: Connection, file: int, keys: Keys) -> bytes:
    """The content of a file in a bank's format, as it was made."""
    (row,) = bank.contents(connection, file).iter_rows(named=True)
    return keys.open(Sealed(row["key_name"], row["sealed"]), bound_file(file))


def faults(connection: Connection, keys: Keys) -> list[str]:
    """What is wrong with the sealed files: those that the keys open have the bytes that were
    exported, and name the payouts that were exported with them. What they do not open is not
    looked at."""
    plan = facts.current_plan(connection)
    if plan is None:
        return []
    names = dict(bank.contents(connection).select("file", "key_name").iter_rows())
    found = []
    for file in book.payment_files(connection):
        if not file.format or not keys.opens(names.get(file.intake, "")):
            continue
        try:
            content = opened(connection, file.intake, keys)
        except CommissionError as why:
            found.append(f"{file.name}: {why.message}")
            continue
        if sha256(content).hexdigest() != file.sha256:
            found.append(f"{file.name}: what is sealed of it does not give its hash")
        members = stepped(connection, plan, file.intake, State.EXPORTED)["payout_id"]
        if not _names(content.decode("utf-8"), members.to_list()):
            found.append(f"{file.name}: it does not pay what was exported with it")
    return found


def _names(content: str, payouts: Sequence[str]) -> bool:
    """Whether a file pays these payouts: where it has long references, no others."""
    said = set(_PAYOUT.findall(content))
    return (
        said == set(payouts) if said else all(short_reference(each) in content for each in payouts)
    )


_PAYOUT = re.compile(r"po-\d{8}-[0-9a-v]{16}", re.ASCII)
