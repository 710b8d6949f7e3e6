"""What an import makes of files by the letter of docs/files.md, in plain Python, row by row.

It shares no code with the program; what both say of the same bytes is compared. The book is
empty, and all files of an import are CSV.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

MOST = 1 << 20
"""Bytes of a row."""

REQUIRED = {
    "affiliates": ("affiliate_id",),
    "referrals": ("affiliate_id", "referrer_id"),
    "earnings": ("event_id", "affiliate_id", "occurred_at", "amount", "currency"),
}
OPTIONAL = {
    "affiliates": ("name", "email", "country", "locale", "status"),
    "referrals": ("since",),
    "earnings": ("reverses",),
}
OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"PK\x03\x04", b"\x1f\x8b", b"PAR1")

CODES = (
    "malformed_row",
    "bad_id",
    "bad_amount",
    "bad_timestamp",
    "bad_status",
    "unknown_currency",
    "amount_out_of_range",
    "too_many_decimals",
    "conflict",
    "unknown_order",
    "reversal_mismatch",
    "reversal_before_order",
    "positive_reversal",
    "reversal_exceeds_order",
    "self_referral",
    "second_referrer",
    "cycle",
)


class NoFile(ValueError):
    """The file is refused whole."""


@dataclass
class Row:
    """A row with its verdict: "accepted", "duplicate", or the code it is refused with.

    `prints` is how its values are printed, of rows that are not refused.
    """

    line: int
    raw: bytes
    fields: dict[str, str] = field(default_factory=dict)
    extra: str | None = None
    verdict: str = ""
    prints: tuple[str, ...] = ()


def read(kind: str, data: bytes, decimals: Mapping[str, int]) -> list[Row]:
    """The rows of one file with their verdicts; NoFile if it is refused."""
    rows = list(_rows(kind, data))
    for row in rows:
        row.verdict = row.verdict or _form(kind, row, decimals)
    sound = [row for row in rows if not row.verdict]
    {"affiliates": _affiliates, "referrals": _referrals, "earnings": _earnings}[kind](sound)
    return rows


# -- bytes


def _rows(kind: str, data: bytes) -> Iterator[Row]:
    if data.startswith(OTHER_MARKS):
        raise NoFile("not text")
    at, line = len(b"\xef\xbb\xbf") if data.startswith(b"\xef\xbb\xbf") else 0, 1
    names: list[str] | None = None
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        if data[at:end] in (b"", b"\r"):
            at, line = end + 1, line + 1
            continue
        found = _record(data, at)
        texts = _texts(found[0]) if found else None
        if names is None:
            if not found or texts is None:
                raise NoFile("the header")
            names = texts
            _check(kind, names)
        elif (
            not found or texts is None or len(texts) != len(names) or found[1] - at > MOST
        ):  # of a row that is none only the first line is taken
            yield Row(line, _stripped(data[at:end])[:MOST], verdict="malformed_row")
            at, line = end + 1, line + 1
            continue
        else:
            yield _row(kind, line, data[at : found[1]], names, texts)
        line += 1 + data.count(b"\n", at, found[1])
        end = data.find(b"\n", found[1])
        at = len(data) if end < 0 else end + 1
    if names is None:
        raise NoFile("empty")


def _record(data: bytes, at: int) -> tuple[list[bytes], int] | None:
    """The fields of the record that begins here and where it ends (before its line end)."""
    fields: list[bytes] = []
    while True:
        if data[at : at + 1] == b'"':
            value, at = b"", at + 1
            while True:
                quote = data.find(b'"', at)
                if quote < 0:
                    return None
                value, at = value + data[at:quote], quote + 1
                if data[at : at + 1] != b'"':
                    break
                value, at = value + b'"', at + 1
        else:
            stop = at
            while stop < len(data) and data[stop] not in b'",\r\n':
                stop += 1
            value, at = data[at:stop], stop
        fields.append(value)
        after = data[at : at + 2]
        if after in (b"", b"\r", b"\r\n") or after[:1] == b"\n":
            return fields, at
        if after[:1] != b",":
            return None
        at += 1


def _texts(fields: Sequence[bytes]) -> list[str] | None:
    try:
        return [value.decode() for value in fields]
    except UnicodeDecodeError:
        return None


def _stripped(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _check(kind: str, names: Sequence[str]) -> None:
    times = Counter(names)
    if len(names) > 1000:
        raise NoFile("too many columns")
    if any(times[name] > 1 for name in REQUIRED[kind] + OPTIONAL[kind]):
        raise NoFile("doubled")
    if any(times[name] == 0 for name in REQUIRED[kind]):
        raise NoFile("missing")


def _row(kind: str, line: int, raw: bytes, names: Sequence[str], texts: Sequence[str]) -> Row:
    known = REQUIRED[kind] + OPTIONAL[kind]
    values = defaultdict(list)
    for name, text in zip(names, texts, strict=True):
        values[name].append(text)
    unknown = {
        name: found if len(found) > 1 else found[0]
        for name, found in sorted(values.items())
        if name not in known
    }
    fields = {name: values[name][0] if name in values else "" for name in known}
    extra = json.dumps(unknown, ensure_ascii=False, separators=(",", ":")) if unknown else None
    return Row(line, raw, fields, extra)


# -- one row


def _form(kind: str, row: Row, decimals: Mapping[str, int]) -> str:
    """The first fault in rank; sets how the row prints."""
    if kind == "earnings":
        return _form_of_earning(row, decimals)
    if kind == "referrals":
        child, parent, since = (row.fields[n] for n in ("affiliate_id", "referrer_id", "since"))
        instant = _instant(since) if since else datetime.min.replace(tzinfo=UTC)
        row.prints = (child, parent, printed(instant) if since and instant else "")
        if not (_is_id(child) and _is_id(parent)):
            return "bad_id"
        return "" if instant else "bad_timestamp"
    who, *about, status = (row.fields[n] for n in REQUIRED[kind] + OPTIONAL[kind])
    row.prints = (who, *about, status or "active", row.extra or "")
    if any("\x00" in text for text in about):
        return "malformed_row"
    if not _is_id(who):
        return "bad_id"
    return "" if status in ("", "active", "suspended", "closed") else "bad_status"


def _form_of_earning(row: Row, decimals: Mapping[str, int]) -> str:
    event, who, when, amount, currency, reverses = row.fields.values()
    if not (_is_id(event) and _is_id(who) and (not reverses or _is_id(reverses))):
        return "bad_id"
    form = re.fullmatch(r"-?([0-9]+)(\.([0-9]+))?", amount, re.ASCII)
    if not form:
        return "bad_amount"
    instant = _instant(when)
    if not instant:
        return "bad_timestamp"
    if currency not in decimals:
        return "unknown_currency"
    places = decimals[currency]
    exact = Decimal(amount)
    if len(form[1]) > 15 or abs(int(form[1])) * 10**places >= 10**18:
        return "amount_out_of_range"
    if len(form[3] or "") > places:
        return "too_many_decimals"
    # Zero has no sign in a book.
    plain = f"{exact if exact else abs(exact):.{places}f}"
    row.prints = (event, who, printed(instant), plain, currency, reverses)
    return ""


def _is_id(text: str) -> bool:
    return 1 <= len(text) <= 64 and all(unicodedata.category(sign) != "Cc" for sign in text)


_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?"
    r"(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)


def _instant(text: str) -> datetime | None:
    found = _INSTANT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(found[n] or 0) for n in range(1, 7))
    offset_hours, offset_minutes = int(found[10] or 0), int(found[11] or 0)
    if offset_hours > 23 or offset_minutes > 59:
        return None
    east = timedelta(hours=offset_hours, minutes=offset_minutes)
    zone = timezone(-east if found[9] == "-" else east)
    micros = int((found[7] or "").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def printed(instant: datetime) -> str:
    """An instant as the program prints it: in UTC, with six decimals or none."""
    return instant.replace(tzinfo=None).isoformat() + "Z"


# -- rows among each other


def _settle(rows: Sequence[Row], key: str, code: str, content: int = 1) -> list[Row]:
    """Refuse rows that share their key with other content; the first ones of the others."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.fields[key]].append(row)
    first = []
    for group in groups.values():
        if len({row.prints[content:] for row in group}) > 1:
            for row in group:
                row.verdict = code
        else:
            first.append(group[0])
    return first


