"""Bytes of a CSV file -> rows, after RFC 4180, a stretch at a time.

Two readers that agree. The bulk one answers for all lines at once which of them are sound beyond
doubt, and Polars parses those; every other line goes to the careful one (`one_row.fields_of`).

A line ends with LF or CRLF. Of a malformed row only its first physical line is taken, so that one
stray quote does not swallow the good rows after it.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from commission_engine.ingest.one_row import MAX_ROW, Malformed, fields_of, too_long

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_LF, _CR, _QUOTE, _COMMA = b'\n\r",'


@dataclass(slots=True)
class Scanned:
    """What a stretch of bytes holds; positions count from its first byte, lines from 0.

    `bulk` are the rows sound beyond doubt, each ended by LF, for Polars to parse; `starts`,
    `stops` and `lines` are theirs, shaped (rows,). `careful` are the others (start, stop, line,
    fields), `broken` the malformed ones (start, stop, line, message). `taken` bytes and `passed`
    lines are done with; what follows them needs more bytes to be understood.
    """

    taken: int
    passed: int
    bulk: bytes
    starts: Ints
    stops: Ints
    lines: Ints
    careful: list[tuple[int, int, int, list[str]]] = field(default_factory=list)
    broken: list[tuple[int, int, int, str]] = field(default_factory=list)

    @classmethod
    def nothing(cls) -> "Scanned":
        none = np.empty(0, np.int64)
        return cls(0, 0, b"", none, none, none)

    @classmethod
    def only_broken(cls, taken: int, stop: int) -> "Scanned":
        """One line of `taken` bytes that is longer than a row may be; without its end, `stop`."""
        found = cls.nothing()
        found.taken, found.passed = taken, 1
        found.broken.append((0, stop, 0, too_long(stop)))
        return found

    def shift(self, offset: int, line: int) -> None:
        """Count positions from `offset` bytes before the first and lines from `line`."""
        self.starts, self.stops = self.starts + offset, self.stops + offset
        self.lines = self.lines + line
        self.careful = [(a + offset, z + offset, n + line, row) for a, z, n, row in self.careful]
        self.broken = [(a + offset, z + offset, n + line, why) for a, z, n, why in self.broken]


def scan(data: bytes, width: int, last: bool) -> Scanned:
    """Find the rows of `data`, which begins at the start of a line; `last`: the file ends here."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == _LF)
    if last and data and data[-1] != _LF:
        ends = np.append(ends, len(data))
    starts = np.concatenate((np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1))
    stops = ends - ((ends > starts) & (raw[ends - 1] == _CR)) if len(ends) else ends
    quotes = np.flatnonzero(raw == _QUOTE) if b'"' in data else np.empty(0, np.int64)
    per_line = np.diff(np.searchsorted(quotes, ends), prepend=0)
    sound = sound_lines(raw, starts, stops, ends, quotes, per_line, width)
    if not data.isascii():
        sound &= _decodable(data, raw, starts, stops, ends)
    blank = stops == starts
    found = Scanned(0, len(ends), b"", starts, stops, ends)
    bulk = sound & ~blank
    # An odd number of quotes leaves a field open. A row that is too long never joins another.
    odd = np.flatnonzero((per_line % 2 == 1) & (stops - starts <= MAX_ROW))
    _read_carefully(data, width, last, found, np.flatnonzero(~sound & ~blank), odd, bulk)
    bulk[found.passed :] = False
    found.taken = int(ends[found.passed - 1]) + 1 if found.passed else 0
    found.bulk = _joined(data, starts, ends, bulk)
    found.lines = np.flatnonzero(bulk)
    found.starts, found.stops = starts[bulk], stops[bulk]
    return found


