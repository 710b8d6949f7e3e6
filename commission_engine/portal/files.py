"""Files of the programme for its staff: each is proved by its SHA-256 before it is sent."""

import os
from base64 import b64encode
from collections.abc import Iterator
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from commission_engine.portal.access import Asked, Nothing
from commission_engine.problems import OutOfBalance

PIECE = 1 << 18
TYPES = {
    ".csv": "text/csv; charset=utf-8", ".json": "application/json", ".pdf": "application/pdf",
    ".xml": "application/xml", ".jsonl": "application/x-ndjson",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip


def proved(asked: Asked, path: Path, sha256: str) -> Response:
    """The file as an attachment, if its bytes are those of this hash; else it is refused, with an
    alarm. Nothing where there is no such file on this machine."""
    file = opened(path)
    digest = file_digest(file, "sha256")
    if digest.hexdigest() != sha256:
        file.close()
        asked.portal.alarm("refused a changed file", f"{path.parent.name}/{path.name}")
        raise OutOfBalance(
            f"{path.name} is not as it was written",
            "It is not sent. Find out who changed it, and use nothing from it.",
        )
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    asked.portal.note(asked.visitor.who, "downloaded", f"{path.parent.name}/{path.name}")
    headers = {
        "Content-Disposition": f'attachment; filename="{path.name}"',
        "Content-Length": str(size),
        "Repr-Digest": f"sha-256=:{b64encode(digest.digest()).decode()}:",
    }
    kind = TYPES.get(path.suffix, "application/octet-stream")
    return StreamingResponse(_pieces(file), headers=headers, media_type=kind)


def opened(path: Path) -> BufferedReader:
    """A plain file to read, not by way of a link; Nothing where there is none."""
    try:
        return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError:
        raise Nothing from None


def _pieces(file: BufferedReader) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
