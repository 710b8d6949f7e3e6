"""NACHA files of returns and notices of change: 94 columns, blocks of ten, totals of totals.

Each entry (record 6) has an addendum (record 7): type 99 says why it came back, type 98 what has to
be changed. Counts, entry hashes and sums of every batch and of the file have to agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from commission_engine.calendar import Day, day_of
from commission_engine.finance.reconcile.entry import BankFile, Entry, Said, Source
from commission_engine.money import Minor, plain

WIDTH, BLOCK = 94, 10
CREDITS, DEBITS = "01234", "56789"
"""The last digit of a transaction code: money to the payee, or from him."""
RETURN, CHANGE = "99", "98"
CODE, DECIMALS = "USD", 2


@dataclass(slots=True)
class _Totals:
    """What a control record counts: records 6 and 7, the sum of bank numbers, debits, credits."""

    records: int = 0
    hash: int = 0
    debit: Minor = 0
    credit: Minor = 0

    def add(self, other: "_Totals") -> None:
        self.records += other.records
        self.hash += other.hash
        self.debit += other.debit
        self.credit += other.credit


def read(source: Source, text: str) -> BankFile:
    """The entries of a file of returns; FileRefused where it is none or its totals disagree."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) == 1 and len(text) > WIDTH and not len(lines[0]) % WIDTH:
        lines = [text[at : at + WIDTH] for at in range(0, len(lines[0]), WIDTH)]
    return _Reader(source, [line.ljust(WIDTH) for line in lines]).read()


@dataclass(slots=True)
class _Reader:
    source: Source
    lines: list[str]
    number: int = 0
    entries: list[Entry] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)

    def read(self) -> BankFile:
        records = self._records()
        line, header = next(records)
        if header[:1] != "1" or header[34:37] != "094":
            raise self.source.refuse(line, "record 1", "the file does not begin with its header")
        created = header[23:29]
        whole, batches = _Totals(), 0
        for line, record in records:
            if record[0] == "5":
                whole.add(self._batch(record, records))
                batches += 1
            elif record[0] == "9":
                self._control(line, record, whole, batches)
                self._filled(records)
                name = f"{created}{header[33]}"
                accounts = tuple(dict.fromkeys(self.accounts))
                return BankFile("nacha", accounts, (name,), tuple(self.entries))
            else:
                raise self._out_of_place(line, record)
        raise self.source.refuse(self.number, "record 9", "the control of the file is missing")

    def _records(self) -> Iterator[tuple[int, str]]:
        for number, record in enumerate(self.lines, 1):
            self.number = number
            if len(record) != WIDTH:
                raise self.source.refuse(
                    self.number, "", f"has {len(record)} columns, not {WIDTH}",
                    "Get the file from the bank again.",
                )  # fmt: skip
            yield self.number, record

    def _batch(self, header: str, records: Iterator[tuple[int, str]]) -> _Totals:
        company, day = header[40:50].strip(), self._day(header[69:75])
        self.accounts.append(company)
        totals = _Totals()
        for line, record in records:
            if record[0] == "6":
                totals.add(self._entry(line, record, company, day, records))
            elif record[0] == "8":
                self._compare(line, "record 8", totals, record[4:10], record[10:20],
                              record[20:32], record[32:44])  # fmt: skip
                return totals
            else:
                raise self._out_of_place(line, record)
        raise self.source.refuse(self.number, "record 8", "the control of the batch is missing")

    def _entry(
        self, line: int, record: str, company: str, day: Day, records: Iterator[tuple[int, str]]
    ) -> _Totals:
        _, addendum = next(records, (line, " "))
        if addendum[0] != "7" or addendum[1:3] not in (RETURN, CHANGE):
            raise self.source.refuse(
                line, "record 6", "has no addendum of type 99 or 98, so it is no return",
                "Give the file of returns that the bank sent, not the one that was sent to it.",
            )  # fmt: skip
        minor = self._whole(line, "columns 30-39", record[29:39])
        is_return, credit = addendum[1:3] == RETURN, record[2] in CREDITS
        self.entries.append(
            Entry(
                line=line,
                said=Said.NOTICE if not is_return else Said.RETURNED if credit else Said.OTHER,
                account=company,
                booked_day=day,
                code=CODE,
                decimals=DECIMALS,
                amount_minor=minor,
                bank_reference=f"{record[79:94]} {addendum[6:21]}",
                references=(record[39:54].strip(),),
                payee=record[54:76].strip(),
                payee_account=record[12:29].strip(),
                reason_code=addendum[3:6].strip(),
                # What has to be changed is an account number; that stays in the bank's file.
                reason=addendum[35:79].strip() if is_return else "",
            )
        )
        bank = self._whole(line, "columns 4-11", record[3:11])
        debit, paid = (0, minor) if credit else (minor, 0)
        return _Totals(2, bank, debit, paid)

    def _control(self, line: int, record: str, whole: _Totals, batches: int) -> None:
        self._same(line, "record 9, columns 2-7", record[1:7], batches, "but the batches are")
        blocks = -(-line // BLOCK)
        self._same(line, "record 9, columns 8-13", record[7:13], blocks, "but the blocks are")
        self._compare(line, "record 9", whole, record[13:21], record[21:31], record[31:43],
                      record[43:55])  # fmt: skip

    def _compare(
        self,
        line: int,
        where: str,
        totals: _Totals,
        count: str,
        hash_: str,
        debit: str,
        credit: str,
    ) -> None:
        self._same(line, f"{where}, count", count, totals.records, "but records 6 and 7 are")
        ten_digits = totals.hash % 10**10
        self._same(line, f"{where}, entry hash", hash_, ten_digits, "but bank numbers come to")
        for name, said, comes in (
            ("debits", debit, totals.debit),
            ("credits", credit, totals.credit),
        ):
            if self._whole(line, f"{where}, {name}", said) != comes:
                raise self.source.unlike(
                    line,
                    f"{where}, {name}",
                    plain(int(said), DECIMALS),
                    plain(comes, DECIMALS),
                    "but the entries come to",
                )

    def _same(self, line: int, where: str, said: str, found: int, what: str) -> None:
        if self._whole(line, where, said) != found:
            raise self.source.unlike(line, where, int(said), found, what)

    def _whole(self, line: int, where: str, text: str) -> int:
        if not text.isascii() or not text.isdigit():
            raise self.source.refuse(line, where, f"{text!r} is not a number")
        return int(text)

    def _day(self, text: str) -> Day:
        try:
            return day_of(date(2000 + int(text[:2]), int(text[2:4]), int(text[4:])))
        except ValueError:
            raise self.source.refuse(
                self.number, "record 5, columns 70-75", f"{text!r} is not a date (YYMMDD)"
            ) from None

    def _filled(self, records: Iterator[tuple[int, str]]) -> None:
        for line, record in records:
            if record.strip("9"):
                raise self.source.refuse(line, "", "stands behind the control of the file")

    def _out_of_place(self, line: int, record: str) -> Exception:
        return self.source.refuse(line, f"record {record[0]!r}", "stands where it cannot")