def _read_carefully(
    data: bytes, width: int, last: bool, found: Scanned, doubtful: Ints, odd: Ints, bulk: Bools
) -> None:
    """Fill `careful` and `broken`; stop at a row whose end is not in `data` yet."""
    starts, stops = found.starts, found.stops
    is_odd = np.isin(doubtful, odd)
    closing = np.append(odd, -1)[np.searchsorted(odd, doubtful, side="right")]
    free = 0
    for number, opens, end in zip(
        doubtful.tolist(), is_odd.tolist(), closing.tolist(), strict=True
    ):
        if number < free:
            continue
        start, until = int(starts[number]), number
        if opens and end >= 0 and stops[end] - start <= MAX_ROW:
            until = end
        elif opens and end < 0 and not last and len(data) - start <= MAX_ROW + 2:
            found.passed = number
            return
        stop = int(stops[until])
        try:
            fields = fields_of(data[start:stop], width)
        except Malformed as fault:
            found.broken.append((start, int(stops[number]), number, str(fault)))
        else:
            found.careful.append((start, stop, number, fields))
            bulk[number : until + 1] = False
            free = until + 1


def sound_lines(
    raw: Bytes,
    starts: Ints,
    stops: Ints,
    ends: Ints,
    quotes: Ints,
    per_line: Ints,
    width: int,
) -> Bools:
    """Which lines are, read on their own, whole rows of `width` fields (encoding not looked at)."""
    commas = np.flatnonzero(raw == _COMMA)
    returns = np.flatnonzero(raw == _CR)
    returns = returns[: np.searchsorted(returns, ends[-1])] if len(ends) else returns[:0]
    returns = returns[returns < stops[np.searchsorted(ends, returns)]]
    sound = stops - starts <= MAX_ROW
    if len(quotes):
        sound &= _well_quoted(raw, starts, stops, ends, quotes, per_line)
        # Balanced lines only: there, a sign is inside quotes if an odd number of quotes precede.
        before = np.concatenate(([0], np.cumsum(per_line)))
        commas = _outside(commas, ends, quotes, before)
        returns = _outside(returns, ends, quotes, before)
    sound &= np.diff(np.searchsorted(commas, ends), prepend=0) == width - 1
    sound[np.searchsorted(ends, returns)] = False
    return sound


def _outside(signs: Ints, ends: Ints, quotes: Ints, before: Ints) -> Ints:
    inside = (np.searchsorted(quotes, signs) - before[np.searchsorted(ends, signs)]) % 2 == 1
    outside: Ints = signs[~inside]
    return outside


def _well_quoted(
    raw: Bytes, starts: Ints, stops: Ints, ends: Ints, quotes: Ints, per_line: Ints
) -> Bools:
    """Which lines have quotes only where RFC 4180 has them.

    Taken in turn, a quote opens, the next closes. One opens after a comma, at the start of the
    line or right after one that closed (a doubled quote); one closes before a comma, at the end
    of the line or right before one that opens.
    """
    quotes = quotes[: int(per_line.sum())]
    line = np.repeat(np.arange(len(ends)), per_line)
    turn = np.arange(len(quotes)) - np.repeat(np.cumsum(per_line) - per_line, per_line)
    opens = turn % 2 == 0
    first, final = quotes == starts[line], quotes + 1 == stops[line]
    ahead = raw[np.maximum(quotes - 1, 0)]
    after = raw[np.minimum(quotes + 1, len(raw) - 1)]
    right = np.where(
        opens,
        first | (ahead == _COMMA) | ((turn > 0) & (ahead == _QUOTE)),
        final | (after == _COMMA) | (after == _QUOTE),
    )
    sound: Bools = per_line % 2 == 0
    sound[line[~right]] = False
    return sound


def _decodable(data: bytes, raw: Bytes, starts: Ints, stops: Ints, ends: Ints) -> Bools:
    """Which lines are UTF-8."""
    good = np.ones(len(ends), np.bool_)
    whole = int(ends[-1]) if len(ends) else 0
    try:
        data[:whole].decode()
    except UnicodeDecodeError:
        for line in np.unique(np.searchsorted(ends, np.flatnonzero(raw[:whole] >= 0x80))).tolist():
            try:
                data[starts[line] : stops[line]].decode()
            except UnicodeDecodeError:
                good[line] = False
    return good


def _joined(data: bytes, starts: Ints, ends: Ints, chosen: Bools) -> bytes:
    """The chosen lines, one after the other, each ended by one LF."""
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    view = memoryview(data)
    runs = [
        view[starts[first] : ends[past - 1] + 1]
        for first, past in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
    joined = b"".join(runs)
    if joined and joined[-1] != _LF:
        joined += b"\n"
    return joined.replace(b"\r\n", b"\n") if b"\r" in joined else joined
