"""The entry of the program: signals first, then everything else.

A signal ends the program with "try again later" at any moment, also while it still loads; what
was not committed never happened.
"""

import signal
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any

from commission_engine.problems import CommissionError, Exit, TryAgain


class Stopped(BaseException):
    """A signal came. No library that catches Exception may take it for its own."""


def main() -> None:
    """Run `commission`; ends the process with one of the exit codes of `problems.Exit`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        program()()
    except Stopped as why:
        hint = "Nothing half done stays; run the same command again."
        _end(TryAgain(str(why), hint))
    except CommissionError as why:
        _end(why)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has enough
        sys.exit(Exit.DONE)
    except OSError as why:
        where = why.filename or "the output"
        _end(CommissionError(f"{where}: {why.strerror}", "Nothing half done was kept."))
    except Exception:
        import traceback

        traceback.print_exc()
        _end(
            CommissionError(
                "this should not have happened; nothing half done was kept",
                "Run `commission verify`, and report the lines above.",
            )
        )


@cache
def program() -> Any:
    """All commands, put together once: those of the engine, and of the package that starts it by
    itself."""
    from commission_engine.cli import app, command

    try:
        from jobs.command import schedule
    except ImportError as why:
        app.command("schedule")(_missing(str(why)))
    else:
        app.command("schedule")(schedule)
    return command()


def _missing(fault: str) -> Callable[[], None]:
    """In the place of a command that cannot be loaded; the others do not need it."""

    def schedule() -> None:
        raise CommissionError(
            f"`commission schedule` cannot be loaded: {fault}",
            "Is another package called `jobs` installed? Install commission-engine by itself.",
        )

    return schedule


def _end(why: CommissionError) -> None:
    if not why.told:
        sys.stderr.write(f"error: {why.message}\n" + (f"{why.hint}\n" if why.hint else ""))
    sys.exit(why.exit_code)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped("stopped by a signal")


if __name__ == "__main__":
    main()
