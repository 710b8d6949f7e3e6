"""Long work that a page begins: the same command in a process of its own, which outlives the
portal. What it says goes into a file below `out`; as long as it runs, it holds a lock on that file.
"""

import fcntl
import os
import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from commission_engine import settings
from commission_engine.book.lock import holder
from commission_engine.portal.access import Asked, Nothing
from commission_engine.portal.files import opened
from commission_engine.portal.portal import Portal
from commission_engine.problems import Locked

FOLDER = ".started"
KEPT = 500
"""So many of these files stay; older ones are of nobody's interest."""
SHOWN = 16 << 10
"""The last so many bytes of what a command says are shown."""

_NAME = re.compile(r"\d{8}T\d{6}Z-[a-z]{1,16}(-[0-9-]{1,10})?-[0-9a-f]{8}", re.ASCII)
_ENDED = re.compile(r"^\[exit (-?\d+)\]$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Started:
    """A command that was started: whether it runs still, what it has said so far, and its exit
    code (None: not known)."""

    name: str
    running: bool
    said: str
    code: int | None


def start(asked: Asked, words: Sequence[str], about: str, *, alone: bool = True) -> str:
    """Start `commission` with these words; the name to look for it by.

    Locked where somebody works on the book, unless it need not be `alone` on it. Of two that start
    at once the book's lock lets one.
    """
    held = holder(asked.portal.engine) if alone else None
    if held:
        raise Locked(
            f"the book is in use: {held.who} works on it since {held.since}",
            "Wait until it is done, then start it again.",
        )
    folder = asked.portal.out / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(folder.iterdir())[:-KEPT]:
        old.unlink()
    at = datetime.fromtimestamp(asked.portal.clock(), UTC)
    name = f"{at:%Y%m%dT%H%M%SZ}-{about}-{secrets.token_hex(4)}"
    number = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    with open(number, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"$ {shlex.join(['commission', *words])}\n".encode())
        file.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "commission_engine", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=_environment(asked),
            start_new_session=True,
        )
    waiting = Thread(target=_ends, args=(asked.portal, process, folder / name), daemon=True)
    asked.portal.at_work.add(name)
    waiting.start()
    asked.portal.note(asked.visitor.who, "started", about)
    return name


def _environment(asked: Asked) -> dict[str, str]:
    """This process's own, with the portal's book and folder: a URL may have a password, which a
    command line would show to everybody on the machine."""
    ours = {
        settings.variable_of(name): str(asked.portal.settings[name].value)
        for name in ("database", "out")
    }
    return {**os.environ, **asked.portal.environment, **ours, "COLUMNS": "120", "NO_COLOR": "1"}


def _ends(portal: Portal, process: "subprocess.Popen[bytes]", path: Path) -> None:
    code = process.wait()
    with path.open("ab") as file:
        file.write(f"[exit {code}]\n".encode())
    portal.at_work.discard(path.name)


def started(asked: Asked, name: str, most: int = SHOWN) -> Started:
    """What has become of a command, with at `most` so many bytes of what it says, the last ones.
    Nothing where there is none of this name."""
    if not _NAME.fullmatch(name):
        raise Nothing
    with opened(asked.portal.out / FOLDER / name) as file:
        running = name in asked.portal.at_work or _is_locked(file.fileno())
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        said = file.read().decode("utf-8", "replace")
    ended = _ENDED.search(said)
    return Started(name, running and not ended, said, int(ended[1]) if ended else None)


def _is_locked(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