def _follow(rows: Sequence[Row], key: str, first: Sequence[Row]) -> None:
    """Copies are duplicates of an accepted row, and refused with a refused one."""
    verdicts = {row.fields[key]: row for row in first}
    for row in rows:
        one = verdicts.get(row.fields[key])
        if one is row:
            row.verdict = row.verdict or "accepted"
        elif one:
            row.verdict = "duplicate" if one.verdict == "accepted" else one.verdict


def _affiliates(rows: Sequence[Row]) -> None:
    _follow(rows, "affiliate_id", _settle(rows, "affiliate_id", "conflict"))


def _referrals(rows: Sequence[Row]) -> None:
    own = [row for row in rows if row.prints[0] == row.prints[1]]
    for row in own:
        row.verdict = "self_referral"
    others = [row for row in rows if not row.verdict]
    referrers: dict[str, set[str]] = defaultdict(set)
    for row in others:
        referrers[row.prints[0]].add(row.prints[1])
    for row in others:
        if len(referrers[row.prints[0]]) > 1:
            row.verdict = "second_referrer"
    others = [row for row in others if not row.verdict]
    first = _settle(others, "affiliate_id", "conflict")
    above = {row.prints[0]: row for row in first}
    done: set[str] = set()
    for start in above:
        path: list[str] = []
        at = start
        while at in above and at not in done:
            done.add(at)
            path.append(at)
            at = above[at].prints[1]
        if at in path:
            for name in path[path.index(at) :]:
                above[name].verdict = "cycle"
    _follow(others, "affiliate_id", first)


def _earnings(rows: Sequence[Row]) -> None:
    first = _settle(rows, "event_id", "conflict")
    orders = {row.prints[0]: row for row in first if not row.prints[5]}
    left = {name: Decimal(row.prints[3]) for name, row in orders.items()}
    reversals = [row for row in first if row.prints[5]]
    for row in sorted(reversals, key=lambda row: (_when(row), row.prints[0].encode())):
        order = orders.get(row.prints[5])
        amount = Decimal(row.prints[3])
        if not order:
            row.verdict = "unknown_order"
        elif (row.prints[1], row.prints[4]) != (order.prints[1], order.prints[4]):
            row.verdict = "reversal_mismatch"
        elif _when(row) < _when(order):
            row.verdict = "reversal_before_order"
        elif amount >= 0:
            row.verdict = "positive_reversal"
        elif left[row.prints[5]] + amount < 0:
            row.verdict = "reversal_exceeds_order"
        else:
            left[row.prints[5]] += amount
    _follow(rows, "event_id", first)


def _when(row: Row) -> datetime:
    return datetime.fromisoformat(row.prints[2])
