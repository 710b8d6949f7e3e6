"""Shares that wait on the disk for their bucket, each column as narrow as its values."""

from pathlib import Path

import numpy as np

from commission_engine.calendar import Ints
from commission_engine.decide.buckets import SHARES, Shares
from commission_engine.problems import CommissionError

_HINT = "Nothing was kept. Make room or name a folder elsewhere, then run the same command again."


class SpillOnDisk:
    """One file a bucket: pieces, each a head (rows, then bytes a value of each column) and the
    columns one after the other. Only ever read by the process that wrote it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._names: tuple[str, ...] = SHARES

    def add(self, bucket: int, shares: Shares) -> None:
        self._names = tuple(shares)
        head = [len(shares["event"]), *(values.itemsize for values in shares.values())]
        try:
            with self._path(bucket).open("ab") as file:
                file.write(np.array(head, np.int64).tobytes())
                for values in shares.values():
                    file.write(np.ascontiguousarray(values).data)
        except OSError as why:
            raise CommissionError(f"{self._folder}: {why.strerror or why}", _HINT) from why

    def taken(self, bucket: int) -> Shares:
        path = self._path(bucket)
        data = path.read_bytes() if path.exists() else b""
        parts: dict[str, list[Ints]] = {name: [np.zeros(0, np.int8)] for name in self._names}
        place, size = 0, 8 * (1 + len(self._names))
        while place < len(data):
            rows, *widths = np.frombuffer(data, np.int64, size // 8, place).tolist()
            place += size
            for name, width in zip(self._names, widths, strict=True):
                parts[name].append(np.frombuffer(data, f"i{width}", rows, place))
                place += rows * width
        path.unlink(missing_ok=True)
        return {name: np.concatenate(columns) for name, columns in parts.items()}

    def _path(self, bucket: int) -> Path:
        return self._folder.joinpath(f"{bucket}.shares")
