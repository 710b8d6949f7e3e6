"""Commands of `commission` in processes of their own: one that dies takes nobody with it."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

from commission_engine.problems import Exit
from jobs.book import scratch

PATIENCE = 10
"""Seconds that a command has to end once it was told to; it needs none of them to be safe."""


class Commands:
    """Carries out one command at a time; `stop` ends it, from another thread too."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._change = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def __call__(self, words: Sequence[str]) -> int:
        """The exit code; minus the number of the signal that ended it."""
        with scratch() as (folder, keeper):
            with self._change:
                if self._stopped:
                    return Exit.TRY_AGAIN
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "commission_engine", *words],
                    env={**os.environ, **self._environment, "TMPDIR": str(folder)},
                    pass_fds=(keeper,),
                )
            try:
                return self._child.wait()
            except BaseException:  # a signal: whoever ends ends its command first
                self.stop()
                raise
            finally:
                self._child = None

    def stop(self) -> None:
        """End the command that is under way, and let none begin any more."""
        with self._change:
            self._stopped = True
            child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
