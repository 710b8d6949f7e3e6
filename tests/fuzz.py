"""Rows and files changed by chance, imported into a real book among good rows.

    python tests/fuzz.py --seed 1 --cases 100000
    python tests/fuzz.py --seed 1 --only 71        case 71 of this seed alone
    python tests/fuzz.py --seed 1 --table --cases 2000    bytes of a Parquet file changed instead

Case N of a seed is always the same. It is a row (499 of 500) or a whole file. Of a thousand cases
the rows come in one file, each with good rows around it. What came of every row, and the values in
the book, are compared with `letter.py`; the good rows, with what they are without the others; and
the same file again must change nothing. Exit code 1 and the command for a case that fails.
Of a changed table only the counts are looked at: its values may be others without a sign of it.
"""

import argparse
import io
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from functools import cache
from random import Random

import letter
import polars as pl
from hostile import (
    AMOUNTS,
    CURRENCIES,
    DECIMALS,
    IDS,
    REQUIRED_OF_EARNINGS,
    TIMES,
    Came,
    Desk,
    desk,
    peak_megabytes,
)

AT_ONCE = 1000
FILE_EVERY = 500
KINDS = ("earnings", "referrals", "affiliates")

HEADERS = {
    "earnings": b"event_id,affiliate_id,occurred_at,amount,currency,reverses,note\n",
    "referrals": b"affiliate_id,referrer_id,since,note\n",
    "affiliates": b"affiliate_id,name,email,country,locale,status,note\n",
}
GOODS = 20
"""So many good rows are named by others; more stand among those."""

SIGNS: list[str] = [
    *map(chr, range(0x21)),
    *"\",;:.+-_eEZTz019\x7f\x80\x85\xa0\xad\\'=@/%",
    *"äßİı\u0301\u0660\u200b\u200d\u2028\u2029\u202e\u2212\ufeff\ufffd\uffff\uff11",
    "\U0001f600",
    "\U0010ff00",
    "\U0010ffff",
]
BYTES = [
    b'"',
    b'"',
    b'""',
    b",",
    b",,",
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\x00",
    b"\x1a",
    b" ",
    b";",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xfe\xff",
    b"\xc3",
    b"\xa4",
    b"\xed\xa0\x80",
    b"\xf0\x9f",
    b"\xc0\x80",
]
WORDS = {
    "id": [text for text, _ in IDS if len(text) < 100],
    "amount": [text for text, _, _ in AMOUNTS if len(text) < 500],
    "currency": [text for _, text, _ in CURRENCIES if len(text) < 100] + ["USD", "JPY", "KWD"],
    "time": [text for text, _ in TIMES if len(text) < 100],
    "status": ["", "active", "suspended", "closed", "Active", "active ", "\x00", "x"],
    "text": ["", "Ann", "a\x00b", "\x01", "=1+1", "a,b", 'a"b', "a\nb", "a\r\nb", "😀", "x" * 300],
}
FORMS = {
    "earnings": ("id", "id", "time", "amount", "currency", "id", "text"),
    "referrals": ("id", "id", "time", "text"),
    "affiliates": ("id", "text", "text", "text", "text", "status", "text"),
}


# -- good rows


def good_row(kind: str, number: int) -> bytes:
    """All its fields are quoted, so that it ends whatever quote is left open before it."""
    name = f"firm-{number}"
    fields = {
        "earnings": [name, "ann", "2026-01-05T10:00:00Z", f"{number % 97}.5", "USD", "", "n"],
        "referrals": [name, f"firm-{number // 2}" if number > 1 else "top", "", "n"],
        "affiliates": [name, f"Name {number}", "", "DE", "", "", "n"],
    }[kind]
    return written(fields, quoted=True)


def written(fields: Sequence[str], quoted: bool = False) -> bytes:
    def one(text: str) -> str:
        needs = quoted or any(sign in text for sign in '",\r\n')
        return '"' + text.replace('"', '""') + '"' if needs else text

    return ",".join(map(one, fields)).encode(errors="surrogatepass") + b"\n"


# -- cases


