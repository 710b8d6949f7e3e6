"""A file of a bank: which form it has, and what is in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from commission_engine.finance.reconcile import camt, mt940, nacha, table
from commission_engine.finance.reconcile.entry import NOTHING, BankFile, Source, in_range
from commission_engine.finance.reconcile.mapping import read_mapping
from commission_engine.problems import FileRefused, UsageError

MOST_BYTES = 64 << 20
"""A file that is larger is no statement that a person can answer for."""


class Form(StrEnum):
    """The form of a bank's file."""

    AUTO = "auto"
    CAMT = "camt"
    MT940 = "mt940"
    NACHA = "nacha"
    PAYPAL = "paypal"
    WISE = "wise"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a person names: the form that it is said to have, and the mapping of its columns
    (None: not given)."""

    path: Path
    form: Form = Form.AUTO
    mapping: Path | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read: its name, the SHA-256 and the number of its bytes, what is in it."""

    name: str
    sha256: str
    bytes: int
    file: BankFile


def load(path: Path) -> bytes:
    """The bytes of a file; FileRefused where it is too large, or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as why:
        raise FileRefused(f"{path}: cannot be read: {why.strerror}", "Check the name.") from why
    if len(data) > MOST_BYTES:
        raise FileRefused(
            f"{path}: is larger than {MOST_BYTES >> 20} MB",
            f"Ask the bank for shorter statements. {NOTHING}",
        )
    return data


def read(named: Named, data: bytes, decimals: Mapping[str, int], own: Iterable[str]) -> Read:
    """What is in a file, of which `data` are the bytes.

    `decimals` are those of every known currency, `own` the accounts that may be in it (none: any).
    FileRefused where it is not whole, or not ours.
    """
    form = named.form
    if (form is Form.CSV) != (named.mapping is not None) and not (
        form is Form.AUTO and named.mapping
    ):
        raise UsageError(
            "--format csv and --map FILE go together",
            "A TOML file says what the columns are: docs/reconcile.md.",
        )
    source = Source(str(named.path), data, decimals)
    if named.mapping:
        columns = read_mapping(named.mapping)
        found = table.read(source, _decoded(source, columns.encoding), columns)
    else:
        form = _form_of(source) if form is Form.AUTO else form
        found = _READERS[form](source)
    _refuse_others(source, found, own)
    if not all(in_range(each.amount_minor) for each in found.entries):
        raise source.refuse(1, "", "an amount is larger than any that can be kept")
    return Read(named.path.name, sha256(data).hexdigest(), len(data), found)


def _refuse_others(source: Source, found: BankFile, own: Iterable[str]) -> None:
    ours = {_plain(each) for each in own}
    for account in found.accounts:
        if ours and _plain(account) not in ours and account not in table.PROVIDERS:
            raise FileRefused(
                f"{source.name}: is about the account {account}, which is none of bank.accounts",
                f"Give the file of your own account, or add this one. {NOTHING}",
            )


def _plain(account: str) -> str:
    return "".join(account.split()).upper()


def _decoded(source: Source, *encodings: str) -> str:
    for encoding in encodings:
        try:
            return source.data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError as why:
            line = source.data.count(b"\n", 0, why.start) + 1
    raise source.refuse(
        line,
        "",
        f"is not {' or '.join(encodings)}",
        "Get the file from the bank again, without an editor in between.",
    )


def _camt(source: Source) -> BankFile:
    return camt.read(source)


def _mt940(source: Source) -> BankFile:
    return mt940.read(source, _decoded(source, "utf-8", "cp1252"))


def _nacha(source: Source) -> BankFile:
    return nacha.read(source, _decoded(source, "ascii"))


def _provider(form: Form) -> Callable[[Source], BankFile]:
    columns = table.PROVIDERS[str(form)]
    return lambda source: table.read(source, _decoded(source, "utf-8"), columns)


_READERS: Mapping[Form, Callable[[Source], BankFile]] = {
    Form.CAMT: _camt,
    Form.MT940: _mt940,
    Form.NACHA: _nacha,
    Form.PAYPAL: _provider(Form.PAYPAL),
    Form.WISE: _provider(Form.WISE),
}


def _form_of(source: Source) -> Form:
    start = source.data[:65_536].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] == b"<" or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Form.CAMT
    if start[:3] == b"101" and start[34:37] == b"094":
        return Form.NACHA
    if start[:4] == b":20:" or start[:3] == b"{1:" or b"\n:60F:" in start:
        return Form.MT940
    header = table.header_of(start.decode("utf-8", "replace"))
    for name, columns in reversed(table.PROVIDERS.items()):
        if columns.fits(header):
            return Form(name)
    raise FileRefused(
        f"{source.name}: is none of {', '.join(form for form in Form if form is not Form.AUTO)}",
        f"Say which with --format, or what its columns are with --map. {NOTHING}",
    )
