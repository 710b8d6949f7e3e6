"""How people and lines are called towards one affiliate, who may not know them.

Whom he brought himself he reads of by name, as in his statements; those below by a pseudonym that
stays the same for him and says nothing to anybody else. The ids of other people's orders he never
reads, so his lines have references of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from commission_engine.book.reader_lines import Line
from commission_engine.calendar import date_of
from commission_engine.publish.ids import pseudonym

_DIGITS = "0123456789abcdefghijklmnopqrstuv"


@dataclass(frozen=True, slots=True)
class Callings:
    """The callings of one reader in a programme; `names` are those of whom he has referred, by
    number."""

    programme: str
    reader_id: str
    names: Mapping[int, str]
    masked: bool = False
    """For eyes that see no names, not even those that the reader sees."""
    key: bytes = field(default=b"", repr=False)
    """That of pseudonyms, so that pages and statements call everybody the same."""

    def of(self, number: int, affiliate_id: str, level: int) -> str:
        """Of somebody so many levels below the reader."""
        if level == 0:
            return "you"
        if level > 1:
            return self.hidden(affiliate_id)
        return self.direct(affiliate_id, self.names.get(number, ""))

    def direct(self, affiliate_id: str, name: str) -> str:
        """Of somebody whom the reader has referred himself. An id that is an address is none of
        his business."""
        said = "" if self.masked else " ".join(name.split())
        return said or (self.hidden(affiliate_id) if "@" in affiliate_id else affiliate_id)

    def hidden(self, affiliate_id: str) -> str:
        return "#" + pseudonym(self.programme, self.reader_id, affiliate_id, self.key)

    def reference(self, line_id: str) -> str:
        """Of one of the reader's lines: 60 bits of a hash."""
        parts = (self.programme, self.reader_id, line_id)
        text = "line" + "".join(f"{len(part)}:{part}" for part in parts)
        number = int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 4
        return "ln-" + "".join(_DIGITS[number >> shift & 31] for shift in range(55, -1, -5))

    def address(self, line: Line) -> str:
        """Where the page of a line is, below that of all lines."""
        return f"{date_of(line.run_day).isoformat()}/{self.reference(line.line_id)}"