def kind_of(number: int) -> str:
    return KINDS[number // AT_ONCE % len(KINDS)]


def is_file(number: int) -> bool:
    return number % FILE_EVERY == FILE_EVERY - 1


def fields_of(kind: str, number: int, chance: Random) -> list[str]:
    """A row without fault, as a rule."""
    name, other = f"c{number}", f"c{number + chance.randint(-4, 4)}"
    order = f"firm-{chance.randrange(GOODS)}"
    if kind == "referrals":
        parent = chance.choice([order, other, other, "top"])
        return [name, parent, chance.choice(["", "2026-01-05", "2026-02-01T00:00Z"]), ""]
    if kind == "affiliates":
        return [chance.choice([name] * 9 + [other]), "Ann", "a@b.c", "DE", "de", "active", ""]
    amount = f"{chance.randint(-50, 50)}.{chance.randrange(100):02}"
    row = [chance.choice([name] * 9 + [other]), "ann", "2026-01-06", amount, "USD", "", ""]
    if chance.random() < 0.3:
        row[3], row[5] = f"-{chance.randrange(20)}.25", chance.choice([order] * 5 + [other])
    return row


def row_of(seed: int, number: int) -> bytes:
    """One row, changed: its lines, the last one ended."""
    chance = Random(f"fuzz {seed} {number}")
    kind = kind_of(number)
    fields = fields_of(kind, number, chance)
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        place = chance.randrange(len(fields))
        fields[place] = changed(fields[place], FORMS[kind][place], chance)
    data = written(fields, chance.random() < 0.2)[:-1]
    for _ in range(chance.choice([0, 0, 0, 0, 1, 2])):
        data = damaged(data, chance)
    return data + b"\n"


def changed(text: str, form: str, chance: Random) -> str:
    at = chance.randint(0, len(text))
    end = min(len(text), at + chance.choice([0, 1, 1, 2]))
    how = chance.randrange(8)
    if how < 4:
        return chance.choice(WORDS[form])
    if how == 4:
        return text[:at] + text[end:]
    if how == 5:
        return text + text[at:end] * chance.choice([1, 2, 70])
    if how == 6:
        code = chance.randrange(0x30000 - 0x800)
        return text[:at] + chr(code if code < 0xD800 else code + 0x800) + text[end:]
    return text[:at] + chance.choice(SIGNS) + text[end:]


def damaged(data: bytes, chance: Random) -> bytes:
    at = chance.randint(0, len(data))
    end = min(len(data), at + chance.choice([0, 1, 1, 2, 8]))
    how = chance.randrange(6)
    if how == 0:
        return data[:at] + data[end:]
    if how == 1:
        return data[:at] + data[at:end] * 2 + data[end:]
    if how == 2:
        return data[:at] + bytes([chance.randrange(256)]) + data[end:]
    if how == 3:
        return data[:at]
    return data[:at] + chance.choice(BYTES) + data[end:]


def file_of(seed: int, number: int) -> bytes:
    """A whole file, changed anywhere."""
    chance = Random(f"fuzz {seed} {number}")
    kind = kind_of(number)
    rows = [good_row(kind, 1000 + n).replace(b"firm-1", b"c-") for n in range(3)]
    rows += [row_of(seed, number - 1 - n) for n in range(chance.randrange(4))]
    data = HEADERS[kind] + b"".join(chance.sample(rows, len(rows)))
    for _ in range(chance.randint(1, 4)):
        if chance.random() < 0.1:
            data = data.replace(b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", b"\x85", b""]), 3)
        elif chance.random() < 0.05:
            data = data.decode(errors="replace").encode(chance.choice(["utf-8-sig", "utf-16"]))
        else:
            head = chance.random() < 0.3
            cut = len(HEADERS[kind]) if head else len(data)
            data = damaged(data[:cut], chance) + data[cut:]
    return data


def batch(kind: str, rows: Sequence[bytes]) -> tuple[bytes, bytes]:
    """A file of good rows with the others among them, and the file of the good rows alone."""
    goods = [good_row(kind, number) for number in range(GOODS)]
    mixed = [HEADERS[kind], *goods]
    for number, row in enumerate(rows):
        mixed.append(row)
        if row.count(b'"') % 2 or number % 10 == 0:
            goods.append(good_row(kind, GOODS + number))
            mixed.append(goods[-1])
    return b"".join(mixed), b"".join([HEADERS[kind], *goods])


# -- trials


class Fuzz:
    """All cases of a seed, and what came of their rows."""

    def __init__(self, own: Desk, seed: int) -> None:
        self.desk = own
        self.seed = seed
        self.counts: Counter[str] = Counter()

    def run(self, first: int, last: int) -> bool:
        """The cases from `first` up to `last`; whether nothing differed."""
        sound = True
        for start in range(first - first % AT_ONCE, last, AT_ONCE):
            block = range(max(start, first), min(start + AT_ONCE, last))
            rows = [number for number in block if not is_file(number)]
            if rows and self.rows(rows):
                sound = False
                self.find(rows)
            for number in filter(is_file, block):
                sound &= self.one(number)
        return sound

    def find(self, rows: Sequence[int]) -> None:
        """Which case of a file it is; where none fails alone, the fewest after one another."""
        if min(self.one(number) for number in rows):  # says all that fail
            while len(rows) > 1:
                half = len(rows) // 2
                failing = [part for part in (rows[:half], rows[half:]) if self.rows(part)]
                if not failing:
                    break
                rows = failing[0]
            said = "\n".join([*self.rows(rows), f"  {self.command(rows[0], rows[-1])}"])
            print(f"cases {rows[0]} to {rows[-1]} together: {said}")

    def one(self, number: int, table: bool = False) -> bool:
        """A case alone; says what differed, and the command."""
        if table:
            faults = self.table(number)
        else:
            faults = self.file(number) if is_file(number) else self.rows([number])
        if faults:
            make = table_of if table else file_of if is_file(number) else row_of
            said = "\n".join([repr(make(self.seed, number)), *faults])
            more = " --table" if table else ""
            print(f"case {number}: {said}\n  {self.command(number)}{more}", flush=True)
        return not faults

    def command(self, first: int, last: int | None = None) -> str:
        upto = "" if last is None else f" --upto {last}"
        return f"python tests/fuzz.py --seed {self.seed} --only {first}{upto}"

    def rows(self, numbers: Sequence[int]) -> list[str]:
        """What differed, of rows in one file."""
        kind = kind_of(numbers[0])
        data, alone = batch(kind, [row_of(self.seed, number) for number in numbers])
        return self.faults(kind, data, alone)

    def file(self, number: int) -> list[str]:
        kind = kind_of(number)
        return self.faults(kind, file_of(self.seed, number))

    def table(self, number: int) -> list[str]:
        return self.faults("earnings", table_of(self.seed, number), name="hostile.parquet")

    def faults(
        self, kind: str, data: bytes, alone: bytes = b"", name: str = "hostile.csv"
    ) -> list[str]:
        """What differed; the good rows, in `alone` without the others, are looked at by name."""
        try:
            came = self.desk.judge(kind, data, name, twice=True)
            found = list(came.faults(kind, data if name.endswith(".csv") else None, name))
        except (Exception, pl.exceptions.PanicException):
            return [traceback.format_exc()]
        if alone:
            firm = [row for row in came.prints if row[0].startswith("firm-")]
            expected = sorted(row.prints for row in letter.read(kind, alone, DECIMALS))
            if firm != expected:
                found.append(f"good rows came to something else: {set(firm) ^ set(expected)}")
        self.count(came)
        return found

    def count(self, came: Came) -> None:
        if not came.imported:
            self.counts["files refused"] += 1
            return
        self.counts["accepted"] += came.imported.accepted
        self.counts["duplicate"] += came.imported.duplicate
        self.counts.update(str(each.code) for each in came.refusals)


@cache
def _tables() -> tuple[bytes, ...]:
    """Parquet files of four earnings, in different encodings."""
    rows = {name: [f"{name}-{n}" for n in range(4)] for name in REQUIRED_OF_EARNINGS}
    rows |= {"occurred_at": ["2026-01-05"] * 4, "amount": ["1.50"] * 4, "currency": ["USD"] * 4}
    frame = pl.DataFrame(rows).with_columns(
        note=pl.Series([[1], [], None, [2, 3]]), on=pl.Series([0, 1, None, 20_458]).cast(pl.Date)
    )
    found = []
    for compression in ("uncompressed", "zstd", "snappy"):
        out = io.BytesIO()
        frame.write_parquet(out, compression=compression)
        found.append(out.getvalue())
    return tuple(found)


def table_of(seed: int, number: int) -> bytes:
    chance = Random(f"table {seed} {number}")
    data = bytearray(chance.choice(_tables()))
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--only", type=int, metavar="N", help="this case alone")
    parser.add_argument("--upto", type=int, metavar="M", help="with --only: cases N to M together")
    parser.add_argument("--table", action="store_true", help="a Parquet file, changed")
    given = parser.parse_args(words)
    with desk() as own:
        fuzz = Fuzz(own, given.seed)
        if given.upto is not None:
            block = [n for n in range(given.only, given.upto + 1) if not is_file(n)]
            said = fuzz.rows(block)
            print("\n".join(said))
            sound = not said
        elif given.only is not None:
            sound = fuzz.one(given.only, given.table)
        elif given.table:
            sound = min(fuzz.one(number, True) for number in range(given.cases))
        else:
            sound = fuzz.run(0, given.cases)
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(fuzz.counts.items()))
    print(f"{given.cases if given.only is None else 1:,} cases, {peak_megabytes()} MB: {told}")
    return int(not sound)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
