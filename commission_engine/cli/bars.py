"""Bars on a terminal: what is under way, how far it is, and how long it will take."""

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from commission_engine.cli.common import talk


class Bars:
    """On a terminal what is under way, how far it is, and how long it will take; else nothing."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("[dim]{task.description}[/]"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=talk,
            transient=True,
            disable=not talk.is_terminal or talk.quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def begin(self, name: str) -> None:
        self.end(name)
        self._tasks[name] = self._progress.add_task(name, total=None, said="")

    def advance(self, name: str, done: int, of: int, said: str) -> None:
        if name not in self._tasks:
            self.begin(name)
        self._progress.update(self._tasks[name], completed=done, total=max(of, 1), said=said)

    def end(self, name: str) -> None:
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
